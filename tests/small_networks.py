"""Small networks with seeded weights, as files, made at most once a test run.

Both add a little to an enlarged image, so what they make is an image; weights of ``strength`` 1 add a lot.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from vsr.methods import registry
from vsr.methods.network import model
from vsr.networks import (
    NETWORKS,
    Found,
    Network,
    NetworkSpec,
    SamplingUpscaler,
    SequenceUpscaler,
    Shapes,
    available_scales,
    load_network,
    network_family,
    with_weights_for,
)
from vsr.networks.irn import firn
from vsr.networks.lite import Lite
from vsr.networks.rescale import Rescale
from vsr.networks.source import NUM_OF_SHOT, Source, source_of

Kind = Literal["Y", "RGB", "sampling", "rescaling", "pair", "window", "recurrent", "sequence", "conditioned"]
WIDTH = 8


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="vsr-small-networks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _conv(generator: torch.Generator, inputs: int, outputs: int, gain: float) -> tuple[Tensor, Tensor]:
    spread = gain / (3 * inputs**0.5)
    weight = spread * torch.randn(outputs, inputs, 3, 3, generator=generator)
    return weight, 0.1 * spread * torch.randn(outputs, generator=generator)


def vdsr_weights(seed: int, strength: float) -> dict[str, Tensor]:
    """A VDSR of four layers: Y, ×2, ×3 and ×4 in one; it looks 6 pixels far at ×2."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"input": (1, WIDTH), "residual_layer.0.conv": (WIDTH, WIDTH), "residual_layer.1.conv": (WIDTH, WIDTH)}
    state: dict[str, Tensor] = {}
    for name, (inputs, outputs) in sizes.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = _conv(generator, inputs, outputs, 1.4)
    state["output.weight"], state["output.bias"] = _conv(generator, WIDTH, 1, strength)
    return state


def compact_weights(seed: int, strength: float, scale: int) -> dict[str, Tensor]:
    """A Real-ESRGAN compact of four convolutions: RGB; it looks 4 pixels far. spandrel takes it for generative."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for number, inputs in enumerate((3, WIDTH, WIDTH)):
        state[f"body.{2 * number}.weight"], state[f"body.{2 * number}.bias"] = _conv(generator, inputs, WIDTH, 1.4)
        state[f"body.{2 * number + 1}.weight"] = 0.2 * torch.ones(WIDTH)
    state["body.6.weight"], state["body.6.bias"] = _conv(generator, WIDTH, 3 * scale * scale, strength)
    return state


def lite_weights(seed: int, scale: int = 2) -> dict[str, Tensor]:
    """A `Lite` of three convolutions: Y; it looks 6 pixels far. The nearest neighbour and a little more."""
    torch.manual_seed(seed)
    state = dict(Lite(scale, width=WIDTH, depth=3).state_dict())
    return {name: 0.1 * value if name.startswith("tail.") else value for name, value in state.items()}


def vespcn_weights(seed: int, strength: float, scale: int = 2) -> dict[str, Tensor]:
    """A VESPCN of three convolutions, three frames: Y; it looks 3 pixels far. The nearest pixel and a little more."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    sizes = ((3, WIDTH), (WIDTH, WIDTH), (WIDTH, scale * scale))
    for number, (inputs, outputs) in enumerate(sizes, 1):
        weight, bias = _conv(generator, inputs, outputs, strength if number == 3 else 1.4)
        if number < 3:
            weight[0], bias[0] = 0, 0
        weight[: 1 if number < 3 else None, 1 if number == 1 else 0, 1, 1] = 1
        state[f"vespcn.conv{number}.weight"], state[f"vespcn.conv{number}.bias"] = weight, bias
    return state


def rlsp_weights(seed: int, strength: float, scale: int = 2) -> dict[str, Tensor]:
    """An RLSP of three convolutions: RGB in, Y out; it looks 3 pixels far. The nearest pixel and a little more."""
    generator = torch.Generator().manual_seed(seed)
    sizes = ((9 + scale * scale + WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, scale * scale))
    state: dict[str, Tensor] = {}
    for number, (inputs, outputs) in enumerate(sizes):
        gain = 0.5 * strength if number == 3 else 1.4
        state[f"layer{number}.weight"], state[f"layer{number}.bias"] = _conv(generator, inputs, outputs, gain)
    return state


