"""How near `vsr compare` comes to the speed of decoding both videos, and what sampling costs. Prints Markdown.

    python benchmarks/compare.py [frames]

Two versions of a moving wall of photographs at 1920×1080 and one at half the size, H.264 as `vsr upscale` writes it.
Decoding two side by side and comparing them take turns; the medians of the ratios are printed, of wall time and of CPU
time.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, RATE = 1920, 1080, 25
ROUNDS = 5


def make_versions(folder: Path, frames: int) -> tuple[Path, Path, Path]:
    """A sharp and a soft version, slightly noisy, and the sharp one at half the size."""
    import cv2
    from skimage import data

    from vsr.media.ffmpeg import ffmpeg_path

    photographs = [
        data.astronaut(),
        data.coffee(),
        data.chelsea(),
        data.rocket(),
        data.cat(),
        data.immunohistochemistry(),
    ]
    tiles = [cv2.resize(photo, (640, 480), interpolation=cv2.INTER_CUBIC) for photo in photographs]
    row = np.concatenate(tiles, 1)
    wall = np.concatenate([np.roll(row, 640 * turn, 1) for turn in range(5)], 0)
    rng = np.random.default_rng(0)
    noise = rng.integers(-3, 4, (4, HEIGHT, WIDTH, 3)).astype(np.int16)
    paths = folder / "sharp.mp4", folder / "soft.mp4", folder / "small.mp4"
    sizes = [(WIDTH, HEIGHT), (WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2)]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-r", str(RATE))
    codec = ("-c:v", "libx264", "-preset", "medium", "-crf", "16", "-pix_fmt", "yuv420p")
    programs = [
        subprocess.Popen(
            [ffmpeg_path(), "-v", "error", "-y", *raw, "-s", f"{width}x{height}", "-i", "-", *codec, str(path)],
            stdin=subprocess.PIPE,
        )
        for path, (width, height) in zip(paths, sizes, strict=True)
    ]
    for number in range(frames):
        move = np.array([[1, 0, -3.3 * (number % 180)], [0, 1, -2.1 * (number % 180)]], np.float32)
        sharp = cv2.warpAffine(wall, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        soft = cv2.GaussianBlur(sharp, (0, 0), 0.8)
        small = cv2.resize(sharp, sizes[2], interpolation=cv2.INTER_AREA)
        for program, image in zip(programs, (sharp, soft, small), strict=True):
            grain = noise[number % 4, : image.shape[0], : image.shape[1]]
            assert program.stdin is not None
            program.stdin.write(np.clip(image + grain, 0, 255).astype(np.uint8).tobytes())
    for program in programs:
        assert program.stdin is not None
        program.stdin.close()
        program.wait()
    return paths


def decode_both(paths: tuple[Path, Path]) -> None:
    """Each opened and decoded in a thread of its own, with the decoder threads of a comparison, and nothing else."""
    from vsr.media.damage import Damage
    from vsr.media.reading import probe, view
    from vsr.report.comparison.measure import decoder_threads

    num_threads = decoder_threads(len(paths))

    def decode(path: Path) -> None:
        for _ in view(probe(path), num_threads, Damage()):
            pass

    threads = [threading.Thread(target=decode, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall and of CPU, all threads."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def speeds(paths: tuple[Path, Path]) -> tuple[float, float]:
    """Speed of comparing over that of decoding both: on the wall, and in CPU time."""
    import vsr

    rounds = [(timed(lambda: decode_both(paths)), timed(lambda: vsr.compare(*paths))) for _ in range(ROUNDS)]
    wall = statistics.median(decode[0] / compare[0] for decode, compare in rounds)
    return wall, statistics.median(decode[1] / compare[1] for decode, compare in rounds)


def main(frames: int) -> None:
    """Print the table."""
    import vsr

    with tempfile.TemporaryDirectory() as name:
        *paths, small = make_versions(Path(name), frames)
        vsr.compare(*paths, every=50)
        wall, cpu = speeds((paths[0], paths[1]))
        wall_small, cpu_small = speeds((small, paths[0]))
        sampled = vsr.compare(*paths)
        exact = vsr.compare(*paths, exact=True, every=10)
        errors = [
            a - b  # type: ignore[operator]
            for a, b in zip(sampled.curve("ssim").values[::10], exact.curve("ssim").values, strict=True)  # type: ignore[union-attr]
        ]
    print(f"| compare, {WIDTH}×{HEIGHT}, {frames} frames | measured | goal |\n|---|---|---|")
    print(f"| speed of comparing ÷ speed of decoding both, wall | {wall:.2f} | 0.8 |")
    print(f"| the same in CPU time | {cpu:.2f} | |")
    print(f"| input of half the size against output (LR-PSNR), wall | {wall_small:.2f} | 0.8 |")
    print(f"| the same in CPU time | {cpu_small:.2f} | |")
    print(f"| SSIM of a frame, sampled less exact: root mean square | {np.sqrt(np.mean(np.square(errors))):.4f} | |")
    print(f"| the same of their mean | {abs(np.mean(errors)):.5f} | |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
