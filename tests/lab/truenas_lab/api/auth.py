"""Logging in: keys, tokens, sessions, and what becomes of a key that travels in the clear."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
import uuid
from dataclasses import dataclass, field
from errno import EINVAL, ENOENT
from typing import Any

from . import query
from .errors import CallError, PlainError
from .jobs import date
from .keys import Key
from .registry import Call, method, takes
from .schema import Bool, Dict, Field, Int, Maybe, Model, OneOf, Param, Str, Tagged

LONGEST_SESSION = 30 * 86400.0
_ROLES = ["ACCOUNT_READ", "ACCOUNT_WRITE", "API_KEY_READ", "API_KEY_WRITE", "FULL_ADMIN", "VIRT_GLOBAL_READ", "VIRT_INSTANCE_WRITE"]


@dataclass
class Session:
    """A login, of whatever kind."""

    kind: str  # API_KEY or TOKEN
    username: str
    key: Key | None
    ident: str = field(default_factory=lambda: str(uuid.uuid4()))
    login_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    login_at: float = field(default_factory=time.time)
    parent: Session | None = None

    def _data(self) -> dict[str, Any]:
        if self.parent is not None:
            return {"parent": self.parent.credentials(), "username": self.username}
        key = None if self.key is None else {"id": self.key.ident, "name": self.key.name}
        return {"username": self.username, "login_id": self.login_id, "login_at": date(self.login_at), "api_key": key}

    def credentials(self) -> dict[str, Any]:
        return {"type": self.kind, "data": self._data()}

    def user_info(self) -> dict[str, Any]:
        return {
            "pw_name": self.username,
            "pw_gecos": self.username,
            "pw_dir": "/root",
            "pw_shell": "/usr/bin/zsh",
            "pw_uid": 0,
            "pw_gid": 0,
            "grouplist": None,
            "sid": None,
            "source": "LOCAL",
            "local": True,
            "attributes": {},
            "two_factor_config": {"provisioning_uri": None, "secret_configured": False, "interval": 30, "otp_digits": 6},
            "privilege": {
                "roles": {"$set": list(_ROLES)},
                "allowlist": [{"method": "*", "resource": "*"}],
                "web_shell": True,
                "webui_access": True,
            },
            "account_attributes": ["LOCAL", "API_KEY", "SYS_ADMIN"],
        }


@dataclass
class Token:
    session: Session
    address: str
    ttl: float
    match_origin: bool
    single_use: bool
    touched: float = field(default_factory=time.monotonic)


class Tokens:
    """Session tokens, in memory only."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def clear(self) -> None:
        self._tokens.clear()

    def create(self, session: Session, address: str, ttl: float, *, match_origin: bool, single_use: bool) -> str:
        text = secrets.token_urlsafe(48)
        self._tokens[text] = Token(session, address, ttl, match_origin, single_use)
        return text

    def use(self, text: str, address: str) -> Session | None:
        token = self._tokens.get(text)
        if token is None:
            return None
        if time.monotonic() - token.touched > token.ttl:
            del self._tokens[text]
            return None
        if token.match_origin and token.address != address:
            return None
        if token.single_use:
            del self._tokens[text]
        token.touched = time.monotonic()
        return token.session


_LOGIN_OPTIONS = Field(Model({"user_info": Field(Bool(), True)}, name="AuthCommonOptions"), {"user_info": True})


def _mechanism(name: str, **names: Field) -> Model:
    return Model({"mechanism": Field(OneOf((name,))), **names, "login_options": _LOGIN_OPTIONS})


_TEXT = Field(Str())
_MECHANISMS = {
    "API_KEY_PLAIN": _mechanism("API_KEY_PLAIN", username=_TEXT, api_key=_TEXT),
    "PASSWORD_PLAIN": _mechanism("PASSWORD_PLAIN", username=_TEXT, password=_TEXT),
    "TOKEN_PLAIN": _mechanism("TOKEN_PLAIN", token=_TEXT),
    "OTP_TOKEN": _mechanism("OTP_TOKEN", otp_token=_TEXT),
}
_SHOWN = tuple(f"<AuthMech.{name}: '{name}'>" for name in _MECHANISMS)


async def _failed(call: Call) -> None:
    await asyncio.sleep(random.uniform(*call.lab.settings.failed_login_delay))


async def _key_login(call: Call, text: str, username: str | None) -> str:
    """The response type for an API key; a good one logs the connection in."""
    assert call.connection is not None
    await asyncio.sleep(call.lab.settings.login_seconds)
    key = call.lab.keys.find(text, username)
    if key is None or key.revoked:
        await _failed(call)
        return "AUTH_ERR"
    if not call.connection.secure:
        # A good key has been seen by everybody on the way: it is worth nothing from now on.
        call.lab.keys.revoke(key, "Attempt to use over an insecure transport")
        return "EXPIRED"
    if key.expired:
        return "EXPIRED"
    call.connection.log_in(Session("API_KEY", key.username, key))
    return "SUCCESS"


