# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One session: login, limits, lost connections."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session


def test_logs_in_once_and_calls(server: Any, session: Session, kit: Any) -> None:
    server.on("system.version", "TrueNAS-25.10.6")
    assert session.read("system.version") == "TrueNAS-25.10.6"
    assert session.read("system.version") == "TrueNAS-25.10.6"
    assert server.methods() == ["auth.login_ex", "core.set_options", "system.version", "system.version"]
    assert server.calls[0].params == [
        {"mechanism": "API_KEY_PLAIN", "username": "root", "api_key": kit.key, "login_options": {"user_info": False}}
    ]
    assert server.calls[1].params == [{"private_methods": True}]


def test_nothing_is_sent_before_the_first_call(server: Any, session: Session) -> None:
    session.close()
    assert server.connections == 0


def test_old_login_where_login_ex_is_unknown(server: Any, session: Session, kit: Any) -> None:
    server.on("auth.login_ex", kit.fault(-32601))
    server.on("auth.login_with_api_key", True)
    server.on("core.set_options", None)
    server.on("system.version", "TrueNAS-25.04.2")
    assert session.read("system.version") == "TrueNAS-25.04.2"
    assert server.named("auth.login_with_api_key")[0].params == [kit.key]


def test_old_login_refused(server: Any, session: Session, kit: Any) -> None:
    server.on("auth.login_ex", kit.fault(-32601))
    server.on("auth.login_with_api_key", False)
    with pytest.raises(errors.AuthenticationFailed) as caught:
        session.read("system.version")
    assert caught.value.response_type == "AUTH_ERR"


@pytest.mark.parametrize("response_type", ["AUTH_ERR", "EXPIRED", "OTP_REQUIRED", "REDIRECT", "DENIED", "NEW_ONE"])
def test_refused_login_is_typed_and_not_repeated(server: Any, session: Session, kit: Any, response_type: str) -> None:
    server.on("auth.login_ex", {"response_type": response_type})
    for _each in range(3):
        with pytest.raises(errors.AuthenticationFailed) as caught:
            session.call("virt.instance.start", "x")
        assert caught.value.response_type == response_type
        assert kit.key not in str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    assert len(server.named("auth.login_ex")) == 1
    assert "virt.instance.start" not in server.methods()


def test_expired_says_what_to_do(server: Any, session: Session) -> None:
    server.on("auth.login_ex", {"response_type": "EXPIRED"})
    with pytest.raises(errors.AuthenticationFailed, match="expired or revoked"):
        session.read("system.version")


def test_a_reason_that_quotes_the_key_is_removed(server: Any, session: Session, kit: Any) -> None:
    server.on("auth.login_ex", kit.fault(-32602, 22, f"bad key {kit.key}", [["login_data.api_key", f"bad {kit.key}", 22]]))
    with pytest.raises(errors.ApiError) as caught:
        session.read("system.version")
    assert kit.key not in str(caught.value) + repr(caught.value) + repr(vars(caught.value))


def test_the_key_is_in_no_repr(server: Any, session: Session, kit: Any) -> None:
    assert kit.key not in repr(server.endpoint()) + repr(session) + repr(vars(session))


def test_login_waits_for_the_rest_of_the_minute(server: Any, session: Session, kit: Any) -> None:
    limited = kit.fault(-32001, 16, "[EBUSY] Rate Limit Exceeded")
    server.on("auth.login_ex", limited, limited, limited, {"response_type": "SUCCESS"})
    server.on("core.ping", "pong")
    assert session.read("core.ping") == "pong"
    assert len(server.named("auth.login_ex")) == 4
    assert server.connections == 1


def test_login_gives_up_as_busy_and_says_how_long_it_waited(server: Any, session: Session, kit: Any) -> None:
    server.on("auth.login_ex", kit.fault(-32001, 16, "[EBUSY] Rate Limit Exceeded"))
    with pytest.raises(errors.Busy, match=r"gave up after waiting 0\.\d s") as caught:
        session.read("core.ping")
    assert caught.value.errno == 16


def test_answers_out_of_order(server: Any, session: Session) -> None:
    gate = asyncio.Event()

    async def slow(call: Any) -> str:
        await gate.wait()
        return "slow"

    async def fast(call: Any) -> str:
        gate.set()
        return "fast"

    server.on("x.slow", slow)
    server.on("x.fast", fast)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(session.read, "x.slow")
        server.wait_for(lambda: server.named("x.slow"))
        assert session.read("x.fast") == "fast"
        assert first.result(10) == "slow"


def test_d36_many_threads_one_login_at_most_eight_in_flight(server: Any, session: Session) -> None:
    running = 0
    most = 0

    async def busy(call: Any) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return int(call.params[0])

    server.on("x.work", busy)
    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(lambda n: session.read("x.work", n), range(120))) == list(range(120))
    assert most == 8
    assert len(server.named("auth.login_ex")) == 1


