"""Warps against OpenCV, scipy, Pillow and closed forms (adjoints: see tests/contracts/test_operators.py)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Tensor

from vsr.observation import Interpolation, Warp
from vsr.observation.ordered_sums import OrderedSums

IMAGE = np.random.default_rng(0).random((23, 31))
OPENCV = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
INTERPOLATIONS: tuple[Interpolation, ...] = ("bilinear", "bicubic")


def _warped(warp: Warp) -> np.ndarray:
    return warp.A(torch.from_numpy(IMAGE)).numpy()


def test_affine_equals_opencv() -> None:
    """x before y, from the result to the image; outside the image's half-pixel rim 0."""
    matrix = np.array([[0.9, -0.2, 2.3], [0.15, 1.1, -1.7]])
    expected = cv2.warpAffine(IMAGE.astype(np.float32), matrix, (34, 28), flags=OPENCV, borderMode=cv2.BORDER_REPLICATE)
    warp = Warp.affine((23, 31), torch.from_numpy(matrix), out_size_yx=(28, 34), interpolation="bilinear")
    assert 0.5 < float(warp.inside.double().mean()) < 0.95
    assert np.abs(_warped(warp) - expected * warp.inside.numpy()).max() < 1e-5


def test_homography_equals_opencv() -> None:
    matrix = np.array([[0.9, -0.2, 2.3], [0.15, 1.1, -1.7], [0.002, -0.003, 1.05]])
    expected = cv2.warpPerspective(
        IMAGE.astype(np.float32), matrix, (34, 28), flags=OPENCV, borderMode=cv2.BORDER_REPLICATE
    )
    for factor in (1.0, -3.0):  # a homography is known up to a factor
        warp = Warp.homography(
            (23, 31), torch.from_numpy(factor * matrix), out_size_yx=(28, 34), interpolation="bilinear"
        )
        assert 0.5 < float(warp.inside.double().mean()) < 0.95
        assert np.abs(_warped(warp) - expected * warp.inside.numpy()).max() < 1e-5


def test_flow_equals_scipy() -> None:
    flow = np.random.default_rng(1).normal(size=(2, 23, 31)) * 2
    y, x = np.mgrid[:23, :31]
    expected = ndimage.map_coordinates(IMAGE, [y + flow[0], x + flow[1]], order=1, mode="nearest")
    warp = Warp.flow(torch.from_numpy(flow), interpolation="bilinear")
    assert np.abs(_warped(warp) - expected * warp.inside.numpy()).max() < 1e-12


@pytest.mark.parametrize(("dy", "dx"), [(0.25, 0.6), (0.9, 0.0), (0.5, 0.5)])
def test_bicubic_translation_equals_pillow(dy: float, dx: float) -> None:
    """Pillow's resize from a shifted box; it drops what lies outside, so the inner part agrees."""
    image = Image.fromarray(IMAGE.astype(np.float32))
    expected = np.asarray(image.resize((30, 22), Image.Resampling.BICUBIC, box=(dx, dy, 30 + dx, 22 + dy)))
    got = _warped(Warp.translation((23, 31), (dy, dx)))
    assert np.abs(got[:22, :30] - expected)[2:-2, 2:-2].max() < 1e-6


