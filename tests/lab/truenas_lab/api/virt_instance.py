"""`virt.instance.*` but devices: query, create, update, delete, start, stop, restart, image choices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from errno import EINVAL
from typing import Any

from ..engine.base import EngineError
from ..settings import API_VERSIONS
from . import models, query
from .errors import CallError, FieldError, ValidationErrors
from .registry import Call, JobKind, Params, method, takes
from .schema import Field, Model, OneOf, Param
from .virt_device import check_devices, to_incus, unique_names
from .virt_entry import entry, older
from .zfs_errors import zfs

_MIB = 1024**2
_FEW = 8  # one by one is quicker than all of them up to about that many
NEWEST_API = API_VERSIONS["25.10"][-1]
_NOT_FOR_CONTAINERS = ("enable_vnc", "vnc_port", "vnc_password", "secure_boot", "root_disk_size", "root_disk_io_bus", "image_os")


async def _below(call: Call, operation: Awaitable[Any], *, limit: float | None = None) -> Any:
    """An operation of the engine. It goes on when the job is aborted: what has been asked of Incus is not taken back."""
    task = asyncio.ensure_future(operation)
    try:
        return await asyncio.wait_for(asyncio.shield(task), limit or call.lab.settings.operation_seconds)
    except TimeoutError as exc:
        raise CallError("Timed out") from exc
    except EngineError as exc:
        raise CallError(str(exc)) from exc


def _config(data: dict[str, Any]) -> dict[str, str | None]:
    """Incus's configuration keys for the arguments that are given; None: the key goes."""
    config: dict[str, str | None] = {}
    if data.get("environment") is not None:
        config.update({f"environment.{key}": value for key, value in data["environment"].items()})
    if "cpu" in data:
        config["limits.cpu"] = data["cpu"]
    if "memory" in data:
        config["limits.memory"] = None if data["memory"] is None else f"{data['memory'] // _MIB}MiB"
    if data.get("autostart") is not None:
        config["user.autostart"] = "true" if data["autostart"] else "false"
    if data.get("privileged_mode") is not None:
        config["security.privileged"] = "true" if data["privileged_mode"] else "false"
    return config


def _limit_errors(call: Call, prefix: str, data: dict[str, Any]) -> list[FieldError]:
    settings = call.lab.settings
    errors: list[FieldError] = []
    if data.get("memory") is not None and data["memory"] > settings.physical_memory:
        errors.append((f"{prefix}.memory", "Cannot reserve more than physical memory", EINVAL))
    if data.get("cpu") and data["cpu"].isdigit() and int(data["cpu"]) > settings.cores:
        errors.append((f"{prefix}.cpu", "Cannot reserve more than system cores", EINVAL))
    return errors


# -- looking ----------------------------------------------------------------------------------------------------


@method("virt.instance.query", query.query_params, answer=older)
async def instance_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    if call.lab.settings.virt_state != "INITIALIZED":
        return query.apply([], filters, options)
    state = not options["extra"].get("skip_state")
    raw = bool(options["extra"].get("raw"))
    if (names := _few_names(filters)) is not None:
        found = await asyncio.gather(*(call.lab.find_instance(name, state=state) for name in names))
        instances = [item for item in found if item]
    else:
        instances = await call.lab.instances(state=state)
    return query.apply([entry(item, raw=raw) for item in instances], filters, options)


def _few_names(filters: list[Any]) -> list[str] | None:
    """The only instances that can match, where they are few: who waits for some of many asks for them again and again."""
    for item in filters:
        if len(item) == 3 and item[0] in ("id", "name") and item[1] in ("=", "in"):
            names = [item[2]] if item[1] == "=" else item[2]
            if isinstance(names, list) and len(names) <= _FEW and all(isinstance(name, str) for name in names):
                return sorted(set(names))
    return None


@method("virt.instance.get_instance", models.get_params, answer=older)
async def get_instance(call: Call, name: str, options: dict[str, Any]) -> dict[str, Any]:
    state = not options["extra"].get("skip_state")
    return entry(await call.lab.instance(name, state=state), raw=bool(options["extra"].get("raw")))


