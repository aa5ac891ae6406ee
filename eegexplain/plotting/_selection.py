"""From an ``explanation_`` to maps: which outputs, which bands or times, averaged or picked."""

from dataclasses import dataclass

import numpy as np

from eegexplain._bands import band_masks
from eegexplain._text import readable
from eegexplain._validation import EEG_BANDS, suggest

_ROWS = ("output", "filter")
_COLUMNS = ("band", "frequency", "time", "lag", "coefficient")


@dataclass(frozen=True)
class Maps:
    """Maps taken from an explanation: values `(n_rows, n_columns, n_channels)` and what they belong to."""

    values: np.ndarray
    ch_names: list
    outputs: list | None
    bands: list | None
    times: np.ndarray | None
    standard_error: np.ndarray | None
    row_kind: str = "output"
    frequencies: np.ndarray | None = None


def select_maps(explanation, *, output=None, band=None, time=None, bins=False):
    """Take maps out of an explanation.

    Parameters
    ----------
    explanation : xarray.Dataset
        With variable ``value`` over ``channel`` and, where present, ``output`` or ``filter``, and one of ``band``,
        ``frequency``, ``time``, ``lag``, ``coefficient``.
    output : label or int, optional
        Output (or filter) to take, by label, else by index; None takes all.
    band : str or (float, float), optional
        Name of a band, or limits in Hz when there is a frequency axis; None takes all bands (a frequency axis is
        averaged over the usual EEG bands).
    time : float or (float, float), optional
        The nearest time, or the mean between two times, in seconds; None takes all.
    bins : bool
        Keep each frequency as a map of its own (those of the band, where one is given) instead of averaging.

    Returns
    -------
    Maps
    """
    value = explanation["value"]
    if "channel" not in value.dims:
        raise ValueError(f"No map: this explanation has no channel axis (its axes: {', '.join(value.dims)}).")
    rows = next((dim for dim in _ROWS if dim in value.dims), None)
    columns = next((dim for dim in _COLUMNS if dim in value.dims), None)
    extra = [dim for dim in value.dims if dim not in (rows, columns, "channel")]
    if extra:
        raise ValueError(
            f"Maps have an output and one of {', '.join(_COLUMNS)}; this explanation also has {', '.join(extra)}. "
            f"Take one first, for example explanation.isel({extra[0]}=0)."
        )
    for name, given, dims in (("band", band, ("band", "frequency", "coefficient")), ("time", time, ("time", "lag"))):
        if given is not None and columns not in dims:
            raise ValueError(f"{name}={given!r} was given, but this explanation has axes {', '.join(value.dims)}.")
    order = [dim for dim in (rows, columns, "channel") if dim]
    names = [name for name in ("value", "standard_error") if name in explanation]
    names = [name for name in names if set(explanation[name].dims) == set(order)]
    arrays = {name: explanation[name].transpose(*order).values for name in names}
    arrays = {name: a if rows else a[None] for name, a in arrays.items()}
    arrays = {name: a if columns else a[:, None] for name, a in arrays.items()}
    if bins and columns != "frequency":
        raise ValueError(f"bins=True needs frequencies; this explanation has {', '.join(value.dims)}.")
    return _narrow(arrays, explanation, rows, columns, (output, band, time, bins))


def _narrow(arrays, explanation, rows, columns, wanted):
    output, band, time, bins = wanted
    value, error = arrays["value"], arrays.get("standard_error")
    outputs = None if rows is None else list(explanation[rows].values)
    if output is not None:
        keep = [pick_label(outputs or [], output, "output")]
        value, outputs = value[keep], [outputs[keep[0]]]
        error = None if error is None else error[keep]
    bands, times, frequencies = None, None, None
    if columns in ("time", "lag"):
        times = np.asarray(explanation[columns].values, dtype=float)
        frames = _pick_time(value, error, times, time)
        value, error, times = frames.value, frames.error, frames.times
    elif bins:
        frequencies = np.asarray(explanation["frequency"].values, dtype=float)
        inside = _inside_band(frequencies, band)
        value, frequencies = value[:, inside], frequencies[inside]
        error = None if error is None else error[:, inside]
    elif columns == "frequency":
        value, bands = _average_bands(value, np.asarray(explanation["frequency"].values, dtype=float), band)
        error = None
    elif columns is not None:
        bands = list(explanation[columns].values)
        if band is not None:
            keep = [pick_label(bands, band, "band")]
            value, bands = value[:, keep], [bands[keep[0]]]
            error = None if error is None else error[:, keep]
    names = [str(name) for name in explanation["channel"].values]
    return Maps(value, names, outputs, bands, times, error, row_kind(explanation), frequencies)


