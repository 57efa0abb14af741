"""docs/walkthrough.md: what it quotes stands in the code, and what it shows happens."""

import doctest
import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "walkthrough.md").read_text()
QUOTES = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("path, code", QUOTES)
def test_what_is_quoted_stands_in_the_file(path, code):
    assert code.rstrip("\n") in (ROOT / path).read_text()


def test_every_block_is_a_quote_or_is_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert QUOTES
    assert all(block.startswith(("# tf2gan/", ">>> ")) for block in blocks)


def test_what_is_shown_happens():
    test = doctest.DocTestParser().get_doctest(
        PAGE.replace("```", ""), {}, "walkthrough.md", None, 0
    )
    assert test.examples
    output = []
    doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=output.append)
    assert not output, "".join(output)
