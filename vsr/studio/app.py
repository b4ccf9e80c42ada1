"""The addresses of the studio. Each answers with JSON, an image or a file; what cannot be is one line and a status."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from vsr import __version__
from vsr.api.upscaling import plan
from vsr.errors import InputError, MachineError, UsageError, VsrError
from vsr.media.display import Box
from vsr.pipeline.job import Job as Plan
from vsr.report.encode import jpeg
from vsr.stills.boxes import Box as Region
from vsr.stills.write import MAPS, map_path, record_path
from vsr.studio.choices import CHOICES, Choice, Order, UpscaleChoice, parse_choice
from vsr.studio.facts import choices_facts, describe_plan, frame_facts, index_facts, job_facts, video_facts
from vsr.studio.guard import METRICS, MOST_BODY_BYTES, Guard
from vsr.studio.jobs import Job
from vsr.studio.metrics import expose
from vsr.studio.places import Root, read_own
from vsr.studio.preview import Previewer, Superseded, png
from vsr.studio.queue import Action, Queue, command_of
from vsr.studio.sources import Image, Sources, Video
from vsr.studio.uploads import receive
from vsr.timeline import parse_position

__all__ = ["Studio", "make_app"]

_PAGES = resources.files("vsr.studio") / "pages"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STILL_SUFFIXES = {".png": "image/png"}
_KEPT = {"cache-control": "private, max-age=3600"}  # of what an address always gives
_SECONDS_TO_END = 10.0
_SHOWN_WIDTH = 1600  # of frames that are leafed through
_OF_OTHERS = "sandbox allow-scripts allow-popups; frame-ancestors 'none'"
"""For pages that hold what videos say of themselves: they are of no origin, and reach nothing of the studio."""

Handler = Callable[[Request], Awaitable[Response]]


class Studio:
    """What the addresses work on."""

    def __init__(self, root: Root, *, upload_bytes: int, ray: str | None = None) -> None:
        """``upload_bytes``: the largest upload that is taken; 0 takes none. ``ray``: a cluster that runs the jobs."""
        self.root, self.upload_bytes = root, upload_bytes
        self.sources, self.previewer = Sources(root), Previewer()
        self.queue = Queue(root, ray=ray)

    @contextlib.asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """The queue runs as long as this is entered."""
        task = asyncio.create_task(self.queue.run())
        try:
            yield
        finally:
            await self.queue.close()
            await asyncio.wait([task], timeout=_SECONDS_TO_END)  # it notes down how its run ended
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await run_in_threadpool(self.previewer.close)
            await run_in_threadpool(self.sources.close)

    async def page(self, request: Request) -> Response:
        """A file of the page itself."""
        name = request.path_params.get("name", "index.html")
        place = _PAGES / name
        if "/" in name or Path(name).suffix not in _KINDS or not place.is_file():
            raise HTTPException(404)
        return Response(place.read_bytes(), media_type=_KINDS[Path(name).suffix])

    async def about(self, request: Request) -> Response:
        """What there is to choose from."""
        return JSONResponse(
            {
                "version": __version__,
                "folder": str(self.root.folder),
                "upload_bytes": self.upload_bytes,
                **choices_facts(),
            }
        )

    async def files(self, request: Request) -> Response:
        """What can be opened in a folder."""
        name = request.query_params.get("in", "")
        listing = await run_in_threadpool(self.root.entries, name)
        return JSONResponse(
            {
                "folder": name,
                "entries": [{"name": e.name, "kind": e.kind, "bytes": e.size_bytes} for e in listing.entries],
                "left_out": listing.num_left_out,
            }
        )

    async def open(self, request: Request) -> Response:
        """Open a video."""
        said = await _body(request)
        name, fps = _text(said.get("name")), said.get("fps")
        video = await run_in_threadpool(self.sources.open, name, None if fps is None else _text(fps))
        await run_in_threadpool(video.wait_for, 1, 2.0)
        return JSONResponse({**video_facts(self.root, name, video), "index": index_facts(video)})

    async def index(self, request: Request) -> Response:
        """How far the pass over a video is."""
        return JSONResponse(index_facts(self._video(request)))

    async def thumbnail(self, request: Request) -> Response:
        """A small image of a frame."""
        image = self._video(request).thumbnail_of(request.path_params["frame"])
        return Response(jpeg(image, 80), media_type="image/jpeg", headers=_KEPT)

    async def where(self, request: Request) -> Response:
        """A frame's number and time, by either (``at``), as ``--at`` takes them."""
        video = self._video(request)
        at = parse_position(request.query_params.get("at", ""))
        ordinal = at if isinstance(at, int) else await run_in_threadpool(video.at_seconds, at)
        return JSONResponse(frame_facts(video, ordinal))

    async def frame(self, request: Request) -> Response:
        """A frame as it was decoded: a JPEG to leaf through, or a PNG with every pixel."""
        video, ordinal = self._video(request), request.path_params["frame"]
        is_whole = request.path_params["suffix"] == "png"
        data = await run_in_threadpool(_encoded_frame, video, ordinal, is_whole)
        return Response(data, media_type="image/png" if is_whole else "image/jpeg", headers=_KEPT)

    async def plan(self, request: Request) -> Response:
        """What a choice would do, and the command for it."""
        said = await _body(request)
        choice = await run_in_threadpool(_choice(said).resolve, self.root, self.queue.taken())
        order = choice.order(self.root)
        facts: dict[str, Any] = {"command": command_of(order.words), "output": self.root.name_of(order.output)}
        if isinstance(choice, UpscaleChoice):
            facts |= describe_plan(await run_in_threadpool(self._plan, choice, order.input, order.output))
        return JSONResponse(facts)

    async def preview(self, request: Request) -> Response:
        """A frame as a run would restore it."""
        said = await _body(request)
        choice = parse_choice(UpscaleChoice, said.get("choice"))
        ordinal = said.get("frame")
        if not isinstance(ordinal, int):
            raise UsageError("frame: must be a number")
        roi = said.get("roi")
        region = None if roi is None else Region.parse(_text(roi))
        try:
            key, made = await run_in_threadpool(self._restore, choice, ordinal, region)
        except VsrError as error:
            self.queue.tally.previews["superseded" if isinstance(error, Superseded) else "failed"] += 1
            raise
        self.queue.tally.previews["made"] += 1
        self.queue.tally.preview_seconds += made.seconds
        return JSONResponse(
            {
                "id": key,
                "width": made.width,
                "height": made.height,
                "seconds": round(made.seconds, 3),
                "sha256": made.sha256,
                "whole": made.is_whole,
                "found": list(made.found),
            }
        )

    async def preview_image(self, request: Request) -> Response:
        """A frame before or after."""
        made = self.previewer.find(request.path_params["id"])
        side = request.path_params["side"]
        if made is None or side not in ("before", "after"):
            raise InputError("this preview is not kept any more; make it again")
        return Response(made.before if side == "before" else made.after, media_type="image/png", headers=_KEPT)

    async def state(self, request: Request) -> Response:
        """The queue, and what is being previewed."""
        jobs = [self._facts(job) for job in self.queue.jobs()]
        return JSONResponse({"version": self.queue.version, "jobs": jobs, "preview": self.previewer.step})

    async def add(self, request: Request) -> Response:
        """Put a job into the queue; what could not be run is refused now."""
        said = await _body(request)
        choice = await run_in_threadpool(_choice(said).resolve, self.root, self.queue.taken())
        if isinstance(choice, UpscaleChoice):
            order = choice.order(self.root)
            await run_in_threadpool(self._plan, choice, order.input, order.output)
        choice = choice.resolve(self.root, self.queue.taken())  # another may have come meanwhile
        return JSONResponse(self._facts(self.queue.add(said["kind"], choice)), 201)

    async def act(self, request: Request) -> Response:
        """Press a button of a job."""
        await _body(request)
        action = request.path_params["action"]
        if action not in get_args(Action):
            raise HTTPException(404)
        await self.queue.act(request.path_params["id"], action)
        return await self.state(request)

    async def newest(self, request: Request) -> Response:
        """The newest frames of a job that runs."""
        place = self.queue.store.newest(self.queue.get(request.path_params["id"]))
        try:
            data = await run_in_threadpool(read_own, place)
        except OSError as error:
            raise InputError("there is no image yet") from error
        return Response(data, media_type="image/png")

    async def job_page(self, request: Request) -> Response:
        """The page that a finished job has made."""
        page = self._find_finished(request).page
        if page is None:
            raise InputError("this job has made no page")
        return self._file(page, headers={"content-security-policy": _OF_OTHERS}, media_type="text/html")

    async def job_output(self, request: Request) -> Response:
        """What a finished job has made, to be shown (``?show``) or kept."""
        output = self._find_finished(request).output
        kind = _STILL_SUFFIXES.get(output.suffix.lower(), "video/mp4" if output.suffix == ".mp4" else None)
        if "show" in request.query_params and kind is not None:
            return self._file(output, media_type=kind)
        return self._file(output, media_type="application/octet-stream", filename=output.name)

    async def record(self, request: Request) -> Response:
        """The record of a still."""
        return self._file(record_path(self._find_finished(request, "still").output), media_type="application/json")

    async def still_map(self, request: Request) -> Response:
        """A map of a still: how many frames support each pixel, or how well they agree."""
        what = request.path_params["what"]
        if what not in MAPS:
            raise InputError("stills have no such map")
        return self._file(map_path(self._find_finished(request, "still").output, what), media_type="image/png")

    async def upload(self, request: Request) -> Response:
        """Take a file, in pieces as they come; it has its name once it is whole."""
        place = await receive(
            self.root,
            request.path_params["name"],
            request.headers.get("content-length", ""),
            request.stream(),
            most_bytes=self.upload_bytes,
        )
        self.queue.tally.upload_bytes += place.stat().st_size
        return JSONResponse({"name": self.root.name_of(place)}, 201)

    async def metrics(self, request: Request) -> Response:
        """What Prometheus gets."""
        text, kind = expose(self.queue.tally, self.queue.jobs())
        return Response(text, headers={"content-type": kind})

    def _facts(self, job: Job) -> dict[str, Any]:
        return job_facts(job, self.queue.order_of(job), self.queue.store.newest(job))

    def _find_finished(self, request: Request, kind: str | None = None) -> Order:
        """What a finished job, of that kind, has made. Raises `InputError` for one that has not."""
        job = self.queue.get(request.path_params["id"])
        if job.state != "done" or kind not in (None, job.kind):
            raise InputError("this job has made nothing of the kind")
        return self.queue.order_of(job)

    def _video(self, request: Request) -> Video:
        return self.sources.get(request.path_params["id"])

    def _plan(self, choice: UpscaleChoice, path: Path, output: Path) -> Plan:
        return plan(
            path,
            output,
            preset=choice.preset,
            start=choice.start,
            end=choice.end,
            settings=choice.settings(self.root),
        )

    def _restore(self, choice: UpscaleChoice, ordinal: int, region: Region | None) -> tuple[str, Any]:
        video = self.sources.open(choice.input, choice.fps)
        job = self._plan(choice, *choice.places(self.root))
        box = None if region is None else Box(region.y, region.x, region.height, region.width)
        return self.previewer.make(video, job, ordinal, box)

    def _file(self, path: Path, **options: Any) -> Response:
        """A file of the folder, which may be read in parts."""
        if not self.root.holds(path) or not path.is_file():
            raise InputError(f"{path.name}: is not there any more")
        return FileResponse(path, **options)