@pytest.mark.parametrize("code,errno", [(-32000, None), (-32001, 16)])
def test_busy_is_repeated_even_for_changing_calls(server: Any, session: Session, kit: Any, code: int, errno: int | None) -> None:
    server.on("x.change", kit.fault(code, errno), kit.fault(code, errno), "done")
    assert session.call("x.change", 1) == "done"
    assert len(server.named("x.change")) == 3


def test_busy_is_bounded(server: Any, session: Session, kit: Any) -> None:
    server.on("x.change", kit.fault(-32001, 16, "[EBUSY] at work"))
    with pytest.raises(errors.Busy, match="at work") as caught:
        session.call("x.change")
    assert caught.value.waited > 0
    assert 2 < len(server.named("x.change")) < 60


def test_validation_with_errno_16_is_no_reason_to_wait(server: Any, session: Session, kit: Any) -> None:
    server.on("x.change", kit.fault(-32602, 22, "no", [["a.b", "in use", 16]]))
    with pytest.raises(errors.ValidationFailed) as caught:
        session.call("x.change")
    assert caught.value.fields == [("a.b", "in use", 16)]
    assert len(server.named("x.change")) == 1


def test_a_read_is_repeated_on_a_new_connection(server: Any, session: Session, kit: Any) -> None:
    server.on("x.read", kit.drop, kit.drop, "there")
    assert session.read("x.read") == "there"
    assert server.connections == 3
    assert len(server.named("auth.login_ex")) == 3


def test_a_read_is_not_repeated_for_ever(server: Any, session: Session, kit: Any) -> None:
    server.on("x.read", kit.drop)
    with pytest.raises(errors.ConnectionFailed):
        session.read("x.read")
    assert len(server.named("x.read")) == 4


def test_a_changing_call_that_was_sent_is_never_repeated(server: Any, session: Session, kit: Any) -> None:
    server.on("x.change", kit.drop, "done")
    with pytest.raises(errors.OutcomeUnknown) as caught:
        session.call("x.change")
    assert caught.value.method == "x.change"
    assert len(server.named("x.change")) == 1
    # The next one goes over a new connection.
    assert session.call("x.change") == "done"


def test_a_changing_call_goes_on_a_new_connection_when_the_old_one_was_lost_before(server: Any, session: Session) -> None:
    server.on("core.ping", "pong")
    server.on("x.change", "done")
    session.read("core.ping")
    server.cut_all()
    server.wait_for(lambda: not server.clients)
    first = session._connection
    server.wait_for(lambda: first is not None and first.lost is not None)
    assert session.call("x.change") == "done"
    assert len(server.named("x.change")) == 1


def test_reconnects_while_the_appliance_restarts(server: Any, session: Session, kit: Any) -> None:
    server.on("auth.login_ex", {"response_type": "SUCCESS"}, kit.drop, kit.drop, {"response_type": "SUCCESS"})
    server.on("x.read", kit.drop, "there")
    assert session.read("x.read") == "there"
    assert server.connections == 4


def test_logged_out_by_the_other_side_logs_in_again(server: Any, session: Session, kit: Any) -> None:
    server.on("x.change", kit.fault(-32001, 207, "[ENOTAUTHENTICATED] Not authenticated"), "done")
    assert session.call("x.change") == "done"
    assert len(server.named("auth.login_ex")) == 2


def test_no_answer_in_time(server: Any, session: Session, kit: Any) -> None:
    server.on("x.read", kit.silence)
    server.on("x.change", kit.silence)
    with pytest.raises(errors.CallTimeout):
        session.read("x.read", timeout=0.1)
    with pytest.raises(errors.OutcomeUnknown, match="no answer within") as caught:
        session.call("x.change", timeout=0.1)
    assert caught.value.timed_out
    server.on("core.ping", "pong")
    assert session.read("core.ping") == "pong"
    assert server.connections == 1


def test_a_message_that_is_too_long_is_not_sent(server: Any, session: Session) -> None:
    server.on("core.ping", "pong")
    with pytest.raises(errors.MessageTooLong) as caught:
        session.call("x.change", "a" * 66_000)
    assert caught.value.limit == 65_536
    assert session.read("core.ping") == "pong"
    assert server.connections == 1 and "x.change" not in server.methods()


def test_a_large_answer_arrives(server: Any, session: Session) -> None:
    server.on("x.read", "ü" * 3_000_000)
    assert session.read("x.read") == "ü" * 3_000_000


def test_pings_while_idle(server: Any, open_session: Any) -> None:
    server.on("core.ping", "pong")
    session = open_session(keepalive=0.05)
    session.read("core.ping")
    server.wait_for(lambda: server.clients and server.clients[0].pings >= 3, "three pings")
    session.read("core.ping")
    assert server.connections == 1


