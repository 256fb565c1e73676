"""Two gateways with a bridge each, what is behind them, and the simulated internet outside. They live as long as these tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from leftovers import known_hosts
from playbook import Playbooks
from running_lab import ROOT, RunningLab

# The simulated internet is that of the tests next door.
HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "egress"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import internet as simulated  # noqa: E402
import world  # noqa: E402
from behind import Scene, bridges_of, routed  # noqa: E402


@pytest.fixture(scope="module")
def internet(
    real_lab: RunningLab, playbook: Playbooks, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[simulated.Internet]:
    real_lab.reset()
    real_lab.state(bridges=bridges_of(real_lab))
    made = simulated.make(playbook, real_lab, tmp_path_factory.mktemp("internet"))
    with routed(made):
        yield made
    real_lab.reset()
    real_lab.state(bridges=[])
    # Later tests look for what is left of their own.
    if known_hosts(home).exists():
        known_hosts(home).write_text("")


@pytest.fixture(scope="module")
def scene(internet: simulated.Internet, playbook: Playbooks, real_lab: RunningLab, home: Path) -> Scene:
    """gtask1 behind ggate1, made of an image; gtask2 behind ggate2, a clone of a container that is behind nothing."""
    first, second = bridges_of(real_lab)
    small = {"memory": "512MiB"}
    # Packages come from the real mirror, the one time that they are needed.
    playbook("gateway", container="ggate1", inside=first, mode="allowlist", **small).succeeded()
    playbook("create", container="gtask1", via="ggate1", **small).succeeded()
    playbook("create", container="gbase", **small).succeeded()
    playbook("gateway", container="ggate2", inside=second, mode="allowlist", address="10.99.7.1/24", **small).succeeded()
    playbook("create", "-e", '{"from": "gbase"}', container="gtask2", via="ggate2", **small).succeeded()
    dns = [world.v4(world.DNS)]
    # From here on all that they know is the simulated world.
    simulated_world = {"mode": "allowlist", "allow": world.ALLOW, "egress_dns": dns}
    playbook("network_set", container="ggate1,ggate2", prove=False, **simulated_world).succeeded()
    return Scene(playbook, real_lab, internet, home, ROOT)
