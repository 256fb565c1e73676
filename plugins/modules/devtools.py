#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `devtools`: documentation, and the part of the work that is done in the container (module_utils/inside/devtools_place.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: devtools
short_description: Install developer tools and coding agents in a container, in the background
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Tells the container what it is to have, and starts its service C(pixels-devtools), which installs that. The task returns at once;
    M(pixels.sandbox.provision_info) follows the service and waits for it.
  - The tools are mise, Node.js, npm, Claude Code, Codex and OpenCode, each in a version that this collection names, together with a
    checksum of its archive. They come as archives from an npm registry. An archive is unpacked only when it is what its checksum says,
    and no script of any package is run. Besides there are packages of the distribution, such as git, a compiler and ripgrep.
  - The service may be cut off anywhere, it goes on at the next boot or when it is started again. What is there already is not touched,
    and needs no network. What has gone wrong for good ends it, with the step and the reason; running the task again tries again.
  - Nothing is changed when the container has what is asked for, or the service is just bringing it.
  - The programs are on the path of every kind of session, in C(/usr/local/bin). The agents' own updaters are turned off.
options:
  install:
    description:
      - The tools to install, C(mise), C(node), C(npm), C(claude-code), C(codex) and C(opencode). Default is all that there are for the
        container's processor. Others that were installed by this module are removed.
    type: list
    elements: str
  tools:
    description:
      - What is to be different for single tools, by their names. V(false) leaves the tool out; C(packages), which is no tool, stands
        for the usual packages of the distribution here.
      - In a dictionary C(version) is another version. Without C(integrity) (or C(sha256)) beside it the registry is asked what its
        archive has to be, the first time, and from then on it has to be the same.
      - C(url) is where to get it instead of the registry, with C(version) and C(sha256) or C(integrity); an archive (C(.tgz), C(.tar.gz),
        C(.tar.xz)) or the program itself. C(package) is another package of the registry. C(programs) has names and where they are in the
        archive, if that differs.
    type: dict
  packages:
    description: Packages of the distribution to install besides the usual ones.
    type: list
    elements: str
  npm:
    description:
      - Further npm packages whose programs are put on the path, each with its exact version, such as V(typescript@5.9.3). They are
        installed without their scripts.
    type: list
    elements: str
  npm_registry:
    description:
      - The npm registry that the tools come from, and that npm in the container uses. Default is the one that the container's own
        settings name (E(NPM_CONFIG_REGISTRY) in C(/etc/environment), C(/etc/npmrc)), then npm's own.
      - Through one without TLS only that comes whose checksum is given.
    type: str
  pypi_index:
    description: The index of Python packages that pip in the container uses. Without it pip's settings are not touched.
    type: str
  timeout:
    description: Seconds that one attempt of the service may take.
    type: int
    default: 1800
  user:
    description:
      - The agent's account, which the programs are tried as. It need not exist yet. Default is C(ssh.user) of the configuration
        (E(PIXELS_SSH_USER)).
    type: str
  request:
    description:
      - What the action plugin has made of the other options. Not for playbooks.
    type: dict
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: full
  async:
    support: none
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
    details: Systems that are run by systemd and have apt, dnf or apk.
requirements:
  - "Python 3.9 or newer in the container"
  - "Root: log in as root."
seealso:
  - module: pixels.sandbox.provision_info
  - module: pixels.sandbox.egress
"""

EXAMPLES = r"""
- name: All tools
  pixels.sandbox.devtools:
  vars:
    ansible_user: root

- name: Two of them, another version of one, and something more
  pixels.sandbox.devtools:
    install: [node, npm, claude-code]
    tools:
      claude-code: {version: 2.1.300}
    packages: [postgresql-client]
    npm: [typescript@5.9.3]
  vars:
    ansible_user: root

- name: Everything from mirrors of our own
  pixels.sandbox.devtools:
    npm_registry: https://mirror.example.org/npm/
    pypi_index: https://mirror.example.org/pypi/simple/
  vars:
    ansible_user: root

- name: And wait for it
  pixels.sandbox.provision_info:
    wait: true
"""

RETURN = r"""
devtools:
  description: What the container has or, in check mode, would have, once the service is done.
  returned: success
  type: dict
  contains:
    status:
      description: Of the service, V(pending) when it has just been started, V(running), or V(done).
      type: str
      sample: pending
    tools:
      description: The tools, further npm packages among them, and their versions.
      type: dict
      sample: {claude-code: 2.1.332, node: 24.21.0}
    packages:
      description: The packages of the distribution.
      type: list
      elements: str
      sample: [git, ripgrep]
    npm_registry:
      description: The npm registry that was given.
      type: str
    pypi_index:
      description: The index of Python packages that was given.
      type: str
steps:
  description: What was done.
  returned: success
  type: list
  elements: str
  sample: [program, wish, start]
why:
  description: Why the service was started.
  returned: success
  type: list
  elements: str
  sample: ["it failed (codex: the connection broke)"]
log:
  description: The end of what the program said that failed.
  returned: failure
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_look import look
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_options import ARGUMENTS
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_place import place
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine


def main() -> None:
    module = AnsibleModule(argument_spec={**ARGUMENTS, "request": {"type": "dict"}}, supports_check_mode=True)
    request = module.params["request"]
    if request is None:
        module.fail_json(msg="this module does its work through its action plugin; it cannot be run with async")
    if os.geteuid() != 0:
        module.fail_json(msg="only root can install developer tools; log in as root (ansible_user: root)")
    if request["do"] == "look":
        module.exit_json(changed=False, facts=look(Machine()))
    if module.check_mode:
        module.exit_json(changed=True, steps=[])
    result = place(Machine(), request)
    if result.pop("failed", False):
        module.fail_json(changed=bool(result["steps"]), **result)
    module.exit_json(changed=bool(result["steps"]), **result)


if __name__ == "__main__":
    main()
