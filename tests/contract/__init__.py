"""The project's HTTP traffic held against GitHub's own description of its API."""
