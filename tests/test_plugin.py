"""The routes behind the tab GAN, as a browser and as a stranger asks them."""

import concurrent.futures
import io
import json
import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from tensorboard.util.tensor_util import make_ndarray
from werkzeug import test, wrappers

from tf2gan.board import plugin as tab
from tf2gan.board.plugin import GANPlugin
from tf2gan.data.images import to_pixels, write_png
from tf2gan.runs import folders
from tf2gan.runs.pretrained import load_pretrained
from tf2gan.sampling.sampler import sample_latents
from tf2gan.settings.config import TrainConfig

JSON = "application/json"


class Tab:
    """The plugin of a logdir, with a client for each of its routes."""

    def __init__(self, logdir, **context):
        self.plugin = GANPlugin(base_plugin.TBContext(logdir=str(logdir), **context))
        apps = self.plugin.get_plugin_apps()
        self.clients = {route: test.Client(app, wrappers.Response) for route, app in apps.items()}

    def ask(self, route, body=None, **query):
        kind = {"method": "POST", "data": body} if body is not None else {}
        return self.clients[route].open(query_string=query, **kind)

    def get(self, route, body=None, **query):
        answer = self.ask(route, body, **query)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)

    def refused(self, route, body=None, **query):
        """The sentence that answers a mistake."""
        answer = self.ask(route, body, **query)
        assert answer.status_code == 400 and answer.mimetype == JSON
        error = json.loads(answer.text)["error"]
        assert "Traceback" not in error and "\n" not in error
        return error


@pytest.fixture(scope="module")
def logdir(trained, tmp_path_factory):
    """A finished run, one with a damaged configuration, one that has just begun, and no runs."""
    logdir = tmp_path_factory.mktemp("tab")
    shutil.copytree(trained[1], logdir / "deep" / trained[1].name)
    (logdir / "00001-broken").mkdir()
    (logdir / "00001-broken" / "config.json").write_text("{")
    (logdir / "00002-new").mkdir()
    (logdir / "00002-new" / "config.json").write_text(TrainConfig().to_json())
    (logdir / "secret.png").write_bytes(b"secret")
    return logdir


@pytest.fixture(scope="module")
def opened(logdir):
    from tf2gan.board import explorer

    explorer.PATIENCE = 60  # a busy machine reads the data late
    return Tab(logdir)


RUN = "deep/00000-digits-classic"


def sprite(answer, count):
    """The images of an answer, `[count, 28, 28]`."""
    import base64

    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["png"].split(",")[1]))))
    columns = min(8, count)
    rows = picture.shape[0] // 28
    tiles = picture.reshape(rows, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28)
    return tiles[:count].astype(int)


def test_the_page_comes_from_here_alone(opened):
    assert opened.plugin.frontend_metadata().es_module_path == "/index.js"
    for route, kind in (("/index.js", "text/javascript"), ("/style.css", "text/css")):
        answer = opened.ask(route)
        assert answer.status_code == 200 and answer.mimetype == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in tab.PAGE.iterdir():
        assert "://" not in path.read_text(), f"{path} names another host"


