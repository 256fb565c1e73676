"""What is behind a gateway reaches what the gateway's policy lets through and nothing else, whoever is root there."""

from __future__ import annotations

import json
import shlex
import subprocess
import time

import pytest
from behind import Held, Scene
from playbook import Playbooks, clean_environment

IDENTS = ["G01", "G02", "G03", "G04", "G05", "G06", "G07", "G08", "G09", "G10", "G11"]


@pytest.fixture(scope="module")
def tried(scene: Scene) -> tuple[dict[str, Held], dict[str, bool]]:
    others = (scene.box("gtask2").address, "10.99.7.1", scene.box("ggate2").address)
    return scene.attack("gtask1", "ggate1", others=others)


@pytest.mark.parametrize("ident", IDENTS)
def test_held(ident: str, tried: tuple[dict[str, Held], dict[str, bool]]) -> None:
    found = tried[0][ident]
    assert not found.through, found
    assert not found.outside, found


def test_the_tries_get_through_where_nothing_holds_them(scene: Scene) -> None:
    """Without this a try could be held only because it is wrong."""
    found, _working = scene.attack("gbase", None, only=["G01", "G02", "G03", "G05", "G06", "G08", "G11"])
    assert all(found[ident].through for ident in ("G01", "G02", "G03", "G08")), found
    assert all(found[ident].outside for ident in ("G01", "G02", "G03", "G05", "G06", "G11")), found


def test_without_its_guards_a_gateway_would_answer_forged_senders(scene: Scene) -> None:
    """The rules at the door, the kernel's own check of return paths, and the judgement of replies: each is enough."""
    gate = scene.box("ggate2")
    rules, check = (
        "nft flush chain inet egress inside",
        "for name in all default eth1; do echo 0 >/proc/sys/net/ipv4/conf/$name/rp_filter; done",
    )
    gate.run(f"{rules}; {check}")
    try:
        found, _working = scene.attack("gtask2", "ggate2", only=["G06"])
        assert not found["G06"].outside, found
        gate.run("nft insert rule inet egress out ct direction reply ct state established,related accept")
        found, _working = scene.attack("gtask2", "ggate2", only=["G06"])
        assert found["G06"].outside
    finally:
        gate.run("/usr/local/lib/pixels/egress/load")
    found, _working = scene.attack("gtask2", "ggate2", only=["G06"])
    assert not found["G06"].outside, found
    gate.run(f"/usr/lib/systemd/systemd-sysctl /etc/sysctl.d/99-egress.conf; {rules}")
    try:
        found, _working = scene.attack("gtask2", "ggate2", only=["G06"])
        assert not found["G06"].outside, found
    finally:
        gate.run("/usr/local/lib/pixels/egress/load")


def test_a_port_of_the_bridge_would_get_past_the_gateway(scene: Scene, playbook: Playbooks) -> None:
    """Why what is behind a gateway has a MACVLAN card: the machine that the bridge is on forwards what it gets."""
    bridge = scene.info("ggate1")["inside"]
    options = {"nic_type": "bridged", "parent": bridge, "memory": "512MiB", "provision": False}
    playbook("create", "-e", '{"from": "gbase"}', container="gloose", **options).succeeded()
    try:
        found, _working = scene.attack("gloose", "ggate1", only=["G02", "G11"])
        assert not found["G02"].through and found["G11"].outside, found
        taken = playbook("create", container="gloose", via="ggate1")
        assert taken.rc != 0 and "cannot be changed in place" in " ".join(taken.failures()), taken.output
    finally:
        playbook("destroy", container="gloose").succeeded()


@pytest.mark.parametrize("what", ["https", "forge", "mirror", "range"])
def test_what_is_allowed_works(what: str, tried: tuple[dict[str, Held], dict[str, bool]]) -> None:
    assert tried[1][what], tried[1]


def test_a_clone_behind_another_gateway_is_held_as_well(scene: Scene) -> None:
    held, working = scene.attack("gtask2", "ggate2", others=(scene.box("gtask1").address, "10.99.0.1", scene.box("ggate1").address))
    assert all(not entry.through and not entry.outside for entry in held.values()), held
    assert working["https"] and working["forge"], working


def test_refusals_are_quick(scene: Scene) -> None:
    script = """
import socket, time
began = time.time()
try:
    socket.create_connection(('198.51.100.66', 4444), 5)
except ConnectionRefusedError:
    print(time.time() - began)
"""
    assert float(scene.box("gtask1").run(f'python3 -c "{script}"')) < 1


