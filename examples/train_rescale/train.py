#!/usr/bin/env python3
"""Train weights of `rescale`, the pair that halves images and brings them back, on folders of images.

    python examples/train_rescale/train.py --images T91 BSDS200 --out rescale-x2.safetensors --steps 4000

``predict`` begins as the weights of `lite`, and at step 0 the pair is the mean of four pixels and `lite`, with two of
the luma's differences added, faintly, to the two colour differences. The loss, in dB: the error of what comes back,
rounded to 8 bits on the way, luma above all; and, where the small image is farther than ``--guide-db`` from
bicubic's, how far.
The last third of the steps changes ``predict`` as well. The last step is kept, as an EMA.

With ``--crf 8 32`` small images go through x264 (``codec.py``), each batch at a quality of its own, and bytes count: a
file twice as large has to gain as many dB as a lower crf would.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import codec
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils import clip_grad_norm_

from vsr.networks import Network, load_network, with_weights_for
from vsr.networks.digest import weights_digest
from vsr.networks.files import write_safetensors
from vsr.networks.rescale import Rescale
from vsr.networks.transforms import block_kernels
from vsr.observation import resample
from vsr.training.muon import Muon, is_for_muon

_FINDS = 3  # places of an image that are looked at; the busiest is taken
_FIRST_CARRIED = 0.17  # how strongly differences are written into colours at step 0
_REPORTED = 100  # steps, whose mean is printed
_LUMA_SHARE = 0.85
_COARSE = 0.2  # of the batches that are compressed are 4:2:0
_LEAST = 0.3  # codes², added to errors so that flat patches do not count for everything


def main(words: list[str] | None = None) -> int:
    """Train and write a file; returns the exit code."""
    options = _parse(words)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    images = [read_image(path) for folder in options.images for path in sorted(folder.iterdir())]
    images = [image for image in images if min(image.shape[1:]) >= 2 * options.patch]
    if not images:
        print(f"no image is as large as {2 * options.patch} pixels", file=sys.stderr)
        return 3
    module = begin(load_network(options.base, 2)) if options.start is None else load_network(options.start).module
    assert isinstance(module, Rescale)
    mean = train(module.requires_grad_(True), images, options)
    state = {name: value.contiguous() for name, value in mean.state_dict().items()}
    metadata = {
        "vsr.architecture": "rescale",
        "vsr.scale": "2",
        "vsr.generative": "false",
        "vsr.digest": weights_digest(state),
    }
    write_safetensors(options.out, state, metadata)
    return 0


def read_image(path: Path) -> Tensor:
    """``(3, H, W)`` uint8, sides even."""
    rgb = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    return rgb[:, : rgb.shape[1] // 2 * 2, : rgb.shape[2] // 2 * 2].contiguous()


def begin(base: Network) -> Rescale:
    """The pair at step 0, with the weights of `lite` (×2) for clean images."""
    if base.mixture is not None:
        ramp = torch.linspace(0.2, 0.8, 64).expand(64, 64)
        base = with_weights_for(base, base.mixture.estimate([ramp], 0.0))
    lite, module = base.module.state_dict(), Rescale(2)
    kernels = block_kernels().reshape(4, 4)[1:]
    lite["tail.weight"] = torch.einsum("bp,pikl->bikl", kernels, lite["tail.weight"])
    lite["tail.bias"] = kernels @ lite["tail.bias"]
    module.predict.load_state_dict(lite)
    for part in (module.write, module.read):
        assert part.direct is not None
        for name, value in part.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(value)
            else:
                nn.init.kaiming_normal_(value, a=0.1)
        with torch.no_grad():
            part.fuse.weight *= 0.6
            part.tail.weight.zero_()
            part.direct.weight.zero_()
            for colour, difference in ((1, 0), (2, 3)):  # of luma across into Cb, down into Cr
                if part is module.write:
                    part.direct.weight[colour, difference, 1, 1] = _FIRST_CARRIED
                else:
                    part.direct.weight[difference, 3 + colour, 1, 1] = 1.0
    return module


def batches(images: list[Tensor], count: int, patch: int) -> Iterator[Tensor]:
    """``(count, 3, 2·patch, 2·patch)`` whole codes of 8 bits in 0…1; some with other colours or noise."""
    shares = torch.tensor([float(image[0].numel()) ** 0.75 for image in images])
    while True:
        chosen = torch.multinomial(shares, count, replacement=True).tolist()
        yield torch.stack([_varied(_busy(images[number], 2 * patch)) for number in chosen])


def _busy(image: Tensor, side: int) -> Tensor:
    found = []
    for _ in range(_FINDS):
        top, left = (2 * random.randrange((size - side) // 2 + 1) for size in image.shape[1:])
        found.append(image[:, top : top + side, left : left + side].float() / 255)
    return max(found, key=lambda part: float((part[1, 1:] - part[1, :-1]).abs().mean()))


def _varied(part: Tensor) -> Tensor:
    part = torch.rot90(part, random.randrange(4), (1, 2))
    part = part.flip(2) if random.random() < 0.5 else part
    part = part[torch.randperm(3)] if random.random() < 0.3 else part
    kind = random.random()
    if kind < 0.35:
        part = part * torch.empty(3, 1, 1).uniform_(0.45, 1.05)
    elif kind < 0.6:
        grey = part.mean(0, keepdim=True)
        part = grey + (part - grey) * random.uniform(1, 2.5)
    if random.random() < 0.4:
        noise = torch.randn_like(part) * random.uniform(0, 7) / 255
        part = part + (2 * avg_pool2d(noise[None], 3, 1, 1)[0] if random.random() < 0.5 else noise)
    return (part.clamp(0, 1) * 255).round() / 255


def losses(
    module: Rescale, large: Tensor, *, in_video: bool, crf: float | None, guide_db: float
) -> tuple[Tensor, Tensor, Tensor]:
    """dB below 48.13 of what comes back, dB that the small image is too far from bicubic's, dB that its bytes cost."""
    small = module.downscale(large)
    plain = resample(large, (large.shape[-2] // 2, large.shape[-1] // 2), kernel="bicubic")
    cost = torch.zeros(())
    if crf is None:
        kept = rounded(module, small, in_video=in_video)
    else:
        ycc = module.in_ycc(small)
        cost = codec.decibels_of_an_octave(crf) * codec.octaves_of_bytes(ycc, module.in_ycc(plain), crf)
        ycc = codec.with_coarse_chroma(ycc) if random.random() < _COARSE else ycc
        kept = module.in_rgb(codec.through_h264(ycc, crf))
    made = module(kept)
    error = (module.in_ycc(made) - module.in_ycc(large)).square()
    luma, colours = error[:, 0].mean((1, 2)), error[:, 1:].sum(1).mean((1, 2))
    back = _LUMA_SHARE * _decibels(luma) + (1 - _LUMA_SHARE) * _decibels(colours)
    near = 10 * math.log10(255**2) - _decibels((small - plain).square().mean((1, 2, 3)))
    return back.mean(), torch.relu(guide_db - near).mean(), cost


def rounded(module: Rescale, small: Tensor, *, in_video: bool) -> Tensor:
    """As 8 bits leave it, in YCbCr or RGB; gradients pass."""
    with torch.no_grad():
        if in_video:
            kept = module.in_rgb((module.in_ycc(small).clamp(0, 1) * 255).round() / 255)
        else:
            kept = (small.clamp(0, 1) * 255).round() / 255
    return small + (kept - small).detach()


def _decibels(squares: Tensor) -> Tensor:
    return 10 * torch.log10(squares * 255**2 + _LEAST)


def train(module: Rescale, images: list[Tensor], options: argparse.Namespace) -> Rescale:
    """The EMA after all steps."""
    mean = copy.deepcopy(module).requires_grad_(False)
    learnt = dict(module.named_parameters())
    matrices = {n: p for n, p in learnt.items() if is_for_muon(p) and n.split(".")[1] not in ("tail", "direct")}
    others = {n: p for n, p in learnt.items() if n not in matrices}
    muon = Muon([{"params": [p], "share": _share(n, options)} for n, p in matrices.items()], options.rate)
    adam = torch.optim.Adam(
        [{"params": [p], "share": _share(n, options)} for n, p in others.items()], betas=(0.9, 0.99)
    )
    recent: list[tuple[float, float, float]] = []
    begun = time.monotonic()
    for step, large in zip(range(options.steps), batches(images, options.batch, options.patch), strict=False):
        done = max(step / options.steps, (time.monotonic() - begun) / (60 * options.minutes))
        if done >= 1:
            break
        module.predict.requires_grad_(options.crf is not None or 3 * done >= 2)
        crf = None if options.crf is None else random.uniform(*options.crf)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.half):
            back, far, cost = losses(module, large, in_video=step % 3 == 0, crf=crf, guide_db=options.guide_db)
        module.zero_grad(set_to_none=True)
        (back + options.guide_share * far + cost).backward()
        clip_grad_norm_(learnt.values(), 50.0)
        rate = options.rate * min(1, (step + 1) / 50) * (1 + math.cos(math.pi * done)) / 2
        for optimiser in (muon, adam):
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            optimiser.step()
        decay = min(0.998, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(mean.parameters()), list(module.parameters()), 1 - decay)
        recent.append((48.13 - back.item(), far.item(), cost.item()))
        if len(recent) == _REPORTED:
            shown = [sum(values) / _REPORTED for values in zip(*recent, strict=True)]
            print("step {}: {:.2f} dB, {:.2f} dB too far, {:.2f} dB of bytes".format(step + 1, *shown), flush=True)
            recent.clear()
    return mean


def _share(name: str, options: argparse.Namespace) -> float:
    """Of the learning rate: what begins as `lite` is changed little, more where it has to know compression."""
    part, layer = name.split(".")[:2]
    of_predict = 0.2 if options.crf is None else 0.5
    of_layer = 0.5 if name.endswith("bias") and layer != "tail" else 1.0
    return (of_predict if part == "predict" else 1.0) * of_layer


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--base", default="lite", help="weights of lite, x2")
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights of rescale to go on from")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end sooner, with the same schedule")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=32, help="side of small patches, pixels")
    parser.add_argument("--rate", type=float, default=1.8e-3)
    parser.add_argument("--guide-db", type=float, default=41.0, help="how near to bicubic's small images should be")
    parser.add_argument("--guide-share", type=float, default=0.32)
    parser.add_argument(
        "--crf", type=float, nargs=2, metavar=("LEAST", "MOST"), help="H.264 in the loop, of any quality between"
    )
    parser.add_argument("--half", action="store_true", help="bfloat16 arithmetic")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(words)
    if options.crf is not None and not 0 <= options.crf[0] <= options.crf[1] <= 51:
        parser.error("--crf: two numbers from 0 to 51, the smaller one first")
    if options.crf is not None and options.batch % 2:
        parser.error("--batch: even with --crf")
    if options.minutes <= 0:
        parser.error("--minutes: more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
