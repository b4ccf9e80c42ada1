"""Agreement of restored frames with the input: measured, and brought about."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import METHODS, NOT_ADAPTED, Geometry, PerFrameOptions
from vsr.methods.consistency import Consistency, assumed_degradation, watched
from vsr.methods.findings import describe_findings
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.metrics import lr_psnr
from vsr.observation import resample, simulate

CPU = torch.device("cpu")
GEOMETRY = Geometry(48, 36, 192, 144)
GRAY = PixelLayout("gray", "gray", 8)
YUV420 = PixelLayout("yuv420p", "yuv", 8, 1, 1)
BT709 = ColorSpec(1, 1, 1, chroma_location="left")


def _hr(seed: int = 1) -> Tensor:
    """An image: smooth, with edges."""
    y, x = torch.arange(144.0)[:, None], torch.arange(192.0)
    waves = torch.sin(x / 17 + seed) * torch.cos(y / 13 + 2 * seed)
    edges = (x * 0.7 + y > 130 + 9 * seed).float() - (x - 1.3 * y > 20).float()
    return 120 + 40 * waves + 45 * edges


def _frame(*planes: Tensor, layout: PixelLayout = GRAY, ordinal: int = 0) -> VideoFrame:
    coded = planes if layout.is_float else tuple(plane.round().to(torch.uint8) for plane in planes)
    return VideoFrame(tuple(coded), layout, BT709, ordinal, ordinal, Fraction(1, 25))


@pytest.mark.parametrize("name", ["BI", "BD", "camera"])
def test_ground_truth_agrees_to_within_rounding(name: str) -> None:
    hr = _hr()
    found = Consistency(GEOMETRY, name).measure(_frame(simulate(hr, name, 4)), (hr,))
    assert 58 < found.lr_psnr_db < 60.5
    assert found.residual_over_noise == pytest.approx(1, abs=0.1)


def test_it_is_the_measure_of_the_literature() -> None:
    hr, other = _hr(), _hr(2)
    frame = _frame(simulate(hr, "BI", 4))
    found = Consistency(GEOMETRY, "BI").measure(frame, (other,))
    assert found.lr_psnr_db == pytest.approx(lr_psnr(other, frame.planes[0].double()), abs=0.01)


def test_what_cannot_be_stored_is_not_counted() -> None:
    hr = _hr()
    frame = _frame(simulate(hr, "BI", 4))
    beyond = torch.where(hr > 200, hr + 500, hr)
    consistency = Consistency(GEOMETRY, "BI")
    assert consistency.measure(frame, (beyond,)) == consistency.measure(frame, (beyond.clamp(max=255),))


@pytest.mark.parametrize("name", ["BI", "BD", "camera"])
def test_any_clean_result_can_be_made_to_agree(name: str) -> None:
    consistency = Consistency(GEOMETRY, name)
    frame = _frame(simulate(_hr(), name, 4))
    invented = _hr() + 20 * torch.randn(144, 192, generator=torch.Generator().manual_seed(8))
    assert consistency.measure(frame, (invented,)).lr_psnr_db < 40
    planes = consistency.project(frame, (invented,))
    assert consistency.measure(frame, planes).lr_psnr_db >= 45
    detail = [plane - resample(simulate(plane, name, 4), (144, 192)) for plane in (invented, planes[0])]
    kept = float((detail[0] * detail[1]).sum() / (detail[0].norm() * detail[1].norm()))
    assert kept > 0.9, "what the input does not contradict stays"


def test_noise_is_left_out_of_it() -> None:
    noise = 10 * torch.randn(36, 48, generator=torch.Generator().manual_seed(5))
    frame = _frame((simulate(_hr(), "BI", 4) + noise).clamp(1, 254))
    consistency = Consistency(GEOMETRY, "BI", noise_sigma=10.0)
    planes = consistency.project(frame, (_hr(2),))
    found = consistency.measure(frame, planes)
    assert found.residual_over_noise == pytest.approx(1, abs=0.02)
    assert found.input_noise_sigma == pytest.approx(10 / 255, rel=0.01)


def test_noise_is_estimated_once_a_shot() -> None:
    generator = torch.Generator().manual_seed(5)
    clean = _hr()[:108, :144]
    frames = [_frame((clean + 9 * torch.randn(clean.shape, generator=generator)).clamp(1, 254)) for _ in range(3)]
    geometry = Geometry(144, 108, 288, 216)
    consistency = Consistency(geometry, "BI")
    resolved = consistency.with_adaptation(consistency.adapt(frames))
    assert resolved.shot_noise is not None
    assert resolved.shot_noise[0] == pytest.approx(9, rel=0.2)
    flat = _frame(torch.full((108, 144), 77.0))
    enlarged = (torch.full((216, 288), 77.0),)
    found = resolved.measure(flat, enlarged)
    assert found.input_noise_sigma == pytest.approx(9 / 255, rel=0.2), "though this frame shows none"
    given = Consistency(geometry, "BI", noise_sigma=3.0)
    assert given.with_adaptation(given.adapt(frames)) is given


def test_chroma_is_brought_to_agree_where_it_sits_and_alpha_is_left() -> None:
    layout = PixelLayout("yuva420p", "yuv", 8, 1, 1, has_alpha=True)
    recorded = [_hr(seed)[:h, :w] for seed, (h, w) in enumerate(((36, 48), (18, 24), (18, 24), (36, 48)))]
    frame = _frame(*recorded, layout=layout)
    restored = tuple(torch.full(layout.plane_size(plane, 192, 144), 99.0) for plane in range(4))
    consistency = Consistency(GEOMETRY, "BI")
    planes = consistency.project(frame, restored)
    smooth = resample(frame.planes[1], (72, 96), kernel="bicubic", offset_yx=(0.0, -0.25))
    again = resample(planes[1], (18, 24), kernel="bicubic", offset_yx=(0.0, -0.25), scale_yx=(0.25, 0.25))
    assert float((again - frame.planes[1].float()).square().mean().sqrt()) < 0.3
    assert float((planes[1] - smooth).abs().mean()) < float((restored[1] - smooth).abs().mean())
    assert planes[3] is restored[3]


def test_floats_that_are_no_numbers_do_not_spoil_the_figures() -> None:
    layout = PixelLayout("grayf32le", "gray", 32, is_float=True)
    recorded = simulate(_hr(), "BI", 4) / 255
    recorded[3, 3] = float("nan")
    found = Consistency(GEOMETRY, "BI").measure(_frame(recorded, layout=layout), (_hr() / 255,))
    assert 20 < found.lr_psnr_db < 60


def test_shrinking_compares_nothing() -> None:
    assert not Consistency(Geometry(48, 36, 24, 18), "BI").applies
    frames = [_frame(torch.zeros(36, 48))]
    spec = METHODS["lanczos"]
    geometry = Geometry(48, 36, 24, 18)
    prepared = spec.prepare(geometry, spec.options_type(), "cpu")
    [made] = watched(prepared, prepared.open(geometry), frames, NOT_ADAPTED, geometry)
    assert made.findings == {}


def test_any_method_is_watched_and_its_frames_stay_what_they_are() -> None:
    spec = METHODS["bicubic"]
    frames = [replace(_frame(simulate(_hr(n), "BI", 4), ordinal=n), is_halo=n == 24) for n in range(23, 50)]
    prepared = spec.prepare(GEOMETRY, spec.options_type(), "cpu")
    plain = list(prepared.open(GEOMETRY).restore(frames))
    made = list(watched(prepared, prepared.open(GEOMETRY), frames, NOT_ADAPTED, GEOMETRY))
    assert [frame.ordinal for frame in made] == [frame.ordinal for frame in plain]
    assert all(torch.equal(a.planes[0], b.planes[0]) for a, b in zip(made, plain, strict=True))
    assert [frame.ordinal for frame in made if "lr_psnr_db" in frame.findings] == [48], "24 is halo"


def test_the_degradation_assumed_is_the_methods() -> None:
    assert assumed_degradation(PerFrameOptions()) == "BI"
    assert assumed_degradation(PerFrameOptions(degradation="BD")) == "BD"
    assert assumed_degradation(MultiFrameOptions()) == "camera"
    assert assumed_degradation(METHODS["lanczos"].options_type()) == "BI"


@pytest.mark.parametrize(
    ("lr_psnr_db", "times", "says"),
    [
        (47.26, 3.02, "the result is the input"),
        (39.0, 1.2, "the result is the input"),
        (41.9, 7.1, "nothing to worry about"),
        (31.0, 29.3, "compare the two"),
    ],
)
def test_it_is_described_in_words(lr_psnr_db: float, times: float, says: str) -> None:
    [line] = describe_findings({"lr_psnr_db": lr_psnr_db, "residual_over_noise": times, "input_noise_sigma": 0.001})
    assert says in line
    assert f"LR-PSNR {lr_psnr_db:.1f} dB, {times:.1f} times the input's noise" in line
