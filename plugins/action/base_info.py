# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `base_info` without a process of its own: the same core, on the controller."""

from __future__ import annotations

from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.plugin_utils.action import PixelsAction


class ActionModule(PixelsAction):
    """See the module."""

    # The definitions are files of this collection, and a module has none of these.
    _supports_async = False
    spec = SPEC
    core = staticmethod(run)
