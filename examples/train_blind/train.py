#!/usr/bin/env python3
"""Train a network that finds the blur kernel itself, KXNet or IKC, on folders of images.

    python examples/train_blind/train.py --network kxnet --images T91 BSDS200 --out kxnet-x2.safetensors --steps 3000

Every patch is blurred by a Gaussian of its own (0.15 to 1.2 pixels of the small image, any direction, each weight
changed by up to a fourth), sampled at the middle of blocks, and rounded to 8 bits. KXNet is trained as a whole, every
third step with the kernel given. IKC is trained in three parts: enlarging with the true kernel's numbers, then
guessing them, then correcting them. Kept is the EMA of weights.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torch.nn.utils import clip_grad_norm_

from vsr.networks.digest import weights_digest
from vsr.networks.files import write_safetensors
from vsr.networks.ikc import IKC
from vsr.networks.kxnet import KXNet
from vsr.observation.block_kernels import degrade, gaussian_kernel

_WIDTHS = (0.15, 1.2)  # standard deviations, pixels of the small image
_CHANGE = 0.25  # most by which a weight of a kernel is changed
_ON_THE_WAY, _OF_KERNEL = 0.1, 0.02  # shares of KXNet's loss
_PARTS = {"sftmd": 0.6, "predictor": 0.15, "corrector": 0.25}  # of the steps of IKC
_MOST_CORRECTIONS = 3  # while it learns to correct


@dataclass(frozen=True)
class Batch:
    """Patches with a kernel each."""

    large: Tensor
    """``(B, 3, scale·h, scale·w)`` in 0…1."""
    small: Tensor
    """``(B, 3, h, w)``, rounded to 8 bits."""
    kernels: Tensor
    """``(B, n, n)``, n 20 more than the scale."""


def read_images(folders: list[Path], least: int) -> list[Tensor]:
    """``(3, H, W)`` uint8, of at least that side. Files that are no images are left out, and counted on stderr."""
    found, others = [], []
    for folder in folders:
        for path in sorted(folder.iterdir()):
            try:
                with Image.open(path) as image:
                    rgb = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                others.append(path)
                continue
            found += [rgb] if min(rgb.shape[1:]) >= least else []
    if others:
        print(f"left out, no images that can be read: {len(others)}, the first {others[0]}", file=sys.stderr)
    return found


def random_kernel(scale: int) -> Tensor:
    """``(n, n)``."""
    along, across = (scale * random.uniform(*_WIDTHS) for _ in range(2))
    kernel = gaussian_kernel(scale, along, across, random.uniform(0, 180), side=20 + scale)
    kernel = kernel * (1 + _CHANGE * (2 * torch.rand(kernel.shape) - 1))
    return kernel / kernel.sum()


def batches(images: list[Tensor], options: argparse.Namespace) -> Iterator[Batch]:
    """Random patches, without end."""
    scale, margin = options.scale, 10 + options.scale
    side = options.patch * scale + 2 * margin
    while True:
        made = []
        for _ in range(options.batch):
            image, kernel = random.choice(images), random_kernel(scale)
            top, left = (random.randrange(size - side + 1) for size in image.shape[1:])
            part = torch.rot90(
                image[:, top : top + side, left : left + side].float() / 255, random.randrange(4), (1, 2)
            )
            inner = part[:, margin : side - margin, margin : side - margin]
            framed = degrade(part[:, None], kernel, scale)[:, 0]
            rim = margin // scale
            small = framed[:, rim : rim + options.patch, rim : rim + options.patch]
            made.append((inner, (small * 255).round().clamp(0, 255) / 255, kernel))
        yield Batch(*(torch.stack(part) for part in zip(*made, strict=True)))


def loss_of_kxnet(module: KXNet, batch: Batch, step: int) -> Tensor:
    """Of images and, where they are not given, kernels, at every stage, the last above all."""
    side = module.kernel_map.shape[-1]
    true = batch.kernels[:, :side, :side]
    true = true / true.sum((1, 2), keepdim=True)
    known = true if step % 3 == 2 else None
    made, found = module.unfolded(batch.small, known)
    shares = [_ON_THE_WAY] * (len(made) - 1) + [1.0]
    loss = sum((share * l1_loss(one, batch.large) for share, one in zip(shares, made, strict=True)), torch.zeros(()))
    if known is None:
        off = [share * (one - true).abs().sum((1, 2)).mean() for share, one in zip(shares, found, strict=True)]
        loss = loss + _OF_KERNEL * sum(off, torch.zeros(()))
    return loss


def loss_of_ikc(module: IKC, batch: Batch, part: str) -> Tensor:
    """Of the part that learns."""
    codes = module.basis.codes(batch.kernels)
    if part == "sftmd":
        return l1_loss(module.sftmd(batch.small, codes), batch.large)
    if part == "predictor":
        return mse_loss(module.predictor(batch.small), codes)
    with torch.no_grad():
        guess = module.predictor(batch.small)
        for _ in range(random.randrange(_MOST_CORRECTIONS)):
            guess = module.corrector(module.sftmd(batch.small, guess), guess)
        enlarged = module.sftmd(batch.small, guess)
    return mse_loss(module.corrector(enlarged, guess), codes)


def train(
    module: nn.Module, loss_of: Callable[[Batch, int], Tensor], given: Iterator[Batch], steps: int, rate: float
) -> None:
    """Train what has gradients; its weights become their EMA."""
    learnt = [value for value in module.parameters() if value.requires_grad]
    mean = [value.detach().clone() for value in learnt]
    optimiser = torch.optim.Adam(learnt, rate, betas=(0.9, 0.99))
    begun, seen = time.monotonic(), 0.0
    for step in range(steps):
        loss = loss_of(next(given), step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(learnt, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * step / steps)) / 2)
        optimiser.step()
        torch._foreach_lerp_(mean, [value.detach() for value in learnt], 1 - min(0.99, (1 + step) / (10 + step)))
        seen = 0.98 * seen + 0.02 * float(loss.detach())
        if step % 50 == 49:
            mean_loss = seen / (1 - 0.98 ** (step + 1))
            print(f"step {step + 1}: {mean_loss:.5f}, {time.monotonic() - begun:.0f} s", flush=True)
    with torch.no_grad():
        for value, kept in zip(learnt, mean, strict=True):
            value.copy_(kept)


def main(words: list[str] | None = None) -> int:
    """Train and write a file; returns the exit code."""
    options = _parse(words)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    least = options.patch * options.scale + 2 * (10 + options.scale)
    images = read_images(options.images, least)
    if not images:
        print(f"no image is as large as {least} pixels", file=sys.stderr)
        return 3
    given = batches(images, options)
    module: KXNet | IKC
    if options.network == "kxnet":
        unfolded = KXNet(options.scale, stages=options.stages)
        train(unfolded, lambda batch, step: loss_of_kxnet(unfolded, batch, step), given, options.steps, options.rate)
        module = unfolded
    else:
        corrected = IKC(options.scale, blocks=options.blocks)
        for part, share in _PARTS.items():
            corrected.requires_grad_(False)
            corrected.get_submodule(part).requires_grad_(True)

            def loss_of(batch: Batch, step: int, part: str = part) -> Tensor:
                return loss_of_ikc(corrected, batch, part)

            print(part, flush=True)
            train(corrected, loss_of, given, round(share * options.steps), options.rate)
        module = corrected
    state = {name: value.detach().contiguous() for name, value in module.state_dict().items()}
    metadata = {
        "vsr.architecture": options.network,
        "vsr.scale": str(options.scale),
        "vsr.generative": "false",
        "vsr.digest": weights_digest(state),
    }
    write_safetensors(options.out, state, metadata)
    return 0


def _count(text: str) -> int:
    """At least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"is {text}; give 1 or more")
    return int(text)


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", choices=["kxnet", "ikc"], required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--scale", type=int, default=2, choices=[2, 3, 4])
    parser.add_argument("--steps", type=_count, default=3000)
    parser.add_argument("--stages", type=_count, default=6, help="of kxnet; 19 as published")
    parser.add_argument("--blocks", type=_count, default=4, help="of ikc; 16 as published")
    parser.add_argument("--batch", type=_count, default=8)
    parser.add_argument("--patch", type=_count, default=32, help="side of small patches, pixels")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=_count, default=1)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