_REMOTE = Model({"remote": Field(OneOf(("LINUX_CONTAINERS",)), "LINUX_CONTAINERS")}, name="VirtInstanceImageChoices")


@method("virt.instance.image_choices", takes(Param("virt_instances_image_choices", _REMOTE, {})))
async def image_choices(call: Call, _options: dict[str, Any]) -> dict[str, Any]:
    return {
        image.alias: {
            "label": image.label,
            "os": image.os,
            "release": image.release,
            "archs": list(image.archs),
            "variant": image.variant,
            "instance_types": ["CONTAINER"],
            "secureboot": None,
        }
        for image in await call.lab.engine.images()
        if image.variant != "cloud"
    }


# -- changing ---------------------------------------------------------------------------------------------------


def _create_lock(arguments: list[Any]) -> str:
    return f"instance_action_{arguments[0].get('name')}"


def _lock(arguments: list[Any]) -> str:
    return f"instance_action_{arguments[0]}"


def _dumped(position: int, params: Params) -> Callable[[list[Any]], list[Any]]:
    """The arguments as a job shows them: one is dumped through its model, which drops unknown keys and covers passwords."""
    model = params(NEWEST_API)[position].kind
    known = model.fields if isinstance(model, Model) else {}

    def shown(arguments: list[Any]) -> list[Any]:
        result = list(arguments)
        if len(result) > position and isinstance(result[position], dict):
            result[position] = {
                key: "********" if key == "vnc_password" else value for key, value in result[position].items() if key in known
            }
        return result

    return shown


_CREATE = JobKind(lock=_create_lock, shown=_dumped(0, models.create_params))
_UPDATE = JobKind(lock=_lock, shown=_dumped(1, models.update_params))
_CRUD = JobKind(lock=_lock)


async def _start(call: Call, name: str) -> None:
    fault = call.job.fault if call.job else None
    if fault is not None and fault.fault == "fail_start":
        raise CallError(f"Failed to start instance: {fault.reason}")
    try:
        await _below(call, call.lab.engine.start_instance(name))
    except CallError as exc:
        raise CallError(f"Failed to start instance: {exc.message}") from exc


