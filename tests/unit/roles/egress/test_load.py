# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script that loads the rules, run for real with stand-ins for nft and ip: what it cannot load it locks, and never says otherwise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

LOAD = Path(__file__).resolve().parents[4] / "roles" / "egress" / "files" / "load"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
# Says how it was called; fails where a file of that name says so. What it has loaded it can list.
NFT = """\
#!/bin/sh
echo "nft $*" >>@/calls
case "$*" in
*egress.nft*) status=$(cat @/fail-egress 2>/dev/null || echo 0) ;;
*lockdown.nft*) status=$(cat @/fail-lockdown 2>/dev/null || echo 0) ;;
delete*) rm @/loaded 2>/dev/null; exit ;;
list*) cat @/loaded 2>/dev/null; exit ;;
esac
[ "$status" != 0 ] || echo "type filter hook output priority filter; policy drop;" >@/loaded
exit "$status"
"""
# Keeps the rules in a file a family. `fail-ip`, and `fail-ip-6` for one family, have the priorities that cannot be set.
IP = """\
#!/bin/sh
echo "ip $*" >>@/calls
family=$1
verb=$3
pref=${5:-}
rules=@/rules$family
case $verb in
show) cat "$rules" 2>/dev/null || true ;;
add)
    for word in $(cat @/fail-ip @/fail-ip$family 2>/dev/null); do [ "$word" != "$pref" ] || exit 2; done
    shift 5
    echo "$pref:	from all $*" >>"$rules"
    ;;
del)
    [ -e "$rules" ] || exit 2
    grep -v "^$pref:" "$rules" >"$rules.new"
    mv "$rules.new" "$rules"
    ;;
esac
"""
# What is let out, and the last of them locks.
ALL = [90, 91, 92]
LOCK = "92"
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
CAN_UNSHARE = bool(os.geteuid() == 0 and shutil.which("nft", path=SYSTEM) and shutil.which("unshare", path=SYSTEM))
LOCKDOWN = """\
table inet egress
delete table inet egress
table inet egress {
    chain out { type filter hook output priority 0; policy drop; }
}
"""


class Place:
    """A tree of its own, in which the script's paths lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("bin", "run", "etc/egress"):
            (root / folder).mkdir(parents=True)
        text = LOAD.read_text(encoding="utf-8")
        assert text.count("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n") == 1
        text = text.replace("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n", f"PATH={root}/bin:/usr/bin:/bin\n")
        text = re.sub(r"/(etc/egress/|run/egress-locked)", rf"{root}/\1", text)
        (root / "load").write_text(text)
        (root / "etc/egress/egress.nft").touch()
        (root / "etc/egress/lockdown.nft").touch()
        self.program("nft", NFT)
        self.program("ip", IP)

    def program(self, name: str, text: str | None) -> None:
        path = self.root / "bin" / name
        if text is None:
            # As if it were not installed: there may be one on this machine.
            text = '#!/bin/sh\necho "$0: not found" >&2\nexit 127\n'
        path.write_text(text.replace("@", str(self.root)))
        path.chmod(0o755)

    def breaks(self, what: str, how: str = "1") -> None:
        (self.root / f"fail-{what}").write_text(how)

    def mends(self, what: str) -> None:
        (self.root / f"fail-{what}").unlink()

    def run(self, *arguments: str, shell: str = SHELLS[0]) -> int:
        (self.root / "calls").write_text("")
        command = [shell, *(["sh"] if shell == "busybox" else []), str(self.root / "load"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        self.said = done.stdout + done.stderr
        return done.returncode

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().replace(f"{self.root}/", "/").splitlines()

    def routes(self, family: int = 4) -> list[int]:
        """The priorities of the rules that there are."""
        path = self.root / f"rules-{family}"
        return [int(line.partition(":")[0]) for line in path.read_text().splitlines()] if path.exists() else []

    def unlocked_at(self) -> int:
        """Which of the calls took the lock away."""
        return next(at for at, call in enumerate(self.calls) if call.startswith(f"ip -4 rule del pref {LOCK} "))

    @property
    def locked(self) -> bool:
        return (self.root / "run/egress-locked").exists()


def _last_uid() -> int:
    """The highest number that a user can have here."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return max(int(first) + int(length) - 1 for first, _outside, length in map(str.split, lines))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
