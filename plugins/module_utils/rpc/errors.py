# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that can go wrong on the wire, one type for each case that a caller treats differently.

An answer of the appliance is sorted by its code, its errno and its `extra` only (see `faults.py`), never by its text. Only `NotFound`
means that something does not exist; every other failure says nothing about that.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Field: TypeAlias = "tuple[str | None, str, int | None]"


class ApiError(Exception):
    """Base of all of them; the message is fit for a user and free of secrets."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class MissingLibrary(ApiError):
    """A Python library that the control node needs is not installed."""

    def __init__(self, library: str) -> None:
        self.library = library
        super().__init__(f"the Python library {library} is missing on the control node; install it for the Python that runs Ansible")


class InvalidEndpoint(ApiError):
    """The host cannot be what was given."""


class InsecureTransport(InvalidEndpoint):
    """The key would go over the network unencrypted; the appliance revokes a key that does."""


class ConnectionFailed(ApiError):
    """No connection, or none that stays: what was asked has not been sent."""


class AuthenticationFailed(ApiError):
    """The login was refused; `response_type` is the appliance's own word for it."""

    def __init__(self, label: str, username: str, response_type: str) -> None:
        self.response_type = response_type
        reason = {
            "AUTH_ERR": "the user name or the API key is wrong, or the key was revoked",
            "EXPIRED": "the API key is expired or revoked; make a new one in the user interface of TrueNAS",
            "OTP_REQUIRED": "the appliance wants a one-time password, which an API key never needs: this is not an API key of that user",
            "DENIED": "this account may not log in this way",
            "REDIRECT": "the appliance sends us to another node; use the address of that one",
        }.get(response_type, "the appliance gave no reason that is known here")
        super().__init__(f"{label}: login as {username} was refused ({response_type}): {reason}")


class MessageTooLong(ApiError):
    """The appliance cuts the connection for a message of this length, so it was not sent."""

    def __init__(self, method: str, length: int, limit: int) -> None:
        self.method = method
        self.length = length
        self.limit = limit
        super().__init__(f"{method}: the request has {length} characters, the appliance takes {limit} at most")


class OutcomeUnknown(ApiError):
    """A changing call was sent and its answer never came: it may have happened, wholly, in part or not at all. With `timed_out` nothing
    was lost but patience, so it may well be under way still."""

    def __init__(self, method: str, reason: str, *, timed_out: bool = False) -> None:
        self.method = method
        self.timed_out = timed_out
        super().__init__(f"{method}: {reason}; whether it has happened is not known")


class CallTimeout(ApiError):
    """Not ended in time. With `job_id` a job runs or ran on the appliance; `aborted` says whether it was told to stop."""

    def __init__(self, method: str, seconds: float, *, job_id: int | None = None, aborted: bool = False) -> None:
        self.method = method
        self.seconds = seconds
        self.job_id = job_id
        self.aborted = aborted
        if job_id is None:
            text = f"{method}: no answer within {seconds:g} s"
        elif aborted:
            text = f"{method}: job {job_id} did not end within {seconds:g} s and was told to stop; what it has begun may remain"
        else:
            text = f"{method}: job {job_id} did not end within {seconds:g} s and could not be told to stop; it may still run"
        super().__init__(text)


class Busy(ApiError):
    """The appliance refused for being busy, again and again; nothing was done."""

    def __init__(self, method: str, waited: float, reason: str, errno: int | None = None) -> None:
        self.method = method
        self.waited = waited
        self.errno = errno
        super().__init__(f"{method}: the appliance is busy ({reason}); gave up after waiting {waited:.1f} s")


class CallError(ApiError):
    """The appliance answered with an error."""

    def __init__(
        self,
        method: str,
        *,
        code: int,
        errno: int | None = None,
        errname: str | None = None,
        reason: str = "",
        extra: Any = None,
        trace_class: str | None = None,
    ) -> None:
        self.method = method
        self.code = code
        self.errno = errno
        self.errname = errname
        self.reason = reason
        self.extra = extra
        self.trace_class = trace_class
        super().__init__(f"{method}: {self._text()}")

    def _text(self) -> str:
        return self.reason.strip() or f"error {self.code}"


class NotFound(CallError):
    """Proven: the thing that the call names does not exist."""


class ValidationFailed(CallError):
    """The appliance does not take the arguments; `fields` holds (attribute, message, errno) for each fault."""

    def __init__(self, method: str, *, fields: list[Field], **rest: Any) -> None:
        self.fields = fields
        super().__init__(method, **rest)

    def _text(self) -> str:
        if not self.fields:
            return super()._text()
        return "; ".join(f"{attribute}: {message}" if attribute else message for attribute, message, _errno in self.fields)


class UnknownMethod(CallError):
    """This version of TrueNAS has no such method."""

    def _text(self) -> str:
        return "this version of TrueNAS has no such method"


class PermissionDenied(CallError):
    """The account of the API key lacks the privilege."""

    def _text(self) -> str:
        return f"the account of the API key may not do this ({self.reason.strip() or 'no reason given'})"


class NotLoggedIn(CallError):
    """The session is not logged in any more."""


class JobFailed(ApiError):
    """A job ended as FAILED or ABORTED."""

    def __init__(
        self,
        method: str,
        *,
        job_id: int,
        state: str,
        error: str = "",
        errno: int | None = None,
        exc_type: str | None = None,
        extra: Any = None,
        logs_excerpt: str | None = None,
    ) -> None:
        self.method = method
        self.job_id = job_id
        self.state = state
        self.error = error
        self.errno = errno
        self.exc_type = exc_type
        self.extra = extra
        self.logs_excerpt = logs_excerpt
        text = f"{method}: job {job_id} {state.lower()}: {error.strip() or 'no reason given'}"
        if logs_excerpt:
            text += f"\nend of its log:\n{logs_excerpt.strip()[-2000:]}"
        super().__init__(text)


class ShellFailed(ApiError):
    """The script did not run to its end; `output` is what it had said until then."""

    def __init__(self, reason: str, output: str = "") -> None:
        self.output = output
        text = f"web shell: {reason}"
        tail = output.strip()[-2000:]
        if tail:
            text += f"\nend of the output:\n{tail}"
        super().__init__(text)


_TYPES: dict[str, type[ApiError]] = {
    kind.__name__: kind
    for kind in (
        ApiError,
        MissingLibrary,
        InvalidEndpoint,
        InsecureTransport,
        ConnectionFailed,
        AuthenticationFailed,
        MessageTooLong,
        OutcomeUnknown,
        CallTimeout,
        Busy,
        CallError,
        NotFound,
        ValidationFailed,
        UnknownMethod,
        PermissionDenied,
        NotLoggedIn,
        JobFailed,
        ShellFailed,
    )
}


def to_record(error: ApiError) -> dict[str, Any]:
    """An error as JSON, for the way from the shared session to the process that asked."""
    return {"type": type(error).__name__, "fields": dict(vars(error))}


def from_record(record: dict[str, Any]) -> ApiError:
    """The same error again. The constructors are passed by: what they computed is in the record."""
    kind = _TYPES.get(str(record.get("type")), ApiError)
    values = dict(record.get("fields") or {})
    error = kind.__new__(kind)
    Exception.__init__(error, str(values.get("message", "")))
    if isinstance(values.get("fields"), list):
        values["fields"] = [tuple(entry) for entry in values["fields"]]
    vars(error).update(values)
    return error
