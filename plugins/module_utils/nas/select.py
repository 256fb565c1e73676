# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which driver speaks this appliance's language."""

from __future__ import annotations

import re

from ..rpc.api import Api
from ..rpc.endpoint import Endpoint
from ..rpc.errors import ConnectionFailed, MissingLibrary
from ..rpc.versions import api_versions
from .driver import Driver, DriverError
from .virt import VirtDriver

SUPPORTED = "25.04 and 25.10"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")


class UnknownVersion(DriverError):
    """There is no driver for this version."""

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(f"the appliance runs TrueNAS {version}; supported are {SUPPORTED}")


def open_driver(api: Api, endpoint: Endpoint) -> Driver:
    """By what the system calls itself: old endpoints of a newer system do not bring removed services back, so they tell nothing."""
    version = _release(api, endpoint)
    if _numbers(version)[:2] in ((25, 4), (25, 10)):
        return VirtDriver(api, endpoint, version)
    raise UnknownVersion(version)


def _release(api: Api, endpoint: Endpoint) -> str:
    text = str(api.read("system.version"))
    match = _VERSION.search(text)
    if match is None:
        # A development build calls itself by a branch and a date; the newest API version that it offers still tells.
        try:
            match = _VERSION.search(max(api_versions(endpoint), key=_numbers, default=""))
        except (ConnectionFailed, MissingLibrary) as error:
            raise UnknownVersion(text) from error
    if match is None:
        raise UnknownVersion(text)
    return match[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
