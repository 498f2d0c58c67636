"""A state machine over ratings: files come late, torn and double; runs train, roll back, predict, clean up, and die."""

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deploy.demo.ratings.generate import movielens_like
from include.core.errors import NothingToDoError
from include.core.retention import Sweeper
from include.core.storage import Store, list_objects, local, read_bytes, walk_objects
from include.ratings import layout, retention
from include.ratings.data import base
from include.ratings.data.ledger import Ledger
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.pipeline import Pipeline
from include.ratings.predictions import files
from include.ratings.provenance import why
from include.ratings.request import Run
from include.ratings.settings import RatingsSettings
from tests.support.ratings import RatingsPlatform, RegistryInMemory

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

BASE = movielens_like(seed=1, ratings=300)
DOORS = ("write", "compare_and_swap", "remove_object")
NAMES = ("a.txt", "b.txt", "c.txt")
DAY_SECONDS = 86_400


class KilledError(BaseException):
    """Nothing in a step can catch it."""


@contextmanager
def fault_at(number: int | None, *, after: bool, fatal: bool) -> Iterator[None]:
    """Kill the block, or raise an error, before or after the effect with this *number*; `None`: at none."""
    seen = 0

    def at(door: Callable[..., object]) -> Callable[..., object]:
        def passed(*arguments: object, **options: object) -> object:
            nonlocal seen
            seen += 1
            mine = seen == number
            if mine and not after:
                raise _fault(fatal)
            result = door(*arguments, **options)
            if mine:
                raise _fault(fatal)
            return result

        return passed

    with pytest.MonkeyPatch.context() as patch:
        for name in DOORS:
            patch.setattr(local, name, at(getattr(local, name)))
        yield


def _fault(fatal: bool) -> BaseException:
    return KilledError() if fatal else OSError(errno.EIO, os.strerror(errno.EIO))


