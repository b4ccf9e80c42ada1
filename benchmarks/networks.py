"""How fast networks run: the engine against a plain loop, end to end, and memory for large images. Prints Markdown.

    python benchmarks/networks.py [engine] [whole] [memory] [--weights NAME|FILE] [--scale S] [--threads N] [--frames N]
        [--device cpu|cuda]

Real-ESRGAN compact at ×4 is what most figures of docs/benchmarks.md are for; ``--weights lite --scale 2`` gives those
of what ships. Everything compared is measured in one run on one machine, in turns.
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


def engine(given: argparse.Namespace) -> None:
    """A plain float32 loop and the engine over the same images, in turns, each in a fresh process; best of each."""
    names = ["loop", "auto", "float32", "bfloat16", *(["float16"] if given.device != "cpu" else [])]
    best: dict[str, tuple[float, str]] = {}
    for _ in range(3):
        for name in names:
            program = [sys.executable, __file__, f"one-{name}", *_passed_on(given)]
            done = subprocess.run(program, check=True, capture_output=True, text=True)
            seconds, what = done.stdout.strip().split(maxsplit=1)
            best[name] = min(best.get(name, (float("inf"), "")), (float(seconds), what))
    threads = f"{given.threads} thread{'s' if given.threads > 1 else ''}"
    print(f"\n### Engine: {Path(given.weights).name} x{given.scale}, {WIDTH}x{HEIGHT}, {threads}\n")
    print("| | ms a frame | times the plain loop |\n|---|---|---|")
    for seconds, what in best.values():
        print(f"| {what} | {seconds * 1000:.1f} | {best['loop'][0] / seconds:.2f} |")


def _passed_on(given: argparse.Namespace) -> list[str]:
    """Arguments of the subprocess for one measurement."""
    names = ("weights", "scale", "threads", "frames", "device")
    return [word for name in names for word in (f"--{name}", str(getattr(given, name)))]


def one_engine(given: argparse.Namespace, name: str) -> None:
    """Print seconds a frame and what was run; see `engine`."""
    import torch

    from vsr.inference import Engine, EngineOptions, batch_frames, choose_precision, device_class
    from vsr.inference.probe import exact_convolutions, measure_load
    from vsr.networks import load_network

    torch.set_num_threads(given.threads)
    device, network = torch.device(given.device), load_network(given.weights, given.scale)
    batch = batch_frames(WIDTH, HEIGHT, device)
    count, channels = -(-given.frames // batch) * batch, 1 if network.colour == "Y" else 3
    images = torch.rand(count, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)).to(device)
    if name == "loop":
        plain = network.module.to(device)

        def work() -> None:
            with torch.no_grad():
                for image in images:
                    plain(image[None])

        what = f"plain float32 loop, {device_class(given.device)}"
    else:
        precision = choose_precision(network, name, device)  # type: ignore[arg-type]
        fast = Engine(network, EngineOptions(precision, measure_load(network)), device)

        def work() -> None:
            for group in images.split(batch):
                for _ in fast.bands(group):
                    pass

        exact = "" if precision.psnr_db is None else f", {precision.psnr_db} dB from float32"
        what = f"engine, {name}: {precision.name}{exact}"
    with exact_convolutions():
        work()
        print(timed(work, device.type == "cuda") / count, what)


def whole(given: argparse.Namespace) -> None:
    """``vsr upscale`` of a clip against the network alone and against the cores."""
    import torch

    import vsr
    from vsr.media.damage import Damage
    from vsr.media.reading import scan
    from vsr.pipeline.scan import PlannedSegment
    from vsr.pipeline.storage import WorkFolder
    from vsr.pipeline.worker import SegmentWorker, fix_threads
    from vsr.timeline import Segment

    frames = given.frames
    settings = {"method": given.weights, "scale": given.scale, "speed": "veryfast", "codec": "h264"}
    settings |= {"device": given.device, "torch_threads": given.threads}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, frames, WIDTH, HEIGHT)
        job = vsr.plan(source, Path(folder) / "out.mp4", settings=settings)
        fix_threads(job)
        worker = SegmentWorker(job, WorkFolder(Path(folder)))
        records = tuple(record for record, _ in scan(job.info, 1, Damage()))[:frames]
        some = min(8, frames)
        images = list(worker.frames(PlannedSegment(Segment(0, 0, some, 0, some), records[:some])))
        worker.close()
        restorer = job.prepared.open(job.geometry())
        alone = float("inf")
        for _ in range(2):
            began = time.perf_counter()
            for frame in restorer.restore(images):
                frame.planes[0].sum().item()
            alone = min(alone, (time.perf_counter() - began) / some)
        before, began = cpu_seconds(), time.perf_counter()
        vsr.upscale(source, Path(folder) / "out.mp4", settings=settings)
        seconds, cpu = (time.perf_counter() - began) / frames, (cpu_seconds() - before) / frames
    cores = len(os.sched_getaffinity(0))
    bound = min(1 / alone, cores / cpu)
    what = f"{WIDTH}x{HEIGHT} x{given.scale}, x264 veryfast, {frames} frames, torch threads: {torch.get_num_threads()}"
    print(f"\n### End to end: {what}\n")
    print("| | frames a second |\n|---|---|")
    print(f"| network alone | {1 / alone:.3f} |\n| {cores} cores ÷ CPU time a frame | {cores / cpu:.3f} |")
    print(f"| **end to end** | **{1 / seconds:.3f}** |\n\nEfficiency {1 / seconds / bound:.2f} (goal 0.9).")


def memory(given: argparse.Namespace) -> None:
    """Peak memory of decoding, restoring and rounding 3840x2160, without the encoder, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, 2, 3840, 2160)
        program = [sys.executable, __file__, "one-large", *_passed_on(given), "--source", str(source)]
        done = subprocess.run(program, check=True, capture_output=True, text=True)
    print(f"\n### Memory: 3840x2160 x{given.scale}, one worker, encoder apart\n")
    print(done.stdout.strip())


