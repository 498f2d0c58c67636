"""
Check the lock for known vulnerabilities: `make audit`.

`[tool.quartet.audit]` in pyproject.toml lists accepted vulnerabilities, each with its reason. Packages unknown to the
vulnerability service are counted as not checked. If no service answers, nothing is known and the check does not fail.
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


def evaluate(report: Mapping[str, Any], accepted: Mapping[str, str]) -> tuple[list[str], bool]:
    """
    Compare a report of pip-audit with the accepted vulnerabilities.

    Args:
        report: JSON of pip-audit: `dependencies`, each with `name` and either `version` and `vulns` or `skip_reason`.
        accepted: id or alias of a vulnerability → why it is accepted.

    Returns:
        Lines to print, and whether there is a vulnerability that is not accepted.
    """
    checked = [each for each in report["dependencies"] if "skip_reason" not in each]
    lines, known, failed = [], set(), False
    for package in checked:
        for found in package["vulns"]:
            names = {found["id"], *found.get("aliases", ())}
            reason = next((accepted[name] for name in sorted(names) if name in accepted), None)
            known |= names
            failed |= reason is None
            fix = f"fixed in {', '.join(found['fix_versions'])}" if found.get("fix_versions") else "no fix yet"
            verdict = f"accepted: {reason}" if reason else fix
            lines.append(f"{package['name']} {package['version']}: {found['id']}, {verdict}")
    if checked:
        lines += [
            f"{name} is accepted in pyproject.toml, but no package has it any more"
            for name in accepted
            if name not in known
        ]
    lines.append(f"{len(checked)} of {len(report['dependencies'])} packages were checked")
    return lines, failed


def main(root: Path = ROOT) -> int:
    """Audit the lock; 1 if there is a vulnerability that is not accepted."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["quartet"]["audit"]
    line = [sys.executable, *COMMAND, "--requirement", str(root / "requirements.txt")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["pip-audit printed nothing"]
        sys.stderr.write(f"nothing was audited, because no service answered: {last[0][:300]}\n")
        return 0
    lines, failed = evaluate(report, settings["accepted"])
    sys.stdout.write("\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
