"""Two hundred files from a seed: containers, codecs, layouts, streams, tags and faults, each restored or refused.

Of each, whatever it is: frames in are frames out, or it is refused in one line with nothing left behind; times rise and
are the source's, or are changed no more than must be and as recorded; every stream and every tag is kept or named; the
output agrees with its record. A dozen run with all other tests, the rest at night. ``VSR_MANY_SEED`` and
``VSR_MANY_COUNT`` make other files, and more.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from faulty_files import DAMAGES
from file_maker import make
from invariants import look_at, problems
from many_files import Recipe, many_files
from program import Run

Call = Callable[..., Run]
_SEED = int(os.environ.get("VSR_MANY_SEED", "20"))
_COUNT = int(os.environ.get("VSR_MANY_COUNT", "200"))
_EVERY = 17
"""One of so many runs with all other tests."""
_QUICK = ("--method", "bicubic", "--speed", "ultrafast", "-q")
_MOST_REFUSALS = 3
_MOST_MEMORY_KB = 3_000_000
_RATED = ("h264", "hevc", "m1v", "m2v")
_SANS_VIDEO = ("empty", "header alone", "text")

FILES = [
    pytest.param(recipe, id=recipe.name, marks=() if recipe.number % _EVERY == 0 else pytest.mark.nightly)
    for recipe in many_files(_COUNT, _SEED)
]


def _restore(recipe: Recipe, source: Path, folder: Path, call: Call) -> tuple[Run, Path]:
    """As asked for; where that is refused with a way out, by that way; there may be two things to refuse."""
    folder.mkdir()
    target, more = folder / f"out.{recipe.target}", ()
    for _ in range(_MOST_REFUSALS):
        done = call("upscale", source, "-o", target, "--scale", recipe.scale, *_QUICK, *more)
        if done.code != 2:
            break
        assert "Traceback" not in done.err
        assert done.one_line()
        assert not list(folder.iterdir()), "a refusal leaves nothing"
        to_mp4 = "name the output .mp4" in done.err
        target = folder / ("out.mp4" if to_mp4 else "out.mkv")
        more = ("--drop-streams",) if to_mp4 else ("--codec", "ffv1", "--drop-streams")
    return done, target


@pytest.mark.parametrize("recipe", FILES)
@pytest.mark.usefixtures("no_leaks")
def test_frames_times_streams_and_tags_are_kept_or_named(recipe: Recipe, tmp_path: Path, call: Call) -> None:
    source = make(recipe, tmp_path / "given")
    done, target = _restore(recipe, source, tmp_path / "made", call)
    crop = (4, 2) if "crop" in recipe.extras else (0, 0)
    if done.code != 0:
        assert done.code == 3, done.err
        assert done.one_line()
        assert not list(target.parent.iterdir()), "a refusal leaves nothing"
        num_readable = len(look_at(source, crop=crop).frames)
        assert not num_readable, f"refused, yet {num_readable} frames can be read: {done.err}"
        assert recipe.fault in DAMAGES, done.err
        return
    assert recipe.fault not in _SANS_VIDEO
    manifest = json.loads(target.with_name(f"{target.name}.vsr.json").read_text())
    given = look_at(source, manifest["input"]["video"]["index"], crop)
    made = look_at(target, 0)
    found = problems(given, made, manifest, is_damaged=recipe.fault in DAMAGES)
    assert not found, "; ".join(found)
    if recipe.container in _RATED and recipe.fault not in DAMAGES:
        assert Fraction(manifest["input"]["video"]["untimed_rate"]) == Fraction(
            "25" if recipe.fault == "interlaced" else recipe.rate
        )
    checked = call("verify", target)
    assert checked.code == 0, checked.out + checked.err
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < _MOST_MEMORY_KB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < _MOST_MEMORY_KB
