"""What every row of `NETWORKS` promises: counts, shapes, receptive field, recognition, files, half precision."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vsr.methods.network.rescaling import Downscaler
from vsr.networks import (
    NETWORKS,
    Upscaler,
    asdn,
    car,
    cnf,
    csfm,
    csnln,
    cvae,
    dbdn,
    dsrn,
    explorable,
    fdan,
    ikc,
    imle,
    kxnet,
    load_network,
    memnet,
    meta_sr,
    msrn,
    mwcnn,
    rednet,
    rnan,
    san,
    sr3,
    srdensenet,
    srflow,
    table,
    usrnet,
    wavelet_srnet,
)
from vsr.networks.recognition import recognise
from vsr.observation import resample

CASES = [(name, scale) for name, row in NETWORKS.items() for scale in row.scales]
LARGE = 4_000_000
"""Learnt numbers from which on a case is marked slow."""


REDUCED: dict[str, Callable[[int], Upscaler]] = {
    "car": partial(car.CAR, width=4, resampler_width=4),
    "srdensenet": partial(srdensenet.SRDenseNet, growth=2, bottleneck=8),
    "msrn": partial(msrn.MSRN, width=8),
    "dbdn": partial(dbdn.DBDN, width=4),
    "csfm": partial(csfm.CSFM, modules=2, blocks=2, width=16),
    "san": partial(san.SAN, groups=2, blocks=2, width=16, reduction=4),
    "rnan": partial(rnan.RNAN, groups=3, width=8),
    "csnln": partial(csnln.CSNLN, width=8, depth=2),
    "dsrn": partial(dsrn.DSRN, width=8),
    "cnf": partial(cnf.CNF, width=8),
    "memnet": partial(memnet.MemNet, width=8),
    "red30": partial(rednet.REDNet, width=8),
    "mwcnn": partial(mwcnn.MWCNN, widths=(8, 12, 12)),
    "asdn": partial(asdn.ASDN, blocks=2, layers=2, width=8),
    "fsdn": partial(asdn.FSDN, blocks=2, layers=2, width=8),
    "meta-rdn": partial(meta_sr.meta_rdn, growth=4, width=8),
    "srflow": partial(srflow.SRFlow, width=8, growth=4, blocks=4, steps=2),
    "srflow-da": partial(srflow.SRFlow, variant="srflow-da", width=8, growth=4, blocks=4, steps=2),
    "ncsr": partial(srflow.SRFlow, variant="ncsr", width=8, growth=4, blocks=4, steps=2),
    "usrnet": partial(usrnet.USRNet, steps=2, widths=(8, 8, 8, 8), hidden=8),
    "fdan": partial(fdan.FDAN, width=16, blocks=3),
    "ikc": partial(ikc.IKC, blocks=1),
    "kxnet": partial(kxnet.KXNet, stages=2),
    "sr3": partial(sr3.SR3, width=8, widths=(1, 2, 2), blocks=1, attention=(1,), levels=4),
    "cvae": partial(cvae.CVAE, width=8, latent=4),
    "imle": partial(imle.IMLE, width=8, codes=4),
    "explorable": partial(explorable.Explorable, width=8, blocks=2),
    "wavelet-srnet": partial(wavelet_srnet.WaveletSRNet, width=8, inner=8),
}
"""Narrower forms of networks that are large or slow; all but their count is tried on these. Depth, which decides the
receptive field, stays where that is finite."""


def _cases() -> list[object]:
    return [
        pytest.param(
            name,
            scale,
            marks=[pytest.mark.slow] if name not in REDUCED and NETWORKS[name].num_parameters[scale] > LARGE else [],
            id=f"{name}-x{scale}",
        )
        for name, scale in CASES
    ]


def _taken(module: Upscaler, name: str) -> int:
    """Channels of what it takes."""
    return module.in_channels or (1 if NETWORKS[name].colour == "Y" else 3)


def _given(module: Upscaler, name: str) -> int:
    """Channels of what it gives."""
    return module.out_channels or (1 if (module.out_colour or NETWORKS[name].colour) == "Y" else 3)


def _allowed(module: Upscaler, side: int) -> int:
    """``side``, made longer where the network asks for it."""
    return -(-max(side, module.min_size) // module.multiple) * module.multiple


def _built(name: str, scale: int) -> Upscaler:
    torch.manual_seed(3)
    return REDUCED.get(name, NETWORKS[name].build)(scale).eval().requires_grad_(False)


def test_rows_are_whole() -> None:
    for name, row in NETWORKS.items():
        assert name == row.name
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert re.search(r"(19|20)\d\d", row.title), "a title names the year"
        assert row.scales == tuple(sorted(row.scales))
        assert set(row.num_parameters) == set(row.scales)
        assert row.value_range in (1, 255)
        with torch.device("meta"):
            assert row.family == row.build(row.scales[0]).family


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_number_of_parameters(name: str, scale: int) -> None:
    with torch.device("meta"):
        module = NETWORKS[name].build(scale)
    assert sum(parameter.numel() for parameter in module.parameters()) == NETWORKS[name].num_parameters[scale]
    assert (module.scale, module.family) == (scale, NETWORKS[name].family)


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_own_state_dict_is_recognised(name: str, scale: int) -> None:
    with torch.device("meta"):
        state = NETWORKS[name].build(scale).state_dict()
        found = recognise({key: tuple(value.shape) for key, value in state.items()}, NETWORKS)
        assert found is not None
        row, inside = found
        assert row.name == inside.name == name
        assert not inside.scales or scale in inside.scales
        again = inside.build(scale).state_dict()
    assert {key: value.shape for key, value in again.items()} == {key: value.shape for key, value in state.items()}


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_only_one_family_recognises_it(name: str, scale: int) -> None:
    """The order of the table decides nothing."""
    with torch.device("meta"):
        state = NETWORKS[name].build(scale).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    names = set()
    for row in NETWORKS.values():
        found = recognise(shapes, {row.name: row})
        names |= {found[1].name} if found else set()
    assert names == {name}


@pytest.mark.parametrize("name", [name for name, row in NETWORKS.items() if row.family == "sequence"])
@pytest.mark.parametrize("count", [1, 4])
def test_sequences(name: str, count: int) -> None:
    """As many results as frames; each depends on all of them, and sequences of a batch stay apart."""
    module = _built(name, NETWORKS[name].scales[0])
    frames = torch.rand(2, count * 3, 9, 7)
    with torch.inference_mode():
        results = module(frames)
        alone = module(frames[1:])
        changed = module(torch.cat([frames[:, :3] / 2, frames[:, 3:]], 1))
    assert results.shape == (2, count * _given(module, name), 9 * module.scale, 7 * module.scale)
    torch.testing.assert_close(results[1:], alone, rtol=1e-3, atol=1e-4)
    assert all(bool((one != other).any()) for one, other in zip(results[0], changed[0], strict=True))


@pytest.mark.parametrize("name", list(NETWORKS))
def test_results_on_the_way(name: str) -> None:
    """Of the networks that say so several, of one size, the last that of ``forward``."""
    scale = NETWORKS[name].scales[0]
    with torch.device("meta"):
        if not NETWORKS[name].build(scale).has_outputs_on_the_way:
            return
    module = _built(name, scale)
    images = torch.rand(1, _taken(module, name), 6, 5)
    with torch.inference_mode():
        results, last = module.all_outputs(images), module(images)
    assert len(results) > 1
    assert {one.shape for one in results} == {last.shape}
    assert torch.equal(results[-1], last)
    assert not torch.equal(results[0], last)


@pytest.mark.parametrize("name", [name for name, row in NETWORKS.items() if row.family == "rescaling"])
def test_the_halves_of_a_pair(name: str, tmp_path: Path) -> None:
    """The first half makes images small, by tiles as by the whole: what it says of its context is right."""
    scale = NETWORKS[name].scales[0]
    torch.save(_built(name, scale).state_dict(), tmp_path / f"pair-x{scale}.pth")
    network = load_network(tmp_path / f"pair-x{scale}.pth", scale)
    colours = 3 if network.colour == "RGB" else 1
    large = torch.rand(1, colours, 96 * scale, 80 * scale, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        small, by_tiles = (Downscaler([network], torch.device("cpu"), tile_px)(large) for tile_px in (None, 16))
    assert small.shape == (1, colours, 96, 80)
    torch.testing.assert_close(by_tiles, small, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "scale"), _cases())
@pytest.mark.parametrize("size", [(1, 1), (5, 8)], ids=str)
def test_shapes(name: str, scale: int, size: tuple[int, int]) -> None:
    """The smallest sides are those that the network names."""
    module = _built(name, scale)
    size = (_allowed(module, size[0]), _allowed(module, size[1]))
    images, larger = torch.rand(2, _taken(module, name), *size), module.module_scale
    kept = images.clone()
    with torch.inference_mode():
        enlarged = module(images)
        alone = module(images[1:])
    assert enlarged.shape == (2, _given(module, name), larger * size[0], larger * size[1])
    assert enlarged.dtype == torch.float32
    assert bool(torch.isfinite(enlarged).all())
    assert torch.equal(images, kept), "the input is left as it was"
    torch.testing.assert_close(enlarged[1:], alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max()))


def _positive(module: Upscaler) -> Upscaler:
    """Weights under which everything an output sees has a positive share in it, however far away: nothing is lost.

    They add up to a quarter, so that sums over many blocks do not saturate what ends in a hyperbolic tangent.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            weight = layer.weight.data.abs() + 1e-3
            layer.weight.data = weight / 4 / weight.flatten(1).sum(1).reshape(-1, *[1] * (weight.dim() - 1))
            if layer.bias is not None:
                layer.bias.data.clamp_(min=0)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
    return module


