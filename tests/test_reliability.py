"""A run cannot be lost: kills, signals, damage, bad numbers, full disks, two trainers at once."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, flags, saved_state
from forked import TRAIN_WITH_FEW_SAMPLES, Forked
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.cli import train as cli
from tf2gan.quality.ruler import Quality
from tf2gan.runs import checkpoints, weights
from tf2gan.runs.checkpoints import best_figures, checkpoint_steps, restore_networks
from tf2gan.runs.folders import create_run, is_finished
from tf2gan.sampling.sampler import Sampler, plain
from tf2gan.settings.config import TrainConfig
from tf2gan.training import evaluation, faults, job, signals
from tf2gan.training import loop as training
from tf2gan.utils.errors import Stopped, Tf2ganError, UsageError
from tf2gan.utils.files import locked, replacing


def curves(run):
    """Every (tag, step, value) of the run's event files, as they lie there.

    The speed is without its value, and so are the command, and the graph and the networks'
    summaries: Keras numbers the layers of a process.
    """
    found = []
    for path in sorted(run.glob("events*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                array = make_ndarray(value.tensor)
                varies = value.tag.startswith("speed/") or value.tag in (
                    "generator",
                    "discriminator",
                    "command",
                    "__run_graph__",
                )
                found.append((value.tag, event.step, None if varies else array.tolist()))
    return found


def assert_same_run(run, whole, step):
    """What a person would find in both folders is the same: every variable, curve and picture."""
    assert saved_state(run, step) == saved_state(whole, step)
    ours, theirs = curves(run), curves(whole)
    steps = {tag: [s for t, s, _ in ours if t == tag] for tag, *_ in ours}
    assert all(s == sorted(set(s)) for s in steps.values()), "a curve folds back or repeats a step"
    assert sorted(ours, key=str) == sorted(theirs, key=str)
    for picture in (whole / "samples").iterdir():
        assert (run / "samples" / picture.name).read_bytes() == picture.read_bytes()
    for network in ("generator", "discriminator"):
        a, b = (
            keras.models.load_model(folder / f"{network}.keras").get_weights()
            for folder in (run, whole)
        )
        assert all(map(np.array_equal, a, b))
    assert not list(run.rglob("*partial*")) and not list(run.rglob("*_temp*"))


def command(*args):
    """Starts `python train.py ARGS`."""
    return Forked(ROOT / "train.py", *args, cwd=ROOT)


def first_step(process):
    """Waits until training is under way."""
    for line in process.stdout:
        if line.startswith("step "):
            return


# SIGKILL


def kill_until_done(logdir, settings, kills, rng):
    """Starts a run and kills it `kills` times, every other time in the middle of a save.

    One in four is killed as it starts up. Any other has done its first step, and is killed a few
    windows later, counted and not timed: steps are as many on a slow machine as on a fast one.
    """
    run, cut, start_up = logdir / "00000-digits-classic", 0, None
    unfinished = {1: ".partial-*", 3: "checkpoints/*_temp*"}  # a network, a checkpoint
    for killed in range(kills):
        args = ["--logdir", logdir, *(["--resume"] if run.exists() else flags(settings))]
        began = time.monotonic()
        with Forked("-c", TRAIN_WITH_FEW_SAMPLES, *args, cwd=ROOT) as process:
            if killed % 4 == 2:
                time.sleep(rng.uniform(0.2, 1) * start_up)
            else:
                first_step(process)
                start_up = time.monotonic() - began
                for _ in range(rng.randint(2, 4)):  # a checkpoint is among them
                    process.stdout.readline()
                if name := unfinished.get(killed % 4):
                    while process.poll() is None and not any(run.glob(name)):
                        time.sleep(0.001)
                time.sleep(rng.uniform(0, 0.03))
            process.kill()
        assert process.returncode == -signal.SIGKILL, (
            "the run ended before its kills; give it more steps"
        )
        assert checkpoint_steps(run), "it never came to a checkpoint"
        cut += killed % 2 and any(any(run.glob(name)) for name in unfinished.values())
    assert cut, "no kill was in the middle of a save"
    return training.resume(run)


@pytest.mark.long
@pytest.mark.parametrize("kills, steps", [(4, 24), pytest.param(60, 600, marks=pytest.mark.slow)])
def test_a_killed_run_equals_one_that_never_stopped(small, tmp_path, few_samples, kills, steps):
    settings = {
        **small,
        "steps": steps,
        "log_every": 2,
        "image_every": 6,
        "checkpoint_every": 3,
        "evaluate_every": steps // 2,
    }
    whole = tf2gan.train(TrainConfig(**settings), tmp_path / "whole")
    run = kill_until_done(tmp_path / "killed", settings, kills, random.Random(0))
    assert_same_run(run, whole, steps)


def test_a_file_is_whole_or_not_there(tmp_path):
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(KeyError), replacing(tmp_path / "a.json") as partial:
        partial.write_text("half")
        assert (tmp_path / "a.json").read_text() == "old"
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_no_checkpoint_is_saved_before_the_curves_up_to_it(small, tmp_path, monkeypatch):
    """Killed after it, the run would lack them for ever.

    A file system may hold events back until they are flushed: it is looked at that they are.
    """
    save, flush, done = checkpoints.Checkpoints.save, training.Summaries.flush, []

    def saving(self):
        points = [(tag, step) for tag, step, _ in curves(self._run)]
        done.append((int(self._gan.step), points))
        save(self)

    def flushing(self):
        done.append("flushed")
        flush(self)

    monkeypatch.setattr(checkpoints.Checkpoints, "save", saving)
    monkeypatch.setattr(training.Summaries, "flush", flushing)
    run = tf2gan.train(TrainConfig(**small), tmp_path)
    points = [(tag, step) for tag, step, _ in curves(run)]
    first = [point for point in points if point[1] <= 4]
    assert done == ["flushed", (4, first), "flushed", (6, points)]


def test_killed_before_the_first_checkpoint_it_starts_over_in_its_folder(trained, small, tmp_path):
    """Whatever the kill left: a cut event file, half a checkpoint that was never completed."""
    run = create_run(tmp_path, "digits-classic", TrainConfig(**small).to_json())
    folder = run / "checkpoints"
    (folder / "ckpt-4_temp").mkdir(parents=True)
    (folder / "ckpt-4.data-00000-of-00001").write_bytes(b"half")
    (run / ".partial-99.keras").write_bytes(b"half")
    (run / "events.out.tfevents.1.host.1.0.v2").write_bytes(
        next(trained[1].glob("events*")).read_bytes()[:-5]
    )
    assert training.resume(run) == run
    assert_same_run(run, trained[1], 6)


# Signals


@pytest.mark.long
def test_a_signal_saves_and_says_how_to_go_on(small, tmp_path):
    settings = {**small, "steps": 5000}
    run, step = tmp_path / "a b" / "00000-digits-classic", 0
    for more, number, status in (
        (flags(settings), signal.SIGINT, 130),
        (["--resume"], signal.SIGTERM, 143),
    ):
        process = command("--logdir", tmp_path / "a b", *more)
        first_step(process)
        process.send_signal(number)
        time.sleep(0.01)
        # As `timeout` does, which sends it to the process and to its group.
        process.send_signal(number)
        output, error = process.communicate(timeout=60)
        assert process.returncode == status, error
        step, before = checkpoint_steps(run)[-1], step
        assert step > before and f"stopped and saved at step {step} of 5000" in error
        assert f"python train.py --logdir '{tmp_path}/a b' --resume 00000-digits-classic" in error
        assert "Traceback" not in error
    training.resume(run, steps=step + 2)
    whole = tf2gan.train(TrainConfig(**{**settings, "steps": step + 2}), tmp_path / "whole")
    assert saved_state(run, step + 2) == saved_state(whole, step + 2)


def test_a_second_signal_stops_at_once(small, tmp_path):
    """Inside a window that would last for minutes: Python runs no handler there."""
    never = dict.fromkeys(("steps", "image_every", "checkpoint_every", "log_every"), 9000)
    with command("--logdir", tmp_path, *flags({**small, **never})) as process:
        for line in process.stdout:
            if line.startswith("start-up"):
                break
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert "once more to stop at once" in process.stderr.read()


def test_after_a_run_signals_are_handled_as_before():
    """Ctrl-C in a notebook, after training there or after a run that failed."""

    def handling():
        number = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(number)
        return [number, *map(signal.getsignal, signals.SIGNALS)]

    before = handling()
    with signals.StopSignals():
        assert not set(handling()) & set(before)
    assert handling() == before
    with pytest.raises(KeyError), signals.StopSignals():
        raise KeyError
    assert handling() == before


# The best


class Judge:
    """A ruler whose distance falls and rises again: 5 at step 2, 1 at step 4, 3 at step 6."""

    count = 4
    class_names = tuple("0123456789")

    def __init__(self, data):
        pass

    def describe(self):
        return "measured by a judge"

    def measure(self, pixels):
        judged.append(pixels)
        return self.floor({1: 5.0, 2: 1.0, 3: 3.0, 4: 9.0}[len(judged)])

    def floor(self, distance=0.5):
        return Quality(
            count=10_000,
            frechet=distance,
            kid=0.1,
            precision=0.5,
            recall=0.5,
            score=5.0,
            confidence=0.5,
            histogram=np.full(10, 0.1),
            ruler="judge",
        )

    def beside_nearest(self, pixels):
        return pixels

    def by_class(self, pixels, columns):
        return pixels[:columns]

    def classifier(self, pixels):
        return np.zeros((len(pixels), 2)), np.zeros((len(pixels), 10))


judged = []


@contextlib.contextmanager
def judging():
    """Makes `Judge` the ruler, of few samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "Ruler", Judge)
        patch.setattr(evaluation, "why_not", lambda data: None)
        patch.setattr(evaluation, "SCORED", 64)
        yield


