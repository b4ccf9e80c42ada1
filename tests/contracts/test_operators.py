"""What every linear operator promises, fed by one table; a new operator is one row of `OPERATORS`.

⟨A u, v⟩ = ⟨u, A_adjoint v⟩ to 1e-10 relative in float64, linearity, equal bytes when applied again, inputs
left alone, float32 close to float64, and constants kept by what only blurs or samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vsr.observation import (
    Antialiased,
    Composed,
    Decimation,
    GaussianBlur,
    KernelBlur,
    LinearOperator,
    NormalEquations,
    PointSampler,
    Recording,
    Stencil,
    VaryingBlur,
    Warp,
    box_kernel,
    degradation_operator,
    disc_kernel,
    gaussian_kernel,
    motion_kernel,
)

SIZES = ((19, 23), (1, 7), (5, 3), (2, 2), (1, 1))
DEVICES = ("cpu", *(("cuda",) if torch.cuda.is_available() else ()))
LOPSIDED = torch.tensor(
    [[0.0, 0.5, 0.1], [0.0, 0.2, 0.0], [0.0, 0.0, 0.0], [0.05, 0.0, 0.05], [0.0, 0.0, 0.1]],
    dtype=torch.float64,
)
"""A kernel without any symmetry, 5×3."""


@dataclass(frozen=True)
class Row:
    make: Callable[[tuple[int, int], str], LinearOperator]
    sizes: tuple[tuple[int, int], ...] = SIZES
    keeps_constants: bool = True
    batches: bool = True
    """Whether it takes images (..., H, W)."""
    both_types: bool = True
    """Whether one operator takes float32 and float64 images; else float64 only."""
    refuses: bool = True
    """Whether it refuses images of a wrong type or size."""


def _random(*shape: int, seed: int, device: str = "cpu", dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype)


def _sampler(size_yx: tuple[int, int], points: int, seed: int, device: str = "cpu") -> PointSampler:
    """Points in the image, on its very edge, outside it, and many in one cell."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(points, generator=generator, dtype=torch.float64) * (size_yx[0] + 3) - 2
    cols = torch.rand(points, generator=generator, dtype=torch.float64) * (size_yx[1] + 3) - 2
    rows[0], cols[0] = size_yx[0] - 1, size_yx[1] - 1
    rows[1], cols[1] = 0, 0
    rows[2:5], cols[2:5] = 0.5, 0.25
    return PointSampler(rows.to(device), cols.to(device), size_yx)


def _varying(size: tuple[int, int], device: str) -> VaryingBlur:
    weights = torch.softmax(_random(3, *size, seed=11, device=device), 0)
    return VaryingBlur([gaussian_kernel((0.8, 0.8)), LOPSIDED, motion_kernel(4.0, 30.0)], weights)


def _scattered(size: tuple[int, int], device: str) -> Warp:
    """More positions than pixels, in no order, many outside, some on the border, some not finite."""
    rows, cols = (torch.rand(2, 7, 31, generator=torch.Generator().manual_seed(12), dtype=torch.float64)).unbind()
    rows, cols = rows * (size[0] + 2) - 1.5, cols * (size[1] + 2) - 1.5
    rows[0, :3], cols[0, :3] = -0.5, size[1] - 0.5
    rows[1, 0], cols[1, 1] = torch.nan, torch.inf
    return Warp(rows.to(device), cols.to(device), size)


def _rotation(size: tuple[int, int], device: str) -> Warp:
    matrix = torch.tensor([[0.9, -0.3, 1.2], [0.3, 0.8, -0.7]])
    return Warp.affine(size, matrix, interpolation="bilinear", out_size_yx=(6, 8), device=device)


def _tilted(size: tuple[int, int], device: str) -> Warp:
    matrix = torch.tensor([[1.1, 0.1, -0.4], [-0.1, 0.9, 0.3], [0.01, -0.02, 1.0]])
    return Warp.homography(size, matrix, dtype=torch.float64, device=device)


def _imaging(size: tuple[int, int], device: str) -> Composed:
    """D B M."""
    warp = Warp.flow(_random(2, *size, seed=13, device=device))
    return Composed(Decimation(size, (2, 2)), KernelBlur(disc_kernel(1.4)), warp)


