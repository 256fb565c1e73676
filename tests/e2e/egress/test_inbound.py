"""Who comes from outside to fetch what cannot be sent."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from internet import Internet
from suite import Agent

TCP_PORTS, UDP_PORT = (7777, 8443, 8080, 53), 7778
LISTENER = f"""
import socket, threading, time
def serve(family, everything, port):
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((everything, port)); server.listen()
        while True:
            there, _peer = server.accept()
            there.sendall(b"secret"); there.close()
def answer(family, everything):
    with socket.socket(family, socket.SOCK_DGRAM) as there:
        if family == socket.AF_INET6: there.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        there.bind((everything, {UDP_PORT}))
        while True:
            _data, peer = there.recvfrom(100); there.sendto(b"secret", peer)
for family, everything in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    threading.Thread(target=serve, args=(family, everything, 7777), daemon=True).start()
    threading.Thread(target=answer, args=(family, everything), daemon=True).start()
print("listening", flush=True)
time.sleep(60)
"""
VISITOR = """
import socket, sys
found = []
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in @PORTS@:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as there:
                there.settimeout(1)
                there.connect((address, port))
                there.sendall(b"GET / HTTP/1.1\\r\\nHost: api.ai.example\\r\\n\\r\\n")
                found.append(f"{address} {port} {there.recv(100)!r}")
        except OSError: pass
    with socket.socket(family, socket.SOCK_DGRAM) as there:
        there.settimeout(1)
        try:
            there.sendto(b"x", (address, @UDP@))
            found.append(f"{address} udp {there.recv(100)!r}")
        except OSError: pass
print("\\n".join(found))
"""


def visited(agent: Agent, internet: Internet) -> str:
    """What a peer on the same network gets out of ports that the agent has opened, and out of those of the policy."""
    line = [*agent.line, f"python3 -c '{LISTENER}'"]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None and listener.stdout.readline() == b"listening\n"
        time.sleep(0.3)
        own = agent.box.run("hostname -I").split()
        program = VISITOR.replace("@PORTS@", str(TCP_PORTS)).replace("@UDP@", str(UDP_PORT))
        try:
            return internet.box.run(f"python3 - {' '.join(own)}", stdin=program.encode())
        finally:
            listener.kill()


def test_a_peer_visits_an_unrestricted_box(open_box: Agent, internet: Internet) -> None:
    told = visited(open_box, internet)
    assert told.count("secret") == 4, told


def test_a_peer_gets_nothing_from_a_restricted_box(box: Agent, internet: Internet) -> None:
    assert visited(box, internet).strip() == ""


@pytest.fixture
def own_key(box: Agent, internet: Internet) -> Iterator[str]:
    """The attacker's key, which the agent has let in."""
    internet.box.run("rm -f /root/px*; ssh-keygen -q -t ed25519 -N '' -f /root/px")
    public = internet.box.run("cat /root/px.pub").strip()
    before = box.run("cat .ssh/authorized_keys")
    box.run("cat >>.ssh/authorized_keys", stdin=f"{public}\n".encode())
    yield f"ssh -F none -i /root/px -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes pixel@{box.box.address}"
    box.run("cat >.ssh/authorized_keys", stdin=before.encode())


def test_a_peer_that_the_agent_lets_in_opens_no_way_out(own_key: str, box: Agent, internet: Internet) -> None:
    """Known: the agent can let somebody of the same network in. They get no further than the agent, and it no further by them."""
    assert internet.box.run(f"{own_key} 'grep NoNewPrivs /proc/self/status'").split() == ["NoNewPrivs:", "1"]
    command = own_key.replace("ssh -F none", "ssh -F none -N -o ExitOnForwardFailure=yes -R 127.0.0.1:7790:198.51.100.66:4444")
    done = internet.box.run(f"timeout 5 {command} 2>&1; echo ended $?", check=False)
    assert "remote port forwarding failed" in done, done
    assert "refused" in box.run("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 7790), 2)' 2>&1", check=False)
    agent = own_key.replace("ssh -F none", "ssh -F none -A")
    assert internet.box.run(f"eval $(ssh-agent) >/dev/null; {agent} 'echo agent=$SSH_AUTH_SOCK'; kill $SSH_AGENT_PID") == "agent=\n"


def test_the_operator_can_look_at_a_server_of_the_agent(box: Agent) -> None:
    """Forwarding into the box works: that is how a development server in it is looked at."""
    server = subprocess.Popen([*box.line, f"python3 -c '{LISTENER}'"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None and server.stdout.readline() == b"listening\n"
        line = [*box.line[:-1], "-W", "127.0.0.1:7777", box.line[-1]]
        assert subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20).stdout == b"secret"
    finally:
        server.kill()
        server.wait()
