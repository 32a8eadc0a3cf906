"""The operator's command line and what it runs."""
