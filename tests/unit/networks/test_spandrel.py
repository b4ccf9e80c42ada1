"""Networks through spandrel: recognised after our own, float32 in and out, receptive fields true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.IPT import IPT
from spandrel.architectures.RCAN import RCAN
from spandrel.architectures.SwinIR import SwinIR
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks import load_network
from vsr.networks.spandrel_table import SPANDREL


def _compact() -> nn.Module:
    return Compact(num_feat=8, num_conv=3, upscale=4)


def _esrgan(shuffle_factor: int | None = None, scale: int = 4) -> nn.Module:
    inputs = 3 * (shuffle_factor or 1) ** 2
    return ESRGAN(in_nc=inputs, num_filters=16, num_blocks=1, scale=scale, shuffle_factor=shuffle_factor)


def _rcan() -> nn.Module:
    return RCAN(scale=2, n_resgroups=2, n_resblocks=2, n_feats=16, reduction=4, rgb_range=255)


def _swinir() -> nn.Module:
    return SwinIR(
        img_size=16, depths=[2], embed_dim=12, num_heads=[2], window_size=4, upscale=2, upsampler="pixelshuffledirect"
    )


def _ipt() -> nn.Module:
    return IPT(
        patch_size=12, patch_dim=3, n_feats=8, rgb_range=255, n_colors=3, scale=[2], num_heads=2, num_layers=1,
        num_queries=1, mlp=False, pos_every=False, no_pos=False, no_norm=False,
    )  # fmt: skip


def _saved(model: nn.Module, path: Path) -> Path:
    torch.save({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize(
    ("make", "name", "scale", "context", "generative"),
    [
        (_compact, "RealESRGAN Compact", 4, 5, True),
        (_esrgan, "ESRGAN", 4, 19, True),
        (_rcan, "RCAN", 2, None, False),
        (_swinir, "SwinIR", 2, None, False),
        (_ipt, "IPT", 2, None, False),
    ],
)
def test_known_architectures(
    make: Any, name: str, scale: int, context: int | None, generative: bool, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    model = make().eval()
    network = load_network(_saved(model, tmp_path / "weights.pth"))
    assert (network.name, network.scale, network.colour) == (name, scale, "RGB")
    assert network.context_px == context
    assert network.is_generative is generative
    assert network.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    images = torch.rand(2, 3, 24, 48)
    kept = images.clone()
    with torch.inference_mode():
        enlarged = network(images)
        assert torch.equal(images, kept), "the input is left as it was"
        assert enlarged.shape == (2, 3, 24 * scale, 48 * scale)
        assert enlarged.dtype == torch.float32
        if name in ("ESRGAN", "RealESRGAN Compact", "RCAN", "SwinIR"):
            torch.testing.assert_close(enlarged, model(images.clone()))
        half = network.module.to(torch.bfloat16)(images)
    assert half.dtype == torch.float32
    assert float((half - enlarged).abs().max()) < 0.1


def _reach(model: nn.Module, width: int, scale: int, middle: int) -> int:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.abs() + 1e-2
    images = torch.rand(1, 3, 4, width, dtype=torch.float64).requires_grad_(True)
    enlarged: Tensor = model.double()(images)
    (gradient,) = torch.autograd.grad(enlarged[..., middle * scale : (middle + 1) * scale].sum(), images)
    seen = gradient.abs().amax((0, 1, 2)).nonzero().flatten()
    return int((seen - middle).abs().max())


@pytest.mark.parametrize(
    ("model", "scale"),
    [(_compact(), 4), (_esrgan(), 4), (_esrgan(scale=2), 2), (_esrgan(scale=8), 8), (_esrgan(shuffle_factor=2), 2)],
    ids=["compact", "esrgan-x4", "esrgan-x2", "esrgan-x8", "esrgan-unshuffled"],
)
def test_receptive_fields_are_true(model: nn.Module, scale: int, tmp_path: Path) -> None:
    network = load_network(_saved(model, tmp_path / "weights.pth"))
    stated = network.context_px
    assert stated is not None
    assert network.scale == scale
    width = 2 * (2 * stated + 7)
    reached = max(_reach(model, width, scale, width // 2 + shift) for shift in (0, 1))
    assert reached == stated


def test_compact_adds_its_base_in_float32(tmp_path: Path) -> None:
    """With a residual of nothing the output is the input, repeated, to the last bit, also in half precision."""
    model = _compact()
    for parameter in model.parameters():
        parameter.data.zero_()
    network = load_network(_saved(model, tmp_path / "weights.pth"))
    images = torch.rand(1, 3, 5, 6)
    enlarged = network.module.to(torch.float16)(images)
    assert torch.equal(enlarged, images.repeat_interleave(4, -1).repeat_interleave(4, -2))


def test_unknown_weights(tmp_path: Path) -> None:
    path = _saved(nn.Linear(3, 4), tmp_path / "linear.pth")
    with pytest.raises(ModelError, match=r"no network known here \(2 tensors: weight, bias.*known: .*fsrcnn"):
        load_network(path)


def test_what_only_begins_like_a_known_one(tmp_path: Path) -> None:
    state = _rcan().state_dict()
    del state["tail.1.weight"]
    torch.save(state, tmp_path / "rcan.pth")
    with pytest.raises(ModelError, match=r"rcan\.pth: "):
        load_network(tmp_path / "rcan.pth")


def test_rows_are_of_architectures_that_exist() -> None:
    from spandrel import MAIN_REGISTRY

    known = {str(support.architecture.id) for support in MAIN_REGISTRY.architectures()}
    assert set(SPANDREL) <= known
