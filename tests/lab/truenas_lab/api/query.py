"""Filters and options of the query methods."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from .errors import match_not_found
from .schema import Anything, Bool, Dict, Field, Int, Kind, ListOf, Maybe, Model, Param, Str


def _compare(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        return left is not None and right is not None and bool(function(left, right))

    return compare


def _text(function: Callable[[str, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: isinstance(left, str) and bool(function(left, right))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": _compare(operator.gt),
    ">=": _compare(operator.ge),
    "<": _compare(operator.lt),
    "<=": _compare(operator.le),
    "~": _text(lambda left, right: re.match(right, left) is not None),
    "in": lambda left, right: left in right,
    "nin": lambda left, right: left not in right,
    "rin": lambda left, right: left is not None and right in left,
    "rnin": lambda left, right: left is not None and right not in left,
    "^": _text(lambda left, right: left.startswith(right)),
    "!^": _text(lambda left, right: not left.startswith(right)),
    "$": _text(lambda left, right: left.endswith(right)),
    "!$": _text(lambda left, right: not left.endswith(right)),
}
_CASELESS = "C"  # a leading C makes an operator ignore case: C=, C^, ...


def _lowered(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    return [_lowered(item) for item in value] if isinstance(value, (list, tuple)) else value


def _complaint(filters: list[Any]) -> str | None:
    for item in filters:
        if not isinstance(item, list) or not item:
            return f"Value error, Item must be a list: {item}"
        if item[0] == "OR" and len(item) == 2:
            if not isinstance(item[1], list):
                return "Value error, Second item in OR filter must be a list"
            branches = [branch if isinstance(branch, list) and branch and isinstance(branch[0], list) else [branch] for branch in item[1]]
            for branch in branches:
                if complaint := _complaint(branch):
                    return complaint
            continue
        if len(item) != 3:
            # The middleware takes the first of the two for a conjunction.
            return f"Value error, Invalid operation: {item[0]}" if len(item) == 2 else f"Value error, Invalid filter {item}"
        sign = item[1]
        bare = sign[1:] if isinstance(sign, str) and sign.startswith(_CASELESS) else sign
        if not isinstance(bare, str) or bare not in _OPERATORS:
            return f"Value error, Invalid operation: {sign}"
        if bare == "~":
            try:
                re.compile(item[2])
            except (re.error, TypeError):
                return f"Value error, Invalid regular expression: {item[2]}"
    return None


def _option_complaint(options: dict[str, Any]) -> str | None:
    if options["get"] and options["offset"]:
        return "Value error, `get` is not permitted with `offset`"
    return None


_PLAIN: dict[str, Field] = {
    "extra": Field(Dict(), {}),
    "order_by": Field(ListOf(Str()), []),
    "select": Field(ListOf(Anything()), []),
    "count": Field(Bool(), False),
    "get": Field(Bool(), False),
    "offset": Field(Int(), 0),
    "limit": Field(Int(), 0),
    "force_sql_filters": Field(Bool(), False),
}
# Until 25.04 the options of the data store underneath were part of the public model.
_OLD: dict[str, Field] = {
    "relationships": Field(Bool(), True),
    "extend": Field(Maybe(Str()), None),
    "extend_context": Field(Maybe(Str()), None),
    "prefix": Field(Maybe(Str()), None),
    **_PLAIN,
}


def query_params(api: str) -> tuple[Param, ...]:
    """The two arguments of every query method, in the model of one API version."""
    return Param("filters", ListOf(rule=_complaint), []), Param("options", options_kind(api), {})


def options_kind(api: str) -> Kind:
    return Model(_OLD if api < "v25.10" else _PLAIN, rule=_option_complaint, name="QueryOptions")


_ABSENT: Any = object()


def _lookup(item: Any, path: str) -> Any:
    value = item
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value


def _matches(item: Any, condition: list[Any]) -> bool:
    if len(condition) == 2:
        return any(_all_match(item, branch if isinstance(branch[0], list) else [branch]) for branch in condition[1])
    path, sign, wanted = condition
    value = _lookup(item, path)
    if value is _ABSENT:
        return False
    if sign.startswith(_CASELESS):
        return _OPERATORS[sign[1:]](_lowered(value), _lowered(wanted))
    return _OPERATORS[sign](value, wanted)


def _all_match(item: Any, filters: Iterable[list[Any]]) -> bool:
    return all(_matches(item, condition) for condition in filters)


def _sorted(items: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any]]:
    for key in reversed(keys):
        last = first = False
        if key.startswith("nulls_first:"):
            key, first = key.removeprefix("nulls_first:"), True
        elif key.startswith("nulls_last:"):
            key, last = key.removeprefix("nulls_last:"), True
        backwards = key.startswith("-")
        path = key.removeprefix("-")
        empty = [item for item in items if _lookup(item, path) in (None, _ABSENT)]
        filled = [item for item in items if _lookup(item, path) not in (None, _ABSENT)]
        filled.sort(key=lambda item: _lookup(item, path), reverse=backwards)
        items = filled + empty if last or (backwards and not first) else empty + filled
    return items


def _selected(item: dict[str, Any], select: list[Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for wanted in select:
        path, target = (wanted[0], wanted[1]) if isinstance(wanted, list) else (wanted, wanted)
        value = _lookup(item, path)
        if value is _ABSENT:
            continue
        place = result
        parts = target.split(".")
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return result


def apply(items: list[dict[str, Any]], filters: list[Any], options: dict[str, Any]) -> Any:
    """What a query method answers for these items."""
    found = [item for item in items if _all_match(item, filters)]
    if options["count"]:
        return len(found)
    found = _sorted(found, options["order_by"])
    if options["select"]:
        found = [_selected(item, options["select"]) for item in found]
    if options["get"]:
        if not found:
            raise match_not_found()
        return found[0]
    found = found[options["offset"] :]
    return found[: options["limit"]] if options["limit"] else found
