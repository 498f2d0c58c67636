"""Runs a scenario with a fault at every effect, in forked processes, and compares what is durable in the end."""

import os
import pickle
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from include.core.errors import BadDataError, NothingToDoError
from tests.crash.effects import FAULTS, KILLED, POWERLESS, Effects, Fault

REPEATS = 3
Results = dict[str, Any]
"""Step → what it has returned: what Airflow keeps of a run, outside the storage."""


class Scenario(Protocol):
    """The main path of a workflow, on a small real input."""

    imports: tuple[str, ...]
    """What the steps import, so that forked processes have it; nothing of it may start a thread."""
    steps: tuple[str, ...]
    """In the order in which the DAG runs them."""

    def warm_up(self) -> None:
        """Do once what every process does at first, if it takes long."""

    def prepare(self, folder: Path) -> None:
        """Write the input and everything else that is there before the run."""
        ...

    def run(self, folder: Path, step: str, results: Results) -> Any:
        """Run a step as its task does, and return its result."""
        ...

    def dump(self, folder: Path) -> dict[str, Any]:
        """Return everything durable in a canonical form, without random ids."""
        ...

    def view(self, folder: Path) -> Any:
        """Return what a reader sees; what is not complete does not count."""
        ...


@dataclass(frozen=True)
class Case:
    """A fault at one effect of a step."""

    step: str
    fault: Fault
    at: int
    effect: str

    def __str__(self) -> str:
        return f"{self.step}: {self.fault} [{self.at}] {self.effect}".rstrip()


@dataclass(frozen=True)
class End:
    """How a step ended: in a process of its own, it may be killed."""

    code: int
    """0: it succeeded; 1: it raised an error; else it was killed."""
    result: Any = None
    seen: tuple[str, ...] = ()
    error: str = ""
    is_bad_data: bool = False


@dataclass
class Harness:
    """
    One scenario in a folder: `state` is durable, `before/<step>` a copy of it.

    Attributes:
        undisturbed: step → dump and view before it; the last one, `""`, is that of the end.
    """

    scenario: Scenario
    folder: Path
    results: Results = field(default_factory=dict)
    effects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undisturbed: dict[str, tuple[dict[str, Any], Any]] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The folder whose changes are effects."""
        return self.folder / "state"

    def record(self) -> None:
        """Run the scenario undisturbed, and note its effects and what is durable between its steps."""
        for name in self.scenario.imports:
            import_module(name)
        self.scenario.warm_up()
        self.state.mkdir(parents=True)
        self._forked(lambda: self.scenario.prepare(self.state))
        for step in self.scenario.steps:
            self.undisturbed[step] = self._look()
            shutil.copytree(self.state, self.folder / "before" / step, symlinks=True)
            end = self._step(step, self.results)
            if end.code:
                raise AssertionError(f"{step} failed undisturbed: {end.error}")
            self.results[step], self.effects[step] = end.result, end.seen
        self.undisturbed[""] = self._look()

    def cases(self) -> Iterator[Case]:
        """Yield every fault at every effect of every step; of more than `REPEATS` like files in a folder, the last."""
        for step in self.scenario.steps:
            for number, effect in _distinct(self.effects[step]):
                for fault in FAULTS[effect.split()[0]]:
                    yield Case(step, fault, number, effect)
            if self.effects[step]:
                yield Case(step, Fault.END, -1, "")
                yield Case(step, Fault.POWER_END, -1, "")

    def try_case(self, case: Case) -> str | None:
        """Inject a fault, run again as Airflow and clearing do, and return what is wrong then."""
        shutil.rmtree(self.state)
        shutil.copytree(self.folder / "before" / case.step, self.state, symlinks=True)
        steps = list(self.scenario.steps)
        position = steps.index(case.step)
        results = {each: self.results[each] for each in steps[:position] if each in self.results}
        end = self._step(case.step, results, case)
        if end.is_bad_data:
            return f"the fault was taken for bad data, and is not retried: {end.error}"
        if end.code == 0:
            results[case.step] = end.result
            position += 1
        return self._forked(lambda: self._recover(steps[position:], results))

    def _recover(self, steps: list[str], results: Results) -> str | None:
        """Run the *steps* from the failed one on; return what is wrong in the end, or was before."""
        view = self.scenario.view(self.state)
        if view not in [each for _, each in self.undisturbed.values()]:
            return f"a reader sees what never was complete: {_short(view)}"
        for step, following in pairwise([*steps, ""]):
            try:
                results[step] = self._run(step, results)
            except Exception as error:
                return f"{step} failed when it was run again: {_text(error)}"
            if results[step] == self.results[step] and self._dump() == self.undisturbed[following]:
                return None  # the rest is as it was
        return _difference(self._dump()[0], self.undisturbed[""][0])

    def _run(self, step: str, results: Results) -> Any:
        try:
            return self.scenario.run(self.state, step, results)
        except NothingToDoError:
            return None

    def _dump(self) -> tuple[dict[str, Any], Any]:
        return self.scenario.dump(self.state), self.scenario.view(self.state)

    def _look(self) -> tuple[dict[str, Any], Any]:
        return self._forked(self._dump)

    def _step(self, step: str, results: Results, case: Case | None = None) -> End:
        def run() -> End:
            effects = Effects(self.state, case.fault if case else None, case.at if case else -1)
            effects.install()
            try:
                result = self._run(step, results)
            except Exception as error:
                return End(1, error=_text(error), is_bad_data=isinstance(error, BadDataError))
            if case and case.fault is Fault.END:
                os._exit(KILLED)
            if case and case.fault is Fault.POWER_END:
                _keep(self.folder / "answer", End(0, result, tuple(effects.seen)))
                effects.cut_power()
            return End(0, result, tuple(effects.seen))

        return self._forked(run)

    def _forked(self, act: Callable[[], Any]) -> Any:
        """Return what a forked process returns; `End` with its exit code if it was killed by a fault."""
        answer = self.folder / "answer"
        answer.unlink(missing_ok=True)
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            code = 1
            try:
                _keep(answer, act())
                code = 0
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if answer.exists():
            return pickle.loads(answer.read_bytes())
        if code in (KILLED, POWERLESS):
            return End(code)
        raise AssertionError(f"a forked process ended with {code}")


def _distinct(effects: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return number and name of the effects; of many files of a folder that are written alike, only the last ones."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for number, effect in enumerate(effects):
        door, _, what = effect.partition(" ")
        key = f"{number}" if door in ("execute", "commit", "delta", "mlflow") else what.rpartition("/")[0]
        found.setdefault((door, key), []).append((number, effect))
    return sorted(each for alike in found.values() for each in alike[-REPEATS:])


def _keep(answer: Path, found: Any) -> None:
    aside = answer.with_name("answer.part")
    aside.write_bytes(pickle.dumps(found))
    aside.replace(answer)


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """Return what differs between two dumps; `None`: nothing."""
    return "; ".join(_lines("", found, expected))[:1_000] or None


def _lines(name: str, found: Any, expected: Any) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            yield from _lines(f"{name} {key}".lstrip(), found.get(key), expected.get(key))
    elif isinstance(found, list) and isinstance(expected, list):
        yield from (f"{name}: {_short(each)} is too much" for each in found if each not in expected)
        yield from (f"{name}: {_short(each)} is missing" for each in expected if each not in found)
        if len(found) != len(expected):
            yield f"{name}: {len(found)} instead of {len(expected)}"
    elif found != expected:
        yield f"{name}: {_short(found)} instead of {_short(expected)}"


def _text(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-3:])


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
