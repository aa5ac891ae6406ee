"""Marks on the maps of the report."""

from types import SimpleNamespace

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from eegexplain.report._maps import topomaps

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]


def test_marks_are_the_cells_beyond_zero_of_the_whole_figure():
    """Noise around zero is not marked, however many cells; what is large against its error is, and nothing small."""
    rng = np.random.default_rng(0)
    value, error = 0.01 * rng.standard_normal((2, 6, 5)), np.full((2, 6, 5), 0.004)
    value[:, 2, 3], value[:, 3, 3] = 0.5, 0.02
    coords = {"output": ["0", "1"], "channel": CHANNELS, "band": list("abcde")}
    variables = {"value": (tuple(coords), value), "standard_error": (tuple(coords), error)}
    explanation = xr.Dataset(variables, coords, {"degrees_of_freedom": 9})
    before = (np.abs(value[1]) > 2 * error[1]).sum()
    job = SimpleNamespace(data=SimpleNamespace(montage=None))
    figure = topomaps(job, explanation, ["1"], "r")
    dots = [line for line in figure.findobj(Line2D) if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in dots) == 1 < before
