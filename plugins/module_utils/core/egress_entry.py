# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One entry of an egress policy: what people write, checked, and in one spelling.

`api.example.org` (ports 443 and 80), `*.example.org` (everything below it), `git.example.org:22`, and, past the check of names, an
address range with a port: `{cidr: 192.168.20.5/32, port: 8443}`, on a command line `192.168.20.5/32:8443` or `[2001:db8::/64]:443`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import egress_suffix, egress_vip
from .errors import Invalid

NAME, WILDCARD, PORT, RANGE = "name", "wildcard", "port", "range"
WEB_PORTS = (443, 80)

_FORMS = (
    "an entry is a name (api.example.org, which means its ports 443 and 80), *.name (everything below it), name:port (git.example.org:22)"
    " or a range with a port ({cidr: 192.168.20.5/32, port: 8443}; as a text 192.168.20.5/32:8443 or [2001:db8::/64]:443)"
)
_NAME_RULE = "a name has labels of 1 to 63 letters, digits and inner hyphens with dots between them, 253 characters at most"
_RANGE_RULE = "a range has an address and the length of its prefix, as in 192.168.20.0/24, 192.168.20.5/32 or 2001:db8::/64"
_PORT_RULE = "a port is a number from 1 to 65535"
_STAR_RULE = "the asterisk stands once, alone and at the front, as in *.example.org"

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
# What is in the place of an address and was meant to be one, right or wrong.
_LIKE_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
# Programs take a name with such an end for an address, in one of its old spellings.
_LIKE_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
# In the old and the new rules for international names these become different names.
_AMBIGUOUS = frozenset("ßẞς\u200c\u200d")


@dataclass(frozen=True, order=True)
class Entry:
    """What may be reached, or may not. A wildcard's name is without `*.`."""

    kind: str
    name: str = ""
    port: int = 0
    cidr: str = ""

    @property
    def text(self) -> str:
        """As on a command line."""
        if self.kind == RANGE:
            return f"[{self.cidr}]:{self.port}" if ":" in self.cidr else f"{self.cidr}:{self.port}"
        if self.kind == PORT:
            return f"{self.name}:{self.port}"
        return f"*.{self.name}" if self.kind == WILDCARD else self.name

    @property
    def value(self) -> str | dict[str, Any]:
        """As in YAML."""
        return {"cidr": self.cidr, "port": self.port} if self.kind == RANGE else self.text


