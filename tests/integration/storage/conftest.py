# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A driver of our own on each version of the lab, without Ansible in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, ContainerSpec, Driver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.select import open_driver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Storage
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.limits import DEFAULT_LIMITS
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

Make = Callable[..., Container]


@pytest.fixture(params=["25.04", "25.10"])
def appliance(request: pytest.FixtureRequest) -> RunningLab:
    """Each version, as new."""
    return request.getfixturevalue("lab_2504" if request.param == "25.04" else "lab")


@pytest.fixture
def driver(appliance: RunningLab) -> Iterator[Driver]:
    ca_file = str(appliance.directory / "tls" / "ca.pem")
    endpoint = Endpoint.parse(appliance.host, api_key=appliance.api_key, ca_file=ca_file)
    # Of a busy data set ZFS says so at once, and the wire asks again for a while.
    session = Session(endpoint, limits=replace(DEFAULT_LIMITS, busy_timeout=1.0))
    yield open_driver(session, endpoint)
    session.close()


@pytest.fixture
def storage(driver: Driver) -> Storage:
    return driver.storage


@pytest.fixture
def make(driver: Driver) -> Make:
    """A container that is off: `make("px-base")`."""

    def made(name: str, pool: str = "tank", *, start: bool = False) -> Container:
        driver.create(ContainerSpec(name, "debian/12", pool=pool, autostart=start), start=start)
        found = driver.get(name)
        assert found is not None
        return found

    return made
