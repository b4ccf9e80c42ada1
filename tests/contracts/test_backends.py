"""What every row of `BACKENDS` promises: torch's result, the same bytes each time, tiles that do not show, refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_networks import mixture_tensors, small_network
from torch import Tensor, nn

import vsr
from vsr.errors import MachineError, ModelError, UsageError
from vsr.inference import BACKENDS, Engine, EngineOptions, Precision, Runtime, choose_precision, measure_load
from vsr.inference.backends import Backend, base, open_backend
from vsr.inference.hardware import is_fast_at_int8
from vsr.inference.precision import LEAST_DB, choose_backend
from vsr.methods.network.frame import PerFrameOptions
from vsr.networks import Network, load_network, with_weights_for
from vsr.observation import resample

CPU = torch.device("cpu")
Clips = Callable[[str], Path]


def _row(backend: Backend, *values: object, marks: tuple[pytest.MarkDecorator, ...] = ()) -> object:
    skip = pytest.mark.skipif(not backend.is_installed, reason=f"needs the package {backend.package}")
    return pytest.param(backend, *values, marks=[skip, *marks], id="-".join([backend.name, *map(str, values)]))


ROWS = [_row(backend) for backend in BACKENDS.values()]
OTHERS = [_row(backend) for backend in BACKENDS.values() if backend.name != "torch"]
PRECISIONS = [_row(backend, name) for backend in BACKENDS.values() for name in backend.devices["cpu"]]


def _images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def _network(kind: str) -> Network:
    return load_network(small_network(kind, strength=1.0), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "sizes_yx"),
    [("RGB", ((21, 34), (5, 70), (1, 1))), ("Y", ((21, 34),)), ("window", ((21, 34),)), ("recurrent", ((9, 14),))],
)
@pytest.mark.parametrize("backend", OTHERS)
def test_it_gives_what_torch_gives(backend: Backend, kind: str, sizes_yx: tuple[tuple[int, int], ...]) -> None:
    """Y is interpolated ahead of the network, by weights that follow from the size: it is exported for each."""
    network = _network(kind)
    run = backend.compile(network, "float32", CPU)
    for size_yx in sizes_yx:
        given = _images(1, network.in_channels, *size_yx)
        with torch.no_grad():
            expected = network.module(given)
        torch.testing.assert_close(run(given), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("backend", "precision"), PRECISIONS)
def test_equal_windows_give_equal_bytes(backend: Backend, precision: str) -> None:
    """Also from a second executable, in between other sizes; what is given is left alone."""
    network, given, other = _network("RGB"), _images(1, 3, 30, 41), _images(1, 3, 17, 9)
    before = given.clone()
    first = backend.compile(network, precision, CPU)  # type: ignore[arg-type]
    results = [first(given), first(given)]
    first(other)
    second = backend.compile(network, precision, CPU)  # type: ignore[arg-type]
    second(other)
    results += [first(given), second(given)]
    assert all(torch.equal(result, results[0]) for result in results)
    assert torch.equal(given, before)
    assert all(result.dtype == torch.float32 for result in results)


@pytest.mark.parametrize(("backend", "precision"), PRECISIONS)
def test_threads_call_it_side_by_side(backend: Backend, precision: str) -> None:
    executable = backend.compile(_network("RGB"), precision, CPU)  # type: ignore[arg-type]
    images = [_images(1, 3, 20 + number, 24) for number in range(6)]
    alone = [executable(image) for image in images]
    with ThreadPoolExecutor(3) as pool:
        beside = list(pool.map(executable, images * 3))
    assert all(torch.equal(one, other) for one, other in zip(alone * 3, beside, strict=True))


@pytest.mark.parametrize("backend", ROWS)
def test_tiles_do_not_show(backend: Backend) -> None:
    network, image = _network("RGB"), _images(1, 3, 50, 61)
    options = EngineOptions(Precision("float32"), measure_load(network), runtime=backend.runtime)
    whole = Engine(network, options, CPU).whole(image)
    tiled = Engine(network, replace(options, tile_px=16), CPU).whole(image)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize("backend", OTHERS)
def test_weights_that_are_mixed_for_each_shot(backend: Backend, tmp_path: Path) -> None:
    """What is kept of one mixture does not end up in another."""
    path = tmp_path / "mixture-x2.safetensors"
    save_file(mixture_tensors(), path)
    network, given = load_network(path), _images(1, 1, 24, 30)
    results = []
    for estimates in (None, torch.tensor([0.0, 1.0, 3.0]), torch.tensor([2.0, -1.0, 0.5])):
        suited = with_weights_for(network, estimates)
        with torch.no_grad():
            expected = suited.module(given)
        results.append(backend.compile(suited, "float32", CPU)(given))
        torch.testing.assert_close(results[-1], expected, rtol=0, atol=1e-4)
    assert float((results[1] - results[2]).abs().max()) > 1e-3


class _Linear(nn.Module):
    """Over channels: the exporter turns the matrix over, and keeps nothing of its name."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3)
        nn.init.constant_(self.mix.weight, weight)

    def forward(self, images: Tensor) -> Tensor:
        mixed: Tensor = self.mix(images.movedim(1, -1)).movedim(-1, 1)
        return mixed


