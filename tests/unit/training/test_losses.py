"""Losses against closed forms and the metrics; the weights string."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vsr.errors import ModelError, UsageError
from vsr.metrics import ssim
from vsr.observation import resample
from vsr.training.discriminator import Discriminator
from vsr.training.losses import LOSSES, LossNeeds, WeightedLosses, parse_losses
from vsr.training.losses.image import shrunk, total_variation
from vsr.training.losses.learned import Relativistic, judged
from vsr.training.losses.vgg import gram

NEEDS = LossNeeds(2, "RGB", None, Discriminator(3, width=4).eval())  # in training each call changes its norms a little


def _triple(side: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    true = torch.rand(2, 3, side, side)
    made = (true + 0.1 * torch.randn_like(true)).requires_grad_(True)
    return made, true, shrunk(true, 2)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("Content", "Texture")])
def test_losses_are_scalars_with_gradients_and_do_not_grow_with_the_batch(name: str) -> None:
    made, true, small = _triple()
    loss = LOSSES[name](NEEDS)
    value = loss(made, true, small)
    value.backward()
    assert value.shape == ()
    assert made.grad is not None
    assert float(made.grad.abs().max()) > 0
    twice = loss(made.repeat(2, 1, 1, 1), true.repeat(2, 1, 1, 1), small.repeat(2, 1, 1, 1))
    assert float(twice.detach()) == pytest.approx(float(value.detach()), rel=1e-4)


def test_pixelwise_losses_have_their_closed_forms() -> None:
    true = torch.zeros(1, 1, 4, 4)
    made = true + 0.3
    values = {name: float(LOSSES[name](NEEDS)(made, true, true)) for name in ("L1", "L2", "Charbonnier")}
    assert values == pytest.approx({"L1": 0.3, "L2": 0.09, "Charbonnier": math.hypot(0.3, 1e-3)}, rel=1e-5)


def test_structure_is_that_of_the_metric() -> None:
    made, true, small = _triple(40)
    expected = [ssim(a * 255, b * 255) for a, b in zip(made.detach().flatten(0, 1), true.flatten(0, 1), strict=True)]
    assert float(LOSSES["SSIM"](NEEDS)(made.detach(), true, small)) == pytest.approx(1 - sum(expected) / 6, abs=1e-5)


def test_total_variation_is_isotropic_and_on_the_common_region() -> None:
    ramp = 0.3 * torch.arange(6.0)[:, None] + 0.4 * torch.arange(5.0)[None]
    assert float(total_variation(ramp[None, None], ramp, ramp)) == pytest.approx(0.5, rel=1e-5)
    spike = torch.zeros(1, 1, 4, 4)
    spike[..., -1, -1] = 5  # has no difference on both axes
    assert float(total_variation(spike, spike, spike)) < 1e-5
    flat = torch.zeros(1, 1, 4, 4, requires_grad=True)
    total_variation(flat, flat, flat).backward()
    assert flat.grad is not None
    assert bool(torch.isfinite(flat.grad).all())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_way_back_is_the_resampler(scale: int) -> None:
    images = torch.rand(2, 3, 24, 36)
    expected = resample(images, (24 // scale, 36 // scale), kernel="bicubic")
    torch.testing.assert_close(shrunk(images, scale), expected, rtol=0, atol=1e-6)
    assert float(LOSSES["Cycle"](NEEDS)(images, images, expected)) < 1e-6


def test_judgements() -> None:
    zeros = torch.zeros(3)
    assert float(judged(zeros, as_true=True, by="cross-entropy")) == pytest.approx(math.log(2))
    assert float(judged(zeros, as_true=True, by="least-squares")) == 1
    assert float(judged(zeros, as_true=False, by="least-squares")) == 0


@pytest.mark.parametrize("name", ["GAN", "LSGAN", "RaGAN"])
def test_a_discriminator_learns_what_is_made(name: str) -> None:
    torch.manual_seed(2)
    discriminator = Discriminator(1, width=8)
    losses = WeightedLosses.from_text(f"1*L1 + 0.1*{name}", LossNeeds(2, "Y", None, discriminator))
    adversarial = losses.adversarial
    assert adversarial is not None
    optimiser = torch.optim.Adam(discriminator.parameters(), 2e-3)
    true, made = torch.rand(8, 1, 16, 16), torch.rand(8, 1, 16, 16) * 0.2
    before = float(adversarial.of_discriminator(made, true).detach())
    for _ in range(40):
        optimiser.zero_grad()
        adversarial.of_discriminator(made, true).backward()
        optimiser.step()
    assert float(adversarial.of_discriminator(made, true).detach()) < 0.5 * before
    assert float(adversarial(made, true, true).detach()) > float(adversarial(true, true, true).detach())


def test_relativistic_judgements() -> None:
    """ESRGAN's formulas, with a judge that sees means: made 1 and 3, true 2 and 6, so their means are 2 and 4."""

    class Mean(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean((1, 2, 3))

    def error(logit: float, *, as_true: bool) -> float:
        return math.log1p(math.exp(-logit if as_true else logit))

    made, true = (torch.tensor(values).reshape(2, 1, 1, 1).expand(2, 1, 4, 4) for values in ([1.0, 3.0], [2.0, 6.0]))
    loss = Relativistic(Mean())
    for as_true, value in ((True, loss(made, true, true)), (False, loss.of_discriminator(made, true))):
        on_made = [error(one - 4, as_true=as_true) for one in (1, 3)]
        on_true = [error(one - 2, as_true=not as_true) for one in (2, 6)]
        assert float(value) == pytest.approx(sum(on_made + on_true) / 4, rel=1e-5)


def test_the_sum_is_weighted() -> None:
    made, true, small = _triple()
    total, parts = WeightedLosses.from_text("2*L1 + .5 * L2", NEEDS)(made, true, small)
    assert float(total.detach()) == pytest.approx(2 * float(parts["L1"]) + 0.5 * float(parts["L2"]))


def test_weights_strings() -> None:
    assert parse_losses("1*L1 + 0.001*TV") == {"L1": 1, "TV": 0.001}
    assert parse_losses("L2+1e-3*SSIM + 2.5E+1*Cycle") == {"L2": 1, "SSIM": 0.001, "Cycle": 25}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not WEIGHT"),
        ("1*L1 +", "is not WEIGHT"),
        ("L1*1", "is not WEIGHT"),
        ("-1*L1", "is not WEIGHT"),
        ("1*L1 0.1*TV", "is not WEIGHT"),
        ("nan*L1", "is not WEIGHT"),
        ("0*L1", "must be a positive number"),
        ("1e999*L1", "must be a positive number"),
        ("1*L1 + 2*L1", "twice"),
        ("1*L3", "no loss 'L3'"),
        ("1*Charbonier", "did you mean 'Charbonnier'"),
        ("GAN + LSGAN", "GAN, LSGAN exclude each other"),
        ("L1 + RaGAN + GAN", "GAN, RaGAN exclude each other"),
    ],
)
def test_bad_weights_strings_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_losses(text)


