"""The order of the house: imports run one way, names load late, documents say what there is."""

import ast
import configparser
import contextlib
import io
import itertools
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from markdown_it import MarkdownIt

import generate
import tf2gan
import train
from tf2gan.settings.recipes import HYPERPARAMETERS, RECIPES

FLOORS = [  # drawn from the top; each imports from floors below it alone
    "cli export",
    "training",
    "gan board",
    "quality",
    "sampling",
    "runs",
    "networks data",
    "devices settings",
    "utils",
]
# What mistakes are told with, before TensorFlow is imported; NumPy and Pillow are quick.
WITHOUT_TENSORFLOW = (
    "settings utils devices.kernels data runs.folders runs.sources cli export training.signals"
)
DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "tf2gan").rglob("*.md")}
)
FILES = {
    ".".join(path.relative_to(ROOT / "tf2gan").with_suffix("").parts): path
    for path in (ROOT / "tf2gan").rglob("*.py")
    if path.name != "__init__.py"
}


def imported(path):
    """The tf2gan modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tf2gan":
            module = node.module.removeprefix("tf2gan").lstrip(".")
            for name in node.names:
                inner = f"{module}.{name.name}".lstrip(".")
                yield inner if inner in FILES else module
        elif isinstance(node, ast.Import):
            yield from [n.name.removeprefix("tf2gan.") for n in node.names if "tf2gan." in n.name]


def floor(module):
    """The number of the floor that holds a module, counted from the top."""
    (number,) = [i for i, rooms in enumerate(FLOORS) if module.split(".")[0] in rooms.split()]
    return number


def test_each_floor_imports_from_floors_below_it():
    for name, path in FILES.items():
        for other in filter(None, imported(path)):
            if other.split(".")[0] != name.split(".")[0]:
                assert floor(other) > floor(name), f"{name} imports {other}"


def test_imports_go_round_nowhere():
    graph = {name: {other for other in imported(path) if other} for name, path in FILES.items()}
    while graph:
        leaves = [name for name, others in graph.items() if not others & set(graph)]
        assert leaves, f"these import each other: {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def test_what_is_imported_is_declared():
    """What comes by another package today may not tomorrow; `data` and `export` are asked for."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    extras = parser["options.extras_require"]
    lines = parser["options"]["install_requires"] + extras["data"] + extras["export"]
    declared = set(re.findall(r"^[\w-]+", lines, re.M))
    names = {"PIL": "pillow", "google": "protobuf"}
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            found = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            found += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            tops = {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"tf2gan"}
            assert {names.get(top, top) for top in tops} <= declared, module


def test_generation_needs_no_training():
    """Whatever it imports on the way."""
    needed, looked_at = {"cli.generate"}, set()
    while todo := needed - looked_at:
        looked_at |= todo
        needed |= {other for name in todo for other in imported(FILES[name]) if other in FILES}
    assert "sampling.sampler" in needed
    assert not [name for name in needed if name.split(".")[0] in ("training", "gan")]


