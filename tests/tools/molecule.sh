#!/usr/bin/env bash
# All molecule scenarios against the lab with real containers, from the checkout, without asking any server for anything.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
unset "${!PIXELS_TRUENAS_@}"
export NO_COLOR=1 ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$root/.collections PATH=$root/.venv/bin:$PATH
# A run that was cut off leaves molecule believing that the lab is up.
molecule reset --scenario-name default >/dev/null 2>&1 || true
exec molecule test --all --report "$@"
