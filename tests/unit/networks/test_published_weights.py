"""Published checkpoints load as they are, as what they are, and keep their values in half precision.

They are not part of the repository: name the folder that holds ``weights`` in ``VSR_TEST_DATA``. The figures that they
reach are in ``tests/e2e/test_published_figures.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from vsr.networks import NETWORKS, available_scales, load_network
from vsr.networks.files.matlab import MatStruct, read_matlab

_FOLDER = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "weights"

PUBLISHED: list[tuple[str, str, tuple[int, ...], int, bool]] = [
    # file, network, scales, numbers, generative
    *((f"SRCNN_official_mat/9-1-5(91_images)/x{s}.mat", "srcnn-9-1-5", (s,), 8_129, False) for s in (2, 3, 4)),
    ("SRCNN_official_mat/9-1-5(ImageNet)/x3.mat", "srcnn-9-1-5", (3,), 8_129, False),
    ("SRCNN_official_mat/9-3-5(ImageNet)/x3.mat", "srcnn-9-3-5", (3,), 24_513, False),
    *((f"SRCNN_official_mat/9-5-5(ImageNet)/x{s}.mat", "srcnn-9-5-5", (s,), 57_281, False) for s in (2, 3, 4)),
    ("VDSR/VDSR_Official.mat", "vdsr", (2, 3, 4), 665_921, False),
    ("VDSR/VDSR_Adam.mat", "vdsr", (2, 3, 4), 665_921, False),
    *((f"FSRCNN_yjn870/fsrcnn_x{s}.pth", "fsrcnn", (s,), 12_809, False) for s in (2, 3, 4)),
    ("LapSRN/LapSRN_x2.mat", "lapsrn", (2,), 407_441, False),
    ("LapSRN/LapSRN_x4.mat", "lapsrn", (4,), 814_242, False),
    ("LapSRN/LapSRN_x8.mat", "lapsrn", (8,), 667_123, False),
    ("LapSRN/MSLapSRN_D5R8.mat", "ms-lapsrn", (2, 4, 8), 222_801, False),
    ("CARN/carn_m.pth", "carn-m", (2, 3, 4), 414_811, False),
    *(
        (f"Zeyde_ANR/conf_Zeyde_1024_finalx{s}.mat", "anr", (s,), count, False)
        for s, count in ((2, 69_568), (3, 123_384), (4, 195_456))
    ),
    ("FIRN/FIRN_x4.safetensors", "firn", (4,), 320_880, True),
    ("EnhanceNet/weights", "enhancenet", (4,), 852_867, True),
    *((f"IDN/IDN_x{s}.caffemodel", "idn", (s,), 552_769, False) for s in (2, 3, 4)),
    ("LIIF/edsr-baseline-liif.fp16.safetensors", "liif", (2, 3, 4), 1_567_323, False),
    ("ProSR/ProSRs_2x-0000.params", "prosr-s", (2,), 849_059, False),
    ("DWSR/cos_800_x2.index", "dwsr", (2,), 378_052, False),
    ("SRResNet_leftthomas/netG_epoch_2_100.pth", "srresnet", (2,), 586_379, True),
    ("SRResNet_leftthomas/netG_epoch_4_100.pth", "srresnet", (4,), 734_092, True),
    ("VESPCN_HighVoltageRocknRoll/vespcn_x2.safetensors", "vespcn-5l-e3", (2,), 17_164, False),
    *((f"VSRnet/u{s}_SRnet_train_iter_200000.caffemodel", "vsrnet", (), 283_363, False) for s in (2, 3, 4)),
    ("RLSP/rlsp_7-48_x4.safetensors", "rlsp-7-48", (4,), 163_216, False),
    ("RLSP/rlsp_7-64_x4.safetensors", "rlsp-7-64", (4,), 282_128, False),
    ("MobileRRN/rrn_16_x4.safetensors", "mobile-rrn-16", (4,), 35_664, False),
    ("MobileRRN/rrn_32_x4.safetensors", "mobile-rrn-32", (4,), 126_576, False),
    ("SWRN/swrn_x4.safetensors", "swrn", (4,), 43_472, False),
    ("BasicVSR/BasicVSR_Vimeo90K_BIx4.fp16.safetensors", "basicvsr", (4,), 6_291_311, False),
    ("USRNet_tiny/usrnet_tiny.safetensors", "usrnet-tiny", (2, 3, 4), 590_332, False),
    ("RealESRGAN/RealESRGAN_General_x4_v3.pth", "RealESRGAN Compact", (4,), 1_213_296, True),
    ("RealESRGAN/realesr-animevideov3.pth", "RealESRGAN Compact", (4,), 621_424, True),
]


def _file(name: str) -> Path:
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set VSR_TEST_DATA")
    return path


def _scene(channels: int) -> torch.Tensor:
    """Edges, a gradient and a fine pattern, ``(1, C, 12, 14)`` in 0…1: half precision is slow where it is emulated."""
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(14.0), indexing="ij")
    planes = [
        0.5 + 0.3 * torch.sin(x / 2 + c) * torch.cos(y / 3) + 0.2 * ((x + y + c) % 9 > 4) - 0.1 for c in range(channels)
    ]
    return torch.stack(planes)[None].clamp(0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network", "scales", "numbers", "generative"), PUBLISHED, ids=[p[0] for p in PUBLISHED]
)
def test_published_weights(name: str, network: str, scales: tuple[int, ...], numbers: int, generative: bool) -> None:
    path = _file(name)
    assert available_scales(path) == scales
    for scale in scales or NETWORKS[network].scales[:1]:  # the file may not say
        loaded = load_network(path, scale)
        assert (loaded.name, loaded.num_parameters, loaded.is_generative) == (network, numbers, generative)
        assert loaded.colour == (NETWORKS[network].colour if network in NETWORKS else "RGB")
        images = _scene(loaded.in_channels)
        with torch.inference_mode():
            exact = loaded(images)
            half = loaded.module.to(torch.float16)(images)
        assert 0.1 < float(exact.mean()) < 0.9, "an image, not noise"
        assert 10 * torch.log10(1 / (half - exact).square().mean()) > 58


@pytest.mark.slow
@pytest.mark.parametrize("name", [p[0] for p in PUBLISHED if p[0].endswith(".mat")])
def test_matlab_files_against_scipy(name: str) -> None:
    ours, theirs = read_matlab(_file(name)), scipy.io.loadmat(_file(name))
    for key, value in ours.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, theirs[key])
    net = ours.get("net")
    if isinstance(net, MatStruct):
        params = net.records[0]["params"]
        assert isinstance(params, MatStruct)
        for mine, other in zip(params.records, theirs["net"][0, 0]["params"][0], strict=True):
            assert mine["name"] == other["name"].item()
            np.testing.assert_array_equal(np.asarray(mine["value"]), other["value"])
