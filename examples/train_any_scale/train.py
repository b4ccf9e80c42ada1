"""Train `lite-any`, which makes pixels anywhere of the features of `lite`, for any magnification up to 4.

    python examples/train_any_scale/train.py --images T91 BSDS200 --out lite-any.safetensors --minutes 35

The chain of convolutions is that of ``--from`` (`lite`, x2) and does not change; with several sets of weights each
keeps its chain, its estimator of the source and its gate. What is new is learnt in common, with a difference for each
set. The loss is the logarithm of a patch's squared error, so that magnifications and sources count alike. Beside the
weights lies a table of figures on images that were held back, against ``--from`` and its next scales, resampled.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from samples import DEGRADATIONS, Sample, draw_samples, read_lumas
from torch import Tensor, nn
from torch.func import functional_call

from vsr.errors import ModelError, UsageError, VsrError
from vsr.metrics import psnr
from vsr.networks import Network, load_network, with_weights_for
from vsr.networks.digest import weights_digest
from vsr.networks.grids import Grid
from vsr.networks.lite import Lite
from vsr.networks.lite_any import LiteAny
from vsr.networks.mixture import Mixture
from vsr.networks.saving import save_weights
from vsr.observation import resample
from vsr.training.muon import Muon, is_for_muon

HELD_EVERY = 20  # one image in so many is held back
SAMPLES_A_STEP, PATCH_PX, EDGE_PX = 8, 48, 4
WARM_UP, LAST_RATE = 100, 0.002
LEAST_SQUARE = 2e-6  # added to mean squared errors ahead of their logarithm
LONGEST_MEMORY = 0.998  # of averaged weights
JITTER = (0.03, 0.05, 0.08)  # of estimates, as other frames of a shot have it
REPORT_EVERY = 100
MEASURED = (1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
CHAIN = ("head.", "body.")
BASE = "lite"


class Learnt:
    """What is learnt: for each tensor that is not of the chain one in common, and differences of the sets."""

    def __init__(self, module: LiteAny, mixture: Mixture, earlier: Mixture | None) -> None:
        self.mixture = mixture
        count = len(mixture.usual)
        state = module.state_dict()
        self.chain = {name: value for name, value in mixture.experts.items() if name.startswith(CHAIN)}
        self.begun = {
            name: mixture.experts[name] if name.startswith("fuse.") else value.expand(count, *value.shape).clone()
            for name, value in state.items()
            if not name.startswith(CHAIN)
        }
        if earlier is not None:
            self.begun = {name: earlier.experts[name] for name in self.begun}
        self.common = {name: nn.Parameter(torch.zeros_like(sets[0])) for name, sets in self.begun.items()}
        self.own = {
            name: [nn.Parameter(torch.zeros_like(value)) for value in sets] for name, sets in self.begun.items()
        }

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that change."""
        return [*self.common.values(), *(value for values in self.own.values() for value in values)]

    def experts(self) -> dict[str, Tensor]:
        """As a mixture holds them."""
        new = {name: sets + self.common[name] + torch.stack(list(self.own[name])) for name, sets in self.begun.items()}
        return {**self.chain, **new}

    def weights(self, shares: Tensor) -> dict[str, Tensor]:
        """Those for ``shares``, with gradients."""
        return {name: torch.tensordot(shares, sets, 1) for name, sets in self.experts().items()}

    def optimisers(self, rate: float) -> list[torch.optim.Optimizer]:
        """Muon for matrices, Adam for the rest; differences change more slowly."""
        groups: dict[bool, list[dict[str, object]]] = {True: [], False: []}
        for values, share in ((list(self.common.values()), 1.0), (self.parameters[len(self.common) :], 0.3)):
            for is_matrix in (True, False):
                chosen = [value for value in values if is_for_muon(value) is is_matrix]
                groups[is_matrix].append({"params": chosen, "share": share})
        return [Muon(groups[True], rate), torch.optim.Adam(groups[False], rate, betas=(0.9, 0.99))]  # type: ignore[arg-type]


