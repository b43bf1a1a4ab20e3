"""The error that a person can act on."""


class UserError(Exception):
    """Something a person can mend. The message says what was wrong, where, and what would be right."""
