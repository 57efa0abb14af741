"""Laws of grids and pixel ranges, and the picture files."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tf2gan.data.images import check_out, read_png, tile_grid, to_pixels, to_unit, write_images
from tf2gan.utils.errors import UsageError
from tf2gan.utils.files import PARTIAL

batches = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 5), st.integers(1, 5))
)


@given(batches, st.none() | st.integers(1, 45))
def test_every_image_is_in_the_grid_row_by_row(images, columns):
    count, height, width = images.shape
    grid = tile_grid(images, columns)
    columns = columns or int(np.sqrt(count))  # the original's rule
    rows = -(-count // columns)
    assert grid.shape == (rows * height, columns * width) and grid.dtype == images.dtype
    for index in range(rows * columns):
        top, left = index // columns * height, index % columns * width
        tile = grid[top : top + height, left : left + width]
        expected = images[index] if index < count else 0
        assert np.array_equal(tile, np.broadcast_to(expected, tile.shape))


@given(batches)
def test_a_channel_axis_changes_nothing(images):
    assert np.array_equal(tile_grid(images[..., None]), tile_grid(images))


@pytest.mark.parametrize("shape", [(0, 28, 28), (28, 28), (28,)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="expected"):
        tile_grid(np.zeros(shape))


def test_pixels_survive_the_way_to_the_networks_and_back():
    levels = np.arange(256, dtype=np.uint8)
    unit = to_unit(levels.astype(np.float32))
    assert (unit.min(), unit.max()) == (-1, 1)
    assert np.array_equal(to_pixels(unit), levels)


@given(arrays.arrays(np.float32, 20, elements=st.floats(-1e6, 1e6, width=32)))
def test_out_of_range_images_are_clipped_not_wrapped(images):
    pixels = to_pixels(images)
    assert np.all(pixels[images >= 1] == 255) and np.all(pixels[images <= -1] == 0)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)


def test_out_formats(tmp_path, images):
    for name in ("a.png", "a.gif", "a.npz", "a.npy", "new/folder", "deep/er/a.png"):
        write_images(tmp_path / name, images)
    assert np.array_equal(read_png(tmp_path / "a.png"), tile_grid(images))
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 5
        gif.seek(4)
        assert np.array_equal(gif.convert("L"), images[4])
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(file["images"], images)
    assert np.array_equal(np.load(tmp_path / "a.npy"), images)
    names = sorted(file.name for file in (tmp_path / "new" / "folder").iterdir())
    assert names == [f"00000{i}.png" for i in range(5)]
    assert np.array_equal(read_png(tmp_path / "new" / "folder" / "000003.png"), images[3])
    assert not list(tmp_path.rglob("*partial*"))


def test_a_folder_of_images_may_be_any(tmp_path, images, monkeypatch):
    """The one at hand, which has no name; one of another disk; one where a kill left a part."""
    monkeypatch.chdir(tmp_path)
    check_out("/")
    write_images(".", images)
    (tmp_path / "a" / f"{PARTIAL}{os.getpid()}").mkdir(parents=True)
    above = sorted(tmp_path.iterdir())
    write_images("a", images)
    assert sorted(file.name for file in Path("a").iterdir()) == [f"00000{i}.png" for i in range(5)]
    assert sorted(tmp_path.iterdir()) == above  # nothing was made beside it


def test_a_failed_write_leaves_the_old_file(tmp_path, images, monkeypatch):
    write_images(tmp_path / "a.png", images)
    before = (tmp_path / "a.png").read_bytes()

    def fail(self, path, **kwargs):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_images(tmp_path / "a.png", images[:1])
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_wrong_out_paths_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for name in ("a.jpg", "file", "folder.png"):
        with pytest.raises(UsageError, match=name):
            check_out(tmp_path / name)
