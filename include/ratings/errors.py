"""Errors of the ratings workflow.

BadDataError
  UnknownVersionError     a version of the training table or of a model that does not exist
  BadRowsError            rows of a request or file that do not have the expected form
LookupError
  UnknownPredictionError  a prediction that does not exist
"""

from include.core.errors import BadDataError


class UnknownVersionError(BadDataError):
    """The version asked for does not exist."""


class BadRowsError(BadDataError):
    """Rows do not have the expected form."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        """Take (index from 0, reason) of each bad row, at least one."""
        self.errors = errors
        index, reason = errors[0]
        super().__init__(f"row {index}: {reason}")


class UnknownPredictionError(LookupError):
    """The prediction file, or the line in it, does not exist."""
