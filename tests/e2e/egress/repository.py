"""A signed package repository with small packages of our own, made with dpkg-deb and gpg."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path


@dataclass(frozen=True)
class Package:
    name: str
    version: str = "1.0"
    fields: str = ""
    postinst: str = ""
    setuid: str = ""  # a file that is to be setuid root


MARKER = "/var/lib/px-marker"
PACKAGES = (
    Package("px-hello"),
    Package("px-hello", "2.0"),
    # Every installation script runs as root; this one says so.
    Package("px-scripted", postinst=f"echo scripted >>{MARKER}-scripted"),
    Package("px-wants-podman", fields="Depends: podman"),
    # What is on the policy's list of refusals, under its real name.
    Package("podman", "99.0", postinst=f"echo podman >>{MARKER}-podman"),
    Package("ufw", "99.0", postinst=f"echo ufw >>{MARKER}-ufw"),
    Package("px-evicts", fields="Conflicts: nftables, haproxy, dnsmasq-base, openssh-server"),
    Package("px-setuid", setuid="usr/bin/px-root"),
)


def _build(package: Package, target: Path) -> Path:
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work) / "tree"
        (tree / "DEBIAN").mkdir(parents=True, mode=0o755)
        tree.chmod(0o755)
        (tree / "usr/share/px").mkdir(parents=True)
        (tree / "usr/share/px" / package.name).write_text(f"{package.version}\n")
        control = (
            f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\nMaintainer: Tests <tests@mirror.example>\n"
            f"Description: {package.name} of the tests\n"
        )
        (tree / "DEBIAN/control").write_text(control + (f"{package.fields}\n" if package.fields else ""))
        if package.postinst:
            script = tree / "DEBIAN/postinst"
            script.write_text(f"#!/bin/sh\nset -e\n{package.postinst}\n")
            script.chmod(0o755)
        if package.setuid:
            program = tree / package.setuid
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_bytes(Path("/usr/bin/id").read_bytes())
            program.chmod(0o4755)
        deb = target / f"{package.name}_{package.version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(deb)], check=True, capture_output=True)
    return deb


def _stanza(deb: Path) -> str:
    fields = subprocess.run(["dpkg-deb", "-f", str(deb)], check=True, capture_output=True, text=True).stdout.strip()
    content = deb.read_bytes()
    return f"{fields}\nFilename: ./{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"


def build(directory: Path) -> bytes:
    """Fill an empty directory with a flat repository; the answer is the key that it is signed with, for `signed-by`."""
    directory.mkdir(parents=True, exist_ok=True)
    packages = "\n".join(_stanza(_build(package, directory)) for package in PACKAGES)
    (directory / "Packages").write_text(packages)
    content = packages.encode()
    release = (
        f"Origin: mirror.example\nLabel: tests\nSuite: stable\nCodename: px\nDate: {formatdate(usegmt=True).replace('GMT', 'UTC')}\n"
        f"Architectures: all amd64 arm64\nSHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} Packages\n"
    )
    with tempfile.TemporaryDirectory(prefix="px-gpg-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*gpg, "--quick-generate-key", "tests@mirror.example", "ed25519", "sign", "never"], check=True, capture_output=True)
        signed = subprocess.run([*gpg, "--clearsign"], input=release.encode(), check=True, capture_output=True).stdout
        key = subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False, capture_output=True)
    (directory / "InRelease").write_bytes(signed)
    return key
