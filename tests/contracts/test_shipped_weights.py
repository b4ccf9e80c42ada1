"""What all weights that ship for single frames have in common, whatever they were trained for; of mixtures each mix."""

from __future__ import annotations

import json

import pytest
import torch
from small_networks import suited
from torch import Tensor
from videos import scene

from vsr.metrics import luma_bt601, psnr
from vsr.networks import Network, load_network
from vsr.networks.locating import SHIPPED
from vsr.observation import resample

FILES = [path for path in sorted(SHIPPED.glob("*.safetensors")) if load_network(path).family == "frame"]
MIXED = (2, 3, 4)  # scales of `lite` whose weights are mixtures
CASES = [(path, None) for path in FILES] + [
    (SHIPPED / f"lite-x{scale}.safetensors", codes) for scale in MIXED for codes in (0.0, 6.0)
]
"""A file, and what compression changed in the images that its sets are mixed for; None: the usual mix."""


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].stem}, {case[1]}")
def network(request: pytest.FixtureRequest) -> Network:
    path, codes = request.param
    network = load_network(path)
    return network if codes is None else suited(network, [_luma(64, 80)[0, 0]], codes)


def _luma(height: int, width: int) -> Tensor:
    """``(1, 1, H, W)`` in 0…1."""
    rgb = torch.from_numpy(scene(1, width, height, seed=3)[0]).permute(2, 0, 1).double()
    return (luma_bt601(rgb) / 255).float()[None, None]


def _enlarged(image: Tensor, scale: int) -> Tensor:
    height, width = image.shape[-2:]
    return resample(image.double(), (height * scale, width * scale), kernel="bicubic")


def test_all_scales_tell_the_source_alike() -> None:
    """Segments are known by one estimator, whatever the scale."""
    first, *others = (load_network(SHIPPED / f"lite-x{scale}.safetensors").mixture for scale in MIXED)
    assert first is not None
    for other in others:
        assert other is not None
        assert first.source.keys() == other.source.keys()
        assert all(torch.equal(value, other.source[name]) for name, value in first.source.items())


def test_constants_stay(network: Network) -> None:
    """Flat areas keep their value to a step of 8 bits, away from the border; to two where noise was learnt.

    Noise on white is clipped and so darker on average, which such weights make good.
    """
    edge = network.scale * (network.context_px or 0)
    clean = json.loads(network.metadata["vsr.training"])["degradations"] == ["bicubic"]
    for value in (16 / 255, 0.5, 235 / 255):
        made = network(torch.full((1, 1, 40, 36), value))[..., edge:-edge, edge:-edge]
        assert float((made - value).abs().max()) < (1 if clean else 2) / 255


def test_it_is_an_image_of_the_input(network: Network) -> None:
    """Close to bicubic interpolation, and closer to it in place than moved by a pixel in any direction."""
    small = _luma(72, 96)
    made, plain = network(small)[0, 0].double(), _enlarged(small, network.scale)[0, 0]
    inner = slice(8, -8)
    near = psnr(made[inner, inner] * 255, plain[inner, inner] * 255)
    assert near > 24
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        moved = torch.roll(made, (dy, dx), (0, 1))
        assert psnr(moved[inner, inner] * 255, plain[inner, inner] * 255) < near


def test_noise_and_hard_edges_stay_bounded(network: Network) -> None:
    """Neither white noise, which no image is like, nor lines of one pixel, as titles have, make it run away.

    Mixes for clean, blurred sources sharpen, and a single pixel most of all.
    """
    generator = torch.Generator().manual_seed(1)
    lines = torch.zeros(1, 1, 40, 60)
    lines[..., 20, :] = lines[..., 30] = 1
    for image in (torch.rand(1, 1, 31, 45, generator=generator), torch.eye(33)[None, None], lines, 1 - lines):
        made = network(image)
        assert bool(made.isfinite().all())
        assert float(made.min()) > -2
        assert float(made.max()) < (3 if network.mixture is None else 4)


def test_half_precision_shows_no_difference(network: Network) -> None:
    """float16 within 60 dB of float32, bfloat16 within 48: half a step of 8 bits."""
    small = _luma(64, 80)
    exact = network(small)
    for dtype, least in ((torch.float16, 60), (torch.bfloat16, 48)):
        network.module.to(dtype)
        assert psnr(network(small)[0, 0] * 255, exact[0, 0] * 255) > least