def train_four_steps(small, logdir, **changes):
    """Trains a run that is judged twice; returns what was judged, and its folder."""
    judged.clear()
    settings = {**small, "steps": 4, "evaluate_every": 2, "checkpoint_every": 2, "keep": 9}
    with judging():
        run = tf2gan.train(TrainConfig(**{**settings, **changes}), logdir)
    return tuple(judged), run


@pytest.fixture(scope="module")
def four_steps(small, tmp_path_factory):
    return train_four_steps(small, tmp_path_factory.mktemp("judged"))


@pytest.fixture
def judged_run(four_steps, tmp_path):
    """A run of four steps whose step 4 was the best, to resume with."""
    judged[:], run = four_steps
    with judging():
        yield shutil.copytree(run, tmp_path / run.name)


def assert_the_best_is_kept_and_found(run, seed):
    """By the lowest distance, not the last; also when the run stopped in between."""
    training.resume(run, steps=6)
    generator, discriminator, step, best = restore_networks(run)
    assert (step, best, len(judged)) == (4, True, 3)
    assert restore_networks(run, "latest")[2:] == (6, False)
    assert np.array_equal(plain(Sampler(generator), 4, seed=seed), judged[1])
    same = restore_networks(run, "4")[1].get_weights()
    assert all(map(np.array_equal, discriminator.get_weights(), same))
    # A kill between the best and the next checkpoint: what comes again is no better than itself.
    assert len(list((run / "checkpoints" / "best").glob("*.index"))) == 1
    flip(run / "checkpoints" / "best" / "ckpt-4.index")
    assert restore_networks(run)[2:] == (6, False)
    with pytest.raises(Tf2ganError, match="best/ckpt-4 is damaged"):
        restore_networks(run, "best")


