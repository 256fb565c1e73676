"""Clones of real containers: each is somebody of its own before its network comes up, and keeps nothing that is not for it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

BASE, FLEET = "idbase", "idw[1:2]"
CLONES = ("idw1", "idw2")
SERVICE = "pixels-identity.service"
STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyhwnbd/Og6XrXXWwF8B/sr8JPzc6k9wONvntOoAoNU stranger"
# What work has left behind, by the category that it belongs to; the last of them by a list of the source's own.
TRACES = {
    "history": ["/home/pixel/.bash_history", "/root/.python_history"],
    "logins": ["/home/pixel/.codex/auth.json", "/root/.config/gh/hosts.yml", "/home/pixel/.netlab/token"],
    "keys": ["/home/pixel/.ssh/id_ed25519", "/home/pixel/.ssh/known_hosts"],
    "temporary": ["/tmp/scratch", "/var/tmp/scratch"],
}
PREPARE = f"""
for file in {" ".join(path for paths in TRACES.values() for path in paths)}; do mkdir -p "${{file%/*}}"; echo secret >"$file"; done
printf '{{"numStartups": 1, "oauthAccount": {{"emailAddress": "a@b.example"}}}}\n' >/home/pixel/.claude.json
echo '{STRANGER}' >>/home/pixel/.ssh/authorized_keys
mkdir -p /etc/pixels/scrub.d /home/pixel/work && echo '~/.netlab/token' >/etc/pixels/scrub.d/team.list
echo result >/home/pixel/work/file
chown -R pixel:pixel /home/pixel
ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key <<PX_YES >/dev/null || :
n
PX_YES
"""
# Each on a line, with nothing that would differ between two looks at the same container.
FACTS = """
cat /etc/machine-id
cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
hostname
getent hosts "$(hostname)" | tr -s ' '
ip -4 -o address show dev eth0 | awk '{print $4}'
sed -n 1p /etc/pixels/identity
"""


def inside(lab: RunningLab, name: str, script: str) -> str:
    """Straight into the container, behind the back of everything that is tested."""
    command = ["incus", "exec", f"px-{name}", "--", "sh", "-ec", script]
    env = {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin", "HOME": "/root"}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def facts(lab: RunningLab, name: str) -> list[str]:
    return inside(lab, name, FACTS).splitlines()


def has(lab: RunningLab, name: str, path: str) -> bool:
    return inside(lab, name, f"if [ -e {path} ]; then echo yes; fi") == "yes\n"


def grant(playbook: Playbooks, *names: str) -> PlayRun:
    return playbook.tasks({"name": "Access", "pixels.sandbox.ssh_access": {"name": list(names)}})


def clone(playbook: Playbooks, name: str, source: str, **options: Any) -> PlayRun:
    return playbook.tasks({"name": "Clone", "pixels.sandbox.container": {"name": name, "from": source, **options}})


@pytest.fixture(scope="module", autouse=True)
def _base(real_lab: RunningLab, playbook: Playbooks) -> None:
    """The tests follow one another: a container that has been worked in, and a checkpoint of it."""
    real_lab.reset()
    playbook("create", name=BASE, memory="512MiB").succeeded()
    inside(real_lab, BASE, PREPARE)
    playbook("checkpoint_create", container=BASE, label="ready").succeeded()


def test_a_prepared_clone_costs_one_script_and_one_login_by_ssh(playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    clone(playbook, FLEET, f"{BASE}:ready").succeeded()
    assert len(real_lab.journal(since, kind="shell")) == len(CLONES)
    since = real_lab.mark()
    assert grant(playbook, *CLONES).succeeded().changed == 0, "what ssh_access has set up in the source holds for the clone"
    assert real_lab.journal(since, kind="shell") == []


def test_d16_each_is_somebody_of_its_own(real_lab: RunningLab) -> None:
    """D16: machine-id, host key, host name, /etc/hosts, address and id; none of two containers is the same."""
    found = {name: facts(real_lab, name) for name in (BASE, *CLONES)}
    columns = list(zip(*found.values(), strict=True))
    assert len(columns) == 6
    for column in (0, 1, 2, 3, 4, 5):
        assert len(set(columns[column])) == len(found), columns[column]
    for name in CLONES:
        assert found[name][2] == f"px-{name}" and f"px-{name}" in found[name][3].split()
        assert f"px-{BASE}" not in inside(real_lab, name, "cat /etc/hosts /etc/hostname")
        assert inside(real_lab, name, "ls /etc/ssh/ssh_host_*").split() == [
            "/etc/ssh/ssh_host_ed25519_key",
            "/etc/ssh/ssh_host_ed25519_key.pub",
        ]


def test_it_came_before_everything_else(real_lab: RunningLab) -> None:
    """Nothing that has to do with the identity was started before the service had ended, the journal and the network included."""
    show = "systemctl show -p Id,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic '*.service'"
    units = {}
    for text in inside(real_lab, CLONES[0], show).split("\n\n"):
        values = dict(line.split("=", 1) for line in text.splitlines())
        units[values["Id"]] = (int(values["ExecMainStartTimestampMonotonic"]), int(values["ExecMainExitTimestampMonotonic"]))
    _begun, ended = units.pop(SERVICE)
    assert ended > 0
    started = {name: begun for name, (begun, _ended) in units.items() if begun}
    assert {"systemd-journald.service", "systemd-networkd.service", "ssh.service", "dbus.service"} <= set(started)
    # These set up the kernel and the root file system, and neither read nor tell who this is.
    harmless = {"systemd-modules-load.service", "systemd-remount-fs.service", "systemd-sysctl.service"}
    early = {name for name, begun in started.items() if begun < ended and not name.startswith("modprobe@")}
    assert early <= harmless


def test_the_journal_is_its_own(real_lab: RunningLab) -> None:
    for name in CLONES:
        own = facts(real_lab, name)[0]
        assert inside(real_lab, name, "ls /var/log/journal").split() == [own]
        entries = inside(real_lab, name, "journalctl --no-pager -o json").splitlines()
        assert {json.loads(line)["_MACHINE_ID"] for line in entries} == {own}


def test_d16_what_work_has_left_is_scrubbed(real_lab: RunningLab) -> None:
    """D16: history, logins, keys and files of others go; what was prepared stays, and so does our own key."""
    for name in CLONES:
        assert [path for paths in TRACES.values() for path in paths if has(real_lab, name, path)] == []
        assert json.loads(inside(real_lab, name, "cat /home/pixel/.claude.json")) == {"numStartups": 1, "oauthAccount": None}
        assert "stranger" not in inside(real_lab, name, "cat /home/pixel/.ssh/authorized_keys")
        assert inside(real_lab, name, "cat /home/pixel/work/file") == "result\n"
    assert has(real_lab, BASE, "/home/pixel/.codex/auth.json"), "the source keeps what it has"


def test_which_of_it_is_chosen(playbook: Playbooks, real_lab: RunningLab) -> None:
    clone(playbook, "idsome", f"{BASE}:ready", scrub=["history"]).succeeded()
    kept = [name for name, paths in TRACES.items() if has(real_lab, "idsome", paths[0])]
    assert kept == ["logins", "keys", "temporary"] or kept == ["logins", "keys"], "a distribution may empty /tmp at each boot"
    clone(playbook, "idall", f"{BASE}:ready", scrub=[]).succeeded()
    assert has(real_lab, "idall", TRACES["history"][0])
    machine_ids = {facts(real_lab, name)[0] for name in (BASE, "idsome", "idall")}
    assert len(machine_ids) == 3, "the identity is no matter of choice"
    playbook("destroy", container="idsome,idall").succeeded()


def test_a_reboot_changes_nothing(playbook: Playbooks, real_lab: RunningLab) -> None:
    before = {name: facts(real_lab, name) for name in (BASE, *CLONES)}
    log = inside(real_lab, CLONES[0], "cat /var/log/pixels-identity.log")
    restart = {"name": "Restart", "pixels.sandbox.container": {"name": [BASE, *CLONES], "state": "restarted"}}
    playbook.tasks(restart).succeeded()
    assert {name: facts(real_lab, name) for name in before} == before
    assert inside(real_lab, CLONES[0], "cat /var/log/pixels-identity.log") == log
    for name in before:
        assert inside(real_lab, name, f"systemctl is-active {SERVICE}") == "active\n"
    assert grant(playbook, BASE, *CLONES).succeeded().changed == 0


def test_a_clone_of_a_clone(playbook: Playbooks, real_lab: RunningLab) -> None:
    clone(playbook, "idnext", CLONES[0]).succeeded()
    assert not set(facts(real_lab, "idnext")) & set(facts(real_lab, CLONES[0]))
    assert grant(playbook, "idnext").succeeded().changed == 0
    playbook("destroy", container="idnext").succeeded()


def test_a_source_that_was_never_prepared(playbook: Playbooks, real_lab: RunningLab) -> None:
    """Nothing in it would notice; it is made to, with a restart, and that is told."""
    playbook("create", name="idraw", memory="512MiB", provision="false").succeeded()
    inside(real_lab, "idraw", "echo secret >/root/.bash_history")
    run = clone(playbook, "idbare", "idraw").succeeded()
    assert "renewed" in run.last("container")["container"]["actions"] and "machine-id of the source" in run.output
    ids = [inside(real_lab, name, "cat /etc/machine-id") for name in ("idraw", "idbare")]
    assert ids[0] != ids[1]
    assert not has(real_lab, "idbare", "/root/.bash_history")
    address = "ip -4 -o address show dev eth0 | awk '{print $4}'"
    assert inside(real_lab, "idraw", address) != inside(real_lab, "idbare", address)
    assert "identity" in grant(playbook, "idraw").succeeded().last("ssh_access")["container"]["actions"]
    assert clone(playbook, "idbare", "idraw").succeeded().changed == 0
    playbook("destroy", container="idraw,idbare").succeeded()


def test_d13_planted_links_lead_nowhere(playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    """D13: what a link in the source points to is of the container, and a file of that path on the appliance stays as it was."""
    victim = home / "victim"
    victim.write_text("precious")
    victim.chmod(0o666)
    folder = home / "folder"
    folder.mkdir(mode=0o777)
    clone(playbook, "idlinks", CLONES[0]).succeeded()
    plant = f"for file in /etc/machine-id /etc/pixels/identity.pixels /var/log/pixels-identity.log; do ln -sf {victim} $file; done"
    inside(real_lab, "idlinks", f"{plant}; mkdir /root/x; mv /etc/ssh /root/; ln -s {folder} /etc/ssh; ln -s {folder} /home/pixel/.codex")
    run = clone(playbook, "idlinked", "idlinks", wait_timeout=15)
    assert run.rc != 0, "without /etc/ssh it cannot have a host key"
    assert re.fullmatch("[0-9a-f]{32}\n", inside(real_lab, "idlinked", "test ! -h /etc/machine-id; cat /etc/machine-id"))
    # Incus itself writes this one, and refuses to.
    inside(real_lab, "idlinks", f"rm /etc/ssh; mv /root/ssh /etc/; ln -sf {victim} /etc/hostname")
    clone(playbook, "idnamed", "idlinks", wait_timeout=15)
    assert victim.read_text() == "precious" and list(folder.iterdir()) == []
    playbook("destroy", container="idnamed,idlinked,idlinks").succeeded()


def test_without_its_own_identity_it_reaches_nothing(playbook: Playbooks, real_lab: RunningLab) -> None:
    """A step that fails keeps network and SSH down; the task fails, and a restart after the repair heals it."""
    script = "/usr/local/lib/pixels/identity"
    inside(
        real_lab,
        CLONES[1],
        f"cp {script} {script}.whole; sed -i 's/^  host_key$/  trouble planted/' {script}; ! cmp -s {script} {script}.whole",
    )
    run = clone(playbook, "idbroken", CLONES[1], wait_timeout=15)
    assert run.rc != 0
    state = "systemctl is-active systemd-networkd.service ssh.service systemd-journald.service dbus.service || :"
    assert inside(real_lab, "idbroken", state).split() == ["inactive", "inactive", "active", "active"]
    assert inside(real_lab, "idbroken", "ls /etc/ssh/ssh_host_* 2>/dev/null || :") == "", "nor is that of its source left"
    assert re.search("^FAILED: planted$", inside(real_lab, "idbroken", "cat /var/log/pixels-identity.log"), re.MULTILINE)
    inside(real_lab, "idbroken", f"mv {script}.whole {script}")
    playbook.tasks({"name": "Restart", "pixels.sandbox.container": {"name": "idbroken", "state": "restarted"}}).succeeded()
    assert not set(facts(real_lab, "idbroken")) & set(facts(real_lab, CLONES[1]))
    playbook("destroy", container="idbroken").succeeded()


def test_nothing_is_left(playbook: Playbooks, real_lab: RunningLab) -> None:
    playbook("destroy", container=f"{FLEET},{BASE}").succeeded()
    assert real_lab.instances() == {}
