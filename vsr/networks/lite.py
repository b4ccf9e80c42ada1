"""Lite: a chain of plain 3×3 convolutions at the small size, re-parameterised: trained with parallel branches that are
merged for inference.

vsr's own. Post-upsampling, Y, 0…1, nearest-neighbour residual. What is run is 5×5 conv 1→32, twelve 3×3 convs 32→32,
1×1 conv 160→32 over the first features and those after every third conv (feature fusion, as in RDN: Zhang et al., CVPR
2018), 3×3 conv 32→s², pixel shuffle. While it is trained each 3×3 conv is the sum of several branches (after ECBSR:
Zhang, Zeng, Zhang, ACM MM 2021; `vsr.networks.edge_blocks`), which fold into one kernel. The scales differ in the last
layer alone, so ×3 and ×4 can start from ×2. Numbers: 118,116 / 119,561 / 121,584; files may hold other widths and
depths.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, pixel_shuffle

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.edge_blocks import EdgeConv2d
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "Lite", "LiteInTraining", "recognise_lite"]

_WIDTH, _DEPTH = 32, 12
_PLAIN = ("head", "fuse", "tail")  # what is trained as it is run
_STAGE = 3  # convolutions from one of the features that are fused to the next
_SLOPE = 0.1
_LEAST_REACHED, _LEAST_SHARE = 1e-4, 0.05


class _Chain(Upscaler):
    """What both forms share: everything but the kind of the convolutions in the middle."""

    def __init__(self, scale: int, width: int, body: list[nn.Module]) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(5).conv(3, times=len(body) + 1).context_px
        self.head = nn.Conv2d(1, width, 5, padding=2)
        self.body = nn.ModuleList(body)
        self.fuse = nn.Conv2d((1 + len(body) // _STAGE) * width, width, 1)
        self.tail = nn.Conv2d(width, scale * scale, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        detail: Tensor = self.tail(self.features(images))
        return pixel_shuffle(detail.to(images.dtype) + images, self.scale)

    def features(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` → ``(B, width, H, W)`` in the type of the weights: what the last layer is given."""
        features = leaky_relu(self.head(images.to(weights_dtype(self))), _SLOPE, inplace=True)
        first, *others = self.fuse.weight.chunk(1 + len(self.body) // _STAGE, dim=1)
        fused = conv2d(features, first, self.fuse.bias)
        for number, conv in enumerate(self.body, 1):
            features = leaky_relu(conv(features), _SLOPE, inplace=True)
            if number % _STAGE == 0:  # part by part: to put the features side by side takes longer than to fuse them
                fused += conv2d(features, others[number // _STAGE - 1])
        return fused


class Lite(_Chain):
    """The inference form: what files hold and what is run."""

    def __init__(self, scale: int, *, width: int = _WIDTH, depth: int = _DEPTH) -> None:
        super().__init__(scale, width, [nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)])

    def quantisable(self, images: Tensor) -> nn.Module:
        """One that computes the same, with features of about one range on ``images`` ``(B, 1, H, W)``, for 8 bits."""
        return _SideBySide(self, images)


class _SideBySide(nn.Module):
    """`Lite` with the features that are fused put side by side: one convolution of 8 bits, which has one scale.

    So that the scale serves all, each channel is divided by what it reaches, which rectifying lets through, and the
    weights behind it are multiplied. (Nagel et al., ICCV 2019.)
    """

    def __init__(self, lite: Lite, images: Tensor) -> None:
        super().__init__()
        self.lite = copy.deepcopy(lite)
        layers, width = [self.lite.head, *self.lite.body], self.lite.head.out_channels
        reached = [features.abs().amax((0, 2, 3)).clamp_min(_LEAST_REACHED) for features in self._chain(images)]
        for number, most in enumerate(reached):
            # half way to one range for all channels: weights have one scale for all channels that they take
            factor = most.max() * (most / most.max()).clamp_min(_LEAST_SHARE).sqrt()
            layer = layers[number]
            layer.weight.data.div_(factor[:, None, None, None])
            layer.bias.data.div_(factor)
            if number + 1 < len(layers):
                layers[number + 1].weight.data.mul_(factor[:, None, None])
            if number % _STAGE == 0:
                start = number // _STAGE * width
                self.lite.fuse.weight.data[:, start : start + width].mul_(factor[:, None, None])

    def _chain(self, images: Tensor) -> list[Tensor]:
        """What each layer but the last two gives."""
        chain = [leaky_relu(self.lite.head(images), _SLOPE)]
        for conv in self.lite.body:
            chain.append(leaky_relu(conv(chain[-1]), _SLOPE))
        return chain

    def forward(self, images: Tensor) -> Tensor:
        """As `Lite`, in float32."""
        detail: Tensor = self.lite.tail(self.lite.fuse(torch.cat(self._chain(images)[::_STAGE], 1)))
        return pixel_shuffle(detail + images, self.lite.scale)


class LiteInTraining(_Chain):
    """The form that is trained; see `vsr.training.forms`."""

    def __init__(self, scale: int, *, width: int = _WIDTH, depth: int = _DEPTH) -> None:
        super().__init__(scale, width, [EdgeConv2d(width) for _ in range(depth)])
        nn.init.zeros_(self.tail.weight)  # it begins as nearest-neighbour interpolation
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    @classmethod
    def of(cls, inference: Upscaler) -> LiteInTraining:
        """As wide and deep as ``inference``, a `Lite`; with random weights."""
        assert isinstance(inference, Lite)
        return cls(inference.scale, width=inference.head.out_channels, depth=len(inference.body))

    def reparameterise(self) -> dict[str, Tensor]:
        """The state dict of `Lite` that computes the same, in float32."""
        state = {f"{name}.{key}": value for name in _PLAIN for key, value in self._plain(name).items()}
        for number, conv in enumerate(self.body):
            assert isinstance(conv, EdgeConv2d)
            kernel, bias = conv.reparameterise()
            state[f"body.{number}.weight"], state[f"body.{number}.bias"] = kernel.detach(), bias.detach()
        return state

    def take_over(self, state: Mapping[str, Tensor]) -> None:
        """Become what a state dict of `Lite` computes; parts that are not in it stay as they are."""
        with torch.no_grad():
            for name in _PLAIN:
                for key, value in self._plain(name).items():
                    if f"{name}.{key}" in state:
                        value.copy_(state[f"{name}.{key}"])
            for number, conv in enumerate(self.body):
                assert isinstance(conv, EdgeConv2d)
                if f"body.{number}.weight" in state:
                    conv.take_over(state[f"body.{number}.weight"], state[f"body.{number}.bias"])

    def _plain(self, name: str) -> dict[str, Tensor]:
        return {key: value.detach() for key, value in self.get_submodule(name).named_parameters()}


def recognise_lite(shapes: Shapes) -> Found | None:
    """Lite of any width and depth, in the inference form."""
    width, depth = shapes["head.weight"][0], count(shapes, "body.", ".weight")
    scale = round(shapes["tail.weight"][0] ** 0.5)
    if shapes["head.weight"][1:] != (1, 5, 5) or len(shapes) != 2 * (depth + len(_PLAIN)):
        return None
    if shapes["fuse.weight"] != (width, (1 + depth // _STAGE) * width, 1, 1):
        return None
    if shapes["tail.weight"] != (scale * scale, width, 3, 3) or shapes["body.0.weight"] != (width, width, 3, 3):
        return None
    return Found("lite", (scale,), lambda scale: Lite(scale, width=width, depth=depth))


SPECS = (
    network_spec(
        "lite",
        "vsr, 2026: twelve convolutions of 32 and their fusion, re-parameterised",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=Lite,
        parameters=(118_116, 119_561, 121_584),
        recognise=recognise_lite,
    ),
)
"""As published."""
