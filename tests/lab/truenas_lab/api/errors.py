"""The errors a method can raise, and how each looks in a JSON-RPC answer and in a failed job."""

from __future__ import annotations

import errno as _errno
from typing import Any

from ..engine.base import EngineError

ENOTAUTHENTICATED = 207
ENOMETHOD = 201
_OWN_NAMES = {ENOMETHOD: "ENOMETHOD", ENOTAUTHENTICATED: "ENOTAUTHENTICATED"}

INVALID_JSON = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
TOO_MANY_CALLS = -32000
CALL_ERROR = -32001

FieldError = tuple[str | None, str, int]


def errno_name(number: int) -> str:
    return _OWN_NAMES.get(number) or _errno.errorcode.get(number, "EUNKNOWN")


class CallError(Exception):
    """What a method raises on purpose."""

    def __init__(self, message: str, number: int = _errno.EFAULT, extra: Any = None, class_name: str = "CallError") -> None:
        super().__init__(message)
        self.message = message
        self.errno = number
        self.extra = extra
        self.class_name = class_name

    @property
    def text(self) -> str:
        return f"[{errno_name(self.errno)}] {self.message}"

    def __repr__(self) -> str:
        return f"CallError({self.message!r})" if self.errno == _errno.EFAULT else f"CallError({self.message!r}, {self.errno})"


class ValidationErrors(Exception):
    """One or several complaints about arguments."""

    class_name = "ValidationErrors"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(errors)
        self.errors = errors

    @property
    def text(self) -> str:
        return "".join(f"[{errno_name(number)}] {attribute}: {message}\n" for attribute, message, number in self.errors)

    @property
    def job_errno(self) -> int | None:
        return None

    def __repr__(self) -> str:
        inner = ", ".join(f"ValidationError({attribute!r}, {message!r}, {number})" for attribute, message, number in self.errors)
        return f"ValidationErrors([{inner}])"


class InstanceNotFound(ValidationErrors):
    """Something named does not exist: a validation error without an attribute."""

    class_name = "InstanceNotFound"

    def __init__(self, message: str) -> None:
        super().__init__([(None, message, _errno.ENOENT)])
        self.message = message

    @property
    def text(self) -> str:
        return f"[ENOENT] None: {self.message}"

    @property
    def job_errno(self) -> int | None:
        return _errno.ENOENT

    def __repr__(self) -> str:
        return f"InstanceNotFound({self.message!r})"


class PlainError(Exception):
    """An exception of Python's own that escaped a method (`TypeError`, `AttributeError`, `MatchNotFound`)."""

    def __init__(self, class_name: str, message: str) -> None:
        super().__init__(message)
        self.class_name = class_name
        self.message = message

    @property
    def text(self) -> str:
        return self.message or f"{self.class_name}()"

    def __repr__(self) -> str:
        return f"{self.class_name}({self.message!r})" if self.message else f"{self.class_name}()"


class RpcError(Exception):
    """An answer of the protocol itself, without `data`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def as_failure(exc: Exception) -> Exception:
    """Any exception as one of ours: an engine's text is a CallError, anything else an escaped exception of Python's."""
    if isinstance(exc, (CallError, ValidationErrors, PlainError, RpcError)):
        return exc
    if isinstance(exc, EngineError):
        return CallError(str(exc))
    return PlainError(type(exc).__name__, str(exc))


def match_not_found() -> PlainError:
    return PlainError("MatchNotFound", "")


def _trace(exc: Exception, text: str) -> dict[str, Any]:
    name = getattr(exc, "class_name", type(exc).__name__)
    frame = {"filename": "lab", "lineno": 0, "method": "lab", "line": "", "argspec": [], "locals": {}}
    return {"class": name, "frames": [frame], "formatted": f"{name}: {text.rstrip()}", "repr": repr(exc)}


def rpc_error(exc: Exception, *, py_exceptions: bool = False) -> dict[str, Any]:
    """The `error` member of an answer."""
    if isinstance(exc, RpcError):
        return {"code": exc.code, "message": exc.message}
    code, message, number, extra = CALL_ERROR, "Method call error", _errno.EINVAL, None
    text = getattr(exc, "text", None) or str(exc)
    if isinstance(exc, ValidationErrors):
        code, message = INVALID_PARAMS, "Invalid params"
        extra = [list(error) for error in exc.errors]
    elif isinstance(exc, CallError):
        number, extra = exc.errno, exc.extra
    data = {"error": number, "errname": errno_name(number), "reason": text, "trace": _trace(exc, text), "extra": extra}
    if py_exceptions:
        data["py_exception"] = ""
    return {"code": code, "message": message, "data": data}


def job_error(exc: Exception) -> dict[str, Any]:
    """What a failed job shows of the exception."""
    text = getattr(exc, "text", None) or str(exc)
    info: dict[str, Any] = {"repr": repr(exc), "type": getattr(exc, "class_name", type(exc).__name__), "errno": None, "extra": None}
    if isinstance(exc, ValidationErrors):
        info.update(type="VALIDATION", errno=exc.job_errno, extra=[list(error) for error in exc.errors])
    elif isinstance(exc, CallError):
        info.update(errno=exc.errno, extra=exc.extra)
    return {"error": text, "exception": _trace(exc, text)["formatted"], "exc_info": info}
