"""Jobs as AWX runs them: ansible-runner in a directory of its own, what the credential injects, and the answers of a survey.

Written from the documentation of AWX; what the collection believes about it plays no part.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible_runner
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from playbook import BIN, ROOT, clean_environment

TYPE: dict[str, Any] = yaml.safe_load((ROOT / "awx" / "credential_type.yml").read_text(encoding="utf-8"))
_DATA = yaml.safe_load((ROOT / "awx" / "job_templates.yml").read_text(encoding="utf-8"))
TEMPLATES: dict[str, dict[str, Any]] = {template["name"]: template for template in _DATA["job_templates"]}


def injected(inputs: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The environment of the job, with the files of the credential written into `folder`."""
    fields = {entry["id"]: entry for entry in TYPE["inputs"]["fields"]}
    assert inputs.keys() <= fields.keys() and set(TYPE["inputs"]["required"]) <= inputs.keys()
    # An empty answer is not there at all, but for a boolean, which is false then.
    names: dict[str, Any] = {name: value for name, value in inputs.items() if value not in ("", None)}
    for name, entry in fields.items():
        if entry["type"] == "boolean":
            names.setdefault(name, False)
        if entry.get("format") == "ssh_private_key" and name in names and not names[name].endswith("\n"):
            names[name] += "\n"
    environment = ImmutableSandboxedEnvironment()
    files = SimpleNamespace()
    for label, text in TYPE["injectors"]["file"].items():
        path = folder / f"tmp{label.replace('.', '_')}"
        path.write_text(environment.from_string(text).render(**names), encoding="utf-8")
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        setattr(files, label.partition(".")[2], str(path))
    names["tower"] = SimpleNamespace(filename=files)
    return {name: environment.from_string(text).render(**names) for name, text in TYPE["injectors"]["env"].items()}


def answers(template: Mapping[str, Any], *, empty: bool, **given: Any) -> dict[str, Any]:
    """What is sent to the playbook: the defaults that the survey has, or an empty text for whatever need not be answered, as older
    versions of AWX send it; and what somebody has answered.
    """
    questions = {question["variable"]: question for question in template["survey"]}
    assert given.keys() <= questions.keys()
    found: dict[str, Any] = {}
    for name, question in questions.items():
        if question["required"]:
            found[name] = question["default"]
        elif empty:
            found[name] = [] if question["type"] == "multiselect" else ""
        # Of a number or a choice an empty default is none.
        elif question["default"] != "" or question["type"] in ("text", "textarea"):
            found[name] = question["default"]
    found.update(given)
    for name, value in found.items():
        _valid(questions[name], value, empty=empty)
    return found


def _valid(question: Mapping[str, Any], value: Any, *, empty: bool) -> None:
    if value in ("", []) and not question["required"]:
        return
    kind = question["type"]
    if kind in ("text", "textarea"):
        assert isinstance(value, str) and question["min"] <= len(value) <= question["max"], question
    elif kind == "integer":
        assert isinstance(value, int) and not isinstance(value, bool) and question["min"] <= value <= question["max"], question
    elif kind == "multiplechoice":
        assert value in question["choices"], question
    else:
        assert set(value if isinstance(value, list) else value.splitlines()) <= set(question["choices"]), question


@dataclass
class Done:
    """A job that is over."""

    status: str
    artifacts: dict[str, Any]
    changed: int
    output: str
    files: str
    processes: list[str] = field(default_factory=list)

    def succeeded(self) -> Done:
        assert self.status == "successful", self.output
        return self


class Jobs:
    """Each job has a machine of its own, as far as it can see: home, state and runtime directory are new."""

    def __init__(self, folder: Path, inputs: Mapping[str, Any], env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.inputs = dict(inputs)
        self.env = dict(env or {})
        self._numbers = itertools.count(1)

    def __call__(
        self, name: str, *, empty: bool = False, check: bool = False, inventory: Any = None, limit: str | None = None, **given: Any
    ) -> Done:
        template = TEMPLATES[name]
        extra = answers(template, empty=empty, **given)
        return self.play(template["playbook"], extra, check=check, inventory=inventory, limit=limit)

    def _machine(self) -> tuple[Path, dict[str, str]]:
        """A directory for a job, and its environment."""
        private = self.folder / f"job{next(self._numbers)}"
        home = private / "home"
        for part in (private / "env", private / "inventory", home / "run"):
            part.mkdir(parents=True, mode=0o700)
        environment = clean_environment(home, **self.env, **injected(self.inputs, private / "env"))
        # Of the project itself, as AWX has it.
        environment.pop("ANSIBLE_CONFIG")
        return private, environment

    def synced(self, source: Path) -> dict[str, Any]:
        """What AWX keeps of an inventory, from a source of it: it is asked for in a job of its own."""
        _private, environment = self._machine()
        done = subprocess.run(
            [str(BIN / "ansible-inventory"), "-i", str(source), "--playbook-dir", str(ROOT), "--list", "--export"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout))

    def play(
        self,
        playbook: str,
        extra: Mapping[str, Any] | None = None,
        *,
        check: bool = False,
        inventory: Any = None,
        limit: str | None = None,
    ) -> Done:
        """A playbook without a template. What is `synced` is an inventory as well, that AWX gives to the job as a script."""
        private, environment = self._machine()
        home = private / "home"
        if isinstance(inventory, dict) and "_meta" in inventory:
            script = private / "inventory" / "hosts"
            script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(inventory)}\nEND\n", encoding="utf-8")
            script.chmod(0o700)
            inventory = str(script)
        more: dict[str, Any] = {"limit": limit} if limit else {}
        done = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook=playbook,
            inventory=inventory or {"all": {"hosts": {}}},
            extravars=dict(extra or {}),
            envvars=environment,
            cmdline="--check --diff" if check else None,
            settings={"suppress_env_files": True, "job_timeout": 600},
            quiet=True,
            **more,
        )
        artifacts: dict[str, Any] = {}
        for event in done.events:
            if event["event"] == "playbook_on_stats":
                artifacts = event["event_data"].get("artifact_data", {})
        return Done(
            status=done.status,
            artifacts=artifacts,
            changed=sum(done.stats["changed"].values()) if done.stats else 0,
            output=done.stdout.read(),
            files="\n".join(
                path.read_text(encoding="utf-8", errors="replace") for path in (private / "artifacts").rglob("*") if path.is_file()
            ),
            processes=_left(str(home)),
        )


def _left(home: str, patience: float = 10.0) -> list[str]:
    """What does not end by itself soon after the job; connections that ssh keeps open end with the machine."""
    until = time.monotonic() + patience
    while True:
        found = [line for line in _processes(home) if not line.startswith("ssh: ")]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def _processes(home: str) -> list[str]:
    """Whatever still has the job's home in its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"HOME={home}\0".encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return found
