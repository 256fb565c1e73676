# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs of a policy, from packages; also in a container that a former attempt has left locked."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_packages import install, missing
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import Box, Operation

MASK = f"systemctl -q mask haproxy.service dnsmasq.service nftables.service ulogd2.service ulogd.service {' '.join(places.DOORS)}"


def test_all_there_already(box: Box) -> None:
    assert missing(box) == []
    assert install(box, []) == []
    assert box.calls() == [MASK], "their services are masked, whoever has installed them"


def test_programs_that_the_policy_itself_calls_are_among_them() -> None:
    """pgrep, pkill and kill; ip is what locks a container without nft."""
    assert {"procps", "iproute2"} <= set(places.PACKAGES.values())


def test_only_what_is_missing(box: Box) -> None:
    box.remove("/usr/sbin/haproxy")
    assert install(box, []) == ["packages"]
    (call,) = [call for call in box.calls() if call.startswith("apt-get")]
    assert call.endswith("--no-install-recommends install haproxy")
    assert missing(box) == []


def test_masked_first_interrupted_installation_mended_then_installed(box: Box) -> None:
    box.without_programs()
    install(box, [])
    calls = [call.split()[0] for call in box.calls()]
    assert calls == ["systemctl", "nft", "dpkg", "apt-get"]
    assert box.calls()[0] == MASK


def test_nothing_asks_and_the_administrator_s_settings_stay(box: Box) -> None:
    install(box.without_programs(), [])
    call = box.calls()[-1]
    assert " -y " in call and "--force-confold" in call and "Lock::Timeout" in call and "APT::Sandbox::User=root" in call


def _failing_installs(box: Box, times: int) -> None:
    left = [times]

    def trouble(_number: int, operation: Operation) -> int | None:
        if operation[1] == "apt-get" and "install" in operation and left[0]:
            left[0] -= 1
            return 100
        return None

    box.trouble = trouble


def test_lists_of_another_day_are_renewed(box: Box) -> None:
    _failing_installs(box.without_programs(), 1)
    assert install(box, []) == ["packages"]
    assert [("update" if call.endswith("update") else "install") for call in box.calls() if call.startswith("apt-get")] == [
        "install",
        "update",
        "install",
    ]


def test_failure_names_the_packages_and_has_what_was_said(box: Box) -> None:
    _failing_installs(box.without_programs(), 2)
    with pytest.raises(
        Failed, match="the packages nftables, haproxy, dnsmasq-base, ulogd2, logrotate, iproute2, procps cannot be installed"
    ) as failure:
        install(box, [])
    assert "it was to fail" in failure.value.log


def test_package_without_its_program_is_a_failure(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.remove("/usr/sbin/ulogd")
    monkeypatch.setattr(box, "_run_apt_get", lambda _words: (0, ""))
    with pytest.raises(Failed, match="the packages ulogd2 are installed, and yet their programs are not there"):
        install(box, [])


class TestLockedByAFormerAttempt:
    @pytest.fixture(autouse=True)
    def made(self, box: Box) -> None:
        box._put(places.LOAD, "")
        self.box = box
        box.remove("/usr/sbin/haproxy")

    def _repaired(self) -> bool:
        calls = self.box.calls()
        return f"{places.LOAD} repair" in calls and calls.index(f"{places.LOAD} repair") < min(
            index for index, call in enumerate(calls) if call.startswith("apt-get")
        )

    @pytest.mark.parametrize("how", ["rules", "routes"])
    def test_root_gets_out_to_the_network_s_own_resolver(self, how: str) -> None:
        if how == "rules":
            self.box.table = "lockdown"
        else:
            self.box._put(places.LOCKED, "")
        install(self.box, ["192.0.2.53", "192.0.2.54"])
        assert self._repaired()
        assert self.box.read(places.RESOLV) == "nameserver 192.0.2.53\nnameserver 192.0.2.54\n"

    def test_without_servers_the_resolver_stays_as_it_is(self) -> None:
        self.box.table = "lockdown"
        install(self.box, [])
        assert self._repaired() and ("write", places.RESOLV) not in self.box.operations

    def test_open_container_is_left_as_it_is(self) -> None:
        install(self.box, ["192.0.2.53"])
        assert not any("repair" in call for call in self.box.calls())
        assert ("write", places.RESOLV) not in self.box.operations

    def test_lock_that_cannot_be_loosened_is_a_failure_before_anything_is_installed(self) -> None:
        self.box.table = "lockdown"
        self.box.trouble = lambda _number, operation: 1 if operation[-1] == "repair" else None
        with pytest.raises(Failed, match="repair"):
            install(self.box, [])
        assert not any(call.startswith("apt-get") for call in self.box.calls())


def test_locked_container_whose_packages_cannot_be_had_is_locked_again(box: Box) -> None:
    box.without_programs()
    _failing_installs(box, 2)
    assert box.converge(mode="agent")["locked"]
    _failing_installs(box, 2)
    done = box.converge(mode="agent")
    assert done["locked"] and box.exists(places.LOCKED) and not box.exists(places.STATE)
    box.trouble = lambda _number, _operation: None
    assert box.converge(mode="agent").get("failed") is None
    assert box.in_force() == [] and not box.exists(places.LOCKED)
