"""The first half of a rescaling network as a network of its own, so that it runs as others do, in tiles and bands."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from vsr.networks.base import Network, RescalingUpscaler

__all__ = ["downscaling_network"]


class _Downscaling(nn.Module):
    """Takes the large image block by block: the pixels that make a small one lie on its channels."""

    def __init__(self, module: RescalingUpscaler) -> None:
        super().__init__()
        self.module = module

    def forward(self, blocks: Tensor) -> Tensor:
        """``(B, C·scale², H, W)``, as ``pixel_unshuffle`` lays them, → ``(B, C, H, W)``."""
        return self.module.downscale(pixel_shuffle(blocks, self.module.scale))


def downscaling_network(network: Network) -> Network:
    """What makes the small image for ``network``, of the family ``rescaling``; its scale is 1."""
    module = network.module
    assert isinstance(module, RescalingUpscaler), f"{network.name} makes no small images"
    return Network(
        name=network.name,
        module=_Downscaling(module),
        scale=1,
        colour=network.colour,
        context_px=module.downscale_context_px,
        multiple=module.downscale_multiple,
        min_size=module.downscale_min_size,
        digest=network.digest,
        source=network.source,
        in_channels=network.out_channels * network.scale**2,
    )
