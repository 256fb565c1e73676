# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""D34: default < file < PIXELS_* < Ansible variable, for every setting by itself, at every level, booleans included."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import KEYS, Config, Key, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import VARIABLES

LEVELS = ("file", "environment", "variable")


@dataclass(frozen=True)
class Sample:
    """A value as it is written in the file, in the environment and in a variable, and what it means."""

    toml: str
    env: str
    var: Any
    value: Any


def texts(*values: str) -> tuple[Sample, ...]:
    return tuple(Sample(json.dumps(value), value, value, value) for value in values)


# Three different values for every type, so that whichever level wins can be told from the others.
SAMPLES: dict[str, tuple[Sample, ...]] = {
    "str": texts("one", "two", "three"),
    "path": texts("/one", "/two", "/three"),
    "int": tuple(Sample(str(number), str(number), number, number) for number in (4001, 4002, 4003)),
    "cpu": texts("5", "0-3", "7"),
    "memory": (Sample("512", "512", 512, 512), Sample('"3GiB"', "3GiB", "3GiB", 3072), Sample("768", "768", "768", 768)),
    "list": (
        Sample('["a.example", "b.example"]', "a.example, b.example", ["a.example", "b.example"], ["a.example", "b.example"]),
        Sample('["c.example"]', '["c.example"]', "c.example", ["c.example"]),
        Sample("[]", "[]", [], []),
    ),
    "addresses": (
        Sample('["192.0.2.1"]', "192.0.2.1", ["192.0.2.1"], ["192.0.2.1"]),
        Sample('["192.0.2.2", "2001:db8::1"]', "192.0.2.2,2001:db8::1", "192.0.2.2,2001:db8::1", ["192.0.2.2", "2001:db8::1"]),
        Sample('["192.0.2.3"]', '["192.0.2.3"]', ("192.0.2.3",), ["192.0.2.3"]),
    ),
}


def samples(key: Key) -> tuple[Sample, ...]:
    if key.type == "bool":
        other = not key.default
        return tuple(Sample(str(value).lower(), str(value), value, value) for value in (other, key.default, other))
    if key.choices:
        # Of two choices the first level and the last say the same, like truth values; the source tells them apart.
        return texts(*itertools.islice(itertools.cycle(reversed(key.choices)), 3))
    return SAMPLES[key.type]


def configure(tmp_path: Path, key: Key, said: dict[str, Sample]) -> Config:
    """The configuration with one setting said at some of the levels, and its environment otherwise empty."""
    file = tmp_path / "config.toml"
    file.write_text(f"[{key.section}]\n{key.name} = {said['file'].toml}\n" if "file" in said else "")
    environ = {"HOME": str(tmp_path)}
    if "environment" in said:
        environ[key.env] = said["environment"].env
    variables = {key.var: said["variable"].var} if "variable" in said else {}
    return load(variables, environ, file)


PLAIN = [key for key in KEYS if key.type != "dict" and key.path != "truenas.api_key_file"]
COMBINATIONS = [chosen for count in range(4) for chosen in itertools.combinations(LEVELS, count)]


@pytest.mark.parametrize("chosen", COMBINATIONS, ids=lambda chosen: "+".join(chosen) or "nothing")
@pytest.mark.parametrize("key", PLAIN, ids=lambda key: key.path)
def test_the_highest_level_wins(tmp_path: Path, key: Key, chosen: tuple[str, ...]) -> None:
    said = dict(zip(LEVELS, samples(key), strict=True))
    config = configure(tmp_path, key, {level: said[level] for level in chosen})
    if chosen:
        assert config.get(key.path) == said[chosen[-1]].value
        assert type(config.get(key.path)) is type(said[chosen[-1]].value)
    else:
        default = str(tmp_path / ".ssh" / "id_ed25519") if key.path == "ssh.key" else key.default
        assert config.get(key.path) == (list(default) if isinstance(default, tuple) else default)
    assert config.source(key.path) == source(key, chosen[-1] if chosen else "default")


def source(key: Key, level: str) -> str:
    return {
        "default": "default",
        "file": "~/config.toml:2",
        "environment": f"environment {key.env}",
        "variable": f"variable {key.var}",
    }[level]


@pytest.mark.parametrize("empty", ["", "   "])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("key", PLAIN, ids=lambda key: key.path)
def test_an_empty_text_is_not_set_at_any_level(tmp_path: Path, key: Key, level: str, empty: str) -> None:
    nothing = Sample(json.dumps(empty), empty, empty, None)
    said = dict(zip(LEVELS, samples(key), strict=True))
    config = configure(tmp_path, key, {level: nothing})
    assert config.source(key.path) == "default"
    below = LEVELS[: LEVELS.index(level)]
    if below:
        config = configure(tmp_path, key, {below[-1]: said[below[-1]], level: nothing})
        assert config.get(key.path) == said[below[-1]].value


@pytest.mark.parametrize("key", PLAIN, ids=lambda key: key.path)
def test_no_setting_moves_another(tmp_path: Path, key: Key) -> None:
    said = dict(zip(LEVELS, samples(key), strict=True))
    untouched = configure(tmp_path, key, {})
    config = configure(tmp_path, key, said)
    assert [other.path for other in PLAIN if other is not key and config.get(other.path) != untouched.get(other.path)] == []


def test_every_level_may_say_another_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[truenas]\nhost = "nas.example"\nport = 444\nusername = "one"\n')
    config = load(
        {"pixels_truenas_username": "three"},
        {"HOME": str(tmp_path), "PIXELS_TRUENAS_PORT": "445", "PIXELS_TRUENAS_USERNAME": "two"},
        file,
    )
    assert (config.get("truenas.host"), config.get("truenas.port"), config.get("truenas.username")) == ("nas.example", 445, "three")


