#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `ssh_access`: documentation; the promise itself is in module_utils/core/ssh_access.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_access
short_description: Open containers to SSH, for this control node's key and with their host keys known
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - The first word to a new container. Most images have neither an SSH server nor Python; through the appliance, as root, it installs
    both, makes the user, lets this control node's public key in for root and for the user, and turns logins with passwords off.
  - Each container's host key is read through the appliance as well and pinned in a known_hosts file of our own,
    C(~/.local/state/pixels/known_hosts) (E(XDG_STATE_HOME) respected), one line a container. There is no trust on first use and no
    question, and no DNS is needed. A container that answers with another key is refused by SSH, until this module has read the new one.
  - The task ends well only when a login with the key has worked.
  - A container where all of that is so already costs one SSH connection. Whenever that login fails, or shows that something else is wanted
    than what was set up, everything is checked and put right through the appliance.
  - It waits for a container that is booting, for its network, and for other package managers at work in it.
  - Images with apt (Debian, Ubuntu), dnf and apk are known. In any other, SSH server, Python, sudo and bash have to be there already.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
    details: Tries to log in, and reports a change when that fails. A container that does not exist or does not run is a change too.
  diff_mode:
    support: full
    details: Shows the steps that were taken, and the host key before and after.
  idempotent:
    support: full
options:
  name:
    description:
      - The container, or containers. One name, a list, names with commas between them, or ranges as inventories write them,
        C(worker[01:20]). They have to run.
    type: list
    elements: str
    required: true
    aliases: [container]
  user:
    description:
      - The user to make, and to log in as. V(root) makes none, and then no other account and nobody's right to use sudo is touched.
      - Else C(pixels_ssh_user), E(PIXELS_SSH_USER), C(ssh.user). Without any of them C(pixel).
    type: str
  uid:
    description:
      - The number of the user. A user of that name with another number is an error.
      - When it belongs to the account that images bring along for their first user, such as C(ubuntu) in those of Ubuntu, that account
        is renamed to O(user), with its home directory and its group. Any other account is an error; see O(replace_user).
    type: int
    default: 1000
  gid:
    description:
      - The number of the user's group. The same as O(uid) when this is not set.
    type: int
  replace_user:
    description:
      - Rename whatever account has the O(uid), not only those of images. Its files stay its own under the new name.
    type: bool
    default: false
  public_key:
    description:
      - The public key to let in, as text or as the path of a file. It has to belong to O(private_key).
      - When this is not set it is the file beside the private key with C(.pub) at its end, and where there is none, what C(ssh-keygen -y)
        makes of the private key.
      - Other keys that the accounts let in are kept. M(pixels.sandbox.authorized_keys) manages those.
    type: str
  private_key:
    description:
      - The private key to log in with. It never leaves this machine.
      - Else C(pixels_ssh_key), E(PIXELS_SSH_KEY), C(ssh.key). Without any of them C(~/.ssh/id_ed25519).
    type: path
  python:
    description:
      - Install Python 3 with its standard library. Without it, Ansible can run nothing there but M(ansible.builtin.raw)
        and M(pixels.sandbox.exec).
    type: bool
    default: true
  sudo:
    description:
      - Let the user become anybody with sudo and without a password, and install sudo for it. One user of a container can have this; it
        passes from the one who had it before.
      - When this is not set, the answer is yes, unless the container's egress is restricted. An egress policy leaves the user no root,
        and with V(true) the task fails there before it changes anything.
      - With V(false) a right that was given to the user in this way is taken away, and sudo is not installed. Another user keeps its own.
      - A second run looks whether root still has the key only where the user may look there, so not with V(false), nor where the egress is
        restricted.
      - With O(user=root) it says only whether to install sudo. Root needs no such right.
    type: bool
  dns:
    description:
      - The addresses of the name servers that the container is to ask.
      - For systemd-resolved where that runs, else in C(/etc/resolv.conf), which a DHCP client of the image may write again.
      - Else C(defaults.dns) of the configuration. Without either the container keeps those that its network gave it.
      - Where the container's egress is restricted they stay as its policy has set them; a run after that has ended writes these.
    type: list
    elements: str
  timeout:
    description:
      - For how many seconds the work in one container may go on. Half of it is for waiting for other package managers.
    type: int
    default: 600
  concurrency:
    description:
      - How many containers are worked on at the same time, 1 to 64.
    type: int
    default: 4
seealso:
  - module: pixels.sandbox.container
  - module: pixels.sandbox.authorized_keys
"""

EXAMPLES = r"""
- name: A container that one can log in to
  pixels.sandbox.container:
    name: task1

- name: Open it to SSH
  pixels.sandbox.ssh_access:
    name: task1
  register: access

- name: Say how to get in
  ansible.builtin.debug:
    msg: "{{ access.container.ssh }}"

- name: Make it a host of this play
  ansible.builtin.add_host:
    name: task1
    ansible_host: "{{ access.container.hostvars.ansible_host }}"
    ansible_user: "{{ access.container.hostvars.ansible_user }}"
    ansible_ssh_private_key_file: "{{ access.container.hostvars.ansible_ssh_private_key_file }}"
    ansible_ssh_common_args: "{{ access.container.hostvars.ansible_ssh_common_args }}"

- name: Twenty workers, eight at a time, with another user
  pixels.sandbox.ssh_access:
    name: worker[01:20]
    user: agent
    uid: 1500
    concurrency: 8

- name: SSH only, with name servers of our own
  pixels.sandbox.ssh_access:
    name: bare
    python: false
    sudo: false
    dns: [192.0.2.53]
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
      description: Whether it was changed, or in check mode, may have to be.
      type: bool
    actions:
      description: >-
        What was done, in order, of C(dns), C(packages), C(hosts), C(user), C(root_key), C(user_key), C(sudo), C(host_key), C(sshd),
        C(service), C(stamp), all of them in the container, and C(known_hosts), on this machine. C(access) in check mode.
      type: list
      elements: str
      sample: [packages, user, root_key, user_key, sudo, sshd, stamp, known_hosts]
    address:
      description: The address to connect to.
      type: str
      sample: 192.0.2.17
    user:
      description: The user to log in as.
      type: str
      sample: pixel
    host_key:
      description: The container's host key, as it is pinned.
      type: str
      sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE
    fingerprint:
      description: Its fingerprint, as C(ssh-keygen -l) shows it.
      type: str
      sample: SHA256:EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEE
    os:
      description: The distribution that runs in it.
      type: str
      sample: Debian GNU/Linux 12 (bookworm)
    python:
      description: The path of its Python.
      type: str
      sample: /usr/bin/python3
    ssh:
      description: The command that logs in to it. A command to run there can be written behind it.
      type: str
      sample: ssh -i /home/me/.ssh/id_ed25519 -o HostKeyAlias=task1.truenas.local pixel@192.0.2.17
    hostvars:
      description: The variables with which it is a host of Ansible.
      type: dict
      sample: {"ansible_host": "192.0.2.17", "ansible_user": "pixel"}
    failed:
      description: Whether it failed. The others were seen to all the same.
      type: bool
      returned: for a container that failed
    msg:
      description: Why it failed, with the end of the log.
      type: str
      returned: for a container that failed
    log:
      description: The end of what the work in the container has printed.
      type: list
      elements: str
      returned: for a container in which the work failed
container:
  description: The entry of RV(containers), when one container was named.
  returned: when one container was named
  type: dict
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module
from ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh_access import SPEC, run


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
