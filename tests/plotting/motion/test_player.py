"""The page with a moving map: what it holds, and in a browser, what it does."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from eegexplain.plotting import TopomapDisplay, channel_positions

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 Oz O2".split()
TIMES = np.arange(40) / 20
VALUES = np.random.default_rng(0).standard_normal((40, 20))
WEIGH = """
const root = {}, canvas = {}, document = { createElement: () => ({}) };
const map = new MovingMap(root, canvas, data);
console.log(JSON.stringify({ pixels: map.pixels, field: Array.from(map.interpolate(values)) }));
"""


def make_display(values=VALUES, names=NAMES, times=TIMES, **options):
    return TopomapDisplay.from_values(values, names, times, **options)


def payload(path):
    """What the page's script reads."""
    return json.loads(re.search(r"json\">(.*?)</script>", path.read_text(encoding="utf-8"))[1])


def read(layer, shape):
    codes = np.frombuffer(base64.b64decode(layer["values"]), "<i2").reshape(shape)
    return codes * layer["scale"]


def test_the_page_holds_values_and_needs_nothing(tmp_path):
    path = make_display(label="weight </script> & co").save(tmp_path / "map.html")
    found = payload(path)
    np.testing.assert_allclose(read(found["layers"][0], (20, 40)), VALUES.T, atol=np.abs(VALUES).max() / 64000)
    places = np.array(found["places"]) * 0.095 / found["head"]
    np.testing.assert_allclose(places, channel_positions(NAMES), atol=1e-6)
    text = path.read_text(encoding="utf-8")
    assert "http" not in text and text.count("</script>") == 2
    assert found["player"]["labels"][1] == "50 ms" and found["start"]["channel"] == np.abs(VALUES).max(axis=0).argmax()


def test_curves_marks_and_missing_channels_come_through(tmp_path):
    values, mask = VALUES.copy(), VALUES > 1
    values[:, 3] = np.nan
    with pytest.warns(UserWarning, match="F3"):
        display = make_display(values)
    score = 0.5 + 0.1 * np.arange(40)
    path = display.save(tmp_path / "map.html", trace=score, trace_label="accuracy", trace_baseline=0.5, mask=mask)
    found = payload(path)
    player, kept = found["player"], [k for k in range(20) if k != 3]
    assert "F3" not in found["channels"] and len(player["missing"]) == 1
    np.testing.assert_allclose(read(player["trace"], 40) + player["baseline"], score, atol=1e-3)
    marks = np.array([np.unpackbits(np.frombuffer(base64.b64decode(row), "u1"))[:19] for row in player["masks"]])
    np.testing.assert_array_equal(marks.astype(bool), mask[:, kept])
    assert len(payload(display.save(tmp_path / "map.html", mask=mask[0]))["player"]["masks"]) == 1
    found = payload(display.save(tmp_path / "map.html", trace="C3"))
    assert found["player"]["trace"] is None and found["channels"][found["start"]["channel"]] == "C3"


def test_64_channels_and_256_frames_fit_into_100_kilobytes(tmp_path):
    rng = np.random.default_rng(0)
    names, places = [f"E{k}" for k in range(64)], rng.uniform(-1, 1, (64, 2))
    times = np.arange(256) / 250
    display = make_display(rng.normal(size=(256, 64)), names, times, positions=places, label="weight (a.u.)")
    assert display.save(tmp_path / "map.html").stat().st_size < 100_000


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's own interpolation with node")
@pytest.mark.parametrize("method", ["cloughtocher", "linear", "spherical"])
@pytest.mark.parametrize("extrapolate", ["head", "hull"])
def test_the_map_is_that_of_the_display(method, extrapolate, tmp_path):
    display = make_display(method=method, extrapolate=extrapolate, resolution=96)
    path = display.save(tmp_path / "map.html")
    code = re.search(r'"use strict";\n(.*)for \(const root of', path.read_text(encoding="utf-8"), re.S)[1]
    script = tmp_path / "map.js"
    given = f"const data = {json.dumps(payload(path))}, values = {json.dumps(VALUES[7].tolist())};"
    script.write_text(code + given + WEIGH, encoding="utf-8")
    told = json.loads(subprocess.run(["node", str(script)], capture_output=True, text=True, check=True).stdout)
    field = np.full(96 * 96, np.nan)
    field[told["pixels"]] = told["field"]
    expected, visible = display.maps(0, 7)[::-1], display.topography.visible[::-1]
    difference = np.abs(field.reshape(96, 96) - expected)[visible]
    assert difference.max() < 0.01 * np.ptp(VALUES)