def make_app(
    studio: Studio, *, token: str, host: str, port: int, names: tuple[str, ...] = (), opens_metrics: bool = False
) -> Starlette:
    """The application, guarded."""
    routes = [
        Route("/", studio.page),
        Route("/static/{name}", studio.page),
        Route("/api/about", studio.about),
        Route("/api/files", studio.files),
        Route("/api/open", studio.open, methods=["POST"]),
        Route("/api/videos/{id}", studio.index),
        Route("/api/videos/{id}/where", studio.where),
        Route("/api/videos/{id}/thumbnails/{frame:int}.jpg", studio.thumbnail),
        Route("/api/videos/{id}/frames/{frame:int}.{suffix}", studio.frame),
        Route("/api/plan", studio.plan, methods=["POST"]),
        Route("/api/previews", studio.preview, methods=["POST"]),
        Route("/api/previews/{id}/{side}.png", studio.preview_image),
        Route("/api/jobs", studio.state),
        Route("/api/jobs", studio.add, methods=["POST"]),
        Route("/api/jobs/{id}/newest.png", studio.newest),
        Route("/api/jobs/{id}/record", studio.record),
        Route("/jobs/{id}/page", studio.job_page),
        Route("/jobs/{id}/output", studio.job_output),
        Route("/jobs/{id}/maps/{what}.png", studio.still_map),
        Route("/api/jobs/{id}/{action}", studio.act, methods=["POST"]),
        Route(METRICS, studio.metrics),
        Route("/api/uploads/{name}", studio.upload, methods=["PUT"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, host=host, port=port, names=names, opens_metrics=opens_metrics)],
        exception_handlers={VsrError: _refuse, HTTPException: _refuse_plainly},
        lifespan=studio.running,
    )


async def _refuse(request: Request, error: Exception) -> Response:
    kinds = ((Superseded, 409), (UsageError, 400), (InputError, 422), (MachineError, 507))
    status = next((status for kind, status in kinds if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status)


async def _refuse_plainly(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, which is small."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MOST_BODY_BYTES:
            raise HTTPException(413)
    try:
        said = json.loads(data)
    except ValueError as error:
        raise UsageError("the request must be JSON") from error
    if not isinstance(said, dict):
        raise UsageError("the request must be a JSON object")
    return said


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise UsageError("names, rates and regions must be text")
    return said


def _choice(said: dict[str, Any]) -> Choice:
    kind = said.get("kind")
    if kind not in [*CHOICES]:
        raise UsageError(f"kind: must be one of {', '.join(CHOICES)}")
    return parse_choice(CHOICES[kind], said.get("choice"))


def _encoded_frame(video: Video, ordinal: int, is_whole: bool) -> bytes:
    image = video.image(ordinal)
    return png(image) if is_whole else jpeg(_shrunk(image), 90)


def _shrunk(image: Image) -> Image:
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    if width <= _SHOWN_WIDTH:
        return image
    size = (_SHOWN_WIDTH, max(1, round(height * _SHOWN_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