def test_mistakes_are_told_without_tensorflow():
    """Each module of those rooms can be imported where TensorFlow cannot."""
    rooms = WITHOUT_TENSORFLOW.split()
    names = {room: [name for name in FILES if f"{name}.".startswith(f"{room}.")] for room in rooms}
    assert all(names.values()), names
    script = (
        "import importlib, sys\n"
        "sys.modules['tensorflow'] = sys.modules['keras'] = None  # importing either fails\n"
        "for name in sys.argv[1:]: importlib.import_module(f'tf2gan.{name}')\n"
    )
    words = [sys.executable, "-c", script, *itertools.chain(*names.values())]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_public_names_are_loaded_when_they_are_first_used():
    script = (
        "import sys, tf2gan\n"
        "assert not {'numpy', 'keras', 'tensorflow', 'tf2gan.settings.config'} & set(sys.modules)\n"
        "assert set(tf2gan.__all__) <= set(dir(tf2gan))\n"
        "tf2gan.TrainConfig\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert all(callable(getattr(tf2gan, name)) for name in tf2gan.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tf2gan.nonsense  # noqa: B018


def test_the_code_is_linted_and_laid_out():
    for check in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *check, "--no-cache", str(ROOT)]
        result = subprocess.run(ruff, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_an_editor_knows_the_public_names():
    """Their arguments and results; and that wrong ones are found (`warn_unused_ignores`)."""
    mypy = [sys.executable, "-m", "mypy", f"--cache-dir={os.devnull}"]
    result = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    stated = (ROOT / "tests" / "public_types.py").read_text()
    assert [name for name in tf2gan.__all__ if f"tf2gan.{name}" not in stated] == []


def test_no_line_of_the_tabs_page_is_too_long_to_read():
    for path in (ROOT / "tf2gan" / "board" / "page").iterdir():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= 120, f"{path.name}:{number}"


def blocks_of(path):
    """The blocks of a document, as a reader's program understands them."""
    return MarkdownIt("commonmark").enable("table").parse(path.read_text())


def shown(path):
    """Its blocks of text."""
    return [block for block in blocks_of(path) if block.children]


def code_in(path):
    """Its code: each block, and what stands between backticks within a line."""
    for block in blocks_of(path):
        yield from [block.content] if block.type in ("fence", "code_block") else []
        yield from [part.content for part in block.children or () if part.type == "code_inline"]


def test_documents_read_as_they_are_meant():
    """No link, emphasis, code or table that a reader would see as its signs."""
    for path in DOCUMENTS:
        for block in shown(path):
            texts = "".join(part.content for part in block.children if part.type == "text")
            signs = re.search(r"\]\[|\]\(|\]:|\*\*|`|\|", texts)
            assert not signs, f"{path.name}:{block.map[0] + 1}: {texts}"


def test_every_link_leads_somewhere():
    heads = {path: re.findall(r"^#+ (.*)", path.read_text(), re.M) for path in DOCUMENTS}
    for path in DOCUMENTS:
        parts = [part for block in shown(path) for part in block.children]
        for target in filter(None, (part.attrGet("href") or part.attrGet("src") for part in parts)):
            if not target.startswith("https://"):
                file, _, anchor = target.partition("#")
                file = (path.parent / file).resolve() if file else path
                assert file.exists(), f"{path.name}: {target}"
                names = [re.sub(r"[^\w -]", "", head.lower()) for head in heads.get(file, [])]
                assert anchor in ["", *(name.replace(" ", "-") for name in names)], target


def test_ci_finds_the_readmes_test_command():
    (pattern,) = re.findall("grep -m 1 '(.*)' README.md", (ROOT / ".ci" / "run").read_text())
    command = re.search(f"{pattern}.*", (ROOT / "README.md").read_text(), re.M)
    assert command and ".[test]" in command[0] and "python -m pytest" in command[0]


FLAG = r"(?<![\w-])--[a-z][a-z-]*(?![\w-])"  # TensorBoard's have an underscore, which ours have not


@pytest.fixture(scope="module")
def flags():
    """The flags of each of the package's commands, and of each benchmark."""
    from tf2gan import export
    from tf2gan.quality import __main__ as quality

    found = {}
    for name, command in {
        "train.py": train,
        "generate.py": generate,
        "tf2gan.quality": quality,
        "tf2gan.export": export,
    }.items():
        with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit):
            command.main(["--help"])
        # Where a line begins: further on the help may break a flag in two.
        found[name] = set(re.findall(rf"^  (?:-h, )?({FLAG})", said.getvalue(), re.M))
        assert len(found[name]) > 3
    for path in (ROOT / "benchmarks").glob("*.py"):
        own = re.findall(rf'add_argument\(\s*"({FLAG})"', path.read_text())
        found[f"benchmarks/{path.name}"] = {*own, "--help"}
    return found


def test_commands_in_documents_have_the_flags_that_they_are_given(flags):
    """And a flag that stands for itself is one of theirs."""
    commands = "|".join(map(re.escape, flags))
    seen = set()
    for path in DOCUMENTS:
        if path.name == "CHANGELOG.md":  # it may name what is gone
            continue
        for code in code_in(path):
            code = code.replace("\\\n", " ")
            for command, words in re.findall(rf"({commands})([^\n&;#]*)", code):
                wrong = set(re.findall(FLAG, words)) - flags[command]
                assert not wrong, f"{path.name}: {command} has no {wrong}"
                seen.add(command)
            alone = set(re.findall(FLAG, code)) if code.startswith("--") else set()
            assert alone <= set().union(*flags.values()), f"{path.name}: {code}"
    assert {"train.py", "generate.py", "tf2gan.quality", "tf2gan.export"} <= seen


def test_a_page_has_every_flag_and_every_value_of_a_recipe(flags):
    page = (ROOT / "docs" / "commands.md").read_text()
    for command in ("train.py", "generate.py", "tf2gan.quality", "tf2gan.export"):
        rows = set(re.findall(rf"^\| `({FLAG})[` ]", page, re.M))
        missing = flags[command] - rows - {"--help"}
        assert not missing, f"docs/commands.md leaves out {missing} of {command}"
    for name in HYPERPARAMETERS:
        own = [getattr(recipe, name) for recipe in RECIPES.values()]
        cells = [f"{value:g}" if type(value) is float else str(value).lower() for value in own]
        row = f"| `{name}` | {' | '.join(cells)} |"
        assert row in page, f"docs/commands.md lacks the row {row}"
