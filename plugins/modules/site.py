#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `site`; the promise itself is in module_utils/core/site.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site
short_description: Make the containers of an appliance those that an inventory declares
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - The hosts of a group are the containers that there are to be. Their variables C(pixels_name), C(pixels_state), C(pixels_image),
    C(pixels_from), C(pixels_cpu), C(pixels_memory) and so on say how each is to be, in the words of M(pixels.sandbox.container). What they
    do not say stays as it is.
  - All of them are made and changed by one task, with one login for each appliance. It is for a play of these very hosts, with C(run_once).
    The playbook C(site) is such a play, and it sees to what is in the containers as well.
  - Every variable that begins with C(pixels_) has to be one of these or a setting. All that is wrong with any host is told, with its
    name, before anything is touched.
  - A host is on the appliance that its own variables name, as by C(pixels_truenas_host) or C(pixels_profile). All appliances are looked
    at before anything is touched, and one that is reached by two names is an error.
  - The results for workflows that other playbooks of this collection leave are no declarations where they come as extra variables.
  - A container has a label C(site) with the site's name. By that it is known when no host declares it any more.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: Sends only calls that read.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details: All of it runs on the controller.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: TrueNAS 25.04 and 25.10
options:
  group:
    description:
      - The group of the inventory. Of its hosts those are meant that the play has.
    type: str
    default: pixels
  owner:
    description:
      - The name of the site, which its containers are known by. That of the group when this is not set.
      - O(prune) needs it.
    type: str
  prune:
    description:
      - Destroy the containers of this site that no host declares any more. Without it they are named in RV(undeclared).
      - Only on appliances that hosts name. What hosts declare on one that is down stays everywhere.
      - It is refused where the play does not have all hosts of the group, as with C(--limit).
    type: bool
    default: false
  takeover:
    description:
      - Make those containers ones of this site that exist with another owner, or as ones of another site. Without it that is an error,
        and they are left as they are. One of this collection's that has no owner is taken without asking.
    type: bool
    default: false
  bare:
    description:
      - Nothing is put into the containers after this. A host that is to be restricted is an error then, because it would come up
        open.
    type: bool
    default: false
  recreate:
    description:
      - As O(pixels.sandbox.container#module:recreate).
    type: bool
    default: false
  dependents:
    description:
      - As O(pixels.sandbox.container#module:dependents).
    type: str
    choices: [fail, promote]
    default: fail
  concurrency:
    description:
      - How many containers are worked on at the same time, 1 to 64.
    type: int
    default: 4
  wait_timeout:
    description:
      - For how many seconds to wait for an address of each that is to run.
    type: int
    default: 120
seealso:
  - module: pixels.sandbox.container
"""

EXAMPLES = r"""
# inventory.yml
#
# pixels:
#   vars:
#     site_owner: home
#     pixels_from: base:ready
#     pixels_memory: 2GiB
#   hosts:
#     worker[01:10]:
#     build1:
#       pixels_memory: 8GiB

- name: The containers of a site
  hosts: pixels
  gather_facts: false
  tasks:
    - name: Make them what they are declared to be
      pixels.sandbox.site:
        owner: "{{ site_owner }}"
      run_once: true
      register: made

    - name: Say where this one is
      ansible.builtin.debug:
        msg: "{{ made.hosts[inventory_hostname].address }}"

    - name: Destroy what is no longer declared as well, and replace what cannot be changed in place
      pixels.sandbox.site:
        group: pixels
        owner: "{{ site_owner }}"
        prune: true
        recreate: true
        takeover: false
        bare: false
        dependents: promote
        concurrency: 8
        wait_timeout: 60
      run_once: true
"""

RETURN = r"""
containers:
  description: One entry for each, as RV(pixels.sandbox.container#module:containers), and its C(host) in the inventory, V(null) for one that
    is pruned. Instead of the values in C(environment), here and in differences, there are stars.
  returned: always, unless the task failed as a whole
  type: list
  elements: dict
  sample: [{"host": "worker01", "name": "worker01", "changed": true, "actions": ["created"]}]
hosts:
  description: What a play in the hosts needs to know, by the names of the inventory. C(name), C(state), C(status), C(address) and
    C(actions) of the container, C(via), whether it C(failed) and the C(msg), and what is to be in it, as C(egress), C(allow), C(deny),
    C(user), C(timezone), C(locale) and C(devtools).
  returned: always, unless the task failed as a whole
  type: dict
  sample: {"worker01": {"name": "worker01", "state": "started", "address": "192.0.2.17", "failed": false, "user": "pixel"}}
pruned:
  description: The containers that were, or in check mode would be, destroyed because no host declares them.
  returned: always, unless the task failed as a whole
  type: list
  elements: str
  sample: [worker11]
undeclared:
  description: Those that O(prune) would destroy.
  returned: always, unless the task failed as a whole
  type: list
  elements: str
  sample: []
site:
  description: The name of the site.
  returned: always, unless the task failed as a whole
  type: str
  sample: home
wrong:
  description: All that is wrong with the declarations.
  returned: when there is
  type: list
  elements: str
  sample: ["worker01: there is no variable pixels_memmory; did you mean pixels_memory?"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.site import ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
