#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `container`: documentation; the promise itself is in module_utils/core/container.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Make, change, start, stop and destroy containers on TrueNAS
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Brings one container, or a whole fleet in one task, into the state that is asked for. What is so already is left alone.
  - A container called C(task1) here is C(px-task1) on the appliance. Containers that this collection has not made are never touched,
    even when they are called so; see O(adopt).
  - An existing container converges to the options that are set, and to nothing else. Defaults serve only to make a new one.
  - A new container is made of an image, or as a clone of another container, which takes seconds and no space of its own; see O(from).
extends_documentation_fragment:
  - pixels.sandbox.cards
  - pixels.sandbox.mark
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
    details: Sends only calls that read. What the appliance itself would refuse at a create may go unnoticed.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(state=restarted) restarts each time.
options:
  name:
    description:
      - The container, or containers. One name, a list, names with commas between them, or ranges as inventories write them,
        C(worker[01:20]) or C(box-[a:d]).
      - A name has up to 60 lower-case letters, digits and inner hyphens.
    type: list
    elements: str
    required: true
    aliases: [container]
  state:
    description:
      - V(started) means that it exists and runs.
      - V(present) means that it exists. One that is made by it is not started, one that exists runs or not as before.
      - V(stopped) means that it exists and does not run.
      - V(restarted) stops and starts it. One that does not run, or does not exist yet, is just started.
      - V(absent) means that it does not exist. Its data and all of its snapshots go with it, what restores have kept of it, and its host
        key on this machine. See O(dependents) for what was made of it.
    type: str
    choices: [present, started, stopped, restarted, absent]
    default: started
  image:
    description:
      - The image to make it of, as in V(debian/12) or V(ubuntu/24.04), or the fingerprint of an image on the appliance.
      - For a new container C(defaults.image) of the configuration is used when this is not set, and C(ubuntu/24.04) without that.
      - It cannot change in place; see O(recreate). Of an adopted container only the distribution is known and compared.
      - Excludes O(from).
    type: str
  from:
    description:
      - Make it a clone of another container, V(base:ready) for the checkpoint C(ready) of the container C(base), V(base) for its present
        state, which need not be stopped for that.
      - The clone has the source's image, O(cpu), O(memory), O(environment) and network, where they are not set here. The defaults of the
        configuration play no part in it. Its data lies in the source's pool; another one is refused.
      - It has an identity of its own before its network comes up. That is machine-id, DHCP lease, SSH host keys and host name. Its host key
        is read through the API and pinned. What else it does not keep of its source says O(scrub).
      - All sources and checkpoints of a task are looked up before anything is made. When one of them does not exist nothing is.
      - It is compared like O(image) for a container that exists, and then the source need not be there any more. It cannot change in place;
        see O(recreate).
      - Excludes O(image). Needs an API key with full administration rights on TrueNAS 25.
    type: str
  scrub:
    description:
      - Which of the traces that work has left in the source a clone does not keep. The documentation has a list of the files of each.
      - All of them when this is not set. V([]) keeps everything but the identity.
      - Goes with O(from). It cannot change in place; see O(recreate).
    type: list
    elements: str
    choices: [history, logins, keys, logs, temporary]
  cpu:
    description:
      - How many processors it may use, as in V(2), or which of them, as in V(0-3) or V(0,2).
      - For a new container C(defaults.cpu) of the configuration is used when this is not set.
    type: str
  memory:
    description:
      - How much memory it may use, in MiB or with a unit, as in V(2048) or V(2GiB). At least 32 MiB. Fractions of a MiB are dropped.
      - For a new container C(defaults.memory) of the configuration is used when this is not set.
    type: str
  pool:
    description:
      - The pool that its data lies on. It has to be one that TrueNAS uses for containers.
      - For a new container C(defaults.pool) of the configuration is used when this is not set, then the appliance's choice.
      - It cannot change in place; see O(recreate).
    type: str
  environment:
    description:
      - The environment variables of the container's processes. This is the whole set, V({}) takes all away.
      - Processes see a change when the container is next started.
      - Names have letters, digits, underscores and slashes. Values may not be blank and have 1024 characters at most.
      - The values are shown in results and diffs. Set C(no_log) on the task when there are secrets among them.
    type: dict
  autostart:
    description:
      - Whether it starts when the appliance does.
      - A new container does when this is not set.
    type: bool
  vars_by_name:
    description:
      - Options that single containers have of their own. Each key is a name or a range, of containers that O(name) has too. Below it are
        O(autostart), O(cpu), O(egress), O(environment), O(expires), O(from), O(image), O(labels), O(memory), O(owner), O(pool), O(scrub).
      - What is there comes before the option of the task, and what comes later in it before what is earlier.
    type: dict
  create:
    description: With V(false) a container that does not exist is an error and is not made.
    type: bool
    default: true
  new:
    description:
      - With V(true) a container that exists already is an error and is left as it is, for it is somebody else's. One that a run has left
        half-made is replaced as ever.
    type: bool
    default: false
  adopt:
    description:
      - Take over a container that has the right name but was not made by this collection. It is marked as ours and from then on treated so.
      - With O(state=absent) it is destroyed, so think twice.
    type: bool
    default: false
  recreate:
    description:
      - Destroy the container and make it anew where it differs in what cannot change in place. All of its data is lost.
      - What is not set stays as it was.
      - Without it such a difference is an error and nothing is touched.
    type: bool
    default: false
  dependents:
    description:
      - What to do about the clones of a container that is to be destroyed. The clones that the same task destroys do not count, they go
        before it.
      - With V(fail) that container is left alone and its clones are named.
      - With V(promote) they are made independent of it first. Their data stays as it is to the byte, and they go on running. The
        checkpoints of the destroyed container are gone all the same.
    type: str
    choices: [fail, promote]
    default: fail
  wait_for:
    description:
      - With O(state=started) and O(state=restarted), what to wait for once it runs.
      - V(address) waits until it has an address, V(ssh) until an SSH server answers there at port 22. Most images have none at first,
        M(pixels.sandbox.ssh_access) installs it.
    type: str
    choices: [none, address, ssh]
    default: address
  wait_timeout:
    description:
      - For how many seconds to wait for O(wait_for). When they are over the container is left as it is and reported as failed.
    type: int
    default: 120
  stop_timeout:
    description: How many seconds a container has to shut down, 0 to 290. 0 cuts its power at once.
    type: int
    default: 30
  force:
    description:
      - Cut the power of a container that has not shut down within O(stop_timeout). With V(false) that is an error, and it goes on running.
    type: bool
    default: true
  concurrency:
    description: How many containers are worked on at the same time, 1 to 64.
    type: int
    default: 4
