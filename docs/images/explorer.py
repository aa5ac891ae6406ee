"""Draw `explorer.webp` anew: the map to touch, touched.

Run ``python docs/images/explorer.py`` after ``pip install -e ".[browser]"``, with Chromium on the path.
"""

import io
import pathlib
import shutil
import tempfile

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import power_contrast
from eegexplain.report import Explorer

SIZE = {"width": 1000, "height": 760}
NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


def explorer():
    """What a network that was trained on simulated rhythms uses, beside how the data differ."""
    eeg = make_oscillatory_eeg(400, NAMES, snr=2, random_state=0)
    net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    used = PerturbationCorrelator(net, noise="data", ch_names=eeg.ch_names).fit(eeg.X[:250], eeg.y[:250])
    used = used.explain_population(eeg.X[250:], eeg.y[250:])
    data = power_contrast(eeg.X, eeg.y, sfreq=eeg.sfreq, ch_names=eeg.ch_names)
    maps = {"What the network uses": used, "How the data differ": data}
    return Explorer(maps, title="Planted rhythms", fmin=1, fmax=40, beside="How the data differ")


def touches(page):
    """Hands on the page: yields after each movement, with milliseconds to look at it."""
    spectrum, grid = (page.locator("canvas").nth(number).bounding_box() for number in (1, 2))
    place = "(f) => document.querySelector('div.eegexplain-explorer').explorer.spectrum.axis.at(f)"

    def at(frequency):
        """Where a frequency is on the page."""
        return spectrum["x"] + page.evaluate(place, frequency)

    yield 1200
    page.mouse.move(at(8.6), spectrum["y"] + 90)
    page.mouse.down()
    for frequency in np.linspace(8.6, 11.4, 7):
        page.mouse.move(at(frequency), spectrum["y"] + 90)
        yield 150
    page.mouse.up()
    yield 900
    where = """(name) => { const one = document.querySelector("div.eegexplain-explorer").explorer.scalp;
        const box = one.canvas.getBoundingClientRect(), [x, y] = one.place(one.data.channels.indexOf(name));
        return [box.left + x, box.top + y]; }"""
    for name in ("C3", "P3", "O1", "O2", "P4", "C4"):
        page.mouse.move(*page.evaluate(where, name))
        yield 450
    for frequency in np.linspace(18, 22, 9):
        page.mouse.click(at(frequency), grid["y"] + 0.445 * grid["height"])
        yield 220
    yield 1000
    page.get_by_label("Show").select_option(index=1)
    yield 1600


def main():
    """Write the moving picture beside this file."""
    frames, times = [], []
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "explorer.html"
        explorer().save(file)
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(file.as_uri())
        page.wait_for_function("document.querySelector('.readout')?.textContent.length > 0")
        for milliseconds in touches(page):
            page.wait_for_timeout(60)
            frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize((800, 608), Image.LANCZOS))
            times.append(milliseconds)
        browser.close()
    path = pathlib.Path(__file__).with_suffix(".webp")
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=55, method=6)
    print(path, path.stat().st_size, len(frames))


if __name__ == "__main__":
    main()
