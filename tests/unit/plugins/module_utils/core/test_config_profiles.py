# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Profiles: file < profile < environment < variable, setting by setting; and nobody gets an appliance that he has not named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import Config, ConfigError, load

TEXT = """\
[truenas]
host = "base.example"
username = "base"
port = 444

[defaults]
image = "debian/12"

[profiles.home.truenas]
host = "home.example"
api_key = "1-home"

[profiles.home.env]
WHERE = "home"

[profiles."big office"]
truenas = {host = "office.example", api_key = "2-office"}
defaults = {image = "debian/13"}
"""


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def make(variables: dict[str, Any] | None = None, text: str = TEXT, **environ: str) -> Config:
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        return load(variables or {}, {"HOME": str(tmp_path), **environ}, file)

    return make


def test_without_a_choice_there_is_no_profile(config: Any) -> None:
    found = config()
    assert (found.profile, found.get("truenas.host"), found.get("truenas.api_key"), found.get("env")) == (None, "base.example", None, {})


def test_what_a_profile_does_not_say_comes_from_the_rest_of_the_file(config: Any) -> None:
    found = config({"pixels_profile": "home"})
    said = {key: found.get(f"truenas.{key}") for key in ("host", "username", "port", "api_key")}
    assert said == {"host": "home.example", "username": "base", "port": 444, "api_key": "1-home"}
    assert (found.profile, found.get("defaults.image"), found.get("env.WHERE")) == ("home", "debian/12", "home")
    assert found.source("truenas.host") == "~/config.toml:10" and found.source("truenas.username") == "~/config.toml:3"
    assert found.as_dict()["truenas"]["api_key"] == "********" and "1-home" in found.secrets


def test_the_environment_chooses_and_a_variable_ranks_above_it(config: Any) -> None:
    assert config(PIXELS_PROFILE="big office").get("truenas.host") == "office.example"
    assert config(PIXELS_PROFILE="big office").get("defaults.image") == "debian/13"
    assert config({"pixels_profile": "home"}, PIXELS_PROFILE="big office").get("truenas.host") == "home.example"
    assert config({"pixels_profile": " "}, PIXELS_PROFILE="").get("truenas.host") == "base.example"


def test_environment_and_variables_rank_above_a_profile_and_the_first_is_said(config: Any) -> None:
    found = config({"pixels_profile": "home", "pixels_default_image": "alpine/3.22"}, PIXELS_TRUENAS_HOST="env.example")
    assert (found.get("truenas.host"), found.get("defaults.image")) == ("env.example", "alpine/3.22")
    assert "the environment ranks above the profile home, and sets: truenas.host (environment PIXELS_TRUENAS_HOST)" in found.warnings
    variable = config({"pixels_profile": "home", "pixels_truenas_host": "var.example"})
    plain = config(PIXELS_TRUENAS_HOST="env.example")
    assert variable.get("truenas.host") == "var.example"
    assert [text for text in variable.warnings + plain.warnings if "ranks above" in text] == []


def test_a_key_file_of_a_profile_ranks_above_the_key_of_the_file(config: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("3-file\n")
    key.chmod(0o600)
    text = f'[truenas]\napi_key = "0-base"\n[profiles.home.truenas]\napi_key_file = "{key}"\n'
    assert config({"pixels_profile": "home"}, text).get("truenas.api_key") == "3-file"
    assert config({}, text).get("truenas.api_key") == "0-base"
    overruled = config({"pixels_profile": "home"}, text, PIXELS_TRUENAS_API_KEY="4-env")
    assert overruled.get("truenas.api_key") == "4-env"
    assert any("truenas.api_key (environment PIXELS_TRUENAS_API_KEY)" in text for text in overruled.warnings)


@pytest.mark.parametrize(
    ("wish", "text", "message"),
    [
        (
            "hoem",
            TEXT,
            "variable pixels_profile: there is no profile 'hoem' in ~/config.toml; did you mean home? there are: big office",
        ),
        ("x", '[truenas]\nhost = "a"\n', "there is no profile 'x' in ~/config.toml; it has none; one begins with [profiles.x.truenas]"),
        (["home"], TEXT, "variable pixels_profile: allowed is the name of a profile, as a text"),
    ],
)
def test_a_profile_that_is_not_there_is_an_error(config: Any, wish: Any, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config({"pixels_profile": wish}, text)
    assert message in str(caught.value)


def test_without_a_file_there_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment PIXELS_PROFILE: there is no profile 'home': there is no configuration file"):
        load({}, {"HOME": str(tmp_path), "PIXELS_PROFILE": "home"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[profiles.home.truenas]\nhots = "a"\n', "~/config.toml:2: unknown key profiles.home.truenas.hots; did you mean"),
        ("[profiles.home.truenas]\nport = true\n", "~/config.toml:2: truenas.port is a truth value"),
        ('[profiles.home.trunas]\nhost = "a"\n', "unknown section [profiles.home.trunas]; did you mean [profiles.home.truenas]?"),
        ('[profiles.home]\nhost = "a"\n', "~/config.toml:2: unknown section [profiles.home.host]"),
        ('[profiles.home]\ntruenas = "a"\n', "profiles.home.truenas has to be a section: write [profiles.home.truenas]"),
        ('[profiles]\nhome = "a"\n', "~/config.toml:2: profiles.home has to hold sections: write [profiles.home.truenas]"),
        ("profiles = 7\n", "~/config.toml:1: profiles has to hold profiles: write [profiles.NAME.truenas]"),
        ('[profile.home.truenas]\nhost = "a"\n', "unknown section [profile]; did you mean [profiles]?"),
    ],
)
def test_a_mistake_in_a_profile_is_found_although_nobody_chose_it(config: Any, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config({}, text)
    assert message in str(caught.value)


def test_a_key_in_a_profile_that_others_can_read_is_warned_about(config: Any, tmp_path: Path) -> None:
    config()
    (tmp_path / "config.toml").chmod(0o644)
    found = load({}, {"HOME": str(tmp_path)}, tmp_path / "config.toml")
    assert any("holds a secret (profiles.home.truenas.api_key)" in text for text in found.warnings)