@pytest.mark.xdist_group("judged")
def test_the_best_is_kept_and_found(judged_run, small):
    assert_the_best_is_kept_and_found(judged_run, small["seed"])


def test_the_best_of_modern_is_kept_and_found(small, tmp_path):
    _, run = train_four_steps(small, tmp_path, recipe="modern")
    with judging():
        assert_the_best_is_kept_and_found(run, small["seed"])


@pytest.mark.xdist_group("judged")
@pytest.mark.parametrize("changes, kept", [({}, 1.0), ({"mixed_precision": "bfloat16"}, 3.0)])
def test_a_best_of_steps_that_are_done_again_otherwise_is_dropped(judged_run, changes, kept):
    """Killed after the best of step 4, before its checkpoint: it comes again, the same or not."""
    run = judged_run
    for path in (run / "checkpoints").glob("ckpt-4*"):
        path.unlink()
    (run / "checkpoints" / "checkpoint").unlink()
    figures = {"step": 4, "frechet": 1.0, "kid": 0.1, "ruler": "judge"}
    assert best_figures(run) == figures
    training.resume(run, **changes)
    assert best_figures(run) == {**figures, "frechet": kept} and len(judged) == 3
    training.resume(run, steps=5)  # what was done before stays, whatever follows
    assert best_figures(run) == {**figures, "frechet": kept}


