"""SR3: noise becomes an image step by step, each by a U-Net that sees the enlarged small image.

Saharia, Ho, Chan, Salimans, Fleet, Norouzi, "Image super-resolution via iterative refinement", TPAMI 2022 (2021).
Pre-upsampling by cubics, RGB, −1…1 inside. The U-Net predicts the noise in an image that is partly noise, and is given
how much as an embedding. 97,807,491 numbers: widths 64·(1, 2, 4, 8, 8), two residual blocks a level, attention at an
eighth of the output's size. Names, sizes and the 2000 noise levels are those of the well-known PyTorch code (Janspiry),
which has 23.26 dB and SSIM .675 on CelebA-HQ 16→128; the authors' own network is larger and not published.

Images are made by implicit sampling (DDIM: Song, Meng, Ermon, "Denoising diffusion implicit models", ICLR 2021) in
``steps`` of the levels, 50 unless set. ``eta`` is the share of fresh noise in each, 0 unless set; 1 with all 2000 steps
is the published ancestral sampling (DDPM). Each step is a pass over the whole output, 92 GFLOP for 128×128 pixels: 50
of them take minutes on a processor, 2000 hours. A frame of video is out of reach without a GPU.

The first step has the noise of the family. With ``eta`` above 0 a step's own is made of it: the channels at the small
size are turned by an orthogonal matrix that is drawn once for that step, from a fixed seed. So it is standard normal,
too, scales with the temperature, and takes no more channels. But the noises of two steps are functions of one another;
they are uncorrelated only in the mean over such matrices.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, scaled_dot_product_attention

from vsr.networks.base import Found, SamplingUpscaler, Shapes
from vsr.networks.blocks import KeepsFloat32, count, enlarge, weights_dtype
from vsr.networks.spec import network_spec
from vsr.randomness import NoiseField

__all__ = ["SPECS", "SR3", "NoiseSchedule", "recognise_sr3"]

_COLOURS = 3
_LEVELS = 2000
_FIRST_BETA, _LAST_BETA = 1e-6, 1e-2
_STEPS = 50
_LONGEST = 1e4  # ratio of the embedding's wave lengths
_SEED = 3
_GROUPS = 32


class _Embedding(nn.Module):
    """Sines and cosines of one number, of many wave lengths."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._waves = channels // 2

    def forward(self, level: Tensor) -> Tensor:
        """``(B, 1)`` → ``(B, channels)``."""
        number = torch.arange(self._waves, dtype=level.dtype, device=level.device)
        angles = level * torch.exp(-math.log(_LONGEST) / self._waves * number)
        return torch.cat([angles.sin(), angles.cos()], 1)


class _Affine(nn.Module):
    """What the embedding adds to each channel."""

    def __init__(self, embedded: int, channels: int) -> None:
        super().__init__()
        self.noise_func = nn.Sequential(nn.Linear(embedded, channels))

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """The shape of ``features``."""
        added: Tensor = self.noise_func(embedding)
        return features + added[:, :, None, None]


class _Normed(nn.Module):
    """Group normalisation, sigmoid-weighted unit, convolution."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.block = nn.Sequential(nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Identity(), convolution)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        made: Tensor = self.block(features)
        return made


class _Residual(nn.Module):
    """Two convolutions with the embedding between them, and a residual."""

    def __init__(self, inputs: int, outputs: int, embedded: int, groups: int) -> None:
        super().__init__()
        self.noise_func = _Affine(embedded, outputs)
        self.block1, self.block2 = _Normed(inputs, outputs, groups), _Normed(outputs, outputs, groups)
        self.res_conv = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        inside = self.noise_func(self.block1(features), embedding)
        made: Tensor = self.block2(inside) + self.res_conv(features)
        return made


class _Attention(nn.Module):
    """Every place sees all others, in one head."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        parts = self.qkv(self.norm(features)).chunk(3, 1)
        query, key, value = (part.flatten(2).transpose(1, 2)[:, None] for part in parts)  # one head, which ONNX wants
        seen = scaled_dot_product_attention(query, key, value)[:, 0].transpose(1, 2).reshape(features.shape)
        made: Tensor = self.out(seen) + features
        return made


class _Stage(nn.Module):
    """A residual block, and attention where asked for."""

    def __init__(self, inputs: int, outputs: int, embedded: int, groups: int, *, attends: bool) -> None:
        super().__init__()
        self.res_block = _Residual(inputs, outputs, embedded, groups)
        self.attn = _Attention(outputs, groups) if attends else nn.Identity()

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        made: Tensor = self.attn(self.res_block(features, embedding))
        return made


