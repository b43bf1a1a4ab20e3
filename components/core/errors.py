"""The errors that a user can fix."""

NO_MEMORY = "can't allocate memory", "out of memory"
"""What torch says in a RuntimeError, on a CPU and on a GPU."""


class UserError(Exception):
    """An error that a user can fix. The message says what is wrong, where, and what would be right."""


class UnusableImageError(Exception):
    """An image that cannot be used. The message is the reason for the manifest's quarantine list."""


class OtherVersionError(UserError):
    """A file is intact, but of another version of fabgan, which builds other networks."""


class WorkerKilledError(UserError):
    """A worker process was killed, perhaps because memory ran out. The same work may well succeed when tried again."""


def is_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that there is not enough memory."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return said or isinstance(error, MemoryError)
