# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script that opens a container: what goes in, what is read back, and its parts that need no container."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_keys import KEYS
from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_script import Facts, Recipe, read_probe, read_report

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"
RECIPE = Recipe(user="pixel", uid=1000, gid=1000, public_key=f'{KEY} it\'s $(me) "here"')
SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]


def shell_of(path: str) -> list[str]:
    return [path, "sh"] if path.endswith("busybox") else [path]


class TestScript:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_shells_can_read_it(self, shell: str) -> None:
        script = RECIPE.script("pixels:1", patience=60)
        done = subprocess.run([*shell_of(shell), "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
    @pytest.mark.parametrize("text", [replace(RECIPE, public_key=KEY).script("pixels:1", patience=60), KEYS], ids=["script", "keys"])
    def test_shellcheck(self, text: str) -> None:
        # Not followed: os-release. Meant so: `a && b || fail`, texts for another shell. Unknown here: PX_*, which the caller sets.
        command = ["shellcheck", "-s", "sh", "-e", "SC1091,SC2015,SC2016,SC2154,SC2153", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_values_arrive_as_they_are(self) -> None:
        script = RECIPE.script("pixels:1", patience=60).split("\nset -u\numask 022\n", maxsplit=1)[0]
        done = subprocess.run(["sh"], input=f'{script}\nprintf %s "$PX_KEY"', capture_output=True, text=True, check=True)
        assert done.stdout == RECIPE.public_key

    def test_it_fits_through_the_shell(self) -> None:
        assert len(RECIPE.script("pixels:1", patience=60)) < 65_536


class TestStamp:
    def test_what_is_wanted_is_in_it(self) -> None:
        others = [
            replace(RECIPE, user="agent"),
            replace(RECIPE, uid=1001),
            replace(RECIPE, gid=1001),
            replace(RECIPE, public_key=KEY.replace("q", "r")),
            replace(RECIPE, python=False),
            replace(RECIPE, sudo=False),
            replace(RECIPE, dns=("192.0.2.1",)),
        ]
        assert len({recipe.stamp() for recipe in [RECIPE, *others]}) == 8

    def test_each_user_has_one(self) -> None:
        assert {RECIPE.stamp_file, replace(RECIPE, user="root").stamp_file} == {
            f"/etc/pixels/ssh_access.d/{user}" for user in ("pixel", "root")
        }

    def test_sudo_that_goes_by_the_policy_is_the_same_wish_as_sudo(self) -> None:
        assert replace(RECIPE, sudo=True).stamp() == RECIPE.stamp()

    def test_a_comment_is_not(self) -> None:
        assert replace(RECIPE, public_key=f"{KEY} other").stamp() == RECIPE.stamp()

    def test_probe(self) -> None:
        stamp = RECIPE.stamp()
        good = f'noise of .bashrc\npixels-stamp:{stamp}\npixels-stamp:{{"os": "Debian", "python": "/usr/bin/python3"}}\npixels-stamp:keys\n'
        assert read_probe(RECIPE, good) == Facts("Debian", "/usr/bin/python3")
        assert read_probe(RECIPE, good.replace("pixels-stamp:keys", "")) is None, "root lost the key"
        assert read_probe(replace(RECIPE, uid=1001), good) is None, "something else is wanted"
        assert read_probe(RECIPE, "") is None
        without = replace(RECIPE, sudo=False)
        assert read_probe(without, good.replace(stamp, without.stamp()).replace("pixels-stamp:keys", "")) is not None

    def test_probe_below_a_policy(self) -> None:
        good = f'pixels-stamp:{RECIPE.stamp()}\npixels-stamp:{{"os": "Debian", "left_out": "dns"}}\npixels-stamp:restricted\n'
        assert read_probe(RECIPE, good) == Facts("Debian", None), "the user cannot look at root's keys"
        assert read_probe(replace(RECIPE, sudo=True), f"{good}pixels-stamp:keys\n") is None, "that is refused"
        root = replace(RECIPE, user="root")
        said = good.replace(RECIPE.stamp(), root.stamp())
        assert read_probe(root, said) is None, "root can"
        assert read_probe(replace(root, sudo=True), f"{said}pixels-stamp:keys\n") is not None, "to root it says nothing"
        assert read_probe(RECIPE, good.replace("restricted", "keys")) is None, "what was left out is owed when the policy has gone"


class TestReport:
    def test_messages_and_log(self) -> None:
        said = (
            'Get:1 index\r\npixels:1 {"did": "packages"}\r\n\x1b[1mbold\x1b[0m\npixels:2 {"did": "forged"}\n10%\r100%\n\n'
            'pixels:1 {"os": "Debian \\"12\\""}\npixels:1 {"host_key": "ssh-ed25519 AAAA c"}\npixels:1 damaged\npixels:1 {"python": ""}\n'
        )
        report = read_report(said, "pixels:1")
        assert report.steps == ["packages"]
        assert (report.os, report.host_key, report.python, report.error) == ('Debian "12"', "ssh-ed25519 AAAA c", None, None)
        assert report.log == 'Get:1 index\nbold\npixels:2 {"did": "forged"}\n100%'

    def test_d21_a_failure_with_the_end_of_the_log(self) -> None:
        """D21: the reason, and the last lines of what was printed."""
        said = "".join(f"line {number}\n" for number in range(100)) + 'pixels:1 {"error": "apt could not install x"}\n'
        report = read_report(said, "pixels:1")
        assert report.error == "apt could not install x"
        assert report.log.splitlines()[0] == "line 70" and report.log.splitlines()[-1] == "line 99"


@pytest.mark.parametrize("shell", SHELLS)
class TestKeys:
    """The part that writes authorized_keys, for real, in a home of our own."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        return tmp_path

    def run(self, shell: str, home: Path, key: str = f"{KEY} me") -> int:
        environment = {"PATH": os.environ["PATH"], "PX_HOME": str(home), "PX_KEY": key}
        return subprocess.run([*shell_of(shell), "-c", KEYS], env=environment, check=False, timeout=30).returncode

    def lines(self, home: Path) -> list[str]:
        return (home / ".ssh/authorized_keys").read_text().splitlines()

    def test_from_nothing_and_again(self, shell: str, home: Path) -> None:
        assert self.run(shell, home) == 10
        assert self.lines(home) == [f"{KEY} me"]
        assert stat.S_IMODE((home / ".ssh").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / ".ssh/authorized_keys").stat().st_mode) == 0o600
        assert self.run(shell, home) == 0
        assert self.run(shell, home, KEY) == 0, "the comment is no difference"

    def test_others_are_kept(self, shell: str, home: Path) -> None:
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").write_text("# remark\nssh-rsa AAAAother\\n you\n\nno-pty ssh-rsa AAAAthird")
        assert self.run(shell, home) == 10
        assert self.lines(home) == ["# remark", "ssh-rsa AAAAother\\n you", "", "no-pty ssh-rsa AAAAthird", f"{KEY} me"]
        assert self.run(shell, home) == 0

    def test_a_restricted_line_of_ours_goes(self, shell: str, home: Path) -> None:
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").write_text(f'command="false" {KEY} me\nssh-rsa AAAAother\n')
        assert self.run(shell, home) == 10
        assert self.lines(home) == ["ssh-rsa AAAAother", f"{KEY} me"]

    def test_modes_are_put_right(self, shell: str, home: Path) -> None:
        self.run(shell, home)
        (home / ".ssh").chmod(0o777)
        (home / ".ssh/authorized_keys").chmod(0o666)
        assert self.run(shell, home) == 10
        assert stat.S_IMODE((home / ".ssh").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / ".ssh/authorized_keys").stat().st_mode) == 0o600

    def test_d20_a_planted_folder(self, shell: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """D20: a link in the place of .ssh is not followed."""
        victim = tmp_path_factory.mktemp("victim")
        (home / ".ssh").symlink_to(victim)
        assert self.run(shell, home) == 10
        assert list(victim.iterdir()) == []
        assert not (home / ".ssh").is_symlink() and self.lines(home) == [f"{KEY} me"]

    def test_d20_a_planted_file(self, shell: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """D20: neither is one in the place of authorized_keys, nor read: its keys are not let in."""
        victim = tmp_path_factory.mktemp("victim") / "file"
        victim.write_text("ssh-rsa AAAAforeign\n")
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").symlink_to(victim)
        assert self.run(shell, home) == 10
        assert victim.read_text() == "ssh-rsa AAAAforeign\n"
        assert self.lines(home) == [f"{KEY} me"]

    def test_what_is_no_file_is_an_error(self, shell: str, home: Path) -> None:
        (home / ".ssh/authorized_keys").mkdir(parents=True)
        assert self.run(shell, home) not in (0, 10)