class _Resize(nn.Module):
    """Half the sides, or twice."""

    def __init__(self, channels: int, *, doubles: bool) -> None:
        super().__init__()
        self._doubles = doubles
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, stride=1 if doubles else 2)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, H, W)`` → ``(B, C, H/2, W/2)`` or ``(B, C, 2·H, 2·W)``."""
        made: Tensor = self.conv(interpolate(features, scale_factor=2) if self._doubles else features)
        return made


class _UNet(nn.Module):
    """Predicts the noise in an image."""

    def __init__(
        self, width: int, widths: tuple[int, ...], blocks: int, attention: tuple[int, ...], groups: int
    ) -> None:
        super().__init__()
        self.noise_level_mlp = nn.Sequential(
            _Embedding(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        downs: list[nn.Module] = [nn.Conv2d(2 * _COLOURS, width, 3, padding=1)]
        channels, kept = width, [width]
        for level, factor in enumerate(widths):
            for _ in range(blocks):
                downs.append(_Stage(channels, factor * width, width, groups, attends=level in attention))
                channels = factor * width
                kept.append(channels)
            if level < len(widths) - 1:
                downs.append(_Resize(channels, doubles=False))
                kept.append(channels)
        self.downs = nn.ModuleList(downs)
        self.mid = nn.ModuleList(
            _Stage(channels, channels, width, groups, attends=attends) for attends in (True, False)
        )
        ups: list[nn.Module] = []
        for level, factor in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                inputs = channels + kept.pop()
                ups.append(_Stage(inputs, factor * width, width, groups, attends=level in attention))
                channels = factor * width
            if level:
                ups.append(_Resize(channels, doubles=True))
        self.ups = nn.ModuleList(ups)
        self.final_conv = _Normed(channels, _COLOURS, groups)

    def forward(self, stacked: Tensor, level: Tensor) -> Tensor:
        """``(B, 6, H, W)``, the enlarged image and the one with noise, and ``(B, 1)`` → ``(B, 3, H, W)``."""
        embedding = self.noise_level_mlp(level)
        features, kept = stacked, []
        for layer in self.downs:
            features = layer(features, embedding) if isinstance(layer, _Stage) else layer(features)
            kept.append(features)
        for layer in self.mid:
            features = layer(features, embedding)
        for layer in self.ups:
            if isinstance(layer, _Stage):
                features = layer(torch.cat([features, kept.pop()], 1), embedding)
            else:
                features = layer(features)
        made: Tensor = self.final_conv(features)
        return made


class NoiseSchedule(KeepsFloat32):
    """How much noise there is at each level, in all the forms that files have.

    ``betas``, ``(levels,)`` float64 in 0…1, are the shares of fresh noise in the variance of each level.
    """

    alphas_cumprod: Tensor

    def __init__(self, betas: Tensor) -> None:
        super().__init__()
        kept = torch.cumprod(1 - betas, 0)
        before = torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
        variance = betas * (1 - before) / (1 - kept)
        for name, value in {
            "betas": betas,
            "alphas_cumprod": kept,
            "alphas_cumprod_prev": before,
            "sqrt_alphas_cumprod": kept.sqrt(),
            "sqrt_one_minus_alphas_cumprod": (1 - kept).sqrt(),
            "log_one_minus_alphas_cumprod": (1 - kept).log(),
            "sqrt_recip_alphas_cumprod": kept.rsqrt(),
            "sqrt_recipm1_alphas_cumprod": (1 / kept - 1).sqrt(),
            "posterior_variance": variance,
            "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
            "posterior_mean_coef1": betas * before.sqrt() / (1 - kept),
            "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - kept),
        }.items():
            self.register_buffer(name, value.float())


class SR3(SamplingUpscaler):
    """A U-Net that is applied ``steps`` times, with ``eta`` of fresh noise between."""

    def __init__(
        self,
        scale: int,
        *,
        width: int = 64,
        widths: tuple[int, ...] = (1, 2, 4, 8, 8),
        blocks: int = 2,
        attention: tuple[int, ...] = (3,),
        levels: int = _LEVELS,
    ) -> None:
        super().__init__()
        self.scale, self.context_px, self.noise_channels = scale, None, _COLOURS * scale * scale
        self.in_channels = _COLOURS + self.noise_channels
        halvings = 1 << (len(widths) - 1)
        self.multiple = halvings // math.gcd(halvings, scale)
        self.levels, self.steps, self.eta = levels, min(_STEPS, levels), 0.0
        groups = 16 if widths[-1] == 16 else min(_GROUPS, width)  # no shape shows them
        self.denoise_fn = _UNet(width, widths, blocks, attention, groups)
        self.schedule = NoiseSchedule(torch.linspace(_FIRST_BETA, _LAST_BETA, levels, dtype=torch.float64))

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + 3·scale², H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)`` in 0…1.

        ValueError where ``steps`` is not 1 to ``levels`` or ``eta`` not 0 to 1.
        """
        if not (1 <= self.steps <= self.levels and 0.0 <= self.eta <= 1.0):
            raise ValueError(f"{self.steps} steps, eta {self.eta}; allowed are 1 to {self.levels} and 0 to 1")
        small, noise = given[:, :_COLOURS], given[:, _COLOURS:]
        condition = 2 * enlarge(small, self.scale) - 1
        state = pixel_shuffle(noise, self.scale)
        for level, lower in pairwise([*self._visited(), None]):
            assert level is not None
            state = self._step(state, condition, noise, level, lower)
        return (state + 1) / 2

    def _visited(self) -> list[int]:
        """The noise levels of the steps, from the last on, evenly spaced."""
        return [-(-number * self.levels // self.steps) - 1 for number in range(self.steps, 0, -1)]

    def _step(self, state: Tensor, condition: Tensor, noise: Tensor, level: int, lower: int | None) -> Tensor:
        """From one noise level to a lower one, or to the image."""
        shares = self.schedule.alphas_cumprod.to(state.dtype)  # of the image in the variance
        kept = shares[level]
        after = torch.ones_like(kept) if lower is None else shares[lower]
        dtype = weights_dtype(self)
        known = kept.sqrt().expand(len(state), 1)
        predicted = self.denoise_fn(torch.cat([condition, state], 1).to(dtype), known.to(dtype)).to(state.dtype)
        image = ((state - (1 - kept).sqrt() * predicted) / kept.sqrt()).clamp(-1, 1)
        predicted = (state - kept.sqrt() * image) / (1 - kept).sqrt()
        deviation = self.eta * ((1 - after) / (1 - kept) * (1 - kept / after)).sqrt()
        state = after.sqrt() * image + (1 - after - deviation**2).clamp(min=0).sqrt() * predicted
        if self.eta and lower is not None:
            state = state + deviation * self.step_noise(noise, lower)
        return state

    def step_noise(self, noise: Tensor, level: int) -> Tensor:
        """Noise of ``level``'s own made of ``(B, 3·scale², H, W)``: ``(B, 3, scale·H, scale·W)``; see the top."""
        drawn = NoiseField(_SEED, level).window(1, 0, 0, self.noise_channels, self.noise_channels)[0].double()
        basis, triangle = torch.linalg.qr(drawn)
        turned = (basis * triangle.diagonal().sign()).to(noise.device, noise.dtype)
        return pixel_shuffle(torch.einsum("oc,bchw->bohw", turned, noise), self.scale)


def recognise_sr3(shapes: Shapes) -> Found | None:
    """Of any widths, blocks, attention and number of noise levels; the scale is not in the weights."""
    if not any(f"{prefix}alphas_cumprod" in shapes for prefix in ("", "schedule.")):
        return None
    width = shapes["denoise_fn.downs.0.weight"][0]
    [levels] = shapes.get("schedule.betas") or shapes["betas"]
    widths: list[int] = []
    attention: set[int] = set()
    number, level = 1, 0
    while any(f"denoise_fn.downs.{number}.{part}.weight" in shapes for part in ("conv", "res_block.block1.block.3")):
        prefix = f"denoise_fn.downs.{number}."
        if f"{prefix}conv.weight" in shapes:
            level += 1
        else:
            widths[level:] = [shapes[f"{prefix}res_block.block1.block.3.weight"][0] // width]
            attention |= {level} if f"{prefix}attn.qkv.weight" in shapes else set()
        number += 1
    blocks = count(shapes, "denoise_fn.downs.", ".res_block.block1.block.3.weight", first=1)

    def build(scale: int) -> SR3:
        places = tuple(sorted(attention))
        return SR3(scale, width=width, widths=tuple(widths), blocks=blocks, attention=places, levels=levels)

    return Found("sr3", (), build, lambda name: name if "." in name else f"schedule.{name}")


SPECS = (
    network_spec(
        "sr3",
        "Saharia et al., TPAMI 2022: SR3, diffusion, in the widths of Janspiry's code",
        "pre-upsampling",
        scales=(4, 8),
        colour="RGB",
        build=SR3,
        parameters=97_807_491,
        recognise=recognise_sr3,
        is_generative=True,
        family="sampling",
    ),
)
"""As its best-known re-implementation has it."""
