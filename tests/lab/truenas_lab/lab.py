"""The appliance as a whole: what all its services share."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .api import registry
from .api.auth import Tokens
from .api.errors import ENOMETHOD, CallError, InstanceNotFound, PlainError, ValidationErrors
from .api.events import Events
from .api.jobs import Jobs
from .api.keys import Keys
from .api.ratelimit import RateLimiter
from .api.schema import check_params
from .engine.base import Engine, EngineError, EngineInstance, EngineNotFound
from .faults import Faults
from .journal import Journal
from .settings import Settings
from .tls import write_private
from .zfs.storage import Storage

if TYPE_CHECKING:
    from .api.registry import Method
    from .api.rpc import Connection
    from .api.shell import ShellSession

_INSTANCE_NAME = re.compile(r"[-A-Za-z0-9]{1,63}")


class Lab:
    def __init__(self, settings: Settings, engine: Engine) -> None:
        settings.directory.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.engine = engine
        self.journal = Journal(settings.directory / "journal.jsonl")
        self.faults = Faults()
        self.keys = Keys(settings.directory)
        self.limiter = RateLimiter(settings)
        self.boot_id = str(uuid.uuid4())
        self.booted = time.time()
        self.control_token = self._control_token(settings.directory / "control-token")
        self.connections: dict[str, Connection] = {}
        self.shells: dict[str, ShellSession] = {}
        self.downloads: dict[str, str] = {}  # single-use token: text to give out
        self.down_until = 0.0
        self.logins = 0
        self.events = Events(settings.version)
        self.jobs = Jobs(self)
        self.tokens = Tokens()
        self.storage = Storage(engine, settings)
        engine.on_status = self._status_changed

    @staticmethod
    def _control_token(path: Path) -> str:
        """The word that opens /_lab; kept, so that a restarted lab still answers to it."""
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24).encode())
        return path.read_text(encoding="utf-8").strip()

    def _status_changed(self, name: str, status: str) -> None:
        self.events.publish("virt.instance.query", "changed", name, fields={"status": status})

    def check(self, method: Method, given: list[Any], api: str) -> list[Any]:
        """The arguments of a call, defaults filled in, in the model of an API version."""
        arguments = check_params(method.params(api), given)
        if method.rule and (complaint := method.rule(arguments)):
            raise ValidationErrors([("", complaint, EINVAL)])
        return arguments

    def method(self, name: str) -> Method | None:
        return registry.find(name, self.settings.version)

    def ready_for(self, method: Method, given: list[Any], api: str) -> None:
        """The refusals that come before any validation."""
        if method.api_since and api < method.api_since:
            raise CallError(f"Method {method.name} does not exist in API version {api}", ENOMETHOD)
        missing = method.required[len(given) :]
        if missing:
            plural = "argument" if len(missing) == 1 else "arguments"
            names = " and ".join(repr(item) for item in missing)
            name = method.python_name or method.name.rpartition(".")[2]
            raise PlainError("TypeError", f"{name}() missing {len(missing)} required positional {plural}: {names}")

    # -- instances ----------------------------------------------------------------------------------------------
    def need_virt(self) -> None:
        if self.settings.virt_state != "INITIALIZED":
            raise CallError("Virtualization not initialized.")

    async def instance(self, name: str, *, state: bool = True) -> EngineInstance:
        """One instance; a missing one is a not-found validation error."""
        found = await self.find_instance(name, state=state)
        if found is None:
            raise InstanceNotFound(f"VirtInstance {name} does not exist")
        return found

    async def find_instance(self, name: str, *, state: bool = True) -> EngineInstance | None:
        """One instance, without asking for all of them."""
        if not _INSTANCE_NAME.fullmatch(name):
            return None  # there can be none; and not every engine would take it for a name
        try:
            return await self.engine.instance(name, state=state)
        except EngineNotFound:
            return None
        except EngineError as exc:
            raise CallError(str(exc)) from exc

    async def instances(self, *, state: bool = True) -> list[EngineInstance]:
        try:
            return sorted(await self.engine.instances(state=state), key=lambda item: item.name)
        except EngineError as exc:
            raise CallError(str(exc)) from exc

    # -- restart ------------------------------------------------------------------------------------------------
    def restart(self, seconds: float = 0.0) -> None:
        """The middleware restarts: connections drop, jobs and tokens are forgotten. Containers run on."""
        self.journal.write("restart", seconds=seconds)
        self.down_until = time.monotonic() + seconds
        for connection in list(self.connections.values()):
            connection.abort("restart")
        for shell in list(self.shells.values()):
            shell.abort()
        self.jobs.forget()
        self.tokens.clear()
        self.limiter.clear()

    def close(self) -> None:
        self.journal.close()