def firn_weights(seed: int, strength: float, scale: int = 2) -> dict[str, Tensor]:
    """A FIRN in which noise has little room: RGB; the nearest pixel and a little more, the mean and a little more.

    What is multiplied is multiplied by almost e, in eight blocks.
    """
    torch.manual_seed(seed)
    state = dict(firn(scale).state_dict())
    for name, value in state.items():
        if name.endswith(("F.c5.weight", "G.c5.weight", "H.c5.weight")):
            state[name] = 0.1 * strength * value
        elif name.endswith((".c5.bias", "PA.conv.weight", "PA.conv.bias")):
            state[name] = torch.full_like(value, 20.0 if name.endswith("H.c5.bias") else 0.0)
    return state


def srmd_weights(seed: int, strength: float, scale: int) -> dict[str, Tensor]:
    """An SRMD of three convolutions: the nearest neighbour and a little more, which depends on its conditions."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for number, (inputs, outputs) in enumerate(((19, WIDTH), (WIDTH, WIDTH), (WIDTH, 3 * scale * scale))):
        gain = strength if number == 2 else 1.4
        weight, bias = _conv(generator, inputs, outputs, gain)
        if number:
            weight[:, :3] = 0.0
        for colour in range(3):
            places = range(colour * scale * scale, (colour + 1) * scale * scale) if number == 2 else (colour,)
            for place in places:
                if number < 2:
                    weight[place], bias[place] = 0.0, (2.0 if number == 0 else 0.0)  # rectifying cuts nothing off
                else:
                    bias[place] -= 2.0
                weight[place, colour, 1, 1] = 1.0
        state[f"model.{2 * number}.weight"], state[f"model.{2 * number}.bias"] = weight, bias
    return state


def mixture_tensors(num_sets: int = 3, scale: int = 2, num_statistics: int = NUM_OF_SHOT) -> dict[str, Tensor]:
    """A mixture of such networks as a file holds it; other images get other shares."""
    sets = [lite_weights(seed, scale) for seed in range(num_sets)]
    torch.manual_seed(num_sets)
    sizes = {"source": (num_statistics, 8, 8, 3), "gate": (3, 6, num_sets)}
    tensors = {f"experts.{name}": torch.stack([state[name] for state in sets]) for name in sets[0]}
    for group, widths in sizes.items():
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), 1):
            layer = nn.Linear(inputs, outputs)
            tensors |= {f"{group}.layer{number}.{name}": 2 * value for name, value in layer.state_dict().items()}
    tensors |= {"source.mean": torch.zeros(num_statistics), "source.spread": torch.ones(num_statistics)}
    return {**tensors, "usual": torch.arange(1.0, num_sets + 1) / sum(range(1, num_sets + 1))}


class Sampler(SamplingUpscaler):
    """A stand-in for networks that sample: the nearest pixel, and noise that a convolution has spread."""

    def __init__(self, scale: int, noise_channels: int = 4) -> None:
        super().__init__()
        self.scale, self.context_px, self.noise_channels = scale, 1, noise_channels
        self.spread = nn.Conv2d(noise_channels, 3 * scale * scale, 3, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + noise_channels, H, W)`` to ``(B, 3, scale·H, scale·W)``."""
        image, noise = given[:, :3], given[:, 3:].to(self.spread.weight.dtype)
        nearest = image.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)
        return nearest + pixel_shuffle(self.spread(noise).float(), self.scale)


def sampler_weights(seed: int, strength: float, scale: int) -> dict[str, Tensor]:
    """Noise of about 10·``strength`` codes of 255."""
    generator = torch.Generator().manual_seed(seed)
    weight, _ = _conv(generator, 4, 3 * scale * scale, 0.04 * strength)
    return {"spread.weight": weight, "spread.bias": torch.zeros(3 * scale * scale)}


