# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script that makes a clone somebody else, run for real in a root file system of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_install import BASE, INSTALL, OPENRC, UNIT, variables
from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_shell import SCRIPT
from ansible_collections.pixels.sandbox.plugins.module_utils.core.marker import Marker
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.clone_root import (
    OLD_MACHINE_ID,
    OWN_ID,
    SHELLS,
    SOURCE_ID,
    CloneRoot,
)

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


@pytest.fixture
def root(tmp_path: Path) -> CloneRoot:
    return CloneRoot(tmp_path)


class TestText:
    @pytest.mark.parametrize("shell", SHELLS)
    @pytest.mark.parametrize("text", [SCRIPT, BASE + INSTALL, OPENRC], ids=["script", "install", "openrc"])
    def test_shells_can_read_it(self, shell: str, text: str) -> None:
        command = [shell, *(["sh"] if shell.endswith("busybox") else []), "-n"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
    @pytest.mark.parametrize("text", [SCRIPT, BASE + INSTALL], ids=["script", "install"])
    def test_shellcheck(self, text: str) -> None:
        # Meant so: a tilde in a text. Unknown here: what the scripts around the functions set or read.
        command = ["shellcheck", "-s", "sh", "-e", "SC2088,SC2154,SC2034", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_nothing_is_left_to_fill_in(self) -> None:
        assert re.findall("@[A-Z]+@", SCRIPT) == [] and "'" not in SCRIPT.split("rules='")[2].split("'\nrenew")[0]

    def test_the_texts_end_without_a_newline(self) -> None:
        """The function `put` adds the last one."""
        assert all(not text.endswith("\n") for text in variables().values())


class TestUnit:
    def test_it_comes_before_the_journal_the_network_and_ssh(self) -> None:
        before = " ".join(re.findall("^Before=(.*)$", UNIT, re.MULTILINE)).split()
        assert {"systemd-journald.service", "systemd-networkd.service", "network-pre.target", "sysinit.target", "ssh.service"} <= set(
            before
        )
        assert "DefaultDependencies=no" in UNIT and "After=" not in UNIT

    def test_network_and_ssh_do_not_start_without_it(self) -> None:
        required = re.findall("^RequiredBy=(.*)$", UNIT, re.MULTILINE)[0].split()
        assert {"systemd-networkd.service", "networking.service", "NetworkManager.service", "ssh.service", "ssh.socket"} <= set(required)
        assert "systemd-journald.service" not in required, "whoever looks for the reason needs it"

    def test_it_needs_no_journal(self) -> None:
        assert "StandardOutput=null" in UNIT and "StandardError=null" in UNIT


@needs_ssh_keygen
class TestClone:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_d16_it_becomes_somebody_else(self, root: CloneRoot, shell: str) -> None:
        """D16: machine-id, SSH host keys, host name and /etc/hosts are its own."""
        root.renewed(shell)
        assert re.fullmatch("[0-9a-f]{32}\n", root.read("etc/machine-id")) and root.read("etc/machine-id") != OLD_MACHINE_ID + "\n"
        assert stat.S_IMODE((root.path / "etc/machine-id").stat().st_mode) == 0o444
        assert not root.has("etc/ssh/ssh_host_rsa_key")
        assert root.read("etc/ssh/ssh_host_ed25519_key.pub").startswith("ssh-ed25519 ")
        assert stat.S_IMODE((root.path / "etc/ssh/ssh_host_ed25519_key").stat().st_mode) == 0o600
        assert root.read("etc/hostname") == "px-w01\n"
        assert root.read("etc/hosts") == "127.0.0.1\tlocalhost\n127.0.1.1\tpx-w01\n"
        assert stat.S_IMODE((root.path / "var/log/pixels-identity.log").stat().st_mode) == 0o600
        assert root.log.splitlines()[-1] == "done" and "FAILED" not in root.log

    @pytest.mark.parametrize("shell", SHELLS)
    def test_the_next_boot_changes_nothing(self, root: CloneRoot, shell: str) -> None:
        before = root.renewed(shell).everything()
        assert root.run(shell) == 0
        assert root.everything() == before

    def test_two_clones_are_two(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        first, second = (CloneRoot(tmp_path / name).renewed() for name in ("a", "b"))
        for name in ("etc/machine-id", "etc/ssh/ssh_host_ed25519_key"):
            assert first.read(name) != second.read(name)

    def test_leases_seeds_and_secrets_go(self, root: CloneRoot) -> None:
        names = [
            "var/lib/dhcp/dhclient.eth0.leases",
            "var/lib/dhcpcd/duid",
            "var/lib/NetworkManager/secret_key",
            "var/lib/NetworkManager/internal-1-eth0.lease",
            "var/lib/systemd/network/lease",
            "var/lib/systemd/random-seed",
            "var/lib/systemd/credential.secret",
        ]
        for name in names:
            root.write(name, "of the source")
        root.marker(scrub="")
        root.renewed()
        assert [name for name in names if root.has(name)] == []

    def test_without_ssh_server_no_key_is_made(self, root: CloneRoot) -> None:
        (root.path / "usr/sbin/sshd").unlink()
        root.renewed()
        assert list((root.path / "etc/ssh").iterdir()) == []

    def test_dbus_shares_the_machine_id(self, root: CloneRoot) -> None:
        root.write("var/lib/dbus/machine-id", OLD_MACHINE_ID)
        root.renewed()
        assert os.readlink(root.path / "var/lib/dbus/machine-id") == "/etc/machine-id"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("127.0.1.1 px-base.lan px-base px-base px-base2 my-px-base", "127.0.1.1 px-w01.lan px-w01 px-w01 px-base2 my-px-base"),
            ("10.0.0.9 db # px-base", "10.0.0.9 db # px-w01\n127.0.1.1 px-w01"),
            ("::1 localhost", "::1 localhost\n127.0.1.1 px-w01"),
            ("127.0.1.1 px-w01", "127.0.1.1 px-w01"),
            ("127.0.1.1 px-w01\n::1 localhost", "127.0.1.1 px-w01\n::1 localhost"),
        ],
        ids=["whole names", "in a remark", "missing", "there", "there, not last"],
    )
    def test_hosts(self, root: CloneRoot, before: str, after: str) -> None:
        root.write("etc/hosts", before + "\n")
        assert root.renewed().read("etc/hosts") == after + "\n"

    @pytest.mark.parametrize("name", ["localhost", "", "a.b", "x/y", "$(id)"])
    def test_a_source_of_any_name(self, root: CloneRoot, name: str) -> None:
        root.write("etc/hostname", name + "\n")
        root.write("etc/pixels/identity", f"{SOURCE_ID}\n{name}\n")
        root.write("etc/hosts", "127.0.0.1 localhost\n")
        assert root.renewed().read("etc/hosts") == "127.0.0.1 localhost\n127.0.1.1 px-w01\n"


class TestNotAClone:
    @pytest.mark.parametrize("shell", SHELLS)
    @pytest.mark.parametrize(
        "environ",
        [b"LANG=C\0", b'PIXELS_SANDBOX={"image":"debian/12"}\0', b'PIXELS_SANDBOX={"id":"short"}\0', b"PIXELS_SANDBOX=garbage\0", b""],
        ids=["no marker", "no id", "a damaged id", "a damaged marker", "nothing"],
    )
    def test_without_an_id_nothing_happens(self, root: CloneRoot, shell: str, environ: bytes) -> None:
        root.environ.write_bytes(environ)
        before = root.everything()
        assert root.run(shell) == 0
        assert root.everything() == before

    def test_without_an_environment_nothing_happens(self, root: CloneRoot) -> None:
        root.environ.unlink()
        before = root.everything()
        assert root.run() == 0 and root.everything() == before

    def test_a_container_that_had_no_id_adopts_its_first_one(self, root: CloneRoot) -> None:
        root.write("etc/pixels/identity", "-\npx-w01\n")
        before = root.everything()
        assert root.run() == 0
        assert root.stamp == [OWN_ID, "px-w01"]
        assert {**root.everything(), "etc/pixels/identity": ""} == {**before, "etc/pixels/identity": ""}

    @needs_ssh_keygen
    def test_a_clone_of_a_container_that_had_no_id_is_one(self, root: CloneRoot) -> None:
        root.write("etc/pixels/identity", "-\npx-base\n")
        assert root.renewed().read("etc/machine-id") != OLD_MACHINE_ID + "\n"

    @needs_ssh_keygen
    def test_a_clone_of_a_container_without_a_stamp_is_one(self, root: CloneRoot) -> None:
        (root.path / "etc/pixels/identity").unlink()
        assert root.renewed().read("etc/machine-id") != OLD_MACHINE_ID + "\n"


@needs_ssh_keygen
@pytest.mark.parametrize("shell", SHELLS)
class TestMarker:
    @pytest.mark.parametrize(
        "owner",
        ['x","id":"ffffffffffffffff', "\\", '\\"', 'a "quoted" word', "line\nend\ttab", "äöü €", "{[,]}", "'$(reboot)`"],
    )
    def test_other_texts_are_passed_over_as_a_whole(self, root: CloneRoot, shell: str, owner: str) -> None:
        root.marker(**{"owner": owner, "from": owner, "image": owner, "expires": 1790000000})
        root.renewed(shell)

    def test_labels_are_passed_over_too(self, root: CloneRoot, shell: str) -> None:
        """They come before what is read, and are called as it is."""
        root.marker(**json.loads(Marker(labels={"id": "f" * 16, "name": "px-evil", "scrub": "", "q": '",\\"id":"'}).text()))
        root.renewed(shell)

    def test_a_variable_cannot_pass_for_the_marker(self, root: CloneRoot, shell: str) -> None:
        real = root.environ.read_bytes()
        root.environ.write_bytes(b'NOTE=x\nPIXELS_SANDBOX={"id":"ffffffffffffffff","name":"px-evil"}\n\0' + real)
        root.renewed(shell)


@needs_ssh_keygen
class TestInterrupted:
    def test_the_stamp_comes_last_and_a_second_run_completes(self, root: CloneRoot) -> None:
        """What cannot be done is told by the status and in the log, and the rest is done all the same."""
        (root.path / "etc/hosts").unlink()
        (root.path / "etc/hosts").mkdir()
        blocked = root.path / "etc/ssh"
        shutil.rmtree(blocked)
        blocked.write_text("no directory")
        root.write("home/pixel/.netrc", "secret")
        assert root.run() == 1
        assert root.stamp == [SOURCE_ID, "px-base"] and "FAILED: no host key" in root.log
        assert root.read("etc/machine-id") != OLD_MACHINE_ID + "\n" and not root.has("home/pixel/.netrc")
        blocked.unlink()
        blocked.mkdir()
        root.renewed()
        assert root.has("etc/ssh/ssh_host_ed25519_key")

    @pytest.mark.parametrize("call", ["machine_id", "host_name", "host_key", "access_key", "find_homes", "write_stamp"])
    def test_cut_off_at_any_point_it_begins_anew(self, root: CloneRoot, call: str) -> None:
        whole = root.script.read_text()
        lines = re.sub(rf"^( +)({call}( .*)?)$", r"\1kill -9 $$; \2", whole, flags=re.MULTILINE)
        assert lines != whole
        root.write("home/pixel/.netrc", "secret")
        root.script.write_text(lines)
        assert root.run() == -9
        assert root.stamp == [SOURCE_ID, "px-base"]
        root.script.write_text(whole)
        root.renewed()
        assert not root.has("home/pixel/.netrc") and not [name for name in root.everything() if ".pixels" in name or "scratch" in name]

    def test_the_old_identity_goes_first(self, root: CloneRoot) -> None:
        root.script.write_text(re.sub("^machine_id$|^  machine_id$", "  kill -9 $$", root.script.read_text(), flags=re.MULTILINE))
        assert root.run() == -9
        assert list((root.path / "etc/ssh").iterdir()) == []

    def test_a_full_disk_leaves_rather_no_identity_than_that_of_the_source(self, root: CloneRoot) -> None:
        """`place` fails as it does without space."""
        root.script.write_text(root.script.read_text().replace("place() {\n", "place() {\n  return 1\n"))
        assert root.run() == 1
        assert root.read("etc/machine-id") == "" and not root.has("etc/ssh/ssh_host_rsa_key")
        assert root.stamp == [SOURCE_ID, "px-base"] and "the next boot tries again" in root.log


@needs_ssh_keygen
class TestHostile:
    """What somebody with root in the source may have left in the way: it must not hang, and gets nobody else into trouble."""

    @pytest.mark.parametrize("name", ["etc/machine-id", "etc/hostname", "etc/hosts", "var/log/pixels-identity.log", "etc/pixels/identity"])
    @pytest.mark.parametrize("what", ["link", "pipe", "folder"])
    def test_something_else_in_the_place_of_a_file(self, root: CloneRoot, tmp_path: Path, name: str, what: str) -> None:
        victim = tmp_path / "victim"
        victim.write_text("precious")
        path = root.path / name
        path.unlink(missing_ok=True)
        if what == "link":
            path.symlink_to(victim)
        elif what == "pipe":
            os.mkfifo(path)
        else:
            (path / "full").mkdir(parents=True)
        root.renewed()
        assert path.is_file() and not path.is_symlink()
        assert victim.read_text() == "precious"

    def test_pipes_instead_of_settings(self, root: CloneRoot) -> None:
        (root.path / "etc/passwd").unlink()
        for name in (
            "home/pixel/.npmrc",
            "home/pixel/.claude.json",
            "home/pixel/.ssh/authorized_keys",
            "home/pixel/.ssh/id_x",
            "etc/passwd",
        ):
            os.mkfifo(root.path / name)
        (root.path / "etc/pixels/scrub.d").mkdir()
        os.mkfifo(root.path / "etc/pixels/scrub.d/a.list")
        os.mkfifo(root.path / "etc/pixels/scrub.d/b")
        (root.path / "etc/pixels/access_key").unlink()
        os.mkfifo(root.path / "etc/pixels/access_key")
        root.renewed()
        assert not root.has("home/pixel/.npmrc") and not root.has("home/pixel/.ssh/authorized_keys")

    def test_temporary_files_of_an_attacker(self, root: CloneRoot, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("precious")
        for name in ("etc/machine-id.pixels", "etc/pixels/identity.pixels", "etc/pixels/.scratch"):
            (root.path / name).symlink_to(victim)
        root.write("home/pixel/.npmrc", "//r/:_authToken=x\n")
        root.renewed()
        assert victim.read_text() == "precious"

    def test_names_that_look_like_options(self, root: CloneRoot) -> None:
        for name in ("-rf", "--help", "-delete", "a b", "*", "new\nline"):
            root.write(f"home/pixel/.ssh/{name}", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
            root.write(f"tmp/{name}", "x")
        root.renewed()
        assert list((root.path / "home/pixel/.ssh").iterdir()) == [] and list((root.path / "tmp").iterdir()) == []

    def test_an_access_key_that_is_none(self, root: CloneRoot) -> None:
        root.write("etc/pixels/access_key", ".* .*\n")
        root.write("root/.ssh/authorized_keys", "ssh-rsa AAAAother\n")
        root.renewed()
        assert not root.has("root/.ssh/authorized_keys")


class TestAdopt:
    """What ssh_access asks for when it installs the script."""

    def test_a_new_container_gets_its_stamp(self, root: CloneRoot) -> None:
        (root.path / "etc/pixels/identity").unlink()
        root.marker(**{"from": None})
        assert root.run("/bin/sh", "adopt") == 10
        assert root.stamp == [OWN_ID, "px-w01"]
        assert root.run("/bin/sh", "adopt") == 0

    def test_one_without_an_id_gets_a_stamp_that_waits_for_it(self, root: CloneRoot) -> None:
        (root.path / "etc/pixels/identity").unlink()
        root.environ.write_bytes(b'PIXELS_SANDBOX={"image":"debian/12","name":"px-w01"}\0')
        assert root.run("/bin/sh", "adopt") == 10
        assert root.stamp == ["-", "px-w01"]
        assert root.run("/bin/sh", "adopt") == 0
        root.marker()
        assert root.run("/bin/sh", "adopt") == 10
        assert root.stamp == [OWN_ID, "px-w01"]

    def test_a_clone_gets_none_before_it_is_somebody_else(self, root: CloneRoot) -> None:
        assert root.run("/bin/sh", "adopt") == 3, "it has the stamp of its source"
        (root.path / "etc/pixels/identity").unlink()
        assert root.run("/bin/sh", "adopt") == 3, "its source had none"
        assert root.stamp == [] and root.read("etc/machine-id") == OLD_MACHINE_ID + "\n"
