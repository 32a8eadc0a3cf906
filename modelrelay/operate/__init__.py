"""What operators do to a deployed pipeline; the commands are thin above it."""
