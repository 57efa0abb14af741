"""Everything that goes to TensorBoard."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from tf2gan.data.images import tile_grid, write_png
from tf2gan.utils.files import replacing
from tf2gan.utils.messages import shown

DESCRIPTIONS = {
    "loss/d": "D's binary cross-entropy over real and generated images; 0.69 is a guess",
    "loss/g": "G's binary cross-entropy, non-saturating: generated images are labelled real",
    "score/real": "the probability of *real* that D gives to real images, on average",
    "score/fake": "the probability of *real* that D gives to generated images, on average",
    "accuracy/real": "the share of real images, all of the training set, that D classifies rightly",
    "accuracy/fake": "the share of generated images that D classifies rightly",
    "gradient_norm/d": "the global norm of D's gradients",
    "gradient_norm/g": "the global norm of G's gradients",
    "augmentation/probability": "the probability of each kind of augmentation",
    "augmentation/overfitting": "the mean sign of D's logits of real images as D sees them, which "
    "adaptive augmentation follows; 1: D is always right about them",
    "overfitting/held_out": "how far D overfits: 0 where it takes held-out images for as real as "
    "training images, 1 where it takes them for generated ones",
    "speed/images_per_second": "real images trained on in a second",
    "quality/frechet": "Frechet distance of classifier features, of up to 10,000 generated and as "
    "many held-out images; lower is better",
    "quality/frechet_floor": "the same distance of real training images: a perfect generator's",
    "quality/kid": "kernel inception distance (KID) with the same features, about 0 for a perfect "
    "generator at any number of images; believe it where there are less than 500",
    "quality/precision": "the share of generated images that lie among real ones",
    "quality/precision_floor": "the same share of real training images",
    "quality/recall": "the share of real images that lie among generated ones: diversity; it falls "
    "with mode dropping",
    "quality/recall_floor": "the same share, real training images in place of generated ones",
    "quality/class_entropy": "entropy of the classes of generated images, in bits; it falls with "
    "mode collapse",
    "samples/fixed": "the same 64 latents for the whole run",
    "samples/real": "the first images of the data",
    "samples/nice": "of 1,280 samples the 64 that D finds most real, best first",
    "samples/worst": "of the same 1280 the 64 that D finds least real, worst last",
    "samples/interpolation": "each row interpolates from one latent to the next; "
    "the last row leads back to the first",
    "samples/by_class": "a row for each class: samples that the classifier takes for it with a "
    "probability of 90 % or more",
    "samples/nearest": "samples in odd columns, "
    "their nearest training image (by features) to their right",
    "histogram/score_real": "the probability of *real* that D gives to real images "
    "it was not trained on, where there are any",
    "histogram/score_fake": "the probability of *real* that D gives to generated images",
}
CHARTS = {  # category: chart: tags
    "Training": {
        "losses": ["loss/d", "loss/g"],
        "D's score of real and generated images": ["score/real", "score/fake"],
        "D's accuracy": ["accuracy/real", "accuracy/fake"],
        "gradient norms": ["gradient_norm/d", "gradient_norm/g"],
        "D's overfitting": [
            "overfitting/held_out",
            "augmentation/overfitting",
            "augmentation/probability",
        ],
    },
    "Quality": {
        "Frechet distance and its floor": ["quality/frechet", "quality/frechet_floor"],
        "KID": ["quality/kid"],
        "precision, recall and real images'": [
            "quality/precision",
            "quality/precision_floor",
            "quality/recall",
            "quality/recall_floor",
        ],
    },
}
STEERED = ("augmentation/probability", "augmentation/overfitting")  # where augmentation is adaptive
HELD_OUT = ("overfitting/held_out",)  # where there are held-out images
OUTCOMES = ("quality/frechet", "quality/precision", "quality/recall", "speed/images_per_second")


def charts_without(absent):
    """`CHARTS` without some tags, and without charts that have no others."""
    left = {
        category: {
            title: [tag for tag in tags if tag not in absent] for title, tags in charts.items()
        }
        for category, charts in CHARTS.items()
    }
    return {
        category: {title: tags for title, tags in charts.items() if tags}
        for category, charts in left.items()
    }


class Summaries:
    """Writes the event file of one run; every call names its step."""

    def __init__(self, run):
        self._writer = tf.summary.create_file_writer(str(run))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._writer.close()

    def scalars(self, values, step):
        """Writes a dict of tag -> number."""
        with self._writer.as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value, description=DESCRIPTIONS.get(tag))

    def grid(self, tag, images, step, columns=None):
        """Writes uint8 images `[N, H, W, C]` as one picture: TensorBoard shows three at most."""
        with self._writer.as_default(step):
            picture = np.atleast_3d(tile_grid(images, columns))
            tf.summary.image(tag, picture[np.newaxis], description=DESCRIPTIONS.get(tag))

    def histograms(self, values, step):
        """Writes a dict of tag -> array of numbers, at most 100,000 of each, evenly spread.

        Sorting a number into a bucket takes TensorBoard 240 bytes.
        """
        with self._writer.as_default(step):
            for tag, value in values.items():
                numbers = np.ravel(value)[:: 1 + np.size(value) // 100_000]
                tf.summary.histogram(tag, numbers, description=DESCRIPTIONS.get(tag))

    def begin(self, name, settings, graph, absent=()):
        """Writes what the run is: charts of several curves, an HParams row, the traced graph.

        `absent` are tags that the run will not have.
        """
        categories = [
            layout_pb2.Category(
                title=category,
                chart=[
                    layout_pb2.Chart(
                        title=title,
                        multiline=layout_pb2.MultilineChartContent(
                            tag=[f"^{tag}$" for tag in tags]
                        ),
                    )
                    for title, tags in charts.items()
                ],
            )
            for category, charts in charts_without(absent).items()
        ]
        layout = custom_scalar.pb(layout_pb2.Layout(category=categories))
        with self._writer.as_default(0):
            tf.summary.experimental.write_raw_pb(layout.SerializeToString())
            # The tab opens with five columns, by the alphabet where more are named.
            columns = [hp.HParam(setting) for setting in list(settings)[:5]]
            hp.hparams_config(columns, [hp.Metric(tag) for tag in OUTCOMES])
            hp.hparams(settings, trial_id=name)
            tf.summary.graph(graph)

    def end(self, step):
        """Marks the run's row in the HParams tab as finished."""
        finished = hparams_summary.session_end_pb(api_pb2.STATUS_SUCCESS)
        with self._writer.as_default(step):
            tf.summary.experimental.write_raw_pb(finished.SerializeToString())

    def text(self, tag, text, step):
        """Writes text as it stands, in a fixed-width font."""
        text = text.encode("utf-8", "backslashreplace").decode()  # a name that is no text in UTF-8
        indented = "\n".join("    " + line for line in text.splitlines())
        with self._writer.as_default(step):
            tf.summary.text(tag, indented)

    def flush(self):
        """Brings the event file up to now, before a checkpoint, so that no curve lags behind it."""
        self._writer.flush()


