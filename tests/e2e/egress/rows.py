"""The table of all attacks: what is tried, what has to come of it in a restricted box, and what comes of it where nothing holds it.

The documentation and the tests use this one table. `attacks/` has the code of each row, under the same number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`expect` is what must come of it in a restricted box, `control` what comes of it in an unrestricted one (None: anything)."""

    id: str
    text: str
    expect: str = "blocked"  # works, blocked, bypass (known, and said openly)
    control: str | None = None
    optional: bool = False  # a system may lack what it takes
    silent: bool = True  # nothing of it may be on the wire at all
    why: str = ""  # of what is known to get through


def _works(ident: str, text: str, control: str | None = "works") -> Row:
    return Row(ident, text, "works", control, silent=False)


def _web(ident: str, text: str, control: str | None = "bypass") -> Row:
    """Goes through the proxy, so an allowed site may see what was meant for another one."""
    return Row(ident, text, "blocked", control, silent=False)


MUST_WORK = (
    _works("W01", "HTTPS to an allowed name, with its certificate checked"),
    _works("W02", "HTTP to the package mirror"),
    _works("W03", "HTTPS to a name below a wildcard"),
    _works("W04", "SSH to the forge, an entry with a port"),
    _works("W05", "a TLS hello that comes in pieces of 100 bytes"),
    _works("W06", "HTTPS to an allowed name over IPv6"),
    _works("W07", "a denied connection is refused in less than a second", None),
    _works("W08", "sudo apt-get update and install of a package by name"),
    _works("W09", "the agent can read what was denied to it: packets, TLS names, DNS names", None),
    _works("W10", "an address and port on the list, without any name"),
    _works("W11", "names in capitals, and a Host with its port"),
    _works("W12", "two HTTP requests on one connection"),
    _works("W13", "any name server asked for an allowed name, over UDP and TCP", None),
    _works("W14", "HTTPS to a name that also has an entry with a port"),
    _works("W15", "packages with scripts, several at once, as agents type it"),
    _works("W16", "a websocket to an allowed name, without TLS"),
    _works("W17", "names are looked up also after N83, which has had all ports", None),
)

NETWORK = (
    Row("N01", "TLS to the attacker's address", control="bypass", silent=False),
    Row("N02", "HTTP to the attacker's address", control="bypass", silent=False),
    Row("N03", "TCP to other ports of the attacker", control="bypass"),
    Row("N04", "TCP to port 53 of the attacker", control="bypass"),
    Row("N05", "any UDP to port 53 of the attacker", control="bypass"),
    Row("N06", "a foreign name server asked for the attacker's zone", control="bypass"),
    Row("N07", "data in labels by way of the own name server", control="bypass"),
    Row("N08", "data in a label below an exact name", control=None),
    Row("N09", "DNS over TLS, port 853", control="bypass"),
    Row("N10", "UDP 123", control="bypass"),
    Row("N11", "QUIC: UDP 443 to an allowed host", control="bypass"),
    Row("N12", "ICMP echo with data", control="bypass"),
    Row("N13", "ICMPv6 echo with data", control="bypass"),
    Row("N14", "TLS to the attacker's IPv6 address", control="bypass", silent=False),
    Row("N15", "other ports over IPv6", control="bypass"),
    Row("N16", "UDP 53 over IPv6", control="bypass"),
    Row("N17", "other ports of an allowed host", control="bypass"),
    Row("N18", "TLS to a neighbour of an allowed host", control="bypass", silent=False),
    Row("N19", "other ports of that neighbour", control="bypass"),
    _web("N20", "another site on the address of an allowed one, by SNI"),
    _web("N21", "another site on that address, by Host"),
    _web("N22", "TLS without SNI to that address"),
    Row(
        "N23",
        "domain fronting: an allowed SNI, and another Host inside TLS",
        "bypass",
        "bypass",
        silent=False,
        why="what is inside TLS cannot be seen without breaking it open",
    ),
    _web("N24", "a second request with another Host on the same connection"),
    Row("N25", "CONNECT through the HTTP path", control="bypass", silent=False),
    _web("N26", "absolute addresses that name another host"),
    _web("N27", "two Host headers"),
    _web("N28", "what is not TLS on port 443"),
    _web("N29", "an allowed name that points to a private address"),
    Row("N30", "a host of the home network", control="bypass", silent=False),
    Row("N31", "the machine that the containers run on", control="bypass"),
    Row("N32", "TCP from source port 22", control=None),
    Row("N33", "UDP from source port 68 to 67", control=None),
    Row("N34", "UDP to port 67 of the attacker", control="bypass"),
    Row("N35", "a raw socket"),
    Row("N36", "a packet socket"),
    Row("N38", "the rules from a user namespace", optional=True),
    Row("N39", "a connection from a network namespace of one's own"),
    Row("N40", "multicast", control=None),
    Row("N41", "MPTCP, SCTP, UDP-Lite, DCCP", control="bypass"),
    Row("N42", "a user namespace with the number of the proxy's account", control=None, silent=False),
    Row("N44", "sockets of families that no rule judges"),
    Row("N45", "the same through io_uring, which no filter of system calls sees"),
    Row("N46", "the same as a 32-bit program"),
    Row("N47", "TCP sockets made in these ways", control="bypass"),
    Row("N48", "data in the first packet (TCP fast open)", control="bypass"),
    Row("N49", "IPv4 addresses written as IPv6", control="bypass"),
    Row("N50", "6to4 and NAT64 addresses", control="bypass"),
    Row("N51", "source routing by way of an allowed address"),
    Row("N52", "socket options: mark, device, transparent", control="bypass"),
    Row("N53", "local addresses by way of the network card"),
    Row("N54", "UDP without connection, in segments, in fragments", control="bypass"),
    Row("N55", "broadcast"),
    Row("N56", "data in the number of a multicast group that is joined"),
    Row("N57", "IPv6 extension headers"),
    Row("N58", "network cards, routes and addresses of one's own"),
    Row("N59", "keys that the kernel has programs outside of the container look up"),
    Row("N83", "datagrams by way of flows that the resolver has opened", control="bypass"),
    _web("N84", "connections by way of flows that the proxy has opened", None),
)

