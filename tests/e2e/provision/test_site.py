"""A fleet of ten that an inventory declares: from nothing, then changed in two places, then one fewer, then nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

BASE = "sitebase"
WORKERS = [f"site{number:02}" for number in range(1, 10)]
LOCKED = "locked"

Site = Callable[..., PlayRun]


@pytest.fixture(scope="module")
def site(playbook: Playbooks, real_lab: RunningLab, tmp_path_factory: Any) -> Site:
    """Runs a playbook of a user's own: the site, and a play after it in the same hosts."""
    real_lab.reset()
    playbook("create", "--tags", "container,provision", container=BASE, memory="256MiB").succeeded()
    playbook("checkpoint_create", container=BASE, label="ready").succeeded()
    folder: Path = tmp_path_factory.mktemp("site")
    mine = {
        "name": "Work in them",
        "hosts": "site_ready",
        "gather_facts": False,
        "tasks": [{"name": "Say who and where", "pixels.sandbox.exec": {"argv": ["sh", "-c", "id -un; hostname"]}}],
    }
    site_file = {"name": "Converge", "ansible.builtin.import_playbook": "pixels.sandbox.site"}
    (folder / "mine.yml").write_text(yaml.safe_dump([site_file, mine]))
    (folder / "group_vars").mkdir()
    (folder / "host_vars").mkdir()
    settings = {"site_owner": "home", "pixels_from": f"{BASE}:ready", "pixels_memory": "192MiB", "pixels_autostart": False}
    (folder / "group_vars" / "pixels.yml").write_text(yaml.safe_dump(settings))

    def run(hosts: dict[str, dict[str, Any]], *options: str, check: bool = False, **extra: Any) -> PlayRun:
        (folder / "hosts.yml").write_text(yaml.safe_dump({"pixels": {"hosts": dict.fromkeys(hosts)}}))
        for old in (folder / "host_vars").iterdir():
            old.unlink()
        for name, variables in hosts.items():
            (folder / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump(variables))
        return playbook(str(folder / "mine.yml"), *options, inventory=folder / "hosts.yml", check=check, diff=check, **extra)

    return run


def policy(run: PlayRun) -> dict[str, Any]:
    (found,) = run.of("egress", host=LOCKED)
    return dict(found["egress"])


def test_ten_from_nothing_two_changes_one_removal_and_nothing_left_to_do(site: Site, playbook: Playbooks, real_lab: RunningLab) -> None:
    hosts: dict[str, dict[str, Any]] = {name: {} for name in WORKERS}
    hosts[LOCKED] = {"pixels_egress": "allowlist", "pixels_allow": ["one.example.org", "two.example.org:8443"]}
    # One is made of an image, whatever the group says.
    hosts["site02"] = {"pixels_from": "", "pixels_image": real_lab.env["PIXELS_DEFAULT_IMAGE"]}
    since = real_lab.mark()
    assert len(site(hosts, check=True).succeeded().last("site")["containers"]) == 10
    assert real_lab.changes(since) == []

    since = real_lab.mark()
    made = site(hosts).succeeded()
    assert real_lab.logins(since) == 1
    said = {name: made.of("exec", host=name)[0]["stdout"].split() for name in hosts}
    assert said == {name: ["pixel", f"px-{name}"] for name in hosts}
    assert set(policy(made)["allow"]) == {"one.example.org", "two.example.org:8443"}
    keys = {
        entry["host_key"]
        for entry in playbook.tasks({"name": "All", "pixels.sandbox.host_keys": {"name": list(hosts)}}).last("host_keys")["containers"]
    }
    assert len(keys) == 10

    # Somebody has let it reach more meanwhile; what is declared counts.
    more = playbook("network_allow", "--tags", "egress", container=LOCKED, domain="three.example.org", prove=False).succeeded()
    assert "three.example.org" in policy(more)["allow"]
    alone = site(hosts, "--tags", "egress").succeeded()
    assert set(policy(alone)["allow"]) == {"one.example.org", "two.example.org:8443"} and alone.of("egress_proof")
    assert not alone.of("environment") and not alone.of("exec")
    hosts[LOCKED]["pixels_allow"] = ["two.example.org:8443"]
    hosts["site01"] = {"pixels_memory": "224MiB"}
    del hosts["site09"]
    changed = site(hosts, prune=True).succeeded()
    assert policy(changed)["allow"] == ["two.example.org:8443"]
    assert changed.last("site")["pruned"] == ["site09"]
    assert {entry["name"]: entry["actions"] for entry in changed.last("site")["containers"] if entry["changed"]} == {
        "site01": ["updated"],
        "site09": ["destroyed"],
    }
    assert real_lab.instances().keys() == {f"px-{name}" for name in (*hosts, BASE)}
    assert real_lab.instances()["px-site01"]["memory"] == 224 * 1024**2

    since = real_lab.mark()
    again = site(hosts, prune=True).succeeded()
    # What a play of one's own does is its own affair.
    counted = [item for item in again.results if item.result.get("changed") and item.action != "pixels.sandbox.exec"]
    assert counted == [] and real_lab.changes(since) == []


def test_one_that_cannot_be_opened_does_not_keep_the_others(site: Site, real_lab: RunningLab) -> None:
    hosts: dict[str, dict[str, Any]] = {"site01": {"pixels_memory": "224MiB"}, "site02": {"pixels_user": "daemon"}}
    partly = site(hosts)
    assert partly.rc != 0 and partly.recap["site02"]["failures"] == 1 and partly.recap["site01"]["failures"] == 0
    assert partly.of("exec", host="site01") and not partly.of("exec", host="site02")
    assert "no longer declared: locked, site03" in partly.stdout
