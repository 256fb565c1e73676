# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which egress modes are to be noted in the marks of containers: those that a run has proven, where the mark says something else."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proven_egress
short_description: The egress modes that a run has proven, for the marks of containers
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Takes containers as M(pixels.sandbox.container) returns them, and gives O(pixels.sandbox.container#module:vars_by_name) that notes in
    their marks what the role P(pixels.sandbox.egress#role) has put in force in the hosts of these names.
  - What was not proven is not noted, and neither is what the mark says already. Nothing can be proven of mode V(unrestricted).
positional: _input, hostvars
options:
  _input:
    description: Containers, each with its RV(pixels.sandbox.container#module:containers[].name) and what its mark says already.
    type: list
    elements: dict
    required: true
  hostvars:
    description: The variables of all hosts, with the results of the role.
    type: dict
    required: true
  unproven:
    description: Note it although there was no proof, as when the user did not want one. A proof that failed still counts.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Note in their marks which policy they have
  pixels.sandbox.container:
    name: "{{ noted | list }}"
    state: present
    create: false
    vars_by_name: "{{ noted }}"
  vars:
    noted: "{{ made.containers | pixels.sandbox.proven_egress(hostvars) }}"
  when: noted | length > 0
"""

RETURN = r"""
_value:
  description: By name, a dictionary with C(egress). Empty where nothing is to be noted.
  type: dict
  sample: {task1: {egress: agent}}
"""

from collections.abc import Mapping
from typing import Any


def proven_egress(containers: list[dict[str, Any]], hostvars: Mapping[str, Any], unproven: bool = False) -> dict[str, dict[str, str]]:
    """By name, the mode to note."""
    noted: dict[str, dict[str, str]] = {}
    for container in containers:
        name = container["name"]
        if name not in hostvars:
            continue
        mine = hostvars[name]
        mode = (mine.get("egress_result") or {}).get("egress", {}).get("mode", "")
        proof = mine.get("egress_proof") or {}
        tried = "checks" in proof
        proven = (tried or unproven) and not proof.get("failed", False)
        if mode and mode != container.get("egress") and (proven or mode == "unrestricted"):
            noted[name] = {"egress": mode}
    return noted


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        return {"proven_egress": proven_egress}
