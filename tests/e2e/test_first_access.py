"""First access to real containers: what is missing is installed, what is there is left, what was planted leads nowhere."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

NAME = "access"
# Connections that outlive a task would hide that nobody is let in any more.
ALONE = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"}
# Holds the locks of dpkg and of the package lists as apt does: until our script has been at work for two seconds.
HOLD_LOCKS = r"""
use Fcntl; $| = 1; my @held; my $all = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0); my $script = "/run/pixels-ssh-access.lock";
unlink $script;
for my $file (qw(/var/lib/dpkg/lock-frontend /var/lib/apt/lists/lock)) {
  open(my $lock, ">>", $file) or die $!;
  fcntl($lock, F_SETLK, my $copy = $all) or die $!;
  push @held, $lock;
}
print "held\n";
if (@ARGV) { <STDIN> } else { select(undef, undef, undef, 0.1) until -e $script; sleep 2 }
"""


def exec_command(lab: RunningLab, *words: str) -> tuple[list[str], dict[str, str]]:
    """Straight into the container, behind the back of everything that is tested."""
    return ["incus", "exec", f"px-{NAME}", "--", *words], {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin", "HOME": "/root"}


def inside(lab: RunningLab, script: str) -> str:
    command, env = exec_command(lab, "sh", "-ec", script)
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def grant(playbook: Playbooks, *, check: bool = False, diff: bool = False, **options: Any) -> PlayRun:
    return playbook.tasks({"name": "Access", "pixels.sandbox.ssh_access": {"name": NAME, **options}}, check=check, diff=diff)


def entry(run: PlayRun) -> dict[str, Any]:
    return dict(run.last("ssh_access")["container"])


def shells(lab: RunningLab, since: int) -> int:
    return len(lab.journal(since, kind="shell"))


@contextlib.contextmanager
def holding(lab: RunningLab, *how_long: str) -> Iterator[None]:
    """Another package manager at work."""
    command, env = exec_command(lab, "perl", "-e", HOLD_LOCKS, *how_long)
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield


@pytest.fixture(scope="module", autouse=True)
def _bare_container(real_lab: RunningLab, playbook: Playbooks) -> None:
    """The tests follow one another, in one container that begins without SSH server and Python."""
    real_lab.reset()
    playbook("create", name=NAME, memory="512MiB", provision="false").succeeded()
    inside(real_lab, "! command -v sshd; ! command -v python3")


def test_check_mode_asks_for_no_shell(playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    assert grant(playbook, check=True).succeeded().changed == 1
    assert real_lab.changes(since) == [] and shells(real_lab, since) == 0
    assert real_lab.journal(since, method="auth.generate_token") == []


def test_d21_a_mirror_that_does_not_answer(playbook: Playbooks, real_lab: RunningLab) -> None:
    """D21: a failed task with the end of the log."""
    inside(real_lab, "cp -p /etc/apt/sources.list /root/; echo 'deb http://127.0.0.1:9/debian stable main' > /etc/apt/sources.list")
    run = grant(playbook)
    inside(real_lab, "mv /root/sources.list /etc/apt/sources.list")
    assert run.rc != 0
    assert "apt could not install" in entry(run)["msg"] and "127.0.0.1:9" in entry(run)["msg"]


def test_d21_a_package_lock_is_waited_for_and_a_rerun_heals(playbook: Playbooks, real_lab: RunningLab) -> None:
    """D21: another package manager at work costs time and nothing else; what failed before is done now."""
    with holding(real_lab, "until told"):
        assert "has not let go" in entry(grant(playbook, timeout=30))["msg"]
    with holding(real_lab):
        first = entry(grant(playbook).succeeded())
    assert {"packages", "user", "root_key", "user_key", "sudo", "sshd", "stamp", "known_hosts"} <= set(first["actions"])
    assert first["python"] == "/usr/bin/python3" and first["host_key"].startswith("ssh-ed25519 ")


def test_second_run_costs_one_login_and_no_shell(playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    assert grant(playbook).succeeded().changed == 0
    assert shells(real_lab, since) == 0


def test_what_was_set_up(real_lab: RunningLab, home: Path) -> None:
    key = (home / ".ssh/id_ed25519.pub").read_text().strip()
    assert inside(real_lab, "id pixel") == "uid=1000(pixel) gid=1000(pixel) groups=1000(pixel)\n"
    for folder in ("/root", "/home/pixel"):
        assert inside(real_lab, f"cat {folder}/.ssh/authorized_keys").splitlines() == [key]
        assert inside(real_lab, f"stat -c %a {folder}/.ssh {folder}/.ssh/authorized_keys").split() == ["700", "600"]
    settings = inside(real_lab, "sshd -T").splitlines()
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "permitrootlogin without-password"} <= set(settings)
    assert inside(real_lab, "systemctl is-enabled ssh.service") == "enabled\n"
    assert inside(real_lab, "stat -c '%a %U' /etc/sudoers.d/pixels") == "440 root\n"


def test_root_and_the_user_take_turns_also_below_an_egress_policy(playbook: Playbooks, real_lab: RunningLab) -> None:
    """Each has a stamp of its own, and that the policy takes the user's right away is no reason to do anything."""
    assert entry(grant(playbook, user="root").succeeded())["actions"] == ["stamp"]
    assert grant(playbook).succeeded().changed == 0
    inside(real_lab, "mkdir /etc/egress; echo '{}' > /etc/egress/policy.json; rm /etc/sudoers.d/pixels")
    assert grant(playbook, user="root").succeeded().changed == 0
    assert grant(playbook).succeeded().changed == 0
    refused = grant(playbook, sudo=True)
    assert refused.rc != 0 and "leaves its user no root" in entry(refused)["msg"] and entry(refused)["actions"] == []
    inside(real_lab, "rm -r /etc/egress")
    assert entry(grant(playbook).succeeded())["actions"] == ["sudo"]


