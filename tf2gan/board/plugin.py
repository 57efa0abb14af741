"""The tab GAN of TensorBoard: all steps of all runs, interactive controls for the networks.

TensorBoard may be open to a network, so a request is a stranger's: it names a run that was found
below the logdir, a step or checkpoint that the run has, numbers within bounds; it never names a
file. What needs TensorFlow is in `explorer.py`, which is imported when somebody first draws.
"""

import contextlib
import functools
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from tensorboard.backend import http_util
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins import base_plugin
from werkzeug import wrappers
from werkzeug.exceptions import RequestEntityTooLarge

from tf2gan.data.images import read_png, side_by_side, write_gif
from tf2gan.runs.folders import (
    checkpoint_steps,
    grid_of,
    grid_steps,
    has_checkpoint,
    names_in,
    runs_below,
)
from tf2gan.runs.sources import Source
from tf2gan.settings.config import PRETRAINED, TrainConfig
from tf2gan.utils.errors import Tf2ganError, UsageError, brief

PAGE = Path(__file__).parent / "page"
TYPES = {".js": "text/javascript", ".css": "text/css"}
CURVES = ("loss/d", "loss/g", "quality/frechet")
POINTS = 500  # of a curve
DEPTH, RUNS_MOST = 3, 1000  # folders below the logdir that are looked into, runs that are shown
FRESH = 2.0  # seconds for which a list of runs is believed
ABREAST, FRAMES, PIXELS = 4, 100, 25_000_000  # of a film: runs side by side, and the most of both
GRIDS_KEPT = 3600  # seconds, by a browser: a grid of a step stays as it is
BODY_MOST = 1 << 19  # bytes of a request
WAITING_MOST = 8  # requests that draw at once; others are told that it is busy
LONG_MOST = 2  # films and projections at once
TRAINED = "@"  # before the name of the package's trained networks, which no run has
DRAWING = ("samples", "at", "walk", "files", "score", "project")  # what the explorer answers


class Busy(Tf2ganError):
    """Too many are drawing at once."""


class Request(wrappers.Request):
    max_content_length = BODY_MOST


def logdirs_of(context):
    """(what TensorBoard puts before the names of runs, folder) of --logdir or of --logdir_spec."""
    spec = getattr(context.flags, "logdir_spec", "") if context.flags else ""
    if not spec:
        return [("", context.logdir)] if context.logdir else []
    logdirs = []
    for part in spec.split(","):  # name:path, or a path alone
        name, colon, path = part.partition(":")
        named = colon and not part.startswith("/") and not os.path.splitdrive(part)[0]
        logdirs.append((name, path) if named else ("", part))
    return [(name, os.path.realpath(os.path.expanduser(path))) for name, path in logdirs]


