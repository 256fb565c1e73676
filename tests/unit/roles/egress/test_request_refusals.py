"""What the agent user cannot ask root for, and that then nothing is run: strange names, lines, units and configurations."""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.tests.unit.roles.egress.request_service import REQUEST, ROLE, Service, load

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a container is a Linux")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.end()


HOSTILE_NAMES = [
    "./x.deb",
    "/tmp/x.deb",
    "../x",
    "x.deb/",
    "hello/bookworm",
    "-oAPT::Update::Pre-Invoke::=id",
    "-o",
    "-c/tmp/x",
    "--config-file=/tmp/x",
    "--",
    "-y",
    "hello-",
    "hello+",
    "hello:amd64-",
    "hello:amd64+",
    "hello:",
    "hello:a:b",
    "+hello",
    "g+",
    "libstdc++",
    "hello^",
    "web-server^",
    "hell*",
    "hell?",
    "^hello$",
    "hel.o",
    "~nhello",
    "?name(hello)",
    "hello=2.10",
    "hello=",
    "hello=2.10-3/../x",
    "hello;id",
    "hello id",
    "hello\nid",
    "hello\n",
    "hello\0",
    "$(id)",
    "`id`",
    "hello|id",
    "hello&",
    "Hello",
    "h\u00e9llo",
    "\u0661\u0662",
    "\ud800",
    "",
    " ",
    "h",
    "nosuch",
    "a" * 5000,
    "podman",
    "podman:amd64",
    "docker.io",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=[f"name{number}" for number in range(len(HOSTILE_NAMES))])
def test_whatever_is_not_the_name_of_a_package_is_refused(service: Service, name: str) -> None:
    """Also beside one that is; of all programs only apt-cache is asked."""
    status, text = service.ask("install", "hello", name)
    assert status in (3, 100) and text.startswith("refused: ")
    assert service.programs() <= {"apt-cache"}
    assert text.isascii() and text.count("\n") == 1 and len(text) < 400
    assert service.log.read_text().count("\n") == 1


