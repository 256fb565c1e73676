"""As much of AWX's API as loading templates takes, in this process: /api/v2 over TLS, with a journal of what was written.

It is stricter than the real one: a field or a filter that it does not know is an error, so that none is passed over in silence.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "tok-3fYk0S-of-the-loader"

# kind -> (fields that a POST must have, all that it may have)
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "organizations": ({"name"}, {"name", "description"}),
    "credential_types": ({"name", "kind"}, {"name", "kind", "description", "inputs", "injectors"}),
    "credentials": ({"name", "credential_type"}, {"name", "credential_type", "organization", "inputs", "description"}),
    "execution_environments": ({"name", "image"}, {"name", "image", "organization", "description", "pull", "credential"}),
    "inventories": ({"name", "organization"}, {"name", "organization", "description", "kind", "variables"}),
    "projects": (
        {"name", "organization"},
        {"name", "organization", "description", "scm_type", "scm_url", "scm_branch", "scm_update_on_launch", "default_environment"},
    ),
    "job_templates": (
        {"name", "project", "inventory", "playbook"},
        {
            *(
                "name",
                "description",
                "project",
                "inventory",
                "playbook",
                "execution_environment",
                "job_type",
                "forks",
                "limit",
                "verbosity",
            ),
            *("extra_vars", "job_tags", "skip_tags", "survey_enabled", "diff_mode", "allow_simultaneous", "become_enabled", "timeout"),
            *(
                f"ask_{what}_on_launch"
                for what in ("job_type", "diff_mode", "tags", "skip_tags", "verbosity", "credential", "limit", "inventory", "variables")
            ),
        },
    ),
}
_DEFAULTS = {"job_templates": {"extra_vars": "---", "limit": "", "job_tags": "", "skip_tags": "", "timeout": 0}}
_ANSWERS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (int, float),
}


def _is_number(value: Any) -> bool:
    """To JSON true is none."""
    return isinstance(value, int) and not isinstance(value, bool)


class Wrong(Exception):
    """What the API refuses, and how it says so."""

    def __init__(self, status: int, **body: Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class FakeAwx:
    """Use it as a context; `url` is where it is."""

    def __init__(self, certificate: str, key: str, playbooks: list[str]) -> None:
        self.playbooks = playbooks
        self.objects: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.writes: list[tuple[str, str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        # What the next writes of a kind are answered with instead.
        self.refuse: dict[str, Wrong] = {}
        self.polls = 1
        self._numbers = iter(range(7, 10_000))
        self.add("organizations", name="Default")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeAwx:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, kind: str, /, **fields: Any) -> dict[str, Any]:
        number = next(self._numbers)
        entry = {"id": number, "type": kind.rstrip("s"), **_DEFAULTS.get(kind, {}), **fields}
        if kind == "job_templates":
            entry["summary_fields"] = {"credentials": []}
        if kind == "projects":
            entry["status"] = "pending"
        self.objects[kind][number] = entry
        return entry

    def named(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [entry for entry in self.objects[kind].values() if entry["name"] == name]
        return found

    # -- the API --------------------------------------------------------------------------------------------------
    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.requests.append((method, path))
        if method != "GET":
            self.writes.append((method, path, body))
        words = path.strip("/").split("/")
        if words[:2] != ["api", "v2"] or not path.endswith("/") or len(words) < 3 or words[2] not in KINDS:
            raise Wrong(404, detail="The requested resource could not be found.")
        kind, rest = words[2], words[3:]
        if method != "GET" and kind in self.refuse:
            raise self.refuse[kind]
        if not rest:
            return (200, self._listed(kind, query)) if method == "GET" else (201, self._posted(kind, body))
        entry = self.objects[kind].get(int(rest[0]))
        if entry is None:
            raise Wrong(404, detail="Not found.")
        return self._of_one(kind, entry, rest[1:], method, body)

    def _of_one(self, kind: str, entry: dict[str, Any], below: list[str], method: str, body: Any) -> tuple[int, Any]:
        if not below and method == "GET":
            if kind == "projects" and entry["status"] == "pending":
                self.polls -= 1
                entry["status"] = "pending" if self.polls >= 0 else "successful"
            return 200, entry
        if not below and method == "PATCH":
            entry.update(self._checked(kind, body, entry))
            return 200, entry
        if kind == "job_templates" and below == ["survey_spec"] and method == "GET":
            return 200, self.surveys.get(entry["id"], {})
        if kind == "job_templates" and below == ["survey_spec"] and method == "POST":
            self.surveys[entry["id"]] = survey(body)
            return 200, ""
        if kind == "job_templates" and below == ["credentials"] and method == "POST":
            credential = self.objects["credentials"].get(body["id"])
            if credential is None:
                raise Wrong(400, msg="credential does not exist")
            entry["summary_fields"]["credentials"].append({"id": credential["id"], "name": credential["name"]})
            return 204, None
        raise Wrong(405, detail=f'Method "{method}" not allowed.')

    def _listed(self, kind: str, query: dict[str, str]) -> dict[str, Any]:
        found = list(self.objects[kind].values())
        for key, value in query.items():
            if key == "name":
                found = [entry for entry in found if entry["name"] == value]
            elif key == "name__in":
                found = [entry for entry in found if entry["name"] in value.split(",")]
            elif key in ("organization", "credential_type"):
                found = [entry for entry in found if entry.get(key) == int(value)]
            elif key != "page_size":
                raise Wrong(400, detail=f"{kind} has no field named '{key}'")
        return {"count": len(found), "next": None, "previous": None, "results": found}

    def _posted(self, kind: str, body: Any) -> dict[str, Any]:
        missing = KINDS[kind][0] - body.keys()
        if missing:
            raise Wrong(400, **{name: ["This field is required."] for name in missing})
        if any(entry["name"] == body["name"] for entry in self.objects[kind].values()):
            raise Wrong(400, __all__=[f"{kind} with this Name already exists."])
        return self.add(kind, **self._checked(kind, body, {}))

    def _checked(self, kind: str, body: Any, current: dict[str, Any]) -> dict[str, Any]:
        unknown = body.keys() - KINDS[kind][1]
        if unknown:
            raise Wrong(400, **{name: ["Unknown field."] for name in unknown})
        for name, of in (
            *(("organization", "organizations"), ("project", "projects"), ("inventory", "inventories")),
            *(("execution_environment", "execution_environments"), ("credential_type", "credential_types")),
        ):
            if name in body and (not _is_number(body[name]) or body[name] not in self.objects[of]):
                raise Wrong(400, **{name: [f'Invalid pk "{body[name]}" - object does not exist.']})
        for name, value in body.items():
            if name.startswith(("ask_", "survey_enabled", "allow_")) and not isinstance(value, bool):
                raise Wrong(400, **{name: ["Must be a valid boolean."]})
        if kind == "job_templates" and "playbook" in body:
            project = self.objects["projects"][body.get("project", current.get("project"))]
            if project["status"] != "successful" or body["playbook"] not in self.playbooks:
                raise Wrong(400, playbook=["Playbook not found for project."])
        if kind == "credential_types":
            credential_type(body)
        return dict(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        respond: Callable[..., tuple[int, Any]] = self.answer

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(size)
                try:
                    if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                        raise Wrong(401, detail="Authentication credentials were not provided.")
                    if raw and self.headers.get("Content-Type") != "application/json":
                        raise Wrong(415, detail="Unsupported media type.")
                    parts = urlsplit(self.path)
                    status, body = respond(self.command, parts.path, dict(parse_qsl(parts.query)), json.loads(raw) if raw else None)
                except Wrong as wrong:
                    status, body = wrong.status, wrong.body
                text = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = _serve

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        return Handler


def survey(body: Any) -> dict[str, Any]:
    """The specification as it is kept; raises as AWX refuses one."""
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(body.get(name), kind):
            raise Wrong(400, error=f"Field '{name}' is missing or has the wrong type.")
    if not body["spec"]:
        raise Wrong(400, error="'spec' doesn't contain any items.")
    seen: set[str] = set()
    for number, item in enumerate(body["spec"]):
        _question(number, item, seen)
    return dict(body)


def _question(number: int, item: dict[str, Any], seen: set[str]) -> None:
    def wrong(reason: str) -> Wrong:
        return Wrong(400, error=f"survey question {number}: {reason}")

    for name, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
        if not isinstance(item.get(name), kind):
            raise wrong(f"'{name}' is missing or has the wrong type")
    if item["variable"] in seen:
        raise wrong(f"'variable' '{item['variable']}' duplicated")
    seen.add(item["variable"])
    if item["type"] not in _ANSWERS:
        raise wrong(f"{item['type']} is no type")
    default = item.get("default", "")
    if default != "" and (isinstance(default, bool) or not isinstance(default, _ANSWERS[item["type"]])):
        raise wrong("the default has the wrong type")
    for name in ("min", "max"):
        if item.get(name) is not None and not _is_number(item[name]):
            raise wrong(f"the limit {name} is expected to be an integer")
    if item["type"] in ("multiplechoice", "multiselect"):
        if not item.get("choices") or not all(isinstance(choice, str) for choice in item["choices"]):
            raise wrong("there are no choices, or they are no texts")
        defaults = default.splitlines()
        if any(choice not in item["choices"] for choice in defaults) or (item["type"] == "multiplechoice" and len(defaults) > 1):
            raise wrong("the default is not among the choices")


def credential_type(body: Any) -> None:
    """Raises as AWX refuses the inputs and injectors of one."""
    allowed = {"id", "label", "type", "help_text", "secret", "multiline", "format", "choices", "default", "ask_at_runtime"}
    fields = {}
    for field in body.get("inputs", {}).get("fields", []):
        if field.keys() - allowed or not {"id", "label"} <= field.keys() or field["id"] in fields or field["id"] == "tower":
            raise Wrong(400, inputs=[f"{field.get('id')} is not valid"])
        if field.get("type", "string") == "boolean" and field.keys() & {"secret", "multiline", "format", "choices"}:
            raise Wrong(400, inputs=[f"{field['id']}: not allowed for a boolean"])
        fields[field["id"]] = field
        # As AWX keeps it; what is sent without it looks different the next time.
        field.setdefault("type", "string")
    if set(body.get("inputs", {}).get("required", [])) - fields.keys():
        raise Wrong(400, inputs=["required names a field that there is not"])
    injectors = body.get("injectors", {})
    if injectors.keys() - {"env", "file", "extra_vars"}:
        raise Wrong(400, injectors=["unknown injector"])
    for name in injectors.get("file", {}):
        if name != "template" and not name.startswith("template."):
            raise Wrong(400, injectors=[f"{name} is no name of a file"])
