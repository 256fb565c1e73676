"""Filters and options of queries, and the validator's strictness."""

from __future__ import annotations

from typing import Any

import pytest

from truenas_lab.api import query
from truenas_lab.api.errors import PlainError, ValidationErrors
from truenas_lab.api.schema import Bool, Dict, Field, Int, ListOf, Maybe, Model, OneOf, Param, Str, check_params

ITEMS: list[dict[str, Any]] = [
    {"name": "b", "n": 2, "tags": ["x"], "image": {"os": "Debian"}},
    {"name": "a", "n": 1, "tags": [], "image": {"os": "Alpine"}},
    {"name": "C", "n": None, "tags": ["x", "y"], "image": {"os": None}},
]


def run(filters: list[Any], **options: Any) -> Any:
    checked = check_params(query.query_params("v25.10.5"), [filters, options])
    return query.apply(ITEMS, *checked)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([["n", ">", 1]], ["b"]),
        ([["n", ">=", 1]], ["b", "a"]),
        ([["n", "<", 2]], ["a"]),
        ([["name", "nin", ["a"]]], ["b", "C"]),
        ([["tags", "rin", "x"]], ["b", "C"]),
        ([["tags", "rnin", "x"]], ["a"]),
        ([["name", "!^", "a"]], ["b", "C"]),
        ([["name", "!$", "b"]], ["a", "C"]),
        ([["name", "C=", "c"]], ["C"]),
        ([["image.os", "^", "De"]], ["b"]),
        ([["OR", [["name", "=", "a"], [["name", "=", "b"], ["n", "=", 2]]]]], ["b", "a"]),
        ([["n", "=", None]], ["C"]),
        ([["missing", "!=", 1]], []),
    ],
)
def test_filters(filters: list[Any], names: list[str]) -> None:
    assert [item["name"] for item in run(filters)] == names


def test_options() -> None:
    assert run([], count=True) == 3
    assert [item["name"] for item in run([], order_by=["n"])] == ["C", "a", "b"]
    assert [item["name"] for item in run([], order_by=["-n"])] == ["b", "a", "C"]
    assert [item["name"] for item in run([], order_by=["nulls_last:n"])] == ["a", "b", "C"]
    assert run([["n", "=", 1]], select=["name", ["image.os", "os"]]) == [{"name": "a", "os": "Alpine"}]
    assert [item["name"] for item in run([], offset=1, limit=1)] == ["a"]
    assert run([["n", "=", 1]], get=True)["name"] == "a"
    with pytest.raises(PlainError) as caught:
        run([["n", "=", 9]], get=True)
    assert caught.value.class_name == "MatchNotFound"


def test_the_options_of_25_04_know_more() -> None:
    check_params(query.query_params("v25.04.2"), [[], {"extend": None}])
    with pytest.raises(ValidationErrors):
        check_params(query.query_params("v25.10.5"), [[], {"extend": None}])


MODEL = Model(
    {
        "count": Field(Int(least=1), 1),
        "on": Field(Bool(), False),
        "text": Field(Maybe(Str(least=1)), None),
        "mode": Field(OneOf(("A", "B")), "A"),
        "list": Field(ListOf(Int()), []),
        "free": Field(Dict(), {}),
    }
)


@pytest.mark.parametrize(
    ("value", "attribute", "message"),
    [
        ({"count": "1"}, "data.count", "Input should be a valid integer"),
        ({"count": 1.0}, "data.count", "Input should be a valid integer"),
        ({"count": True}, "data.count", "Input should be a valid integer"),
        ({"count": 0}, "data.count", "Input should be greater than or equal to 1"),
        ({"on": 1}, "data.on", "Input should be a valid boolean"),
        ({"on": "true"}, "data.on", "Input should be a valid boolean"),
        ({"text": 5}, "data.text", "Input should be a valid string"),
        ({"text": "x" * 1025}, "data.text", "String should have at most 1024 characters"),
        ({"mode": "C"}, "data.mode", "Input should be 'A' or 'B'"),
        ({"list": [1, "2"]}, "data.list.1", "Input should be a valid integer"),
        ({"list": {}}, "data.list", "Input should be a valid list"),
        ({"free": []}, "data.free", "Input should be a valid dictionary"),
        ({"other": 1}, "data.other", "Extra inputs are not permitted"),
    ],
)
def test_nothing_is_converted(value: Any, attribute: str, message: str) -> None:
    with pytest.raises(ValidationErrors) as caught:
        check_params([Param("data", MODEL)], [value])
    assert caught.value.errors == [(attribute, message, 22)]


def test_defaults_are_filled_in_and_not_shared() -> None:
    first = check_params([Param("data", MODEL, {})], [])[0]
    first["list"].append(1)
    assert check_params([Param("data", MODEL, {})], [])[0]["list"] == []
