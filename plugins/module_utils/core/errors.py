# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failures that a user reads: what was wrong, what is allowed, and the parts as data for a playbook to decide on."""

from __future__ import annotations

from typing import Any


class CoreError(Exception):
    """The message is for the user; `result` is merged into what the task returns."""

    def __init__(self, message: str, **result: Any) -> None:
        self.message = message
        self.result = result
        super().__init__(message)


class Invalid(CoreError):
    """An option has a value that cannot be; raised before anything is sent."""

    def __init__(self, option: str, value: object, allowed: str) -> None:
        super().__init__(f"{option}: {value!r} is not possible; {allowed}", option=option)


class Foreign(CoreError):
    """A container of that name exists and was not made by this collection."""

    def __init__(self, name: str, instance: str) -> None:
        super().__init__(
            f"{name}: a container {instance} exists on the appliance but is not ours (it lacks our mark), so it is left alone;"
            " adopt=true takes it over",
            instance=instance,
        )


class NeedsRecreate(CoreError):
    """An existing container differs in what the appliance cannot change in place."""

    def __init__(self, name: str, fields: dict[str, tuple[Any, Any]]) -> None:
        differences = ", ".join(f"{key} is {current!r} and should be {wanted!r}" for key, (current, wanted) in fields.items())
        super().__init__(
            f"{name}: {differences}; this cannot be changed in place. recreate=true destroys the container and makes it anew",
            needs_recreate=sorted(fields),
        )


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the result of a failed task: `msg`, and `error` with its type and whatever it carries."""
    details: dict[str, Any] = {"type": type(error).__name__}
    for key in ("code", "errno", "errname", "method", "state", "job_id", "response_type", "version", "option", "allowed", "trace_class"):
        value = getattr(error, key, None)
        if value is not None and isinstance(value, (str, int, list, tuple)):
            details[key] = list(value) if isinstance(value, tuple) else value
    fields = getattr(error, "fields", None)
    if isinstance(fields, (list, tuple)):
        details["fields"] = [list(entry) if isinstance(entry, tuple) else entry for entry in fields]
    logs = getattr(error, "logs_excerpt", None)
    if isinstance(logs, str) and logs:
        details["logs"] = logs
    result: dict[str, Any] = dict(error.result) if isinstance(error, CoreError) else {}
    return {"error": details, **result, "failed": True, "msg": str(error) or type(error).__name__}
