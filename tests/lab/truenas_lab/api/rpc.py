"""One WebSocket that speaks JSON-RPC 2.0: its limits, its refusals, and the way of a call through it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from ..faults import Fault
from ..journal import masked_params
from .auth import LONGEST_SESSION, Session
from .errors import (
    ENOTAUTHENTICATED,
    INTERNAL_ERROR,
    INVALID_JSON,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    TOO_MANY_CALLS,
    CallError,
    RpcError,
    as_failure,
    rpc_error,
)
from .jobs import Job
from .registry import Call, Method

if TYPE_CHECKING:
    from ..lab import Lab

_DROPPED: Any = object()  # an outcome: there is nobody to answer any more


def _invalid(message: Any) -> str | None:
    """What is wrong with a message as a JSON-RPC request."""
    if not isinstance(message, dict):
        return "Request must be an object"
    if "jsonrpc" not in message:
        return "Missing 'jsonrpc' member"
    if message["jsonrpc"] != "2.0":
        return "'jsonrpc' member must be of type string and must be exactly '2.0'"
    if "method" not in message:
        return "Missing 'method' member"
    if not isinstance(message["method"], str):
        return "'method' member must be of type string"
    if "params" in message and not isinstance(message["params"], list):
        return "'params' member must be of type array"
    if "id" in message and not (message["id"] is None or (isinstance(message["id"], (str, int)) and not isinstance(message["id"], bool))):
        return "'id' member must be of type null, string or number"
    return None


class Connection:
    def __init__(self, lab: Lab, request: web.Request, api: str, *, secure: bool, limited: bool) -> None:
        self.lab = lab
        self.ident = uuid.uuid4().hex[:12]
        self.api = api
        self.secure = secure
        self.session: Session | None = None
        self.options = {"legacy_jobs": True, "private_methods": False, "py_exceptions": False}
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.address = peer[0] if isinstance(peer, tuple) else "unix"
        self.remote = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "UNIX"
        self._limited = limited
        self._request = request
        self._socket = web.WebSocketResponse(autoping=False, max_msg_size=4 * 1024 * 1024)
        self._slots = asyncio.Semaphore(lab.settings.concurrent_calls)
        self._in_flight = 0
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._spoke = time.monotonic()
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- state --------------------------------------------------------------------------------------------------
    def log_in(self, session: Session) -> None:
        self.session = session
        self.lab.logins += 1

    def log_out(self) -> None:
        self.session = None
        self.lab.events.forget(self)

    def abort(self, reason: str) -> None:
        """Cut the line without a word, as a lost network does."""
        if self._lost.is_set():
            return
        self._lost.set()
        self.lab.journal.write("cut", connection=self.ident, reason=reason)
        if self._request.transport is not None:
            self._request.transport.abort()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; what is queued first leaves first."""
        if self._lost.is_set():
            return
        try:
            text = json.dumps(message)
        except (TypeError, ValueError) as exc:
            text = json.dumps({"jsonrpc": "2.0", "error": {"code": INTERNAL_ERROR, "message": str(exc)}, "id": message.get("id")})
        self._outgoing.put_nowait(text)

    # -- the socket ---------------------------------------------------------------------------------------------
    async def serve(self) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        self.lab.connections[self.ident] = self
        self.lab.journal.write("connect", connection=self.ident, remote=self.remote, api=self.api, secure=self.secure)
        attendants = [asyncio.create_task(self._write()), asyncio.create_task(self._watch())]
        try:
            await self._read()
        finally:
            self._lost.set()
            for attendant in attendants:
                attendant.cancel()
            self.lab.events.forget(self)
            self.lab.connections.pop(self.ident, None)
            self.lab.journal.write("disconnect", connection=self.ident, code=self._socket.close_code)
        return self._socket

    async def _write(self) -> None:
        while True:
            text = await self._outgoing.get()
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                return
            self._spoke = time.monotonic()

    async def _watch(self) -> None:
        """The front proxy cuts a line on which the server has said nothing for a while; a session ends after 30 days."""
        while True:
            left = self._spoke + self.lab.settings.idle_seconds - time.monotonic()
            if left <= 0:
                self.abort("idle")
                return
            if self.session is not None and time.time() - self.session.login_at > LONGEST_SESSION:
                self.log_out()
            await asyncio.sleep(min(left, 1.0))

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type == WSMsgType.PING:
                await self._socket.pong(message.data)
                self._spoke = time.monotonic()
            elif message.type == WSMsgType.BINARY:
                reason = "Invalid websocket message type: <WSMsgType.BINARY: 2>"
                await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=reason.encode())
                return
            elif message.type == WSMsgType.TEXT and not await self._text(message.data):
                return

    async def _text(self, text: str) -> bool:
        """Take a message; False when it ends the connection."""
        settings = self.lab.settings
        if self.session is None and len(text) > settings.anonymous_message_size:
            await self._socket.close(code=WSCloseCode.INVALID_TEXT, message=b"Anonymous connection max message length is 8 kB")
            return False
        try:
            message = json.loads(text)
        except ValueError as exc:
            self._protocol_error(INVALID_JSON, str(exc), None)
            return True
        if len(text) > settings.message_size:
            wanted = message.get("method") if isinstance(message, dict) else None
            if wanted != "filesystem.file_receive" or len(text) > settings.file_message_size:
                await self._socket.close(code=WSCloseCode.MESSAGE_TOO_BIG, message=b"Max message length is 64 kB")
                return False
        if isinstance(message, list):
            self._protocol_error(INVALID_JSON, "Batch messages are not supported at this time", None)
            return True
        if complaint := _invalid(message):
            # Without an id there is nobody to tell.
            if isinstance(message, dict) and "id" in message:
                self._protocol_error(INVALID_REQUEST, complaint, message["id"])
            return True
        self._dispatch(message)
        return True

    def _protocol_error(self, code: int, text: str, ident: Any) -> None:
        self.lab.journal.write("protocol", connection=self.ident, code=code, reason=text)
        self.send({"jsonrpc": "2.0", "error": {"code": code, "message": text}, "id": ident})

    # -- a call -------------------------------------------------------------------------------------------------
    def _dispatch(self, message: dict[str, Any]) -> None:
        method = self.lab.method(message["method"])
        if method is None:
            self._journal(message, None, time.monotonic(), RpcError(METHOD_NOT_FOUND, "Method does not exist"))
            self._answer(message, RpcError(METHOD_NOT_FOUND, "Method does not exist"))
            return
        limit = self.lab.settings.calls_in_flight
        if self._in_flight >= limit:
            error = RpcError(TOO_MANY_CALLS, f"Maximum number of concurrent calls ({limit}) has exceeded")
            self._journal(message, method, time.monotonic(), error)
            self._answer(message, error)
            return
        self._in_flight += 1
        task = asyncio.create_task(self._carry_out(message, method))
        self._tasks.add(task)  # calls run on unseen when the line is lost
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, message: dict[str, Any], method: Method) -> None:
        began = time.monotonic()
        outcome: Any
        try:
            async with self._slots:
                outcome = await self._outcome(message, method)
        except Exception as exc:  # every failure is an answer
            outcome = as_failure(exc)
        finally:
            self._in_flight -= 1
        dropped = outcome is _DROPPED or self._lost.is_set()
        job = outcome.ident if isinstance(outcome, Job) else None
        if isinstance(outcome, Job):
            outcome = outcome.ident
        self._journal(message, method, began, "dropped" if dropped else outcome, job=job)
        if not dropped:
            self._answer(message, outcome)

    async def _outcome(self, message: dict[str, Any], method: Method) -> Any:
        params = message.get("params", [])
        if self.session is None:
            if not method.no_auth:
                raise CallError("Not authenticated", ENOTAUTHENTICATED)
            if self._limited and not method.unlimited:
                await self.lab.limiter.check(method.name, self.address)
        if method.private and not self.options["private_methods"] and self.lab.settings.version >= "25.10":
            self.lab.journal.write("warning", connection=self.ident, method=method.name, text="private method")
        fault = self.lab.faults.take(method.name, params, is_job=method.job is not None)
        if fault is not None and await self._suffer(fault, method):
            return _DROPPED
        call = Call(self.lab, method, self.api, self.session, self, message_id=message.get("id"))
        result = await invoke(call, params, fault)
        if fault is not None and fault.fault == "drop_after":
            self.abort("fault")
            return _DROPPED
        if fault is not None and fault.fault == "restart":
            self.lab.restart(fault.seconds)
            return _DROPPED
        if isinstance(result, Job):
            if self.options["legacy_jobs"] or self.lab.settings.version < "25.10":
                return result
            result = await result.wait()
        return method.answer(result, self.api) if method.answer else result

    async def _suffer(self, fault: Fault, method: Method) -> bool:
        """The faults that strike before a call is carried out; True when that was its end."""
        self.lab.journal.write("fault", connection=self.ident, method=method.name, fault=fault.fault)
        if fault.fault == "drop_before":
            self.abort("fault")
            return True
        if fault.fault == "restart" and fault.when == "before":
            self.lab.restart(fault.seconds)
            return True
        if fault.fault == "refuse":
            raise fault.error()
        if fault.fault == "delay":
            await asyncio.sleep(fault.seconds)
        if fault.fault == "stall" and method.job is None:
            await self._lost.wait()
            return True
        return False

    def _answer(self, message: dict[str, Any], outcome: Any) -> None:
        if "id" not in message:  # a notification
            return
        if isinstance(outcome, Exception):
            error = rpc_error(outcome, py_exceptions=self.options["py_exceptions"])
            self.send({"jsonrpc": "2.0", "error": error, "id": message["id"]})
        else:
            self.send({"jsonrpc": "2.0", "result": outcome, "id": message["id"]})

    def _journal(self, message: dict[str, Any], method: Method | None, began: float, outcome: Any, *, job: int | None = None) -> None:
        line: dict[str, Any] = {
            "connection": self.ident,
            "remote": self.remote,
            "id": message.get("id"),
            "method": message["method"],
            "params": masked_params(message["method"], message.get("params", [])),
            "changes": bool(method and method.changes),
            "duration": round(time.monotonic() - began, 6),
            "outcome": "ok",
        }
        if isinstance(outcome, Exception):
            error = rpc_error(outcome)
            line.update(
                outcome="error", code=error["code"], errno=error.get("data", {}).get("error"), reason=error.get("data", {}).get("reason")
            )
        elif outcome == "dropped":
            line["outcome"] = "dropped"
        elif method is not None and method.name.startswith("auth.login"):
            line["login"] = outcome.get("response_type") if isinstance(outcome, dict) else outcome
        if job is not None:
            line["job"] = job
        self.lab.journal.write("call", **line)


async def invoke(call: Call, params: list[Any], fault: Fault | None = None) -> Any:
    """Run a method, or queue its job and answer that."""
    lab, method = call.lab, call.method
    lab.ready_for(method, params, call.api)
    if method.job is not None:
        # Arguments in an older model are translated, hence validated, before there is a job.
        checked = lab.check(method, params, call.api) if call.api != lab.settings.current_api else None
        return lab.jobs.submit(call, params, checked, fault)
    return await method.handler(call, *lab.check(method, params, call.api))