@pytest.mark.parametrize("backend", OTHERS)
def test_weights_of_which_the_exporter_makes_others(backend: Backend) -> None:
    given = _images(1, 3, 12, 9)
    for weight in (0.25, 0.75):
        network = Network("linear", _Linear(weight).requires_grad_(False), 1, "RGB", 0, digest="one file's")
        run = backend.compile(network, "float32", CPU)
        torch.testing.assert_close(run(given), network.module(given), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", ROWS)
def test_the_precision_is_one_that_it_computes_in(backend: Backend) -> None:
    network = _network("RGB")
    found = choose_precision(network, "auto", CPU, backend)
    assert found.name in backend.devices["cpu"]
    assert found.psnr_db is None or found.psnr_db >= LEAST_DB
    assert choose_precision(network, "float32", CPU, backend) == Precision("float32")


class _Sorted(nn.Module):
    """Its graph hangs on the values of the image."""

    def forward(self, images: Tensor) -> Tensor:
        return 2 * images if float(images.mean()) > 0.5 else images


class _Doubled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 2 * images


@pytest.mark.parametrize("backend", OTHERS)
def test_a_network_that_it_cannot_take_is_refused_in_a_line(backend: Backend) -> None:
    with pytest.raises(ModelError, match="sorted: cannot be written as ONNX") as raised:
        choose_precision(Network("sorted", _Sorted(), 1, "RGB", 0), "auto", CPU, backend)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("backend", OTHERS)
def test_one_that_computes_something_else_is_refused(backend: Backend) -> None:
    def compile_other(network: Network, precision: object, device: torch.device) -> Callable[[Tensor], Tensor]:
        return lambda windows: 2.001 * windows

    wrong = replace(backend, compile=compile_other)
    with pytest.raises(ModelError, match=f"backend={backend.name} computes something else than torch"):
        choose_precision(Network("doubled", _Doubled(), 1, "RGB", 0), "auto", CPU, wrong)


_VNNI = pytest.mark.skipif(not is_fast_at_int8(CPU), reason="needs a processor with VNNI")


@_VNNI
@pytest.mark.parametrize("backend", [row for row in OTHERS if "int8" in row.values[0].devices["cpu"]])  # type: ignore[attr-defined]
def test_eight_bits_cost_little(backend: Backend) -> None:
    """Of the weights that ship, on an image that they were not calibrated on; whatever their mixture and its tiles."""
    network = load_network("lite", 2)
    coarse = torch.rand(1, 1, 15, 18, generator=torch.Generator().manual_seed(4))
    image = resample(coarse, (75, 90), kernel="bicubic").clamp(0.06, 0.92)
    assert network.mixture is not None
    for codes in (0.0, 12.0):
        suited = with_weights_for(network, network.mixture.estimate([image[0, 0]], codes))
        with torch.no_grad():
            expected = suited.module(image)
        options = EngineOptions(Precision("int8"), measure_load(network), runtime=backend.runtime)
        whole = Engine(suited, options, CPU).whole(image)
        assert 42 < float(-10 * torch.log10((whole - expected).square().mean())) < 80
        tiled = Engine(suited, replace(options, tile_px=32), CPU).whole(image)
        torch.testing.assert_close(tiled, whole, rtol=0, atol=2e-3)  # sums in other orders are rounded to other codes


@_VNNI
@pytest.mark.parametrize("backend", [row for row in OTHERS if "int8" in row.values[0].devices["cpu"]])  # type: ignore[attr-defined]
def test_eight_bits_are_for_networks_that_take_any_size(backend: Backend) -> None:
    with pytest.raises(ModelError, match=r"works on sizes of images, or on whole ones; use precision=auto"):
        choose_precision(_network("Y"), "int8", CPU, backend)


def test_the_fastest_is_what_the_processor_and_the_packages_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else depends on them."""
    for fast in (True, False):
        monkeypatch.setattr("vsr.inference.precision.is_fast_at_int8", lambda device, fast=fast: fast)
        for installed in (True, False):
            monkeypatch.setattr(Backend, "is_installed", installed)
            chosen = choose_backend("auto", "fastest", CPU)
            assert chosen.name == ("openvino" if fast and installed else "torch")
            assert choose_backend("auto", "auto", CPU).name == "torch"
            assert choose_backend("auto", "int8", CPU).name == "openvino"
        if not fast:
            with pytest.raises(UsageError, match="precision=int8 is for processors with VNNI"):
                choose_precision(_network("RGB"), "int8", CPU, BACKENDS["openvino"])
            assert choose_precision(_network("RGB"), "fastest", CPU).name != "int8"


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="backend is openvin; choose from auto, torch, openvino, onnxruntime"):
        PerFrameOptions(backend="openvin")
    assert choose_backend("auto", "auto", CPU) is BACKENDS["torch"]


@pytest.mark.parametrize("backend", OTHERS)
def test_what_it_does_not_run_on_or_compute_in_is_refused(backend: Backend) -> None:
    with pytest.raises(UsageError, match=f"backend={backend.name} runs on cpu, not on cuda; use backend=torch"):
        backend.precisions(torch.device("cuda"))
    with pytest.raises(UsageError, match=rf"backend={backend.name} computes in float32.* on cpu, not in float16"):
        choose_precision(_network("RGB"), "float16", CPU, backend)


@pytest.mark.parametrize("backend", list(BACKENDS.values())[1:], ids=lambda backend: backend.name)
def test_one_that_is_missing_is_named_with_its_extra(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise base.PackageNotFoundError(package)

    monkeypatch.setattr(base, "version", missing)
    with pytest.raises(MachineError, match=rf"backend={backend.name} needs .*pip install 'vsr\[{backend.extra}\]'"):
        open_backend(Runtime(backend.name, "1.0"))


@pytest.mark.parametrize("backend", OTHERS)
def test_another_version_than_the_plans_is_refused(backend: Backend) -> None:
    assert open_backend(backend.runtime) is backend
    with pytest.raises(MachineError, match=f"backend={backend.name} has version .* planned with 0.1; install the same"):
        open_backend(Runtime(backend.name, "0.1"))


@pytest.mark.skipif(not BACKENDS["openvino"].is_installed, reason="needs the package openvino")
def test_openvino_is_loaded_without_its_telemetry() -> None:
    program = (
        "import sys, torch; from vsr.inference.backends.openvino import _load; _load();"
        "from openvino.tools.ovc import telemetry;"
        "assert type(telemetry).__module__ == 'openvino.tools.ovc.telemetry_stub', type(telemetry);"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("backend", OTHERS)
def test_workers_make_the_same_bytes(backend: Backend, clips: Clips, tmp_path: Path) -> None:
    """And the record says what computed."""
    settings = {"method": str(small_network("RGB")), "speed": "ultrafast", "segment_frames": 16}
    files = []
    for workers in (1, 2):
        target = tmp_path / f"{workers}.mp4"
        [outcome] = vsr.upscale(
            clips("cfr"), target, workers=workers, settings={**settings, "network.backend": backend.name}
        )
        assert outcome.manifest is not None
        files.append([segment["sha256"] for segment in outcome.manifest["segments"]])
        [part] = outcome.manifest["method"]["model"]["parts"]
        assert part["runtime"] == {"name": backend.name, "version": backend.runtime.version}
    assert files[0] == files[1]
    assert len(files[0]) > 1
