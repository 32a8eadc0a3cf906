"""From the queue to a workflow run."""
