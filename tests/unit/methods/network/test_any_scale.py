"""Networks for any magnification reach sizes natively, alike in tiles, bands and whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, find_method, restore_shot
from vsr.methods.network.any_scale import PreparedAnyScale, render_bands
from vsr.networks import AnyScaleUpscaler
from vsr.networks.asdn import ASDN
from vsr.networks.grids import Grid
from vsr.networks.liif import LIIF
from vsr.networks.lite_any import LiteAny
from vsr.networks.meta_sr import meta_edsr

NETWORKS: dict[str, Callable[[], AnyScaleUpscaler]] = {
    "liif": lambda: LIIF(2, blocks=1, width=8, hidden=8, depth=1),
    "meta": lambda: meta_edsr(2, blocks=1, width=8),
    "asdn": lambda: ASDN(2, blocks=1, layers=1, width=8),
    "lite-any": lambda: LiteAny(2, width=8, depth=3, terms=6, hidden=8),
}
SIZES = [(27, 31), (40, 44), (55, 33), (21, 80)]


def _module(name: str) -> AnyScaleUpscaler:
    torch.manual_seed(2)
    return NETWORKS[name]().eval().requires_grad_(False)


@pytest.fixture(params=NETWORKS)
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / f"{request.param}.safetensors"
    save_file({key: value.contiguous() for key, value in _module(request.param).state_dict().items()}, path)
    return str(path)


def _channels(name: str) -> int:
    return 1 if name == "lite-any" else 3


def _frame(height: int = 20, width: int = 22) -> VideoFrame:
    torch.manual_seed(5)
    planes = tuple(torch.randint(0, 256, (height, width), dtype=torch.uint8) for _ in range(3))
    return VideoFrame(planes, LAYOUTS["gbrp"], ColorSpec(full_range=True), 0, 0, Fraction(1, 25))


def _restored(
    weights: str, out_yx: tuple[int, int], frame: VideoFrame | None = None, **options: object
) -> torch.Tensor:
    frame = frame or _frame()
    geometry = Geometry(frame.width, frame.height, out_yx[1], out_yx[0])
    method = find_method(weights)
    prepared = method.prepare(geometry, method.options_type(precision="float32", **options), "cpu")
    [result] = restore_shot(prepared, geometry, [frame])
    return torch.stack(result.planes) / 255


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("out_yx", SIZES, ids=str)
@pytest.mark.parametrize("step", [1, 3, 7])
def test_bands_are_the_whole(name: str, out_yx: tuple[int, int], step: int) -> None:
    module = _module(name)
    features = module.features(torch.rand(1, _channels(name), 20, 22))
    whole = module.render(features, Grid.whole((20, 22), out_yx))
    bands = render_bands(module, iter(features.split(step, -2)), (20, 22), out_yx)
    torch.testing.assert_close(torch.cat(list(bands), -2), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_magnifications_are_those_of_forward(name: str) -> None:
    module, images = _module(name), torch.rand(1, _channels(name), 6, 7)
    grid = Grid.whole((6, 7), (12, 14))
    assert torch.equal(module(images), module.render(module.features(images), grid))


def test_any_size_is_reached_and_tiles_do_not_show(weights: str) -> None:
    for out_yx in SIZES:
        whole = _restored(weights, out_yx)
        assert whole.shape == (3, *out_yx)
        torch.testing.assert_close(_restored(weights, out_yx, tile_px=16), whole, rtol=0, atol=1e-4)


def test_a_magnification_of_its_own_is_not_a_resampled_one(weights: str) -> None:
    """x1.37 natively, along each axis its own; a linear ramp stays where it is."""
    assert _restored(weights, (27, 30)).shape == (3, 27, 30)
    method, geometry = find_method(weights), Geometry(22, 20, 30, 27)
    rows = dict(method.prepare(geometry, method.options_type(), "cpu").plan_rows())
    assert rows["passes"] == "one, to the output's size itself"


def test_smaller_sizes_are_resampled(weights: str) -> None:
    assert _restored(weights, (11, 12)).shape == (3, 11, 12)


@pytest.mark.parametrize("out_yx", [(27, 31), (40, 44)], ids=str)
def test_self_ensemble_is_the_mean_of_eight(weights: str, out_yx: tuple[int, int]) -> None:
    """Of runs over the turned and mirrored frame, turned back; along each axis its own magnification."""
    frame, total = _frame(), torch.zeros(3, *out_yx)
    for turns in range(4):
        for is_flipped in (False, True):
            planes = [torch.rot90(plane, turns) for plane in frame.planes]
            planes = [plane.flip(-1).contiguous() if is_flipped else plane.contiguous() for plane in planes]
            size = out_yx[::-1] if turns % 2 else out_yx
            made = _restored(weights, (size[0], size[1]), replace(frame, planes=tuple(planes)))
            total += torch.rot90(made.flip(-1) if is_flipped else made, -turns, (-2, -1))
    made = _restored(weights, out_yx, self_ensemble=True)
    torch.testing.assert_close(made, total / 8, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("out_yx", "options", "is_native"),
    [
        ((25, 25), {}, True),
        ((30, 30), {}, True),
        ((32, 32), {}, False),
        ((40, 40), {}, False),
        ((42, 42), {}, True),
        ((50, 50), {}, False),
        ((90, 90), {}, False),
        ((18, 18), {}, False),
        ((25, 25), {"self_ensemble": True}, True),
        ((25, 25), {"backend": "onnxruntime"}, False),
    ],
)
def test_lite_between_whole_magnifications(
    out_yx: tuple[int, int], options: dict[str, object], is_native: bool
) -> None:
    """Where the next whole one would be shrunk by a third or more, `lite` is run natively; and found again."""
    method, geometry = find_method("lite"), Geometry(20, 20, out_yx[1], out_yx[0])
    prepared = method.prepare(geometry, method.options_type(precision="float32", **options), "cpu")
    assert isinstance(prepared, PreparedAnyScale) == is_native
    described = {"estimator": None, "model": asdict(prepared.describe()["model"])}
    assert method.is_as_recorded(described)


def test_weights_are_mixed_for_each_shot() -> None:
    """A mixture of any scale makes other pixels of a noisy source than of a clean one, by its estimates."""
    method, geometry = find_method("lite-any"), Geometry(64, 48, 80, 60)
    frames = [_luma_frame(sigma) for sigma in (0.0, 20.0)]
    prepared = method.prepare(geometry, method.options_type(precision="float32"), "cpu")
    restorer = prepared.open(geometry)
    learnt = [restorer.adapt([frame]) for frame in frames]
    assert not torch.equal(learnt[0]["source"], learnt[1]["source"])
    first, second = (next(restorer.restore([frames[0]], one)) for one in learnt)
    again = next(restorer.restore([frames[0]], learnt[0]))
    assert not torch.equal(first.planes[0], second.planes[0])
    assert torch.equal(first.planes[0], again.planes[0])
    assert first.findings["source_noise_codes"] < second.findings["source_noise_codes"]


def _luma_frame(sigma: float) -> VideoFrame:
    generator = torch.Generator().manual_seed(7)
    ramp = torch.linspace(40, 200, 64).expand(48, 64) + sigma * torch.randn(48, 64, generator=generator)
    planes = (ramp.round().clamp(0, 255).to(torch.uint8),)
    return VideoFrame(planes, LAYOUTS["gray"], ColorSpec(full_range=False), 0, 0, Fraction(1, 25))
