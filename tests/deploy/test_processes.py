"""Processes are found by the mark in their environment, whatever group they are in."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from deploy.embedded import processes
from include.core.settings import ROOT

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
# a child in a group of its own that outlives its parent, renamed, as Airflow's tasks are
PARENT = """
import os, signal
from setproctitle import setproctitle
if os.fork() == 0:
    os.setsid()
    setproctitle("task")
    print("ready", os.getpid(), flush=True)
signal.pause()
"""


@pytest.fixture
def mark():
    mark = f"test-{os.getpid()}-{time.monotonic_ns()}"
    yield mark
    processes.end(processes.marked(mark), patience_seconds=0)


def start(mark, code, component="scheduler"):
    environment = os.environ | {"QUARTET_INSTANCE": mark, "QUARTET_COMPONENT": component, "SPT_NOENV": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline().split()
    process.stdout.close()
    assert line[0] == "ready"
    return process, int(line[1]) if line[1:] else process.pid


def test_an_orphan_in_its_own_group_is_swept(mark):
    parent, orphan = start(mark, PARENT)
    parent.kill()
    parent.wait()
    assert [each.pid for each in processes.marked(mark)] == [orphan]
    assert processes.sweep(mark) == 1
    assert not psutil.pid_exists(orphan)
    assert processes.sweep(mark) == 0


def test_only_the_components_own_processes_are_swept(mark):
    scheduler, _ = start(mark, STUBBORN)
    triggerer, _ = start(mark, STUBBORN, "triggerer")
    assert processes.sweep(mark, "scheduler", patience_seconds=0.1) == 1
    assert not psutil.pid_exists(scheduler.pid)
    assert triggerer.poll() is None
    assert processes.sweep(mark, patience_seconds=0.1) == 1
    assert not psutil.pid_exists(triggerer.pid)
    for process in (scheduler, triggerer):
        process.wait()


def test_another_instance_is_left_alone(mark):
    process, _ = start(mark, STUBBORN)
    assert processes.sweep(f"{mark}-other") == 0
    assert process.poll() is None
    processes.end(processes.marked(mark), patience_seconds=0)
    process.wait(5)


def test_a_sweep_spares_itself_and_what_started_it(mark):
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from deploy.embedded import processes
print("ready", processes.sweep({mark!r}), flush=True)
"""
    process, ended = start(mark, code)
    assert ended == 0
    assert process.wait(5) == 0


def test_the_wait_for_an_exit_is_bounded(mark):
    process, _ = start(mark, STUBBORN)
    assert not processes.wait_for_exit(process.pid, 0.1)
    process.kill()
    assert processes.wait_for_exit(process.pid, 5)
    process.wait()
    assert processes.wait_for_exit(process.pid, 0)