@settings(max_examples=50, deadline=None)
@given(st.floats(2.0, 9.0), st.floats(2.0, 12.0), st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_bicubic_reads_parabolas_exactly(row: float, col: float, c: list[float]) -> None:
    """Only a = −0.5 does: torch's and OpenCV's −0.75 does not."""

    def surface(y: Tensor, x: Tensor) -> Tensor:
        return c[0] + c[1] * y + c[2] * x + c[3] * y * y + c[4] * x * x + c[5] * y * x

    y, x = torch.meshgrid(torch.arange(12.0).double(), torch.arange(15.0).double(), indexing="ij")
    rows, cols = torch.tensor([row], dtype=torch.float64), torch.tensor([col], dtype=torch.float64)
    got = Warp(rows, cols, (12, 15)).A(surface(y, x))
    assert torch.allclose(got, surface(rows, cols), rtol=0, atol=1e-9)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_whole_translation_moves_pixels_unchanged(interpolation: Interpolation) -> None:
    """The warped image at p has the value of x at p + shift."""
    image = torch.rand(6, 8)
    got = Warp.translation((6, 8), (1.0, -2.0), interpolation=interpolation).A(image)
    assert torch.equal(got[:5, 2:], image[1:, :6])
    assert got[5].abs().max() == 0
    assert got[:, :2].abs().max() == 0


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_border(interpolation: Interpolation) -> None:
    """A constant stays up to half a pixel beyond the outer centres and is 0 from there on."""
    rows = torch.tensor([-0.5, 3.5, 0.0, -0.501, 3.501, 1.0, 1.0, torch.nan, 1.0])
    cols = torch.tensor([0.0, 4.5, -0.5, 1.0, 1.0, 4.6, -9.0, 1.0, -torch.inf])
    warp = Warp(rows, cols, (4, 5), interpolation=interpolation)
    assert warp.inside.tolist() == [True] * 3 + [False] * 6
    got = warp.A(torch.full((4, 5), 7.0, dtype=torch.float64))
    assert got.tolist() == pytest.approx([7.0] * 3 + [0.0] * 6, abs=1e-5)
    assert warp.A_adjoint(torch.ones(9, dtype=torch.float64)).sum() == pytest.approx(3, abs=1e-6)


def test_homography_does_not_look_behind_the_horizon() -> None:
    """From x = 20 on the factor is negative and divides back into the image: mirrored ghosts."""
    matrix = torch.tensor([[-1.0, 0.0, 20.0], [0.0, 1.0, 0.0], [-0.1, 0.0, 2.0]])
    warp = Warp.homography((30, 31), matrix, out_size_yx=(3, 31))
    assert bool(warp.inside[0, :20].any())
    assert not bool(warp.inside[:, 20:].any())
    with pytest.raises(ValueError, match="horizon"):
        Warp.homography((5, 5), torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, -2]]))


def test_small_parts_of_a_pixel_survive_far_from_the_origin() -> None:
    """Positions are split in float64, so float32 weights are right at the far end of a long row too."""
    ramp = torch.arange(20_000, dtype=torch.float64).expand(1, -1)
    shift = 0.123456
    got = Warp.translation((1, 20_000), (0.0, shift), interpolation="bilinear").A(ramp)
    assert (got - ramp - shift)[0, 10_000:-1].abs().max() < 1e-3 / 20  # 2e-3 with float32 positions


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=40))
def test_ordered_sums_are_sums(cells: list[int]) -> None:
    """Whole numbers, so that any order of adding gives the same."""
    sums = OrderedSums(torch.tensor(cells, dtype=torch.int64))
    values = torch.arange(1, len(cells) + 1, dtype=torch.float64)
    found = dict(zip(sums.cells.tolist(), sums.fold(values[sums.order]).tolist(), strict=True))
    assert found == {cell: sum(k + 1.0 for k, c in enumerate(cells) if c == cell) for cell in set(cells)}


def test_many_positions_in_one_pixel() -> None:
    positions = torch.full((1000,), 1.0, dtype=torch.float64)
    spread = Warp(positions, positions, (3, 3)).A_adjoint(torch.full((1000,), 0.1, dtype=torch.float64))
    assert spread[1, 1] == pytest.approx(100, rel=1e-14)
    assert spread.abs().sum() == pytest.approx(100, rel=1e-14)


def test_refuses_what_does_not_fit() -> None:
    two, three = torch.zeros(2), torch.zeros(3)
    with pytest.raises(ValueError, match="cannot read"):
        Warp(two, three, (4, 4))
    with pytest.raises(ValueError, match="cannot read"):
        Warp(two, two, (0, 4))
    with pytest.raises(ValueError, match="cannot read"):
        Warp(two[:0], two[:0], (4, 4))
    with pytest.raises(ValueError, match="interpolation"):
        Warp(two, two, (4, 4), interpolation="nearest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positions must be"):
        Warp(two.long(), two.long(), (4, 4))
    with pytest.raises(ValueError, match="2x3"):
        Warp.affine((4, 4), torch.eye(3))
    with pytest.raises(ValueError, match="3x3"):
        Warp.homography((4, 4), torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match="flow"):
        Warp.flow(torch.zeros(4, 4, 2))
