# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's environment in a real container: to the byte wherever the agent works, and nowhere else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks, PlayRun, clean_environment
from running_lab import RunningLab

NAME = "envbox"
SECRET = "s3cr3t-stored-9f27"
FORWARDED = "s3cr3t-forwarded-41c8"
VALUES = {
    "TOKEN": SECRET,
    "EMPTY": "",
    "BLANKS": "  leading and trailing \t",
    "QUOTES": 'it\'s "quoted" `id` $(id) $HOME %h # no remark',
    "BACKSLASHES": '\\ \\\\ \\n \\" \\',
    "MULTILINE": "one\ntwo\\\nthree\n",
    "NOT_ASCII": "äöü ☃",
    "TEMPLATE": "{{ lookup('pipe', 'id') }}",
}
DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
# Of the user's start-up file what is below our lines, which creating the container has put there.
FOREIGN = "cat /etc/environment 2>/dev/null || echo none; tail -n +4 /home/pixel/.bashrc"
UNIT = """\
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/dump.py
StandardOutput=truncate:/dev/shm/unit.json
"""


class Box:
    """The container, the ways into it, and the roles under test."""

    def __init__(self, playbook: Playbooks, lab: RunningLab, home: Path) -> None:
        self.playbook, self.lab, self.home = playbook, lab, home
        found = playbook.tasks({"name": "Find", "pixels.sandbox.container_info": {"name": NAME, "connection": True}}).succeeded()
        container = found.last("container_info")["containers"][0]
        self.ssh_line: str = container["ssh"]
        self.hosts = home / "environment.json"
        self.hosts.write_text(json.dumps({"all": {"hosts": {NAME: container["hostvars"]}}}))

    def role(self, role: str, *options: str, check: bool = False, env: dict[str, Any] | None = None, **variables: Any) -> PlayRun:
        play = self.home / f"{role}.yml"
        content = {"name": role, "hosts": NAME, "gather_facts": False, "roles": [f"pixels.sandbox.{role}"], "vars": variables}
        play.write_text(json.dumps([content]))
        environment = {} if env is None else {"PIXELS_ENV": json.dumps(env)}
        return self.playbook(str(play), *options, inventory=self.hosts, check=check, diff=True, env=environment)

    def give(self, values: dict[str, str], *options: str, check: bool = False, **more: Any) -> PlayRun:
        # Written as tables, for an empty text means that nothing was said.
        said = {name: {"value": value} for name, value in values.items()}
        return self.role("environment", *options, check=check, env={**said, **more})

    def root(self, script: str, stdin: str | None = None) -> str:
        """Straight into the container, behind the back of everything that is tested."""
        command = ["incus", "exec", f"px-{NAME}", "--", "sh", "-ec", script]
        env = {"INCUS_DIR": self.lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin", "HOME": "/root"}
        done = subprocess.run(command, env=env, input=stdin or "", capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def agent(self, script: str) -> str:
        return self.root(f"su pixel -c {shlex.quote(script)}")

    def ssh(self, *words: str, stdin: str = "", options: tuple[str, ...] = (), **environ: str) -> str:
        program, *rest = self.ssh_line.split()
        env = {**clean_environment(self.home), **environ}
        command = [program, *options, *rest, *words]
        done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sessions(self) -> dict[str, dict[str, str]]:
        """What each kind of session has."""
        dump = "python3 /opt/dump.py"
        self.ssh("-tt", stdin=f"{dump} >/dev/shm/interactive.json\nexit\n")
        return {
            "login": json.loads(self.ssh(f"bash -lc {shlex.quote(dump)}")),
            "login, by itself": json.loads(self.root(f"env -i su - pixel -c {shlex.quote(dump)}")),
            "command": json.loads(self.ssh(dump)),
            "terminal": json.loads(self.root("cat /dev/shm/interactive.json")),
            "interactive": json.loads(self.agent(f"bash -ic {shlex.quote(dump)}")),
            "unit": self.unit(),
        }

    def files_with(self, text: str) -> list[str]:
        """All files in the container that hold it. It is not on the command line of the search, which would find itself."""
        others = "--exclude-dir=proc --exclude-dir=sys --exclude-dir=dev"
        look = f"cat >/dev/shm/wanted; grep -raFlsD skip -f /dev/shm/wanted / {others} || [ $? = 1 ]"
        return self.root(f"{look}; rm /dev/shm/wanted", text + "\n").splitlines()

    def unit(self) -> dict[str, str]:
        self.agent("XDG_RUNTIME_DIR=/run/user/1000 systemctl --user start dump.service")
        return dict(json.loads(self.root("cat /dev/shm/unit.json")))


@pytest.fixture(scope="module")
def box(real_lab: RunningLab, playbook: Playbooks, home: Path) -> Iterator[Box]:
    real_lab.reset()
    playbook("create", container=NAME, memory="512MiB").succeeded()
    made = Box(playbook, real_lab, home)
    made.root(f"echo {shlex.quote(DUMP)} >/opt/dump.py")
    # A systemd of the user's own that runs before there are any variables.
    made.root("loginctl enable-linger pixel; until [ -e /run/user/1000/systemd/private ]; do sleep 0.1; done")
    made.agent(f"mkdir -p ~/.config/systemd/user; printf %s {shlex.quote(UNIT)} >~/.config/systemd/user/dump.service")
    made.unit()
    yield made
    playbook("destroy", container=NAME).succeeded()


@contextlib.contextmanager
def watched(*secrets: str) -> Iterator[list[str]]:
    """Processes with a secret in their arguments, on both ends: those of the container are processes of this machine as well."""
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    line = place.read_bytes().decode("utf-8", "replace")
                    seen.extend(line for secret in secrets if secret in line)
            over.wait(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_check_mode_touches_nothing_and_tells_names_only(box: Box) -> None:
    state = "find /home /etc -newer /opt/mark ! -path '*/.ansible*' -type f; rm /opt/mark"
    box.root("sleep 0.02; touch /opt/mark")
    run = box.give(VALUES, check=True).succeeded()
    assert box.root(state) == ""
    assert run.changed == 1 and "+TOKEN" in run.stdout
    assert run.last("environment")["changes"] == [{"name": name, "change": "added"} for name in sorted(VALUES)]
    assert SECRET not in run.output


def test_d4_values_arrive_to_the_byte_in_every_kind_of_session(box: Box) -> None:
    """D4, D26: and are in no process list and in nothing that Ansible can be made to say."""
    path, before = box.ssh("echo $PATH"), box.root(FOREIGN)
    with watched(SECRET) as seen:
        run = box.give(VALUES, "-vvv").succeeded()
    assert seen == [] and SECRET not in run.output and SECRET not in str(run.results)
    for kind, found in box.sessions().items():
        assert {name: found.get(name) for name in VALUES} == VALUES, kind
    assert box.ssh("echo $PATH") == path
    lines = box.root(FOREIGN)
    assert lines == before
    again = box.give(VALUES).succeeded()
    assert again.changed == 0 and again.last("environment")["files"] == []


def test_d4_nobody_else_can_read_them(box: Box) -> None:
    assert box.root("stat -c '%a %U %n' /home/pixel/.pixels /home/pixel/.pixels/*").splitlines() == [
        "700 pixel /home/pixel/.pixels",
        "600 pixel /home/pixel/.pixels/environment",
    ]
    assert box.files_with(SECRET) == ["/home/pixel/.pixels/environment"]
    assert SECRET not in box.root("env -i su - root -c env")
    box.root("setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '! cat /home/pixel/.pixels/environment' 2>/dev/null")


def test_a_value_can_be_another_one_within_a_session(box: Box) -> None:
    assert box.ssh("TOKEN=mine bash -lc 'echo $TOKEN'") == "mine\n"


def test_d4_what_is_gone_or_new_is_so_in_all_sessions_that_begin(box: Box) -> None:
    run = box.give({"TOKEN": "another", "MORE": "x"}).succeeded()
    assert {change["change"] for change in run.last("environment")["changes"]} == {"added", "changed", "removed"}
    assert "another" not in run.stdout
    for kind, found in box.sessions().items():
        assert (found.get("TOKEN"), found.get("MORE"), found.get("MULTILINE")) == ("another", "x", None), kind
    assert box.give({}).succeeded().changed == 1
    for kind, found in box.sessions().items():
        assert {"TOKEN", "MORE", "PIXELS_ENVIRONMENT"}.isdisjoint(found), kind
    assert box.root("ls -A /home/pixel/.pixels") == ""
    # As a run leaves it that was cut off before it told them, and a session that imports its variables into the manager.
    stale = "PIXELS_ENVIRONMENT='0123456789abcdef TOKEN' TOKEN=stale"
    box.agent(f"XDG_RUNTIME_DIR=/run/user/1000 systemctl --user set-environment {stale}")
    box.root("touch /run/pixels-sshd")
    assert box.unit()["TOKEN"] == "stale"
    run = box.give({}).succeeded()
    assert run.changed == 1 and run.last("environment")["renewed"] and "TOKEN" not in box.unit()
    assert box.root("ls /run/pixels-sshd 2>/dev/null || true") == ""
    assert box.give({}).succeeded().changed == 0


def test_d20_planted_links(box: Box) -> None:
    """D20: where they lead to nothing changes, and the variables arrive all the same."""
    box.root("rm -rf /opt/victim; mkdir -m 777 /opt/victim; echo ': precious' >/opt/victim/file; chmod 666 /opt/victim/file")
    victim = "find /opt/victim -printf '%p %T@ %i %m\\n'; cat /opt/victim/file"
    before = box.root(victim)
    plants = (
        "cd; ln -sf /opt/victim/file .bashrc; mv .config config; ln -s /opt/victim .config; rm -rf .pixels; ln -s /opt/victim .pixels",
        "ln -sf /opt/victim/file ~/.pixels/environment",
    )
    for plant in plants:
        box.agent(plant)
        assert box.give({"TOKEN": plant}).succeeded().changed == 1
        assert json.loads(box.ssh("python3 /opt/dump.py"))["TOKEN"] == plant
        assert box.root(victim) == before
    assert ": precious" in box.agent("cat ~/.bashrc") and box.give({"TOKEN": plants[-1]}).succeeded().changed == 0
    box.agent("rm ~/.config; mv ~/config ~/.config")


def test_what_a_session_brings_is_on_no_disk_and_in_no_process_list(box: Box) -> None:
    """D26: over SSH, in login shells and others."""
    # The file of the configuration has the name, and this machine's environment the value.
    box.give({"TOKEN": "kept"}, LATER={"forward": True}, ONCE={"value": FORWARDED, "session_only": True}).succeeded()
    brought = {"PIXELS_ENV_LATER": f"{FORWARDED} 'a'\n\"b\" ", "PIXELS_ENV_TOKEN": FORWARDED}
    for command in ("python3 /opt/dump.py", "bash -lc 'python3 /opt/dump.py'"):
        with watched(FORWARDED) as seen:
            found = json.loads(box.ssh(command, options=("-o", "SendEnv=PIXELS_ENV_*"), **brought))
        assert (found["LATER"], found["TOKEN"]) == (brought["PIXELS_ENV_LATER"], FORWARDED)
        assert seen == [] and not [name for name in found if name.startswith("PIXELS_ENV_")]
    box.ssh("-tt", stdin="printenv LATER | sha256sum >/dev/shm/sum\nexit\n", options=("-o", "SendEnv=PIXELS_ENV_*"), **brought)
    assert box.root("cat /dev/shm/sum").split()[0] == hashlib.sha256(f"{brought['PIXELS_ENV_LATER']}\n".encode()).hexdigest()
    assert "LATER" not in json.loads(box.ssh("python3 /opt/dump.py"))
    assert box.files_with(FORWARDED) == []


def test_the_lookup_gives_a_session_what_it_brings(box: Box) -> None:
    env = {"PIXELS_ENV": json.dumps({"LATER": {"forward": True}, "LACKING": {"forward": True}}), "LATER": FORWARDED}
    that = [
        "lookup('pixels.sandbox.environment', 'session', override={'X': 'x'}) == {'LATER': lookup('env', 'LATER'), 'X': 'x'}",
        "lookup('pixels.sandbox.environment', 'missing') == ['LACKING']",
    ]
    run = box.playbook.tasks({"name": "Look", "ansible.builtin.assert": {"that": that}}, env=env).succeeded()
    assert FORWARDED not in run.output


def test_a_shell_that_reads_nothing_is_told_of(box: Box) -> None:
    box.root("usermod -s /bin/sh pixel")
    try:
        run = box.give({"TOKEN": "in sh"}).succeeded()
        assert "ssh host command" in run.last("environment")["left_out"][0]
        assert box.root("env -i su - pixel -c 'echo $TOKEN'") == "in sh\n"
    finally:
        box.root("usermod -s /bin/bash pixel")


def test_mistakes_are_found_before_anything_is_touched(box: Box) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"environment_vars": {"A": [SECRET]}}, "A is a list; allowed is a text"),
        ({"environment_login": "pixel", "environment_vars": {}}, "log in as root"),
    ]
    for variables, message in wrong:
        run = box.role("environment", **variables)
        assert run.rc != 0 and message in " ".join(run.failures()), run.output
        assert SECRET not in run.output