def test_runs_are_listed_whatever_they_are(opened):
    listed = opened.get("/runs")
    runs = {run["name"]: run for run in listed["runs"]}
    assert set(runs) == {RUN, "00001-broken", "00002-new"}
    assert runs[RUN] == {"name": RUN, "recipe": "classic", "drawable": True}
    assert "is not a configuration" in runs["00001-broken"]["error"]
    assert not runs["00002-new"]["drawable"] and listed["trained"] == ["@mnist"]
    assert opened.plugin.is_active()
    for nowhere in ("no", "secret.png", "00002-new/samples"):
        assert not Tab(f"{opened.plugin._logdirs[0][1]}/{nowhere}").plugin.is_active()
    assert not GANPlugin(base_plugin.TBContext(logdir=None)).is_active()  # a hosted service
    assert opened.get("/run", run=RUN)["steps"] == [0, 3, 6]
    new = opened.get("/run", run="00002-new")
    assert (new["steps"], new["checkpoints"]) == ([], [])
    assert (
        "is not a configuration" in json.loads(opened.ask("/run", run="00001-broken").text)["error"]
    )


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_curves_are_those_that_tensorboard_has_read(logdir):
    read = EventMultiplexer().AddRunsFromDirectory(str(logdir)).Reload()
    opened = Tab(logdir, data_provider=MultiplexerDataProvider(read, str(logdir)))
    curves = opened.get("/run", run=RUN)["curves"]
    assert set(curves) == {"loss/d", "loss/g"}
    for tag, points in curves.items():
        expected = [
            [event.step, float(make_ndarray(event.tensor_proto))]
            for event in read.Tensors(RUN, tag)
        ]
        assert points == expected and len(points) == 4
    assert opened.get("/run", run="00002-new")["curves"] == {}


def test_grids_and_films_are_the_runs_own(opened, logdir):
    answer = opened.ask("/grid", run=RUN, step=3)
    assert answer.data == (logdir / RUN / "samples" / "step-000003.png").read_bytes()
    film = Image.open(io.BytesIO(opened.ask("/film", run=RUN).data))
    assert film.n_frames == 3 and film.size == (224, 224)
    assert "no grids" in opened.refused("/film", run="00002-new")


@pytest.mark.parametrize("by, beside", [("step", [0, 2, 2]), ("share", [0, 0, 2])])
def test_a_film_of_two_runs_goes_by_steps_or_by_shares(tmp_path, by, beside):
    """A grid's brightness is ten times its step; the second run has come half as far."""
    for name, steps in {"00000-a": (0, 2, 4), "00001-b": (0, 2)}.items():
        (tmp_path / name / "samples").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(TrainConfig().to_json())
        for step in steps:
            grid = np.full((224, 224), 10 * step, np.uint8)
            write_png(folders.grid_of(tmp_path / name, step), grid)
    answer = Tab(tmp_path).ask("/film", run=["00000-a", "00001-b"], by=by)
    film = Image.open(io.BytesIO(answer.data))
    shown = []
    for frame in range(film.n_frames):
        film.seek(frame)
        pixels = np.asarray(film.convert("L"))
        shown.append([round(int(pixels[100, x]) / 10) for x in (100, 324)])
    assert shown == [list(pair) for pair in zip((0, 2, 4), beside, strict=True)]


def test_a_run_in_progress_grows_and_one_that_is_removed_is_a_sentence(tmp_path, trained):
    run = shutil.copytree(trained[1], tmp_path / "00000-a")
    opened = Tab(tmp_path)
    assert opened.get("/run", run="00000-a")["steps"] == [0, 3, 6]
    write_png(run / "samples" / "step-000009.png", np.zeros((224, 224), np.uint8))
    assert opened.get("/run", run="00000-a")["steps"] == [0, 3, 6, 9]
    shutil.rmtree(run)
    answer = opened.ask("/grid", run="00000-a", step=9)
    assert answer.status_code in (400, 500) and "error" in json.loads(answer.text)


def test_grids_are_counted_once_and_only_of_the_run_that_is_shown(tmp_path, monkeypatch):
    """There may be a hundred runs of a thousand grids."""
    config = TrainConfig().to_json()
    for number in range(100):
        samples = tmp_path / f"{number:05d}-a" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "config.json").write_text(config)
        for step in range(0, 1_000, 100):
            (samples / f"step-{step:06d}.png").touch()
    opened = Tab(tmp_path)
    read = []
    names_in = folders.names_in
    monkeypatch.setattr(folders, "names_in", lambda path: read.append(path) or names_in(path))
    assert len(opened.get("/runs")["runs"]) == 100
    assert read == [tmp_path]  # no grids are counted before a run is chosen
    for _ in range(3):
        assert opened.get("/run", run="00007-a")["steps"][-1] == 900
    assert sum(folder.name == "samples" for folder in read) == 1
    config = TrainConfig.read
    monkeypatch.setattr(TrainConfig, "read", lambda run: read.append(run) or config(run))
    opened.get("/runs")
    assert not {folder for folder in read if folder.parent == tmp_path}


