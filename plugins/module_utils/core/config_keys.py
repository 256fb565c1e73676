# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of everything that can be configured. The documentation, the lookup and all plugins read it; nothing else defines a setting.

The Ansible variable of a setting is its environment variable in lower case: PIXELS_TRUENAS_HOST, pixels_truenas_host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Where the file itself is, when it is not in its usual place. Not a setting of its own: a file cannot say where it is.
FILE_ENV = "PIXELS_CONFIG"
FILE_VAR = FILE_ENV.lower()
# Which of the file's profiles counts; a file cannot choose one for everybody, since it says what holds without any.
PROFILE_ENV = "PIXELS_PROFILE"
PROFILE_VAR = PROFILE_ENV.lower()

# What is acceptable for each type, in the words of the error messages and of the documentation.
TYPES = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list of texts",
    "addresses": "a list of IP addresses",
    "dict": "names with texts as values",
    "cpu": "a number of processors as in 2, or a set of them as in 0-3 or 0,2",
    "memory": "a number of MiB, or a text with a unit as in 2GiB",
}
LISTS = ("list", "addresses")


@dataclass(frozen=True)
class Key:
    """One setting: `name` in the section `[section]` of the file, and the environment variable of the same meaning."""

    section: str
    name: str
    type: str
    default: Any
    env: str
    help: str
    secret: bool = False
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    @property
    def var(self) -> str:
        return self.env.lower()

    @property
    def path(self) -> str:
        """As in `config.get("truenas.host")`; a section of free names goes by its own name."""
        return f"{self.section}.{self.name}" if self.name else self.section

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.least is not None and self.most is not None:
            return f"{TYPES[self.type]} from {self.least} to {self.most}"
        return TYPES[self.type]


