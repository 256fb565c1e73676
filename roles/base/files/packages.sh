#!/bin/sh
# Installs packages of the distribution: base packages.sh NAME...
set -eu
export DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
  apt-get update -q
  apt-get install -qy --no-install-recommends -- "$@"
elif command -v dnf >/dev/null; then
  dnf install -qy --setopt=install_weak_deps=False -- "$@"
elif command -v apk >/dev/null; then
  apk add --no-cache -- "$@"
else
  echo "no package manager that is known here: apt-get, dnf, apk" >&2
  exit 1
fi
