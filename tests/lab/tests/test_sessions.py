"""Logging in, tokens, limits of a connection, key revocation."""

from __future__ import annotations

import asyncio
import stat

import aiohttp
import pytest

from truenas_lab.testing import Closed, RunningLab


def test_files_are_private(in_lab):
    async def scenario(lab: RunningLab) -> None:
        directory = lab.settings.directory
        for name in ("api-key", "keys.json", "control-token", "journal.jsonl", "tls/ca.pem", "tls/server.key"):
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name

    in_lab(scenario)


def test_the_certificate_is_checked_against_the_labs_own_ca(in_lab):
    async def scenario(lab: RunningLab) -> None:
        async with lab.http.get(f"https://localhost:{lab.running.port}/api/versions") as answer:
            assert (await answer.json())[-1] == "v25.10.5"
        async with aiohttp.ClientSession() as stranger:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await stranger.get(f"{lab.https}/api/versions")

    in_lab(scenario)


def test_a_key_on_plain_ws_is_revoked_for_good(in_lab):
    async def scenario(lab: RunningLab) -> None:
        plain = await lab.connect(plain=True)
        login = {"mechanism": "API_KEY_PLAIN", "username": "root", "api_key": lab.key}
        assert await plain.call("auth.login_ex", login) == {"response_type": "EXPIRED"}
        secure = await lab.connect()
        assert await secure.call("auth.login_ex", login) == {"response_type": "AUTH_ERR"}

    in_lab(scenario, plain_port=0)


def test_a_wrong_key_on_plain_ws_revokes_nothing(in_lab):
    async def scenario(lab: RunningLab) -> None:
        plain = await lab.connect(plain=True)
        assert await plain.call("auth.login_with_api_key", "1-" + "x" * 64) is False
        await lab.login()

    in_lab(scenario, plain_port=0)


def test_tokens(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        token = await client.call("auth.generate_token", 600, {}, True, True)
        other = await lab.connect()
        assert (await other.call("auth.login_ex", {"mechanism": "TOKEN_PLAIN", "token": token}))["response_type"] == "SUCCESS"
        assert await other.call("system.version") == "TrueNAS-25.10.6"
        third = await lab.connect()
        assert await third.call("auth.login_with_token", token) is False  # it was for one use
        many = await client.call("auth.generate_token")
        assert await third.call("auth.login_with_token", many) is True
        assert (await client.call("auth.sessions", [["current", "=", True]], {"get": True}))["credentials"] == "API_KEY"

    in_lab(scenario)


def test_login_is_limited_for_all_connections_of_an_address_together(in_lab):
    async def scenario(lab: RunningLab) -> None:
        for _each in range(20):
            await lab.login()
        client = await lab.connect()
        error = await client.error("auth.login_with_api_key", lab.key)
        assert (error["code"], error["data"]["error"]) == (-32001, 16)
        # Counted per method; and never for those who are in.
        login = {"mechanism": "API_KEY_PLAIN", "username": "root", "api_key": lab.key}
        assert (await client.call("auth.login_ex", login))["response_type"] == "SUCCESS"
        for _each in range(30):
            await client.call("core.ping")

    in_lab(scenario)


def test_the_window_does_not_slide(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        for _each in range(20):
            await client.call("core.ping")
        assert (await client.error("core.ping"))["data"]["error"] == 16
        await lab.state(limits={"rate_limit_seconds": 0.0})
        assert await client.call("core.ping") == "pong"

    in_lab(scenario)


def test_a_full_table_refuses_everybody(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        await client.call("core.ping")
        await client.call("system.boot_id")  # the second of two
        for method in ("core.ping", "system.boot_id"):
            assert (await client.error(method))["data"]["error"] == 16

    in_lab(scenario, rate_limit_table=2)


def test_set_options_is_never_limited(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        for _each in range(25):
            await client.call("core.set_options", {"legacy_jobs": False})

    in_lab(scenario)


def test_a_silent_connection_is_cut(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.until_closed()
        assert lab.journal("cut")[0]["reason"] == "idle"

    in_lab(scenario, idle_seconds=0.1)


def test_a_pong_counts_as_traffic(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        connection = next(iter(lab.running.lab.connections.values()))
        await client.socket.pong()  # unsolicited: answered by nothing
        before = connection._spoke
        await client.socket.ping()
        while connection._spoke == before:  # noqa: ASYNC110 -- a pong tells nobody
            await asyncio.sleep(0)

    in_lab(scenario)


def test_mechanism_choices_before_login_is_an_internal_error(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        assert (await client.error("auth.mechanism_choices"))["code"] == -32001

    in_lab(scenario)


def test_25_04_answers_null_to_set_options_and_knows_no_ping_before_login(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        assert await client.call("core.set_options", {"legacy_jobs": False}) is None
        assert (await client.error("core.ping"))["data"]["error"] == 207
        await client.call("auth.login_with_api_key", lab.key)
        assert isinstance(await client.call("virt.instance.create", {"name": "px-a", "image": "debian/12"}), int)
        assert await client.call("system.version_short") == "25.04.2.6"
        assert (await client.error("pool.snapshot.query"))["code"] == -32601
        assert [item["snapshot_name"] for item in await client.call("zfs.snapshot.query")] == ["readonly"]  # of the image
        async with lab.http.get(f"{lab.https}/api/versions") as answer:
            assert await answer.json() == ["v25.04.0", "v25.04.1", "v25.04.2"]
        async with lab.http.get(f"{lab.https}/api/boot_id") as answer:
            assert answer.status == 404

    in_lab(scenario, version="25.04")


def test_a_method_without_a_model_in_an_old_version(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login("/api/v25.04.2")
        error = await client.error("pool.snapshot.query")
        assert (error["code"], error["data"]["error"], error["data"]["errname"]) == (-32001, 201, "ENOMETHOD")

    in_lab(scenario)


def test_the_unix_socket_is_secure_and_not_limited(in_lab, tmp_path):
    async def scenario(lab: RunningLab) -> None:
        connector = aiohttp.UnixConnector(str(tmp_path / "s"))
        async with aiohttp.ClientSession(connector=connector) as http, http.ws_connect("http://lab/api/current") as socket:
            for number in range(25):
                await socket.send_json({"jsonrpc": "2.0", "id": number, "method": "auth.login_with_api_key", "params": [lab.key]})
                assert (await socket.receive_json())["result"] is True
                await socket.send_json({"jsonrpc": "2.0", "id": "out", "method": "auth.logout", "params": []})
                await socket.receive_json()

    in_lab(scenario, unix_socket=tmp_path / "s")


def test_an_unauthenticated_long_message_ends_the_connection(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.connect()
        with pytest.raises(Closed):
            await client.call("core.ping", "x" * 8192)
        assert client.socket.close_code == 1007

    in_lab(scenario)