def test_one_bad_folder_hides_no_run(tmp_path, trained, monkeypatch):
    shutil.copytree(trained[1], tmp_path / "00000-a")
    odd = tmp_path / "00001-odd"
    odd.mkdir()
    (odd / "config.json").write_text('{"recipe": []}')
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "locked").mkdir()
    listdir = tab.runs_below.__globals__["os"].listdir

    def refusing(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "no")
        return listdir(folder)

    monkeypatch.setattr(tab.runs_below.__globals__["os"], "listdir", refusing)
    runs = {run["name"]: run for run in Tab(tmp_path).get("/runs")["runs"]}
    assert "error" in runs["00001-odd"] and runs["00000-a"]["recipe"] == "classic"


def test_the_newest_runs_are_shown_where_there_are_too_many(tmp_path, monkeypatch):
    for number in range(12):
        (tmp_path / f"{number:05d}-a").mkdir()
        (tmp_path / f"{number:05d}-a" / "config.json").write_text(TrainConfig().to_json())
    monkeypatch.setattr(tab, "RUNS_MOST", 5)
    names = [run["name"] for run in Tab(tmp_path).get("/runs")["runs"]]
    assert names == [f"{number:05d}-a" for number in range(7, 12)]


# Networks.


def test_samples_are_those_of_generate(opened):
    answer = opened.get("/samples", "[]", run="@mnist", seed=7)
    generator, discriminator = load_pretrained()
    images = generator(sample_latents(64, seed=7), training=False)
    assert np.abs(sprite(answer, 64) - to_pixels(images)[..., 0]).max() <= 1
    scores = discriminator(images, training=False).numpy()[:, 0]
    np.testing.assert_allclose(answer["scores"], scores, atol=0.02)
    assert len(answer["classes"]) == 64 and answer["names"] == [str(d) for d in range(10)]
    assert np.mean(np.array(answer["classes"]) == 1) < 0.5


def test_at_walks_and_directions(opened):
    samples = opened.get("/samples", "[]", run="@mnist", seed=0)
    latents = samples["latents"]
    here = opened.get("/at", json.dumps(latents[:2]), run="@mnist")
    walked = opened.get("/walk", json.dumps(latents[:2]), run="@mnist")
    assert len(walked["latents"]) == 64 and len(walked["scores"]) == 8
    np.testing.assert_allclose(walked["latents"][0], latents[0], atol=1e-4)
    np.testing.assert_allclose(walked["latents"][-1], latents[1], atol=1e-4)
    assert np.abs(sprite(walked, 8)[[0, -1]] - sprite(here, 2)).max() <= 3
    directions = np.array(samples["directions"])
    np.testing.assert_allclose(directions @ directions.T, np.eye(10), atol=1e-3)
    kernel = load_pretrained()[0].layers[0].kernel.numpy()
    strength = np.linalg.norm(directions @ kernel, axis=1)
    assert (np.diff(strength) <= 1e-3).all()  # the strongest first, and none is stronger
    assert strength[0] >= np.linalg.norm(kernel, axis=1).max()


@pytest.mark.parametrize("kind", ["png", "gif", "npz", "npy", "latents"])
def test_files_are_those_of_generate(opened, kind):
    latents = sample_latents(3, seed=1).numpy().round(4)
    answer = opened.ask("/files", json.dumps(latents.tolist()), run="@mnist", format=kind)
    assert answer.status_code == 200
    content = io.BytesIO(answer.data)
    if kind in ("png", "gif"):
        assert Image.open(content).format == kind.upper()
    elif kind == "latents":
        np.testing.assert_allclose(np.load(content), latents, atol=1e-6)
    else:
        images = np.load(content)
        assert (images["images"] if kind == "npz" else images).shape == (3, 28, 28)


