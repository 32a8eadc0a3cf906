"""Audits that take longer than a test may: `make audit` runs them."""
