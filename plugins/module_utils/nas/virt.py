# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TrueNAS 25.04 and 25.10: containers are Incus instances behind `virt.*`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..rpc.api import Api, OnProgress
from ..rpc.endpoint import Endpoint
from ..rpc.errors import ApiError, CallTimeout, JobFailed, NotFound
from .driver import STOPPED, Container, ContainerSpec, DriverError, Image, Nic, NotReady, Refused
from .entry import MIB, container_of
from .virt_check import SpecCheck
from .zfs import ZfsStorage

if TYPE_CHECKING:
    from ..rpc.shell import ShellResult
    from .storage import Storage

# The appliance cuts every Incus operation but create at 300 s; a little more, so that it is the one to say so.
OPERATION_TIMEOUT = 330.0
# Create may download an image first: the appliance gives it 15 minutes.
CREATE_TIMEOUT = 930.0
# The longest shutdown worth asking for, with room below the cut.
LONGEST_STOP = 290

# Raw tells which address belongs to which interface, which network cards there are, and when it was started.
_OPTIONS = {"extra": {"raw": True}}


class VirtDriver:
    """See `driver.Driver`."""

    def __init__(self, api: Api, endpoint: Endpoint, version: str) -> None:
        self.api = api
        self.endpoint = endpoint
        self.version = version
        self.storage: Storage = ZfsStorage(api, version)

    # Reading

    def config(self) -> dict[str, Any]:
        """The service's configuration, once it is proven to be up."""
        config = self.api.read("virt.global.config")
        if config.get("state") != "INITIALIZED":
            raise NotReady(config.get("state"))
        return config

    def boot_id(self) -> str:
        return str(self.api.read("system.boot_id"))

    def preflight(self) -> None:
        self.config()

    def list(self, prefix: str = "", *, pattern: str = "", statuses: Collection[str] = ()) -> Sequence[Container]:
        filters: list[Sequence[Any]] = [["name", "^", prefix]] if prefix else []
        if pattern:
            filters.append(["name", "~", pattern])
        if statuses:
            filters.append(["status", "in", sorted(status.upper() for status in statuses)])
        return self._query(filters)

    def get(self, name: str) -> Container | None:
        found = self._query([["id", "=", name]])
        return found[0] if found else None

    def several(self, names: Collection[str]) -> Sequence[Container]:
        return self._query([["id", "in", sorted(names)]])

    def _query(self, filters: Sequence[Sequence[Any]]) -> Sequence[Container]:
        entries = self.api.read("virt.instance.query", filters, _OPTIONS)
        if not entries:
            # No instances, or no Incus: both answer with an empty list.
            self.config()
        return [container_of(entry) for entry in entries]

    def pools(self) -> Sequence[str]:
        config = self.config()
        # The global one is where containers go by default; it is among the others, but for a moment when that changes.
        return sorted({*(config.get("storage_pools") or []), *([config["pool"]] if config.get("pool") else [])})

    def images(self) -> Sequence[Image]:
        choices = self.api.read("virt.instance.image_choices")
        return [
            Image(
                name=name,
                os=entry.get("os", ""),
                release=entry.get("release", ""),
                variant=entry.get("variant", ""),
                label=entry.get("label", name),
            )
            for name, entry in sorted(choices.items())
            if "CONTAINER" in entry.get("instance_types", ["CONTAINER"])
        ]

    def check_spec(self, spec: ContainerSpec) -> ContainerSpec:
        return SpecCheck(self.api, self.version, self.config(), self.images).complete(spec)

    # Changing

    def create(self, spec: ContainerSpec, *, start: bool = True, on_progress: OnProgress | None = None) -> None:
        # One flag means both "start now" and "start at boot"; where they differ it takes a second call.
        at_once = start and spec.autostart
        self._create(spec, at_once, on_progress)
        if at_once or not (start or spec.autostart):
            return
        made = self._existing(spec.name)
        if start:
            self.start(made, on_progress=on_progress)
        else:
            self.update(made, {"autostart": True})

    def clone(self, spec: ContainerSpec, snapshot: str, *, on_progress: OnProgress | None = None) -> None:
        # A container as such can only be had of an image. It stays off, and before anything of it has run its data set is exchanged.
        pool = snapshot.partition("/")[0]
        if spec.pool not in (None, pool):
            raise Refused("pool", spec.pool, "a clone lies in the pool of what it is made of", [pool])
        spec = replace(spec, pool=pool)
        dataset = self.storage.dataset_of(Container(id=spec.name, name=spec.name, status=STOPPED, pool=pool))
        if dataset.partition("/")[0] != pool:
            raise Refused("checkpoint.dataset_prefix", self.storage.dataset_prefix, f"{snapshot} is in another pool")
        try:
            self._create(spec, False, on_progress)
        except JobFailed:
            if spec.image_name in (None, spec.image) or self.get(spec.name) is not None:
                raise
            # The image is only there to be thrown away, so any will do.
            self._create(replace(spec, image=str(spec.image_name)), False, on_progress)
        # Recursive, as a periodic task may have taken a snapshot of it by now.
        self.storage.destroy_dataset(dataset, recursive=True)
        self.storage.clone(snapshot, dataset)

    def _create(self, spec: ContainerSpec, autostart: bool, on_progress: OnProgress | None) -> None:
        try:
            self.api.job("virt.instance.create", self._payload(spec, autostart), timeout=CREATE_TIMEOUT, on_progress=on_progress)
        except CallTimeout as error:
            # Without an id there is no job of ours; one of that name would be another controller's.
            if error.job_id is not None and not error.aborted:
                with contextlib.suppress(ApiError):  # the time-out is the failure, and it says that the job may still run
                    self._abort_create(spec.name)
            raise

    def _payload(self, spec: ContainerSpec, autostart: bool) -> dict[str, Any]:
        payload: dict[str, Any] = {"name": spec.name, "image": spec.image, "autostart": autostart}
        if spec.cpu is not None:
            payload["cpu"] = spec.cpu
        if spec.memory is not None:
            payload["memory"] = spec.memory * MIB
        if spec.pool is not None:
            payload["storage_pool"] = spec.pool
        if spec.environment:
            payload["environment"] = dict(spec.environment)
        # Called eth0, it takes the place of the profile's own card. A card by `network` would crash the call: none is sent for it.
        cards = [nic for nic in (spec.nic, spec.inside) if nic is not None and nic.nic_type is not None]
        if cards:
            payload["devices"] = [_device(nic) for nic in cards]
        return payload

    def _abort_create(self, name: str) -> None:
        """A create that cleans up after Incus waits for a lock that it holds itself, and so do all later calls for that name."""
        jobs = self.api.read("core.get_jobs", [["method", "=", "virt.instance.create"], ["state", "in", ["RUNNING", "WAITING"]]])
        for job in jobs:
            arguments = job.get("arguments") or [{}]
            if isinstance(arguments[0], Mapping) and arguments[0].get("name") == name:
                self.api.call("core.job_abort", job["id"])

    def _existing(self, name: str) -> Container:
        found = self.get(name)
        if found is None:
            raise DriverError(f"{name} was made, then vanished before it could be completed: somebody else removed it")
        return found

    def start(self, container: Container, *, on_progress: OnProgress | None = None) -> None:
        try:
            self.api.job("virt.instance.start", container.id, timeout=OPERATION_TIMEOUT, on_progress=on_progress)
        except JobFailed:
            # Starting one that runs fails like any other; only looking tells them apart.
            now = self.get(container.name)
            if now is None or not now.running:
                raise

    def stop(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        def is_stopped(now: Container | None) -> bool:
            return now is not None and now.stopped

        self._down("virt.instance.stop", container, timeout, force, is_stopped)

    def restart(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        def is_restarted(now: Container | None) -> bool:
            return now is not None and now.running and now.started_at is not None and now.started_at != container.started_at

        self._down("virt.instance.restart", container, timeout, force, is_restarted)

    def _down(self, method: str, container: Container, timeout: int, force: bool, is_done: Callable[[Container | None], bool]) -> None:
        """Ask, and only when that has failed with the container still up, force. The default arguments of the calls are refused."""
        # A frozen or broken one cannot hear the request.
        hears = container.running or (method == "virt.instance.restart" and container.stopped)
        if timeout > 0 and (hears or not force):
            try:
                self.api.job(method, container.id, {"timeout": min(timeout, LONGEST_STOP)}, timeout=OPERATION_TIMEOUT)
                return
            except JobFailed:
                now = self.get(container.name)
                if is_done(now):
                    return
                if not force or now is None or not now.running:
                    raise
        elif not force:
            raise ValueError("a timeout of 0 means force")
        try:
            self.api.job(method, container.id, {"force": True}, timeout=OPERATION_TIMEOUT)
        except JobFailed:
            if not is_done(self.get(container.name)):
                raise

    def update(self, container: Container, changes: Mapping[str, Any]) -> None:
        payload = dict(changes)
        inside = payload.pop("inside", None)
        if inside is not None:
            self._set_inside(container, inside)
        if not payload:
            return
        if payload.get("memory") is not None:
            payload["memory"] = payload["memory"] * MIB
        if "environment" in payload:
            payload["environment"] = dict(payload["environment"] or {})
        self.api.job("virt.instance.update", container.id, payload, timeout=OPERATION_TIMEOUT)

    def _set_inside(self, container: Container, wanted: Nic) -> None:
        """The second card, put in or moved to another bridge, while the container runs or not."""
        nic = SpecCheck(self.api, self.version, self.config(), self.images).inside(wanted)
        verb = "add" if container.inside is None else "update"
        self.api.call(f"virt.instance.device_{verb}", container.id, _device(nic or wanted))

    def delete(self, container: Container) -> None:
        try:
            self.api.job("virt.instance.delete", container.id, timeout=OPERATION_TIMEOUT)
        except NotFound:
            return
        except JobFailed:
            if self.get(container.name) is not None:
                raise

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> ShellResult:
        from ..rpc.shell import run_script

        return run_script(self.api, self.endpoint, {"virt_instance_id": name, "command": "/bin/sh"}, script, timeout=timeout)


def _device(nic: Nic) -> dict[str, Any]:
    return {"dev_type": "NIC", "name": nic.name, "nic_type": str(nic.nic_type).upper(), "parent": nic.parent}
