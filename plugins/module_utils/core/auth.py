# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that every module shares: where the appliance is and how to log in."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import CoreError, Invalid

if TYPE_CHECKING:
    from ..nas.driver import Driver
    from ..rpc.endpoint import Endpoint
    from .config import Config

# No environment fallbacks here: an Ansible variable ranks above the environment, so `config.load` has to see both.
AUTH_ARGUMENTS: dict[str, dict[str, Any]] = {
    "host": {"type": "str"},
    "port": {"type": "int"},
    "username": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "insecure": {"type": "bool"},
    "ca_file": {"type": "path"},
    "session_reuse": {"type": "str", "choices": ["auto", "never"]},
    "settings": {"type": "dict"},
}

# option -> key of the configuration
CONFIG_KEYS = {
    "host": "truenas.host",
    "port": "truenas.port",
    "username": "truenas.username",
    "api_key": "truenas.api_key",
    "insecure": "truenas.insecure_skip_verify",
    "ca_file": "truenas.ca_file",
    "session_reuse": "truenas.session_reuse",
}


def option(params: Mapping[str, Any], config: Config, name: str) -> Any:
    """What the task says, else what the configuration says."""
    value = params.get(name)
    return config.get(CONFIG_KEYS[name]) if value is None else value


def settings_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The option `settings`. A name that is none of ours would be ignored in silence, so it is refused."""
    from .config import VARIABLES

    settings = dict(params.get("settings") or {})
    unknown = sorted(str(name) for name in settings if name not in VARIABLES)
    if unknown:
        near = difflib.get_close_matches(unknown[0], sorted(VARIABLES), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise Invalid("settings", unknown[0], f"{hint}allowed are {', '.join(sorted(VARIABLES))}")
    return settings


def endpoint_maker(params: Mapping[str, Any], config: Config) -> Callable[[], Endpoint]:
    def make() -> Endpoint:
        from ..rpc.endpoint import Endpoint

        host = option(params, config, "host")
        api_key = option(params, config, "api_key")
        if not host:
            raise CoreError(_missing("host", "PIXELS_TRUENAS_HOST", "pixels_truenas_host", "truenas.host"), option="host")
        if not api_key:
            raise CoreError(_missing("api_key", "PIXELS_TRUENAS_API_KEY", "pixels_truenas_api_key", "truenas.api_key"), option="api_key")
        ca_file = option(params, config, "ca_file")
        if ca_file:
            ca_file = os.path.expanduser(ca_file)
            if not os.access(ca_file, os.R_OK):
                raise CoreError(f"ca_file: {ca_file} cannot be read; it has to be a file with certificates in PEM form", option="ca_file")
        return Endpoint.parse(
            host,
            port=option(params, config, "port"),
            username=option(params, config, "username") or "root",
            api_key=api_key,
            insecure=bool(option(params, config, "insecure")),
            ca_file=ca_file or None,
        )

    return make


def _missing(name: str, environment: str, variable: str, key: str) -> str:
    return (
        f"{name} is not set: give the option {name}, the Ansible variable {variable}, the environment variable {environment},"
        f" or {key} in the configuration file (playbooks/config.yml shows what is in force)"
    )


def driver_opener(reuse: str) -> Callable[[Endpoint], Driver]:
    def opener(endpoint: Endpoint) -> Driver:
        from ..nas.select import open_driver
        from ..rpc.connect import open_api

        api = open_api(endpoint, reuse="never" if reuse == "never" else "auto")
        try:
            return open_driver(api, endpoint)
        except BaseException:
            api.close()
            raise

    return opener
