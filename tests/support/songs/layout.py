"""A storage with some files of some days."""

from datetime import date

from include.core.storage import write_whole
from include.songs.layout import DayFiles

DAY = date(2019, 2, 8)


def fill(root) -> None:
    for name in (
        "spins/2019/02/08/spins.snappy.parquet",
        "spins/2019/03/01/spins.snappy.parquet",
        "spins/2019/03/01/.spins.snappy.parquet.aside",
        "spins/2019/13/01/spins.snappy.parquet",
        "spins/2020/02/08/other.parquet",
        "markers/2019/02/07/listeners_downloaded.SUCCESS",
        "markers/2019/02/08/listeners_downloaded.SUCCESS",
        "output/2019/02/08/dataset/_SUCCESS",
        "output/2019/02/08/dataset/part-00000.csv.gz",
        "output/2019/02/08/counts_by_zip_sub/_SUCCESS",
        "output/2018/12/31/dataset/_SUCCESS",
        "output/2018/12/30/dataset/part-00000.csv.gz",
        "listeners/listeners.snappy.parquet",
    ):
        write_whole(root / name, b"")


DAYS = [
    DayFiles(date(2019, 3, 1), spins=True),
    DayFiles(DAY, spins=True, marker=True, dataset=True, counts=True),
    DayFiles(date(2019, 2, 7), marker=True),
    DayFiles(date(2018, 12, 31), dataset=True),
]
"""The days that `fill` writes files of, latest first."""
