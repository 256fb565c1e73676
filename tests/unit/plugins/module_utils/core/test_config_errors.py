# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mistakes in the configuration: named with their place and with what is allowed, and never with a secret's value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import KEYS, MASK, Config, ConfigError, Key, default_path, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, describe

SECRET = "1-s3cr3t-value-of-the-key"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "pixels").mkdir(parents=True)
    return tmp_path


def write(home: Path, text: str, mode: int = 0o600) -> Path:
    file = home / ".config" / "pixels" / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def read(home: Path, variables: dict[str, Any] | None = None, **environ: str) -> Config:
    return load(variables or {}, {"HOME": str(home), **environ})


def refused(home: Path, variables: dict[str, Any] | None = None, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(home, variables, **environ)
    assert SECRET not in str(caught.value) and SECRET not in repr(caught.value) and SECRET not in str(describe(caught.value))
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[truenass]\nhost = "x"\n', 1, "unknown section [truenass]; did you mean [truenas]? Allowed: truenas, defaults, "),
        ('[quite]\nother = "x"\n', 1, "unknown section [quite]; allowed: truenas, "),
        ('host = "x"\n', 1, "unknown section [host]"),
        ('# nothing\n\n[truenas]\n# here neither\nhots = "x"\n', 5, "unknown key truenas.hots; did you mean truenas.host? Allowed: host, "),
        ('[defaults]\nimage = "a"\nzzz = 1\n', 3, "unknown key defaults.zzz; allowed: image, "),
        (
            '[network]\nallow = [\n  "a.example",\n  "b.example",\n]\negres = "agent"\n',
            6,
            "unknown key network.egres; did you mean network.egress?",
        ),
        ('[ssh]\nuser = """\none\n"""\nkye = "x"\n', 5, "unknown key ssh.kye; did you mean ssh.key?"),
        ('truenas.port = "444"\n', 1, "truenas.port is a text, '444'; allowed is a whole number from 1 to 65535"),
        ('truenas = { host = "x", port = 0 }\n', 1, "truenas.port is a whole number, 0; allowed is a whole number from 1 to 65535"),
        ("[truenas]\nport = 65536\n", 2, "truenas.port is a whole number, 65536"),
        ("[truenas]\nport = true\n", 2, "truenas.port is a truth value, True"),
        ('[provision]\nenabled = "true"\n', 2, "provision.enabled is a text, 'true'; allowed is true or false"),
        ("[provision]\nenabled = 1\n", 2, "provision.enabled is a whole number, 1; allowed is true or false"),
        ("[truenas]\nhost = 5\n", 2, "truenas.host is a whole number, 5; allowed is a text"),
        ("[truenas]\nhost = 2026-01-01\n", 2, "truenas.host is a value of type date"),
        ('[truenas]\nhost = "a\\nb"\n', 2, "it has line breaks"),
        ('[network]\negress = "agnet"\n', 2, "network.egress is a text, 'agnet'; allowed is one of unrestricted, agent, allowlist"),
        ('[truenas]\nsession_reuse = "off"\n', 2, "allowed is one of auto, never"),
        ('[defaults]\nnic_type = "veth"\n', 2, "allowed is one of macvlan, bridged"),
        ('[defaults]\ndns = "1.1.1.1"\n', 2, "defaults.dns is a text, '1.1.1.1'; allowed is a list of IP addresses"),
        ('[defaults]\ndns = [\n"1.1.1.1",\n"one"]\n', 2, "defaults.dns is a text, 'one'; allowed is a list of IP addresses"),
        ("[network]\nallow = [1]\n", 2, "network.allow is a whole number, 1; allowed is a list of texts"),
        ('[network]\nallow = [""]\n', 2, "network.allow is a text, ''; allowed is a list of texts"),
        ('[defaults]\nmemory = "2 buckets"\n', 2, "defaults.memory is a text, '2 buckets' (at least 32 MiB); allowed is a number of MiB"),
        ("[defaults]\nmemory = 8\n", 2, "defaults.memory is a whole number, 8 (at least 32 MiB)"),
        ('[defaults]\ncpu = "many"\n', 2, "defaults.cpu is a text, 'many'; allowed is a number of processors"),
        ("[defaults]\ncpu = 0\n", 2, "defaults.cpu is a whole number, 0"),
        ("truenas = 5\n", 1, "truenas has to be a section: write [truenas]"),
        ("[[truenas]]\n", 1, "truenas has to be a section"),
        ("[env]\nPORT = 5\n", 2, "env.PORT is a whole number; allowed is a text, in quotes"),
        ('[env]\n"A-B" = "x"\n', 2, "env: 'A-B' is no name of an environment variable"),
        ("[truenas\n", 1, "this is not TOML: "),
        ('[truenas]\nhost = "a"\nhost = "b"\n', 3, "this is not TOML: "),
        ('[truenas]\nhost = "a', 2, "this is not TOML: "),
        ("[truenas]\nhost =\nport = 5\n", 2, "this is not TOML: "),
    ],
)
def test_mistakes_in_the_file_have_file_line_and_what_is_allowed(home: Path, text: str, line: int, message: str) -> None:
    file = write(home, text)
    error = refused(home)
    assert str(error).startswith(f"~/.config/pixels/config.toml:{line}: ")
    assert message in str(error)
    assert (error.file, error.line) == (str(file), line)
    assert isinstance(error, CoreError) and describe(error)["line"] == line


