"""Answers in the user's own tools: MNE's objects, a tidy table, the description beside a file that BIDS asks for."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from eegexplain._io import atomic_write
from eegexplain._validation import lookup, suggest

_AXES = ("trial", "channel", "frequency", "time")  # in the order of MNE's arrays; what else there is names the objects
_TEMPLATE = "easycap-M1"  # spherical 10-05 places, as scalp pictures take them


def to_mne(explanation: Any, info: Any = None, *, output: Any = None, variable: str = "value") -> Any:
    """Turn an explanation into MNE's objects, for its plots, statistics and files.

    Parameters
    ----------
    explanation : fitted explainer, CrossValidatedExplanation or xarray.Dataset
        By channel, and frequency, time (or lag), or neither; of single trials too, as `explain` gives them.
    info : mne.Info, optional
        With the channels of the explanation, by name. None takes that of the epochs that were explained, else one
        with the template places of those names that the 10-05 system knows.
    output : label, optional
        One output (class); None is all.
    variable : str, default="value"
        Which numbers, "standard_error" for example.

    Returns
    -------
    mne object, or dict of label to mne object
        By channel and time an `mne.EvokedArray`, channel and frequency a `mne.time_frequency.SpectrumArray`, both an
        `mne.time_frequency.AverageTFRArray`, and of single trials their ``Epochs...`` kinds. By channel alone, and for
        each band, window or filter, an EvokedArray of one sample. Axes that MNE does not have (output, band, filter)
        are the keys: labels, or tuples of them for several such axes.

    Raises
    ------
    ValueError
        For explanations that are not by channel, samples that are not evenly spaced, an `info` without some of the
        channels, and names that are not there.

    Notes
    -----
    The numbers are those of the explanation, in its own unit, which the comment of the objects names. MNE takes what
    electrodes hold for volts and multiplies by 1e6 in plots: ``evoked.plot_topomap(scalings=1, units="")``. Errors,
    degrees of freedom and fold variables have no place in MNE's objects; `to_dataframe` has the errors.

    Examples
    --------
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier, to_mne
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=20, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    >>> flex = FLEXAttributor(net, basis="bands", n_steps=4, ch_names=eeg.ch_names).fit(eeg.X, eeg.y)
    >>> maps = to_mne(flex)
    >>> maps["1", "alpha"].data.shape
    (19, 1)
    """
    dataset = _dataset(explanation)
    array = lookup({str(name): dataset[name] for name in dataset.data_vars}, variable, "variable")
    if output is not None:
        array = array.isel(output=_place(output, array))
    if "lag" in array.dims and "time" not in array.dims:
        array = array.rename(lag="time")
    if "channel" not in array.dims:
        raise ValueError(
            f"{variable} has the axes {', '.join(map(str, array.dims))}: MNE's objects are by channel. to_dataframe "
            "takes any explanation."
        )
    numbered = [dim for dim in ("frequency", "time") if dim in array.dims and array[dim].dtype.kind in "iuf"]
    axes = [dim for dim in _AXES if dim in array.dims and (dim in numbered or dim in ("trial", "channel"))]
    array = array.isel(channel=np.flatnonzero(array["channel"].values.astype(str) != "residual"))
    keys = [dim for dim in array.dims if dim not in axes]
    array = array.transpose(*keys, *axes)
    info = _info(explanation, array["channel"].values.astype(str).tolist() if "channel" in array.coords else None, info)
    made = _MADE[tuple(dim for dim in axes if dim != "channel")]
    label = str(dataset.attrs.get("label", variable)) if variable == "value" else variable
    objects = {}
    for names in product(*(array[dim].values.tolist() for dim in keys)):
        key = names[0] if len(names) == 1 else names
        places = dict(zip(keys, (list(array[dim].values.tolist()).index(name) for dim, name in
                                 zip(keys, names, strict=True)), strict=True))  # fmt: skip
        of = ", ".join(map(str, names))
        objects[key] = made(_Cells(array.isel(places), info, f"{label} ({of})" if of else label))
    return objects if keys else next(iter(objects.values()))


def to_dataframe(explanation: Any) -> Any:
    """Turn an explanation into a tidy table, with one row for each cell.

    Parameters
    ----------
    explanation : fitted explainer, CrossValidatedExplanation or xarray.Dataset

    Returns
    -------
    pandas.DataFrame
        A column for each axis (``output``, ``channel``, ``band``, ...), ``value``, ``standard_error`` where it is
        known, and what else has the same axes. What holds for all cells is in ``attrs``.

    Examples
    --------
    >>> from eegexplain import to_dataframe
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import power_contrast
    >>> eeg = make_oscillatory_eeg(40, ["C3", "C4"], random_state=0)
    >>> to_dataframe(power_contrast(eeg, bands="eeg")).columns.tolist()
    ['output', 'channel', 'band', 'value', 'standard_error']
    """
    dataset = _dataset(explanation)
    main = "value" if "value" in dataset else next(name for name in dataset.data_vars if str(name).endswith("value"))
    dims = dataset[main].dims
    same = [name for name in dataset.data_vars if dataset[name].dims == dims]
    bare = dataset[same].drop_vars([name for name in dataset.coords if name not in dims])
    frame = bare.to_dataframe(dim_order=list(dims)).reset_index()
    frame.attrs = {str(name): value for name, value in dataset.attrs.items()}
    return frame


def to_bids_sidecar(
    explanation: Any, path: str | os.PathLike | None = None, *, sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe an explanation as BIDS describes derivatives: what made it, of what, with which settings and versions.

    Parameters
    ----------
    explanation : fitted explainer, CrossValidatedExplanation or xarray.Dataset
    path : str or path-like, optional
        File to write, ending in ``.json``: that of the data with another ending.
    sources : sequence of str, optional
        Files that were explained, as BIDS URIs (``bids::sub-01/eeg/sub-01_task-x_eeg.vhdr``) or paths.

    Returns
    -------
    dict
        ``Description``, ``GeneratedBy``, ``Sources``, ``Parameters``, ``DataHash`` and the axes, as `json` takes it.

    Raises
    ------
    ValueError
        For a path of another ending.

    References
    ----------
    .. [1] K. J. Gorgolewski et al., "The brain imaging data structure", Scientific Data 3 (2016),
           doi:10.1038/sdata.2016.44.

    Examples
    --------
    >>> from eegexplain import to_bids_sidecar
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import power_contrast
    >>> eeg = make_oscillatory_eeg(40, ["C3", "C4"], random_state=0)
    >>> found = to_bids_sidecar(power_contrast(eeg, bands="eeg"), sources=["bids::sub-01/eeg/sub-01_task-x_eeg.edf"])
    >>> found["GeneratedBy"][0]["Name"], found["Axes"]["channel"]
    ('eegexplain', ['C3', 'C4'])
    """
    dataset = _dataset(explanation)
    facts = {str(name): _plain(value) for name, value in dataset.attrs.items()}
    software = {"Name": "eegexplain", "Version": facts.pop("version", "")}
    libraries = [dict(zip(("Name", "Version"), one.split(" ", 1), strict=True))
                 for one in facts.pop("libraries", "").split(", ") if " " in one]  # fmt: skip
    told = {
        "Description": f"{facts.get('label', 'explanation')}, by {facts.pop('method', 'an analysis')}",
        "GeneratedBy": [software, *libraries],
        "Sources": [str(one) for one in sources],
        "Parameters": facts.pop("parameters", ""),
        "DataHash": facts.pop("data_hash", ""),
        "Axes": {str(dim): list(map(_plain, dataset[dim].values)) for dim in dataset.dims if dim in dataset.coords},
        "Variables": {str(name): list(map(str, dataset[name].dims)) for name in dataset.data_vars},
        **{name: value for name, value in facts.items() if name != "label"},
    }
    if path is not None:
        if not str(path).endswith(".json"):
            raise ValueError(f"The description is a .json file, got {path}: give the name of the data, so ending.")
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return told


