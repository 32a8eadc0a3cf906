"""Benchmarks: what the functions cost, measured so that anybody can do it again (docs/performance.md)."""
