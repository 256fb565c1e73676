# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as users see them: in results, in diffs, and in what check mode predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nas.driver import Container, ContainerSpec, Nic
from . import expiry, marker


def show_nic(nic: Nic | None) -> dict[str, str] | None:
    if nic is None:
        return None
    if nic.nic_type is None:
        return {"network": nic.network or "default"}
    return {"nic_type": nic.nic_type, "parent": nic.parent or "auto"}


def view(container: Container | None) -> dict[str, Any]:
    """A container as results and diffs show it."""
    if container is None:
        return {}
    mark = marker.read(container.environment) or marker.Marker()
    return {
        "status": container.status,
        "image": mark.image or image_text(container.image),
        "from": mark.source,
        "cpu": container.cpu,
        "memory": container.memory,
        "pool": container.pool,
        "environment": marker.without(container.environment),
        "autostart": container.autostart,
        "network": show_nic(container.nic),
        "inside": None if container.inside is None else container.inside.parent,
        "via": mark.via,
        "owner": mark.owner,
        "labels": dict(mark.labels),
        "egress": mark.egress,
        "expires": expiry.shown(mark.expires),
    }


def image_text(image: Mapping[str, str | None]) -> str | None:
    """debian/bookworm, from what the image says of itself."""
    parts = [str(image[key]).lower() for key in ("os", "release") if image.get(key)]
    return "/".join(parts) or None


def view_spec(spec: ContainerSpec, started: bool) -> dict[str, Any]:
    mark = marker.read(spec.environment) or marker.Marker()
    return {
        "status": "running" if started else "stopped",
        "image": mark.image or spec.image,
        "from": mark.source,
        "cpu": spec.cpu,
        "memory": spec.memory,
        "pool": spec.pool,
        "environment": marker.without(spec.environment),
        "autostart": spec.autostart,
        "network": show_nic(spec.nic),
        "inside": None if spec.inside is None else spec.inside.parent,
        "via": mark.via,
        "owner": mark.owner,
        "labels": dict(mark.labels),
        "egress": mark.egress,
        "expires": expiry.shown(mark.expires),
    }
