"""Faces: models against what is known of them, alignment against closed forms, seams, and what is refused."""

from __future__ import annotations

import os
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from small_faces import HEIGHT, LANDMARKS, WIDTH, draw_faces, know_faces, know_no_faces, small_corpus
from torch import Tensor

import vsr
from vsr.errors import InputError, ModelError, UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import PASSES, Geometry, Prepared, restore_shot
from vsr.methods.faces.alignment import Placement, blend_window, open_detector
from vsr.methods.faces.models import FaceModel, FacePrior
from vsr.methods.findings import describe_findings
from vsr.methods.passes.faces import FacesOptions
from vsr.metrics import psnr

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


@pytest.mark.parametrize("prior", ["patches", "gradients"])
def test_small_faces_gain_on_interpolation(prior: FacePrior) -> None:
    """Faces that the corpus does not hold; a camera would record the result as it did the face."""
    model = FaceModel(draw_faces(60), 4)
    gains = []
    for face in draw_faces(6, seed=9):
        small = model.record(face)
        made = model.restore(small, prior)
        assert float((model.record(made) - small).abs().max()) < 0.02
        plain = torch.nn.functional.interpolate(small[None, None], (HEIGHT, WIDTH), mode="bicubic")[0, 0]
        gains.append(psnr(255 * made, 255 * face) - psnr(255 * plain, 255 * face))
    assert min(gains) > 0.5


def test_brightness_and_contrast_are_the_recordings_own() -> None:
    model = FaceModel(draw_faces(40), 4)
    small = model.record(draw_faces(1, seed=9)[0])
    dim = model.restore(0.3 * small + 0.05, "patches")
    torch.testing.assert_close(dim, 0.3 * model.restore(small, "patches") + 0.05, atol=0.01, rtol=0)


def test_faces_are_laid_by_an_affine_map_and_back() -> None:
    """A face of the corpus, turned and grown: read at its place it is itself."""
    turn = torch.tensor([[1.9, -0.4], [0.4, 1.9]])
    found = LANDMARKS @ turn.T + torch.tensor([60.0, 30.0])
    placement = Placement.of(LANDMARKS, found, (HEIGHT, WIDTH))
    assert placement.growth == pytest.approx(float(torch.linalg.det(turn)) ** 0.5, rel=1e-4)
    face = draw_faces(1)[0] * blend_window((HEIGHT, WIDTH))
    laid, place = placement.lay(face, (220, 240))
    frame = torch.zeros(220, 240)
    frame[place] = laid
    inside = blend_window((HEIGHT, WIDTH)) > 0.9
    assert float((placement.sample(frame) - face)[inside].abs().max()) < 0.02


def test_faces_partly_or_wholly_outside_are_cut_off() -> None:
    window = blend_window((HEIGHT, WIDTH))
    for shift, is_empty in ((-25.0, False), (500.0, True), (-500.0, True)):
        placement = Placement.of(LANDMARKS, LANDMARKS + shift, (HEIGHT, WIDTH))
        laid, place = placement.lay(window, (64, 64))
        assert (laid.numel() == 0) is is_empty
        assert torch.zeros(64, 64)[place].shape == laid.shape


def _frame(luma: Tensor, layout: str = "gray") -> VideoFrame:
    codes = (luma.clamp(0, 1) * 255).round().to(torch.uint8)
    planes = (codes,) if layout == "gray" else (codes,) * 3
    return VideoFrame(planes, LAYOUTS[layout], ColorSpec(full_range=True), 0, 0, Fraction(1, 25))


def _prepare(frame: VideoFrame, **options: object) -> Prepared[FacesOptions]:
    geometry = Geometry(frame.width, frame.height, frame.width, frame.height)
    given = FacesOptions(**{"corpus": str(small_corpus()), "detector": str(small_corpus()), **options})  # type: ignore[arg-type]
    return PASSES["faces"].prepare(geometry, given, "cpu")


def _run(frame: VideoFrame, **options: object) -> VideoFrame:
    geometry = Geometry(frame.width, frame.height, frame.width, frame.height)
    return next(restore_shot(_prepare(frame, **options), geometry, [frame]))


def _scene() -> tuple[Tensor, Tensor]:
    """A frame with a face, recorded four times smaller and enlarged smoothly; and as it was."""
    true = 0.45 * torch.ones(112, 120)
    window = blend_window((HEIGHT, WIDTH))
    true[32 : 32 + HEIGHT, 40 : 40 + WIDTH] += (draw_faces(1, seed=9)[0] - 0.45) * window
    small = torch.nn.functional.avg_pool2d(true[None, None], 4)
    return torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic")[0, 0], true


