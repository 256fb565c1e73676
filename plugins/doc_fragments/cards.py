# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the options of `container` that are about network cards."""

from __future__ import annotations


class ModuleDocFragment:
    """The first card, and those of gateways and of what is behind them."""

    DOCUMENTATION = r"""
options:
  network:
    description:
      - Attach it to a network that the appliance manages. V(default) is the one that the appliance gives to a container by itself.
        On TrueNAS 25 that network's bridge is the only other name.
      - When none of O(network), O(nic_type) and O(parent) is set, here or in the configuration, a new container gets a card of its own
        (MACVLAN) on the interface of the appliance's default route, where the appliance offers that, else the default network.
      - It cannot change in place; see O(recreate).
    type: str
  nic_type:
    description:
      - Give it a card of its own. V(macvlan) is a card in the network of O(parent), V(bridged) a port of the bridge O(parent).
      - With V(macvlan) the container and the appliance itself cannot reach each other.
      - It cannot change in place; see O(recreate).
    type: str
    choices: [macvlan, bridged]
  parent:
    description:
      - The interface or bridge of the appliance that the card is attached to. With it alone O(nic_type=macvlan).
      - With O(nic_type=macvlan) it is the interface of the default route when this is not set.
    type: str
  inside:
    description:
      - Give it a second network card, on this bridge of the appliance, with which it can be the gateway of others. The playbook
        C(pixels.sandbox.gateway) makes one of it.
      - The bridge is made for that on the appliance. One that has members or an address is refused, for it would lead past the gateway.
      - A container that exists gets the card, or is moved to this bridge, while it runs. A clone does not take it over from its source.
    type: str
  via:
    description:
      - The gateway that it is behind, a container with O(inside). Its one network card is on that bridge, and SSH reaches it through the
        gateway. The card is MACVLAN, with which it cannot reach the appliance.
      - The gateway has to run. Whether its policy is in force is not looked at here; C(pixels.sandbox.create) does that.
      - After it was made it is checked that there is no other card.
      - A clone stays behind its source's gateway where none of this and O(network), O(nic_type), O(parent) is set.
      - It cannot change in place; see O(recreate). A gateway is not destroyed while something is behind it.
      - Excludes O(network), O(nic_type), O(parent) and O(inside).
    type: str
"""
