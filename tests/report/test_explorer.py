"""The page that one can touch: what it holds, and in a browser, what it does."""

import base64
import html
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr

from eegexplain.inspection import power_contrast
from eegexplain.plotting import channel_positions, interpolation_matrix
from eegexplain.report import Explorer

NAMES = "Fp1 Fp2 F3 F4 C3 C4 O1 O2 Fz Cz Pz".split()
PAGE = pathlib.Path(__file__).parents[2] / "eegexplain" / "report" / "page"


def explanation(names=NAMES, outputs=("left", "right"), frequencies=range(1, 46), seed=0):
    """A map with errors: noise, and C3 at 22 Hz."""
    rng, frequencies = np.random.default_rng(seed), np.asarray(frequencies, float)
    dims, shape = ("output", "channel", "frequency"), (len(outputs), len(names), len(frequencies))
    value, error = 0.1 * rng.normal(size=shape), rng.uniform(0.02, 0.4, shape)
    if "C3" in names and len(frequencies) > 21:
        value[-1, list(names).index("C3"), 21], error[-1, list(names).index("C3"), 21] = 3.0, 0.1
    data = {"value": (dims, value), "standard_error": (dims, error)}
    coords = {"output": list(outputs), "channel": list(names), "frequency": frequencies}
    return xr.Dataset(data, coords, {"label": "correlation"})


def payload(explorer):
    """What the page's scripts read."""
    return json.loads(re.search(r"json\">(.*?)</script>", explorer.fragment())[1])


