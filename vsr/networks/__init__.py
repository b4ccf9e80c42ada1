"""Deep networks that enlarge one picture at a time: architectures from the papers, and loading of weights."""

from __future__ import annotations

from vsr.networks.base import Colour, Framework, Network, NetworkSpec

__all__ = ["Colour", "Framework", "Network", "NetworkSpec"]
