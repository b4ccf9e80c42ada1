"""What is kept on disk: whole or not at all, and only of the same run."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from vsr.errors import MachineError, ModelError, UsageError, WorkFolderBusy
from vsr.training import checkpoint
from vsr.training.checkpoint import CHECKPOINT, Saved, load_checkpoint, save_checkpoint
from vsr.training.config import make_config
from vsr.training.curves import draw_curves, png_bytes
from vsr.training.folder import claim, locked, read_record
from vsr.training.log import LOG, Log
from vsr.training.stopwatch import Stopwatch

CONFIG = make_config({"network": "lite", "scale": 2}, "")


def test_round_trip(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    tensors = {"a": torch.randn(3, 2), "b/c": torch.tensor(5), "half": torch.randn(4).bfloat16()}
    save_checkpoint(tmp_path, Saved(12, {"data": 1.5}, (0.5, 0.25), tensors))
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert (saved.step, saved.seconds, saved.losses) == (12, {"data": 1.5}, (0.5, 0.25))
    assert saved.tensors.keys() == tensors.keys()
    assert all(torch.equal(saved.tensors[key], value) for key, value in tensors.items())
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_full_disk_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, Saved(1, {}, (), {"a": torch.ones(1)}))

    def full(path: Path, tensors: object, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_safetensors", full)
    with pytest.raises(MachineError, match=r"step 2 cannot be kept \(No space left on device\)"):
        save_checkpoint(tmp_path, Saved(2, {}, (), {"a": torch.ones(1)}))
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.step == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]


def test_damage_is_reported(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, Saved(1, {}, (), {"a": torch.ones(100)}))
    data = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(data[:-40])
    with pytest.raises(ModelError, match="truncated or damaged"):
        load_checkpoint(tmp_path)


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    claim(tmp_path, CONFIG, {"data": "d"}, None)
    before = read_record(tmp_path)
    claim(tmp_path, CONFIG, {"data": "d"}, before)
    claim(tmp_path, CONFIG.model_copy(update={"log_every": 9}), {"data": "d"}, before)
    with pytest.raises(UsageError, match="belongs to a run with batch 16, now it is 8"):
        claim(tmp_path, CONFIG.model_copy(update={"batch": 8}), {"data": "d"}, before)
    with pytest.raises(UsageError, match='belongs to a run with data "d", now it is "e"'):
        claim(tmp_path, CONFIG, {"data": "e"}, before)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"holds other things \(letter\.txt\)"):
        read_record(tmp_path)


def test_a_record_that_is_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="is not a record of a training run"):
        read_record(tmp_path)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path / "new"), pytest.raises(WorkFolderBusy, match="another run"), locked(tmp_path / "new"):
        pass
    with locked(tmp_path / "new"):
        pass


def test_the_log_forgets_what_the_checkpoint_does_not_know(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(step, {"loss": 1.0 / step})
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in Log(tmp_path, 2).lines] == [1, 2]
    assert [line["step"] for line in Log(tmp_path, 9).lines] == [1, 2]


def test_curves_show_what_is_in_the_log() -> None:
    lines = [{"step": n, "loss": 1 / n, "psnr_y": 30 + n / 10} for n in range(1, 30)]
    both = draw_curves(lines, 33.66)
    assert both.shape == (720, 960, 3)
    assert draw_curves([{"step": 5, "loss": 0.0}], None).shape == (360, 960, 3)
    blue = (both[:360] == (190, 90, 20)).all(-1)
    first, last = (int(blue[:, column].argmax()) for column in (blue.any(0).argmax() + 2, 960 - 30))
    assert first > last > 0, "it rises"
    assert png_bytes(both).startswith(b"\x89PNG")


def test_the_stopwatch_adds_up() -> None:
    watch = Stopwatch({"network": 8.0, "data": 1.0, "update": 1.0, "validation": 50.0})
    assert watch.network_share == pytest.approx(0.8)
    with watch.during("data"):
        pass
    assert watch.seconds["data"] > 1
    assert Stopwatch({}).network_share == 0
