# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a proof makes of what it sees on the network: servers on loopback stand in for the proxy, our resolver and an open network."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_proof

Answer = Callable[[socket.socket], None]
Network = Callable[..., None]


class Led(socket.socket):
    """It is connected with the server that is set up for a port, and refused where there is none."""

    ports: dict[int, int | OSError] = {}
    closed = 0

    def connect(self, address: Any) -> None:
        port = self.ports.get(address[1], self.closed)
        if isinstance(port, OSError):
            raise port
        super().connect(("127.0.0.1", port))

    def settimeout(self, value: float | None) -> None:
        super().settimeout(None if value is None else min(value, 0.4))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Sets up what is to be found at a port."""
    plain, closed = socket.socket, socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    closed.bind(("127.0.0.1", 0))
    ports: dict[int, int | OSError] = {}
    opened: list[socket.socket] = []

    def serve(port: int, answer: Answer | OSError, kind: int = socket.SOCK_STREAM) -> None:
        if isinstance(answer, OSError):
            ports[port] = answer
            return
        server = plain(socket.AF_INET, kind)
        server.bind(("127.0.0.1", 0))
        opened.append(server)
        ports[port] = server.getsockname()[1]
        if kind == socket.SOCK_STREAM:
            server.listen()
        threading.Thread(target=_loop, args=(server, answer, kind), daemon=True).start()

    monkeypatch.setattr(Led, "ports", ports)
    monkeypatch.setattr(Led, "closed", closed.getsockname()[1])
    monkeypatch.setattr(socket, "socket", Led)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_more, **_named: [(2, 1, 6, "", (host, port))])
    yield serve
    for server in (*opened, closed):
        server.close()


def _loop(server: socket.socket, answer: Answer, kind: int) -> None:
    try:
        while kind == socket.SOCK_STREAM:
            connection, _address = server.accept()
            answer(connection)
        answer(server)
    except OSError:
        pass


def reset(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.close()


def silent(connection: socket.socket) -> None:
    time.sleep(1)
    connection.close()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """A server that anybody has a handshake with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anybody")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    file: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as talk:
            talk.recv(1)

    return answer


class TestTls:
    @pytest.mark.parametrize("answer", [reset, close])
    def test_refused(self, network: Network, answer: Answer) -> None:
        network(443, answer)
        assert egress_proof._tls_refused()[1] is True

    def test_refused_before_anything_is_said(self, network: Network) -> None:
        assert egress_proof._tls_refused()[1] is True

    def test_handshake(self, network: Network, secure: Answer) -> None:
        network(443, secure)
        assert egress_proof._tls_refused()[1:] == (False, "there was a handshake")

    def test_no_answer_proves_nothing(self, network: Network) -> None:
        network(443, silent)
        _title, ok, seen = egress_proof._tls_refused()
        assert not ok and "proves no policy" in seen

    def test_late_refusal_proves_nothing(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_proof, "_AT_ONCE", 0.0)
        network(443, reset)
        assert egress_proof._tls_refused()[1] is False


class TestTcp:
    def test_refused(self, network: Network) -> None:
        assert egress_proof._tcp_refused()[1] is True

    def test_connected(self, network: Network) -> None:
        network(places.PROOF_PORT, silent)
        assert egress_proof._tcp_refused()[1:] == (False, "it was connected")

    @pytest.mark.parametrize(
        "error", [OSError(101, "Network is unreachable"), OSError(113, "No route to host"), TimeoutError("timed out")], ids=str
    )
    def test_network_that_leads_nowhere_proves_nothing(self, network: Network, error: OSError) -> None:
        network(places.PROOF_PORT, error)
        _title, ok, seen = egress_proof._tcp_refused()
        assert not ok and "proves no policy" in seen