def _recognise_sampler(shapes: Shapes) -> Found | None:
    outputs, channels = shapes["spread.weight"][:2]
    scale = math.isqrt(outputs // 3)
    return Found("sampler", (scale,), partial(Sampler, noise_channels=channels))


class BothWays(SequenceUpscaler):
    """A stand-in for networks that go through a sequence both ways: RGB; it looks 1 pixel far.

    The nearest pixel, and what a convolution makes of means over the frames before and after that fade by a third.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.context_px = scale, 1
        self.both = nn.Conv2d(6, 3 * scale * scale, 3, padding=1)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 3·T, H, W)`` to ``(B, 3·T, scale·H, scale·W)``."""
        frames = stacked.split(3, 1)
        earlier, later = self._faded(frames), self._faded(frames[::-1])[::-1]
        results = []
        for frame, before, after in zip(frames, earlier, later, strict=True):
            given = torch.cat([before, after], 1).to(self.both.weight.dtype)
            nearest = frame.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)
            results.append(nearest + pixel_shuffle(self.both(given).float(), self.scale))
        return torch.cat(results, 1)

    @staticmethod
    def _faded(frames: Sequence[Tensor]) -> list[Tensor]:
        means: list[Tensor] = []
        for frame in frames:
            means.append(torch.lerp(frame, means[-1], 2 / 3) if means else frame)
        return means


def both_ways_weights(seed: int, strength: float, scale: int) -> dict[str, Tensor]:
    """Details of about a third of ``strength``."""
    generator = torch.Generator().manual_seed(seed)
    weight, bias = _conv(generator, 6, 3 * scale * scale, 0.7 * strength)
    return {"both.weight": weight, "both.bias": bias}


def pair_weights(seed: int, strength: float, scale: int = 2) -> dict[str, Tensor]:
    """A `Rescale` of one convolution in the middle: RGB. The mean of four pixels and a little more, and back."""
    torch.manual_seed(seed)
    state = dict(Rescale(scale, width=WIDTH, depths=(1, 0, 0)).state_dict())
    return {
        name: strength * value if ".tail." in name or ".direct." in name else value for name, value in state.items()
    }


def _recognise_both_ways(shapes: Shapes) -> Found | None:
    return Found("both-ways", (math.isqrt(shapes["both.weight"][0] // 3),), BothWays)


def know_stand_ins(patch: pytest.MonkeyPatch) -> None:
    """Make the stand-ins, whose architectures no row of `NETWORKS` has, known to all that finds methods."""
    sampler = NetworkSpec(
        name="sampler",
        title="a stand-in, 2026",
        framework="post-upsampling",
        scales=(2,),
        colour="RGB",
        build=Sampler,
        num_parameters={2: 444},
        context_px=lambda scale: 1,
        recognise=_recognise_sampler,
        is_generative=True,
        family="sampling",
    )
    both_ways = replace(
        sampler,
        name="both-ways",
        build=BothWays,
        num_parameters={2: 660},
        recognise=_recognise_both_ways,
        is_generative=False,
        family="sequence",
    )
    known = {**NETWORKS, sampler.name: sampler, both_ways.name: both_ways}
    for module in (model, registry):
        for function in (available_scales, load_network, network_family):
            if hasattr(module, function.__name__):
                patch.setattr(module, function.__name__, partial(function, networks=known))


@functools.cache
def small_network(kind: Kind, *, strength: float = 0.02, seed: int = 1, scale: int = 2) -> Path:
    """The path of a file; ``scale`` does not count for Y. Never write to it."""
    path = _folder() / f"small-{kind}-{strength}-{seed}-x{scale}.safetensors"
    made = {
        "RGB": compact_weights,
        "sampling": sampler_weights,
        "rescaling": firn_weights,
        "pair": pair_weights,
        "window": vespcn_weights,
        "recurrent": rlsp_weights,
        "sequence": both_ways_weights,
        "conditioned": srmd_weights,
    }
    state = vdsr_weights(seed, strength) if kind == "Y" else made[kind](seed, strength, scale)
    if kind == "Y":
        path = path.with_name(path.name.replace(f"-x{scale}", ""))
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def suited(network: Network, lumas: Sequence[Tensor], compression_codes: float | None = None) -> Network:
    """``network`` with the weights that suit images ``(h, w)`` in 0…1 of one source, as methods run it."""
    if network.mixture is None:
        return network
    return with_weights_for(network, network.mixture.estimate(lumas, compression_codes))


def estimated_source(
    network: Network, lumas: Sequence[Tensor], compression_codes: float | None = None
) -> Source | None:
    """What its estimator tells of the source of images ``(h, w)`` in 0…1."""
    estimates = None if network.mixture is None else network.mixture.estimate(lumas, compression_codes)
    return None if estimates is None else source_of(estimates)