def test_it_has_one_card_and_root(scene: Scene) -> None:
    box = scene.box("gtask1")
    assert set(box.run("ls /sys/class/net").split()) == {"eth0", "lo"}
    assert "2001:" not in box.run("ip -6 addr")
    assert scene.ssh("gtask1", "sudo id -u").stdout.strip() == "0"
    assert box.run("ip route show default").split()[2] == "10.99.0.1"


def test_reached_through_the_gateway_alone(scene: Scene) -> None:
    info = scene.info("gtask1")
    assert info["via"] == "ggate1" and "ProxyCommand" in info["ssh"], info
    direct = [word for word in info["ssh"].split(" -o ") if "ProxyCommand" not in word]
    assert direct and scene.ssh("gtask1", "hostname").stdout.strip() == "px-gtask1"
    # The key of another container in its place is not accepted.
    known = scene.home / ".local/state/pixels/known_hosts"
    before = known.read_text()
    lines = [line for line in before.splitlines() if not line.startswith("gtask1.")]
    swapped = next(line.split(" ", 1)[1] for line in lines if line.startswith("gtask2."))
    known.write_text(
        "\n".join([*lines, next(line for line in before.splitlines() if line.startswith("gtask1.")).split(" ")[0] + " " + swapped]) + "\n"
    )
    try:
        refused = scene.ssh("gtask1", "true", check=False)
        assert refused.returncode == 255 and "verification failed" in refused.stderr, refused
    finally:
        known.write_text(before)


def test_the_gateway_lets_only_root_through_and_only_there(scene: Scene) -> None:
    line = scene.info("ggate1")["ssh"]
    address = scene.box("gtask1").address

    def forward(user: str, target: str) -> subprocess.CompletedProcess[bytes]:
        words = shlex.split(line)
        words = [*words[:-1], f"{user}@{words[-1].partition('@')[2]}"]
        command = [words[0], "-o", "BatchMode=yes", "-W", target, *words[1:]]
        return subprocess.run(command, env=clean_environment(scene.home), input=b"", capture_output=True, check=False, timeout=30)

    assert forward("root", f"{address}:22").stdout.startswith(b"SSH-2.0")
    assert b"SSH-" not in forward("pixel", f"{address}:22").stdout
    for target in (f"{scene.internet.gateway}:22", "198.51.100.66:4444", "198.51.100.66:22", f"{address}:8000"):
        assert forward("root", target).stdout == b"", target


def test_the_same_again_changes_nothing(scene: Scene, playbook: Playbooks) -> None:
    made = playbook("create", container="gtask1", via="ggate1", memory="512MiB", egress_gateway_proof_names=["api.ai.example"])
    assert made.changed == 0, made.output


def test_a_second_run_that_says_less_renumbers_nobody_and_opens_nothing(scene: Scene, playbook: Playbooks) -> None:
    """ggate2 was made with another address than the usual one, and as an allowlist."""
    added = playbook("gateway", container="ggate2", allow="added.example.net", egress_gateway_prove=False).succeeded()
    policy = added.last("egress")["egress"]
    assert policy["mode"] == "allowlist" and "added.example.net" in policy["allow"] and len(policy["allow"]) > 1, policy
    assert json.loads(scene.box("ggate2").run("cat /etc/egress/dhcp.json"))["address"] == "10.99.7.1"
    assert playbook("gateway", container="ggate2", egress_gateway_prove=False).succeeded().changed == 0
    playbook("network_deny", container="ggate2", domain="added.example.net", prove=False).succeeded()
    held, working = scene.attack("gtask2", "ggate2", only=["G02"])
    assert not held["G02"].through and working["https"], (held, working)


def test_after_restarts(scene: Scene, playbook: Playbooks) -> None:
    for name in ("ggate1", "gtask1"):
        playbook("stop", container=name).succeeded()
        playbook("start", container=name).succeeded()
        scene.back("gtask1")
        held, working = scene.attack("gtask1", "ggate1", only=["G01", "G02", "G04", "G09"])
        assert all(not entry.through and not entry.outside for entry in held.values()), (name, held)
        assert all(working[what] for what in ("https", "forge", "mirror", "range")), (name, working)