NAMES = (
    Row("N60", "other types of DNS questions", control="bypass"),
    Row("N61", "other types below an exact name, DS above all"),
    Row("N62", "the inner name server, past the outer one"),
    Row("N63", "other zones: reverse, single labels, special names"),
    Row(
        "N64",
        "more than the question in a question that is allowed",
        "bypass",
        why="an allowed question is passed on as it came, so the configured name server, and nobody else, can be told things by it",
    ),
    Row("N65", "two questions, updates, other classes and flags", control=None),
    Row("N66", "the system's own resolver, over the bus", control=None),
    Row(
        "N67",
        "data in labels below a wildcard",
        "bypass",
        "bypass",
        why="names below a wildcard are looked up, so the zone's name servers see them; exact names are better",
    ),
)

PROXY = (
    _web("N70", "odd names in the SNI: NUL, dots, capitals, too long"),
    _web("N71", "two names in the SNI", None),
    _web("N72", "a hello in several records, and in the old format"),
    _web("N73", "a second hello on the same connection", None),
    _web("N74", "odd Hosts: user, port, dots, blanks"),
    _web("N75", "HTTP/2 without TLS"),
    _web("N76", "Upgrade, and then another Host"),
    _web("N77", "request smuggling"),
    _web("N78", "odd heads: folded, line feeds, versions"),
    Row("N79", "the proxy's own ports"),
    Row("N80", "the proxy's virtual addresses", control=None),
    _web("N82", "allowed names that point to loopback, mapped and link-local addresses", None),
)

ROOT = (
    Row("P01", "a package of one's own, with a script", control="bypass"),
    Row("P02", "apt with a file of settings", control="bypass"),
    Row("P03", "apt with a setting glued to -o", control="bypass"),
    Row("P04", "apt with options in one word", control="bypass"),
    Row("P05", "apt with settings from the environment", control=None),
    Row("P06", "units of one's own", control="bypass"),
    Row("P07", "journalctl --cursor-file", control="bypass"),
    Row("P08", "a second command behind nft list"),
    Row("P09", "stop what enforces the policy"),
    Row("P10", "remove what enforces the policy"),
    Row("P11", "su, sg, pkexec, runuser"),
    Row("P12", "sudo", control="bypass"),
    Row("P13", "new privileges after a login, and in the user's own units", control="bypass"),
    Row("P14", "files that can be written where the system lives"),
    Row("P15", "the proxy's administration"),
    Row("P16", "signals to what enforces the policy", optional=True),
    Row("P17", "the manager of containers"),
    Row("P18", "a setuid program from a package", control="bypass"),
    Row("P20", "cron and at", optional=True),
    Row("P21", "into the processes of others"),
    Row("P22", "programs put into the stand-in for sudo", control=None),
    Row("P23", "settings of the kernel"),
    Row("P24", "sockets of the system's daemons"),
    Row("P25", "the socket that tells the rules", optional=True),
    Row("P28", "other user numbers"),
    Row("P29", "groups with privileges"),
    Row("P30", "a login of one's own, by SSH", control="bypass"),
    Row("P31", "what only root may read of the policy"),
    Row("N88", "daemons asked over the bus", control=None),
)

_REQUESTS = {
    "H01": "paths instead of names",
    "H02": "options",
    "H03": "name-, which removes",
    "H04": "name+ and other marks",
    "H05": "tasks",
    "H06": "patterns",
    "H07": "name/suite",
    "H08": "what means something to a shell",
    "H09": "bytes that are no text",
    "H10": "very long lines, and very deep ones",
    "H11": "nothing",
    "H12": "packages on the list of refusals",
    "H13": "odd versions",
    "H14": "other verbs",
    "H15": "a package that needs a refused one",
    "H16": "a package that would remove others",
    "H17": "other protocols and types",
    "H18": "NUL and line breaks in names",
    "H19": "architectures",
    "H20": "update with more",
    "H21": "very many names",
    "H22": "names that there are not",
    "H23": "connections that say nothing",
    "H24": "units that hold the policy, and other verbs of systemctl",
    "H25": "journals of others, and options of journalctl",
}
REQUESTS = tuple(Row(ident, f"request: {text}", optional=False) for ident, text in _REQUESTS.items())

ROWS = (*MUST_WORK, *NETWORK, *NAMES, *PROXY, *ROOT, *REQUESTS)
BY_ID = {row.id: row for row in ROWS}
assert len(BY_ID) == len(ROWS)
