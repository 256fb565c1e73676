"""Datasets of real containers: real bytes on real copy-on-write snapshots, over the wire."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from incus_support import IMAGE, REAL, up
from running_lab import ApiError, RunningLab

from truenas_lab import cli
from truenas_lab.engine import btrfs
from truenas_lab.engine.incus_volumes import OWN
from truenas_lab.handover import Handover
from truenas_lab.host import packages
from truenas_lab.host.place import Place
from truenas_lab.host.processes import wait_for_end
from truenas_lab.host.run import run

pytestmark = REAL
MIB = 1024**2


class Api(RunningLab):
    """A lab with real containers, and a way into them."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.directory)
        self.place = place

    def make(self, name: str, pool: str = "tank", *, start: bool = False) -> str:
        values = {"name": name, "image": IMAGE, "autostart": start, "storage_pool": pool}
        job = self.job("virt.instance.create", values)
        assert job["error"] is None, job["error"]
        return self.dataset(name, pool)

    def do(self, method: str, name: str, *options: object) -> None:
        job = self.job(f"virt.instance.{method}", name, *options)
        assert job["error"] is None, job["error"]

    def stop(self, name: str) -> None:
        self.do("stop", name, {"force": True})

    def inside(self, name: str, script: str) -> str:
        program = packages.program(packages.INCUS)
        return run([program, "exec", name, "--", "sh", "-c", script], env={"INCUS_DIR": str(self.place.incus_dir)}, timeout=60)

    def root(self, name: str, pool: str = "tank") -> Path:
        return self.place.incus_dir / "storage-pools" / pool / "containers" / name / "rootfs"

    def take(self, ident: str) -> None:
        dataset, _at, label = ident.partition("@")
        self.ask("pool.snapshot.create", {"dataset": dataset, "name": label})

    def clone(self, ident: str, target: str) -> None:
        assert self.ask("pool.snapshot.clone", {"snapshot": ident, "dataset_dst": target}) is True

    def swap(self, ident: str, name: str, pool: str = "tank") -> str:
        """A new instance with the data of a snapshot."""
        dataset = self.make(name, pool)
        assert self.ask("zfs.dataset.delete", dataset, {"force": True}) is True
        self.clone(ident, dataset)
        return dataset

    def left(self) -> list[str]:
        """Subvolumes that are no image."""
        found = []
        for pool in ("tank", "dozer"):
            listed = run(["btrfs", "subvolume", "list", str(self.place.incus_dir / "storage-pools" / pool)])
            found += [f"{pool} {line.split(' path ')[1]}" for line in listed.splitlines() if " path images/" not in line]
        return found


@pytest.fixture
def api(place: Place) -> Iterator[Api]:
    api = Api(place)
    yield api
    Api(place).reset()  # the server may be another one by now
    assert api.left() == []


def test_a_rollback_brings_the_bytes_back(api: Api) -> None:
    a = api.make("px-a", start=True)
    before = api.inside("px-a", "head -c 1M /dev/urandom >/root/x; sha256sum /root/x")
    api.take(f"{a}@one")  # while it runs
    api.inside("px-a", "head -c 1M /dev/urandom >/root/x; touch /root/later; rm /etc/hostname")
    with pytest.raises(ApiError, match="dataset is busy"):
        api.ask("pool.snapshot.rollback", f"{a}@one")
    assert api.inside("px-a", "ls /root/later") == "/root/later\n"
    api.stop("px-a")
    assert api.ask("pool.snapshot.rollback", f"{a}@one") is None
    api.do("start", "px-a")
    assert api.inside("px-a", "sha256sum /root/x; ls /root/later 2>/dev/null; cat /etc/hostname") == f"{before}px-a\n"


@pytest.mark.parametrize("pool", ["tank", "dozer"])
def test_a_clone_by_swap_boots_with_the_data_of_its_source(api: Api, pool: str) -> None:
    a = api.make("px-a", pool, start=True)
    text = api.inside("px-a", "head -c 1M /dev/urandom >/root/x; sha256sum /root/x")
    api.take(f"{a}@ready")
    b = api.make("px-b", pool)
    assert api.ask("zfs.dataset.delete", b, {"force": True}) is True
    assert api.job("virt.instance.start", "px-b")["state"] == "FAILED"
    api.clone(f"{a}@ready", b)
    api.do("update", "px-b", {"environment": {"OWN": "b"}})
    api.do("start", "px-b")
    assert api.inside("px-b", "sha256sum /root/x; hostname; echo $OWN") == f"{text}px-b\nb\n"
    api.inside("px-b", "echo own >/root/x")
    assert api.inside("px-a", "sha256sum /root/x") == text
    assert api.datasets()[b] == f"{a}@ready"


