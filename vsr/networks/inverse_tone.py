"""SDR to HDR by a network: the base of those that enlarge as well, and the branch for it of the multi-purpose CNN.

Kim, Kim, "A multi-purpose convolutional neural network for simultaneous super-resolution and high dynamic range image
reconstruction", ACCV 2018. Six 3×3 layers of 40 and the input added: Y, Cb and Cr of BT.709 in 8 bits over 255, chroma
as fine as luma, become those of BT.2020 with PQ in 10 bits over 1023. 59,963 numbers. The authors' weights, as
safetensors with MatConvNet's names and axes (height, width, inputs, outputs), load as they are; they hold branches for
super-resolution, too, which are not used. It is in no table of networks: it keeps the size, and a pass runs it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks.base import Family, Upscaler
from vsr.networks.digest import weights_digest
from vsr.networks.files import read_checkpoint

__all__ = ["InverseTone", "InverseToneUpscaler", "read_inverse_tone"]

_WIDTH, _DEPTH = 40, 6
_BT709, _BT2020 = (0.2126, 0.0722), (0.2627, 0.0593)  # shares of red and blue in luma


class InverseToneUpscaler(Upscaler):
    """Base of networks that enlarge SDR and make HDR of it at once.

    ``forward`` takes R'G'B' of BT.709 and gives that of BT.2020 with PQ, in 0…1. They were trained on YCbCr of both;
    set `in_codes`.
    """

    family: ClassVar[Family] = "inverse-tone"

    def in_codes(self, codes: Tensor) -> Tensor:
        """``(B, 3, H, W)``: Y, Cb and Cr of 8 bits over 255 → ``(B, 3, scale·H, scale·W)`` of 10 bits over 1023."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` → ``(B, 3, scale·H, scale·W)``, not clipped."""
        red, green, blue = images.unbind(1)
        luma = _BT709[0] * red + (1 - sum(_BT709)) * green + _BT709[1] * blue
        chroma = [(one - luma) / (2 - 2 * share) for one, share in ((blue, _BT709[1]), (red, _BT709[0]))]
        given = torch.stack([16 + 219 * luma, *(128 + 224 * one for one in chroma)], 1) / 255
        codes = 1023 * self.in_codes(given).to(images.dtype)
        luma, chroma_b, chroma_r = (codes[:, 0] - 64) / 876, (codes[:, 1] - 512) / 896, (codes[:, 2] - 512) / 896
        red, blue = (2 - 2 * _BT2020[0]) * chroma_r + luma, (2 - 2 * _BT2020[1]) * chroma_b + luma
        green = (luma - _BT2020[0] * red - _BT2020[1] * blue) / (1 - sum(_BT2020))
        return torch.stack([red, green, blue], 1)


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
