# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The list of API versions over plain HTTP."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.versions import api_versions

aiohttp = pytest.importorskip("aiohttp")
from aiohttp import web  # noqa: E402

LISTED = ["v25.04.0", "v25.10.0", "v25.10.5"]


def route(answer: Any) -> dict[str, Any]:
    async def handle(request: Any) -> Any:
        assert "Authorization" not in request.headers
        return answer()

    return {"/api/versions": handle}


def test_list(start_server: Any) -> None:
    server = start_server(routes=route(lambda: web.json_response(LISTED)))
    assert api_versions(server.endpoint()) == LISTED
    assert server.calls == []


def test_proxies_of_the_environment_are_passed_by(start_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = start_server(routes=route(lambda: web.json_response(LISTED)))
    assert api_versions(server.endpoint()) == LISTED


def test_tls_with_a_ca_file_and_without_checking(start_server: Any, certificate: Any) -> None:
    ca_file, context = certificate
    server = start_server(context, routes=route(lambda: web.json_response(LISTED)))
    host = f"127.0.0.1:{server.port}"
    assert api_versions(Endpoint.parse(host, api_key="1-x", ca_file=str(ca_file))) == LISTED
    assert api_versions(Endpoint.parse(host, api_key="1-x", insecure=True)) == LISTED


def test_an_untrusted_certificate(start_server: Any, certificate: Any) -> None:
    server = start_server(certificate[1], routes=route(lambda: web.json_response(LISTED)))
    with pytest.raises(errors.ConnectionFailed, match=r"self-signed.*ca_file.*insecure"):
        api_versions(Endpoint.parse(f"127.0.0.1:{server.port}", api_key="1-x"))


def test_the_system_store_is_what_counts(start_server: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file, context = certificate
    server = start_server(context, routes=route(lambda: web.json_response(LISTED)))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert api_versions(Endpoint.parse(f"127.0.0.1:{server.port}", api_key="1-x")) == LISTED


@pytest.mark.parametrize(
    "answer,match",
    [
        (lambda: web.Response(status=404), "HTTP status 404"),
        (lambda: web.Response(status=307, headers={"Location": "https://elsewhere/"}), "HTTP status 307"),
        (lambda: web.Response(text="<html>"), "does not list versions"),
        (lambda: web.json_response({"a": 1}), "does not list versions"),
        (lambda: web.json_response([1]), "does not list versions"),
    ],
)
def test_something_else_is_there(start_server: Any, answer: Any, match: str) -> None:
    server = start_server(routes=route(answer))
    with pytest.raises(errors.ConnectionFailed, match=match):
        api_versions(server.endpoint())


def test_nothing_is_there() -> None:
    with pytest.raises(errors.ConnectionFailed, match="refused"):
        api_versions(Endpoint.parse("ws://127.0.0.1:1", api_key="1-x"))


def test_not_over_a_unix_socket() -> None:
    with pytest.raises(errors.ConnectionFailed):
        api_versions(Endpoint.parse("unix:///nowhere", api_key="1-x"))


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(errors.MissingLibrary, match="requests"):
        api_versions(Endpoint.parse("nas", api_key="1-x"))
