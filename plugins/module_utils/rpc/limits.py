# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the appliance stands, and how long we wait for it; in seconds and characters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The defaults fit a TrueNAS 25.04 and later."""

    in_flight: int = 8  # it runs 10 calls of a connection at once and refuses the 21st
    message: int = 65_536  # a longer one closes the connection
    message_before_login: int = 8_192
    connect_timeout: float = 15.0
    login_timeout: float = 60.0
    keepalive: float = 20.0  # silence after which we ping; the proxy of 25.04 and 25.10 cuts after 60
    dead_after: float = 30.0  # silence after a ping that means the peer is gone
    busy_timeout: float = 90.0  # all waiting for a busy appliance together; its login limit is a window of 60
    busy_pause: float = 0.2  # the first wait, growing
    busy_pause_max: float = 5.0
    login_pause: float = 5.0  # it delays a refused login by up to 10 itself
    repeats: int = 3  # of a read, after lost connections
    reconnect_for: float = 60.0  # a restart of the appliance's middleware takes some ten seconds
    reconnect_pause: float = 0.2
    reconnect_pause_max: float = 3.0
    poll_first: float = 3.0  # silence about a job after which we ask
    poll_max: float = 15.0
    abort_timeout: float = 5.0


DEFAULT_LIMITS = Limits()