MALFORMED = {
    "empty": b"\n",
    "no JSON": b"install hello\n",
    "bad UTF-8": b'["install","\xff\xfe"]\n',
    "long": b'["install"' + b',"hello"' * 10000 + b"]\n",
    "no end": b'["update"]',
    "deep": b"[" * 60000 + b"\n",
    "object": b'{"update": 1}\n',
    "text": b'"update"\n',
    "empty array": b"[]\n",
    "numbers": b'["install", 1]\n',
    "nested": b'["install", ["hello"]]\n',
    "number": b"9" * 50000 + b"\n",
    "nothing to install": b'["install"]\n',
    "too many names": b'["install"' + b',"hello"' * 201 + b"]\n",
    "update something": b'["update", "hello"]\n',
    "other verb": b'["remove", "hello"]\n',
    "upgrade": b'["upgrade"]\n',
    "option as a verb": b'["-s", "install", "hello"]\n',
    "verb with a space": b'["install hello"]\n',
    "attribute": b'["__class__"]\n',
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_whatever_is_not_a_request_is_refused(service: Service, data: bytes) -> None:
    status, text = service.send(data)
    assert status == 2 and text.startswith("refused: ")
    assert service.calls() == []
    assert len(service.log.read_text()) < 1000


def test_whoever_sends_nothing_is_not_waited_for(service: Service) -> None:
    began = time.monotonic()
    with service.connect() as connection:
        assert connection.recv(100).startswith(b"refused: ")
    assert time.monotonic() - began < 10


def test_a_line_without_an_end_is_not_read_for_ever(service: Service) -> None:
    service.tables["LINE_PATIENCE"] = 60.0
    with service.connect() as connection:
        connection.sendall(b"x" * 70000)
        assert connection.recv(100).startswith(b"refused: ")


@pytest.mark.parametrize("name", ["needs-podman", "hello"])
def test_what_is_denied_is_denied_as_a_consequence_too(service: Service, name: str) -> None:
    service.program("apt-get", (service.place / "apt-get").read_text().replace(" needs-podman ", f" {name} "))
    status, text = service.ask("install", name)
    assert status == 3 and "podman" in text
    assert all("--simulate" in call for call in service.calls() if call.startswith("apt-get"))


def test_nor_is_anything_denied_removed(service: Service) -> None:
    service.program("apt-get", 'echo "Remv podman:amd64 [4.0]"\n')
    assert service.ask("install", "hello")[0] == 3
    assert len(service.calls()) == 2


DAMAGED: dict[str, Any] = {
    "no JSON": "{",
    "no object": "[]",
    "a number": "1",
    "nothing": "",
    "no lists": '{"packages": true}',
    "packages is a text": '{"packages": "true", "denied_packages": [], "units": []}',
    "units is a text": '{"packages": true, "denied_packages": [], "units": "a.service"}',
    "a unit with a path": '{"packages": true, "denied_packages": [], "units": ["/a.service"]}',
    "a pattern of units": '{"packages": true, "denied_packages": [], "units": ["*.service"]}',
    "an option as a unit": '{"packages": true, "denied_packages": [], "units": ["-a.service"]}',
    "no text in a list": '{"packages": true, "denied_packages": [1], "units": []}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_configuration_allows_nothing(service: Service, text: str) -> None:
    service.config.write_text(text)
    _refused_for_the_configuration(service)


def test_a_missing_configuration_allows_nothing(service: Service) -> None:
    service.config.unlink()
    _refused_for_the_configuration(service)


def test_a_configuration_that_others_can_write_allows_nothing(service: Service) -> None:
    service.config.chmod(0o666)
    _refused_for_the_configuration(service)


def test_a_configuration_of_somebody_else_allows_nothing(service: Service) -> None:
    service.tables["CONFIG_OWNER"] = os.getuid() + 1
    _refused_for_the_configuration(service)


def _refused_for_the_configuration(service: Service) -> None:
    for words in (["update"], ["install", "hello"], ["journal", "egress-dns@front"], ["systemctl", "status", "pixels-devtools"]):
        status, text = service.ask(*words)
        assert status == 3 and "missing or damaged" in text
    assert service.calls() == []


def test_what_cannot_be_recorded_is_not_done(service: Service) -> None:
    service.log.symlink_to(service.place / "elsewhere")
    assert service.ask("install", "hello")[0] == 3
    assert service.calls() == [] and not (service.place / "elsewhere").exists()


def test_packages_can_be_forbidden_altogether(service: Service) -> None:
    service.set_config(packages=False, denied_packages=[], units=["pixels-devtools.service"])
    assert service.ask("install", "hello")[0] == 3
    assert service.ask("update")[0] == 3
    assert service.calls() == []
    assert service.ask("systemctl", "status", "pixels-devtools") == (3, "state\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_only_the_agent_and_root_may_ask(service: Service) -> None:
    service.set_config(user="daemon", packages=True, denied_packages=[], units=[])
    stranger, agent = pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("daemon").pw_uid
    with service.asked_by(stranger):
        assert service.ask("update") == (3, 'refused: only "daemon" may ask\n')
    assert service.calls() == []
    with service.asked_by(agent):
        assert service.ask("update")[0] == 0
    assert service.ask("update")[0] == 0


def test_an_agent_without_an_account_may_not_ask(service: Service) -> None:
    service.set_config(user="nobody-of-this-name", packages=True, denied_packages=[], units=[])
    assert service.ask("update")[0] == (0 if os.geteuid() == 0 else 3)


def test_a_request_cannot_write_lines_of_its_own_into_the_record(service: Service) -> None:
    service.ask("install", "x\nts=1 uid=0 exit=0 \x1b[2J\x7f\u2028")
    service.send(b"\xff\r\x1b not JSON\n")
    lines = service.log.read_bytes().split(b"\n")
    assert len(lines) == 3 and lines[2] == b""
    assert all(b" uid=%d exit=" % os.getuid() in line and line.isascii() for line in lines[:2])
    assert all(32 <= byte < 127 for line in lines for byte in line)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["cron"],
        ["*"],
        ["pixels-*"],
        ["egress-*"],
        ["--cursor-file=/etc/x"],
        ["-D/tmp"],
        ["pixels-devtools", "--cursor-file=/etc/x"],
        ["pixels-devtools", "lines"],
        ["pixels-devtools", "lines", "0"],
        ["pixels-devtools", "lines", "1001"],
        ["pixels-devtools", "lines", "-1"],
        ["pixels-devtools", "lines", "\u0661"],
        ["pixels-devtools", "lines", "5 --cursor-file=x"],
        ["pixels-devtools", "lines", "5\n"],
        ["pixels-devtools", "lines", "5", "lines", "5"],
        ["pixels-devtools", "follow", "follow"],
        ["pixels-devtools\n"],
        ["egress-x.service\n"],
        ["/etc/systemd/system/pixels-devtools.service"],
    ],
    ids=ascii,
)
def test_other_journals_and_options_are_refused(service: Service, words: list[str]) -> None:
    status, text = service.ask("journal", *words)
    assert status in (2, 3) and text.startswith("refused: ")
    assert service.calls() == []


@pytest.mark.parametrize(
    "words",
    [
        ["stop", "egress-firewall"],
        ["restart", "egress-dns@front.service"],
        ["stop", "ssh"],
        ["stop", "ssh.service"],
        ["stop", "systemd-networkd"],
        ["stop", "cron"],
        ["enable", "pixels-devtools"],
        ["link", "/home/agent/evil.service"],
        ["start", "/home/agent/evil.service"],
        ["start", "pixels-devtools", "cron"],
        ["start", "pixels-*"],
        ["start", "--now"],
        ["--root=/x", "pixels-devtools"],
        ["start", "pixels-devtools "],
        ["start", "Pixels-Devtools"],
        ["status", "cron"],
        ["status"],
        [],
        ["set-environment", "A=b"],
        ["start", ""],
    ],
    ids=ascii,
)
def test_everything_else_about_services_is_refused(service: Service, words: list[str]) -> None:
    status, text = service.ask("systemctl", *words)
    assert status in (2, 3) and text.startswith("refused: ")
    assert service.calls() == []


def test_the_list_of_denied_packages_is_one_that_is_accepted() -> None:
    lines = (ROLE / "files" / "packages.deny").read_text(encoding="ascii").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    module = load(REQUEST)
    assert module.texts(names, module.NAME) == frozenset(names)
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize("name", ["egress-request@.service.j2", "egress-rules@.service.j2"])
def test_only_the_reader_of_the_rules_has_the_network_s_capability(name: str) -> None:
    lines = (ROLE / "templates" / name).read_text(encoding="utf-8").splitlines()
    (bounds,) = [line.partition("=")[2] for line in lines if line.startswith("CapabilityBoundingSet=")]
    if name.startswith("egress-rules"):
        assert bounds == "CAP_NET_ADMIN" and "StandardInput=null" in lines
    else:
        assert bounds.startswith("~") and {"CAP_NET_RAW", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_SYS_BOOT"} <= set(bounds.split())
        assert "CAP_NET_ADMIN" in bounds
