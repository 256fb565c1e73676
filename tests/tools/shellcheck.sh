#!/usr/bin/env bash
# Runs shellcheck over every shell script; installed from the distribution when root and it is missing, left out with a word otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || tests/tools/apt_install.sh shellcheck || true
if ! command -v shellcheck >/dev/null; then
    echo "LEFT OUT: shellcheck is not installed"
    exit 0
fi
mapfile -t scripts < <(find .ci tests playbooks roles plugins extensions -name '*.sh' -type f; printf "%s\n" .ci/run roles/egress/files/load roles/console/files/{session,detach})
shellcheck "${scripts[@]}"
echo "${#scripts[@]} scripts"
