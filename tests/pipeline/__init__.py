"""Tests of the deployed stack on the embedded AWS."""
