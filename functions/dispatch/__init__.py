"""Takes deliveries off the queue and starts their GitHub workflows."""
