"""The demo clip, its sound and its scoring."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vsr.demo import bicubic_rgb, make_clip, make_ordinary_clip, make_tone, mean_psnr, score_clip, verdict
from vsr.media.clips import write_clip
from vsr.metrics import luma_bt601, psnr

pytest.importorskip("skimage", reason="scikit-image, whose photographs the clip shows, is not installed")


def test_clip_is_what_it_says_and_repeats() -> None:
    clip, again, other = (make_clip(3, seed=s, lr_height=60, lr_width=80) for s in (1, 1, 2))
    assert len(clip.lr_frames) == len(clip.hr_frames) == 3
    assert clip.lr_frames[0].shape == (60, 80, 3)
    assert clip.hr_frames[0].shape == (120, 160, 3)
    assert clip.lr_frames[0].dtype == clip.hr_frames[0].dtype == np.uint8
    assert clip.fps == Fraction(25)
    assert all(np.array_equal(a, b) for a, b in zip(clip.lr_frames, again.lr_frames, strict=True))
    assert not np.array_equal(clip.lr_frames[0], other.lr_frames[0])
    assert not np.array_equal(clip.lr_frames[0], clip.lr_frames[1])


def test_lr_and_hr_frames_show_the_same_place() -> None:
    """Bicubic enlargement fits the ground truth best where it lies, not a pixel off."""
    import torch

    clip = make_clip(1, lr_height=90, lr_width=120)
    enlarged = bicubic_rgb(clip.lr_frames[0], (180, 240))
    luma = [luma_bt601(torch.from_numpy(p).permute(2, 0, 1)) for p in (enlarged, clip.hr_frames[0])]
    fits = {(dy, dx): psnr(luma[0].roll((dy, dx), (0, 1)), luma[1], crop=8) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert max(fits, key=lambda shift: fits[shift]) == (0, 0)


def test_the_ordinary_clip_is_averaged_hr_with_all_still_but_the_card() -> None:
    clip, again, other = (make_ordinary_clip(3, seed=s, lr_height=240, lr_width=320) for s in (1, 1, 2))
    assert (clip.name, clip.crf, len(clip.lr_frames), len(clip.hr_frames)) == ("ordinary", 28, 3, 3)
    assert all(np.array_equal(a, b) for a, b in zip(clip.lr_frames, again.lr_frames, strict=True))
    assert not np.array_equal(clip.lr_frames[0], other.lr_frames[0])
    for small, true in zip(clip.lr_frames, clip.hr_frames, strict=True):
        corners = [true[y::2, x::2].astype(float) for y in (0, 1) for x in (0, 1)]
        noise = (small - sum(corners) / 4)[8:-8, 8:-8]
        assert abs(noise.mean()) < 0.05
        assert 0.8 < noise.std() < 1.2
    moved = np.argwhere((clip.hr_frames[0] != clip.hr_frames[2]).any(axis=2))
    assert 120 <= np.ptp(moved[:, 0]) < 150
    assert 150 <= np.ptp(moved[:, 1]) < 185


def test_recordings_repeat(tmp_path: Path) -> None:
    """Also where sides are no multiples of 16, of which x264 reads what was never written."""
    clip = make_clip(6, lr_height=60, lr_width=88)
    for name in ("first.mp4", "second.mp4", "third.mp4"):
        write_clip(tmp_path / name, clip.lr_frames, clip.fps, crf=20)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_tone() -> None:
    tone = make_tone(Fraction(3, 2), sample_rate=8000, channels=2)
    assert tone.shape == (12000, 2)
    assert tone.dtype == np.int16
    assert np.abs(tone).max() > 3000


def test_score_of_ground_truth_and_of_bicubic() -> None:
    clip = make_clip(2, lr_height=60, lr_width=80)
    plain = [bicubic_rgb(p, (120, 160)) for p in clip.lr_frames]
    score = score_clip(plain, clip.hr_frames, clip.lr_frames)
    assert score.gain_db == pytest.approx(0.0)
    assert score.mean.ssim_restored == pytest.approx(score.mean.ssim_bicubic)
    near = [np.clip(p.astype(int) + 1, 0, 255).astype(np.uint8) for p in clip.hr_frames]
    assert score_clip(near, clip.hr_frames, clip.lr_frames).worst_gain_db > 5
    with pytest.raises(ValueError, match="differ in length"):
        score_clip(plain[:1], clip.hr_frames, clip.lr_frames)


def test_mean_psnr_is_that_of_the_score() -> None:
    clip = make_clip(2, lr_height=60, lr_width=80)
    plain = [bicubic_rgb(p, (120, 160)) for p in clip.lr_frames]
    score = score_clip(plain, clip.hr_frames, clip.lr_frames)
    assert mean_psnr(plain, clip.hr_frames) == pytest.approx(score.mean.psnr_bicubic)
    with pytest.raises(ValueError, match="differ in length"):
        mean_psnr(plain[:1], clip.hr_frames)


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ({"a": 2.0, "b": 3.0, "c": 0.6}, "b (+3.00 dB) helps most, then a (+2.00 dB) and c (+0.60 dB)."),
        (
            {"a": 0.1, "b": -2.0, "c": 0.6, "d": -0.2},
            "c (+0.60 dB) helps most; little difference with a (+0.10 dB) and d (-0.20 dB); worse with b (-2.00 dB).",
        ),
        ({"a": 1.0}, "a (+1.00 dB) helps."),
        ({"a": 0.2, "b": -1.0}, "nothing helps; little difference with a (+0.20 dB); worse with b (-1.00 dB)."),
    ],
)
def test_the_verdict_follows_from_the_figures(gains: dict[str, float], said: str) -> None:
    assert verdict("ordinary", gains) == f"On the ordinary clip, against bicubic, {said}"
