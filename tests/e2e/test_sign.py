"""``vsr sign``: judged by the reader of the Content Authenticity Initiative, and by ``vsr verify``."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import write_certificates
from plain_reader import read_plain
from plates import film
from program import Run
from videos import X264, encode, scene

import vsr
from vsr.archive.claims import SOURCE_TYPES
from vsr.errors import UsageError, VerificationError
from vsr.media.images import read_samples
from vsr.pipeline.verify import Check

c2pa = pytest.importorskip("c2pa")
pytestmark = pytest.mark.usefixtures("no_leaks")

Call = Callable[..., Run]
_QUICK = {"method": "lanczos", "encoder_threads": 1, "scale": 2}
_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".png": "image/png", ".tiff": "image/tiff"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, a source, and outputs in four containers; never write to it."""
    folder = tmp_path_factory.mktemp("made")
    write_certificates(folder)
    source = encode(folder / "clip.mp4", scene(4, 64, 48), *X264)
    vsr.upscale(source, folder / "a.mp4", settings=_QUICK, end=3)
    vsr.upscale(source, folder / "a.mov", settings=_QUICK | {"codec": "prores"})
    vsr.upscale(source, folder / "a.mkv", settings=_QUICK | {"codec": "ffv1"})
    vsr.upscale(source, folder / "a.png", settings=_QUICK, start=1, end=2)
    clip = film(6)
    encode(folder / "plate.mp4", np.stack(clip.frames), "-c:v", "libx264", "-crf", "20", "-threads", "1")
    vsr.still(folder / "plate.mp4", folder / "plate.tiff", at=2, roi=clip.roi, scale=2, regularization=0.5)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def _sign(path: Path, **options: Any) -> vsr.Signed:
    return vsr.sign(path, certificates=path.parent / "chain.pem", key=path.parent / "key.pem", **options)


def _read(path: Path, store: bytes | None = None) -> tuple[dict[str, Any], list[str], str]:
    """The active manifest, all that fails in it, and the library's verdict."""
    with path.open("rb") as file:
        reader = c2pa.Reader(_TYPES.get(path.suffix, "application/octet-stream"), file, store)
        said, results = json.loads(reader.json()), reader.get_validation_results()
        failed = [one["code"] for one in results["activeManifest"].get("failure", ())]
        return said["manifests"][said["active_manifest"]], failed, str(reader.get_validation_state())


def _failed(path: Path, **options: Any) -> dict[str, str]:
    return {check.what: check.detail for check in vsr.verify(path, **options) if not check.passed}


def _data(manifest: dict[str, Any], label: str) -> dict[str, Any]:
    [found] = [one["data"] for one in manifest["assertions"] if one["label"] == label]
    return dict(found)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.png", "plate.tiff"])
def test_credentials_in_the_file(copy: Path, name: str) -> None:
    path = copy / name
    before, record = path.read_bytes(), json.loads((copy / f"{name}.vsr.json").read_text())
    is_video = path.suffix in (".mp4", ".mov")
    old = [one.payloads for one in read_plain(path).streams] if is_video else read_samples(path)
    signed = _sign(path)
    assert (signed.sidecar, signed.signer) == (None, "Film museum, Tests of vsr")
    manifest, failed, verdict = _read(path)
    assert (failed, verdict) == (["signingCredential.untrusted"], "Valid")  # its root is on no trust list
    new = [one.payloads for one in read_plain(path).streams] if is_video else read_samples(path)
    assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True)), "packets or samples changed"
    assert _failed(path) == {}
    now = json.loads((copy / f"{name}.vsr.json").read_text())
    entry = now["output"]["credentials"]
    assert now["output"]["files"][name] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry["unsigned_files"][name] == hashlib.sha256(before).hexdigest()
    assert entry["unsigned_record_sha256"] == record["record_sha256"] != now["record_sha256"]
    claim = _data(manifest, "vsr.record")
    assert claim["record_sha256"] == record["record_sha256"]
    assert claim["input_sha256"] == record["input"]["sha256"]
    actions = _data(manifest, "c2pa.actions.v2")["actions"]
    kinds = [action["action"] for action in actions]
    assert (kinds[0], kinds[-1], "c2pa.resized" in kinds) == ("c2pa.opened", "c2pa.transcoded", True)
    assert ("c2pa.enhanced" in kinds) == (name == "plate.tiff")
    assert ("c2pa.trimmed" in kinds) == (name in ("a.mp4", "a.png"))
    types = {action["digitalSourceType"].rpartition("/")[2] for action in actions[1:]}
    assert types == {"algorithmicallyEnhanced"}
    assert actions[1]["description"] == record["method"]["says"]
    [ingredient] = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == (Path(record["input"]["path"]).name, "parentOf")
    with pytest.raises(UsageError, match="is signed already, by Film museum"):
        _sign(path)


