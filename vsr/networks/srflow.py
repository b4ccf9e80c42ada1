"""SRFlow, SRFlow-DA, NCSR: a normalising flow makes one of all images that would look the same small.

Lugmayr, Danelljan, Van Gool, Timofte, "SRFlow: learning the super-resolution space with normalizing flow", ECCV 2020;
Jo, Yang, Kim, "SRFlow-DA: super-resolution using normalizing flow with deep convolutional block", CVPRW 2021; Kim, Son,
"Noise conditional flow model for learning the super-resolution space" (NCSR), CVPRW 2021. Post-upsampling, RGB, 0…1.
An encoder of 23 residual-in-residual dense blocks (ESRGAN's) sees the small image. Its features condition a flow whose
levels each halve the sides, take two steps without and 16 with couplings (SRFlow-DA: 6, with deeper subnets; NCSR: 16
or 20, with a noise-conditional layer), and let half of the channels go as noise. Run backwards it makes images of
noise. Names as in the authors' PyTorch code (andreas128, yhjo09, younggeun-kim); what is there but not needed (the
encoder's last convolutions, a convolution ``f``) has weights, too, and is not run. 39.5M numbers at ×4, 22.8M of them
in the flow; SRFlow-DA's has 8.7M. Published on DIV2K ×4: LPIPS .120 / .121 / .119, LR-PSNR 50.64 / 50.88 / 50.75 dB,
diversity 25.24 / 23.55 / 26.72; SRFlow at temperature 0.9.

The whole image is seen at once, so memory grows with it: at half the output's size lie 320 channels of features. The
flow stays in float32 when the encoder goes to half precision: a chain of quotients loses too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from vsr.networks.base import Found, NetworkSpec, SamplingUpscaler, Shapes
from vsr.networks.blocks import KeepsFloat32, count, doublings, weights_dtype
from vsr.networks.flows import Coupling, FlowStep, Split, Subnets
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRFlow", "Variant", "recognise_srflow"]

Variant = Literal["srflow", "srflow-da", "ncsr"]

_COLOURS = 3
_SLOPE = 0.2
_RESIDUAL = 0.2
_STACKED = 4  # blocks whose results are features
_PLAIN_STEPS = 2  # a level: those without couplings
_NOISE_STEPS = 16  # the last of a level that have a noise-conditional layer
_UNUSED = 96  # outputs of the convolution ``f``


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it, and a residual."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in range(4):
            setattr(self, f"conv{number + 1}", nn.Conv2d(width + number * growth, growth, 3, padding=1))
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        seen = given
        for number in range(4):
            seen = torch.cat([seen, leaky_relu(getattr(self, f"conv{number + 1}")(seen), _SLOPE)], 1)
        last: Tensor = self.conv5(seen)
        return given + _RESIDUAL * last


class _Block(nn.Module):
    """Three dense blocks and a residual."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (_DenseBlock(width, growth) for _ in range(3))

    def forward(self, given: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        made: Tensor = self.RDB3(self.RDB2(self.RDB1(given)))
        return given + _RESIDUAL * made


class _Encoder(nn.Module):
    """Features of the small image at the sizes of the flow's levels."""

    def __init__(self, scale: int, width: int, growth: int, blocks: int, stacked: tuple[int, ...]) -> None:
        super().__init__()
        self._stacked = stacked
        self.conv_first = nn.Conv2d(_COLOURS, width, 3, padding=1)
        self.RRDB_trunk = nn.Sequential(*(_Block(width, growth) for _ in range(blocks)))
        self.trunk_conv = nn.Conv2d(width, width, 3, padding=1)
        for number in range(doublings(scale)):
            setattr(self, f"upconv{number + 1}", nn.Conv2d(width, width, 3, padding=1))
        self.HRconv = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, _COLOURS, 3, padding=1)

    def forward(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
        """``(B, 3, H, W)`` → features at ``sizes``, halves of one another, largest first: ``(B, 5·width, …)``."""
        features: Tensor = self.conv_first(images)
        within = []
        for number, block in enumerate(self.RRDB_trunk):
            features = block(features)
            within += [features] if number in self._stacked else []
        features = features + self.trunk_conv(features)
        height, width = (int(side) for side in features.shape[-2:])
        by_size = {sizes[-1]: interpolate(features, sizes[-1], mode="bilinear", align_corners=False)}
        by_size[height, width] = features
        while (height, width) != sizes[0]:
            number = doublings(2 * height // int(images.shape[-2]))
            doubled = getattr(self, f"upconv{number}")(interpolate(features, scale_factor=2))
            features = leaky_relu(doubled, _SLOPE)
            height, width = 2 * height, 2 * width
            by_size[height, width] = features
        stacked = torch.cat(within, 1)
        return [torch.cat([by_size[size], interpolate(stacked, size)], 1) for size in sizes]


class _Flow(KeepsFloat32):
    """Levels of squeezing, steps and a split, in one list as in the authors' code."""

    def __init__(
        self, features: int, levels: int, steps: int, last_split: int, coupling: Callable[[int, int, int], Coupling]
    ) -> None:
        super().__init__()
        self._levels = levels
        layers: list[nn.Module] = []
        channels = _COLOURS
        for level in range(levels):
            channels *= 4
            layers.append(nn.PixelUnshuffle(2))
            layers += [FlowStep(channels) for _ in range(_PLAIN_STEPS)]
            layers += [FlowStep(channels, coupling(channels, level, steps - step)) for step in range(steps)]
            if level <= last_split:
                layers.append(Split(channels))
                channels -= channels // 2
        self.layers = nn.ModuleList(layers)
        self.f = nn.Sequential(nn.Conv2d(features, _UNUSED, 3, padding=1))

    def encode(self, images: Tensor, features: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """``(B, 3, H, W)`` → noise of each split, and the state at the end; the log-determinant, ``(B,)``."""
        state, noises, level = images, [], -1
        log_determinant = images.new_zeros(len(images))
        for layer in self.layers:
            added: Tensor | float = 0.0
            if isinstance(layer, FlowStep):
                state, added = layer.encode(state, features[level])
            elif isinstance(layer, Split):
                state, noise, added = layer.encode(state)
                noises.append(noise)
            else:
                state, level = layer(state), level + 1
            log_determinant = log_determinant + added
        return [*noises, state], log_determinant

    def decode(self, noises: list[Tensor], features: list[Tensor]) -> Tensor:
        """The inverse of `encode`."""
        left, level = list(noises), self._levels - 1
        state = left.pop()
        for layer in reversed(self.layers):
            if isinstance(layer, FlowStep):
                state = layer.decode(state, features[level])
            elif isinstance(layer, Split):
                state = layer.decode(state, left.pop())
            else:
                state, level = torch.pixel_shuffle(state, 2), level - 1
        return state


class SRFlow(SamplingUpscaler):
    """An encoder, and a flow between images and noise that it conditions."""

    def __init__(
        self,
        scale: int,
        *,
        variant: Variant = "srflow",
        width: int = 64,
        growth: int = 32,
        blocks: int = 23,
        steps: int | None = None,
        hidden: int = 64,
        least_factor: float | None = None,
    ) -> None:
        super().__init__()
        is_deep, has_noise_layer = variant == "srflow-da", variant == "ncsr"
        levels = doublings(scale) + (0 if is_deep else 1)
        self.scale, self.context_px, self.noise_channels = scale, None, _COLOURS * scale * scale
        self.in_channels = _COLOURS + self.noise_channels
        self.multiple = 1 if is_deep else 2
        self._levels, self._splits = levels, doublings(scale) - 1
        self._noise_level = levels - 2  # NCSR has noise-conditional layers in the last two levels
        features = (1 + _STACKED) * width

        def coupling(channels: int, level: int, left: int) -> Coupling:
            uses = level >= self._noise_level and left <= _NOISE_STEPS
            subnets: Subnets = "deep" if is_deep else "plain"
            return Coupling(
                channels,
                features,
                subnets,
                hidden=hidden,
                has_noise_layer=has_noise_layer,
                uses_noise_layer=uses,
            )

        stacked: tuple[int, ...] = (1, 3, 5, 7) if variant == "srflow" and scale == 8 else (1, 8, 15, 22)
        if blocks <= stacked[-1]:
            stacked = tuple(blocks - _STACKED + number for number in range(_STACKED))
        self.RRDB = _Encoder(scale, width, growth, blocks, stacked)
        published = 6 if is_deep else 20 if has_noise_layer and scale == 8 else 16
        self.flowUpsamplerNet = _Flow(features, levels, steps or published, self._splits - 1, coupling)
        if least_factor is not None:
            self.flowUpsamplerNet.register_buffer("least_factor", torch.tensor(least_factor))
            self._bound_factors(least_factor)

    def _bound_factors(self, least: float) -> None:
        for layer in self.flowUpsamplerNet.layers:
            if isinstance(layer, FlowStep) and layer.affine is not None:
                layer.affine.least_factor = least

    def finish_loading(self) -> None:
        """Hand the bound of the factors, where the weights have one, to the couplings."""
        bound = getattr(self.flowUpsamplerNet, "least_factor", None)
        if bound is not None:
            self._bound_factors(float(bound))

    def _features(self, small: Tensor) -> list[Tensor]:
        """Of the small image, for each level, in its type."""
        height, width = (self.scale * int(side) for side in small.shape[-2:])
        sizes = [(height >> level, width >> level) for level in range(1, self._levels + 1)]
        return [made.to(small.dtype) for made in self.RRDB(small.to(weights_dtype(self)), sizes)]

    def _folds(self) -> list[tuple[int, int]]:
        """For each noise of the flow: channels, and how large it is against the small image, as a power of 2."""
        folds, channels = [], _COLOURS
        for level in range(1, self._levels + 1):
            channels *= 4
            if level <= self._splits:
                channels //= 2
                folds.append((channels, doublings(self.scale) - level))
        return [*folds, (channels, doublings(self.scale) - self._levels)]

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + 3·scale², H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``.

        Noise of the splits comes first, from the largest level on, folded to the small image's size.
        """
        small, noise = given[:, :_COLOURS], given[:, _COLOURS:]
        folds = self._folds()
        parts = torch.split(noise, [round(channels * 4.0**power) for channels, power in folds], 1)
        noises = [_unfolded(part, power) for part, (_, power) in zip(parts, folds, strict=True)]
        return self.flowUpsamplerNet.decode(noises, self._features(small))

    def encode(self, images: Tensor, small: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, 3, scale·H, scale·W)`` and its small image ``(B, 3, H, W)`` → noise and log-determinant.

        The noise, ``(B, 3·scale², H, W)``, is what `forward` makes ``images`` of. The log-determinant, ``(B,)``, is
        the logarithm of the absolute value of the determinant of its Jacobian; with the log-density of the noise as
        standard normal it adds up to the logarithm of the likelihood of ``images``.
        """
        noises, log_determinant = self.flowUpsamplerNet.encode(images, self._features(small))
        folded = [_folded(noise, power) for noise, (_, power) in zip(noises, self._folds(), strict=True)]
        return torch.cat(folded, 1), log_determinant


def _unfolded(noise: Tensor, power: int) -> Tensor:
    """Pixels of channels; ``2^power`` times as large."""
    return torch.pixel_shuffle(noise, 1 << power) if power >= 0 else torch.pixel_unshuffle(noise, 1 << -power)


def _folded(noise: Tensor, power: int) -> Tensor:
    """The inverse of `_unfolded`."""
    return torch.pixel_unshuffle(noise, 1 << power) if power >= 0 else torch.pixel_shuffle(noise, 1 << -power)


def recognise_srflow(shapes: Shapes) -> Found | None:
    """Any of the three, of any widths and any number of blocks and steps."""
    width, growth = shapes["RRDB.conv_first.weight"][0], shapes["RRDB.RRDB_trunk.0.RDB1.conv1.weight"][0]
    layers = "flowUpsamplerNet.layers."
    first = 1 + _PLAIN_STEPS
    steps = count(shapes, layers, ".affine.fAffine.0.weight", first=first)
    prefix = f"{layers}{first}.affine."
    hidden = shapes[f"{prefix}fAffine.0.weight"][0]
    variant: Variant = "srflow"
    if f"{prefix}fAffine_std.0.weight" in shapes:
        variant = "ncsr"
    elif f"{prefix}fAffine.0.bias" in shapes:
        variant = "srflow-da"
    blocks = count(shapes, "RRDB.RRDB_trunk.", ".RDB1.conv1.weight")
    scale = 1 << count(shapes, "RRDB.upconv", ".weight", first=1)

    least = 0.0 if "flowUpsamplerNet.least_factor" in shapes else None  # `SRFlow.finish_loading` reads its value

    def build(scale: int) -> SRFlow:
        return SRFlow(
            scale,
            variant=variant,
            width=width,
            growth=growth,
            blocks=blocks,
            steps=steps,
            hidden=hidden,
            least_factor=least,
        )

    return Found(variant, (scale,), build)


def _row(variant: Variant, title: str, parameters: tuple[int, int]) -> NetworkSpec:
    return network_spec(
        variant,
        title,
        "post-upsampling",
        scales=(4, 8),
        colour="RGB",
        build=lambda scale: SRFlow(scale, variant=variant),
        parameters=parameters,
        recognise=recognise_srflow,
        is_generative=True,
        family="sampling",
    )


SPECS = (
    _row(
        "srflow",
        "Lugmayr, Danelljan, Van Gool, Timofte, ECCV 2020: SRFlow, a conditional normalising flow",
        (39_541_811, 50_821_891),
    ),
    _row("srflow-da", "Jo, Yang, Kim, CVPRW 2021: SRFlow-DA, fewer steps, deeper couplings", (25_388_627, 30_014_883)),
    _row("ncsr", "Kim, Son, CVPRW 2021: NCSR, a flow with noise-conditional layers", (41_662_643, 64_520_163)),
)
"""As published."""