def test_time_zone_locale_and_name_servers(box: Box) -> None:
    wanted: dict[str, Any] = {"system_timezone": "Europe/Berlin", "system_locale": "de_DE.UTF-8", "system_dns": ["192.0.2.53"]}
    old = box.root("cat /etc/timezone /etc/default/locale; readlink /etc/localtime; ls /etc/systemd/resolved.conf.d 2>/dev/null || true")
    names: dict[str, Any] = {**wanted, "system_dns": []}
    assert box.role("system", check=True, **wanted).succeeded().last("system")["steps"] == ["dns", "timezone", "locales", "locale"]
    assert (
        box.root("cat /etc/timezone /etc/default/locale; readlink /etc/localtime; ls /etc/systemd/resolved.conf.d 2>/dev/null || true")
        == old
    )
    assert box.role("system", **names).succeeded().last("system")["steps"] == ["timezone", "locales", "locale"]
    assert box.role("system", **wanted).succeeded().last("system")["steps"] == ["dns"]
    assert box.role("system", **wanted).succeeded().changed == 0
    assert box.ssh("date -d '2026-07-01 12:00 UTC' +%H:%M%Z; date -d 2026-07-01 +%A; echo $LANG") == "14:00CEST\nMittwoch\nde_DE.UTF-8\n"
    assert "192.0.2.53" in box.root("resolvectl dns")
    run = box.role("system", **{**wanted, "system_timezone": "Etc/UTC", "system_locale": "de_XX.UTF-8"})
    assert run.rc != 0 and "de_DE.UTF-8" in run.failures()[0]
    assert box.root("readlink /etc/localtime") == "/usr/share/zoneinfo/Europe/Berlin\n"