def test_an_instance_without_its_dataset_can_be_deleted(api: Api) -> None:
    a = api.make("px-a")
    api.ask("zfs.dataset.delete", a, {"force": True})
    assert api.job("virt.instance.start", "px-a")["state"] == "FAILED"
    api.do("delete", "px-a")
    assert api.instances() == {}
    assert not api.root("px-a").parent.exists()


def test_a_dataset_in_the_way_prevents_a_creation(api: Api) -> None:
    a = api.dataset("px-a")
    api.ask("zfs.dataset.create", {"name": a})
    job = api.job("virt.instance.create", {"name": "px-a", "image": IMAGE})
    assert job["state"] == "FAILED" and "already exists" in job["error"]
    assert (api.instances(), list(api.datasets())) == ({}, [a])


def test_a_deleted_base_lives_on_until_its_last_clone_is_deleted(api: Api) -> None:
    a = api.make("px-a")
    (api.root("px-a") / "root/x").write_text("kept")
    api.take(f"{a}@ready")
    b = api.swap(f"{a}@ready", "px-b")
    api.do("delete", "px-a")
    (deleted,) = [name for name in api.datasets() if "/deleted/containers/" in name]
    assert api.datasets() == {deleted: api.datasets()[deleted], b: f"{deleted}@ready"}
    api.do("start", "px-b")
    assert api.inside("px-b", "cat /root/x") == "kept"
    api.do("delete", "px-b")
    assert (api.datasets(), api.left()) == ({}, [])


def test_a_deferred_snapshot_leaves_the_disk_with_its_last_clone(api: Api) -> None:
    a = api.make("px-a")
    api.take(f"{a}@tmp")
    b = api.swap(f"{a}@tmp", "px-b")
    assert api.ask("pool.snapshot.delete", f"{a}@tmp", {"defer": True}) is True
    assert api.snapshots()[f"{a}@tmp"]["deferred"]
    assert len(api.left()) == 3
    api.do("delete", "px-b")
    assert list(api.datasets()) == [a]
    assert api.left() == ["tank containers/px-a"]
    assert b not in api.datasets()


def test_a_restore_by_swap_keeps_what_is_newer(api: Api) -> None:
    a = api.make("px-a")
    file = api.root("px-a") / "root/x"
    file.write_text("old")
    api.take(f"{a}@one")
    file.write_text("new")
    api.take(f"{a}@two")
    fresh, kept = "tank/.ix-virt/pixels.new.px-a", "tank/.ix-virt/pixels.kept.px-a.1"
    api.clone(f"{a}@one", fresh)
    api.ask("pool.dataset.rename", a, {"new_name": kept, "force": True})
    assert not file.exists()
    api.ask("pool.dataset.rename", fresh, {"new_name": a, "force": True})
    api.ask("pool.dataset.promote", a)
    assert file.read_text() == "old"
    assert list(api.snapshots()) == [f"{a}@one", f"{kept}@two"]
    api.do("start", "px-a")
    assert api.inside("px-a", "cat /root/x") == "old"
    api.stop("px-a")
    api.ask("pool.snapshot.delete", f"{kept}@two")
    api.ask("zfs.dataset.delete", kept)
    assert list(api.datasets()) == [a]


def test_sizes_are_those_of_the_data(api: Api) -> None:
    api.limits(sizes_seconds=0)
    a = api.make("px-a")
    file = api.root("px-a") / "root/x"
    api.take(f"{a}@before")
    file.write_bytes(os.urandom(8 * MIB))
    api.take(f"{a}@with")
    file.unlink()
    api.take(f"{a}@after")

    def sizes() -> dict[str, tuple[int, int]]:
        found = api.ask("pool.snapshot.query", [["dataset", "=", a]], {"extra": {"properties": ["used", "referenced"]}})
        return {item["snapshot_name"]: tuple(item["properties"][name]["parsed"] for name in ("used", "referenced")) for item in found}

    found = sizes()
    assert 8 * MIB <= found["with"][0] < 9 * MIB
    assert found["before"][0] < MIB and found["after"][0] < MIB
    assert 8 * MIB <= found["with"][1] - found["before"][1] < 9 * MIB
    assert found["before"][1] > 50 * MIB
    b = api.swap(f"{a}@with", "px-b")
    assert sizes()["with"][0] < MIB  # the clone holds it too
    (entry,) = api.ask("zfs.resource.query", {"paths": [b], "properties": ["used", "referenced"]})
    assert entry["properties"]["used"]["value"] < MIB


