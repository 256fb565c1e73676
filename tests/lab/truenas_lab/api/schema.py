"""A small declarative validator with the strictness and the words of the middleware's models.

Nothing is ever converted: `"1"` is no integer, `1.0` neither, `1` is no boolean. Unknown keys are refused.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import FieldError, ValidationErrors

LONGEST = 1024  # of every string that is not declared long
_MISSING: Any = object()


class Errors:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self.items: list[FieldError] = []

    def add(self, attribute: str, message: str) -> None:
        self.items.append((attribute, message, errno.EINVAL))


class Kind:
    """A type of value. `check` answers the value with defaults filled in; it adds to `errors` what is wrong."""

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        raise NotImplementedError


def _count(number: int) -> str:
    return f"{number} character" if number == 1 else f"{number} characters"


def _choices(values: Sequence[Any]) -> str:
    shown = [repr(value) for value in values]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


@dataclass(frozen=True)
class Str(Kind):
    least: int = 0
    most: int = LONGEST
    rule: Callable[[str], str | None] | None = None  # answers the complaint, or None

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, str):
            errors.add(path, "Input should be a valid string")
        elif len(value) < self.least:
            errors.add(path, f"String should have at least {_count(self.least)}")
        elif len(value) > self.most:
            errors.add(path, f"String should have at most {_count(self.most)}")
        elif self.rule and (complaint := self.rule(value)):
            errors.add(path, complaint)
        return value


@dataclass(frozen=True)
class Int(Kind):
    least: int | None = None
    most: int | None = None
    rule: Callable[[int], str | None] | None = None

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            errors.add(path, "Input should be a valid integer")
        elif self.least is not None and value < self.least:
            errors.add(path, f"Input should be greater than or equal to {self.least}")
        elif self.most is not None and value > self.most:
            errors.add(path, f"Input should be less than or equal to {self.most}")
        elif self.rule and (complaint := self.rule(value)):
            errors.add(path, complaint)
        return value


@dataclass(frozen=True)
class Bool(Kind):
    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, bool):
            errors.add(path, "Input should be a valid boolean")
        return value


@dataclass(frozen=True)
class Anything(Kind):
    def check(self, value: Any, path: str, errors: Errors) -> Any:
        return value


@dataclass(frozen=True)
class OneOf(Kind):
    values: tuple[Any, ...]

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not any(value is item or (type(value) is type(item) and value == item) for item in self.values):
            errors.add(path, f"Input should be {_choices([item for item in self.values if item is not None])}")
        return value


@dataclass(frozen=True)
class Maybe(Kind):
    inner: Kind

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        return None if value is None else self.inner.check(value, path, errors)


@dataclass(frozen=True)
class ListOf(Kind):
    inner: Kind = field(default_factory=Anything)
    rule: Callable[[list[Any]], str | None] | None = None

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, list):
            errors.add(path, "Input should be a valid list")
            return value
        checked = [self.inner.check(item, f"{path}.{index}", errors) for index, item in enumerate(value)]
        if self.rule and (complaint := self.rule(value)):
            errors.add(path, complaint)
        return checked


@dataclass(frozen=True)
class Dict(Kind):
    """Any object; with rules for its keys and values when they are free but not arbitrary."""

    key_rule: Callable[[str], str | None] | None = None
    values: Kind = field(default_factory=Anything)

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            errors.add(path, "Input should be a valid dictionary")
            return value
        for key, item in value.items():
            if self.key_rule and (complaint := self.key_rule(key)):
                errors.add(f"{path}.{key}.[key]", complaint)
            self.values.check(item, f"{path}.{key}", errors)
        return dict(value)


@dataclass(frozen=True)
class Field:
    kind: Kind
    default: Any = _MISSING
    optional: bool = False  # may be absent, and is then absent from the result too

    @property
    def required(self) -> bool:
        return self.default is _MISSING and not self.optional


@dataclass(frozen=True)
class Model(Kind):
    """An object with known keys."""

    fields: Mapping[str, Field]
    rule: Callable[[dict[str, Any]], str | None] | None = None  # asked only when every field is right
    ignore_unknown: bool = False
    name: str = "model"

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            errors.add(path, f"Input should be a valid dictionary or instance of {self.name}")
            return value
        before = len(errors.items)
        result: dict[str, Any] = {}
        prefix = f"{path}." if path else ""
        for key, item in self.fields.items():
            if key in value:
                result[key] = item.kind.check(value[key], prefix + key, errors)
            elif item.required:
                errors.add(prefix + key, "Field required")
            elif item.default is not _MISSING:
                result[key] = _copied(item.default)
        if not self.ignore_unknown:
            for key in value:
                if key not in self.fields:
                    errors.add(prefix + key, "Extra inputs are not permitted")
        if self.rule and len(errors.items) == before and (complaint := self.rule(result)):
            errors.add(path, complaint)
        return result


@dataclass(frozen=True)
class Tagged(Kind):
    """One of several models, told apart by the value of one key."""

    key: str
    models: Mapping[str, Model]
    shown: tuple[str, ...] = ()  # the tags as the error names them

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            errors.add(path, "Input should be a valid dictionary or object to extract fields from")
            return value
        if self.key not in value:
            errors.add(f"{path}.{self.key}", "Field required")
            return value
        tag = value[self.key]
        model = self.models.get(tag) if isinstance(tag, str) else None
        if model is None:
            expected = ", ".join(self.shown or tuple(repr(item) for item in self.models))
            errors.add(path, f"Input tag '{tag}' found using '{self.key}' does not match any of the expected tags: {expected}")
            return value
        return model.check(value, f"{path}.{tag}", errors)


@dataclass(frozen=True)
class AnyOf(Kind):
    """The first named model that takes the value; else the complaints of all."""

    models: Mapping[str, Model]

    def check(self, value: Any, path: str, errors: Errors) -> Any:
        complaints: list[FieldError] = []
        for name, model in self.models.items():
            attempt = Errors()
            result = model.check(value, f"{path}.{name}", attempt)
            if not attempt.items:
                return result
            complaints += attempt.items
        errors.items += complaints
        return value


@dataclass(frozen=True)
class Param:
    """One positional argument."""

    name: str
    kind: Kind
    default: Any = _MISSING


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def check_params(params: Sequence[Param], given: Sequence[Any]) -> list[Any]:
    """The full list of arguments, defaults included; raises ValidationErrors."""
    if len(given) > len(params):
        raise ValidationErrors([("", f"Too many arguments (expected {len(params)}, found {len(given)})", errno.EINVAL)])
    errors = Errors()
    result: list[Any] = []
    for index, param in enumerate(params):
        if index < len(given):
            result.append(param.kind.check(given[index], param.name, errors))
        elif param.default is _MISSING:
            errors.add(param.name, "Field required")
        elif isinstance(param.kind, Model):
            # A default goes through the model too; the middleware names no attribute when its own default is refused.
            attempt = Errors()
            result.append(param.kind.check(_copied(param.default), "", attempt))
            errors.items += [("", message, number) for _attribute, message, number in attempt.items]
        else:
            result.append(_copied(param.default))
    if errors.items:
        raise ValidationErrors(errors.items)
    return result
