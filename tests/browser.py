"""TensorBoard and a Chromium that looks at it.

python tests/browser.py LOGDIR FILE.png [TAB] takes a picture of a tab; FILE.gif is a film of the
tab GAN, used as a person would: a run played, a seven made bolder, a three drawn and found.
"""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [  # as root, without a GPU (the projector draws with WebGL), and silent
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MINUTE = 60_000  # milliseconds


def require_chromium():
    """Skips the test where there is no browser; with CI set, that is a failure."""
    import pytest

    if not CHROMIUM:
        reason = "no Chromium: apt-get install chromium, or set CHROMIUM to one"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@contextlib.contextmanager
def serving(logdir, prefix=""):
    """Serves a folder of runs on a free port, its paths below a prefix; gives the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}{prefix}/"
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    words += ["--host", "127.0.0.1", "--port", str(port), "--samples_per_plugin", "images=1000"]
    words += ["--path_prefix", prefix] if prefix else []
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, **silent)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "TensorBoard ended"
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def looking(height=900):
    """Gives an empty page of a Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": height})
        page.set_default_timeout(MINUTE)
        yield page
        browser.close()


def slide(slider, value):
    """Moves a slider as a hand does."""
    slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", str(value))


def open_tab(page, address, tab):
    page.goto(f"{address}#{tab}")
    page.reload()


def film(page, address):
    """The frames of a film of the tab GAN, with the seconds that each is shown."""
    frames = []

    def shoot(seconds=0.3, wait=150):
        page.wait_for_timeout(wait)
        frames.append((page.screenshot(), seconds))

    open_tab(page, address, "tf2gan")
    tab = page.frame_locator("iframe")
    tab.locator("canvas.grid").first.wait_for()
    slider = tab.get_by_role("slider", name="step")
    for place in (0, 4, 8, 14, 22, 35, 55, 90, 150, 300, 500, 700, 850, 1000):
        slide(slider, place)
        shoot(wait=500)
    tab.locator("canvas.grid").first.click(position={"x": 200, "y": 90})
    tab.locator(".strip figure").first.wait_for()
    shoot(1.5, wait=1500)
    tab.get_by_role("tab", name="Explore").click()
    tab.get_by_label("networks").select_option("@mnist")
    tab.locator(".tiles button").nth(63).wait_for()
    shoot(0.8)
    tab.get_by_label("class").select_option(label="7")
    tab.locator(".tiles button").first.click()
    shoot(0.8, wait=1000)
    for value in (20, 40, 60, 80, 40, 0, -30, -60):
        slide(tab.get_by_label("direction 1", exact=True), value)
        shoot(0.25, wait=600)
    tab.get_by_role("button", name="Reset").click()
    tab.locator(".tiles button").nth(2).click()
    tab.locator(".strip:visible canvas").nth(7).wait_for()
    for value in (0, 20, 40, 60, 80, 100):
        slide(tab.get_by_role("slider", name="place on the walk"), value)
        shoot(0.25, wait=600)
    tab.get_by_role("tab", name="Draw").click()
    tab.get_by_label("networks").select_option("@mnist")
    box = tab.locator("canvas.paper").bounding_box()
    three = [(95, 75), (140, 55), (185, 80), (180, 115), (135, 138), (185, 160), (190, 200)]
    for number, (x, y) in enumerate([*three, (150, 226), (95, 210)]):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
        if number == 0:
            page.mouse.down()
        elif number % 2 == 0:
            shoot(0.25, wait=500)
    page.mouse.up()
    shoot(1.0, wait=1500)
    tab.get_by_role("button", name="Find it in G").click()
    for _ in range(60):
        page.wait_for_timeout(250)
        said = tab.locator(".big figcaption")
        if said.count() and "step 100" in said.inner_text():
            break
        shoot(0.2)
    shoot(2.5)
    return frames


def write_film(path, frames, width=840, colors=48):
    """Writes screenshots as a GIF, small enough for a README."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png, _ in frames]
    height = round(pictures[0].height * width / pictures[0].width)
    small = [picture.resize((width, height), Image.LANCZOS) for picture in pictures]
    small = [picture.quantize(colors, dither=Image.Dither.NONE) for picture in small]
    durations = [round(1000 * seconds) for _, seconds in frames]
    options = {"save_all": True, "append_images": small[1:], "loop": 0, "optimize": True}
    small[0].save(path, duration=durations, **options)


if __name__ == "__main__":
    logdir, file, *tab = sys.argv[1:]
    moving = file.endswith(".gif")
    with serving(logdir) as address, looking(height=860 if moving else 1250) as page:
        time.sleep(5)  # until the runs are read
        if moving:
            write_film(file, film(page, address))
        else:
            open_tab(page, address, tab[0] if tab else "custom_scalars")
            time.sleep(10)  # until all is drawn
            page.screenshot(path=file)