@pytest.mark.parametrize(
    ("plant", "unharmed"),
    [
        ("rm -rf .ssh; ln -s /opt/victim .ssh", 'test -z "$(ls -A /opt/victim | grep -v ^file)"'),
        ("rm -f .ssh/authorized_keys; ln -s /opt/victim/file .ssh/authorized_keys", 'test "$(cat /opt/victim/file)" = precious'),
    ],
    ids=["folder", "file"],
)
def test_d20_planted_links(playbook: Playbooks, real_lab: RunningLab, plant: str, unharmed: str) -> None:
    """D20: what the user plants in the place of our files is replaced, and what it points to stays as it was."""
    inside(real_lab, f"mkdir -p /opt/victim; echo precious > /opt/victim/file; cd /home/pixel; su pixel -c '{plant}'")
    assert entry(grant(playbook).succeeded())["actions"] == ["user_key"]
    inside(real_lab, unharmed)
    assert grant(playbook).succeeded().changed == 0


def test_keys_of_others_are_kept(playbook: Playbooks, real_lab: RunningLab) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q other"
    inside(real_lab, f"echo '{other}' > /root/.ssh/authorized_keys")
    assert entry(grant(playbook).succeeded())["actions"] == ["root_key"]
    assert other in inside(real_lab, "cat /root/.ssh/authorized_keys").splitlines()


def test_d25_a_changed_host_key_is_refused_until_the_api_tells_it(playbook: Playbooks, real_lab: RunningLab) -> None:
    """D25: no trust on first use, and none on second."""
    before = entry(grant(playbook).succeeded())
    inside(real_lab, "cd /etc/ssh; rm ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key; systemctl restart ssh")
    command = [*before["ssh"].split(), "true"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 255 and "host key" in done.stderr.lower()
    after = entry(grant(playbook, diff=True).succeeded())
    assert after["actions"] == ["known_hosts"] and after["host_key"] != before["host_key"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60).returncode == 0


def test_an_account_of_the_image_becomes_the_user(playbook: Playbooks, real_lab: RunningLab) -> None:
    """Images of Ubuntu have a user `ubuntu` with our number."""
    inside(real_lab, "groupadd -g 1700 ubuntu; useradd -m -u 1700 -g 1700 ubuntu; groupadd -g 1800 alice; useradd -m -u 1800 -g 1800 alice")
    assert "user" in entry(grant(playbook, user="agent", uid=1700).succeeded())["actions"]
    assert inside(real_lab, "id agent; ls /home") == "uid=1700(agent) gid=1700(agent) groups=1700(agent)\nagent\nalice\npixel\n"
    refused = grant(playbook, user="other", uid=1800)
    assert refused.rc != 0 and "alice" in entry(refused)["msg"] and "replace_user" in entry(refused)["msg"]
    grant(playbook).succeeded()


def keys_role(playbook: Playbooks, home: Path, *, check: bool = False, **variables: Any) -> PlayRun:
    """The role, for the container as a host of the play."""
    found = entry(grant(playbook, check=True))["hostvars"]
    inventory = home / "keys.json"
    inventory.write_text(json.dumps({"all": {"hosts": {NAME: found}}}))
    play = home / "keys.yml"
    role = {"name": "Keys", "hosts": NAME, "gather_facts": False, "roles": ["pixels.sandbox.ssh_keys"], "vars": variables}
    play.write_text(json.dumps([role]))
    return playbook(str(play), inventory=inventory, env=ALONE, check=check, diff=True)


def test_the_role_manages_keys_over_ssh(playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyhwnbd/Og6XrXXWwF8B/sr8JPzc6k9wONvntOoAoNU colleague"
    additional = [{"key": other, "users": ["pixel"]}]
    assert keys_role(playbook, home, check=True, ssh_keys_additional=additional).succeeded().changed == 1
    assert "colleague" not in inside(real_lab, "cat /home/pixel/.ssh/authorized_keys")
    since = real_lab.mark()
    assert keys_role(playbook, home, ssh_keys_additional=additional).succeeded().changed == 1
    assert "colleague" in inside(real_lab, "cat /home/pixel/.ssh/authorized_keys")
    assert "colleague" not in inside(real_lab, "cat /root/.ssh/authorized_keys")
    assert keys_role(playbook, home, ssh_keys_additional=additional).succeeded().changed == 0
    assert shells(real_lab, since) == 0
    assert keys_role(playbook, home, ssh_keys_exclusive=True).succeeded().changed == 1
    assert len(inside(real_lab, "cat /home/pixel/.ssh/authorized_keys").splitlines()) == 1


def test_the_role_writes_a_lost_key_through_the_api(playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    inside(real_lab, "rm /home/pixel/.ssh/authorized_keys /root/.ssh/authorized_keys")
    assert keys_role(playbook, home, ssh_keys_repair=False).rc != 0
    since = real_lab.mark()
    repaired = keys_role(playbook, home).succeeded()
    assert repaired.last("ssh_access")["changed"] is True and shells(real_lab, since) == 1
    assert keys_role(playbook, home).succeeded().changed == 0
