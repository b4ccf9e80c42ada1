"""Parameter counts as the papers give them, each under the paper's own way of counting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from vsr.networks import NETWORKS
from vsr.networks.carn import CARN
from vsr.networks.frvsr import FRVSR

Count = Callable[[nn.Module], int]


def weights_only(module: nn.Module) -> int:
    """Filters of convolutions; no biases, no slopes."""
    return sum(value.numel() for value in module.parameters() if value.ndim > 1 and value.requires_grad)


def weights_and_shift_matrices(module: nn.Module) -> int:
    """Filters, those of the fixed mean shifts as well."""
    return sum(value.numel() for value in module.parameters() if value.ndim > 1)


def learnt(module: nn.Module) -> int:
    """Everything that training changes."""
    return sum(value.numel() for value in module.parameters() if value.requires_grad)


def everything(module: nn.Module) -> int:
    """All numbers in the file that are not statistics."""
    return sum(value.numel() for value in module.parameters())


def of_flow(module: nn.Module) -> int:
    """Without the encoder."""
    return sum(value.numel() for name, value in module.named_parameters() if name.startswith("flowUpsamplerNet."))


PUBLISHED: list[tuple[str, int, Count, float, int]] = [
    # row, scale, way of counting, published number, its last digit
    ("srcnn-9-1-5", 3, weights_only, 8_032, 1),  # TPAMI 2016, table 1
    ("srcnn-9-3-5", 3, weights_only, 24_416, 1),
    ("srcnn-9-5-5", 3, weights_only, 57_184, 1),
    ("srcnn-9-5-5", 3, learnt, 57.3e3, 100),
    ("vdsr", 2, weights_only, 665e3, 1_000),
    ("drcn", 2, weights_only, 1_774e3, 1_000),  # as LapSRN's and DRRN's comparisons count it
    ("drrn", 2, weights_only, 297e3, 1_000),
    ("fsrcnn", 3, weights_only, 12_464, 1),  # ECCV 2016, table 1
    ("fsrcnn", 3, everything, 12_809, 1),  # the checkpoint
    ("espcn", 3, learnt, 22.7e3, 100),
    ("srresnet", 4, learnt, 1.5e6, 100_000),
    ("edsr-baseline", 2, learnt, 1.37e6, 10_000),
    ("edsr", 2, learnt, 40.7e6, 100_000),
    ("edsr", 4, learnt, 43.1e6, 100_000),
    ("mdsr", 4, learnt, 8.0e6, 100_000),  # all three heads
    ("mdsr-baseline", 4, learnt, 3.2e6, 100_000),
    ("rdn", 2, learnt, 22.1e6, 100_000),
    ("carn", 4, learnt, 1_592e3, 1_000),  # all three heads
    ("carn-m", 4, weights_and_shift_matrices, 412_050, 1),  # all three heads
    ("carn-m", 4, everything, 414_811, 1),  # the checkpoint
    ("idn", 4, everything, 552_769, 1),  # the checkpoint
    ("enhancenet", 4, everything, 852_867, 1),  # the checkpoint
    ("dwsr", 2, everything, 378_052, 1),  # the checkpoint
    ("dwsr", 2, weights_only, 374e3, 4_000),  # the paper's figure counts its first layer otherwise
    ("prosr-s", 2, everything, 849_059, 1),  # the checkpoint
    ("memnet", 2, weights_only, 677e3, 1_000),
    ("red30", 2, weights_only, 4_131e3, 1_000),
    ("mwcnn", 2, weights_only, 16.1e6, 100_000),
    ("msrn", 2, learnt, 5.89e6, 10_000),
    ("msrn", 3, learnt, 6_078e3, 1_000),
    ("san", 2, learnt, 15.7e6, 100_000),
    ("multi-purpose", 2, everything, 250_099, 1),  # the authors' files
    ("fdan", 2, everything, 126_660, 1),
    ("ikc", 4, everything, 5.32e6, 10_000),  # as comparisons count it
    ("kxnet", 2, everything, 6.51e6, 10_000),
    ("rnan", 4, learnt, 9.3e6, 100_000),  # as later papers count it
    ("csnln", 2, learnt, 3.06e6, 10_000),
    ("csnln", 4, learnt, 6.57e6, 10_000),
    ("csfm", 4, learnt, 12.9e6, 800_000),  # the paper's text leaves 0.7M unexplained
    ("liif", 4, everything, 1_567_323, 1),  # the checkpoint
    ("asdn", 2, learnt, 22.4e6, 100_000),
    ("rescale", 2, everything, 251_272, 1),  # what ships
    ("car", 2, learnt, 51.1e6, 300_000),  # as IRN's comparison counts it; the code that was published has 0.3M more
    ("car", 4, learnt, 52.8e6, 200_000),
    ("irn", 2, learnt, 1.66e6, 10_000),
    ("irn", 4, learnt, 4.35e6, 10_000),
    ("firn", 4, everything, 320_880, 1),  # the checkpoint
    ("srflow", 4, learnt, 39.5e6, 100_000),
    ("srflow", 4, of_flow, 22.8e6, 100_000),
    ("srflow-da", 4, of_flow, 8.7e6, 100_000),
    ("sr3", 8, learnt, 97_807_491, 1),  # as Janspiry's code logs it
    ("lapsrn", 4, everything, 814_242, 1),  # the checkpoint
    ("lapsrn", 4, weights_only, 812e3, 1_000),
    ("ms-lapsrn", 4, weights_only, 222e3, 1_000),
    ("dbpn", 4, learnt, 10_426_358, 1),
    ("srfbn", 2, learnt, 2_140e3, 1_000),
    ("srfbn", 3, learnt, 2_832e3, 1_000),
    ("srfbn", 4, learnt, 3_631e3, 1_000),
    ("srfbn-s", 4, learnt, 483e3, 1_000),
    ("sof-vsr", 4, learnt, 1.05e6, 10_000),  # TIP 2020, table 3
    ("vsrnet", 4, everything, 283_363, 1),  # the authors' net, ``conv_gt`` too
    ("vespcn-5l-e3", 2, everything, 17_164, 1),  # the checkpoint
    ("basicvsr", 4, learnt, 6.3e6, 100_000),  # CVPR 2021, table 2; with SPyNet
    ("frvsr", 4, learnt, 2.589e6, 1_000),  # TecoGAN-PyTorch's comparison
    ("rrn", 4, learnt, 3.4e6, 100_000),  # BMVC 2020, table 3
    ("mobile-rrn-16", 4, everything, 35_664, 1),  # the checkpoint
    ("mobile-rrn-32", 4, everything, 126_576, 1),  # the checkpoint
    ("swrn", 4, everything, 43_472, 1),  # the checkpoint
    ("rlsp-7-48", 4, everything, 163_216, 1),  # the checkpoint
    ("rlsp-7-64", 4, everything, 282_128, 1),  # the checkpoint
]


@pytest.mark.parametrize(("name", "scale", "count", "published", "digit"), PUBLISHED)
def test_published_count(name: str, scale: int, count: Count, published: float, digit: int) -> None:
    with torch.device("meta"):
        counted = count(NETWORKS[name].build(scale))
    assert abs(counted - published) < digit, f"{counted:,}"  # papers round or cut


@pytest.mark.parametrize(("scale", "expected"), [(2, 964_163), (3, 1_148_803), (4, 1_111_875)])
def test_carn_for_one_scale(scale: int, expected: int) -> None:
    with torch.device("meta"):
        assert learnt(CARN(scale, scales=None)) == expected


def test_frvsr_of_the_paper() -> None:
    """FRVSR 10-128: 5.1M in RRN's comparison."""
    with torch.device("meta"):
        assert abs(learnt(FRVSR(4, width=128)) - 5.1e6) < 1e5