def test_credentials_beside_matroska_that_go_on(copy: Path) -> None:
    """A sidecar; and what is made of a signed source, even one with a sidecar, keeps its credentials."""
    path = copy / "a.mkv"
    before = path.read_bytes()
    signed = _sign(path)
    assert (signed.sidecar, path.read_bytes() == before) == (copy / "a.mkv.c2pa", True)
    _, failed, verdict = _read(path, (copy / "a.mkv.c2pa").read_bytes())
    assert (failed, verdict) == (["signingCredential.untrusted"], "Valid")
    assert _failed(path) == {}
    vsr.upscale(path, copy / "second.mp4", settings=_QUICK)
    assert _sign(copy / "second.mp4").source == "kept, signed by Film museum, Tests of vsr"
    vsr.upscale(copy / "second.mp4", copy / "third.mp4", settings=_QUICK | {"scale": 1})
    assert _sign(copy / "third.mp4").source == "kept, signed by Film museum, Tests of vsr"
    manifest, failed, _ = _read(copy / "third.mp4")
    assert failed == ["signingCredential.untrusted"]
    assert manifest["ingredients"][0]["active_manifest"]
    with (copy / "third.mp4").open("rb") as file:
        assert len(json.loads(c2pa.Reader("video/mp4", file).json())["manifests"]) == 3
    bag = vsr.bag(path, copy / "bag")
    assert (bag.folder / "data" / "a.mkv.c2pa").is_file()
    assert "digital signature generation" in (bag.folder / "data" / "a.mkv.premis.xml").read_text()
    _flip(copy / "a.mkv.c2pa")
    assert _failed(path) == {"credentials": "a.mkv.c2pa: changed"}
    (copy / "a.mkv.c2pa").unlink()
    assert _failed(path) == {"credentials": "a.mkv.c2pa: missing"}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_signed_output_is_made_again(copy: Path) -> None:
    for name in ("a.mov", "plate.tiff"):
        _sign(copy / name)
        made_again: Check = vsr.verify(copy / name, recompute=True)[-1]
        assert (made_again.what, made_again.passed) == ("made again", True), made_again
    _flip(copy / "a.mov")
    assert {"output bytes", "credentials"} <= set(_failed(copy / "a.mov"))


def test_refusals_are_one_line_and_change_nothing(call: Call, copy: Path) -> None:
    chain, key, path = copy / "chain.pem", copy / "key.pem", copy / "a.mp4"
    (copy / "junk.pem").write_text("junk")
    (copy / "other").mkdir()
    _, other = write_certificates(copy / "other")
    files = {entry: entry.read_bytes() for entry in copy.iterdir() if entry.is_file()}
    for code, words, arguments in (
        (5, "no such output", [copy / "no.mp4", "--cert", chain, "--key", key]),
        (5, "has no manifest", [copy / "clip.mp4", "--cert", chain, "--key", key]),
        (2, "cannot be read", [path, "--cert", chain, "--key", copy / "no.pem"]),
        (2, "is not a private key in PEM", [path, "--cert", chain, "--key", copy / "junk.pem"]),
        (2, "cannot be signed", [path, "--cert", copy / "junk.pem", "--key", key]),
        (2, "cannot be signed", [path, "--cert", chain, "--key", other]),
        (2, "numbered images are not signed", [copy / "%06d.png", "--cert", chain, "--key", key]),
        (5, "is not what its record says: input", [path, "--cert", chain, "--key", key, "--input", copy / "plate.mp4"]),
        (2, "only an output on this machine", ["s3://bucket/a.mp4", "--cert", chain, "--key", key]),
    ):
        done = call("sign", *arguments)
        assert (done.code, words in done.one_line()) == (code, True), done.err
    assert {entry: entry.read_bytes() for entry in copy.iterdir() if entry.is_file()} == files
    _flip(path)
    with pytest.raises(VerificationError, match="output bytes"):
        _sign(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "plate.tiff"])
def test_a_run_that_was_killed_is_put_right(copy: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = copy / name
    before = path.read_bytes()
    unsigned = copy / f".{name}.vsr-unsigned"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vsr.archive.sign._write_record", die)
        with pytest.raises(KeyboardInterrupt):
            _sign(path)
    assert path.read_bytes() != before
    assert unsigned.read_bytes() == before
    _sign(path)
    assert _failed(path) == {}
    assert not unsigned.exists()


def test_an_unsigned_file_that_is_out_of_date_goes_and_one_that_nobody_knows_stays(copy: Path) -> None:
    path, unsigned = copy / "a.mp4", copy / ".a.mp4.vsr-unsigned"
    unsigned.write_bytes(b"of a run before this output was made")
    _sign(path)
    assert _failed(path) == {}
    assert not unsigned.exists()
    path, unsigned = copy / "a.mov", copy / ".a.mov.vsr-unsigned"
    unsigned.write_bytes(b"of somebody")
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(VerificationError, match=r"neither it nor a\.mov is what the record says"):
        _sign(path)
    assert (path.read_bytes(), unsigned.read_bytes()) == (data[:-1], b"of somebody")


def test_a_source_that_the_library_cannot_read_is_named_only(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise c2pa.C2paError("no such format")

    monkeypatch.setattr(c2pa.Builder, "add_ingredient", refuse)
    path = copy / "a.mp4"
    assert _sign(path).source == "named only: the library cannot read it"
    manifest, failed, _ = _read(path)
    assert failed == ["signingCredential.untrusted"]
    [ingredient] = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == ("clip.mp4", "parentOf")
    assert _failed(path) == {}


def test_what_generative_models_make_is_called_so() -> None:
    assert SOURCE_TYPES["generative"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert SOURCE_TYPES["learned"].endswith("/algorithmicallyEnhanced")