def read(text, dtype, shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def test_values_and_errors_come_through():
    given = explanation()
    given["value"][0, 0, 0], given["standard_error"][0, 0, 1] = np.nan, np.nan
    layer = payload(Explorer(given))["layers"][0]
    shape = given["value"].shape
    codes = read(layer["values"], "<i2", shape)
    assert codes[0, 0, 0] == -32768
    value = np.where(codes == -32768, np.nan, codes * layer["scale"])
    np.testing.assert_allclose(value, given["value"], atol=3.0 / 32000)
    codes = read(layer["errors"], "u1", shape)
    assert codes[0, 0, 1] == 0
    error = layer["smallestError"] * np.exp((codes - 1.0) * layer["errorStep"])
    known = codes > 0
    np.testing.assert_allclose(error[known], given["standard_error"].to_numpy()[known], rtol=0.01)


def test_a_page_opens_on_its_strongest_cell():
    found = payload(Explorer(explanation()))
    assert (found["start"]["output"], found["channels"][found["start"]["channel"]]) == (1, "C3")
    assert (found["start"]["low"], found["start"]["high"]) == (21.5, 22.5)
    assert [name for name, *_ in found["bands"]] == ["delta", "theta", "alpha", "beta", "gamma"]


def test_only_the_wanted_range_is_sent():
    found = payload(Explorer(explanation(), fmin=8, fmax=13))
    assert (found["layers"][0]["lows"][0], found["layers"][0]["highs"][-1]) == (7.5, 13.5)
    assert [name for name, *_ in found["bands"]] == ["theta", "alpha", "beta"]
    with pytest.raises(ValueError, match="there are 1 to 45"):
        Explorer(explanation(), fmin=50)


def test_bands_and_one_cell_are_shown():
    given = explanation(frequencies=[1.0, 2.0]).rename(frequency="band").assign_coords(band=["alpha", "beta"])
    layer = payload(Explorer(given))["layers"][0]
    assert layer["names"] == ["alpha", "beta"]
    assert (layer["lows"], layer["highs"]) == ([-0.5, 0.5], [0.5, 1.5])
    layer = payload(Explorer(explanation(names=["Cz"], frequencies=[10.0])))["layers"][0]
    assert (layer["lows"], layer["highs"]) == ([9.5], [10.5])


@pytest.mark.parametrize("bare", ["channel", "frequency", "cells", "everything"])
def test_little_and_gaps_are_shown(bare):
    """One channel, one frequency, NaN in some cells, or in all."""
    given = explanation(NAMES[:1] if bare == "channel" else NAMES, frequencies=[10] if bare == "frequency" else (9, 10))
    if bare in ("cells", "everything"):
        given["value"].values[:, :1 if bare == "cells" else None] = np.nan
    found = payload(Explorer(given))
    codes = np.frombuffer(base64.b64decode(found["layers"][0]["values"]), "<i2").reshape(given["value"].shape)
    np.testing.assert_array_equal(codes == -32768, np.isnan(given["value"]))
    if bare != "everything":
        start = found["start"]
        assert np.isfinite(given["value"].values[start["output"], start["channel"]]).any()


def test_positions_are_optional_but_wrong_ones_are_told():
    named = explanation(names=["a", "b"])
    assert payload(Explorer(named))["places"] is None
    at = payload(Explorer(named, montage=np.array([[0.0, 0.05], [0.05, 0.0]])))
    assert len(at["places"]) == 2
    with pytest.raises(ValueError, match="montage"):
        Explorer(named, montage="biosemi64")


def test_names_from_data_stay_names():
    evil = "</script><script>alert(1)</script>"
    explorer = Explorer(explanation(names=[evil, "C3"], outputs=["<b>", "&amp;"]), title="<img src=x onerror=alert(2)>")
    assert payload(explorer)["channels"][0] == evil
    page = explorer.page()
    assert "alert(1)" not in page.replace("\\u003cscript\\u003ealert(1)", "")
    assert "<img" not in page
    assert html.escape("<img src=x onerror=alert(2)>") in page


def test_a_page_needs_no_network_and_keeps_its_budget():
    rng = np.random.default_rng(0)
    few = {name: explanation([f"E{n}" for n in range(19)], "ab", np.arange(1, 45.5, 0.5), seed=seed)
           for seed, name in enumerate(("network", "attribution", "data"))}  # fmt: skip
    many = {name: explanation([f"E{n}" for n in range(64)], "abcd", np.arange(1, 45.5, 0.5), seed=seed)
            for seed, name in enumerate(("network", "attribution", "data"))}  # fmt: skip
    code = len((Explorer.script() + Explorer.style()).encode())
    assert code < 40_000
    assert len(Explorer(few, montage=rng.normal(size=(19, 2))).page()) < 150_000
    assert len(Explorer(many, montage=rng.normal(size=(64, 2))).page()) < 350_000
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?https?:""", Explorer(few).page())


@pytest.mark.parametrize(("groups", "told"), [(None, "over trials"), (np.arange(40) // 4, "over groups")])
def test_errors_of_data_are_given_no_network(groups, told):
    X = np.random.default_rng(0).standard_normal((40, 3, 64))
    found = power_contrast(X, np.arange(40) % 2, sfreq=64.0, ch_names=["C3", "C4", "Cz"], groups=groups)
    assert payload(Explorer({"map": found}))["layers"][0]["errorOf"] == told


def test_bands_stand_among_frequencies():
    """Bits by channel and band, the same for every class, beside a map over frequencies."""
    rng = np.random.default_rng(0)
    bits = xr.Dataset({"value": (("channel", "band"), rng.random((len(NAMES), 2)))},
                      {"channel": NAMES, "band": ["slow", "fast"]})  # fmt: skip
    found = Explorer({"map": explanation(), "bits": bits}, bands={"fast": (13, 30), "slow": (1, 8)})
    layer = json.loads(found.fragment().split(">")[2].split("<")[0])["layers"][1]
    assert (layer["lows"], layer["highs"], layer["names"]) == ([1.0, 13.0], [8.0, 30.0], ["slow", "fast"])
    values = np.frombuffer(base64.b64decode(layer["values"]), "<i2").reshape(-1, len(NAMES), 2) * layer["scale"]
    assert len(values) == len(explanation()["output"])
    np.testing.assert_allclose(values, np.broadcast_to(bits["value"], values.shape), atol=layer["scale"])
    with pytest.raises(ValueError, match=r"need bands=\{'slow': \(low, high\)\}"):
        Explorer({"map": explanation(), "bits": bits}, bands={"fast": (13, 30)})


def test_maps_that_do_not_belong_together_are_told():
    with pytest.raises(ValueError, match="same channels; 'b' differs"):
        Explorer({"a": explanation(), "b": explanation(names=NAMES[:3])})
    with pytest.raises(ValueError, match="at most 64 outputs, got 65"):
        Explorer(explanation(outputs=[str(n) for n in range(65)]))
    with pytest.raises(ValueError, match="has output, channel, lag"):
        Explorer(explanation().rename(frequency="lag"))
    with pytest.raises(ValueError, match="beside must be one of the maps"):
        Explorer(explanation(), beside="data")
    with pytest.raises(TypeError, match="got ndarray"):
        Explorer(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="must end in .html"):
        Explorer(explanation()).save("map.png")


def test_it_says_what_it_holds_and_shows_itself(tmp_path):
    explorer = Explorer({"network": explanation(), "data": explanation(seed=1)}, title="Mine", beside="data")
    assert repr(explorer) == "<Explorer: 2 outputs x 11 channels x 45 frequency, 2 maps>"
    explorer.save(tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == explorer.page()
    assert html.escape(explorer.page()) in explorer._repr_html_()


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's own interpolation with node")
@pytest.mark.parametrize("names", [NAMES, ["C3", "C4", "Fz", "Pz"]], ids=["eleven", "circle"])
def test_the_map_is_that_of_the_display(names, tmp_path):
    found, plane = payload(Explorer(explanation(names=names))), channel_positions(names)
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 200), np.sqrt(rng.uniform(0, 1, 200)) * found["cut"]
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    script = tmp_path / "weights.js"
    script.write_text(
        (PAGE / "triangles.js").read_text(encoding="utf-8")
        + f"const data = {json.dumps({key: found[key] for key in ('places', 'triangles')})};\n"
        f"const points = data.places.concat(data.triangles.ring), wanted = {json.dumps(points.tolist())};\n"
        "const found = electrodeWeights(points, data.triangles.corners, data.places.length, wanted);\n"
        "console.log(JSON.stringify(Array.from(found)));"
    )
    told = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True).stdout
    expected = interpolation_matrix(plane, points * np.hypot(*plane[0]) / np.hypot(*found["places"][0]))
    np.testing.assert_allclose(np.reshape(json.loads(told), (200, len(names))), expected, atol=1e-3)
