"""Names and addresses of the simulated internet, and what the restricted box may do there. One table for all who need it."""

from __future__ import annotations

from typing import Any

NET4, NET6 = "198.51.100.0/24", "2001:db8:51::/64"
LAN = "192.168.51.0/24"  # what a home network has; it lies in the same container


def v4(last: int) -> str:
    return f"198.51.100.{last}"


def v6(last: int) -> str:
    return f"2001:db8:51::{last}"


GATEWAY = 1  # only version 6: the container itself
FORGE, MIRROR, CDN, DNS, FOREIGN_DNS, ATTACKER, NEIGHBOUR, NEW_HOME = 11, 12, 20, 53, 54, 66, 77, 88
HOSTS = (FORGE, MIRROR, CDN, DNS, FOREIGN_DNS, ATTACKER, NEIGHBOUR, NEW_HOME)
SERVICE = "192.168.51.20"  # on the list, as an address
LAN_HOST = "192.168.51.30"  # not on the list
# Both are more or less "version 6 addresses of version 4 hosts": 6to4 and NAT64.
TUNNELS = ("2002:c633:6442::1", "64:ff9b::c633:6442")

API, FORGE_NAME, MIRROR_NAME, WILD = "api.ai.example", "git.example", "mirror.example", "x.usercontent.example"
OTHER_ON_CDN, EVIL = "other.cdn.example", "evil.example"
LAN_NAME, LOOP_NAME, MAPPED_NAME, META_NAME = (f"{word}.usercontent.example" for word in ("lan", "loop", "mapped", "meta"))
ROTATING = "rotating.usercontent.example"
# Names that tests of changes allow, deny, and move.
SPARE = tuple(f"spare{number}.example" for number in range(1, 9))

ALLOW: list[Any] = [API, FORGE_NAME, f"{FORGE_NAME}:22", MIRROR_NAME, "*.usercontent.example", {"cidr": f"{SERVICE}/32", "port": 8443}]
ALLOWED_SITES = (API, FORGE_NAME, MIRROR_NAME)
ALLOWED_SUFFIX = ".usercontent.example"


def _both(last: int, ttl: int = 30) -> dict[str, Any]:
    return {"A": [v4(last)], "AAAA": [v6(last)], "ttl": ttl}


def records() -> dict[str, dict[str, Any]]:
    found = {
        API: _both(CDN),
        OTHER_ON_CDN: _both(CDN),
        "*.usercontent.example": _both(CDN),
        FORGE_NAME: _both(FORGE),
        MIRROR_NAME: _both(MIRROR),
        EVIL: {**_both(ATTACKER), "TXT": ["hello"]},
        f"*.{EVIL}": {**_both(ATTACKER), "TXT": ["hello"]},
        "neighbour.example": _both(NEIGHBOUR),
        LAN_NAME: {"A": [LAN_HOST], "ttl": 5},
        LOOP_NAME: {"A": ["127.0.0.1"], "AAAA": ["::1"], "ttl": 5},
        MAPPED_NAME: {"AAAA": [f"::ffff:{LAN_HOST}"], "ttl": 5},
        META_NAME: {"A": ["169.254.169.254"], "ttl": 5},
        ROTATING: _both(CDN, ttl=3),
    }
    found.update({name: _both(CDN) for name in SPARE})
    return found


def allowed_site(site: str) -> bool:
    """Whether a name is one that the box may speak with."""
    return site in ALLOWED_SITES or (site.endswith(ALLOWED_SUFFIX) and len(site) > len(ALLOWED_SUFFIX))


def as_config() -> dict[str, Any]:
    """What the attacks need to know of all that."""
    return {
        "v4": {str(last): v4(last) for last in HOSTS},
        "v6": {str(last): v6(last) for last in HOSTS},
        "attacker": [v4(ATTACKER), v6(ATTACKER)],
        "neighbour": [v4(NEIGHBOUR), v6(NEIGHBOUR)],
        "cdn": [v4(CDN), v6(CDN)],
        "forge": [v4(FORGE), v6(FORGE)],
        "dns": [v4(DNS), v6(DNS)],
        "foreign_dns": [v4(FOREIGN_DNS), v6(FOREIGN_DNS)],
        "service": SERVICE,
        "lan_host": LAN_HOST,
        "tunnels": list(TUNNELS),
        "api": API,
        "git": FORGE_NAME,
        "mirror": MIRROR_NAME,
        "wild": WILD,
        "other": OTHER_ON_CDN,
        "evil": EVIL,
        "private_names": [LAN_NAME, LOOP_NAME, MAPPED_NAME, META_NAME],
        "rotating": ROTATING,
    }
