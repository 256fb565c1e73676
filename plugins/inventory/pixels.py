# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as hosts; what is asked and what is made of it is in module_utils/core/inventory.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pixels
short_description: The containers on TrueNAS that this collection has made, as hosts
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Makes a host of each container, with all that SSH needs to reach it, and groups of their status, image, owner, egress policy and labels.
  - One call to the appliance however many containers there are. In a playbook run it shares its login with the tasks.
  - The source is a YAML file whose name is or ends in C(pixels.yml) or C(pixels.yaml), as C(fleet.pixels.yml). Ansible's plugin C(auto)
    finds it there, so nothing needs to be enabled.
  - Without a file the source C(@pixels) means all containers of the appliance that the environment or the configuration file names, and
    C(@pixels:home) those of the profile C(home). For that P(pixels.sandbox.pixels#inventory) has to be enabled, as with
    E(ANSIBLE_INVENTORY_ENABLED).
  - Where the appliance is and who we are there comes from the options here, then from extra variables C(pixels_*), the environment
    C(PIXELS_*), and the configuration file, each setting by itself.
  - A container that is stopped is a host as well. It has no C(ansible_host).
  - When the appliance cannot be asked that is an error. Ansible makes a warning of it and goes on without these hosts, unless
    E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is set.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: What makes the file one for this plugin.
    type: str
    required: true
    choices: [pixels.sandbox.pixels]
  profile:
    description: The profile of the configuration file that counts. The hosts get it as C(pixels_profile), so that tasks find the appliance.
    type: str
  host:
    description: Where the appliance is, as a name or an address, with C(:port) where that is not 443. The hosts get it as a variable.
    type: str
  port:
    description: The port, where O(host) does not have it. The hosts get it as a variable.
    type: int
  username:
    description: The account that the API key belongs to. The hosts get it as a variable.
    type: str
  api_key:
    description:
      - The API key. It is in no output, in no cache, and no variable of a host.
      - It is better kept in O(api_key_file) or in the environment, or given as a lookup into a vault.
    type: str
  api_key_file:
    description: A file, mode 0600, with the API key and nothing else in it. The hosts get it as a variable.
    type: path
  insecure:
    description: Do not verify the certificate of the appliance. The hosts get it as a variable.
    type: bool
  ca_file:
    description: A file with the certificates, in PEM form, that the appliance's own is to be verified with. The hosts get it as a variable.
    type: path
  session_reuse:
    description: With V(auto) the tasks of the same run share the login, with V(never) there is one for this alone.
    type: str
    choices: [auto, never]
  settings:
    description:
      - More settings, by the names of their Ansible variables, as in C(pixels_ssh_user). Other names are refused.
      - The hosts get those that are no secrets.
    type: dict
  name:
    description:
      - Only these containers, as names, ranges such as V(worker[01:20]), or with wildcards as in V(worker*). None of them has to exist.
      - The appliance does the choosing, and does not send the others.
    type: list
    elements: str
  status:
    description: Only containers of these, as in V(running) or V(stopped). The appliance does the choosing.
    type: list
    elements: str
  owner:
    description: Only containers with this owner.
    type: str
  checkpoints:
    description: Also tell which checkpoints they have, with one more call for all of them.
    type: bool
    default: false
  group_prefix:
    description: The group of all hosts, and what the names of the other groups begin with.
    type: str
    default: pixels
  host_suffix:
    description:
      - What is appended to the names of containers to make those of hosts, as in V(.home). Several appliances may have the same names.
      - One that another source has given to a host of another appliance is an error, and nothing of this source is added then.
    type: str
notes:
  - Templates are resolved in the options, with the extra variables, and nowhere in what the appliance says.
  - With O(cache=true) what is remembered is not used any more once this collection has changed something on that appliance from the same
    machine and account.
requirements:
  - "websocket-client >= 1.5 on the control node"
  - "requests >= 2.28 on the control node"
seealso:
  - module: pixels.sandbox.container_info
"""

EXAMPLES = r"""
# fleet.pixels.yml: all containers of the appliance that the configuration file names
plugin: pixels.sandbox.pixels

---
# workers.pixels.yml: the running workers of one appliance, remembered for five minutes
plugin: pixels.sandbox.pixels
profile: home
name: ["worker*"]
status: [running]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/pixels/inventory
cache_timeout: 300

---
# groups.pixels.yml: groups and variables of your own
plugin: pixels.sandbox.pixels
compose:
  gigabytes: pixels_memory / 1024
groups:
  large: pixels_memory is none or pixels_memory >= 8192
keyed_groups:
  - key: pixels_labels.team | default("")
    prefix: team
  - key: pixels_pool
    separator: ""
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.pixels.sandbox.plugins.module_utils.core import changes
from ansible_collections.pixels.sandbox.plugins.module_utils.core.auth import driver_opener, endpoint_maker, settings_of
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import KEYS, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import PROFILE_VAR
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid, describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import is_unset
from ansible_collections.pixels.sandbox.plugins.module_utils.core.inventory import ALWAYS, APPLIANCE, Host, Wish, hosts, left_out, look
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import censor
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

# option -> the variable of the same meaning
_VARIABLES = {
    "profile": PROFILE_VAR,
    "host": "pixels_truenas_host",
    "port": "pixels_truenas_port",
    "username": "pixels_truenas_username",
    "api_key": "pixels_truenas_api_key",
    "api_key_file": "pixels_truenas_api_key_file",
    "insecure": "pixels_truenas_insecure",
    "ca_file": "pixels_truenas_ca_file",
    "session_reuse": "pixels_truenas_session_reuse",
}
_SECRET = frozenset(key.var for key in KEYS if key.secret)
_WITHOUT_FILE = "@pixels"
_FILES = ("pixels.yml", "pixels.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """See DOCUMENTATION."""

    NAME = "pixels.sandbox.pixels"

    def verify_file(self, path: str) -> bool:
        if _profile_without_file(path) is not None:
            return True
        name = os.path.basename(path)
        return super().verify_file(path) and (name in _FILES or name.endswith(tuple(f".{end}" for end in _FILES)))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        without_file = _profile_without_file(path)
        if without_file is None:
            self._read_config_data(path)
        else:
            self.set_options(direct={"plugin": self.NAME, "profile": without_file or None}, var_options=self._vars)
            if self.get_option("cache"):
                self.load_cache_plugin()
        secrets: frozenset[str] = frozenset(filter(None, [self._own("api_key")]))
        ctx: Context | None = None
        try:
            said = self._said()
            config = load({**ours(self._vars or {}, self.templar, loader), **said}, os.environ)
            secrets |= config.secrets
            for text in config.warnings:
                self.display.warning(censor(text, secrets))
            ctx = Context(
                params={},
                config=config,
                make_endpoint=endpoint_maker({}, config),
                open_driver=driver_opener(config.get("truenas.session_reuse") or "auto"),
            )
            prefix = self._prefix()
            self._populate(self._seen(ctx, cache), ctx, prefix, {name: value for name, value in said.items() if name not in _SECRET})
        except AnsibleError:
            raise
        except Exception as error:
            # Only the message: what lies behind it may hold a value.
            raise AnsibleParserError(censor(describe(error)["msg"], secrets)) from None
        finally:
            if ctx is not None:
                ctx.close()

    def _own(self, name: str) -> Any:
        """An option of the file, templates in it resolved; extra variables are all that there is at this time."""
        self.templar.available_variables = self._vars or {}
        value = self.templar.template(self.get_option(name))
        return None if is_unset(value) else value

    def _said(self) -> dict[str, Any]:
        """The settings that the file makes, by the names of their variables."""
        found = {variable: self._own(option) for option, variable in _VARIABLES.items()}
        more = settings_of({"settings": self._own("settings")})
        return {**{name: value for name, value in found.items() if value is not None}, **more}

    def _wish(self) -> Wish:
        return Wish(
            name=self._own("name") or (),
            status=self._own("status") or (),
            owner=self._own("owner"),
            checkpoints=bool(self._own("checkpoints")),
        )

    def _seen(self, ctx: Context, cache: bool) -> Mapping[str, Any]:
        """What the appliance says, or has said a while ago."""
        wish = self._wish()
        if not self.get_option("cache"):
            return look(ctx, wish)
        endpoint = ctx.endpoint
        # The file's path is no part of it: who asks for the same may have the same answer.
        meaning = f"{endpoint.url} {endpoint.username} {wish.key()}"
        key = self.get_cache_key(meaning)
        if cache:
            try:
                kept = self._cache[key]
            except KeyError:
                kept = None
            # A key of six digits may stand for something else.
            if isinstance(kept, Mapping) and kept.get("meaning") == meaning and kept["seen"]["taken"] > changes.last(endpoint.url):
                return kept["seen"]
        seen = look(ctx, wish)
        self._cache[key] = {"meaning": meaning, "seen": seen}
        return seen

    def _prefix(self) -> str:
        prefix = str(self._own("group_prefix") or "pixels")
        if to_safe_group_name(prefix, force=True, silent=True) != prefix:
            raise Invalid("group_prefix", prefix, "it has letters, digits and underscores, and begins with no digit")
        return prefix

    def _populate(self, seen: Mapping[str, Any], ctx: Context, prefix: str, said: Mapping[str, Any]) -> None:
        suffix = str(self._own("host_suffix") or "")
        strict = self.get_option("strict")
        found = list(hosts(seen, ctx.config, ctx.endpoint))
        self._check_names(found, suffix)
        self.inventory.add_group(prefix)
        for group in ALWAYS:
            self._group(prefix, group)
        for name in left_out(seen):
            self.display.warning(f"the container {name} is not made a host: to Ansible that is the name of this machine")
        for host in found:
            name = host.name + suffix
            variables = {**host.variables, **said}
            self.inventory.add_host(name, group=prefix)
            for group in host.groups:
                self.inventory.add_child(self._group(prefix, group), name)
            for variable, value in variables.items():
                self.inventory.set_variable(name, variable, value)
            self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)

    def _check_names(self, found: Iterable[Host], suffix: str) -> None:
        """A host of another appliance would become one that is reached here and is asked about there. Raises before anything is added."""
        for host in found:
            known = self.inventory.get_host(host.name + suffix)
            other = None if known is None else known.vars.get(APPLIANCE)
            if other not in (None, host.variables[APPLIANCE]):
                raise CoreError(
                    f"{known.name} is a host of {other} already, and {host.variables[APPLIANCE]} has a container of that name as well:"
                    " give each source a host_suffix, as in .home. None of these hosts was added"
                )

    def _group(self, prefix: str, parts: tuple[str, ...]) -> str:
        name = to_safe_group_name("_".join((prefix, *parts)), force=True, silent=True)
        self.inventory.add_group(name)
        self.inventory.add_child(prefix, name)
        return name


def _profile_without_file(path: str) -> str | None:
    """The profile in `@pixels:home`, "" for `@pixels` alone, None for a file. Ansible has made an absolute path of it."""
    name, colon, profile = os.path.basename(path).partition(":")
    return profile if name == _WITHOUT_FILE and bool(colon) == bool(profile) else None
