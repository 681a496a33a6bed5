#!/bin/sh
# Make the virtual environment $1 with a Python from 3.11 to 3.13 and install requirements.lock into it with uv.
set -eu
venv=$1
suits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
if ! "$venv/bin/python" -c "$suits" 2>/dev/null; then
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$python" -c "$suits" 2>/dev/null; then found=$python; break; fi
    done
    if [ -z "${found:-}" ]; then
        echo "Python 3.11, 3.12 or 3.13 is needed; none of ${PYTHON:-python3}, python3.13, python3.12, python3.11 is one." >&2
        echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "making $venv with $("$found" --version)"
    rm -rf "$venv"
    "$found" -m venv "$venv" || {
        echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
fi
echo "installing requirements.lock (2 GB; a minute or two)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# The certificates that the machine trusts, as git and pip use them: a company's own may be among them.
UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} VIRTUAL_ENV=$venv "$venv/bin/uv" pip sync --quiet --require-hashes --compile-bytecode requirements.lock
