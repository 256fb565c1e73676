# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules promise about check mode, diff mode and the like."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes; a module adds how far each is supported."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
  async:
    description: Supports being used with the C(async) keyword.
  platform:
    description: Target OS/families that can be operated against.
"""

    # Everything that reads only.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
    details: It changes nothing.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/pixels.sandbox.pixels) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - pixels.sandbox.pixels
"""

    # What runs on the controller, against the appliance.
    CONTROLLER = r"""
options: {}
attributes:
  action:
    support: full
    details: All of it runs on the controller.
  async:
    support: full
    details: The module then runs in a process of its own on the controller, with a login of its own.
  platform:
    support: full
    platforms: TrueNAS 25.04 and 25.10
"""