KEYS: tuple[Key, ...] = (
    Key(
        "truenas",
        "host",
        "str",
        None,
        "PIXELS_TRUENAS_HOST",
        "Where the TrueNAS is: a name or an address, with `:port` where it is not 443, or a URL.",
    ),
    Key(
        "truenas",
        "port",
        "int",
        None,
        "PIXELS_TRUENAS_PORT",
        "The port, where `host` does not have it. Without either 443.",
        least=1,
        most=65535,
    ),
    Key("truenas", "username", "str", "root", "PIXELS_TRUENAS_USERNAME", "The account that the API key belongs to."),
    Key(
        "truenas",
        "api_key",
        "str",
        None,
        "PIXELS_TRUENAS_API_KEY",
        "The API key. Better kept in `api_key_file`, in the environment or in a vault.",
        secret=True,
    ),
    Key(
        "truenas",
        "api_key_file",
        "path",
        None,
        "PIXELS_TRUENAS_API_KEY_FILE",
        "A file, mode 0600, with the API key and nothing else in it. Of key and file the one set at the higher level counts, at the same"
        " level the key.",
    ),
    Key(
        "truenas",
        "insecure_skip_verify",
        "bool",
        False,
        "PIXELS_TRUENAS_INSECURE",
        "Do not verify the certificate. For a self-signed one `ca_file` is the better answer.",
    ),
    Key(
        "truenas",
        "ca_file",
        "path",
        None,
        "PIXELS_TRUENAS_CA_FILE",
        "A file with the certificates (PEM) to verify the appliance's own with. Without it those of the system.",
    ),
    Key(
        "truenas",
        "session_reuse",
        "str",
        "auto",
        "PIXELS_TRUENAS_SESSION_REUSE",
        "`auto`: one login for all tasks, hosts and forks of a run. `never`: one for each task; TrueNAS allows 20 a minute.",
        choices=("auto", "never"),
    ),
    Key("defaults", "image", "str", "ubuntu/24.04", "PIXELS_DEFAULT_IMAGE", "What new containers are made of."),
    Key(
        "defaults",
        "cpu",
        "cpu",
        "2",
        "PIXELS_DEFAULT_CPU",
        "Processors of a new container: a number, or a set of them such as `0-3`.",
    ),
    Key("defaults", "memory", "memory", 2048, "PIXELS_DEFAULT_MEMORY", "Memory of a new container in MiB, or with a unit: `2GiB`."),
    Key("defaults", "pool", "str", None, "PIXELS_DEFAULT_POOL", "Storage pool of new containers. Without it the appliance's own choice."),
    Key(
        "defaults",
        "dns",
        "addresses",
        (),
        "PIXELS_DEFAULT_DNS",
        "Name servers for new containers. Without any, those that their network offers.",
    ),
    Key(
        "defaults",
        "timezone",
        "str",
        None,
        "PIXELS_DEFAULT_TIMEZONE",
        "The time zone of new containers, such as `Europe/Berlin`. Without it that of their image.",
    ),
    Key(
        "defaults",
        "locale",
        "str",
        None,
        "PIXELS_DEFAULT_LOCALE",
        "The locale of new containers, such as `C.UTF-8` or `de_DE.UTF-8`. Without it that of their image.",
    ),
    Key(
        "defaults",
        "network",
        "str",
        None,
        "PIXELS_DEFAULT_NETWORK",
        "A network of the appliance for new containers. Excludes `nic_type` and `parent`.",
    ),
    Key(
        "defaults",
        "nic_type",
        "str",
        None,
        "PIXELS_DEFAULT_NIC_TYPE",
        "The network card of new containers: `macvlan`, a card of its own in the network of `parent`, or `bridged`, a port of the bridge"
        " `parent`. Without any of the three, `macvlan` on the interface of the default route where the appliance offers that.",
        choices=("macvlan", "bridged"),
    ),
    Key(
        "defaults",
        "parent",
        "str",
        None,
        "PIXELS_DEFAULT_PARENT",
        "The interface or bridge of the appliance that the card is attached to.",
    ),
    Key("ssh", "user", "str", "pixel", "PIXELS_SSH_USER", "The account to log in to in the containers."),
    Key(
        "ssh",
        "key",
        "path",
        "~/.ssh/id_ed25519",
        "PIXELS_SSH_KEY",
        "This machine's private key; the public one lies beside it, with `.pub` appended.",
    ),
    Key(
        "checkpoint",
        "dataset_prefix",
        "str",
        None,
        "PIXELS_CHECKPOINT_DATASET_PREFIX",
        "The dataset that holds those of the containers, such as `tank/.ix-virt/containers`. Without it `.ix-virt/containers` of the pool"
        " that a container is on, which is where TrueNAS has them; with it all containers have to be on that one pool.",
    ),
    Key("provision", "enabled", "bool", True, "PIXELS_PROVISION_ENABLED", "Whether new containers are made ready for SSH."),
    Key(
        "provision",
        "devtools",
        "bool",
        True,
        "PIXELS_PROVISION_DEVTOOLS",
        "Whether new containers get the tools for agents.",
    ),
    Key(
        "network",
        "egress",
        "str",
        "unrestricted",
        "PIXELS_NETWORK_EGRESS",
        "What containers without a policy may reach when `create` is done with them: everything, the preset for agents and `allow`, `allow`"
        " alone, or everything while what is not listed is recorded.",
        choices=("unrestricted", "agent", "allowlist", "learn"),
    ),
    Key(
        "network",
        "allow",
        "list",
        (),
        "PIXELS_NETWORK_ALLOW",
        "What containers with restricted egress may reach besides: names, `*.names`, `names:port`, ranges such as `192.168.20.5/32:8443`.",
    ),
    Key(
        "env",
        "",
        "dict",
        (),
        "PIXELS_ENV",
        'A variable of the account in the containers: a text, which is kept there; `{value = "text", session_only = true}`, which only'
        " sessions get, and no disk; or `{forward = true}`, the same with this machine's own value. The levels are merged name by name."
        ' An empty text is no variable, `{value = ""}` an empty one. See [environment](environment.md).',
        secret=True,
    ),
)

BY_PATH: dict[str, Key] = {key.path: key for key in KEYS}
SECTIONS: tuple[str, ...] = tuple(dict.fromkeys(key.section for key in KEYS))

# Everything that `load` looks at.
VARIABLES: frozenset[str] = frozenset(key.var for key in KEYS) | {FILE_VAR, PROFILE_VAR}
ENVIRONMENT: frozenset[str] = frozenset(key.env for key in KEYS) | {FILE_ENV, PROFILE_ENV}


def keys_of(section: str) -> tuple[Key, ...]:
    return tuple(key for key in KEYS if key.section == section)
