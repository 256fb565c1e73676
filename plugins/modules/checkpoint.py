#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `checkpoint`: documentation; the promise itself is in module_utils/core/checkpoint.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: checkpoint
short_description: Take, delete and restore checkpoints of containers on TrueNAS
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - A checkpoint is the data of a container at one moment, with a label. Taking one takes no longer for a large container than for a small
    one, and the container goes on meanwhile.
  - On the appliance it is a ZFS snapshot called C(pixels-) and the label. Snapshots that others have made, such as those of periodic tasks,
    are never listed, restored or deleted as checkpoints. Where one stands in the way of a restore it is named.
  - What destroys or replaces data is decided for all containers of the task before the first one is touched. When one of them is refused,
    none is touched.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
    details: Sends only calls that read. All that is refused, is refused in check mode as well.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(state=restored) restores each time, and O(state=present) without O(label) takes a new one each time.
options:
  container:
    description:
      - The container, or containers. One name, a list, names with commas between them, or ranges as inventories write them,
        C(worker[01:20]).
    type: list
    elements: str
    required: true
    aliases: [name]
  label:
    description:
      - The name of the checkpoint. It has 1 to 63 letters, digits, dots, underscores and hyphens, and begins with a letter or digit.
      - A container has one checkpoint of a label at most.
      - Without it O(state=present) takes the time, in UTC and to the microsecond, as in C(20261123-153301-123456). All containers of a task
        get the same one.
      - Required with O(state=absent) and O(state=restored).
    type: str
  state:
    description:
      - V(present) means that the checkpoint exists. One that exists already is left as it is, even if it is old.
      - V(absent) means that it does not exist. That the container does not exist is an error.
      - V(restored) means that the container has the data of the checkpoint, and runs. What has changed in it since then is lost, unless
        another checkpoint has it.
    type: str
    choices: [present, absent, restored]
    default: present
  on_newer:
    description:
      - What to do with O(state=restored) about snapshots that are newer than the checkpoint, ours or not, which stand in the way of a
        rollback. Checkpoints of other branches do not; see V(keep).
      - V(fail) refuses, with their names.
      - V(destroy) destroys them. Those with a hold on them are refused, and for those that clones need see O(dependents).
      - V(keep) keeps them. The container goes on from a clone of the checkpoint, and the data that it had so far is parked beside it. The
        newer checkpoints can be listed, restored, cloned and deleted as before. It is then as with branches, and a branch stays until its
        last checkpoint is deleted.
    type: str
    choices: [fail, destroy, keep]
    default: fail
  dependents:
    description:
      - What to do when other containers are clones of what is to go, with O(state=absent) or with O(on_newer=destroy).
      - V(fail) refuses, with their names.
      - V(promote) makes a clone independent. It takes over the data that it needs and is byte for byte what it was. With O(state=absent)
        all older checkpoints would go with it, so it is refused where there are any.
      - V(defer) is for O(state=absent) only. The checkpoint is gone at once for all purposes, its data with the last clone. Until then no
        new checkpoint of the container can have that label.
    type: str
    choices: [fail, promote, defer]
    default: fail
  stop_timeout:
    description:
      - With O(state=restored), how many seconds a container has to shut down, 0 to 290. 0 cuts its power at once.
    type: int
    default: 30
  force:
    description:
      - With O(state=restored), cut the power of a container that has not shut down within O(stop_timeout). With V(false) that is an error,
        and it goes on running as it was.
    type: bool
    default: true
  wait_for:
    description:
      - With O(state=restored), what to wait for once it runs again.
      - When it is not set, an SSH server where the container was opened to SSH, else an address.
      - Of a container that was opened to SSH the host key is read again through the API and pinned, since the restored one may be older.
    type: str
    choices: [none, address, ssh]
  wait_timeout:
    description:
      - With O(state=restored), for how many seconds to wait for that.
    type: int
    default: 120
  concurrency:
    description:
      - How many containers are worked on at the same time, 1 to 64.
    type: int
    default: 4
seealso:
  - module: pixels.sandbox.checkpoint_info
  - module: pixels.sandbox.container
"""

EXAMPLES = r"""
- name: Before something risky
  pixels.sandbox.checkpoint:
    container: task1
    label: before-upgrade

- name: One of each worker, labelled with the time
  pixels.sandbox.checkpoint:
    container: worker[01:20]
    concurrency: 8
  register: taken

- name: Say which label that is
  ansible.builtin.debug:
    msg: "{{ taken.containers[0].label }}"

- name: Undo it, and give up what came later
  pixels.sandbox.checkpoint:
    container: task1
    label: before-upgrade
    state: restored
    on_newer: destroy
    dependents: promote

