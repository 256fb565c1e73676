"""Writes what happens in a run as JSON lines to the file in PIXELS_TEST_EVENTS, for the tests to read."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: pixels_events
type: notification
short_description: Events as JSON lines
description: One JSON object a line for every task result, and one for the recap.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "pixels_events"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **event: Any) -> None:
        with open(os.environ["PIXELS_TEST_EVENTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, cls=AnsibleJSONEncoder) + "\n")

    def _result(self, status: str, result: Any) -> None:
        task = result._task
        self._write(
            kind="result", status=status, host=result._host.get_name(), task=task.get_name(), action=task.action, result=result._result
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(
            kind="recap",
            hosts={host: stats.summarize(host) for host in stats.processed},
            stats=getattr(stats, "custom", {}).get("_run", {}),
        )
