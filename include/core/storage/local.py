"""Files of the local file system, behind the functions of `port`; `s3` has the same functions."""

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import IO

from include.core.storage.names import cut_name
from include.core.storage.objects import StoredObject, Tagged
from include.core.web import Trouble

TRANSIENT_NUMBERS = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.EMFILE,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
}
"""Of errors of a file system, which may be a network's."""
NOT_OFFERED = {errno.EACCES, errno.EINVAL, errno.EISDIR, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV}
"""Answers of file systems, such as exFAT, SMB and shares of virtual machines, to a call that they do not offer."""


def read(path: Path) -> bytes:
    return path.read_bytes()


def open_read(path: Path, read_ahead_bytes: int) -> tuple[IO[bytes], int]:
    file = path.open("rb")
    return file, os.fstat(file.fileno()).st_size


def write(path: Path, data: bytes, exclusive: bool) -> None:
    _make_folder(path.parent)
    aside = path.with_name(f".{cut_name(path.name, 100)}.{uuid.uuid4().hex}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            _link(aside, path)
        else:
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def write_stream(path: Path, aside: Path) -> Iterator[IO[bytes]]:
    aside.parent.mkdir(parents=True, exist_ok=True)
    written = aside.with_name(f"{aside.name}.{uuid.uuid4().hex}")
    try:
        with written.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_asides(aside: Path) -> list[str]:
    left = list(aside.parent.glob(f"{aside.name}.*"))
    for path in left:
        path.unlink(missing_ok=True)
    return list(map(str, left))


@contextmanager
def create_stream(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def read_tagged(path: Path) -> Tagged | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return Tagged(data, hashlib.sha256(data).hexdigest())


def compare_and_swap(path: Path, data: bytes, tag: str | None) -> bool:
    _make_folder(path.parent)
    with _locked(path.parent):
        if _tag(path) != tag:
            return False
        write(path, data, exclusive=False)
        return True


def remove_object(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def compare_and_delete(path: Path, tag: str) -> bool:
    with _locked(path.parent):
        if _tag(path) != tag:
            return False
        remove_object(path)
        return True


def list_objects(folder: Path, deep: bool) -> list[StoredObject]:
    return _list(folder, "", deep)


def _list(folder: Path, above: str, deep: bool) -> list[StoredObject]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if deep and entry.is_dir(follow_symlinks=False):
                        found += _list(Path(entry.path), f"{above}{entry.name}/", deep)
                    elif stat := _followed(entry):
                        found.append(_object(above + entry.name, stat))
                except (FileNotFoundError, NotADirectoryError):  # gone since the folder was read, or a link to nothing
                    continue
    except FileNotFoundError:
        return []
    return found


def find_object(path: Path) -> StoredObject | None:
    try:
        stat = _followed(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _object(path.name, stat) if stat else None


def _followed(path: "os.DirEntry[str] | Path") -> os.stat_result | None:
    """
    Return the status of a file; `None`: it is none.

    Of a link that cannot be followed, as one in a loop, it is that of the link, so that whoever reads it can say why.
    """
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError:
        stat = path.stat(follow_symlinks=False)
        if not S_ISLNK(stat.st_mode):
            raise
        return stat
    return stat if S_ISREG(stat.st_mode) else None


def _object(name: str, stat: os.stat_result) -> StoredObject:
    # not mtime: a copy may bring one of long ago, or of a clock that is ahead
    return StoredObject(name, stat.st_size, stat.st_ctime)


def is_settled(path: Path, stored: StoredObject) -> bool:
    try:
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size != stored.size or size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # gone, or not for us to read: time decides
        return False


def remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def prune(folder: Path, path: Path) -> None:
    with suppress(OSError):  # not empty, or gone
        for parent in path.parents:
            if parent == folder:
                break
            parent.rmdir()


def is_behind_link(root: Path, path: Path) -> bool:
    return path.resolve() != root.resolve() / path.relative_to(root)


def local_copy(path: Path, folder: Path) -> Path:
    return path


def hadoop_uri(path: Path) -> str:
    return f"file://{path}"


def has_hard_links(folder: Path) -> bool:
    """Return whether the file system of *folder* offers hard links; `True` if that cannot be tried."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    aside = existing / f".links.{uuid.uuid4().hex}"
    try:
        aside.touch(exist_ok=False)
    except OSError:
        return True
    linked = aside.with_name(f"{aside.name}.2")
    try:
        os.link(aside, linked)
    except OSError as error:
        return error.errno not in NOT_OFFERED
    finally:
        aside.unlink(missing_ok=True)
        linked.unlink(missing_ok=True)
    return True


def classify_error(error: Exception) -> Trouble | None:
    if isinstance(error, TimeoutError | ConnectionError) or getattr(error, "errno", None) in TRANSIENT_NUMBERS:
        return Trouble.TRANSIENT
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Trouble.MISSING
    return Trouble.PERMANENT if isinstance(error, OSError) else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # not to be taken for an object that exists
        raise NotADirectoryError(f"{folder} is not a folder") from error


def _link(aside: Path, path: Path) -> None:
    """
    Name the file *aside* also *path*, unless that exists.

    Where the file system has no hard links, *aside* is renamed under a lock of the folder. Readers still see all of it
    or nothing, and one of all writers that come through here wins; but a file that another program creates under the
    same name in that instant is replaced.

    Raises:
        FileExistsError: *path* exists.
    """
    try:
        os.link(aside, path)  # unlike a rename, fails when the target exists
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
        with _locked(path.parent):
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            aside.rename(path)


def _sync_folder(folder: Path) -> None:
    """
    Have the names in a folder survive a crash of the machine, as `fsync` has the content of a file.

    Not every file system offers that; without it the file is written all the same.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep all others, in this process and in others, from `compare_and_swap` in a folder."""
    with (folder / ".lock").open("ab") as file:  # the lock ends with the file, or with the process
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tag(path: Path) -> str | None:
    found = read_tagged(path)
    return found.tag if found else None
