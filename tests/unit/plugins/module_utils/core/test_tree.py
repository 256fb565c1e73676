"""What a hostile container may send in the place of an archive: nothing of it gets out of the directory, and nothing fills the disk."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_link import Lost, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.core.tree import BLOCK, Limits, extract

SMALL = Limits(bytes=64 * 1024, files=5)


def reader(data: bytes, step: int = 700) -> Callable[[int], bytes]:
    """The stream as a network gives it: in pieces that have nothing to do with what is in them."""
    stream = io.BytesIO(data)
    return lambda size: stream.read(min(size, step))


def member(name: str, data: bytes = b"", **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % BLOCK)


END = bytes(2 * BLOCK)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """The directory, beside which nothing may appear."""
    path = tmp_path / "outer" / "target"
    path.mkdir(parents=True)
    yield path
    assert [entry.name for entry in (tmp_path / "outer").iterdir()] == ["target"]
    assert not any(entry.is_symlink() for entry in path.rglob("*"))


def files(target: Path) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_plain_files_arrive(target: Path) -> None:
    sent = {"a": b"", "b/c/d.txt": b"x" * BLOCK, "b/é": b"y" * 1000, "b/\udcff": b"z"}
    entries = extract(reader(b"".join(member(name, data) for name, data in sent.items()) + END), target, SMALL)
    assert files(target) == sent
    assert [(entry.name, entry.size) for entry in entries] == [(name, len(data)) for name, data in sent.items()]


def test_modes_and_owners_are_ours(target: Path) -> None:
    extract(reader(member("a", b"x", mode=0o6777, uid=12345, gid=12345) + END), target, SMALL)
    found = (target / "a").stat()
    assert found.st_mode & 0o7133 == 0 and found.st_uid != 12345


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "a/../../b", "..", ".", "a/./b", "a//b", "a/", "", "a\nb", "a\x1b[2J", "a/" * 60 + "b"], ids=repr
)
def test_paths_that_lead_elsewhere(name: str, target: Path) -> None:
    with pytest.raises(Refused):
        extract(reader(member(name, b"x") + END), target, SMALL)
    assert files(target) == {}


@pytest.mark.parametrize(
    "kind",
    # Links, devices, directories, extended headers, long names, sparse files, and what nobody knows.
    [bytes([kind]) for kind in b"12345" + b"67xg" + b"LKSX?"],
    ids=repr,
)
def test_anything_but_a_plain_file(kind: bytes, target: Path) -> None:
    with pytest.raises(Refused, match="no plain file"):
        extract(reader(member("a", type=kind, linkname="/etc/passwd") + END), target, SMALL)
    assert files(target) == {}


def test_a_link_in_disguise(target: Path) -> None:
    with pytest.raises(Refused, match="no plain file"):
        extract(reader(member("a", linkname="/etc/passwd") + END), target, SMALL)


def test_a_file_twice_and_a_file_below_a_file(target: Path) -> None:
    with pytest.raises(Refused, match="twice"):
        extract(reader(member("a", b"1") + member("a", b"2") + END), target, SMALL)
    assert files(target) == {"a": b"1"}
    with pytest.raises(Refused, match="one name"):
        extract(reader(member("b", b"1") + member("b/c", b"2") + END), target, SMALL)
    with pytest.raises(Refused, match="one name"):
        extract(reader(member("d/e", b"1") + member("d", b"2") + END), target, SMALL)


def test_what_nobody_asked_for(target: Path) -> None:
    with pytest.raises(Refused, match=r"nobody asked for: result\.json"):
        extract(reader(member("result.json", b"{}") + END), target, SMALL, lambda name: name != "result.json")


def test_a_size_that_is_too_much_is_refused_before_it_comes(target: Path) -> None:
    def read(size: int) -> bytes:
        asked.append(size)
        return stream.read(size)

    asked: list[int] = []
    info = tarfile.TarInfo("big")
    info.size = 1 << 40
    stream = io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(Refused, match="more than 65536 bytes"):
        extract(read, target, SMALL)
    assert sum(asked) == BLOCK and files(target) == {}


def test_many_small_ones_are_too_much_as_well(target: Path) -> None:
    with pytest.raises(Refused, match="more than 5 files"):
        extract(reader(b"".join(member(f"f{number}") for number in range(6)) + END), target, SMALL)
    with pytest.raises(Refused, match="more than 65536 bytes"):
        extract(reader(b"".join(member(f"g{number}", bytes(30_000)) for number in range(4)) + END), target, SMALL)


def test_a_stream_without_an_end(target: Path) -> None:
    with pytest.raises(Refused):
        extract(lambda size: b"\xff" * size, target, SMALL)
    with pytest.raises(Lost):
        extract(reader(member("a", b"x" * 1000)[:800]), target, SMALL)


@pytest.mark.parametrize("at", [0, 150, 156, 260], ids=["name", "checksum", "type", "magic"])
def test_a_damaged_header(at: int, target: Path) -> None:
    data = bytearray(member("a", b"x") + END)
    data[at] ^= 0x55
    with pytest.raises(Refused):
        extract(reader(bytes(data)), target, SMALL)


def test_a_negative_size(target: Path) -> None:
    info = tarfile.TarInfo("a")
    info.size = -512
    with pytest.raises(Refused):
        extract(reader(info.tobuf(tarfile.GNU_FORMAT) + END), target, SMALL)
