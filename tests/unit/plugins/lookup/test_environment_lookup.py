# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup `environment`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

from ansible_collections.pixels.sandbox.plugins.lookup import environment as lookup

SECRET = "s3cr3t-value"


@pytest.fixture(autouse=True)
def clean(bare_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "display", SimpleNamespace(warning=lambda _text: None))
    monkeypatch.setenv(
        "PIXELS_ENV", '{"A": "a", "B": {"forward": true}, "C": {"forward": true}, "D": {"value": "d", "session_only": true}}'
    )
    monkeypatch.setenv("B", "mine")
    monkeypatch.delenv("C", raising=False)


def ask(*terms: Any, variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    templar = Templar(loader=DataLoader(), variables=variables or {})
    plugin = lookup_loader.get("pixels.sandbox.environment", loader=templar._loader, templar=templar)
    return list(plugin.run(list(terms), variables=variables or {}, **options))


def test_each_term_is_one_answer() -> None:
    answers = ask("stored", "session", "missing", "names")
    assert answers == [{"A": "a"}, {"B": "mine", "D": "d"}, ["C"], ["A", "B", "C", "D"]]


def test_variables_of_the_host_count_and_so_does_the_task() -> None:
    assert ask("stored", variables={"pixels_env": {"A": "host"}}, override={"X": "x"}) == [{"A": "host", "X": "x"}]
    assert ask("session", override={"B": None, "D": "task"}) == [{"D": "task"}]
    assert ask("session", override="") == [{"B": "mine", "D": "d"}]


def test_what_looks_like_a_template_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELS_ENV", '{"A": "{{ 1 + 1 }}", "B": {"forward": true}}')
    monkeypatch.setenv("B", "{{ 2 + 2 }}")
    assert ask("stored", "session") == [{"A": "{{ 1 + 1 }}"}, {"B": "{{ 2 + 2 }}"}]


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        ([], {}, "nothing is asked for; allowed are stored, session, missing, names"),
        (["sesion"], {}, "'sesion' is asked for"),
        (["stored"], {"overide": {}}, "there is no option overide"),
        (["missing"], {"override": {"A": "x"}}, "override is for stored and session"),
        (["stored"], {"override": {"A": [SECRET]}}, "override: A is not a text"),
        (["stored"], {"variables": {"pixels_env": {"A": [SECRET]}}}, "variable pixels_env: env.A is a list"),
    ],
)
def test_mistakes_are_named_without_values(terms: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        ask(*terms, **options)
    assert message in str(caught.value) and SECRET not in str(caught.value)
