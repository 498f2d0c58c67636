from types import SimpleNamespace

from include.audience.progress import Progress, progress_of


def batch(received: int = 0, began: float | None = None, wrote: float | None = None):
    """Return a row of the table; one that has written is done."""
    return SimpleNamespace(check_point=None if wrote else 0, received=received, began=began, wrote=wrote)


def test_half_of_the_batches_are_done_after_ten_seconds():
    found = progress_of([batch(100, 0.0, 8.0), batch(began=1.0)], now=10.0)
    assert found == Progress(2, 1, 100, 10.0, 10.0)
    assert found.percent == 50


def test_the_rate_of_a_finished_task_is_that_of_its_time():
    assert progress_of([batch(100, 0.5, 8.0), batch(300, 0.5, 20.5)], now=9e9) == Progress(2, 2, 400, 20.0, None)


def test_nothing_is_known_before_the_first_batch_is_done():
    assert progress_of([batch(), batch(began=1.0)], now=5.0) == Progress(2, 0, 0)
    assert progress_of([], now=5.0).percent == 0
