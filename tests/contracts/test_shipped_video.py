"""What the weights `video` promise: a first frame as `lite` has it, more where the past helps, and no drift."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pixel_unshuffle
from videos import scene

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, find_method, restore_shot
from vsr.methods.network.frame import PerFrameOptions
from vsr.methods.network.recurrent import CHAIN_FRAMES
from vsr.methods.network.several_frames import SeveralFramesOptions
from vsr.metrics import luma_bt601, psnr
from vsr.networks import load_network
from vsr.networks.video import Video
from vsr.observation import resample

GRAY = PixelLayout("gray", "gray", 8)
SCALE = 2
GEOMETRY = Geometry(64, 48, 128, 96)


def _restored(method: str, lumas: Sequence[Tensor]) -> list[Tensor]:
    """Luma of `lumas` (video range, 0…255) as one shot."""
    options = {"precision": "float32", "compression_codes": 0.0}
    prepared = find_method(method).prepare(
        GEOMETRY,
        SeveralFramesOptions(**options) if method == "video" else PerFrameOptions(**options),
        "cpu",  # type: ignore[arg-type]
    )
    frames = [
        VideoFrame((luma.round().to(torch.uint8),), GRAY, ColorSpec(full_range=False), number, number, Fraction(1, 25))
        for number, luma in enumerate(lumas)
    ]
    return [frame.planes[0] for frame in restore_shot(prepared, GEOMETRY, frames)]


def _aliased_pan(count: int) -> tuple[list[Tensor], list[Tensor]]:
    """Stripes and texture that move by half a small pixel a frame, averaged over pixels; and the ground truth."""
    rgb = torch.from_numpy(scene(1, 200, 96, seed=5)[0]).permute(2, 0, 1).double()
    wide = luma_bt601(rgb).float()
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(200.0), indexing="ij")
    wide = (0.6 * wide + 50 + 45 * torch.sin((rows + 2 * columns) / 1.35)).clamp(16, 235).round()
    hr_frames = [wide[:, number : number + 128] for number in range(count)]
    return [avg_pool2d(hr[None, None], SCALE)[0, 0] for hr in hr_frames], hr_frames


def test_the_past_helps_before_a_moving_camera() -> None:
    """Fine stripes that one frame cannot tell; and the first frame is that of `lite`."""
    small, hr_frames = _aliased_pan(9)
    figures, first = {}, {}
    for method in ("lite", "video"):
        made = _restored(method, small)
        figures[method] = [psnr(one[8:-8, 8:-8], hr[8:-8, 8:-8]) for one, hr in zip(made, hr_frames, strict=True)]
        first[method] = made[0]
    assert float((first["video"] - first["lite"]).abs().max()) < 0.001  # sums of batches of other sizes
    assert sum(figures["video"][4:]) > sum(figures["lite"][4:]) + 5 * 0.3


@pytest.mark.parametrize("scale", [2, 4])
def test_where_nothing_is_remembered_it_is_lite(scale: int) -> None:
    """To the bit, whatever is handed on, in places whose motion is not known at all."""
    network = load_network("video", scale)
    video, pixels = network.module, scale**2
    assert isinstance(video, Video)
    frame, before, handed_on = torch.rand(1, 1, 12, 14), torch.rand(1, 1, 12, 14), torch.rand(1, pixels + 24, 12, 14)
    confidence = torch.zeros(1, 1, 12, 14)
    confidence[..., 7:] = 1
    with torch.no_grad():
        made = video(torch.cat([frame, before, confidence, handed_on], 1))[:, :pixels]
        alone = pixel_unshuffle(video.base(frame), scale)
    assert torch.equal(made[..., :7], alone[..., :7])
    assert not torch.equal(made[..., 7:], alone[..., 7:])


def test_a_still_scene_settles() -> None:
    """A chain of the same frame, of which nothing new is recorded: results stay what the first one is."""
    small, _ = _aliased_pan(1)
    made = _restored("video", small * CHAIN_FRAMES)
    assert max(float((one - made[0]).abs().max()) for one in made) < 0.01


def test_what_moves_in_a_still_scene_changes() -> None:
    """Only around it: all else stays what it was."""
    small, _ = _aliased_pan(1)
    moving = []
    for number in range(6):
        frame = small[0].clone()
        frame[20:28, 4 * number : 4 * number + 8] = 200.0
        moving.append(frame)
    made = _restored("video", moving)
    changed = (made[-1] - made[-2]).abs()
    assert float(changed[44:52, 40:56].mean()) > 1
    assert float(changed[:, 88:].max()) < 0.01


def test_flat_areas_keep_their_value() -> None:
    """Away from the border, which convolutions see as black."""
    for value in (16.0, 126.0, 235.0):
        made = _restored("video", [torch.full((48, 64), value)] * 20)
        assert float((made[-1] - value)[24:-24, 24:-24].abs().max()) < 1


def test_noise_stays_bounded() -> None:
    """White noise that changes from frame to frame, for longer than a chain."""
    generator = torch.Generator().manual_seed(1)
    made = _restored("video", [16 + 219 * torch.rand(48, 64, generator=generator) for _ in range(60)])
    assert all(bool(one.isfinite().all()) for one in made)
    assert max(float((one - 126).abs().max()) for one in made) < 400


def test_half_precision_shows_no_difference() -> None:
    """Along four frames, small ones where it is emulated: float16 within 60 dB of float32, bfloat16 within 48."""
    small, _ = _aliased_pan(4)
    network = load_network("video", SCALE)
    for dtype, least in ((torch.float16, 60), (torch.bfloat16, 48)):
        modules = network.module, copy.deepcopy(network.module).to(dtype)
        states = [torch.zeros(1, network.out_channels, 18, 20)] * 2
        for luma in small:
            frame = luma[None, None, :18, :20] / 255
            known = torch.cat([frame, frame, torch.ones_like(frame)], 1)
            states = [module(torch.cat([known, state], 1)) for module, state in zip(modules, states, strict=True)]
        exact, half = (255 * state[0, : SCALE**2].flatten(0, 1) for state in states)
        assert psnr(half, exact) > least


def test_it_stays_near_interpolation() -> None:
    small, _ = _aliased_pan(6)
    for luma, one in zip(small, _restored("video", small), strict=True):
        assert psnr(one[8:-8, 8:-8], resample(luma, (96, 128), kernel="bicubic")[8:-8, 8:-8]) > 18
