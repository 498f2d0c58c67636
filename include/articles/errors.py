"""Classes of a run's errors: what stays wrong fails at once and names the thing, what may pass is retried."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from pyarrow import ArrowException
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from include.core.database.errors import DatabaseRefusedError, is_transient
from include.core.database.errors import classify_errors as classify_database_errors
from include.core.errors import BadDataError, TransientError

STAYING = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of files and objects that are not as they should be."""
STAYING_STORE = (NoCredentialsError, ParamValidationError, PartialCredentialsError)
STAYING_DATABASE = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
STAYING_SQLITE = ("unable to open database", "readonly database", "is not a database", "is malformed")


@contextmanager
def classify_errors() -> Iterator[None]:
    """
    Raise errors of storage, libraries and database as one of two classes; errors that have a class stay as they are.

    Raises:
        BadDataError: a retry cannot help.
        TransientError: a retry may help.
    """
    try:
        with classify_database_errors():
            yield
    except StatementError as error:
        raise _of_database(error) from error
    except PoolTimeoutError as error:
        raise TransientError(f"no connection to the database was free: {error}") from error
    except (*STAYING, *STAYING_STORE, ArrowException) as error:
        raise BadDataError(f"{type(error).__name__}: {error}") from error
    except (OSError, BotoCoreError, ClientError) as error:
        raise TransientError(f"{type(error).__name__}: {error}") from error


def _of_database(error: StatementError) -> BadDataError | TransientError:
    if not isinstance(error, DBAPIError):  # a value that the statement does not take
        return DatabaseRefusedError(str(error.orig))
    stays = isinstance(error, STAYING_DATABASE) and not is_transient(error)
    broken = isinstance(error, DatabaseError) and any(text in str(error.orig) for text in STAYING_SQLITE)
    kind = DatabaseRefusedError if stays or broken else TransientError
    return kind(f"the database: {error.orig}")
