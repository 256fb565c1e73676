# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way in: a shared session where one can be had, else one of our own that behaves the same."""

from __future__ import annotations

import multiprocessing
import os
from typing import Literal

from .api import Api
from .endpoint import Endpoint
from .limits import DEFAULT_LIMITS, Limits


def open_api(
    endpoint: Endpoint,
    *,
    reuse: Literal["auto", "never"] = "auto",
    controller_pid: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Api:
    """Nothing is sent before the first call.

    With `auto` all processes of one controller share one login. `controller_pid` is the process whose end ends the shared session;
    unless given it is our parent where we are a worker that Ansible has forked, else ourselves.
    """
    # Each of the two takes a while to load, and no process needs both.
    if reuse == "never":
        from .session import Session

        return Session(endpoint, limits=limits)
    if controller_pid is None:
        parent = multiprocessing.parent_process()
        controller_pid = parent.pid if parent is not None and parent.pid is not None else os.getpid()
    from .broker_client import BrokerClient

    return BrokerClient(endpoint, controller_pid, limits=limits)
