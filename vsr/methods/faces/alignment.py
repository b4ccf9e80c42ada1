"""Faces in frames: found by a detector, laid on the corpus by an affine map, and put back without a seam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsr.errors import InputError, MachineError, ModelError

__all__ = [
    "Detector",
    "Landmarks",
    "Placement",
    "align_corpus",
    "blend_window",
    "find_corpus_landmarks",
    "open_detector",
]

Landmarks = Tensor
"""``(5, 2)``: x, y in pixels of eyes, tip of the nose and corners of the mouth; pixels have their centres at halves."""

_SCORE, _OVERLAP = 0.7, 0.3
_LEAST_SIDE = 320  # of an image that is searched; smaller ones are enlarged
_FADE = 0.2  # share of a face's sides over which it fades out


class Detector(Protocol):
    """Finds faces."""

    def find(self, rgb: Tensor) -> list[Landmarks]:
        """Landmarks of each face in ``(3, H, W)`` 0…1, from the left to the right."""
        ...


class _YuNet:
    """YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023), by OpenCV."""

    def __init__(self, path: Path) -> None:
        try:
            import cv2
        except ImportError as error:
            raise MachineError("faces are found by OpenCV; install opencv-python-headless") from error
        self._cv2: Any = cv2
        logging: Any = cv2.utils.logging
        loudness = logging.getLogLevel()
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # it warns of its own ways of computing
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (_LEAST_SIDE, _LEAST_SIDE), _SCORE, _OVERLAP)
            self._network.detect(np.zeros((_LEAST_SIDE, _LEAST_SIDE, 3), np.uint8))
        except cv2.error as error:
            raise ModelError(f"{path}: no face detector of the kind YuNet that OpenCV can read") from error
        finally:
            logging.setLogLevel(loudness)

    def find(self, rgb: Tensor) -> list[Landmarks]:
        """See `Detector`."""
        height, width = (int(side) for side in rgb.shape[1:])
        growth = max(1, math.ceil(_LEAST_SIDE / min(height, width)))
        codes = (rgb.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).flip(2).contiguous().numpy()
        if growth > 1:
            size = (width * growth, height * growth)
            codes = self._cv2.resize(codes, size, interpolation=self._cv2.INTER_CUBIC)
        self._network.setInputSize((codes.shape[1], codes.shape[0]))
        _, rows = self._network.detect(codes)
        if rows is None:
            return []
        found = [torch.from_numpy(row[4:14].reshape(5, 2).astype(np.float64)).float() / growth for row in rows]
        return sorted(found, key=lambda points: float(points[:, 0].mean()))


def open_detector(path: Path) -> Detector:
    """The detector in a file of YuNet (``.onnx``). Raises `InputError` where there is none, `ModelError` for others."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; a face detector is YuNet as an ONNX file (OpenCV Zoo)")
    return _open(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _open(path: Path, written_ns: int) -> Detector:
    return _YuNet(path)


def find_corpus_landmarks(faces: Tensor, detector: Detector, source: Path) -> Landmarks:
    """Where a corpus ``(N, H, W)`` uint8 has its eyes, nose and mouth: found in its mean face."""
    found = _find_alone(faces.float().mean(0) / 255, detector)
    if len(found) != 1:
        raise ModelError(
            f"{source}: its mean face shows {len(found)} faces to the detector; the faces of a corpus are aligned, "
            "frontal, and fill their images"
        )
    return found[0]


def _find_alone(face: Tensor, detector: Detector) -> list[Landmarks]:
    """Landmarks in ``(H, W)`` 0…1, which a face fills: with room around it, as detectors expect."""
    height, width = face.shape
    room = (width // 2, width // 2, height // 2, height // 2)
    framed = functional.pad(face[None, None], room, mode="replicate")[0].expand(3, -1, -1)
    corner = torch.tensor([float(room[0]), float(room[2])])
    return [points - corner for points in detector.find(framed)]


def align_corpus(faces: Tensor, landmarks: Landmarks, detector: Detector) -> Tensor:
    """``(N, H, W)`` uint8 → float32 in 0…1: each laid on ``landmarks`` as faces in frames will be.

    A face that the detector does not find stays as it is.
    """
    aligned = []
    for face in faces.float() / 255:
        found = _find_alone(face, detector)
        if len(found) == 1:
            face = Placement.of(landmarks, found[0], (int(face.shape[0]), int(face.shape[1]))).sample(face)
        aligned.append(face)
    return torch.stack(aligned).clamp(0, 1)


def _affine(source: Landmarks, target: Landmarks) -> Tensor:
    """``(2, 3)``: the affine map that brings ``source`` closest to ``target``."""
    known = torch.cat([source, torch.ones(len(source), 1)], 1)
    solution: Tensor = torch.linalg.lstsq(known.double(), target.double(), driver="gelsd").solution
    return solution.T.float()


@dataclass(frozen=True)
class Placement:
    """Where a face of the corpus lies in a frame."""

    to_frame: Tensor
    """``(2, 3)``: from x, y in the corpus to x, y in the frame."""
    size_yx: tuple[int, int]
    """Of the corpus."""

    @classmethod
    def of(cls, corpus: Landmarks, found: Landmarks, size_yx: tuple[int, int]) -> Placement:
        """By the five landmarks."""
        return cls(_affine(corpus, found), size_yx)

    @property
    def growth(self) -> float:
        """Pixels of the frame for each pixel of the corpus; 0 where the face is seen from its edge."""
        return math.sqrt(max(0.0, float(torch.linalg.det(self.to_frame[:, :2]))))

    def sample(self, luma: Tensor) -> Tensor:
        """What the frame ``(H, W)`` shows at the corpus' pixels; beyond the frame its border is repeated."""
        height, width = self.size_yx
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        return _read(luma, _mapped(self.to_frame, x, y), "border")

    def lay(self, face: Tensor, size_yx: tuple[int, int]) -> tuple[Tensor, tuple[slice, slice]]:
        """``face`` ``(h, w)`` of the corpus on the frame's pixels, and on which of them; 0 beyond the face."""
        height, width = self.size_yx
        corners = torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
        places = corners @ self.to_frame[:, :2].T + self.to_frame[:, 2]
        left, top = (max(0, math.floor(float(value))) for value in places.min(0).values)
        right, bottom = (math.ceil(float(value)) for value in places.max(0).values)
        rows, cols = slice(top, min(bottom, size_yx[0])), slice(left, min(right, size_yx[1]))
        if rows.stop <= rows.start or cols.stop <= cols.start:
            return torch.zeros(0, 0), (slice(0, 0), slice(0, 0))
        inverse = torch.linalg.inv(torch.cat([self.to_frame, torch.tensor([[0.0, 0.0, 1.0]])]).double())[:2].float()
        y, x = torch.meshgrid(
            torch.arange(rows.start, rows.stop) + 0.5, torch.arange(cols.start, cols.stop) + 0.5, indexing="ij"
        )
        return _read(face, _mapped(inverse, x, y), "zeros"), (rows, cols)


def _mapped(matrix: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``(H, W, 2)``."""
    return torch.stack([x, y], -1) @ matrix[:, :2].T + matrix[:, 2]


def _read(image: Tensor, places: Tensor, beyond: str) -> Tensor:
    """``image`` ``(H, W)`` at places x, y ``(h, w, 2)``, bicubic."""
    size = torch.tensor([float(image.shape[1]), float(image.shape[0])])
    grid = 2 * places / size - 1
    made = functional.grid_sample(
        image[None, None].float(), grid[None], mode="bicubic", padding_mode=beyond, align_corners=False
    )
    return made[0, 0]


def blend_window(size_yx: Sequence[int]) -> Tensor:
    """``(H, W)``: 1 in the middle of a face, falling smoothly to 0 at an ellipse's border."""
    y, x = ((torch.arange(side) + 0.5) / side * 2 - 1 for side in size_yx)
    distance = (y[:, None].square() + x[None, :].square()).sqrt()
    share = ((1 - distance) / (2 * _FADE)).clamp(0, 1)
    return share * share * (3 - 2 * share)