def test_a_file_that_is_not_utf8(home: Path) -> None:
    write(home, "").write_bytes(b'[truenas]\nhost = "ok"\nusername = "\xe9"\n')
    assert "config.toml:3: the file is not UTF-8" in str(refused(home))


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(home: Path) -> None:
    write(home, "").write_bytes(b'\xef\xbb\xbf[truenas]\r\nhost = "ok"\r\n')
    config = read(home)
    assert (config.get("truenas.host"), config.source("truenas.host")) == ("ok", "~/.config/pixels/config.toml:2")


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.type in ("int", "bool", "addresses", "cpu", "memory") or key.choices], ids=lambda key: key.path
)
def test_a_wrong_value_names_its_variable_what_was_given_and_what_is_allowed(home: Path, key: Key) -> None:
    for said, error in (
        (f"environment {key.env}", refused(home, **{key.env: "gibberish!"})),
        (f"variable {key.var}", refused(home, {key.var: "gibberish!"})),
    ):
        assert str(error).startswith(f"{said}: {key.path} is a text, 'gibberish!'")
        assert f"; allowed is {key.allowed}" in str(error)


@pytest.mark.parametrize("key", [key for key in KEYS if key.type != "dict"], ids=lambda key: key.path)
def test_a_table_is_no_value(home: Path, key: Key) -> None:
    assert f"variable {key.var}: {key.path} is a table" in str(refused(home, {key.var: {"a": SECRET if key.secret else "b"}}))


@pytest.mark.parametrize(
    ("variables", "environ", "message"),
    [
        ({"pixels_truenas_api_key": [SECRET]}, {}, "variable pixels_truenas_api_key: truenas.api_key is a list; allowed is a text"),
        ({}, {"PIXELS_TRUENAS_API_KEY": f"{SECRET}\n{SECRET}"}, "truenas.api_key is a text (it has line breaks or control characters)"),
        ({}, {"PIXELS_ENV": '{"A": "' + SECRET}, "environment PIXELS_ENV: env is a text (as a text it has to be a JSON object)"),
        ({"pixels_env": [SECRET]}, {}, "variable pixels_env: env is a list; allowed is names with texts as values"),
        ({"pixels_env": {"A": [SECRET]}}, {}, "variable pixels_env: env.A is a list; allowed is a text"),
    ],
)
def test_errors_never_show_a_secret(home: Path, variables: dict[str, Any], environ: dict[str, str], message: str) -> None:
    assert message in str(refused(home, variables, **environ))


def test_a_syntax_error_beside_a_secret_does_not_show_it(home: Path) -> None:
    for text in (f'[truenas]\napi_key = "{SECRET}\n', f"[truenas]\napi_key = {SECRET}\n", f'[truenas]\napi_kee = "{SECRET}"\n'):
        write(home, text)
        assert "config.toml:2: " in str(refused(home))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("text", [f'[truenas]\napi_key = "{SECRET}"\n', f'[env]\nTOKEN = "{SECRET}"\n'])
def test_a_file_with_a_secret_that_others_can_read_is_warned_about(home: Path, text: str, mode: int) -> None:
    write(home, text, mode)
    (warning,) = [warning for warning in read(home, PIXELS_TRUENAS_API_KEY="1-another").warnings if "can read it" in warning]
    assert "chmod 600 ~/.config/pixels/config.toml" in warning and SECRET not in warning


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (f'[truenas]\napi_key = "{SECRET}"\n', 0o600),
        ('[truenas]\nhost = "x"\napi_key = ""\n', 0o644),
        ("[env]\n", 0o644),
        ('[network]\negress = "unrestricted"\n', 0o644),
        ("", 0o644),
    ],
)
def test_no_warning_without_a_reason(home: Path, text: str, mode: int) -> None:
    write(home, text, mode)
    assert read(home).warnings == []


def test_a_key_file_that_others_can_read_is_warned_about_and_a_bad_one_is_an_error(home: Path) -> None:
    file = home / "key"
    file.write_text(SECRET + "\n")
    file.chmod(0o644)
    config = read(home, PIXELS_TRUENAS_API_KEY_FILE="~/key")
    assert config.get("truenas.api_key") == SECRET
    assert [f"chmod 600 {file}" in warning and SECRET not in warning for warning in config.warnings] == [True]
    for content in ("", "  \n", f"{SECRET}\n{SECRET}\n", f"key {SECRET}\n"):
        file.write_text(content)
        assert "has to hold the API key and nothing else" in str(refused(home, PIXELS_TRUENAS_API_KEY_FILE=str(file)))
    missing = refused(home, {"pixels_truenas_api_key_file": str(home / "none")})
    assert str(missing).startswith("variable pixels_truenas_api_key_file: ") and "No such file" in str(missing)


