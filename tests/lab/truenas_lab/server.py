"""The server: sites, routes, and how it comes up and goes down."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from .api import core, dataset, resource, snapshot, system, virt_device, virt_global, virt_instance
from .api.rpc import Connection
from .api.shell import ShellSession
from .control import Control
from .engine.base import Engine
from .lab import Lab
from .settings import Settings
from .tls import server_context

SERVICES = (core, dataset, resource, snapshot, system, virt_device, virt_global, virt_instance)  # importing them fills the table of methods


@dataclass
class Running:
    """What `ready` is told."""

    lab: Lab
    host: str
    port: int
    plain_port: int | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port}"


Ready = Callable[[Running], Awaitable[None] | None]


def _guarded(
    lab: Lab, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """While the middleware restarts the front proxy answers in its place."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if time.monotonic() < lab.down_until:
            return web.Response(status=502, text="Bad Gateway")
        return await handler(request)

    return guarded


def application(lab: Lab, site: str) -> web.Application:
    """The routes as seen through one site: tls, plain or unix."""
    secure = site != "plain"

    async def versions(_request: web.Request) -> web.StreamResponse:
        return web.json_response(list(lab.settings.api_versions))

    async def boot_id(_request: web.Request) -> web.StreamResponse:
        return web.json_response(lab.boot_id)

    async def shell(request: web.Request) -> web.StreamResponse:
        return await ShellSession(lab, request).serve()

    async def download(request: web.Request) -> web.StreamResponse:
        text = lab.downloads.pop(request.query.get("auth_token", ""), None)
        return web.Response(status=403) if text is None else web.Response(text=text)

    def endpoint(api: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def rpc(request: web.Request) -> web.StreamResponse:
            return await Connection(lab, request, api, secure=secure, limited=site != "unix").serve()

        return rpc

    app = web.Application()
    routes = [web.get("/api/versions", _guarded(lab, versions)), web.get("/websocket/shell", _guarded(lab, shell))]
    routes += [web.get("/api/current", _guarded(lab, endpoint(lab.settings.current_api)))]
    routes += [web.get(f"/api/{api}", _guarded(lab, endpoint(api))) for api in lab.settings.api_versions]
    routes += [web.get("/_download/{job}", _guarded(lab, download))]
    if lab.settings.version >= "25.10":
        routes += [web.get("/api/boot_id", _guarded(lab, boot_id))]
    app.add_routes(routes)
    app.add_routes(Control(lab).routes())
    return app


def _port(site: web.BaseSite) -> int:
    server = getattr(site, "_server", None)
    assert server is not None
    return int(server.sockets[0].getsockname()[1])


async def serve(settings: Settings, engine: Engine, ready: Ready | None = None) -> None:
    """Run a lab until cancelled; `ready` is told (and awaited) when it takes connections."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    lab = Lab(settings, engine)
    runners: list[web.AppRunner] = []

    async def site_for(name: str, make: Callable[[web.AppRunner], web.BaseSite]) -> web.BaseSite:
        runner = web.AppRunner(application(lab, name), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        runners.append(runner)
        site = make(runner)
        await site.start()
        return site

    try:
        await engine.start()
        await lab.storage.start()
        context = server_context(settings.directory / "tls")
        site = await site_for("tls", lambda runner: web.TCPSite(runner, settings.host, settings.port, ssl_context=context))
        running = Running(lab, settings.host, _port(site))
        if settings.plain_port is not None:
            number = settings.plain_port
            running.plain_port = _port(await site_for("plain", lambda runner: web.TCPSite(runner, settings.host, number)))
        if settings.unix_socket is not None:
            path = settings.unix_socket
            await site_for("unix", lambda runner: web.UnixSite(runner, path))
            os.chmod(path, 0o600)
        lab.journal.write("start", version=settings.version, release=settings.release, port=running.port)
        if ready is not None:
            told = ready(running)
            if inspect.isawaitable(told):
                await told
        await asyncio.Event().wait()
    finally:
        for connection in list(lab.connections.values()):
            connection.abort("shutdown")
        for shell in list(lab.shells.values()):
            shell.abort()
        lab.jobs.forget()
        for runner in runners:
            await runner.cleanup()
        await lab.storage.close()
        await engine.close()
        lab.journal.write("stop")
        lab.close()
