# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the options of `container` that are kept in its mark."""

from __future__ import annotations


class ModuleDocFragment:
    """What is known of a container, and changes nothing in it."""

    DOCUMENTATION = r"""
options:
  owner:
    description: A text that is kept with the container, for M(pixels.sandbox.container_info) to choose by. At most 200 characters.
    type: str
  labels:
    description:
      - Texts by name that are kept with the container, for people and playbooks to know it by. This is the whole set, V({}) takes all away.
      - Names have up to 63 lower-case letters, digits, underscores, dots and hyphens. Values have 255 characters at most, and all of it
        together 512.
      - A clone does not have those of its source. They are shown in results and diffs, so they are no place for secrets.
    type: dict
    version_added: 0.2.0
  egress:
    description:
      - Notes in the container's mark which egress policy it has, for inventories and lists. It changes nothing in the container. The role
        P(pixels.sandbox.egress#role) puts a policy in force, and the playbooks, which use it, note it here.
      - A clone has that of its source, for the policy comes along with the data. One that is made of an image has none.
    type: str
    choices: [unrestricted, agent, allowlist, learn]
    version_added: 0.2.0
  expires:
    description:
      - For how long to keep it, as in V(90m), V(12h), V(7d) or V(2w), from the moment at which it is made. M(pixels.sandbox.prune) destroys
        it some time after that.
      - A container that exists keeps its moment as long as this is the same. Another duration counts from now. V(none) means for ever.
    type: str
"""