@pytest.mark.parametrize("name", ["Content", "Texture"])
def test_features_without_weights_say_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=f"the loss {name} needs the weights of torchvision's VGG-19 or VGG-16"):
        WeightedLosses.from_text(name, NEEDS)
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg16.pth")
    with pytest.raises(ModelError, match="not the weights"):
        WeightedLosses.from_text(name, NEEDS)


@pytest.mark.parametrize(("network", "prefix"), [("vgg19", "features."), ("vgg16", "net.slice1.")])
def test_features_with_weights(network: str, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the names of torchvision or of files of LPIPS."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    torch.manual_seed(3)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in getattr(models, network)().features.state_dict().items()}
    state = {f"{prefix}{key}": torch.randn(shape) * 0.05 for key, shape in shapes.items()}
    torch.save(state, tmp_path / f"{network}.pth")
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    true = torch.rand(1, 1, 32, 32)
    for name in ("Content", "Texture"):
        loss = WeightedLosses.from_text(name, LossNeeds(2, "Y", None, None))
        made = (true + 0.1).requires_grad_(True)
        total, _ = loss(made, true, true)
        total.backward()
        assert float(total.detach()) > 0
        assert made.grad is not None
        assert float(made.grad.abs().max()) > 0
        assert float(loss(true, true, true)[0]) == 0


def test_textures_do_not_tell_places() -> None:
    """Gram matrices against their sum over places; the same where places within a patch change."""
    features = torch.rand(1, 3, 4, 9)
    found = gram(features, 4)
    assert found.shape == (1, 2, 3, 3)
    patch = features[0, :, :, 4:8].flatten(1)
    torch.testing.assert_close(found[0, 1], torch.einsum("fp,gp->fg", patch, patch) / 16)
    torch.testing.assert_close(gram(features[..., :4].flip(2, 3), 4), found[:, :1])
