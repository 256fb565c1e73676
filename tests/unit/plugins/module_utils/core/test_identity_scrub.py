# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a clone does not keep: the table, the page about it, and each rule at work."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_scrub import CATEGORIES, IDENTITY, VERBS
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.clone_root import KEY, OWN_ID, CloneRoot

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")

DOCS = Path(__file__).resolve().parents[5] / "docs" / "clones.md"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
OTHER = "ssh-rsa AAAAother you@elsewhere"
RULES = [(name, *rule.split(" ", 1)) for name, category in CATEGORIES.items() for rule in category.rules]


@pytest.fixture
def root(tmp_path: Path) -> CloneRoot:
    return CloneRoot(tmp_path)


def example(pattern: str) -> str:
    """A path that it matches, in the home of the user where it is about homes."""
    path = pattern.replace("*", "x").replace("?", "0")
    return "home/pixel/" + path[2:] if path.startswith("~/") else path[1:]


def plant(root: CloneRoot, verb: str, pattern: str) -> str:
    """Something that the rule is about; what has to be gone afterwards."""
    name = example(pattern)
    if verb == "clear":
        name += "/deep/file"
    elif verb == "empty":
        name += "/program.log"
    content = {"strangers": OTHER, "tokens": "//registry/:_authToken=secret", "account": '{"primaryApiKey": "secret"}', "private": PRIVATE}
    root.write(name, content.get(verb, "secret"))
    return name


