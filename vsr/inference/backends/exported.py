"""What backends share that read ONNX: a network is exported, compiled with its weights, and called window by window.

Where sides of images are free, one compiled graph serves all windows, once it gave torch's result for sizes that it
was not exported with; otherwise there is one for each size, the latest few kept. Exported graphs are kept without
regard to their weights, so that a network whose weights are mixed for each shot is exported once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks import Network
from vsr.networks.base import SamplingUpscaler
from vsr.networks.export import Exported, export_onnx

__all__ = ["ByShape", "Session"]

Session = Callable[[Tensor], Tensor]
"""A compiled graph: contiguous ``(B, C, h, w)`` float32 on the CPU → ``(B, C', s·h, s·w)`` float32, from any thread."""

_MOST_SESSIONS = 12  # an image in tiles has up to nine sizes of them
_MOST_EXPORTS = 12
_EXAMPLE_YX = (48, 40)
_TRIED_YX = ((40, 64), (112, 24))
_CLOSE = 1e-4  # to torch's result, of 1
_LEAST_FREE = 2  # a side of 1 may be repeated where others are not

_exports: dict[tuple[object, ...], Exported] = {}
_free_exports: dict[tuple[object, ...], bool] = {}


def _kind(network: Network) -> tuple[object, ...]:
    """What its graph follows from, besides sizes; its weights may change."""
    module = network.module
    steps = (module.steps, module.eta) if isinstance(module, SamplingUpscaler) and module.levels else None
    return network.digest, type(module).__qualname__, network.scale, network.in_channels, steps


def _export(network: Network, batch: int, size_yx: tuple[int, int]) -> Exported:
    """``network``, or one of its kind with other weights, exported with ``batch`` images of ``size_yx``.

    One in which the exporter has made other numbers of some weights serves no others.
    """
    key = (*_kind(network), batch, size_yx)
    if key in _exports and _exports[key].holds(network.module.state_dict()):
        return _exports[key]
    exported = export_onnx(network, size_yx, batch=batch)
    if network.digest:
        _exports[key] = exported
        while len(_exports) > _MOST_EXPORTS:
            del _exports[next(iter(_exports))]
    return exported


class ByShape:
    """An `Executable`: runs windows through the session that fits them."""

    def __init__(
        self,
        network: Network,
        compile_: Callable[[bytes], Session],
        exact: Callable[[bytes], Session],
        *,
        free_alone: bool = False,
    ) -> None:
        """``compile_`` makes a session of an ONNX file; ``exact`` one that computes in float32.

        ``free_alone``: all windows go through one session; `ModelError` where sides are not free.
        """
        self._network, self._compile, self._exact, self._free_alone = network, compile_, exact, free_alone
        self._state = network.module.state_dict()
        self._free: dict[int, Session | None] = {}
        self._fixed: dict[tuple[int, int, int], Session] = {}
        self._opening = threading.Lock()

    def __call__(self, windows: Tensor, /) -> Tensor:
        """See `Executable`."""
        with self._opening:
            session = self._session(*(int(side) for side in windows.shape))
        return session(windows.contiguous())

    def _session(self, batch: int, channels: int, height: int, width: int) -> Session:
        """The one that fits windows of that shape."""
        if batch not in self._free:
            self._free[batch] = self._open_free(batch)
        free = self._free[batch] if min(height, width) >= _LEAST_FREE or self._free_alone else None
        if free is None and self._free_alone:
            name = self._network.source or self._network.name
            raise ModelError(f"{name}: works on sizes of images, or on whole ones; use precision=auto")
        return free or self._open_fixed(batch, height, width)

    def _open_free(self, batch: int) -> Session | None:
        """The session for all sizes; None where sides are not free."""
        network = self._network
        if network.context_px is None:  # what looks at everything may go another way in large images
            return None
        exported = _export(network, batch, self._fit(_EXAMPLE_YX))
        if exported.size_yx is not None:
            return None
        graph = exported.with_weights(self._state)
        key = (*_kind(network), batch)
        if not network.digest or key not in _free_exports:
            _free_exports[key] = self._agrees(self._exact(graph), batch)
        return self._compile(graph) if _free_exports[key] else None

    def _agrees(self, session: Session, batch: int) -> bool:
        """Whether ``session`` gives the network's own result for other sizes than it was exported with."""
        for size_yx in _TRIED_YX:
            shape = (batch, self._network.in_channels, *self._fit(size_yx))
            given = torch.rand(shape, generator=torch.Generator().manual_seed(1))
            with torch.no_grad():
                expected = self._network.module(given)
            try:
                result = session(given)
            except Exception:  # each library has its own; what fails for other sizes is not free
                return False
            if result.shape != expected.shape or float((result - expected).abs().max()) > _CLOSE:
                return False
        return True

    def _open_fixed(self, batch: int, height: int, width: int) -> Session:
        key = (batch, height, width)
        if key not in self._fixed:
            exported = _export(self._network, batch, (height, width))
            self._fixed[key] = self._compile(exported.with_weights(self._state))
            while len(self._fixed) > _MOST_SESSIONS:
                del self._fixed[next(iter(self._fixed))]
        return self._fixed[key]

    def _fit(self, size_yx: tuple[int, int]) -> tuple[int, int]:
        least, multiple = self._network.min_size, self._network.multiple
        height, width = (-(-max(side, least) // multiple) * multiple for side in size_yx)
        return height, width
