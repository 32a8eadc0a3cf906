"""The same two functions, written the usual way.

Powertools' resolver, pydantic models by its parser, its parameters and idempotency utilities, boto3 clients
at module level, `requests` for GitHub: what the well-known templates for Lambda in Python do. They do less
than ours (one sender, no ledger, no gate, no retries of ours), so what they cost is a lower bound.
"""