def test_subvolumes_that_a_container_made_are_part_of_it(api: Api) -> None:
    a = api.make("px-a")
    inner = api.root("px-a") / "srv/inner"
    for path in (inner, inner / "most"):
        btrfs.create(path)
        (path / "x").write_text("before")
    api.take(f"{a}@one")
    (inner / "most/x").write_text("after")
    api.ask("pool.snapshot.rollback", f"{a}@one")
    assert [(path / "x").read_text() for path in (inner, inner / "most")] == ["before", "before"]
    (inner / "most/x").write_text("it can be written")
    api.swap(f"{a}@one", "px-b")
    api.do("delete", "px-a")
    assert (api.root("px-b") / "srv/inner/most/x").read_text() == "before"


def test_everything_is_there_again_after_down_and_up(api: Api, lab: Path) -> None:
    a = api.make("px-a")
    (api.root("px-a") / "root/x").write_text("kept")
    api.take(f"{a}@one")
    api.take(f"{a}@two")
    api.ask("pool.snapshot.hold", f"{a}@one")
    b = api.swap(f"{a}@two", "px-b")
    api.ask("pool.snapshot.delete", f"{a}@two", {"defer": True})
    api.clone(f"{a}@one", "tank/.ix-virt/pixels.new.px-a")
    before = api.state()["datasets"], api.state()["snapshots"]
    assert cli.main(["down", "--dir", str(lab)]) == 0
    up(lab)
    again = Api(api.place)
    assert (again.state()["datasets"], again.state()["snapshots"]) == before
    again.do("delete", "px-b")
    assert f"{a}@two" not in again.snapshots()
    assert b not in again.datasets()
    again.ask("pool.snapshot.release", f"{a}@one")
    again.ask("pool.snapshot.rollback", f"{a}@one")
    assert (again.root("px-a") / "root/x").read_text() == "kept"


def test_a_killed_server_finds_its_way_back(api: Api, lab: Path) -> None:
    a = api.make("px-a")
    api.take(f"{a}@one")
    api.take(f"{a}@two")
    own = api.place.incus_dir / "storage-pools/tank" / OWN
    handover = Handover.load(lab)
    assert handover is not None
    handover.server.signal(signal.SIGKILL)
    assert wait_for_end([handover.server], 10) == []
    # What it may have left undone: data that nothing was written down of, and data that is gone.
    btrfs.create(own / "snapshots/4711")
    btrfs.create(own / "fresh/half")
    api.place.incus_dir.joinpath("storage-pools/tank/containers/px-a").rename(own / "datasets/4712")
    up(lab)
    again = Api(api.place)
    assert again.datasets() == {}
    assert again.left() == []
    again.do("delete", "px-a")


def test_a_deletion_behind_the_labs_back_is_noticed(api: Api) -> None:
    a = api.make("px-a")
    api.take(f"{a}@one")
    b = api.swap(f"{a}@one", "px-b")
    run([packages.program(packages.INCUS), "delete", "px-a"], env={"INCUS_DIR": str(api.place.incus_dir)})
    assert a not in api.datasets()
    assert api.datasets()[b].endswith("@one")  # type: ignore[union-attr]
    api.make("px-a")
    assert [name for name in api.snapshots() if name.startswith(a)] == []


def test_one_that_vanishes_while_it_is_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incus removes instances while others are looked at."""
    path = api.place.incus_dir / "storage-pools" / "tank" / OWN / "vanishing"
    path.parent.mkdir(exist_ok=True)
    btrfs.create(path)
    assert btrfs.look(path) is not None
    opened = os.open

    def open_and_remove(target: Path, *arguments: int) -> int:
        descriptor = opened(target, *arguments)
        if target == path:
            run(["btrfs", "subvolume", "delete", str(path)])
        return descriptor

    monkeypatch.setattr(os, "open", open_and_remove)
    assert btrfs.look(path) is None