def test_a_drawing_is_judged_compared_and_found(opened, mnist):
    digit = mnist.images[5]
    assert "nearest" not in opened.get("/score", digit.tobytes(), run="@mnist")
    answer = opened.get("/score", digit.tobytes(), run="@mnist", near="true")
    assert 0 <= answer["scores"][0] <= 1 and answer["classes"] == [int(mnist.labels[5])]
    assert answer["distances"][0] == 0 and sorted(answer["distances"]) == answer["distances"]
    assert np.array_equal(sprite({"png": answer["nearest"]}, 8)[0], digit[..., 0])
    noise = np.random.default_rng(0).integers(0, 256, digit.size, np.uint8).tobytes()
    assert opened.get("/score", noise, run="@mnist", near="true")["distances"][0] > 0.2
    way = opened.ask("/project", digit.tobytes(), run="@mnist").text.splitlines()
    way = [json.loads(line) for line in way]
    assert [line["step"] for line in way] == list(range(0, 101, 4))
    assert way[-1]["distance"] < 0.7 * way[0]["distance"]


def test_a_runs_checkpoints_are_its_own(opened, trained):
    ask = lambda step: opened.get("/samples", "[]", run=RUN, seed=0, checkpoint=step)  # noqa: E731
    answers = [ask(step) for step in (4, 6)]
    assert answers[0]["png"] != answers[1]["png"] and "classes" not in answers[0]
    assert "no checkpoint '5'" in opened.refused("/samples", "[]", run=RUN, seed=0, checkpoint=5)
    assert "no checkpoint yet" in opened.refused("/samples", "[]", run="00002-new", seed=0)


def test_a_damaged_checkpoint_is_a_sentence(tmp_path, trained):
    run = shutil.copytree(trained[1], tmp_path / "00000-a")
    for file in run.glob("checkpoints/*.data*"):
        file.write_bytes(file.read_bytes()[:-1000])
    answer = Tab(tmp_path).ask("/samples", "[]", run="00000-a", seed=0)
    assert answer.status_code == 500 and "damaged" in json.loads(answer.text)["error"]


def test_few_networks_stay_in_memory(opened, monkeypatch):
    from tf2gan.board import explorer

    monkeypatch.setattr(explorer, "WEIGHTS_MOST", 20_000_000)
    body = json.dumps(LATENT)
    for step in (4, 6, "latest"):
        opened.get("/at", body, run=RUN, checkpoint=step)
    assert len(explorer.EXPLORER._kept) == 2  # those of a comparison


# Strangers.

LATENT = [[0.0] * 100]


