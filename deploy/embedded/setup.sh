#!/bin/sh
# Create .venv from requirements.txt. Needs Python 3.11 or newer; if something is missing, the message has the command
# that installs it. The file .venv/.ready is written last, so the next call repeats an interrupted setup.
set -eu
cd "$(dirname "$0")/../.."
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV || true

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Print how to install Python here.
python_help() {
    if [ "$(uname)" = Darwin ]; then
        echo "  brew install python@3.11"
    elif command -v apt-get >/dev/null 2>&1; then
        echo "  sudo apt-get install -y python3 python3-venv"
    else
        echo "  install Python 3.11 or 3.12 with your system's package manager"
    fi
}

# Succeed if $1 is a Python whose version passes the test $2.
suits() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c "import sys; sys.exit(not ($2))" >/dev/null 2>&1
}

python=
for name in python3.11 python3.12 python3 python; do
    if suits "$name" "(3, 11) <= sys.version_info[:2] <= (3, 12)"; then python=$name && break; fi
done
version=
if [ -z "$python" ]; then # the lock is for 3.11 and 3.12; with a newer one uv fetches 3.12 for itself
    for name in python3 python3.13 python3.14 python; do
        if suits "$name" "sys.version_info >= (3, 11)"; then python=$name && version=3.12 && break; fi
    done
fi
if [ -z "$python" ]; then
    fail "Python 3.11 or newer was not found. To install it:" "$(python_help)"
fi
if ! "$python" -c "import venv, ensurepip" >/dev/null 2>&1; then
    number=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python cannot create virtual environments: its venv module is missing. To install it:" \
        "  sudo apt-get install -y python$number-venv"
fi
[ -n "$version" ] || version=$("$python" -c "import sys; print(sys.executable)")

mkdir -p .venv
rm -f .venv/.ready
# two concurrent setups would overwrite each other's files
if ! mkdir .venv/.setup 2>/dev/null; then
    other=$(cat .venv/.setup/pid 2>/dev/null || true)
    if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
        fail "another make setup is running (process $other); wait for it"
    fi
fi
mkdir -p .venv/.setup
echo $$ >.venv/.setup/pid
trap 'rm -rf .venv/.setup' EXIT
trap 'exit 130' INT TERM

# uv installs the rest. Its own version and hashes come from the lock too.
uv=.venv/.setup/uv/bin/uv
echo "setting up .venv with $("$python" --version) (the first time takes a few minutes)"
"$python" -m venv .venv/.setup/uv
awk '/^[a-z0-9]/ {mine = /^uv==/} mine' requirements.txt >.venv/.setup/uv.txt
.venv/.setup/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/.setup/uv.txt

if ! .venv/bin/python -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 12)))' 2>/dev/null; then
    "$uv" venv --quiet --allow-existing --no-project --python "$version" .venv
fi
# bytecode is compiled on demand: compiling all of it would take longer than it saves
{
    "$uv" pip sync --python .venv/bin/python --require-hashes requirements.txt 2>&1 || touch .venv/.setup/failed
} | grep -v '^ [-+~] ' || true # hundreds of lines, one per package
if [ -e .venv/.setup/failed ]; then
    fail "the packages could not be installed; run make setup to try again"
fi
touch .venv/.ready
