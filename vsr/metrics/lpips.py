"""Learned perceptual distance LPIPS (Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018), version 0.1.

Both images pass through the convolutions of a classification network. Where its five stages see different features,
in direction rather than in strength, the images look different; learnt weights say how much each feature counts.
The weights come from outside: this file holds the arithmetic only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d

__all__ = ["LPIPS_NETWORKS", "Lpips", "LpipsNetwork"]

LpipsNetwork = Literal["alex", "vgg"]
"""AlexNet, which papers on super-resolution report, or VGG-16."""

_SHIFT = (-0.030, -0.088, -0.188)  # of images in -1…1, and the scale: ImageNet's statistics
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


@dataclass(frozen=True)
class _Backbone:
    """Stages of a classification network; every convolution ends in a ReLU."""

    stages: tuple[tuple[int, ...], ...]
    """Numbers of the convolutions in torchvision's ``features``."""
    channels: tuple[int, ...]
    """Features at the end of each stage."""
    pooled: tuple[bool, ...]
    """Whether a stage starts with max pooling, by 2."""
    pool_size: int
    smallest_side: int
    """Of images, so that the last stage still sees something."""


LPIPS_NETWORKS: Mapping[LpipsNetwork, _Backbone] = {
    "alex": _Backbone(
        ((0,), (3,), (6,), (8,), (10,)), (64, 192, 384, 256, 256), (False, True, True, False, False), 3, 31
    ),
    "vgg": _Backbone(
        ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
        (64, 128, 256, 512, 512),
        (False, True, True, True, True),
        2,
        16,
    ),
}


class Lpips:
    """LPIPS with weights in memory.

    ``weights`` has the names of the authors' ``lpips.LPIPS(net=…).state_dict()``; the convolutions may also have
    torchvision's names (``features.0.weight``). Other entries are ignored. Raises `ValueError` for anything else.
    """

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        self.network: LpipsNetwork = _recognise(weights)
        self._backbone = LPIPS_NETWORKS[self.network]
        self._device = device or torch.device("cpu")
        self._convolutions = {
            number: tuple(self._place(_find(weights, stage, number, kind)) for kind in ("weight", "bias"))
            for stage, numbers in enumerate(self._backbone.stages, 1)
            for number in numbers
        }
        self._importance = [self._place(weights[f"lin{k}.model.1.weight"]) for k in range(len(self._backbone.stages))]

    def _place(self, weight: Tensor) -> Tensor:
        return weight.to(self._device, torch.float32)

    @property
    def smallest_side(self) -> int:
        """Pixels that both sides of an image need at least."""
        return self._backbone.smallest_side

    @torch.inference_mode()
    def __call__(self, first: Tensor, second: Tensor) -> float:
        """Distance of two ``(3, H, W)`` RGB images in 0…255; 0 for equal ones, larger for more different ones."""
        return sum(float(stage.mean()) for stage in self._stages(first, second))

    @torch.inference_mode()
    def spatial(self, first: Tensor, second: Tensor) -> Tensor:
        """The same for each pixel, ``(H, W)`` float32: stages enlarged bilinearly, as the authors' ``spatial=True``."""
        size = (int(first.shape[-2]), int(first.shape[-1]))
        stages = self._stages(first, second)
        enlarged = [interpolate(stage, size, mode="bilinear", align_corners=False) for stage in stages]
        return torch.cat(enlarged).sum(0)[0].cpu()

    def _stages(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """What each stage adds, ``(1, 1, h, w)``, each of its size."""
        if first.shape != second.shape or first.dim() != 3 or first.shape[0] != 3:
            raise ValueError(f"need two (3, H, W) images of one shape: {tuple(first.shape)}, {tuple(second.shape)}")
        if min(first.shape[1:]) < self.smallest_side:
            raise ValueError(f"LPIPS needs sides of {self.smallest_side} at least, got {tuple(first.shape[1:])}")
        images = torch.stack([first, second]).to(self._device, torch.float32) / 127.5 - 1
        shift, scale = (images.new_tensor(values).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        features, distances = (images - shift) / scale, []
        for stage in range(len(self._backbone.stages)):
            features = self._stage(features, stage)
            norm = features.square().sum(1, keepdim=True).sqrt()
            directions = features / (norm + _EPSILON)
            difference = (directions[:1] - directions[1:]).square()
            distances.append(conv2d(difference, self._importance[stage]))
        return distances

    def _stage(self, features: Tensor, stage: int) -> Tensor:
        if self._backbone.pooled[stage]:
            features = max_pool2d(features, self._backbone.pool_size, 2)
        for number in self._backbone.stages[stage]:
            weight, bias = self._convolutions[number]
            stride = 4 if weight.shape[-1] == 11 else 1
            padding = 2 if weight.shape[-1] == 11 else weight.shape[-1] // 2
            features = conv2d(features, weight, bias, stride=stride, padding=padding).relu()
        return features


def _recognise(weights: Mapping[str, Tensor]) -> LpipsNetwork:
    for name, backbone in LPIPS_NETWORKS.items():
        shapes = [tuple(weights[key].shape) for key in (f"lin{k}.model.1.weight" for k in range(5)) if key in weights]
        if shapes == [(1, channels, 1, 1) for channels in backbone.channels]:
            return name
    raise ValueError("not LPIPS 0.1 with AlexNet or VGG-16: lin0.model.1.weight to lin4… are missing or of other sizes")


def _find(weights: Mapping[str, Tensor], stage: int, number: int, kind: str) -> Tensor:
    names = (f"net.slice{stage}.{number}.{kind}", f"features.{number}.{kind}")
    for name in names:
        if name in weights:
            return weights[name]
    raise ValueError(f"weights of LPIPS without {names[0]}: the convolutions of the network must be in the same file")
