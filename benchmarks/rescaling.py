#!/usr/bin/env python3
"""Print what comes back of clips that were made half as large, by the pair `rescale` and by bicubic interpolation.

    python benchmarks/rescaling.py CLIP... --frames 7 --crf 10 16 22 28

Clips are read as 4:2:0, 8 bits. Rows: how the small file is encoded (x264 `medium`); PSNR of Y after `vsr downscale`
and `vsr upscale`, and kB of the small file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import torch

import vsr
from vsr.media.planes import planes_of
from vsr.metrics import psnr


@dataclass(frozen=True)
class Way:
    """Down and up again."""

    name: str
    down: str
    up: str | None
    pix_fmt: str | None = None


WAYS = (
    Way("rescale, 4:4:4", "rescale", None),
    Way("rescale, 4:2:0", "rescale", None, "yuv420p"),
    Way("bicubic and lite", "bicubic", "lite"),
    Way("bicubic twice", "bicubic", "bicubic"),
)


@dataclass(frozen=True)
class Result:
    """Of one clip by one way."""

    back_db: float
    small_bytes: int


def lumas(path: Path) -> list[torch.Tensor]:
    """Y of all frames."""
    with av.open(str(path)) as container:
        return [torch.from_numpy(planes_of(frame)[0]).double() for frame in container.decode(video=0)]


def measure(source: Path, folder: Path, way: Way, encoding: dict[str, Any]) -> Result:
    """Down with ``encoding``, up without loss."""
    small, back = folder / "small.mkv", folder / "back.mkv"
    more = {"pix_fmt": way.pix_fmt} if way.pix_fmt else {}
    vsr.downscale(source, small, method=way.down, overwrite=True, settings={**encoding, **more})
    up = {"method": way.up} if way.up else {}
    if way.up == "lite" and encoding.get("lossless"):
        up["compression_codes"] = 0
    vsr.upscale(small, back, overwrite=True, settings={"codec": "ffv1", **up})
    pairs = zip(lumas(back), lumas(source), strict=True)
    values = [float(psnr(one[2:-2, 2:-2], other[2:-2, 2:-2], peak=255)) for one, other in pairs]
    return Result(sum(values) / len(values), small.stat().st_size)


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


def main() -> None:
    """Print the table, clip by clip and then the mean."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--crf", type=int, nargs="*", default=[10, 16, 22, 28])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sources = [excerpt(clip, folder, options.frames) for clip in options.clips]
        print(f"| small file | {' | '.join(way.name for way in WAYS)} |")
        print(f"|---|{'---|' * len(WAYS)}")
        for name, encoding in encodings(options.crf):
            cells = []
            for way in WAYS:
                results = [measure(source, folder, way, encoding) for source in sources]
                db = sum(one.back_db for one in results) / len(results)
                kilobytes = sum(one.small_bytes for one in results) / len(results) / 1000
                cells.append(f"{db:.2f} dB, {kilobytes:.0f} kB")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
