"""
Exceptions of the domain.

    BadDataError            stays wrong; the task fails at once
      DamagedObjectError    an object is not what was written
      SettingsError         a setting has a value that is not allowed
    TransientError          retried, over minutes
    NothingToDoError        not a failure; the task is skipped

Any other error is retried as well.
"""


class BadDataError(ValueError):
    """Invalid input, for which retrying cannot help: a task that raises this fails at once."""


class DamagedObjectError(BadDataError):
    """The content of a stored object is not what was written: checksum, length or format differ."""


class SettingsError(BadDataError):
    """A setting has a value that is not allowed; the message has the variable, the value, and what is expected."""


class TransientError(Exception):
    """A temporary error: the same work may succeed later."""


class NothingToDoError(Exception):
    """A step has nothing to do in this run; its task is skipped, and the message becomes the run's note."""
