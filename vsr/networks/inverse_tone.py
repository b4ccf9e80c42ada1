"""SDR to HDR by a network: the branch for it of the multi-purpose CNN.

Kim, Kim, "A multi-purpose convolutional neural network for simultaneous super-resolution and high dynamic range image
reconstruction", ACCV 2018. Six 3×3 layers of 40 and the input added: Y, Cb and Cr of BT.709 in 8 bits over 255, chroma
as fine as luma, become those of BT.2020 with PQ in 10 bits over 1023. 59,963 numbers. The authors' weights, as
safetensors with MatConvNet's names and axes (height, width, inputs, outputs), load as they are; they hold branches for
super-resolution, too, which are not used. It is in no table of networks: what it gives is an image of another kind.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks.digest import weights_digest
from vsr.networks.files import read_checkpoint

__all__ = ["InverseTone", "read_inverse_tone"]

_WIDTH, _DEPTH = 40, 6


class InverseTone(nn.Module):
    """``(B, 3, H, W)`` of SDR → the same of HDR; see the module."""

    context_px = _DEPTH

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *[_WIDTH] * (_DEPTH - 1), 3]
        self.layers = nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(widths))

    def forward(self, images: Tensor) -> Tensor:
        """Not clipped."""
        features = images
        for layer in self.layers[:-1]:
            features = layer(features).relu()
        result: Tensor = self.layers[-1](features) + images
        return result


def read_inverse_tone(path: Path) -> tuple[InverseTone, str]:
    """The network of a file, and the digest of its weights. Raises `ModelError` for other files."""
    tensors, state = read_checkpoint(path).tensors, {}
    for number in range(_DEPTH):
        for kind, letter in (("weight", "f"), ("bias", "b")):
            name = f"conv_{number + 1}{letter}_HDR"
            if name not in tensors:
                raise ModelError(f"{path}: has no {name}; sdr-to-hdr takes weights of the multi-purpose CNN")
            state[f"layers.{number}.{kind}"] = tensors[name].float()
    state = {
        name: value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value.flatten()
        for name, value in state.items()
    }
    with torch.device("meta"):
        network = InverseTone()
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{path}: weights of other sizes than the multi-purpose CNN has") from error
    return network.eval().requires_grad_(False), weights_digest(state)