async def create(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    lab = call.lab
    lab.need_virt()
    name = data["name"]
    errors: list[FieldError] = []
    if data.get("storage_pool") is not None and data["storage_pool"] not in lab.engine.pools:
        errors.append(("virt_instance_create.storage_pool", "Not a valid ZFS pool", EINVAL))
    if await lab.find_instance(name, state=False) is not None:
        errors.append(("virt_instance_create.name", f"Name '{name}' already exists", EINVAL))
    errors += _limit_errors(call, "virt_instance_create", data)
    if errors:
        raise ValidationErrors(errors)
    devices = unique_names(data.get("devices") or [], taken=set())
    await check_devices(call, devices, "virt_instance_create")
    config = {"boot.autostart": "false", "user.autostart": "false", "security.privileged": "false"}
    config.update({key: value for key, value in _config(data).items() if value is not None})
    incus_devices = {item["name"]: to_incus(item) for item in devices}

    async def percent(number: int, text: str) -> None:
        if call.job is not None:
            call.job.progress(min(number, 99), text)

    pool = data.get("storage_pool") or lab.engine.pools[0]
    creation = lab.engine.create(name, data["image"], config, incus_devices, pool, percent)
    await _below(call, creation, limit=lab.settings.create_seconds)
    if data["autostart"]:
        await _start(call, name)
    created = entry(await lab.instance(name))
    lab.events.publish("virt.instance.query", "added", name, fields=created)
    return created


_CREATE_OPTIONS: dict[str, Any] = {"changes": True, "job": _CREATE, "answer": older}
method("virt.instance.create", models.create_params, required=("data",), python_name="CRUDService.create", **_CREATE_OPTIONS)(create)
method("virt.instance.do_create", models.create_params, private=True, **_CREATE_OPTIONS)(create)


@method(
    "virt.instance.update",
    models.update_params,
    changes=True,
    job=_UPDATE,
    answer=older,
    required=("id_", "data"),
    python_name="CRUDService.update",
)
async def update(call: Call, name: str, data: dict[str, Any]) -> dict[str, Any]:
    lab = call.lab
    lab.need_virt()
    instance = await lab.instance(name, state=False)
    errors = _limit_errors(call, "virt_instance_update", data)
    for attribute in _NOT_FOR_CONTAINERS:
        if data.get(attribute):
            errors.append((f"virt_instance_update.{attribute}", "This attribute is not supported for containers", EINVAL))
            break  # the middleware stops at the first
    if errors:
        raise ValidationErrors(errors)
    config = dict(instance.config)
    if data.get("environment") is not None:  # it replaces the whole set
        config = {key: value for key, value in config.items() if not key.startswith("environment.")}
    for key, value in _config(data).items():
        if value is None:
            config.pop(key, None)
        else:
            config[key] = value
    try:
        await _below(call, lab.engine.update(name, config, instance.devices))
    except CallError as exc:
        raise CallError(f"Invalid config: {exc.message}" if exc.message.startswith("Invalid CPU") else exc.message) from exc
    updated = entry(await lab.instance(name))
    lab.events.publish("virt.instance.query", "changed", name, fields=updated)
    return updated


@method("virt.instance.delete", models.id_params, changes=True, job=_CRUD, required=("id_",), python_name="CRUDService.delete")
async def delete(call: Call, name: str) -> bool:
    lab = call.lab
    lab.need_virt()
    instance = await lab.instance(name, state=False)
    if instance.status != "STOPPED":
        await _below(call, lab.engine.stop_instance(name, timeout=-1, force=True))
    moved = await zfs(lab.storage.before_delete(instance.pool, name), "Error deleting storage volume: ")
    try:
        await _below(call, lab.engine.delete(name))
    except CallError:
        if moved is not None:
            await lab.storage.undo(instance.pool, moved)
        raise
    await lab.storage.settled(instance.pool)
    lab.events.publish("virt.instance.query", "removed", name)
    return True


@method("virt.instance.start", models.id_params, changes=True, job=JobKind(lock=_lock, logs=True))
async def start(call: Call, name: str) -> bool:
    call.lab.need_virt()
    instance = await call.lab.instance(name, state=False)
    if instance.status not in ("RUNNING", "STOPPED"):
        raise ValidationErrors(
            [("virt.instance.start.id", f"{name}: instance may not be started because current status is: {instance.status}", EINVAL)]
        )
    try:
        await _start(call, name)
    except CallError as exc:
        if call.job is not None:
            call.job.logs = exc.message
        raise CallError(f"{exc.message}. Please check job logs.") from exc
    return True


def _shown_stop(arguments: list[Any]) -> list[Any]:
    """The middleware fills up the arguments of these two before it stores them."""
    return [*arguments, None] if len(arguments) == 1 else arguments


_STOP: dict[str, Any] = {"changes": True, "job": JobKind(lock=_lock, shown=_shown_stop), "rule": models.stop_rule}


@method("virt.instance.stop", models.stop_params, **_STOP)
async def stop(call: Call, name: str, options: dict[str, Any]) -> bool:
    call.lab.need_virt()
    # Unlike its sisters it asks Incus straight away: a missing instance is Incus's error.
    await _below(call, call.lab.engine.stop_instance(name, timeout=options["timeout"], force=options["force"] or options["timeout"] == 0))
    return True


@method("virt.instance.restart", models.stop_params, **_STOP)
async def restart(call: Call, name: str, options: dict[str, Any]) -> bool:
    call.lab.need_virt()
    instance = await call.lab.instance(name, state=False)
    if instance.status == "STOPPED":
        await _start(call, name)
    else:
        await _below(
            call, call.lab.engine.restart_instance(name, timeout=options["timeout"], force=options["force"] or options["timeout"] == 0)
        )
    return True
