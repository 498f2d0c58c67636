"""
Look for known vulnerabilities in the lock: `make audit`.

`[tool.quartet.audit]` in pyproject.toml names those that are accepted, each with its reason. A package that the service
does not know was not looked at, and that is said; where no service answers, nothing is known, and nothing fails.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]


def judge(report: Mapping[str, Any], accepted: Mapping[str, str]) -> tuple[list[str], bool]:
    """
    Read what pip-audit found.

    Args:
        report: its JSON: `dependencies`, each with `name` and either `version` and `vulns` or `skip_reason`.
        accepted: id or alias of a vulnerability → why it is accepted.

    Returns:
        Lines to print, and whether there is a vulnerability that is not accepted.
    """
    looked_at = [each for each in report["dependencies"] if "skip_reason" not in each]
    lines, known, open_ones = [], set(), False
    for package in looked_at:
        for found in package["vulns"]:
            names = {found["id"], *found.get("aliases", ())}
            reason = next((accepted[name] for name in sorted(names) if name in accepted), None)
            known |= names
            open_ones |= reason is None
            fix = f"fixed in {', '.join(found['fix_versions'])}" if found.get("fix_versions") else "no fix yet"
            verdict = f"accepted: {reason}" if reason else fix
            lines.append(f"{package['name']} {package['version']}: {found['id']}, {verdict}")
    if looked_at:
        lines += [
            f"{name} is accepted in pyproject.toml, and nothing has it any more"
            for name in accepted
            if name not in known
        ]
    lines.append(f"{len(looked_at)} of {len(report['dependencies'])} packages were looked up")
    return lines, open_ones


def main(root: Path = ROOT) -> int:
    """Audit the lock; 1 if there is a vulnerability that is not accepted."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["quartet"]["audit"]
    line = [sys.executable, *COMMAND, "--requirement", str(root / "requirements.txt")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        sys.stderr.write(f"nothing was audited, no service answered: {last[0][:300]}\n")
        return 0
    lines, failed = judge(report, settings["accepted"])
    sys.stdout.write("\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
