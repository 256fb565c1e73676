# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The driver is chosen by the version of the system."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas import select
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.select import UnknownVersion, open_driver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ConnectionFailed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import ScriptedApi


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("TrueNAS-25.10.6", "25.10.6"),
        ("TrueNAS-25.04.2.6", "25.04.2.6"),
        ("TrueNAS-SCALE-25.04.0", "25.04.0"),
        ("25.10.0-BETA.1", "25.10.0"),
    ],
)
def test_virt(text: str, version: str) -> None:
    api = ScriptedApi()
    api.expect("read", "system.version", result=text)
    driver = open_driver(api, Endpoint("wss://nas:443", "root", "k"))
    assert isinstance(driver, VirtDriver)
    assert driver.version == version


@pytest.mark.parametrize(("offered", "version"), [(["v25.04.2", "v25.10.0"], "25.10.0"), (["v25.04.0", "v25.04.2"], "25.04.2")])
def test_development_build_is_known_by_the_api_that_it_offers(offered: list[str], version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "api_versions", lambda _endpoint: offered)
    api = ScriptedApi()
    api.expect("read", "system.version", result="TrueNAS-MASTER-nightly")
    assert open_driver(api, Endpoint("wss://nas:443", "root", "k")).version == version


@pytest.mark.parametrize("offered", [[], ["v26.0.0"], None], ids=["none", "a newer one", "no answer"])
def test_development_build_of_another_version_is_refused(offered: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def versions(_endpoint: Endpoint) -> list[str]:
        if offered is None:
            raise ConnectionFailed("nas: no answer")
        return offered

    monkeypatch.setattr(select, "api_versions", versions)
    api = ScriptedApi()
    api.expect("read", "system.version", result="TrueNAS-MASTER-nightly")
    with pytest.raises(UnknownVersion):
        open_driver(api, Endpoint("wss://nas:443", "root", "k"))


@pytest.mark.parametrize("text", ["TrueNAS-26.0.0-BETA.3", "TrueNAS-24.10.2", "TrueNAS-25.12"])
def test_others_are_refused_by_name(text: str) -> None:
    api = ScriptedApi()
    api.expect("read", "system.version", result=text)
    with pytest.raises(UnknownVersion, match=r"supported are 25\.04 and 25\.10"):
        open_driver(api, Endpoint("wss://nas:443", "root", "k"))
