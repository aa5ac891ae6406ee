"""The page in a browser: nothing is asked of a network, and hands change what is seen."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from eegexplain.report import Explorer
from eegexplain.report._page import PILLS, Page
from eegexplain.report._trust import MARKS, Check
from tests.report.test_explorer import explanation

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(browser, tmp_path):
    """Open an explorer in a window of some width; returns page, its messages and requests."""
    contexts = []

    def open_page(explorer, width=1440, **settings):
        explorer.save(tmp_path / "map.html")
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page, told, asked = context.new_page(), [], []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "map.html").as_uri())
        page.wait_for_function("document.querySelector('.readout')?.textContent.length > 0")
        assert told == []
        assert len(asked) == 1
        return page

    yield open_page
    for context in contexts:
        context.close()


def scalp(page):
    """The picture of the scalp, as it is now."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate("() => document.querySelector('canvas').toDataURL()")


def test_hands_and_keys_change_what_is_seen(opened):
    page = opened(Explorer({"network": explanation(), "data": explanation(seed=1)}, beside="data"))
    readout, before = page.locator(".readout"), scalp(page)
    assert readout.text_content().startswith("C3, 22 Hz: +3")
    spectrum = page.locator("canvas").nth(1).bounding_box()
    page.mouse.move(spectrum["x"] + 150, spectrum["y"] + 80)
    page.mouse.down()
    page.mouse.move(spectrum["x"] + 300, spectrum["y"] + 80)
    page.mouse.up()
    assert scalp(page) != before
    assert "–" in readout.text_content().split(":")[0]
    page.get_by_label("Band").select_option(label="beta 13–30 Hz")
    scalp(page)
    assert "13–30 Hz" in readout.text_content()
    page.locator("canvas").nth(0).focus()
    page.keyboard.press("ArrowRight")
    scalp(page)
    assert readout.text_content().startswith("Cz")
    page.locator("canvas").nth(2).focus()
    page.keyboard.press("ArrowDown")
    scalp(page)
    assert not readout.text_content().startswith("Cz")
    page.get_by_label("Show").select_option(label="data")
    page.get_by_label("Fade below |z|").fill("0")
    changed = scalp(page)
    page.get_by_label("Class").select_option(label="left")
    assert scalp(page) != changed


COLORS = """(threshold) => {
    const one = document.querySelector("div.eegexplain-explorer").explorer;
    one.change({ low: 21.5, high: 22.5, threshold });
    one.redraw();
    const at = (canvas, x, y) => [...canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data];
    const { scalp, grid, layer, data } = one, side = scalp.picture.width, sharp = window.devicePixelRatio;
    const named = data.channels.map((_, c) => c);
    return {
        limit: layer.largest,
        scalp: data.places.map(([x, y]) => at(scalp.picture, ((1 + x) * side) / 2 - 0.5, ((1 - y) * side) / 2 - 0.5)),
        grid: named.map(
            (c) => at(grid.picture, grid.axis.at(22) * sharp, (grid.order.indexOf(c) + 0.5) * grid.step * sharp)),
    };
}"""


@pytest.mark.parametrize("threshold", [0, 2.5])
def test_colors_are_those_of_the_values(opened, threshold):
    given = explanation()
    page = opened(Explorer(given))
    found, last = page.evaluate(COLORS, threshold), given.isel(output=-1).sel(frequency=22)
    value = last["value"].to_numpy()
    z = np.abs(value / last["standard_error"].to_numpy())
    colors = matplotlib.colormaps["RdBu_r"]((1 + value / found["limit"]) / 2)[:, :3]
    assert found["limit"] == pytest.approx(float(np.abs(given["value"]).max()), rel=1e-3)
    np.testing.assert_allclose(np.array(found["grid"])[:, :3] / 255, faded(colors, z, threshold), atol=0.03)
    clear = np.abs(z - threshold) > 1  # between electrodes |z| is smooth: no edge of the faded part runs through these
    scalp = np.array(found["scalp"])[clear]
    np.testing.assert_allclose(scalp[:, :3] / 255, colors[clear], atol=0.12)  # a pixel is not at the electrode
    np.testing.assert_array_equal(scalp[:, 3] < 128, (threshold > 0) & (z[clear] < threshold))


def test_a_range_is_told_by_its_mean(opened):
    given = explanation()
    page = opened(Explorer(given))
    found = page.evaluate("""() => {
        const one = document.querySelector("div.eegexplain-explorer").explorer;
        one.choose(10, 12);
        return one.means().map(({ value, error, z }) => [value, error, z]);
    }""")
    inside = given.isel(output=-1).sel(frequency=slice(10, 12)).mean("frequency")  # errors: an upper bound
    expected = np.stack([inside["value"], inside["standard_error"], inside["value"] / inside["standard_error"]], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-4 * float(np.abs(given["value"]).max()))


def faded(colors, z, threshold):
    """On white, at .3 where z is within the threshold."""
    share = np.where((threshold > 0) & (z < threshold), 0.3, 1.0)[:, None]
    return share * colors + (1 - share)


