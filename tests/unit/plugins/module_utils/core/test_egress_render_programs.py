# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of every kind of policy, read by the programs that they are for, where this machine has these."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.test_egress_render import VARIANTS, rendered

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin")
NFT = shutil.which("nft", path="/usr/sbin:/usr/bin")
# Accounts that this machine need not have.
ACCOUNTS = {"egress-proxy": "64101", "egress-dns": "64102", "egress-log": "64103", "_apt": "64104", "systemd-network": "64105"}


def _alone(*command: str) -> list[str]:
    """In a network namespace of its own: what is loaded there is gone with the program."""
    return ["unshare", "-n", *command]


def _can_be_alone() -> bool:
    if os.geteuid() != 0 or NFT is None or shutil.which("unshare") is None:
        return False
    return subprocess.run(_alone(NFT, "list", "tables"), capture_output=True, check=False).returncode == 0


needs_nft = pytest.mark.skipif(not _can_be_alone(), reason="needs nft, root and a network namespace")
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")
needs_dnsmasq = pytest.mark.skipif(DNSMASQ is None, reason="needs dnsmasq")


def _said(command: Sequence[str | None]) -> tuple[int, str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=list(VARIANTS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The settings of a policy, in a directory of their own, with numbers for accounts."""
    for name, text in rendered(**VARIANTS[request.param]).items():
        if Path(name).parent == Path(places.SETTINGS):
            text = text.replace(f"{places.SETTINGS}/", f"{tmp_path}/").replace(f"{places.LOGS}/", f"{tmp_path}/")
            if name.endswith(".nft"):
                text = re.sub(r"skuid [^\n]*", lambda found: _numbers(found.group()), text)
            (tmp_path / Path(name).name).write_text(text)
    return tmp_path


def _numbers(rule: str) -> str:
    for account, number in ACCOUNTS.items():
        rule = re.sub(rf"(?<![\w-]){account}(?![\w-])", number, rule)
    return rule


@needs_nft
class TestRules:
    def test_both_kinds_are_accepted(self, folder: Path) -> None:
        for name in ("egress.nft", "lockdown.nft"):
            assert _said(_alone(str(NFT), "-c", "-f", str(folder / name))) == (0, ""), name

    def test_loaded_twice_and_over_each_other_there_is_one_table(self, folder: Path) -> None:
        names = " ".join(f"&& {NFT} -f {folder}/{name}" for name in ("egress.nft", "lockdown.nft", "egress.nft", "egress.nft"))
        status, said = _said(_alone("sh", "-c", f"{NFT} add table inet other {names} && {NFT} list tables && {NFT} list table inet egress"))
        assert status == 0, said
        assert said.startswith("table inet other\ntable inet egress\n")
        assert len(re.findall("policy drop;", said)) == 3


@needs_haproxy
def test_proxy_reads_its_settings(folder: Path) -> None:
    status, said = _said([HAPROXY, "-c", "-f", str(folder / "haproxy.cfg")])
    # An account that is missing here and addresses that are not this machine's are no faults of the file.
    assert status == 0, said


@needs_dnsmasq
@pytest.mark.parametrize("name", ["dns-front.conf", "dns-back.conf", "dns-front.servers", "dns-back.servers"])
def test_resolver_reads_its_settings(folder: Path, name: str) -> None:
    status, said = _said([DNSMASQ, "--test", "-C", str(folder / name)])
    assert (status, said.strip()) == (0, "dnsmasq: syntax check OK."), said


@needs_dnsmasq
def test_what_the_resolver_is_asked_to_check_can_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("filter-rr=HTTPS\nno-such-option\n")
    assert _said([DNSMASQ, "--test", "-C", str(tmp_path / "x.conf")])[0] != 0
