"""The demo clip, its sound and its scoring."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vsr.demo import bicubic_rgb, make_clip, make_tone, score_clip
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


def test_recording_and_truth_show_the_same_place() -> None:
    """Bicubic enlargement fits the truth best where it lies, not a pixel off."""
    import torch

    clip = make_clip(1, lr_height=90, lr_width=120)
    enlarged = bicubic_rgb(clip.lr_frames[0], (180, 240))
    luma = [luma_bt601(torch.from_numpy(p).permute(2, 0, 1)) for p in (enlarged, clip.hr_frames[0])]
    fits = {(dy, dx): psnr(luma[0].roll((dy, dx), (0, 1)), luma[1], crop=8) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert max(fits, key=lambda shift: fits[shift]) == (0, 0)


def test_tone() -> None:
    tone = make_tone(Fraction(3, 2), sample_rate=8000, channels=2)
    assert tone.shape == (12000, 2)
    assert tone.dtype == np.int16
    assert np.abs(tone).max() > 3000


def test_score_of_truth_and_of_bicubic() -> None:
    clip = make_clip(2, lr_height=60, lr_width=80)
    plain = [bicubic_rgb(p, (120, 160)) for p in clip.lr_frames]
    score = score_clip(plain, clip.hr_frames, clip.lr_frames)
    assert score.gain_db == pytest.approx(0.0)
    assert score.mean.ssim_restored == pytest.approx(score.mean.ssim_bicubic)
    near = [np.clip(p.astype(int) + 1, 0, 255).astype(np.uint8) for p in clip.hr_frames]
    assert score_clip(near, clip.hr_frames, clip.lr_frames).worst_gain_db > 5
    with pytest.raises(ValueError, match="differ in length"):
        score_clip(plain[:1], clip.hr_frames, clip.lr_frames)
