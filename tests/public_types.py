"""The public names as an editor sees them: `python -m mypy` checks this file, nothing runs it."""

from pathlib import Path
from typing import assert_type

import keras
import numpy as np

import tf2gan

config = tf2gan.TrainConfig(recipe="modern", image_size=(32, 32), recipe_values={"shift": 4})
assert_type(config.seed, int)
assert_type(config.size, tuple[int, int])
images = np.zeros((100, 28, 28), np.uint8)
assert_type(tf2gan.train(config, "runs/", images=images, labels=[0] * 100), Path | None)
assert_type(tf2gan.resume(Path("runs/00000-mnist-classic"), epochs=3), Path | None)
assert_type(tf2gan.build_generator((28, 32), 3, seed=0), keras.Sequential)
assert_type(tf2gan.build_discriminator("28x32"), keras.Sequential)
generator, discriminator = tf2gan.load_run("runs/00000-mnist-classic")
assert_type(tf2gan.load_pretrained("mnist"), tuple[keras.Sequential, keras.Sequential])
tf2gan.load_weights(generator, "generator")
gan = tf2gan.GAN(config, total_steps=1000)
assert_type(gan.generator, keras.Sequential)
try:
    print(gan.train_step(images, images, images)["loss/d"])
except (tf2gan.UsageError, tf2gan.DataError, tf2gan.Tf2ganError) as error:
    assert_type(error.exit_status, int)

tf2gan.TrainConfig(seed="zero")  # type: ignore[arg-type]
tf2gan.TrainConfig(sead=0)  # type: ignore[call-arg]
tf2gan.build_generator(size=28)  # type: ignore[call-arg]
tf2gan.train(config)  # type: ignore[call-arg]
