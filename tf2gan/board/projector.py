"""What TensorBoard's Projector tab shows."""

from pathlib import Path

import numpy as np
from tensorboard.plugins import projector

from tf2gan.data.images import tile_grid, write_png
from tf2gan.utils.files import replacing
from tf2gan.utils.messages import shown


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
