"""Examples of a shot: patches that recur are found again, a gain on interpolation, what holds no examples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, find_method
from vsr.methods.findings import describe_findings
from vsr.methods.self_examples import patches
from vsr.methods.self_examples.method import SelfExamplesOptions
from vsr.methods.self_examples.patches import enlarge_by_examples, gather_examples, step_factors
from vsr.metrics import psnr, shrink_bicubic
from vsr.observation import resample


def _discs(side: int) -> Tensor:
    """Discs with sharp edges of all sizes, ``(side, side)`` in 0…1."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 0.5)
    for _ in range(40):
        cy, cx, radius, value = *random.uniform(0, side, 2), random.uniform(4, 24), random.uniform(0.05, 0.95)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = value
    return torch.from_numpy(image).float()


def _frame(luma: Tensor) -> VideoFrame:
    code = (luma * 255).round().clamp(0, 255).to(torch.uint8)
    return VideoFrame((code,), LAYOUTS["gray"], ColorSpec(full_range=True), 0, 0, Fraction(1, 25))


def test_steps_multiply_to_the_magnification() -> None:
    for scale in (1, 2, 3, 4):
        count, factor = step_factors(scale)
        assert factor**count == pytest.approx(scale)
        assert factor <= 1.5
    assert step_factors(1)[0] == 0


@pytest.mark.parametrize("scale", [2, 3])
def test_what_recurs_is_found_and_gains_on_interpolation(scale: int) -> None:
    hr = _discs(48 * scale)
    luma = shrink_bicubic(hr[None].double(), (48, 48))[0].float()
    examples = gather_examples([luma], step_factors(scale)[1], 4000)
    again = gather_examples([luma], step_factors(scale)[1], 4000)
    assert all(torch.equal(value, again[name]) for name, value in examples.items())
    made = enlarge_by_examples(luma, scale, examples)
    none = {name: value[:0] for name, value in examples.items()}
    projected = enlarge_by_examples(luma, scale, none)
    plain = resample(luma[None, None], tuple(hr.shape), kernel="bicubic")[0, 0]
    figures = [psnr(255 * one.double(), 255 * hr.double(), crop=4) for one in (made, projected, plain)]
    assert figures[0] > figures[1] + 0.2, "examples add to back-projection"
    assert figures[0] > figures[2] + 1.0


def test_strips_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lumas = [_discs(96)[:70], _discs(96)[20:90]]
    factor = step_factors(2)[1]
    made = []
    for rows in (32, 1024):
        monkeypatch.setattr(patches, "_STRIP_ROWS", rows)
        examples = gather_examples(lumas, factor, 300)
        assert len(examples["patches"]) == len(examples["details"]) == 300
        made.append((*examples.values(), enlarge_by_examples(lumas[0], 2, examples)))
    assert all(torch.equal(one, other) for one, other in zip(*made, strict=True))


def test_memory_grows_with_the_frames_that_examples_are_taken_from() -> None:
    geometry = Geometry(48, 48, 96, 96)
    needs = [
        find_method("selfex").prepare(geometry, SelfExamplesOptions(example_frames=count), "cpu").capabilities
        for count in (1, 100)
    ]
    assert needs[0].bytes_per_pixel < 150 < needs[1].bytes_per_pixel


def test_small_or_flat_frames_are_interpolated_and_that_is_reported() -> None:
    for luma in (_discs(24), torch.full((48, 48), 0.5)):
        side = len(luma)
        geometry = Geometry(side, side, 2 * side, 2 * side)
        restorer = find_method("selfex").prepare(geometry, SelfExamplesOptions(), "cpu").open(geometry)
        frame = _frame(luma)
        adaptation = restorer.adapt([frame])
        [made] = restorer.restore([frame], adaptation)
        [plain] = find_method("bicubic").prepare(geometry, None, "cpu").open(geometry).restore([frame])
        assert not adaptation
        assert torch.equal(made.planes[0], plain.planes[0])
        assert any("too small or too flat" in line for line in describe_findings(made.findings))


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="most_examples is 0; allowed are 1 to 200000"):
        SelfExamplesOptions(most_examples=0)
    with pytest.raises(UsageError, match="example_frames is 0"):
        SelfExamplesOptions(example_frames=0)