OPERATORS: dict[str, Row] = {
    "GaussianBlur": Row(lambda size, device: GaussianBlur(1.1, 0.7), refuses=False),
    "GaussianBlur, wide": Row(lambda size, device: GaussianBlur(2.5, 3.0), refuses=False),
    "GaussianBlur of nothing": Row(lambda size, device: GaussianBlur(0.0, 0.1), refuses=False),
    "KernelBlur, one point": Row(lambda size, device: KernelBlur(torch.ones(1, 1))),
    "KernelBlur, separable": Row(lambda size, device: KernelBlur(box_kernel((2.3, 6.0)))),
    "KernelBlur, turned": Row(lambda size, device: KernelBlur(gaussian_kernel((2.0, 0.7), angle_degrees=25))),
    "KernelBlur, lopsided": Row(lambda size, device: KernelBlur(LOPSIDED)),
    "KernelBlur, wide": Row(lambda size, device: KernelBlur(disc_kernel(6.2))),
    "VaryingBlur": Row(_varying),
    "Warp.translation": Row(
        lambda size, device: Warp.translation(size, (0.3, -1.6), device=device), keeps_constants=False
    ),
    "Warp.affine": Row(_rotation, keeps_constants=False),
    "Warp.homography": Row(_tilted, keeps_constants=False),
    "Warp.flow": Row(
        lambda size, device: Warp.flow(_random(2, *size, seed=14, device=device, dtype=torch.float32)),
        keeps_constants=False,
    ),
    "Warp, scattered": Row(_scattered, keeps_constants=False),
    "Decimation": Row(lambda size, device: Decimation(size, (2, 3))),
    "Decimation, phase 0": Row(lambda size, device: Decimation(size, (4, 4), offset_yx=(-1.5, -1.5))),
    "Decimation, rational": Row(lambda size, device: Decimation(size, (Fraction(5, 3), 1.4))),
    "Decimation that enlarges": Row(
        lambda size, device: Decimation(size, (0.5, Fraction(2, 3)), offset_yx=(0.2, -0.3))
    ),
    "Antialiased": Row(lambda size, device: Antialiased(size, (3, 2))),
    "Recording, BI": Row(lambda size, device: Recording(size, (3, 2), "BI", (1.7, 2.0), (0.25, -0.25))),
    "Recording, camera": Row(lambda size, device: Recording(size, (2, 3), "camera", (2.0, 1.5), (0.0, -0.25))),
    "Recording, BD": Row(lambda size, device: Recording(size, (3, 3), "BD", (3.0, 2.0))),
    "Antialiased, lanczos": Row(lambda size, device: Antialiased(size, (8, 30), "lanczos", scale_yx=(0.5, 1.5))),
    "BI": Row(lambda size, device: degradation_operator(size, "BI", 3)),
    "BD": Row(lambda size, device: degradation_operator(size, "BD", 4)),
    "camera": Row(lambda size, device: degradation_operator(size, "camera", 2)),
    "Composed": Row(_imaging, keeps_constants=False),
    "PointSampler": Row(
        lambda size, device: _sampler(size, 300, 1, device),
        sizes=((17, 13), (2, 2)),
        keeps_constants=False,
        batches=False,
        both_types=False,
        refuses=False,
    ),
}


def over_operators(
    chosen: Callable[[Row], bool] = lambda row: True, most_pixels: int = 1 << 20
) -> pytest.MarkDecorator:
    """Runs a test on each chosen row, at each of its sizes, on each device of this machine."""
    return pytest.mark.parametrize(
        ("row", "size", "device"),
        [
            pytest.param(row, size, device, id=f"{name}-{size[0]}x{size[1]}-{device}")
            for name, row in OPERATORS.items()
            if chosen(row)
            for size in row.sizes
            if size[0] * size[1] <= most_pixels
            for device in DEVICES
        ],
    )


@over_operators()
def test_adjoint(row: Row, size: tuple[int, int], device: str) -> None:
    operator = row.make(size, device)
    assert isinstance(operator, LinearOperator)
    u = _random(*size, seed=3, device=device)
    forward = operator.A(u)
    v = _random(*forward.shape, seed=4, device=device)
    backward = operator.A_adjoint(v)
    assert backward.shape == u.shape
    assert forward.dtype == backward.dtype == torch.float64
    left, right = (forward * v).sum(), (u * backward).sum()
    assert abs(left - right) <= 1e-10 * max(abs(left), abs(right))


