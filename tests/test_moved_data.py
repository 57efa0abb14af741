"""A run knows its data by their content: it resumes wherever they have moved, and on no others."""

import json
import os
import shutil

import numpy as np
import pytest
from conftest import ROOT, saved_state
from PIL import Image

import tf2gan
from tf2gan.cli import train
from tf2gan.settings.config import TrainConfig
from tf2gan.utils.errors import DataError


def write_png(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def moved(small, digits, tmp_path, monkeypatch):
    """(the run, moved to another folder; its data, renamed), made with paths as people type."""
    (tmp_path / "here").mkdir()
    shutil.copy(digits, tmp_path / "here" / "digits.npz")
    monkeypatch.chdir(tmp_path / "here")
    run = tf2gan.train(TrainConfig(**{**small, "data": "digits.npz", "steps": 3}), "runs")
    monkeypatch.chdir(tmp_path)
    assert tf2gan.resume(f"here/{run}", steps=4)  # from another folder
    (tmp_path / "here" / "digits.npz").rename(tmp_path / "renamed.npz")
    (tmp_path / "there").mkdir()
    return (tmp_path / "here" / run).rename(tmp_path / "there" / run.name), tmp_path / "renamed.npz"


def test_one_command_resumes_it_bit_for_bit(moved, trained, capsys):
    run, data = moved
    with pytest.raises(SystemExit):
        train.main(["--logdir", str(run.parent), "--resume", "--steps=6"])
    said = capsys.readouterr().err
    assert "digits.npz is not there, and the run was trained on it" in said and "--data" in said
    train.main(["--logdir", str(run.parent), "--resume", "--steps=6", "--data", str(data)])
    assert saved_state(run, 6) == saved_state(trained[1], 6)
    assert tf2gan.resume(run, steps=7) == run  # it has written down where they are


def test_from_python_too(moved, trained):
    run, data = moved
    assert saved_state(tf2gan.resume(run, data=data, steps=6), 6) == saved_state(trained[1], 6)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x, y: (x[:32], y[:32]), "40 images then, 32 now"),
        (lambda x, y: (x, np.minimum(y, 7)), "10 classes then, 8 now"),
        (lambda x, y: (x[::-1], y[::-1]), "as many images, but not the same pixels"),
    ],
)
def test_other_data_are_refused_and_nothing_is_changed(moved, mnist, tmp_path, change, said):
    run, _ = moved
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    x, y = change(mnist.images[:40], mnist.labels[:40])
    np.savez(tmp_path / "other.npz", x_train=x, y_train=y)
    with pytest.raises(DataError, match=said) as error:
        tf2gan.resume(run, data=tmp_path / "other.npz", steps=6)
    assert "\n" not in str(error.value) and "--start-from" in str(error.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_another_test_set_is_refused(moved, mnist, tmp_path):
    """Quality and the best checkpoint would compare two rulers."""
    run, data = moved
    with np.load(data) as arrays:
        given = dict(arrays)
    given["x_test"], given["y_test"] = mnist.images[40:45], mnist.labels[40:45]
    np.savez(data, **given)
    with pytest.raises(DataError, match="test images then, 5 now"):
        tf2gan.resume(run, data=data, steps=6)


def test_a_run_without_a_fingerprint_resumes_with_a_line(moved, trained, capsys):
    run, data = moved
    config = json.loads((run / "config.json").read_text())
    del config["data_fingerprint"]
    (run / "config.json").write_text(json.dumps(config))
    assert saved_state(tf2gan.resume(run, data=data, steps=6), 6) == saved_state(trained[1], 6)
    assert f"{data} is taken for the data of this run, which has no" in capsys.readouterr().out
    assert TrainConfig.read(run).data_fingerprint["images"] == 40


def test_a_tilde_is_the_home_and_any_letter_can_be_shown(small, tmp_path, python):
    """As `--logdir=~/runs`, which no shell expands; on a console that lacks letters of the name."""
    home = tmp_path / "Ω"
    home.mkdir()
    flags = ["--logdir=~/läufe", f"--data={small['data']}", "--steps=1", "--batch=8"]
    told = python(
        "train.py", *flags, "--evaluate-every=0", HOME=str(home), PYTHONIOENCODING="ascii:strict"
    )
    assert told.returncode == 0, told.stderr
    assert "läufe" in os.listdir(home) and not (ROOT / "~").exists()
    assert "\\u03a9" in told.stdout


def test_a_table_of_labels_is_found_from_any_folder_and_where_it_has_moved(
    small, mnist, tmp_path, monkeypatch
):
    for i, image in enumerate(mnist.images[:40]):
        write_png(tmp_path / "pictures" / f"{i:02}.png", image[..., 0])
    rows = [f"{i:02},{label}" for i, label in enumerate(mnist.labels[:40])]
    (tmp_path / "lab.csv").write_text("name,label\n" + "\n".join(rows))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    config = {**small, "data": "pictures", "labels": "lab.csv", "steps": 2, "evaluate_every": 0}
    run = tf2gan.train(TrainConfig(**config), tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "other")
    assert tf2gan.resume(run, steps=3)
    (tmp_path / "lab.csv").rename(tmp_path / "other" / "moved.csv")
    words = ["--logdir", str(run.parent), "--resume", "--steps=4", "--labels", "moved.csv"]
    train.main(words)
    assert TrainConfig.read(run).labels == str(tmp_path / "other" / "moved.csv")
    assert tf2gan.resume(run, steps=5)
    text = (tmp_path / "other" / "moved.csv").read_text()
    (tmp_path / "other" / "moved.csv").write_text(text.replace("00,5", "00,1"))
    with pytest.raises(DataError, match="not what the run was trained on"):
        tf2gan.resume(run, steps=6)


def test_auto_leaves_a_finished_run_whose_data_are_gone(moved, tmp_path, capsys):
    run, _ = moved
    words = ["--logdir", str(run.parent), "--resume", "auto"]
    train.main(words)
    assert f"{run} is finished: 4 of 4 steps" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        train.main([*words, "--steps=6"])
    assert "is not there, and the run was trained on it" in capsys.readouterr().err


def test_auto_passes_over_a_run_that_cannot_be_resumed(moved, small, capsys):
    run, data = moved
    (run.parent / "00007-damaged").mkdir()
    (run.parent / "00007-damaged" / "config.json").write_text("{")
    words = ["--logdir", str(run.parent), "--resume", "auto", "--steps=6", "--data", str(data)]
    train.main(words)
    said = capsys.readouterr()
    assert "00007-damaged" in said.err and "is passed over" in said.err
    assert "step 6/6" in said.out