@pytest.mark.parametrize("key", [key for key in KEYS if key.type == "bool"], ids=lambda key: key.path)
@pytest.mark.parametrize(
    ("word", "value"),
    [(word, True) for word in ("true", "True", "yes", "ON", "1")] + [(word, False) for word in ("false", "FALSE", "no", "off", "0")],
)
def test_booleans_in_words_at_both_levels_of_text(tmp_path: Path, key: Key, word: str, value: bool) -> None:
    """`-e pixels_provision_enabled=false` arrives as a text, and a text that is not empty is not thereby true."""
    sample = Sample("", word, word, value)
    assert configure(tmp_path, key, {"environment": sample}).get(key.path) is value
    assert configure(tmp_path, key, {"variable": sample}).get(key.path) is value


def test_env_is_merged_name_by_name(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[env]\nA = "file"\nB = "file"\nC = "file"\n')
    config = load(
        {"pixels_env": {"C": "variable", "D": "variable"}},
        {"HOME": str(tmp_path), "PIXELS_ENV": '{"B": "environment", "C": "environment", "A": ""}'},
        file,
    )
    assert config.get("env") == {"A": "file", "B": "environment", "C": "variable", "D": "variable"}
    assert [config.source(f"env.{name}") for name in "ABCD"] == [
        "~/config.toml:2",
        "environment PIXELS_ENV",
        "variable pixels_env",
        "variable pixels_env",
    ]
    assert config.get("env.A") == "file" and config.get("env.Z") is None
    assert load({"pixels_env": '{"X": "a=b #c\\n$d"}'}, {"HOME": str(tmp_path)}).get("env") == {"X": "a=b #c\n$d"}


def test_names_follow_one_rule() -> None:
    assert len({key.path for key in KEYS}) == len({key.env for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert key.env.startswith("PIXELS_") and key.env == key.env.upper()
        assert key.var == key.env.lower() and key.var in VARIABLES
        assert key.help.endswith(".")


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ("PIXELS_TRUENAS_HOST", "truenas.host"),
        ("PIXELS_TRUENAS_USERNAME", "truenas.username"),
        ("PIXELS_TRUENAS_API_KEY", "truenas.api_key"),
        ("PIXELS_TRUENAS_PORT", "truenas.port"),
        ("PIXELS_TRUENAS_INSECURE", "truenas.insecure_skip_verify"),
        ("PIXELS_DEFAULT_IMAGE", "defaults.image"),
        ("PIXELS_DEFAULT_CPU", "defaults.cpu"),
        ("PIXELS_DEFAULT_MEMORY", "defaults.memory"),
        ("PIXELS_DEFAULT_POOL", "defaults.pool"),
        ("PIXELS_SSH_USER", "ssh.user"),
        ("PIXELS_SSH_KEY", "ssh.key"),
        ("PIXELS_CHECKPOINT_DATASET_PREFIX", "checkpoint.dataset_prefix"),
        ("PIXELS_PROVISION_ENABLED", "provision.enabled"),
        ("PIXELS_PROVISION_DEVTOOLS", "provision.devtools"),
        ("PIXELS_NETWORK_EGRESS", "network.egress"),
    ],
)
def test_the_environment_variables_that_people_know(env: str, path: str) -> None:
    assert {key.env: key.path for key in KEYS}[env] == path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("truenas.username", "root"),
        ("truenas.insecure_skip_verify", False),
        ("defaults.image", "ubuntu/24.04"),
        ("defaults.cpu", "2"),
        ("defaults.memory", 2048),
        ("ssh.user", "pixel"),
        ("provision.enabled", True),
        ("provision.devtools", True),
        ("network.egress", "unrestricted"),
        ("network.allow", []),
        ("env", {}),
    ],
)
def test_the_defaults_that_people_know(tmp_path: Path, path: str, value: Any) -> None:
    assert load({}, {"HOME": str(tmp_path)}).get(path) == value


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, Path]:
    files = {level: tmp_path / f"{level}.key" for level in LEVELS}
    for level, path in files.items():
        path.write_text(f"1-from-{level}-file\n")
        path.chmod(0o600)
    return files


API_KEY = next(key for key in KEYS if key.path == "truenas.api_key_file")


@pytest.mark.parametrize("level", LEVELS)
def test_the_api_key_may_lie_in_a_file(tmp_path: Path, key_files: dict[str, Path], level: str) -> None:
    said = {name: Sample(json.dumps(str(path)), str(path), str(path), None) for name, path in key_files.items()}
    upto = {name: said[name] for name in LEVELS[: LEVELS.index(level) + 1]}
    config = configure(tmp_path, API_KEY, upto)
    assert config.get("truenas.api_key") == f"1-from-{level}-file"
    assert config.source("truenas.api_key") == f"{key_files[level]}, named by {source(API_KEY, level)}"
    assert config.warnings == []


def test_key_and_key_file_rank_by_level_and_the_key_first_at_the_same(tmp_path: Path, key_files: dict[str, Path]) -> None:
    home = {"HOME": str(tmp_path)}
    path = str(key_files["environment"])
    above = {"pixels_truenas_api_key": "1-direct"}
    assert load(above, {**home, "PIXELS_TRUENAS_API_KEY_FILE": path}).get("truenas.api_key") == "1-direct"
    same = {**home, "PIXELS_TRUENAS_API_KEY_FILE": path, "PIXELS_TRUENAS_API_KEY": "1-direct"}
    assert load({}, same).get("truenas.api_key") == "1-direct"
    below = {"pixels_truenas_api_key_file": path}
    assert load(below, {**home, "PIXELS_TRUENAS_API_KEY": "1-direct"}).get("truenas.api_key") == "1-from-environment-file"
