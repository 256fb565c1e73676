"""The lab's image as a file that Incus imports, kept under a name that changes with its recipe."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import apt, rootfs, trust
from .mounts import unmount_below
from .run import Say, run

# As the public images have them. Without them every container is called like the machine the image was built on.
_TEMPLATES = {
    "hostname.tpl": "{{ container.name }}\n",
    "hosts.tpl": (
        "127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n\n"
        "::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n"
    ),
}


@dataclass(frozen=True)
class Image:
    path: Path
    recipe: str
    release: apt.Release
    aliases: list[str]
    properties: dict[str, str]


def _aliases(release: apt.Release) -> list[str]:
    """As the public image server names them."""
    base = release.ident
    names = [f"{base}/{release.number}", f"{base}/{release.codename}"]
    return [*names, *(f"{name}/default" for name in names)]


def _recipe(release: apt.Release) -> str:
    """Whatever the content depends on. Anything else may change without the image being built again."""
    parts = [
        inspect.getsource(rootfs),
        json.dumps(_TEMPLATES, sort_keys=True),
        release.codename,
        platform.machine(),
        rootfs.sources_list(release),
        rootfs.apt_settings(),
        *sorted(trust.certificates(trust.HOST_BUNDLE).values()),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def describe(cache: Path, release: apt.Release) -> Image:
    """The image as it should be; its file may not be there yet."""
    recipe = _recipe(release)
    properties = {
        "os": "Ubuntu" if release.ident == "ubuntu" else "Debian",
        "release": release.codename,
        "variant": "default",
        "architecture": "amd64" if platform.machine() == "x86_64" else "arm64",
        "description": f"{release.ident.capitalize()} {release.codename} {platform.machine()} (lab)",
        "lab.recipe": recipe,
    }
    return Image(cache / f"image-{release.codename}-{recipe}.tar", recipe, release, _aliases(release), properties)


def ensure(image: Image, say: Say, log: Path) -> None:
    """Its file, there already or built now. Labs that share a cache build one after the other."""
    cache = image.path.parent
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if image.path.exists():
            return
        for work in cache.glob("build-*"):  # of builds that were killed
            unmount_below(work)
            shutil.rmtree(work)
        _build(image, cache, say, log)


def _build(image: Image, cache: Path, say: Say, log: Path) -> None:
    """Complete or not at all; older recipes' files go."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as name:
        work = Path(name)
        (work / "rootfs").mkdir()
        try:
            rootfs.build(work / "rootfs", image.release, cache / "debs", say, log)
            _metadata(work, image)
            say("packing the image")
            # Not compressed: it is unpacked on this very machine.
            content = ["metadata.yaml", "templates", "rootfs"]
            run(["tar", "--create", "--numeric-owner", "--xattrs", "--file", f"{work}/image.tar", "--directory", name, *content], log=log)
            (work / "image.tar").replace(image.path)
        finally:
            # Debootstrap unmounts what it mounts, unless it is interrupted: removing a mounted /sys would be bad.
            unmount_below(work)
    for old in cache.glob(f"image-{image.release.codename}-*.tar"):
        if old != image.path:
            old.unlink()


def _metadata(work: Path, image: Image) -> None:
    (work / "templates").mkdir()
    for name, text in _TEMPLATES.items():
        (work / "templates" / name).write_text(text, encoding="utf-8")
    values = {
        "architecture": platform.machine(),
        "creation_date": int(time.time()),
        "properties": image.properties,
        "templates": {
            f"/etc/{name}": {"when": ["create", "copy"], "template": f"{name}.tpl", "create_only": False, "properties": {}}
            for name in ("hostname", "hosts")
        },
    }
    (work / "metadata.yaml").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")  # JSON is YAML too
