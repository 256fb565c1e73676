# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site: what an inventory declares, against an appliance in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.site import ARGUMENTS, Host, run
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeConfig,
    FakeDriver,
    context,
    foreign,
    job_failed,
    not_sent,
    ours,
)

USER = {"ssh.user": "pixel", "provision.devtools": True}


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def site(
    driver: FakeDriver, hosts: dict[str, dict[str, Any]], *, limited: bool = False, check: bool = False, diff: bool = False, **options: Any
) -> dict[str, Any]:
    driver.calls.clear()
    config: Any = FakeConfig(**USER)
    params = {**{name: rule.get("default") for name, rule in ARGUMENTS.items()}, "owner": "home", "wait_timeout": 1, **options}

    def opener(_config: Any, values: dict[str, Any]) -> Context:
        return context(driver, config, check_mode=check, diff=diff, **{**values, "name": "none"})

    given = [Host(name, {f"pixels_{key}": value for key, value in values.items()}, config) for name, values in hosts.items()]
    return run(given, params, opener, limited=limited)


def labels(driver: FakeDriver, name: str) -> dict[str, str]:
    mark = marker.read(driver.containers[f"px-{name}"].environment)
    assert mark is not None
    return dict(mark.labels)


class TestDeclarations:
    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"memmory": "2GiB"}, "there is no variable pixels_memmory; did you mean pixels_memory?"),
            ({"color": "red"}, "there is no variable pixels_color"),
            ({"memory": "lots"}, "pixels_memory"),
            ({"cpu": "many"}, "pixels_cpu"),
            ({"cpu": ["2"]}, "pixels_cpu has to be a text"),
            ({"name": False}, "pixels_name has to be a text; YAML takes words such as off"),
            ({"name": "a,b"}, "pixels_name"),
            ({"state": "absent"}, "pixels_state"),
            ({"autostart": "perhaps"}, "pixels_autostart"),
            ({"labels": ["web"]}, "pixels_labels"),
            ({"expires": "soon"}, "pixels_expires"),
            ({"image": "debian/12", "from": "base"}, "image and from exclude each other"),
            ({"network": "default", "parent": "br0"}, "exclude each other"),
            ({"via": "gw", "parent": "br0"}, "pixels_via and pixels_parent exclude each other"),
            ({"egress": "closed"}, "pixels_egress"),
            ({"egress": "agent", "allow": ["not a name"]}, "pixels_allow"),
            ({"allow": ["api.example.org"]}, "pixels_allow needs pixels_egress"),
            ({"egress": "agent", "user": "root"}, "cannot be root"),
            ({"user": "No Body"}, "pixels_user"),
            ({"timezone": "../etc/passwd"}, "pixels_timezone"),
            ({"devtools": "some"}, "pixels_devtools"),
            ({"instance": "px-box"}, "the inventory plugin pixels has found it"),
        ],
    )
    def test_what_is_wrong_is_told_with_the_host_before_anything_is_asked(self, values: dict[str, Any], told: str) -> None:
        driver = FakeDriver()
        with pytest.raises(CoreError) as caught:
            site(driver, {"good": {}, "bad": values})
        assert told in str(caught.value)
        assert all(line.startswith("bad: ") for line in caught.value.result["wrong"])
        assert driver.calls == []

    def test_what_is_to_be_restricted_does_not_come_up_bare(self) -> None:
        with pytest.raises(CoreError, match="bad: egress agent needs a container that is provisioned"):
            site(FakeDriver(), {"bad": {"egress": "agent"}, "good": {"egress": "unrestricted"}}, bare=True)
        assert not site(FakeDriver(), {"good": {"egress": "agent"}}).get("failed")

    def test_all_mistakes_at_once(self) -> None:
        with pytest.raises(CoreError) as caught:
            site(FakeDriver(), {"one": {"cpu": "x", "timezone": "?"}, "two": {"colour": 1}})
        text = str(caught.value)
        assert "one: pixels_cpu" in text and "one: pixels_timezone" in text and "two: there is no variable pixels_colour" in text

    def test_two_hosts_cannot_be_the_same_container(self) -> None:
        with pytest.raises(CoreError, match="two: pixels_name: one is the container box already"):
            site(FakeDriver(), {"one": {"name": "box"}, "two": {"name": "box"}})

    def test_an_empty_answer_is_none(self) -> None:
        result = site(FakeDriver(), {"box": {"memory": "", "from": "", "egress": "", "labels": ""}})
        assert result["containers"][0]["memory"] == 2048

    def test_what_a_play_needs_to_know(self) -> None:
        result = site(
            FakeDriver(), {"web-1": {"name": "box", "egress": "allowlist", "allow": "b.example.org, a.example.org", "devtools": "no"}}
        )
        told = result["hosts"]["web-1"]
        assert (told["name"], told["address"], told["failed"]) == ("box", "10.0.0.5", False)
        assert (told["egress"], told["allow"], told["deny"]) == ("allowlist", ["a.example.org", "b.example.org"], [])
        assert (told["user"], told["devtools"], told["via"]) == ("pixel", False, "")


