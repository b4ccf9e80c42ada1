"""What every kernel promises, fed by one table; a new kernel is one row of `ROWS`.

The compiled form agrees with torch's in float64 to 1e-5 of the values at hand and what torch itself errs by in float32,
whatever the size and however values lie in memory. It gives equal bytes again and in any thread, and leaves its
inputs alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import vsr.methods  # noqa: F401  (makes every kernel)
from vsr.errors import MachineError
from vsr.kernels import KERNELS
from vsr.kernels.base import Kernel
from vsr.observation.blur import GaussianBlur
from vsr.observation.sampling import SAMPLE_COUPLINGS, add_up_samples
from vsr.priors import BilateralTV

pytest.importorskip("numba")

Size = tuple[int, int]
Arguments = tuple[Any, ...]
SIZES = st.tuples(st.integers(2, 21), st.integers(2, 23))
_RUNS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _random(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape)


def _places(size: Size, count: int = 2) -> tuple[Tensor, Tensor]:
    """Of samples in an image of ``size``: within, at its border, beside its border by rounding, and outside."""
    rows, cols = (_random(count, 5, 7, low=-1.5, high=length + 0.5) for length in size)
    rows[0, 0, :4] = torch.tensor([0.0, -0.005, size[0] - 1, size[0] - 0.995])
    cols[0, 1, :4] = torch.tensor([0.0, -0.005, size[1] - 1, size[1] - 0.995])
    return rows, cols


def _offsets(size: Size) -> tuple[tuple[tuple[int, int], ...], tuple[float, ...]]:
    shifts = list(BilateralTV().offsets(size))
    return tuple(offset for offset, _ in shifts), tuple(weight for _, weight in shifts)


def _prior(size: Size) -> Arguments:
    return (_random(*size), *_offsets(size), 0.05)


def _equations(size: Size) -> Arguments:
    blur = GaussianBlur(1.0, 0.6) if min(size) > 4 else GaussianBlur(0.3, 0.25)
    *samples, right = add_up_samples.reference(*_places(size, 9), _random(9, 5, 7), _random(9, 5, 7), size)
    prior = KERNELS["bilateral_maps"].reference(*_prior(size))
    taps = (blur.taps_y, blur.taps_x)
    return (taps, tuple(samples), SAMPLE_COUPLINGS, prior, _offsets(size)[0], right, _random(*size), 5)


def _flows(size: Size) -> tuple[Tensor, Tensor]:
    return _random(2, *size, low=-3, high=3), _random(2, *size, low=-3, high=3)


def _between(size: Size) -> Arguments:
    return (_random(3, *size), *(place[0] for place in _places(size)))


def _neighbourhoods(size: Size) -> Arguments:
    slopes = (_random(3, *size, low=-0.2, high=0.2), _random(3, *size, low=-0.2, high=0.2))
    return _random(3, *size, low=-0.1, high=0.1), slopes, _random(3, *size), 1e-3, 0.5, 7


def _laid(size: Size) -> Arguments:
    matrix = (1.01, 0.02, 0.3, -0.015, 0.99, -0.4, 1e-3, -2e-3, 1.0)
    return _random(*size), _random(*size), _random(2, *size), matrix, 0.6, 1e-3, 1.1, -0.02


def _step_of(count: int) -> Callable[[Size], Arguments]:
    def make(size: Size) -> Arguments:
        images = (
            _random(2, *size, low=-1),
            _random(3, *size, low=-1),
            _random(*size),
            _random(*size, low=-1),
            _random(*size),
        )
        images[1][2] = 1
        return *images, 0.7, 0.5, count

    return make


ROWS: dict[str, Callable[[Size], Arguments]] = {
    "add_up_samples": lambda size: (*_places(size), _random(2, 5, 7), _random(2, 5, 7), size),
    "bilateral_maps": _prior,
    "fit_brightness": lambda size: (_random(9), _random(9), _random(9), 10, 1e-4, 1.6, 4e-3),
    "join_flows": _flows,
    "lay_on": _laid,
    "read_residual": lambda size: (_random(*size), *_places(size), _random(2, 5, 7)),
    "read_residual_with_slopes": lambda size: (_random(*size), *_places(size), _random(2, 5, 7)),
    "read_samples": lambda size: (_random(*size), *_places(size)),
    "read_spline": _between,
    "read_with_slopes": lambda size: (_random(*size), *_places(size)),
    "registration_exponents": lambda size: (*_flows(size), 3.0, 4.0),
    "replace_impulses": lambda size: (_random(*size), 0.04, 0.35),
    "residual_exponents": lambda size: (_random(3, *size), _random(3, *size), _random(3, low=0.1), 2.0, 0.1),
    "round_trip_error": _flows,
    "solve_neighbourhoods": _neighbourhoods,
    "solve_normal_equations": _equations,
    "square_off_grid": lambda size: (*_places(size), (2.0, 2.5), 0.1),
    "step_products": _step_of(8),
    "weigh_samples": lambda size: (_random(2, *size, low=-1.0), _random(2, *size), 0.05, 3.0, 4.0),
}


def _arguments(name: str, size: Size, seed: int = 0) -> Arguments:
    torch.manual_seed(seed)
    return ROWS[name](size)


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_mapped(change, one) for one in value)
    return change(value) if isinstance(value, Tensor) else value


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return [value] if isinstance(value, Tensor) else []


def _results(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def _strided(tensor: Tensor) -> Tensor:
    """The same values, not side by side."""
    return torch.stack([tensor, torch.zeros_like(tensor)], -1)[..., 0]


def test_every_kernel_has_a_row() -> None:
    assert set(ROWS) == set(KERNELS)


@pytest.mark.parametrize("name", ROWS)
@_RUNS
@given(size=SIZES, seed=st.integers(0, 1 << 16))
def test_agrees_with_torch(name: str, size: Size, seed: int) -> None:
    kernel, arguments = KERNELS[name], _arguments(name, size, seed)
    exact = _results(kernel.reference(*_mapped(Tensor.double, arguments)))
    by_torch, compiled = _results(kernel.reference(*arguments)), _results(kernel.compiled(*arguments))
    for one, other, found in zip(exact, by_torch, compiled, strict=True):
        assert found.dtype == torch.float32
        assert found.shape == one.shape
        assert torch.equal(found.isfinite(), one.isfinite())
        one, other, found = (values[one.isfinite()].double() for values in (one, other, found))
        largest = max(1.0, float(one.abs().max())) if one.numel() else 1.0
        torch_errs = float((other - one).abs().max()) if one.numel() else 0.0
        assert torch.allclose(found, one, rtol=0, atol=1e-5 * largest + torch_errs)


@pytest.mark.parametrize("name", ROWS)
def test_repeats_its_bytes_in_any_thread_and_layout(name: str) -> None:
    kernel, arguments = KERNELS[name], _arguments(name, (40, 50))
    before = _mapped(Tensor.clone, arguments)
    first = _results(kernel.compiled(*arguments))
    with ThreadPoolExecutor(4) as threads:
        others = list(threads.map(lambda values: kernel.compiled(*values), [arguments] * 4))
    others.append(kernel.compiled(*_mapped(_strided, arguments)))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, _results(other), strict=True))

    kept = [torch.equal(a, b) for a, b in zip(_tensors(before), _tensors(arguments), strict=True)]
    assert kept
    assert all(kept)


def test_samples_spread_over_nothing_and_places_that_are_no_numbers() -> None:
    none = torch.empty(0, 3, 4)
    maps = KERNELS["add_up_samples"].compiled(none, none, none, none, (4, 5))
    assert [bool(one.any()) for one in maps] == [False] * 6
    assert KERNELS["weigh_samples"].compiled(none, none, 0.1, 3.0, 4.0).shape == none.shape
    places = torch.tensor([[float("nan"), float("inf"), -1e30, 1.0]])
    values = KERNELS["read_spline"].compiled(torch.ones(1, 4, 5), places, torch.ones(1, 4))
    assert values.isfinite().tolist() == [[[False, False, False, True]]]


@pytest.mark.parametrize("name", ["add_up_samples", "read_samples", "read_with_slopes"])
@pytest.mark.parametrize("size", [(1, 5), (5, 1)])
def test_images_without_a_block_of_four_pixels_are_refused(name: str, size: Size) -> None:
    for form in (KERNELS[name].reference, KERNELS[name].compiled):
        with pytest.raises(ValueError, match="2x2"):
            form(*_arguments(name, size))


def test_what_is_compiled_is_kept_by_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsr.kernels import jit

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    own = jit._cache_folder()
    assert jit._cache_folder() == own
    codegen = SimpleNamespace(magic_tuple=lambda: ("x86_64", "older", ""))
    monkeypatch.setattr(jit, "cpu_target", SimpleNamespace(target_context=SimpleNamespace(codegen=lambda: codegen)))
    assert len({own, jit._cache_folder(), str(tmp_path)}) == 3


@pytest.mark.parametrize("size", [(9, 11), (40, 33), (7, 4)])
@pytest.mark.parametrize("num_zeros", [0, 1, 2, 3])
def test_what_memory_held_before_does_not_matter(num_zeros: int, size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and places that taps of 0 reach may not be filled; what lies there must not be NaN."""
    (taps_y, taps_x), *rest = _arguments("solve_normal_equations", size)
    taps = tuple((*one, *[0.0] * num_zeros) for one in (taps_y, taps_x))
    solve = KERNELS["solve_normal_equations"]
    clean = solve.compiled((taps_y, taps_x), *rest)

    def poisoned(shape: Any, dtype: Any = np.float64) -> Any:
        return np.full(shape, np.nan, dtype)

    monkeypatch.setattr(np, "empty", poisoned)
    assert torch.equal(solve.compiled(taps, *rest), clean)


def test_only_float32_on_processors_without_gradients_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, used = KERNELS["read_samples"], []
    monkeypatch.setattr(kernel, "compiled", lambda *_: used.append("compiled"))
    monkeypatch.setattr(kernel, "reference", lambda *_: used.append("torch"))
    image, places = torch.rand(4, 5), torch.ones(1, 2, 2)
    kernel(image, places, places)
    kernel(image.double(), places.double(), places.double())
    kernel(image.requires_grad_(), places, places)
    monkeypatch.setattr("vsr.kernels.base.compiler_version", lambda: "none")
    kernel(image.detach(), places, places)
    assert used == ["compiled", "torch", "torch", "torch"]


def test_a_numba_that_cannot_be_imported_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel: Kernel[..., Any] = Kernel.__new__(Kernel)
    kernel.name, kernel._module = "read_samples", "vsr.kernels.missing"
    with pytest.raises(MachineError, match=r"numba \S+ is installed but cannot be imported .*uninstall it"):
        _ = kernel.compiled


def test_nothing_is_kept_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsr.kernels import jit

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert jit._cache_folder() == ""
