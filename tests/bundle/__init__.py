"""Tests of what goes into the functions' bundles."""