class TestConvergence:
    def test_made_once_and_then_left_alone(self) -> None:
        driver = FakeDriver()
        hosts = {"one": {"memory": "512MiB", "labels": {"team": "web"}}, "two": {"state": "stopped"}}
        first = site(driver, hosts)
        assert first["changed"] and [entry["actions"] for entry in first["containers"]] == [["created"], ["created"]]
        assert [entry["status"] for entry in first["containers"]] == ["running", "stopped"]
        assert labels(driver, "one") == {"site": "home", "team": "web"}
        assert first["containers"][0]["owner"] == "site:home"
        again = site(driver, hosts)
        assert not again["changed"] and driver.changing_calls == []

    def test_check_mode_touches_nothing(self) -> None:
        driver = FakeDriver(ours("old", mark={"labels": {"site": "home"}}))
        result = site(driver, {"one": {}}, check=True, diff=True, prune=True)
        assert result["changed"] and result["pruned"] == ["old"] and driver.changing_calls == []
        assert [(entry["before_header"], bool(entry["before"]), bool(entry["after"])) for entry in result["diff"]] == [
            ("one", False, True),
            ("old", True, False),
        ]

    def test_one_that_fails_does_not_keep_the_others(self) -> None:
        driver = FakeDriver(ours("one", mark={"labels": {"site": "home"}}))
        driver.fail("create", job_failed("virt.instance.create"))
        result = site(driver, {"one": {"image": "ubuntu/24.04"}, "two": {}, "three": {}}, concurrency=1)
        assert result["failed"]
        told = result["hosts"]
        assert told["one"]["failed"] and "recreate=true" in told["one"]["msg"]
        assert [name for name in ("two", "three") if told[name]["failed"]] == ["two"]
        assert "px-three" in driver.containers

    def test_replaced_where_that_is_asked_for(self) -> None:
        driver = FakeDriver(ours("one", mark={"labels": {"site": "home"}}))
        result = site(driver, {"one": {"image": "ubuntu/24.04"}}, recreate=True)
        assert driver.names() == ["delete", "create"] and result["containers"][0]["image"] == "ubuntu/24.04"