@pytest.mark.parametrize("layout", ["gray", "gbrp"])
def test_a_face_in_a_frame_is_nearer_and_all_else_stays(monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    know_faces(monkeypatch, LANDMARKS + torch.tensor([40.0, 32.0]))
    enlarged, true = _scene()
    frame = _frame(enlarged, layout)
    made = _run(frame)
    before, after = (
        psnr(plane[40:72, 48:72].double(), 255 * true[40:72, 48:72].double())
        for plane in (frame.planes[0], made.planes[0])
    )
    assert after > before + 0.3
    changed = (made.planes[0] - frame.planes[0].float()).abs()
    assert float(changed[:30].max()) == float(changed[:, :38].max()) == 0.0
    assert made.findings["faces_replaced"] == 1
    assert any("INVENTED" in line for line in describe_findings(made.findings))


def test_the_seam_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is added goes to nothing at the face's border, by no step above a code and a half."""
    know_faces(monkeypatch, LANDMARKS + torch.tensor([40.0, 32.0]))
    enlarged, _ = _scene()
    frame = _frame(enlarged)
    added = _run(frame).planes[0] - frame.planes[0].float()
    outline = blend_window((HEIGHT, WIDTH)) < 0.05
    face = added[32 : 32 + HEIGHT, 40 : 40 + WIDTH]
    assert float(face[outline].abs().max()) < 1.5


def test_no_face_is_said_and_the_frame_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    know_no_faces(monkeypatch)
    frame = _frame(_scene()[0])
    made = _run(frame)
    assert torch.equal(made.planes[0], frame.planes[0].float())
    assert made.findings == {"faces_found": 0.0, "faces_replaced": 0.0}
    assert any("no face was replaced" in line for line in describe_findings(made.findings))


def test_faces_as_large_as_the_corpus_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    know_faces(monkeypatch, LANDMARKS + torch.tensor([40.0, 32.0]))
    frame = _frame(_scene()[0])
    made = _run(frame, face_scale=1.0)
    assert torch.equal(made.planes[0], frame.planes[0].float())
    assert (made.findings["faces_found"], made.findings["faces_replaced"]) == (1.0, 0.0)


def test_it_is_generative_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    know_no_faces(monkeypatch)
    prepared = _prepare(_frame(_scene()[0]))
    assert prepared.capabilities.evidence == PASSES["faces"].evidence == "generative"
    assert "invented after 24 faces" in prepared.plan_rows()[0][1]
    assert set(prepared.key()) == {"corpus", "detector"}
    described = {"options": asdict(prepared.options), **prepared.describe()}
    assert PASSES["faces"].is_as_recorded(described)
    assert not PASSES["faces"].is_as_recorded(described | {"corpus": "0" * 64})


def test_files_that_are_missing_or_others_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = _frame(_scene()[0])
    with pytest.raises(UsageError, match="faces needs corpus=FILE"):
        _prepare(frame, corpus="")
    with pytest.raises(UsageError, match="faces needs detector=FILE"):
        _prepare(frame, detector="")
    with pytest.raises(UsageError, match="face_scale is 0; allowed are 1 to 16"):
        FacesOptions(face_scale=0)
    with pytest.raises(InputError, match=r"none\.onnx: no such file; a face detector is YuNet"):
        _prepare(frame, detector=str(tmp_path / "none.onnx"))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ModelError, match="no face detector of the kind YuNet"):
        _prepare(frame, detector=str(tmp_path / "text.onnx"))
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="holds no faces; make such a file by: vsr models fit faces"):
        _prepare(frame, corpus=str(tmp_path / "other.safetensors"))
    know_faces(monkeypatch)
    monkeypatch.setattr("small_faces.KnownFaces.find", lambda self, rgb: [])
    with pytest.raises(ModelError, match="its mean face shows 0 faces"):
        _prepare(frame)


def _write(folder: Path, count: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    folder.mkdir(exist_ok=True)
    for number, face in enumerate(draw_faces(count, 3, *size)):
        Image.fromarray((face * 255).round().byte().numpy()).save(folder / f"{size[0]}-{number:03}.png")


def test_a_corpus_is_gathered_from_a_folder(tmp_path: Path) -> None:
    _write(tmp_path / "faces", 20)
    out = tmp_path / "faces.safetensors"
    assert vsr.fit_faces(out, data=tmp_path / "faces") == (20, HEIGHT, WIDTH)
    with pytest.raises(UsageError, match="is there already"):
        vsr.fit_faces(out, data=tmp_path / "faces")


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ([], "no image"),
        ([(3, (HEIGHT, WIDTH))], "3 faces; a corpus has 16"),
        ([(9, (HEIGHT, WIDTH)), (9, (64, 64))], "the faces of a corpus are aligned and of one size"),
        ([(16, (20, 20))], "sides of 32 to 512"),
    ],
)
def test_corpora_that_are_empty_or_mixed_are_refused(
    tmp_path: Path, kinds: list[tuple[int, tuple[int, int]]], why: str
) -> None:
    (tmp_path / "faces").mkdir()
    for count, size in kinds:
        _write(tmp_path / "faces", count, size)
    with pytest.raises(InputError, match=why):
        vsr.fit_faces(tmp_path / "out.safetensors", data=tmp_path / "faces")
    assert not (tmp_path / "out.safetensors").exists()


def test_yunet_finds_a_face_at_its_place() -> None:
    """A frontal photograph within a larger frame: eyes left of each other, above nose and mouth, where it was put."""
    path, photographs = (
        DATA / "weights" / "YuNet" / "face_detection_yunet_2023mar.onnx",
        DATA / "images" / "FEI" / "test",
    )
    if not path.exists() or not photographs.exists():
        pytest.skip(f"{path} or {photographs} is not there; set VSR_TEST_DATA")
    face = torch.from_numpy(np.asarray(Image.open(sorted(photographs.iterdir())[0]).convert("L")).copy()).float() / 255
    frame = torch.full((3, 240, 320), 0.5)
    frame[:, 60 : 60 + face.shape[0], 100 : 100 + face.shape[1]] = face
    [points] = open_detector(path).find(frame)
    assert float(points[0, 0]) < float(points[2, 0]) < float(points[1, 0])
    assert float(points[:2, 1].max()) < float(points[2, 1]) < float(points[3:, 1].min())
    assert 100 < float(points[:, 0].min()) < float(points[:, 0].max()) < 100 + face.shape[1]
