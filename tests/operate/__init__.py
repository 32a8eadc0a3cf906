"""The command line, in this process: what it says, and what it refuses."""
