# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container's network offers and where its packages come from."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_look, egress_places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_look import looked_up, offered_resolvers, package_hosts
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import Box

ADDRESSES = {
    "deb.example.org": ["203.0.113.5", "2001:db8::5"],
    "mirror.lan.example": ["192.168.7.8", "203.0.113.9"],
    "six.lan.example": ["fd00::8"],
    "proxy.example.org": ["203.0.113.7", "10.0.0.7"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that are asked for, one after the other."""
    asked: list[str] = []

    def getaddrinfo(host: str, _port: int, **_more: Any) -> list[Any]:
        asked.append(host)
        if host in ADDRESSES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ADDRESSES[host]]
        if host.replace(".", "").isdigit() or ":" in host:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))]
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(egress_look.socket, "getaddrinfo", getaddrinfo)
    return asked


def hosts(box: Box) -> list[tuple[str, str, int, list[str] | None]]:
    return [(entry["role"], entry["host"], entry["port"], entry["addresses"]) for entry in package_hosts(box)]


def sources(box: Box, text: str, name: str = "/etc/apt/sources.list") -> None:
    box._put(name, text)


class TestMirrors:
    def test_one_line(self, box: Box) -> None:
        sources(box, "deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://deb.example.org/debian bookworm main\n")
        assert hosts(box) == [("mirror", "deb.example.org", 443, [])]

    @pytest.mark.parametrize(("port", "number"), [("", 80), (":8080", 8080)])
    def test_literal_of_ipv6(self, box: Box, port: str, number: int) -> None:
        sources(box, f"deb http://[2001:db8::1]{port}/debian bookworm main\n")
        assert [(entry["host"], entry["port"]) for entry in package_hosts(box)] == [("2001:db8::1", number)]

    def test_deb822(self, box: Box) -> None:
        text = "Types: deb\nURIs: http://deb.example.org/debian\n  https://mirror.lan.example/x\nSuites: bookworm\n"
        sources(box, text, "/etc/apt/sources.list.d/debian.sources")
        assert hosts(box) == [("mirror", "deb.example.org", 80, []), ("mirror", "mirror.lan.example", 443, ["192.168.7.8"])]

    @pytest.mark.parametrize(
        "text",
        [
            "# deb http://deb.example.org/x y z\n",
            "   #URIs: http://deb.example.org/\n",
            "deb file:/srv/x ./\n",
            "deb cdrom:[Debian]/ x\n",
            "",
        ],
    )
    def test_none(self, box: Box, text: str) -> None:
        sources(box, text)
        assert hosts(box) == []

    @pytest.mark.parametrize("name", ["x.list.bak", "x.save", "x.sources.disabled", "x"])
    def test_file_that_apt_does_not_read(self, box: Box, name: str) -> None:
        sources(box, "deb http://deb.example.org/x y z\n", f"/etc/apt/sources.list.d/{name}")
        assert hosts(box) == []

    def test_each_once(self, box: Box) -> None:
        sources(box, "deb http://DEB.example.org/x y z\ndeb-src http://deb.example.org./other y z\n")
        assert hosts(box) == [("mirror", "deb.example.org", 80, [])]

    @pytest.mark.parametrize(
        ("uri", "host", "port", "addresses"),
        [
            ("http://mirror.lan.example:3142/debian", "mirror.lan.example", 3142, ["192.168.7.8"]),
            ("http://192.168.1.5/debian", "192.168.1.5", 80, ["192.168.1.5"]),
            ("http://203.0.113.1:8080/debian", "203.0.113.1", 8080, []),
            ("http://user:secret@deb.example.org/debian", "deb.example.org", 80, []),
            ("mirror+http://deb.example.org/list", "deb.example.org", 80, []),
            ("http://six.lan.example/", "six.lan.example", 80, ["fd00::8"]),
        ],
    )
    def test_spellings(self, box: Box, uri: str, host: str, port: int, addresses: list[str]) -> None:
        sources(box, f"deb {uri} x y\n")
        assert hosts(box) == [("mirror", host, port, addresses)]
        assert "secret" not in str(package_hosts(box))

    @pytest.mark.parametrize(
        "uri", ["http://:80/x", "http://deb.example.org:port/x", "http://deb.example.org:99999/x", "http://[::1/x", "https://"]
    )
    def test_what_is_no_address_of_a_mirror_breaks_nothing(self, box: Box, uri: str) -> None:
        sources(box, f"deb {uri} x y\ndeb https://mirror.lan.example/ x y\n")
        assert hosts(box) == [("mirror", "mirror.lan.example", 443, ["192.168.7.8"])]


class TestProxies:
    def _configured(self, box: Box, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setattr(box, "_run_apt_config", lambda _words: (0, text), raising=False)

    @pytest.mark.parametrize("key", ["Acquire::http::Proxy", "acquire::HTTPS::proxy", "Acquire::http::Proxy::deb.example.org"])
    def test_with_all_their_addresses(self, box: Box, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        self._configured(box, monkeypatch, f"APT::Architecture amd64\n{key} http://proxy.example.org:3128/\n")
        assert hosts(box) == [("proxy", "proxy.example.org", 3128, ["10.0.0.7", "203.0.113.7"])]

    @pytest.mark.parametrize(
        "line",
        [
            "Acquire::http::Proxy DIRECT",
            "Acquire::http::Proxy ",
            "Acquire::http::Proxy-Auto-Detect http://x/",
            "Acquire::ftp::Proxy http://x/",
        ],
    )
    def test_none(self, box: Box, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
        self._configured(box, monkeypatch, line + "\n")
        assert hosts(box) == []

    def test_literal_of_ipv6(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        self._configured(box, monkeypatch, "Acquire::http::Proxy http://[2001:db8::7]:3128\n")
        assert hosts(box) == [("proxy", "2001:db8::7", 3128, ["2001:db8::7"])]

    def test_container_without_apt(self, box: Box) -> None:
        box.trouble = lambda _number, operation: 127 if operation[1] == "apt-config" else None
        assert hosts(box) == []


class TestLookUp:
    def test_name_that_cannot_be_looked_up_is_unknown_and_not_public(self, box: Box) -> None:
        sources(box, "deb http://gone.example.org/ x y\n")
        assert hosts(box) == [("mirror", "gone.example.org", 80, None)]

    def test_resolver_that_does_not_answer_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow(_host: str, *_arguments: object, **_more: object) -> list[Any]:
            time.sleep(1)
            return []

        monkeypatch.setattr(egress_look, "_LOOK_UP", 0.1)
        monkeypatch.setattr(egress_look.socket, "getaddrinfo", slow)
        began = time.monotonic()
        assert looked_up({f"n{number}.example.org" for number in range(20)}) == {}
        assert time.monotonic() - began < 0.8

    def test_name_that_is_none_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        assert looked_up({"a" * 70 + ".example.invalid"}) == {}

    def test_scope_of_an_address_goes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::1%eth0", 0, 0, 2))]
        monkeypatch.setattr(egress_look.socket, "getaddrinfo", lambda *_arguments, **_more: answer)
        assert looked_up({"x.example.org"}) == {"x.example.org": ["fd00::1"]}


class TestResolvers:
    def test_lease_comes_first(self, box: Box) -> None:
        box._put("/run/systemd/netif/leases/2", "# private\nADDRESS=10.0.0.5\nDNS=10.0.0.1 10.0.0.2\nNTP=10.0.0.9\n")
        box._put("/run/systemd/netif/leases/3", "DNS=10.0.0.2 2001:db8::53\n")
        assert offered_resolvers(box) == ["10.0.0.1", "10.0.0.2", "2001:db8::53"]

    def test_then_what_resolved_uses(self, box: Box) -> None:
        assert offered_resolvers(box) == ["192.0.2.53"]

    def test_then_resolv_conf(self, box: Box) -> None:
        box.remove("/run/systemd/resolve/resolv.conf")
        box.write(egress_places.RESOLV, "# x\nsearch lan\nnameserver 10.0.0.1\nnameserver\noptions edns0\nnameserver 10.0.0.2 # second\n")
        assert offered_resolvers(box) == ["10.0.0.1", "10.0.0.2"]

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "::", "fe80::1", "fe80::1%eth0", "169.254.1.1", "dns.example", "1.2.3"]
    )
    def test_what_is_on_the_container_itself_or_no_address(self, box: Box, address: str) -> None:
        box._put("/run/systemd/netif/leases/2", f"DNS={address} 10.0.0.1\n")
        assert offered_resolvers(box) == ["10.0.0.1"]

    def test_none(self, box: Box) -> None:
        box.remove("/run/systemd/resolve/resolv.conf")
        assert offered_resolvers(box) == []
