#!/usr/bin/env bash
# All molecule scenarios against the lab with real containers, from the checkout, without asking any server for anything.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
unset "${!PIXELS_TRUENAS_@}"
export NO_COLOR=1 ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$root/.collections PATH=$root/.venv/bin:$PATH
# The lab has one user at a time.
lab=${PIXELS_E2E_LAB:-$root/.cache/e2e}
mkdir -p "$(dirname "$lab")"
exec 9>"$lab.lock"
flock 9
# A run that was cut off leaves molecule believing that the lab is up.
molecule reset --scenario-name default >/dev/null 2>&1 || true
exec molecule test --all --report "$@"