class Answers:
    """What has an ``explanation_`` gives it in other tools' objects."""

    def to_mne(self, info: Any = None, *, output: Any = None, variable: str = "value") -> Any:
        """Turn ``explanation_`` into MNE's objects; see `eegexplain.to_mne`.

        Parameters
        ----------
        info : mne.Info, optional
            None takes that of the epochs that were explained, else template places.
        output : label, optional
            One output; None is all.
        variable : str, default="value"

        Returns
        -------
        mne object, or dict of label to mne object
        """
        return to_mne(self, info, output=output, variable=variable)

    def to_dataframe(self) -> Any:
        """Turn ``explanation_`` into a tidy table; see `eegexplain.to_dataframe`.

        Returns
        -------
        pandas.DataFrame
        """
        return to_dataframe(self)


# ----------------------------------------------------------------------- MNE
@dataclass(frozen=True, eq=False)
class _Cells:
    """Numbers with labelled axes in MNE's order, of channels that are described, and what they are."""

    array: Any
    info: Any
    comment: str

    @property
    def times(self):
        """Seconds, evenly spaced."""
        times = np.asarray(self.array["time"].values, dtype=float)
        steps = np.diff(times)
        if len(steps) and (steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-3)):
            raise ValueError("The samples are not evenly spaced in time, as those of MNE are: use to_dataframe.")
        return times

    @property
    def frequencies(self):
        """In Hz."""
        return np.asarray(self.array["frequency"].values, dtype=float)

    def at_rate(self):
        """The description of channels with the rate of these samples."""
        times = self.times
        info = self.info.copy()
        if len(times) > 1:
            rate = float(np.round((len(times) - 1) / (times[-1] - times[0]), 9))
            with info._unlock():
                info["sfreq"], info["lowpass"] = rate, min(info["lowpass"] or rate / 2, rate / 2)
        return info


