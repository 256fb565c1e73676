"""The role `worker` over SSH. Several hosts of the inventory are one sshd on loopback, each with a directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loopback_sshd import SSHD, LoopbackSshd, loopback_sshd
from playbook import ROOT

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd on this machine (package openssh-server)")

# A container that has become somebody else's: whatever it is asked, it answers with an archive that wants to get out of its directory.
HOSTILE = """#!{python}
import json, io, sys, tarfile
header = json.loads(sys.stdin.buffer.readline())
out = sys.stdout.buffer
out.write(b"\\npixels-job:" + header["request"]["marker"].encode() + b"\\n")
if header["run"] == "start":
    out.write(b'{{"answer": {{"started": true, "directory": "/"}}}}\\n')
else:
    out.write(b'{{"result": {{"status": {{"status": 0}}}}}}\\n')
    link = tarfile.TarInfo("files/out")
    link.type, link.linkname = tarfile.SYMTYPE, "/"
    info = tarfile.TarInfo("files/out{escape}")
    info.size = 5
    out.write(link.tobuf(tarfile.USTAR_FORMAT) + info.tobuf(tarfile.USTAR_FORMAT) + b"owned" + bytes(507 + 1024))
out.flush()
"""
ENDLESS = """#!{python}
import json, sys
header = json.loads(sys.stdin.buffer.readline())
out = sys.stdout.buffer
out.write(b"\\npixels-job:" + header["request"]["marker"].encode() + b"\\n")
if header["run"] == "start":
    out.write(b'{{"answer": {{"started": true, "directory": "/"}}}}\\n')
    out.flush()
    sys.exit()
while True:
    out.write(b"x" * 65536)
