"""What users get wrong, through the real command lines.

One line, the right status, nothing changed; and before TensorFlow is imported, where the tables
below do not say otherwise.
"""

import json
import re
import struct

import numpy as np
import pytest
from conftest import ROOT
from forked import Forked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tf2gan.data.load import load_data
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.sizes import check_size
from tf2gan.utils.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()
LONG = "x" * 300

TRAIN = """
--batch 0                                 | batch is 0; the least is 1
--batch -1                                | batch is -1; the least is 1
--batch 1000000000                        | batch is 1000000000; the most is 65536
--batch nan                               | --batch: invalid int value: 'nan'
--batch 1.5                               | --batch: invalid int value
--batch 1e3                               | --batch: invalid int value
--batch                                   | --batch: expected one argument
--batch 60001                             | mnist has 60000 images, less than one batch of 60001
--epochs 0                                | epochs is 0; the least is 1
--epochs -3                               | epochs is -3
--epochs 99999999                         | epochs is 99999999; the most is 1000000
--steps 0                                 | steps is 0; the least is 1
--steps inf                               | --steps: invalid int value
--steps 100000000000000000000000000000000 | the most is 1000000000
--seed -1                                 | seed is -1; the least is 0
--seed 2147483648                         | the most is 2147483647
--log-every 0                             | log_every is 0
--log-every 10001                         | the most is 10000
--image-every -5                          | image_every is -5
--checkpoint-every 0                      | checkpoint_every is 0
--evaluate-every -1                       | evaluate_every is -1; the least is 0
--evaluate-every often                    | --evaluate-every: invalid int value
--keep 0                                  | keep is 0
--keep 1001                               | keep is 1001; the most is 1000
--recipe cubist                           | invalid choice: 'cubist'
--mixed-precision int8                    | invalid choice: 'int8'
--name ../up                              | name is '../up'; use 1 to 80 letters
--name a/b                                | name is 'a/b'
--name ..                                 | name is '..'
--name .hidden                            | name is '.hidden'
--name BELL                               | name is '.x07'
--name LONG                               | name is 'xxx
--name EMPTY                              | name is ''
--image-size 30                           | image_size is 30x30; .* the nearest is 28x28 or 32x32
--image-size 8x300                        | image_size is 8x300; .* the nearest is 12x128
--image-size big                          | image_size is 'big'; give a number of pixels, or HxW
--color-mode cmyk                         | invalid choice: 'cmyk'
--set shift=14 --recipe modern            | shift is 14; the most is 13 for images of 28x28
--out a.png                               | --out goes with --dry-run
--dry-run --out a.gif                     | --out is a.gif; it must end in .png
--dry-run --out text.txt/a.png            | text.txt is no folder
--epoch 3                                 | --epochs?
--nonsense                                | there is no flag '--nonsense'
extra                                     | there is no flag 'extra'
--data EMPTY                              | data is ''
--data nowhere                            | 'nowhere' is no file or folder
--data nöwhere/日本                        | is no file or folder
--data ../nowhere                         | is no file or folder
--data LONG                               | is no file or folder
--data BELL                               | is no file or folder
--data loop                               | is no file or folder|levels of symbolic links
--data folder                             | holds no IDX files and no pictures
--data text.txt                           | text.txt is no data set that can be read
--data text.txt/inside                    | is no file or folder
--data empty.npz                          | empty.npz is empty
--data garbage.npz                        | garbage.npz cannot be read as an .npz
--data truncated.npz                      | truncated.npz cannot be read as an .npz
--data pickle.npz                         | pickle.npz cannot be read as an .npy of plain
--data short.npy                          | short.npy cannot be mapped as an .npy
--data pickle.npy                         | pickle.npy cannot be mapped as an .npy of plain numbers
--data float.npy                          | float.npy has 12 images, less than one batch of 128
--data float.npz                          | float.npz has 12 images, less than one batch of 128
--data shape.npz                          | shape.npz has 12 images, less than one batch of 128
--data color.npz                          | color.npz has 12 images, less than one batch of 128
--data none.npz                           | is uint8 .0, 28, 28.; expected images
--data other.npz                          | other.npz has 12 images, less than one batch of 128
--data labels.npz                         | y_train.*expected integers .12., one an image
--data few.npz                            | has 12 images, less than one batch of 128
--data idx-magic                          | ends early
--data idx-short                          | ends early
--data idx-long                           | goes on too long
--data idx-huge                           | more than 4294967296 bytes
--data idx-gz                             | idx-gz has 12 images, less than one batch of 128
--data idx-test                           | no training images
--data pictures                           | a.png cannot be read as a picture
--data fine.npz --batch 13                | has 12 images, less than one batch of 13
--start-from nowhere                      | --start-from nowhere: there is no such file, and no run
--start-from LONG                         | there is no such file, and no run of that name in runs/
--start-from folder                       | there is no such file, and no run
--start-from fresh/00000-a                | no run of that name in runs/ that has a checkpoint
--start-from mnist --start-from-discriminator text.txt | leave out --start-from-discriminator
--start-from text.txt --start-from-discriminator nope  | nope: there is no such file
--start-from-discriminator text.txt       | --start-from-discriminator goes with --start-from
--resume --logdir fresh --start-from mnist | --start-from mnist contradicts the run
--resume                                  | there is no run in runs/; train one first
--resume nope                             | there is no run 'nope'
--resume ../..                            | there is no run '../..'
--resume LONG                             | there is no run 'xxx
--resume --logdir broken                  | broken/00000-a/config.json is not a configuration
--resume 00001 --logdir damaged           | damaged/00001-b/config.json is not .* it is no JSON
--resume 00002 --logdir damaged           | a setting 'momentum' .* newer version
--resume 00003 --logdir damaged           | holds no JSON object
--resume 00004 --logdir damaged           | batch is 'many'
--resume 00005 --logdir damaged           | batch is nan
--resume 00006 --logdir damaged           | config.json cannot be read
--resume 00007 --logdir damaged           | config.json cannot be read
--logdir a[1]                             | a.1. has a '.', and TensorFlow finds no checkpoint
--data ~nobody-of-this-name/pictures      | is no file or folder
--resume --logdir fresh --batch 9         | --batch 9 contradicts the run, which has 4
--resume --logdir fresh --image-size 32   | --image-size 32x32 contradicts the run, which has 28x28
--resume --logdir fresh --color-mode rgb  | contradicts the run, which has grayscale
--resume --logdir fresh --seed 1          | --seed 1 contradicts the run, which has 0
--resume --logdir fresh --data mnist      | mnist is not what the run was trained on: 4 images
--resume --logdir fresh --name other      | --name other contradicts the run
--resume --logdir text.txt                | text.txt cannot be read as a folder of runs
--resume --logdir loop                    | loop cannot be read as a folder of runs
--resume 00000 --logdir gone              | gone.npz is not there, and the run was trained on it
"""
TRAIN_WITH_TENSORFLOW = """
--data fine.npz --batch 4 --start-from text.txt    | text.txt holds no weights of the generator
--data color.npz --batch 4 --start-from mnist      | is for images of 28x28, grayscale
--data fine.npz --batch 4 --logdir text.txt        | no run folder can be made in text.txt
--data fine.npz --batch 4 --logdir text.txt/inside | no run folder can be made in text.txt/inside
--data fine.npz --batch 4 --logdir loop            | no run folder can be made in loop
--data fine.npz --batch 4 --logdir LONG            | no run folder can be made in xxx
"""
GENERATE = """
--batch 0                                       | --batch is 0; choose 1 to 10000
--batch -1                                      | --batch is -1
--batch 10001                                   | --batch is 10001
--batch nan                                     | --batch: invalid int value
--seed -1                                       | --seed is -1; choose 0 to 2147483647
--seed 2147483648                               | --seed is 2147483648
--image-size 28                                 | --image-size goes with a file of weights
--weights text.txt --image-size 30              | image_size is 30x30
--select best                                   | invalid choice: 'best'
--bacth 3                                       | --batch?
--logdir nowhere                                | train one first: python train.py --logdir nowhere
--logdir text.txt                               | text.txt cannot be read as a folder of runs
--logdir loop                                   | loop cannot be read as a folder of runs
--logdir fresh                                  | no run in fresh has a checkpoint yet
--logdir fresh --run 00000                      | run fresh/00000-a has no checkpoint yet
--logdir fresh --run nope                       | there is no run 'nope'
--logdir fresh --run LONG                       | there is no run 'xxx
--weights nowhere                               | nowhere is no file
--weights folder                                | folder is no file
--weights LONG                                  | is no file
--discriminator-weights text.txt                | --discriminator-weights goes with a file
--pretrained cats                               | invalid choice: 'cats'
--pretrained --run 0                            | --run and --pretrained both choose the networks
--pretrained --weights text.txt                 | --pretrained and --weights both choose
--pretrained --checkpoint best                  | --checkpoint is for a run; mnist is none
--pretrained --image-size 32                    | --image-size goes with a file of weights
--pretrained --label cat                        | the classes of mnist are 0, 1, 2
--pretrained --project nope.png                 | --project nope.png: there is no such picture
--pretrained --project folder                   | --project folder: there is no such picture
--pretrained --project text.txt --label 7       | one picture; leave out --label
--pretrained --project text.txt --nice          | one picture; leave out --select nice
--pretrained --project text.txt --interpolate   | one picture; leave out --interpolate
--pretrained --project text.txt                 | text.txt is no data set that can be read
--pretrained --project few.npz                  | few.npz holds 12 images; give one picture
--logdir nowhere                                | --pretrained; or train one first
--weights text.txt --run 0                      | --run and --weights both choose the networks
--weights text.txt --interpolate --batch 12     | --batch 12 must be 16, 24, 32 or so
--weights text.txt --nice                       | with a file of weights needs --discriminator
--weights text.txt --out a.jpg                  | a.jpg ends in .jpg; --out takes
--weights text.txt --out folder.png             | folder.png is a folder; --out takes
--weights text.txt --out LONG                   | File name too long
--weights text.txt --out README                 | README is a file; --out takes
--weights text.txt --out text.txt/a.png         | --out text.txt/a.png: .*text.txt is no folder
--weights text.txt --discriminator-weights nope | nope is no file
"""
GENERATE_WITH_TENSORFLOW = """
--weights text.txt                              | text.txt holds no weights of the generator
"""


