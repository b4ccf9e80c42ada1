"""Replaces small faces by what a corpus of faces lets expect of them: face hallucination, which invents.

It runs behind the method that enlarges and that all other pixels come from. Faces are found in the enlarged frame and
laid on the corpus; what the camera recorded of each is read off at its own size, and only what the model adds to the
enlarged face is put back. Luma alone. Frames without faces stay as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import BT601_LUMA, VideoFrame
from vsr.media.convert import code_range
from vsr.methods.faces.alignment import (
    Detector,
    Landmarks,
    Placement,
    align_corpus,
    blend_window,
    find_corpus_landmarks,
    open_detector,
)
from vsr.methods.faces.corpus import read_corpus
from vsr.methods.faces.models import FaceModel, FacePrior
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.network.colour import network_input
from vsr.methods.passes.luma import luma_of_frame
from vsr.observation import resample

__all__ = ["FacesOptions", "HallucinateFaces", "PreparedFaces", "has_same_faces", "prepare_faces"]

_LEAST_FACTOR, _MOST_FACTOR = 1.5, 12.0
"""Times that a recorded face is smaller than those of the corpus, between which there is something to add."""


@dataclass(frozen=True)
class FacesOptions:
    """Settings of `HallucinateFaces`."""

    corpus: str = ""
    """File of aligned faces, by `vsr models fit faces`."""
    detector: str = ""
    """File of YuNet's face detector (``.onnx``)."""
    face_scale: float = 4.0
    """How many pixels of the frame, along a side, one recorded pixel spans: the magnification, 1 to 16."""
    face_prior: FacePrior = "patches"
    """What is known of faces: patches (Liu, Shum, Freeman) or gradients (Baker, Kanade)."""

    def __post_init__(self) -> None:
        if not 1.0 <= self.face_scale <= 16.0:
            raise UsageError(f"face_scale is {self.face_scale:g}; allowed are 1 to 16, the magnification of the run")
        if self.face_prior not in ("patches", "gradients"):
            raise UsageError(f"face_prior is {self.face_prior!r}; allowed are patches, gradients")


class HallucinateFaces:
    """Adds to faces what the corpus lets expect."""

    def __init__(self, geometry: Geometry, options: FacesOptions, faces: Tensor, landmarks: Landmarks) -> None:
        self._geometry, self._options = geometry, options
        self._faces, self._landmarks = faces, landmarks
        self._models: dict[int, FaceModel] = {}
        self._size_yx = (int(faces.shape[1]), int(faces.shape[2]))
        self._window = blend_window(self._size_yx)

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: frames stand for themselves."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo, with what was added to its faces."""
        detector = open_detector(Path(self._options.detector))
        for frame in frames:
            check_size(frame, self._geometry)
            if not frame.is_halo:
                yield self._restore(frame, detector)

    def _restore(self, frame: VideoFrame, detector: Detector) -> VideoFrame:
        luma, replaced = luma_of_frame(frame), 0
        found = detector.find(network_input(frame, "RGB", torch.device("cpu")))
        added, window = torch.zeros_like(luma), torch.zeros_like(luma)
        for landmarks in found:
            placement = Placement.of(self._landmarks, landmarks, self._size_yx)
            detail = self._detail(luma, placement)
            if detail is None:
                continue
            values, place = placement.lay(detail, (frame.height, frame.width))
            shares, _ = placement.lay(self._window, (frame.height, frame.width))
            added[place] = torch.where(shares > window[place], values, added[place])
            window[place] = torch.maximum(window[place], shares)
            replaced += 1
        added = _beyond_recorded(added, self._options.face_scale) * window if replaced else added
        findings = {**frame.findings, "faces_found": float(len(found)), "faces_replaced": float(replaced)}
        return replace(frame, planes=_with_luma(frame, added), findings=findings)

    def _model(self, factor: int) -> FaceModel:
        """For recordings that are ``factor`` times smaller than the corpus; made when it is first needed."""
        if factor not in self._models:
            aligned = align_corpus(self._faces, self._landmarks, open_detector(Path(self._options.detector)))
            self._models[factor] = FaceModel(aligned, factor)
        return self._models[factor]

    def _detail(self, luma: Tensor, placement: Placement) -> Tensor | None:
        """What is added to a face, of the corpus' size; None for one too large, too small or seen from its edge."""
        recorded = placement.growth / self._options.face_scale  # recorded pixels for each of the corpus
        if not recorded or not _LEAST_FACTOR <= 1 / recorded <= _MOST_FACTOR:
            return None
        model = self._model(max(2, round(1 / recorded)))
        shown = placement.sample(luma)
        return model.restore(model.record(shown), self._options.face_prior) - shown


