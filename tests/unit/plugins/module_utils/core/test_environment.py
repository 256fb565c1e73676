# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The section [env]: what may be said there, which variables are kept and which travel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import MASK, Config, ConfigError, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.environment import missing, overridden, session, stored
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

SECRET = "s3cr3t-value"
ALL = f"""\
[env]
KEPT = "a b"
PLAIN = {{value = "c"}}
EMPTY = {{value = ""}}
UNSAID = ""
ONCE = {{value = "{SECRET}", session_only = true}}
LATER = {{forward = true}}
[env.TABLE]
forward = true
"""


def read(tmp_path: Path, text: str = "", variables: dict[str, Any] | None = None, **environ: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load(variables or {}, {"HOME": str(tmp_path), **environ}, file)


def test_what_is_kept_and_what_travels(tmp_path: Path) -> None:
    config = read(tmp_path, ALL)
    assert stored(config) == {"EMPTY": "", "KEPT": "a b", "PLAIN": "c"}
    assert session(config, {"LATER": "now", "KEPT": "other"}) == {"LATER": "now", "ONCE": SECRET}
    assert missing(config, {"LATER": ""}) == ["TABLE"]
    assert session(config, {"LATER": ""}) == {"LATER": "", "ONCE": SECRET}
    assert session(config, {}) == {"ONCE": SECRET} and missing(config, {}) == ["LATER", "TABLE"]


def test_the_levels_are_merged_name_by_name_and_say_all_anew(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        '[env]\nA = {value = "file", session_only = true}\nB = "file"\nC = "file"\n',
        {"pixels_env": {"C": {"forward": True}}},
        PIXELS_ENV='{"A": "environment", "B": {"value": "environment", "session_only": true}}',
    )
    assert stored(config) == {"A": "environment"}
    assert session(config, {"C": "own"}) == {"B": "environment", "C": "own"}


def test_readers_of_the_configuration_get_the_values_that_it_has(tmp_path: Path) -> None:
    config = read(tmp_path, ALL)
    assert config.get("env") == {"EMPTY": "", "KEPT": "a b", "ONCE": SECRET, "PLAIN": "c"}
    assert config.get("env.ONCE") == SECRET and config.get("env.LATER") is None
    assert config.secrets == {"a b", "c", SECRET}
    assert config.source("env.LATER") == "~/config.toml:7"


def test_people_see_names_and_no_values(tmp_path: Path) -> None:
    config = read(tmp_path, ALL)
    shown = {row["key"]: row["value"] for row in config.rows() if row["key"].startswith("env.")}
    assert shown == {f"env.{name}": MASK for name in ("EMPTY", "KEPT", "ONCE", "PLAIN")} | dict.fromkeys(
        ("env.LATER", "env.TABLE"), "(forwarded)"
    )
    assert config.as_dict()["env"]["ONCE"] == MASK and config.as_dict()["env"]["LATER"] is None
    assert SECRET not in repr(config) + str(config.variables()) + str(config.as_dict())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("5", "env.X is a whole number; allowed is a text, in quotes, without NUL, {value"),
        (f'["{SECRET}"]', "env.X is a list; allowed is"),
        ("{}", "neither a value nor forward = true"),
        ("{forward = false}", "neither a value nor forward = true"),
        ("{session_only = true}", "neither a value nor forward = true"),
        (f'{{forward = true, value = "{SECRET}"}}', "both forward and a value"),
        ('{forward = "yes"}', "a forward that is neither true nor false"),
        (f'{{value = "{SECRET}", session_only = 1}}', "a session_only that is neither true nor false"),
        ("{value = 5}", "a value that is no text"),
        (f'{{value = ["{SECRET}"]}}', "a value that is no text"),
        (f'{{value = "{SECRET}", sesion_only = true}}', "a table with sesion_only; allowed is"),
        (f'"{SECRET}\\u0000"', "a text with NUL"),
    ],
)
def test_mistakes_have_their_place_and_what_is_allowed_and_no_values(tmp_path: Path, said: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[env]\nX = {said}\n")
    assert str(caught.value).startswith("~/config.toml:2: env.X ") and message in str(caught.value)
    assert "{forward = true}" in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["1A", "A-B", "UID", "IFS", "PIXELS_ENV_A", "PIXELS_ENVIRONMENT"])
def test_names_that_no_session_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"environment PIXELS_ENV: env: '?{name}'? ") as caught:
        read(tmp_path, PIXELS_ENV=f'{{"{name}": "{SECRET}"}}')
    assert SECRET not in str(caught.value)


def test_a_file_with_names_only_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    for text, warned in (("[env]\nA = {forward = true}\n", 0), ('[env]\nA = {value = "x"}\n', 1), ('[env]\nA = ""\n', 0)):
        file.write_text(text)
        file.chmod(0o644)
        assert len([text for text in load({}, {"HOME": str(tmp_path)}, file).warnings if "chmod" in text]) == warned


def test_what_is_forwarded_must_be_text(tmp_path: Path) -> None:
    config = read(tmp_path, "[env]\nA = {forward = true}\n")
    with pytest.raises(CoreError, match=r"the variable A of this machine is a text that is not UTF-8"):
        session(config, {"A": "\udce9"})


def test_a_task_has_the_last_word() -> None:
    assert overridden({"A": "a", "B": "b"}, {"A": "mine", "B": None, "C": ""}) == {"A": "mine", "C": ""}
    assert overridden({"A": "a"}, None) == overridden({"A": "a"}, "") == overridden({"A": "a"}, {}) == {"A": "a"}


@pytest.mark.parametrize("override", [{"A": 5}, {"A": [SECRET]}, {"A-B": SECRET}, {"UID": SECRET}, [SECRET], SECRET])
def test_a_wrong_last_word_is_named_without_its_value(override: Any) -> None:
    with pytest.raises(CoreError, match="override: ") as caught:
        overridden({}, override)
    assert SECRET not in str(caught.value)
