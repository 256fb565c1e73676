# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the script does for users, one after the other and below an egress policy: its real steps, in a tree of files of our own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_script import Facts, Recipe, Report, read_probe, read_report

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"
PIXEL = Recipe(user="pixel", uid=1000, gid=1000, public_key=KEY)
ROOT = Recipe(user="root", uid=0, gid=0, public_key=KEY)
OWN = "pixel ALL=(ALL:ALL) NOPASSWD: ALL\n"
OTHER = "other ALL=(ALL:ALL) NOPASSWD: ALL\n"
SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]
MARK = "pixels:1"
# Whoever runs the tests stands for root, and what would change this machine does nothing.
STUBS = """
stat() { command stat "$@" | sed 's/ [0-9]*$/ 0/'; }
with_systemd() { return 1; }
visudo() { return 0; }
for step in wait_for_boot check_account packages own_name account keys identity server_settings server; do eval "$step() { :; }"; done
host_key() { public='ssh-ed25519 AAAA'; }
"""
# The right is the file: what sudo itself makes of it is not the question here.
SUDO = '#!/bin/sh\n[ "$1" = -n ] && grep -q "^$ASKING " "$TREE/etc/sudoers.d/pixels" 2>/dev/null || exit 1\nshift\nexec "$@"\n'


class Tree:
    """The files of a container."""

    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.shell = [shell, "sh"] if shell.endswith("busybox") else [shell]
        self.policy = root / "etc/egress/policy.json"
        self.sudoers = root / "etc/sudoers.d/pixels"
        self.resolver = root / "etc/resolv.conf"
        self.write("root/.ssh/authorized_keys", f"{KEY}\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("bin/sudo", SUDO).chmod(0o755)
        (root / "run").mkdir()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def restrict(self) -> None:
        self.write("etc/egress/policy.json", "{}")

    def place(self, script: str) -> str:
        for folder in ("etc", "run", "root"):
            script = script.replace(f"/{folder}/", f"{self.root}/{folder}/")
        return script

    def run(self, recipe: Recipe, call: str = "main", stubs: str = "") -> Report:
        """All of the script, or one function of it."""
        script = recipe.script(MARK, patience=10)
        functions = script.removesuffix("\nmain\n")
        assert functions != script
        done = subprocess.run(
            self.shell, input=f"{self.place(functions)}\n{STUBS}{stubs}\n{call}\n", capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == ""
        return read_report(done.stdout, MARK)

    def probe(self, recipe: Recipe) -> Facts | None:
        env = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "TREE": str(self.root), "ASKING": recipe.user}
        command = [*self.shell, "-c", self.place(recipe.probe())]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        return read_probe(recipe, done.stdout) if done.returncode == 0 else None

    def files(self) -> dict[str, str]:
        return {str(path): path.read_text() for path in sorted(self.root.rglob("*")) if path.is_file() and not path.name.endswith(".lock")}


@pytest.fixture(params=SHELLS)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return Tree(tmp_path, request.param)


class TestTurns:
    def test_root_and_the_user_have_a_stamp_each(self, tree: Tree) -> None:
        tree.write("etc/pixels/ssh_access", "2 of an earlier version\n")
        assert tree.probe(ROOT) is None and tree.probe(PIXEL) is None
        assert tree.run(ROOT).steps == ["stamp"]
        assert tree.run(PIXEL).steps == ["sudo", "stamp"]
        assert sorted(path.name for path in (tree.root / "etc/pixels").rglob("*")) == ["pixel", "root", "ssh_access.d"]
        for recipe in (ROOT, PIXEL, ROOT):
            assert tree.probe(recipe) is not None
            assert tree.run(recipe).steps == []

    def test_the_same_below_a_policy(self, tree: Tree) -> None:
        """As create does it: root, the policy, the user."""
        assert tree.run(ROOT).steps == ["stamp"]
        tree.restrict()
        assert tree.run(PIXEL).steps == ["stamp"]
        for recipe in (ROOT, PIXEL, ROOT):
            assert tree.probe(recipe) is not None
            assert tree.run(recipe).steps == []

    def test_other_name_servers_for_another_user(self, tree: Tree) -> None:
        """They are the container's, so the one who was there first is not served as it was promised."""
        first, second = replace(ROOT, dns=("192.0.2.1",)), replace(PIXEL, dns=("192.0.2.2",))
        assert "dns" in tree.run(first).steps and tree.probe(first) is not None
        assert "dns" in tree.run(second).steps
        assert tree.probe(second) is not None and tree.probe(first) is None

    def test_root_lost_the_key(self, tree: Tree) -> None:
        for recipe in (ROOT, PIXEL):
            tree.run(recipe)
        tree.write("root/.ssh/authorized_keys", "")
        assert tree.probe(ROOT) is None and tree.probe(PIXEL) is None
        tree.restrict()
        assert tree.probe(ROOT) is None, "root may look"
        assert tree.probe(PIXEL) is not None, "the user may not"


class TestSudo:
    @pytest.mark.parametrize(
        ("user", "sudo", "restricted", "before", "after"),
        [
            ("pixel", None, False, None, OWN),
            ("pixel", None, False, OWN, OWN),
            ("pixel", None, False, OTHER, OWN),
            ("pixel", True, False, None, OWN),
            ("pixel", False, False, None, None),
            ("pixel", False, False, OWN, None),
            ("pixel", False, False, OTHER, OTHER),
            ("pixel", None, True, None, None),
            ("pixel", None, True, OWN, None),
            ("pixel", None, True, OTHER, None),
            ("pixel", False, True, None, None),
            ("pixel", False, True, OWN, None),
            *[("root", sudo, restricted, OWN, OWN) for sudo in (None, True, False) for restricted in (True, False)],
            ("root", None, False, None, None),
        ],
    )
    def test_whose_right(self, tree: Tree, user: str, sudo: bool | None, restricted: bool, before: str | None, after: str | None) -> None:
        recipe = replace(PIXEL if user == "pixel" else ROOT, sudo=sudo)
        if restricted:
            tree.restrict()
        if before is not None:
            tree.write("etc/sudoers.d/pixels", before).chmod(0o440)
        report = tree.run(recipe)
        assert report.error is None
        assert report.steps == [*(["sudo"] if before != after else []), "stamp"]
        assert (tree.sudoers.read_text() if tree.sudoers.exists() else None) == after
        assert tree.probe(recipe) is not None
        assert tree.run(recipe).steps == []

    def test_what_the_policy_does_not_leave_is_refused_before_anything_is_changed(self, tree: Tree) -> None:
        asking = replace(PIXEL, sudo=True, dns=("192.0.2.1",))
        tree.restrict()
        before = tree.files()
        steps = "name_servers packages own_name account keys sudo_rights identity host_key server_settings server"
        report = tree.run(asking, stubs=f'for step in {steps}; do eval "$step() {{ did $step; }}"; done')
        assert report.error is not None and "no root" in report.error and "leave sudo out" in report.error and "network_set" in report.error
        assert report.steps == [] and report.host_key is None
        assert tree.files() == before

    def test_nor_does_a_stamp_from_before_the_policy_hide_that(self, tree: Tree) -> None:
        asking = replace(PIXEL, sudo=True)
        tree.run(asking)
        assert tree.probe(asking) is not None
        tree.restrict()
        assert tree.probe(asking) is None, "the right is still in the file"
        tree.sudoers.unlink()
        assert tree.probe(asking) is None

    def test_the_policy_comes_and_goes(self, tree: Tree) -> None:
        """Neither way is the stamp a reason to do something; the right that is missing is."""
        tree.run(PIXEL)
        tree.restrict()
        tree.sudoers.unlink()
        assert tree.probe(PIXEL) is not None
        tree.policy.unlink()
        assert tree.probe(PIXEL) is None
        assert tree.run(PIXEL).steps == ["sudo"]
        assert tree.probe(PIXEL) is not None

    @pytest.mark.parametrize(("sudo", "wanted"), [(None, True), (True, True), (False, False)])
    def test_the_package(self, tree: Tree, sudo: bool | None, wanted: bool) -> None:
        report = tree.run(replace(PIXEL, sudo=sudo), "missing sshd python sudo bash useradd", stubs="has() { return 1; }")
        assert ("sudo" in report.log.split()) is wanted and "bash" in report.log.split()


class TestNameServers:
    def test_those_of_the_policy_stay_until_it_has_gone(self, tree: Tree) -> None:
        recipe = replace(PIXEL, dns=("192.0.2.1",))
        tree.restrict()
        report = tree.run(recipe)
        assert report.steps == ["stamp"] and "egress policy" in report.log
        assert tree.resolver.read_text() == "nameserver 127.0.0.1\n"
        assert tree.probe(recipe) is not None
        tree.policy.unlink()
        assert tree.probe(replace(recipe, sudo=False)) is None
        assert tree.probe(recipe) is None
        assert tree.run(recipe).steps == ["dns", "sudo", "stamp"]
        assert tree.resolver.read_text() == "nameserver 192.0.2.1\n"
        assert tree.probe(recipe) is not None

    def test_nothing_is_owed_to_those_who_need_no_sudo_either(self, tree: Tree) -> None:
        recipe = replace(PIXEL, dns=("192.0.2.1",), sudo=False)
        tree.restrict()
        tree.run(recipe)
        assert tree.probe(recipe) is not None
        tree.policy.unlink()
        assert tree.probe(recipe) is None, "its name servers are"


@pytest.mark.parametrize("restricted", [False, True])
def test_an_account_of_the_image_brings_no_rights_below_a_policy(tree: Tree, restricted: bool) -> None:
    tree.write("etc/passwd", "ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n")
    tree.write("etc/group", "ubuntu:x:1000:\nsudo:x:27:ubuntu\n")
    if restricted:
        tree.restrict()
    stubs = """usermod() { printf 'usermod:'; printf ' <%s>' "$@"; echo; }\ngroupmod() { :; }"""
    report = tree.run(PIXEL, "make_account", stubs=stubs)
    assert "renaming the account ubuntu to pixel" in report.log
    assert ("usermod: <-p> <*> <-G> <> <pixel>" in report.log) is restricted


class TestKeysOfTheUser:
    """They are written by a process of the user's own, which another one of the user's may trace: it must not have more than that has."""

    def written(self, tree: Tree, stubs: str = "") -> str:
        functions = tree.place(PIXEL.script(MARK, patience=10)).removesuffix("\nmain\n")
        stubs = f'sh() {{ :; }}\nsetsid() {{ echo "setsid $1 $2 $3"; }}\n{stubs}'
        done = subprocess.run(
            tree.shell, input=f"{functions}\n{stubs}\nhome=/nowhere\nkeys\n", capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == ""
        return done.stdout

    def test_unrestricted(self, tree: Tree) -> None:
        assert self.written(tree) == "setsid su -s /bin/sh\n"

    def test_restricted(self, tree: Tree) -> None:
        tree.restrict()
        assert self.written(tree, "setpriv() { :; }") == "setsid setpriv --no-new-privs su\n"

    def test_not_at_all_where_that_cannot_be(self, tree: Tree) -> None:
        tree.restrict()
        said = self.written(tree, "command() { return 1; }")
        assert "there is no setpriv" in said and "setsid" not in said
