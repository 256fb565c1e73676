#!/usr/bin/env bash
# The lab that the end-to-end tests use: its own directory, kept between runs because its image takes minutes to build.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${PIXELS_E2E_LAB:-$root/.cache/e2e}
unset "${!PIXELS_TRUENAS_@}"
LAB_DIR=$dir ENGINE=incus VERSION=25.10 exec "$root/tests/tools/lab.sh" "$@"
