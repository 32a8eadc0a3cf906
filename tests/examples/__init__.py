"""What people copy, run as they run it."""
