"""Tests, from single functions to the deployed stack."""
