#!/usr/bin/env bash
# Installs packages of the distribution: `apt_install.sh PACKAGE...`. Needs root on Debian or Ubuntu (ends with 2 elsewhere), waits
# for other package managers, and says nothing but what went wrong.
set -euo pipefail
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    exit 2
fi
echo "Installing $* (apt-get) ..." >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" >>"$log" 2>&1; }
# The lists on a fresh machine are missing or old; on others an update only costs time.
if ! apt install --no-install-recommends "$@" && ! { apt update && apt install --no-install-recommends "$@"; }; then
    tail -n 20 "$log" >&2
    exit 1
fi
