"""The machine below the lab, as far as it can be judged without changing the machine."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from truenas_lab.host import apt, kernel, packages, place, rootfs, trust
from truenas_lab.host.errors import CommandFailed, HostError
from truenas_lab.host.processes import Process, end, wait_for_end
from truenas_lab.host.run import run


def test_names_differ_by_directory_and_fit(tmp_path: Path) -> None:
    one, other = place.bridge_name(tmp_path / "one"), place.bridge_name(tmp_path / "other")
    assert one != other
    assert len(one) <= 15
    assert place.bridge_name(tmp_path / "one") == one


def test_a_long_path_moves_the_incus_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60)
    chosen = place.incus_directory(deep)
    assert chosen.parent == place.ELSEWHERE
    assert len(str(chosen)) <= place.LONGEST_INCUS_DIR


def test_a_closed_directory_moves_the_incus_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "LONGEST_INCUS_DIR", 4096)
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are all closed
        folder = Path(name).resolve()
        folder.chmod(0o711)
        assert place.incus_directory(folder / "lab") == folder / "lab" / "incus"
        folder.chmod(0o700)
        assert place.incus_directory(folder / "lab").parent == place.ELSEWHERE


def test_the_subnet_avoids_what_is_routed(tmp_path: Path) -> None:
    first = place.free_subnet(tmp_path, [])
    network = ipaddress.IPv4Interface(first).network
    second = place.free_subnet(tmp_path, [network])
    assert not ipaddress.IPv4Interface(second).network.overlaps(network)
    assert ipaddress.IPv4Interface(first).ip == network[1]


def test_the_subnet_leaves_10_8_to_whoever_routes_all_of_it(tmp_path: Path) -> None:
    ten = ipaddress.IPv4Network("10.0.0.0/8")
    chosen = ipaddress.IPv4Interface(place.free_subnet(tmp_path, [ten])).network
    assert not chosen.overlaps(ten)
    assert chosen.is_private
    everything = [ten, ipaddress.IPv4Network("172.16.0.0/12"), ipaddress.IPv4Network("192.168.0.0/16")]
    with pytest.raises(HostError, match="no free"):
        place.free_subnet(tmp_path, everything)


def test_everything_missing_is_listed_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.Tool, "find", lambda self: None)
    release = apt.Release("fedora", "42", "", "Fedora Linux 42")
    monkeypatch.setattr(apt.Release, "of_machine", classmethod(lambda cls: release))
    done: list[str] = []
    with pytest.raises(HostError) as caught:
        packages.ensure(done.append, tmp_path / "log")
    text = str(caught.value)
    for word in ("root", "Fedora Linux 42", "incus-base", "debootstrap", "btrfs-progs", "dnsmasq-base", "nftables", "--engine memory"):
        assert word in text
    assert done == []


@pytest.mark.parametrize(
    ("known", "steps"),
    [
        ({"incus-base"}, []),  # a candidate: nothing is added
        (set(), ["backports", "update"]),
    ],
)
def test_backports_are_added_only_without_a_candidate(
    known: set[str], steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    did: list[str] = []
    names = set(known)
    gaps = packages.Gaps([], [packages.INCUSD], apt.Release("debian", "12", "bookworm", "Debian 12"))
    monkeypatch.setattr(packages, "look", lambda: gaps)
    monkeypatch.setattr(packages, "_add_backports", lambda release: did.append("backports") or names.add("incus-base"))  # type: ignore[func-returns-value]
    monkeypatch.setattr(apt, "candidate", lambda name: name in names)
    monkeypatch.setattr(apt, "update", lambda say, log: did.append("update"))
    monkeypatch.setattr(apt, "install", lambda names, say, log: did.append(" ".join(names)))
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([self]))
    monkeypatch.setattr(packages, "TOOLS", ())
    packages.ensure(lambda text: None, tmp_path / "log")
    assert did == [*steps, "incus-base"]


def test_limits_are_raised_reported_and_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = dict.fromkeys(kernel.WANTED, 1) | {"kernel.keys.maxkeys": kernel.WANTED["kernel.keys.maxkeys"] * 2, kernel.FORWARDING: 0}
    for key, value in values.items():
        (tmp_path / key).write_text(str(value))
    monkeypatch.setattr(kernel, "_path", lambda key: tmp_path / key)
    monkeypatch.setattr(kernel, "other_bridges", list)
    state, labs = tmp_path / "run" / "kernel.json", [tmp_path / "one", tmp_path / "two"]
    for lab in labs:
        lab.mkdir()
    changes = kernel.raise_limits(labs[0], state)
    assert any("fs.inotify.max_user_instances: 1 -> " in line for line in changes)
    assert not any("maxkeys" in line for line in changes)
    assert kernel.raise_limits(labs[1], state) == []
    assert kernel.restore_limits(labs[0], state) == []  # the other lab needs them still
    assert kernel.restore_limits(labs[1], state)
    assert {key: kernel.read(key) for key in values} == values


def test_forwarding_stays_when_somebody_else_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in kernel.WANTED:
        (tmp_path / key).write_text("0")
    monkeypatch.setattr(kernel, "_path", lambda key: tmp_path / key)
    monkeypatch.setattr(kernel, "other_bridges", lambda: ["docker0"])
    kernel.raise_limits(tmp_path, tmp_path / "state.json")
    kernel.restore_limits(tmp_path, tmp_path / "state.json")
    assert kernel.read(kernel.FORWARDING) == 1
    assert kernel.read("kernel.keys.maxkeys") == 0


def test_a_process_is_more_than_its_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.of(child.pid)
    assert process is not None
    assert process.alive
    other = Process(process.pid, process.started + 1)
    assert not other.alive
    other.signal(9)  # an earlier owner of the number: not ours to end
    assert wait_for_end([other], 1) == []
    assert wait_for_end([process], 0.05) == [process]
    end([process])
    child.wait()
    assert Process.of(child.pid) is None


def test_a_process_that_ignores_the_request_is_killed() -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    process = Process.of(child.pid)
    assert process is not None
    end([process], seconds=0.2)
    assert child.wait() == -9


def test_a_failed_program_says_its_last_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo it went wrong >&2; exit 7"])
    assert caught.value.status == 7
    assert "it went wrong" in str(caught.value)
    with pytest.raises(HostError, match="not installed"):
        run(["no-such-program-here"])


def test_proxies_of_loopback_are_not_handed_to_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = 'Acquire::http::Proxy "http://127.0.0.1:3142";\nAcquire::https::Proxy "http://proxy.lan:3128";\n'
    dump += 'Acquire::Check-Date "false";\nDir "/";\n'
    monkeypatch.setattr(apt, "run", lambda argv: dump)
    assert apt.shared_settings() == ['Acquire::https::Proxy "http://proxy.lan:3128";', 'Acquire::Check-Date "false";']
    assert apt.proxies()["http_proxy"] == "http://127.0.0.1:3142"


def test_the_containers_sources_are_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = "\n".join(
        [
            "http://mirror.lan/debian/ bookworm main",
            "http://mirror.lan/debian/ bookworm contrib",
            "http://mirror.lan/debian/ bookworm-backports main",
            "http://mirror.lan/security bookworm-security main",
            "https://elsewhere.lan/ nodistro main",
            "cdrom://disk/ bookworm main",
        ]
    )
    release = apt.Release("debian", "12", "bookworm", "Debian 12")
    monkeypatch.setattr(apt, "run", lambda argv: targets)
    monkeypatch.setattr(apt.Release, "of_machine", classmethod(lambda cls: release))
    assert rootfs.sources_list(release) == (
        "deb http://mirror.lan/debian bookworm main contrib\ndeb http://mirror.lan/security bookworm-security main\n"
    )
    assert apt.mirror(release) == "http://mirror.lan/debian"
    trixie = apt.Release("debian", "13", "trixie", "Debian 13")
    assert rootfs.sources_list(trixie) == (
        "deb http://mirror.lan/debian trixie main contrib\ndeb http://mirror.lan/security trixie-security main\n"
    )
    assert apt.mirror(trixie) == "http://mirror.lan/debian", "all releases of a distribution lie on one mirror"
    with pytest.raises(HostError, match="no mirror"):
        apt.mirror(apt.Release("ubuntu", "24.04", "noble", "Ubuntu 24.04"))
    targets = "https://elsewhere.lan/ nodistro main"
    with pytest.raises(HostError, match="no source"):
        apt.mirror(release)


def test_only_unknown_certificates_are_copied(tmp_path: Path) -> None:
    blocks = [f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----" for text in ("AAAA", "BBBB", "CCCC")]
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("\n".join(blocks))
    known = tmp_path / "root" / "etc/ssl/certs/ca-certificates.crt"
    known.parent.mkdir(parents=True)
    known.write_text(f"# other breaks\n{blocks[1]}\n\n")
    assert trust.missing_in(tmp_path / "root", bundle) == [blocks[0], blocks[2]]
