"""
Compression of lines in Spark's Python workers, as parts that `Hadoop.join` makes one gzip member of.

Spark's own gzip files could only be joined as members of one file. Arrow passes the lines to Python and the compressed
blocks back, each as the value of a row. Spark's writer of texts ends each row with a separator of our choice: here it
is an empty block.
"""

import sys
import warnings
from collections.abc import Iterator
from os import environ

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from include.songs.engines import arrow_lines, gzip_member
from include.songs.engines.arrow_lines import text_of
from include.songs.engines.gzip_member import EMPTY_BLOCK, Checksum

for _module in (arrow_lines, gzip_member, sys.modules[__name__]):
    cloudpickle.register_pickle_by_value(_module)  # workers need not have our code

ENCODING = "ISO-8859-1"
"""Has a character for each byte."""


def write(lines: DataFrame, folder: str) -> None:
    """
    Write a part for each partition: compressed blocks, then the checksum of its content.

    Args:
        lines: one column, the lines without their ends.
        folder: the new folder, as Hadoop writes it.
    """
    context = lines.sparkSession.sparkContext
    if "PYSPARK_PYTHON" not in environ:
        context.pythonExec = sys.executable  # otherwise any python3 of the path
    [line] = lines.columns
    ended = lines.select(F.concat(line, F.lit("\n")).alias(line))
    with warnings.catch_warnings():  # pandas is only imported
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        blocks = ended.mapInArrow(_blocks, "block string")
    blocks.write.option("encoding", ENCODING).option("lineSep", EMPTY_BLOCK.decode(ENCODING)).text(folder)


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Compress the lines of a partition; the last row is the checksum."""
    checksum = Checksum()
    for batch in batches:
        if len(batch):
            block, added = gzip_member.compress(text_of(batch.column(0)))
            checksum += added
            yield _row(block)
    yield _row(checksum.packed())


def _row(value: bytes) -> pa.RecordBatch:
    # Spark does not look at the bytes of a string
    value_as_text = pa.array([value], pa.binary()).buffers()
    return pa.RecordBatch.from_arrays([pa.StringArray.from_buffers(1, *value_as_text[1:])], ["block"])