@over_operators(most_pixels=20)
def test_adjoint_is_the_transposed_matrix(row: Row, size: tuple[int, int], device: str) -> None:
    """Entry by entry on small images: nothing cancels, corners included."""
    operator = row.make(size, device)
    pixels = torch.eye(size[0] * size[1], dtype=torch.float64, device=device).reshape(-1, *size)
    columns = torch.stack([operator.A(pixel) for pixel in pixels])
    shape = columns.shape[1:]
    samples = torch.eye(shape.numel(), dtype=torch.float64, device=device).reshape(-1, *shape)
    rows = torch.stack([operator.A_adjoint(sample) for sample in samples])
    assert (columns.reshape(len(pixels), -1) - rows.reshape(len(samples), -1).T).abs().max() < 1e-11


@over_operators()
def test_applying_changes_nothing(row: Row, size: tuple[int, int], device: str) -> None:
    operator, dtype = row.make(size, device), torch.float32 if row.both_types else torch.float64
    u = _random(*size, seed=5, device=device, dtype=dtype)
    kept_u, first = u.clone(), operator.A(u).clone()
    v = _random(*first.shape, seed=6, device=device, dtype=dtype)
    kept_v, first_back = v.clone(), operator.A_adjoint(v).clone()
    operator.A(_random(*size, seed=7, device=device))  # another type between
    assert torch.equal(operator.A(u), first)
    assert torch.equal(operator.A_adjoint(v), first_back)
    assert torch.equal(u, kept_u)
    assert torch.equal(v, kept_v)


def _out_shape(operator: LinearOperator, size: tuple[int, int], device: str) -> torch.Size:
    return operator.A(torch.zeros(size, dtype=torch.float64, device=device)).shape


@over_operators()
def test_linear(row: Row, size: tuple[int, int], device: str) -> None:
    operator = row.make(size, device)
    for apply, shape in ((operator.A, size), (operator.A_adjoint, _out_shape(operator, size, device))):
        a, b = _random(*shape, seed=8, device=device), _random(*shape, seed=9, device=device)
        expected = 2.5 * apply(a) - 0.75 * apply(b)
        assert (apply(2.5 * a - 0.75 * b) - expected).abs().max() < 1e-9


@over_operators(lambda row: row.both_types)
def test_float32_is_close_to_float64(row: Row, size: tuple[int, int], device: str) -> None:
    operator = row.make(size, device)
    for apply, shape in ((operator.A, size), (operator.A_adjoint, _out_shape(operator, size, device))):
        exact = _random(*shape, seed=10, device=device)
        single = apply(exact.float())
        assert single.dtype == torch.float32
        expected = apply(exact)
        assert (single.double() - expected).abs().max() <= 2e-5 * max(1.0, float(expected.abs().max()))


@over_operators(lambda row: row.keeps_constants)
def test_constants_stay(row: Row, size: tuple[int, int], device: str) -> None:
    got = row.make(size, device).A(torch.full(size, 200.0, dtype=torch.float64, device=device))
    assert (got - 200).abs().max() < 1e-9


@over_operators(lambda row: row.batches)
def test_batches(row: Row, size: tuple[int, int], device: str) -> None:
    operator = row.make(size, device)
    u = _random(2, 3, *size, seed=15, device=device)
    forward = operator.A(u)
    assert torch.allclose(forward[1, 2], operator.A(u[1, 2]), rtol=0, atol=1e-12)
    backward = operator.A_adjoint(forward)
    assert backward.shape == u.shape
    assert torch.allclose(backward[0, 1], operator.A_adjoint(forward[0, 1]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, row in OPERATORS.items() if row.refuses])
