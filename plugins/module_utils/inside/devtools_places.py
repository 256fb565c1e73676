# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the developer tools and what installs them have their things in a container."""

from __future__ import annotations

UNIT = "pixels-devtools.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
# A directory with a __main__.py, which Python runs, and the package `inside`.
PROGRAM = "/usr/local/lib/pixels/devtools"
TOOLS = "/usr/local/lib/pixels/tools"
BIN = "/usr/local/bin"

KEPT = "/var/lib/pixels/devtools"
WISH = KEPT + "/wish.json"
STATE = KEPT + "/state.json"
# What the registry said of versions that nobody gave an integrity for: the next time it has to be the same.
RECORDED = KEPT + "/integrities.json"
# What was put on the path: name, and where it leads.
LINKS = KEPT + "/links.json"
LOCK = KEPT + "/lock"
DOWNLOADS = KEPT + "/downloads"
# The home of whoever tries a program.
TRIED = KEPT + "/tried"
LOG = "/var/log/pixels/devtools.log"
# In the tree of a tool: what it is, and how big its programs are.
MARK = ".pixels.json"

PROFILE = "/etc/profile.d/pixels-tools.sh"
NPMRC = "/etc/npmrc"
# Whom the system trusts; npm has a list of its own otherwise.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PIP_CONF = "/etc/pip.conf"
CODEX_CONFIG = "/etc/codex/config.toml"
ENVIRONMENT = "/etc/environment"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# The files of this package that the program is made of.
PARTS = (
    "devtools_apt",
    "devtools_download",
    "devtools_integrity",
    "devtools_npm",
    "devtools_packages",
    "devtools_places",
    "devtools_policy",
    "devtools_program",
    "devtools_settings",
    "devtools_state",
    "devtools_tool",
    "devtools_unpack",
    "devtools_work",
    "egress_machine",
)
