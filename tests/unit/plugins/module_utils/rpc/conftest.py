# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scripted appliance: a real WebSocket server on loopback that answers as a test tells it to, and remembers all that it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")
from aiohttp import WSMsgType, web  # noqa: E402

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint  # noqa: E402
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.limits import Limits  # noqa: E402
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session  # noqa: E402

KEY = "1-" + "k3y" * 20
FAST = Limits(
    connect_timeout=5,
    login_timeout=10,
    busy_timeout=0.3,
    busy_pause=0.01,
    busy_pause_max=0.02,
    login_pause=0.01,
    reconnect_for=2,
    reconnect_pause=0.01,
    reconnect_pause_max=0.05,
    poll_first=0.05,
    poll_max=0.1,
    abort_timeout=2,
)


@dataclass
class Fault:
    """An error answer."""

    code: int
    errno: int | None = None
    reason: str = ""
    extra: Any = None
    trace_class: str | None = None

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {"code": self.code, "message": "Method call error"}
        if self.errno is not None:
            trace = {"class": self.trace_class} if self.trace_class else None
            payload["data"] = {"error": self.errno, "errname": f"E{self.errno}", "reason": self.reason, "trace": trace, "extra": self.extra}
        return payload


class Drop:
    """Cut the connection instead of answering."""


class Silence:
    """Never answer."""


@dataclass
class Call:
    """One request as it arrived."""

    server: Scripted
    client: Client
    id: str
    method: str
    params: list[Any]

    async def answer(self, result: Any) -> None:
        await self.client.send({"jsonrpc": "2.0", "id": self.id, "result": result})


@dataclass(eq=False)
class Client:
    """One connection."""

    number: int
    ws: Any
    subscribed: bool = False
    pings: int = 0

    async def send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            await self.ws.send_str(json.dumps(message))

    def cut(self) -> None:
        self.ws._req.transport.abort()


@dataclass
class Job:
    """A reply that starts a job, tells `steps`, and ends it."""

    result: Any = True
    steps: list[tuple[int, str]] = field(default_factory=list)
    state: str = "SUCCESS"
    error: str | None = None
    exc_info: dict[str, Any] | None = None
    logs_excerpt: str | None = None
    events: bool = True
    drop: str | None = None  # "before" or "after" the answer with the id
    held: bool = False  # runs until the test ends it


