# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module authorized_keys: which lines it makes of which, and how it writes them."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import authorized_keys
from ansible_collections.pixels.sandbox.plugins.module_utils.core.authorized_keys import KeysError, Wish, merge, run

A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"
B = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyhwnbd/Og6XrXXWwF8B/sr8JPzc6k9wONvntOoAoNU"
ME = pwd.getpwuid(os.geteuid()).pw_name


class TestMerge:
    def test_what_is_right_stays_as_it_is(self) -> None:
        before = ["# remark", "", f"{A} old comment", f"{B} b"]
        assert merge(before, Wish([f"{A} new comment"], [], False)) == before

    def test_added_at_the_end(self) -> None:
        assert merge([f"{B} b"], Wish([f"{A} a"], [], False)) == [f"{B} b", f"{A} a"]

    def test_options_are_put_right_in_place(self) -> None:
        before = [f'command="x y",no-pty {A} a', f"{B} b"]
        assert merge(before, Wish([f"{A} a"], [], False)) == [f"{A} a", f"{B} b"]
        assert merge([f"{A} a"], Wish([f"restrict {A} a"], [], False)) == [f"restrict {A} a"]

    def test_one_line_a_key(self) -> None:
        assert merge([f"{A} a", f"no-pty {A} a", f"{B} b"], Wish([A], [], False)) == [f"{A} a", f"{B} b"]

    def test_absent_whatever_its_options(self) -> None:
        assert merge([f"no-pty {A} a", f"{B} b"], Wish([], [A], False)) == [f"{B} b"]

    def test_exclusive(self) -> None:
        assert merge(["# remark", f"{A} a", f"{B} b", "damaged"], Wish([A], [], True)) == ["# remark", f"{A} a", "damaged"]

    def test_a_remark_is_no_key(self) -> None:
        assert merge([f"# {A}"], Wish([A], [], False)) == [f"# {A}", A]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = pwd.getpwuid(os.geteuid())
    fake = pwd.struct_passwd((*own[:5], str(tmp_path), own[6]))
    real = pwd.getpwnam
    monkeypatch.setattr(authorized_keys.pwd, "getpwnam", lambda name: fake if name == ME else real(name))
    return tmp_path


def go(check_mode: bool = False, **options: Any) -> dict[str, Any]:
    keys = [
        {"state": "present", "users": None, **(entry if isinstance(entry, dict) else {"key": entry})} for entry in options.get("keys", [])
    ]
    return run({"users": options.get("users", [ME]), "keys": keys, "exclusive": options.get("exclusive", False)}, check_mode)


def lines(home: Path) -> list[str]:
    return (home / ".ssh/authorized_keys").read_text().splitlines()


class TestRun:
    def test_from_nothing_in_check_mode_then_really_then_again(self, home: Path) -> None:
        assert go(check_mode=True, keys=[A])["changed"] is True
        assert not (home / ".ssh").exists()
        result = go(keys=[A])
        assert result["accounts"] == [{"user": ME, "path": str(home / ".ssh/authorized_keys"), "changed": True, "keys": 1}]
        assert result["diff"][0]["before"] == "" and result["diff"][0]["after"] == f"{A}\n"
        assert lines(home) == [A]
        assert stat.S_IMODE((home / ".ssh").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / ".ssh/authorized_keys").stat().st_mode) == 0o600
        assert go(keys=[A]) == {**result, "changed": False, "diff": [], "accounts": [{**result["accounts"][0], "changed": False}]}

    def test_nothing_wanted_makes_nothing(self, home: Path) -> None:
        assert go(keys=[{"key": A, "state": "absent"}])["changed"] is False
        assert not (home / ".ssh").exists()

    def test_absent_and_the_last_word(self, home: Path) -> None:
        go(keys=[A, B])
        go(keys=[A, {"key": A, "state": "absent"}])
        assert lines(home) == [B]

    def test_modes(self, home: Path) -> None:
        go(keys=[A])
        (home / ".ssh/authorized_keys").chmod(0o644)
        (home / ".ssh").chmod(0o755)
        assert go(check_mode=True, keys=[A])["changed"] and go(keys=[A])["changed"] and not go(keys=[A])["changed"]

    def test_bytes_that_are_no_text_survive(self, home: Path) -> None:
        (home / ".ssh").mkdir()
        (home / ".ssh/authorized_keys").write_bytes(b"# caf\xe9\n")
        go(keys=[A])
        assert (home / ".ssh/authorized_keys").read_bytes() == b"# caf\xe9\n" + A.encode() + b"\n"

    @pytest.mark.parametrize("where", [".ssh", ".ssh/authorized_keys"])
    def test_d20_links_are_not_followed(self, home: Path, where: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        """D20: a planted link is replaced; what it points to is neither read nor written."""
        victim = tmp_path_factory.mktemp("victim")
        (victim / "authorized_keys").write_text(f"{B} foreign\n")
        if where == ".ssh":
            (home / ".ssh").symlink_to(victim)
        else:
            (home / ".ssh").mkdir(mode=0o700)
            (home / where).symlink_to(victim / "authorized_keys")
        assert go(check_mode=True, keys=[A])["changed"] is True
        assert (home / where).is_symlink()
        assert go(keys=[A])["changed"] is True
        assert (victim / "authorized_keys").read_text() == f"{B} foreign\n"
        assert lines(home) == [A] and not (home / where).is_symlink()

    def test_nobody_is_locked_out(self, home: Path) -> None:
        go(keys=[A])
        with pytest.raises(KeysError, match="nobody could log in"):
            go(exclusive=True)
        assert lines(home) == [A]

    def test_bad_input_changes_nothing(self, home: Path) -> None:
        with pytest.raises(KeysError, match="no public key"):
            go(keys=[A, "ssh-ed25519"])
        with pytest.raises(KeysError, match="no user nobody-of-that-name"):
            go(users=[ME, "nobody-of-that-name"], keys=[A])
        with pytest.raises(KeysError, match="stranger cannot be in the users of a key"):
            go(keys=[{"key": A, "users": ["stranger"]}])
        assert not (home / ".ssh").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    def test_d20_with_the_rights_of_the_account(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """D20: what the account may not do does not happen, though root runs it."""
        nobody = pwd.getpwnam("nobody")
        with tempfile.TemporaryDirectory(dir="/tmp") as name:  # pytest's own are closed to others
            home = Path(name)
            fake = pwd.struct_passwd((*nobody[:5], name, nobody[6]))
            monkeypatch.setattr(authorized_keys.pwd, "getpwnam", lambda _name: fake)
            home.chmod(0o755)
            with pytest.raises(KeysError, match="Permission denied"):
                go(users=["nobody"], keys=[A])
            assert os.geteuid() == 0 and not (home / ".ssh").exists()
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            go(users=["nobody"], keys=[A])
            assert (home / ".ssh/authorized_keys").stat().st_uid == nobody.pw_uid
