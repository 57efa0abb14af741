"""The order of the house: imports run one way, and the README says what the code does."""

import ast
import re
from pathlib import Path

import generate
import train

ROOT = Path(__file__).parent.parent
LAYERS = [  # each may import those above it
    "errors files precision polyphase recipes signals",
    "commands config distribution images optimizers runs",
    "data models",
    "classifier sampling windows",
    "gan",
    "checkpoints summaries progress",
    "quality",
    "evaluation",
    "training",
]


def imported(path):
    """The tf2gan modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tf2gan"):
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [name.name for name in node.names]
        elif isinstance(node, ast.Import):
            yield from [
                name.name.split(".")[1] for name in node.names if name.name.startswith("tf2gan.")
            ]


def test_imports_run_one_way():
    level = {module: i for i, names in enumerate(LAYERS) for module in names.split()}
    modules = {
        path.stem: path for path in (ROOT / "tf2gan").glob("*.py") if path.stem != "__init__"
    }
    assert set(modules) == set(level)
    for name, path in modules.items():
        for other in imported(path):
            assert level[other] < level[name], f"{name} imports {other}"


def test_generation_needs_no_training():
    assert not {"training", "gan"} & set(imported(ROOT / "generate.py"))


def test_images_need_no_tensorflow():
    for name in (
        "errors",
        "files",
        "config",
        "images",
        "commands",
        "runs",
        "signals",
        "data",
        "recipes",
    ):
        tree = ast.parse((ROOT / "tf2gan" / f"{name}.py").read_text())
        for node in tree.body:  # at the top level of the module
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert "tensorflow" not in names and "keras" not in names, name


def test_ci_runs_the_readmes_test_command():
    commands = re.findall(r"^pip install .*pytest.*$", (ROOT / "README.md").read_text(), re.M)
    assert len(commands) == 1
    assert "grep -m 1 '^pip install .*pytest' README.md" in (ROOT / ".ci" / "run").read_text()


def test_readme_names_every_flag_and_no_other(capsys):
    readme = (ROOT / "README.md").read_text()
    known = {"--samples_per_plugin", "--rounds", "--sizes", "--whole", "--nearest"}
    for script in (train, generate):
        try:
            script.main(["--help"])
        except SystemExit:
            pass
        known |= set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z][a-z_-]+", readme))
    assert known - named == set(), "flags that the README leaves out"
    assert named - known == set(), "flags of the README that do not exist"
