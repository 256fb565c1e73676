# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings that go with the tools, beside what others have written into the same files."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_settings as settings
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import Box

REGISTRY, INDEX = "https://npm.example.org/", "https://pypi.example.org/simple/"
NONE = {"npm_registry": None, "pypi_index": None}
GIVEN = {"npm_registry": REGISTRY, "pypi_index": INDEX}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def test_once_and_then_nothing_is_to_do(box: Box) -> None:
    for wanted in (NONE, GIVEN, NONE):
        assert settings.lacks(box, wanted)
        settings.bring(box, wanted)
        assert settings.lacks(box, wanted) == []


def test_without_an_index_there_is_no_file_of_pip(box: Box) -> None:
    settings.bring(box, NONE)
    assert not box.exists(places.PIP_CONF)


def test_somebody_elses_settings_of_codex_stay(box: Box) -> None:
    box.put(places.CODEX_CONFIG, 'model = "x"\n')
    settings.bring(box, NONE)
    assert box.read(places.CODEX_CONFIG) == 'model = "x"\n'


class TestNpm:
    def test_theirs_stays_and_ours_counts(self) -> None:
        theirs = "registry=https://other.example.org/\n//other.example.org/:_authToken=x\n"
        text = settings.npmrc(theirs, REGISTRY, True)
        assert text.startswith(theirs) and text.index("other.example.org") < text.index(f"registry={REGISTRY}")
        assert settings.npmrc(text, REGISTRY, True) == text
        assert settings.npmrc(text, None, True).count("registry=") == 1

    def test_whom_to_trust_is_theirs_where_they_say_so(self) -> None:
        assert f"cafile={places.CERTIFICATES}" in settings.npmrc("", None, True)
        assert (
            "cafile=/x\n# BEGIN" in settings.npmrc("cafile=/x\n", None, True)
            and settings.npmrc("cafile=/x\n", None, True).count("cafile") == 1
        )
        assert "cafile" not in settings.npmrc("", None, False)

    def test_the_registry_that_others_have_written(self) -> None:
        assert settings.registry_in('a=b\nregistry = "https://x.example.org/"\n') == "https://x.example.org/"
        assert settings.registry_in(settings.npmrc("", REGISTRY, True)) is None
        assert settings.registry_in("@scope:registry=https://x.example.org/\n") is None


THEIRS = [
    "",
    "[global]\ntimeout = 60\n",
    "[global]\nindex-url = https://other.example.org/simple\ntimeout = 60\n\n[install]\nindex-url=https://x.example.org\n",
    "# ours\n[install]\nuser = true\n\n[global]\nindex_url: https://other.example.org/simple\n",
]


class TestPip:
    @pytest.mark.parametrize("theirs", THEIRS)
    def test_it_can_be_read_and_taken_back(self, theirs: str) -> None:
        text = settings.pip_conf(theirs, INDEX)
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        assert parser.get("global", "index-url") == INDEX
        before = configparser.RawConfigParser()
        before.read_string(theirs)
        for section in before.sections():
            for name, value in before.items(section):
                assert (section, name) in (("global", "index-url"), ("global", "index_url")) or parser.get(section, name) == value
        assert settings.pip_conf(text, INDEX) == text
        assert settings.pip_conf(text, None).removesuffix("[global]\n" if "[global]" not in theirs else "") == theirs
        assert settings.pip_conf(theirs, None) == theirs


class TestProfile:
    def sourced(self, box: Box, shell: str, script: str, **environment: str) -> str:
        settings.bring(box, NONE)
        done = subprocess.run(
            [shell, "-euc", f". {box.path(places.PROFILE)}; {script}"],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    @pytest.mark.parametrize("shell", ["sh", "bash"])
    def test_the_path_and_no_updates(self, box: Box, shell: str) -> None:
        script = f'. {box.path(places.PROFILE)}; echo "$PATH"; echo $DISABLE_AUTOUPDATER $OPENCODE_DISABLE_AUTOUPDATE'
        path, updates = self.sourced(box, shell, script, HOME="/home/x").splitlines()
        assert path == f"/home/x/.local/bin:/home/x/.local/share/mise/shims:{os.environ['PATH']}" and updates == "1 1"

    def test_whoever_has_no_home(self, box: Box) -> None:
        assert self.sourced(box, "sh", 'echo "$PATH"').strip() == os.environ["PATH"]
