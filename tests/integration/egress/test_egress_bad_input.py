"""What is wrong in a request for a policy is said, with what is allowed, before any container is made or touched.

What was asked for and would not happen is refused as well: a container that was to be restricted must not come up open.
"""

from __future__ import annotations

from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

MODES = "unrestricted, agent, allowlist and learn"
# This lab's own configuration has no provisioning: its containers are not real.
TO_BE_MADE: dict[str, Any] = {"name": "task1", "provision": True}
NETWORK = ["network_set", "network_allow", "network_deny", "network_show", "network_learned"]
# What the entry is, and what is said of it.
ENTRIES = {
    "url": ("https://api.example.org/v1", ["https://api.example.org/v1", "that is a URL; give the host name alone"]),
    "public suffix": ("*.com", ["*.com", "anybody can get a name below com", "list the host names that are needed one by one"]),
    "web port": ("api.example.org:443", ["api.example.org:443", "a name without a port means 443 and 80"]),
    "address": ("192.0.2.1", ["192.0.2.1", "that is an address", "{cidr: 192.0.2.1/32, port: PORT}"]),
    "everything": ("*", ["mode=unrestricted"]),
    "one of many": ("api.example.org,nodot", ["nodot", "a name needs a dot"]),
    "whole internet": ("0.0.0.0/0:443", ["that is every address there is"]),
}


def refused(run: PlayRun, lab: RunningLab, since: int, *words: str) -> str:
    """It failed, nothing was changed, and what was said has these words."""
    assert run.rc != 0, run.output
    assert lab.changes(since) == []
    assert lab.instances() == {}
    message = " ".join(run.failures() or [run.output])
    # A long line of the terminal's is folded.
    message = " ".join(message.split())
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"egress": "foo"}, ["egress=foo", MODES]),
        ({"egress": "Agent"}, ["egress=Agent", MODES]),
        ({"egress": True}, ["egress=True", MODES]),
        ({"allow": "api.example.org"}, ["allow is for egress=agent, allowlist or learn"]),
        ({"egress": "unrestricted", "allow": "api.example.org"}, ["allow is for egress=agent, allowlist or learn"]),
        ({"egress": "agent", "provision": False}, ["egress=agent", "needs a container that is provisioned", "provision=false"]),
        ({"egress": "learn", "user": "root"}, ["The user of a restricted container cannot be root", "Give another user"]),
        ({"egress": "agent", "name": ""}, ["Which containers?", "-e name=task1"]),
    ],
    ids=["mode", "capital", "yes", "allow alone", "allow unrestricted", "bare", "root", "nobody"],
)
def test_create(options: dict[str, Any], words: list[str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook("create", **{**TO_BE_MADE, **options}), lab, since, *words)


def test_create_with_an_entry_for_what_may_have_a_policy(playbook: Playbooks, lab: RunningLab) -> None:
    """A container that is there, or a clone: only a look into it tells. What could not be looked into is refused before."""
    playbook("create", container="base", provision=False).succeeded()
    since = lab.mark()
    for options in ({"container": "base"}, {"container": "task1", "from": "base"}):
        run = playbook("create", **options, allow="api.example.org", provision=False)
        assert run.rc != 0 and "allow needs a container that is provisioned" in run.failures()[0], run.output
    run = playbook("create", container="base,task1", allow="api.example.org")
    assert run.rc != 0 and "allow is for egress=agent, allowlist or learn" in run.failures()[0], run.output
    assert lab.changes(since) == [] and set(lab.instances()) == {"px-base"}


@pytest.mark.parametrize("tags", [("--skip-tags", "provision"), ("--tags", "container")], ids=["skipped", "not chosen"])
def test_create_without_the_part_that_restricts(tags: tuple[str, str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook("create", *tags, **TO_BE_MADE, egress="agent"), lab, since, "needs a container that is provisioned")


@pytest.mark.parametrize("kind", list(ENTRIES))
def test_create_with_an_entry_that_is_none(kind: str, playbook: Playbooks, lab: RunningLab) -> None:
    entry, words = ENTRIES[kind]
    since = lab.mark()
    refused(playbook("create", **TO_BE_MADE, egress="agent", allow=entry), lab, since, "allow", *words)


def test_one_wrong_entry_and_no_container_of_a_fleet_is_made(playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook(
        "create", container="worker[01:03]", provision=True, egress="allowlist", allow=["api.example.org", {"cidr": "192.0.2.0/28"}]
    )
    refused(run, lab, since, "exactly two keys, cidr and port")


def test_configured_mode_that_is_none(playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook("create", **TO_BE_MADE, env={"PIXELS_NETWORK_EGRESS": "strict"}), lab, since, "strict", "allowlist")


def test_configured_entry_that_is_none(playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook("create", **TO_BE_MADE, egress="agent", env={"PIXELS_NETWORK_ALLOW": "https://api.example.org"})
    refused(run, lab, since, "that is a URL")


@pytest.mark.parametrize("name", NETWORK)
def test_network_without_a_container(name: str, playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook(name, mode="agent", domain="api.example.org"), lab, since, "Which containers?", "-e name=task1", "worker[01:20]")


@pytest.mark.parametrize("name", ["network_allow", "network_deny"])
@pytest.mark.parametrize("options", [{}, {"domain": ""}, {"domain": " , "}], ids=["none", "empty", "comma"])
def test_network_without_a_domain(name: str, options: dict[str, str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook(name, **{"container": "task1", **options}), lab, since, "What? Give -e domain=api.example.org", "Nothing was changed")


@pytest.mark.parametrize("options", [{}, {"mode": ""}, {"mode": "strict"}], ids=["none", "empty", "unknown"])
def test_network_set_without_a_mode(options: dict[str, str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook("network_set", **{"container": "task1", **options}), lab, since, "-e mode=", MODES, "Nothing was changed")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("network_allow", {"domain": "https://api.example.org"}, ["allow", "that is a URL"]),
        ("network_allow", {"domain": "*.com"}, ["anybody can get a name below com"]),
        ("network_deny", {"domain": "https://api.example.org"}, ["deny", "that is a URL"]),
        ("network_set", {"mode": "agent", "allow": "api.example.org:443"}, ["allow", "443 and 80"]),
        ("network_set", {"mode": "agent", "deny": "192.0.2.1"}, ["deny", "that is an address"]),
    ],
)
def test_network_with_an_entry_that_is_none(
    name: str, options: dict[str, str], words: list[str], playbook: Playbooks, lab: RunningLab
) -> None:
    since = lab.mark()
    refused(playbook(name, container="task1", **options), lab, since, *words)


@pytest.mark.parametrize(
    ("name", "options"), [("network_show", {}), ("network_set", {"mode": "agent"}), ("network_allow", {"domain": "a.example.org"})]
)
def test_network_of_a_container_that_there_is_not(name: str, options: dict[str, str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    refused(playbook(name, container="task1", **options), lab, since, "task1")
