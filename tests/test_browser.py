"""TensorBoard in a real browser: what a person sees of a run.

Needs Debian's package chromium (or CHROMIUM=PATH) and skips without it; with CI set, a skip is a
failure.
"""

import re

import pytest
from browser import looking, open_tab, require_chromium, serving

from tf2gan.board.summaries import HELD_OUT, charts_without

pytestmark = pytest.mark.xdist_group("measured")


@pytest.fixture(scope="module")
def run(measured):
    return measured


@pytest.fixture(scope="module")
def address(run):
    with serving(run.parent) as address:
        yield address


@pytest.fixture(scope="module")
def page(address):
    require_chromium()
    with looking() as page:
        yield page


def test_the_run_and_its_charts(page, address, run):
    open_tab(page, address, "custom_scalars")
    page.get_by_text(run.name).first.wait_for()
    charts = {
        title: len(tags)
        for category in charts_without(HELD_OUT).values()
        for title, tags in category.items()
    }
    cards = page.locator("tf-custom-scalar-multi-line-chart-card")
    cards.locator("svg path.line").nth(sum(charts.values()) - 1).wait_for(state="attached")
    assert cards.count() == len(charts)
    for title, lines in charts.items():
        card = cards.filter(has_text=title)
        card.locator("svg path.line[d*=L]").nth(lines - 1).wait_for(
            state="attached"
        )  # it is there a moment before it is drawn
        paths = card.locator("svg path.line").all()
        assert len([path for path in paths if len(path.get_attribute("d") or "") > 20]) >= lines, (
            title
        )


def test_the_pictures_load_and_the_slider_goes_back_in_time(page, address):
    open_tab(page, address, "images")
    card = page.locator("tf-image-loader").filter(has_text="samples/fixed")
    width = "img => img.decode().then(() => img.naturalWidth)"  # a broken picture does not decode
    at_step = lambda step: card.filter(has_text=re.compile(rf"step\s*{step}\b"))  # noqa: E731
    at_step(4).locator("img").wait_for()
    newest = card.locator("img").get_attribute("src")
    assert card.locator("img").evaluate(width) == 224
    slider = card.locator("paper-slider")
    assert slider.evaluate("slider => slider.max") == 2  # steps 0, 2 and 4
    slider.focus()
    slider.press("Home")
    at_step(0).wait_for()
    from playwright.sync_api import expect

    expect(card.locator("img")).not_to_have_attribute(
        "src", newest
    )  # it follows the step, a moment later
    assert card.locator("img").evaluate(width) == 224
    pictures = page.locator("tf-image-loader img").all()
    assert len(pictures) == 7 and {picture.evaluate(width) for picture in pictures} == {224, 280}


def test_the_row_of_the_run(page, address, run):
    open_tab(page, address, "hparams")
    cells = page.locator("vaadin-grid-cell-content")
    cells.get_by_text(run.name).first.wait_for()
    shown = [text.strip() for text in cells.all_inner_texts()]
    assert "modern" in shown and "float32" in shown
    assert {"recipe", "precision", "batch", "quality/frechet", "speed/images_per_second"} <= set(
        shown
    )


def test_the_points_of_the_projector(page, address):
    open_tab(page, address, "projector")
    projector = page.frame_locator("iframe").frame_locator("iframe").locator("vz-projector")
    projector.filter(
        has_text=re.compile(r"Points:\s*1000\s.*Dimension:\s*64\s", re.DOTALL)
    ).wait_for()
