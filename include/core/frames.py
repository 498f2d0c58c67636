"""Tables and matrices in the storage, written completely or not at all."""

import io
import zipfile
import zlib

import numpy as np
import pandas as pd
from scipy import sparse

from include.core.errors import DamagedObjectError
from include.core.storage import StoragePath, read_bytes, write_whole

DAMAGED = (ValueError, OSError, LookupError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)


def write_frame(path: StoragePath, frame: pd.DataFrame) -> None:
    """Write a table as Parquet; categorical columns remain categorical."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    write_whole(path, buffer.getvalue())


def read_frame(path: StoragePath, columns: list[str] | None = None) -> pd.DataFrame:
    """
    Read a table written by `write_frame`.

    Raises:
        FileNotFoundError: there is none.
        DamagedObjectError: it is not whole, or lacks a column.
    """
    data = read_bytes(path)
    try:
        return pd.read_parquet(io.BytesIO(data), columns=columns)
    except (ValueError, OSError, LookupError) as error:
        raise DamagedObjectError(f"{path} is not the table that was written: {error}") from error


def write_matrix(path: StoragePath, matrix: np.ndarray | sparse.csr_matrix) -> None:
    """Write a dense matrix or a sparse one as `.npz`."""
    buffer = io.BytesIO()
    if sparse.issparse(matrix):
        sparse.save_npz(buffer, sparse.csr_matrix(matrix), compressed=False)
    else:
        np.savez(buffer, dense=matrix)
    write_whole(path, buffer.getvalue())


def read_matrix(path: StoragePath) -> np.ndarray | sparse.csr_matrix:
    """
    Read a matrix written by `write_matrix`.

    Raises:
        FileNotFoundError: there is none.
        DamagedObjectError: it is not whole.
    """
    data = read_bytes(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if "dense" in arrays:
                return arrays["dense"]
        return sparse.csr_matrix(sparse.load_npz(io.BytesIO(data)))
    except DAMAGED as error:
        raise DamagedObjectError(f"{path} is not the matrix that was written: {error}") from error
