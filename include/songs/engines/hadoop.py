"""
Output folders through Hadoop's file systems, in Spark's JVM; bytes are copied there, not through Python.

Paths are as Hadoop writes them: a local one, `file:///…`, `s3a://bucket/…`.
"""

from typing import Any

from pyspark.sql import SparkSession

from include.songs.engines import gzip_member
from include.songs.engines.gzip_member import EMPTY_BLOCK, PACKED_BYTES, Checksum
from include.songs.layout import PART, SUCCESS, UNCHECKED
from include.songs.rules import SupersededError
from include.songs.schemas import FOOTER_BYTES, MAGIC

COPY_BYTES = 1 << 20
MAX_FOOTER_BYTES = 256 << 20
"""More than a footer has: it goes into the memory of the driver."""


class Hadoop:
    """The file systems that a Spark session has configured."""

    def __init__(self, spark: SparkSession) -> None:
        classic: Any = spark  # not one through Spark Connect, which has no JVM here
        self._jvm = classic._jvm
        self._conf = classic._jsc.hadoopConfiguration()

    def _find(self, path: str) -> tuple[Any, Any]:
        """Return the file system of a path, and the path as Hadoop's object."""
        found = self._jvm.org.apache.hadoop.fs.Path(path)
        files = found.getFileSystem(self._conf)
        # local files without the checksum files that Hadoop would add
        return (files.getRawFileSystem() if files.getScheme() == "file" else files), found

    def remove(self, folder: str) -> None:
        """Remove an output folder; `_SUCCESS` goes first, so that it never looks complete meanwhile."""
        files, found = self._find(folder)
        for mark in (SUCCESS, UNCHECKED):
            files.delete(self._jvm.org.apache.hadoop.fs.Path(found, mark), False)
        files.delete(found, True)

    def size(self, path: str) -> int:
        """Return the length of a file, or of all files in a folder, in bytes."""
        files, found = self._find(path)
        return files.getContentSummary(found).getLength()

    def footer(self, path: str) -> bytes:
        """
        Return the end of a Parquet file, with the four bytes that a file begins with before it.

        The footer is left out if there cannot be one of the length that the file tells.
        """
        files, found = self._find(path)
        size = files.getFileStatus(found).getLen()
        source = files.open(found)
        try:
            source.seek(max(0, size - FOOTER_BYTES))
            end = source.readNBytes(FOOTER_BYTES)
            length = int.from_bytes(end[:4], "little") + FOOTER_BYTES
            if length > min(size - len(MAGIC), MAX_FOOTER_BYTES):
                return MAGIC + end
            source.seek(size - length)
            return MAGIC + source.readNBytes(length)
        finally:
            source.close()

    def sha256(self, path: str) -> str:
        """Return the checksum of a file, in hexadecimal digits."""
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

    def join(self, folder: str, parts_folder: str, header: bytes, permit: str, mark: str = SUCCESS) -> None:
        """
        Join the parts of `spark_deflate.write` into the one file of an output folder, and mark that as complete.

        Args:
            folder: the output folder.
            parts_folder: folder of the parts, on the same file system; it is removed.
            header: first line.
            permit: file that must exist before and after.
            mark: name of the file that marks the folder as complete.

        Raises:
            SupersededError: the permit does not exist.
        """
        self.check_permit(permit)
        files, found = self._find(folder)
        _, aside = self._find(parts_folder)
        target = files.create(self._jvm.org.apache.hadoop.fs.Path(found, PART), False)
        block, checksum = gzip_member.compress(header)
        target.write(gzip_member.HEADER + block)
        parts = {status.getPath().getName(): status for status in files.listStatus(aside)}
        for name in sorted(parts):
            if name.startswith("part-"):
                checksum += self._append(files, parts[name], target)
        target.write(checksum.end())
        if target.hasCapability("hsync"):
            target.hsync()  # before `_SUCCESS` is written
        target.close()
        files.delete(aside, True)
        self.check_permit(permit)
        self.write(f"{folder}/{mark}", b"")

    def _append(self, files: Any, status: Any, target: Any) -> Checksum:
        """Copy the blocks of a part to *target*; return the checksum that follows them. An empty file has none."""
        if not status.getLen():
            return Checksum()
        blocks = status.getLen() - PACKED_BYTES - len(EMPTY_BLOCK)
        source = files.open(status.getPath())
        try:
            source.seek(blocks)
            checksum = Checksum.unpack(source.readNBytes(PACKED_BYTES))
            source.seek(0)
            self._jvm.org.apache.commons.io.IOUtils.copyLarge(source, target, 0, blocks)
        finally:
            source.close()
        return checksum

    def check_permit(self, permit: str) -> None:
        """Check that a file exists; raises `SupersededError` otherwise."""
        files, found = self._find(permit)
        if not files.exists(found):
            raise SupersededError(f"{permit} does not exist; perhaps another job of the day has begun")

    def _copy(self, source: Any, target: Any) -> None:
        self._jvm.org.apache.hadoop.io.IOUtils.copyBytes(source, target, COPY_BYTES, False)
