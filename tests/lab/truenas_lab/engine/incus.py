"""Real containers: an Incus daemon behind the engine's interface."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..host.run import system_environment
from .base import EngineError, EngineImage, EngineInstance, EngineNotFound, OnPercent, OnStatus
from .incus_client import IncusClient, segment
from .incus_shell import IncusShell
from .incus_volumes import IncusVolumes

_PERCENT = re.compile(r"(\d+)%")
# Incus's life-cycle events that mean another status; a restart announces itself as one event only.
_STATUS = {
    "instance-started": "RUNNING",
    "instance-restarted": "RUNNING",
    "instance-resumed": "RUNNING",
    "instance-stopped": "STOPPED",
    "instance-shutdown": "STOPPED",
}
_NO_IMAGE = "Failed getting remote image info: Failed getting image: The requested image couldn't be found"


def _other_spelling(cpus: str | None) -> str:
    """The same processors, written otherwise.

    Incus deals out the processors of running containers while it stores the change that made it do so, and often still
    reads the old limit. Two changes that mean the same leave it nothing wrong to read the second time.
    """
    return f"0{cpus}" if cpus else Path("/sys/devices/system/cpu/online").read_text(encoding="ascii").strip()


def _instance(data: dict[str, Any]) -> EngineInstance:
    expanded = data.get("expanded_devices") or {}
    root: dict[str, str] = next((item for item in expanded.values() if item.get("type") == "disk" and item.get("path") == "/"), {})
    return EngineInstance(
        name=data["name"],
        status=data["status"].upper(),
        config=dict(data.get("config") or {}),
        devices=dict(data.get("devices") or {}),
        expanded_devices=dict(expanded),
        pool=root.get("pool", ""),
        architecture=data.get("architecture", ""),
        network=(data.get("state") or {}).get("network"),
        raw=data,
    )


class IncusEngine:
    """Speaks to a daemon that runs; `host.incusd` sees to that."""

    def __init__(self, incus_dir: Path, *, pools: list[str], bridge: str, subnet: str, client_program: str = "incus") -> None:
        self.pools = pools
        self.bridge = bridge
        self.subnet_v4 = subnet
        self.subnet_v6: str | None = None
        self.on_status: OnStatus | None = None
        self.incus_dir = incus_dir
        self.volumes = IncusVolumes(incus_dir)
        self._program = client_program
        self._client = IncusClient(incus_dir / "unix.socket")
        self._listener: asyncio.Task[None] | None = None
        self._progress: dict[str, asyncio.Queue[str]] = {}
        self._shells: set[IncusShell] = set()

    async def start(self) -> None:
        await self._client.get("/1.0")
        ready = asyncio.Event()
        self._listener = asyncio.create_task(self._client.listen(self._event, ready=ready))
        await asyncio.wait_for(ready.wait(), 30)

    async def close(self) -> None:
        for shell in list(self._shells):
            await shell.close()
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        await self._client.close()

    # -- events -------------------------------------------------------------------------------------------------
    def _event(self, event: dict[str, Any]) -> None:
        data = event.get("metadata") or {}
        if event.get("type") == "operation":
            queue = self._progress.get(data.get("id", ""))
            if queue is not None:
                for key, text in (data.get("metadata") or {}).items():
                    if key.endswith("_progress"):
                        queue.put_nowait(str(text))
            return
        status = _STATUS.get(data.get("action", ""))
        if status and self.on_status is not None:
            name = data.get("name") or data.get("source", "").split("?")[0].rpartition("/")[2]
            self.on_status(name, status)

    # -- looking ------------------------------------------------------------------------------------------------
    async def images(self) -> list[EngineImage]:
        found = []
        for item in await self._client.collection("/1.0/images", recursion="1"):
            names = sorted((alias["name"] for alias in item.get("aliases") or []), key=lambda name: (name.count("/"), name))
            if not names:
                continue
            properties = item.get("properties") or {}
            system, release, variant = (properties.get(key, "") for key in ("os", "release", "variant"))
            architecture = properties.get("architecture", item.get("architecture", ""))
            label = f"{system} {release} ({architecture}, {variant})"
            found.append(EngineImage(names[-1], names[:-1], system, release, variant, [architecture], label))
        return found

    async def instances(self, *, state: bool = True) -> list[EngineInstance]:
        items = await self._client.collection("/1.0/instances", recursion="2" if state else "1")
        # One whose state cannot be read comes with nothing but its name.
        return [_instance(item) if item.get("config") else await self._stateless(item["name"]) for item in items]

    async def instance(self, name: str, *, state: bool = True) -> EngineInstance:
        if not state:
            return _instance(await self._get(name))
        try:
            return _instance(await self._get(name, recursion="1"))
        except EngineNotFound:
            raise
        except EngineError:
            return await self._stateless(name)

    async def _stateless(self, name: str) -> EngineInstance:
        """Incus cannot say how an instance is while its first process comes or goes; the middleware calls that unknown then."""
        return replace(_instance(await self._get(name)), status="UNKNOWN")

    async def _get(self, name: str, **parameters: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._client.get(f"/1.0/instances/{segment(name)}", **parameters)
        return found

    async def _fingerprint(self, image: str) -> str:
        for item in await self._client.collection("/1.0/images", recursion="1"):
            if image == item["fingerprint"] or any(image == alias["name"] for alias in item.get("aliases") or []):
                return str(item["fingerprint"])
        raise EngineError(_NO_IMAGE)

    # -- changing -----------------------------------------------------------------------------------------------
    async def create(
        self,
        name: str,
        image: str,
        config: dict[str, str],
        devices: dict[str, dict[str, str]],
        pool: str,
        on_percent: OnPercent | None = None,
    ) -> None:
        root = {"type": "disk", "path": "/", "pool": pool}
        body = {
            "name": name,
            "type": "container",
            "config": config,
            "devices": {**devices, "root": root},
            "profiles": ["default"],
            "ephemeral": False,
            "source": {"type": "image", "fingerprint": await self._fingerprint(image)},
        }
        await self._refuse_taken(pool, name)
        async with self.volumes.gate(pool).together():
            await self._create(body, on_percent)

    async def _refuse_taken(self, pool: str, name: str) -> None:
        """A dataset that is there before its instance: on ZFS the creation fails, on btrfs it would become a muddle."""
        if not await self.volumes.exists(pool, name):
            return
        try:
            await self.instance(name, state=False)  # then Incus itself refuses the name
        except EngineNotFound:
            raise EngineError("Failed creating instance from image: Cannot create volume, already exists on target storage") from None

    async def _create(self, body: dict[str, Any], on_percent: OnPercent | None) -> None:
        operation = await self._client.operation("POST", "/1.0/instances", body=body)
        if on_percent is None:
            await self._client.wait(operation)
            return
        follower = asyncio.create_task(self._follow(operation.get("id", ""), on_percent))
        try:
            await self._client.wait(operation)
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower

    async def _follow(self, operation: str, on_percent: OnPercent) -> None:
        queue = self._progress.setdefault(operation, asyncio.Queue())
        try:
            while True:
                text = await queue.get()
                match = _PERCENT.search(text)
                await on_percent(int(match[1]) if match else 0, text)
        finally:
            self._progress.pop(operation, None)

    async def _state(self, name: str, action: str, *, timeout: int = -1, force: bool = False) -> None:
        body = {"action": action, "timeout": timeout, "force": force}
        await self._client.do("PUT", f"/1.0/instances/{segment(name)}/state", body=body)

    async def start_instance(self, name: str) -> None:
        await self._state(name, "start")

    async def stop_instance(self, name: str, *, timeout: int, force: bool) -> None:
        await self._state(name, "stop", timeout=timeout, force=force)

    async def restart_instance(self, name: str, *, timeout: int, force: bool) -> None:
        await self._state(name, "restart", timeout=timeout, force=force)

    async def update(self, name: str, config: dict[str, str], devices: dict[str, dict[str, str]]) -> None:
        """The configuration and the devices as a whole: what is not named goes. Incus's own keys are kept as they are now."""
        path = f"/1.0/instances/{segment(name)}"
        answer = await self._client.get(path)
        volatile = {key: value for key, value in answer["config"].items() if key.startswith("volatile.")}
        wanted = {key: value for key, value in config.items() if not key.startswith("volatile.")}
        body = {key: answer[key] for key in ("architecture", "ephemeral", "profiles", "description", "stateful")}
        body |= {"config": {**wanted, **volatile}, "devices": devices}
        if answer["status"] == "Running" and wanted.get("limits.cpu") != answer["config"].get("limits.cpu"):
            first = {**body, "config": {**body["config"], "limits.cpu": _other_spelling(wanted.get("limits.cpu"))}}
            with suppress(EngineError):  # what is wrong with it is said in the words of the second one
                await self._client.do("PUT", path, body=first)
        await self._client.do("PUT", path, body=body)

    async def delete(self, name: str) -> None:
        pool = (await self.instance(name, state=False)).pool
        await self.volumes.make_deletable(pool, name)
        async with self.volumes.gate(pool).together():
            await self._client.do("DELETE", f"/1.0/instances/{segment(name)}")

    # -- shells -------------------------------------------------------------------------------------------------
    async def shell(self, name: str, command: str, *, console: bool = False) -> IncusShell:
        # As the middleware does: one word, never more; a missing instance or command is Incus's text on the terminal.
        argv = [self._program, "console", name] if console else [self._program, "exec", name, command]
        environment = system_environment({"INCUS_DIR": str(self.incus_dir), "TERM": "xterm-256color"})
        shell = await IncusShell.open(argv, environment)
        self._shells = {item for item in self._shells if not item.closed}
        self._shells.add(shell)
        return shell