seealso:
  - module: pixels.sandbox.checkpoint
  - module: pixels.sandbox.container_info
  - module: pixels.sandbox.prune
  - module: pixels.sandbox.ssh_access
"""

EXAMPLES = r"""
- name: A container of the default image, running and with its address known
  pixels.sandbox.container:
    name: task1
  register: made

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ made.container.address }}"

- name: Twenty workers, eight at a time
  pixels.sandbox.container:
    name: worker[01:20]
    image: debian/12
    cpu: 2
    memory: 2GiB
    environment:
      ROLE: worker
    owner: nightly
    labels: {team: web}
    concurrency: 8

- name: Twenty clones of what was prepared once, for a day; the first one with more memory
  pixels.sandbox.container:
    name: worker[01:20]
    from: base:ready
    scrub: [history, logins, keys]
    expires: 1d
    vars_by_name:
      worker01:
        memory: 8GiB

- name: A clone of its present state, with everything that is in it, and that nobody else has
  pixels.sandbox.container:
    name: experiment
    from: base
    scrub: []
    new: true

- name: More memory for one of them, which goes on running
  pixels.sandbox.container:
    name: worker07
    memory: 8GiB

- name: The same container on a newer image, its data thrown away
  pixels.sandbox.container:
    name: task1
    image: debian/13
    recreate: true

