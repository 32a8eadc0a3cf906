"""From a webhook to the queue."""
