# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client against exchanges with the real server code, where these are at hand (PIXELS_SHARED, or ../shared beside the checkout)."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.faults import error_of, is_busy
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

SHARED = Path(os.environ.get("PIXELS_SHARED") or Path(__file__).resolve().parents[6] / "shared")
FOLDER = SHARED / "truenas-api" / "recordings" / "25.10"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings of the real server in {FOLDER.name}: PIXELS_SHARED is not set")

TYPES = {
    "InstanceNotFound": errors.NotFound,
    "MatchNotFound": errors.NotFound,
    "ValidationErrors": errors.ValidationFailed,
    "ValidationError": errors.ValidationFailed,
}


def rows() -> list[tuple[str, dict[str, Any]]]:
    if not FOLDER.is_dir():
        return []
    return [(path.stem, row) for path in sorted(FOLDER.glob("*.json")) for row in json.loads(path.read_text(encoding="utf-8"))]


def error_rows() -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, row["msg"]["error"])
        for name, row in rows()
        if isinstance(row.get("msg"), dict) and "jsonrpc" in row["msg"] and "error" in row["msg"]
    ]


def test_every_recorded_error_is_sorted_as_the_server_meant_it() -> None:
    seen: set[type] = set()
    for name, answer in error_rows():
        error = error_of("x.y", answer)
        data = answer.get("data") or {}
        trace = (data.get("trace") or {}).get("class")
        if trace in TYPES:
            assert error.__class__ is TYPES[trace], (name, answer)
        elif answer["code"] == -32601:
            assert error.__class__ is errors.UnknownMethod
        elif data.get("error") == 207:
            assert error.__class__ is errors.NotLoggedIn
        else:
            assert not isinstance(error, (errors.NotFound, errors.ValidationFailed)), (name, answer)
        assert is_busy(error) == (answer["code"] == -32000 or (answer["code"] == -32001 and data.get("error") == 16))
        seen.add(type(error))
    assert seen >= {errors.NotFound, errors.ValidationFailed, errors.UnknownMethod, errors.NotLoggedIn, errors.CallError}


def test_our_login_is_the_recorded_one(server: Any, session: Session) -> None:
    server.on("core.ping", "pong")
    session.read("core.ping")
    ours = server.calls[0].params[0]
    messages = [row["msg"] for name, row in rows() if name == "auth" and isinstance(row["msg"], dict)]
    successful = [
        sent["params"][0]
        for sent, answer in itertools.pairwise(messages)
        if sent.get("method") == "auth.login_ex" and answer.get("result", {}).get("response_type") == "SUCCESS"
    ]
    assert [set(given) for given in successful].count(set(ours)) >= 1
    assert ours["login_options"] in [given.get("login_options") for given in successful]
    assert ours["mechanism"] in {given["mechanism"] for given in successful}


def recorded_jobs() -> list[Any]:
    """Each call that started a job over a subscribed connection: what was sent, what came before the id and after it."""
    found = []
    for path in sorted(FOLDER.glob("*.json")) if FOLDER.is_dir() else []:
        messages = [row for row in json.loads(path.read_text(encoding="utf-8")) if isinstance(row.get("msg"), dict)]
        for start, row in enumerate(messages):
            call = row["msg"]
            if row["dir"] != "send" or "method" not in call or "id" not in call:
                continue
            events = []
            answered = None
            for later in messages[start + 1 :]:
                message = later["msg"]
                if later["dir"] == "send" and message.get("id") == call["id"]:
                    break  # another connection of the same scenario
                params = message.get("params")
                fields = params.get("fields") if isinstance(params, dict) else None
                if (
                    isinstance(fields, dict)
                    and (fields.get("message_ids") or [None])[0] == call["id"]
                    and fields["method"] == call["method"]
                ):
                    events.append(message)
                elif later["dir"] == "recv" and message.get("id") == call["id"] and answered is None:
                    answered = (len(events), message.get("result"))
            ended = events and events[-1]["params"]["fields"]["state"] in ("SUCCESS", "FAILED", "ABORTED")
            if answered and ended and answered[1] == events[0]["params"]["fields"]["id"]:
                found.append(pytest.param(call, events, answered[0], id=f"{path.stem}-{call['id']}-{call['method']}"))
    return found


@pytest.mark.parametrize("call,events,before", recorded_jobs())
def test_recorded_jobs_are_followed_to_their_end(
    server: Any, session: Session, kit: Any, call: Any, events: list[Any], before: int
) -> None:
    async def replay(request: Any) -> Any:
        for event in events:
            event["params"]["fields"]["message_ids"] = [request.id]
        for event in events[:before]:
            await request.client.send(event)
        await request.answer(events[0]["params"]["fields"]["id"])
        for event in events[before:]:
            await request.client.send(event)
        return kit.silence

    server.on(call["method"], replay)
    # Asked only where the events are late, as on a machine that has much to do.
    server.on("core.get_jobs", [{**events[0]["params"]["fields"], "state": "RUNNING"}])
    last = events[-1]["params"]["fields"]
    if last["state"] == "SUCCESS":
        assert session.job(call["method"], *call["params"]) == last["result"]
        return
    with pytest.raises(errors.ApiError) as caught:
        session.job(call["method"], *call["params"])
    info = last["exc_info"] or {}
    if info.get("type") == "VALIDATION":
        expected: type = errors.NotFound if info["errno"] == 2 else errors.ValidationFailed
        assert caught.value.__class__ is expected
    else:
        assert isinstance(caught.value, errors.JobFailed) and caught.value.state == last["state"]


def test_there_are_recorded_jobs_of_each_kind() -> None:
    states = {parameters.values[1][-1]["params"]["fields"]["state"] for parameters in recorded_jobs()}
    assert states == {"SUCCESS", "FAILED", "ABORTED"}


@pytest.mark.parametrize("version", ["25.10", "25.04.2"])
def test_what_we_send_fits_the_schemas(server: Any, session: Session, kit: Any, version: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schemas = json.loads((SHARED / "truenas-api" / f"{version}.json").read_text(encoding="utf-8"))
    if version == "25.04.2":
        server.message_ids = False
        server.on("core.set_options", None)
    server.on("virt.instance.stop", kit.job(held=True), kit.job(drop="before"))
    with pytest.raises(errors.CallTimeout):
        session.job("virt.instance.stop", "px-a", {"timeout": 30}, timeout=0.2)
    session.job("virt.instance.stop", "px-a", {"timeout": 30})
    for call in server.calls:
        accepts = schemas[call.method]["accepts"]
        jsonschema.Draft202012Validator(accepts).validate(call.params)
    assert {"auth.login_ex", "core.set_options", "core.subscribe", "core.get_jobs", "core.job_abort"} <= set(server.methods())
