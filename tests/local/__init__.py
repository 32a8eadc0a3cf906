"""Tests of the parts of a local run."""
