"""Whole runs with a network that samples: the same command makes the same video, another seed another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from plain_reader import first_frames
from small_networks import know_stand_ins, small_network

import vsr
from vsr.media.planes import planes_of

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    know_stand_ins(monkeypatch)


def _made(source: Path, target: Path, **settings: Any) -> tuple[list[list[bytes]], Mapping[str, Any]]:
    """The decoded frames of a lossless output, and its manifest."""
    method = str(small_network("sampling", strength=1.0))
    [outcome] = vsr.upscale(source, target, settings={"method": method, "codec": "ffv1", "seed": 3, **settings})
    assert outcome.manifest is not None
    images = [[plane.tobytes() for plane in planes_of(frame)] for frame in first_frames(target)]
    assert images
    return images, outcome.manifest


def test_neither_segments_nor_tiles_show_and_seeds_do(clips: Clips, tmp_path: Path) -> None:
    whole, manifest = _made(clips("cfr"), tmp_path / "whole.mkv")
    parts, _ = _made(clips("cfr"), tmp_path / "parts.mkv", segment_frames=16, tile_px=32)
    other, _ = _made(clips("cfr"), tmp_path / "other.mkv", seed=4)
    assert parts == whole
    assert all(one != two for one, two in zip(other, whole, strict=True))
    method = manifest["method"]
    assert (method["evidence"], method["generative"]) == ("generative", True)
    assert {name: method["options"][name] for name in ("seed", "temperature", "samples")} == {
        "seed": 3,
        "temperature": 1.0,
        "samples": 1,
    }


def test_a_run_that_goes_on_makes_the_same(clips: Clips, tmp_path: Path) -> None:
    whole, _ = _made(clips("cfr"), tmp_path / "whole.mkv", segment_frames=16)

    def interrupt(progress: vsr.Progress) -> None:
        if progress.frames_done >= 40:
            raise KeyboardInterrupt

    method = str(small_network("sampling", strength=1.0))
    settings = {"method": method, "codec": "ffv1", "seed": 3, "segment_frames": 16}
    with pytest.raises(KeyboardInterrupt):
        vsr.upscale(clips("cfr"), tmp_path / "out.mkv", settings=settings, on_progress=interrupt)
    again, manifest = _made(clips("cfr"), tmp_path / "out.mkv", segment_frames=16)
    reused = [segment["reused"] for segment in manifest["segments"]]
    assert True in reused
    assert False in reused
    assert again == whole
