#!/usr/bin/env python3
"""Train a small network that samples at x4 on folders of images: `srflow-da`, `sr3`, `cvae` or `imle`.

    python examples/train_sampling/train.py --images FEI/train --out faces.safetensors --minutes 15
    python examples/train_sampling/train.py --images T91 BSDS200 --patch 96 --network sr3 --out texture.safetensors

The flow learns by likelihood: noise of one code of 8 bits makes the images continuous, and the loss is bits a value.
Diffusion learns to find the noise in images that are partly noise; the loss is the mean square of what it misses. The
autoencoder's loss is its bound of the likelihood, in bits a value; IMLE's is how far the nearest of eight samples is.
The small images are bicubic, in 8 bits, as `vsr evaluate` has them. Whole images, all of one size, suit aligned faces;
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
from vsr.networks.cvae import CVAE
from vsr.networks.digest import weights_digest
from vsr.networks.files import write_safetensors
from vsr.networks.flows import FlowStep
from vsr.networks.imle import IMLE, nearest_sample
from vsr.networks.sr3 import SR3, NoiseSchedule
from vsr.networks.srflow import SRFlow

_SCALE = 4
_VALIDATION = 16  # images at the end of the list, never trained on
_CODES = 256
_WARMUP_STEPS, _REPORT_STEPS = 50, 100
_DEVIATION = 4 / 255  # of what the autoencoder leaves over
_SAMPLES = 8  # of IMLE, of which the nearest counts
_LEVELS, _LEAST_RATIO, _MOST_RATIO = 200, 0.01, 20.0  # of diffusion: deviations of noise and image, −1…1


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
    module = _module(options.network, options.least_factor)
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


def _module(name: str, least_factor: float | None = None) -> SamplingUpscaler:
    if name == "cvae":
        return CVAE(_SCALE, width=32)
    if name == "imle":
        return IMLE(_SCALE, width=32)
    if name == "srflow-da":
        return SRFlow(
            _SCALE,
            variant="srflow-da",
            width=12,
            growth=6,
            blocks=4,
            steps=2,
            hidden=24,
            least_factor=least_factor,
        )
    module = SR3(_SCALE, width=16, widths=(1, 2, 4), blocks=1, attention=(), levels=_LEVELS)
    module.schedule = geometric_schedule()
    return module


def geometric_schedule() -> NoiseSchedule:
    """Each level's noise is louder than the last's by the same factor, so that few steps meet all that matter.

    Of the authors' 2000 levels, three quarters drown all that the small image leaves open.
    """
    ratios = torch.linspace(math.log(_LEAST_RATIO), math.log(_MOST_RATIO), _LEVELS, dtype=torch.float64).exp()
    kept = 1 / (1 + ratios.square())
    return NoiseSchedule(1 - kept / torch.cat([torch.ones(1), kept[:-1]]))


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


def missed(module: SR3, codes: Tensor, *, bfloat16: bool = False) -> Tensor:
    """Mean square of the noise that is not found, which has a variance of 1."""
    large, noise = codes / 127.5 - 1, torch.randn_like(codes)
    # The noise level of an image lies anywhere between two neighbouring ones, as the authors draw it; those of a batch
    # are spread over all levels.
    roots = torch.cat([torch.ones(1), module.schedule.alphas_cumprod.sqrt()])
    place = (len(roots) - 1) * ((torch.arange(len(codes)) + torch.rand(())) / len(codes))
    lower = place.long().clamp(max=len(roots) - 2)
    kept = torch.lerp(roots[lower], roots[lower + 1], place - lower)[:, None]
    partly = kept[..., None, None] * large + (1 - kept.square()).sqrt()[..., None, None] * noise
    condition = 2 * enlarge(shrunk(codes), _SCALE) - 1
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        found = module.denoise_fn(torch.cat([condition, partly], 1), kept)
    return (found.float() - noise).square().mean()


def bound(module: CVAE, codes: Tensor) -> Tensor:
    """Bound of the negative log-likelihood, bits for each value: the image is what is decoded and Gaussian noise."""
    images, small = codes / 255, shrunk(codes)
    noise = torch.randn(len(codes), module.noise_channels, *small.shape[2:])
    made, divergence = module.reconstruct(images, small, noise)
    error = (made - images).square().flatten(1).sum(1) / (2 * _DEVIATION**2)
    values = images[0].numel()
    density = math.log(_CODES * _DEVIATION * math.sqrt(2 * math.pi))  # of a value that is met, against one code
    return ((error + divergence).mean() / values + density) / math.log(2)


def nearest(module: IMLE, codes: Tensor) -> Tensor:
    """Mean square, in codes, between each image and the nearest of its samples."""
    images, small = codes / 255, shrunk(codes)
    noises = torch.randn(_SAMPLES, len(codes), module.noise_channels, *small.shape[2:])
    noise = nearest_sample(module, images, small, noises)
    return 255**2 * (module(torch.cat([small, noise], 1)) - images).square().mean()


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


def loss_of(module: SamplingUpscaler, codes: Tensor, *, bfloat16: bool = False) -> Tensor:
    """What is made small in training."""
    if isinstance(module, SRFlow):
        return bits(module, codes)
    if isinstance(module, CVAE):
        return bound(module, codes)
    if isinstance(module, IMLE):
        return nearest(module, codes)
    assert isinstance(module, SR3)
    return missed(module, codes, bfloat16=bfloat16)


def train(module: SamplingUpscaler, images: list[Tensor], options: argparse.Namespace) -> nn.Module:
    """The EMA at the end. Raises `RuntimeError` where the loss is no longer a number."""
    held_back = next(batches(images[-_VALIDATION:], _VALIDATION, options.patch))
    given = batches(images[:-_VALIDATION], options.batch, options.patch)
    if isinstance(module, SRFlow):
        whiten(module, next(batches(images[:-_VALIDATION], _VALIDATION, options.patch)))
    mean = copy.deepcopy(module).requires_grad_(False)
    adam = torch.optim.Adam(module.parameters(), betas=(0.9, 0.99))
    began, step, lately = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - began) / (60 * options.minutes)) < 1 and step < options.most_steps:
        loss = loss_of(module, next(given), bfloat16=options.bfloat16)
        if not bool(loss.isfinite()):
            raise RuntimeError(f"step {step}: the loss is {float(loss)}; a lower --rate may help")
        adam.zero_grad()
        loss.backward()
        clip_grad_norm_(module.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / _WARMUP_STEPS) * (1 + math.cos(math.pi * passed)) / 2
        adam.step()
        decay = min(0.998, (1 + step) / (10 + step))
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
    parser.add_argument("--network", choices=("srflow-da", "sr3", "cvae", "imle"), default="srflow-da")
    parser.add_argument("--patch", type=int, default=0, help="side of large patches, pixels; 0: whole images")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--most-steps", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least-factor", type=float, help="srflow-da: couplings scale by no less")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true", help="sr3: half the time on processors that have it")
    options = parser.parse_args(words)
    if options.patch % _SCALE or options.patch < 0:
        parser.error(f"--patch is {options.patch}; allowed are multiples of {_SCALE}")
    return options


if __name__ == "__main__":
    sys.exit(main())