def test_without_the_gateway_nothing_goes_out(scene: Scene, playbook: Playbooks) -> None:
    box = scene.box("gtask1")
    playbook("stop", container="ggate1").succeeded()
    try:
        script = """
import socket
for where in (('198.51.100.20', 443), ('198.51.100.66', 4444), ('198.51.100.53', 53)):
    try:
        socket.create_connection(where, 2)
        print('through')
    except OSError as error:
        print(error)
"""
        assert "through" not in box.run(f'python3 -c "{script}"')
        refused = playbook("create", container="gtask3", via="ggate1")
        assert refused.rc != 0 and "ggate1" in " ".join(refused.failures()), refused.output
        assert scene.lab.instance("px-gtask3") is None
    finally:
        playbook("start", container="ggate1").succeeded()
        scene.back("gtask1")
    assert scene.ssh("gtask1", "true").returncode == 0


def test_checkpoints_and_exec_go_through_the_gateway(scene: Scene, playbook: Playbooks) -> None:
    playbook("exec", container="gtask1", cmd="sh -c 'echo before >state'").succeeded()
    playbook("checkpoint_create", container="gtask1", label="ready").succeeded()
    playbook("exec", container="gtask1", cmd="sh -c 'echo after >state'").succeeded()
    playbook("checkpoint_restore", container="gtask1", label="ready").succeeded()
    assert scene.ssh("gtask1", "cat state").stdout == "before\n"
    # A clone of it is behind the same gateway without being told.
    playbook("create", "-e", '{"from": "gtask1:ready"}', container="gtask4", memory="512MiB").succeeded()
    try:
        assert scene.info("gtask4")["via"] == "ggate1"
        assert scene.ssh("gtask4", "cat state").stdout == "before\n"
    finally:
        playbook("destroy", container="gtask4").succeeded()


def test_a_gateway_stays_as_long_as_something_is_behind_it(scene: Scene, playbook: Playbooks) -> None:
    refused = playbook("destroy", container="ggate1")
    assert refused.rc != 0 and "gtask1" in " ".join(refused.failures()), refused.output
    assert scene.lab.instance("px-ggate1") is not None
    opened = playbook("network_set", container="ggate1", mode="unrestricted")
    assert opened.rc != 0 and "gateway" in " ".join(opened.failures()), opened.output


def test_a_policy_without_its_gateway_lets_nothing_in_meanwhile(scene: Scene, playbook: Playbooks) -> None:
    """Locked, as after a failure: root of the control node gets in, nobody from inside."""
    gate = scene.box("ggate1")
    gate.run("/usr/local/lib/pixels/egress/load lock")
    try:
        held, working = scene.attack("gtask1", "ggate1", only=["G01", "G02", "G04", "G09"])
        assert all(not entry.through and not entry.outside for entry in held.values()), held
        assert not any(working[what] for what in ("https", "forge", "mirror", "range")), working
    finally:
        gate.run("/usr/local/lib/pixels/egress/load")


def test_learning(scene: Scene, playbook: Playbooks) -> None:
    playbook("network_set", container="ggate2", mode="learn", prove=False).succeeded()
    try:
        found, working = scene.attack("gtask2", "ggate2", only=["G02", "G05", "G06", "G09", "G11"])
        # TCP goes through the proxy; nothing else goes anywhere, and nothing past it.
        assert found["G02"].through and all("RAW" in text or "SITE" in text for text in found["G02"].through), found
        assert all(not found[ident].through and not found[ident].outside for ident in ("G05", "G06", "G09", "G11")), found
        assert working["https"] and working["forge"]
        info = playbook("network_show", container="ggate2").succeeded().last("egress_info")["egress"]
        assert {"cidr": "198.51.100.66/32", "port": 4444} in [entry["entry"] for entry in info["learned"]], info["learned"]
    finally:
        playbook("network_set", container="ggate2", mode="allowlist", prove=False).succeeded()
    found, _working = scene.attack("gtask2", "ggate2", only=["G02"])
    assert not found["G02"].through and not found["G02"].outside, found


def test_r01_root_in_the_restricted_container_itself_is_not_held(scene: Scene) -> None:
    """What the gateway is for: said openly in SECURITY.md, and known here."""
    gate = scene.box("ggate2")
    script = "import socket; print(socket.create_connection(('198.51.100.66', 4444), 5).recv(100))"
    assert "INTERNET" not in gate.run(f'python3 -c "{script}" 2>&1', check=False)
    gate.run("nft flush ruleset")
    try:
        deadline = time.monotonic() + 60
        while "INTERNET" not in (said := gate.run(f'python3 -c "{script}" 2>&1', check=False)):
            assert time.monotonic() < deadline, said
    finally:
        gate.run("/usr/local/lib/pixels/egress/load")
