"""The notebook for a lesson stays true: it is run from top to bottom."""

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient


@pytest.mark.slow
def test_the_lesson_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lesson = nbformat.read(ROOT / "docs" / "lesson.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(lesson, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [out for cell in lesson.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert (tmp_path / "runs" / "00000-mnist-modern" / "summary.json").is_file()