@pytest.mark.parametrize(
    "route, body, query",
    [
        ("/run", None, {"run": "../tab"}),
        ("/run", None, {"run": "/etc"}),
        ("/run", None, {"run": "."}),
        ("/run", None, {"run": ""}),
        ("/run", None, {}),
        ("/run", None, {"run": f"{RUN}/../../00001-broken"}),
        ("/run", None, {"run": f"{RUN}\0"}),
        ("/grid", None, {"run": RUN}),
        ("/grid", None, {"run": RUN, "step": "../../../secret"}),
        ("/grid", None, {"run": RUN, "step": "1"}),
        ("/grid", None, {"run": RUN, "step": "-3"}),
        ("/grid", None, {"run": RUN, "step": "03"}),
        ("/grid", None, {"run": RUN, "step": "٣"}),
        ("/grid", None, {"run": RUN, "step": "9" * 5000}),
        ("/film", None, {}),
        ("/film", None, {"run": "../tab"}),
        ("/samples", "[]", {"run": "@cats", "seed": 0}),
        ("/samples", "[]", {"run": "@../mnist", "seed": 0}),
        ("/samples", "[]", {"run": "@mnist", "seed": -1}),
        ("/samples", "[]", {"run": "@mnist", "seed": 2**31}),
        ("/samples", "[]", {"run": "@mnist", "seed": "nan"}),
        ("/samples", "[]", {"run": "@mnist", "seed": "²"}),
        ("/samples", "[]", {"run": "@mnist", "seed": "9" * 5000}),
        ("/samples", "[]", {"run": RUN, "checkpoint": "../../ckpt-4", "seed": 0}),
        ("/samples", None, {"run": "@mnist", "seed": 0}),
        ("/at", None, {"run": "@mnist"}),
        ("/at", "", {"run": "@mnist"}),
        ("/at", "{}", {"run": "@mnist"}),
        ("/at", "[", {"run": "@mnist"}),
        ("/at", "[" * 100_000, {"run": "@mnist"}),
        ("/at", b"\xff\xfe", {"run": "@mnist"}),
        ("/at", json.dumps([]), {"run": "@mnist"}),
        ("/at", json.dumps(LATENT * 65), {"run": "@mnist"}),
        ("/at", json.dumps([[0.0] * 99]), {"run": "@mnist"}),
        ("/at", json.dumps([["a"] * 100]), {"run": "@mnist"}),
        ("/at", json.dumps([[None] * 100]), {"run": "@mnist"}),
        ("/at", json.dumps([[float("nan")] * 100]), {"run": "@mnist"}),
        ("/at", json.dumps([[1e400] * 100]), {"run": "@mnist"}),
        ("/at", json.dumps([[1.5] * 100]), {"run": "@mnist"}),
        ("/at", "[" + "9" * 600_000 + "]", {"run": "@mnist"}),
        ("/at", json.dumps([["0.5"] * 100]), {"run": "@mnist"}),
        ("/at", "[[" + "9" * 400 + ", 0" * 99 + "]]", {"run": "@mnist"}),
        ("/walk", json.dumps(LATENT), {"run": "@mnist"}),
        ("/walk", json.dumps(LATENT * 3), {"run": "@mnist"}),
        ("/files", json.dumps(LATENT), {"run": "@mnist"}),
        ("/files", json.dumps(LATENT), {"run": "@mnist", "format": "../a"}),
        ("/score", b"\0" * 783, {"run": "@mnist"}),
        ("/score", b"\0" * (1 << 20), {"run": "@mnist"}),
        ("/project", b"\0" * 785, {"run": "@mnist"}),
        ("/score", None, {"run": "@mnist"}),
    ],
)
def test_what_a_stranger_asks_is_a_sentence(opened, logdir, route, body, query):
    before = sorted(logdir.rglob("*"))
    assert "secret" not in opened.refused(route, body, **query).replace("../secret", "")
    assert sorted(logdir.rglob("*")) == before


def test_a_thousand_at_once_are_answered_and_few_are_drawn(opened):
    """Most are told that it is busy, at once; none fails, and the tab goes on."""
    opened.get("/at", json.dumps(LATENT), run="@mnist")
    explorer, drawing, most = opened.plugin._explorer(), [], []
    at = explorer.at
    lock = threading.Lock()

    def slow(*args):
        with lock:
            drawing.append(1)
            most.append(len(drawing))
        time.sleep(0.01)
        try:
            return at(*args)
        finally:
            with lock:
                drawing.pop()

    explorer.at = slow
    try:
        body = json.dumps(LATENT)
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: opened.ask("/at", body, run="@mnist"), range(1000)))
    finally:
        del explorer.at
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {200, 503} and 200 in codes
    assert max(most) <= tab.WAITING_MOST
    assert opened.get("/at", body, run="@mnist")["scores"]


def test_a_body_without_a_length_is_bounded_too(opened):
    """Chunked: its length is not known before."""
    builder = test.EnvironBuilder(method="POST", query_string={"run": "@mnist"})
    environ = builder.get_environ()
    environ.pop("CONTENT_LENGTH", None)
    endless = io.BytesIO(b"[" * (tab.BODY_MOST + 1000))
    environ |= {"wsgi.input": endless, "wsgi.input_terminated": True}
    answer = opened.clients["/at"].open(environ)
    assert answer.status_code == 400 and "at most" in json.loads(answer.text)["error"]


