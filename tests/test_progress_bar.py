"""What takes long says so on a terminal, never in a pipe; Ctrl-C leaves no file."""

import os
import pty
import signal
import sys
import time

import numpy as np
import pytest
from conftest import ROOT
from forked import Forked
from PIL import Image

from tf2gan.data.images import write_images
from tf2gan.utils import progress_bar
from tf2gan.utils.progress_bar import ProgressBar


def shown(capsys, monkeypatch, *, terminal, patience, **settings):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(progress_bar, "PATIENCE", patience)
    monkeypatch.setenv("FORCE_COLOR" if terminal else "NO_COLOR", "1")
    with ProgressBar("counting sheep", 3, **settings) as bar:
        for _ in range(3):
            bar.advance()
            time.sleep(0.01)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_bar_comes_late_and_on_a_terminal_alone(capsys, monkeypatch):
    assert "counting sheep" in shown(capsys, monkeypatch, terminal=True, patience=0)
    assert shown(capsys, monkeypatch, terminal=True, patience=9) == ""
    assert shown(capsys, monkeypatch, terminal=False, patience=0) == ""
    assert shown(capsys, monkeypatch, terminal=True, patience=0, shown=False) == ""


def on_a_terminal(args, cwd, *, interrupt_at):
    """Runs a command in a terminal, types Ctrl-C once it shows `interrupt_at`; (status, output)."""
    terminal, its_end = pty.openpty()
    output, typed = "", False
    with Forked(*args, cwd=cwd, terminal=os.ttyname(its_end), TERM="xterm") as process:
        while True:
            try:
                output += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # it has ended
                break
            if its_end is not None:  # it has opened its own
                os.close(its_end)
                its_end = None
            if not typed and interrupt_at in output:
                os.write(terminal, b"\x03")
                typed = True
    os.close(terminal)
    return process.returncode, output


@pytest.mark.parametrize("what", ["generate", "quality", "pictures"])
def test_ctrl_c_is_one_line_and_leaves_no_file(trained, tmp_path, what):
    """Typed when the bar is there: while candidates are drawn, while pictures are read."""
    place = tmp_path / "place"
    place.mkdir()
    if what == "pictures":
        folder = tmp_path / "pictures"
        folder.mkdir()
        Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(folder / "0.png")
        for number in range(1, 3000):
            os.link(folder / "0.png", folder / f"{number}.png")
        args, said = ["train.py", "--data", folder], "reading pictures"
    elif what == "generate":
        run = ["--logdir", trained[0], "--run", trained[1].name]
        args, said = ["generate.py", *run, "--nice", "--batch=10000", "--out=a.npz"], "drawing"
    else:
        settings = ["--data", "mnist", "--select", "nice", "--nearest", "a.png"]
        args, said = ["-m", "tf2gan.quality", trained[1], *settings], "drawing"
    args = [str(ROOT / part) if str(part).endswith(".py") else str(part) for part in args]
    status, output = on_a_terminal(args, place, interrupt_at=said)
    assert status == 128 + signal.SIGINT, output[-2000:]
    assert output.splitlines()[-1].endswith("stopped by Ctrl-C") and "Traceback" not in output
    assert list(place.iterdir()) == []


def test_a_folder_of_images_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    images, saved = np.zeros((5, 28, 28), np.uint8), []
    original = Image.Image.save

    def interrupted(self, path, *args, **settings):
        if len(saved) == 3:
            raise KeyboardInterrupt
        saved.append(path)
        original(self, path, *args, **settings)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Image.Image, "save", interrupted)
        write_images(tmp_path / "folder", images)
    assert len(saved) == 3 and list(tmp_path.iterdir()) == []
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    write_images(tmp_path / "folder", images)
    assert len(list((tmp_path / "folder").iterdir())) == 6