class _Wrong(Exception):
    """The value is no entry; `why` says what is allowed."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__()


def parse(option: str, value: object, denial: bool = False) -> Entry:
    """The entry; raises for everything that is none, and for wildcards by which anybody could be reached, unless they are to be denied."""
    entry = read(option, value)
    if not denial and entry.kind == WILDCARD and egress_suffix.anybody_below(entry.name):
        raise Invalid(option, _plain(value), _public(entry.name))
    return entry


def parse_list(option: str, values: object, denial: bool = False) -> tuple[Entry, ...]:
    """The entries of a list, or of a text with commas or lines, sorted and each once. Nothing said, as in the empty answer of a survey, is
    none.
    """
    if values is None:
        return ()
    if isinstance(values, str):
        values = [part for part in re.split(r"[,\n]", values) if part.strip()]
    if not isinstance(values, (list, tuple, set, frozenset)):
        raise Invalid(option, _plain(values), f"it is a list of entries, or a text with commas between them; {_FORMS}")
    return tuple(sorted({parse(option, value, denial) for value in values}))


def read(option: str, value: object) -> Entry:
    """The form alone, for what has been judged by `parse` before: a newer list of suffixes does not make an old policy unreadable."""
    try:
        if isinstance(value, Mapping):
            return _range_of(value)
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            raise _Wrong(_FORMS)
        return _entry(str(text))
    except _Wrong as wrong:
        raise Invalid(option, _plain(value), wrong.why) from None


def _entry(text: str) -> Entry:
    if "://" in text:
        raise _Wrong("that is a URL; give the host name alone, as in api.example.org")
    if text.startswith("["):
        return _bracketed(text)
    _no_address(text, "PORT")
    if "/" in text:
        return _slashed(text)
    if "*" in text:
        return _wildcard(text)
    if ":" in text:
        return _with_port(text)
    return Entry(NAME, _name(text))


def _bracketed(text: str) -> Entry:
    match = _BRACKETED.fullmatch(text)
    if match is None:
        raise _Wrong(_FORMS)
    cidr, port = match.groups()
    _no_address(cidr, port or "PORT")
    if port is None:
        raise _Wrong("a range needs a port, as in [2001:db8::/64]:443")
    return _range(cidr, port)


def _slashed(text: str) -> Entry:
    """A range, or what is left of a URL."""
    address, _slash, rest = text.partition("/")
    prefix, colon, port = rest.partition(":")
    if not _LIKE_ADDRESS.fullmatch(address):
        raise _Wrong("there is a slash in it; give the host name alone, as in api.example.org")
    if ":" in address:
        raise _Wrong("a range of IPv6 needs brackets and a port, as in [2001:db8::/64]:443")
    if not colon:
        raise _Wrong("a range needs a port, as in 192.168.20.5/32:8443 or {cidr: 192.168.20.5/32, port: 8443}")
    return _range(f"{address}/{prefix}", port)


def _wildcard(text: str) -> Entry:
    if text == "*":
        raise _Wrong("for everything there is mode=unrestricted; a wildcard has a name, as in *.example.org")
    if not text.startswith("*.") or "*" in text[1:]:
        raise _Wrong(_STAR_RULE)
    if ":" in text:
        raise _Wrong("a wildcard has no port, it means 443 and 80; for other ports give each name:port")
    return Entry(WILDCARD, _name(text[2:], dot=False))


def _with_port(text: str) -> Entry:
    host, _colon, number = text.rpartition(":")
    if not host or ":" in host:
        raise _Wrong(_FORMS)
    _no_address(host, number)
    name, port = _name(host), _port(number)
    if port in WEB_PORTS:
        raise _Wrong(f"a name without a port means 443 and 80; give {name} alone")
    return Entry(PORT, name, port)


def _range_of(value: Mapping[Any, Any]) -> Entry:
    if set(value) != {"cidr", "port"}:
        raise _Wrong("a range has exactly two keys, cidr and port, as in {cidr: 192.168.20.5/32, port: 8443}")
    return _range(value["cidr"], value["port"])


def _range(cidr: object, port: object) -> Entry:
    return Entry(RANGE, "", _port(port), str(_network(cidr)))


def _network(cidr: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    text = cidr.strip() if isinstance(cidr, str) else ""
    address, _slash, prefix = text.partition("/")
    # The library also takes masks, which are easily misread, and zones.
    if not _LIKE_ADDRESS.fullmatch(address) or not re.fullmatch("[0-9]{1,3}", prefix):
        raise _Wrong(_RANGE_RULE)
    try:
        given = ipaddress.ip_interface(text)
    except ValueError:
        raise _Wrong(_RANGE_RULE) from None
    network = given.network
    if network.prefixlen == 0:
        raise _Wrong("that is every address there is; for everything there is mode=unrestricted")
    if given.ip != network.network_address:
        raise _Wrong(f"it has bits behind its prefix; the network is {network}, the address alone {given.ip}/{given.max_prefixlen}")
    if isinstance(network, ipaddress.IPv6Network) and network.overlaps(_MAPPED):
        raise _Wrong(f"addresses of IPv4 are in it in the spelling of IPv6 ({_MAPPED}); give those as IPv4")
    if isinstance(network, ipaddress.IPv4Network) and network.overlaps(egress_vip.NETWORK):
        raise _Wrong(f"{egress_vip.NETWORK} is in use for names with ports; give a range beside it")
    return network


def _port(value: object) -> int:
    text = str(value).strip() if isinstance(value, (int, str)) else ""
    if not _NUMBER.fullmatch(text) or int(text) > 65535:
        raise _Wrong(_PORT_RULE)
    return int(text)


def _name(text: str, dot: bool = True) -> str:
    name = _in_ascii(text).lower().removesuffix(".")
    labels = name.split(".")
    if labels[-1] == "localhost":
        raise _Wrong("the container's own addresses are never restricted; give the name of another host")
    if _LIKE_NUMBER.fullmatch(labels[-1]):
        _no_address(name, "PORT")
        raise _Wrong(
            "it reads like an address; a name does not end in a number, and an address is given as {cidr: 192.168.20.5/32, port: 8443}"
        )
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _Wrong(_NAME_RULE)
    if dot and len(labels) == 1:
        raise _Wrong("a name needs a dot: give it in full, as in api.example.org")
    return name


def _in_ascii(text: str) -> str:
    """International names in the form that DNS has."""
    if text.isascii():
        return text
    if _AMBIGUOUS & set(text):
        raise _Wrong("a letter in it is read in two ways by different programs; give the name in its ASCII form, with xn--")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        raise _Wrong(f"it cannot be a name in DNS; {_NAME_RULE}") from None


def _no_address(text: str, port: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    alone = str(address).partition("%")[0]
    raise _Wrong(f"that is an address, and a name is expected here; give {{cidr: {alone}/{address.max_prefixlen}, port: {port}}}")


def _public(name: str) -> str:
    return (
        f"anybody can get a name below {name}, so everything could go out to anybody by way of *.{name};"
        " list the host names that are needed one by one"
    )


def _plain(value: object) -> object:
    """Ansible's own kinds of text and mapping, as the ordinary ones, so that they are shown as people wrote them."""
    if isinstance(value, str):
        return str(value) if len(value) <= 300 else value[:300] + "..."
    if isinstance(value, Mapping):
        return {_plain(key): _plain(part) for key, part in value.items()}
    return value
