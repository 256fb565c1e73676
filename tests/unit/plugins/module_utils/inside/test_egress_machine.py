# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine below the policy: files that are there all at once, and programs whose every failure is one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine, digest, end_of, fingerprint


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(str(tmp_path))


class TestFiles:
    def test_written_and_read(self, machine: Machine) -> None:
        machine.write("/etc/egress/a.lst", "täxt\udcff\n", 0o640)
        assert machine.read("/etc/egress/a.lst") == "täxt\udcff\n"
        assert Path(machine.path("/etc/egress/a.lst")).read_bytes() == b"t\xc3\xa4xt\xff\n"
        assert stat.S_IMODE(Path(machine.path("/etc/egress/a.lst")).stat().st_mode) == 0o640

    def test_a_link_is_replaced_not_followed(self, machine: Machine, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text("theirs")
        (tmp_path / "link").symlink_to("elsewhere")
        machine.write("/link", "ours")
        assert (tmp_path / "elsewhere").read_text() == "theirs"
        assert not (tmp_path / "link").is_symlink() and machine.read("/link") == "ours"

    def test_write_that_fails_leaves_what_was_there_and_no_litter(
        self, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.write("/a", "old")

        def refuse(*_arguments: object) -> None:
            raise OSError(28, "full")

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="full"):
            machine.write("/a", "new")
        assert [path.name for path in tmp_path.iterdir()] == ["a"] and machine.read("/a") == "old"

    @pytest.mark.parametrize("name", ["/none", "/folder", "/file/below"])
    def test_what_is_no_file_reads_as_none(self, machine: Machine, tmp_path: Path, name: str) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        assert (machine.read(name), machine.read_json(name), machine.fingerprint(name)) == (None, None, "")

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "{} {}"])
    def test_damaged_json_is_empty_and_not_absent(self, machine: Machine, text: str) -> None:
        machine.write("/a", text)
        assert machine.read_json("/a") == {}

    def test_json_comes_back(self, machine: Machine) -> None:
        machine.write_json("/a", {"b": [1, None], "a": "ü"}, 0o600)
        assert machine.read_json("/a") == {"a": "ü", "b": [1, None]}
        assert machine.fingerprint("/a").startswith("600:")

    def test_removing_what_is_gone(self, machine: Machine) -> None:
        machine.write("/a", "")
        machine.remove("/a")
        machine.remove("/a")
        assert not machine.exists("/a")

    def test_listed_by_full_names(self, machine: Machine) -> None:
        machine.write("/etc/b", "")
        machine.write("/etc/.a", "")
        assert machine.listed("/etc") == ["/etc/.a", "/etc/b"]
        assert machine.listed("/none") == machine.listed("/etc/b") == []


class TestFingerprint:
    def test_mode_and_content(self, machine: Machine) -> None:
        machine.write("/a", "text", 0o755)
        assert machine.fingerprint("/a") == fingerprint(b"text", 0o755)
        assert len({fingerprint(b"text", 0o755), fingerprint(b"text", 0o644), fingerprint(b"texts", 0o755)}) == 3

    def test_a_link_to_the_same_content_is_something_else(self, machine: Machine, tmp_path: Path) -> None:
        machine.write("/a", "text")
        (tmp_path / "b").symlink_to("a")
        assert machine.fingerprint("/b") == ""

    def test_a_file_of_another_user_is_something_else(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        machine.write("/a", "text")
        monkeypatch.setattr(Machine, "owner", os.geteuid() + 1)
        assert machine.fingerprint("/a") == ""

    def test_in_the_container_it_is_root_s(self) -> None:
        assert Machine().owner == 0

    def test_setuid_bit_counts(self, machine: Machine) -> None:
        machine.write("/a", "text", 0o4755)
        assert machine.fingerprint("/a") != fingerprint(b"text", 0o755)


class TestPrograms:
    def test_what_it_says_on_both_ways(self, machine: Machine) -> None:
        assert machine.run("sh", "-c", "echo out; echo err >&2") == (0, "out\nerr\n")

    def test_failure_has_the_command_and_what_was_said(self, machine: Machine) -> None:
        with pytest.raises(Failed, match=r"^sh -c echo no; exit 3 ended with status 3$") as failure:
            machine.run("sh", "-c", "echo no; exit 3")
        assert failure.value.log == "no\n"
        assert machine.run("sh", "-c", "echo no; exit 3", check=False) == (3, "no\n")

    def test_missing_program(self, machine: Machine) -> None:
        assert machine.run("/no/such/program", check=False) == (127, "/no/such/program is not installed")
        with pytest.raises(Failed, match="status 127"):
            machine.run("/no/such/program")

    @pytest.mark.parametrize(("content", "mode"), [(b"", 0o644), (b"\x7fELF", 0o755)], ids=["not executable", "damaged"])
    def test_program_that_cannot_be_executed(self, machine: Machine, tmp_path: Path, content: bytes, mode: int) -> None:
        (tmp_path / "load").write_bytes(content)
        (tmp_path / "load").chmod(mode)
        status, said = machine.run(str(tmp_path / "load"), check=False)
        assert status == 126 and said
        with pytest.raises(Failed, match="status 126"):
            machine.run(str(tmp_path / "load"))

    def test_program_that_does_not_end(self, machine: Machine) -> None:
        status, said = machine.run("sh", "-c", "echo begun; exec sleep 60", check=False, timeout=0.3)
        assert status == 124 and said.startswith("begun\n") and "has not ended within" in said

    def test_it_reads_nothing_and_has_an_environment_of_its_own(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
        status, said = machine.run("sh", "-c", "cat; env; pwd", env={"MORE": "1"})
        assert status == 0 and "LD_PRELOAD_OF_SOMEBODY" not in said
        assert {"LC_ALL=C", "HOME=/root", "MORE=1", "DEBIAN_FRONTEND=noninteractive"} <= set(said.splitlines()) and said.endswith("\n/\n")

    def test_bytes_that_are_no_text(self, machine: Machine) -> None:
        assert machine.run("printf", "\\377ok") == (0, "\N{REPLACEMENT CHARACTER}ok")


def test_digest_of_any_text() -> None:
    assert digest("\udcff") != digest("") and len(digest("ü")) == 64


@pytest.mark.parametrize(
    ("text", "lines"), [("", []), ("a\nb\n\n", ["a", "b"]), ("\n".join(map(str, range(50))), [str(n) for n in range(20, 50)])]
)
def test_end_of_what_was_said(text: str, lines: list[str]) -> None:
    assert end_of(text) == lines
