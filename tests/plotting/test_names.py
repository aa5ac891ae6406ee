"""Every display draws any name that data may hold, as it is written."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text
from sklearn.base import BaseEstimator

from eegexplain import plotting
from eegexplain._text import plain, readable
from eegexplain.inspection import confusion_table

NASTY = ["a$b$", "$x_{$", "\ud800", "_$\\frac$", "n\nl"]
RNG = np.random.default_rng(0)
PLACES = RNG.standard_normal((5, 2)) / 20


def explanation(axis="frequency", labels=(10.0, 20.0), **attrs):
    value = RNG.normal(size=(5, 5, len(labels)))
    coords = {"output": NASTY, "channel": NASTY, axis: list(labels)}
    return xr.Dataset({"value": (tuple(coords), value)}, coords, attrs)


def topomap():
    display = plotting.TopomapDisplay.from_explanation(explanation("band", NASTY), positions=PLACES)
    yield display.plot(names=True, output=NASTY[1], band=NASTY[0]).figure_, [NASTY[0], NASTY[1]]
    yield display.plot_grid(panel_size=0.8).figure_, NASTY
    moving = display.animate()
    moving._draw_was_started = True  # nobody will show it
    yield display.figure_, []


def spectral_map():
    yield plotting.SpectralMapDisplay.from_explanation(explanation()).plot().figure_, NASTY
    yield plotting.SpectralMapDisplay.from_explanation(explanation("band", NASTY)).plot().figure_, NASTY
    picked = plotting.SpectralMapDisplay.from_explanation(explanation(), output=NASTY[0])
    yield picked.plot(bands=dict.fromkeys(NASTY, (1, 40))).figure_, NASTY


def template():
    display = plotting.TemplateDisplay(RNG.normal(size=(1, 5, 9)), NASTY, 9, windows=RNG.normal(size=(1, 2, 5, 9)))
    yield display.plot(n_channels=5).figure_, NASTY
    channel = NASTY[display.templates[0].std(axis=-1).argmax()]
    yield display.plot_windows().figure_, [channel]


def time_frequency():
    for name in NASTY:
        data = explanation("coefficient", range(5)).assign_coords(
            time=("coefficient", np.arange(5.0)), band=("coefficient", NASTY)
        )
        display = plotting.TimeFrequencyDisplay.from_explanation(data, output=name, channel=name)
        yield display.plot().figure_, [*NASTY, f"{name}, {name}"]


def trial_map():
    data = explanation("band", NASTY).rename(output="trial").assign_coords(trial=range(5))
    display = plotting.TrialMapDisplay.from_explanation(data, labels=NASTY, channel=NASTY[0])
    yield display.plot().figure_, NASTY


def faithfulness():
    from eegexplain.inspection import DeletionCurve

    curve = DeletionCurve(np.array([0, 1.0]), np.ones((2, 3)), np.zeros((2, 3)), "deletion")
    yield plotting.FaithfulnessDisplay(curve).plot().figure_, []


def hrf():
    yield plotting.HRFDisplay([[0, 1]] * 5, [[0, 1]] * 5, NASTY).plot().figure_, NASTY


def tuning():
    yield plotting.TuningCurveDisplay(RNG.normal(size=(4, 5)), np.arange(4), labels=NASTY).plot().figure_, NASTY


def r2():
    yield plotting.R2Display([0.1, 0.2]).plot().figure_, []


def trf():
    display = plotting.TRFDisplay(RNG.normal(size=(5, 5, 6)), np.arange(6) / 10, features=NASTY)
    yield display.plot(feature=1).figure_, NASTY


def cross_validated():
    data = explanation("band", NASTY, degrees_of_freedom=2, label=NASTY[0])
    folds = data["value"].expand_dims(fold=3, seed=1)
    data = data.assign(standard_error=abs(data["value"]), fold_value=folds)
    display = plotting.CrossValidatedDisplay.from_explanation(data, output=NASTY[2], note=NASTY[1])
    yield display.plot(n_cells=25).figure_, [*NASTY, f"{NASTY[2]}, {NASTY[1]}"]


def permutation():
    null = RNG.normal(size=(5, 9))
    yield plotting.PermutationDisplay(null, null[:, 0], NASTY, null[:, 0] ** 2).plot().figure_, NASTY


def confusion():
    labels = np.array(NASTY * 4, dtype=object)
    found = confusion_table(labels, np.roll(labels, 1), n_permutations=19, random_state=0)
    yield plotting.ConfusionDisplay(found).plot().figure_, NASTY


def patching():
    value = RNG.normal(size=(5, 5))
    yield plotting.PatchingDisplay(value, value**2, NASTY, NASTY, 9, label=NASTY[0]).plot().figure_, NASTY


def information():
    facts = {"degrees_of_freedom": 4, "unit": "bit"}
    whole = {"total_value": 0.5, "total_standard_error": 0.1, "entropy_value": 1.0}
    for axes in (("band",), ("channel", "band")):
        values = RNG.normal(size=[5] * len(axes))
        amounts = {"value": (axes, values), "standard_error": (axes, abs(values))}
        data = xr.Dataset(amounts | whole, dict.fromkeys(axes, NASTY), facts | {"label": NASTY[0]})
        yield plotting.InformationDisplay(data).plot(title=NASTY[1]).figure_, NASTY
    yield plotting.InformationDisplay(data).plot(positions=PLACES).figure_, NASTY


def coverage():
    yield plotting.CoverageDisplay([np.linspace(0, 1, 9)] * 5, NASTY).plot().figure_, NASTY


def generalization():
    yield plotting.GeneralizationDisplay(RNG.random((4, 4)), np.arange(4.0)).plot().figure_, []


def synchrony():
    facts = {"degrees_of_freedom": 40, "unit": "bit", "caution": NASTY[1]}
    dims = ("band", "channel", "other_channel")
    data = {"value": (dims, np.ones((5, 5, 5))), "standard_error": (dims, np.full((5, 5, 5), 0.1))}
    for name in ("relations", "reversal", "diagonal"):
        data |= {f"{name}_value": ("band", np.arange(5.0)), f"{name}_standard_error": ("band", np.full(5, 0.1))}
    data |= {"total_value": 0.5, "total_standard_error": 0.1, "entropy_value": 1.0}
    data = xr.Dataset(data, dict.fromkeys(dims, NASTY), facts)
    yield plotting.SynchronyDisplay(data, band=1).plot(positions=PLACES).figure_, NASTY


DRAWN = {
    "CoverageDisplay": coverage, "GeneralizationDisplay": generalization,
    "SynchronyDisplay": synchrony,
    "InformationDisplay": information,
    "CrossValidatedDisplay": cross_validated, "PermutationDisplay": permutation,
    "PatchingDisplay": patching, "ConfusionDisplay": confusion,
    "TopomapDisplay": topomap, "SpectralMapDisplay": spectral_map, "TemplateDisplay": template,
    "TimeFrequencyDisplay": time_frequency, "TrialMapDisplay": trial_map, "FaithfulnessDisplay": faithfulness,
    "HRFDisplay": hrf, "TuningCurveDisplay": tuning, "R2Display": r2, "TRFDisplay": trf,
}  # fmt: skip


def test_every_display_is_here():
    assert set(DRAWN) == {name for name in plotting.__all__ if name.endswith("Display")}


@pytest.mark.parametrize("display", DRAWN)
def test_names_are_drawn_as_they_are_written(display):
    for figure, names in DRAWN[display]():
        figure.canvas.draw()  # a formula that does not parse fails here
        texts = [text.get_text() for text in figure.findobj(Text)]
        for name in names:
            assert any(plain(name) in text for text in texts), (name, texts)


def test_old_scalp_maps_draw_such_names():
    places = ["cartesian", *[(name, tuple(place)) for name, place in zip(NASTY, PLACES, strict=True)]]
    ax = plotting.ax_scalp(np.arange(5.0), NASTY, annotate=True, chan_pos_list=places)
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.findobj(Text)]
    assert all(any(plain(name) in text for text in texts) for name in NASTY), texts


@pytest.mark.parametrize("ending", ["gif", "html"])
def test_moving_maps_are_written_with_such_names(tmp_path, ending):
    display = plotting.TopomapDisplay.from_explanation(explanation("band", NASTY), positions=PLACES)
    path = display.save(tmp_path / f"map.{ending}", output=NASTY[2], size=(240, 200), names=True)
    if ending == "html":
        assert f"<title>{readable(NASTY[2])}</title>" in path.read_text(encoding="utf-8")


# ------------------------------------------------------------------------- what figures say, and how many there are
class Explained(BaseEstimator):
    """Stands for any fitted explainer."""

    def __init__(self, response="logit", labels=(0, 1)):
        self.response, self.labels = response, labels
        coords = {"output": list(labels), "channel": ["C3", "C4", "Cz"], "frequency": [8.0, 10.0]}
        value = RNG.normal(size=(len(labels), 3, 2))
        attrs = {"method": "gradient", "label": "correlation", "response": response}
        self.explanation_ = xr.Dataset({"value": (tuple(coords), value)}, coords, attrs)

    def fit(self, X, y):
        return self


@pytest.mark.parametrize("display", [plotting.TopomapDisplay, plotting.SpectralMapDisplay])
def test_plot_after_from_estimator_leaves_one_figure(display):
    drawn = display.from_estimator(Explained()).plot()
    assert plt.get_fignums() == [drawn.figure_.number]
    kept = drawn.figure_
    drawn.plot()  # asked for twice: two figures
    assert len(plt.get_fignums()) == 2 and kept.number in plt.get_fignums()
    figure, ax = plt.subplots()
    display.from_estimator(Explained(labels=(0,)), ax=ax).plot()
    assert figure.number in plt.get_fignums(), "the user's own figure stays"


@pytest.mark.parametrize(
    ("response", "labels", "titles"),
    [
        ("logit", (0, 1), ["class 0", "class 1"]),
        ("output", (0, 1), ["output 0", "output 1"]),
        ("prob", ("1.5", "2"), ["class 1.5", "class 2"]),
        ("logit", ("left", "right"), ["left", "right"]),
    ],
)
def test_titles_say_what_a_number_is_and_colour_bars_what_the_values_are(response, labels, titles):
    explained = Explained(response, labels)
    spectra = plotting.SpectralMapDisplay.from_estimator(explained)
    assert [ax.get_title() for ax in spectra.axes_] == titles
    maps = plotting.TopomapDisplay.from_estimator(explained)
    assert [ax.texts[0].get_text() for ax in maps.axes_[:, 0]] == titles
    assert spectra.colorbar_.ax.get_ylabel() == maps.colorbar_.ax.get_ylabel() == "correlation"
    assert maps.plot(output=labels[1]).ax_.get_title().startswith(titles[1])
    del explained.explanation_.attrs["label"]
    assert plotting.SpectralMapDisplay.from_estimator(explained).colorbar_.ax.get_ylabel() == "", "no method instead"
