# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options with which every module finds its appliance."""

from __future__ import annotations


class ModuleDocFragment:
    """See core/auth.py for the specification that goes with it."""

    DOCUMENTATION = r"""
options:
  host:
    description:
      - Where the TrueNAS is. A name or an address, with C(:port) where it is not 443, or a URL as in C(wss://truenas.local:444),
        C(ws://127.0.0.1:6000) or C(unix:///run/middleware/middlewared.sock).
      - Plain C(ws://) is refused for any host but this one, since TrueNAS revokes an API key that arrives unencrypted.
      - Else the variable C(pixels_truenas_host), the environment variable E(PIXELS_TRUENAS_HOST), or C(truenas.host) of the configuration
        file.
    type: str
  port:
    description:
      - The port, where it is not in O(host).
      - Else C(pixels_truenas_port), E(PIXELS_TRUENAS_PORT), C(truenas.port). Without any of them 443.
    type: int
  username:
    description:
      - The account that the API key belongs to.
      - Else C(pixels_truenas_username), E(PIXELS_TRUENAS_USERNAME), C(truenas.username). Without any of them C(root).
    type: str
  api_key:
    description:
      - An API key, made in the user interface of TrueNAS under Credentials, API Keys.
      - Else C(pixels_truenas_api_key), E(PIXELS_TRUENAS_API_KEY), C(truenas.api_key).
      - A file that holds nothing but the key can be named instead, by C(pixels_truenas_api_key_file), E(PIXELS_TRUENAS_API_KEY_FILE)
        or C(truenas.api_key_file).
    type: str
  insecure:
    description:
      - Do not verify the certificate of the appliance. O(ca_file) is the better answer to a self-signed one.
      - Else C(pixels_truenas_insecure), E(PIXELS_TRUENAS_INSECURE), C(truenas.insecure_skip_verify). Without any of them V(false).
    type: bool
  ca_file:
    description:
      - A file with the certificates, in PEM form, that the appliance's own is to be verified with.
      - Else C(pixels_truenas_ca_file), E(PIXELS_TRUENAS_CA_FILE), C(truenas.ca_file). Without any of them those of the system.
    type: path
  session_reuse:
    description:
      - With V(auto) all tasks, hosts and forks of a run share one login. TrueNAS allows 20 logins a minute.
      - With V(never) each task logs in by itself, as a task with C(async) always does.
      - Else C(pixels_truenas_session_reuse), E(PIXELS_TRUENAS_SESSION_REUSE), C(truenas.session_reuse). Without any of them V(auto).
    type: str
    choices: [auto, never]
  settings:
    description:
      - Configuration for this task only, by the names of the Ansible variables, as in C(pixels_default_image).
      - It ranks above the variables. Other names are refused.
      - A task with C(async) gets the variables of its host in this way.
    type: dict
notes:
  - Runs on the control node, whatever the host of the task is, and needs no connection to that host.
  - The C(environment) of a task is not seen. Use options, C(module_defaults), variables, or the environment of Ansible itself.
  - An option that is an empty string counts as not set.
requirements:
  - "websocket-client >= 1.5 on the control node"
  - "requests >= 2.28 on the control node"
"""