# Damage


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_passed_over(trained, small, tmp_path, capsys, damage, part):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    damage(run / "checkpoints" / f"ckpt-6.{part}")
    capsys.readouterr()
    # Without an index it is no checkpoint to choose; the bit is one of an optimizer's.
    if (part, damage) not in (("index", Path.unlink), ("data-00000-of-00001", flip)):
        assert restore_networks(run)[2] == 4
        assert "ckpt-6 is damaged" in capsys.readouterr().err
        with pytest.raises(Tf2ganError, match="ckpt-6 is damaged.*--checkpoint"):
            restore_networks(run, "6")
    training.resume(run)
    error = capsys.readouterr().err
    assert "ckpt-6 is damaged" in error and error.count("\n") == 1
    assert_same_run(run, trained[1], 6)


def test_when_every_checkpoint_is_damaged_nothing_is_touched(trained, tmp_path):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    for path in (run / "checkpoints").glob("*.index"):
        truncate(path)
    before = {
        path: path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    for broken in (training.resume, restore_networks):
        with pytest.raises(Tf2ganError, match="every checkpoint .* is damaged") as error:
            broken(run)
        assert "\n" not in str(error.value)
    assert before == {
        path: path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def empty(path):
    path.write_bytes(b"")  # what a power cut leaves of a file that was never forced to the disk


@pytest.mark.parametrize("damage", [Path.unlink, empty, lambda path: path.write_bytes(b"\xff")])
def test_the_managers_list_may_be_lost(trained, tmp_path, damage):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    damage(run / "checkpoints" / "checkpoint")
    training.resume(run, steps=8)
    assert checkpoint_steps(run)[-1] == 8


@pytest.mark.xdist_group("judged")
def test_the_best_is_found_without_its_list(judged_run):
    run = judged_run
    empty(run / "checkpoints" / "best" / "checkpoint")
    assert restore_networks(run)[2:] == (4, True)
    training.resume(run, steps=5)  # not as good
    assert best_figures(run)["step"] == 4


def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(trained, tmp_path):
    """It would save there, find none of it again, and remove what lies beside."""
    run = tmp_path / "exp [1]" / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    before = saved_state(trained[1], 6)
    for use in (training.resume, restore_networks):
        with pytest.raises(UsageError, match=r"exp \[1\].* has a '\['.*rename that folder"):
            use(run)
    with pytest.raises(UsageError, match="choose another --logdir"):
        create_run(tmp_path / "what?", "digits", "{}")
    assert not (tmp_path / "what?").exists()
    (tmp_path / "exp [1]").rename(tmp_path / "exp")
    assert saved_state(tmp_path / "exp" / run.name, 6) == before


def test_a_checkpoint_that_is_removed_while_it_is_read_is_not_called_damaged(
    trained, tmp_path, monkeypatch, capsys
):
    """The run goes on meanwhile, and keeps its newest ones only."""
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    restore = checkpoints._restore_networks

    def removing(path, *networks):
        for file in (run / "checkpoints").glob("ckpt-6.*"):
            file.unlink()
        restore(path, *networks)

    monkeypatch.setattr(checkpoints, "_restore_networks", removing)
    assert restore_networks(run)[2] == 4
    assert "damaged" not in capsys.readouterr().err


def test_what_others_left_in_its_folder_stops_no_run(trained, tmp_path):
    """Parts of `generate.py --out RUN/pictures`, which was killed; a file manager's copy."""
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    (run / "pictures" / ".partial-5").mkdir(parents=True)
    (run / ".partial-7.png").write_bytes(b"half")  # of a generate.py that is drawing
    shutil.copy(run / "samples" / "step-000003.png", run / "samples" / "step-000003 copy.png")
    training.resume(run, steps=8)
    assert json.loads((run / "summary.json").read_text())["step"] == 8
    assert (run / ".partial-7.png").exists()


def test_a_strangers_model_runs_no_code(tmp_path, trained):
    """A Lambda layer's function is code inside the file: neither reader may run it."""
    model = keras.Sequential(
        [
            keras.Input((100,)),
            keras.layers.Lambda(lambda x: open("/tmp/tf2gan-was-here", "w").close() or x),
        ]
    )
    for name in ("generator.keras", "discriminator.keras"):
        model.save(tmp_path / name)
    Path("/tmp/tf2gan-was-here").unlink(missing_ok=True)
    with pytest.raises(Tf2ganError, match="generator.keras cannot be read"):
        tf2gan.load_run(tmp_path)
    with pytest.raises(UsageError, match="generator.keras holds no weights"):
        weights.load_weights(tf2gan.load_run(trained[1])[0], tmp_path / "generator.keras")
    model.save(tmp_path / "legacy.h5")
    Path("/tmp/tf2gan-was-here").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="legacy.h5"):
        weights.load_weights(tf2gan.load_run(trained[1])[0], tmp_path / "legacy.h5")
    assert not Path("/tmp/tf2gan-was-here").exists()


# Numbers


def test_a_loss_that_is_not_finite_stops_the_run(small, tmp_path, monkeypatch):
    step = tf2gan.GAN.generator_step

    def spoiled(self, latents, *shifts):
        metrics = step(self, latents, *shifts)
        return {**metrics, "loss/g": tf.where(self.step < 4, metrics["loss/g"], np.nan)}

    monkeypatch.setattr(tf2gan.GAN, "generator_step", spoiled)
    with pytest.raises(
        Tf2ganError, match="loss/g is nan after steps 5 to 6 .* checkpoint is of step 4"
    ):
        tf2gan.train(TrainConfig(**small), tmp_path)
    run = tmp_path / "00000-digits-classic"
    assert (
        checkpoint_steps(run) == [4]
        and np.isfinite(restore_networks(run)[0].get_weights()[0]).all()
    )
    assert not (run / "samples" / "step-000006.png").exists()


@pytest.mark.parametrize(
    "owner, changes, steps",
    [
        ("generator", {}, "4 to 4"),
        ("g_optimizer", {}, "4 to 4"),
        ("generator", {"evaluate_every": 2}, "1 to 2"),
    ],
)
def test_a_weight_that_is_not_finite_is_never_saved(
    small, tmp_path, monkeypatch, owner, changes, steps
):
    """Nor measured."""

    class Gan(tf2gan.GAN):
        def non_finite_variable(self):
            variable = getattr(self, owner).variables[-1]
            variable.assign(tf.fill(variable.shape, np.float32(np.inf)))
            return super().non_finite_variable()

    monkeypatch.setattr(job, "GAN", Gan)
    said = f"is not finite after steps {steps} .*no checkpoint was saved yet"
    with pytest.raises(Tf2ganError, match=said):
        tf2gan.train(TrainConfig(**{**small, **changes}), tmp_path)
    assert checkpoint_steps(tmp_path / "00000-digits-classic") == []


# What nobody foresaw


@pytest.mark.parametrize("where, step", [("at", 4), ("show_projector", 6)])
def test_what_was_trained_is_saved_before_a_fault_ends_the_run(
    trained, small, tmp_path, monkeypatch, few_samples, where, step
):
    """In an evaluation between two checkpoints, and in what is written last.

    Resumed it equals a run without.
    """
    settings = {**small, "evaluate_every": 4, "checkpoint_every": 5}
    fault = Mock(side_effect=TypeError("float() of a\nmirrored variable"))
    said = (
        rf"\(TypeError: float.. of a mirrored variable\); what was trained is saved, {step} steps; "
        "resume with python train.py.*--resume"
    )
    with monkeypatch.context() as patch:
        patch.setattr(evaluation.Evaluation, where, fault)
        with pytest.raises(Tf2ganError, match=said) as error:
            tf2gan.train(TrainConfig(**settings), tmp_path)
    assert "\n" not in str(error.value) and error.value.exit_status == 1
    run = tmp_path / "00000-digits-classic"
    assert checkpoint_steps(run)[-1] == step
    training.resume(run)
    assert saved_state(run, 6) == saved_state(trained[1], 6)
    assert is_finished(run)
    if where == "show_projector":  # what is written last is made good
        whole = tf2gan.train(TrainConfig(**settings), tmp_path / "whole")
        assert_same_run(run, whole, 6)
        assert (run / "samples" / "timelapse.gif").exists()


def test_ctrl_c_before_the_first_step_names_the_command_that_resumes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "find_ruler", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(Stopped, match="before training began; resume with: python train") as error:
        tf2gan.train(TrainConfig(**{**small, "evaluate_every": 3}), tmp_path)
    run = tmp_path / "00000-digits-classic"
    assert error.value.exit_status == 130 and f"--resume {run.name}" in str(error.value)
    monkeypatch.undo()
    assert is_finished(training.resume(run))


def test_resume_auto_begins_or_resumes_or_leaves_as_it_is(small, tmp_path, capsys):
    """One command for a job that a cluster starts again."""
    words = ["--logdir", str(tmp_path), *flags({**small, "name": "job"}), "--resume", "auto"]
    tf2gan.train(TrainConfig(**{**small, "name": "another"}), tmp_path)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stopped:
        any_machine = lambda strategy, received: len(list(tmp_path.glob("*job/samples/*"))) > 2  # noqa: E731
        patch.setattr(training.replicas, "any_machine", any_machine)
        cli.main(words)
    assert stopped.value.code == 128 + signal.SIGTERM
    run = tmp_path / "00001-job"
    assert checkpoint_steps(run)[-1] == 4 and not is_finished(run)
    capsys.readouterr()
    cli.main(words)
    assert f"resuming {run}" in capsys.readouterr().out and is_finished(run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    cli.main(words)
    assert "00001-job is finished: 6 of 6 steps" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    cli.main([*words, "--steps=8"])  # more than it was started with
    assert "step 8/8" in capsys.readouterr().out
    assert [path.name for path in sorted(tmp_path.glob("0*"))] == ["00000-another", "00001-job"]


def test_a_fault_inside_a_window_saves_nothing(small, tmp_path, monkeypatch):
    """There the networks are those of no whole step: the newest checkpoint is named."""
    losses = tf2gan.GAN.generator_step

    def failing(self, latents, *shifts):
        with tf.control_dependencies(
            [tf.debugging.assert_less(self.step, tf.constant(4, tf.int64), "spoiled")]
        ):
            return losses(self, latents, *shifts)

    monkeypatch.setattr(tf2gan.GAN, "generator_step", failing)
    with pytest.raises(
        Tf2ganError,
        match="spoiled.*checkpoints are as they were, the newest checkpoint is of step 4",
    ):
        tf2gan.train(TrainConfig(**small), tmp_path)
    assert checkpoint_steps(tmp_path / "00000-digits-classic") == [4]
    monkeypatch.setattr(training.artifacts, "begin", Mock(side_effect=KeyError("graph")))
    with pytest.raises(
        Tf2ganError, match="KeyError: 'graph'.*; no checkpoint was saved yet; resume with"
    ):
        tf2gan.train(TrainConfig(**small), tmp_path)


@pytest.mark.parametrize("received", [None, signal.SIGINT])
def test_a_signal_that_ends_the_compiler_is_no_fault(tmp_path, received):
    """Ctrl-C in the first window on a GPU: XLA's compiler is a process of its own, and gets it."""
    strategy = tf.distribute.get_strategy()
    with pytest.raises(Tf2ganError) as error, faults.errors_on_one_line(tmp_path, strategy) as told:
        told.session = Mock(stop=Mock(received=received), runner=Mock(whole=False))
        raise tf.errors.InternalError(None, None, "ptxas exited with code 2")
    said = str(error.value)
    assert "(InternalError: ptxas exited" in said and "no checkpoint was saved yet" in said
    assert isinstance(error.value, Stopped) == bool(received)
    assert error.value.exit_status == (130 if received else 1)


# The disk


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # beyond it every write to a file fails
import train
train.main()
"""


@pytest.mark.long
def test_a_full_disk_is_one_line_and_costs_no_checkpoint(trained, small, tmp_path, python):
    """No room for anything, for the event file, for a checkpoint."""
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    before = saved_state(run, 6)
    for size, said in (
        (0, "make room"),
        (3000, "checkpoints are as they were.*--resume"),
        (20_000_000, "checkpoints are as they were.*--resume"),
    ):
        words = ["-c", FULL_DISK, size, "--logdir", tmp_path, "--resume", "--steps", 8]
        if size:
            process = Forked(*words, cwd=ROOT)
            _, error = process.communicate()
        else:  # importing TensorFlow is what fails
            process = python(*words)
            error = process.stderr
        assert process.returncode == 1, size
        lines = [line for line in error.splitlines() if line]
        assert len(lines) == 1 and re.search(said, lines[0]), error
        assert saved_state(run, 6) == before and checkpoint_steps(run) == [4, 6], size
    training.resume(run, steps=8)
    whole = tf2gan.train(TrainConfig(**{**small, "steps": 8}), tmp_path / "whole")
    assert saved_state(run, 8) == saved_state(whole, 8)


def test_a_folder_that_cannot_be_written(trained, tmp_path, monkeypatch):
    """As root nothing is read-only: the fault is put where the file system would report it."""
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    error = OSError(30, "Read-only file system")
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(error))
    with pytest.raises(Tf2ganError, match="Read-only file system.*checkpoints are as they were"):
        training.resume(run, steps=8)
    assert (
        checkpoint_steps(run) == [4, 6]
        and json.loads((run / "config.json").read_text())["steps"] == 6
    )


# Two at once


def test_a_second_trainer_of_a_run_is_refused(trained, tmp_path):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    with locked(run / ".lock", wait=False):
        process = command("--logdir", tmp_path, "--resume", "--steps", 9)
        _, error = process.communicate()
        assert process.returncode == 1 and error.count("\n") == 1
        assert "is being trained by another process" in error
    assert checkpoint_steps(run) == [4, 6]
    training.resume(run, steps=7)  # free again


def test_a_terminal_that_takes_no_more_is_no_second_trainer(trained, tmp_path, monkeypatch):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    blocked = BlockingIOError(11, "write could not complete without blocking")
    monkeypatch.setattr(training.Progress, "show_window", Mock(side_effect=blocked))
    with pytest.raises(Tf2ganError, match="could not complete.*--resume"):
        training.resume(run, steps=9)


def test_runs_started_at_once_get_folders_of_their_own(tmp_path):
    script = (
        "import sys; from tf2gan.runs.folders import create_run\n"
        "for i in range(20): create_run(sys.argv[1], sys.argv[2], '')"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen([*words, name], cwd=ROOT) for name in "abcd"]
    assert [process.wait() for process in processes] == [0] * 4
    numbers = sorted(int(path.name.split("-")[0]) for path in tmp_path.iterdir() if path.is_dir())
    assert numbers == list(range(80))


# Resuming


def test_a_finished_run_is_left_as_it_is(trained, tmp_path, capsys):
    run = tmp_path / "00000-digits-classic"
    shutil.copytree(trained[1], run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    training.resume(run)
    assert "is finished: 6 of 6 steps" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(UsageError, match="has done 6 steps, more than the 3 asked for"):
        training.resume(run, steps=3)
    with pytest.raises(UsageError, match="--seed 4 contradicts"):
        training.resume(run, seed=4)
    training.resume(run, epochs=2)  # 2 epochs of 5 batches; it was given in steps
    assert checkpoint_steps(run)[-1] == 10
    config = TrainConfig.read(run)
    assert config.epochs == 2 and config.steps is None  # the extension stays with the run


# For hours


@pytest.mark.slow
def test_the_long_haul(small, tmp_path):
    """20,000 tiny steps: memory, step time, open files and the disk stay as they are."""
    settings = {**small, "batch": 1, "steps": 20_000, "log_every": 100}
    settings |= {"image_every": 1000, "checkpoint_every": 1000}
    found = []
    with command("--logdir", tmp_path, *flags(settings)) as process:
        for line in process.stdout:
            if line.startswith("step ") and int(line.split()[1].split("/")[0]) % 1000 == 0:
                status = Path(f"/proc/{process.pid}/status").read_text()
                memory = int(status.split("VmRSS:")[1].split()[0]) / 1024
                files = len(os.listdir(f"/proc/{process.pid}/fd"))
                found.append((time.monotonic(), memory, files))
    assert process.returncode == 0
    seconds = np.diff([time for time, *_ in found])
    print(
        "MB:",
        [round(memory) for _, memory, _ in found],
        "open files:",
        [files for *_, files in found],
    )
    print("seconds for 1000 steps:", np.round(seconds, 1).tolist())
    assert found[-1][1] < found[4][1] + 60
    assert max(files for *_, files in found[1:]) <= found[1][2] + 2
    assert np.median(seconds[-5:]) < 1.5 * np.median(seconds[:5])
    assert len(checkpoint_steps(tmp_path / "00000-digits-classic")) == 3
