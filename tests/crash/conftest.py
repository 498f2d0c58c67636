"""Prints how many cases were tried."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests have recorded as `cases`."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "cases":
                    terminalreporter.write_line(value)
