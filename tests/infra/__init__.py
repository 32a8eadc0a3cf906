"""Tests of the synthesised template and of the settings behind it."""