class TestTable:
    def test_rules_are_of_their_form(self) -> None:
        for _name, verb, pattern in [*RULES, *(("identity", *rule.split(" ", 1)) for rule in IDENTITY)]:
            assert verb in VERBS
            assert re.fullmatch(r"(~/|/)[A-Za-z0-9._*?/ -]+", pattern) and ".." not in pattern and not pattern.endswith("/")
        assert len(set(RULES)) == len(RULES)

    def test_names_fit_into_the_marker(self) -> None:
        assert all(re.fullmatch("[a-z]+", name) for name in CATEGORIES)
        assert set(CATEGORIES) == {"history", "logins", "keys", "logs", "temporary"}

    def test_the_page_lists_all_of_it_and_nothing_else(self) -> None:
        sections = dict(re.findall(r"^### `([a-z]+)`[^\n]*\n(.*?)(?=^#|\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL))
        for name, category in CATEGORIES.items():
            listed = [path for path in re.findall("`([^`]+)`", sections[name]) if path.startswith(("~/", "/"))]
            assert sorted(listed) == sorted(rule.split(" ", 1)[1] for rule in category.rules), name
        listed = [path for path in re.findall("`([^`]+)`", sections["identity"]) if path.startswith("/")]
        assert sorted(listed) == sorted(rule.split(" ", 1)[1] for rule in IDENTITY)


class TestCategories:
    @pytest.mark.parametrize("category", CATEGORIES)
    def test_all_of_one_goes_and_of_the_others_nothing(self, root: CloneRoot, category: str) -> None:
        planted = {pattern: (name, plant(root, verb, pattern)) for name, verb, pattern in RULES}
        # A rule of another category may go further, as `empty /var/log` does.
        mine = [path for name, path in planted.values() if name == category]
        others = [path for name, path in planted.values() if name != category and path not in mine]
        before = root.everything()
        root.marker(scrub=category)
        root.renewed()
        after = root.everything()
        assert [path for path in mine if "secret" in after.get(path, "") or after.get(path) in (PRIVATE, OTHER)] == []
        assert [path for path in others if after.get(path) != before[path]] == []

    @pytest.mark.parametrize(("scrub", "kept"), [(None, False), ("", True), ("logins,history", False), ("keys", True), ("unknown", True)])
    def test_which_ones_is_in_the_marker(self, root: CloneRoot, scrub: str | None, kept: bool) -> None:
        root.write("home/pixel/.bash_history", "secret")
        root.marker(scrub=scrub)
        assert root.renewed().has("home/pixel/.bash_history") is kept

    def test_a_text_that_is_no_list_keeps_nothing(self, root: CloneRoot) -> None:
        root.write("home/pixel/.bash_history", "secret")
        root.marker(scrub="no list; at all")
        assert not root.renewed().has("home/pixel/.bash_history")

    def test_of_root_of_users_and_of_accounts_that_are_gone(self, root: CloneRoot) -> None:
        homes = ("root", "home/pixel", "home/gone", "srv/service")
        passwd = root.read("etc/passwd") + "service:x:990:990::/srv/service:/bin/bash\nlocked:x:991:991::/srv/locked:/usr/sbin/nologin\n"
        root.write("etc/passwd", passwd + "damaged\nrelative:x:1002:1002::home:/bin/sh\nodd:x:1003:1003::/srv/../etc:/bin/sh\n")
        for home in (*homes, "srv/locked", "etc"):
            root.write(f"{home}/.netrc", "secret")
        root.renewed()
        assert [home for home in homes if root.has(f"{home}/.netrc")] == []
        assert root.has("srv/locked/.netrc") and root.has("etc/.netrc")


class TestFiles:
    """Those that stay, without what is not for a clone."""

    @pytest.mark.parametrize("home", ["root", "home/pixel"])
    def test_of_the_keys_that_may_log_in_only_ours_stays(self, root: CloneRoot, home: str) -> None:
        file = root.write(f"{home}/.ssh/authorized_keys", f"# people\n{OTHER}\n{KEY} controller\nno-pty {KEY} x\n{KEY}x\n{KEY}\n")
        file.chmod(0o600)
        root.write(f"{home}/.ssh/authorized_keys2", OTHER)
        root.renewed()
        assert file.read_text() == f"{KEY} controller\n{KEY}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not root.has(f"{home}/.ssh/authorized_keys2")

    def test_without_a_key_of_ours_nobody_is_let_in(self, root: CloneRoot) -> None:
        (root.path / "etc/pixels/access_key").unlink()
        root.write("root/.ssh/authorized_keys", f"{KEY}\n")
        assert not root.renewed().has("root/.ssh/authorized_keys")

    def test_private_keys_by_whatever_name(self, root: CloneRoot) -> None:
        for name in ("deploy", "work.key", "id_ed25519", "id_ed25519.pub"):
            root.write(f"home/pixel/.ssh/{name}", PRIVATE)
        root.write("home/pixel/.ssh/config", "Host *\n")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(root.path / "home/pixel/.ssh")
            try:
                listener.bind("master")
            finally:
                os.chdir(here)
        root.renewed()
        assert [path.name for path in (root.path / "home/pixel/.ssh").iterdir()] == ["config"]

    @pytest.mark.parametrize("indent", [None, 2, "\t"])
    @pytest.mark.parametrize("last", [False, True])
    def test_the_settings_of_claude_code_stay_json(self, root: CloneRoot, indent: int | str | None, last: bool) -> None:
        settings = {"numStartups": 3, "hasCompletedOnboarding": True, "projects": {"/x": {"history": [{"display": 'é "{\\n}"'}]}}}
        login = {"oauthAccount": {"emailAddress": "a@b.example", "accountUuid": "1"}, "primaryApiKey": 'sk-"x\\'}
        text = json.dumps({**settings, **login} if last else {**login, **settings}, indent=indent, ensure_ascii=False)
        root.write("home/pixel/.claude.json", text + "\n")
        assert json.loads(root.renewed().read("home/pixel/.claude.json")) == {**settings, "oauthAccount": None, "primaryApiKey": ""}

    def test_what_is_not_understood_goes_as_a_whole(self, root: CloneRoot) -> None:
        root.write("home/pixel/.claude.json", json.dumps({"oauthAccount": {"name": "{odd}", "more": {}}}))
        assert not root.renewed().has("home/pixel/.claude.json")

    def test_without_a_login_they_are_not_touched(self, root: CloneRoot) -> None:
        file = root.write("home/pixel/.claude.json", '{"a": 1}')
        before = file.stat()
        root.renewed()
        assert file.read_text() == '{"a": 1}' and file.stat().st_mtime_ns == before.st_mtime_ns

    def test_registries_keep_their_settings(self, root: CloneRoot) -> None:
        kept = "registry=https://registry.example/\nalways-auth=true\n; remark\n@x:registry=https://npm.example/\n"
        root.write("home/pixel/.npmrc", kept + "//registry.example/:_authToken=npm_secret\n_auth = secret\n//r/:_password=secret\n")
        root.write("home/pixel/.yarnrc.yml", "nodeLinker: pnp\nnpmAuthToken: secret\nnpmScopes:\n  x:\n    npmAuthIdent: secret\n")
        root.renewed()
        assert root.read("home/pixel/.npmrc") == kept
        assert root.read("home/pixel/.yarnrc.yml") == "nodeLinker: pnp\nnpmScopes:\n  x:\n"

    def test_logs_are_emptied_and_rotated_ones_go(self, root: CloneRoot) -> None:
        for name in ("wtmp", "dpkg.log", "apt/term.log", "dpkg.log.1", "apt/term.log.2.gz", "journal/abc/system.journal"):
            root.write(f"var/log/{name}", "of the source")
        root.write("var/log/pixels-identity.log", "of the source")
        root.renewed()
        left = {name.removeprefix("var/log/"): text for name, text in root.everything().items() if name.startswith("var/log/")}
        assert "of the source" not in left.pop("pixels-identity.log")
        assert left == {"wtmp": "", "dpkg.log": "", "apt/term.log": ""}
        assert (root.path / "var/log/journal").is_dir() and not root.has("var/log/journal/abc")

    def test_what_an_agent_learned_about_a_project_stays(self, root: CloneRoot) -> None:
        session = "home/pixel/.claude/projects/-home-pixel-x/0a1b2c3d-0000-1111-2222-0123456789ab"
        root.write(f"{session}/tool-results/1.txt", "x")
        root.write(f"{session}.jsonl", "x")
        memory = root.write("home/pixel/.claude/projects/-home-pixel-x/memory/MEMORY.md", "use make")
        root.renewed()
        assert not root.has(session) and not root.has(f"{session}.jsonl") and memory.exists()


class TestLinks:
    """A user's link leads the script no further than the user could go."""

    def test_a_link_in_the_place_of_a_file_goes_and_its_target_stays(self, root: CloneRoot, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("//r/:_authToken=x\n")
        for name in (".netrc", ".npmrc", ".ssh/authorized_keys", ".claude"):
            (root.path / "home/pixel" / name).symlink_to(victim)
        (root.path / "tmp/link").symlink_to(victim)
        root.renewed()
        assert victim.read_text() == "//r/:_authToken=x\n"
        assert not root.has("home/pixel/.netrc") and not root.has("home/pixel/.npmrc") and not root.has("tmp/link")

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root, to make links of somebody else")
    def test_a_users_link_out_of_the_home_is_not_followed(self, root: CloneRoot) -> None:
        victim = root.write("opt/secrets/gh/hosts.yml", "precious")
        link = root.path / "home/pixel/.config"
        link.symlink_to(root.path / "opt/secrets")
        os.chown(link, 1000, 1000, follow_symlinks=False)
        root.renewed()
        assert victim.read_text() == "precious" and ".config is not followed" in root.log

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root, to make links of somebody else")
    def test_one_inside_the_home_is(self, root: CloneRoot) -> None:
        secret = root.write("home/pixel/dotfiles/config/gh/hosts.yml", "secret")
        link = root.path / "home/pixel/.config"
        link.symlink_to("dotfiles/config")
        os.chown(link, 1000, 1000, follow_symlinks=False)
        root.renewed()
        assert not secret.exists()

    def test_one_that_root_made_is(self, root: CloneRoot) -> None:
        """As where a distribution or an administrator keeps a directory elsewhere."""
        lease = root.write("data/dhcp/dhclient.leases", "lease")
        root.write("var/lib/.keep", "")
        (root.path / "var/lib/dhcp").symlink_to(root.path / "data/dhcp")
        root.renewed()
        assert not lease.exists()


class TestOwnList:
    def test_more_patterns_come_from_files_in_the_source(self, root: CloneRoot) -> None:
        root.write("etc/pixels/scrub.d/team.list", "# of the team\n\n~/.netlab/*.key\n/srv/app/.env\n~/a folder\n~/last")
        root.write("etc/pixels/scrub.d/other.txt", "~/kept\n")
        gone = ("home/pixel/.netlab/a.key", "root/.netlab/b.key", "srv/app/.env", "home/pixel/a folder/x", "root/last")
        for name in (*gone, "home/pixel/kept"):
            root.write(name, "x")
        root.renewed()
        assert [name for name in gone if root.has(name)] == [] and root.has("home/pixel/kept")

    @pytest.mark.parametrize(
        "pattern", ["/", "/*", "/etc", "~/", "~", "relative/path", "~/../../etc/hosts", "/srv/../etc/hosts", "/srv/", "~root/x"]
    )
    def test_what_is_no_pattern_is_passed_over_and_told(self, root: CloneRoot, pattern: str) -> None:
        root.write("etc/pixels/scrub.d/x.list", f"{pattern}\n")
        root.write("srv/file", "x")
        root.renewed()
        assert f"{pattern} is passed over" in root.log
        assert root.has("srv/file") and root.has("etc/hosts")

    def test_nothing_to_scrub_is_nothing(self, root: CloneRoot) -> None:
        root.write("etc/pixels/scrub.d/x.list", "~/.x\n")
        root.write("home/pixel/.x", "x")
        root.marker(scrub="")
        assert root.renewed().has("home/pixel/.x")


def test_what_cannot_be_removed_is_a_failure(root: CloneRoot) -> None:
    """Even where the tool says that all went well."""
    root.script.write_text(
        root.script.read_text().replace("set -u\n", 'set -u\nrm() { case $* in *auth.json*) ;; *) command rm "$@" ;; esac; }\n', 1)
    )
    root.write("home/pixel/.codex/auth.json", "secret")
    assert root.run() == 1
    assert "FAILED: " in root.log and "auth.json cannot be removed" in root.log and root.stamp[0] != OWN_ID
