"""The flow of kernels: the authors' weights give Gaussians, files are recognised by shapes, other files are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vsr.errors import ModelError
from vsr.networks.kernel_prior import KernelPrior, load_kernel_prior
from vsr.observation.block_kernels import kernel_widths

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def _small(side: int = 11) -> KernelPrior:
    torch.manual_seed(1)
    return KernelPrior(side, blocks=2, hidden=4).eval().requires_grad_(False)


def test_coupling_keeps_the_pixels_that_it_reads() -> None:
    coupling = _small().net[0]
    values = torch.rand(1, 121)
    made = coupling(values)
    assert torch.equal(made[:, 1::2], values[:, 1::2])
    assert not torch.equal(made[:, ::2], values[:, ::2])


def test_kernels_are_positive_and_sum_to_one() -> None:
    kernels = _small()(torch.randn(3, 121))
    assert kernels.shape == (3, 11, 11)
    assert float(kernels.min()) >= 0
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))


def test_files_are_recognised_by_their_shapes(tmp_path: Path) -> None:
    """As the authors' file keeps them, which .pt files wrap and .safetensors do not."""
    prior = _small()
    state = {**prior.state_dict(), "kernel_size": torch.tensor([11.0]), "base_dist_mean": torch.zeros(121)}
    torch.save({"epoch": 3, "model_state": state}, tmp_path / "one.pt")
    save_file(state, tmp_path / "one-x2.safetensors")
    code = torch.randn(1, 121)
    for name in ("one.pt", "one-x2.safetensors"):
        loaded, digest = load_kernel_prior(str(tmp_path / name), 2)
        torch.testing.assert_close(loaded(code), prior(code))
        assert len(digest) == 64
    with pytest.raises(ModelError, match=r"a kernel prior for x2; one for x4 is needed"):
        load_kernel_prior(str(tmp_path / "one.pt"), 4)
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"other\.safetensors: holds no kernel prior \(FKP\)"):
        load_kernel_prior(str(tmp_path / "other.safetensors"), 2)
    with pytest.raises(ModelError, match="no weights called 'fkp-of-nobody'"):
        load_kernel_prior("fkp-of-nobody", 2)


@pytest.mark.parametrize(("scale", "parameters"), [(2, 41_270), (3, 98_900), (4, 194_470)])
def test_the_authors_weights_give_gaussians(scale: int, parameters: int) -> None:
    """Variances that they were trained on, 0.175 to 2.5 times the scale, and their centre where the class says."""
    path = DATA / "weights" / "FKP" / f"FKP_x{scale}.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is not there; set VSR_TEST_DATA")
    prior, _ = load_kernel_prior(str(path), scale)
    assert sum(parameter.numel() for parameter in prior.parameters()) == parameters
    codes = torch.randn(40, prior.num_codes, generator=torch.Generator().manual_seed(4))
    kernels = prior(codes * (prior.side - 1) / codes.norm(dim=1, keepdim=True))
    place = torch.arange(prior.side, dtype=torch.float32)
    assert float((kernels.sum(1) @ place).mean()) == pytest.approx((prior.side - scale) / 2, abs=0.15)
    variances = torch.tensor([kernel_widths(kernel)[:2] for kernel in kernels]).square().flatten().sort().values
    assert float(variances[2]) > 0.15 * scale
    assert float(variances[-3]) < 4.0 * scale
