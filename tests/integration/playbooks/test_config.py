"""The playbook `config`, the lookup and the module `report`, as a user meets them. No appliance is needed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from playbook import Playbooks

SECRET = "1-s3cr3t-value"


@pytest.fixture
def plays(home: Path) -> Playbooks:
    file = home / ".config" / "pixels" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[truenas]\nhost = "file.example"\nport = 444\nusername = "file"\napi_key = "{SECRET}"\n[provision]\nenabled = true\n')
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return Playbooks(home, {})


def shown(output: str) -> dict[str, tuple[str, str]]:
    """The table that config.yml prints: key -> value, source."""
    rows = re.findall(r"^(\S+\.\S+)  +(\S*?)  +(default|~\S+|environment \S+|variable \S+)$", output, re.MULTILINE)
    return {key: (value, source) for key, value, source in rows}


@pytest.mark.parametrize("playbook", ["config", "pixels.sandbox.config"])
def test_every_value_is_shown_with_its_source(plays: Playbooks, playbook: str) -> None:
    """D34: file < environment < extra variable, each key by itself, booleans included."""
    run = plays(
        playbook,
        "-e",
        "pixels_provision_enabled=false",
        "-e",
        "pixels_default_image=",
        env={"PIXELS_TRUENAS_USERNAME": "environment", "PIXELS_PROVISION_ENABLED": "yes", "PIXELS_DEFAULT_CPU": ""},
        pixels_truenas_port=445,
    ).succeeded()
    table = shown(run.stdout)
    assert table["truenas.host"] == ("file.example", "~/.config/pixels/config.toml:2")
    assert table["truenas.username"] == ("environment", "environment PIXELS_TRUENAS_USERNAME")
    assert table["truenas.port"] == ("445", "variable pixels_truenas_port")
    assert table["provision.enabled"] == ("false", "variable pixels_provision_enabled")
    assert table["defaults.image"] == ("ubuntu/24.04", "default")
    assert table["defaults.cpu"] == ("2", "default")
    assert table["truenas.api_key"] == ("********", "~/.config/pixels/config.toml:5")
    assert run.changed == 0
    assert SECRET not in run.output and "WARNING" not in run.output


def test_no_verbosity_shows_a_secret(plays: Playbooks) -> None:
    run = plays("config", "-vvvv", env={"PIXELS_ENV": '{"TOKEN": "' + SECRET + '"}'}).succeeded()
    assert shown(run.stdout)["env.TOKEN"] == ("********", "environment PIXELS_ENV")
    assert SECRET not in run.output


def test_a_mistake_is_named_with_file_and_line(plays: Playbooks, home: Path) -> None:
    file = home / ".config" / "pixels" / "config.toml"
    file.write_text(file.read_text() + '[defaults]\nimagge = "debian/12"\n')
    run = plays("config")
    assert run.rc != 0
    assert "~/.config/pixels/config.toml:9: unknown key defaults.imagge; did you mean defaults.image? Allowed: image, cpu" in run.output


def test_a_file_with_a_secret_that_others_can_read_is_warned_about(plays: Playbooks, home: Path) -> None:
    (home / ".config" / "pixels" / "config.toml").chmod(0o644)
    run = plays("config").succeeded()
    assert "chmod 600 ~/.config/pixels/config.toml" in " ".join(run.output.split())
    assert SECRET not in run.output


def test_host_variables_reach_the_lookup(plays: Playbooks) -> None:
    run = plays.tasks(
        {
            "ansible.builtin.assert": {
                "that": [
                    "lookup('pixels.sandbox.config', 'truenas.host') == inventory_hostname ~ '.example'",
                    "lookup('pixels.sandbox.config').truenas.api_key == '********'",
                    "lookup('pixels.sandbox.config', 'provision.enabled') is true",
                ]
            }
        },
        hosts=("attic", "cellar"),
        play={"vars": {"pixels_truenas_host": "{{ inventory_hostname }}.example"}},
    ).succeeded()
    assert run.ok == 2


def test_report_writes_for_people_and_returns_the_lines(plays: Playbooks) -> None:
    report = {
        "title": "Fleet",
        "columns": ["name", "memory"],
        "rows": [{"name": "task1", "memory": 512}],
        "text": ["Done."],
        "empty": "None.",
    }
    run = plays.tasks(
        {"pixels.sandbox.report": report},
        {"pixels.sandbox.report": {"columns": ["name"], "rows": [], "empty": "No containers."}},
        {"pixels.sandbox.report": {"text": ["not for everyone"]}, "no_log": True},
    ).succeeded()
    assert "Fleet\nNAME   MEMORY\ntask1     512\nDone.\n" in run.stdout
    assert "\nNo containers.\n" in run.stdout
    assert "not for everyone" not in run.stdout
    assert run.of("report")[0]["lines"] == ["Fleet", "NAME   MEMORY", "task1     512", "Done."]
    assert run.changed == 0


def test_report_refuses_what_it_cannot_show(plays: Playbooks) -> None:
    for arguments, message in (
        ({"rows": [["x"]]}, "missing parameter(s) required by 'rows': columns"),
        ({"columns": ["a", "b"], "rows": [["x"]]}, "rows: row 1 is a list of 1; allowed are a list of 2 values or a mapping"),
        ({"columns": ["a"]}, "one of the following is required: rows, text, title"),
    ):
        run = plays.tasks({"pixels.sandbox.report": arguments})
        assert run.rc != 0 and message in run.output