class _Rendered(nn.Module):
    """`LiteAny` for a grid, its chain without gradients."""

    def __init__(self, module: LiteAny) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor, grid: Grid) -> Tensor:
        with torch.no_grad():
            chain = self.module.chain(images)
        return self.module.render(self.module.terms(chain, images), grid)


def _patch(sample: Sample, rng: np.random.Generator) -> tuple[Tensor, Grid, Tensor]:
    """A small patch ``(1, 1, h, w)`` in 0…1, the pixels of its inner part, and their true values."""
    small, hr = sample.small / 255, sample.hr / 255
    turn = int(rng.integers(8))
    if turn >= 4:
        small, hr = small.flip(-1), hr.flip(-1)
    small, hr = torch.rot90(small, turn % 4), torch.rot90(hr, turn % 4)
    whole = Grid.whole((small.shape[0], small.shape[1]), (hr.shape[0], hr.shape[1]))
    kept, places, starts, sides = [], [], [], []
    for along, length in ((whole.y, small.shape[0]), (whole.x, small.shape[1])):
        side = min(PATCH_PX, length)
        start = int(rng.integers(0, length - side + 1))
        inside = (along > start + EDGE_PX - 0.5) & (along < start + side - EDGE_PX - 0.5)
        kept.append(inside.nonzero().flatten())
        places.append(along[inside] - start)
        starts.append(start)
        sides.append(side)
    patch = small[starts[0] : starts[0] + sides[0], starts[1] : starts[1] + sides[1]][None, None].contiguous()
    grid = Grid(places[0], places[1], (sides[0], sides[1]), whole.cell_yx)
    return patch, grid, hr[kept[0]][:, kept[1]]


def train(module: LiteAny, learnt: Learnt, samples: Sequence[Sample], given: argparse.Namespace) -> int:
    """Train until the time or the steps are over; ``learnt`` ends with averaged values. Gives the number of steps."""
    rng, rendered = np.random.default_rng([given.seed, 2]), _Rendered(module)
    optimisers = learnt.optimisers(given.rate)
    averaged = [value.detach().clone() for value in learnt.parameters]
    began, step, losses = time.monotonic(), 0, []
    while (progress := _progress(given, step, time.monotonic() - began)) < 1:
        rate = given.rate * min(1.0, (step + 1) / WARM_UP)
        rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        for number in rng.integers(len(samples), size=SAMPLES_A_STEP):
            sample = samples[number]
            estimates = sample.estimates + torch.tensor(JITTER) * torch.randn(3)
            with torch.no_grad():
                shares = learnt.mixture.shares(estimates)
            weights = {f"module.{name}": value for name, value in learnt.weights(shares).items()}
            patch, grid, true = _patch(sample, rng)
            made = functional_call(rendered, weights, (patch, grid))[0, 0]
            loss = torch.log((made - true).square().mean() + LEAST_SQUARE)
            (loss / SAMPLES_A_STEP).backward()
            losses.append(float(loss.detach()))
        torch.nn.utils.clip_grad_norm_(learnt.parameters, 1.0)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        memory = min(LONGEST_MEMORY, (1 + step) / (10 + step))
        torch._foreach_lerp_(averaged, [value.detach() for value in learnt.parameters], 1 - memory)
        step += 1
        if step % REPORT_EVERY == 0:
            decibels = -10 / math.log(10) * float(np.mean(losses[-REPORT_EVERY * SAMPLES_A_STEP :]))
            print(
                f"step {step:,}: {decibels:.3f} dB on what it learns from, {time.monotonic() - began:,.0f} s",
                flush=True,
            )
    with torch.no_grad():
        for value, mean in zip(learnt.parameters, averaged, strict=True):
            value.copy_(mean)
    return step


def _progress(given: argparse.Namespace, step: int, seconds: float) -> float:
    return step / given.steps if given.steps is not None else min(1.0, seconds / (60 * given.minutes))