def test_arrows_move_and_widen_a_range(opened):
    page = opened(Explorer(explanation()))
    readout, spectrum = page.locator(".readout"), page.locator("canvas").nth(1)
    page.evaluate("() => document.querySelector('div.eegexplain-explorer').explorer.choose(10, 12)")
    for keys, told in [
        ([], "10–12 Hz"),
        (["ArrowRight"], "11–13 Hz"),
        (["ArrowLeft", "ArrowLeft"], "9–11 Hz"),
        (["Shift+ArrowRight"], "9–12 Hz"),
        (["Shift+ArrowLeft"] * 3, "9 Hz"),
        (["ArrowLeft"] * 12, "1 Hz"),
    ]:
        for key in keys:
            spectrum.press(key)
        scalp(page)
        assert readout.text_content().split(": ")[0] == f"C3, {told}"


def test_a_hovering_mouse_shows_and_leaving_takes_back(opened):
    page = opened(Explorer(explanation()))
    place = page.evaluate("""() => {
        const one = document.querySelector("div.eegexplain-explorer").explorer.scalp;
        const box = one.canvas.getBoundingClientRect(), [x, y] = one.place(one.data.channels.indexOf("O1"));
        return [box.left + x, box.top + y];
    }""")
    page.mouse.move(*place)
    scalp(page)
    assert page.locator(".readout").text_content().startswith("O1")
    page.mouse.move(5, 5)
    scalp(page)
    assert page.locator(".readout").text_content().startswith("C3")


@pytest.mark.parametrize("bare", ["channel", "frequency", "values", "errors", "bands"])
def test_little_is_shown_without_a_complaint(opened, bare):
    names = ["C3"] if bare == "channel" else ["C3", "C4", "Pz", "Oz"]
    given = explanation(names, frequencies=[10] if bare == "frequency" else (9, 10, 11))
    maps, options = {"map": given}, {}
    if bare == "values":
        given["value"].values[:] = np.nan
    if bare == "errors":
        maps = {"map": given.drop_vars("standard_error")}
    if bare == "bands":
        bits = given[["value"]].isel(frequency=[0, 1]).rename(frequency="band").assign_coords(band=["low", "high"])
        maps, options = {"map": given, "bits": bits}, {"bands": {"low": (1, 8), "high": (8, 45)}}
    page = opened(Explorer(maps, **options))
    for number in range(page.locator("canvas").count()):
        for key in ("ArrowRight", "ArrowUp", "Shift+ArrowRight"):
            page.locator("canvas").nth(number).press(key)
    if bare == "bands":
        page.get_by_label("Show").select_option(label="bits")
        scalp(page)
        assert page.locator(".readout").text_content().split(": ")[0].endswith("high")
    scalp(page)
    assert "C" in page.locator(".readout").text_content()


def test_the_map_is_saved(opened):
    page = opened(Explorer(explanation(names=["=1+1", "C3", "C4"], frequencies=[10.0]), montage=None))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    lines = waiting.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "channel,value,standard_error,z"
    assert lines[1].startswith("\"'=1+1\",")
    page = opened(Explorer(explanation()))
    for kind, begin in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind).click()
        assert waiting.value.path().read_bytes().startswith(begin)


def test_a_phone_and_the_dark_have_it_whole(opened):
    page = opened(Explorer(explanation()), width=390, color_scheme="dark")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_anybody_out(browser, tmp_path, scheme):
    """Rules of axe, for the explorer alone and for a report around it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install 'eegexplain[browser]'")
    Image.new("RGB", (40, 30)).save(tmp_path / "map.png")
    checks = [Check(mark, "Data", "they differ.") for mark in MARKS]
    sections = [("Part", ["<table><tr><th>cell</th></tr><tr><td>C3</td></tr></table>"],
                 [(tmp_path / "map.png", "A map", "Blue in front")])]  # fmt: skip
    maps = Explorer({"network": explanation(), "data": explanation(seed=1)}, beside="data")
    for verdict in PILLS:
        told = ["accuracy .8"], "Read this", "They use alpha."
        page = Page("Mine", verdict, *told, maps, checks, sections, {"Seed": "0"})
        (tmp_path / f"{verdict}.html").write_text(page.render(), encoding="utf-8")
    maps.save(tmp_path / "map.html")
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
    for file in tmp_path.glob("*.html"):
        page = context.new_page()
        page.goto(file.as_uri())
        page.wait_for_function("document.querySelector('.readout')?.textContent.length > 0")
        found = axe.Axe().run(page).response["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert grave == [], (file.name, grave)
    context.close()


def test_names_do_not_run(opened):
    names = ["<img src=x onerror=alert(1)>", "C3", "</script><script>alert(2)</script>"]
    page = opened(Explorer(explanation(names=names, outputs=["<b>a", "b"])))
    assert page.locator("img, .eegexplain-explorer script:not([type])").count() == 0
