"""Each exported file against the Keras model, in the library that it is for.

python -m pytest -m slow tests/test_export.py
"""

import numpy as np
import pytest
import tensorflow as tf

from tf2gan import export as exporting
from tf2gan.data.images import to_pixels
from tf2gan.networks.models import build_generator
from tf2gan.utils.errors import UsageError

pytestmark = pytest.mark.slow
LATENTS = np.random.default_rng(0).uniform(-1, 1, (5, 100)).astype(np.float32)


def of_saved_model(path):
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    return served(latents=tf.constant(LATENTS))["images"].numpy()


def of_onnx(path):
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    assert [i.name for i in session.get_inputs()] == ["latents"]
    return session.run(["images"], {"latents": LATENTS})[0]


def of_litert(path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(path))
    return interpreter.get_signature_runner()(latents=LATENTS)["images"]


@pytest.mark.parametrize(
    "name, run, output, image_size, channels",
    [
        ("folder", of_saved_model, "uint8", 28, 1),
        ("folder", of_saved_model, "float32", (12, 16), 3),
        ("g.onnx", of_onnx, "uint8", 12, 1),
        ("g.onnx", of_onnx, "float32", 12, 3),
        ("g.tflite", of_litert, "uint8", 12, 3),
        ("g.tflite", of_litert, "float32", 12, 1),
    ],
)
def test_it_makes_the_same_images(tmp_path, name, run, output, image_size, channels):
    generator = build_generator(image_size, channels, seed=0)
    exporting.export(generator, tmp_path / name, output=output)
    expected = generator(LATENTS, training=False).numpy()
    images = run(tmp_path / name)
    assert images.dtype == output and images.shape == expected.shape
    if output == "uint8":
        assert np.abs(images.astype(int) - to_pixels(expected)).max() <= 1
        assert images.std() > 20  # not all of one grey
    else:
        np.testing.assert_allclose(images, expected, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_command_takes_a_run_and_the_packages_networks(trained, tmp_path, capsys):
    for what in (str(trained[1]), "mnist"):
        exporting.main([what, "--to", str(tmp_path / what[-5:])])
        said = capsys.readouterr().out
        assert "float32 [N, 100] in [-1, 1] -> images, uint8 [N, 28, 28, 1], 0 to 255" in said
        assert of_saved_model(tmp_path / what[-5:]).shape == (5, 28, 28, 1)


def test_what_is_there_stays(tmp_path):
    (tmp_path / "g.onnx").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        exporting.check_to(tmp_path / "g.onnx")
    assert (tmp_path / "g.onnx").read_text() == "mine"


def test_a_missing_library_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match='.onnx needs tf2onnx: pip install "tf2gan.export."'):
        exporting.check_to(tmp_path / "g.onnx")
    assert exporting.check_to(tmp_path / "g.tflite") == "litert"  # TensorFlow writes it itself
