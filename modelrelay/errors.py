"""What goes wrong for a person at the command line."""


class CommandError(Exception):
    """The command can't go on. The text says what is wrong and what to do; no traceback is shown."""
