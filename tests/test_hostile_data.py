"""Files that lie, files that are damaged, files made to harm: a data set or one line, in bounds."""

import bz2
import gzip
import io
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import zipfile

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from tf2gan.data import cache
from tf2gan.data.load import load_data
from tf2gan.utils.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
LABELS = np.arange(12) % 3
SUFFIXES = (
    """
.npz .npy .zip .tar .tgz .gz .bz2 .xz .csv .tsv .txt .bin .mat .h5 .parquet .pkl .pt .png .jpg .gif
.bmp .tif .webp .ico .pcx .psd .eps -idx3-ubyte
""".split()
    + [""]
)
HEADS = [b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"PAR1"]
HEADS += [b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0", b"MATLAB 7.3", b"\0\0\x08\x03\0\0\0\x02", b"1,2,3\n"]
HEADS += [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"%!PS-Adobe-3.0", b""]


def attempt(path):
    """Loads what may be anything: a `Data`, or None after one line."""
    try:
        loaded = load_data(str(path))
    except DataError as error:
        assert "\n" not in str(error)
        return None
    assert loaded.images.dtype == np.uint8 and loaded.images.ndim == 4
    assert loaded.images.shape[3] in (1, 3) and len(loaded.images)
    return loaded


def whole_files():
    files = {kind: io.BytesIO() for kind in ("npz", "npy", "zip", "tar", "mat", "h5", "parquet")}
    pictures = {kind: io.BytesIO() for kind in ("png", "gif", "tif", "bmp", "webp", "jpeg", "pcx")}
    for kind, file in pictures.items():
        Image.fromarray(IMAGES[0]).save(file, "tiff" if kind == "tif" else kind)
    np.savez_compressed(files["npz"], x_train=IMAGES, y_train=LABELS)
    np.save(files["npy"], IMAGES)
    with zipfile.ZipFile(files["zip"], "w") as archive:
        archive.writestr("a/1.png", pictures["png"].getvalue())
    with tarfile.open(fileobj=files["tar"], mode="w") as archive:
        member = tarfile.TarInfo("a.npz")
        member.size = len(files["npz"].getvalue())
        archive.addfile(member, io.BytesIO(files["npz"].getvalue()))
    scipy.io.savemat(files["mat"], {"images": IMAGES, "labels": LABELS}, do_compression=True)
    with h5py.File(files["h5"], "w") as file:
        file.create_dataset("images", data=IMAGES, compression="gzip")
    table = pyarrow.table({"image": [pictures["png"].getvalue()] * 3, "label": [0, 1, 2]})
    pyarrow.parquet.write_table(table, files["parquet"])
    contents = {f"a.{kind}": file.getvalue() for kind, file in {**files, **pictures}.items()}
    contents["train-images-idx3-ubyte"] = (
        struct.pack(">4B3I", 0, 0, 8, 3, 12, 28, 28) + IMAGES.tobytes()
    )
    rows = [",".join(map(str, image.ravel())) for image in IMAGES]
    contents["a.csv"] = "\n".join(rows).encode()
    contents["data_batch_1.bin"] = b"".join(b"\1" + bytes(3072) for _ in range(3))
    contents["a.csv.gz"] = gzip.compress(contents["a.csv"])
    contents["a.tar.xz"] = lzma.compress(contents["a.tar"])
    contents["a.npy.bz2"] = bz2.compress(contents["a.npy"])
    return contents


WHOLE = whole_files()
WITHOUT_A_FOLDER = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "deadline": None,
}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_whole_ones_load_and_cut_ones_say_so_in_a_line(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE[name])
    assert attempt(tmp_path / name) is not None and attempt(tmp_path) is not None
    for length in (0, 1, 7, 60, 300, len(WHOLE[name]) // 2):
        (tmp_path / name).write_bytes(WHOLE[name][:length])
        assert attempt(tmp_path / name) is None and attempt(tmp_path) is None
    (tmp_path / name).write_bytes(WHOLE[name][:-1])  # which in some holds nothing of the images
    attempt(tmp_path / name)
    attempt(tmp_path)


@settings(max_examples=300, **WITHOUT_A_FOLDER)
@given(st.sampled_from(SUFFIXES), st.sampled_from(HEADS), st.binary(max_size=300))
def test_any_bytes_under_any_name(tmp_path_factory, suffix, head, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / f"train-images{suffix}").write_bytes(head + content)
    attempt(folder)
    attempt(folder / f"train-images{suffix}")


@settings(max_examples=300, **WITHOUT_A_FOLDER)
@given(st.data())
def test_damage_anywhere(tmp_path_factory, data):
    """Most of it at the ends, where the heads are; under the name of another kind now and then."""
    content = bytearray(WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content), 600) - 1))
        content[data.draw(st.sampled_from([place, -place - 1]))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    name = data.draw(st.sampled_from(sorted(WHOLE)))
    (folder / name).write_bytes(content)
    attempt(folder)
    attempt(folder / name)


BOMBS = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
from tf2gan.data.load import load_data
from tf2gan.utils.errors import DataError
for path in sys.argv[1:]:
    try:
        load_data(path)
    except DataError as error:
        print(error)
    else:
        print("loaded", path)
"""


def test_bombs_are_noticed_before_they_fill_the_memory(tmp_path):
    zeros = bytes(1 << 24)
    squeezed = gzip.compress(zeros, 9)

    def squeeze(name, head=b""):
        (tmp_path / name).write_bytes(gzip.compress(head) + squeezed * 25)

    member = tarfile.TarInfo("a.bin")
    member.size = 400 << 20
    squeeze("a.tgz", member.tobuf())
    squeeze("images-idx3-ubyte.gz", struct.pack(">4B3I", 0, 0, 8, 3, 1 << 19, 28, 28))
    squeeze("a.csv.gz", b"0," * 784 + b"0\n" + b"0," * 784 + b"0\n")
    for name, inside in (("a.npz", "images.npy"), ("b.zip", "a.png")):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            with file.open(inside, "w", force_zip64=True) as member:
                for _ in range(20):
                    member.write(zeros)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (1 << 22, 28, 28), np.uint8, chunks=(1024, 28, 28))
    pictures = pyarrow.array([zeros] * 64)  # 1 GiB, of which the file says so
    pyarrow.parquet.write_table(
        pyarrow.table({"image": pictures}),
        tmp_path / "plain.parquet",
        compression="zstd",
        use_dictionary=False,
    )
    often = pyarrow.DictionaryArray.from_arrays(np.zeros(300, np.int32), pictures[:1])
    pyarrow.parquet.write_table(  # 16 MiB, that all of 300 rows mean
        pyarrow.table({"image": often}),
        tmp_path / "often.parquet",
        compression="zstd",
        dictionary_pagesize_limit=1 << 30,
        store_schema=False,
    )
    del pictures, often
    pyarrow.default_memory_pool().release_unused()  # 3 GB that the tests after it would carry
    names = ["a.tgz", "images-idx3-ubyte.gz", "a.csv.gz", "a.npz", "b.zip", "a.h5"]
    names += ["plain.parquet", "often.parquet"]
    paths = [tmp_path / name for name in names]
    command = [sys.executable, "-c", BOMBS, *map(str, paths)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    lines = process.stdout.splitlines()
    assert len(lines) == len(names) and process.stderr == "", process.stderr
    for name, line in zip(names, lines, strict=True):
        assert name in line and re.search("unpacks|cannot be read as a table", line)


@pytest.mark.parametrize("shape", [(1 << 40, 28, 28), (1 << 23, 28, 28), (1 << 62, 1 << 62)])
def test_heads_that_claim_too_much(tmp_path, shape):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", head.getvalue() + IMAGES.tobytes())
    with pytest.raises(DataError, match="x_train.npy in .*a.npz claims .* more than 4294967296"):
        load_data(str(tmp_path / "a.npz"))
    (tmp_path / "a.npy").write_bytes(head.getvalue() + IMAGES.tobytes())
    with pytest.raises(DataError, match="a.npy cannot be mapped"):
        load_data(str(tmp_path / "a.npy"))


def test_what_is_larger_than_memory_is_converted_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MEMORY_MOST", 1000)
    monkeypatch.setattr(cache, "WITHOUT_DISK", 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.save(tmp_path / "a.npy", IMAGES)
    images = load_data(str(tmp_path / "a.npy"), (32, 32)).images
    assert isinstance(images, np.memmap) and images.shape[1:] == (32, 32, 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a.npy"))
    with pytest.raises(DataError, match="find no room in .* and memory is for at most 1000"):
        load_data(str(tmp_path / "a.npy"), (32, 32))


def test_a_head_that_claims_more_than_is_there(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 28, 28)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", head.getvalue() + IMAGES.tobytes())
    with pytest.raises(DataError, match="ends early"):
        load_data(str(tmp_path / "a.npz"))


def test_objects_are_never_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object))
    np.savez(tmp_path / "a.npz", x_train=np.array([IMAGES], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="plain numbers"):
            load_data(str(tmp_path / name))


def png():
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "PNG")
    return file.getvalue()


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    names = ["../out.png", "/out.png", "a/../../out.png", "..\\out.png", "fine/1.png"]
    with zipfile.ZipFile(inside / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, png())
    with tarfile.open(inside / "a.tar", "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(png())
            archive.addfile(member, io.BytesIO(png()))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("link.png")
            member.type, member.linkname = kind, str(tmp_path / "secret.png")
            archive.addfile(member)
    before = sorted(tmp_path.rglob("*"))
    for name in ("a.zip", "a.tar"):
        loaded = load_data(str(inside / name))
        assert len(loaded.images) == 2  # fine/1.png, and /out.png as a name below the archive
    assert sorted(tmp_path.rglob("*")) == before


def test_hdf5_reads_no_other_file(tmp_path):
    (tmp_path / "secret").write_bytes(IMAGES.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = IMAGES
    with h5py.File(tmp_path / "a.h5", "w") as file:
        external = [(str(tmp_path / "secret"), 0, IMAGES.nbytes)]
        file.create_dataset("images", IMAGES.shape, np.uint8, external=external)
        layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", IMAGES.shape)
        file.create_virtual_dataset("x_train", layout)
        file["pictures"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "images")
    assert attempt(tmp_path / "a.h5") is None


def test_encrypted_zips_and_odd_compressions(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.png", png())
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for place, value in ((6, 1), (content.index(b"PK\1\2") + 8, 1)):
        content[place] |= value
    (tmp_path / "a.zip").write_bytes(content)
    assert attempt(tmp_path / "a.zip") is None


def test_no_code_in_postscript_is_run(tmp_path, monkeypatch):
    """Under any name; Ghostscript would be started for it, where there is one."""
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args: started.append(args))
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n"
    for name in ("a.eps", "a.ps", "a.png", "a.jpg"):
        (tmp_path / name).write_bytes(content)
        assert attempt(tmp_path / name) is None
    assert attempt(tmp_path) is None and not started


def test_pictures_of_too_many_pixels_count_as_damaged(tmp_path, capfd):
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(png())
    Image.new("1", (1 << 14, (1 << 12) + 1)).save(tmp_path / "large.png")
    assert len(load_data(str(tmp_path)).images) == 20
    assert "large.png (16384x4097 pixels, more than 67108864)" in capfd.readouterr().err


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGBA", "I;16"])
def test_large_pictures_are_shrunk_not_refused(tmp_path, mode):
    picture = Image.new("L", (4200, 4200))
    picture.paste(255, (1200, 1200, 3000, 3000))
    picture = (
        Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
        if mode == "I;16"
        else picture.convert(mode)
    )
    picture.save(tmp_path / "a.png", compress_level=1)
    image = load_data(str(tmp_path)).images[0, ..., 0]
    assert image[14, 14] > 250 and image[2, 2] < 5


def test_names_that_no_terminal_shows(tmp_path):
    folder = tmp_path / "a\nb\x1b[31m"
    folder.mkdir()
    (folder / "c\nd.npz").write_bytes(b"PK\x03\x04")
    for source in (folder, folder / "c\nd.npz"):
        with pytest.raises(DataError) as error:
            load_data(str(source))
        assert str(error.value).isprintable()


def test_what_is_no_file_of_data(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    for source, said in (
        (tmp_path, "holds no IDX files and no pictures"),
        (tmp_path / "a.txt", "is no data set"),
    ):
        with pytest.raises(DataError, match=said):
            load_data(str(source))
    with pytest.raises(DataError, match="is no file or folder"):
        load_data("/dev/null")