def measure(network: Network, others: dict[int, Network], lumas: Sequence[Tensor]) -> str:
    """A table in Markdown: PSNR of clean luma by magnification, of bicubic, of `lite` resampled, and of ``network``."""
    lines = ["| | bicubic | lite, resampled | lite-any |", "|---|---|---|---|"]
    for scale in MEASURED:
        found = []
        for luma in lumas:
            small_yx = (round(luma.shape[0] / scale), round(luma.shape[1] / scale))
            if min(small_yx) < 32:
                continue
            small = resample(luma, small_yx, kernel="bicubic")
            whole = others[min(number for number in others if number * 1.02 >= scale)]
            results = [resample(small, (luma.shape[0], luma.shape[1]), kernel="bicubic")]
            results.append(
                resample(_clean(whole, small)(small[None, None] / 255)[0, 0] * 255, luma.shape, kernel="bicubic")
            )
            module = _clean(network, small).module
            assert isinstance(module, LiteAny)
            grid = Grid.whole(small_yx, (luma.shape[0], luma.shape[1]))
            results.append(module.render(module.features(small[None, None] / 255), grid)[0, 0] * 255)
            found.append([psnr(one.round().clamp(0, 255), luma, crop=math.ceil(scale)) for one in results])
        means = " | ".join(f"{value:.2f}" for value in np.mean(found, axis=0))
        lines.append(f"| ×{scale:g} | {means} |")
    return "\n".join(lines)


def _clean(network: Network, small: Tensor) -> Network:
    if network.mixture is None:
        return network
    return with_weights_for(network, network.mixture.estimate([small / 255], 0.0))


def run(given: argparse.Namespace) -> None:
    """All of it."""
    if given.out.suffix != ".safetensors" or not given.out.parent.is_dir():
        raise UsageError(f"{given.out}: weights are written as .safetensors, into a folder that is there")
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    base = load_network(given.start, 2)
    if not isinstance(base.module, Lite) or base.mixture is None:
        raise ModelError(f"{given.start}: begin with a mixture of weights of lite, x2")
    lumas = read_lumas(given.images)
    held, kept = lumas[::HELD_EVERY], [luma for number, luma in enumerate(lumas) if number % HELD_EVERY]
    samples = draw_samples(kept, given.samples, base.mixture, np.random.default_rng([given.seed, 1]))
    print(f"{len(samples)} samples, {sum(sample.is_clean for sample in samples)} clean", flush=True)
    module = LiteAny(2)
    nn.init.zeros_(module.expand.weight)
    nn.init.zeros_(module.expand.bias)  # type: ignore[arg-type]
    earlier = None if given.go_on is None else load_network(given.go_on, 2)
    if earlier is not None and (not isinstance(earlier.module, LiteAny) or earlier.mixture is None):
        raise ModelError(f"{given.go_on}: is no mixture of weights of lite-any")
    learnt = Learnt(module, base.mixture, None if earlier is None else earlier.mixture)
    step = train(module, learnt, samples, given)
    with torch.no_grad():
        experts = {name: sets.half().float() for name, sets in learnt.experts().items()}
    mixture = Mixture(experts, base.mixture.source, base.mixture.gate, base.mixture.usual)
    tensors = mixture.tensors()
    stored = {name: value.half() if name.startswith("experts.") else value for name, value in tensors.items()}
    recipe = {
        "program": "examples/train_any_scale",
        "network": "lite-any",
        "data": [folder.resolve().name for folder in given.images],
        "samples": len(samples),
        "degradations": DEGRADATIONS,
        "start_digest": base.digest,
        "goes_on": None if earlier is None else earlier.digest,
        "step": step,
        "steps": given.steps or step,
        "learning_rate": given.rate,
        "seed": given.seed,
    }
    notes = {"vsr.digest": weights_digest(tensors), "vsr.training": json.dumps(recipe)}
    save_weights(given.out, stored, architecture="lite-any", scale=None, notes=notes, overwrite=given.force)
    with torch.no_grad():
        others = {scale: load_network(BASE, scale) for scale in (2, 3, 4)}
        print(measure(load_network(given.out, 2), others, held))


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; an exit code as vsr's commands give it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--from", dest="start", default=BASE, help="a mixture of weights of lite, x2 (default: lite)")
    parser.add_argument("--go-on", metavar="FILE", help="weights of lite-any to go on from")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=35.0, help="of training")
    parser.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--rate", type=float, default=2e-3, help="of learning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    try:
        run(given)
    except VsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
