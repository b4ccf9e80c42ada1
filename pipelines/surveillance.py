"""Larger, clearer clips from surveillance cameras, and a table that says what each clip rests on.

    python pipelines/surveillance.py recordings/ -o clips/
    ray job submit -- python /opt/pipelines/surveillance.py /data/recordings -o /data/clips

Every folder with videos is a camera; a folder of folders stands for all of them but OUTPUT, and for itself if it holds
videos as well. Clips go to ``OUTPUT/CAMERA/``, as lossless FFV1 with a manifest each. ``outcomes.csv`` and ``.json`` in
OUTPUT have a row for every recording: digests, method and evidence class, damage, or why it failed; other runs' stay.
The preset is `surveillance`, whose method invents nothing. The same command again does what is new. Exit codes: vsr's.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

import vsr.api

COLUMNS = (
    *("camera", "input", "input_sha256", "output", "output_sha256", "status", "num_frames", "damaged_places"),
    *("method", "evidence", "generative", "error", "exit_code"),
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", help="folders of cameras")
    parser.add_argument("-o", "--output", required=True, help="folder for the clips and the table")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--ray", default="auto" if os.environ.get("RAY_ADDRESS") else None, metavar="auto|HOST:PORT")
    parser.add_argument("--workers", type=int, help="segments made at a time; by default all that there is room for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of vsr")
    options = parser.parse_args(arguments)
    options.output, *options.folders = (Path(os.path.abspath(one)) for one in (options.output, *options.folders))
    settings = {"scale": options.scale} | dict(text.partition("=")[::2] for text in options.set)
    options.requested = {"settings": settings, "workers": options.workers, "ray": options.ray}
    return options


def cameras(folders: Sequence[Path], output: Path) -> list[Path]:
    """Folders of single cameras. Raises a `vsr.VsrError` for what is none, for two of one name, and for the output."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise vsr.InputError(f"{folder}: is not a folder of recordings")
        inner = sorted(e for e in folder.iterdir() if e.is_dir() and e != output and not e.name.startswith("."))
        try:
            own = [folder] if not inner or vsr.api.expand_inputs([folder]) else []
        except vsr.InputError:
            own = []
        for camera in own + inner:
            if output in (camera, camera.parent):
                raise vsr.UsageError(f"clips of {camera} would lie among recordings in {output}; name another folder")
            if camera.name in found:
                raise vsr.UsageError(f"{camera} and {found[camera.name]} have the same name; rename one of them")
            found[camera.name] = camera
    return list(found.values())


def row(camera: Path, outcome: vsr.Outcome) -> dict[str, Any]:
    """One line of the table."""
    found: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    found |= {"camera": camera.name, "input": str(outcome.input), "output": str(outcome.output), "exit_code": 0}
    if outcome.error is not None:
        return found | {"status": "failed", "error": str(outcome.error), "exit_code": outcome.error.exit_code}
    manifest: Any = outcome.manifest
    damage, digests = manifest["damage"], list(manifest["output"]["files"].values())
    return found | {
        "input_sha256": manifest["input"]["sha256"],
        "output_sha256": digests[0] if len(digests) == 1 else "",  # those of images are in the manifest
        "status": "done before" if outcome.was_done else "done",
        "num_frames": manifest["times"]["num_frames"],
        "damaged_places": damage["decode_errors"] + damage["corrupt_frames"] + damage["read_errors"],
        "method": manifest["method"]["name"],
        "evidence": manifest["method"]["evidence"],
        "generative": manifest["method"]["generative"],
    }


def clear(camera: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Restore one camera's recordings; their lines of the table. What cannot be done at all is a line, too."""
    target = options.output / camera.name
    target.mkdir(parents=True, exist_ok=True)
    try:
        outcomes = vsr.upscale([camera], target, preset="surveillance", **options.requested)
    except (vsr.InputError, vsr.UsageError) as error:
        outcomes = [vsr.Outcome(camera, target, None, error)]
    for outcome in outcomes:
        state = f"FAILED: {outcome.error}" if outcome.error is not None else f"→ {outcome.output}"
        print(f"{camera.name}: {outcome.input} {state}", flush=True)
    return [row(camera, outcome) for outcome in outcomes]


def earlier(folder: Path, named: set[str]) -> dict[str, dict[str, Any]]:
    """Rows of the table that lies there, by input, but for what failed of cameras that are ``named`` now."""
    table = folder / "outcomes.json"
    try:
        rows = json.loads(table.read_text(encoding="utf-8")) if table.exists() else []
        kept = [{name: one[name] for name in COLUMNS} for one in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise vsr.UsageError(f"{table} is no table of this pipeline; move it away") from error
    return {one["input"]: one for one in kept if one["status"] != "failed" or one["camera"] not in named}


def write_table(folder: Path, rows: Sequence[dict[str, Any]], named: set[str]) -> None:
    """Both files, each replaced as a whole; rows that other runs have put there meanwhile stay."""
    writer = csv.DictWriter(text := io.StringIO(), COLUMNS)
    writer.writeheader()
    with FileLock(folder / ".outcomes.lock"):
        table = list((earlier(folder, named) | {one["input"]: one for one in rows}).values())
        writer.writerows(table)
        for name, content in (("outcomes.csv", text.getvalue()), ("outcomes.json", json.dumps(table, indent=1))):
            (part := folder / f".{name}.tmp").write_text(content, encoding="utf-8", newline="")
            part.replace(folder / name)


def main(arguments: Sequence[str] | None = None) -> int:
    """All cameras, one after the other; the exit code."""
    options = parse(arguments)
    rows, found = list[dict[str, Any]](), cameras(options.folders, options.output)
    earlier(options.output, named := {camera.name for camera in found})  # what is no table is refused at once
    for camera in found:
        rows += clear(camera, options)
        write_table(options.output, rows, named)
    failed = [one for one in rows if one["exit_code"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} recordings; see {options.output / 'outcomes.csv'}")
    return max((one["exit_code"] for one in failed), default=0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `ray job stop` asks by SIGTERM
    try:
        sys.exit(main())
    except (vsr.VsrError, OSError) as error:
        print(f"surveillance: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", vsr.MachineError.exit_code))
    except KeyboardInterrupt:
        print("surveillance: stopped; the same command goes on from there", file=sys.stderr)
        sys.exit(vsr.Interrupted.exit_code)
