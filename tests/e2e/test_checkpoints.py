# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A risky upgrade and its undoing, in a real container: what was there is there again, byte for byte, and SSH asks nothing."""

from __future__ import annotations

import pytest
from playbook import Playbooks
from running_lab import RunningLab

NAME = "risky"
DATASET = "tank/.ix-virt/containers/px-risky"
NIGHT = "auto-2026-11-23_00-00"

# Everything of the system and of the user that does not change by itself, as one sum.
SUM = (
    "sh -c 'find /usr/bin /usr/sbin /usr/lib/systemd /etc/ssh /home/pixel -xdev -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum'"
)
# What an agent may do to a system that it was let loose on.
WRECK = (
    "sh -c 'echo lost >/home/pixel/notes; rm -rf /usr/lib/systemd/system/ssh* /usr/sbin/sshd /usr/bin/find /etc/machine-id;"
    ' rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key; sync\''
)


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(real_lab: RunningLab) -> None:
    """The story begins with an empty appliance; its tests follow one another."""
    real_lab.reset()


@pytest.fixture(scope="module")
def sums(playbook: Playbooks) -> dict[str, str]:
    """What a container has at each of its checkpoints."""
    playbook("create", name=NAME).succeeded()
    found = {}
    for label in ("first", "before"):
        run(playbook, f"sh -c 'head -c 3000000 /dev/urandom >/home/pixel/work-{label}'")
        found[label] = run(playbook, SUM)
        playbook("checkpoint_create", name=NAME, label=label).succeeded()
    assert found["first"] != found["before"]
    return found


def run(playbook: Playbooks, command: str, user: str = "root") -> str:
    return str(playbook("exec", name=NAME, cmd=command, user=user).succeeded().last("exec")["stdout"])


def restore(playbook: Playbooks, label: str, **options: str) -> dict[str, object]:
    done = playbook("checkpoint_restore", name=NAME, label=label, **options).succeeded()
    return dict(done.last("checkpoint")["container"])


def test_taken_without_stopping(sums: dict[str, str], playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    before = run(playbook, "cat /proc/sys/kernel/random/boot_id /proc/1/stat")
    taken = playbook("checkpoint_create", name=NAME, label="while-it-runs").succeeded().last("checkpoint")["container"]
    assert taken["checkpoint"]["referenced"] > 3_000_000
    assert run(playbook, "cat /proc/sys/kernel/random/boot_id /proc/1/stat").split()[:3] == before.split()[:3]
    assert real_lab.changes(since) == ["pool.snapshot.create"]
    playbook("checkpoint_delete", name=NAME, label="while-it-runs").succeeded()


def test_undone_past_a_night(sums: dict[str, str], playbook: Playbooks, real_lab: RunningLab) -> None:
    """The appliance has taken a snapshot of its own in between: it is named, nothing is touched, and kept when that is asked for."""
    run(playbook, WRECK)
    real_lab.nightly(NIGHT)
    since = real_lab.mark()
    refused = playbook("checkpoint_restore", name=NAME, label="before")
    assert refused.rc == 2 and NIGHT in refused.failures()[0]
    assert real_lab.changes(since) == [] and real_lab.instances()["px-risky"]["status"] == "RUNNING"

    done = restore(playbook, "before", on_newer="keep")
    assert done["actions"] == ["stopped", "swapped", "started", *(["known_hosts"] if "known_hosts" in str(done["actions"]) else [])]
    # No question, no other key: the very login that worked before works again.
    assert run(playbook, SUM) == sums["before"]
    assert run(playbook, "id -un", user="pixel") == "pixel\n"
    timings = done["timings"]
    assert isinstance(timings, dict) and {"stop", "data", "start", "ready", "total"} <= timings.keys()
    kept = [name for name in real_lab.snapshots() if name.startswith("tank/.ix-virt/pixels.kept.px-risky.") and name.endswith(NIGHT)]
    assert len(kept) == 1


def test_back_to_the_first_one_and_forward_again(sums: dict[str, str], playbook: Playbooks, real_lab: RunningLab) -> None:
    """Both ways, with what is newer kept, then without."""
    restore(playbook, "first", on_newer="keep")
    assert run(playbook, SUM) == sums["first"]
    restore(playbook, "before", on_newer="keep")
    assert run(playbook, SUM) == sums["before"]
    lines = playbook("checkpoint_list", name=NAME).succeeded().stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("before", "first"))] == ["before", "first"]
    restore(playbook, "first", on_newer="destroy")
    assert run(playbook, SUM) == sums["first"]
    assert "before" not in [name.partition("@pixels-")[2] for name in real_lab.snapshots()]


def test_another_host_key_comes_back_trusted(sums: dict[str, str], playbook: Playbooks) -> None:
    """After the checkpoint the container got a new host key, which was pinned; the restore pins the old one again."""
    playbook("checkpoint_create", name=NAME, label="old-key").succeeded()
    new_key = 'rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh*'
    run(playbook, f"sh -c '{new_key}'")
    assert playbook("exec", name=NAME, cmd="true").rc != 0, "the new key is not trusted yet"
    playbook("create", name=NAME).succeeded()
    assert playbook("exec", name=NAME, cmd="true").succeeded()
    assert "known_hosts" in str(restore(playbook, "old-key")["actions"])
    assert playbook("exec", name=NAME, cmd="true").succeeded()


def test_nothing_is_left(sums: dict[str, str], playbook: Playbooks, real_lab: RunningLab) -> None:
    playbook("destroy", name=NAME).succeeded()
    assert [name for name in real_lab.datasets() if "risky" in name] == []
    assert [name for name in real_lab.snapshots() if "risky" in name] == []
