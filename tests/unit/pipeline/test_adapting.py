"""What a method learns of a shot is learnt once, whatever becomes of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from safetensors.torch import save_file
from small_networks import mixture_tensors
from videos import X264, encode, scene

import vsr
from vsr.frames import VideoFrame
from vsr.methods import Adaptation
from vsr.methods.network.frame import PerFrame


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Two shots of 40 and 24 frames."""
    encode(tmp_path / "in.mp4", scene(64, 64, 48, cuts=(40,)), *X264)
    save_file(mixture_tensors(), tmp_path / "mixture-x2.safetensors")
    return tmp_path


def test_each_shot_is_learnt_once(shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all segments, and by the run that goes on after a stop."""
    learnt: list[int] = []
    adapt = PerFrame.adapt

    def counted(self: PerFrame, frames: Sequence[VideoFrame]) -> Adaptation:
        learnt.append(frames[0].ordinal)
        return adapt(self, frames)

    monkeypatch.setattr(PerFrame, "adapt", counted)

    def stop(progress: vsr.Progress) -> None:
        if progress.frames_done >= 20:
            raise KeyboardInterrupt

    settings = {"method": str(shots / "mixture-x2.safetensors"), "segment_frames": 16}
    with pytest.raises(KeyboardInterrupt):
        vsr.upscale(shots / "in.mp4", shots / "out.mp4", settings=settings, on_progress=stop)
    assert 0 in learnt
    [outcome] = vsr.upscale(shots / "in.mp4", shots / "out.mp4", settings=settings)
    assert outcome.manifest is not None
    assert len(outcome.manifest["segments"]) >= 4
    assert sorted(learnt) == [0, 40]
    whole = (shots / "out.mp4").read_bytes()
    monkeypatch.undo()
    vsr.upscale(shots / "in.mp4", shots / "again.mp4", settings=settings)
    assert (shots / "again.mp4").read_bytes() == whole