def _reach(module: Upscaler, channels: int, width: int) -> int:
    """How many columns away from its own an output block still depends on the input, by its gradient.

    Where sides are multiples of a number, as many neighbouring blocks are looked at.
    """
    height, width = _allowed(module, 2), _allowed(module, width)
    images = (torch.rand(1, channels, height, width, dtype=torch.float64) + 0.5).requires_grad_(True)
    middle, scale, reaches = width // 2 // module.multiple * module.multiple, module.module_scale, []
    enlarged: Tensor = module(images)
    for place in range(middle, middle + module.multiple):
        block = enlarged[..., place * scale : (place + 1) * scale]
        uneven = torch.linspace(1, 2, block.numel(), dtype=torch.float64).reshape(block.shape)  # differences count
        (gradient,) = torch.autograd.grad((uneven * block).sum(), images, retain_graph=True)
        seen = gradient.abs().amax((0, 1, 2)).nonzero().flatten()
        reaches.append(int((seen - place).abs().max()))
    return max(reaches)


def _differentiable_enlarge(images: Tensor, scale: int) -> Tensor:
    """The same as `vsr.networks.blocks.enlarge`, as products of matrices, which gradients can pass."""

    def matrix(size: int) -> Tensor:
        return resample(torch.eye(size, dtype=images.dtype), (scale * size, size), kernel="bicubic")

    height, width = images.shape[-2:]
    return matrix(height) @ images @ matrix(width).T


