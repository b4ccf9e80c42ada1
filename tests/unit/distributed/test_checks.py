"""What every machine of a cluster must be like, and how a refusal reads."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from plain_reader import is_working_name
from ray._private.utils import check_version_info

from vsr.distributed import ray as ray_module
from vsr.distributed.checks import ClusterChecks
from vsr.distributed.dispatch import WorkerInfo
from vsr.errors import MachineError, UsageError
from vsr.pipeline.job import Span
from vsr.pipeline.request import Request
from vsr.pipeline.settings import Settings
from vsr.pipeline.sidecar import software_versions


def _checks(*places: tuple[str | Path, str | Path], base: Path | None = None) -> ClusterChecks:
    requests = [Request(source, target, Settings(), None, Span(), work_base=base) for source, target in places]
    return ClusterChecks(requests, True)


def _worker(**versions: str) -> WorkerInfo:
    return WorkerInfo("worker-1", "node7/abc", "cpu", software_versions() | versions)


@pytest.mark.parametrize("name", ["vsr", "python", "torch", "av", "opencv-python", "numpy"])
def test_other_versions_are_refused_by_name(tmp_path: Path, name: str) -> None:
    checks = _checks((tmp_path / "a.mp4", tmp_path / "out.mp4"))
    checks.check(_worker())
    here = software_versions()[name]
    with pytest.raises(MachineError, match=rf"^node7/abc has {name} 0.0.1, this machine {here}; the same versions"):
        checks.check(_worker(**{name: "0.0.1"}))
    checks.close()


def test_another_ray_or_python_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is Ray's own, as its client raises it."""

    def refuse(**options: object) -> None:
        check_version_info({"ray_version": "2.1.0", "python_version": "3.9.1", "ray_commit": ""}, "10.0.0.7")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray_module, "_knock", lambda address: None)
    with pytest.raises(MachineError) as caught:
        ray_module._connect("10.0.0.7:6379", {})
    text = str(caught.value)
    assert "\n" not in text
    assert "Version mismatch" in text
    for version in ("2.1.0", "3.9.1", ray.__version__, platform.python_version()):
        assert version in text


def test_a_ray_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could happen because some")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(
        MachineError, match=r"^Ray does not start on this machine: The current node timed out .* 1 does"
    ):
        ray_module._join(None, 2)


def test_every_folder_that_is_read_or_written_must_be_seen(tmp_path: Path) -> None:
    for name in ("in", "out", "work"):
        (tmp_path / name).mkdir()
    checks = _checks((tmp_path / "in" / "a.mp4", tmp_path / "out" / "a.mp4"), ("s3://b/c.mp4", "s3://b/d.mp4"))
    assert {path.parent for path in checks.must_see[:-1]} == {tmp_path / "out"}
    assert checks.must_see[-1] == tmp_path / "in"
    checks.close()
    assert not list((tmp_path / "out").iterdir())
    urls = _checks(("s3://b/c.mp4", "s3://b/d.mp4"))
    assert urls.must_see == ()
    kept = _checks(("s3://b/c.mp4", "s3://b/d.mp4"), base=tmp_path / "work")
    assert {path.parent for path in kept.must_see} == {tmp_path / "work"}
    kept.close()


def test_two_classes_of_device_are_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checks = _checks((tmp_path / "a.mp4", tmp_path / "out.mp4"))
    for kind in ("cpu", "cuda H100", "cpu", "cuda H100"):
        checks.check(WorkerInfo("w", "n", kind, software_versions()))
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["two kinds of device (cpu, cuda H100): each file is made on one of them"]
    checks.close()


@pytest.mark.parametrize("address", ["nonsense", "ray://host:10001", "host:", "host:port"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match=r"want auto or HOST:PORT"):
        ray_module._knock(address)


def test_what_a_killed_run_left_to_be_seen_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "a" / "out.mp4"
    target.parent.mkdir()
    code = "import sys; from test_checks import _checks; _checks(('x.mp4', sys.argv[1]))"
    paths = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2])))
    subprocess.run([sys.executable, "-c", code, str(target)], env=os.environ | {"PYTHONPATH": paths}, check=True)
    assert [path.name for path in target.parent.iterdir() if is_working_name(path.name)]
    living = _checks((tmp_path / "in.mp4", target))
    another = _checks((tmp_path / "in.mp4", target))
    assert {*living.must_see[:1], *another.must_see[:1]} == set(target.parent.iterdir())
    living.close()
    another.close()
    assert not list(target.parent.iterdir())


def test_a_folder_that_cannot_be_written_to_leaves_nothing_in_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if target.parent == folders[1]:
            source.unlink()
            raise OSError(errno.EROFS, "Read-only file system")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(MachineError, match=f"cannot write to {folders[1]}: Read-only"):
        _checks(*[(tmp_path / "in.mp4", folder / "out.mp4") for folder in folders])
    assert not [*folders[0].iterdir(), *folders[1].iterdir()]
