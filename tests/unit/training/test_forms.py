"""What a training may begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vsr.errors import ModelError
from vsr.networks.fsrcnn import FSRCNN
from vsr.networks.lite import Lite
from vsr.training.forms import begin_with, build_in_training, read_start, reparameterise, runnable


@pytest.mark.parametrize(
    ("name", "scale", "taken"),
    [("lite", 3, "lite-x3"), ("real", 2, "real-x2"), ("real", 3, "real-x2"), ("real", 8, "real-x4")],
)
def test_a_name_with_several_scales(name: str, scale: int, taken: str) -> None:
    """The run's own scale, or the nearest."""
    assert Path(read_start(name, "lite", scale).source).stem == taken


def test_one_file_for_another_scale(tmp_path: Path) -> None:
    torch.save(FSRCNN(2).state_dict(), tmp_path / "mine-x2.pth")
    assert Path(read_start(str(tmp_path / "mine-x2.pth"), "fsrcnn", 4).source).stem == "mine-x2"


def test_what_cannot_be_begun_with(tmp_path: Path) -> None:
    torch.save(FSRCNN(2).state_dict(), tmp_path / "mine-x2.pth")
    with pytest.raises(ModelError, match="holds fsrcnn, not lite"):
        read_start(str(tmp_path / "mine-x2.pth"), "lite", 2)
    with pytest.raises(ModelError, match="no such file"):
        read_start(str(tmp_path / "absent.pth"), "lite", 2)


def test_weights_of_another_depth_go_on_as_deep_as_they_are(tmp_path: Path) -> None:
    torch.save(Lite(2, width=16, depth=3).state_dict(), tmp_path / "mine-x2.pth")
    start = read_start(str(tmp_path / "mine-x2.pth"), "lite", 4)
    module = build_in_training("lite", 4, start)
    assert begin_with(start, "lite", module) == ("tail.bias", "tail.weight")
    state = reparameterise("lite", module)
    assert runnable("lite", 4, state).num_parameters == sum(value.numel() for value in state.values())
    torch.testing.assert_close(state["body.2.weight"], start.tensors["body.2.weight"], rtol=1e-5, atol=1e-6)
