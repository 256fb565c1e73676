# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a core entry point is given: the options, the configuration, the appliance, and a way to speak while it works.

An entry point is `def run(ctx: Context) -> dict`, with `changed` in its result; it raises typed errors. Whether an action plugin
or a module stands in front of it, it does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..nas.driver import Driver
    from ..rpc.endpoint import Endpoint
    from .config import Config


def _silent(text: str) -> None:
    """Nobody listens."""


@dataclass
class Context:
    """One task. `params` holds the validated options with their defaults; `given` names those that the user has set."""

    params: dict[str, Any]
    config: Config
    check_mode: bool = False
    diff: bool = False
    given: frozenset[str] = frozenset()
    warn: Callable[[str], None] = _silent
    show: Callable[[str], None] = _silent
    # Both are called once at most, and only when something is wanted from the appliance.
    make_endpoint: Callable[[], Endpoint] | None = None
    open_driver: Callable[[Endpoint], Driver] | None = None
    _endpoint: Endpoint | None = field(default=None, repr=False)
    _driver: Driver | None = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def endpoint(self) -> Endpoint:
        """Where the appliance is and who we are there; raises when host or key are missing."""
        with self._lock:
            if self._endpoint is None:
                if self.make_endpoint is None:
                    raise RuntimeError("this context has no appliance")
                self._endpoint = self.make_endpoint()
            return self._endpoint

    def driver(self) -> Driver:
        """The appliance: logged in at the first use, the same one afterwards."""
        with self._lock:
            if self._driver is None:
                if self.open_driver is None:
                    raise RuntimeError("this context has no appliance")
                self._driver = self.open_driver(self.endpoint)
                prefix = self.config.get("checkpoint.dataset_prefix")
                if prefix:
                    self._driver.storage.dataset_prefix = str(prefix)
            return self._driver

    @property
    def reached(self) -> bool:
        """Whether the appliance has been asked for anything."""
        return self._driver is not None

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            driver, self._driver = self._driver, None
        api = getattr(driver, "api", None)
        if api is not None:
            api.close()