class TestBoot:
    def test_the_policy_s_rules(self, place: Place, shell: str) -> None:
        assert place.run(shell=shell) == 0
        assert place.calls[0] == "nft -f /etc/egress/egress.nft"
        assert not any("lockdown" in call or call.startswith("ip") for call in place.calls)

    def test_rules_that_cannot_be_loaded(self, place: Place, shell: str) -> None:
        place.breaks("egress")
        place.run(shell=shell)
        assert "nft -f /etc/egress/lockdown.nft" in place.calls and not place.locked
        assert "cannot be loaded; locking the container" in place.said

    def test_rules_that_are_not_there_yet(self, place: Place, shell: str) -> None:
        (place.root / "etc/egress/egress.nft").unlink()
        place.run(shell=shell)
        assert [call for call in place.calls if call.startswith("nft -f")] == ["nft -f /etc/egress/lockdown.nft"]

    def test_neither_can_be_loaded(self, place: Place, shell: str) -> None:
        place.breaks("egress")
        place.breaks("lockdown")
        place.run(shell=shell)
        assert place.locked and place.routes(4) == place.routes(6) == ALL

    def test_no_nft_at_all(self, place: Place, shell: str) -> None:
        place.program("nft", None)
        place.run(shell=shell)
        assert place.locked and place.routes(4) == place.routes(6) == ALL

    def test_nothing_works(self, place: Place, shell: str) -> None:
        place.program("nft", None)
        place.program("ip", None)
        assert place.run(shell=shell) != 0
        assert not place.locked, "it would not try again"

    def test_the_rule_that_locks_cannot_be_set(self, place: Place, shell: str) -> None:
        place.program("nft", None)
        place.breaks("ip", LOCK)
        assert place.run(shell=shell) != 0
        assert not place.locked

    def test_rules_for_what_is_let_through_cannot_be_set(self, place: Place, shell: str) -> None:
        """Nobody gets out then, root included: that is a lock."""
        place.program("nft", None)
        place.breaks("ip", "90 91")
        place.run(shell=shell)
        assert place.locked and place.routes() == [92]

    def test_without_awk_there_is_no_lock_and_that_is_said(self, place: Place, shell: str) -> None:
        place.program("nft", None)
        place.program("awk", None)
        place.program("ip", IP.replace("    shift 5\n", '    case "$*" in *"uidrange 1- "*) exit 255 ;; esac\n    shift 5\n'))
        assert place.run(shell=shell) != 0
        assert not place.locked


class TestRulesThatLoadAndAreNone:
    """nft takes a file that was cut short, by a crash or a full disk: nothing is in it that could be wrong."""

    @pytest.mark.parametrize("text", ["", "type filter hook output priority filter; policy accept;"])
    def test_they_lock(self, place: Place, text: str) -> None:
        loads_nothing = NFT.replace('echo "type filter hook output priority filter; policy drop;" >', f'echo "{text}" >')
        place.program("nft", loads_nothing.replace("*egress.nft*)", "*etc/egress/egress.nft*)"))
        place.run()
        assert place.locked and place.routes(4) == place.routes(6) == ALL, "the rules of the lock are none either"
        assert "cannot be loaded; locking the container" in place.said

    @pytest.mark.skipif(not CAN_UNSHARE, reason="needs nft, and root for a network of its own")
    @pytest.mark.parametrize("text", ["", "# Written by pixels.sandbox.egress.\n", "table inet egress\ndelete table inet egress\n"])
    def test_the_real_nft_locks(self, place: Place, text: str) -> None:
        (place.root / "etc/egress/egress.nft").write_text(text)
        (place.root / "etc/egress/lockdown.nft").write_text(LOCKDOWN)
        (place.root / "bin/nft").unlink()
        (place.root / "bin/nft").symlink_to(str(shutil.which("nft", path=SYSTEM)))
        script = f"sh {place.root}/load; nft list ruleset"
        done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=False, env={"PATH": SYSTEM})
        assert "policy drop" in done.stdout, f"the container is open: {done.stdout} {done.stderr}"
        assert not place.locked


