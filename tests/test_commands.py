"""The two command lines, as a person types them."""

import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import flags

import generate
import train
from tf2gan.data.images import read_png
from tf2gan.runs import checkpoints, folders
from tf2gan.runs.folders import create_run, find_run, resume_command
from tf2gan.utils import command_line as commands
from tf2gan.utils.errors import UsageError

NO_TENSORFLOW = """
import sys
sys.modules['tensorflow'] = sys.modules['keras'] = None  # importing either fails
import {script}
{script}.main({args!r})
"""


@pytest.mark.parametrize(
    "script, args, status, said",
    [
        ("train", ["--help"], 0, "--checkpoint-every"),
        ("generate", ["--help"], 0, "--discriminator-weights"),
        ("train", ["--epoch", "3"], 2, "--epochs?"),
        ("generate", ["--weights", "nowhere"], 2, "nowhere is no file"),
    ],
)
def test_what_is_wrong_is_said_before_tensorflow_is_imported(python, script, args, status, said):
    """All of it is in tests/test_bad_input.py; here by processes as a person starts them."""
    result = python("-c", NO_TENSORFLOW.format(script=script, args=args))
    assert result.returncode == status, result.stderr
    assert said in " ".join((result.stdout + result.stderr).split())
    if status:
        assert result.stdout == "" and result.stderr.count("\n") == 1


def test_from_nothing_to_digits(python, small, tmp_path):
    """The three commands of the README on a small scale, through real processes."""
    result = python("train.py", "--logdir", tmp_path, *flags(small))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("step ")] == [
        "2/6",
        "3/6",
        "4/6",
        "6/6",
    ]
    assert "\b" not in result.stdout and "\r" not in result.stdout  # no bar in a log
    result = python("generate.py", "--logdir", tmp_path, "--nice", "--batch", 4)
    assert result.returncode == 0, result.stderr
    picture = tmp_path / "00000-digits-classic" / "generated_image.png"
    assert result.stdout.splitlines()[-1] == str(picture)
    assert read_png(picture).shape == (56, 56)


def test_dry_run_makes_nothing(small, tmp_path, capsys):
    train.main(["--logdir", str(tmp_path / "runs"), "--dry-run", *flags(small)])
    shown = capsys.readouterr().out.splitlines()
    assert "data: 40 training images 28x28x1, 10 classes, 0 test images" in shown
    assert "plan: 6 steps, classic" in shown
    assert not list(tmp_path.iterdir())


def test_dry_run_shows_the_first_images(small, mnist, tmp_path, capsys):
    out = tmp_path / "first.png"
    words = ["--logdir", str(tmp_path / "runs"), "--dry-run", "--out", str(out)]
    train.main([*words, *flags({**small, "color_mode": "rgb"})])
    shown = capsys.readouterr().out.splitlines()
    assert "data: 40 training images 28x28x3, 10 classes, 0 test images" in shown
    assert shown[-1] == str(out) and list(tmp_path.iterdir()) == [out]
    assert np.array_equal(read_png(out)[:28, :28], np.repeat(mnist.images[0], 3, 2))


def test_resume_on_the_command_line(small, tmp_path, capsys):
    train.main(["--logdir", str(tmp_path), *flags(small), "--steps=2"])
    train.main(["--logdir", str(tmp_path), "--resume", "--steps", "3"])
    run = tmp_path / "00000-digits-classic"
    assert checkpoints.checkpoint_steps(run) == [2, 3]
    with pytest.raises(SystemExit) as stopped:
        train.main(["--logdir", str(tmp_path), "--resume", "00000", "--batch", "9"])
    assert stopped.value.code == 2 and "--batch 9 contradicts" in capsys.readouterr().err
    train.main(
        ["--logdir", str(tmp_path), *flags(small), "--steps=1"]
    )  # a second run gets a second folder
    assert "00001-digits-classic" in capsys.readouterr().out


def generate_npy(trained, tmp_path, *args):
    out = tmp_path / "a.npy"
    generate.main(["--logdir", str(trained[0]), "--out", str(out), *args])
    return np.load(out)


def test_generate_from_a_run(trained, tmp_path):
    five = generate_npy(trained, tmp_path, "--batch", "5", "--seed", "9")
    assert five.shape == (5, 28, 28) and five.dtype == np.uint8
    assert np.array_equal(
        five, generate_npy(trained, tmp_path, "--batch", "130", "--seed", "9")[:5]
    )
    assert np.array_equal(
        five, generate_npy(trained, tmp_path, "--batch", "5", "--seed", "9", "--run", "00000")
    )
    assert np.array_equal(
        five, generate_npy(trained, tmp_path, "--batch", "5", "--seed", "9", "--run", "0")
    )
    earlier = generate_npy(trained, tmp_path, "--batch", "5", "--seed", "9", "--checkpoint", "4")
    assert not np.array_equal(five, earlier)


def test_generate_from_weights(trained, tmp_path, monkeypatch):
    run = trained[1]
    files = [
        "--weights",
        str(run / "generator.keras"),
        "--discriminator-weights",
        str(run / "discriminator.keras"),
    ]
    nice = generate_npy(trained, tmp_path, "--nice", "--batch", "3")
    assert np.array_equal(nice, generate_npy(trained, tmp_path, "--nice", "--batch", "3", *files))
    monkeypatch.chdir(tmp_path)
    generate.main(files[:2])
    assert read_png(tmp_path / "generated_image.png").shape == (7 * 28, 5 * 28)


