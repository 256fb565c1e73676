# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that one quoting or another gets wrong."""

from __future__ import annotations

NASTY = {
    "PLAIN": "plain",
    "WORDS": "two words",
    "EMPTY": "",
    "BLANKS": "  leading and trailing \t",
    "BLANK": " ",
    "QUOTES": 'it\'s "quoted" `id` $(id) ${HOME} $HOME',
    "ONE_QUOTE": "'",
    "ONE_DOUBLE": '"',
    "BACKSLASHES": '\\ \\\\ \\n \\" \\$',
    "LAST_BACKSLASH": "\\",
    "CONTINUED": "a\\\nb",
    "LINES": "one\ntwo\n",
    "NEWLINE": "\n",
    "RETURNS": "one\r\ntwo\r",
    "HASH": "# no remark ; nor this",
    "SPECIFIERS": "%h %n %%",
    "HISTORY": "!! !x",
    "GLOB": "* ? [a-z] ~ {a,b}",
    "NOT_ASCII": "äöü ☃ 日本",
    "CONTROL": "\x1b[1m\x01\x7f\u0080",
    "LIKE_OURS": "x\nexport PIXELS_ENV_FAKE='y'\nPIXELS_ENVIRONMENT=\"\"",
    "TEMPLATE": "{{ lookup('pipe', 'id') }}",
    "LONG": "x" * 70000,
    "_under1": "name",
}
