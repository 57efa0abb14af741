"""What TensorBoard and scripts get beside the losses.

Quality, chosen samples, histograms, the row of a run.
"""

import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.board.summaries import DESCRIPTIONS, HELD_OUT, STEERED, charts_without
from tf2gan.data.images import read_png, tile_grid, to_pixels, to_unit
from tf2gan.sampling.sampler import Sampler, plain, sample_latents
from tf2gan.settings.config import TrainConfig

pytestmark = pytest.mark.xdist_group("measured")


@pytest.fixture(scope="module")
def events(measured):
    return EventAccumulator(str(measured), size_guidance={"tensors": 0}).Reload()


def test_every_tag_has_its_description_and_every_description_its_tag(events):
    tags = set(events.Tags()["tensors"])
    assert set(DESCRIPTIONS) - tags == set(HELD_OUT)  # test_quality.py has a run with them
    for tag in set(DESCRIPTIONS) & tags:
        assert events.SummaryMetadata(tag).summary_description == DESCRIPTIONS[tag]
    others = {
        tag for tag in tags - set(DESCRIPTIONS) if not tag.startswith(("weights_", "gradients_"))
    }
    assert others == {
        "config",
        "command",
        "versions",
        "generator",
        "discriminator",
        "custom_scalars__config__",
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }


def test_the_charts_name_tags_that_exist(events):
    (event,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(make_ndarray(event.tensor_proto).item())
    charts = {
        chart.title: [tag.strip("^$") for tag in chart.multiline.tag]
        for c in layout.category
        for chart in c.chart
    }
    assert charts == {
        title: tags
        for category in charts_without(HELD_OUT).values()
        for title, tags in category.items()
    }
    assert "D's overfitting" not in charts_without((*STEERED, *HELD_OUT))["Training"]
    assert {tag for tags in charts.values() for tag in tags} <= set(events.Tags()["tensors"])


def test_the_traced_graph_is_there(events):
    assert events.Tags()["graph"]
    assert b"Conv2D" in events.Graph().SerializeToString()


def picture(events, tag):
    width, height, *_ = make_ndarray(events.Tensors(tag)[-1].tensor_proto)[:2]
    return int(width), int(height)


def tiles(events, tag, folder):
    """The images of a grid, `[N, 28, 28, 1]`."""
    encoded = make_ndarray(events.Tensors(tag)[-1].tensor_proto)[2]
    (folder / "grid.png").write_bytes(encoded)
    grid = read_png(folder / "grid.png")
    rows, columns = (side // 28 for side in grid.shape)
    return grid.reshape(rows, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28, 1)


def test_pictures_have_their_size(events):
    for tag in ("fixed", "real", "nice", "worst", "interpolation", "nearest"):
        assert picture(events, f"samples/{tag}") == (8 * 28, 8 * 28), tag


def test_a_row_of_generated_images_for_each_class(events, measured, tmp_path):
    assert picture(events, "samples/by_class") == (10 * 28, 10 * 28)
    generator, _ = tf2gan.load_run(measured)
    samples = plain(Sampler(generator), 1280, seed=3).astype(int)
    shown = [image for image in tiles(events, "samples/by_class", tmp_path) if image.any()]
    assert shown
    for image in shown:
        assert np.abs(samples - image).max((1, 2, 3)).min() <= 1


def test_histograms_count_what_they_show(events):
    for tag in ("histogram/score_real", "histogram/score_fake"):
        buckets = make_ndarray(events.Tensors(tag)[0].tensor_proto)
        assert buckets[:, 2].sum() == 1280 and buckets[0, 0] >= 0 and buckets[-1, 1] <= 1
    for network, variables in (("generator", 10), ("discriminator", 8)):
        for kind in ("weights", "gradients"):
            assert (
                sum(tag.startswith(f"{kind}_{network}/") for tag in events.Tags()["tensors"])
                == variables
            )


def test_the_grids_over_the_run_are_the_averaged_generators(measured):
    generator, _ = tf2gan.load_run(measured)
    expected = tile_grid(to_pixels(generator(sample_latents(64, seed=3), training=False)))
    shown = read_png(measured / "samples" / "step-000004.png").astype(int)
    assert np.abs(shown - expected).max() <= 1


def test_the_discriminator_chooses_the_nice_and_the_worst(events, measured, tmp_path):
    """And the histogram of generated images has both at its ends."""
    _, discriminator = tf2gan.load_run(measured)
    scores = {}
    for kind in ("nice", "worst"):
        images = tiles(events, f"samples/{kind}", tmp_path).astype(np.float32)
        scores[kind] = discriminator(to_unit(images), training=False).numpy()
    assert scores["nice"].min() > scores["worst"].max()
    buckets = make_ndarray(events.Tensors("histogram/score_fake")[-1].tensor_proto)
    ends = scores["worst"].min(), scores["nice"].max()
    np.testing.assert_allclose((buckets[0, 0], buckets[-1, 1]), ends, rtol=1e-3)


def test_the_projector_has_a_picture_and_a_label_for_every_point(measured):
    folder = measured / "projector"
    features = np.loadtxt(folder / "features.tsv")
    labels = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    assert features.shape == (1000, 64) and len(labels) == 1001 and labels[0] == ["kind", "class"]
    assert [kind for kind, _ in labels].count("generated") == 500
    assert read_png(folder / "sprites.png").shape == (32 * 28, 32 * 28)
    assert "projector/features.tsv" in (measured / "projector_config.pbtxt").read_text()


def test_figures_for_scripts(measured, events):
    figures = json.loads((measured / "summary.json").read_text())
    assert (
        figures["step"] == 4 and figures["recipe"] == "modern" and figures["images_per_second"] > 0
    )
    measured = {
        event.step: float(make_ndarray(event.tensor_proto))
        for event in events.Tensors("quality/frechet")
    }
    assert measured[4] == pytest.approx(figures["quality"]["frechet"], rel=1e-6)
    best = min(measured, key=measured.get)
    assert figures["best"]["step"] == best
    assert figures["best"]["frechet"] == pytest.approx(measured[best], rel=1e-6)
    assert figures["best"]["ruler"] == figures["quality"]["ruler"]
    assert figures["quality"]["count"] == 1000 and len(figures["quality"]["histogram"]) == 10


def test_the_time_lapse_shows_the_same_latents_over_the_run(trained):
    samples = trained[1] / "samples"
    grids = [read_png(samples / f"step-00000{step}.png").astype(int) for step in (0, 3, 6)]
    with Image.open(samples / "timelapse.gif") as lapse:
        assert lapse.n_frames == 3 and lapse.size == (8 * 28, 8 * 28) and lapse.info["loop"] == 0
        for frame in range(3):
            lapse.seek(frame)
            shown = np.asarray(lapse.convert("L")).astype(int)
            apart = [np.abs(shown - grid).mean() for grid in grids]
            assert np.argmin(apart) == frame and np.abs(shown - grids[frame]).max() <= 8


def test_without_figures_there_are_pictures_still(small, tmp_path, capsys, few_samples):
    run = tf2gan.train(TrainConfig(**{**small, "evaluate_every": 9}), tmp_path)
    assert (
        "quality is not measured: digits has 40 training images, less than 100"
        in capsys.readouterr().out
    )
    tags = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload().Tags()["tensors"]
    assert (
        "samples/nice" in tags and "quality/frechet" not in tags and "samples/nearest" not in tags
    )
    assert json.loads((run / "summary.json").read_text())["quality"] is None


def test_a_profile_of_one_window(small, tmp_path):
    run = tf2gan.train(TrainConfig(**small), tmp_path, profile=True)
    assert list(run.glob("plugins/profile/*/*.xplane.pb"))