class TestLock:
    def test_at_once_whatever_the_policy_is(self, place: Place) -> None:
        assert place.run("lock") == 0
        assert [call for call in place.calls if call.startswith("nft -f")] == ["nft -f /etc/egress/lockdown.nft"]

    def test_by_routes_where_there_is_no_nft(self, place: Place) -> None:
        place.program("nft", None)
        assert place.run("lock") == 0
        assert place.locked and place.routes() == ALL

    @pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="needs IPv6")
    def test_without_ipv6_it_is_no_lock(self, place: Place) -> None:
        place.program("nft", None)
        place.breaks("ip-6", LOCK)
        assert place.run("lock") != 0
        assert not place.locked, "it would not try again"

    def test_twice(self, place: Place) -> None:
        place.program("nft", None)
        assert place.run("lock") == place.run("lock") == 0
        assert place.routes() == ALL

    def test_it_says_so_when_it_cannot(self, place: Place) -> None:
        place.program("nft", None)
        place.program("ip", None)
        assert place.run("lock") != 0


class TestRepair:
    def test_root_alone_gets_out(self, place: Place) -> None:
        assert place.run("repair") == 0
        assert place.locked and place.routes() == ALL
        assert place.calls[-1] == "nft delete table inet egress"
        for family in (4, 6):
            assert f"ip -{family} rule add pref {LOCK} iif lo uidrange 1-{_last_uid()} prohibit" in place.calls

    def test_the_kernel_itself_is_not_locked(self, place: Place) -> None:
        """A rule that names no user would keep it from setting a default route."""
        place.run("repair")
        assert all(" uidrange " in call for call in place.calls if "prohibit" in call)

    def test_the_rules_go_only_when_the_routes_lock(self, place: Place) -> None:
        place.breaks("ip", LOCK)
        assert place.run("repair") != 0
        assert not any("delete table" in call for call in place.calls)

    def test_without_nft(self, place: Place) -> None:
        place.program("nft", None)
        assert place.run("repair") == 0
        assert place.locked

    def test_it_ends_with_the_policy(self, place: Place) -> None:
        place.run("repair")
        assert place.run() == 0
        assert not place.locked and place.routes(4) == place.routes(6) == []

    def test_it_ends_with_a_lock_by_rules(self, place: Place) -> None:
        place.run("repair")
        place.breaks("egress")
        place.run()
        assert not place.locked and place.routes() == []
        assert place.calls.index("nft -f /etc/egress/lockdown.nft") < place.unlocked_at()

    def test_the_rules_are_there_before_the_routes_let_go(self, place: Place) -> None:
        place.run("repair")
        place.run()
        assert place.calls.index("nft -f /etc/egress/egress.nft") < place.unlocked_at()


class TestUnlock:
    def test_routes_go(self, place: Place) -> None:
        place.run("repair")
        assert place.run("unlock") == 0
        assert not place.locked and place.routes(4) == place.routes(6) == []

    def test_there_is_nothing_to_unlock(self, place: Place) -> None:
        assert place.run("unlock") == 0
        assert place.calls == []


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck() -> None:
    done = subprocess.run(["shellcheck", "-s", "sh", str(LOAD)], capture_output=True, text=True, check=False)
    # `routes` leaves the family unquoted, which is one word.
    assert done.returncode == 0, done.stdout