- name: In the appliance's own network instead of the one it is attached to
  pixels.sandbox.container:
    name: hidden
    network: default

- name: Stop it, but do not make it where it does not exist
  pixels.sandbox.container:
    name: task1
    state: stopped
    create: false

- name: Destroy all of them
  pixels.sandbox.container:
    name: task1,hidden,worker[01:20]
    state: absent

- name: Destroy what they would be clones of, but keep them
  pixels.sandbox.container:
    name: base
    state: absent
    dependents: promote
"""

RETURN = r"""
containers:
  description: One entry for each name, in the order of the names.
  returned: always, unless the task failed as a whole, as for a wrong O(from)
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
      description: Whether it was changed, or in check mode, would be.
      type: bool
    actions:
      description: What was done, in order, of C(created), C(cloned), C(updated), C(started), C(stopped), C(restarted), C(destroyed), and
        C(renewed) for a clone that had to be given its identity.
      type: list
      elements: str
      sample: [created]
    status:
      description: What it is, V(running), V(stopped) or V(absent), or in the appliance's words in lower case, such as V(frozen).
      type: str
      sample: running
    address:
      description: The address to connect to, V(null) while there is none.
      type: str
      sample: 192.0.2.17
    image:
      description: The image that it was made of.
      type: str
      sample: debian/12
    from:
      description: What it is a clone of, as in O(from). V(null) for one that was made of an image.
      type: str
      sample: base:ready
    cpu:
      description: Its processors, V(null) for no limit.
      type: str
      sample: "2"
    memory:
      description: Its memory in MiB, V(null) for no limit.
      type: int
      sample: 2048
    pool:
      description: The pool of its data.
      type: str
      sample: tank
    environment:
      description: Its environment variables.
      type: dict
    autostart:
      description: Whether it starts with the appliance.
      type: bool
    network:
      description: Its first network card, as C(nic_type) and C(parent), or as C(network) for one of the appliance's own networks.
      type: dict
      sample: {"nic_type": "macvlan", "parent": "enp1s0"}
    inside:
      description: The bridge of its second card, V(null) for one that is no gateway.
      type: str
    via:
      description: The gateway that it is behind.
      type: str
    owner:
      description: The text of O(owner).
      type: str
    labels:
      description: The texts of O(labels).
      type: dict
      sample: {"team": "web"}
    egress:
      description: The egress policy that O(egress) has noted, V(null) for none.
      type: str
      sample: agent
    expires:
      description: Until when it is to be kept. V(null) is for ever.
      type: str
      sample: "2026-11-30T15:33:01Z"
    host_key:
      description: The fingerprint of its SSH host key, V(null) while none is pinned on this machine.
      type: str
      sample: SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
    machine_id:
      description: The machine-id of a clone that was looked at in this task, V(null) otherwise.
      type: str
      sample: 4b2e0e4f9d1c4e0aa7c2d6d1a3a0b8c5
    promoted:
      description: What was, or in check mode would be, made independent of a container that is destroyed.
      type: list
      elements: str
      returned: when there was any
      sample: [worker01]
    failed:
      description: Whether it failed. The others were seen to all the same.
      type: bool
      returned: for a container that failed
    msg:
      description: Why it failed.
      type: str
      returned: for a container that failed
    error:
      description: The failure as data, see RV(error).
      type: dict
      returned: for a container that failed
container:
  description: The entry of RV(containers), when one container was named.
  returned: when one container was named
  type: dict
error:
  description: The failure as data, with its C(type) and whatever is known, such as C(method), C(code), C(errno), C(fields), C(allowed).
  returned: on failure of the whole task, or of the one container that was named
  type: dict
  sample: {"type": "ValidationFailed", "method": "virt.instance.create", "code": -32602, "errno": 22}
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.container import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
