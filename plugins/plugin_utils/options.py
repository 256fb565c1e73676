# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a task, checked and with their defaults, for all actions.

Not by ActionBase's own method: its error shows all options of the task to the screen, the secrets among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

CENSORED = "********"


def validated(action: str, given: Mapping[str, Any], arguments: Mapping[str, dict[str, Any]], **rules: Any) -> dict[str, Any]:
    """`rules` are those between options, in AnsibleModule's own words. The error names what is wrong, and holds no secret."""
    validation = ArgumentSpecValidator(dict(arguments), **rules).validate(dict(given))
    if validation.error_messages:
        unknown = "unsupported parameters: " if isinstance(validation.errors[0], UnsupportedError) else ""
        raise AnsibleActionFail(censor(f"{action}: {unknown}{validation.errors.msg}", _secrets(given, arguments)))
    return dict(validation.validated_parameters)


def _secrets(given: Mapping[str, Any], arguments: Mapping[str, dict[str, Any]]) -> frozenset[str]:
    """What a message may show of an option is a text as a whole; of a dictionary's values there is none in it."""
    secret = (given.get(name) for name, rule in arguments.items() if rule.get("no_log"))
    return frozenset(text for text in secret if isinstance(text, str) and text)


def censor(value: Any, secrets: frozenset[str]) -> Any:
    """The same with every secret in every text replaced; results are built of plain containers only."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, CENSORED)
        return value
    if isinstance(value, Mapping):
        return {censor(key, secrets): censor(entry, secrets) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [censor(entry, secrets) for entry in value]
    return value