class Scripted:
    """`on(method, reply, ...)` sets what the next calls get; the last reply stays."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.calls: list[Call] = []
        self.clients: list[Client] = []
        self.connections = 0
        self.jobs: dict[int, dict[str, Any]] = {}
        self.next_job = 100
        self.message_ids = True
        self.port = 0
        self.pong = True
        self.extra_routes: dict[str, Any] = {}
        self._script: dict[str, list[Any]] = {}
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self.on("auth.login_ex", {"response_type": "SUCCESS", "user_info": None, "authenticator": "LEVEL_1"})
        self.on("core.set_options", {"legacy_jobs": True, "private_methods": True, "py_exceptions": False})
        self.on("core.subscribe", self._subscribe)
        self.on("core.get_jobs", self._get_jobs)
        self.on("core.job_abort", None)

    # What tests use.

    def on(self, method: str, *replies: Any) -> None:
        self._script[method] = list(replies)

    def methods(self) -> list[str]:
        return [call.method for call in self.calls]

    def named(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def endpoint(self, **changes: Any) -> Endpoint:
        return Endpoint.parse(f"ws://127.0.0.1:{self.port}", api_key=KEY, **changes)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def wait_for(self, condition: Callable[[], Any], what: str = "it") -> Any:
        until = time.monotonic() + 10
        with self._changed:
            while not (value := condition()):
                if not self._changed.wait(min(0.05, until - time.monotonic())) and time.monotonic() > until:
                    raise AssertionError(f"{what} did not happen; calls: {self.methods()}")
            return value

    def cut_all(self) -> None:
        async def cut() -> None:
            for client in self.clients:
                client.cut()

        self.run(cut())

    def end_job(self, job_id: int, state: str = "SUCCESS", result: Any = True, events: bool = True) -> None:
        async def end() -> None:
            self.jobs[job_id].update(state=state, result=result)
            if events:
                await self.tell(job_id, "changed")

        self.run(end())

    def add_job(self, method: str, params: list[Any], message_ids: list[str] | None = None, state: str = "RUNNING") -> int:
        job_id = self.next_job
        self.next_job += 1
        record: dict[str, Any] = {
            "id": job_id,
            "method": method,
            "arguments": params,
            "state": state,
            "progress": {"percent": 0, "description": "", "extra": None},
            "result": None,
            "error": None,
            "exc_info": None,
            "logs_excerpt": None,
            "time_started": {"$date": 1_795_000_000_000 + job_id},
            "time_finished": None,
        }
        if self.message_ids:
            record["message_ids"] = message_ids or []
        self.jobs[job_id] = record
        return job_id

    async def tell(self, job_id: int, what: str) -> None:
        fields = json.loads(json.dumps(self.jobs[job_id]))
        for client in list(self.clients):
            if client.subscribed:
                params = {"msg": what, "collection": "core.get_jobs", "id": job_id, "fields": fields}
                await client.send({"jsonrpc": "2.0", "method": "collection_update", "params": params})

    # How it works.

    def _subscribe(self, call: Call) -> str:
        call.client.subscribed = True
        return "subscription"

    def _get_jobs(self, call: Call) -> list[dict[str, Any]]:
        filters = call.params[0] if call.params else []
        options = call.params[1] if len(call.params) > 1 else {}
        found = [job for job in self.jobs.values() if all(job.get(name) == value for name, _operator, value in filters)]
        if options.get("order_by") == ["-id"]:
            found.sort(key=lambda job: -job["id"])
        return found[: options.get("limit") or None]

    async def websocket(self, request: Any) -> Any:
        ws = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await ws.prepare(request)
        self.connections += 1
        client = Client(self.connections, ws)
        self.clients.append(client)
        try:
            async for message in ws:
                if message.type == WSMsgType.PING:
                    client.pings += 1
                    if self.pong:
                        await ws.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    data = json.loads(message.data)
                    call = Call(self, client, data["id"], data["method"], data["params"])
                    self.calls.append(call)
                    task = asyncio.ensure_future(self._reply(call))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                with self._changed:
                    self._changed.notify_all()
        finally:
            self.clients.remove(client)
            with self._changed:
                self._changed.notify_all()
        return ws

    async def _reply(self, call: Call) -> None:
        replies = self._script.get(call.method)
        if not replies:
            reply: Any = Fault(-32601)
        else:
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if callable(reply) and not isinstance(reply, type):
            reply = reply(call)
            if asyncio.iscoroutine(reply):
                reply = await reply
        if reply is Silence:
            return
        if reply is Drop:
            call.client.cut()
        elif isinstance(reply, Fault):
            await call.client.send({"jsonrpc": "2.0", "id": call.id, "error": reply.payload()})
        elif isinstance(reply, Job):
            await self._job(call, reply)
        else:
            await call.answer(reply)

    async def _job(self, call: Call, job: Job) -> None:
        job_id = self.add_job(call.method, call.params, [call.id], "WAITING")
        record = self.jobs[job_id]
        if job.events:
            await self.tell(job_id, "added")
        if job.drop == "before":
            call.client.cut()
        else:
            await call.answer(job_id)
            if job.drop == "after":
                call.client.cut()
        record["state"] = "RUNNING"
        if job.held:
            if job.events:
                await self.tell(job_id, "changed")
            return
        for percent, description in job.steps:
            record["progress"] = {"percent": percent, "description": description, "extra": None}
            if job.events:
                await self.tell(job_id, "changed")
                await self.tell(job_id, "changed")
        record.update(state=job.state, error=job.error, exc_info=job.exc_info, logs_excerpt=job.logs_excerpt)
        record["result"] = job.result if job.state == "SUCCESS" else None
        if job.events:
            await self.tell(job_id, "changed")
            await self.tell(job_id, "changed")


def serve(server: Scripted, ready: threading.Event, context: ssl.SSLContext | None) -> None:
    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/api/current", server.websocket)
        for path, handler in server.extra_routes.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        server.port = runner.addresses[0][1]
        return runner

    asyncio.set_event_loop(server.loop)
    runner = server.loop.run_until_complete(start())
    ready.set()
    server.loop.run_forever()
    server.loop.run_until_complete(runner.cleanup())
    server.loop.close()


@pytest.fixture
def start_server() -> Iterator[Callable[..., Scripted]]:
    """Start appliances; they stop after the test."""
    running: list[tuple[Scripted, threading.Thread]] = []

    def start(context: ssl.SSLContext | None = None, routes: dict[str, Any] | None = None) -> Scripted:
        server = Scripted()
        server.extra_routes = routes or {}
        ready = threading.Event()
        thread = threading.Thread(target=serve, args=(server, ready, context), daemon=True)
        thread.start()
        assert ready.wait(10)
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.loop.call_soon_threadsafe(server.loop.stop)
        thread.join(10)


@pytest.fixture
def server(start_server: Callable[..., Scripted]) -> Scripted:
    return start_server()


@pytest.fixture
def open_session(server: Scripted) -> Iterator[Callable[..., Session]]:
    """Sessions with the server, with short waits; closed after the test."""
    opened: list[Session] = []

    def open_one(**limits: Any) -> Session:
        session = Session(server.endpoint(), limits=Limits(**{**vars(FAST), **limits}))
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session: Callable[..., Session]) -> Session:
    return open_session()


@pytest.fixture
def kit() -> Any:
    """The words of the script."""

    class Kit:
        fault = Fault
        drop = Drop
        silence = Silence
        job = Job
        key = KEY
        fast = FAST
        not_found = Fault(-32602, 22, "[ENOENT] None: VirtInstance x does not exist", [[None, "VirtInstance x does not exist", 2]])

    return Kit


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, and a server's context with it."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "appliance")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return folder / "ca.pem", context
