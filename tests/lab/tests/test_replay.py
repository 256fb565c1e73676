"""The lab against the recordings of the real 25.10 server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from replay_allowed import ALLOWED
from replay_scenarios import ELSEWHERE, SCENARIOS, Scenario
from replay_support import Difference, Replay, recordings, rows

from truenas_lab.testing import RunningLab, running_lab

FOLDER = recordings()
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="the recordings are not here (PIXELS_SHARED names the folder that holds truenas-api/)"
)

_FRAMES = {"9000": 9000, "70000": 70000}


async def _keys(lab: RunningLab) -> dict[str, str]:
    """The recorded keys: 2 is revoked, 3 has expired."""
    second = await lab.state(new_key={"name": "revoked", "revoked": True})
    third = await lab.state(new_key={"name": "expired", "expired": True})
    fourth = await lab.state(new_key={"name": "spare"})
    wrong = "w" * 64
    return {
        "1-GOODKEY": lab.key,
        "2-GOODKEY": second["new_key"],
        "3-GOODKEY": third["new_key"],
        "4-GOODKEY": fourth["new_key"],
        "99-GOODKEY": f"99-{wrong}",
        "1-WRONGSECRET": f"1-{wrong}",
        "99-WRONGSECRET": f"99-{wrong}",
    }


async def _http(replay: Replay, row: dict[str, Any], answer: dict[str, Any]) -> None:
    path = row["http"].split()[1]
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"} if "Upgrade" in row["http"] else {}
    async with replay.lab.http.get(replay.lab.https + path, headers=upgrade) as response:
        if "http_status" in answer and response.status != answer["http_status"]:
            replay.differences.append(Difference(replay.scenario, path, "status", answer["http_status"], response.status))
        if "body" in answer and (body := await response.json()) != answer["body"]:
            replay.differences.append(Difference(replay.scenario, path, "body", answer["body"], body))


async def play(lab: RunningLab, name: str, scenario: Scenario, recorded: list[dict[str, Any]]) -> list[Difference]:
    replay = Replay(lab, name, await _keys(lab))
    lab.engine.image_details = False  # debian/12 was a local image without them
    await scenario.setup(lab)
    path, plain = "/api/current", False
    for number, row in enumerate(recorded):
        body = row["msg"] if isinstance(row.get("msg"), dict) else row
        note = row.get("note", "")
        where = row.get("conn", "only")
        if row["dir"] == "send" and "http" in body:
            await _http(replay, body, recorded[number + 1].get("msg", recorded[number + 1]))
            continue
        if row["dir"] == "recv":
            if "websocket_close" in body:
                code = body["websocket_close"]
                if code != 1000:
                    seen = await replay.clients[where].until_closed()
                    if seen != code:
                        replay.differences.append(Difference(name, note, "close code", code, seen))
                for open_one in list(replay.clients):
                    replay.close(open_one)
            elif "http_status" not in body and "body" not in body:
                await replay.receive(where, row["msg"])
            continue
        if note.startswith("endpoint "):
            path = note.split()[1]
        if name == "auth-insecure-transport":
            plain = note.startswith("a connection whose peer") or (plain and where in replay.clients)
        message = row.get("msg")
        again = isinstance(message, dict) and message.get("id") == 1 and 1 in replay.numbers.get(where, set())
        if again:
            replay.close(where)
        if where not in replay.clients:
            login = scenario.login and not note.startswith("unauthenticated message")
            await replay.open(where, path=path, plain=plain, login=login)
        client = replay.clients[where]
        if isinstance(message, dict) and message.get("id") in scenario.before:
            await scenario.before[message["id"]](lab)
        if "binary_frame" in body:
            await client.socket.send_bytes(bytes.fromhex(body["binary_frame"]))
        elif "text_frame" in body:
            length = next(size for text, size in _FRAMES.items() if text in body["text_frame"])
            await client.send({"jsonrpc": "2.0", "id": 1, "method": "core.ping", "params": ["x" * length]})
        elif "not_json" in body:
            await client.send(body["not_json"])
        else:
            await client.send(replay.message(message))
            if isinstance(message, dict):
                replay.numbers[where].add(message.get("id"))
    replay.compare_order()
    return replay.differences


def test_every_recording_is_replayed():
    assert FOLDER is not None
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SCENARIOS) | ELSEWHERE


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_replay(name: str, tmp_path: Path):
    assert FOLDER is not None
    scenario = SCENARIOS[name]
    settings = {"bridges": ["hxbr0"], "rate_limit_calls": 10**6, **scenario.settings}

    async def run() -> list[Difference]:
        async with running_lab(tmp_path / "lab", **settings) as lab:
            return await play(lab, name, scenario, rows(FOLDER, name))

    differences = asyncio.run(asyncio.wait_for(run(), 100))
    unused = [item for item in ALLOWED if item.scenario == name]
    left = []
    for difference in differences:
        allowed = next((item for item in ALLOWED if item.covers(difference)), None)
        if allowed is None:
            left.append(difference)
        elif allowed in unused:
            unused.remove(allowed)
    assert not left, "\n".join(str(item) for item in left)
    assert not unused, f"allowed, but does not differ any more: {unused}"