EVALUATED = "samples/interpolation"  # the tag that an evaluation writes last


def was_evaluated(run, step):
    """Whether the event files of a run hold an evaluation of a step, whole."""
    return any(
        event.step == step and any(value.tag == EVALUATED for value in event.summary.value)
        for path in Path(run).glob("events.out.tfevents.*")
        for event in _events(path)
    )


def _events(path):
    """The events of a file, up to where a kill cut it in the middle of a record."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record)
    except tf.errors.DataLossError:
        pass


def drop_after(run, step, *, but=None):
    """Removes from the event files of a run what it wrote after `step`, before it was stopped.

    Of `step` itself only the tags in `but` stay, if they are given.

    Those steps come again: without this the curves would fold back and show them twice. A file that
    a kill cut in the middle of a record ends before that record. For step 0 nothing is kept.
    """
    for path in sorted(Path(run).glob("events.out.tfevents.*")):
        if step == 0:
            path.unlink()
            continue
        with replacing(path) as partial, tf.io.TFRecordWriter(str(partial)) as writer:
            for event in _events(path):
                tags = {value.tag for value in event.summary.value}
                last = but is not None and event.step == step and not tags <= set(but)
                if event.step <= step and not last:
                    writer.write(event.SerializeToString())


def summary_text(model):
    """Returns what `model.summary()` prints."""
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines)


def write_projector(run, features, labels, images):
    """Writes what TensorBoard's Projector tab shows: points with a label and a small picture each.

    Args:
      run: the run folder; the files lie in its `projector`.
      features: `[N, F]`.
      labels: a pair (kind, class) of strings for each point.
      images: uint8 `[N, H, W, C]`.
    """
    folder = Path(run) / "projector"
    folder.mkdir(exist_ok=True)
    rows = {
        "features.tsv": ["\t".join(f"{value:.4g}" for value in point) for point in features],
        "metadata.tsv": ["kind\tclass", *("\t".join(map(shown, label)) for label in labels)],
    }
    for name, lines in rows.items():
        with replacing(folder / name) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_png(folder / "sprites.png", tile_grid(images, int(np.ceil(np.sqrt(len(images))))))
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="classifier features",
        tensor_path="projector/features.tsv",
        metadata_path="projector/metadata.tsv",
    )
    embedding.sprite.image_path = "projector/sprites.png"
    embedding.sprite.single_image_dim.extend(images.shape[2:0:-1])  # width first
    projector.visualize_embeddings(str(run), config)
