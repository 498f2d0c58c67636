"""The base data."""

import io
import zipfile

import pytest

from deploy.demo.ratings import generate
from include.core.errors import BadDataError, DamagedObjectError
from include.ratings.data import base


def refuse_to_fetch():
    raise AssertionError("nothing is to be fetched")


def test_stored_data_are_used_without_their_source(store, small_base):
    base.provide(store.path, "", lambda: (small_base, "address"))
    again = base.provide(store.path, "", refuse_to_fetch)
    assert (again.source, len(again.rows)) == ("address", 1_500)


def test_earlier_base_data_stay_readable(store, small_base):
    base.store(store.path, small_base, "one")
    first = base.load(store.path)
    base.store(store.path, small_base[: small_base.index(b"\n", 100) + 1], "two")
    assert base.load(store.path).sha256 != first.sha256
    assert base.load(store.path, first.sha256).rows == first.rows


def test_stored_data_that_changed_are_an_error_that_names_the_file(store, small_base):
    base.store(store.path, small_base, "one")
    path = store.path / "base" / f"{base.load(store.path).sha256}.data"
    path.write_bytes(small_base.replace(b"\t5\t", b"\t4\t", 1))
    with pytest.raises(DamagedObjectError, match=path.name):
        base.load(store.path)


def test_a_copy_with_another_checksum_is_refused_and_named(store, tmp_path, small_base):
    (tmp_path / "u.data").write_bytes(small_base)
    with pytest.raises(BadDataError, match=f"{tmp_path}/u.data is not the file that GroupLens published: md5"):
        base.provide(store.path, str(tmp_path), refuse_to_fetch)
    assert base.stored_source(store.path) is None


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_a_file_that_is_no_zip_is_named(tmp_path, content):
    (tmp_path / "ml.zip").write_bytes(content)
    with pytest.raises(BadDataError, match=r"ml\.zip: a zip file was expected"):
        base.read_movielens(tmp_path / "ml.zip")


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, content in entries.items():
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor would replace backslashes on Windows
            info.compress_type = method
            opened.writestr(info, content)
    return buffer.getvalue()


@pytest.mark.parametrize("entry", ["ml-100k\\u.data", "ml-100k/u.data", "u.data", "a\\b/u.data"])
def test_a_zip_of_any_program_is_read(entry, small_base):
    assert base.unzipped(zipped({"readme": b"", entry: small_base}), "ml.zip") == {"u.data": small_base}


def patched(archive: bytes, central: int, local: int, value: int) -> bytes:
    """Change two bytes of the entry's headers, in the central directory and before its content."""
    data, at = bytearray(archive), archive.index(b"PK\x01\x02")
    data[at + central : at + central + 2] = data[local : local + 2] = value.to_bytes(2, "little")
    return bytes(data)


def damaged(archive: bytes) -> bytes:
    return archive[:200] + b"\xff" * 50 + archive[250:]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, ""),
        (lambda archive: patched(archive, 8, 6, 1), "password required"),
        (lambda archive: patched(archive, 10, 8, 9), "compression"),
        (lambda archive: archive[:-30], "not a zip file"),
    ],
)
def test_a_zip_that_cannot_be_read_is_named(tmp_path, small_base, spoil, reason):
    (tmp_path / "ml.zip").write_bytes(spoil(zipped({"u.data": small_base})))
    with pytest.raises(BadDataError, match=rf"ml\.zip: a zip file was expected that can be read: .*{reason}"):
        base.read_movielens(tmp_path / "ml.zip")


def test_a_huge_entry_is_not_unpacked_whole():
    with pytest.raises(BadDataError, match=r"ml\.zip: 'u\.data' is longer than"):
        base.unzipped(zipped({"u.data": bytes(base.MAX_FILE_BYTES + 1)}), "ml.zip")


def test_another_data_set_of_movielens_is_named(tmp_path):
    (tmp_path / "ratings.csv").touch()
    with pytest.raises(BadDataError, match=r"there is no u\.data \(ratings\.csv is of another MovieLens data set\)"):
        base.read_movielens(tmp_path)
    with pytest.raises(BadDataError, match=r"another MovieLens"):
        base.unzipped(zipped({"ml-latest-small/ratings.csv": b""}), "ml.zip")


def test_a_folder_or_zip_without_the_file_is_named(tmp_path):
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (tmp_path / "ml.zip").write_bytes(buffer.getvalue())
    for location in (tmp_path, tmp_path / "ml.zip"):
        with pytest.raises(BadDataError, match=r"there is no u\.data"):
            base.read_movielens(location)
    with pytest.raises(BadDataError, match="found nothing at"):
        base.read_movielens(tmp_path / "missing")


def test_no_base_data_say_what_to_do(store):
    with pytest.raises(BadDataError, match="set MOVIELENS_100K"):
        base.load(store.path)


@pytest.mark.parametrize("line", ["1\t2\t3", "1\t2\tx\t4", "1 2 3 4"])
def test_a_bad_line_of_base_data_is_named(line):
    with pytest.raises(BadDataError, match="line 2"):
        base.parse(f"1\t2\t3\t4\n{line}\n".encode())
    with pytest.raises(BadDataError, match="empty"):
        base.parse(b"")


def test_generated_data_have_the_shape_of_the_original():
    data = generate.movielens_like()
    rows = base.parse(data)
    assert data == generate.movielens_like()
    assert len({(row.user, row.movie) for row in rows}) == len(rows) == 100_000
    assert len({row.user for row in rows}) == 943
    assert {row.stars for row in rows} == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert 3.3 < sum(row.stars for row in rows) / len(rows) < 3.7
