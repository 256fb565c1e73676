#!/bin/sh
# What a build leaves behind and no clone needs: downloaded packages, in the caches of package managers. What else a clone does not keep,
# histories, logins, keys and logs, it removes by itself when it first starts.
set -u
if command -v apt-get >/dev/null; then apt-get clean; fi
if command -v dnf >/dev/null; then dnf -q clean all; fi
rm -rf /var/cache/apk/*
for home in /root /home/*; do
  # A link is nobody's cache.
  if [ ! -d "$home" ] || [ -h "$home" ] || [ -h "$home/.cache" ] || [ -h "$home/.npm" ]; then continue; fi
  rm -rf -- "$home/.npm/_cacache" "$home/.npm/_npx" "$home/.cache/pip" "$home/.cache/uv" "$home/.cache/pnpm"
done
sync
