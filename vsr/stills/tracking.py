"""The region followed from the reference frame through the frames on both sides of it.

From frame to frame the region is looked for near where its motion leads (normalised correlation, whole pixels). From
there it is registered to the reference itself; where that fails, because too much has changed, to the last frame where
it was seen, and the motions are composed. What cannot be registered is left out with the reason, and the search goes
on from the predicted place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vsr.registration import MotionModel, Registration, register
from vsr.stills.boxes import Box, move_points, moved_by, recentre

__all__ = ["Sighting", "Tracker", "failed"]

_SURROUNDINGS_SHARE = 0.25  # of the region's longer side: context that helps to register it
_LEAST_SURROUNDINGS_PX = 6
_LEAST_SIDE_PX = 40
_OUTSIDE_WEIGHT = 0.15  # of context: it steadies the fit where it moves along, and loses where it does not
_TEMPLATE_PX = 128  # longest side of what is looked for
_LEAST_REACH_PX = 12
_LEAST_VISIBLE = 0.5  # of the region inside the frame
_LARGEST_CHANGE = 1.6  # of the region's sides from the reference to another frame
_FAR_COST = 0.2  # of correlation, for what lies at the end of the search's reach


@dataclass(frozen=True)
class Sighting:
    """The region in one frame."""

    number: int
    """Place among the frames."""
    registration: Registration
    """From the reference to this frame, in pixels of whole frames; not converged: not seen, with the reason."""
    steps: int
    """Registrations that were composed; 1: to the reference itself."""


def failed(model: MotionModel, reason: str) -> Registration:
    """A registration that found nothing."""
    return Registration(torch.eye(3, dtype=torch.float64), model, False, 0.0, math.inf, math.inf, reason)


class Tracker:
    """Follows ``box`` of frame ``reference`` through ``lumas`` ``(h, w)`` float64, 0…1, of one size and one shot."""

    def __init__(self, lumas: Sequence[Tensor], reference: int, box: Box, model: MotionModel) -> None:
        self._lumas, self._reference, self._box, self._model = lumas, reference, box, model
        self._size = (int(lumas[reference].shape[0]), int(lumas[reference].shape[1]))
        context = max(_LEAST_SURROUNDINGS_PX, round(_SURROUNDINGS_SHARE * max(box.width, box.height)))
        self.surroundings = box.grown(context, self._size, _LEAST_SIDE_PX)
        """The region with its context, in the reference."""
        self._weights = torch.full((self.surroundings.height, self.surroundings.width), _OUTSIDE_WEIGHT).double()
        inner = Box(box.x - self.surroundings.x, box.y - self.surroundings.y, box.width, box.height)
        inner.of(self._weights).fill_(1.0)

    def sightings(self, on_share: Callable[[float], None] = lambda share: None) -> list[Sighting]:
        """The region in every frame, in their order; ``on_share`` gets the share that is done, 0…1."""
        nothing = Registration(torch.eye(3, dtype=torch.float64), self._model, True, 1.0, 0.0, 0.0)
        own = Sighting(self._reference, nothing, 0)
        found = {self._reference: own}
        for direction in (1, -1):
            last, before = own, own
            stop = len(self._lumas) if direction > 0 else -1
            for number in range(self._reference + direction, stop, direction):
                seen = self._see(number, last, self._velocity(last, before))
                found[number] = seen
                on_share(len(found) / len(self._lumas))
                if seen.registration.converged:
                    last, before = seen, last
        return [found[number] for number in range(len(self._lumas))]

    def refined(self, number: int, template: Tensor, start: Registration, model: MotionModel) -> Registration:
        """Frame ``number`` registered to ``template``, a better image of `surroundings`, from ``start`` on."""
        return self._register(self.surroundings, template, number, start, model)

    def _middle(self, matrix: Tensor) -> tuple[float, float]:
        x, y = move_points(matrix, *(torch.tensor(v, dtype=torch.float64) for v in self._box.middle))
        return float(x), float(y)

    def _velocity(self, last: Sighting, before: Sighting) -> tuple[float, float]:
        """Motion of the region's middle in pixels a frame, between the two latest sightings."""
        if last.number == before.number:
            return 0.0, 0.0
        (x1, y1), (x0, y0) = self._middle(last.registration.matrix), self._middle(before.registration.matrix)
        steps = abs(last.number - before.number)
        return (x1 - x0) / steps, (y1 - y0) / steps

    def _see(self, number: int, last: Sighting, velocity: tuple[float, float]) -> Sighting:
        steps = abs(number - last.number)
        predicted = moved_by(velocity[0] * steps, velocity[1] * steps) @ last.registration.matrix
        if self._visible(predicted) < _LEAST_VISIBLE:
            return Sighting(number, failed(self._model, "the region has left the image"), 1)
        dx, dy = self._search(number, last, self._middle(predicted), steps)
        start = replace(last.registration, matrix=moved_by(dx, dy) @ last.registration.matrix)
        reference = self.surroundings.of(self._lumas[self._reference])
        direct = self._register(self.surroundings, reference, number, start, self._model)
        if direct.converged:
            return Sighting(number, direct, 1)
        step = self._step(number, last, moved_by(dx, dy))
        if not step.converged:
            return Sighting(number, direct, 1)
        composed = self._plausible(last.registration.compose(step))
        again = self._register(self.surroundings, reference, number, composed, self._model)
        return Sighting(number, again, 1) if again.converged else Sighting(number, composed, last.steps + 1)

    def _search(self, number: int, last: Sighting, expected: tuple[float, float], steps: int) -> tuple[float, float]:
        """How far, in whole pixels, the region has moved since ``last``."""
        import cv2

        middle = self._middle(last.registration.matrix)
        shape = Box(0, 0, min(self._box.width, _TEMPLATE_PX), min(self._box.height, _TEMPLATE_PX))
        part = shape.around(*middle, self._size)
        reach = max(_LEAST_REACH_PX, max(part.width, part.height) // 2) * min(steps, 3)
        about = part.around(
            part.middle[0] + round(expected[0] - middle[0]), part.middle[1] + round(expected[1] - middle[1]), self._size
        )
        field = about.grown(reach, self._size)
        requested, scene = (
            cv2.GaussianBlur(box.of(luma).to(torch.float32).numpy(), (0, 0), 1.0)
            for box, luma in ((part, self._lumas[last.number]), (field, self._lumas[number]))
        )
        likeness = cv2.matchTemplate(scene, requested, cv2.TM_CCOEFF_NORMED)
        y, x = np.mgrid[: likeness.shape[0], : likeness.shape[1]]
        distance = np.hypot(x + field.x - about.x, y + field.y - about.y) / reach
        score = np.nan_to_num(likeness, nan=-1.0) - _FAR_COST * distance
        top, left = divmod(int(score.argmax()), score.shape[1])
        return float(left + field.x - part.x), float(top + field.y - part.y)

    def _step(self, number: int, last: Sighting, start: Tensor) -> Registration:
        """Registration of frame ``number`` to the frame of ``last`` around the region there."""
        there = self.surroundings.around(*self._middle(last.registration.matrix), self._size)
        guess = Registration(start, self._model, True, 1.0, 0.0, 0.0)
        return self._register(there, there.of(self._lumas[last.number]), number, guess, self._model)

    def _register(
        self, source: Box, image: Tensor, number: int, start: Registration, model: MotionModel
    ) -> Registration:
        """``image`` of ``source`` registered to frame ``number``, in pixels of whole frames."""
        x, y = move_points(start.matrix, *(torch.tensor(v, dtype=torch.float64) for v in source.middle))
        target = source.around(float(x), float(y), self._size)
        initial = replace(start, matrix=recentre(start.matrix, source, target))
        found = register(image, target.of(self._lumas[number]), model, initial=initial, weights=self._weights)
        if not found.converged:
            return found
        matrix = moved_by(target.x, target.y) @ found.matrix @ moved_by(-source.x, -source.y)
        whole = replace(found, matrix=matrix / matrix[2, 2])
        return self._plausible(whole) if source == self.surroundings else whole

    def _visible(self, matrix: Tensor) -> float:
        """Share of the region that lies inside the frame."""
        box = self._box
        y, x = torch.meshgrid(
            torch.linspace(box.y, box.bottom - 1, 9, dtype=torch.float64),
            torch.linspace(box.x, box.right - 1, 9, dtype=torch.float64),
            indexing="ij",
        )
        to_x, to_y = move_points(matrix, x, y)
        inside = (to_x >= 0) & (to_x <= self._size[1] - 1) & (to_y >= 0) & (to_y <= self._size[0] - 1)
        return float(inside.double().mean())

    def _plausible(self, found: Registration) -> Registration:
        """``found``, or why no region of a scene moves like that."""
        corners = self._box.corners()
        x, y = move_points(found.matrix, corners[0], corners[1])
        places = torch.stack([x, y])
        sides = [
            (places[:, b] - places[:, a]).norm() / max(1.0, float((corners[:, b] - corners[:, a]).norm()))
            for a, b in ((0, 1), (2, 3), (0, 2), (1, 3))
        ]
        least, most = float(min(sides)), float(max(sides))
        if least < 1 / _LARGEST_CHANGE or most > _LARGEST_CHANGE:
            return failed(found.model, f"the region would have changed its sides by {least:.2f} to {most:.2f}")
        if self._visible(found.matrix) < _LEAST_VISIBLE:
            return failed(found.model, "the region has left the image")
        return found
