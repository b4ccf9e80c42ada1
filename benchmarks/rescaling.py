#!/usr/bin/env python3
"""Print what comes back of clips that were made half as large, by pairs of networks and by bicubic interpolation.

    python benchmarks/rescaling.py CLIP... --frames 7 --crf 10 16 22 28 --pairs mine-x2.safetensors

Clips are read as 4:2:0, 8 bits. Rows: how the small file is encoded (x264 `medium`); PSNR of Y after `vsr downscale`
and `vsr upscale`, and kB of the small file. A second table has the same at equal bytes: dB of each way where its file
would be as large as that of bicubic at this crf, between its own two nearest (dB over the logarithm of bytes is almost
straight). The last line: PSNR of Y of small files without loss against bicubic's.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import torch

import vsr
from vsr.media.planes import planes_of
from vsr.metrics import psnr
from vsr.observation import resample

EDGE = 2  # pixels left out


@dataclass(frozen=True)
class Way:
    """Down and up again."""

    name: str
    down: str
    up: str | None
    pix_fmt: str | None = None


PLAIN = (Way("bicubic and lite", "bicubic", "lite"), Way("bicubic twice", "bicubic", "bicubic"))


@dataclass(frozen=True)
class Result:
    """Of one clip by one way."""

    back_db: float
    small_bytes: int
    near_db: float
    """Of the small file against bicubic's, ahead of any encoder."""


def ways(pairs: Sequence[str]) -> list[Way]:
    """Each pair with fine and with coarse chroma, then those without."""
    found = [
        Way(f"{Path(pair).stem}, {layout}", pair, None, pix_fmt)
        for pair in pairs
        for layout, pix_fmt in (("4:4:4", None), ("4:2:0", "yuv420p"))
    ]
    return [*found, *PLAIN]


def lumas(path: Path) -> list[torch.Tensor]:
    """Y of all frames."""
    with av.open(str(path)) as container:
        return [torch.from_numpy(planes_of(frame)[0]).double() for frame in container.decode(video=0)]


def measure(source: Path, folder: Path, way: Way, encoding: dict[str, Any]) -> Result:
    """Down with ``encoding``, up without loss."""
    small, back = folder / "small.mkv", folder / "back.mkv"
    more = {"pix_fmt": way.pix_fmt} if way.pix_fmt else {}
    vsr.downscale(source, small, method=way.down, overwrite=True, settings={**encoding, **more})
    up: dict[str, Any] = {"method": way.up or way.down}
    if way.up == "lite" and encoding.get("lossless"):
        up["compression_codes"] = 0
    vsr.upscale(small, back, overwrite=True, settings={"codec": "ffv1", **up})
    large = lumas(source)
    plain = [resample(one, (one.shape[0] // 2, one.shape[1] // 2), kernel="bicubic") for one in large]
    return Result(_mean_psnr(lumas(back), large), small.stat().st_size, _mean_psnr(lumas(small), plain))


def _mean_psnr(made: Sequence[torch.Tensor], true: Sequence[torch.Tensor]) -> float:
    inner = slice(EDGE, -EDGE)
    values = [psnr(one[inner, inner], other[inner, inner], peak=255) for one, other in zip(made, true, strict=True)]
    return sum(map(float, values)) / len(values)


def excerpt(clip: Path, folder: Path, frames: int) -> Path:
    """The first frames as 4:2:0 without loss."""
    target = folder / f"{clip.stem}.mkv"
    settings = {"method": "bicubic", "scale": 1, "codec": "ffv1", "pix_fmt": "yuv420p"}
    vsr.upscale(clip, target, end=frames, settings=settings)
    return target


def encodings(values: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is done to small files."""
    yield "lossless", {"codec": "h264", "lossless": True}
    for crf in values:
        yield f"crf {crf}", {"codec": "h264", "crf": crf}


def at_bytes(results: Sequence[Result], small_bytes: int) -> float:
    """dB where the small file would have ``small_bytes``; NaN where it is beyond all.

    ``results`` are of one clip, by falling quality.
    """
    for larger, smaller in pairwise(results):
        if smaller.small_bytes <= small_bytes <= larger.small_bytes:
            whole = math.log(larger.small_bytes / smaller.small_bytes)
            share = math.log(small_bytes / smaller.small_bytes) / whole if whole else 0.0
            return smaller.back_db + share * (larger.back_db - smaller.back_db)
    return math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _print_row(first: str, cells: Sequence[str]) -> None:
    print(f"| {first} | {' | '.join(cells)} |", flush=True)


def _print_head(first: str, named: Sequence[Way]) -> None:
    _print_row(first, [way.name for way in named])
    print(f"|{'---|' * (1 + len(named))}")


def main() -> None:
    """Print the tables, means of all clips."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--crf", type=int, nargs="*", default=[10, 16, 22, 28])
    parser.add_argument("--pairs", nargs="*", default=["rescale"], metavar="NAME|FILE")
    options = parser.parse_args()
    compared = ways(options.pairs)
    found: dict[Way, list[list[Result]]] = {way: [] for way in compared}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sources = [excerpt(clip, folder, options.frames) for clip in options.clips]
        _print_head("small file", compared)
        for name, encoding in encodings(sorted(options.crf)):
            cells = []
            for way in compared:
                results = [measure(source, folder, way, encoding) for source in sources]
                found[way].append(results)
                kilobytes = _mean([one.small_bytes / 1000 for one in results])
                cells.append(f"{_mean([one.back_db for one in results]):.2f} dB, {kilobytes:.1f} kB")
            _print_row(name, cells)
    print()
    _print_head("bytes of bicubic at", compared)
    for number, crf in enumerate(sorted(options.crf), 1):
        cells = []
        for way in compared:
            by_clip = zip(zip(*found[way], strict=True), found[PLAIN[0]][number], strict=True)
            db = _mean([at_bytes(own, plain.small_bytes) for own, plain in by_clip])
            cells.append("beyond" if math.isnan(db) else f"{db:.2f} dB")
        _print_row(f"crf {crf}", cells)
    print()
    near = (f"{way.name} {_mean([one.near_db for one in found[way][0]]):.2f} dB" for way in compared)
    print(f"Small files without loss against bicubic's: {'; '.join(near)}")


if __name__ == "__main__":
    main()
