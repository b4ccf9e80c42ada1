"""Names, paths, scales, wrappers, blends: which weights are loaded, as what."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vsr.errors import ModelError, UsageError
from vsr.networks import NETWORKS, Network, available_scales, load_network
from vsr.networks.blending import without_folders
from vsr.networks.carn import CARN, carn_m
from vsr.networks.edsr import EDSR, edsr_baseline
from vsr.networks.fsrcnn import FSRCNN
from vsr.networks.lite_any import LiteAny
from vsr.networks.locating import model_folders, scale_in_name
from vsr.networks.rdn import RDN
from vsr.networks.srresnet import SRResNet
from vsr.networks.vdsr import VDSR


def _state(seed: int = 0, scale: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(FSRCNN(scale).state_dict())


def _save(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """One folder of ``VSR_MODELS`` and the one of the cache."""
    named, cache = tmp_path / "named", tmp_path / "cache"
    monkeypatch.setenv("VSR_MODELS", f"{named}{os.pathsep}{tmp_path / 'absent'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return named, cache / "vsr" / "models"


# ---- names


def test_order_of_folders_and_suffixes(folders: tuple[Path, Path]) -> None:
    first, last = folders
    places = [(first, ".safetensors"), (first, ".pth"), (last, ".safetensors"), (last, ".pt")]
    order = [folder / f"fsrcnn-x2{suffix}" for folder, suffix in places]
    for path in order:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(_state(), path) if path.suffix == ".safetensors" else torch.save(_state(), path)
    for path in order:
        assert load_network("fsrcnn", 2).source == str(path)
        path.unlink()
    with pytest.raises(ModelError, match=r"no weights called 'fsrcnn'.*fsrcnn-xS") as raised:
        load_network("fsrcnn", 2)
    assert all(str(folder) in str(raised.value) for folder in model_folders())


def test_a_file_for_its_scale_before_one_for_several(folders: tuple[Path, Path]) -> None:
    _save(folders[0] / "mine.pth", CARN(2, groups=4, up_groups=4, shared=True).state_dict())
    _save(folders[1] / "mine-x2.pth", _state())
    assert available_scales("mine") == (2, 3, 4)
    assert load_network("mine", 2).name == "fsrcnn"
    assert load_network("mine", 4).name == "carn-m"
    with pytest.raises(ModelError, match="mine: weights for ×2 are there; say which scale"):
        load_network("mine")


def test_one_file_of_a_name_needs_no_scale(folders: tuple[Path, Path]) -> None:
    _save(folders[0] / "fsrcnn-x3.pth", _state(scale=3))
    assert load_network("fsrcnn").scale == 3
    assert available_scales("fsrcnn") == (3,)
    with pytest.raises(ModelError, match=r"fsrcnn enlarges ×3, not ×2"):
        load_network("fsrcnn", 2)


def test_a_name_is_not_a_file_of_the_working_folder(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fsrcnn").mkdir()
    _save(folders[0] / "fsrcnn-x2.pth", _state())
    _save(tmp_path / "here-x2.pth", _state())
    assert load_network("fsrcnn").source == str(folders[0] / "fsrcnn-x2.pth")
    assert load_network("here-x2.pth").scale == 2


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("fsrcnn_x2.pth", 2),
        ("x3.mat", 3),
        ("FSRCNN-X4.pth", 4),
        ("4x_thing.pth", 4),
        ("a.x2.b.pth", 2),
        ("ax2.pth", None),
        ("x2-x3.pth", None),
        ("x2-to-2x.pth", 2),
        ("epoch_4_100.pth", None),
        ("x16.pth", None),
    ],
)
def test_scale_in_a_name(name: str, scale: int | None) -> None:
    assert scale_in_name(Path(name)) == scale


# ---- scales


def test_scale_from_user_name_and_metadata(tmp_path: Path) -> None:
    silent = _save(tmp_path / "weights.pth", _state())
    assert available_scales(silent) == ()
    assert load_network(silent, 3).scale == 3
    with pytest.raises(ModelError, match="neither the weights nor the file's name tell the scale; say which scale"):
        load_network(silent)
    with pytest.raises(UsageError, match="a scale of 0 makes no sense"):
        load_network(silent, 0)
    named = _save(tmp_path / "weights-x3.pth", _state())
    with pytest.raises(ModelError, match=r"weights-x3\.pth: fsrcnn enlarges ×3, not ×4"):
        load_network(named, 4)
    weights = tmp_path / "weights-x2.safetensors"
    save_file(_state(), weights, metadata={"vsr.scale": "4"})
    assert load_network(weights).scale == 4, "what the file says of itself comes before its name"


def test_several_scales_in_one_file(tmp_path: Path) -> None:
    path = _save(tmp_path / "weights.pth", carn_m(2).state_dict())
    assert available_scales(path) == (2, 3, 4)
    digests = set()
    for scale in (2, 3, 4):
        network = load_network(path, scale)
        digests.add(network.digest)
        assert network(torch.rand(1, 3, 6, 7)).shape == (1, 3, 6 * scale, 7 * scale)
    assert len(digests) == 1
    with pytest.raises(ModelError, match=r"serves ×2, ×3, ×4; say which scale"):
        load_network(path)
    with pytest.raises(ModelError, match=r"carn-m enlarges ×2, ×3, ×4, not ×8"):
        load_network(path, 8)


def test_networks_for_any_scale_need_none(tmp_path: Path) -> None:
    torch.save(LiteAny(2, width=8, depth=3, terms=6, hidden=8).state_dict(), tmp_path / "any.pth")
    assert load_network(tmp_path / "any.pth").family == "any-scale"
    assert load_network(tmp_path / "any.pth", 3).scale == 3


def test_one_scale_of_a_family_that_mostly_has_several(tmp_path: Path) -> None:
    path = _save(tmp_path / "weights.pth", CARN(4, scales=None).state_dict())
    network = load_network(path)
    assert (network.name, network.scale) == ("carn", 4)


# ---- files


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params": state},
        lambda state: {"params": {}, "params_ema": state},
        lambda state: {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": state},
        lambda state: {"best": torch.tensor(37.0), "model": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"_orig_mod.module.{key}": value for key, value in state.items()}},
    ],
    ids=["plain", "params", "ema", "state_dict", "model", "parallel", "compiled"],
)
def test_wrappers_come_off(wrap: Callable[[Any], Any], zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights-x2.pth"
    torch.save(wrap(_state()), path, _use_new_zipfile_serialization=zipped)
    network = load_network(path)
    for key, value in network.module.state_dict().items():
        assert torch.equal(value, _state()[key])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".mat", ".pt"])
def test_content_decides_not_the_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights-x2{suffix}"
    torch.save(_state(), path)
    assert load_network(path).name == "fsrcnn"
    save_file(_state(), path)
    assert load_network(path).name == "fsrcnn"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_weights_of_other_types_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    path = _save(tmp_path / "weights-x2.pth", {key: value.to(dtype) for key, value in _state().items()})
    network = load_network(path)
    assert all(value.dtype == torch.float32 for value in network.module.state_dict().values())
    assert not any(value.requires_grad for value in network.module.parameters())
    assert not network.module.training


def test_digest_is_of_the_weights_not_the_file(tmp_path: Path) -> None:
    first = load_network(_save(tmp_path / "a-x2.pth", _state()))
    save_file(_state(), tmp_path / "b-x2.safetensors")
    assert load_network(tmp_path / "b-x2.safetensors").digest == first.digest
    other = _state()
    other["last_part.bias"] += 1e-6
    assert load_network(_save(tmp_path / "c-x2.pth", other)).digest != first.digest
    assert len(first.digest) == 64


# ---- other names, other ranges


def test_edsr_for_values_up_to_one(tmp_path: Path) -> None:
    """Files that other programs trained on 0…1 have smaller mean shifts; both mean the same function."""
    torch.manual_seed(2)
    ours = EDSR(2, num_blocks=2, width=8)
    state = dict(ours.state_dict())
    scaled = {key: value / 255 if key.endswith("bias") else value for key, value in state.items()}
    wide = load_network(_save(tmp_path / "wide.pth", state))
    narrow = load_network(_save(tmp_path / "narrow.pth", scaled))
    images = torch.rand(1, 3, 7, 6)
    torch.testing.assert_close(narrow(images), wide(images), rtol=1e-4, atol=1e-5)


def test_large_edsr_takes_residuals_times_a_tenth(tmp_path: Path) -> None:
    with torch.device("meta"):
        assert NETWORKS["edsr"].build(2).body[0].res_scale == 0.1
        assert edsr_baseline(2).body[0].res_scale == 1
    path = _save(tmp_path / "edsr.pth", EDSR(3, num_blocks=1, width=256, res_scale=0.1).state_dict())
    network = load_network(path)
    assert network.name == "edsr"
    assert network.module.get_submodule("body")[0].res_scale == 0.1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rdn_under_its_other_names(scale: int, tmp_path: Path) -> None:
    """The files of yjn870 are for values up to 1, those of EDSR-PyTorch up to 255."""
    torch.manual_seed(2)
    ours = RDN(scale, blocks=2, layers=3, growth=8, width=8, value_range=1.0).eval()
    last = 4 if scale == 4 else 2
    renames = [
        ("SFENet1.", "sfe1."),
        ("SFENet2.", "sfe2."),
        ("RDBs.", "rdbs."),
        (".convs.", ".layers."),
        (".conv.0.", ".conv."),
        (".LFF.", ".lff."),
        ("GFF.", "gff."),
        (f"UPNet.{last}.", "output."),
        ("UPNet.0.", "upscale.0.0."),
        ("UPNet.2.", "upscale.1.0."),
    ]
    state = {}
    for key, value in ours.state_dict().items():
        for a, b in renames:
            key = key.replace(a, b)
        state[key] = value
    assert "rdbs.1.layers.2.conv.weight" in state
    network = load_network(_save(tmp_path / "rdn.pth", state))
    assert (network.name, network.scale) == ("rdn", scale)
    images = torch.rand(1, 3, 5, 6)
    assert torch.equal(network(images), ours(images))


def test_other_widths_and_depths(tmp_path: Path) -> None:
    for module in (
        FSRCNN(2, width=32, shrunk=5, num_maps=1),
        VDSR(2, depth=7, width=16, bias=False),
        SRResNet(4, num_blocks=3, width=16, norm_after=False),
    ):
        path = _save(tmp_path / f"weights-x{module.scale}.pth", module.state_dict())
        network = load_network(path, module.scale)
        assert network.num_parameters == sum(parameter.numel() for parameter in module.parameters())
        assert network.context_px == module.context_px


def test_counters_of_old_files_are_not_missed(tmp_path: Path) -> None:
    """Batch normalisation counted nothing before torch 0.4.1."""
    state = SRResNet(2, num_blocks=2).state_dict()
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    assert load_network(_save(tmp_path / "weights.pth", old)).name == "srresnet"


# ---- blends


def _mean(first: Network, second: Network, share: float) -> dict[str, torch.Tensor]:
    a, b = first.module.state_dict(), second.module.state_dict()
    return {key: (1 - share) * a[key] + share * b[key] for key in a}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_blend(share: float, tmp_path: Path) -> None:
    first, second = _save(tmp_path / "a-x2.pth", _state(1)), _save(tmp_path / "b-x2.pth", _state(2))
    text = f"{first}:{second}@{share}"
    blend = load_network(text, 2)
    expected = _mean(load_network(first), load_network(second), share)
    for key, value in blend.module.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-8)
    assert (blend.name, blend.scale) == ("fsrcnn", 2)
    assert available_scales(text) == (2,)
    if share in (0.0, 1.0):
        assert blend.digest == load_network(second if share else first).digest
    assert str(first) in blend.source
    assert str(second) in blend.source


def test_names_without_folders(tmp_path: Path) -> None:
    """For model cards, which say nothing of the machine; a file with a colon in its name is not a blend."""
    plain = _save(tmp_path / "a:b@0.5", {})
    cases = {"lite": "lite", "/x/y/a.pth": "a.pth", "/x/a.pth:y/b.pth@0.3": "a.pth:b.pth@0.3", str(plain): "a:b@0.5"}
    assert {given: without_folders(given) for given in cases} == cases


def test_blend_is_generative_by_its_share(tmp_path: Path) -> None:
    faithful, gan = _save(tmp_path / "psnr-x2.pth", _state(1)), _save(tmp_path / "gan-x2.pth", _state(2))
    assert not load_network(faithful).is_generative
    assert load_network(gan).is_generative
    assert not load_network(f"{faithful}:{gan}@0").is_generative
    assert load_network(f"{faithful}:{gan}@0.1").is_generative
    assert not load_network(f"{gan}:{faithful}@1").is_generative


def test_blends_that_make_no_sense(tmp_path: Path) -> None:
    fsrcnn, carn = _save(tmp_path / "a-x2.pth", _state()), _save(tmp_path / "c.pth", carn_m(2).state_dict())
    other = _save(tmp_path / "b-x3.pth", _state())
    small = _save(tmp_path / "s-x2.pth", FSRCNN(2, num_maps=1).state_dict())
    with pytest.raises(ModelError, match="one architecture and one scale"):
        load_network(f"{fsrcnn}:{carn}@0.5", 2)
    with pytest.raises(ModelError, match="one architecture and one scale"):
        load_network(f"{fsrcnn}:{other}@0.5")
    with pytest.raises(ModelError, match="one architecture and size, and differ in mid_part"):
        load_network(f"{fsrcnn}:{small}@0.5")
    for share in ("1.5", "-1", "half", "nan"):
        with pytest.raises(UsageError, match="must be a number from 0 to 1"):
            load_network(f"{fsrcnn}:{fsrcnn}@{share}")


def test_a_file_with_marks_of_a_blend_in_its_name(tmp_path: Path) -> None:
    path = _save(tmp_path / "a:b@0.5.x2.pth", _state())
    assert load_network(path).source == str(path)


# ---- generative or not


@pytest.mark.parametrize(
    ("name", "generative"),
    [
        ("netG_epoch_4_100", True),
        ("SRGAN", True),
        ("my-gan", True),
        ("RRDB_PSNR", False),
        ("organic", False),
        ("plain", False),
    ],
)
def test_generative_by_name(name: str, generative: bool, tmp_path: Path) -> None:
    path = _save(tmp_path / f"{name}.pth", SRResNet(4, num_blocks=1).state_dict())
    assert load_network(path).is_generative is generative


def test_what_a_file_says_of_itself_counts_first(tmp_path: Path) -> None:
    for written in ("true", "false"):
        path = tmp_path / "gan-x2.safetensors"
        save_file(_state(), path, metadata={"vsr.generative": written, "note": "mine"})
        network = load_network(path)
        assert network.is_generative is (written == "true")
        assert network.metadata["note"] == "mine"