class TestOwnership:
    def appliance(self) -> FakeDriver:
        return FakeDriver(
            ours("kept", mark={"labels": {"site": "home"}}),
            ours("gone", mark={"labels": {"site": "home"}}),
            ours("work", mark={"labels": {"site": "work"}}),
            ours("alices", owner="alice"),
            ours("plain"),
            foreign("theirs"),
        )

    def test_without_prune_they_are_listed(self) -> None:
        driver = self.appliance()
        result = site(driver, {"kept": {}})
        assert (result["undeclared"], result["pruned"]) == (["gone"], []) and "delete" not in driver.names()

    def test_only_those_of_this_site_go(self) -> None:
        driver = self.appliance()
        result = site(driver, {"kept": {}}, prune=True)
        assert (result["undeclared"], result["pruned"]) == ([], ["gone"])
        assert [call[1] for call in driver.changing_calls if call[0] == "delete"] == ["px-gone"]
        assert set(result["hosts"]) == {"kept"}

    def test_one_that_cannot_go_is_told(self) -> None:
        driver = self.appliance()
        driver.fail("delete", job_failed("virt.instance.delete"), times=9)
        result = site(driver, {"kept": {}}, prune=True)
        assert result["failed"] and result["pruned"] == [] and not result["hosts"]["kept"]["failed"]

    @pytest.mark.parametrize(("options", "told"), [({"limited": True}, "--limit"), ({"owner": None}, "site_owner")])
    def test_prune_needs_to_see_all_and_to_know_who(self, options: dict[str, Any], told: str) -> None:
        driver = self.appliance()
        with pytest.raises(CoreError, match=told):
            site(driver, {"kept": {}}, prune=True, **options)
        assert driver.calls == []

    def test_with_a_limit_nothing_is_undeclared(self) -> None:
        assert site(self.appliance(), {"kept": {}}, limited=True)["undeclared"] == []

    @pytest.mark.parametrize(("name", "whose"), [("alices", "alice's"), ("work", "of the site work"), ("theirs", "not ours")])
    def test_what_is_somebody_elses_stays_so(self, name: str, whose: str) -> None:
        driver = self.appliance()
        result = site(driver, {name: {"memory": "512MiB"}, "kept": {}})
        assert result["hosts"][name]["failed"] and whose in result["hosts"][name]["msg"]
        assert not result["hosts"]["kept"]["failed"]
        assert f"px-{name}" not in [call[1] for call in driver.changing_calls]

    def test_one_without_an_owner_and_one_that_is_taken_over(self) -> None:
        driver = self.appliance()
        assert not site(driver, {"plain": {}}).get("failed") and labels(driver, "plain") == {"site": "home"}
        assert not site(driver, {"alices": {}, "work": {}}, takeover=True).get("failed")
        assert labels(driver, "work") == {"site": "home"}

    def test_an_owner_of_its_own_does_not_make_it_a_strangers(self) -> None:
        driver = FakeDriver()
        hosts = {"one": {"owner": "alice"}}
        site(driver, hosts)
        assert site(driver, hosts).get("failed") is None and driver.changing_calls == []
        assert site(driver, {"two": {}}, prune=True)["pruned"] == ["one"]

    def test_the_values_of_an_environment_are_not_shown(self) -> None:
        driver = FakeDriver(
            ours("box", environment={"OLD": "hush-1", "SAME": "hush-2", "OTHER": "hush-3"}, mark={"labels": {"site": "home"}})
        )
        hosts = {
            "box": {"environment": {"NEW": "hush-4", "SAME": "hush-2", "OTHER": "hush-5"}},
            "new": {"environment": {"TOKEN": "hush-6"}},
        }
        for check in (True, False):
            result = site(driver, hosts, check=check, diff=True)
            assert "hush" not in repr(result)
            stars, changed = "********", "******** (changed)"
            assert [entry["environment"] for entry in result["containers"]] == [
                {"NEW": stars, "SAME": stars, "OTHER": stars},
                {"TOKEN": stars},
            ]
            assert [(entry["before"].get("environment"), entry["after"]["environment"]) for entry in result["diff"]] == [
                ({"OLD": stars, "SAME": stars, "OTHER": stars}, {"NEW": stars, "SAME": stars, "OTHER": changed}),
                (None, {"TOKEN": stars}),
            ]
        assert driver.containers["px-box"].environment["OTHER"] == "hush-5"


