#!/usr/bin/env bash
# The lab's commands for people: up, down, destroy, status. LAB_DIR, ENGINE and VERSION choose which lab (see `make help`).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${LAB_DIR:-$root/.lab}
engine=${ENGINE:-auto}
# Downloads and the built image are shared by the labs of this checkout.
export PIXELS_LAB_CACHE=${PIXELS_LAB_CACHE:-$root/.cache/lab}

lab() { PYTHONPATH="$root/tests/lab" "$root/.venv/bin/python" -m truenas_lab "$@"; }

why_not_real() {
    if [ "$(uname -s)" != Linux ]; then
        echo "real containers need Linux; this is $(uname -s)"
    elif [ "$(id -u)" != 0 ]; then
        echo "real containers need root (bridge, storage pool, root file systems); this is $(id -un)"
    elif ! command -v incusd >/dev/null && [ ! -x /opt/incus/bin/incusd ] && ! command -v apt-get >/dev/null; then
        echo "real containers need Incus: it is not installed, and this is neither Debian nor Ubuntu to install it from"
    fi
}

# A key that asks for nothing: the user's own when it works without a passphrase or an agent holds it, else one of the lab's.
usable_key() {
    [ -f "$1" ] && [ -f "$1.pub" ] || return 1
    ssh-keygen -y -P '' -f "$1" >/dev/null 2>&1 || ssh-add -L 2>/dev/null | grep -qF "$(cut -d' ' -f2 "$1.pub")"
}

provide_key() {
    local key="${PIXELS_SSH_KEY:-$HOME/.ssh/id_ed25519}"
    key=${key/#\~/$HOME}
    if usable_key "$key"; then
        # The default is found without being named; one from this shell's environment has to be told to the next shell.
        if [ "$key" = "$HOME/.ssh/id_ed25519" ]; then return; fi
    else
        key=$dir/ssh/id_ed25519
    fi
    if [ ! -f "$key" ]; then
        install -d -m 0700 "$dir/ssh"
        ssh-keygen -q -t ed25519 -N '' -C "pixels lab" -f "$key"
    fi
    if ! grep -q '^export PIXELS_SSH_KEY=' "$dir/env"; then
        printf 'export PIXELS_SSH_KEY=%q\n' "$key" >>"$dir/env"
    fi
}

case ${1:-} in
up)
    if [ "$engine" = auto ]; then
        reason=$(why_not_real)
        if [ -n "$reason" ]; then
            echo "The lab cannot run real containers here: $reason." >&2
            echo "The whole API without containers runs anywhere:  make lab ENGINE=memory" >&2
            exit 1
        fi
        engine=incus
    fi
    command -v ssh-keygen >/dev/null || "$root/tests/tools/apt_install.sh" openssh-client
    lab up --dir "$dir" --engine "$engine" ${VERSION:+--version "$VERSION"}
    provide_key
    echo "The tools:   export PATH=$root/.venv/bin:\$PATH"
    ;;
why-not-real) why_not_real ;;
down | status) lab "$1" --dir "$dir" ;;
image) lab image --dir "$dir" "${2:?which release, such as debian/13}" ;;
destroy)
    lab destroy --dir "$dir"
    rm -rf "$dir/ssh"
    # Other labs of this checkout share the cache; it goes with the one that `make lab` makes.
    if [ "$dir" = "$root/.lab" ]; then rm -rf "$PIXELS_LAB_CACHE"; fi
    rmdir "$dir" 2>/dev/null || true
    ;;
*)
    echo "usage: lab.sh up|down|destroy|status|image RELEASE" >&2
    exit 2
    ;;
esac
