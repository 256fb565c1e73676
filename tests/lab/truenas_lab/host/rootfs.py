"""The root file system of the lab's image: a minimal systemd distribution, like the public images without SSH server and Python."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import apt, trust
from .run import Say, run

# Without udev systemd-networkd waits for ever for its interface to be announced.
PACKAGES = (
    "systemd-sysv",
    "systemd-resolved",
    "udev",
    "dbus",
    "libpam-systemd",
    "iproute2",
    "netbase",
    "procps",
    "ca-certificates",
)
# What wakes up by itself in a container of a few minutes' life and only costs time, or waits for hardware that is not there.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-pstore.service",
    "getty.target",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)
_DPKG = "etc/dpkg/dpkg.cfg.d/container"
_FILES = {
    "etc/systemd/network/eth0.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nUseDomains=true\n",
    # As in the public images: of all the devices that a container sees only its network cards are its own.
    "etc/systemd/system/systemd-udev-trigger.service.d/container.conf": (
        "[Service]\nExecStart=\nExecStart=-udevadm trigger --subsystem-match=net --action=add\n"
    ),
    # Nobody reads these; they are a third of what a package installation writes.
    _DPKG: (
        "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\npath-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/info/*\npath-exclude=/usr/share/locale/*\npath-include=/usr/share/locale/locale.alias\n"
        # A container that does not survive a power cut is made again.
        "force-unsafe-io\n"
    ),
    "etc/fstab": "",
    "etc/hostname": "localhost\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
}
_UNREAD = ("usr/share/man", "usr/share/info", "usr/share/locale")
_EMPTIED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "tmp", "var/tmp", *_UNREAD)
_CHROOT = {"DEBIAN_FRONTEND": "noninteractive"}


def sources_list(release: apt.Release) -> str:
    """The machine's own sources of its distribution: mirror, updates, security; for another release of it, the same with its name."""
    own = apt.Release.of_machine().codename
    lines: dict[tuple[str, str], list[str]] = {}
    for source in apt.sources():
        if source.suite in (own, *(f"{own}-{part}" for part in ("updates", "security"))):
            lines.setdefault((source.uri, release.codename + source.suite.removeprefix(own)), []).append(source.component)
    return "".join(f"deb {uri} {suite} {' '.join(components)}\n" for (uri, suite), components in lines.items())


def apt_settings() -> str:
    """Translations are not wanted, and the mirror is used as the machine uses it."""
    return "\n".join(['Acquire::Languages "none";', 'APT::Install-Recommends "false";', *apt.shared_settings()]) + "\n"


def build(target: Path, release: apt.Release, debs: Path, say: Say, log: Path) -> None:
    """Make it in `target`, an empty directory."""
    debs.mkdir(parents=True, exist_ok=True)
    _write(target / _DPKG, _FILES[_DPKG])  # dpkg reads it in the second stage already
    say(f"building a minimal {release.name} with debootstrap")
    run(
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            f"--cache-dir={debs}",
            release.codename,
            str(target),
            apt.mirror(release),
        ],
        env=apt.proxies(),
        log=log,
        timeout=1800,
    )
    say("making a container's root file system of it")
    _configure(target, release, log)
    _trim(target)


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may be a link into /run
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _configure(root: Path, release: apt.Release, log: Path) -> None:
    for name, text in _FILES.items():
        _write(root / name, text)
    _write(root / "etc/apt/sources.list", sources_list(release))
    _write(root / "etc/apt/apt.conf.d/90container", apt_settings())
    _trust(root, log)
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    inside = ["chroot", str(root)]
    run([*inside, "systemctl", "enable", "systemd-networkd.service", "systemd-resolved.service"], env=_CHROOT, log=log)
    run([*inside, "passwd", "--lock", "root"], env=_CHROOT, log=log)
    _no_identity(root)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")


def _no_identity(root: Path) -> None:
    """Every container makes its own. D-Bus's copy has to go too: systemd takes an identity from there when its own is empty."""
    _write(root / "etc/machine-id", "")
    copy = root / "var/lib/dbus/machine-id"
    copy.unlink(missing_ok=True)
    copy.symlink_to("/etc/machine-id")
    (root / "var/lib/systemd/random-seed").unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()


def _trust(root: Path, log: Path) -> None:
    """What the machine trusts: its certificates, and the keys of its package sources."""
    for number, certificate in enumerate(trust.missing_in(root)):
        _write(root / f"usr/local/share/ca-certificates/host-{number:03}.crt", certificate + "\n")
    run(["chroot", str(root), "update-ca-certificates"], env=_CHROOT, log=log)
    for folder in ("/etc/apt/trusted.gpg.d", "/etc/apt/keyrings"):
        for key in sorted([*Path(folder).glob("*.gpg"), *Path(folder).glob("*.asc")]):
            copy = root / "etc/apt/trusted.gpg.d" / key.name
            if not copy.exists():
                shutil.copy(key, copy)
                copy.chmod(0o644)


def _trim(root: Path) -> None:
    for name in _EMPTIED:
        for item in sorted((root / name).glob("*")):
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            else:
                item.unlink()
    for folder in (root / "var/cache/apt/archives/partial", root / "var/lib/apt/lists/partial", root / "var/log/journal"):
        folder.mkdir(parents=True, exist_ok=True)
    for item in (root / "usr/share/doc").glob("*/*"):
        if item.name != "copyright":
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
