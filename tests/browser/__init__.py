"""Tests of the pages that people open, in a real browser."""
