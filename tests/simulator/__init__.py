"""The simulated GitHub as a client meets it: over HTTP, on this machine."""
