"""TensorBoard and a Chromium that looks at it.

python tests/browser.py LOGDIR FILE.png [TAB] takes a picture of a tab.
"""

import contextlib
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


@contextlib.contextmanager
def serving(logdir):
    """Serves a folder of runs with TensorBoard on a free port; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    words += ["--host", "127.0.0.1", "--port", str(port), "--samples_per_plugin", "images=1000"]
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


def open_tab(page, address, tab):
    page.goto(f"{address}#{tab}")
    page.reload()


if __name__ == "__main__":
    logdir, file, *tab = sys.argv[1:]
    with serving(logdir) as address, looking(height=1250) as page:
        time.sleep(5)  # until the runs are read
        open_tab(page, address, tab[0] if tab else "custom_scalars")
        time.sleep(10)  # until all is drawn
        page.screenshot(path=file)
