"""A plain body of convolutions in four kinds, each trained alike for a short while. Prints Markdown.

    python benchmarks/plain.py [--data FOLDER] [--scale 2] [--steps 400]

FOLDER holds ``images/T91``, ``images/BSDS200`` to learn from and ``images/Set5`` to measure on. Figures of runs so
short tell the kinds apart, not what they reach in the end. Cost is counted as `benchmarks/cost.py` does it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from cost import DATA, measure

import vsr
from vsr.networks import NETWORKS

KINDS = ("plain", "plain-dilated", "plain-depthwise", "plain-grouped")
RECIPE = {"patch_px": 24, "batch": 16, "optimiser": "muon", "learning_rate": 0.002, "final_rate": 0.01, "threads": 1}


def row(kind: str, data: Path, scale: int, steps: int) -> str:
    """Train one kind and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = {"network": kind, "scale": scale, "data_workers": 0, **RECIPE}
        vsr.train(recipe, folder, data=[data / "images" / name for name in ("T91", "BSDS200")], steps=steps)
        weights = str(Path(folder) / f"{kind}-x{scale}.safetensors")
        psnr = vsr.evaluate(weights, scale, data / "images" / "Set5").results[0].mean.psnr_y
        cost = measure(weights, scale)
    reach = NETWORKS[kind].context_px(scale)
    cells = [f"`{kind}`", f"{cost.parameters:,}", f"{cost.gigamacs_720p:.1f}", str(reach)]
    return f"| {' | '.join([*cells, f'{cost.over_bicubic:,.0f}', f'{psnr:.2f}'])} |"


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), default=2)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| | parameters | GMACs, 720p | receptive field, px | CPU time over bicubic | Set5, PSNR of Y |")
    print("|---|---|---|---|---|---|", flush=True)
    for kind in KINDS:
        print(row(kind, given.data, given.scale, given.steps), flush=True)


if __name__ == "__main__":
    main()