class TestOtherResolvers:
    def answers(self, network: Network, status: int, cut: int = 512) -> None:
        def answer(server: socket.socket) -> None:
            question, peer = server.recvfrom(512)
            server.sendto((question[:2] + bytes((0x81, 0x80 | status)) + question[4:])[:cut], peer)

        network(53, answer, socket.SOCK_DGRAM)

    def test_our_own_says_that_there_is_no_such_name(self, network: Network) -> None:
        self.answers(network, 3)
        assert egress_proof._resolver_refused()[1] is True

    @pytest.mark.parametrize("status", [0, 2, 5])
    def test_another_answer_is_another_resolver(self, network: Network, status: int) -> None:
        self.answers(network, status)
        assert egress_proof._resolver_refused()[1:] == (False, f"status {status}")

    def test_answer_that_is_none(self, network: Network) -> None:
        self.answers(network, 3, cut=3)
        assert egress_proof._resolver_refused()[1] is False

    def test_refused(self, network: Network) -> None:
        assert egress_proof._resolver_refused()[1] is True

    def test_no_answer_proves_nothing(self, network: Network) -> None:
        network(53, silent, socket.SOCK_DGRAM)
        _title, ok, seen = egress_proof._resolver_refused()
        assert not ok and "proves no policy" in seen

    @pytest.mark.parametrize("error", [OSError(113, "No route to host"), TimeoutError("timed out")], ids=str)
    def test_network_that_leads_nowhere_proves_nothing(self, network: Network, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
        """As a router says it of an address where nobody is."""

        def recv(_talk: socket.socket, _size: int) -> bytes:
            raise error

        self.answers(network, 3)
        monkeypatch.setattr(socket.socket, "recv", recv, raising=False)
        assert egress_proof._resolver_refused()[1] is False


class TestLookUp:
    def lookup(self, monkeypatch: pytest.MonkeyPatch, answer: int | None, took: float = 0.0) -> bool:
        def getaddrinfo(_name: str, _port: int) -> list[object]:
            monkeypatch.setattr(egress_proof, "_AT_ONCE", egress_proof._AT_ONCE - took)
            if answer is not None:
                raise socket.gaierror(answer, "said")
            return []

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return bool(egress_proof._lookup_refused("example.com")[1])

    def test_there_is_no_such_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.lookup(monkeypatch, socket.EAI_NONAME)

    def test_it_is_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not self.lookup(monkeypatch, None)

    def test_resolver_that_does_not_answer_proves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not self.lookup(monkeypatch, socket.EAI_AGAIN)

    def test_late_answer_proves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not self.lookup(monkeypatch, socket.EAI_NONAME, took=60)

    def test_one_of_some_that_is_refused_is_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The gateway may list one of them."""
        monkeypatch.setattr(egress_proof, "_lookup_refused", lambda name: ("", name == places.PROOF_LOOK_UPS[-1], name))
        assert egress_proof._some_name_refused()[1:] == (True, places.PROOF_LOOK_UPS[-1])
        monkeypatch.setattr(egress_proof, "_lookup_refused", lambda name: ("", False, name))
        assert egress_proof._some_name_refused()[1] is False


class TestListed:
    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_proof, "_PATIENCE", 3.0)

    def http(self, line: bytes) -> Answer:
        def answer(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(line + b"\r\n\r\n")
            connection.close()

        return answer

    def test_handshake(self, network: Network, secure: Answer) -> None:
        network(443, secure)
        _title, ok, seen = egress_proof._listed(["a.example.org"])
        assert ok and seen.startswith("a.example.org: TLS")

    @pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.0 301 Moved", b"HTTP/1.1 404 Not Found"])
    def test_without_tls(self, network: Network, line: bytes) -> None:
        network(80, self.http(line))
        assert egress_proof._listed(["a.example.org"])[1:] == (True, f"a.example.org: {line.decode()}")

    @pytest.mark.parametrize(
        "line", [b"HTTP/1.1 403 Forbidden", b"HTTP/1.1 503 Service Unavailable", b"HTTP/1.1 502 Bad Gateway", b"hello"]
    )
    def test_what_the_proxy_itself_says_is_no_service(self, network: Network, line: bytes) -> None:
        network(80, self.http(line))
        _title, ok, seen = egress_proof._listed(["a.example.org"])
        assert not ok and line.decode() in seen

    def test_none_answers(self, network: Network) -> None:
        _title, ok, seen = egress_proof._listed(["a.example.org", "b.example.org"])
        assert not ok and seen.startswith("none of a.example.org, b.example.org answers: ")

    def test_one_of_many_is_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def reach(name: str) -> str:
            if name != "b.example.org":
                raise OSError("refused")
            return name

        monkeypatch.setattr(egress_proof, "_reach", reach)
        assert egress_proof._listed(["a.example.org", "b.example.org", "c.example.org"])[1:] == (True, "b.example.org")
