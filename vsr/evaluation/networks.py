"""Networks as methods for single pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsr.evaluation.base import PictureMethod
from vsr.networks import Network

__all__ = ["network_method"]


class _Enlarger:
    """Runs a network over pictures of any size."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self._network = network
        self._device = device
        network.module.to(device)

    @torch.inference_mode()
    def __call__(self, picture: Tensor) -> Tensor:
        """``(C, h, w)`` in 0…255 → ``(C, scale·h, scale·w)`` float64; edges repeated where the network wants more."""
        network, (height, width) = self._network, picture.shape[-2:]
        missing = [_wanted(side, network) - side for side in (height, width)]
        given = (picture / 255).to(self._device, torch.float32)[None]
        if any(missing):
            given = pad(given, (0, missing[1], 0, missing[0]), mode="replicate")
        enlarged = network(given)[0, :, : height * network.scale, : width * network.scale]
        return enlarged.cpu().double() * 255


def _wanted(side: int, network: Network) -> int:
    return -(-max(side, network.min_size) // network.multiple) * network.multiple


def network_method(name: str, network: Network, device: torch.device) -> PictureMethod:
    """A network in float32, called ``name``."""
    return PictureMethod(
        name=name,
        description=f"{network.name}, {network.num_parameters:,} parameters, {network.colour}",
        digest=f"{network.name}:{network.digest}",
        scale=network.scale,
        colour=network.colour,
        enlarge=_Enlarger(network, device),
    )
