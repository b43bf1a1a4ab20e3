"""The errors that a user can fix."""


class UserError(Exception):
    """An error that a user can fix. The message says what is wrong, where, and what would be right."""


class UnusableImageError(Exception):
    """An image that cannot be used. The message is the reason for the manifest's quarantine list."""


class OtherVersionError(UserError):
    """A file is intact, but of another version of fabgan, which builds other networks."""


class WorkerKilledError(UserError):
    """A worker process was killed, perhaps because memory ran out. The same work may well succeed when tried again."""
