"""The tab GAN in a real browser, used as a person would: Time, Explore, Draw.

Needs Chromium, as tests/test_browser.py does: python -m pytest -m slow tests/test_tab.py
"""

import base64
import io
import shutil

import numpy as np
import pytest
from browser import MINUTE, looking, open_tab, require_chromium, serving, slide
from PIL import Image

import tf2gan
from tf2gan.data.images import write_png

pytestmark = [pytest.mark.xdist_group("measured"), pytest.mark.slow]


@pytest.fixture(scope="module")
def logdir(measured, tmp_path_factory):
    """A finished run, one in progress that has come to its second step, and one in colour."""
    logdir = tmp_path_factory.mktemp("tab")
    colours = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), np.uint8)
    settings = {"name": "colour", "batch": 4, "steps": 20, "checkpoint_every": 10}
    tf2gan.train(tf2gan.TrainConfig(**settings, evaluate_every=0), logdir, images=colours)
    shutil.copytree(measured, logdir / "00000-done")
    going = shutil.copytree(measured, logdir / "00001-going")
    for file in (*going.glob("samples/step-000004.png"), *going.glob("checkpoints/ckpt-4.*")):
        file.unlink()
    return logdir


@pytest.fixture(scope="module")
def tab(logdir):
    """The tab's own page, within TensorBoard's."""
    require_chromium()
    with serving(logdir) as address, looking(height=1100) as page:
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        open_tab(page, address, "tf2gan")
        frame = page.frame_locator("iframe")
        frame.locator("canvas.grid").first.wait_for()
        frame.page = page
        yield frame
        assert wrong == []


@pytest.fixture
def page(tab):
    return tab.page


