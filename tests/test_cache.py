"""Decoded data sets on disk: the next start maps what the first decoded, and nothing else."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import tf2gan
from tf2gan.data import cache
from tf2gan.data.formats import decode
from tf2gan.data.load import load_data
from tf2gan.data.mapped import before_reading
from tf2gan.quality import classifier
from tf2gan.utils.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 20, 24, 3), np.uint8)
SIZE = {"image_size": (20, 24), "color_mode": "rgb"}


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    """Everything is kept, in a folder of the test's own, which is returned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "KEPT_SECONDS", 0)
    monkeypatch.setattr(cache, "YOUNG", 0)
    return tmp_path / "cache" / "tf2gan"


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures in two parts, two classes each, one picture of them damaged."""
    folder = tmp_path / "pictures"
    for number, image in enumerate(PIXELS):
        place = folder / ("train" if number < 40 else "test") / f"class {number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    (folder / "train" / "class 0" / "8.png").write_bytes(b"cut")
    (folder / "notes.pdf").write_bytes(b"%PDF")
    return folder


def same(one, other):
    assert (one.name, one.class_names, one.source) == (other.name, other.class_names, other.source)
    for name in ("images", "labels", "test_images", "test_labels"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert one.fingerprint == other.fingerprint


@pytest.fixture
def decoded(monkeypatch):
    """A list that gets an element for each picture that is decoded."""
    seen, decode_one = [], decode.decode
    monkeypatch.setattr(decode, "decode", lambda *all: seen.append(1) or decode_one(*all))
    return seen


@pytest.mark.parametrize("most", [1 << 30, 1000])  # bytes in memory: all of it, or nothing
def test_the_next_start_decodes_nothing_and_says_the_same(
    pictures, decoded, monkeypatch, capfd, most
):
    monkeypatch.setattr(cache, "KEPT_SECONDS", 9)
    plain = load_data(str(pictures), **SIZE)
    said = capfd.readouterr()
    assert "8.png" in said.err and "1 .pdf" in said.out and not cache.folder().exists()
    monkeypatch.setattr(cache, "KEPT_SECONDS", 0)
    monkeypatch.setattr(cache, "MEMORY_MOST", most)
    first = load_data(str(pictures), **SIZE)
    out, err = capfd.readouterr()
    assert err == said.err and out.startswith(said.out + "kept for the next start: ")
    same(first, plain)
    assert isinstance(first.images, np.memmap) == (most == 1000)
    decoded.clear()
    second = load_data(str(pictures), **SIZE)
    assert not decoded and capfd.readouterr() == said
    same(second, plain)
    assert isinstance(second.test_images, np.memmap) == (most == 1000)


def test_it_is_found_from_any_folder(pictures, decoded, monkeypatch):
    load_data(str(pictures), **SIZE)
    decoded.clear()
    for folder, source in ((pictures.parent, "pictures"), (pictures / "train", "..")):
        monkeypatch.chdir(folder)
        load_data(source, **SIZE)
    assert not decoded


@pytest.mark.parametrize(
    "change", ["added", "removed", "changed", "size", "colour", "level", "labels", "readers"]
)
def test_what_changes_is_read_again(pictures, decoded, monkeypatch, capfd, change):
    table = pictures.parent / "labels.csv"
    table.write_text("".join(f"{n}.png,{n % 3}\n" for n in range(60)))
    asked = dict(SIZE, labels=str(table)) if change == "labels" else dict(SIZE)
    before = load_data(str(pictures), **asked)
    decoded.clear()
    path = pictures / "train" / "class 1" / "5.png"
    if change == "added":
        Image.fromarray(PIXELS[0]).save(path.with_name("100.png"))
    elif change == "removed":
        path.unlink()
    elif change == "changed":  # as long, and the time is set back
        status, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + b"\0")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "size":
        asked["image_size"] = (20, 20)
    elif change == "colour":
        asked["color_mode"] = "grayscale"
    elif change == "level":
        asked["label_column"] = "1"
    elif change == "labels":
        table.write_text("".join(f"{n}.png,{n % 5}\n" for n in range(60)))
    else:
        monkeypatch.setattr(cache, "_readers", lambda: "another version")
    after = load_data(str(pictures), **asked)
    assert decoded and (change in ("changed", "readers", "level") or after.key != before.key)


@pytest.mark.parametrize("harm", ["cut", "empty", "pixel", "label", "touched", "another"])
@pytest.mark.parametrize("most", [1 << 30, 1000])
def test_a_damaged_file_is_noticed_and_made_anew(
    pictures, cached, decoded, monkeypatch, capfd, most, harm
):
    monkeypatch.setattr(cache, "MEMORY_MOST", most)
    plain = load_data(str(pictures), **SIZE)
    (path,) = cached.glob("data-*")
    content, status = bytearray(path.read_bytes()), path.stat()
    if harm == "cut":
        content = content[:-2000]
    elif harm == "empty":
        content = b""
    elif harm == "pixel":
        content[500] ^= 1
    elif harm == "label":
        content[-100] ^= 1
    elif harm == "another":
        content = b"\x93NUMPY" + bytes(len(content) - 6)
    path.unlink()  # `plain` may be mapped from it
    path.write_bytes(content)
    if harm != "touched":
        os.utime(path, (status.st_atime, status.st_mtime))
    decoded.clear()
    capfd.readouterr()
    again = load_data(str(pictures), **SIZE)
    out = capfd.readouterr().out
    assert decoded and f"{path} cannot be used (" in out and "is read again" in out
    same(again, plain)
    decoded.clear()
    same(load_data(str(pictures), **SIZE), plain)
    assert not decoded


def test_what_is_changed_while_it_is_read_is_not_kept(pictures, cached, monkeypatch):
    decode_one = decode.decode

    def disturbed(*all):
        (pictures / "new.png").write_bytes(b"")
        return decode_one(*all)

    monkeypatch.setattr(decode, "decode", disturbed)
    load_data(str(pictures), **SIZE)
    assert not list(cached.glob("data-*"))


@pytest.mark.parametrize("most", [1 << 30, 1000])
@pytest.mark.parametrize("fault", ["full", "no folder"])
def test_a_full_disk_costs_the_cache_not_the_run(pictures, cached, monkeypatch, capfd, most, fault):
    monkeypatch.setattr(cache, "MEMORY_MOST", most)
    if fault == "full":

        def claim(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", claim)
    else:
        cached.parent.write_bytes(b"")
    data = load_data(str(pictures), **SIZE)
    assert len(data.images) == 39 and not isinstance(data.images, np.memmap)
    assert ("find no room" if most == 1000 else "cannot be written") in capfd.readouterr().out
    monkeypatch.setattr(cache, "WITHOUT_DISK", 1000)
    if most == 1000:  # more than memory may hold either
        with pytest.raises(DataError, match="make room there, set XDG_CACHE_HOME to another fold"):
            load_data(str(pictures), **SIZE)
    assert not cached.exists() or not list(cached.iterdir())


def test_a_full_disk_takes_the_room_of_what_is_unused(pictures, cached, monkeypatch, capfd):
    load_data(str(pictures), **SIZE)
    (old,) = cached.glob("data-*")
    claim = cache._claim

    def claims(*all):
        if old.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return claim(*all)

    monkeypatch.setattr(cache, "_claim", claims)
    load_data(str(pictures), image_size=(20, 20))
    assert not old.exists() and len(list(cached.glob("data-*"))) == 1
    assert f"removed to make room: {old}" in capfd.readouterr().out


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_what_another_try_may_read_is_not_left_out_for_good(
    pictures, cached, monkeypatch, capfd, error
):
    decode_one, seen = decode.decode, []

    def fails_once(*all):
        seen.append(1)
        if len(seen) == 7:
            raise error
        return decode_one(*all)

    monkeypatch.setattr(decode, "decode", fails_once)
    assert len(load_data(str(pictures), **SIZE).images) == 38
    assert "2 of 60 pictures cannot be read" in capfd.readouterr().err
    assert len(load_data(str(pictures), **SIZE).images) == 39
    assert len(list(cached.glob("data-*"))) == 1


def test_a_file_that_goes_while_it_is_looked_at_costs_the_cache_alone(
    pictures, cached, monkeypatch
):
    def gone(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(cache, "key_of", gone)
    assert len(load_data(str(pictures), **SIZE).images) == 39
    assert not cached.exists()


def test_a_system_that_claims_no_room_is_written_full(pictures, cached, monkeypatch):
    plain = load_data(str(pictures), **SIZE)
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(cache, "MEMORY_MOST", 1000)
    (path,) = cached.glob("data-*")
    path.unlink()
    same(load_data(str(pictures), **SIZE), plain)
    same(load_data(str(pictures), **SIZE), plain)


def test_a_file_that_is_removed_while_it_is_in_use_stays_readable(pictures, cached, monkeypatch):
    monkeypatch.setattr(cache, "MEMORY_MOST", 1000)
    load_data(str(pictures), **SIZE)
    data = load_data(str(pictures), **SIZE)
    expected = np.array(data.images)
    (path,) = cached.glob("data-*")
    path.unlink()
    before_reading(data.images)
    assert np.array_equal(data.images, expected)
    again = load_data(str(pictures), **SIZE)  # another process makes it anew
    os.utime(path, (1, 1))
    before_reading(data.images)
    assert np.array_equal(data.images, expected)
    with pytest.raises(DataError, match="has changed while it was in use"):
        before_reading(again.images)


READ = """
import sys
import tf2gan
from tf2gan.data import cache
from tf2gan.data.load import load_data
cache.KEPT_SECONDS, cache.MEMORY_MOST = 0, int(sys.argv[2])
print(load_data(sys.argv[1], (64, 64), "rgb").key, flush=True)
"""


def reading(source, most):
    command = [sys.executable, "-c", READ, str(source), str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("most", [1 << 30, 1000])
def test_kills_while_it_is_made_and_two_at_once(tmp_path, cached, most):
    source = tmp_path / "many"
    source.mkdir()
    for number in range(300):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 80, 3), np.uint8)
        Image.fromarray(pixels).save(source / f"{number}.png")
    for kill in range(10):
        process = reading(source, most)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if cached.exists() and any(cached.iterdir()):  # it is being made
                break
            time.sleep(0.001)
        time.sleep(0.004 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if kill < 8:
            for path in cached.glob("data-*"):
                path.unlink()
    both = [reading(source, most), reading(source, most)]
    lines = {process.communicate()[0].splitlines()[-1] for process in both}
    assert lines == {load_data(str(source), (64, 64), "rgb").key}
    cache._sweep()
    assert [path.name[:5] for path in cached.iterdir()] == ["data-"]


def test_the_sets_unused_for_longest_go_first(tmp_path, cached, monkeypatch, capfd):
    def load(number):
        folder = tmp_path / f"set {number}"
        folder.mkdir(exist_ok=True)
        if not any(folder.iterdir()):
            Image.fromarray(PIXELS[number]).save(folder / "a.png")
        load_data(str(folder), **SIZE)
        return set(cached.glob("data-*"))

    load(0)
    (first,) = cached.glob("data-*")
    monkeypatch.setattr(cache, "CACHE_MOST", int(2.5 * first.stat().st_size))
    (second,) = load(1) - {first}
    for path, used in ((first, 100), (second, 200)):
        os.utime(path, (used, path.stat().st_mtime))
    assert load(0) == {first, second}  # which is a use
    kept = load(2)
    assert first in kept and second not in kept and len(kept) == 2
    assert f"removed to make room: {second}, unused for longest" in capfd.readouterr().out


def test_what_is_mapped_already_and_the_packages_digits_are_not_kept(tmp_path, cached):
    np.save(tmp_path / "a.npy", PIXELS)
    assert isinstance(load_data(str(tmp_path / "a.npy")).images, np.memmap)
    load_data("mnist")
    assert not cached.exists()


@pytest.mark.parametrize("layout", ["table", "archive", "compressed"])
def test_any_layout_is_kept(tmp_path, cached, capfd, layout, pictures):
    import shutil

    if layout == "table":
        grey = PIXELS[:, :20, :20, 0]
        path = tmp_path / "a.csv"
        np.savetxt(path, np.c_[np.arange(60) % 7, grey.reshape(60, -1)], "%d", ",")
    elif layout == "archive":
        path = shutil.make_archive(str(tmp_path / "a"), "zip", pictures)
    else:
        path = tmp_path / "a.npz"
        np.savez_compressed(path, x_train=PIXELS / 255)
    first = load_data(str(path))
    assert "kept for the next start" in capfd.readouterr().out
    second = load_data(str(path))
    assert "kept" not in capfd.readouterr().out and second.key == first.key
    assert second.class_names == first.class_names


def test_the_folder_is_listed_and_emptied(pictures, cached, capsys):
    load_data(str(pictures), **SIZE)
    (cached / "classifier-0123.keras").write_bytes(b"0" * 2_000_000)
    capsys.readouterr()
    cache.main([])
    assert "2.0 MB" in capsys.readouterr().out and len(list(cached.iterdir())) == 2
    cache.main(["--clear"])
    assert "removed" in capsys.readouterr().out and not list(cached.iterdir())
    cache.main([])
    assert "0.0 MB" in capsys.readouterr().out


def test_a_run_whose_images_stay_on_disk_is_the_run_in_memory(mnist, small, tmp_path, monkeypatch):
    """Measured, stopped half-way and resumed from the kept file; the weights equal, bit for bit."""
    folder = tmp_path / "digits"
    for number, (image, label) in enumerate(zip(mnist.images[:240], mnist.labels, strict=False)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / str(label) / f"{number}.png")
    monkeypatch.setattr(classifier, "STEPS", 5)
    settings = {**small, "data": str(folder), "recipe": "modern", "steps": 8, "evaluate_every": 4}
    runs = []
    for most in (1 << 30, 1000):
        monkeypatch.setattr(cache, "MEMORY_MOST", most)
        runs.append(tf2gan.train(tf2gan.TrainConfig(**settings), tmp_path / str(most)))
    for path in (tmp_path / "1000").glob("*/checkpoints/ckpt-8*"):
        path.unlink()
    for path in (runs[1] / "checkpoints" / "checkpoint", runs[1] / "summary.json"):
        path.unlink(missing_ok=True)
    tf2gan.resume(runs[1])
    weights = [
        [w for network in tf2gan.load_run(run) for w in network.get_weights()] for run in runs
    ]
    assert all(map(np.array_equal, *weights))
    measured = [json.loads((run / "summary.json").read_text())["quality"] for run in runs]
    assert measured[0] == measured[1]
