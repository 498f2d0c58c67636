"""Output folders through Hadoop's file systems, in Spark's JVM: files pass as bytes, rows never come here.

A path is as Hadoop writes it: a local one, `file:///…`, `s3a://bucket/…`.
"""

import gzip
from typing import Any

from pyspark.sql import SparkSession

from include.songs.rules import SupersededError
from include.songs.schemas import PART, SUCCESS

COPY_BYTES = 1 << 20


class Hadoop:
    """The file systems that a Spark session knows."""

    def __init__(self, spark: SparkSession) -> None:
        classic: Any = spark  # not one through Spark Connect, which has no JVM here
        self._jvm = classic._jvm
        self._conf = classic._jsc.hadoopConfiguration()

    def _find(self, path: str) -> tuple[Any, Any]:
        """Give the file system and its own object of a path."""
        found = self._jvm.org.apache.hadoop.fs.Path(path)
        files = found.getFileSystem(self._conf)
        # local files without the checksums that Hadoop would put beside each
        return (files.getRawFileSystem() if files.getScheme() == "file" else files), found

    def remove(self, folder: str) -> None:
        """Remove an output folder, complete or not; first of all what says that it is complete."""
        files, found = self._find(folder)
        files.delete(self._jvm.org.apache.hadoop.fs.Path(found, SUCCESS), False)
        files.delete(found, True)

    def size(self, path: str) -> int:
        """Give the length of a file, or of all in a folder, in bytes."""
        files, found = self._find(path)
        return files.getContentSummary(found).getLength()

    def sha256(self, path: str) -> str:
        """Give the checksum of a file, in hexadecimal digits."""
        files, found = self._find(path)
        digest = self._jvm.java.security.MessageDigest.getInstance("SHA-256")
        source = self._jvm.java.security.DigestInputStream(files.open(found), digest)
        self._copy(source, self._jvm.java.io.OutputStream.nullOutputStream())
        source.close()
        return bytes(digest.digest()).hex()

    def write(self, path: str, data: bytes) -> None:
        """Write a file, or replace it."""
        files, found = self._find(path)
        target = files.create(found, True)
        target.write(data)
        target.close()

    def join(self, folder: str, parts_folder: str, header: bytes, permit: str) -> None:
        """
        Make gzip files the one file of an output folder; then say that it is complete.

        Args:
            folder: the output folder.
            parts_folder: where the files are, on the same file system; it is removed.
            header: first line.
            permit: a file that has to be there, before and after.

        Raises:
            SupersededError: it is not.
        """
        self.ask(permit)
        files, found = self._find(folder)
        _, aside = self._find(parts_folder)
        target = files.create(self._jvm.org.apache.hadoop.fs.Path(found, PART), False)
        target.write(gzip.compress(header, mtime=0))
        parts = {status.getPath().getName(): status.getPath() for status in files.listStatus(aside)}
        for name in sorted(parts):
            if name.startswith("part-"):
                source = files.open(parts[name])
                self._copy(source, target)
                source.close()
        if target.hasCapability("hsync"):
            target.hsync()  # before `_SUCCESS` is written
        target.close()
        files.delete(aside, True)
        self.ask(permit)
        self.write(f"{folder}/{SUCCESS}", b"")

    def ask(self, permit: str) -> None:
        """Raise `SupersededError` if a file is not there (any more)."""
        files, found = self._find(permit)
        if not files.exists(found):
            raise SupersededError(f"{permit} is not there; perhaps another job of the day has begun")

    def _copy(self, source: Any, target: Any) -> None:
        self._jvm.org.apache.hadoop.io.IOUtils.copyBytes(source, target, COPY_BYTES, False)