def test_a_dead_peer_is_noticed(server: Any, open_session: Any, kit: Any) -> None:
    server.pong = False
    server.on("x.change", kit.silence)
    session = open_session(keepalive=0.05, dead_after=0.1)
    with pytest.raises(errors.OutcomeUnknown, match="no sign of life"):
        session.call("x.change", timeout=20)


def test_closed_by_the_list_of_allowed_addresses(server: Any, session: Session) -> None:
    async def close(call: Any) -> Any:
        await call.client.ws.close(code=1008, message=b"You are not allowed")

    server.on("auth.login_ex", close)
    with pytest.raises(errors.ConnectionFailed, match="list of allowed addresses"):
        session.read("core.ping")


def test_waiting_threads_share_a_failed_attempt(server: Any, session: Session) -> None:
    server.on("auth.login_ex", {"response_type": "AUTH_ERR"})
    barrier = threading.Barrier(20)

    def attempt(_number: int) -> type:
        barrier.wait(10)
        with pytest.raises(errors.AuthenticationFailed) as caught:
            session.read("core.ping")
        return type(caught.value)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(attempt, range(20))) == {errors.AuthenticationFailed}
    assert len(server.named("auth.login_ex")) == 1


def test_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.ConnectionFailed, match=f"127.0.0.1:{port}: no connection"):
        Session(Endpoint.parse(f"ws://127.0.0.1:{port}", api_key="1-x")).read("core.ping")


def test_no_truenas_there(start_server: Any) -> None:
    server = start_server()
    endpoint = Endpoint(f"ws://127.0.0.1:{server.port}/elsewhere", "root", "1-x")
    with pytest.raises(errors.ConnectionFailed, match="HTTP status 404"):
        Session(endpoint).read("core.ping")


def test_closed_session_says_so(session: Session) -> None:
    session.close()
    with pytest.raises(errors.ConnectionFailed, match="was closed"):
        session.read("core.ping")


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websocket", None)
    with pytest.raises(errors.MissingLibrary, match="websocket-client"):
        Session(Endpoint.parse("ws://127.0.0.1:1", api_key="1-x")).read("core.ping")


class TestTls:
    def test_verified_against_the_ca_file(self, start_server: Any, certificate: Any, kit: Any) -> None:
        ca_file, context = certificate
        server = start_server(context)
        server.on("core.ping", "pong")
        session = Session(Endpoint.parse(f"127.0.0.1:{server.port}", api_key=kit.key, ca_file=str(ca_file)), limits=kit.fast)
        assert session.read("core.ping") == "pong"
        session.close()

    def test_d26_untrusted_is_refused_before_the_key_is_sent(self, start_server: Any, certificate: Any, kit: Any) -> None:
        server = start_server(certificate[1])
        session = Session(Endpoint.parse(f"127.0.0.1:{server.port}", api_key=kit.key), limits=kit.fast)
        with pytest.raises(errors.ConnectionFailed, match=r"ca_file.*insecure"):
            session.read("core.ping")
        assert server.connections == 0

    def test_wrong_name(self, start_server: Any, certificate: Any, kit: Any) -> None:
        ca_file, context = certificate
        server = start_server(context)
        session = Session(Endpoint.parse(f"localhost:{server.port}", api_key=kit.key, ca_file=str(ca_file)), limits=kit.fast)
        with pytest.raises(errors.ConnectionFailed, match="not trusted"):
            session.read("core.ping")

    def test_insecure(self, start_server: Any, certificate: Any, kit: Any) -> None:
        server = start_server(certificate[1])
        server.on("core.ping", "pong")
        session = Session(Endpoint.parse(f"127.0.0.1:{server.port}", api_key=kit.key, insecure=True), limits=kit.fast)
        assert session.read("core.ping") == "pong"
        session.close()

    def test_many_threads_over_tls(self, start_server: Any, certificate: Any, kit: Any) -> None:
        ca_file, context = certificate
        server = start_server(context)
        server.on("x.echo", lambda call: call.params[0])
        session = Session(Endpoint.parse(f"127.0.0.1:{server.port}", api_key=kit.key, ca_file=str(ca_file)), limits=kit.fast)
        texts = [str(number) * 3000 for number in range(150)]
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda text: session.read("x.echo", text), texts)) == texts
        session.close()

    def test_no_tls_there(self, server: Any, kit: Any) -> None:
        session = Session(Endpoint.parse(f"127.0.0.1:{server.port}", api_key=kit.key), limits=kit.fast)
        with pytest.raises(errors.ConnectionFailed, match="no TLS"):
            session.read("core.ping")

    def test_bad_ca_file(self, tmp_path: Any, kit: Any) -> None:
        (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
        session = Session(Endpoint.parse("127.0.0.1:1", api_key=kit.key, ca_file=str(tmp_path / "ca.pem")), limits=kit.fast)
        with pytest.raises(errors.ConnectionFailed, match="ca_file"):
            session.read("core.ping")
