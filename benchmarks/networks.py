"""How fast networks run: the engine against a plain loop, end to end, and memory for large pictures. Prints Markdown.

    python benchmarks/networks.py [engine] [whole] [memory] [--weights FILE] [--frames N] [--device cpu|cuda]

FILE is a network for RGB; Real-ESRGAN compact is what the figures of the README are for. Everything compared is
measured in one run on one machine, in turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline import cpu_seconds, make_source

WIDTH, HEIGHT = 480, 270
_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "weights"
WEIGHTS = _DATA / "RealESRGAN" / "realesr-animevideov3.pth"


def timed(work: Callable[[], object], on_gpu: bool) -> float:
    """Seconds that ``work`` takes: of the processor on CPUs, which neighbours disturb less; of the clock on GPUs."""
    import torch

    if not on_gpu:
        before = cpu_seconds()
        work()
        return cpu_seconds() - before
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def engine(weights: Path, frames: int, device_name: str) -> None:
    """A plain float32 loop and the engine over the same pictures, in turns, each in a fresh process; best of each."""
    names = ["loop", "auto", "float32", "bfloat16", *(["float16"] if device_name != "cpu" else [])]
    best: dict[str, tuple[float, str]] = {}
    for _ in range(3):
        for name in names:
            program = [sys.executable, __file__, f"one-{name}", "--weights", str(weights), "--frames", str(frames)]
            done = subprocess.run([*program, "--device", device_name], check=True, capture_output=True, text=True)
            seconds, what = done.stdout.strip().split(maxsplit=1)
            best[name] = min(best.get(name, (float("inf"), "")), (float(seconds), what))
    print(f"\n### Engine: {weights.name}, {WIDTH}x{HEIGHT}, one thread\n")
    print("| | ms a frame | times the plain loop |\n|---|---|---|")
    for seconds, what in best.values():
        print(f"| {what} | {seconds * 1000:.1f} | {best['loop'][0] / seconds:.2f} |")


def one_engine(weights: Path, name: str, frames: int, device_name: str) -> None:
    """Print seconds a frame and what was run; see `engine`."""
    import torch

    from vsr.networks import load_network
    from vsr.restorers.engine import Engine, EngineOptions, batch_frames, choose_precision, device_class
    from vsr.restorers.engine.probe import exact_convolutions, measure_load

    torch.set_num_threads(1)
    device, network = torch.device(device_name), load_network(weights)
    batch = batch_frames(WIDTH, HEIGHT, device)
    count = -(-frames // batch) * batch
    pictures = torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)).to(device)
    if name == "loop":
        plain = network.module.to(device)

        def work() -> None:
            with torch.no_grad():
                for picture in pictures:
                    plain(picture[None])

        what = f"plain float32 loop, {device_class(str(device))}"
    else:
        precision = choose_precision(network, name, device)  # type: ignore[arg-type]
        fast = Engine(network, EngineOptions(precision, measure_load(network)), device)

        def work() -> None:
            for group in pictures.split(batch):
                for _ in fast.bands(group):
                    pass

        exact = "" if precision.psnr_db is None else f", {precision.psnr_db} dB from float32"
        what = f"engine, {name}: {precision.name}{exact}"
    with exact_convolutions():
        work()
        print(timed(work, device.type == "cuda") / count, what)


def whole(weights: Path, frames: int, device_name: str) -> None:
    """``vsr upscale`` of a clip against the network alone and against the cores."""
    import torch

    import vsr
    from vsr.media.decode import Damage
    from vsr.media.reading import scan
    from vsr.pipeline.scan import PlannedSegment
    from vsr.pipeline.storage import WorkFolder
    from vsr.pipeline.worker import SegmentWorker, build_restorer, fix_threads
    from vsr.timeline import Segment

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, frames, WIDTH, HEIGHT)
        settings = {"method": str(weights), "scale": 4, "speed": "veryfast", "codec": "h264", "device": device_name}
        job = vsr.plan(source, Path(folder) / "out.mp4", settings=settings)
        fix_threads(job)
        worker = SegmentWorker(job, WorkFolder(Path(folder)))
        records = tuple(record for record, _ in scan(job.info, 1, Damage()))[:frames]
        some = min(8, frames)
        pictures = list(worker.pictures(PlannedSegment(Segment(0, 0, some, 0, some), records[:some])))
        worker.close()
        restorer = build_restorer(job, WIDTH, HEIGHT)
        alone = float("inf")
        for _ in range(2):
            began = time.perf_counter()
            for frame in restorer.stream(pictures):
                frame.planes[0].sum().item()
            alone = min(alone, (time.perf_counter() - began) / some)
        before, began = cpu_seconds(), time.perf_counter()
        vsr.upscale(source, Path(folder) / "out.mp4", settings=settings)
        seconds, cpu = (time.perf_counter() - began) / frames, (cpu_seconds() - before) / frames
    cores = len(os.sched_getaffinity(0))
    bound = min(1 / alone, cores / cpu)
    print(f"\n### End to end: {WIDTH}x{HEIGHT} x4, x264 veryfast, {frames} frames, {torch.get_num_threads()} thread\n")
    print("| | frames a second |\n|---|---|")
    print(f"| network alone | {1 / alone:.3f} |\n| {cores} cores ÷ CPU time a frame | {cores / cpu:.3f} |")
    print(f"| **end to end** | **{1 / seconds:.3f}** |\n\nEfficiency {1 / seconds / bound:.2f} (goal 0.9).")


def memory(weights: Path, frames: int, device_name: str) -> None:
    """Peak memory of decoding, restoring and rounding 3840x2160, without the encoder, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, 2, 3840, 2160)
        program = [sys.executable, __file__, "one-large", "--weights", str(weights), "--source", str(source)]
        done = subprocess.run([*program, "--device", device_name], check=True, capture_output=True, text=True)
    print("\n### Memory: 3840x2160 by four, one worker, encoder apart\n")
    print(done.stdout.strip())