def pixels(locator):
    """What a canvas shows, `[H, W]`."""
    url = locator.evaluate("canvas => canvas.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as picture:
        return np.asarray(picture.convert("L"), np.float32)


def eventually(condition, page, seconds=30):
    """Waits until it is so."""
    for _ in range(seconds * 10):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to that")


def test_time_goes_through_all_steps_of_all_runs(tab, page):
    tab.get_by_role("tab", name="Time").click()
    for name in ("00000-done", "00001-going"):
        tab.get_by_role("checkbox", name=name).set_checked(True)
    captions = tab.locator(".stage figcaption")
    said = lambda: sorted(captions.all_inner_texts())  # noqa: E731
    eventually(lambda: said() == ["00000-done: step 4", "00001-going: step 2"], page)
    last = pixels(tab.locator("canvas.grid").first)
    slider = tab.get_by_role("slider", name="step")
    assert slider.get_attribute("max") == "2"  # a stop for every step
    slide(slider, 0)
    eventually(lambda: said() == ["00000-done: step 0", "00001-going: step 0"], page)
    assert np.abs(pixels(tab.locator("canvas.grid").first) - last).mean() > 5
    tab.locator("body").press("ArrowRight")
    eventually(lambda: said() == ["00000-done: step 2", "00001-going: step 2"], page)
    tab.get_by_label("align by").select_option("share")
    slide(slider, 1)  # half of each run
    eventually(lambda: said() == ["00000-done: step 2", "00001-going: step 0"], page)
    tab.get_by_label("align by").select_option("step")
    slide(slider, 0)
    tab.get_by_label("speed").select_option("4")
    tab.get_by_role("button", name="Play").click()
    eventually(lambda: "00000-done: step 4" in said(), page)
    tab.get_by_role("button", name="Play").wait_for()  # it stops at the end


def test_time_is_moved_by_buttons_and_keys(tab, page):
    tab.get_by_role("checkbox", name="00001-going").set_checked(False)
    caption = tab.locator(".stage figcaption")
    at = lambda step: eventually(lambda: caption.inner_text() == f"00000-done: step {step}", page)  # noqa: E731
    slide(tab.get_by_role("slider", name="step"), 0)
    at(0)
    tab.get_by_role("button", name="▶").click()
    at(2)
    tab.get_by_role("button", name="◀").click()
    at(0)
    tab.locator("body").press("ArrowRight")
    at(2)
    tab.locator("body").press("ArrowLeft")
    at(0)
    tab.get_by_label("speed").select_option("4")
    tab.locator("main").click(position={"x": 2, "y": 2})  # off the menu, which takes the key itself
    tab.locator("body").press(" ")
    tab.get_by_role("button", name="Pause").wait_for()
    tab.get_by_label("speed").select_option("30")  # while it plays
    at(4)
    tab.get_by_role("button", name="Play").wait_for()
    tab.get_by_label("image").fill("10")
    tab.get_by_label("image").press("Enter")
    title = tab.locator(".strip h2").first
    eventually(lambda: "image 10 of 00000-done" in title.inner_text(), page)
    tab.get_by_role("checkbox", name="00001-going").set_checked(True)
    tab.locator(".stage figure").nth(1).wait_for()


def test_curves_have_a_cursor_that_moves_along(tab, page):
    chart = tab.get_by_role("img", name="loss of D")
    slide(tab.get_by_role("slider", name="step"), 0)
    page.wait_for_timeout(500)
    at_start = pixels(chart)
    assert "no points yet" not in tab.locator(".charts").inner_text()
    slide(tab.get_by_role("slider", name="step"), 2)
    eventually(lambda: np.abs(pixels(chart) - at_start).max() > 50, page)


def test_a_click_shows_the_life_of_a_latent(tab, page):
    done = tab.locator(".stage figure").filter(has_text="00000-done").locator("canvas")
    done.click(position={"x": 60, "y": 60})
    tab.locator(".strip figure").nth(2).wait_for()
    assert tab.locator(".strip figcaption").all_inner_texts() == ["0", "2", "4"]
    tiles = [pixels(tile) for tile in tab.locator(".strip canvas").all()]
    assert np.abs(tiles[0] - tiles[2]).mean() > 5


def test_a_new_step_appears_by_itself(tab, page, logdir):
    slide(tab.get_by_role("slider", name="step"), 2)
    write_png(
        logdir / "00001-going" / "samples" / "step-000006.png", np.zeros((224, 224), np.uint8)
    )
    captions = tab.locator(".stage figcaption")
    eventually(lambda: "00001-going: step 6" in captions.all_inner_texts(), page)


@pytest.mark.parametrize("button, kind", [("Save PNG", "PNG"), ("Save GIF", "GIF")])
def test_what_is_on_the_screen_is_saved(tab, page, tmp_path, button, kind):
    with page.expect_download() as download:
        tab.get_by_role("button", name=button).click()
    download.value.save_as(tmp_path / "file")
    with Image.open(tmp_path / "file") as picture:
        assert picture.format == kind and picture.size == (448, 224)
        assert kind == "PNG" or picture.n_frames >= 3  # steps that look alike are one frame


def test_explore_draws_sorts_and_filters(tab, page):
    tab.get_by_role("tab", name="Explore").click()
    tab.get_by_label("networks").select_option("@mnist")
    tiles = tab.locator(".tiles button")
    tiles.nth(63).wait_for()
    scores = lambda: [float(text) for text in tiles.locator("small").all_inner_texts()]  # noqa: E731
    first = scores()
    tab.get_by_label("order").select_option("best")
    assert scores() == sorted(first, reverse=True)
    tab.get_by_label("order").select_option("drawn")
    tab.get_by_label("class").select_option(label="7")
    sevens = tiles.count()
    assert 1 <= sevens <= 20
    tab.get_by_label("class").select_option(label="all")
    shown = pixels(tiles.first.locator("canvas"))
    tab.get_by_label("seed").fill("5")
    tab.get_by_label("seed").press("Enter")
    eventually(lambda: np.abs(pixels(tiles.first.locator("canvas")) - shown).mean() > 2, page)
    assert scores() != first


def test_the_first_image_is_changed_without_being_chosen(tab, page):
    """And a click on another one leads a walk there."""
    tiles = tab.locator(".tiles button")
    old = pixels(tiles.first.locator("canvas"))
    tab.get_by_label("seed").fill("6")
    tab.get_by_label("seed").press("Enter")
    eventually(lambda: np.abs(pixels(tiles.first.locator("canvas")) - old).mean() > 2, page)
    slide(tab.get_by_label("direction 2", exact=True), 60)
    tiles.nth(9).click()
    eventually(lambda: tab.locator(".tiles b").filter(has_text="B").count() == 1, page)


def test_a_direction_changes_the_image_and_a_walk_leads_to_another(tab, page):
    tiles = tab.locator(".tiles button")
    tiles.nth(2).click()
    big = tab.locator(".big canvas").first
    page.wait_for_timeout(1000)
    before = pixels(big)
    slide(tab.get_by_label("direction 1", exact=True), 100)
    eventually(lambda: np.abs(pixels(big) - before).mean() > 3, page)
    tab.get_by_role("button", name="Reset").click()
    eventually(lambda: np.abs(pixels(big) - before).mean() < 1, page)
    slide(tab.get_by_label("direction 1", exact=True), 100)
    eventually(lambda: np.abs(pixels(big) - before).mean() > 3, page)
    changed = pixels(big)
    tiles.nth(9).click()  # the walk begins at the image as it was changed
    tab.locator(".strip:visible canvas").nth(7).wait_for()
    page.wait_for_timeout(500)
    assert np.abs(pixels(big) - changed).mean() < 1
    slide(tab.get_by_role("slider", name="place on the walk"), 100)
    eventually(lambda: np.abs(pixels(big) - before).mean() > 3, page)
    assert tab.locator(".tiles b").filter(has_text="B").count() == 1


def test_the_tabs_and_the_images_are_reached_by_keys(tab, page):
    tab.get_by_role("tab", name="Time").focus()
    page.keyboard.press("ArrowRight")
    tiles = tab.locator(".tiles button")
    tiles.nth(63).wait_for()
    assert tab.get_by_role("tab", name="Explore").get_attribute("aria-selected") == "true"
    focused = lambda: tab.locator("button:focus").get_attribute("aria-label")  # noqa: E731
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    assert focused() == "image 2"
    page.keyboard.press("ArrowDown")
    below = focused()
    places = [tab.get_by_label(name, exact=True).bounding_box() for name in ("image 2", below)]
    assert places[0]["x"] == places[1]["x"] and places[0]["y"] < places[1]["y"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert focused() == "image 1"
    tab.get_by_label("image 4", exact=True).focus()
    page.keyboard.press("Enter")
    pressed = tab.get_by_label("image 4", exact=True)
    eventually(lambda: pressed.get_attribute("aria-pressed") == "true", page)


def test_seeds_and_checkpoints_are_gone_through(tab, page):
    tab.get_by_role("tab", name="Explore").click()
    tab.get_by_label("networks").select_option("00000-colour")
    image = tab.locator(".tiles button").first.locator("canvas")
    checkpoint = tab.get_by_label("checkpoint").first
    checkpoint.select_option("20")
    page.wait_for_timeout(1000)
    tab.locator(".tiles button").nth(63).wait_for()
    late = pixels(image)
    checkpoint.select_option("10")
    eventually(lambda: image.count() and (pixels(image) != late).any(), page)
    seed, early = tab.get_by_label("seed"), pixels(image)
    before = int(seed.input_value())
    tab.get_by_title("the next seed").click()
    eventually(lambda: np.abs(pixels(image) - early).mean() > 0.5, page)
    assert int(seed.input_value()) == before + 1
    tab.get_by_title("the seed before").click()
    eventually(lambda: np.abs(pixels(image) - early).mean() == 0, page)
    tab.get_by_label("networks").select_option("@mnist")
    tab.locator(".tiles button").nth(63).wait_for()


def test_two_networks_beside_each_other_and_files(tab, page, tmp_path):
    tab.get_by_label("compare with").select_option("00000-done")
    tab.locator(".big canvas").nth(1).wait_for()
    pair = [pixels(canvas) for canvas in tab.locator(".big canvas").all()]
    assert np.abs(pair[0] - pair[1]).mean() > 5
    with page.expect_download() as download:
        tab.get_by_role("button", name="Save latent").click()
    download.value.save_as(tmp_path / "latent.npy")
    assert np.load(tmp_path / "latent.npy").shape == (1, 100)
    tab.get_by_label("images as").select_option("npz")
    with page.expect_download() as download:
        tab.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "images.npz")
    with np.load(tmp_path / "images.npz") as images:
        assert images["images"].shape == (64, 28, 28) and images["latents"].shape == (64, 100)


def test_draw_judges_while_one_draws_and_finds_it_in_g(tab, page):
    tab.get_by_role("tab", name="Draw").click()
    tab.get_by_label("networks").select_option("@mnist")
    paper = tab.locator("canvas.paper")
    box = paper.bounding_box()
    verdict = tab.locator(".verdict")

    def line(points):
        x, y = box["x"], box["y"]
        page.mouse.move(x + points[0][0], y + points[0][1])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(x + point[0], y + point[1], steps=5)
        page.mouse.up()

    assert tab.get_by_role("button", name="Find it in G").is_disabled()  # nothing is drawn
    line([(140, 60), (140, 220)])
    eventually(lambda: "real, says D, and the classifier: 1" in verdict.inner_text(), page)
    eventually(lambda: tab.locator(".strip figure").count() == 8, page)
    tab.get_by_role("button", name="Clear").click()
    line([(90, 70), (190, 70), (130, 220)])
    eventually(lambda: "classifier: 7" in verdict.inner_text(), page)
    tab.get_by_role("button", name="Find it in G").click()
    found = tab.locator(".big figcaption")
    eventually(lambda: "step 100 of 100" in found.inner_text(), page)
    assert tab.locator(".strip").last.locator("canvas").count() == 9
    tab.get_by_role("button", name="Explore it").click()
    tab.locator(".tiles button").first.wait_for()
    big = tab.locator(".big canvas").first
    eventually(lambda: pixels(big).mean() > 1, page)
    page.wait_for_timeout(1000)
    drawn, strip = pixels(big), tab.locator(".strip:visible canvas")
    tab.locator(".tiles button").nth(3).click()  # and a walk from the drawing to another image
    alike = lambda image: np.abs(pixels(image) - drawn).mean() < 3  # noqa: E731
    eventually(lambda: strip.count() == 8 and alike(strip.first), page)
    assert not alike(strip.last)
    assert tab.locator(".tiles b").filter(has_text="B").count() == 1


def test_a_wide_pen_a_coloured_one_and_a_clean_sheet(tab, page):
    tab.get_by_role("tab", name="Draw").click()
    paper, verdict = tab.locator("canvas.paper"), tab.locator(".verdict")

    def ink(width, color=None):
        tab.get_by_role("button", name="Clear").click()
        assert pixels(paper).max() == 0 and verdict.inner_text().startswith("Draw something")
        slide(tab.get_by_label("width of the pen"), width)
        if color:
            slide(tab.get_by_label("colour", exact=True), color)
        box = paper.bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 140)
        page.mouse.down()
        page.mouse.move(box["x"] + 220, box["y"] + 140, steps=5)
        page.mouse.up()
        eventually(lambda: "real, says D" in verdict.inner_text(), page)
        return pixels(paper)

    assert (ink(40) > 0).sum() > 3 * (ink(8) > 0).sum()
    assert not tab.get_by_label("colour", exact=True).is_visible()
    tab.get_by_label("networks").select_option("00000-colour")
    tab.get_by_label("colour", exact=True).wait_for()
    assert ink(20, "#0000ff").max() == 29  # blue's share of the luma
    tab.get_by_label("networks").select_option("@mnist")
    eventually(lambda: not tab.get_by_label("colour", exact=True).is_visible(), page)


