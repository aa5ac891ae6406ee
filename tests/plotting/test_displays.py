"""What every display promises, whatever it draws."""

import importlib
import inspect
import pkgutil

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain import plotting
from eegexplain.inspection import DeletionCurve, confusion_table
from tests.doors import DOORS, relations

NAMES = sorted(name for name in plotting.__all__ if name.endswith("Display"))


def made(name):
    if name == "FaithfulnessDisplay":  # takes a record of arrays
        curve = DeletionCurve(np.array([0, 1.0]), np.ones((2, 3)), np.zeros((2, 3)), "deletion")
        return plotting.FaithfulnessDisplay(curve)
    if name == "ConfusionDisplay":
        return plotting.ConfusionDisplay(confusion_table(["a", "b"] * 5, ["a", "b", "b", "b", "a"] * 2, random_state=0))
    if name == "SynchronyDisplay":  # its door is that of the places, which are drawn
        return plotting.SynchronyDisplay(relations())
    return DOORS[name].call(**DOORS[name].arrays, **DOORS[name].numbers)


def test_every_display_is_exported():
    """A display that is left out of the table in ``plotting/__init__.py`` is one that nobody finds."""
    modules = [module.name for module in pkgutil.walk_packages(plotting.__path__, "eegexplain.plotting.")]
    classes = [vars(importlib.import_module(name)).items() for name in modules]
    own = {key for items in classes for key, value in items if key.endswith("Display") and inspect.isclass(value)}
    assert own == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_plot_returns_the_display_with_its_artists(name):
    display = made(name)
    assert not plt.get_fignums(), "making one draws nothing"
    assert display.plot() is display
    assert display.figure_.number in plt.get_fignums()
    display.figure_.canvas.draw()
    section = inspect.getdoc(type(display)).split("Attributes\n----------\n")[1].split("\n\n")[0]
    names = [line.split(" : ")[0].split(", ") for line in section.splitlines() if not line.startswith(" ")]
    for attribute in sum(names, []):
        assert hasattr(display, attribute), f"{attribute} is documented, but not there"


@pytest.mark.parametrize("name", NAMES)
def test_one_panel_goes_where_the_user_says(name):
    display = made(name)
    options = inspect.signature(display.plot).parameters
    assert all(option.kind is not option.POSITIONAL_OR_KEYWORD or key == "filter_index"
               for key, option in options.items())  # fmt: skip
    if "ax" in options:
        figure, ax = plt.subplots()
        try:
            display.plot(ax=ax)
        except ValueError as error:  # a display of several panels says so
            assert "ax" in str(error)
        else:
            assert display.figure_ is figure
            assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", sorted(set(NAMES) & set(DOORS)))
def test_what_is_given_stays_as_it_is(name):
    kept = {key: array.copy() for key, array in DOORS[name].arrays.items()}
    made(name).plot()
    for key, array in DOORS[name].arrays.items():
        assert (array == kept[key]).all()
