"""Threads of triggers: a kind of check that hangs does not delay another."""

import asyncio
import threading
from contextvars import ContextVar

from quartet.triggers import arrival, remote
from quartet.triggers.threads import Threads


def test_checks_that_hang_leave_the_threads_of_others_free():
    over = threading.Event()

    async def run() -> str:
        hanging = [asyncio.create_task(remote.THREADS.run(over.wait, 20)) for _ in range(100)]
        await asyncio.sleep(0.05)
        name = await asyncio.wait_for(arrival.THREADS.run(lambda: threading.current_thread().name), 5)
        over.set()
        await asyncio.gather(*hanging)
        return name

    assert asyncio.run(run()).startswith("arrival")


def test_the_number_of_threads_is_bounded():
    threads, names = Threads("few", 2), set[str]()

    def note() -> None:
        names.add(threading.current_thread().name)
        threading.Event().wait(0.01)

    async def run() -> None:
        await asyncio.gather(*(threads.run(note) for _ in range(10)))

    asyncio.run(run())
    assert len(names) == 2


def test_a_check_has_the_context_of_its_trigger():
    variable = ContextVar("variable", default="")

    async def run() -> str:
        variable.set("task log")
        return await Threads("few", 1).run(variable.get)

    assert asyncio.run(run()) == "task log"