def row_kind(explanation):
    """What a row of an explanation is, for rows whose label is a bare number: "class", "output" or "filter"."""
    if "filter" in explanation["value"].dims and "output" not in explanation["value"].dims:
        return "filter"
    return "output" if explanation.attrs.get("response", "output") == "output" else "class"


def row_title(label, kind):
    """Label of a row as a reader needs it: "class 1" for the class 1, names as they are."""
    text = readable(label)
    try:
        float(text)
    except ValueError:
        return text
    return f"{kind} {text}"


def pick_label(labels, wanted, what):
    """Index of a label, or of the position when no label is equal to `wanted`."""
    for index, label in enumerate(labels):
        if label == wanted or str(label) == str(wanted):
            return index
    if isinstance(wanted, (int, np.integer)) and -len(labels) <= wanted < len(labels):
        return int(wanted) % len(labels)
    raise ValueError(
        f"{what}={wanted!r} is not there; there are {', '.join(map(str, labels)) or 'none'}.{suggest(wanted, labels)}"
    )


def pick_time(times, wanted, name="time", unit="s"):
    """Index of the nearest time (or frequency); one outside the axis is an error."""
    step = np.median(np.diff(times)) if len(times) > 1 else np.inf
    if not isinstance(wanted, (int, float, np.number)) or not times.min() - step <= wanted <= times.max() + step:
        reach = f"{times.min():g} to {times.max():g} {unit}"
        raise ValueError(f"{name}={wanted!r} {unit} lies outside the {name} axis, {reach}.")
    return int(np.abs(times - wanted).argmin())


@dataclass(frozen=True)
class Frames:
    """Values ``(n_outputs, n_times, n_channels)``, their errors and times."""

    value: np.ndarray
    error: np.ndarray | None
    times: np.ndarray


def _pick_time(value, error, times, wanted):
    if wanted is None:
        return Frames(value, error, times)
    if np.ndim(wanted) == 0:
        keep = [pick_time(times, wanted)]
        return Frames(value[:, keep], None if error is None else error[:, keep], times[keep])
    start, stop = wanted
    keep = (times >= start) & (times <= stop)
    if not keep.any():
        limits = f"{times.min():g} to {times.max():g} s"
        raise ValueError(f"No time between {start:g} and {stop:g} s: they run from {limits}.")
    return Frames(value[:, keep].mean(axis=1, keepdims=True), None, np.array([times[keep].mean()]))


def _wanted_bands(band):
    if band is None:
        return EEG_BANDS
    if isinstance(band, str):
        index = pick_label(list(EEG_BANDS), band, "band")
        return dict([list(EEG_BANDS.items())[index]])
    low, high = band
    return {f"{low:g}\N{EN DASH}{high:g} Hz": (low, high)}


def _inside_band(frequencies, band):
    """Which frequencies lie in a band; all without one."""
    if band is None:
        return np.ones(len(frequencies), dtype=bool)
    (inside,) = band_masks(frequencies, _wanted_bands(band))
    if not inside.any():
        reach = f"{frequencies.min():g} to {frequencies.max():g} Hz"
        raise ValueError(f"No frequency falls into {band}: they run from {reach}.")
    return inside


def _average_bands(value, frequencies, band):
    wanted = _wanted_bands(band)
    inside = dict(zip(wanted, band_masks(frequencies, wanted), strict=True))
    inside = {name: keep for name, keep in inside.items() if keep.any()}
    if not inside:
        raise ValueError(
            f"No frequency falls into {', '.join(wanted)}: they run from {frequencies.min():g} to "
            f"{frequencies.max():g} Hz."
        )
    return np.stack([value[:, keep].mean(axis=1) for keep in inside.values()], axis=1), list(inside)
