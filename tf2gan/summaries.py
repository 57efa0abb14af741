"""Everything that goes to TensorBoard."""

from pathlib import Path

import tensorflow as tf

from tf2gan.files import replacing
from tf2gan.images import tile_grid


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
                tf.summary.scalar(tag, value)

    def grid(self, tag, images, step):
        """Writes uint8 images `[N, H, W]` as one tiled picture: TensorBoard shows three at most."""
        with self._writer.as_default(step):
            tf.summary.image(tag, tile_grid(images)[None, :, :, None])

    def text(self, tag, text, step):
        """Writes text as it stands, in a fixed-width font."""
        indented = "\n".join("    " + line for line in text.splitlines())
        with self._writer.as_default(step):
            tf.summary.text(tag, indented)

    def flush(self):
        """Brings the event file up to now: done before a checkpoint, so that no curve lags behind it."""
        self._writer.flush()


def drop_after(run, step):
    """Removes from the event files of a run what it wrote after `step`, before it was stopped.

    Those steps come again: without this the curves would fold back and show them twice. A file that
    a kill cut in the middle of a record ends before that record. For step 0 nothing is kept.
    """
    for path in sorted(Path(run).glob("events.out.tfevents.*")):
        if step == 0:
            path.unlink()
            continue
        with replacing(path) as partial, tf.io.TFRecordWriter(str(partial)) as writer:
            try:
                for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                    if tf.compat.v1.Event.FromString(record).step <= step:
                        writer.write(record)
            except tf.errors.DataLossError:
                pass


def summary_text(model):
    """Returns what `model.summary()` prints."""
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines)
