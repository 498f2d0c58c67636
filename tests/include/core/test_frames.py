import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from include.core.errors import DamagedObjectError
from include.core.frames import read_frame, read_matrix, write_frame, write_matrix


def test_a_table_comes_back_with_its_types(tmp_path):
    frame = pd.DataFrame(
        {
            "text": ["a", None, "c"],
            "group": pd.Categorical(["x", "y", "x"]),
            "at": pd.to_datetime(["2026-01-01T00:00:00.123Z"] * 3),
            "number": [1.5, np.nan, 3],
        }
    )
    write_frame(tmp_path / "deep" / "table.parquet", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "deep" / "table.parquet"), frame)
    assert list(read_frame(tmp_path / "deep" / "table.parquet", ["at"]).columns) == ["at"]


@pytest.mark.parametrize("matrix", [np.array([[1.5, 0], [0, 2]]), np.zeros((0, 3))])
def test_a_matrix_comes_back(tmp_path, matrix):
    write_matrix(tmp_path / "dense.npz", matrix)
    assert (read_matrix(tmp_path / "dense.npz") == matrix).all()
    write_matrix(tmp_path / "sparse.npz", sparse.csr_matrix(matrix))
    found = read_matrix(tmp_path / "sparse.npz")
    assert sparse.issparse(found)
    assert (found.toarray() == matrix).all()


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_frame(tmp_path / "table.parquet")
    with pytest.raises(FileNotFoundError):
        read_matrix(tmp_path / "matrix.npz")


def test_what_is_damaged_is_named(tmp_path):
    table, dense, csr = (tmp_path / name for name in ("table.parquet", "dense.npz", "sparse.npz"))
    write_frame(table, pd.DataFrame({"number": range(1_000)}))
    write_matrix(dense, np.ones((9, 9)))
    write_matrix(csr, sparse.csr_matrix(np.eye(9)))
    with pytest.raises(DamagedObjectError, match=r"table\.parquet is not the table that was written"):
        read_frame(table, ["text"])
    for path, read in ((table, read_frame), (dense, read_matrix), (csr, read_matrix)):
        whole = path.read_bytes()
        changed = [whole[:9] + b"\xff" * 60 + whole[69:], whole[:-60] + b"\xff" * 50 + whole[-10:]]
        for damaged in (b"", b"PK", whole[: len(whole) // 2], whole[20:], *changed):
            path.write_bytes(damaged)
            with pytest.raises(DamagedObjectError, match=f"{path.name} is not the"):
                read(path)
