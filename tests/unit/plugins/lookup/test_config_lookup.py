# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup `config`: the merged configuration in playbooks, with Ansible's own variables on top."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template

from ansible_collections.pixels.sandbox.plugins.lookup import config as lookup
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import MASK

SECRET = "1-s3cr3t-value"


@pytest.fixture(autouse=True)
def clean(bare_home: Path) -> Path:
    """A home with a file of the user's."""
    file = bare_home / ".config" / "pixels" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[truenas]\nhost = "nas.example"\napi_key = "{SECRET}"\n[env]\nTOKEN = "{SECRET}"\n')
    file.chmod(0o600)
    return file


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(lookup, "display", SimpleNamespace(warning=said.append))
    return said


def ask(*terms: Any, variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    templar = Templar(loader=DataLoader(), variables=variables or {})
    plugin = lookup_loader.get("pixels.sandbox.config", loader=templar._loader, templar=templar)
    return plugin.run(list(terms), variables=variables or {}, **options)


def test_without_terms_it_is_everything_by_section_with_secrets_as_stars() -> None:
    (everything,) = ask()
    assert everything["truenas"]["host"] == "nas.example"
    assert everything["truenas"]["api_key"] == everything["env"]["TOKEN"] == MASK
    assert everything["provision"] == {"enabled": True, "devtools": True}
    assert SECRET not in str(everything)


def test_a_term_is_one_setting_in_its_own_type() -> None:
    assert ask("truenas.host", "provision.enabled", "defaults.memory", "defaults.dns", "defaults.pool") == [
        "nas.example",
        True,
        2048,
        [],
        None,
    ]
    assert ask("truenas.api_key", "env.TOKEN", "env") == [SECRET, SECRET, {"TOKEN": SECRET}]


def test_variables_rank_above_environment_and_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELS_TRUENAS_HOST", "environment.example")
    assert ask("truenas.host") == ["environment.example"]
    assert ask("truenas.host", variables={"pixels_truenas_host": "variable.example"}) == ["variable.example"]
    assert ask("provision.enabled", variables={"pixels_provision_enabled": "false"}) == [False]


def test_templates_in_our_variables_are_resolved_and_no_others_are_looked_at() -> None:
    variables = {
        "site": "attic",
        "pixels_truenas_host": trust_as_template("nas.{{ site }}.example"),
        "unrelated": trust_as_template("{{ undefined_variable }}"),
        "pixels_unrelated": trust_as_template("{{ undefined_variable }}"),
    }
    assert ask("truenas.host", variables=variables) == ["nas.attic.example"]


def test_rows_are_for_people(warnings: list[str]) -> None:
    rows = ask(rows=True)
    assert {"key": "truenas.host", "value": "nas.example", "source": "~/.config/pixels/config.toml:2"} in rows
    assert SECRET not in str(rows) and SECRET not in str(warnings)


def test_warnings_reach_the_user(clean: Path, warnings: list[str]) -> None:
    clean.chmod(0o644)
    ask("truenas.host")
    assert any("chmod 600" in warning for warning in warnings) and SECRET not in str(warnings)


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        (["truenas.hots"], {}, "there is no setting truenas.hots; did you mean truenas.host?"),
        ([5], {}, "a setting is asked for by its name"),
        (["truenas.host"], {"rows": True}, "it takes no terms"),
        ([], {"variables": {"pixels_truenas_port": "x"}}, "variable pixels_truenas_port: truenas.port is a text, 'x'; allowed is"),
        ([], {"variables": {"pixels_truenas_api_key": [SECRET]}}, "variable pixels_truenas_api_key: truenas.api_key is a list"),
    ],
)
def test_mistakes_are_named_without_secrets(terms: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        ask(*terms, **options)
    assert message in str(caught.value)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in str(seen)
        seen = seen.__cause__


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(AnsibleLookupError, match="there is no option rowz; allowed is rows"):
        ask(rowz=True)
