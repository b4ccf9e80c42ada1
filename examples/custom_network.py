"""A network of your own: written, trained for about a minute, measured, and run over a clip.

It learns what bicubic interpolation lacks, at the small size: post-upsampling with a global bicubic residual.
The photographs come with scikit-image; nothing is downloaded. Weights and clips are left in the folder of ``--output``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.io import imsave
from torch import Tensor, nn

import vsr
from vsr.evaluation import render
from vsr.inference import Engine, EngineOptions, choose_precision, measure_load
from vsr.media.clips import read_rgb, write_clip
from vsr.metrics import shrink_bicubic
from vsr.networks import NETWORKS, Found, Network, NetworkSpec, Shapes, Upscaler, load_network
from vsr.networks.blocks import enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.saving import save_weights

SCALE, PATCH, BATCH, RATE = 2, 20, 8, 2e-3
TRAINED_ON = ("chelsea", "coffee", "rocket", "camera", "immunohistochemistry", "hubble_deep_field")
MEASURED_ON = "astronaut"
Image = NDArray[np.uint8]


class BicubicResidual(Upscaler):
    """5×5 conv 32, ReLU, 3×3 conv 64, ReLU, 3×3 conv 256, pixel shuffle, 3×3 conv 3; plus the bicubic enlargement.

    Post-upsampling, RGB, 0…1. It begins as bicubic interpolation: the last weights are zero. 170,371 parameters at ×2.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(5).conv(3, times=2).shuffle(scale).conv(3).context_px
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 256, 3, padding=1),
            nn.PixelShuffle(scale),
            nn.Conv2d(256 // scale**2, 3, 3, padding=1),
        )
        for parameter in self.body[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``; half precision in the convolutions only."""
        detail: Tensor = self.body(images.to(weights_dtype(self)))
        return enlarge(images, self.scale) + detail.to(images.dtype)


def recognise(shapes: Shapes) -> Found | None:
    """Whether a file holds this network, by names and shapes."""
    if len(shapes) != 8 or shapes["body.0.weight"] != (32, 3, 5, 5) or shapes["body.4.weight"] != (256, 64, 3, 3):
        return None
    scale = round((256 / shapes["body.6.weight"][1]) ** 0.5)
    return Found(SPEC.name, (scale,), BicubicResidual)


SPEC = NetworkSpec(
    name="bicubic-residual",
    title="an example, 2025",
    framework="post-upsampling",
    scales=(2, 4),
    colour="RGB",
    build=BicubicResidual,
    num_parameters={2: 170_371, 4: 169_075},
    context_px=lambda scale: BicubicResidual(scale).context_px,
    recognise=recognise,
)
"""All that vsr needs to know of it. Inside the package it would be a row of `NETWORKS`."""


def photograph(name: str) -> Image:
    """One of scikit-image's, ``(H, W, 3)`` with sides that ``SCALE`` divides."""
    image = np.asarray(getattr(data, name)())
    colour = np.stack([image] * 3, 2) if image.ndim == 2 else image[:, :, :3]
    height, width = (side - side % SCALE for side in colour.shape[:2])
    return np.ascontiguousarray(colour[:height, :width])


def pair(image: Image) -> tuple[Tensor, Tensor]:
    """``(3, h, w)`` small, as a file would hold it, and ``(3, H, W)`` true, both in 0…1."""
    large = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)
    small = shrink_bicubic(large, (large.shape[1] // SCALE, large.shape[2] // SCALE)).round().clamp(0, 255)
    return small.float() / 255, large / 255


def batches(steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Patches of random photographs, flipped and turned at random, small and true."""
    pairs, generator = [pair(photograph(name)) for name in TRAINED_ON], torch.Generator().manual_seed(1)

    def pick(count: int) -> int:
        return int(torch.randint(count, (1,), generator=generator))

    for _ in range(steps):
        patches = []
        for _ in range(BATCH):
            small, large = pairs[pick(len(pairs))]
            y, x, turn = pick(small.shape[1] - PATCH + 1), pick(small.shape[2] - PATCH + 1), pick(8)
            for image, factor in ((small, 1), (large, SCALE)):
                patch = image[:, factor * y : factor * (y + PATCH), factor * x : factor * (x + PATCH)]
                patches.append(torch.rot90(patch.flip(2) if turn >= 4 else patch, turn % 4, (1, 2)))
        yield torch.stack(patches[::2]), torch.stack(patches[1::2])


def train(steps: int) -> BicubicResidual:
    """Adam on the mean absolute error, the step size rising and falling once."""
    torch.manual_seed(0)
    network = BicubicResidual(SCALE)
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step, (small, large) in enumerate(batches(steps), 1):
        loss = (network(small) - large).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            print(f"step {step} of {steps}: mean error {255 * loss.item():.2f} of 255", flush=True)
    return network


def film(path: Path, num_frames: int) -> None:
    """A small clip: a slow pan over a photograph that the network has not seen."""
    image = photograph(MEASURED_ON)
    frames = [image[100 + n : 356 + n, 40 + 2 * n : 424 + 2 * n] for n in range(num_frames)]
    write_clip(path, [(pair(frame)[0] * 255).byte().permute(1, 2, 0).numpy() for frame in frames], Fraction(25), crf=12)


def enlarge_clip(source: Path, target: Path, network: Network) -> None:
    """Every frame through vsr's engine, which sees to tiles and precision."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options = EngineOptions(choose_precision(network, "auto", device), measure_load(network))
    engine, enlarged = Engine(network, options, device), []
    for frame in read_rgb(source):
        image = torch.from_numpy(frame).permute(2, 0, 1)[None].to(device).float() / 255
        result = (engine.whole(image)[0] * 255).round().clamp(0, 255).byte()
        enlarged.append(result.permute(1, 2, 0).cpu().numpy())
    write_clip(target, enlarged, Fraction(25), crf=12)


def main() -> None:
    """Train, save, load again, measure, run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=800, help="of training")
    parser.add_argument("--frames", type=int, default=12, help="of the clip")
    parser.add_argument("--output", type=Path, default=Path("custom-network"), help="folder for weights and clips")
    arguments = parser.parse_args()
    if min(arguments.steps, arguments.frames) < 1:
        parser.error("--steps and --frames: at least 1")
    folder: Path = arguments.output
    (folder / "measured").mkdir(parents=True, exist_ok=True)

    weights = folder / f"{SPEC.name}-x{SCALE}.safetensors"
    state = train(arguments.steps).state_dict()
    save_weights(weights, state, architecture=SPEC.name, scale=SCALE, overwrite=True)
    network = load_network(weights, networks={**NETWORKS, SPEC.name: SPEC})

    imsave(folder / "measured" / f"{MEASURED_ON}.png", photograph(MEASURED_ON))
    print(render(vsr.evaluate(["bicubic", network], SCALE, folder / "measured"), "markdown"))

    film(folder / "clip.mp4", arguments.frames)
    enlarge_clip(folder / "clip.mp4", folder / "clip-enlarged.mp4", network)
    print(f"{weights}\n{folder / 'clip-enlarged.mp4'}")


if __name__ == "__main__":
    main()