def test_secrets_are_masked_wherever_people_look(home: Path) -> None:
    write(home, f'[truenas]\nhost = "nas"\napi_key = "{SECRET}"\n[env]\nTOKEN = "{SECRET}"\n')
    config = read(home)
    for shown in (str(config.as_dict()), str(config.rows()), repr(config)):
        assert SECRET not in shown
    assert config.as_dict()["truenas"]["api_key"] == config.as_dict()["env"]["TOKEN"] == MASK
    assert config.as_dict(mask=False)["env"] == {"TOKEN": SECRET}
    assert config.secrets == {SECRET}
    assert {"key": "env.TOKEN", "value": MASK, "source": "~/.config/pixels/config.toml:5"} in config.rows()
    assert {"key": "truenas.host", "value": "nas", "source": "~/.config/pixels/config.toml:2"} in config.rows()


def test_an_unset_secret_is_not_masked_as_if_it_were_there(home: Path) -> None:
    assert read(home).as_dict()["truenas"]["api_key"] is None
    assert {"key": "truenas.api_key", "value": "", "source": "default"} in read(home).rows()


def test_rows_have_every_setting_once_in_texts(home: Path) -> None:
    rows = read(home, PIXELS_NETWORK_ALLOW="a.example,b.example").rows()
    assert [row["key"] for row in rows] == [key.path for key in KEYS if key.type != "dict"]
    assert {"key": "provision.enabled", "value": "true", "source": "default"} in rows
    assert {"key": "network.allow", "value": '["a.example", "b.example"]', "source": "environment PIXELS_NETWORK_ALLOW"} in rows


def test_where_the_file_is(home: Path, tmp_path: Path) -> None:
    assert default_path({"HOME": "/home/me"}) == Path("/home/me/.config/pixels/config.toml")
    assert default_path({"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/pixels/config.toml")
    assert default_path({"HOME": "/home/me", "XDG_CONFIG_HOME": "relative"}) == Path("/home/me/.config/pixels/config.toml")
    for name in ("usual", "environment", "variable"):
        (tmp_path / f"{name}.toml").write_text(f'[truenas]\nhost = "{name}"\n')
    write(home, '[truenas]\nhost = "usual"\n')
    environment = {"PIXELS_CONFIG": "~/environment.toml"}
    assert read(home).get("truenas.host") == "usual"
    assert read(home, PIXELS_CONFIG=" ").get("truenas.host") == "usual"
    assert read(home, **environment).get("truenas.host") == "environment"
    assert read(home, {"pixels_config": "~/variable.toml"}, **environment).get("truenas.host") == "variable"
    assert load({}, {"HOME": str(home), **environment}, home / "usual.toml").get("truenas.host") == "usual"


def test_a_file_that_was_asked_for_must_exist_and_the_usual_one_need_not(home: Path) -> None:
    assert read(home).path is None
    error = refused(home, PIXELS_CONFIG=str(home / "none.toml"))
    assert str(error) == f"environment PIXELS_CONFIG: the configuration file {home / 'none.toml'} cannot be read: No such file or directory"
    assert "variable pixels_config" in str(refused(home, {"pixels_config": ["x"]}))
    (home / ".config" / "pixels" / "config.toml").mkdir()
    assert "cannot be read: Is a directory" in str(refused(home))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error_and_not_an_empty_configuration(home: Path) -> None:
    write(home, "", mode=0)
    assert "cannot be read: Permission denied" in str(refused(home))


def test_names_that_are_almost_ours_are_warned_about(home: Path) -> None:
    config = read(
        home,
        {"pixels_truenas_hots": "x", "pixels_names": ["mine"], "other": 1},
        PIXELS_DEFAULTS_IMAGE="x",
        PIXELS_TEST_REAL="1",
    )
    assert config.warnings == [
        "the environment variable PIXELS_DEFAULTS_IMAGE is not known and has no effect; did you mean PIXELS_DEFAULT_IMAGE?",
        "the variable pixels_truenas_hots is not known and has no effect; did you mean pixels_truenas_host?",
    ]


def test_paths_are_expanded_in_the_home_of_the_environment(home: Path) -> None:
    config = read(home, {"pixels_ssh_key": "~/keys/other"}, PIXELS_TRUENAS_CA_FILE="~/ca.pem")
    assert config.get("ssh.key") == str(home / "keys" / "other")
    assert config.get("truenas.ca_file") == str(home / "ca.pem")


def test_asking_for_a_setting_that_does_not_exist(home: Path) -> None:
    for ask in (read(home).get, read(home).source):
        with pytest.raises(ConfigError, match=r"there is no setting truenas\.hots; did you mean truenas\.host\? Allowed: .*checkpoint"):
            ask("truenas.hots")


def test_a_list_is_the_readers_own(home: Path) -> None:
    config = read(home, PIXELS_NETWORK_ALLOW="a.example")
    config.get("network.allow").append("b.example")
    assert config.get("network.allow") == ["a.example"]