class GANPlugin(base_plugin.TBPlugin):
    plugin_name = "tf2gan"

    def __init__(self, context):
        super().__init__(context)
        self._logdirs, self._provider = logdirs_of(context), context.data_provider
        self._found, self._found_at = {}, -FRESH
        self._kept = {}  # what was read of a run's folders and files, by when they changed
        self._looking, self._waking = threading.Lock(), threading.Lock()
        self._places = threading.BoundedSemaphore(WAITING_MOST)
        self._long_places = threading.BoundedSemaphore(LONG_MOST)

    def is_active(self):
        return bool(self._runs())

    def frontend_metadata(self):
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="GAN")

    def get_plugin_apps(self):
        handlers = {"/runs": self._list, "/run": self._describe, "/grid": self._grid}
        handlers["/film"] = self._film
        for name in DRAWING:
            handlers[f"/{name}"] = functools.partial(self._draw, name)
        apps = {f"/{path.name}": functools.partial(_page, path) for path in PAGE.iterdir()}
        apps |= {route: functools.partial(_answer, handle) for route, handle in handlers.items()}
        return {route: Request.application(app) for route, app in apps.items()}

    # Runs: nothing but their folders is read.

    def _runs(self):
        """{name: folder} of the runs below the logdir; TensorBoard calls them the same."""
        with self._looking:
            if time.monotonic() - self._found_at > FRESH:
                self._found = {
                    f"{prefix}/{name}".removeprefix("/").removesuffix("/.") or ".": run
                    for prefix, logdir in self._logdirs
                    for name, run in runs_below(logdir, depth=DEPTH, most=RUNS_MOST).items()
                }
                self._found_at = time.monotonic()
            return self._found

    def _run(self, name):
        """The folder of a run that was found."""
        if name not in self._runs():
            raise UsageError(f"there is no run {(name or '')[:80]!r} any more")
        return self._runs()[name]

    def _unchanged(self, path, read):
        """What `read()` gives, as long as a file or folder stays as it is."""
        changed = _changed(path)
        if not changed or self._kept.get(path, (None,))[0] != changed:
            self._kept[path] = (changed, read())
        return self._kept[path][1]

    def _steps(self, run):
        """The steps of which there is a grid, ascending."""
        return self._unchanged(run / "samples", lambda: grid_steps(run))

    def _list(self, request):
        def about(run):
            try:
                return {"recipe": TrainConfig.read(run).title}
            except Exception as error:  # whatever a damaged file makes of it
                return {"error": str(error) if isinstance(error, Tf2ganError) else brief(error)}

        runs = [
            {
                "name": name,
                "drawable": has_checkpoint(run),
                **self._unchanged(run / "config.json", functools.partial(about, run)),
            }
            for name, run in self._runs().items()
        ]
        return {"runs": runs, "trained": [TRAINED + name for name in PRETRAINED]}

    def _describe(self, request):
        name = request.args.get("run")
        run = self._run(name)
        config = TrainConfig.read(run)
        best = any(file.endswith(".index") for file in names_in(run / "checkpoints" / "best"))
        return {
            "steps": self._steps(run),
            "size": config.size,
            "channels": config.channels,
            "checkpoints": ["best"] * best + [str(s) for s in reversed(checkpoint_steps(run))],
            "curves": self._curves(request, name),
            "mark": str(_changed(run / "config.json")),  # another run of the same name has another
        }

    def _curves(self, request, name):
        """{tag: [[step, value], …]} of a run, as far as TensorBoard has read its events."""
        if self._provider is None:
            return {}
        from tensorboard.plugin_util import context, experiment_id  # which loads much else

        try:
            read = self._provider.read_scalars(
                context(request.environ),
                experiment_id=experiment_id(request.environ),
                plugin_name="scalars",
                downsample=POINTS,
                run_tag_filter=RunTagFilter([name], CURVES),
            )
        except Exception:  # TensorBoard's own trouble with the events is no reason to show no grids
            return {}
        return {tag: [[p.step, p.value] for p in ps] for tag, ps in read.get(name, {}).items()}

    def _grid(self, request):
        """The PNG of the same 64 latents at a step."""
        run, step = self._run(request.args.get("run")), request.args.get("step", "")
        if step not in map(str, self._steps(run)):
            raise UsageError(f"there is no grid of step {step[:20]!r}")
        return grid_of(run, int(step)).read_bytes(), "image/png"

    def _film(self, request):
        """A GIF of some runs side by side, aligned by step or by their share of the run."""
        runs = [self._run(name) for name in request.args.getlist("run")[:ABREAST]]
        steps = {run: self._steps(run) for run in runs if self._steps(run)}
        if not steps:
            raise UsageError("there are no grids of these runs")
        last = max(own[-1] for own in steps.values())
        shares = request.args.get("by") == "share"
        ends = {run: max(1, own[-1] if shares else last) for run, own in steps.items()}
        places = sorted({step / ends[run] for run, own in steps.items() for step in own})
        area = sum(read_png(grid_of(run, own[0])).size for run, own in steps.items())
        count = max(2, min(FRAMES, PIXELS // area))
        with _place(self._long_places), tempfile.TemporaryDirectory() as folder:
            frames = []
            for i in np.unique(np.linspace(0, len(places) - 1, count).astype(int)):
                reached = {
                    run: [step for step in own if step <= places[i] * ends[run] + 1e-6] or own[:1]
                    for run, own in steps.items()
                }
                grids = [read_png(grid_of(run, own[-1])) for run, own in reached.items()]
                frames.append(side_by_side(grids))
            write_gif(Path(folder) / "film.gif", frames)
            return (Path(folder) / "film.gif").read_bytes(), "image/gif"

    # Networks: TensorFlow is imported by the first of these requests.

    def _explorer(self):
        with self._waking:
            from tf2gan.board.explorer import EXPLORER

            return EXPLORER

    def _draw(self, name, request):
        if request.method != "POST":
            raise UsageError(f"{name} is asked for by POST")
        body = request.get_data()
        which, checkpoint = request.args.get("run", ""), request.args.get("checkpoint") or None
        if which.removeprefix(TRAINED) in PRETRAINED and which.startswith(TRAINED):
            source = Source(pretrained=which.removeprefix(TRAINED))
        else:
            source = Source(run=self._run(which))
        with _place(self._places):
            explorer = self._explorer()
            networks = explorer.networks(source, checkpoint)
            answer = getattr(explorer, name)(networks, request.args, body)
        if isinstance(answer, wrappers.Response):  # a stream: its work is yet to come
            held = contextlib.ExitStack()
            held.enter_context(_place(self._long_places))
            answer.call_on_close(held.close)
        return answer


@contextlib.contextmanager
def _place(places):
    """One of so many places; `Busy` if none is left."""
    if not places.acquire(blocking=False):
        raise Busy("others are drawing; try again")
    try:
        yield
    finally:
        places.release()


def _answer(handle, request):
    """What a handler gives, as a response; a mistake is a sentence, and never a traceback."""
    code, kind, expires = 200, "application/json", 0
    try:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise UsageError("another site asked")
        content = handle(request)
    except Tf2ganError as error:
        code = 503 if isinstance(error, Busy) else 400 if isinstance(error, UsageError) else 500
        content = {"error": str(error)}
    except RequestEntityTooLarge:
        code, content = 400, {"error": f"a request has at most {BODY_MOST} bytes"}
    except Exception as error:  # a run that is being removed, a disk that does not answer
        code, content = 500, {"error": brief(error)}
    if isinstance(content, wrappers.Response):
        return content
    if isinstance(content, tuple):
        (content, kind), expires = content, GRIDS_KEPT if request.path.endswith("/grid") else 0
    return http_util.Respond(request, content, kind, code, expires)


def _page(path, request):
    return http_util.Respond(request, path.read_bytes(), TYPES[path.suffix])


def _changed(path):
    """When a file or folder was changed last, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
