"""
The exceptions of the domain.

    BadDataError            stays wrong; the task fails at once
      DamagedObjectError    an object is not what was written
      SettingsError         a setting has a value that is not allowed
    TransientError          passes by itself; retried, over minutes
    NothingToDoError        no failure; the task is skipped

Any other error is retried.
"""


class BadDataError(ValueError):
    """Input that is wrong and stays wrong: a task that raises it fails at once instead of being retried."""


class DamagedObjectError(BadDataError):
    """A stored object does not have the content that was written (checksum, length or format differ)."""


class SettingsError(BadDataError):
    """A setting has a value that is not allowed; the message names variable, value and what is allowed."""


class TransientError(Exception):
    """Trouble that passes by itself: the same work may succeed in a while."""


class NothingToDoError(Exception):
    """A step has nothing to do in this run: its task is skipped, with the message as the note of the run."""
