"""`/websocket/shell`: a terminal in an instance, opened with a session token."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from ..engine.base import EngineError, EngineShell
from .errors import ENOTAUTHENTICATED

if TYPE_CHECKING:
    from ..lab import Lab


class ShellSession:
    def __init__(self, lab: Lab, request: web.Request) -> None:
        self.lab = lab
        self.ident = str(uuid.uuid4())
        self._request = request
        self._socket = web.WebSocketResponse(max_msg_size=4 * 1024 * 1024)
        self._shell: EngineShell | None = None
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self._address = peer[0] if isinstance(peer, tuple) else "unix"

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def resize(self, columns: int, rows: int) -> None:
        if self._shell is not None:
            await self._shell.resize(columns, rows)

    async def serve(self) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        pump: asyncio.Task[None] | None = None
        began, instance = time.monotonic(), None
        try:
            async for message in self._socket:
                if self._shell is not None:
                    data = message.data.encode() if message.type == WSMsgType.TEXT else message.data
                    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        await self._shell.write(data)
                    continue
                if message.type != WSMsgType.TEXT:
                    break
                options = await self._admit(message.data)
                if options is None:
                    continue
                instance = options["virt_instance_id"]
                if not await self._open(options):
                    break
                pump = asyncio.create_task(self._pump())
        finally:
            self.lab.shells.pop(self.ident, None)
            if pump is not None:
                pump.cancel()
            if self._shell is not None:
                await self._shell.close()
            if instance is not None:
                seconds = round(time.monotonic() - began, 6)
                self.lab.journal.write("shell", connection=self.ident, remote=self._address, instance=instance, duration=seconds)
        return self._socket

    async def _admit(self, text: str) -> dict[str, Any] | None:
        """The options of a first message with a good token; else the refusal is sent and the socket stays open."""
        try:
            message = json.loads(text)
            token, options = message["token"], message.get("options") or {}
        except (ValueError, KeyError, TypeError):
            await self._refuse("Invalid token")
            return None
        if not isinstance(token, str) or self.lab.tokens.use(token, self._address) is None:
            await self._refuse("Invalid token")
            return None
        if not isinstance(options.get("virt_instance_id"), str):
            # Without an instance it would be a shell of the appliance itself: the lab has none to give.
            await self._refuse("Only shells of instances are available")
            return None
        return dict(options)

    async def _refuse(self, reason: str) -> None:
        self.lab.journal.write("shell", connection=self.ident, remote=self._address, outcome="refused", reason=reason)
        await self._socket.send_json({"msg": "failed", "error": {"error": ENOTAUTHENTICATED, "reason": reason}})

    async def _open(self, options: dict[str, Any]) -> bool:
        fault = self.lab.faults.take("websocket.shell", [options["virt_instance_id"]], is_job=False)
        if fault is not None:
            if fault.fault in ("drop_before", "drop_after", "restart"):
                self.abort()
                return False
            if fault.fault == "refuse":
                await self._refuse(fault.reason)
                return False
            if fault.fault == "delay":
                await asyncio.sleep(fault.seconds)
            if fault.fault == "stall":
                await asyncio.Event().wait()
        name = options["virt_instance_id"]
        instance = await self.lab.find_instance(name, state=False)
        if instance is None:  # the middleware fails on Incus's empty answer and just hangs up
            return False
        await self._socket.send_json({"msg": "connected", "id": self.ident})
        self.lab.shells[self.ident] = self
        try:
            if instance.status != "RUNNING":
                raise EngineError("Instance is not running")
            command = options.get("command") or "/bin/bash"
            self._shell = await self.lab.engine.shell(name, command, console=bool(options.get("use_console")))
        except EngineError as exc:
            await self._socket.send_bytes(f"Error: {exc}\r\n".encode())
            await asyncio.sleep(self.lab.settings.shell_close_delay)
            return False
        return True

    async def _pump(self) -> None:
        assert self._shell is not None
        try:
            async for data in self._shell.read():
                await self._socket.send_bytes(data)
        except EngineError as exc:
            await self._socket.send_bytes(f"Error: {exc}\r\n".encode())
        except ConnectionError:
            return
        await asyncio.sleep(self.lab.settings.shell_close_delay)
        await self._socket.close()