async def _token_login(call: Call, text: str) -> str:
    assert call.connection is not None
    parent = call.lab.tokens.use(text, call.connection.address)
    if parent is None:
        await _failed(call)
        return "AUTH_ERR"
    call.connection.log_in(Session("TOKEN", parent.username, parent.key, parent=parent))
    return "SUCCESS"


def _response(call: Call, kind: str, *, user_info: bool) -> dict[str, Any]:
    if kind != "SUCCESS":
        return {"response_type": kind}
    assert call.connection is not None and call.connection.session is not None
    shown = call.connection.session.user_info() if user_info else None
    return {"response_type": kind, "user_info": shown, "authenticator": "LEVEL_1"}


@method("auth.login_ex", takes(Param("login_data", Tagged("mechanism", _MECHANISMS, _SHOWN))), no_auth=True)
async def login_ex(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    mechanism = data["mechanism"]
    if mechanism == "OTP_TOKEN":
        raise CallError("OTP_TOKEN: no authentication in progress", EINVAL)
    if mechanism == "API_KEY_PLAIN":
        kind = await _key_login(call, data["api_key"], data["username"])
    elif mechanism == "TOKEN_PLAIN":
        kind = await _token_login(call, data["token"])
    else:
        await _failed(call)  # the lab has no passwords
        kind = "AUTH_ERR"
    return _response(call, kind, user_info=data["login_options"]["user_info"])


@method("auth.login_ex_continue", takes(Param("login_data", _MECHANISMS["OTP_TOKEN"])), no_auth=True)
async def login_ex_continue(_call: Call, _data: dict[str, Any]) -> None:
    raise CallError("OTP_TOKEN: no authentication in progress", EINVAL)


@method("auth.login_with_api_key", takes(Param("api_key", Str())), no_auth=True)
async def login_with_api_key(call: Call, text: str) -> bool:
    return await _key_login(call, text, None) == "SUCCESS"


@method("auth.login_with_token", takes(Param("token", Str())), no_auth=True)
async def login_with_token(call: Call, text: str) -> bool:
    return await _token_login(call, text) == "SUCCESS"


@method("auth.login", takes(Param("username", Str()), Param("password", Str()), Param("otp_token", Maybe(Str()), None)), no_auth=True)
async def login(call: Call, _username: str, _password: str, _otp: str | None) -> bool:
    await _failed(call)
    return False


@method("auth.mechanism_choices", no_auth=True)
async def mechanism_choices(call: Call) -> list[str]:
    if call.session is None:
        # Asked before login the middleware stumbles over the missing credentials.
        raise PlainError("AttributeError", "'NoneType' object has no attribute 'credentials'")
    return ["PASSWORD_PLAIN", "API_KEY_PLAIN", "TOKEN_PLAIN"]


@method("auth.me")
async def me(call: Call) -> dict[str, Any]:
    assert call.session is not None
    return call.session.user_info()


@method("auth.logout")
async def logout(call: Call) -> bool:
    assert call.connection is not None
    call.connection.log_out()
    return True


_TOKEN = takes(
    Param("ttl", Maybe(Int()), 600), Param("attrs", Dict(), {}), Param("match_origin", Bool(), True), Param("single_use", Bool(), False)
)


@method("auth.generate_token", _TOKEN)
async def generate_token(call: Call, ttl: int | None, _attrs: dict[str, Any], match_origin: bool, single_use: bool) -> str:
    assert call.session is not None and call.connection is not None
    seconds = 600.0 if ttl is None else float(ttl)
    return call.lab.tokens.create(call.session, call.connection.address, seconds, match_origin=match_origin, single_use=single_use)


@method("auth.sessions", query.query_params)
async def sessions(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    found = []
    for connection in call.lab.connections.values():
        session = connection.session
        if session is None:
            continue
        shown = session.credentials()
        found.append(
            {
                "id": session.ident,
                "current": connection is call.connection,
                "internal": False,
                "origin": connection.remote,
                "credentials": shown["type"],
                "credentials_data": shown["data"],
                "created_at": date(session.login_at),
                "secure_transport": connection.secure,
            }
        )
    return query.apply(found, filters, options)


@method("auth.terminate_session", takes(Param("id", Str())))
async def terminate_session(call: Call, ident: str) -> bool:
    for connection in call.lab.connections.values():
        if connection.session is not None and connection.session.ident == ident:
            connection.log_out()
            return True
    raise CallError(f"Session {ident} does not exist", ENOENT)
