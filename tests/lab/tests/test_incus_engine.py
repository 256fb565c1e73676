"""Real containers: the image, the engine, its shells."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from incus_support import IMAGE, REAL, address, ask, drive, running

from truenas_lab.engine.base import EngineError, EngineInstance
from truenas_lab.engine.incus import IncusEngine
from truenas_lab.host import incusd, trust
from truenas_lab.host.place import Place
from truenas_lab.host.processes import belonging_to

pytestmark = REAL


# -- containers -----------------------------------------------------------------------------------------------------


def test_a_container_lives_and_dies(place: Place) -> None:
    events: list[tuple[str, str]] = []

    async def scenario(engine: IncusEngine) -> None:
        engine.on_status = lambda name, status: events.append((name, status))
        await engine.create("px-a", IMAGE, {"user.autostart": "false", "environment.FOO": "x y"}, {}, "tank")
        created = await engine.instance("px-a")
        assert (created.status, created.pool) == ("STOPPED", "tank")
        assert created.config["image.os"] == "Debian"
        assert set(created.devices) == {"root"}  # as on an appliance the network card is the profile's
        assert set(created.expanded_devices) == {"root", "eth0"}
        await engine.start_instance("px-a")
        where = await address(engine, "px-a")
        assert where.startswith(place.subnet.rpartition(".")[0])
        found = await engine.instance("px-a")
        assert found.status == "RUNNING"
        assert found.raw["state"]["network"] == found.network
        assert [item.network is None for item in await engine.instances(state=False)] == [True]
        assert (await ask(engine, "px-a", "hostname; grep -c px-a /etc/hosts; echo $FOO")).split("\n")[:3] == ["px-a", "1", "x y"]
        await engine.stop_instance("px-a", timeout=30, force=False)
        assert (await engine.instance("px-a")).status == "STOPPED"
        await engine.delete("px-a")
        assert await engine.instances() == []

    drive(place, scenario)
    assert events == [("px-a", "RUNNING"), ("px-a", "STOPPED")]


def test_the_image_is_like_a_public_one(place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        image = (await engine.images())[0]
        assert image.alias == "debian/bookworm/default"
        assert {"debian/12", "debian/bookworm"} <= set(image.other_aliases)
        assert await running(engine, "px-a") != await running(engine, "px-b")
        for program in ("sshd", "python3"):
            assert await ask(engine, "px-a", f"command -v {program} || echo none") == "none\n"
        assert (await ask(engine, "px-a", "systemctl is-system-running --wait")).strip() == "running"
        assert (await ask(engine, "px-a", "systemctl --failed --no-legend --plain")).strip() == ""
        first, second = [await ask(engine, name, "cat /etc/machine-id") for name in ("px-a", "px-b")]
        assert len(first.strip()) == 32
        assert first != second

    drive(place, scenario)


def test_a_container_reaches_the_machines_mirror_and_trusts_what_it_trusts(place: Place, tmp_path: Path) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        output = await ask(engine, "px-a", "systemctl is-system-running --wait; apt-get -qq update && echo up-to-date")
        assert "up-to-date" in output
        bundle = tmp_path / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True)
        bundle.write_text(await ask(engine, "px-a", "cat /etc/ssl/certs/ca-certificates.crt"))
        assert trust.certificates(bundle)
        assert trust.missing_in(tmp_path) == []

    drive(place, scenario)


def test_limits_hold_and_change_while_it_runs(place: Place) -> None:
    def memory(instance: EngineInstance) -> str:
        # Two daemons may have containers of one name: the group is known by the container's first process.
        for group in incusd.control_groups(instance.raw["state"]["pid"]):
            for path in (group / "memory.limit_in_bytes", group / "memory.max"):
                if path.exists():
                    return path.read_text().strip()
        raise AssertionError("the container has no memory group")

    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-limits", limits_cpu="1", limits_memory="256MiB", environment_OLD="1")
        before = await engine.instance("px-limits")
        assert memory(before) == str(256 * 1024**2)
        assert await ask(engine, "px-limits", "nproc") == "1\n"
        config = {key: value for key, value in before.config.items() if key not in ("environment.OLD", "limits.cpu")}
        await engine.update("px-limits", {**config, "limits.memory": "128MiB", "environment.NEW": "2"}, before.devices)
        after = await engine.instance("px-limits")
        assert memory(after) == str(128 * 1024**2)
        assert after.config["environment.NEW"] == "2"
        assert not {"environment.OLD", "limits.cpu"} & set(after.config)
        assert after.config["volatile.eth0.hwaddr"] == before.config["volatile.eth0.hwaddr"]
        # Incus deals out the processors a moment later.
        assert await ask(engine, "px-limits", f"until [ $(nproc) = {os.cpu_count()} ]; do sleep 0.1; done; echo all") == "all\n"
        await engine.update("px-limits", {**after.config, "limits.cpu": "1"}, after.devices)
        assert (await engine.instance("px-limits")).config["limits.cpu"] == "1"
        assert await ask(engine, "px-limits", "until [ $(nproc) = 1 ]; do sleep 0.1; done; echo one") == "one\n"

    drive(place, scenario)


def test_d32_a_second_pool_holds_what_is_put_there(place: Place) -> None:
    """D32: an instance on another pool is found there, not on the global one."""
    told: list[tuple[int, str]] = []

    async def percent(number: int, text: str) -> None:
        told.append((number, text))

    async def scenario(engine: IncusEngine) -> None:
        assert engine.pools == ["tank", "dozer"]
        await engine.create("px-a", IMAGE, {}, {}, "dozer", percent)
        assert (await engine.instance("px-a")).pool == "dozer"
        assert (place.incus_dir / "storage-pools/dozer/containers/px-a").is_dir()
        assert not (place.incus_dir / "storage-pools/tank/containers/px-a").exists()

    drive(place, scenario)
    assert told  # unpacked there for the first time
    assert all(0 <= number <= 100 and "%" in text for number, text in told)


def test_failures_carry_incus_own_words(place: Place) -> None:
    async def text(operation: Awaitable[Any]) -> str:
        with pytest.raises(EngineError) as caught:
            await operation
        return str(caught.value)

    async def scenario(engine: IncusEngine) -> None:
        assert "Instance not found" in await text(engine.instance("px-none"))
        assert "Instance not found" in await text(engine.stop_instance("px-none", timeout=1, force=False))
        assert "image couldn't be found" in await text(engine.create("px-a", "debian/99", {}, {}, "tank"))
        assert "Name must not start" in await text(engine.create("-a", IMAGE, {}, {}, "tank"))
        assert "Invalid CPU limit" in await text(engine.create("px-a", IMAGE, {"limits.cpu": "many"}, {}, "tank"))
        await running(engine, "px-a")
        assert "UNIQUE constraint" in await text(engine.create("px-a", IMAGE, {}, {}, "tank"))
        assert "already running" in await text(engine.start_instance("px-a"))
        await engine.stop_instance("px-a", timeout=-1, force=True)
        assert await text(engine.stop_instance("px-a", timeout=1, force=False)) == "The instance is already stopped"

    drive(place, scenario)


def test_a_restart_is_announced(place: Place) -> None:
    events: list[str] = []

    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        engine.on_status = lambda name, status: events.append(status)
        await engine.restart_instance("px-a", timeout=30, force=False)
        assert await address(engine, "px-a")

    drive(place, scenario)
    assert "RUNNING" in events


# -- shells ---------------------------------------------------------------------------------------------------------


def test_a_shell_carries_megabytes_both_ways(place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        lines = "\n".join("x" * 100 for _each in range(3000))
        script = f"cat >/tmp/in <<'EOF'\n{lines}\nEOF\nwc -c </tmp/in; for i in 1 2 3 4 5 6; do cat /tmp/in; done"
        output = await ask(engine, "px-a", script)
        assert output.startswith(f"{len(lines) + 1}\n")
        assert output.count("x" * 100) == 18000

    drive(place, scenario)


def test_a_shell_has_the_size_it_is_given(place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        shell = await engine.shell("px-a", "sh")
        # Its size and its input take two ways into the container.
        await shell.write(b"echo RE''ADY; until [ \"$(stty size)\" = '45 123' ]; do sleep 0.1; done; echo SI''ZE; exit\n")
        output = b""
        async for chunk in shell.read():
            output += chunk
            if b"READY" in output:
                await shell.resize(123, 45)
        await shell.close()
        assert b"SIZE" in output

    drive(place, scenario)


def test_a_closed_shell_leaves_no_process(place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        shell = await engine.shell("px-a", "sh")
        await shell.write(b"echo RE''ADY; exec sleep 98765\n")
        async for chunk in shell.read():
            if b"READY" in chunk:
                break
        await shell.close()
        # Incus kills it as soon as it notices: the watcher in the container ends when it is gone.
        await ask(engine, "px-a", "pid=$(pgrep -x sleep) && tail --pid=$pid -f /dev/null")
        assert await ask(engine, "px-a", "pgrep -x sleep || echo none") == "none\n"
        assert belonging_to(place.incus_dir, ["incus"]) == []

    drive(place, scenario)


def test_a_command_that_does_not_exist_ends_with_incus_text(place: Place) -> None:
    async def scenario(engine: IncusEngine) -> None:
        await running(engine, "px-a")
        shell = await engine.shell("px-a", "no-such-command")
        output = b"".join([chunk async for chunk in shell.read()])
        await shell.close()
        assert b"Error" in output

    drive(place, scenario)
