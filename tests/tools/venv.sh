#!/usr/bin/env bash
# Makes .venv from the newest suitable Python of this machine and installs what the collection and its tests need.
# Cheap when nothing changed: the digest of the requirement files is kept in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }

stamp=.venv/.requirements
want=$(cat requirements.txt tests/requirements.txt | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

# A name on the PATH proves little (version managers leave shims that only print an error): ask each one.
suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3; do
        if [ -n "$candidate" ] && suitable "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    if ! python=$(find_python); then
        if tests/tools/apt_install.sh python3 python3-venv && python=$(find_python); then
            :
        else
            say "No Python of at least 3.11 was found. Install one (Debian 12, Ubuntu 24.04 and newer: apt-get install python3 python3-venv),"
            say "or name it: make PYTHON=/path/to/python3.11"
            exit 1
        fi
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if ! tests/tools/apt_install.sh "python$version-venv" && ! tests/tools/apt_install.sh python3-venv; then
            say "$python cannot make virtual environments (its module ensurepip is missing). On Debian and Ubuntu: apt-get install python$version-venv"
            exit 1
        fi
    fi
    say "Making .venv with $("$python" --version 2>&1) ..."
    rm -rf .venv
    "$python" -m venv .venv
fi

say "Installing the tools into .venv (about a minute the first time) ..."
log=.venv/install.log
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r requirements.txt -r tests/requirements.txt >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "The tools could not be installed; the whole log is in $log"
    exit 1
fi
printf '%s\n' "$want" >"$stamp"
