"""The errors that a person can act on."""


class UserError(Exception):
    """Something a person can mend. The message says what was wrong, where, and what would be right."""


class OtherVersionError(UserError):
    """What was read is whole, but of another version of fabgan, which builds other networks."""
