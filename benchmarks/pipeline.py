"""How well the pipeline uses the machine: efficiency, memory, overhead. Prints Markdown.

    python benchmarks/pipeline.py [efficiency] [memory] [overhead]

All figures are ratios or come from one run on one machine; the sources are made on the spot.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

WIDTH, HEIGHT, RATE = 960, 540, 25


def make_source(path: Path, frames: int, width: int = WIDTH, height: int = HEIGHT) -> None:
    """A moving, slightly noisy test image with sound, H.264."""
    from vsr.media.ffmpeg import run_ffmpeg

    seconds = frames / RATE
    image = f"testsrc2=size={width}x{height}:rate={RATE}:duration={seconds},noise=alls=4:allf=t"
    done = run_ffmpeg(
        ["-v", "error", "-y", "-f", "lavfi", "-i", image, "-f", "lavfi", "-i", f"sine=duration={seconds}",
         "-frames:v", str(frames), "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p",
         "-c:a", "aac", str(path)]
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)


def fps_of(work: Callable[[], int]) -> float:
    """Frames a second of ``work``, which returns how many it did."""
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def cpu_seconds() -> float:
    """CPU time of this process so far, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def count(items: Iterable[object]) -> int:
    """How many."""
    return sum(1 for _ in items)


def efficiency(folder: Path, frames: int = 1000) -> None:
    """End-to-end fps over what the slowest stage, or the cores, would allow."""
    import torch

    import vsr
    from vsr.media.convert import quantise
    from vsr.media.damage import Damage
    from vsr.media.encode import segment_sink
    from vsr.media.reading import open_reader, scan
    from vsr.pipeline.scan import PlanRules, plan_segments
    from vsr.pipeline.storage import WorkFolder
    from vsr.pipeline.worker import SegmentWorker, fix_threads

    source = folder / "source.mp4"
    make_source(source, frames)
    settings = {"method": "lanczos", "scale": 2, "speed": "veryfast", "codec": "h264"}
    job = vsr.plan(source, folder / "out.mp4", settings=settings)
    fix_threads(job)
    vsr.upscale(source, folder / "warm.mp4", end=60, settings=settings)

    def scanning() -> int:
        from vsr.pipeline.job import Span

        rules = PlanRules(240, 0, 1, 0, 3.0, Span(), job.info.start, job.video.time_base)
        return sum(p.segment.num_frames for p in plan_segments(scan(job.info, 1, Damage()), rules))

    records = [record for record, _ in scan(job.info, 1, Damage())]

    def decoding() -> int:
        reader = open_reader(job.info, 1, 0)
        try:
            return count(reader.read(records))
        finally:
            reader.close()

    worker = SegmentWorker(job, WorkFolder(folder))
    from vsr.pipeline.scan import PlannedSegment
    from vsr.timeline import Segment

    some = 60
    planned = PlannedSegment(Segment(0, 0, some, 0, some), tuple(records[:some]))
    images = list(worker.frames(planned))
    restorer = job.prepared.open(job.geometry())
    restored = list(restorer.restore(images))
    quantised = [quantise(frame, job.target) for frame in restored]
    worker.close()

    def restoring() -> int:
        return count(quantise(frame, job.target) for frame in restorer.restore(images))

    def encoding() -> int:
        sink = segment_sink(folder / "alone.bin", job.encoder)
        for number in range(3 * some):
            sink.write(quantised[number % some], number * 512)
        return len(sink.close())

    stages = {
        "scan (decode, fingerprint, cuts)": fps_of(scanning),
        "decode": fps_of(decoding),
        "restore (lanczos, quantise)": fps_of(restoring),
        "encode (x264 veryfast 1080p)": fps_of(encoding),
    }
    before = cpu_seconds()
    whole = fps_of(
        lambda: vsr.upscale(source, folder / "out.mp4", settings=settings)[0].manifest["times"]["num_frames"]
    )
    cpu_a_frame = (cpu_seconds() - before) / frames
    cores = len(os.sched_getaffinity(0))
    by_cores = cores / cpu_a_frame
    bound = min(*stages.values(), by_cores)
    print(f"\n### Efficiency: lanczos {WIDTH}x{HEIGHT} to {2 * WIDTH}x{2 * HEIGHT}, x264 veryfast, {frames} frames\n")
    print("| stage alone | fps |\n|---|---|")
    for name, rate in stages.items():
        print(f"| {name} | {rate:.1f} |")
    print(f"| {cores} cores ÷ CPU time a frame ({cpu_a_frame * 1000:.1f} ms) | {by_cores:.1f} |")
    print(f"| **end to end** | **{whole:.1f}** |")
    print(f"\nEfficiency {whole / bound:.2f} (end to end over the lowest of the others; goal 0.9). "
          f"torch {torch.__version__}")  # fmt: skip


