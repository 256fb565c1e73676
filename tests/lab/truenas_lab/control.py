"""`/_lab/*`: the switches that only a lab has. Every request carries the word from DIR/control-token."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .engine.base import EngineError
from .engine.memory import MemoryEngine
from .engine.memory_volumes import MemoryVolumes
from .faults import KINDS, Fault
from .host import bridges
from .host.errors import HostError
from .zfs.records import Step, ZfsError
from .zfs.tree import Tree

if TYPE_CHECKING:
    from .lab import Lab

HEADER = "X-Lab-Token"
VIRT_STATES = ("INITIALIZING", "INITIALIZED", "NO_POOL", "LOCKED", "ERROR")


class Control:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._switches: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "virt_state": self._virt_state,
            "limits": self._limits,
            "revoke": self._revoke,
            "new_key": self._new_key,
            "foreign": self._foreign,
            "restart": self._restart,
            "reset_rate_limit": self._reset_rate_limit,
            "drop_connections": self._drop_connections,
            "engine": self._engine,
            "snapshot": self._snapshot,
            "write": self._write,
            "read": self._read,
            "clear_storage": self._clear_storage,
            "bridges": self._bridges,
        }

    def routes(self) -> list[web.RouteDef]:
        guarded = [
            ("GET", "/_lab/faults", self.list_faults),
            ("POST", "/_lab/faults", self.add_fault),
            ("DELETE", "/_lab/faults", self.clear_faults),
            ("GET", "/_lab/state", self.show_state),
            ("POST", "/_lab/state", self.change_state),
        ]
        return [web.route(verb, path, self._guard(handler)) for verb, path, handler in guarded]

    def _guard(self, handler: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), self.lab.control_token.encode()):
                return web.json_response({"error": f"the header {HEADER} is missing or wrong"}, status=403)
            try:
                return web.json_response(await handler(request))
            except (ValueError, TypeError, KeyError, EngineError, ZfsError) as exc:
                return web.json_response({"error": str(exc)}, status=400)

        return guarded

    # -- faults -------------------------------------------------------------------------------------------------
    async def list_faults(self, _request: web.Request) -> Any:
        return {"faults": self.lab.faults.listed(), "kinds": KINDS}

    async def add_fault(self, request: web.Request) -> Any:
        data = await request.json()
        for item in data if isinstance(data, list) else [data]:
            self.lab.faults.add(Fault.parse(item))
        return {"faults": self.lab.faults.listed()}

    async def clear_faults(self, _request: web.Request) -> Any:
        self.lab.faults.clear()
        return {"faults": []}

    # -- state --------------------------------------------------------------------------------------------------
    async def show_state(self, _request: web.Request) -> Any:
        lab = self.lab
        return {
            "version": lab.settings.version,
            "virt_state": lab.settings.virt_state,
            "logins": lab.logins,
            "connections": [
                {"id": item.ident, "remote": item.remote, "logged_in": item.session is not None} for item in lab.connections.values()
            ],
            "jobs": [{"id": job.ident, "method": job.method.name, "state": job.state} for job in lab.jobs.all()],
            "keys": [{"id": key.ident, "name": key.name, "revoked": key.revoked} for key in lab.keys.all()],
            "instances": [{"name": item.name, "status": item.status} for item in await lab.engine.instances(state=False)],
            **await lab.storage.shown(),
        }

    async def change_state(self, request: web.Request) -> Any:
        data = await request.json()
        if not isinstance(data, dict):
            raise ValueError("a JSON object is wanted")
        if unknown := set(data) - set(self._switches):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(self._switches)}")
        answers = {}
        for name, value in data.items():
            answers[name] = await self._switches[name](value)
        return answers

    async def _virt_state(self, value: Any) -> Any:
        if value not in VIRT_STATES:
            raise ValueError(f"virt_state is one of {', '.join(VIRT_STATES)}")
        self.lab.settings.virt_state = value
        return value

    async def _limits(self, value: Any) -> Any:
        self.lab.settings.change(value)
        return True

    async def _revoke(self, value: Any) -> Any:
        key = self.lab.keys.get(value) if isinstance(value, int) else self.lab.keys.find(str(value))
        if key is None:
            raise ValueError("no such key")
        self.lab.keys.revoke(key, "Revoked by the lab's control")
        return key.ident

    async def _new_key(self, value: Any) -> Any:
        """A further key: {"name": ..., "username": "root", "expired": false, "revoked": false}; the answer is the key."""
        expires = time.time() - 60 if value.get("expired") else None
        text = self.lab.keys.create(value.get("name", "lab"), username=value.get("username", "root"), expires=expires)
        if value.get("revoked"):
            key = self.lab.keys.find(text)
            assert key is not None
            self.lab.keys.revoke(key, "Made revoked")
        return text

    async def _foreign(self, value: Any) -> Any:
        """An instance that somebody else made: {"name", "image"?, "pool"?, "start"?, "environment"?, "config"?}; no event tells of it."""
        engine = self.lab.engine
        config = {"user.autostart": "false", **value.get("config", {})}
        config.update({f"environment.{key}": item for key, item in value.get("environment", {}).items()})
        image = value.get("image") or (await engine.images())[0].alias
        await engine.create(value["name"], image, config, {}, value.get("pool") or engine.pools[0])
        if value.get("start"):
            await engine.start_instance(value["name"])
        return value["name"]

    async def _restart(self, value: Any) -> Any:
        self.lab.restart(float(value.get("seconds", 0)) if isinstance(value, dict) else 0.0)
        return True

    async def _reset_rate_limit(self, _value: Any) -> Any:
        self.lab.limiter.clear()
        return True

    async def _drop_connections(self, _value: Any) -> Any:
        for connection in list(self.lab.connections.values()):
            connection.abort("control")
        return True

    async def _bridges(self, value: Any) -> Any:
        """The bridges besides the engine's own, all of them: of this machine where the containers are real."""
        names = [str(name) for name in value]
        if self.lab.settings.engine == "incus":
            try:
                bridges.wanted(self.lab.settings.directory, names)
            except HostError as exc:
                raise ValueError(str(exc)) from None
        elif isinstance(self.lab.engine, MemoryEngine):
            self.lab.engine.parents = [*(name for name in self.lab.engine.parents if name not in self.lab.settings.bridges), *names]
        self.lab.settings.bridges = names
        return names

    async def _engine(self, value: Any) -> Any:
        """Settings of the engine itself, where it has any (the memory engine: delays, addresses, the emulated terminal)."""
        change = getattr(self.lab.engine, "change", None)
        if change is None:
            raise ValueError("this engine has nothing to set")
        change(value)
        return True

    # -- storage ------------------------------------------------------------------------------------------------
    async def _snapshot(self, value: Any) -> Any:
        """One that somebody else took: {"dataset", "name", "recursive"?, "held"?}; no event tells of it."""
        name, label = value["dataset"], value["name"]

        def operation(tree: Tree) -> list[Step]:
            steps = tree.take(name, label, recursive=bool(value.get("recursive")))
            if value.get("held"):
                tree.hold(f"{name}@{label}", "somebody-else", recursive=bool(value.get("recursive")))
            return steps

        await self.lab.storage.change(name.partition("/")[0], operation)
        return f"{name}@{label}"

    async def _files(self, name: str) -> dict[str, str]:
        volumes = self.lab.engine.volumes
        if not isinstance(volumes, MemoryVolumes):
            raise ValueError("the files of a real container are reached through the container")
        tree = await self.lab.storage.settled(name.partition("/")[0])
        if "@" in name:
            return volumes.files_of_snapshot(tree.pool, tree.snapshot(name).guid)
        return volumes.files(tree.dataset(name).volume)

    async def _write(self, value: Any) -> Any:
        """A file in a dataset: {"dataset", "path", "text"}; a null text removes it."""
        files = await self._files(value["dataset"])
        if value["text"] is None:
            files.pop(value["path"], None)
        else:
            files[value["path"]] = str(value["text"])
        return True

    async def _read(self, value: Any) -> Any:
        """Its text, or null where there is none; without "path" all files of a dataset or snapshot."""
        files = await self._files(value["dataset"])
        return files.get(value["path"]) if "path" in value else dict(files)

    async def _clear_storage(self, _value: Any) -> Any:
        await self.lab.storage.clear()
        return True
