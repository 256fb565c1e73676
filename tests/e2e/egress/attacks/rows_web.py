"""Rows about names, TLS and HTTP: whatever goes through the proxy."""

from __future__ import annotations

import socket
import time

from tools import WORLD as W
from tools import (
    Verdict,
    connect,
    drain,
    foreign,
    hello,
    judged,
    resolved,
    row,
    shown,
    sites,
    tcp,
    tls,
    tls_try,
    token,
    tried,
    worst,
)


def works(ok: bool, data: bytes | str) -> Verdict:
    return ("works" if ok else "blocked"), shown(data)


def get(host: str, path: str = "/", more: str = "", version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: {host}\r\n{more}\r\n".encode()


@row("W01")
def https_allowed() -> Verdict:
    data = tls(resolved(W["api"]), W["api"], verify=True)
    return works(sites(data) == [W["api"]] and f'"sni": "{W["api"]}"'.encode() in data, data)


@row("W02")
def http_mirror() -> Verdict:
    data = tcp(resolved(W["mirror"]), 80, get(W["mirror"], "/debian/Packages", "Connection: close\r\n"))
    return works(data.startswith(b"HTTP/1.1 200") and b"Package: px-hello" in data, data)


@row("W03")
def https_wildcard() -> Verdict:
    data = tls(resolved(W["wild"]), W["wild"], verify=True)
    return works(sites(data) == [W["wild"]], data)


@row("W04")
def forge_ssh() -> Verdict:
    data = tcp(resolved(W["git"]), 22, timeout=4)
    return works(data.startswith(b"SSH-2.0-INTERNET"), data)


@row("W05")
def hello_in_pieces() -> Verdict:
    message = hello(W["api"])
    with connect(W["cdn"][0], 443) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(message), 100):
            made.sendall(message[start : start + 100])
            time.sleep(0.03)
        data = drain(made, 3, until=b"\x16")
    return works(data[:1] == b"\x16", data[:30])


@row("W06")
def over_version_6() -> Verdict:
    data = tls(W["cdn"][1], W["api"], verify=True)
    return works(sites(data) == [W["api"]], data)


@row("W11")
def case_and_port() -> Verdict:
    secure = tls_try(W["cdn"][0], W["api"].upper(), W["api"])
    plain = tcp(W["cdn"][0], 80, get(f"{W['api'].upper()}:80", more="Connection: close\r\n"))
    return works(sites(secure) == [W["api"]] and sites(plain) == [W["api"]], secure + plain)


@row("W12")
def two_requests() -> Verdict:
    data = tcp(W["cdn"][0], 80, get(W["api"], "/one") + get(W["api"], "/two"), timeout=2)
    return works(sites(data) == [W["api"]] * 2, data)


@row("W14")
def https_of_a_name_with_a_port() -> Verdict:
    data = tls(resolved(W["git"]), W["git"], verify=True)
    return works(sites(data) == [W["git"]], data)


@row("N01")
def tls_to_an_address() -> Verdict:
    return judged(tls_try(W["attacker"][0], W["evil"], path=f"/{token('N01')}"))


@row("N02")
def http_to_an_address() -> Verdict:
    data = tcp(W["attacker"][0], 80, get(W["attacker"][0], f"/{token('N02')}"))
    return judged(data)


@row("N14")
def tls_to_an_address_6() -> Verdict:
    return judged(tls_try(W["attacker"][1], W["evil"], path=f"/{token('N14')}"))


@row("N18")
def neighbour_of_an_allowed_host() -> Verdict:
    return judged(tls_try(W["neighbour"][0], "neighbour.example", path=f"/{token('N18')}"))


@row("N20")
def other_sni() -> Verdict:
    return foreign(tls_try(W["cdn"][0], W["other"], path=f"/{token('N20')}"))


@row("N21")
def other_host() -> Verdict:
    return foreign(tcp(W["cdn"][0], 80, get(W["other"], f"/{token('N21')}")))


@row("N22")
def no_sni() -> Verdict:
    return judged(tls_try(W["cdn"][0], None, W["other"], path=f"/{token('N22')}"))


@row("N23")
def fronting() -> Verdict:
    return foreign(tls_try(W["cdn"][0], W["api"], W["other"], path=f"/{token('N23')}"))


