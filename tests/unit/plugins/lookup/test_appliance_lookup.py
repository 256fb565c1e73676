# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup `appliance`: where tasks go, in one way of writing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

pytestmark = pytest.mark.usefixtures("bare_home")


def ask(*terms: Any, **variables: Any) -> list[str]:
    templar = Templar(loader=DataLoader(), variables=variables)
    return list(
        lookup_loader.get("pixels.sandbox.appliance", loader=templar._loader, templar=templar).run(list(terms), variables=variables)
    )


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, ""),
        ({"host": "nas.example"}, "wss://nas.example:443"),
        ({"host": "NAS.example:443"}, "wss://nas.example:443"),
        ({"host": "nas.example", "port": 8443}, "wss://nas.example:8443"),
        ({"host": "unix:///run/lab.sock"}, "unix:///run/lab.sock"),
    ],
)
def test_one_way_of_writing_it(settings: dict[str, Any], address: str) -> None:
    assert ask(**{f"pixels_truenas_{name}": value for name, value in settings.items()}) == [address]


def test_the_profile_says_which(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "pixels" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[profiles.home.truenas]\nhost = "one"\n[profiles.office.truenas]\nhost = "two"\n')
    file.chmod(0o600)
    assert ask() == [""] and ask(pixels_profile="office") == ["wss://two:443"]
    with pytest.raises(AnsibleLookupError, match="did you mean home"):
        ask(pixels_profile="hoem")


@pytest.mark.parametrize("host", ["nas/path", "ws://nas"])
def test_what_cannot_be_is_an_error(host: str) -> None:
    with pytest.raises(AnsibleLookupError, match="nas"):
        ask(pixels_truenas_host=host)


def test_there_is_nothing_else_to_ask_for() -> None:
    with pytest.raises(AnsibleLookupError, match="neither terms nor options"):
        ask("truenas.host")
