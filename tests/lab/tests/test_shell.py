"""The web shell, and its recording."""

from __future__ import annotations

import base64
import json
import re

import aiohttp
import pytest
from replay_support import recordings, rows

from truenas_lab.testing import Client, RunningLab


async def _instances(lab: RunningLab) -> Client:
    client = await lab.login()
    await client.job("virt.instance.create", {"name": "t1", "image": "debian/12"})
    await client.job("virt.instance.create", {"name": "c1", "image": "debian/12", "autostart": False})
    return client


async def _open(lab: RunningLab, token: str, name: str, command: str = "/bin/sh") -> aiohttp.ClientWebSocketResponse:
    socket = await lab.http.ws_connect(f"{lab.https}/websocket/shell")
    await socket.send_str(json.dumps({"token": token, "options": {"virt_instance_id": name, "command": command}}))
    return socket


async def _all(socket: aiohttp.ClientWebSocketResponse) -> str:
    text = ""
    async for message in socket:
        text += message.data.decode() if message.type is aiohttp.WSMsgType.BINARY else ""
    return text


def test_a_script_is_recognised_and_answered(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await _instances(lab)
        lab.engine.change({"canned": [{"match": "apt-get", "output": "done\n", "status": 7}]})
        token = await client.call("auth.generate_token", 600, {}, True, True)
        socket = await _open(lab, token, "t1")
        connected = json.loads((await socket.receive()).data)
        assert connected["msg"] == "connected"
        await client.call("core.resize_shell", connected["id"], 200, 50)
        await socket.send_bytes(b' stty -echo -opost; exec sh -c \'printf "%s%s:ready\\n" "$1" "$2"; ...\' sh AA BB \'cat\'\n')
        data = base64.b64encode(b"apt-get update\n#BBAA")
        await socket.send_bytes(data[:10] + b"\n" + data[10:] + b"\n.\n")
        assert (await _all(socket)).endswith("AABB:ready\nAABB:begin\ndone\nAABB:end:7\n")
        assert lab.engine.scripts == [{"instance": "t1", "script": "apt-get update"}]
        line = lab.journal("shell")[-1]
        assert line["instance"] == "t1" and "apt-get" not in json.dumps(line)

    in_lab(scenario)


@pytest.mark.skipif(recordings() is None, reason="the recordings are not here")
def test_replay_of_the_web_shell(in_lab):
    folder = recordings()
    assert folder is not None

    async def scenario(lab: RunningLab) -> None:
        api, token, socket = await _instances(lab), "", None
        recorded = rows(folder, "web-shell")
        index = 0
        while index < len(recorded):
            row = recorded[index]
            message = row["msg"]
            index += 1
            if row["conn"] == "api":
                if row["dir"] == "send":
                    token = await api.call(message["method"], *message["params"])
                continue
            if "token" in message:
                wanted = message["token"] if message["token"] == "bad" else token
                options = message["options"]
                socket = await _open(lab, wanted, options["virt_instance_id"], options["command"])
                continue
            assert socket is not None
            if row["dir"] == "send":
                await socket.send_bytes(message["binary_text"].encode())
            elif "binary_text" in message:
                text = message["binary_text"]
                while index < len(recorded) and recorded[index]["dir"] == "recv" and "binary_text" in recorded[index]["msg"]:
                    text += recorded[index]["msg"]["binary_text"]
                    index += 1
                # How often input is echoed, and the prompt, is a matter of chance: the output is what stands alone on a line.
                output = [line for line in re.split(r"\r\n", text) if re.fullmatch(r"(# )?[A-Z]+( \d+)?|root|Error: .*", line)]
                seen = await _all(socket)
                for line in output:
                    assert line.removeprefix("# ") in seen
            elif "websocket_close" in message:
                if not socket.closed:
                    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
                socket = None
            else:
                received = json.loads((await socket.receive()).data)
                assert {**received, "id": 0} == {**message, "id": 0}
                assert ("id" in received) == ("id" in message)
                if message["msg"] == "failed":
                    assert not socket.closed
                    await socket.close()

    in_lab(scenario)