def one_large(weights: Path, source: Path, device_name: str) -> None:
    """What `memory` measures."""
    import vsr
    from vsr.media.decode import Damage
    from vsr.media.reading import scan
    from vsr.pipeline.overlap import Overlap
    from vsr.pipeline.scan import PlannedSegment
    from vsr.pipeline.storage import WorkFolder
    from vsr.pipeline.worker import SegmentWorker
    from vsr.timeline import Segment

    settings = {"method": str(weights), "scale": 4, "codec": "ffv1", "device": device_name}
    job = vsr.plan(source, source.with_name("out.mkv"), settings=settings)
    worker = SegmentWorker(job, WorkFolder(source.parent))
    records = tuple(record for record, _ in scan(job.info, 1, Damage()))
    planned = PlannedSegment(Segment(0, 0, len(records), 0, len(records)), records)
    began, made = time.perf_counter(), 0
    with Overlap(worker.restored(planned), 1, "restore") as frames:
        for frame in frames:
            made += frame.pixels()[0].shape == (8640, 15360)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    tiles = " and ".join(f"{wide}x{tall}" for tall, wide in job.model.tiles_yx) if job.model else ""
    print(f"{made} frames, tiles up to {tiles}: peak {peak / 2**30:.2f} GiB (goal 4), {seconds / made:.0f} s a frame")


def main() -> None:
    """Run what the arguments name, or everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["engine", "whole", "memory"])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if not given.weights.is_file():
        raise SystemExit(f"{given.weights} is missing; give --weights FILE")
    for part in given.parts:
        if part == "one-large":
            one_large(given.weights, given.source, given.device)
        elif part.startswith("one-"):
            one_engine(given.weights, part.removeprefix("one-"), given.frames, given.device)
        else:
            {"engine": engine, "whole": whole, "memory": memory}[part](given.weights, given.frames, given.device)


if __name__ == "__main__":
    main()
