"""Object stores that refuse or go away, and runs that must not begin: one line, and nothing finished is lost."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore
from program import Run
from store_runs import run_store_command, sidecars_in_store, store_command

import vsr

Clips = Callable[[str], Path]


@pytest.mark.slow
def test_a_second_run_beside_the_first_is_refused(
    objects: ObjectStore, bucket: str, reel: Path, expected: bytes
) -> None:
    source, target = objects.put(bucket, "in/reel.mp4", reel), f"s3://{bucket}/out/big.mp4"
    first = subprocess.Popen(store_command(source, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while first.poll() is None and not sidecars_in_store(objects, bucket):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    try:
        second = run_store_command(source, target)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 5
    assert second.stderr.startswith(f"vsr: another run is at work on {target}")
    assert len(second.stderr.strip().splitlines()) == 1
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert objects.read(bucket, "out/big.mp4") == expected


@pytest.mark.parametrize(
    ("source", "target", "environment", "code", "message"),
    [
        ("s3://{bucket}/none.mp4", "s3://{bucket}/out.mp4", {}, 3, "s3://{bucket}/none.mp4: no such object"),
        ("s3://{bucket}/none/", "s3://{bucket}/out/", {}, 3, "s3://{bucket}/none/: holds no videos"),
        ("s3://no-such-bucket/a.mp4", "s3://{bucket}/out.mp4", {}, 3, "bucket 'no-such-bucket' does not exist"),
        ("s3://{bucket}/plain.mp4", "s3://no-such-bucket/out.mp4", {}, 5, "bucket 'no-such-bucket' does not exist"),
        ("s3://{bucket}/bad.mp4", "s3://{bucket}/out.mp4", {}, 3, "s3://{bucket}/bad.mp4: "),
        ("s3://{bucket}", "s3://{bucket}/out.mp4", {}, 2, "names no object; want s3://BUCKET/NAME"),
        ("ftp://host/a.mp4", "s3://{bucket}/out.mp4", {}, 2, "ftp:// is not an object store"),
        ("https://host/a.mp4", "s3://{bucket}/out.mp4", {}, 2, "https:// is not an object store"),
        ("s3://{bucket}/plain.mp4", "s3://{bucket}/taken.mp4", {}, 2, "taken.mp4 exists; give --overwrite"),
        ("s3://{bucket}/plain.mp4", "s3a://{bucket}/plain.mp4", {}, 2, "is the input; name another object"),
        ("s3://{bucket}/plain.mp4", "s3://{bucket}/%06d.png", {}, 2, "not to an object store"),
        (
            "s3://{bucket}/plain.mp4",
            "s3://{bucket}/out.mp4",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            5,
            "cannot look up s3://{bucket}/plain.mp4: Unable to locate credentials",
        ),
        (
            "s3://{bucket}/plain.mp4",
            "s3://{bucket}/out.mp4",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"},  # of 5, with waits
            5,
            "cannot look up s3://{bucket}/plain.mp4: Could not connect to the endpoint",
        ),
        ("s3://{bucket}/plain.mp4", "s3://{bucket}/out.mp4", {"VSR_STAGING": "/dev/null/x"}, 5, "staging folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    objects: ObjectStore,
    bucket: str,
    clips: Clips,
    call: Callable[..., Run],
    source: str,
    target: str,
    environment: dict[str, str],
    code: int,
    message: str,
) -> None:
    objects.put(bucket, "plain.mp4", clips("plain"))
    objects.client.put_object(Bucket=bucket, Key="bad.mp4", Body=b"no video" * 1000)
    objects.client.put_object(Bucket=bucket, Key="taken.mp4", Body=b"something")
    before = objects.names(bucket)
    source, target = source.format(bucket=bucket), target.format(bucket=bucket)
    if environment:
        done = run_store_command(source, target, **environment)
        found, said = done.returncode, done.stderr
    else:
        run = call(*store_command(source, target)[3:])
        found, said = run.code, run.err
    assert found == code, said
    assert message.format(bucket=bucket) in said
    assert len(said.strip().splitlines()) == 1
    assert objects.names(bucket) == before


def test_overwriting_never_means_the_input(objects: ObjectStore, bucket: str, clips: Clips, quick: Any) -> None:
    source = objects.put(bucket, "in/plain.mp4", clips("plain"))
    with pytest.raises(vsr.UsageError, match="is the input; name another object"):
        vsr.upscale(source, source, settings=quick, overwrite=True)
    [outcome] = vsr.upscale([source], f"s3://{bucket}/in/", settings=quick, overwrite=True)
    assert "is the input; name another object" in str(outcome.error)
    assert objects.read(bucket, "in/plain.mp4") == clips("plain").read_bytes()


def test_refused_credentials(objects: ObjectStore, bucket: str, clips: Clips, call: Callable[..., Run]) -> None:
    source = objects.put(bucket, "plain.mp4", clips("plain"))
    objects.check_credentials(True)
    try:
        done = call(*store_command(source, f"s3://{bucket}/out.mp4")[3:])
    finally:
        objects.check_credentials(False)
    assert done.code == 5
    assert f"cannot look up {source}: access denied" in done.one_line()


@pytest.mark.slow
def test_a_store_that_goes_away_leaves_what_is_finished(
    objects: ObjectStore, bucket: str, reel: Path, expected: bytes
) -> None:
    """Every key is refused half-way: the run ends with one line, and the next goes on."""
    source, target = objects.put(bucket, "in/reel.mp4", reel), f"s3://{bucket}/out/big.mp4"
    process = subprocess.Popen(
        store_command(source, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and len(sidecars_in_store(objects, bucket)) < 5:
        time.sleep(0.01)
    objects.check_credentials(True)
    try:
        _, err = process.communicate(timeout=120)
    finally:
        objects.check_credentials(False)
    assert process.returncode == 5, err
    assert "access denied" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert len(sidecars_in_store(objects, bucket)) >= 5
    done = run_store_command(source, target)
    assert done.returncode == 0, done.stderr
    assert objects.read(bucket, "out/big.mp4") == expected
