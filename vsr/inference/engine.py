"""Runs a network over images of any size: tiles, precision, self-ensemble, edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.inference.backends import PYTORCH, Runtime, open_backend
from vsr.inference.hardware import BUDGETS, refuse_excess
from vsr.inference.precision import Precision
from vsr.inference.probe import memory_errors
from vsr.inference.tiling import Load, TilePlan, plan_tiles, run_tiles
from vsr.networks import Network

__all__ = [
    "MOST_FRAMES",
    "NUM_TURNS",
    "Engine",
    "EngineOptions",
    "batch_frames",
    "check_tile",
    "ensemble",
    "tiles_of",
    "turn",
    "turn_back",
    "upload_ahead",
]

MOST_FRAMES = 8
"""Frames that go through a network together at most; batches are powers of two."""


@dataclass(frozen=True)
class EngineOptions:
    """How a network is run."""

    precision: Precision
    load: Load
    """What it holds for a pixel; see `vsr.inference.precision.measure_load`."""
    tile_px: int | None = None
    """Side of tiles; None: planned."""
    self_ensemble: bool = False
    frames: int = 1
    """Images that go through it together."""
    runtime: Runtime = PYTORCH
    """What computes it."""


def batch_frames(width: int, height: int, device: torch.device) -> int:
    """Frames that go through a network together: a constant of the device's class and the frame's size."""
    most = min(MOST_FRAMES, BUDGETS[device.type].batch_pixels // (width * height))
    return 1 << (most.bit_length() - 1) if most else 1


def check_tile(tile_px: int | None) -> None:
    """Raise `UsageError` unless ``tile_px`` is None or a side that tiles can have."""
    if tile_px is not None and not 16 <= tile_px <= 16384:
        raise UsageError(f"tile_px is {tile_px}; allowed are 16 to 16384 input pixels")


NUM_TURNS = 8
"""Symmetries of the square: four turns, each with and without a flip."""


def turn(image: Tensor, number: int) -> Tensor:
    """``(…, H, W)`` by one of the symmetries, counted from 0, which leaves it as it is."""
    turned = torch.rot90(image, number % 4, (-2, -1))
    return turned.flip(-1) if number >= 4 else turned


def turn_back(image: Tensor, number: int) -> Tensor:
    """The inverse of `turn`."""
    return torch.rot90(image.flip(-1) if number >= 4 else image, -(number % 4), (-2, -1))


def ensemble(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """``run`` averaged over the eight flips and turns of its input ``(B, C, H, W)``, each turned back (self-ensemble).

    Timofte, Rothe, Van Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016.
    """

    def averaged(image: Tensor) -> Tensor:
        total: Tensor | None = None
        for number in range(NUM_TURNS):
            result = turn_back(run(turn(image, number)), number)
            total = result.clone() if total is None else total.add_(result)
        assert total is not None
        return total / NUM_TURNS

    return averaged


def _pad_side(side: int, network: Network) -> int:
    """The size to which a side is made longer for the network."""
    return -(-max(side, network.min_size) // network.multiple) * network.multiple


def tiles_of(network: Network, options: EngineOptions, size_yx: tuple[int, int], device: torch.device) -> TilePlan:
    """The tiles of an image of ``size_yx``. Raises `MachineError` where one needs more memory than there is."""
    itemsize = options.precision.itemsize
    load = Load(options.load.layer * options.frames, options.load.tensor * options.frames)
    plan = plan_tiles(
        (_pad_side(size_yx[0], network), _pad_side(size_yx[1], network)),
        network.context_px,
        load,
        itemsize,
        BUDGETS[device.type],
        multiple=network.multiple,
        min_size=network.min_size,
        tile_px=options.tile_px,
    )
    tall, wide = plan.window_yx
    what = f"{network.source or network.name}: a tile of {wide}x{tall}"
    refuse_excess(load.peak_bytes(tall * wide, itemsize), device, what)
    return plan


class Engine:
    """One network, ready to run on one device."""

    def __init__(self, network: Network, options: EngineOptions, device: torch.device) -> None:
        self._network, self._options, self._device = network, options, device
        self._executable = open_backend(options.runtime).compile(network, options.precision.name, device)
        self._plans: dict[tuple[int, int], TilePlan] = {}

    @property
    def scale(self) -> int:
        """How many times larger what it gives is than what it takes, in pixels."""
        return self._network.module_scale

    def _plan(self, height: int, width: int) -> TilePlan:
        if (height, width) not in self._plans:
            self._plans[height, width] = tiles_of(self._network, self._options, (height, width), self._device)
        return self._plans[height, width]

    def bands(self, images: Tensor) -> Iterator[Tensor]:
        """Bands ``(B, C, h, scale·W)`` float32, from top to bottom, of the network's result for ``(B, C, H, W)``.

        Images smaller than the network's least size, or of sides that are no multiples of what it wants, have their
        border repeated to the right and below; what comes of that is cut off again. Values are not clipped. Raises
        `MachineError` where memory gives out.
        """
        height, width = (int(side) for side in images.shape[-2:])
        full_h, full_w = (_pad_side(side, self._network) for side in (height, width))
        if (full_h, full_w) != (height, width):
            images = pad(images, (0, full_w - width, 0, full_h - height), mode="replicate")
        plan, left = self._plan(height, width), height * self.scale
        run = ensemble(self._run) if self._options.self_ensemble else self._run
        for band in run_tiles(images, run, self.scale, plan.rows, plan.columns):
            requested = band[..., : min(left, band.shape[-2]), : width * self.scale]
            if requested.shape[-2]:
                yield requested
            left -= int(requested.shape[-2])

    def whole(self, images: Tensor) -> Tensor:
        """The bands put together."""
        return torch.cat(list(self.bands(images)), -2)

    def _run(self, window: Tensor) -> Tensor:
        tall, wide = window.shape[-2:]
        what = f"{self._network.source or self._network.name}: a tile of {wide}x{tall}"
        torch.get_num_threads()  # gives a new thread its count, which convolutions alone would not
        with memory_errors(what):
            return self._executable(window)


def upload_ahead(batches: Iterable[Sequence[VideoFrame]], device: torch.device) -> Iterator[list[VideoFrame]]:
    """The same batches with their planes on ``device``.

    On CUDA the next batch is sent from pinned memory, on a stream of its own, while the caller works on this one.
    """
    if device.type != "cuda":
        yield from (list(batch) for batch in batches)
        return
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    sent: tuple[list[VideoFrame], torch.cuda.Event] | None = None
    for batch in batches:
        following = _send(batch, device, stream)
        if sent is not None:
            yield _receive(*sent, device)
        sent = following
    if sent is not None:
        yield _receive(*sent, device)


def _send(
    batch: Sequence[VideoFrame], device: torch.device, stream: torch.cuda.Stream
) -> tuple[list[VideoFrame], torch.cuda.Event]:
    frames = []
    with torch.cuda.stream(stream):
        for frame in batch:
            planes = tuple(plane.pin_memory().to(device, non_blocking=True) for plane in frame.planes)
            frames.append(replace(frame, planes=planes))
        event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
    return frames, event


def _receive(frames: list[VideoFrame], event: torch.cuda.Event, device: torch.device) -> list[VideoFrame]:
    """What was sent, for use on the current stream."""
    current = torch.cuda.current_stream(device)
    current.wait_event(event)
    for frame in frames:
        for plane in frame.planes:
            plane.record_stream(current)  # its memory is not given away before this stream is done with it
    return frames
