#!/usr/bin/env bash
# The lab that the end-to-end tests use: its own directory, kept between runs because its image takes minutes to build.
# `real_lab.sh gone` stops it and fails when a process of it is left.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export LAB_DIR=${PIXELS_E2E_LAB:-$root/.cache/e2e} ENGINE=incus VERSION=25.10
unset "${!PIXELS_TRUENAS_@}"

# The tests sit in front of a terminal that tmux draws.
if [ "${1:-}" = up ]; then command -v tmux >/dev/null || "$root/tests/tools/apt_install.sh" tmux; fi
if [ "${1:-}" != gone ]; then
    exec "$root/tests/tools/lab.sh" "$@"
fi
"$root/tests/tools/lab.sh" down
echo "Processes that are left:"
exec "$root/.venv/bin/python" "$root/tests/tools/lab_processes.py" "$LAB_DIR"
