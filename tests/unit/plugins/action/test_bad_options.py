# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever is wrong with a task's options, the error shows nothing of the others: no values of variables, no keys."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.pixels.sandbox.plugins import action

PACKAGE = "ansible_collections.pixels.sandbox.plugins.action"
NAMES = sorted(path.stem for path in Path(action.__path__[0]).glob("*.py"))
SECRET = "s3cr3t-Xh7Qp0"
VALUES = {"TOKEN": SECRET, "MODE": "a"}
# What is missing is said first, and of one of several that have to be there this one is given.
ONE_OF = {"argv": ["true"], "title": "a", "mode": "unrestricted"}
REQUIRED = {"str": "a", "path": "a", "list": []}


def arguments_of(name: str) -> dict[str, dict[str, Any]]:
    """The specification that the action goes by."""
    module = import_module(f"{PACKAGE}.{name}")
    if hasattr(module.ActionModule, "spec"):
        return dict(module.ActionModule.spec.all_arguments())
    [found] = [value for key, value in vars(module).items() if key == "ARGUMENTS" or key.endswith("_ARGUMENTS")]
    return dict(found)


def complete(arguments: dict[str, dict[str, Any]], **options: Any) -> dict[str, Any]:
    """Right options, with a secret in each that holds a dictionary, and these."""
    required = {option: REQUIRED[rule["type"]] for option, rule in arguments.items() if rule.get("required")}
    one_of = {option: value for option, value in ONE_OF.items() if option in arguments}
    dictionaries = {option: VALUES for option, rule in arguments.items() if rule["type"] in ("dict", "raw") and "options" not in rule}
    return {**required, **one_of, **dictionaries, **options}


def said_of(name: str, options: dict[str, Any]) -> str:
    """Everything that the error of a task holds. Ansible shows `obj` beside the message."""
    plugin = import_module(f"{PACKAGE}.{name}").ActionModule(
        task=SimpleNamespace(
            args=options, async_val=0, check_mode=False, diff=False, no_log=False, action=f"pixels.sandbox.{name}", environment=[]
        ),
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=DataLoader(),
        templar=Templar(DataLoader(), variables={}),
    )
    with pytest.raises(AnsibleActionFail) as caught:
        plugin.run(task_vars={"inventory_hostname": "task1"})
    return f"{caught.value} {caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option(name: str) -> None:
    said = said_of(name, complete(arguments_of(name), no_such_option=VALUES))
    assert f"pixels.sandbox.{name}: " in said and "no_such_option" in said
    assert SECRET not in said and "'TOKEN'" not in said


@pytest.mark.parametrize("name", NAMES)
def test_an_option_of_another_type(name: str) -> None:
    arguments = arguments_of(name)
    numbers = [option for option, rule in arguments.items() if rule["type"] in ("int", "bool")]
    for option in numbers:
        said = said_of(name, complete(arguments, **{option: "half"}))
        assert option in said and "half" in said
        assert SECRET not in said


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_of_another_type(name: str) -> None:
    arguments = arguments_of(name)
    for option in [option for option, rule in arguments.items() if rule.get("no_log")]:
        for value in (f"it is {SECRET}", [SECRET], {"TOKEN": [SECRET]}):
            assert SECRET not in said_of(name, complete(arguments, **{option: value, "no_such_option": 1}))


@pytest.mark.parametrize(("name", "option"), [("console", "environment"), ("exec", "env"), ("job", "environment"), ("workload", "env")])
def test_variables_are_secrets(name: str, option: str) -> None:
    assert arguments_of(name)[option]["no_log"] is True