def test_projections_are_few_at_once_and_one_that_is_left_makes_room(opened, mnist):
    body = mnist.images[0].tobytes()
    streams = [opened.ask("/project", body, run="@mnist") for _ in range(tab.LONG_MOST)]
    next(iter(streams[0].response))
    assert opened.ask("/project", body, run="@mnist").status_code == 503
    assert opened.get("/at", json.dumps(LATENT), run="@mnist")["scores"]  # others go on
    for stream in streams:
        stream.close()
    assert opened.ask("/project", body, run="@mnist").status_code == 200


def test_another_site_draws_nothing(opened):
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = opened.clients["/film"].get(query_string={"run": RUN}, headers=headers)
    assert answer.status_code == 400 and "another site" in answer.text


def test_nothing_is_fetched_for_a_picture(tmp_path, monkeypatch):
    """Fashion-MNIST is read where Keras has it already."""
    from keras.datasets import fashion_mnist

    from tf2gan.board import explorer

    asked = []
    monkeypatch.setattr(fashion_mnist, "load_data", lambda: asked.append("Keras"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert explorer._read(("fashion_mnist", *[None] * 4))[:2] == (None, None) and not asked
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").touch()
    explorer._read(("fashion_mnist", *[None] * 4))
    assert asked


def test_data_too_large_to_keep_are_read_once(monkeypatch):
    from tf2gan.board import explorer

    monkeypatch.setattr(explorer, "DATA_MOST", 1)
    assert explorer._read(("mnist", *[None] * 4)) == (None, None, np.inf)


# TensorBoard's own ways


def test_logdir_spec_names_its_folders_as_tensorboard_does(trained, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(trained[1], tmp_path / name / trained[1].name)
    flags = SimpleNamespace(logdir_spec=f"mine:{tmp_path / 'a'},{tmp_path / 'b'}")
    opened = Tab("", flags=flags)
    names = [run["name"] for run in opened.get("/runs")["runs"]]
    assert sorted(names) == [trained[1].name, f"mine/{trained[1].name}"]
    assert opened.ask("/grid", run=f"mine/{trained[1].name}", step=3).mimetype == "image/png"
    assert GANPlugin(base_plugin.TBContext(logdir="", flags=flags)).is_active()


def test_a_stray_configuration_hides_no_runs_and_runs_behind_links_are_found(trained, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "config.json").write_text("{}")
    (tmp_path / "logs" / "linked").symlink_to(trained[1])
    runs = Tab(tmp_path / "logs").get("/runs")["runs"]
    assert [run["name"] for run in runs] == ["linked"] and runs[0]["drawable"]


def test_a_run_that_takes_the_number_of_a_deleted_one_has_another_mark(trained, tmp_path):
    """The browser keeps a grid for an hour, by run, step and mark."""
    run = tmp_path / trained[1].name
    marks = []
    for _ in range(2):
        shutil.copytree(trained[1], run)
        (run / "config.json").write_text((trained[1] / "config.json").read_text())
        marks.append(Tab(tmp_path).get("/run", run=run.name)["mark"])
        shutil.rmtree(run)
    assert marks[0] != marks[1]


def test_the_labels_of_a_run_are_read_with_its_data(mnist, tmp_path, monkeypatch):
    from tf2gan.board import explorer

    monkeypatch.setattr(explorer, "find_classifier", lambda data: None)
    for i in range(20):
        write_png(tmp_path / f"{i:02}.png", mnist.images[i, ..., 0])
    (tmp_path / "odd.csv").write_text("".join(f"{i:02},{'ab'[i % 2]}\n" for i in range(20)))
    for labels, names in (("odd.csv", ("a", "b")), (None, ())):
        config = TrainConfig(data=str(tmp_path), labels=labels)
        source = explorer.Explored(*load_pretrained("mnist"), config).source
        data, _, _ = explorer._read(source)
        assert data.class_names == names
