"""Developer tools in real containers: all of them once, from the registry; clones of that for everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leftovers import known_hosts
from playbook import BIN, ROOT, Playbooks, PlayRun, clean_environment
from running_lab import RunningLab
from terminal import Terminal

FULL, HELD, POOR = "dtfull", "dtheld", "dtpoor"
STATE, LOG = "/var/lib/pixels/devtools/state.json", "/var/log/pixels/devtools.log"
TOOLS = ["mise", "node", "npm", "claude-code", "codex", "opencode"]
# What each program says, as the agent, in a session of `exec`.
ANSWERS = {
    "claude --version": "(Claude Code)",
    "codex --version": "codex-cli ",
    "opencode --version": ".",
    "node --version": "v24.",
    "npm --version": "11.",
    "npx --version": "11.",
    "mise --version": "linux-",
    "rg --version": "ripgrep ",
    "fd --version": "fd",
    "git --version": "git version ",
}
# Served in the container itself: small, and as wrong as a test needs it.
SERVER = "http://127.0.0.1:8099"
SCRIPT = "#!/bin/sh\necho mise 1.2.3\n"
OWN = {"version": "1.2.3", "url": f"{SERVER}/mise", "sha256": hashlib.sha256(SCRIPT.encode()).hexdigest(), "programs": {"mise": "bin/mise"}}
SMALL = {"devtools_install": ["mise"], "devtools_tools": {"packages": False, "mise": OWN}}


class Box:
    """A container, past everything."""

    def __init__(self, lab: RunningLab, name: str) -> None:
        self.instance = f"px-{name}"
        self.incus = {"INCUS_DIR": str(lab.directory / "incus"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}

    def _incus(self, *words: str, text: str | None = None) -> str:
        done = subprocess.run(["incus", *words], env=self.incus, input=text, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, script: str, text: str | None = None) -> str:
        return self._incus("exec", self.instance, "--", "sh", "-c", script, text=text or "")

    def restart(self) -> None:
        self._incus("restart", "--force", self.instance)

    def write(self, path: str, text: str) -> None:
        self.run(f"mkdir -p $(dirname {path}); cat >{path}", text)

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.run(f"cat {STATE}")))

    def until(self, fits: Callable[[dict[str, Any]], bool], seconds: float = 240.0) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            if fits(state):
                return state
            assert time.monotonic() < end, json.dumps(state) + self.run(f"tail -n 40 {LOG}")
            time.sleep(0.3)

    def until_over(self) -> dict[str, Any]:
        return self.until(lambda state: state["status"] in ("done", "failed"))

    def hold_packages(self) -> None:
        """As another package manager does, until the unit is stopped."""
        hold = "import fcntl, time; s = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(s, fcntl.LOCK_EX); time.sleep(600)"
        self.run(f'systemd-run -q --unit hold python3 -c "{hold}"; until grep -q POSIX /proc/locks; do sleep 0.1; done; sleep 0.3')

    def serve(self, content: str) -> None:
        self.write("/srv/mise", content)
        # As a service, so that it does not end with whoever started it.
        self.run("systemctl is-active -q wrong || systemd-run -q --unit wrong python3 -m http.server -b 127.0.0.1 -d /srv 8099")
        self.run(
            "for i in $(seq 50); do python3 -c 'import urllib.request as u; u.urlopen(\"" + SERVER + "\")' && exit; sleep 0.1; done; exit 1"
        )


Devtools = Callable[..., PlayRun]


@pytest.fixture(scope="module")
def devtools(playbook: Playbooks) -> Devtools:
    """The role, in one container."""

    def run(name: str, **options: Any) -> PlayRun:
        keywords = {key: options.pop(key) for key in ("check", "diff") if key in options}
        find = {"hosts": "localhost", "gather_facts": False, "roles": [{"role": "pixels.sandbox.targets", "targets_names": name}]}
        work = {"hosts": "pixels_targets", "gather_facts": False, "roles": [{"role": "pixels.sandbox.devtools", **options}]}
        path = playbook.home / "devtools.yml"
        path.write_text(json.dumps([find, work]))
        return playbook(str(path), **keywords)

    return run


@pytest.fixture(scope="module", autouse=True)
def full(playbook: Playbooks, real_lab: RunningLab, devtools: Devtools, home: Path) -> Any:
    """The one with everything. What the others are is made of it."""
    real_lab.reset()
    playbook("create", container=FULL).succeeded()
    devtools(FULL, devtools_wait=True).succeeded()
    yield Box(real_lab, FULL)
    real_lab.reset()
    if known_hosts(home).exists():
        known_hosts(home).write_text("")


@pytest.fixture(scope="module")
def held(playbook: Playbooks, real_lab: RunningLab, full: Box) -> Box:
    """A clone that reaches what agents need, and whose agent has no root."""
    playbook("create", **{"container": HELD, "from": FULL, "egress": "agent"}).succeeded()
    return Box(real_lab, HELD)


@pytest.fixture(scope="module")
def poor(playbook: Playbooks, real_lab: RunningLab, full: Box) -> Box:
    """A clone to try faults in, on something small."""
    playbook("create", **{"container": POOR, "from": FULL}).succeeded()
    return Box(real_lab, POOR)


def answers(playbook: Playbooks, name: str) -> dict[str, str]:
    lines = "; ".join(f"echo '{command}' $({command} | head -n 1)" for command in ANSWERS)
    said = playbook("exec", container=name, argv=["bash", "-c", lines], login=False).succeeded().last("exec")["stdout"]
    return {command: next(line for line in said.splitlines() if line.startswith(command))[len(command) :].strip() for command in ANSWERS}


def assert_answers(found: dict[str, str]) -> None:
    assert {command: text for command, text in found.items() if ANSWERS[command] not in text} == {}


def test_all_of_them_answer_the_agent_in_every_kind_of_session(playbook: Playbooks, full: Box) -> None:
    assert_answers(answers(playbook, FULL))
    state = full.state()
    assert [step["name"] for step in state["steps"]] == ["packages", *TOOLS, "settings"]
    assert {step["status"] for step in state["steps"]} == {"done"} and state["status"] == "done" and state["ended"] >= state["started"]


def test_nobody_but_root_can_change_what_runs_as_root(full: Box) -> None:
    places = "/usr/local/lib/pixels /var/lib/pixels /usr/local/bin /etc/profile.d/pixels-tools.sh /etc/npmrc"
    assert full.run(f"find {places} ! -type l \\( ! -user root -o -perm /022 \\)") == ""


def test_the_agent_installs_packages_of_its_own_without_root(playbook: Playbooks) -> None:
    """And nothing asks it whether to update the agents."""
    script = (
        "npm install -g is-odd@3.0.1 && ls ~/.local/lib/node_modules && echo $DISABLE_AUTOUPDATER $OPENCODE_DISABLE_AUTOUPDATE; echo $PATH"
    )
    said = playbook("exec", container=FULL, argv=["bash", "-c", script]).succeeded().last("exec")["stdout"]
    assert "is-odd" in said and "\n1 1\n" in said and "/.local/bin:" in said and "/.local/share/mise/shims" in said


def test_again_and_offline_nothing_changes(devtools: Devtools, full: Box) -> None:
    """D27: a second run without a network is none."""
    before = full.state()
    assert devtools(FULL, devtools_wait=True, check=True).succeeded().changed == 0
    full.run("ip route replace unreachable default metric 1")
    try:
        assert devtools(FULL, devtools_wait=True).succeeded().changed == 0
        full.run("systemctl restart pixels-devtools; while systemctl -q is-active pixels-devtools; do sleep 0.1; done")
    finally:
        full.run("ip route del unreachable default metric 1")
    assert full.state() == before
    assert "everything is there" in full.run(f"tail -n 1 {LOG}")


class TestRestricted:
    def test_they_answer_there_too(self, playbook: Playbooks, held: Box) -> None:
        assert_answers(answers(playbook, HELD))

    def test_a_person_works_there_too(self, playbook: Playbooks, held: Box) -> None:
        """The terminal, its session, and a port of the box on this machine."""
        here = Terminal(clean_environment(playbook.home, **playbook.env))
        try:
            here.run(f"{BIN}/ansible-playbook {ROOT}/playbooks/console.yml -e container={HELD}")
            here.until(rf"^pixel@px-{HELD}:.*\$ *$")
            here.type("clear; sudo -n true; echo root=$?; claude --version")
            here.until(r"^root=[1-9]")
            here.until(r"\(Claude Code\)")
            here.type("clear; echo from-the-box >page; python3 -m http.server 3000 --bind 127.0.0.1")
            here.until("Serving HTTP")
            here.press("C-\\")
            assert here.ended() == 0
            exposed = playbook("expose", container=HELD, port=3000).succeeded().last("expose")["forward"]["url"]
            with urllib.request.urlopen(f"{exposed}/page", timeout=20) as answer:
                assert answer.read() == b"from-the-box\n"
        finally:
            playbook("expose", container=HELD, close=True)
            here.close()

    def test_new_ones_come_through_the_policy(self, devtools: Devtools, playbook: Playbooks, held: Box) -> None:
        held.run("rm /usr/local/bin/claude; rm -r /usr/local/lib/pixels/tools/claude-code")
        run = devtools(HELD, devtools_npm=["cowsay@1.6.0"], devtools_packages=["tree"], devtools_wait=True).succeeded()
        assert run.changed == 1
        said = playbook("exec", container=HELD, argv=["sh", "-c", "cowsay moo; tree --version; claude --version"]).succeeded()
        assert all(text in said.last("exec")["stdout"] for text in ("< moo >", "tree v", "(Claude Code)"))

    def test_the_agent_looks_after_the_service_without_root(self, playbook: Playbooks, held: Box) -> None:
        script = "sudo systemctl restart pixels-devtools && sudo journalctl -u pixels-devtools -n 50; sudo systemctl status pixels-devtools"
        said = playbook("exec", container=HELD, argv=["sh", "-c", script + "; true"]).succeeded().last("exec")["stdout"]
        assert "Install developer tools" in said and "refused" not in said

    def test_a_registry_that_the_policy_does_not_list_is_named(self, devtools: Devtools, held: Box) -> None:
        held.run("rm -r /usr/local/lib/pixels/tools/mise")
        run = devtools(HELD, devtools_install=["mise"], devtools_npm_registry="https://npm.example.org/", devtools_wait=True)
        assert run.rc != 0
        said = "does not allow npm.example.org; network_allow with -e domain=npm.example.org lets it through"
        assert any(said in message for message in run.failures()), run.failures()
        assert said in next(step["message"] for step in held.state()["steps"] if step["status"] == "failed")


class TestFaults:
    def test_something_else_than_was_promised_is_refused_and_mended(self, devtools: Devtools, poor: Box) -> None:
        """D27."""
        poor.serve(SCRIPT.replace("1.2.3", "evil"))
        assert devtools(POOR, **SMALL, devtools_wait=True).rc != 0
        failed = next(step for step in poor.state()["steps"] if step["status"] == "failed")
        assert failed["name"] == "mise" and "is not what it has to be, and was not unpacked" in failed["message"]
        assert "evil" not in poor.run("/usr/local/bin/mise --version; ls -AR /usr/local/lib/pixels/tools/mise")
        poor.serve(SCRIPT)
        run = devtools(POOR, **SMALL, devtools_wait=True).succeeded()
        assert run.changed == 1 and "it failed (mise: " in run.last("devtools")["why"][0]
        assert poor.run("mise --version; ls /usr/local/bin") == "mise 1.2.3\nfd\nmise\nrg\n"
        assert poor.run("ls /usr/local/lib/pixels/tools /usr/local/lib/pixels/tools/mise").count("1.2.3-") == 1

    def test_without_a_network_it_fails_with_the_reason_and_is_mended(self, devtools: Devtools, poor: Box) -> None:
        """D21, D22."""
        poor.run("ip route replace unreachable default metric 1")
        try:
            run = devtools(POOR, devtools_install=["node", "npm"], devtools_tools={"packages": False}, devtools_wait=True)
        finally:
            poor.run("ip route del unreachable default metric 1")
        state = poor.state()
        assert run.rc != 0 and state["status"] == "failed" and state["ended"]
        failed = next(step for step in state["steps"] if step["status"] == "failed")
        assert failed["name"] == "node" and "cannot be reached" in failed["message"] and "5 times" in failed["message"]
        devtools(POOR, devtools_install=["node", "npm"], devtools_tools={"packages": False}, devtools_wait=True).succeeded()
        assert poor.run("npm --version").startswith("11.")

    def test_another_package_manager_is_waited_for(self, devtools: Devtools, poor: Box) -> None:
        poor.hold_packages()
        # dpkg knows no awk, but what provides it.
        devtools(POOR, **SMALL, devtools_packages=["tree", "awk"]).succeeded()
        poor.run(f"timeout 60 sh -c 'until tail -n 3 {LOG} | grep -q \"Waiting for cache lock\"; do sleep 0.2; done'")
        step = poor.state()["steps"][0]
        assert step["status"] == "running" and "held by process" in step["message"]
        poor.run("systemctl stop hold")
        assert poor.until_over()["status"] == "done"
        assert "tree v" in poor.run("tree --version")

    def test_it_goes_on_after_a_reboot_and_mends_what_was_left_half_done(self, devtools: Devtools, poor: Box) -> None:
        # As a run of dpkg leaves it that was cut off.
        poor.run("cd /tmp; apt-get -q download hello && dpkg --unpack hello_*.deb && dpkg --audit | grep -q hello")
        poor.hold_packages()
        devtools(POOR, **SMALL, devtools_packages=["hello"]).succeeded()
        poor.until(lambda state: state["steps"][0]["status"] == "running")
        before = poor.state()
        poor.restart()
        state = poor.until_over()
        assert (state["status"], state["attempt"]) == ("done", before["attempt"] + 1) and state["boot"] != before["boot"]
        assert poor.run("dpkg --audit") == "" and "Hello" in poor.run("hello")

    def test_what_was_stopped_says_so_and_can_be_started_again(self, devtools: Devtools, poor: Box) -> None:
        poor.hold_packages()
        devtools(POOR, **SMALL, devtools_packages=["sl"]).succeeded()
        poor.until(lambda state: state["steps"][0]["status"] == "running")
        poor.run(
            "systemctl kill -s KILL pixels-devtools; while systemctl -q is-active pixels-devtools; do sleep 0.1; done; systemctl stop hold"
        )
        state = poor.until_over()
        assert state["status"] == "failed" and "unexpectedly (signal)" in state["steps"][0]["message"]
        poor.run("systemctl restart pixels-devtools")
        assert poor.until(lambda state: state["status"] == "done")["attempt"] == 2

    def test_what_somebody_else_has_put_there_stays(self, devtools: Devtools, poor: Box) -> None:
        poor.run("rm /usr/local/bin/mise; printf '#!/bin/sh\\necho mine\\n' >/usr/local/bin/mise; chmod 755 /usr/local/bin/mise")
        assert devtools(POOR, **SMALL, devtools_wait=True).rc != 0
        assert "/usr/local/bin/mise is somebody else's" in next(s["message"] for s in poor.state()["steps"] if s["status"] == "failed")
        assert poor.run("mise") == "mine\n"
