#!/usr/bin/env bash
# From nothing to a container with SSH: the lab, one container, a command run in it, a checkpoint, a clone of that, the list, and
# how to go on.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
name=${1:-task1}
export LAB_DIR=${LAB_DIR:-$root/.lab}
began=$SECONDS

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
step() { printf '\n%s==> %s%s  [%d s]\n' "$bold" "$1" "$plain" $((SECONDS - began)); }
play() {
    local playbook=$1
    shift
    local shown="ansible-playbook playbooks/$playbook.yml" word
    for word; do
        # Quoted only where it has to be, as a person would type it.
        if [[ $word =~ ^[A-Za-z0-9_=./:-]+$ ]]; then shown+=" $word"; else shown+=" ${word@Q}"; fi
    done
    echo "\$ $shown"
    ansible-playbook "playbooks/$playbook.yml" "$@"
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT

real=yes
if [ "${ENGINE:-auto}" = auto ]; then
    reason=$(tests/tools/lab.sh why-not-real)
    if [ -n "$reason" ]; then
        export ENGINE=memory
        cat <<NOTE
${bold}******************************************************************************
  $reason.
  The demo goes on with the lab's memory engine: the whole TrueNAS API, but NO
  CONTAINER RUNS. Nothing below can be reached by SSH. Run it as root on Debian
  or Ubuntu to see the real thing.
******************************************************************************${plain}
NOTE
    fi
fi
bare='' gone=$name
if [ "${ENGINE:-auto}" = memory ]; then
    real=no bare=' -e provision=false'
fi

step "A TrueNAS-compatible lab on this machine"
tests/tools/lab.sh up
set -a
# shellcheck source=/dev/null
source "$LAB_DIR/env"
set +a
export ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_DISPLAY_SKIPPED_HOSTS=False
export PATH=$root/.venv/bin:$PATH

if [ $real = yes ]; then
    step "Container $name, with SSH and the tools for coding agents"
    [ ! -t 1 ] || export ANSIBLE_FORCE_COLOR=1
    play create -e "container=$name" -e wait_for=devtools | tee "$said"
    step "An agent in it, over SSH"
    play exec -e "container=$name" -e 'cmd=sh -c "id; claude --version; codex --version; opencode --version"'
    step "A checkpoint of it, and a container cloned from that"
    play checkpoint_create -e "container=$name" -e label=ready
    play create -e "container=$name-clone" -e "from=$name:ready"
    gone=$name-clone,$name
else
    step "Container $name (of the memory engine: an entry, nothing more)"
    play create -e "container=$name" -e provision=false
fi
step "The list"
play list

cat <<NEXT

${bold}Done in $((SECONDS - began)) s.${plain}
NEXT
if [ $real = yes ]; then
    cat <<NEXT

Get in, from any shell:
$(grep -E '^ +ssh ' "$said" || echo '  (see above)')
NEXT
fi
cat <<NEXT

Go on in a shell that knows the lab:
  source ${LAB_DIR#"$root"/}/env && export PATH=$root/.venv/bin:\$PATH
NEXT
if [ $real = yes ]; then
    echo "  ansible-playbook playbooks/console.yml -e container=$name"
    echo "  ansible-playbook playbooks/exec.yml -e container=$name -e cmd='ls -la'"
    echo "  ansible-playbook playbooks/checkpoint_restore.yml -e container=$name -e label=ready"
    echo "  ansible-playbook playbooks/create.yml -e 'container=worker[01:05]' -e from=$name:ready"
fi
cat <<NEXT
  ansible-playbook playbooks/create.yml -e container=another$bare
  ansible-playbook playbooks/list.yml

Clean up:
  ansible-playbook playbooks/destroy.yml -e container=$gone    # the containers
  make lab-stop                                                # the lab; its containers are kept for the next start
  make lab-destroy                                             # the lab and all that it made
NEXT
