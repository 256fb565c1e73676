# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public suffixes: names below which anybody can get a name, as com, co.uk or github.io. A wildcard for one of them would let everything
out to anybody. What they are is in the Public Suffix List; its rules: https://github.com/publicsuffix/list/wiki/Format
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .errors import CoreError

LIST = Path(__file__).resolve().parents[3] / "roles" / "egress" / "files" / "public_suffix_list.dat"
# What stands behind each of its two parts; a list without them has been cut off.
_ENDS = ("// ===END ICANN DOMAINS===", "// ===END PRIVATE DOMAINS===")


class NoList(CoreError):
    """Without the list it is unknown what anybody may register, and unknown is not fine."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"The list of public suffixes, {path}, {why}, so it cannot be told whether a wildcard is safe. It is part of this collection:"
            " install that again, or list host names instead of wildcards"
        )


def anybody_below(name: str) -> bool:
    """Whether anybody can get a name below this one (lower-case ASCII, without `*.`)."""
    # A rule *.compute.example says that everything right below is a suffix, so what is below the parent belongs to anybody as well.
    return public_suffix(name) == name or f"*.{name}" in _rules(LIST)


def public_suffix(name: str) -> str:
    """The longest suffix of the name that is public. A name of one label always is: that is the rule for what no rule names."""
    rules = _rules(LIST)
    labels = name.split(".")
    found = labels[-1]
    for start in range(len(labels) - 1, -1, -1):
        suffix, parent = ".".join(labels[start:]), ".".join(labels[start + 1 :])
        if f"!{suffix}" in rules:
            # An exception wins over every other rule.
            return parent
        if suffix in rules or (parent and f"*.{parent}" in rules):
            found = suffix
    return found


@lru_cache(maxsize=1)
def _rules(path: Path) -> frozenset[str]:
    """Read when the first wildcard is looked at, and kept."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NoList(path, f"cannot be read ({error.strerror if isinstance(error, OSError) else 'not UTF-8'})") from error
    if not set(_ENDS).issubset(lines):
        raise NoList(path, "is incomplete")
    # A rule ends at the first blank.
    return frozenset(_ascii(line.split()[0]) for line in lines if line.strip() and not line.startswith("//"))


def _ascii(rule: str) -> str:
    """As DNS has it. The rules are in their normal form, so each label is only encoded."""
    if rule.isascii():
        return rule
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in rule.split("."))
