# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of the proxy. Each new policy gets a worker of its own; older ones stay for as long as they have connections."""

from __future__ import annotations

from . import egress_places as places
from .egress_machine import Machine


def workers(machine: Machine) -> list[str]:
    """Their numbers, the oldest first."""
    _status, main = machine.systemctl("show", "-p", "MainPID", "--value", places.PROXY, check=False)
    if not main.strip().isdigit() or main.strip() == "0":
        return []
    _status, said = machine.run("pgrep", "-P", main.strip(), "-x", "haproxy", check=False)
    return sorted((pid for pid in said.split() if pid.isdigit()), key=lambda pid: _started(machine, pid))


def old_workers(machine: Machine) -> list[str]:
    """Those whose connections were made under an older policy."""
    return workers(machine)[:-1]


def _started(machine: Machine, pid: str) -> tuple[int, int]:
    """Numbers begin anew one day; times do not."""
    fields = (machine.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return (int(fields[19]) if len(fields) > 19 else 0, int(pid) if pid.isdigit() else 0)