def test_what_goes_wrong_is_a_sentence_in_the_page(tab, page, logdir):
    """The run disappears under the tab."""
    tab.get_by_role("tab", name="Explore").click()
    tab.get_by_label("networks").select_option("00000-done")
    tab.locator(".tiles button").nth(63).wait_for()
    shutil.rmtree(logdir / "00000-done")
    page.wait_for_timeout(2500)  # longer than a list of runs is believed
    tab.get_by_label("seed").fill("9")
    tab.get_by_label("seed").press("Enter")
    note = tab.locator(".note")
    eventually(lambda: "00000-done" in note.inner_text(), page)


def test_it_is_dark_where_tensorboard_is(tab, page):
    color = "getComputedStyle(document.body).backgroundColor"
    body = tab.locator("body")
    light = body.evaluate(color)
    page.evaluate("document.body.classList.toggle('dark-mode')")
    eventually(lambda: body.evaluate(color) != light, page)
    page.evaluate("document.body.classList.toggle('dark-mode')")


def test_behind_a_path_prefix(logdir, page):
    """As a cluster's proxy serves TensorBoard: no address of the page begins at the root."""
    with (
        serving(logdir, "/user/tb") as address,
        page.context.browser.new_page() as page,  # Playwright starts once in a thread
    ):
        page.set_default_timeout(MINUTE)
        failed = []
        page.on("response", lambda r: r.status >= 400 and failed.append(r.url))
        open_tab(page, address, "tf2gan")
        frame = page.frame_locator("iframe")
        frame.locator("canvas.grid").first.wait_for()
        frame.get_by_role("tab", name="Explore").click()
        frame.locator("canvas").first.wait_for()
        page.wait_for_timeout(3000)
        assert not [url for url in failed if "tf2gan" in url]
