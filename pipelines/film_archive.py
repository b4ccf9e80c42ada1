"""Restored masters of a film archive: every reel twice the size, lossless FFV1 or ProRes, sound untouched.

    python pipelines/film_archive.py scans/ -o masters/ --bags bags/ --organization "Film museum"
    python pipelines/film_archive.py s3://archive/scans/ reels.txt -o s3://archive/masters/ --master prores
    ray job submit -- python /opt/pipelines/film_archive.py /data/scans -o /data/masters

Reels are files, folders, lists of them in a ``.txt`` file, or URLs; a folder of scanned images (DPX, TIFF) is a
reel, too, and needs ``--fps``. Give the same command again after a stop of any kind, or when new reels have come:
what is finished stays as it is. ``batch.json`` beside the masters says what became of each reel, ``REEL.vsr.json`` how
each master was made. With ``--bags`` each master, its record and its reel are packed into a BagIt folder, described in
PREMIS (``vsr bag``); bags that are there stay. Inside a Ray job the workers are the cluster's; elsewhere they are this
machine's, unless ``--ray`` names a cluster. Exit codes are those of ``vsr upscale``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import vsr

MASTERS = ("ffv1", "prores")
LINE_SECONDS = 30.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reels", nargs="+", help="files, folders, lists (.txt) or URLs")
    parser.add_argument("-o", "--output", required=True, help="folder or URL for the masters")
    parser.add_argument("--master", choices=MASTERS, default="ffv1", help="codec of the masters")
    parser.add_argument("--bags", type=Path, metavar="FOLDER", help="folder for bags of the masters and their reels")
    parser.add_argument("--organization", help="what bags call their source, such as the archive's name")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--fps", help="rate of reels that are images and do not tell theirs")
    parser.add_argument("--ray", default="auto" if os.environ.get("RAY_ADDRESS") else None, metavar="auto|HOST:PORT")
    parser.add_argument("--workers", type=int, help="segments made at a time; by default all that there is room for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of vsr")
    options = parser.parse_args(arguments)
    if not options.output:
        parser.error("-o names no folder")
    if options.bags is not None and "://" in options.output:
        parser.error("--bags needs masters on this machine: name a folder by -o")
    if options.bags is not None and not options.bags.is_dir():
        parser.error(f"--bags: {options.bags} is no folder; make it first")
    if options.organization and options.bags is None:
        parser.error("--organization is written into bags; give --bags")
    options.settings = dict(text.partition("=")[::2] for text in options.set)
    return options


class Report:
    """One line for each reel, and one now and then while none is done."""

    def __init__(self) -> None:
        self._reported = time.monotonic()

    def progress(self, progress: vsr.Progress) -> None:
        """Hears of every image; says little."""
        if progress.stage == "restoring" and time.monotonic() - self._reported > LINE_SECONDS:
            self._reported = time.monotonic()
            total = f" of {progress.frames_total}" if progress.frames_total else ""
            say(f"{_name(progress.path)}: {progress.frames_done}{total} frames, {progress.fps:.1f} a second")

    def outcome(self, outcome: vsr.Outcome) -> None:
        """Hears of every reel once."""
        self._reported = time.monotonic()
        say(f"{_name(outcome.input)}: {describe(outcome)}")


def describe(outcome: vsr.Outcome) -> str:
    """What became of a reel, in words."""
    if outcome.manifest is None:
        return f"FAILED: {outcome.error}"
    frames, damage = outcome.manifest["times"]["num_frames"], outcome.manifest["damage"]
    harmed = damage["decode_errors"] + damage["corrupt_frames"] + damage["read_errors"]
    note = f", {harmed} damaged places concealed" if harmed else ""
    when = "done before" if outcome.was_done else f"done in {outcome.manifest['seconds']:.0f} s"
    return f"{when}, {frames} frames{note} → {outcome.output}"


def pack(outcomes: Sequence[vsr.Outcome], options: argparse.Namespace) -> list[vsr.VsrError]:
    """Put each finished master into a bag with its reel, if it is not in one; what went wrong."""
    info = {"Source-Organization": options.organization} if options.organization else {}
    errors = []
    for outcome in outcomes:
        if outcome.manifest is None:
            continue
        output = Path(outcome.output)
        folder = options.bags / output.name
        if folder.is_dir():
            say(f"{output.name}: is in {folder} already")
            continue
        try:
            has_file = Path(str(outcome.manifest["input"]["path"])).exists()
            made = vsr.bag(output, folder, with_source=has_file, info=info)
            say(f"{output.name}: packed, {made.num_files} files → {folder}")
        except vsr.VsrError as error:
            errors.append(error)
            say(f"{output.name}: NOT PACKED: {error}")
    return errors


def _name(place: object) -> str:
    return PurePosixPath(str(place)).name


def say(text: str) -> None:
    """One line, at once: a job's log is read while it runs."""
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Restore all reels; the exit code."""
    options = parse(arguments)
    report = Report()
    settings = {"scale": options.scale, "codec": options.master, "fps": options.fps, **options.settings}
    outcomes = vsr.upscale(
        options.reels,
        options.output.rstrip("/") + "/",
        preset="film",
        settings=settings,
        workers=options.workers,
        ray=options.ray,
        on_progress=report.progress,
        on_outcome=report.outcome,
    )
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    say(f"{len(outcomes) - len(failed)} of {len(outcomes)} reels are restored; see {options.output}")
    errors = [outcome.error for outcome in failed if outcome.error is not None]
    if options.bags is not None:
        errors += pack(outcomes, options)
    return max((error.exit_code for error in errors), default=0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `ray job stop` asks by SIGTERM
    try:
        code = main()
    except (vsr.VsrError, OSError) as error:
        print(f"film_archive: {error}", file=sys.stderr)
        code = getattr(error, "exit_code", vsr.MachineError.exit_code)
    except KeyboardInterrupt:
        print("film_archive: stopped; the same command goes on from there", file=sys.stderr)
        code = vsr.Interrupted.exit_code
    sys.exit(code)
