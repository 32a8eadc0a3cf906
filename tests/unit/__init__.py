"""What each module of the functions does by itself."""
