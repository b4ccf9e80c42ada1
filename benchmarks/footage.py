"""Methods on what people have: ordinary clips, made small in four ways, ten kinds of treatment. Prints Markdown.

    python benchmarks/footage.py [--cells N | --all] [--part tune|test|all] [--methods NAME ...] [--only crf23,clean]
        [--scale 2] [--frames N] [--crop WxH|whole] [--csv FILE] [--lpips [FILE]] [--vmaf] [--jobs N] [--data FOLDER]
        [--into FILE]

FOLDER (VSR_TEST_DATA) holds ``clips/*.mkv``, ``images/DIV2K_half`` and ``images/Set14``. A method is what ``vsr upscale
--method`` takes, with settings after a colon: ``multiframe:quality=best,radius_frames=2``, or ``multiframe:best``. With
--csv rows are written as they come, and what is there already is not measured again (another version of vsr: another
file). --into puts the tables between their marks in a Markdown file, as docs/benchmarks.md has them. See
docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
from footage.cells import SCALES, Cell, all_cells, choose
from footage.recording import TREATMENTS
from footage.scores import Judge, Method, parse_method
from footage.sources import find_sources
from footage.tables import Results, Row, append_rows, read_rows, report, write_into

from vsr.errors import UsageError, VsrError
from vsr.evaluation.perceptual import find_perceptual
from vsr.media.vmaf import has_vmaf

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
METHODS = ("bicubic", "lanczos", "multiframe", "lite", "real", "auto")


@dataclass(frozen=True)
class Plan:
    """How cells are measured."""

    num_frames: int
    crop: tuple[int, int] | None
    lpips: Path | None
    """Weights; an empty path: those called ``lpips-alex``; None: not measured."""
    with_vmaf: bool

    @property
    def asked(self) -> str:
        """What makes rows comparable, as in the CSV."""
        return f"{self.num_frames} of {'x'.join(map(str, self.crop)) if self.crop else 'whole'}"

    def judge(self) -> Judge:
        """Raises `UsageError` where LPIPS is requested and its weights are not found."""
        perceptual = None
        if self.lpips is not None:
            perceptual = find_perceptual(self.lpips if self.lpips.name else None, torch.device("cpu"))
            if perceptual is None:
                raise UsageError("no weights called lpips-alex; give --lpips FILE (docs/evaluation.md tells of them)")
        return Judge(self.num_frames, self.crop, perceptual, self.with_vmaf)

    def is_done(self, row: Row) -> bool:
        """Whether an earlier row has everything that is asked for."""
        has_all = (self.lpips is None or row.lpips is not None) and (not self.with_vmaf or row.vmaf is not None)
        return row.asked == self.asked and has_all


def measure(cell: Cell, methods: list[Method], plan: Plan) -> list[Row]:
    """One row a method, in a worker process, on one thread."""
    torch.set_num_threads(1)
    scores, (count, width, height) = plan.judge().scores(cell, methods)
    return [
        Row(
            cell=cell.name,
            method=method.label,
            source=cell.source.name,
            part=cell.source.part,
            camera=cell.source.camera,
            shrinking=cell.shrinking,
            treatment=cell.treatment,
            scale=cell.scale,
            asked=plan.asked,
            frames=count,
            width=width,
            height=height,
            **dataclasses.asdict(score),
        )
        for method, score in zip(methods, scores, strict=True)
    ]


def run(
    cells: Sequence[Cell], methods: Sequence[Method], plan: Plan, earlier: Sequence[Row], jobs: int
) -> Iterator[Row]:
    """Rows of what ``earlier`` has not, as they come; progress goes to stderr."""
    done = {(row.cell, row.method) for row in earlier if plan.is_done(row)}
    work = [(cell, [m for m in methods if (cell.name, m.label) not in done and m.has(cell.scale)]) for cell in cells]
    work = [(cell, missing) for cell, missing in work if missing]
    began = time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(measure, cell, missing, plan): cell for cell, missing in work}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                rows = future.result()
                figures = " ".join(f"{row.method} {row.psnr_y:.2f}" for row in rows)
                minutes = (time.monotonic() - began) / 60
                print(f"{number}/{len(work)} {minutes:.1f} min {rows[0].cell}: {figures}", file=sys.stderr, flush=True)
                yield from rows
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def open_methods(texts: Sequence[str] | None) -> list[Method]:
    """The methods named, or those of `METHODS` that this version of vsr has; what is left out is named on stderr."""
    if texts:
        return [parse_method(text) for text in texts]
    found = []
    for name in METHODS:
        try:
            found.append(parse_method(name))
        except UsageError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def parse_crop(text: str) -> tuple[int, int] | None:
    """``WxH`` in pixels of the ground truth, or ``whole``."""
    if text == "whole":
        return None
    width, _, height = text.partition("x")
    return int(width), int(height)


def parse_names(text: str) -> list[str]:
    """Comma-separated keys of `TREATMENTS`."""
    names = text.split(",")
    unknown = [name for name in names if name not in TREATMENTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(TREATMENTS)}")
    return names


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=150, help="How many; a larger number adds to a smaller one.")
    parser.add_argument("--all", action="store_true", help="All cells: many hours.")
    parser.add_argument("--part", choices=("tune", "test", "all"), default="all", help="test: what is held back.")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=f"Default: {' '.join(METHODS)}.")
    parser.add_argument("--only", type=parse_names, default=list(TREATMENTS), help="Treatments, separated by commas.")
    parser.add_argument("--scale", type=int, choices=SCALES, nargs="+", default=SCALES)
    parser.add_argument("--frames", type=int, default=10, help="Most frames of a cell; at least 2.")
    parser.add_argument(
        "--crop", type=parse_crop, default=(408, 240), metavar="WxH", help="Of the ground truth, or whole."
    )
    parser.add_argument("--csv", type=Path, help="Rows are added to it; what it has is not measured again.")
    parser.add_argument("--lpips", type=Path, nargs="?", const=Path(), help="Measure LPIPS, with these weights.")
    parser.add_argument("--vmaf", action="store_true", help="Measure VMAF.")
    parser.add_argument("--into", type=Path, metavar="FILE", help="Also put the tables into this Markdown file.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="Cells at a time, one process each.")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args(words)
    if given.into and not given.into.is_file():
        parser.error(f"--into {given.into}: no such file")
    if given.frames < 2 or given.cells < 1 or given.jobs < 1:
        parser.error("--frames takes 2 or more, --cells and --jobs 1 or more")
    return given


def command_of(given: argparse.Namespace, methods: Sequence[Method]) -> str:
    """The command that makes the same tables, without what is a matter of the machine."""
    crop = "x".join(map(str, given.crop)) if given.crop else "whole"
    words = [f"--part {given.part}", f"--scale {' '.join(map(str, given.scale))}"]
    words += ["--all" if given.all else f"--cells {given.cells}", f"--frames {given.frames} --crop {crop}"]
    words += [f"--only {','.join(given.only)}"] if len(given.only) < len(TREATMENTS) else []
    words += [f"--methods {' '.join(method.label for method in methods)}"]
    words += [flag for flag, is_set in (("--lpips", given.lpips is not None), ("--vmaf", given.vmaf)) if is_set]
    return f"python benchmarks/footage.py {' '.join(words)}"


def main() -> int:
    """Measure what the arguments name, and print the tables."""
    given = parse()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    plan = Plan(given.frames, given.crop, given.lpips, given.vmaf)
    try:
        plan.judge()
        if given.vmaf and not has_vmaf():
            raise UsageError("this ffmpeg has no libvmaf: leave --vmaf out")
        methods = open_methods(given.methods)
        for method, scale in ((m, s) for m in methods for s in given.scale if not m.has(s)):
            print(f"{method.label} has no weights for ×{scale}: left out there", file=sys.stderr)
        sources = [one for one in find_sources(given.data) if given.part in (one.part, "all")]
        cells = all_cells(sources, given.only, given.scale)
        chosen = cells if given.all else choose(cells, given.cells)
        rows = read_rows(given.csv) if given.csv else []
        for row in run(chosen, methods, plan, rows, given.jobs):
            rows.append(row)
            if given.csv:
                append_rows(given.csv, [row])
        requested = {cell.name for cell in chosen}
        labels = [method.label for method in methods]
        shown = [row for row in rows if row.asked == plan.asked and row.cell in requested and row.method in labels]
        results = Results(shown, labels)
        if given.into:
            write_into(given.into, results, command_of(given, methods))
    except VsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        kept = f"; the same command goes on with what is in {given.csv}" if given.csv else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return 6
    print(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
