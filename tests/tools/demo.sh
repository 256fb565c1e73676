#!/usr/bin/env bash
# From nothing to a container with SSH: the lab, one container, a command run in it, the list, and how to go on.
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
    echo "\$ ansible-playbook playbooks/$playbook.yml $(printf '%q ' "$@")"
    ansible-playbook "playbooks/$playbook.yml" "$@"
}

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
[ "${ENGINE:-auto}" = memory ] && real=no

step "A TrueNAS-compatible lab on this machine"
tests/tools/lab.sh up
set -a
# shellcheck source=/dev/null
source "$LAB_DIR/env"
set +a
export ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_DISPLAY_SKIPPED_HOSTS=False
export PATH=$root/.venv/bin:$PATH

if [ $real = yes ]; then
    step "Container $name, with SSH"
    play create -e "name=$name"
    step "A command in it, over SSH"
    play exec -e "name=$name" -e "cmd=sh -c 'uname -a; id'"
else
    step "Container $name (of the memory engine: an entry, nothing more)"
    play create -e "name=$name" -e provision=false
fi
step "The list"
play list

cat <<NEXT

${bold}Done in $((SECONDS - began)) s.${plain} Next:
  source ${LAB_DIR#"$root"/}/env && export PATH=$root/.venv/bin:\$PATH
NEXT
if [ $real = yes ]; then
    cat <<NEXT
  ansible-playbook playbooks/exec.yml -e name=$name -e cmd='ls -la'      # run something in it
  $(tests/tools/ssh_command.sh "$name" 2>/dev/null || echo "ansible-playbook playbooks/create.yml -e name=$name                   # says how to get in by ssh")
NEXT
fi
cat <<NEXT
  ansible-playbook playbooks/destroy.yml -e name=$name                   # throw it away
  make lab-stop       # stop the lab (its containers are kept)
  make lab-destroy    # remove the lab and all that it made
NEXT
