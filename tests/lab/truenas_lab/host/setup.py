"""What the lab's Incus consists of: two pools, one bridge, one profile, one image. Each made when it is not there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.base import EngineError
from ..engine.incus import IncusEngine
from ..engine.incus_client import IncusClient, segment
from . import apt, bridges, image, incusd, kernel, packages
from .errors import HostError
from .place import Place
from .run import Say

POOLS = ["tank", "dozer"]  # as an appliance calls its ZFS pools; the first holds what names none
_POOL_SIZE_GIB = 40  # at most; the file grows with its content only
_LEAST_GIB = 6
_WARM = "lab-warm-up"


@dataclass(frozen=True)
class Options:
    directory: Path
    cache: Path


async def up(options: Options, say: Say) -> Place:
    """From whatever there is to a daemon with everything in it."""
    log = options.directory / "logs" / "setup.log"
    packages.ensure(say, log)
    place = Place.choose(options.directory)
    for change in kernel.raise_limits(place.directory):
        say(f"raised {change}")
    wanted = image.describe(options.cache, apt.Release.of_machine())
    if incusd.daemon(place) is None:
        say("starting the Incus daemon")
    bridges.restore(place.directory)
    fresh = await incusd.start(place)
    async with IncusClient(place.socket) as client:
        await _quiet(client)
        await _pools(client, place, say)
        await _network(client, place, say)
        await _profile(client, place)
        await _image(client, wanted, say, log)
        if fresh:
            await _autostart(client, say)
    return place


async def more(options: Options, release: apt.Release, say: Say) -> list[str]:
    """The image of another release into a lab that is up; by which names."""
    place = Place.choose(options.directory)
    wanted = image.describe(options.cache, release)
    async with IncusClient(place.socket) as client:
        await _image(client, wanted, say, options.directory / "logs" / "setup.log")
    return wanted.aliases


def engine(place: Place) -> IncusEngine:
    return IncusEngine(
        place.incus_dir, pools=list(POOLS), bridge=place.bridge, subnet=place.subnet, client_program=packages.program(packages.INCUS)
    )


async def _quiet(client: IncusClient) -> None:
    """The lab's daemon asks nobody for images or lists of cloud machines: a proxy that refuses keeps it on this machine."""
    present = (await client.get("/1.0"))["config"]
    wanted = {"images.auto_update_interval": "0", "core.proxy_https": "http://127.0.0.1:9", "core.proxy_http": "http://127.0.0.1:9"}
    if any(present.get(key) != value for key, value in wanted.items()):
        await client.request("PATCH", "/1.0", body={"config": wanted})


async def _pools(client: IncusClient, place: Place, say: Say) -> None:
    present = {item["name"] for item in await client.collection("/1.0/storage-pools", recursion="1")}
    missing = [name for name in POOLS if name not in present]
    if not missing:
        return
    free = shutil.disk_usage(place.incus_dir).free // 1024**3
    if free < _LEAST_GIB:
        raise HostError(f"{place.incus_dir} has {free} GiB of free space; the lab's pools need at least {_LEAST_GIB}")
    size = min(_POOL_SIZE_GIB, max(_LEAST_GIB, free * 2 // 3))
    say(f"making the storage pools {' and '.join(missing)} (btrfs, up to {size} GiB)")
    for name in missing:
        body = {"name": name, "driver": "btrfs", "config": {"size": f"{size}GiB", "btrfs.mount_options": "user_subvol_rm_allowed,noatime"}}
        await client.do("POST", "/1.0/storage-pools", body=body)


async def _network(client: IncusClient, place: Place, say: Say) -> None:
    config = {
        "ipv4.address": place.subnet,
        "ipv4.nat": "true",
        "ipv6.address": "none",
        "dns.domain": "incus",
    }
    path = f"/1.0/networks/{segment(place.bridge)}"
    if not await client.exists(path):
        say(f"making the bridge {place.bridge} ({place.subnet})")
        await client.request("POST", "/1.0/networks", body={"name": place.bridge, "type": "bridge", "config": config})
        return
    present: dict[str, Any] = await client.get(path)
    if present["config"].get("ipv4.address") != place.subnet:
        say(f"moving the bridge {place.bridge} to {place.subnet}: its subnet is in use on this machine by now")
        await client.request("PUT", path, body={"config": {**present["config"], **config}, "description": present["description"]})


async def _profile(client: IncusClient, place: Place) -> None:
    """A network card and no disk, as on an appliance: create names the pool."""
    devices = {"eth0": {"type": "nic", "name": "eth0", "network": place.bridge}}
    present = await client.get("/1.0/profiles/default")
    if present["devices"] != devices:
        await client.request("PUT", "/1.0/profiles/default", body={"config": present["config"], "devices": devices, "description": ""})


async def _image(client: IncusClient, wanted: image.Image, say: Say, log: Path) -> None:
    present = await client.collection("/1.0/images", recursion="1")
    if any(item["properties"].get("lab.recipe") == wanted.recipe for item in present):
        return
    image.ensure(wanted, say, log)
    say("importing the image")
    with wanted.path.open("rb") as stream:
        operation = await client.operation(
            "POST", "/1.0/images", data=stream, headers={"Content-Type": "application/octet-stream", "X-Incus-filename": wanted.path.name}
        )
        done = await client.wait(operation)
    fingerprint = done["metadata"]["fingerprint"]
    for alias in wanted.aliases:
        if await client.exists(f"/1.0/images/aliases/{segment(alias)}"):
            await client.request("DELETE", f"/1.0/images/aliases/{segment(alias)}")
        await client.request("POST", "/1.0/images/aliases", body={"name": alias, "target": fingerprint})
    for item in present:  # of older recipes
        if "lab.recipe" in item["properties"] and item["properties"].get("release") == wanted.release.codename:
            await client.do("DELETE", f"/1.0/images/{item['fingerprint']}")
    await _warm_up(client, fingerprint)


async def _warm_up(client: IncusClient, fingerprint: str) -> None:
    """The first container of an image unpacks it; let that be now and not in somebody's first create."""
    body = {
        "name": _WARM,
        "type": "container",
        "profiles": [],
        "devices": {"root": {"type": "disk", "path": "/", "pool": POOLS[0]}},
        "source": {"type": "image", "fingerprint": fingerprint},
    }
    await client.do("POST", "/1.0/instances", body=body)
    await client.do("DELETE", f"/1.0/instances/{_WARM}")


async def _autostart(client: IncusClient, say: Say) -> None:
    """An appliance starts them itself when it boots; Incus's own switch is always off there."""
    for item in await client.collection("/1.0/instances", recursion="1"):
        if item["config"].get("user.autostart") != "true" or item["status"] != "Stopped":
            continue
        say(f"starting {item['name']}")
        try:
            await client.do("PUT", f"/1.0/instances/{segment(item['name'])}/state", body={"action": "start", "timeout": -1})
        except EngineError as exc:
            say(f"{item['name']} does not start: {exc}")
