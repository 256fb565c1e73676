#!/usr/bin/env bash
# Writes the pages that come from the code: the configuration reference. What ansible-doc knows stays with ansible-doc.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
ANSIBLE_COLLECTIONS_PATH=$root/.collections .venv/bin/python tests/tools/config_reference.py "$@"
