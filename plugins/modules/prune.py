#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `prune`: documentation; the promise itself is in module_utils/core/prune.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Clear away what is half-made, expired, or without an owner on TrueNAS
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Finds what runs of this collection have left behind on all pools of the appliance, and removes it. No list of what earlier runs have
    made is kept anywhere; all of it is found by its marks on the appliance, from whichever machine.
  - Nothing else is touched. Not what this collection has not made, not what a run is at work with, not what living containers need.
  - Everything is decided from one look before anything is done. Each thing is looked at once more right before its turn, and one that is
    not as it was is left alone. What fails keeps nothing else from its turn.
  - Check mode shows what would go, and why.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
    details: Sends only calls that read.
  diff_mode:
    support: full
    details: What goes is shown by kind and name.
  idempotent:
    support: full
options:
  what:
    description:
      - V(half_made) are containers that were begun by a run which is gone, and that have never been started. They are destroyed.
        Also containers whose restore was cut short. Their data is brought in order, as the same restore would, and nothing of them is
        destroyed that anybody could come back to. One that is stopped stays so.
      - V(expired) are containers whose time is up, as it was set with O(pixels.sandbox.container#module:expires). They are destroyed with
        everything in them, running or not.
      - V(orphaned) is what has lost its container. Data sets that restores have parked, temporary snapshots that clones were made of,
        and host keys that this machine trusts.
    type: list
    elements: str
    choices: [half_made, expired, orphaned]
    default: [half_made, expired, orphaned]
  dependents:
    description:
      - What becomes of a thing that clones were made of which do not go themselves.
      - With V(fail) it is left alone, and the clones are named.
      - With V(promote) it goes, and the clones keep what they need of it, byte for byte.
    type: str
    choices: [fail, promote]
    default: fail
  older_than:
    description:
      - Destroy only what is at least so old, in minutes, hours, days or weeks, as in V(90m), V(12h), V(7d) or V(2w).
      - The age of an expired container counts from the moment that its time was up, that of a half-made one from when it was begun, that
        of a data set or a snapshot from when it was made. What does not tell its age is left alone.
      - Host keys have no age and are not concerned, nor are restores.
    type: str
  patience:
    description:
      - How many seconds work counts as still being done that this machine cannot look at, which is that of another machine and a restore.
        Work of this machine counts as long as its process is there, and no longer.
      - With V(0) nobody else is at work. Say so only where you know it.
    type: int
    default: 900
  concurrency:
    description:
      - How many things are worked on at a time, 1 to 64.
    type: int
    default: 4
seealso:
  - module: pixels.sandbox.container
"""

EXAMPLES = r"""
- name: Show what has been left behind
  pixels.sandbox.prune:
  check_mode: true
  register: leftovers

- name: Clear it away
  pixels.sandbox.prune:

- name: Every night what expired more than a day ago, also what clones were made of
  pixels.sandbox.prune:
    what: [expired]
    older_than: 1d
    dependents: promote
    concurrency: 8

- name: At once, after a power cut, knowing that no other machine is at work
  pixels.sandbox.prune:
    what: [half_made, orphaned]
    patience: 0
"""

RETURN = r"""
pruned:
  description: What was removed or mended, or would be in check mode. One that failed says so with C(failed) and C(msg).
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: What it is, V(container), V(dataset), V(snapshot) or V(host_key).
      type: str
      sample: container
    name:
      description: The container that it is or that it is trusted for, or the full name of the data set or the snapshot.
      type: str
      sample: worker07
    what:
      description: Under which of O(what) it was found.
      type: str
      sample: half_made
    action:
      description: What is done about it, V(destroy), V(repair) or V(forget). In RV(left) it is V(leave).
      type: str
      sample: destroy
    reason:
      description: Why.
      type: str
      sample: whoever was making it is gone
    age:
      description: Its age in seconds, as told at O(older_than), or V(null) where that is not known.
      type: int
      sample: 7260
    age_text:
      description: The same for people.
      type: str
      sample: 2h 1m
    size:
      description: The bytes that its going gives back, or V(null) where that is not known.
      type: int
      sample: 44040192
    size_text:
      description: The same for people.
      type: str
      sample: 42.0 MiB
    dependents:
      description: The containers, or data sets, that were made of it and stay.
      type: list
      elements: str
left:
  description: What was found and left alone, with the same keys and the reason.
  returned: always
  type: list
  elements: dict
freed:
  description: The bytes that were given back, or would be in check mode, as far as they are known.
  returned: always
  type: int
  sample: 44040192
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module
from ansible_collections.pixels.sandbox.plugins.module_utils.core.prune import SPEC, run


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
