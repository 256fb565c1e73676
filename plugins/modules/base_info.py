#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `base_info`: documentation; the promise itself is in module_utils/core/base_info.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: base_info
short_description: List bases on TrueNAS, and plan the building of one
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - A base is a container that was built from a definition, has passed its tests, and has a checkpoint for clones to be made of. Its labels
    say so.
  - Lists all bases. With O(plan) it tells as well what it takes until the one that is asked for is published, and what that builds on. The
    role P(pixels.sandbox.base#role) does it.
  - What is wrong with a definition is found here, before anything is made.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.info
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  async:
    support: none
    details: The definitions are files of the collection on the control node.
options:
  base:
    description:
      - The name of the base, and of its definition, V(dev), V(python) or V(node) of the collection, or the name of the file of
        O(definition) without its extension, which is the default.
    type: str
  name:
    description:
      - The container. Its name is that of the base when this is not set.
    type: str
    aliases: [container]
  definition:
    description:
      - Files with definitions of one's own. What a base builds on is looked for beside them first. With O(plan) it is one file.
    type: list
    elements: str
  image:
    description:
      - Make it of this image, whatever the definition says. Excludes O(from).
    type: str
  from:
    description:
      - Make it of this, whatever the definition says. V(debian/12) is an image, V(box:ready) a checkpoint, V(dev) another base.
    type: str
  script:
    description:
      - A file whose text takes the place of the definition's script.
    type: str
  role:
    description:
      - A role that takes the place of the definition's.
    type: str
  egress:
    description:
      - What it, and with it each clone, may reach, whatever the definition says. V(unrestricted), V(agent), V(allowlist) or V(learn).
      - When this is not set, what was given when the base that is there was built counts, and then the definition. Where neither says
        anything and that base is restricted, O(rebuild) is refused, unless what it builds on is restricted in the same way.
    type: str
  allow:
    description:
      - What it may reach besides, whatever the definition says.
    type: list
    elements: raw
  label:
    description:
      - The label of the checkpoint. Of a base that is published under another one it is one more.
      - C(ready) when this is not set, or the one that it is published under.
    type: str
  rebuild:
    description:
      - Build it anew, beside the old one, which stays until the new one has passed its tests.
    type: bool
    default: false
  plan:
    description:
      - Plan the building of the base.
    type: bool
    default: false
seealso:
  - module: pixels.sandbox.container
  - module: pixels.sandbox.checkpoint
"""

EXAMPLES = r"""
- name: Which bases there are
  pixels.sandbox.base_info:
  register: found

- name: What it takes to build one of one's own
  pixels.sandbox.base_info:
    plan: true
    definition: bases/web.yml
    label: v2
    rebuild: true
  register: planned

- name: The same tools on another image, under another name
  pixels.sandbox.base_info:
    plan: true
    base: dev
    name: dev-debian
    image: debian/13
    script: setup.sh
    role: acme.boxes.settings
    egress: agent
    allow: [git.example.org]

- name: With what another base has
  pixels.sandbox.base_info:
    plan: true
    base: dev
    from: box:ready
"""

RETURN = r"""
bases:
  description: The bases, by the names of their containers.
  returned: success
  type: list
  elements: dict
  contains:
    base:
      description: Its name, with that of its container where it is another one.
      type: str
      sample: dev
    name:
      description: The container.
      type: str
      sample: dev
    definition:
      description: The name of its definition.
      type: str
      sample: dev
    from:
      description: What it is made of, as it was given or by its definition, or else its image.
      type: str
      sample: debian/12
    checkpoint:
      description: The label of its checkpoint, V(null) while it is not published.
      type: str
      sample: ready
    created:
      description: When that was taken, in UTC.
      type: str
      sample: "2026-11-23T15:33:01Z"
    size:
      description: The bytes of all the data in it.
      type: int
      sample: 1395864371
    clones:
      description: The containers that are clones of it.
      type: list
      elements: str
      sample: [worker01]
    state:
      description: V(published); V(half-built); V(definition changed) since it was built; or V(dev changed) where it builds on C(dev), and
        that was built anew since. What was given in place of the definition is no change of it.
      type: str
      sample: published
steps:
  description: What is to be done for the base and for what it builds on, in this order, as the role P(pixels.sandbox.base#role) takes it.
  returned: with O(plan)
  type: list
  elements: dict
  contains:
    name:
      description: The container of the base.
      type: str
      sample: dev
    action:
      description: V(none); V(build); V(continue) what was begun; V(anew), destroy that and build; V(publish) what is tested; V(swap) the
        old one for the tested new one; V(tidy) up after that.
      type: str
      sample: build
    state:
      description: How far it is, as in RV(bases[].state), or V(missing).
      type: str
      sample: missing
    why:
      description: The reason.
      type: str
      sample: there is none
    label:
      description: The label that it is, or is going to be, published under.
      type: str
      sample: ready
plan:
  description: The same for people.
  returned: with O(plan)
  type: list
  elements: str
  sample: ["dev: missing; build (there is none)"]
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
