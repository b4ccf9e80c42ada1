"""Networks of spandrel that are called from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vsr.networks.spandrel_models import spandrel_upscaler

spandrel = pytest.importorskip("spandrel")


def test_one_that_changes_itself_gives_each_thread_its_own_result() -> None:
    from spandrel.architectures.SPAN import SPAN

    torch.manual_seed(3)
    network = spandrel_upscaler(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2).state_dict(), "span")
    assert network is not None
    network.eval()
    images = [torch.rand(1, 3, 24, 32) for _ in range(40)]
    with torch.no_grad():
        alone = [network(image) for image in images]

    def run(image: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = network(image)
        return result

    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(run, images))
    assert all(torch.equal(one, other) for one, other in zip(alone, beside, strict=True))
