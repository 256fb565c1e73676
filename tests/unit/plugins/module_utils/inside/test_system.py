# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time zone, locale and name servers, in a directory that stands for a container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_dns import script
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import system_packages
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_places import POLICY
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.system_apply import apply


class Box(Machine):
    """Debian without locales; the package managers and locale-gen do what the real ones do, as far as it matters here."""

    def __init__(self, root: Path, zones: tuple[str, ...] = ("UTC", "Europe/Berlin")) -> None:
        super().__init__(str(root))
        self.there = ["C", "C.utf8", "POSIX"]
        self.commands: list[str] = []
        self.mirror = True
        self._file("/usr/bin/apt-get", "")
        self._file("/etc/default/locale", "LANG=C.UTF-8\nLC_TIME=C\n")
        for zone in zones:
            self._file(f"/usr/share/zoneinfo/{zone}", "TZif2")
        os.symlink("/usr/share/zoneinfo/Etc/UTC", self.path("/etc/localtime"))
        self._file("/etc/timezone", "Etc/UTC\n")

    def _file(self, name: str, text: str) -> None:
        place = Path(self.path(name))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        if command == ("locale", "-a"):
            return 0, "\n".join(self.there)
        self.commands.append(" ".join([command[0], command[-1]]))
        if command[0] == "apt-get":
            if not self.mirror:
                return 100, "Could not connect"
            if command[-1] == "locales":
                self._file("/usr/sbin/locale-gen", "")
                self._file("/usr/share/i18n/SUPPORTED", "de_AT.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\n")
                self._file("/etc/locale.gen", "# de_DE.UTF-8 UTF-8\n")
            if command[-1] == "tzdata":
                self._file("/usr/share/zoneinfo/UTC", "TZif2")
                self._file("/usr/share/zoneinfo/Asia/Tokyo", "TZif2")
        if command[0] == "locale-gen":
            lines = [line for line in (self.read("/etc/locale.gen") or "").splitlines() if not line.startswith("#")]
            self.there += [line.split()[0].replace("UTF-8", "utf8") for line in lines]
        return 0, ""

    def ask(self, *, check: bool = False, **params: Any) -> dict[str, Any]:
        return apply(self, {"timezone": "", "locale": "", "dns": [], **params}, check, self.dns_script)

    def dns_script(self, servers: list[str], look: bool) -> str:
        self.commands.append(f"dns {' '.join(servers)} {look}")
        return "echo changed /etc/resolv.conf\n"

    def state(self) -> dict[str, Any]:
        places = [path for path in Path(self.root).rglob("*") if path.is_symlink() or path.is_file()]
        return {str(path): os.readlink(path) if path.is_symlink() else path.read_text() for path in places}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(system_packages.time, "sleep", lambda _seconds: None)
    return Box(tmp_path)


def test_the_time_zone(box: Box) -> None:
    assert box.ask(timezone="Europe/Berlin")["steps"] == ["timezone"]
    assert os.readlink(box.path("/etc/localtime")) == "/usr/share/zoneinfo/Europe/Berlin" and box.read("/etc/timezone") == "Europe/Berlin\n"
    assert box.ask(timezone="Europe/Berlin")["changed"] is False
    os.unlink(box.path("/etc/localtime"))
    os.symlink("../usr/share/zoneinfo/Europe/Berlin", box.path("/etc/localtime"))
    assert box.ask(timezone="Europe/Berlin")["changed"] is False
    box.remove("/etc/localtime")
    assert box.ask(timezone="Europe/Berlin")["steps"] == ["timezone"]


def test_the_database_of_time_zones_is_installed_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_packages.time, "sleep", lambda _seconds: None)
    box = Box(tmp_path, zones=())
    assert box.ask(timezone="Asia/Tokyo", check=True)["steps"] == ["tzdata", "timezone"] and box.commands == []
    box.mirror = False
    with pytest.raises(Failed, match="the time zone Asia/Tokyo needs the package tzdata, which apt could not install"):
        box.ask(timezone="Asia/Tokyo")
    assert os.readlink(box.path("/etc/localtime")).endswith("UTC")
    box.mirror = True
    assert box.ask(timezone="Asia/Tokyo")["steps"] == ["tzdata", "timezone"]


def test_a_locale_is_made_once_and_the_other_settings_stay(box: Box) -> None:
    before = box.state()
    assert box.ask(locale="de_DE.UTF-8", check=True)["steps"] == ["locales", "locale"] and box.state() == before
    assert box.ask(locale="de_DE.UTF-8")["steps"] == ["locales", "locale"]
    assert box.read("/etc/default/locale") == "LANG=de_DE.UTF-8\nLC_TIME=C\n"
    assert box.read("/etc/locale.gen") == "# de_DE.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n"
    assert box.ask(locale="de_DE.UTF-8")["changed"] is False
    assert box.ask(locale="C.UTF-8")["steps"] == ["locale"]


