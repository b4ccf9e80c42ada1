"""Conditioned networks: the blur and noise they get, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_networks import small_network
from torch import Tensor

from vsr.errors import InputError, ModelError, UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, restore_shot
from vsr.methods.network.colour import network_input
from vsr.methods.network.conditioned import ConditionedOptions, PreparedConditioned, prepare_conditioned_network
from vsr.networks.ikc import IKC
from vsr.networks.kxnet import KXNet
from vsr.networks.srmd import SRMD
from vsr.networks.usrnet import USRNet
from vsr.observation.block_kernels import centre_kernel, gaussian_kernel

RGB = PixelLayout("gbrp", "rgb", 8)


def _frame(width: int, height: int, ordinal: int = 0) -> VideoFrame:
    generator = torch.Generator().manual_seed(ordinal)
    planes = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return VideoFrame(tuple(planes), RGB, ColorSpec(), ordinal, ordinal, Fraction(1, 25))


def _prepare(geometry: Geometry, **options: Any) -> PreparedConditioned:
    path = str(small_network("conditioned", strength=1.0))
    return prepare_conditioned_network(path, geometry, ConditionedOptions(**options), "cpu")


def _restored(geometry: Geometry, **options: Any) -> VideoFrame:
    frame = _frame(geometry.width, geometry.height)
    return next(restore_shot(_prepare(geometry, **options), geometry, [frame]))


def test_given_conditions_are_recorded_and_change_the_image() -> None:
    geometry = Geometry(40, 36, 80, 72)
    one, other = (_restored(geometry, blur_sigma_px=0.5, noise_codes=noise) for noise in (0.0, 60.0))
    assert (one.findings["condition_blur_px"], one.findings["condition_noise_codes"]) == (0.5, 0.0)
    assert other.findings["condition_noise_codes"] == 60.0
    assert not torch.equal(one.planes[0], other.planes[0])


def test_what_is_left_open_is_estimated_and_cut_off_at_what_the_network_knows() -> None:
    """White noise from black to white: more than any network knows."""
    found = _restored(Geometry(64, 48, 128, 96), blur_sigma_px=0.25).findings
    assert found["condition_blur_px"] == 0.25
    assert found["condition_noise_codes"] == min(75.0, found["source_noise_codes"]) > 0


def test_frames_are_learnt_from_only_where_something_is_open() -> None:
    geometry = Geometry(40, 36, 80, 72)
    assert _prepare(geometry, blur_sigma_px=0.0).capabilities.adapt_frames > 0
    given = _prepare(geometry, blur_sigma_px=0.0, noise_codes=0.0)
    assert given.capabilities.adapt_frames == 0
    assert given.key()["estimator"] is None
    assert _prepare(geometry).key()["estimator"] is not None


def test_small_frames_tell_nothing() -> None:
    found = _restored(Geometry(20, 16, 40, 32)).findings
    assert (found["condition_blur_px"], found["condition_noise_codes"]) == (0.0, 0.0)
    assert "source_blur_px" not in found


def test_later_passes_get_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, float, float]] = []
    conditions = SRMD.conditions

    def watched(self: SRMD, blur_px: float, noise_codes: float) -> Tensor:
        calls.append((self.scale, blur_px, noise_codes))
        return conditions(self, blur_px, noise_codes)

    geometry = Geometry(24, 20, 96, 80)
    prepared = _prepare(geometry, blur_sigma_px=0.5, noise_codes=7.0)
    monkeypatch.setattr(SRMD, "conditions", watched)
    next(restore_shot(prepared, geometry, [_frame(24, 20)]))
    assert calls == [(2, 0.5, 7.0), (2, 0.0, 0.0)]


@pytest.mark.parametrize("size", [(55, 49), (30, 27)], ids=["x1.37", "x0.75"])
def test_any_scale(size: tuple[int, int]) -> None:
    """×1.37 is ×2, shrunk; for less than ×1 the image alone is."""
    geometry = Geometry(40, 36, *size)
    result = _restored(geometry, blur_sigma_px=0.0, noise_codes=0.0)
    assert all(tuple(plane.shape) == size[::-1] for plane in result.planes)


def test_tiles_do_not_show() -> None:
    """Context and all: maps are constant, so a tile gets the conditions of the whole."""
    geometry = Geometry(70, 50, 140, 100)
    whole, tiled = (_restored(geometry, noise_codes=20.0, blur_sigma_px=0.5, tile_px=tile) for tile in (None, 16))
    for one, other in zip(whole.planes, tiled.planes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"blur_sigma_px": 1.5}, "knows blur up to 1 input pixels; blur_sigma_px is 1.5"),
        ({"noise_codes": 80.0}, "knows noise up to 75 of 255; noise_codes is 80"),
        ({"noise_codes": -1.0}, "noise_codes is -1.0; allowed are 0"),
        ({"blur_sigma_px": float("nan")}, "blur_sigma_px is nan; allowed are 0"),
        ({"kernel": "k.txt"}, "knows Gaussian blur alone; give blur_sigma_px"),
        ({"kernel": "k.txt", "blur_sigma_px": 0.5}, "leave blur_sigma_px out"),
        ({"kernel": "k.txt", "self_ensemble": True}, "turns the image, but not the kernel"),
        ({"consistent": True}, "set blur_sigma_px=0"),
    ],
)
def test_what_the_network_does_not_know_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        _prepare(Geometry(40, 36, 80, 72), **options)


@pytest.fixture
def unfolding(tmp_path: Path) -> str:
    """A small USRNet with random weights."""
    torch.manual_seed(4)
    module = USRNet(2, steps=2, widths=(4, 4, 4, 4), hidden=4)
    save_file(module.state_dict(), tmp_path / "unfolding.safetensors")
    return str(tmp_path / "unfolding.safetensors")


def test_a_kernel_of_a_file_is_given_to_the_network(unfolding: str, tmp_path: Path) -> None:
    """As rows of numbers and as a NumPy file alike; its content is part of the key."""
    geometry, kernels = Geometry(24, 20, 48, 40), [gaussian_kernel(2, 1.4, 0.6, angle).numpy() for angle in (30, 120)]
    np.savetxt(tmp_path / "one.txt", kernels[0])
    for name, kernel in zip(("one.npy", "other.npy"), kernels, strict=True):
        np.save(tmp_path / name, kernel)
    prepared = [
        prepare_conditioned_network(
            unfolding, geometry, ConditionedOptions(kernel=str(tmp_path / name), noise_codes=0.0), "cpu"
        )
        for name in ("one.txt", "one.npy", "other.npy")
    ]
    assert prepared[0].capabilities.adapt_frames == 0
    assert prepared[1].key() != prepared[2].key()
    results = [next(restore_shot(each, geometry, [_frame(24, 20)])) for each in prepared]
    assert torch.equal(results[0].planes[0], results[1].planes[0])
    assert not torch.equal(results[1].planes[0], results[2].planes[0])
    assert "condition_blur_px" not in results[0].findings


@pytest.mark.parametrize("kind", ["ikc", "kxnet"])
def test_a_network_that_finds_kernels_needs_none(kind: str, tmp_path: Path) -> None:
    """Found once a shot, unless a kernel or a blur is given; the kernel decides the image."""
    torch.manual_seed(4)
    module = KXNet(2, stages=2) if kind == "kxnet" else IKC(2, blocks=1)
    path, geometry = tmp_path / "finding-x2.safetensors", Geometry(64, 64, 128, 128)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)
    prepared = [
        prepare_conditioned_network(str(path), geometry, ConditionedOptions(noise_codes=0.0, **options), "cpu")
        for options in ({}, {"blur_sigma_px": 0.8}, {"kernel": "directions"})
    ]
    assert [each.capabilities.adapt_frames > 0 for each in prepared] == [True, False, True]
    frame, restorer = _frame(64, 64), prepared[0].open(geometry)
    learnt = restorer.adapt([frame])
    lumas = network_input(frame, "Y", torch.device("cpu"))[None].expand(1, 3, -1, -1)
    found = centre_kernel(module.find_kernel(lumas).detach(), 2)
    torch.testing.assert_close(learnt["kernel"], found, rtol=1e-3, atol=1e-5)
    [own] = restorer.restore([frame], learnt)
    [other] = restorer.restore([frame], {**learnt, "kernel": gaussian_kernel(2, 2.2, 0.6, 45.0)})
    blurred = next(restore_shot(prepared[1], geometry, [frame]))
    assert not torch.equal(own.planes[0], other.planes[0])
    assert not torch.equal(own.planes[0], blurred.planes[0])
    assert {"kernel_along_px", "kernel_across_px"} <= own.findings.keys()
    with pytest.raises(UsageError, match="turns the image, but not the kernel"):
        prepare_conditioned_network(str(path), geometry, ConditionedOptions(self_ensemble=True), "cpu")


def test_kernels_that_are_none_are_refused(unfolding: str, tmp_path: Path) -> None:
    options = ConditionedOptions(kernel=str(tmp_path / "k.npy"))
    np.save(tmp_path / "k.npy", np.ones((3, 3)))
    with pytest.raises(InputError, match="for x2 the side is even"):
        prepare_conditioned_network(unfolding, Geometry(24, 20, 48, 40), options, "cpu")
    np.save(tmp_path / "k.npy", np.ones((3, 3, 3)))
    with pytest.raises(InputError, match="holds 3 dimensions"):
        prepare_conditioned_network(unfolding, Geometry(24, 20, 48, 40), options, "cpu")
    (tmp_path / "k.npy").write_bytes(b"none")
    with pytest.raises(InputError, match="cannot be read"):
        prepare_conditioned_network(unfolding, Geometry(24, 20, 48, 40), options, "cpu")
    with pytest.raises(UsageError, match="a kernel is for one pass, and this magnification takes x2, then x4"):
        prepare_conditioned_network(unfolding, Geometry(24, 20, 192, 160), options, "cpu")


def test_a_kernel_is_estimated_once_a_shot(unfolding: str) -> None:
    """What `adapt` learnt decides the image; its widths are findings."""
    geometry = Geometry(96, 80, 192, 160)
    prepared = prepare_conditioned_network(
        unfolding, geometry, ConditionedOptions(kernel="directions", noise_codes=0.0), "cpu"
    )
    assert prepared.capabilities.adapt_frames > 0
    restorer, frame = prepared.open(geometry), _frame(96, 80)
    learnt = restorer.adapt([frame])
    wide = {**learnt, "kernel": gaussian_kernel(2, 3.0, 1.0, 45.0)}
    [first], [other], [again] = (list(restorer.restore([frame], given)) for given in (learnt, wide, learnt))
    assert torch.equal(first.planes[0], again.planes[0])
    assert not torch.equal(first.planes[0], other.planes[0])
    assert other.findings["kernel_along_px"] == pytest.approx(1.5, abs=0.05)
    assert other.findings["kernel_across_px"] == pytest.approx(0.5, abs=0.05)
    assert "condition_blur_px" not in other.findings


def test_frames_too_small_for_an_estimator_are_taken_as_not_blurred(unfolding: str) -> None:
    geometry = Geometry(24, 20, 48, 40)
    options = ConditionedOptions(kernel="kernelgan", noise_codes=0.0)
    prepared = prepare_conditioned_network(unfolding, geometry, options, "cpu")
    made = next(restore_shot(prepared, geometry, [_frame(24, 20)]))
    plain = ConditionedOptions(blur_sigma_px=0.0, noise_codes=0.0)
    expected = next(
        restore_shot(prepare_conditioned_network(unfolding, geometry, plain, "cpu"), geometry, [_frame(24, 20)])
    )
    assert torch.equal(made.planes[0], expected.planes[0])
    assert "kernel_along_px" not in made.findings


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"kernel": "kernelgan", "kernel_steps": 0}, UsageError, "kernel_steps is 0; allowed are 1 to 100000"),
        (
            {"kernel": "directions", "kernel_steps": 5},
            UsageError,
            "kernel=directions takes no kernel_steps; these do: k",
        ),
        ({"kernel_steps": 5}, UsageError, "kernel=auto takes no kernel_steps"),
        (
            {"kernel": "dip", "kernel_prior": "a.pt"},
            UsageError,
            "takes no kernel_prior; these do: kernelgan-fkp, dip-fkp",
        ),
        ({"kernel": "kernelgam"}, InputError, "neither an estimator nor a file.*kernelgan"),
        ({"kernel": "dip-fkp", "kernel_prior": "none-such"}, ModelError, "no weights called 'none-such'"),
        ({"kernel": "dip", "blur_sigma_px": 0.5}, UsageError, "leave blur_sigma_px out"),
    ],
)
def test_estimators_that_cannot_be_are_refused_before_the_work(
    unfolding: str, options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        prepare_conditioned_network(unfolding, Geometry(96, 80, 192, 160), ConditionedOptions(**options), "cpu")


def test_prepared_for_a_gpu_counts_batches() -> None:
    prepared = _prepare(Geometry(36, 24, 72, 48))
    assert replace(prepared, device="cuda:0").capabilities.chain_frames > 1