class RatingsMachine(RuleBasedStateMachine):
    """What may happen to the ratings of one platform, in any order."""

    crash = st.one_of(st.none(), st.tuples(st.integers(1, 12), st.booleans(), st.booleans()))

    @initialize()
    def begin(self) -> None:
        """Start a platform with small base data."""
        self.folder = Path(tempfile.mkdtemp(prefix="quartet-crash-"))
        store = Store(self.folder / "ratings", f"{self.folder}/ratings")
        base.store(store.path, BASE, "test")
        self.root = store.path
        self.platform = RatingsPlatform(
            store, RegistryInMemory(self.folder), RatingsSettings(algorithm="BaselineOnly", movielens_100k="")
        )
        self.now = (self.folder / "ratings").stat().st_ctime + 3_600
        self.contents: dict[str, str] = {}
        self.torn: dict[str, str] = {}
        self.users = 0

    @property
    def is_begun(self) -> bool:
        """Whether `begin` has been called."""
        return hasattr(self, "root")

    def _clock(self) -> float:
        return self.now

    @rule(name=st.sampled_from(NAMES), rows=st.integers(1, 3))
    def drop(self, name: str, rows: int) -> None:
        """A file of ratings lands, or one of the same name and content once more."""
        if name not in self.contents:
            self.users += 1
            self.contents[name] = "".join(f"u{self.users} {movie} 4 {movie}\n" for movie in range(1, rows + 1))
        if name not in self.torn:
            self.platform.drop(name, self.contents[name])

    @rule(name=st.sampled_from(NAMES))
    def drop_torn(self, name: str) -> None:
        """The first half of a file lands; the rest is late."""
        if name not in self.contents:
            self.users += 1
            self.contents[name] = self.torn[name] = f"u{self.users} 1 4 1\nu{self.users} 2 4 2\n"
            self.platform.drop(f"{name}.part", self.contents[name][:-4])

    @precondition(lambda self: self.is_begun and self.torn)
    @rule()
    def complete(self) -> None:
        """The rest of a torn file lands, and the file takes its name."""
        name, content = self.torn.popitem()
        (self.root / "training" / f"{name}.part").unlink()
        self.platform.drop(name, content)

    @rule(name=st.sampled_from(NAMES))
    def ask(self, name: str) -> None:
        """A file of pairs lands."""
        self.platform.drop(name, "1 1\n1 2\nnobody 1\n", "streaming")

    @rule(crash=crash)
    def train(self, crash: tuple[int, bool, bool] | None) -> None:
        """A run trains; if it dies, it is cleared."""
        self._train(crash)

    @precondition(lambda self: self.is_begun and len(self.platform.registry.versions) > 1)
    @rule(crash=crash, number=st.integers(0, 5))
    def roll_back(self, crash: tuple[int, bool, bool] | None, number: int) -> None:
        """A run makes an earlier model the champion."""
        versions = cards.versions(self.root)
        self._train(crash, model=sorted(versions)[number % len(versions)])

    @rule(crash=crash)
    def predict(self, crash: tuple[int, bool, bool] | None) -> None:
        """A run predicts; if it dies, it is cleared."""
        run = self.platform.next_run()
        self._with_fault(crash, lambda: self._pipeline(run).predict())

    @rule()
    def housekeeping(self) -> None:
        """Old reports and predictions are removed."""
        self.now += DAY_SECONDS
        for clean in (retention.clean_reports, retention.clean_predictions):
            clean(self.root, Sweeper(self.root, False), self.now - 30 * DAY_SECONDS)

    @rule(seconds=st.integers(1, 100_000))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    def _pipeline(self, run: Run) -> Pipeline:
        return self.platform.pipeline(run, self._clock)

    def _train(self, crash: tuple[int, bool, bool] | None, **params: object) -> None:
        run = self.platform.next_run(**params)
        plans = []

        def both() -> None:
            if not plans:
                plans.append(self._pipeline(run).ingest())
            self._pipeline(run).train(plans[0])

        self._with_fault(crash, both)

    def _with_fault(self, crash: tuple[int, bool, bool] | None, step: Callable[[], object]) -> None:
        number, after, fatal = crash or (None, False, False)
        try:
            with fault_at(number, after=after, fatal=fatal):
                step()
            return
        except NothingToDoError:
            return
        except (KilledError, OSError):
            self.check()  # a reader comes before the run is cleared
        with suppress(NothingToDoError):
            step()

    @invariant()
    def check(self) -> None:
        """Check what holds at any time."""
        if not self.is_begun:
            return
        self._check_lines()
        champion = read_champion(self.root)
        if champion is None:
            assert not walk_objects(layout.predictions(self.root))
            return
        self._check_champion(champion.version)
        self._check_predictions()

    def _check_lines(self) -> None:
        """Each line is taken once, and no part of a file counts."""
        ledger = Ledger.existing(layout.training_table(self.platform.store))
        if ledger is None:
            return
        table = ledger.read(None, ["file", "line", "user"]).to_pylist()
        lines = Counter((row["file"], row["line"]) for row in table)
        assert not [each for each, count in lines.items() if count > 1]
        for name, count in Counter(row["file"] for row in table).items():
            assert count == self.contents[name].count("\n")
            assert name not in self.torn

    def _check_champion(self, version: int) -> None:
        card = cards.read_card(self.root, version)
        assert card is not None
        assert read_bytes(self.platform.registry.root / card.artefact, sha256=card.sha256)

    def _check_predictions(self) -> None:
        """Every prediction file is whole, and everything that made it can be named."""
        ledger = Ledger(layout.training_table(self.platform.store))
        for version in cards.versions(self.root):
            for name in list_objects(layout.predictions_of(self.root, version)):
                record = files.read_record(self.root, name, version)
                assert record is not None
                assert read_bytes(layout.prediction_file(self.root, version, name), sha256=record["sha256"])
                assert why(self.root, ledger, name, version, line=1)["model"]["version"] == version

    def teardown(self) -> None:
        """Check what holds once everything has been run again, and remove the folder."""
        if not self.is_begun:
            return
        try:
            self._train(None)
            self.predict_all()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def predict_all(self) -> None:
        """The champion has answered every file in the end, and its answers are those that are served."""
        run = self.platform.next_run()
        self._with_fault(None, lambda: self._pipeline(run).predict())
        champion = read_champion(self.root)
        assert champion is not None
        assert champion.version == self.platform.registry.champion
        landed = list_objects(layout.landed_files(self.root, "streaming"))
        assert set(list_objects(layout.predictions_of(self.root, champion.version))) == set(landed)
        taken = Ledger(layout.training_table(self.platform.store)).files()
        assert set(taken) == set(list_objects(layout.landed_files(self.root, "training"))) - {
            f"{name}.part" for name in self.torn
        }


RatingsMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRatingsMachine = RatingsMachine.TestCase
