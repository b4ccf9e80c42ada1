#!/usr/bin/env python3
"""Train a small `srflow-da` or `sr3` at x4 on folders of images.

    python examples/train_sampling/train.py --images FEI/train --out faces.safetensors --minutes 15
    python examples/train_sampling/train.py --images T91 BSDS200 --patch 96 --network sr3 --out texture.safetensors

The flow learns by likelihood: noise of one code of 8 bits makes the images continuous, and the loss is bits a value.
Diffusion learns to find the noise in images that are partly noise; the loss is the mean square of what it misses. The
small images are bicubic, in 8 bits, as `vsr evaluate` has them. Whole images, all of one size, suit aligned faces;
``--patch`` cuts patches from images of any size. The learning rate follows the clock, so that a run ends when it
should; the file holds the EMA, and is written again every hundred steps.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from vsr.metrics import shrink_bicubic
from vsr.networks.base import SamplingUpscaler
from vsr.networks.blocks import enlarge
from vsr.networks.digest import weights_digest
from vsr.networks.files import write_safetensors
from vsr.networks.flows import FlowStep
from vsr.networks.sr3 import SR3
from vsr.networks.srflow import SRFlow

_SCALE = 4
_VALIDATION = 16  # images at the end of the list, never trained on
_CODES = 256
_WARMUP_STEPS, _REPORT_STEPS = 50, 100


def main(words: list[str] | None = None) -> int:
    """Train and write a file; returns the exit code."""
    options = _parse(words)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    images = [read_image(path) for folder in options.images for path in sorted(folder.iterdir())]
    images = [image for image in images if min(image.shape[1:]) >= options.patch]
    if len(images) <= _VALIDATION:
        print(f"{len(images)} images are too few; {_VALIDATION} are kept for validation", file=sys.stderr)
        return 3
    if not options.patch and len({image.shape for image in images}) > 1:
        print("images of several sizes need --patch", file=sys.stderr)
        return 3
    module = _module(options.network)
    print(f"{options.network}: {sum(p.numel() for p in module.parameters()):,} parameters", flush=True)
    save(train(module, images, options), options)
    return 0


def save(module: nn.Module, options: argparse.Namespace) -> None:
    """Write weights as `vsr` loads them."""
    state = {name: value.contiguous() for name, value in module.state_dict().items()}
    metadata = {
        "vsr.architecture": options.network,
        "vsr.scale": str(_SCALE),
        "vsr.generative": "true",
        "vsr.digest": weights_digest(state),
    }
    write_safetensors(options.out, state, metadata)


def _module(name: str) -> SRFlow | SR3:
    if name == "srflow-da":
        return SRFlow(_SCALE, variant="srflow-da", width=12, growth=6, blocks=4, steps=2, hidden=24)
    return SR3(_SCALE, width=16, widths=(1, 2, 4), blocks=1, attention=())


def read_image(path: Path) -> Tensor:
    """``(3, H, W)`` uint8, sides multiples of the scale."""
    rgb = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    return rgb[:, : rgb.shape[1] // _SCALE * _SCALE, : rgb.shape[2] // _SCALE * _SCALE].contiguous()


def batches(images: list[Tensor], count: int, patch: int) -> Iterator[Tensor]:
    """``(count, 3, H, W)`` whole codes, float32; half of them mirrored."""
    while True:
        chosen = [_cut(images[int(torch.randint(len(images), ()))], patch) for _ in range(count)]
        yield torch.stack([part.flip(2) if torch.rand(()) < 0.5 else part for part in chosen]).float()


def _cut(image: Tensor, patch: int) -> Tensor:
    if not patch:
        return image
    top, left = (int(torch.randint(size - patch + 1, ())) for size in image.shape[1:])
    return image[:, top : top + patch, left : left + patch]


def shrunk(codes: Tensor) -> Tensor:
    """``(B, 3, H, W)`` codes → ``(B, 3, H / 4, W / 4)`` in 0…1, in steps of 8 bits."""
    small = [shrink_bicubic(one.double(), (one.shape[-2] // _SCALE, one.shape[-1] // _SCALE)) for one in codes]
    return torch.stack(small).round().clamp(0, 255).float() / 255


def bits(module: SRFlow, codes: Tensor) -> Tensor:
    """Negative log-likelihood in bits for each value of 8 bits."""
    images = (codes + torch.rand_like(codes) - 0.5) / 255
    noise, log_determinant = module.encode(images, shrunk(codes))
    log_density = -0.5 * (noise.square() + math.log(2 * math.pi)).flatten(1).sum(1) + log_determinant
    return math.log2(255) - log_density.mean() / (math.log(2) * images[0].numel())


def missed(module: SR3, codes: Tensor) -> Tensor:
    """Mean square of the noise that is not found, which has a variance of 1."""
    large, noise = codes / 127.5 - 1, torch.randn_like(codes)
    # The noise level of each image lies anywhere between two neighbouring ones, as the authors draw it.
    roots = torch.cat([torch.ones(1), module.schedule.alphas_cumprod.sqrt()])
    level = torch.randint(1, len(roots), (len(codes),))
    kept = torch.lerp(roots[level], roots[level - 1], torch.rand(len(codes)))[:, None]
    partly = kept[..., None, None] * large + (1 - kept.square()).sqrt()[..., None, None] * noise
    condition = 2 * enlarge(shrunk(codes), _SCALE) - 1
    return (module.denoise_fn(torch.cat([condition, partly], 1), kept) - noise).square().mean()


@torch.no_grad()
def whiten(module: SRFlow, codes: Tensor) -> None:
    """Begin each level with the principal components of ``codes``, each of variance 1.

    The first step of a level centres and turns, the second scales; those with couplings shuffle the channels, so that
    each half holds strong components and weak ones.
    """
    images = (codes + torch.rand_like(codes) - 0.5) / 255
    state, level, is_first = images, -1, False
    features = module._features(shrunk(codes))
    for layer in module.flowUpsamplerNet.layers:
        if isinstance(layer, FlowStep):
            flat = state.transpose(0, 1).flatten(1)
            layer.actnorm.bias -= flat.mean(1).reshape_as(layer.actnorm.bias)
            if is_first:
                _, turned = torch.linalg.eigh(torch.cov(flat.double()))
                layer.invconv.weight.copy_(turned.flip(1).T)
            else:
                layer.actnorm.logs -= flat.std(1).log().reshape_as(layer.actnorm.logs)
                order = torch.arange(len(flat))
                order = order if layer.affine is None else torch.cat([order[0::2], order[1::2]])
                layer.invconv.weight.copy_(torch.eye(len(flat))[order])
            state, is_first = layer.encode(state, features[level])[0], False
        elif isinstance(layer, nn.PixelUnshuffle):
            state, level, is_first = layer(state), level + 1, True
        else:
            state = layer.encode(state)[0]


def loss_of(module: SamplingUpscaler, codes: Tensor) -> Tensor:
    """What is made small in training."""
    if isinstance(module, SRFlow):
        return bits(module, codes)
    assert isinstance(module, SR3)
    return missed(module, codes)


def train(module: SRFlow | SR3, images: list[Tensor], options: argparse.Namespace) -> nn.Module:
    """The EMA at the end. Raises `RuntimeError` where the loss is no longer a number."""
    held_back = next(batches(images[-_VALIDATION:], _VALIDATION, options.patch))
    given = batches(images[:-_VALIDATION], options.batch, options.patch)
    if isinstance(module, SRFlow):
        whiten(module, next(batches(images[:-_VALIDATION], _VALIDATION, options.patch)))
    mean = copy.deepcopy(module).requires_grad_(False)
    adam = torch.optim.Adam(module.parameters(), betas=(0.9, 0.99))
    began, step, lately = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - began) / (60 * options.minutes)) < 1 and step < options.most_steps:
        loss = loss_of(module, next(given))
        if not bool(loss.isfinite()):
            raise RuntimeError(f"step {step}: the loss is {float(loss)}; a lower --rate may help")
        adam.zero_grad()
        loss.backward()
        clip_grad_norm_(module.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / _WARMUP_STEPS) * (1 + math.cos(math.pi * passed)) / 2
        adam.step()
        decay = min(0.995, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(mean.parameters()), list(module.parameters()), 1 - decay)
        step, lately = step + 1, lately + float(loss.detach()) / _REPORT_STEPS
        if step % _REPORT_STEPS == 0:
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                print(f"step {step}: {lately:.4f}, held back {float(loss_of(mean, held_back)):.4f}", flush=True)
            save(mean, options)
            lately = 0.0
    return mean


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--network", choices=("srflow-da", "sr3"), default="srflow-da")
    parser.add_argument("--patch", type=int, default=0, help="side of large patches, pixels; 0: whole images")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--most-steps", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(words)
    if options.patch % _SCALE or options.patch < 0:
        parser.error(f"--patch is {options.patch}; allowed are multiples of {_SCALE}")
    return options


if __name__ == "__main__":
    sys.exit(main())