- name: Try again from there, and keep what came later
  pixels.sandbox.checkpoint:
    container: task1
    label: before-upgrade
    state: restored
    on_newer: keep
    stop_timeout: 5
    force: true
    wait_for: ssh
    wait_timeout: 60

- name: Delete it, though there may be clones of it
  pixels.sandbox.checkpoint:
    container: task1
    label: before-upgrade
    state: absent
    dependents: defer
"""

RETURN = r"""
containers:
  description: One entry for each name, in the order of the names.
  returned: always, unless the task failed before it looked at any container
  type: list
  elements: dict
  contains:
    name:
      description: Its name as it was given.
      type: str
      sample: task1
    instance:
      description: Its name on the appliance.
      type: str
      sample: px-task1
    changed:
      description: Whether something was changed, or in check mode, would be.
      type: bool
    actions:
      description:
        - What was done, in order. C(taken), C(deleted), C(stopped), C(rolled_back), C(swapped), C(started), C(known_hosts) when another
          host key was pinned, C(promoted NAME) for a clone that was made independent, C(repaired) when an earlier restore that was cut
          short was completed first, C(put_back) when a restore failed and the data was put back.
      type: list
      elements: str
      sample: [stopped, rolled_back, started]
    label:
      description: The label of the checkpoint. In check mode V(null) for one that is to be the time.
      type: str
      sample: before-upgrade
    checkpoint:
      description: The checkpoint, V(null) where there is none. After O(state=absent) as it was.
      type: dict
      contains:
        label:
          description: Its label.
          type: str
          sample: before-upgrade
        snapshot:
          description: The full name of the snapshot.
          type: str
          sample: tank/.ix-virt/containers/px-task1@pixels-before-upgrade
        dataset:
          description: The dataset that it is a snapshot of.
          type: str
          sample: tank/.ix-virt/containers/px-task1
        created:
          description: When it was taken, in UTC.
          type: str
          sample: "2026-11-23T15:33:01Z"
        created_epoch:
          description: The same in seconds since 1970.
          type: int
          sample: 1795447981
        used:
          description: The bytes that only it holds, which deleting it would set free.
          type: int
          sample: 1048576
        referenced:
          description: The bytes of all the data in it.
          type: int
          sample: 734003200
        dependents:
          description: The other containers that are clones of it.
          type: list
          elements: str
          sample: [worker01, worker02]
    deferred:
      description: Whether its data lives on until the last of those that need it is gone.
      type: bool
      returned: with O(state=absent)
    newer:
      description: The snapshots that were newer than the checkpoint, and what became of them.
      type: list
      elements: dict
      returned: with O(state=restored)
      contains:
        label:
          description: The label of a checkpoint, V(null) for any other snapshot.
          type: str
        snapshot:
          description: The name of the snapshot.
          type: str
          sample: auto-2026-11-23_00-00
        kind:
          description: C(checkpoint); C(foreign) for one that others have made; C(spent) for one that only lives on for clones.
          type: str
        dependents:
          description: The other containers that are clones of it.
          type: list
          elements: str
        action:
          description: C(destroyed), C(kept), or C(left) to those that depend on it.
          type: str
    timings:
      description:
        - How many seconds the parts of the restore took. C(prepare), C(stop), C(data), C(start), C(tidy), C(ready), and C(total).
        - The container is down from C(stop) to C(start).
      type: dict
      returned: with O(state=restored)
      sample: {"prepare": 0.01, "stop": 0.61, "data": 0.03, "start": 0.42, "tidy": 0.0, "ready": 0.83, "total": 1.9}
    status:
      description: What it is after that, normally V(running).
      type: str
      returned: with O(state=restored)
    address:
      description: The address to connect to.
      type: str
      returned: with O(state=restored)
      sample: 192.0.2.17
    skipped:
      description: That it was left alone, because another one of the task was refused.
      type: bool
      returned: for a container that was left alone
    failed:
      description: Whether it failed.
      type: bool
      returned: for a container that failed
    msg:
      description: Why it failed, or was left alone.
      type: str
      returned: for such a container
    outcome:
      description: What has become of a container whose restore failed.
      type: str
      returned: for a container whose restore failed after it had begun
    error:
      description: The failure as data, see RV(error).
      type: dict
      returned: for a container that failed
container:
  description: The entry of RV(containers), when one container was named.
  returned: when one container was named
  type: dict
error:
  description:
    - The failure as data, with its C(type). C(NoCheckpoint), C(NewerCheckpoints), C(Dependents), C(OlderCheckpoints), C(Held),
      C(NameConflict) and C(InProgress) are refusals, and nothing was touched. Next to it there are the names as data, in C(labels),
      C(newer), C(dependents), C(older) or C(held).
  returned: on failure of the whole task, or of the one container that was named
  type: dict
  sample: {"type": "NoCheckpoint"}
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
