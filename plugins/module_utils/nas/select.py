# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which driver speaks this appliance's language."""

from __future__ import annotations

import re

from ..rpc.api import Api
from ..rpc.endpoint import Endpoint
from .driver import Driver, DriverError
from .virt import VirtDriver

SUPPORTED = "25.04 and 25.10"


class UnknownVersion(DriverError):
    """There is no driver for this version."""

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(f"the appliance runs TrueNAS {version}; supported are {SUPPORTED}")


def open_driver(api: Api, endpoint: Endpoint) -> Driver:
    """By `system.version`: old endpoints of a newer system do not bring removed services back, so nothing else tells."""
    text = str(api.read("system.version"))
    match = re.search(r"(\d+)\.(\d+)(?:\.\d+)*", text)
    if match is None:
        raise UnknownVersion(text)
    if (int(match[1]), int(match[2])) in ((25, 4), (25, 10)):
        return VirtDriver(api, endpoint, match[0])
    raise UnknownVersion(match[0])
