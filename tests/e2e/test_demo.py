"""The demonstration: the whole way from photographs to a measured result."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from vsr.demo.run import run_demo


@pytest.mark.slow
def test_the_demo_beats_bicubic_clearly(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo", num_frames=9)
    assert len(result.score.frames) == 9
    assert result.score.gain_db > 2.0
    assert result.score.worst_gain_db > 1.0
    assert result.score.mean.ssim_restored > result.score.mean.ssim_bicubic + 0.03
    with av.open(str(result.restored)) as restored, av.open(str(result.recorded)) as recorded:
        assert [stream.type for stream in restored.streams] == ["video", "audio"]
        assert restored.streams.video[0].width == 2 * recorded.streams.video[0].width
        sound = [[bytes(p) for p in file.demux(audio=0) if p.size] for file in (restored, recorded)]
    assert sound[0] == sound[1]
    assert result.picture.read_bytes().startswith(b"\x89PNG")
