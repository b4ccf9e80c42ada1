"""What networks with published weights reach, and what that costs. Prints Markdown; draws PSNR over cost.

    python benchmarks/cost.py [--data FOLDER] [--sets Set5 Set14] [--scales 2 4] [--only WORD] [--keep FILE]
        [--chart FILE.svg]

With ``--keep`` rows are added to a file, one a line, and what is in it is not measured again. FOLDER holds
``images/Set5``, ``images/Set14`` and ``weights``. PSNR and SSIM of Y by the papers' protocol. Parameters
are all values in the network. MACs are multiplications of convolutions, matrices and attention for 1280×720 output
pixels. CPU time is that of one thread for a million output pixels, by the process's own clock, in float32, the faster
of two runs on a 96×96 input; what is compared is its ratio to bicubic interpolation, which is measured right beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

import vsr
from vsr.evaluation.base import ImageMethod
from vsr.evaluation.methods import open_method
from vsr.networks import ConditionedUpscaler, load_network

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PIXELS_720P = 1280 * 720
SIDE = 96
METHODS = [  # name for people, file below weights/ (a name without one ships with vsr, or is a kernel)
    ("bicubic", "bicubic"),
    ("ANR (Zeyde's dictionary)", "Zeyde_ANR/conf_Zeyde_1024_finalx{scale}.mat"),
    ("A+", "Aplus/Aplus_x{scale}_1024atoms2048nn_5mil.mat"),
    ("SRCNN 9-1-5", "SRCNN_official_mat/9-1-5(91_images)/x{scale}.mat"),
    ("SRCNN 9-5-5", "SRCNN_official_mat/9-5-5(ImageNet)/x{scale}.mat"),
    ("VDSR", "VDSR/VDSR_Official.mat"),
    ("FSRCNN (yjn870)", "FSRCNN_yjn870/fsrcnn_x{scale}.pth"),
    ("lite", "lite"),
    ("lite-any", "lite-any"),
    ("SRGAN, 5 blocks", "SRResNet_leftthomas/netG_epoch_{scale}_100.pth"),
    ("LapSRN", "LapSRN/LapSRN_x{scale}.mat"),
    ("MS-LapSRN", "LapSRN/MSLapSRN_D5R8.mat"),
    ("DWSR (Jimmycho319)", "DWSR/cos_800_x{scale}.index"),
    ("EnhanceNet-PAT", "EnhanceNet/weights"),
    ("SRMDNF", "SRMD/srmdnf_x{scale}.param"),
    ("USRNet-tiny", "USRNet_tiny/usrnet_tiny.safetensors"),
    ("IDN", "IDN/IDN_x{scale}.caffemodel"),
    ("CARN-M", "CARN/carn_m.pth"),
    ("ProSR-s", "ProSR/ProSRs_{scale}x-0000.params"),
    ("LIIF (EDSR baseline)", "LIIF/edsr-baseline-liif.fp16.safetensors"),
]


@dataclass(frozen=True)
class Cost:
    """Of one method at one scale."""

    parameters: int
    gigamacs_720p: float
    """Billions of multiplications for 1280×720 output pixels."""
    cpu_seconds: float
    """For a million output pixels, one thread."""
    over_bicubic: float
    """Times what bicubic interpolation took, measured beside it."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    scale: int
    scores: dict[str, tuple[float, float]]
    """By set: PSNR and SSIM."""
    cost: Cost


def _place(data: Path, pattern: str, scale: int) -> str | None:
    """What `vsr.evaluate` takes; None where there is no such file."""
    if "/" not in pattern:
        return pattern
    path = data / "weights" / pattern.format(scale=scale)
    return str(path) if path.exists() else None


def _macs(place: str, scale: int) -> tuple[int, float]:
    """Parameters, and multiplications for an output pixel."""
    if place == "bicubic":
        return 0, 0.0
    network = load_network(place, scale)
    given = torch.rand(1, network.in_channels, SIDE, SIDE)
    if isinstance(network.module, ConditionedUpscaler):
        given = network.module.stacked(given[:, : network.out_channels], 0.0, 0.0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(given)
    return network.num_parameters, counter.get_total_flops() / 2 / (SIDE * scale) ** 2


def measure(place: str, scale: int) -> Cost:
    """What ``place`` costs at ``scale``."""
    parameters, macs = _macs(place, scale)
    seconds = _cpu_seconds(place, scale)
    ratio = 1.0 if place == "bicubic" else seconds / _cpu_seconds("bicubic", scale)
    return Cost(parameters, macs * PIXELS_720P / 1e9, seconds, ratio)


def _cpu_seconds(place: str, scale: int) -> float:
    """For a million output pixels; the first run warms up."""
    method = open_method(place, scale, torch.device("cpu"), {})
    assert isinstance(method, ImageMethod)
    image = 255 * torch.rand(1 if method.colour == "Y" else 3, SIDE, SIDE, dtype=torch.float64)
    seconds = []
    for _ in range(8 if place == "bicubic" else 2):
        began = time.process_time()
        method.enlarge(image)
        seconds.append(time.process_time() - began)
    return min(seconds) * 1e6 / (SIDE * scale) ** 2


def read_rows(path: Path | None) -> dict[tuple[str, int], Row]:
    """What was measured before, by name and scale."""
    if path is None or not path.exists():
        return {}
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(one["name"], one["scale"]): Row(**{**one, "cost": Cost(**one["cost"])}) for one in found}