def one_large(given: argparse.Namespace) -> None:
    """What `memory` measures."""
    import vsr
    from vsr.media.damage import Damage
    from vsr.media.reading import scan
    from vsr.overlap import Overlap
    from vsr.pipeline.scan import PlannedSegment
    from vsr.pipeline.storage import WorkFolder
    from vsr.pipeline.worker import SegmentWorker
    from vsr.timeline import Segment

    source, scale = given.source, given.scale
    settings = {"method": given.weights, "scale": scale, "codec": "ffv1", "device": given.device}
    job = vsr.plan(source, source.with_name("out.mkv"), settings=settings)
    worker = SegmentWorker(job, WorkFolder(source.parent))
    records = tuple(record for record, _ in scan(job.info, 1, Damage()))
    planned = PlannedSegment(Segment(0, 0, len(records), 0, len(records)), records)
    began, made = time.perf_counter(), 0
    with Overlap(worker.restored(planned), 1, "restore") as frames:
        for frame in frames:
            made += frame.pixels()[0].shape == (scale * 2160, scale * 3840)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model = job.prepared.describe()["model"]
    tiles = " and ".join(f"{wide}x{tall}" for tall, wide in model.tiles_yx) if model else ""
    print(f"{made} frames, tiles up to {tiles}: peak {peak / 2**30:.2f} GiB (goal 4), {seconds / made:.0f} s a frame")


def main() -> None:
    """Run what the arguments name, or everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["engine", "whole", "memory"])
    parser.add_argument("--weights", default=str(WEIGHTS), help="By name or file.")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1, help="Of torch.")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.weights == str(WEIGHTS) and not WEIGHTS.is_file():
        raise SystemExit(f"{WEIGHTS} is missing; give --weights NAME or FILE")
    for part in given.parts:
        if part == "one-large":
            one_large(given)
        elif part.startswith("one-"):
            one_engine(given, part.removeprefix("one-"))
        else:
            {"engine": engine, "whole": whole, "memory": memory}[part](given)


if __name__ == "__main__":
    main()
