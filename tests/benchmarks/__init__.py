"""Tests of the benchmarks' models: what they say of others must be what the others do."""