@pytest.mark.parametrize(("name", "scale"), _cases())
def test_receptive_field(name: str, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stated one is exact: nothing farther away counts, and what is that far away does; or all counts."""
    for module_of in vars(table).values():
        if hasattr(module_of, "enlarge") and hasattr(module_of, "SPECS"):
            monkeypatch.setattr(module_of, "enlarge", _differentiable_enlarge)
    stated = NETWORKS[name].context_px(scale)
    if stated is None and NETWORKS[name].family in ("sequence", "sampling"):
        return  # it follows motion as far as it goes; or each value hangs on all that were drawn before
    if stated is None:
        module = _built(name, scale).double()
        assert _reach(module, _taken(module, name), 48) >= 24
        return
    module = _positive(_built(name, scale)).double()
    assert _reach(module, _taken(module, name), 2 * stated + 7) == stated


@pytest.mark.parametrize(("name", "scale"), _cases())
def test_file_round_trip(name: str, scale: int, tmp_path: Path) -> None:
    """Kinds of file take turns; what is in them is recognised alike."""
    from safetensors.torch import save_file

    module = _built(name, scale)
    suffix = (".pth", ".safetensors")[NETWORKS[name].scales.index(scale) % 2]
    path = tmp_path / f"weights-x{scale}{suffix}"
    state = {key: value.contiguous() for key, value in module.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    network = load_network(path, scale)
    assert (network.name, network.scale) == (name, scale)
    assert network.context_px == NETWORKS[name].context_px(scale)
    assert network.num_parameters == sum(parameter.numel() for parameter in module.parameters())
    images = torch.rand(1, _taken(module, name), _allowed(module, 4), _allowed(module, 5))
    with torch.inference_mode():
        loaded, made = network(images), module(images)
    if NETWORKS[name].context_px(scale) is None:
        torch.testing.assert_close(loaded, made, rtol=1e-4, atol=1e-6)  # attention sums in an order of its own
    else:
        assert torch.equal(loaded, made)


@pytest.mark.parametrize(("name", "scale"), _cases())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_takes_and_gives_float32(name: str, scale: int, dtype: torch.dtype) -> None:
    module = _built(name, scale)
    images = torch.rand(1, _taken(module, name), _allowed(module, 5), _allowed(module, 4))
    with torch.inference_mode():
        exact = module(images)
        half = module.to(dtype=dtype, memory_format=torch.channels_last)(images)
    assert half.dtype == torch.float32
    assert half.shape == exact.shape
    spread = float((exact - exact.mean()).abs().max()) + float(exact.abs().max())
    assert float((half - exact).abs().max()) < 0.1 * spread
