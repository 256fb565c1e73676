# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration: defaults < ~/.config/pixels/config.toml < a profile in it < environment PIXELS_* < Ansible variables pixels_*,
key by key.

`load(variables, environ)` gives a `Config`; it raises `ConfigError` with the place and with what is allowed there. An empty text is
a setting that is not made, at every level. The table of settings is `config_keys.KEYS`.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from . import config_profile
from .config_file import TomlFile, default_path, expand, readable_by_others
from .config_keys import BY_PATH, ENVIRONMENT, FILE_ENV, FILE_VAR, KEYS, LISTS, SECTIONS, VARIABLES, Key, keys_of
from .config_values import ConfigError, Place, entry, is_unset, parse
from .config_variable import Variable

__all__ = ["KEYS", "MASK", "VARIABLES", "Config", "ConfigError", "Key", "default_path", "load"]

MASK = "********"
DEFAULT, FILE, PROFILE, ENV, VAR = range(5)

Where = Callable[[], Place]


def _nowhere() -> Place:
    return Place("default")


@dataclass(frozen=True)
class Setting:
    """One value, its level, and where it was said."""

    value: Any
    level: int = DEFAULT
    where: Where = field(default=_nowhere, repr=False)


@dataclass
class Config:
    """The merged result. `path` is the file that was read, or None, and `profile` the name of the one that counts."""

    path: Path | None = None
    profile: str | None = None
    warnings: list[str] = field(default_factory=list)
    _settings: dict[str, Setting] = field(default_factory=dict, repr=False)

    def get(self, path: str) -> Any:
        """The effective value of `section.key`; `env` is all of the containers' environment that has values here, `env.NAME` one of it."""
        key = _key(path)
        if key.type == "dict":
            entries = {name: setting.value.value for name, setting in self._entries(key) if not setting.value.forward}
            return entries if path == key.path else entries.get(path.removeprefix(key.section + "."))
        value = self._settings[path].value
        return list(value) if key.type in LISTS else value

    def variables(self) -> dict[str, Variable]:
        """The containers' environment with all that is said of it."""
        return {name: setting.value for name, setting in self._entries(_key("env"))}

    def source(self, path: str) -> str:
        """Where the value was said: `default`, `FILE:LINE`, `environment NAME` or `variable NAME`."""
        key = _key(path)
        if key.type != "dict":
            return self._settings[path].where().text
        entries = self._entries(key) if path == key.path else [item for item in self._entries(key) if f"{key.section}.{item[0]}" == path]
        return ", ".join(dict.fromkeys(setting.where().text for _name, setting in entries)) or _nowhere().text

    def as_dict(self, mask: bool = True) -> dict[str, dict[str, Any]]:
        """Section by section, secrets as stars unless told otherwise."""
        result: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for path, key, setting in self._flat():
            hidden = mask and key.secret and _bare(setting.value) is not None
            result[key.section][path.partition(".")[2]] = MASK if hidden else self.get(path)
        return result

    def rows(self) -> list[dict[str, str]]:
        """`key`, `value` and `source` of every setting as texts for people, secrets as stars."""
        rows = []
        for path, key, setting in self._flat():
            value = MASK if key.secret and _bare(setting.value) is not None else _shown(setting.value)
            rows.append({"key": path, "value": value, "source": setting.where().text})
        return rows

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must not be seen anywhere."""
        return frozenset(_bare(setting.value) for _path, key, setting in self._flat() if key.secret and _bare(setting.value))

    def _flat(self) -> Iterator[tuple[str, Key, Setting]]:
        for key in KEYS:
            if key.type == "dict":
                for name, setting in self._entries(key):
                    yield f"{key.section}.{name}", key, setting
            else:
                yield key.path, key, self._settings[key.path]

    def _entries(self, key: Key) -> list[tuple[str, Setting]]:
        prefix = key.section + "."
        return sorted((path.removeprefix(prefix), setting) for path, setting in self._settings.items() if path.startswith(prefix))


def load(variables: Mapping[str, Any], environ: Mapping[str, str] | None = None, path: str | os.PathLike[str] | None = None) -> Config:
    """The configuration as of now. Of `variables` only `VARIABLES` are looked at; templates in them must be resolved already."""
    environ = os.environ if environ is None else environ
    file = _open(variables, environ, path)
    config = Config(path=None if file is None else file.path, warnings=_near_misses(variables, environ))
    config._settings = {key.path: Setting(key.default) for key in KEYS if key.type != "dict"}
    config.profile = config_profile.chosen(file, variables, environ)
    if file is not None:
        _from_file(config, file)
    for key in KEYS:
        _apply(config, key, environ.get(key.env), ENV, Place(f"environment {key.env}"))
        _apply(config, key, variables.get(key.var), VAR, Place(f"variable {key.var}"))
    for key in KEYS:
        setting = config._settings.get(key.path)
        if key.type == "path" and setting is not None and setting.value:
            config._settings[key.path] = Setting(expand(setting.value, environ), setting.level, setting.where)
    _read_key_file(config)
    config.warnings += _overruled(config, file)
    if file is not None and readable_by_others(file.path):
        held = _secret_in(file)
        if held:
            config.warnings.append(_exposed(file.shown, held))
    return config


def _open(variables: Mapping[str, Any], environ: Mapping[str, str], path: str | os.PathLike[str] | None) -> TomlFile | None:
    """The file that was asked for, which then must exist, or the usual one, which need not."""
    asked = (
        (path, "the path given"),
        (variables.get(FILE_VAR), f"variable {FILE_VAR}"),
        (environ.get(FILE_ENV), f"environment {FILE_ENV}"),
    )
    for value, origin in asked:
        if is_unset(value):
            continue
        if not isinstance(value, (str, os.PathLike)):
            raise ConfigError(Place(origin), "allowed is the path of the configuration file")
        wanted = Path(expand(os.fspath(value), environ))
        try:
            return TomlFile(wanted, _short(wanted, environ))
        except OSError as error:
            raise ConfigError(Place(origin), f"the configuration file {wanted} cannot be read: {error.strerror}") from None
    usual = default_path(environ)
    try:
        return TomlFile(usual, _short(usual, environ))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(Place(str(usual), str(usual)), f"the configuration file cannot be read: {error.strerror}") from None


def _short(path: Path, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or os.path.expanduser("~")
    text = str(path)
    return "~" + text[len(home.rstrip("/")) :] if home not in ("", "/") and text.startswith(home.rstrip("/") + "/") else text


def _from_file(config: Config, file: TomlFile) -> None:
    base = {section: table for section, table in file.data.items() if section != config_profile.SECTION}
    _from_sections(config, base, FILE, file.place)
    for name, sections in config_profile.profiles_of(file).items():
        # Those that are not chosen are checked as well, and count for nothing.
        target = config if name == config.profile else Config()
        _from_sections(target, sections, PROFILE, partial(file.place, config_profile.SECTION, name), f"{config_profile.SECTION}.{name}.")


def _from_sections(config: Config, sections: Mapping[str, Any], level: int, place: Callable[..., Place], above: str = "") -> None:
    for section, table in sections.items():
        keys, shown = keys_of(section), above + section
        if not keys:
            known = SECTIONS if above else (*SECTIONS, config_profile.SECTION)
            raise ConfigError(place(section), f"unknown section [{shown}]{_nearest(section, known, f'[{above}{{}}]')}", shown)
        if is_unset(table):
            continue
        if not isinstance(table, dict):
            raise ConfigError(place(section), f"{shown} has to be a section: write [{shown}] and its keys below it", shown)
        free = next((key for key in keys if key.type == "dict"), None)
        if free is not None:
            _entries_from(config, free, table, level, partial(place, section))
            continue
        names = {key.name: key for key in keys}
        for name, raw in table.items():
            if name not in names:
                path = f"{shown}.{name}"
                raise ConfigError(place(section, name), f"unknown key {path}{_nearest(name, tuple(names), shown + '.{}')}", path)
            if not is_unset(raw):
                where = partial(place, section, name)
                config._settings[names[name].path] = Setting(parse(names[name], raw, where, strict=True), level, where)


def _apply(config: Config, key: Key, raw: Any, level: int, place: Place) -> None:
    if is_unset(raw):
        return

    def where() -> Place:
        return place

    value = parse(key, raw, where)
    if key.type == "dict":
        _entries_from(config, key, value, level, lambda _name: place)
    else:
        config._settings[key.path] = Setting(value, level, where)


def _entries_from(config: Config, key: Key, table: Mapping[Any, Any], level: int, place: Callable[[Any], Place]) -> None:
    for name, raw in table.items():
        if is_unset(raw):
            continue
        where = partial(place, name)
        config._settings[f"{key.section}.{name}"] = Setting(entry(key, name, raw, where), level, where)


def _read_key_file(config: Config) -> None:
    """An API key that lies in a file of its own, when no key was said at the same level or above."""
    named, direct = config._settings["truenas.api_key_file"], config._settings["truenas.api_key"]
    if not named.value or direct.level >= named.level:
        return
    path = Path(named.value)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"truenas.api_key_file: {path} cannot be read: {error.strerror}; it has to be a file with the API key in it"
        raise ConfigError(named.where(), message, "truenas.api_key_file") from None
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text:
        message = f"truenas.api_key_file: {path} has to hold the API key and nothing else, on one line"
        raise ConfigError(named.where(), message, "truenas.api_key_file")
    if readable_by_others(path):
        config.warnings.append(_exposed(str(path), "the API key"))
    config._settings["truenas.api_key"] = Setting(text, named.level, lambda: Place(f"{path}, named by {named.where().text}"))


def _secret_in(file: TomlFile) -> str | None:
    """What the file holds that nobody else should read, whether or not a higher level overrides it."""
    profiles = config_profile.profiles_of(file)
    for above, sections in (("", file.data), *((f"{config_profile.SECTION}.{name}.", found) for name, found in profiles.items())):
        for key in KEYS:
            table = sections.get(key.section)
            if not key.secret or not isinstance(table, dict):
                continue
            # Of a variable that is forwarded the file has the name only.
            said = [table.get(key.name)] if key.name else [raw for raw in table.values() if not isinstance(raw, dict) or "value" in raw]
            if not all(is_unset(raw) for raw in said):
                return above + key.path
    return None


def _exposed(file: str, held: str) -> str:
    return f"{file} holds a secret ({held}) and others than its owner can read it; make it private with: chmod 600 {file}"


def _overruled(config: Config, file: TomlFile | None) -> list[str]:
    """Who names an appliance and gets another one must hear of it, also where the rules want it so."""
    if config.profile is None:
        return []
    table = config_profile.profiles_of(file)[config.profile].get("truenas") or {}
    # Of a file with the key it is the key that counts.
    said = {f"truenas.{'api_key' if name == 'api_key_file' else name}" for name, raw in table.items() if not is_unset(raw)}
    found = sorted(path for path in said if config._settings[path].level == ENV)
    if not found:
        return []
    sources = ", ".join(f"{path} ({config.source(path)})" for path in found)
    return [f"the environment ranks above the profile {config.profile}, and sets: {sources}"]


def _near_misses(variables: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Names that are almost ours would be ignored in silence: PIXELS_TRUENAS_HSOT, PIXELS_DEFAULTS_IMAGE."""
    warnings = []
    for given, known, kind in ((environ, ENVIRONMENT, "environment variable"), (variables, VARIABLES, "variable")):
        prefix = min(known)[:7]
        for name in sorted(name for name in given if isinstance(name, str) and name.startswith(prefix) and name not in known):
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.9)
            if near:
                warnings.append(f"the {kind} {name} is not known and has no effect; did you mean {near[0]}?")
    return warnings


def _nearest(name: str, known: tuple[str, ...], form: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {form.format(near[0])}?" if near else ";"
    return f"{hint} Allowed: {', '.join(known)}" if near else f"{hint} allowed: {', '.join(known)}"


def _key(path: str) -> Key:
    section, _dot, name = path.partition(".")
    key = BY_PATH.get(path) or (BY_PATH.get(section) if name else None)
    if key is None:
        near = difflib.get_close_matches(path, sorted(BY_PATH), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(Place("configuration"), f"there is no setting {path}; {hint}Allowed: {', '.join(sorted(BY_PATH))}", path)
    return key


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Variable):
        return "(forwarded)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return json.dumps(list(value), ensure_ascii=False) if value else ""
    return str(value)
