"""How long the rest of a run will take is said once, in words, and not before it can be told."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf2gan.training import progress
from tf2gan.training.progress import Progress, clock, duration


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    time = Clock()
    monkeypatch.setattr(progress, "time", time)
    return time


def run(time, capsys, *, total, every=10, step=0.5, first=9.0, evaluate_every=0, evaluation=0.0):
    """What a run says, in simulated seconds; (lines, the true seconds left when it was said)."""
    shown = Progress(0, total, batch=8, evaluate_every=evaluate_every)
    said, truth, left = None, None, []
    for end in range(every, total + 1, every):
        time.now += every * step + (first if end == every else 0)
        shown.show_window(end, {"loss/d": 0.1, "loss/g": 0.2})
        evaluated = evaluate_every and end % evaluate_every == 0
        time.now += evaluation + 7 * (end == evaluate_every) if evaluated else 0.1
        shown.restart_clock(evaluated=bool(evaluated))
        lines = [line for line in capsys.readouterr().out.splitlines() if "to go" in line]
        left.append((time.now, lines))
    for now, lines in left:
        if lines:
            assert said is None and len(lines) == 1  # once
            said, truth = lines[0], time.now - now
    return said, truth


def minutes(said):
    words = said.split(" to go")[0].removeprefix("about ").split()
    return sum(
        int(n) * {"h": 60, "min": 1}[unit] for n, unit in zip(words[::2], words[1::2], strict=True)
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"total": 20_000},
        {"total": 4_000, "evaluate_every": 1000, "evaluation": 20.0},  # rare: a small part
        {"total": 2_000, "evaluate_every": 50, "evaluation": 40.0},  # what takes long
        {"total": 900, "step": 1.0},
    ],
)
def test_it_comes_true(time, capsys, settings):
    said, truth = run(time, capsys, **settings)
    assert abs(minutes(said) - truth / 60) <= max(1, 0.07 * truth / 60), (said, truth / 60)


def test_a_run_of_seconds_says_nothing(time, capsys):
    assert run(time, capsys, total=30, step=0.01, first=0.5) == (None, None)
    assert run(time, capsys, total=20) == (None, None)  # it could be told, but the run is over


def test_images_per_second_are_those_of_the_steps_alone(time):
    """What is drawn, measured and saved between two windows takes none of it away."""
    shown, losses = Progress(100, 130, batch=8), {"loss/d": 0.1, "loss/g": 0.2}
    time.now += 5
    assert shown.show_window(110, losses) == 16
    time.now += 1000
    shown.restart_clock(evaluated=True)
    time.now += 4
    assert shown.show_window(120, losses) == 20
    assert shown.mean_speed == pytest.approx(20 * 8 / 9)


@pytest.mark.parametrize(
    "seconds, words",
    [
        (20, "less than a minute"),
        (61, "about 1 min"),
        (59 * 60 + 40, "about 1 h"),
        (12_000, "about 3 h 20 min"),
        (12_100, "about 3 h 20 min"),
        (100 * 3600, "about 100 h"),
    ],
)
def test_in_words(seconds, words):
    assert duration(seconds) == words


def test_until_when():
    evening = datetime.datetime(2026, 11, 25, 18, 20)
    assert clock(12_000, evening) == "21:40"
    assert clock(6 * 3600, evening) == "00:20 on 26 November"


@given(st.floats(60, 1e6))
def test_words_are_within_the_rounding(seconds):
    assert abs(minutes(duration(seconds) + " to go") - seconds / 60) <= (
        0.51 if seconds < 3570 else 3.1
    )
