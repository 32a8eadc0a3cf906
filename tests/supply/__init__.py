"""Tests of what the project is made of, and of how it is built and released."""