# ------------------------------------------------------------------------------------------------------ in a browser
@pytest.fixture
def opened(browser, tmp_path):
    """Save a display and open it; returns the page, which has said nothing and asked for nothing."""
    contexts = []

    def open_page(display, at="#0", reduced="reduce", **options):
        path = display.save(tmp_path / "map.html", **options)
        context = browser.new_context(viewport={"width": 640, "height": 800}, reduced_motion=reduced)
        contexts.append(context)
        page, told, asked = context.new_page(), [], []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + at)
        page.wait_for_function("document.querySelector('main').dataset.frame !== undefined")
        assert told == [] and len(asked) == 1
        return page

    yield open_page
    for context in contexts:
        context.close()


def frame(page):
    """The frame that is shown once all is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(page.evaluate("() => document.querySelector('main').dataset.frame"))


def place_of(page, channel):
    return page.evaluate(
        """(channel) => {
        const { scalp, data } = document.querySelector("main").player, box = scalp.canvas.getBoundingClientRect();
        const [x, y] = scalp.place(data.channels.indexOf(channel));
        return [box.left + x, box.top + y];
    }""",
        channel,
    )


@pytest.mark.browser
def test_hands_and_keys_lead_the_frame(opened):
    page = opened(make_display(), at="#12")
    assert frame(page) == 12 and page.locator(".readout").text_content().startswith("600 ms")
    box = page.locator("canvas").nth(1).bounding_box()
    page.mouse.move(box["x"] + 58, box["y"] + 80)
    page.mouse.down()
    assert frame(page) == 0
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 90)
    page.mouse.up()
    assert frame(page) == 39
    page.locator("canvas").nth(1).focus()
    for key, wanted in (("ArrowLeft", 38), ("Shift+ArrowLeft", 28), ("Home", 0), ("ArrowLeft", 0), ("End", 39)):
        page.keyboard.press(key)
        assert frame(page) == wanted
    page.get_by_role("slider", name="Frame").fill("5")
    assert frame(page) == 5 and page.get_by_role("slider", name="Frame").get_attribute("aria-valuetext") == "250 ms"
    picture = page.evaluate("() => document.querySelector('canvas').toDataURL()")
    page.get_by_role("slider", name="Frame").fill("6")
    assert frame(page) == 6 and page.evaluate("() => document.querySelector('canvas').toDataURL()") != picture


@pytest.mark.browser
def test_channels_are_hovered_and_chosen(opened):
    page = opened(make_display(), trace=np.linspace(0.4, 0.9, 40), trace_label="accuracy", trace_baseline=0.5)
    readout, curve = page.locator(".readout"), page.get_by_label("Curve")
    assert "accuracy: 0.4" in readout.text_content() and curve.input_value() == "0"
    page.mouse.move(*place_of(page, "O1"))
    frame(page)
    assert "O1: " in readout.text_content()
    page.mouse.move(5, 5)
    frame(page)
    assert "O1: " not in readout.text_content()
    page.mouse.click(*place_of(page, "C3"))
    page.mouse.move(5, 5)
    frame(page)
    value = f"{VALUES[0, NAMES.index('C3')]:+.3g}".replace("-", "\N{MINUS SIGN}")
    assert f"C3: {value}" in readout.text_content() and curve.input_value() == str(1 + NAMES.index("C3"))
    page.locator("canvas").nth(0).focus()
    page.keyboard.press("ArrowRight")
    frame(page)
    assert "Cz: " in readout.text_content()
    curve.select_option(label="accuracy")
    frame(page)
    assert page.evaluate("() => document.querySelector('main').player.state.own") is True


@pytest.mark.browser
def test_it_plays_at_the_chosen_speed_and_ends(opened):
    page = opened(make_display(), at="", reduced="no-preference", fps=50, loop=False)
    page.wait_for_function("document.querySelector('main').dataset.frame === '39'")
    page.wait_for_function("!document.querySelector('main').player.playing")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('main').player.state.frame < 39")
    page.get_by_role("button", name="Pause").click()
    stopped = frame(page)
    page.wait_for_timeout(100)
    assert frame(page) == stopped
    page.get_by_label("Speed").select_option(label="4×")
    page.locator("canvas").nth(0).focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('main').dataset.frame === '39'")


@pytest.mark.browser
def test_who_wants_no_motion_gets_none(opened):
    page = opened(make_display(), at="")
    page.wait_for_timeout(300)
    assert frame(page) == 0 and not page.evaluate("() => document.querySelector('main').player.playing")


@pytest.mark.browser
def test_names_do_not_run(opened):
    names = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", *NAMES[2:]]
    places = channel_positions(NAMES)
    display = make_display(names=names, positions=places, times=None, bands=["<b>"] * 40, label="<i>weight")
    page = opened(display, names=True, title="<img src=x>")
    assert page.locator("img, b b, main script:not([type])").count() == 0
    assert page.locator("h1").text_content() == "<img src=x>"
