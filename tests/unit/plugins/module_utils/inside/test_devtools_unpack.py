# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of tools: what is in them comes out, and nothing of them gets outside of their directory."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_unpack as unpacking
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_unpack import Refused, top_of, unpack
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "outer" / "place"
    place.mkdir(parents=True)
    return place


def member(name: str, kind: bytes, target: str = "", mode: int = 0o644) -> tuple[str, tarfile.TarInfo]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return name, info


def unpacked(folder: Path, *members: tuple[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> None:
    path = folder.parent / "archive"
    path.write_bytes(archive(*members, mode=mode))
    unpack(str(path), str(folder))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_files_directories_and_links_that_stay_inside(folder: Path, mode: str) -> None:
    unpacked(
        folder,
        member("package/empty/", tarfile.DIRTYPE, mode=0o700),
        ("package/bin/tool", b"program"),
        member("package/bin/other", tarfile.SYMTYPE, "tool"),
        member("package/lib/up", tarfile.SYMTYPE, "../bin/tool"),
        member("package/bin/same", tarfile.LNKTYPE, "package/bin/tool"),
        mode=mode,
    )
    top = Path(top_of(str(folder)))
    assert top.name == "package" and (top / "bin/tool").read_bytes() == b"program"
    assert (top / "lib/up").read_bytes() == b"program" and (top / "bin/same").samefile(top / "bin/tool")
    assert (top / "empty").stat().st_mode & 0o777 == 0o755


def test_modes_are_ours(folder: Path) -> None:
    name, info = member("package/program", tarfile.REGTYPE, mode=0o6777)
    unpacked(folder, (name, info), member("package/data", tarfile.REGTYPE, mode=0o600))
    assert os.stat(folder / "package/program").st_mode & 0o7777 == 0o755
    assert os.stat(folder / "package/data").st_mode & 0o7777 == 0o644


ATTACKS: dict[str, list[tuple[str, bytes | tarfile.TarInfo]]] = {
    "absolute": [("/tmp/evil", b"x")],
    "up": [("package/../../evil", b"x")],
    "only up": [("..", b"x")],
    "link to an absolute path": [member("package/link", tarfile.SYMTYPE, "/etc")],
    "link up": [member("package/link", tarfile.SYMTYPE, "../../etc")],
    "link out of the one directory": [member("package/link", tarfile.SYMTYPE, "../evil")],
    "link down and up": [member("package/a/dir", tarfile.SYMTYPE, ".."), member("package/a/link", tarfile.SYMTYPE, "dir/../../..")],
    "link of nothing": [member("package/link", tarfile.SYMTYPE, "")],
    "file through a link": [member("package/link", tarfile.SYMTYPE, "."), ("package/link/evil", b"x")],
    "file over a link": [member("package/link", tarfile.SYMTYPE, "other"), ("package/link", b"x")],
    "file through a file": [("package/file", b"x"), ("package/file/evil", b"x")],
    "file twice": [("package/file", b"x"), ("package/file", b"y")],
    "hard link outside": [member("package/link", tarfile.LNKTYPE, "/etc/passwd")],
    "hard link up": [member("package/link", tarfile.LNKTYPE, "../../../etc/passwd")],
    "hard link to what is not there": [member("package/link", tarfile.LNKTYPE, "package/missing")],
    "hard link to a link": [member("package/a", tarfile.SYMTYPE, "b"), member("package/link", tarfile.LNKTYPE, "package/a")],
    "device": [member("package/null", tarfile.CHRTYPE)],
    "block device": [member("package/disk", tarfile.BLKTYPE)],
    "pipe": [member("package/pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_what_could_get_outside_refuses_the_whole(folder: Path, name: str) -> None:
    with pytest.raises(Refused):
        unpacked(folder, ("package/bin/tool", b"x"), *ATTACKS[name])
    outside = [path for path in folder.parent.rglob("*") if folder not in (path, *path.parents) and path.name != "archive"]
    assert outside == []


def test_no_archive_and_half_of_one(folder: Path) -> None:
    whole = archive(("package/tool", os.urandom(100_000)))
    for data in (b"<html>", b"", whole[: len(whole) // 2]):
        path = folder.parent / "archive"
        path.write_bytes(data)
        with pytest.raises(Refused):
            unpack(str(path), str(folder))
        assert not (folder / "package/tool").exists() or (folder / "package/tool").unlink() is None


def test_limits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 2)
    with pytest.raises(Refused, match="more than 2 members"):
        unpacked(folder, ("a", b""), ("b", b""), ("c", b""))
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 100)
    monkeypatch.setattr(unpacking, "MOST_BYTES", 10)
    with pytest.raises(Refused, match="the archive has more"):
        unpacked(folder, ("d", b"x" * 11))


def test_without_one_directory_the_tool_begins_at_the_top(folder: Path) -> None:
    unpacked(folder, ("tool", b"x"))
    assert top_of(str(folder)) == str(folder)