class TestAppliances:
    """Several, or one that is reached in several ways: each host with its driver, and with what its endpoint has of its own."""

    def run(self, *hosts: tuple[str, FakeDriver, dict[str, Any]], names: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        class At(FakeConfig):
            def __init__(self, driver: FakeDriver, endpoint: dict[str, Any]) -> None:
                super().__init__(**USER)
                self.driver, self.endpoint = driver, {"url": "wss://nas:443", "username": "root", "api_key": "1-secret", **endpoint}

        def opener(config: Any, values: dict[str, Any]) -> Context:
            ctx = context(config.driver, config, **{**values, "name": "none"})
            ctx.make_endpoint = lambda: Endpoint(**config.endpoint)
            return ctx

        params = {**{name: rule.get("default") for name, rule in ARGUMENTS.items()}, "owner": "home", "wait_timeout": 1, **options}
        given: list[Host] = []
        for name, driver, endpoint in hosts:
            driver.calls.clear()
            config: Any = At(driver, endpoint)
            given.append(Host(name, {"pixels_name": (names or {}).get(name, name)}, config))
        return run(given, params, opener, limited=False)

    def of_site(self, *names: str) -> FakeDriver:
        return FakeDriver(*(ours(name, mark={"labels": {"site": "home"}}) for name in names))

    @pytest.mark.parametrize("prune", [True, False])
    @pytest.mark.parametrize("names", [(), ("one", "two")], ids=["empty", "both"])
    def test_two_names_of_one_appliance_are_an_error_before_anything_is_changed(self, names: tuple[str, ...], prune: bool) -> None:
        driver = self.of_site(*names)
        at = [{"url": "wss://127.0.0.1:443"}, {"url": "wss://localhost:443"}]
        with pytest.raises(CoreError) as caught:
            self.run(("one", driver, at[0]), ("two", driver, at[1]), prune=prune)
        assert "wss://127.0.0.1:443 (of one) and wss://localhost:443 (of two) are the same appliance" in str(caught.value)
        assert driver.changing_calls == []

    def test_two_appliances_are_not_one(self) -> None:
        first, second = self.of_site("one", "gone"), self.of_site("one", "two", "gone")
        second.boot = "77aa"
        result = self.run(("one", first, {}), ("two", second, {"url": "wss://other:443"}), prune=True)
        assert sorted(result["pruned"]) == ["gone", "gone", "one"]
        assert (set(first.containers), set(second.containers)) == ({"px-one"}, {"px-two"})

    @pytest.mark.parametrize(
        "other",
        [{"verify_tls": False}, {"ca_file": "/ca.pem"}, {"api_key": "2-key"}, {"username": "me"}],
        ids=lambda other: next(iter(other)),
    )
    def test_however_it_is_reached_it_is_one_appliance(self, other: dict[str, Any]) -> None:
        driver = self.of_site("one", "two", "gone", "went")
        hosts: list[tuple[str, FakeDriver, dict[str, Any]]] = [("one", driver, {}), ("two", driver, other)]
        assert self.run(*hosts)["undeclared"] == ["gone", "went"]
        with pytest.raises(CoreError, match="two: pixels_name: one is the container box already"):
            self.run(*hosts, names={"one": "box", "two": "box"})
        result = self.run(*hosts, prune=True)
        assert result["pruned"] == ["gone", "went"] and len(result["containers"]) == 4
        assert set(driver.containers) == {"px-one", "px-two"}

    def test_what_one_that_is_down_should_have_is_not_pruned_elsewhere(self) -> None:
        """It may be another name of one that is up."""
        up, down = self.of_site("one", "two", "gone"), FakeDriver()
        down.fail("list", not_sent("virt.instance.query"), times=9)
        result = self.run(("one", up, {}), ("two", down, {"url": "wss://down:443"}), prune=True)
        assert result["pruned"] == ["gone"] and set(up.containers) == {"px-one", "px-two"}
        assert result["hosts"]["two"]["failed"] and not result["hosts"]["one"]["failed"]
