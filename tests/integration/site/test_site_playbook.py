"""The containers of a site are those that an inventory declares, no more of them where that is asked for, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leftovers import put
from playbook import ROOT, Playbooks, PlayRun
from running_lab import RunningLab

Site = Callable[..., PlayRun]


@pytest.fixture
def site(playbook: Playbooks, home: Path) -> Site:
    """Runs the playbook with hosts and their variables; nothing is opened to SSH, there is nothing behind the addresses here."""

    def run(hosts: dict[str, Any], *options: str, name: str | None = "home", check: bool = False, **extra: Any) -> PlayRun:
        inventory = home / "inventory.json"
        content = {"pixels": {"vars": {"site_owner": name} if name else {}, "hosts": hosts}}
        inventory.write_text(json.dumps(content), encoding="utf-8")
        return playbook("site", *options, inventory=inventory, check=check, diff=check, **{"provision": False, **extra})

    return run


def test_a_site_from_nothing_to_a_change_to_a_removal(site: Site, lab: RunningLab) -> None:
    hosts: dict[str, Any] = {
        "worker[1:3]": {"pixels_memory": "256MiB"},
        "build": {"pixels_name": "builder", "pixels_labels": {"team": "web"}},
        "spare": {"pixels_state": "stopped"},
    }
    since = lab.mark()
    checked = site(hosts, check=True).succeeded()
    assert lab.changes(since) == [] and checked.changed == 1 and "worker1: would be created" in checked.stdout

    since = lab.mark()
    made = site(hosts).succeeded()
    assert made.changed == 1 and lab.logins(since) == 1
    assert {name: entry["status"] for name, entry in lab.instances().items()} == {
        **dict.fromkeys(("px-worker1", "px-worker2", "px-worker3", "px-builder"), "RUNNING"),
        "px-spare": "STOPPED",
    }
    since = lab.mark()
    assert site(hosts).succeeded().changed == 0 and lab.changes(since) == []

    # Two are changed in place, one cannot be, and the others do not suffer from it.
    hosts["worker[1:3]"]["pixels_memory"] = "512MiB"
    hosts["build"]["pixels_image"] = "ubuntu/24.04"
    partly = site(hosts)
    assert partly.rc != 0 and partly.recap["build"]["failures"] == 1 and partly.failed == 1
    assert any("recreate=true" in text for text in partly.failures())
    assert lab.instances()["px-worker3"]["memory"] == 512 * 1024**2
    assert site(hosts, recreate=True).succeeded().changed == 1

    # What is no longer declared is listed, and only then destroyed; only what is this site's.
    put(lab, "alices", start=True)
    put(lab, "works", start=True, labels='{"site":"work"}')
    del hosts["spare"]
    kept = site(hosts).succeeded()
    assert "no longer declared: spare" in kept.stdout and "px-spare" in lab.instances()
    since = lab.mark()
    shown = site(hosts, check=True, prune=True).succeeded()
    assert "spare: would be destroyed" in shown.stdout and lab.changes(since) == []
    assert site(hosts, prune=True).succeeded().changed == 1
    assert set(lab.instances()) == {"px-alices", "px-works", "px-builder", "px-worker1", "px-worker2", "px-worker3"}
    assert site(hosts, prune=True).succeeded().changed == 0


def test_whatever_is_wrong_is_told_before_anything_is_asked(site: Site, lab: RunningLab) -> None:
    since = lab.mark()
    wrong = site({"good": {}, "bad": {"pixels_memmory": "1GiB"}, "worse": {"pixels_cpu": "many"}})
    assert wrong.rc != 0
    assert "bad: there is no variable pixels_memmory; did you mean pixels_memory?" in wrong.output
    assert "worse: pixels_cpu" in wrong.output and "good:" not in "".join(wrong.failures())
    templated = site({"box": {"pixels_memory": "{{ not_defined }}"}})
    assert templated.rc != 0 and "box: pixels_memory" in templated.output
    assert lab.journal(since) == []


def test_with_a_limit_only_those_and_no_prune(site: Site, lab: RunningLab) -> None:
    hosts: dict[str, Any] = {"one": {}, "two": {}}
    site(hosts, "--limit", "one").succeeded()
    assert set(lab.instances()) == {"px-one"}
    since = lab.mark()
    refused = site(hosts, "--limit", "one", prune=True)
    assert refused.rc != 0 and "--limit" in refused.output and lab.journal(since) == []
    nameless = site(hosts, name=None, prune=True)
    assert nameless.rc != 0 and "site_owner" in nameless.output and lab.journal(since) == []


def test_no_hosts_is_an_error(site: Site) -> None:
    nobody = site({"one": {}}, site_group="others")
    assert nobody.rc != 0 and "no hosts in a group others" in nobody.output


def test_without_the_tag_of_the_containers_they_are_left_alone(site: Site, lab: RunningLab) -> None:
    since = lab.mark()
    assert site({"one": {}}, "--tags", "report").succeeded().changed == 0
    assert lab.changes(since) == []


def test_nothing_is_done_without_the_policy_that_is_declared(site: Site, lab: RunningLab) -> None:
    hosts: dict[str, Any] = {"locked": {"pixels_egress": "agent"}, "open": {}}
    since = lab.mark()
    for tags in (
        ("--skip-tags", "egress"),
        ("--tags", "container,report"),
        ("--tags", "container,provision", "--skip-tags", "egress"),
        ("--tags", "provision", "--skip-tags", "egress"),
    ):
        refused = site(hosts, *tags, provision=True)
        assert refused.rc != 0 and "locked: egress agent needs a container that is provisioned" in refused.output, tags
        assert "tags may" in refused.output and "open:" not in "".join(refused.failures())
    assert "locked: egress agent" in site(hosts, "--tags", "egress").output
    assert lab.journal(since) == []


def test_each_phase_that_goes_over_ssh_goes_there(site: Site, lab: RunningLab) -> None:
    """There is nothing to log in to, which is told. With nothing declared the policy need not be seen to."""
    hosts: dict[str, Any] = {"locked": {"pixels_egress": "agent"}}
    made = site(hosts, "--tags", "container,provision", provision=True)
    assert made.rc != 0 and made.of("ssh_access", skipped=False) and set(lab.instances()) == {"px-locked"}
    since = lab.mark()
    for phase in ("egress", "provision"):
        policed = site(hosts, "--tags", phase, provision=True)
        assert policed.rc != 0 and policed.of("ssh_access", skipped=False)
    assert lab.changes(since) == []
    opened = site({"open": {}}, "--skip-tags", "egress", provision=True)
    assert opened.rc != 0 and opened.of("ssh_access", skipped=False)
    assert not site({"open": {}}, "--tags", "container,report", provision=True).succeeded().of("ssh_access", skipped=False)


def test_two_appliances_with_one_login_each(site: Site, lab: RunningLab, lab_2504: RunningLab) -> None:
    def at(where: RunningLab) -> dict[str, Any]:
        return {
            "pixels_truenas_host": where.host,
            "pixels_truenas_api_key": where.api_key,
            "pixels_truenas_ca_file": where.env["PIXELS_TRUENAS_CA_FILE"],
        }

    hosts = {"one": at(lab), "two": at(lab), "three": at(lab_2504), "four": at(lab_2504)}
    since = lab.mark(), lab_2504.mark()
    made = site(hosts).succeeded()
    assert set(lab.instances()) == {"px-one", "px-two"} and set(lab_2504.instances()) == {"px-three", "px-four"}
    assert (lab.logins(since[0]), lab_2504.logins(since[1])) == (1, 1)
    assert lab.api_key not in made.output
    hosts["three"]["pixels_truenas_host"] = hosts["four"]["pixels_truenas_host"] = "127.0.0.1:1"
    partly = site({**hosts, "five": at(lab)})
    assert partly.rc != 0 and {name for name, counts in partly.recap.items() if counts["failures"]} == {"three", "four"}
    assert "px-five" in lab.instances()


def test_the_example(playbook: Playbooks, lab: RunningLab) -> None:
    """As far as it goes without real containers: what it says is possible, and what would be made is what it says."""
    playbook("create", container="base", provision=False).succeeded()
    playbook("checkpoint_create", container="base", label="ready").succeeded()
    site = {"inventory": ROOT / "examples" / "site" / "hosts.yml", "env": {"PIXELS_PROVISION_ENABLED": "true"}}
    checked = playbook("site", check=True, diff=True, **site).succeeded()
    made = {entry["name"]: entry for entry in checked.last("site")["containers"]}
    assert {name: (entry["from"], entry["memory"]) for name, entry in made.items()} == {
        "worker01": ("base:ready", 4096),
        **{f"worker0{number}": ("base:ready", 1024) for number in (2, 3, 4)},
        "build1": (None, 1024),
    }
    assert made["worker01"]["labels"] == {"site": "example", "team": "agents"}
    refused = playbook("site", provision=False, **site)
    assert refused.rc != 0 and "worker02: egress agent needs a container that is provisioned" in refused.output
    assert set(lab.instances()) == {"px-base"}


def test_what_other_templates_have_left_declares_nothing(site: Site, playbook: Playbooks, lab: RunningLab) -> None:
    """A workflow of AWX gives the results of its jobs to those that follow, as extra variables."""
    left: dict[str, Any] = {}
    hosts = {"one": {"pixels_labels": {"team": "web"}}, "two": {}}
    for done in (
        playbook("create", container="other", provision=False),
        playbook("checkpoint_create", container="other", label="ready"),
        playbook("checkpoint_list"),
        playbook("list"),
        site(hosts),
    ):
        left |= done.succeeded().stats
    assert {"pixels_names", "pixels_checkpoint_labels", "pixels_checkpoint_list", "pixels_undeclared"} <= left.keys()
    since = lab.mark()
    again = site(hosts, **left).succeeded()
    assert again.changed == 0 and lab.changes(since) == []
    assert {entry["name"]: entry["labels"] for entry in again.last("site")["containers"]} == {
        "one": {"site": "home", "team": "web"},
        "two": {"site": "home"},
    }
    # Of a host they are mistakes, and a declaration that is typed is one.
    assert "one: there is no variable pixels_names" in site({"one": {"pixels_names": ["one"]}}).output
    assert "one: there is no variable pixels_memmory" in site({"one": {}}, pixels_memmory="1GiB").output
    assert site(hosts, check=True, pixels_memory="512MiB").succeeded().last("site")["containers"][1]["memory"] == 512


def test_one_appliance_by_two_names(site: Site, lab: RunningLab) -> None:
    port = lab.host.rpartition(":")[2]
    hosts = {"one": {"pixels_truenas_host": f"127.0.0.1:{port}"}, "two": {"pixels_truenas_host": f"localhost:{port}"}}
    for _time in range(2):
        since = lab.mark()
        refused = site(hosts, prune=True)
        assert refused.rc != 0 and lab.changes(since) == []
        assert f"wss://127.0.0.1:{port} (of one) and wss://localhost:{port} (of two) are the same appliance" in "".join(refused.failures())
        # The second time there are containers.
        site({name: {} for name in hosts}).succeeded()


def test_one_appliance_that_is_verified_in_two_ways(site: Site, lab: RunningLab) -> None:
    put(lab, "gone", start=True, labels='{"site":"home"}')
    hosts: dict[str, Any] = {"one": {}, "two": {"pixels_truenas_insecure": True}}
    done = site(hosts, prune=True).succeeded().last("site")
    assert done["pruned"] == ["gone"] and [entry["name"] for entry in done["containers"]] == ["one", "gone", "two"]
    hosts["two"]["pixels_name"] = "one"
    assert "two: pixels_name: one is the container one already" in "".join(site(hosts).failures())


def test_the_environment_is_not_shown(site: Site, lab: RunningLab) -> None:
    hosts = {"one": {"pixels_environment": {"TOKEN": "hush-hush", "PIN": "4711"}}}
    made = site(hosts, "--diff", "-vvv").succeeded()
    hosts["one"]["pixels_environment"]["PIN"] = "0815"
    changed = site(hosts, "--diff", "-vvv").succeeded()
    assert lab.instances()["px-one"]["environment"]["PIN"] == "0815"
    for run in (made, changed):
        assert not [word for word in ("hush-hush", "4711", "0815") if word in run.output]
    assert "(changed)" in changed.stdout