EXPORT = """
nope --to a                                     | SOURCE nope: there is no such file, and no run
mnist                                           | required: --to
mnist --to a.h5                                 | --to is a.h5; it must be a folder, or end in .onnx
mnist --to folder                               | --to folder is there already
mnist --to text.txt/a                           | --to text.txt/a: .*text.txt is no folder
mnist --to LONG                                 | File name too long
mnist --to a --output int8                      | invalid choice: 'int8'
mnist --to a --checkpoint best                  | --checkpoint is for a run; mnist is none
"""


def cases(table):
    return [
        tuple(part.strip() for part in line.split(" | ")) for line in table.strip().splitlines()
    ]


def words(text):
    """The words of a line of the table, its stand-ins replaced."""
    stand_ins = {"EMPTY": "", "LONG": LONG, "BELL": "\x07"}
    return [stand_ins.get(word, word) for word in text.split()]


def write_run(folder, config):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder full of what can go wrong."""
    place = tmp_path_factory.mktemp("place")
    for folder in (
        "folder",
        "folder.png",
        "pictures",
        "idx-magic",
        "idx-short",
        "idx-long",
        "idx-huge",
        "idx-gz",
        "idx-test",
    ):
        (place / folder).mkdir()
    (place / "loop").symlink_to("loop")
    (place / "text.txt").write_text("hello")
    (place / "README").write_text("hello")
    (place / "empty.npz").touch()
    (place / "garbage.npz").write_bytes(bytes(range(256)) * 9)
    np.savez(place / "fine.npz", x_train=IMAGES)
    np.savez(place / "few.npz", x_train=IMAGES)
    (place / "truncated.npz").write_bytes((place / "fine.npz").read_bytes()[:-40])
    np.savez(place / "pickle.npz", x_train=np.array([{}], dtype=object))
    np.savez(place / "float.npz", x_train=IMAGES / 255)
    np.save(place / "float.npy", IMAGES / 255)
    np.save(place / "pickle.npy", np.array([{}], dtype=object))
    (place / "short.npy").write_bytes((place / "float.npy").read_bytes()[:-40])
    np.savez(place / "shape.npz", x_train=IMAGES[:, :20, :20])
    np.savez(place / "color.npz", x_train=np.repeat(IMAGES[..., None], 3, 3))
    np.savez(place / "none.npz", x_train=IMAGES[:0])
    np.savez(place / "other.npz", images=IMAGES)
    np.savez(place / "labels.npz", x_train=IMAGES, y_train=np.zeros(5, np.uint8))
    name = "train-images-idx3-ubyte"
    (place / "idx-magic" / name).write_bytes(b"\0\0\x0d\3" + IDX[4:])
    (place / "idx-short" / name).write_bytes(IDX[:-1])
    (place / "idx-long" / name).write_bytes(IDX + b"x")
    (place / "idx-huge" / name).write_bytes(IDX[:4] + b"\xff" * 12 + IDX[16:])
    (place / "idx-gz" / f"{name}.gz").write_bytes(IDX)
    (place / "idx-test" / "t10k-images-idx3-ubyte").write_bytes(IDX)
    Image.fromarray(IMAGES[0]).save(place / "pictures" / "a.png")
    (place / "pictures" / "a.png").write_bytes((place / "pictures" / "a.png").read_bytes()[:99])
    known = {"sha256": "0", "images": 4, "classes": 0}
    fine = TrainConfig(data="fine.npz", batch=4, data_fingerprint=known)
    write_run(place / "fresh" / "00000-a", fine.to_json())
    write_run(place / "gone" / "00000-a", TrainConfig(data="gone.npz").to_json())
    write_run(place / "broken" / "00000-a", fine.to_json()[:-20])
    settings = json.loads(fine.to_json())
    damaged = [
        "",
        "\0\0",
        json.dumps({**settings, "momentum": 0.9}),
        "[1]",
        json.dumps({**settings, "batch": "many"}),
        json.dumps({**settings, "batch": float("nan")}),
    ]
    for number, text in enumerate(damaged):
        write_run(place / "damaged" / f"{number:05d}-{chr(97 + number)}", text)
    write_run(place / "damaged" / "00006-g", "")
    (place / "damaged" / "00006-g" / "config.json").write_bytes(b"\xff\xfe\x80")
    write_run(place / "damaged" / "00007-h", '{"recipe": ["classic"]}')
    return place


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def check(place, script, args, said, *, no_tensorflow):
    before = snapshot(place)
    process = Forked(ROOT / script, *words(args), cwd=place, no_tensorflow=no_tensorflow)
    output, error = process.communicate()
    in_a_folder = re.search("no run folder|config.json", said)  # and not in what was typed
    in_a_folder = in_a_folder or re.search("--logdir (broken|damaged)", args)
    assert process.returncode == (1 if in_a_folder else 2), error
    assert re.search(said.replace("?", r"\?"), error), error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert output == ""
    assert snapshot(place) == before


@pytest.mark.parametrize("args, said", cases(TRAIN))
def test_train_refuses(place, args, said):
    check(place, "train.py", args, said, no_tensorflow=True)


@pytest.mark.parametrize("args, said", cases(TRAIN_WITH_TENSORFLOW))
def test_train_refuses_a_logdir(place, args, said):
    check(place, "train.py", args, said, no_tensorflow=False)


@pytest.mark.parametrize("args, said", cases(GENERATE))
def test_generate_refuses(place, args, said):
    check(place, "generate.py", args, said, no_tensorflow=True)


@pytest.mark.parametrize("args, said", cases(GENERATE_WITH_TENSORFLOW))
def test_generate_refuses_a_file(place, args, said):
    check(place, "generate.py", args, said, no_tensorflow=False)


@pytest.mark.parametrize("args, said", cases(EXPORT))
def test_export_refuses(place, args, said):
    check(place, "tf2gan/export.py", args, said, no_tensorflow=True)


# The readers: whatever a file holds, they load it or raise the project's own error.


def whole_files():
    import gzip
    import io

    npz, compressed, npy, png, gif, tiff = (io.BytesIO() for _ in range(6))
    np.save(npy, IMAGES)
    np.savez(npz, x_train=IMAGES, y_train=np.zeros(12, np.uint8))
    np.savez_compressed(compressed, x_train=IMAGES)
    for file, kind in ((png, "png"), (gif, "gif"), (tiff, "tiff")):
        Image.fromarray(IMAGES[0]).save(file, kind)
    return {
        "a.npz": npz.getvalue(),
        "b.npz": compressed.getvalue(),
        "c.npy": npy.getvalue(),
        "train-images-idx3-ubyte": IDX,
        "train-images-idx3-ubyte.gz": gzip.compress(IDX),
        "a.png": png.getvalue(),
        "a.gif": gif.getvalue(),
        "a.tiff": tiff.getvalue(),
    }


WHOLE_FILES = whole_files()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_readers_raise_nothing_but_data_errors(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(WHOLE_FILES)))
    content = bytearray(WHOLE_FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):  # most damage at the ends, where headers are
        place = data.draw(st.integers(0, min(len(content), 200) - 1)) * data.draw(
            st.sampled_from([1, -1])
        )
        content[place] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    )
    content += data.draw(st.binary(max_size=20))
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / name).write_bytes(content)
    try:
        loaded = load_data(str(folder / name if name.endswith((".npz", ".npy")) else folder))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert loaded.images.dtype == np.uint8 and loaded.images.shape[3] in (1, 3)
        check_size(loaded.image_size, "images")
