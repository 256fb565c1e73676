# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the egress policy has its things in a container, and which services it has to do with."""

from __future__ import annotations

SETTINGS = "/etc/egress"
PROGRAMS = "/usr/local/lib/pixels/egress"
LOGS = "/var/log/egress"
UNITS = "/etc/systemd/system"

# The policy as it was asked for: it is there first and goes last, so whoever finds it knows that this container is restricted.
POLICY = SETTINGS + "/policy.json"
# What is in force, by its digests: written when all is done.
STATE = SETTINGS + "/state.json"
# What to give back when the container is unrestricted again.
PREVIOUS = SETTINGS + "/previous.json"
RULES = SETTINGS + "/egress.nft"
LOCKDOWN = SETTINGS + "/lockdown.nft"
LOAD = PROGRAMS + "/load"
SUDO = "/usr/local/bin/sudo"
RESOLV = "/etc/resolv.conf"
SYSUSERS = "/etc/sysusers.d/egress.conf"
NETWORKD = "/etc/systemd/networkd.conf.d/egress.conf"
# Of a gateway: its inside, that it forwards nothing, and which addresses it has given away.
INSIDE_NETWORK = "/etc/systemd/network/05-egress.network"
SYSCTL = "/etc/sysctl.d/99-egress.conf"
DHCP = "egress-dhcp.service"
DHCP_SETTINGS = SETTINGS + "/dhcp.json"
DHCP_PROGRAM = PROGRAMS + "/dhcp"
LEASES = "/var/lib/egress-dns"
# Whoever is not root is turned away while it is there. The boot removes it, and makes it anew of what is kept for that.
NOLOGIN = "/run/nologin"
STAYS_CLOSED = SETTINGS + "/closed"
# What is in it: whoever logs in meanwhile is told this.
NOT_YET = "This container's egress policy is being put in force. Try again in a moment.\n"
NOT_AT_ALL = "This container's egress policy could not be put in force.\n"
CLOSED = (NOT_YET, NOT_AT_ALL)
LOCK = "/run/pixels-egress.lock"
# There while routing rules lock the container, for want of others.
LOCKED = "/run/egress-locked"
DROP_IN = "egress.conf"

# What the proof tries to reach: an address that is set aside for documentation, and a name that nobody can have.
PROOF_ADDRESS, PROOF_PORT = "198.51.100.1", 4444
PROOF_NAME = "unlisted.pixels-egress-proof.invalid"
# Names that are set aside for examples, and that there are: an open container would look them up.
PROOF_LOOK_UPS = ("example.com", "example.org", "example.net")

TABLE = ("inet", "egress")
ACCOUNTS = ("egress-proxy", "egress-dns", "egress-log")

FIREWALL = "egress-firewall.service"
BACK = "egress-dns@back.service"
FRONT = "egress-dns@front.service"
PROXY = "egress-proxy.service"
LOG = "egress-log.service"
ROTATE = "egress-rotate.timer"
SOCKETS = ("egress-request.socket", "egress-rules.socket")
# In the order in which they are started.
SERVICES = (FIREWALL, BACK, FRONT, PROXY, LOG, ROTATE, *SOCKETS)
# Our own unit files; the first that a container gets are the ones that lock it at a boot.
UNIT_FILES = (
    FIREWALL,
    "egress-dns@.service",
    PROXY,
    LOG,
    "egress-rotate.service",
    ROTATE,
    "egress-request.socket",
    "egress-request@.service",
    "egress-rules.socket",
    "egress-rules@.service",
)

# Units that the agent may always ask for: what installs its tools, which works with nothing that the agent can write.
AGENTS_UNITS = ("pixels-devtools.service",)

# Whoever brings the network up, or the user in, waits for the rules or can no longer become root.
NETWORK = (
    "systemd-networkd.service",
    "networking.service",
    "ifupdown-pre.service",
    "NetworkManager.service",
    "dhcpcd.service",
    "connman.service",
)
CONFINED = (
    "ssh.service",
    "ssh@.service",
    "sshd@.service",
    "sshd-generated@.service",
    "sshd-unix-local@.service",
    "sshd-unix-export@.service",
    "sshd-vsock@.service",
    "user@.service",
    "cron.service",
    "atd.service",
    # It tries the programs that it installs as the agent, whenever the agent asks for it.
    "pixels-devtools.service",
)
# Ways in past the network; see egress_doors.py.
DOORS = ("sshd-unix-local.socket", "sshd-unix-export.socket", "sshd-vsock.socket")
# What opens the system to users at the end of a boot.
SESSIONS = "systemd-user-sessions.service"
# The distribution's own services of the programs that we run, the resolver that ours replaces, and what lets in past the network.
MASKED = (
    "haproxy.service",
    "dnsmasq.service",
    "nftables.service",
    "ulogd2.service",
    "ulogd.service",
    "systemd-resolved.service",
    "systemd-resolved-varlink.socket",
    "systemd-resolved-monitor.socket",
    *DOORS,
)

# What has to be there, and the package that brings it.
PACKAGES = {
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/haproxy": "haproxy",
    "/usr/sbin/dnsmasq": "dnsmasq-base",
    "/usr/sbin/ulogd": "ulogd2",
    "/usr/sbin/logrotate": "logrotate",
    "/usr/sbin/ip": "iproute2",
    "/usr/bin/pkill": "procps",
}

# Membership in one of these is as good as root, or shows what only root should see.
POWERFUL_GROUPS = frozenset(
    (
        "root",
        "sudo",
        "wheel",
        "admin",
        "adm",
        "staff",
        "disk",
        "shadow",
        "kmem",
        "docker",
        "lxd",
        "incus",
        "incus-admin",
        "libvirt",
        "systemd-journal",
        "egress-proxy",
        "egress-dns",
        "egress-log",
    )
)

SYSTEM_FILES = (
    SYSUSERS,
    NETWORKD,
    INSIDE_NETWORK,
    SYSCTL,
    "/etc/ssh/sshd_config.d/10-egress.conf",
    "/etc/dhcp/dhclient-enter-hooks.d/egress",
    "/etc/NetworkManager/conf.d/egress.conf",
    SUDO,
)


def drop_ins() -> list[str]:
    return [f"{UNITS}/{unit}.d/{DROP_IN}" for unit in (*NETWORK, *CONFINED, SESSIONS)]


def outside_files() -> list[str]:
    """All of our files that do not lie in a directory of our own."""
    return [f"{UNITS}/{unit}" for unit in (*UNIT_FILES, DHCP)] + drop_ins() + list(SYSTEM_FILES)