"""


@dataclass(frozen=True)
class Boxes:
    sshd: LoopbackSshd

    @property
    def directory(self) -> Path:
        return self.sshd.directory

    def play(
        self,
        hosts: Mapping[str, Mapping[str, Any]],
        *options: str,
        before: Any = (),
        check: bool = False,
        validate: bool = True,
        **variables: Any,
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        """Run the role on the hosts; worker_result of each comes back."""
        target = self.directory / "results.json"
        target.unlink(missing_ok=True)
        role = {"name": "Role", "ansible.builtin.import_role": {"name": "pixels.sandbox.worker", "rolespec_validate": validate}}
        keep = {
            "name": "Keep what was found",
            "ansible.builtin.copy": {
                "dest": str(target),
                "content": "{{ dict(groups.workers | zip(groups.workers | map('extract', hostvars)"
                " | map(attribute='worker_result', default={}))) | to_json }}",
                "mode": "0600",
            },
        }
        plays = [
            *([{"name": "Before", "hosts": "localhost", "gather_facts": False, "tasks": list(before)}] if before else []),
            {"name": "Work", "hosts": "workers", "gather_facts": False, "tasks": [role]},
            {"name": "Keep", "hosts": "localhost", "gather_facts": False, "tasks": [keep]},
        ]
        (self.directory / "play.yml").write_text(json.dumps(plays))
        inventory = {
            name: {**self.sshd.hostvars(), "worker_directory": str(self.directory / "boxes" / name), **own} for name, own in hosts.items()
        }
        common = {"worker_results": str(self.directory / "out"), "worker_fail": False, **variables}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        content = {"all": {"hosts": {"localhost": local}, "children": {"workers": {"hosts": inventory, "vars": common}}}}
        (self.directory / "hosts.json").write_text(json.dumps(content))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.directory / "hosts.json")]
        done = subprocess.run(
            [*command, str(self.directory / "play.yml"), *options, *(["--check"] if check else [])],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(self.directory)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done, json.loads(target.read_text()) if target.exists() else {}

    def file(self, name: str) -> str:
        return (self.directory / "out" / name).read_text()


@pytest.fixture(scope="module")
def _boxes() -> Iterator[Boxes]:
    # Sockets of shared connections lie in it, so its path is short.
    directory = Path(tempfile.mkdtemp(prefix="px-fl-"))
    with loopback_sshd(directory) as sshd:
        yield Boxes(sshd)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def boxes(_boxes: Boxes) -> Boxes:
    for name in ("out", "boxes"):
        shutil.rmtree(_boxes.directory / name, ignore_errors=True)
    return _boxes


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "README").write_text("read me\n")
    for words in (["init", "--quiet"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    return tmp_path


def hosts(count: int) -> dict[str, dict[str, Any]]:
    return {f"w{number}": {} for number in range(1, count + 1)}


def rendezvous(count: int) -> str:
    """A command that ends only once so many have begun."""
    return f"""sh -c 'touch "$MEET/$WHO"; until [ $(ls "$MEET" | wc -l) -ge {count} ]; do sleep 0.1; done; cat README; cat'"""


def test_all_work_at_the_same_time_with_a_repository_and_a_task_each(boxes: Boxes, source: Path) -> None:
    """Also with fewer forks than workers; the repository is packed once."""
    (boxes.directory / "meet").mkdir()
    pack = {
        "name": "Pack",
        "pixels.sandbox.workload": {"name": "w[1:4]", "argv": ["true"], "repository": str(source), "results": str(boxes.directory / "out")},
        "register": "packed",
    }
    done, found = boxes.play(
        hosts(4),
        "--forks=2",
        before=[pack],
        worker_repository="{{ hostvars.localhost.packed.repository }}",
        worker_command=rendezvous(4),
        worker_environment={"MEET": str(boxes.directory / "meet"), "WHO": "{{ inventory_hostname }}"},
        worker_task="task of {{ inventory_hostname }}\n",
        worker_time_limit=60,
    )
    assert done.returncode == 0, done.stdout
    assert {name: one["status"] for name, one in found.items()} == dict.fromkeys(hosts(4), "done")
    assert [boxes.file(f"w{number}/stdout.log") for number in range(1, 5)] == [f"read me\ntask of w{number}\n" for number in range(1, 5)]
    assert json.loads(boxes.file("w3/result.json"))["branch"] == "w3"


def test_each_fails_alone_and_the_play_goes_on(boxes: Boxes) -> None:
    own = {
        "w1": {},
        "w2": {"worker_command": "sh -c 'echo oops >&2; exit 3'"},
        "w3": {"worker_command": "sleep 600", "worker_time_limit": 1},
        "w4": {"worker_task": "{{ nobody_knows }}"},
        "w5": {"ansible_python_interpreter": "/no/such/python"},
        "w6": {"ansible_port": 1, "ansible_control_path": "none"},
    }
    done, found = boxes.play(own, worker_command="true", worker_login=False, validate=False)
    assert done.returncode == 0, done.stdout
    assert [found[name].get("status") for name in own] == ["done", "failed", "timed_out", None, None, None]
    assert (found["w2"]["exit_status"], boxes.file("w2/stderr.log")) == (3, "oops\n")
    assert found["w3"]["timed_out"] is True
    assert "nobody_knows" in done.stdout
    assert "/no/such/python" in done.stdout


def test_with_fail_the_host_is_failed(boxes: Boxes) -> None:
    done, found = boxes.play({"w1": {}, "w2": {"worker_command": "false"}}, worker_command="true", worker_fail=True)
    assert done.returncode == 2
    assert json.loads(boxes.file("w2/result.json"))["status"] == "failed" and found["w1"]["status"] == "done"


def test_a_second_run_starts_nothing_again(boxes: Boxes) -> None:
    command = "sh -c 'echo ran >> count; cat count'"
    boxes.play(hosts(1), worker_command=command)
    done, found = boxes.play(hosts(1), worker_command=command, worker_overwrite=True)
    assert done.returncode == 0, done.stdout
    assert found["w1"]["status"] == "done" and boxes.file("w1/stdout.log") == "ran\n"


def test_check_mode_starts_nothing(boxes: Boxes) -> None:
    done, _found = boxes.play(hosts(1), worker_command="true", check=True)
    assert done.returncode == 0, done.stdout
    assert not (boxes.directory / "boxes").exists() and not (boxes.directory / "out").exists()


@pytest.mark.parametrize("escape", ["/tmp/owned", "/../../../owned", ""], ids=["through a link", "upwards", "link alone"])
def test_a_hostile_container_gets_nothing_out_of_its_directory(boxes: Boxes, escape: str) -> None:
    python = boxes.directory / "hostile"
    python.write_text(HOSTILE.format(python=sys.executable, escape=escape))
    python.chmod(0o755)
    done, found = boxes.play({"w1": {"ansible_python_interpreter": str(python)}, "w2": {}}, worker_command="true")
    assert done.returncode == 0, done.stdout
    assert found["w1"]["status"] == "failed" and "no plain file" in found["w1"]["error"]
    assert found["w2"]["status"] == "done"
    assert [path.name for path in (boxes.directory / "out" / "w1").iterdir()] == ["result.json"]


def test_an_endless_answer_is_cut_off(boxes: Boxes) -> None:
    python = boxes.directory / "endless"
    python.write_text(ENDLESS.format(python=sys.executable))
    python.chmod(0o755)
    done, found = boxes.play({"w1": {"ansible_python_interpreter": str(python)}}, worker_command="true")
    assert done.returncode == 0, done.stdout
    assert found["w1"]["status"] == "failed" and "a line of more than" in found["w1"]["error"]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"ansible_become": True}, "become is not possible"),
        ({"ansible_connection": "local"}, "allowed is ansible.builtin.ssh"),
        ({"ansible_password": "x"}, "with a key"),
    ],
    ids=["become", "local", "password"],
)
def test_what_is_not_possible_is_said(boxes: Boxes, own: dict[str, Any], message: str) -> None:
    done, _found = boxes.play({"w1": own}, worker_command="true", worker_fail=True)
    assert done.returncode == 2 and message in done.stdout
