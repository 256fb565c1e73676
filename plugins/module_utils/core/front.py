# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front of a module: an argument specification, and running a core entry point behind AnsibleModule.

The action plugin of the same name (`plugin_utils/action.py`) normally answers instead, on the controller and without a process of its
own; the module does when a task has `async`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .auth import AUTH_ARGUMENTS, driver_opener, endpoint_maker, option, settings_of
from .context import Context
from .errors import describe

Run = Callable[[Context], dict[str, Any]]


@dataclass(frozen=True)
class Spec:
    """The options of a module and the rules between them, in AnsibleModule's own words."""

    arguments: Mapping[str, dict[str, Any]]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()
    required_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    auth: bool = True

    def all_arguments(self) -> dict[str, dict[str, Any]]:
        return {**(AUTH_ARGUMENTS if self.auth else {}), **self.arguments}

    def rules(self) -> dict[str, Any]:
        return {
            "mutually_exclusive": [list(rule) for rule in self.mutually_exclusive],
            "required_together": [list(rule) for rule in self.required_together],
            "required_one_of": [list(rule) for rule in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
            "required_by": {key: list(value) for key, value in self.required_by.items()},
        }


def is_unset(value: Any) -> bool:
    """An empty answer of an AWX survey arrives as an empty text: nobody has set that."""
    return value is None or (isinstance(value, str) and not value.strip())


def given_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the user has really set."""
    return {key: value for key, value in arguments.items() if not is_unset(value)}


def run_module(spec: Spec, run: Run) -> None:
    """The whole of a module's main()."""
    from ansible.module_utils.basic import AnsibleModule

    from . import changes
    from .config import load

    module = AnsibleModule(argument_spec=spec.all_arguments(), supports_check_mode=True, **spec.rules())
    # Defaults are filled in by now, so `given` errs on one side only: what equals the default of the specification is not counted.
    params = {key: None if is_unset(value) else value for key, value in module.params.items()}
    arguments = spec.all_arguments()
    given = frozenset(key for key, value in params.items() if value is not None and value != arguments.get(key, {}).get("default"))
    ctx: Context | None = None
    # Cut off before its end it counts as failed.
    result: dict[str, Any] = {"failed": True}
    try:
        config = load(settings_of(params), os.environ)
        for text in config.warnings:
            module.warn(text)
        secret = option(params, config, "api_key")
        if secret:
            module.no_log_values.add(secret)
        ctx = Context(
            params=params,
            config=config,
            check_mode=module.check_mode,
            diff=bool(module._diff),
            given=given,
            warn=module.warn,
            make_endpoint=endpoint_maker(params, config),
            # A module is a process of its own, unpacked into a directory that vanishes with it: nothing to share a session from.
            open_driver=driver_opener("never"),
        )
        result = run(ctx)
    except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
        failure = describe(error)
        failure.pop("failed", None)
        module.fail_json(**failure)
    else:
        if result.get("failed"):
            module.fail_json(**{key: value for key, value in result.items() if key != "failed"})
        module.exit_json(**result)
    finally:
        if ctx is not None:
            changes.note(ctx, result)
            ctx.close()
