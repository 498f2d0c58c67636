"""The exception tree of the domain: errors that another try cannot mend, and the one for settings."""


class BadDataError(ValueError):
    """Input that is wrong and stays wrong: a task that raises it fails at once instead of being retried."""


class DamagedObjectError(BadDataError):
    """A stored object does not have the content that was written (checksum, length or format differ)."""


class SettingsError(BadDataError):
    """A setting has a value that is not allowed; the message names variable, value and what is allowed."""
