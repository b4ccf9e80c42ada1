"""Results on the way in the loss: as MemNet and DRCN are trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vsr
from vsr.errors import UsageError
from vsr.training.config import make_config
from vsr.training.learner import Learner
from vsr.training.samples import Batch


def _loss(share: float) -> tuple[float, Learner, Batch]:
    recipe = {"network": "srfbn-s", "scale": 2, "loss": "1*L1", "supervision": share, "threads": 1}
    learner = Learner(make_config(recipe, "test"), torch.device("cpu"), None, None, 1)
    generator = torch.Generator().manual_seed(1)
    batch = Batch(torch.rand(1, 3, 8, 8, generator=generator), torch.rand(1, 3, 16, 16, generator=generator))
    total, *_ = learner.forward(batch)
    return float(total.detach()), learner, batch


def test_the_share_is_of_the_mean_of_all_earlier_results() -> None:
    total, learner, batch = _loss(0.4)
    with torch.no_grad():
        losses = [float((one - batch.true).abs().mean()) for one in learner.network.all_outputs(batch.small)]
    assert len(losses) == 4
    assert total == pytest.approx(0.6 * losses[-1] + 0.4 * sum(losses[:-1]) / 3, rel=1e-5)
    assert _loss(0.0)[0] == pytest.approx(losses[-1], rel=1e-5)


def test_networks_with_one_result_are_refused(tmp_path: Path) -> None:
    recipe = {"network": "espcn", "scale": 2, "supervision": 0.5}
    with pytest.raises(UsageError, match="espcn has no results on the way"):
        vsr.train(recipe, tmp_path / "run", data=tmp_path, steps=1)