@row("N24")
def pipelined() -> Verdict:
    data = tcp(W["cdn"][0], 80, get(W["api"]) + get(W["other"], f"/{token('N24')}"), timeout=2)
    return foreign(data)


@row("N25")
def connect_method() -> Verdict:
    found = []
    for number, target in enumerate((f"{W['other']}:443", f"{W['api']}:443", f"{W['attacker'][0]}:4444")):
        request = f"CONNECT {target} HTTP/1.1\r\nHost: {W['api']}\r\n\r\n".encode() + token("N25").encode()
        data = tcp(W["cdn"][0], 80, request, timeout=2)
        # An allowed host may see the word, and may say no.
        found.append(foreign(data, target) if number else judged(data, target))
    return worst(found)


@row("N26")
def absolute() -> Verdict:
    path = token("N26")
    requests = [
        f"GET http://{W['other']}/{path} HTTP/1.1\r\nHost: {W['api']}\r\n\r\n",
        f"GET http://{W['other']}/{path} HTTP/1.0\r\nHost: {W['api']}\r\n\r\n",
        f"GET http://{W['other']}:80/{path} HTTP/1.1\r\nHost: {W['api']}\r\n\r\n",
        f"GET http://{W['api']}@{W['other']}/{path} HTTP/1.1\r\nHost: {W['api']}\r\n\r\n",
        f"GET http://{W['api']}:80@{W['other']}/{path} HTTP/1.1\r\nHost: {W['api']}:80@{W['other']}\r\n\r\n",
        f"GET http://{W['other']}/{path} HTTP/1.1\r\n\r\n",
        f"GET https://{W['other']}/{path} HTTP/1.1\r\nHost: {W['api']}\r\n\r\n",
        f"GET //{W['other']}/{path} HTTP/1.1\r\nHost: {W['other']}\r\n\r\n",
    ]
    return worst([foreign(tcp(W["cdn"][0], 80, text.encode(), timeout=1.5), str(number)) for number, text in enumerate(requests)])


@row("N27")
def two_hosts() -> Verdict:
    path = token("N27")
    found = []
    for first, second in ((W["api"], W["other"]), (W["other"], W["api"])):
        data = tcp(W["cdn"][0], 80, get(first, f"/{path}", f"Host: {second}\r\n"), timeout=1.5)
        found.append(judged(data, f"{first} then {second}"))
    return worst(found)


@row("N28")
def not_tls_on_443() -> Verdict:
    found = [tried("bytes", tcp, W["cdn"][0], 443, f"{token('N28')}\r\n".encode())]
    found.append(tried("ssh", tcp, W["cdn"][0], 443, f"SSH-2.0-{token('N28')}\r\n".encode()))
    found.append(tried("http", tcp, W["cdn"][0], 443, get(W["api"], f"/{token('N28')}")))
    return worst(found)


@row("N29")
def private_by_name() -> Verdict:
    name = W["private_names"][0]
    found = [judged(tls_try(W["cdn"][0], name, path=f"/{token('N29')}"), "tls")]
    found.append(tried("http", tcp, W["cdn"][0], 80, get(name, f"/{token('N29')}")))
    return worst(found)


@row("N30")
def lan_host() -> Verdict:
    return worst(
        [
            tried("80", tcp, W["lan_host"], 80, get("nas.lan", f"/{token('N30')}")),
            judged(tls_try(W["lan_host"], "nas.lan", path=f"/{token('N30')}"), "443"),
            tried("8443", tcp, W["lan_host"], 8443, token("N30").encode()),
            tried("own port of the service", tcp, W["service"], 4444, token("N30").encode()),
        ]
    )


@row("N82")
def other_private_names() -> Verdict:
    found = []
    for name in W["private_names"][1:]:
        found.append(judged(tls_try(W["cdn"][0], name, path=f"/{token('N82')}"), f"tls {name}"))
        data = tcp(W["cdn"][0], 80, get(name, f"/{token('N82')}"), timeout=2)
        found.append(judged(data, f"http {name}"))
    return worst(found)


@row("W10")
def range_entry() -> Verdict:
    data = tcp(W["service"], 8443, b"hello")
    return works(b"INTERNET-RAW" in data, data)
