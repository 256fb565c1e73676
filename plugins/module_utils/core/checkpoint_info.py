# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `checkpoint_info`: which checkpoints there are, and who needs them."""

from __future__ import annotations

from typing import Any

from . import labels, lineage, naming
from .checkpoint_view import checkpoint_view, foreign, foreign_view
from .context import Context
from .front import Spec
from .plan import is_ours

SPEC = Spec(
    arguments={
        "container": {"type": "list", "elements": "str", "aliases": ["name"]},
        "label": {"type": "str"},
    },
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    names = naming.expand(params["container"]) if params["container"] else None
    label = None if params["label"] is None else labels.check(params["label"])
    driver = ctx.driver()
    if names is not None and len(names) == 1:
        single = driver.get(naming.to_instance(names[0]))
        listed = [] if single is None else [single]
    else:
        listed = sorted(driver.list(naming.PREFIX), key=lambda container: container.name)
    wanted = [
        container for container in listed if is_ours(container) and (names is None or naming.from_instance(container.name) in set(names))
    ]
    entries = []
    for instance, found in lineage.of(driver, wanted, details=True).items():
        entries.append(
            {
                "name": naming.from_instance(instance),
                "instance": instance,
                "checkpoints": [checkpoint_view(found, entry) for entry in found.checkpoints if label in (None, entry.label)],
                "foreign": [foreign_view(found, snapshot) for snapshot in foreign(found)],
            }
        )
    existing = {entry["name"] for entry in entries}
    result: dict[str, Any] = {
        "changed": False,
        "containers": entries,
        "missing": [name for name in names or [] if name not in existing],
    }
    if names is not None and len(names) == 1 and entries:
        result["container"] = entries[0]
    return result