def rows(data: Path, sets: Sequence[str], scales: Sequence[int], only: str, keep: Path | None = None) -> Iterator[Row]:
    """Every method that has weights for a scale."""
    known = read_rows(keep)
    for scale in scales:
        for name, pattern in METHODS:
            if (name, scale) in known:
                yield known[name, scale]
                continue
            place = _place(data, pattern, scale)
            if place is None or (only not in name and name != "bicubic"):
                continue
            try:
                evaluations = {each: vsr.evaluate(place, scale, data / "images" / each).results[0] for each in sets}
            except (vsr.ModelError, vsr.UsageError) as error:
                print(f"{name} x{scale}: {error}", file=sys.stderr)
                continue
            scores = {each: (row.mean.psnr_y, row.mean.ssim_y) for each, row in evaluations.items()}
            row = Row(name, scale, scores, measure(place, scale))
            print(row, file=sys.stderr, flush=True)
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
            yield row


def table(found: Sequence[Row], sets: Sequence[str]) -> str:
    """Markdown."""
    heads = ["method", "scale", *(f"{each}, PSNR / SSIM" for each in sets), "parameters", "GMACs, 720p"]
    heads += ["CPU s a megapixel", "over bicubic"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in found:
        cells = [row.name, f"×{row.scale}"]
        cells += [f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in (row.scores[each] for each in sets)]
        cells += [f"{row.cost.parameters:,}", f"{row.cost.gigamacs_720p:,.1f}", f"{row.cost.cpu_seconds:.3g}"]
        cells.append(f"{row.cost.over_bicubic:,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def chart(found: Sequence[Row], name: str) -> str:
    """An SVG: PSNR on the set ``name`` over multiplications, a panel for each scale; the area tells the parameters."""
    scales = sorted({row.scale for row in found})
    width, height, left, top = 460, 360, 52, 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(scales)}" height="{height + 20}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for panel, scale in enumerate(scales):
        points = [row for row in found if row.scale == scale and row.cost.gigamacs_720p > 0]
        base = next((row.scores[name][0] for row in found if row.scale == scale and row.name == "bicubic"), None)
        logs = [math.log10(row.cost.gigamacs_720p) for row in points]
        heights = [row.scores[name][0] for row in points] + ([base] if base is not None else [])
        low, high = math.floor(min(heights)), math.ceil(max(heights))
        first, last = math.floor(min(logs)), math.ceil(max(logs))
        x0, wide, tall = panel * width + left, width - left - 70, height - 2 * top

        def at(log: float, psnr: float, x0=x0, wide=wide, tall=tall, first=first, last=last, low=low, high=high):
            return x0 + (log - first) / (last - first) * wide, top + (high - psnr) / (high - low) * tall

        parts.append(f'<text x="{x0}" y="20" font-size="14">{escape(name)} ×{scale}, PSNR of Y in dB</text>')
        for decade in range(first, last + 1):
            x, _ = at(decade, low)
            parts.append(f'<path d="M{x:.1f} {top}V{top + tall}" stroke="#ddd"/>')
            parts.append(f'<text x="{x:.1f}" y="{top + tall + 15}" text-anchor="middle">{10.0**decade:g}</text>')
        for value in range(low, high + 1):
            _, y = at(first, value)
            parts.append(f'<path d="M{x0} {y:.1f}H{x0 + wide}" stroke="#ddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
        parts.append(f'<text x="{x0 + wide / 2}" y="{top + tall + 32}" text-anchor="middle">GMACs for 1280×720</text>')
        if base is not None:
            _, y = at(first, base)
            parts.append(f'<path d="M{x0} {y:.1f}H{x0 + wide}" stroke="#999" stroke-dasharray="4 3"/>')
            parts.append(f'<text x="{x0 + wide - 4}" y="{y - 4:.1f}" text-anchor="end" fill="#777">bicubic</text>')
        placed: list[tuple[float, float, float]] = []
        for row, log in zip(points, logs, strict=True):
            x, y = at(log, row.scores[name][0])
            radius = 2 + 3 * math.sqrt(row.cost.parameters / 1e6)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#3f51b5" fill-opacity=".6"/>')
            parts.append(_label(row.name, x, y, radius, x0 + wide + 60, placed))
    return "\n".join([*parts, "</svg>\n"])


def _label(name: str, x: float, y: float, radius: float, right: float, placed: list[tuple[float, float, float]]) -> str:
    """A point's name beside it, on the left where it would pass ``right``, moved up or down off those in ``placed``."""
    length = 5.8 * len(name)
    begins = x + radius + 3 if x + radius + 3 + length < right else x - radius - 3 - length
    for shift in (0, -11, 11, -22, 22, -33, 33):
        line = y + 4 + shift
        if all(abs(line - other) >= 11 or begins > end or begins + length < start for start, end, other in placed):
            break
    placed.append((begins, begins + length, line))
    return f'<text x="{begins:.1f}" y="{line:.1f}">{escape(name)}</text>'


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=["Set5", "Set14"])
    parser.add_argument("--scales", nargs="+", type=int, default=[2, 3, 4])
    parser.add_argument("--only", default="", help="methods whose name has this word, and bicubic")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = list(rows(arguments.data, arguments.sets, arguments.scales, arguments.only, arguments.keep))
    print(table(found, arguments.sets))
    if arguments.chart:
        arguments.chart.write_text(chart(found, arguments.sets[0]), encoding="utf-8")


if __name__ == "__main__":
    main()