def test_refuses_other_types_and_sizes(name: str) -> None:
    operator = OPERATORS[name].make((5, 3), "cpu")
    for apply in (operator.A, operator.A_adjoint):
        with pytest.raises(ValueError, match="float32 and float64"):
            apply(torch.zeros(5, 3, dtype=torch.uint8))
        with pytest.raises(ValueError, match="expected"):
            apply(torch.zeros(5))
        if "KernelBlur" not in name:  # works on every size
            with pytest.raises(ValueError, match="expected"):
                apply(torch.zeros(50, 3))


def test_composed_is_the_product_of_the_matrices() -> None:
    size = (4, 5)

    def matrix(operator: LinearOperator, in_size: tuple[int, ...]) -> Tensor:
        pixels = torch.eye(in_size[0] * in_size[1], dtype=torch.float64).reshape(-1, *in_size)
        return torch.stack([operator.A(pixel).reshape(-1) for pixel in pixels], 1)

    d, b = Decimation(size, (2, 2)), KernelBlur(LOPSIDED)
    m = Warp.translation(size, (0.4, -1.2), dtype=torch.float64)
    expected = matrix(d, size) @ matrix(b, size) @ matrix(m, size)
    assert (matrix(Composed(d, b, m), size) - expected).abs().max() < 1e-12
    assert (matrix(Composed(Composed(d, b), m), size) - expected).abs().max() < 1e-12
    with pytest.raises(ValueError, match="at least one"):
        Composed()


def test_normal_equations_equal_forward_weight_adjoint() -> None:
    generator = torch.Generator().manual_seed(4)
    samplers = [_sampler((11, 9), 300, seed) for seed in (5, 6)]
    weights, values = torch.rand(2, 2, 300, generator=generator, dtype=torch.float64)
    u = torch.randn(11, 9, generator=generator, dtype=torch.float64)
    equations = NormalEquations((11, 9), torch.float64, torch.device("cpu"))
    for sampler, w, y in zip(samplers, weights, values, strict=True):
        equations.add(sampler, w, y)
    product = sum(s.A_adjoint(w * s.A(u)) for s, w in zip(samplers, weights, strict=True))
    right = sum(s.A_adjoint(w * y) for s, w, y in zip(samplers, weights, values, strict=True))
    assert (equations.matrix().apply(u) - product).abs().max() < 1e-9
    assert (equations.right_side() - right).abs().max() < 1e-9


def test_sums_do_not_depend_on_the_order_of_samples() -> None:
    """What makes results repeat on hardware that adds in any order."""
    generator = torch.Generator().manual_seed(6)
    rows, cols, weights = torch.rand(3, 500, generator=generator)
    order = torch.randperm(500, generator=generator)
    results = []
    for pick in (torch.arange(500), order):
        equations = NormalEquations((4, 4), torch.float32, torch.device("cpu"))
        equations.add(PointSampler(3 * rows[pick], 3 * cols[pick], (4, 4)), weights[pick], rows[pick])
        results.append((equations.matrix().centre, equations.right_side()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def _stencil(generator: torch.Generator) -> Stencil:
    """Couplings of every kind: along, down, both diagonals, two away."""
    centre, *maps = torch.randn(6, 6, 7, generator=generator, dtype=torch.float64)
    return Stencil(centre, dict(zip([(0, 1), (1, 0), (1, -1), (1, 1), (2, -2)], maps, strict=True)))


def test_stencil_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(9)
    matrix, u = _stencil(generator), torch.randn(6, 7, generator=generator, dtype=torch.float64)
    whole = matrix.apply(u)
    monkeypatch.setattr("vsr.observation.stencil._STRIP_SAMPLES", 14)
    assert torch.equal(matrix.apply(u), whole)


def test_stencil_sum_is_the_sum_of_the_matrices() -> None:
    generator = torch.Generator().manual_seed(7)
    first, second = (_stencil(generator) for _ in range(2))
    u = torch.randn(6, 7, generator=generator, dtype=torch.float64)
    assert torch.allclose(first.plus(second).apply(u), first.apply(u) + second.apply(u), atol=1e-12)


def test_stencil_is_symmetric() -> None:
    generator = torch.Generator().manual_seed(8)
    matrix = _stencil(generator)
    u, v = torch.randn(2, 6, 7, generator=generator, dtype=torch.float64)
    assert abs((matrix.apply(u) * v).sum() - (u * matrix.apply(v)).sum()) < 1e-10