def _beyond_recorded(added: Tensor, face_scale: float) -> Tensor:
    """What of ``added`` ``(H, W)`` a camera of the recorded size would not have seen."""
    height, width = (int(side) for side in added.shape)
    small_yx = (max(1, round(height / face_scale)), max(1, round(width / face_scale)))
    return added - resample(resample(added, small_yx), (height, width))


def _with_luma(frame: VideoFrame, added: Tensor) -> tuple[Tensor, ...]:
    """The planes with ``added`` ``(H, W)``, of white 1, on the luma; of RGB on all three."""
    span = code_range(frame.layout, frame.color.full_range, chroma=False)[1]
    count = len(BT601_LUMA) if frame.layout.family == "rgb" else 1
    return tuple(
        plane.float() + span * added.to(plane.device) if number < count else plane.float()
        for number, plane in enumerate(frame.planes)
    )


@dataclass(frozen=True)
class PreparedFaces(Prepared[FacesOptions]):
    """`HallucinateFaces` with its corpus."""

    digest: str
    """Of the corpus."""
    num_faces: int
    landmarks: tuple[tuple[float, float], ...]
    """Of its mean face."""
    detector_digest: str
    """SHA-256 of the detector's file."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames stand for themselves; faces are invented."""
        return Capabilities("generative", keeps_size=True)

    def key(self) -> Mapping[str, Any]:
        """Corpus and detector."""
        return {"corpus": self.digest, "detector": self.detector_digest}

    def describe(self) -> Mapping[str, Any]:
        """The same."""
        return {"model": None, "estimator": None, "corpus": self.digest, "detector": self.detector_digest}

    def plan_rows(self) -> list[tuple[str, str]]:
        """What faces are made of."""
        return [
            ("faces", f"invented after {self.num_faces} faces of {self.options.corpus}: no evidence of anyone's looks")
        ]

    def open(self, geometry: Geometry) -> HallucinateFaces:
        """See `Prepared`."""
        faces, digest = read_corpus(Path(self.options.corpus))
        if (digest, _digest_of_file(Path(self.options.detector))) != (self.digest, self.detector_digest):
            raise UsageError(f"{self.options.corpus}, or the detector, is another file than was planned; start again")
        return HallucinateFaces(geometry, self.options, faces, torch.tensor(self.landmarks))


def _digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def has_same_faces(described: Mapping[str, Any]) -> bool:
    """Whether the files that a record names are those that it had."""
    options = described["options"]
    corpus, detector = Path(options["corpus"]), Path(options["detector"])
    return (read_corpus(corpus)[1], _digest_of_file(detector)) == (described["corpus"], described["detector"])


def prepare_faces(geometry: Geometry, options: FacesOptions, device: str) -> PreparedFaces:
    """See `vsr.methods.method.Method`. Raises `InputError` and `ModelError` for files that are missing or others."""
    for name, what in (("corpus", "a file by vsr models fit faces"), ("detector", "YuNet as an ONNX file")):
        if not getattr(options, name):
            raise UsageError(f"faces needs {name}=FILE, {what}")
    paths = [Path(name).expanduser().absolute() for name in (options.corpus, options.detector)]
    faces, digest = read_corpus(paths[0])
    landmarks = find_corpus_landmarks(faces, open_detector(paths[1]), paths[0])
    detector = _digest_of_file(paths[1])
    settled = replace(options, corpus=str(paths[0]), detector=str(paths[1]))
    points = tuple((float(x), float(y)) for x, y in landmarks)
    return PreparedFaces(settled, device, digest, len(faces), points, detector)
