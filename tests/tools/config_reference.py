"""Writes the reference of all settings into docs/configuration.md, from the table in the code; `--check` only says whether it is current.

What stands outside the two marks in the page is written by people and left alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"
BEGIN = "<!-- The text up to the next mark is written by `make docs` from plugins/module_utils/core/config_keys.py. -->"
END = "<!-- End of the generated text. -->"


def _keys() -> tuple[Any, ...]:
    collections = str(ROOT / ".collections")
    if collections not in sys.path:
        sys.path.insert(0, collections)
    from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import KEYS

    return KEYS


def default(key: Any) -> str:
    if key.default is None or key.default == ():
        return "none"
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    return f"`{key.default}`"


def allowed(key: Any) -> str:
    if key.choices:
        return "One of " + ", ".join(f"`{choice}`" for choice in key.choices)
    return key.allowed[0].upper() + key.allowed[1:]


def section(name: str, keys: list[Any]) -> list[str]:
    lines = [f"### `[{name}]`", ""]
    for key in keys:
        lines += [
            f"#### `{key.path}`" if key.name else f"#### `{name}.NAME`",
            "",
            key.help + (" **Secret.**" if key.secret else ""),
            "",
            f"- Allowed: {allowed(key)}",
            f"- Default: {default(key)}",
            f"- Environment: `{key.env}`" + (" (a JSON object)" if key.type == "dict" else ""),
            f"- Ansible variable: `{key.var}`" + (" (a dictionary)" if key.type == "dict" else ""),
            "",
        ]
    return lines


def overview(keys: tuple[Any, ...]) -> list[str]:
    rows = [f"| `{key.path}` | `{key.env}` | `{key.var}` | {default(key)} |" for key in keys]
    return ["| Setting | Environment variable | Ansible variable | Default |", "| --- | --- | --- | --- |", *rows, ""]


def generated() -> str:
    keys = _keys()
    lines = [BEGIN, "", *overview(keys)]
    for name in dict.fromkeys(key.section for key in keys):
        lines += section(name, [key for key in keys if key.section == name])
    return "\n".join([*lines, END])


def page(text: str) -> str:
    """The page with its generated part renewed."""
    head, found, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not found or not end:
        raise SystemExit(f"{PAGE.relative_to(ROOT)} has lost the marks between which the reference belongs")
    return head + generated() + tail


def main() -> int:
    current = PAGE.read_text(encoding="utf-8")
    wanted = page(current)
    if current == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE.relative_to(ROOT)} is not what the table of settings says; run: make docs")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
