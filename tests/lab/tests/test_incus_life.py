"""Real containers: the life of the lab's daemon."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

import pytest
from incus_support import IMAGE, REAL, address, ask, drive, running, up

from truenas_lab import cli
from truenas_lab.engine.incus import IncusEngine
from truenas_lab.handover import Handover
from truenas_lab.host import incusd, setup
from truenas_lab.host.place import Place
from truenas_lab.host.processes import belonging_to, wait_for_end
from truenas_lab.host.run import run

pytestmark = REAL


def test_down_leaves_nothing_and_up_brings_everything_back(lab: Path, place: Place) -> None:
    async def make() -> None:
        engine = setup.engine(place)
        await engine.start()
        for name, autostart in (("px-auto", "true"), ("px-plain", "false")):
            await engine.create(name, IMAGE, {"user.autostart": autostart}, {}, "tank")
            await engine.start_instance(name)
        await engine.close()

    asyncio.run(make())
    server = Handover.load(lab)
    assert server is not None
    assert cli.main(["down", "--dir", str(lab)]) == 0
    assert not server.running
    assert incusd.remains(place) == []
    assert place.bridge not in run(["nft", "list", "ruleset"])
    assert cli.main(["status", "--dir", str(lab)]) == cli.NOT_RUNNING
    up(lab)

    async def scenario(engine: IncusEngine) -> None:
        found = {item.name: item.status for item in await engine.instances(state=False)}
        assert found == {"px-auto": "RUNNING", "px-plain": "STOPPED"}  # as an appliance does at boot
        await address(engine, "px-auto")

    drive(place, scenario)


def test_a_killed_daemon_is_replaced(lab: Path, place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        await ask(engine, "px-a", "touch /run/before")
        process = incusd.daemon(place)
        assert process is not None
        process.signal(signal.SIGKILL)
        assert wait_for_end([process], 10) == []
        await asyncio.to_thread(up, lab)
        assert incusd.daemon(place) not in (None, process)
        # The container has lived through it, and is under command again.
        assert await ask(engine, "px-a", "ls /run/before") == "/run/before\n"
        assert await address(engine, "px-a")
        await engine.stop_instance("px-a", timeout=30, force=False)

    drive(place, scenario)


def test_down_after_a_crash_leaves_nothing_either(lab: Path, place: Place) -> None:
    async def make() -> list[Path]:
        engine = setup.engine(place)
        await engine.start()
        await running(engine, "px-a", boot_autostart="false")
        groups = incusd.control_groups((await engine.instance("px-a")).raw["state"]["pid"])
        await engine.close()
        return groups

    groups = asyncio.run(make())
    assert groups
    process = incusd.daemon(place)
    assert process is not None
    process.signal(signal.SIGKILL)
    assert wait_for_end([process], 10) == []
    assert cli.main(["down", "--dir", str(lab)]) == 0
    assert incusd.remains(place) == []
    assert [group for group in groups if group.exists()] == []
    up(lab)

    async def scenario(engine: IncusEngine) -> None:
        await engine.start_instance("px-a")
        assert await address(engine, "px-a")

    drive(place, scenario)


def test_a_second_lab_and_the_users_own_incus_are_never_touched(lab: Path, place: Place) -> None:
    own = Path("/var/lib/incus")
    before = sorted(path.name for path in own.iterdir()) if own.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="second-") as name:
        other = Path(name) / ("a-long-name-" * 6)  # too long for a unix socket below it
        try:
            up(other)
            there = Place.recorded(other)
            assert there is not None
            assert there.incus_dir.parent == Path("/var/lib")
            assert (there.bridge, there.subnet, there.incus_dir) != (place.bridge, place.subnet, place.incus_dir)

            async def scenario(engine: IncusEngine) -> None:
                await running(engine, "px-a")
                assert [item.name for item in await engine.instances(state=False)] == ["px-a"]

            drive(there, scenario)
            assert cli.main(["destroy", "--dir", str(other)]) == 0
            assert incusd.remains(there) == []
            assert not there.incus_dir.exists()
            assert not other.exists()
        finally:
            cli.main(["destroy", "--dir", str(other)])
    assert incusd.daemon(place) is not None
    assert belonging_to(place.incus_dir, ["dnsmasq"])
    assert (sorted(path.name for path in own.iterdir()) if own.is_dir() else None) == before

    async def still(engine: IncusEngine) -> None:
        await running(engine, "px-a")

    drive(place, still)


def test_up_twice_changes_nothing(lab: Path, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    first, daemon = up(lab), incusd.daemon(place)
    capsys.readouterr()
    second = up(lab)
    assert (second.pid, incusd.daemon(place)) == (first.pid, daemon)
    assert "building" not in capsys.readouterr().out