def run_cli(arguments: list[str]) -> tuple[list[tuple[float, dict[str, object]]], float, int]:
    """Events with their times since start, seconds in all, and peak memory in bytes, of ``vsr upscale``."""
    began = time.perf_counter()
    program = [sys.executable, "-c", "from vsr.cli import main; main()", "upscale", "--json-lines", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    events = [(time.perf_counter() - began, json.loads(line)) for line in process.stdout]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"vsr failed: {events[-1:]}")
    return events, time.perf_counter() - began, usage.ru_maxrss * 1024


def memory(folder: Path) -> None:
    """Peak memory for 300 and 3,000 frames."""
    peaks = {}
    for frames in (300, 3000):
        source = folder / f"memory-{frames}.mp4"
        make_source(source, frames, 480, 270)
        fast = ["--method", "lanczos", "--speed", "ultrafast"]
        _, _, peaks[frames] = run_cli([str(source), "-o", str(folder / f"memory-{frames}-2x.mp4"), *fast])
    print("\n### Memory: peak resident size of the whole process, 480x270 to 960x540\n")
    print("| frames | MiB |\n|---|---|")
    for frames, peak in peaks.items():
        print(f"| {frames} | {peak / 2**20:.0f} |")
    print(f"\nRatio {peaks[3000] / peaks[300]:.3f} (goal at most 1.10).")


def overhead(folder: Path) -> None:
    """Time to the first encoded frame, for a short and a two-hour input, and a whole 10-frame run."""
    from vsr.media.ffmpeg import run_ffmpeg

    minute, hours = folder / "minute.mp4", folder / "hours.mp4"
    make_source(minute, 60 * RATE, 640, 360)
    run_ffmpeg(["-v", "error", "-y", "-stream_loop", "119", "-i", str(minute), "-c", "copy", str(hours)])
    print("\n### Overhead\n\n| what | seconds | goal |\n|---|---|---|")
    for name, source in (("1 minute", minute), ("2 hours", hours)):
        end = ["--end", "48"]
        events, _, _ = run_cli(
            [str(source), "-o", str(folder / "first.mp4"), "--overwrite", "--method", "lanczos", *end]
        )
        first = next(at for at, event in events if event.get("frames_done"))
        print(f"| start to first encoded frame, input of {name} | {first:.2f} | 3 |")
    for width, height in ((176, 144), (320, 240)):
        ten = folder / f"ten-{width}.mp4"
        make_source(ten, 10, width, height)
        _, seconds, _ = run_cli([str(ten), "-o", str(folder / f"ten-{width}-2x.mp4")])
        print(f"| 10 frames {width}x{height}, default method, whole run | {seconds:.2f} | 5 |")
    print(f"| `vsr --help` | {help_seconds():.2f} | 0.3 |")


def help_seconds() -> float:
    """Best of five runs of ``vsr --help``."""
    program = [sys.executable, "-c", "from vsr.cli import main; main()", "--help"]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(program, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Run what the arguments name, or everything."""
    parts = {"efficiency": efficiency, "memory": memory, "overhead": overhead}
    requested = sys.argv[1:] or list(parts)
    with tempfile.TemporaryDirectory() as folder:
        for name in requested:
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
