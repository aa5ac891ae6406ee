"""What the pages' scripts read: maps as whole numbers with scales, positions, triangles."""

import base64
import json
import math
from functools import cache
from importlib import resources

import numpy as np

from eegexplain.plotting._look import DIVERGING
from eegexplain.plotting.scalp.positions import HEAD_RADIUS
from eegexplain.plotting.scalp.topography import map_cut, map_radius, triangulate

AXES = {"frequency": ("Frequency", "Hz"), "time": ("Time", "s"), "band": ("Band", ""), "window": ("Window", "")}
N_COLORS = 33
_LARGEST, _MISSING = 32000, -32768  # of a value in 16 bits; NaN
_ERROR_CODES = 254  # of an error in 8 bits, on a logarithmic scale: 0 is NaN


def pack_layer(title, dataset, axis, *, short, beside, limit_of=None):
    """Pack one map.

    Parameters
    ----------
    title : str
    dataset : xarray.Dataset
        ``value`` (output, channel, `axis`), and ``standard_error`` where there is one.
    axis : str
    short : str
        In a list of values.
    beside : bool
        Whether it is drawn beside others.
    limit_of : callable (n_cells) -> float, optional
        Errors from zero within which cells fade at first; None fades none.

    Returns
    -------
    dict
    """
    value = dataset["value"].transpose("output", "channel", axis).to_numpy().astype(float)
    value = np.where(np.isfinite(value), value, np.nan)
    scale = float(np.nanmax(np.abs(value), initial=0.0)) / _LARGEST or 1.0
    codes = np.where(np.isnan(value), _MISSING, np.round(value / scale)).astype("<i2")
    lows, highs, names = edges(dataset[axis])
    unit = dataset.attrs.get("unit", "")
    packed = {"title": title, "short": short, "beside": beside, "unit": f" {unit}" if unit else "",
              "values": _text(codes), "scale": scale, "lows": lows, "highs": highs, "names": names,
              "errors": None, "threshold": 0.0, "errorOf": error_of(dataset)}  # fmt: skip
    if "standard_error" not in dataset:
        return packed
    error = dataset["standard_error"].transpose("output", "channel", axis).to_numpy().astype(float)
    known = np.isfinite(error) & (error > 0)
    if not known.any():
        return packed
    smallest, largest = error[known].min(), error[known].max()
    step = math.log(largest / smallest) / _ERROR_CODES or 1.0
    levels = np.log(np.where(known, error, smallest) / smallest) / step
    limit = 0.0 if limit_of is None else limit_of(known[0].sum())
    return packed | {"errors": _text(np.where(known, 1 + np.round(levels), 0).astype("u1")), "errorStep": step,
                     "smallestError": float(smallest), "threshold": round(limit, 1)}  # fmt: skip


def edges(coordinate):
    """Where the cells of an axis begin and end, and their names where they are no numbers."""
    values = coordinate.to_numpy()
    if "low" in coordinate.coords:  # bands among frequencies
        limits = [coordinate[end].to_numpy().astype(float).tolist() for end in ("low", "high")]
        return (*limits, [str(name) for name in values])
    if values.dtype.kind not in "fiu":
        places = np.arange(len(values), dtype=float)
        return (places - 0.5).tolist(), (places + 0.5).tolist(), [str(name) for name in values]
    if len(values) == 1:
        return [float(values[0]) - 0.5], [float(values[0]) + 0.5], None
    middle = (values[1:] + values[:-1]) / 2
    lows = np.concatenate([[values[0] - (middle[0] - values[0])], middle])
    highs = np.concatenate([middle, [values[-1] + (values[-1] - middle[-1])]])
    return lows.round(4).tolist(), highs.round(4).tolist(), None


def error_of(dataset):
    """What the error of a map is over."""
    if "error_over" in dataset.attrs:  # of data alone, without a network
        return f"over {dataset.attrs['error_over']}"
    if "group_value" in dataset:
        return "over groups"
    return "over trials and networks" if "fold_value" in dataset else "over trials, given this network"


def places_of(plane):
    """Electrodes in units of the map's radius, the triangles that they are interpolated by, head and cut.

    Parameters
    ----------
    plane : ndarray of shape (n_channels, 2)
        In meters.

    Returns
    -------
    dict
    """
    triangles, radius = triangulate(plane), map_radius(plane)
    points = (triangles.points / radius).round(5).tolist()
    return {
        "places": points[: len(plane)],
        "triangles": {"ring": points[len(plane) :], "corners": triangles.simplices.ravel().tolist()},
        "reach": 1.0,
        "head": HEAD_RADIUS / radius,
        "cut": map_cut(radius) / radius,
    }


def colors(cmap=DIVERGING):
    """Colors of a map, from the lowest to the highest; by default that of all signed maps."""
    import matplotlib

    cmap = matplotlib.colormaps[cmap] if isinstance(cmap, str) else cmap
    return [[round(255 * part) for part in cmap(share)[:3]] for share in np.linspace(0, 1, N_COLORS)]


@cache
def page_file(name):
    """A file of the pages, without indentation and comments: a fifth of what is sent."""
    text = (resources.files("eegexplain") / "report" / "page" / name).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("// ", "/** ")))


def script_safe(value):
    """JSON that may stand inside of a script: names from data never end the element, nor begin another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def bits_of(mask):
    """Truth values, eight to a byte, as text."""
    return _text(np.packbits(np.asarray(mask, dtype=bool)))


def _text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
