"""The order of the house: imports run one way, names load late, documents say what there is."""

import ast
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


def test_generation_needs_no_training():
    assert not any(name.startswith(("training", "gan")) for name in imported(FILES["cli.generate"]))


@pytest.mark.parametrize("room", WITHOUT_TENSORFLOW.split())
def test_mistakes_are_told_without_tensorflow(room):
    for name, path in FILES.items():
        if name == room or name.startswith(f"{room}."):
            for node in ast.parse(path.read_text()).body:  # at the top level of the module
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                assert not {"tensorflow", "keras"} & {part.split(".")[0] for part in names}, name


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


def test_no_line_is_too_long_to_read():
    for path in [*DOCUMENTS, *(ROOT / "tf2gan" / "board" / "page").iterdir()]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= 120 or line.startswith("|"), f"{path.name}:{number}"


def shown(path):
    """The blocks of text of a document, as a reader's program understands them."""
    blocks = MarkdownIt("commonmark").enable("table").parse(path.read_text())
    return [block for block in blocks if block.children]


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


def test_ci_runs_the_readmes_test_command():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"^pip install .*pytest.*$", readme, re.M)
    assert commands == ['pip install -e ".[test]" && python -m pytest -n 2']
    assert readme.count("\npip install -e . && python train.py --logdir runs/\n") == 1
    assert "grep -m 1 '^pip install .*pytest' README.md" in (ROOT / ".ci" / "run").read_text()


def test_readme_names_every_flag_and_no_other(capsys):
    """And the other documents; docs/commands.md has every flag and every value of a recipe."""
    from tf2gan import export
    from tf2gan.quality import __main__ as quality
    from tf2gan.settings.recipes import HYPERPARAMETERS, RECIPES

    commands = (ROOT / "docs" / "commands.md").read_text()
    benchmarks = {"--rounds", "--steps", "--sizes", "--whole", "--onednn", "--images"}
    benchmarks |= {"--minutes", "--pace", "--pictures"}
    sources = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    assert [flag for flag in benchmarks if f'"{flag}"' not in sources] == []
    # TensorBoard's, srun's and ruff's.
    known = benchmarks | {"--samples_per_plugin", "--bind_all", "--ntasks-per-node", "--check"}
    for script in (train, generate, quality, export):
        with pytest.raises(SystemExit):
            script.main(["--help"])
        # Where a line begins: further on the help may break a flag in two.
        flags = re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.M)
        assert len(flags) > 3
        known |= set(flags)
        missing = [flag for flag in flags if not re.search(rf"`{flag}[` ]", commands)]
        assert set(missing) <= {"--help"}, f"docs/commands.md leaves out {missing}"
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]+", document.read_text()))
        assert named <= known, f"{document} names {named - known}, which do not exist"
    for name in HYPERPARAMETERS:
        own = [getattr(recipe, name) for recipe in RECIPES.values()]
        cells = [f"{value:g}" if type(value) is float else str(value).lower() for value in own]
        row = f"| `{name}` | {' | '.join(cells)} |"
        assert row in commands, f"docs/commands.md lacks the row {row}"
