#!/usr/bin/env python3
"""Whether a change of code changes outputs: ten files restored by two checkouts, compared byte for byte.

    scripts/compare_outputs.py OLD NEW

Both run in this environment. Prints a line for each file, with the least PSNR of a frame where bytes differ; the exit
code is 1 where one differs or fails.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOBS: dict[str, tuple[str, ...]] = {
    "cfr": ("--method", "lanczos"),
    "vfr": ("--method", "bicubic"),
    "rich": ("--method", "multiframe", "--end", "10"),
    "cuts": ("--method", "auto", "--end", "6"),
    "hdr": ("--method", "lite", "--end", "6"),
    "gray": ("--method", "video", "--end", "6"),
    "interlaced": ("--method", "lanczos", "--deinterlace", "field"),
    "damaged_ts": ("--method", "multiframe", "--set", "quality=draft", "--end", "8"),
    "mpeg2_ts": ("--method", "lite", "--pass", "deflicker", "--end", "6"),
    "alpha": ("--method", "bicubic", "--pass", "dust", "--end", "6"),
}
"""From a row of `CLIPS` in tests/videos.py to what is done with it at ×2."""


def make_clips(folder: Path) -> dict[str, Path]:
    """The sources, by the tests' own makers."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from videos import CLIPS

    sources = {name: folder / CLIPS[name].file_name for name in JOBS}
    for name, path in sources.items():
        CLIPS[name].write(path)
    return sources


def restore(checkout: Path, source: Path, options: tuple[str, ...], output: Path) -> str:
    """SHA-256 of what ``checkout`` makes of ``source``, or the last line of its error."""
    command = [sys.executable, "-m", "vsr", "upscale", str(source), "-o", str(output), "--scale", "2", *options, "-q"]
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)}, capture_output=True, text=True
    )
    if done.returncode:
        return f"failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}"
    return hashlib.sha256(output.read_bytes()).hexdigest()


def least_psnr(old: Path, new: Path) -> float:
    """PSNR in dB of the luma of the frame that differs most; infinite where none does."""
    import vsr

    curve = vsr.compare(old, new, exact=True).curve("psnr")
    assert curve is not None
    return min(value for value in curve.values if value is not None)


def main() -> int:
    """Compare the two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="Folder of a checkout.")
    parser.add_argument("new", type=Path, help="Folder of another one.")
    given = parser.parse_args()
    num_equal = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, source in make_clips(Path(folder)).items():
            outputs = [Path(folder) / f"{name}-{number}.mkv" for number in range(2)]
            old, new = (
                restore(checkout.resolve(), source, JOBS[name], output)
                for checkout, output in zip((given.old, given.new), outputs, strict=True)
            )
            failed = [one for one in (old, new) if one.startswith("failed")]
            num_equal += old == new and not failed
            if failed:
                said = ", ".join(failed)
            else:
                said = "equal" if old == new else f"other bytes, PSNR of frames at least {least_psnr(*outputs):.1f} dB"
            print(f"{name} {' '.join(JOBS[name])}: {said}", flush=True)
    print(f"{num_equal} of {len(JOBS)} equal")
    return int(num_equal < len(JOBS))


if __name__ == "__main__":
    sys.exit(main())
