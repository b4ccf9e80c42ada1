"""Small networks with seeded weights, as files, made at most once a test run.

Both add a little to an enlarged picture, so what they make is a picture; weights of ``strength`` 1 add a lot.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vsr.networks import Network, with_weights_for
from vsr.networks.lite import Lite
from vsr.networks.source import NUM_STATISTICS, Source, source_of

Kind = Literal["Y", "RGB"]
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


def mixture_tensors(num_sets: int = 3, scale: int = 2) -> dict[str, Tensor]:
    """A mixture of such networks as a file holds it; other pictures get other shares."""
    sets = [lite_weights(seed, scale) for seed in range(num_sets)]
    torch.manual_seed(num_sets)
    sizes = {"source": (NUM_STATISTICS, 8, 8, 3), "gate": (3, 6, num_sets)}
    tensors = {f"experts.{name}": torch.stack([state[name] for state in sets]) for name in sets[0]}
    for group, widths in sizes.items():
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), 1):
            layer = nn.Linear(inputs, outputs)
            tensors |= {f"{group}.layer{number}.{name}": 2 * value for name, value in layer.state_dict().items()}
    tensors |= {"source.mean": torch.zeros(NUM_STATISTICS), "source.spread": torch.ones(NUM_STATISTICS)}
    return {**tensors, "usual": torch.arange(1.0, num_sets + 1) / sum(range(1, num_sets + 1))}


@functools.cache
def small_network(kind: Kind, *, strength: float = 0.02, seed: int = 1, scale: int = 2) -> Path:
    """The path of a file; ``scale`` counts for RGB alone. Never write to it."""
    path = _folder() / f"small-{kind}-{strength}-{seed}-x{scale}.safetensors"
    state = vdsr_weights(seed, strength) if kind == "Y" else compact_weights(seed, strength, scale)
    if kind == "Y":
        path = path.with_name(path.name.replace(f"-x{scale}", ""))
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def suited(network: Network, lumas: Sequence[Tensor], compression_codes: float | None = None) -> Network:
    """``network`` with the weights that suit pictures ``(h, w)`` in 0…1 of one source, as methods run it."""
    if network.mixture is None:
        return network
    return with_weights_for(network, network.mixture.estimate(lumas, compression_codes))


def source_told(network: Network, lumas: Sequence[Tensor], compression_codes: float | None = None) -> Source | None:
    """What its estimator tells of the source of pictures ``(h, w)`` in 0…1."""
    estimates = None if network.mixture is None else network.mixture.estimate(lumas, compression_codes)
    return None if estimates is None else source_of(estimates)