def _evoked(cells):
    import mne

    timed = "time" in cells.array.dims
    data = cells.array.values if timed else cells.array.values[..., None]
    info, tmin = (cells.at_rate(), cells.times[0]) if timed else (cells.info, 0.0)
    return mne.EvokedArray(data, info, tmin=tmin, comment=cells.comment, verbose="error")


def _epochs(cells):
    import mne

    timed = "time" in cells.array.dims
    data = cells.array.values if timed else cells.array.values[..., None]
    info, tmin = (cells.at_rate(), cells.times[0]) if timed else (cells.info, 0.0)
    return mne.EpochsArray(data, info, tmin=tmin, verbose="error")


def _spectrum(cells):
    import mne

    kind = mne.time_frequency.EpochsSpectrumArray if "trial" in cells.array.dims else mne.time_frequency.SpectrumArray
    return kind(cells.array.values, cells.info, cells.frequencies, verbose="error")


def _tfr(cells):
    import mne

    kind = mne.time_frequency.EpochsTFRArray if "trial" in cells.array.dims else mne.time_frequency.AverageTFRArray
    return kind(cells.at_rate(), cells.array.values, cells.times, cells.frequencies, comment=cells.comment)


_MADE = {  # by the axes beside the channel
    (): _evoked,
    ("time",): _evoked,
    ("frequency",): _spectrum,
    ("frequency", "time"): _tfr,
    ("trial",): _epochs,
    ("trial", "time"): _epochs,
    ("trial", "frequency"): _spectrum,
    ("trial", "frequency", "time"): _tfr,
}


def _dataset(explanation):
    """The dataset of whatever holds one."""
    found = getattr(explanation, "explanation_", explanation)
    if not hasattr(found, "data_vars"):
        raise TypeError(
            f"{type(explanation).__name__} holds no explanation: give a fitted analysis, or a dataset with 'value'."
        )
    return found


def _place(output, array):
    """Number of an output by its label."""
    names = array["output"].values.astype(str).tolist() if "output" in array.dims else []
    if str(output) not in names:
        raise ValueError(f"output={output!r} is none of {', '.join(names) or 'one output'}.{suggest(output, names)}")
    return names.index(str(output))


def _info(explanation, names, given):
    """The description of the channels, in the order of the explanation."""
    import mne

    if names is None:
        raise ValueError("The channels of the explanation have no names: explain with ch_names.")
    held = getattr(explanation, "explainer", explanation)  # of a cross-validation
    kept = getattr(held, "_read_info", None)
    if given is None and kept is not None:
        given = mne.Info.from_json_dict(json.loads(kept))
    if given is None:
        told = getattr(held, "sfreq_", None) or getattr(held, "sfreq", None) or 1.0
        info = mne.create_info(names, float(told), "eeg")
        return info.set_montage(_TEMPLATE, match_case=False, match_alias=True, on_missing="ignore", verbose="error")
    missing = [name for name in names if name not in given["ch_names"]]
    if missing:
        raise ValueError(f"info lacks the channels {', '.join(missing)}.{suggest(missing[0], given['ch_names'])}")
    return mne.pick_info(given, [given["ch_names"].index(name) for name in names])


def _plain(value):
    """Numbers and text as JSON takes them."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (int, float, bool)) else str(value)
