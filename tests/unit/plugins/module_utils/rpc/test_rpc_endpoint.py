# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be given as the host, and what is refused before anything is sent."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import InsecureTransport, InvalidEndpoint


@pytest.mark.parametrize(
    "host,port,url,label",
    [
        ("truenas.local", None, "wss://truenas.local:443", "truenas.local"),
        ("truenas.local", 444, "wss://truenas.local:444", "truenas.local:444"),
        ("truenas.local:445", 444, "wss://truenas.local:445", "truenas.local:445"),
        (" 192.0.2.1 ", None, "wss://192.0.2.1:443", "192.0.2.1"),
        ("https://nas/", None, "wss://nas:443", "nas"),
        ("wss://nas:8443", None, "wss://nas:8443", "nas:8443"),
        ("2001:db8::1", None, "wss://[2001:db8::1]:443", "[2001:db8::1]"),
        ("[2001:db8::1]:444", None, "wss://[2001:db8::1]:444", "[2001:db8::1]:444"),
        ("ws://127.0.0.1:6000", None, "ws://127.0.0.1:6000", "127.0.0.1:6000"),
        ("ws://[::1]:6000", None, "ws://[::1]:6000", "[::1]:6000"),
        ("http://localhost", None, "ws://localhost:80", "localhost:80"),
        ("unix:///run/api.sock", None, "unix:///run/api.sock", "unix:/run/api.sock"),
    ],
)
def test_accepted(host: str, port: int | None, url: str, label: str) -> None:
    endpoint = Endpoint.parse(host, port=port, api_key="1-x")
    assert (endpoint.url, endpoint.label, endpoint.username, endpoint.verify_tls) == (url, label, "root", True)


@pytest.mark.parametrize(
    "host", ["ws://truenas.local", "http://192.0.2.1", "ws://127.0.0.1.example.org", "ws://0.0.0.0", "ws://localhost.evil"]
)
def test_plain_sockets_to_others_are_refused(host: str) -> None:
    with pytest.raises(InsecureTransport, match="wss://"):
        Endpoint.parse(host, api_key="1-x")


def test_insecure_does_not_mean_plain() -> None:
    with pytest.raises(InsecureTransport):
        Endpoint.parse("ws://nas", api_key="1-x", insecure=True)
    with pytest.raises(InsecureTransport):
        Endpoint("ws://nas:80", "root", "1-x")


@pytest.mark.parametrize(
    "host", ["", "  ", "ftp://nas", "nas:port", "nas:99999", "wss://", "nas/path", "wss://root:pw@nas", "unix://relative", "a b"]
)
def test_nonsense_is_refused(host: str) -> None:
    with pytest.raises(InvalidEndpoint, match="allowed") as caught:
        Endpoint.parse(host, api_key="1-x")
    assert "pw" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    assert "1-secret" not in repr(Endpoint.parse("nas", api_key="1-secret"))


def test_urls() -> None:
    endpoint = Endpoint.parse("nas:444", api_key="1-x")
    assert endpoint.websocket_url("/api/current") == "wss://nas:444/api/current"
    assert endpoint.http_url("/api/versions") == "https://nas:444/api/versions"
    assert Endpoint.parse("ws://127.0.0.1:81", api_key="1-x").http_url("/x") == "http://127.0.0.1:81/x"
