"""Networks on a GPU against the same on a CPU; skipped where there is no GPU."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from small_networks import small_network

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.inference import MOST_FRAMES
from vsr.methods import Geometry, PerFrameOptions, restore_shot
from vsr.methods.network.frame import prepare_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GEOMETRY = Geometry(96, 64, 192, 128)
LAYOUTS = (
    PixelLayout("yuv420p", "yuv", 8, 1, 1),
    PixelLayout("yuv420p10le", "yuv", 10, 1, 1),
    PixelLayout("gbrp", "rgb", 8),
)


def _frames(count: int, layout: PixelLayout) -> list[VideoFrame]:
    generator = torch.Generator().manual_seed(1)
    frames = []
    for ordinal in range(count):
        planes = tuple(
            (torch.rand(layout.plane_size(plane, 96, 64), generator=generator) * layout.peak)
            .to(torch.int32)
            .to(layout.dtype)
            for plane in range(layout.num_planes)
        )
        frames.append(VideoFrame(planes, layout, ColorSpec(1, 1, 1), ordinal, ordinal, Fraction(1, 25)))
    return frames


def _restored(frames: list[VideoFrame], kind: str, device: str, **options: object) -> list[VideoFrame]:
    own = PerFrameOptions(**options)  # type: ignore[arg-type]
    path = str(small_network(kind, strength=0.3))  # type: ignore[arg-type]
    return list(restore_shot(prepare_network(path, GEOMETRY, own, device), GEOMETRY, frames))


@pytest.mark.parametrize("kind", ["Y", "RGB"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_it_gives_what_the_cpu_gives(kind: str, layout: PixelLayout, precision: str) -> None:
    """More frames than fit a batch and a graph; float32 to rounding, half precision to a code or so."""
    frames = _frames(MOST_FRAMES + 3, layout)
    on_cpu = _restored(frames, kind, "cpu", precision="float32")
    on_gpu = _restored(frames, kind, "cuda:0", precision=precision)
    allowed = (0.02 if precision == "float32" else 3.0) * layout.peak / 255
    for one, other in zip(on_cpu, on_gpu, strict=True):
        assert one.ordinal == other.ordinal
        for plane, same in zip(one.planes, other.planes, strict=True):
            assert float((plane - same.cpu()).abs().max()) < allowed


def test_where_a_segment_starts_does_not_show() -> None:
    frames = _frames(2 * MOST_FRAMES + 3, LAYOUTS[0])
    whole = _restored(frames, "RGB", "cuda:0")
    pieces = [
        frame
        for start in range(0, len(frames), MOST_FRAMES)
        for frame in _restored(frames[start : start + MOST_FRAMES], "RGB", "cuda:0")
    ]
    for one, other in zip(whole, pieces, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def test_what_else_is_in_a_batch_does_not_show() -> None:
    frames = _frames(MOST_FRAMES, LAYOUTS[0])
    others = [
        replace(frame, planes=tuple(plane.flip(0) for plane in frame.planes)) if frame.ordinal else frame
        for frame in frames
    ]
    first, second = (_restored(some, "RGB", "cuda:0")[0] for some in (frames, others))
    assert all(torch.equal(a, b) for a, b in zip(first.planes, second.planes, strict=True))


def test_tiles_and_agreement() -> None:
    frames = _frames(2, LAYOUTS[0])
    whole = _restored(frames, "RGB", "cuda:0", precision="float32")
    tiled = _restored(frames, "RGB", "cuda:0", precision="float32", tile_px=32)
    for one, other in zip(whole, tiled, strict=True):
        assert all(float((a - b).abs().max()) < 0.03 for a, b in zip(one.planes, other.planes, strict=True))
    bound = _restored(frames, "RGB", "cuda:0", consistent=True, noise_sigma=0.0)
    assert all(plane.is_cuda for plane in bound[0].planes)
