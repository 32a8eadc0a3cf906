"""Accepts a webhook, verifies it and puts it on the queue."""