@pytest.mark.parametrize(
    "args, said",
    [
        (["--run", "nope"], "no run 'nope'"),
        (["--checkpoint", "5"], "choose best, latest or 4, 6"),
        (
            ["--checkpoint", "best"],
            "has no best checkpoint: its quality was not measured; choose latest",
        ),
        (["--select", "rejection"], "the data set has no test set; use nice"),
        (["--out", "a.jpg"], "a.jpg ends in .jpg"),
        (["--discriminator-weights", "README.md"], "goes with a file of weights"),
        (["--weights", "README.md"], "README.md holds no weights of the generator"),
    ],
)
def test_generate_refuses(trained, capsys, args, said):
    with pytest.raises(SystemExit) as stopped:
        generate.main(["--logdir", str(trained[0]), *args])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and said in error and error.count("\n") == 1


def test_a_disk_that_refuses_an_image_is_one_line(trained, tmp_path, monkeypatch, capsys):
    def full(*paths):
        raise OSError(28, "No space left on device", "a.png")

    monkeypatch.setattr(os, "replace", full)
    words = ["--run", str(trained[1]), "--batch", "1", "--out", str(tmp_path / "a.png")]
    with pytest.raises(SystemExit) as stopped:
        generate.main(words)
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: No space left on device (a.png)\n"
    with pytest.raises(OSError):
        generate.main([*words, "--debug"])


def test_debug_shows_the_traceback():
    with pytest.raises(UsageError):
        generate.main(["--batch", "0", "--debug"])


def test_run_folders_are_numbered_and_found(tmp_path):
    for folder in ("00007-old", "notes", "123-x"):
        (tmp_path / folder).mkdir()
    run = create_run(tmp_path, "a b/c", "{}")
    assert run.name == "00008-a_b_c"
    assert find_run(tmp_path, checkpoint=False) == run
    (tmp_path / "00008-a_b_c" / "checkpoints" / "ckpt-2_temp").mkdir(parents=True)
    (
        tmp_path / "00008-a_b_c" / "checkpoints" / "ckpt-2_temp" / "part-00000-of-00001.index"
    ).touch()  # a save cut short
    (tmp_path / "00007-old" / "checkpoints").mkdir()
    (tmp_path / "00007-old" / "checkpoints" / "ckpt-1.index").touch()
    assert find_run(tmp_path).name == "00007-old"  # the newest with a checkpoint
    with pytest.raises(UsageError, match="has no checkpoint yet"):
        find_run(tmp_path, "00008")
    assert (
        resume_command(tmp_path / "00007-old")
        == f"python train.py --logdir {tmp_path} --resume 00007-old"
    )
    assert (
        resume_command(tmp_path / "notes") == f"python train.py --resume {tmp_path / 'notes'}"
    )  # it has no number


def test_a_printed_command_is_quoted_as_the_system_wants_it(monkeypatch):
    assert folders.quoted(["--logdir", "a b"]) == "--logdir 'a b'"
    monkeypatch.setattr(folders, "os", SimpleNamespace(name="nt"))
    assert folders.quoted(["--logdir", "C:\\a b", "x"]) == '--logdir "C:\\a b" x'


def test_progress_bar_on_a_terminal(monkeypatch, capsys):
    from tf2gan.training.progress import Progress

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with Progress(10, 30, batch=8) as progress:
        assert progress.show_window(20, {"loss/d": 0.5, "loss/g": 0.7}) > 0
        print("of interest")
    shown = capsys.readouterr().out
    assert re.fullmatch(r"steps \d+\.\d s; around them \d+\.\d s \(\d+\.\d%\)", progress.costs())
    words = ("training", "50%", "20/30", "loss/d 0.5", "images/s", "of interest")
    assert all(word in shown for word in words)


@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(
    "label, status, said",
    [
        ("12", 2, "--label is '12'; the classes of digits are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        ("7", 1, "candidates were of class 7 with a probability of at least 90%"),  # four steps old
    ],
)
def test_a_class_that_cannot_be_had_is_one_line(measured, tmp_path, capsys, label, status, said):
    out = tmp_path / "a.png"
    with pytest.raises(SystemExit) as stopped:
        generate.main(["--run", str(measured), "--label", label, "--out", str(out)])
    error = capsys.readouterr().err
    assert stopped.value.code == status and said in error and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.xdist_group("measured")
def test_images_of_one_class_from_a_run(measured, mnist, tmp_path, capsys, monkeypatch):
    """The generator is made to draw real digits, which the data's own classifier tells apart."""
    from tf2gan.sampling import sampler as sampling

    def blocks(self, count, seed, use=sampling.SAMPLES, *, bar=None):
        for start in range(0, count, 128):
            yield mnist.images[start : start + 128], np.zeros(128)

    monkeypatch.setattr(sampling.Sampler, "blocks", blocks)
    out = tmp_path / "sevens.npy"
    generate.main(["--run", str(measured), "--label", "7", "--batch", "40", "--out", str(out)])
    sevens, shown = mnist.images[mnist.labels == 7][..., 0], capsys.readouterr().out
    found = np.load(out)
    assert len(found) == 40 and "candidates are of class 7" in shown
    assert np.mean([np.any(np.all(sevens[:100] == image, (1, 2))) for image in found]) > 0.95


def test_start_up_notices_are_held_back_and_warnings_are_not(capfd):
    """Of what TensorFlow writes itself, not by Python."""
    notices = [
        "I0000 00:00:1 port.cc:153] oneDNN custom operations are on.",
        "E0000 00:00:1 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
        "W0000 00:00:1 gpu_bfc_allocator.cc:47] Overriding orig_value setting because the "
        "TF_FORCE_GPU_ALLOW_GROWTH environment variable is set.",
    ]
    warning = "W0000 00:00:1 gpu_device.cc:2365] Cannot dlopen some GPU libraries.\n"
    commands.import_tensorflow(lambda: os.write(2, "\n".join([*notices, warning]).encode()))
    assert capfd.readouterr().err == warning
