"""SR3: sampling against closed forms and DDPM's own formula, noise of steps, names as in files."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.networks import NETWORKS
from vsr.networks.recognition import recognise
from vsr.networks.sr3 import SR3
from vsr.observation import resample


def _network(levels: int = 6) -> SR3:
    torch.manual_seed(2)
    network = SR3(2, width=8, widths=(1, 2), blocks=1, attention=(1,), levels=levels)
    return network.eval().requires_grad_(False).double()


def _given() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    small = torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    return small, torch.randn(2, 12, 4, 5, generator=generator, dtype=torch.float64)


def test_ancestral_sampling_is_that_of_ddpm() -> None:
    """Ho, Jain, Abbeel, 2020, equations 6 and 7: the posterior's mean and variance by betas and the clipped image."""
    network, (small, noise) = _network(), _given()
    network.steps, network.eta = 6, 1.0
    enlarged = 2 * resample(small, (8, 10), kernel="bicubic") - 1
    betas = torch.linspace(1e-6, 1e-2, 6, dtype=torch.float64)
    state = torch.pixel_shuffle(noise, 2)
    for level in reversed(range(6)):
        kept = torch.prod(1 - betas[: level + 1])
        before = torch.prod(1 - betas[:level])
        predicted = network.denoise_fn(torch.cat([enlarged, state], 1), kept.sqrt().expand(2, 1))
        image = ((state - (1 - kept).sqrt() * predicted) / kept.sqrt()).clamp(-1, 1)
        mean = before.sqrt() * betas[level] / (1 - kept) * image
        mean = mean + (1 - betas[level]).sqrt() * (1 - before) / (1 - kept) * state
        state = mean
        if level:
            state = mean + (betas[level] * (1 - before) / (1 - kept)).sqrt() * network.step_noise(noise, level - 1)
    made = network(torch.cat([small, noise], 1))
    torch.testing.assert_close(made, (state + 1) / 2, rtol=0, atol=1e-5)  # levels are stored in float32


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_perfect_prediction_gives_the_image(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denoiser that knows the image: every number of steps ends there, whatever the noise."""
    network, (small, noise) = _network(), _given()
    network.steps = steps
    image = torch.linspace(-0.9, 0.9, 2 * 3 * 8 * 10, dtype=torch.float64).reshape(2, 3, 8, 10)
    seen = []

    def predict(stacked: Tensor, level: Tensor) -> Tensor:
        seen.append(float(level[0]))
        return (stacked[:, 3:] - level[:, :, None, None] * image) / (1 - level[:, :, None, None] ** 2).sqrt()

    monkeypatch.setattr(network.denoise_fn, "forward", predict)
    made = network(torch.cat([small, noise], 1))
    torch.testing.assert_close(made, (image + 1) / 2)
    assert len(seen) == steps
    assert seen == sorted(seen), "from much noise to little"


def test_noise_of_steps() -> None:
    """Each is the given noise turned: as long, of another direction, and scaled with it."""
    network = _network()
    noise = torch.randn(1, 12, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, other = network.step_noise(noise, 1), network.step_noise(noise, 2)
    torch.testing.assert_close(one.norm(), noise.norm())
    torch.testing.assert_close(network.step_noise(0.5 * noise, 1), 0.5 * one)
    assert torch.equal(one, network.step_noise(noise, 1))
    for pair in ((one, other), (one, torch.pixel_shuffle(noise, 2))):
        assert abs(float(torch.corrcoef(torch.stack([part.flatten() for part in pair]))[0, 1])) < 0.5
    assert abs(float(one.std()) - 1) < 0.03


def test_noise_decides() -> None:
    network, (small, noise) = _network(), _given()
    made = network(torch.cat([small, noise], 1))
    assert torch.equal(made, network(torch.cat([small, noise], 1)))
    assert not torch.allclose(made, network(torch.cat([small, -noise], 1)))
    network.eta = 0.5
    assert not torch.allclose(made, network(torch.cat([small, noise], 1)))


@pytest.mark.parametrize(("steps", "eta"), [(0, 0.0), (7, 0.0), (3, -0.1), (3, 1.1)])
def test_impossible_sampling_is_refused(steps: int, eta: float) -> None:
    network, (small, noise) = _network(), _given()
    network.steps, network.eta = steps, eta
    with pytest.raises(ValueError, match="allowed are 1 to 6"):
        network(torch.cat([small, noise], 1))


def test_schedule_stays_in_float32() -> None:
    network = _network().float().half()
    assert network.schedule.alphas_cumprod.dtype == torch.float32
    assert network.denoise_fn.mid[0].res_block.block1.block[3].weight.dtype == torch.float16


def test_names_of_files() -> None:
    """By hand from Janspiry's code, where the schedule lies beside the U-Net; 64→512 is another form."""
    with torch.device("meta"):
        state = SR3(8).state_dict()
        other = SR3(8, widths=(1, 2, 4, 8, 16), blocks=1, attention=()).state_dict()
    shapes = {key.removeprefix("schedule."): tuple(value.shape) for key, value in state.items()}
    expected = {
        "betas": (2000,),
        "posterior_mean_coef2": (2000,),
        "denoise_fn.noise_level_mlp.1.weight": (256, 64),
        "denoise_fn.downs.0.weight": (64, 6, 3, 3),
        "denoise_fn.downs.3.conv.weight": (64, 64, 3, 3),
        "denoise_fn.downs.4.res_block.res_conv.weight": (128, 64, 1, 1),
        "denoise_fn.downs.10.attn.qkv.weight": (1536, 512, 1, 1),
        "denoise_fn.mid.0.attn.norm.bias": (512,),
        "denoise_fn.ups.0.res_block.noise_func.noise_func.0.weight": (512, 64),
        "denoise_fn.ups.18.res_block.block2.block.3.bias": (64,),
        "denoise_fn.final_conv.block.3.weight": (3, 64, 3, 3),
    }
    assert expected.items() <= shapes.items()
    for given in (shapes, {key: tuple(value.shape) for key, value in other.items()}):
        found = recognise(given, NETWORKS)
        assert found is not None
        assert found[1].name == "sr3"
        with torch.device("meta"):
            built = {key: tuple(value.shape) for key, value in found[1].build(8).state_dict().items()}
        assert built == {found[1].rename(key): shape for key, shape in given.items()}