def test_a_link_in_the_place_of_the_locale_stays_one(box: Box) -> None:
    box.remove("/etc/default/locale")
    os.symlink("../locale.conf", box.path("/etc/default/locale"))
    box.write("/etc/locale.conf", "LANG=C\n")
    box.ask(locale="C.UTF-8")
    assert os.path.islink(box.path("/etc/default/locale")) and box.read("/etc/locale.conf") == "LANG=C.UTF-8\n"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"timezone": "Europe/Berln"}, "knows no time zone Europe/Berln; did you mean Europe/Berlin?"),
        ({"timezone": "europe/berlin"}, "did you mean Europe/Berlin?"),
        ({"timezone": "US/Eastern"}, "tzdata-legacy"),
        ({"timezone": "../../etc/passwd"}, "is no name of a time zone"),
        ({"timezone": "/etc/passwd"}, "is no name of a time zone"),
        ({"timezone": "Europe"}, "knows no time zone Europe"),
        ({"locale": "de_DE.UTF-8\nX=y"}, "is no name of a locale"),
        ({"locale": "$(id)"}, "is no name of a locale"),
        ({"dns": ["one.example.org"]}, "a name server is given by its address"),
        ({"dns": ["192.0.2.1", "192.0.2.1 ; id"]}, "a name server is given by its address"),
    ],
)
def test_nothing_is_touched_when_one_thing_is_wrong(box: Box, params: dict[str, Any], message: str) -> None:
    before = box.state()
    with pytest.raises(Failed) as caught:
        box.ask(**{"timezone": "Europe/Berlin", "locale": "C.UTF-8", "dns": ["192.0.2.1"], **params})
    assert message in caught.value.message
    assert box.state() == before and box.commands == []


def test_a_locale_that_the_distribution_does_not_have(box: Box) -> None:
    box.ask(locale="de_DE.UTF-8")
    with pytest.raises(Failed, match=r"no locale de_XX.UTF-8; with this language there are de_AT.UTF-8, de_DE.UTF-8"):
        box.ask(locale="de_XX.UTF-8")


def test_the_egress_policy_decides_about_name_servers(box: Box) -> None:
    assert box.ask(dns=["192.0.2.1"], check=True)["steps"] == ["dns"]
    assert box.commands == ["dns 192.0.2.1 True"]
    box.write(POLICY, "{}")
    said = box.ask(dns=["192.0.2.1"])
    assert (said["changed"], said["left_out"], said["dns"]) == (False, ["dns"], [])


class TestScript:
    """The shell functions that set name servers, in a root directory of their own."""

    def run(self, root: Path, servers: list[str], look: bool = False, resolved: bool = False) -> list[str]:
        text = script(servers, look)
        for folder in ("/etc/", "/run/", "/usr/share/"):
            text = text.replace(f" {folder}", f" {root}{folder}").replace(f'"{folder}', f'"{root}{folder}')
        text = text.replace("PX_STAMPS=/etc", f"PX_STAMPS={root}/etc").replace('"$2 0"', f'"$2 {os.getuid()}"')
        fakes = f'with_systemd() {{ {"true" if resolved else "false"}; }}\nsystemctl() {{ echo "$@" >>{root}/systemctl; }}\n'
        head, mark, tail = text.partition("act() {")
        done = subprocess.run(["sh", "-s"], input=head + fakes + mark + tail, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.removeprefix(f"changed {root}") for line in done.stdout.splitlines()]

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for folder in ("etc/pixels/ssh_access.d", "run/systemd/resolve"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.99\n")
        (tmp_path / "etc/pixels/ssh_access.d/pixel").touch()
        return tmp_path

    def test_a_plain_file(self, root: Path) -> None:
        assert self.run(root, ["192.0.2.1", "2001:db8::1"], look=True) == ["/etc/resolv.conf"]
        assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.99\n" and (root / "etc/pixels/ssh_access.d/pixel").exists()
        assert self.run(root, ["192.0.2.1", "2001:db8::1"]) == ["/etc/resolv.conf"]
        assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1\nnameserver 2001:db8::1\n"
        assert not (root / "etc/pixels/ssh_access.d/pixel").exists()
        assert self.run(root, ["192.0.2.1", "2001:db8::1"]) == []

    def test_who_would_write_the_file_again_is_told_not_to(self, root: Path) -> None:
        (root / "etc/dhcp").mkdir()
        (root / "etc/NetworkManager").mkdir()
        (root / "etc/dhcpcd.conf").write_text("hostname\n")
        changed = self.run(root, ["192.0.2.1"])
        assert changed == [
            "/etc/dhcp/dhclient-enter-hooks.d/pixels",
            "/etc/NetworkManager/conf.d/pixels.conf",
            "/etc/dhcpcd.conf",
            "/etc/resolv.conf",
        ]
        assert (root / "etc/dhcpcd.conf").read_text() == "nohook resolv.conf\nhostname\n"
        assert self.run(root, ["192.0.2.1"]) == []

    def test_systemd_resolved_is_asked_by_all(self, root: Path) -> None:
        assert self.run(root, ["192.0.2.1"], resolved=True, look=True) == ["/etc/systemd/resolved.conf.d/pixels.conf", "/etc/resolv.conf"]
        assert not (root / "etc/systemd").exists() and "restart" not in (root / "systemctl").read_text()
        assert self.run(root, ["192.0.2.1"], resolved=True) == ["/etc/systemd/resolved.conf.d/pixels.conf", "/etc/resolv.conf"]
        assert (root / "etc/systemd/resolved.conf.d/pixels.conf").read_text() == "[Resolve]\nDNS=192.0.2.1\nDomains=~.\n"
        assert os.readlink(root / "etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf"
        assert "restart systemd-resolved.service" in (root / "systemctl").read_text()
