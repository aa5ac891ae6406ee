"""A map that one can touch: scalp, spectrum and channels by frequency, linked, in one file without a network."""

import html
import os
import pathlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from eegexplain._validation import EEG_BANDS
from eegexplain.inspection._errors import familywise_limit
from eegexplain.plotting._payload import AXES, colors, edges, pack_layer, page_file, places_of, script_safe
from eegexplain.plotting.scalp.positions import own_positions

_SCRIPTS = ("triangles.js", "payload.js", "drawing.js", "scalp.js", "spectrum.js", "grid.js", "files.js", "elements.js",
            "explorer.js")  # fmt: skip
MOST_OUTPUTS, MOST_CELLS = 64, 4_000_000


class Explorer:
    """Linked pictures of maps over channels and frequencies (or bands, times, windows), for a browser.

    A scalp map of a range that is dragged in the spectrum of a channel, and all channels by frequency; hover and click
    or arrow keys choose; cells within a threshold fade; the map that is shown is saved as CSV, PNG or SVG. The page
    holds all that it needs and asks no network.

    Parameters
    ----------
    explanation : explainer, explanation, Dataset, or dict of str to these
        Maps ``value`` (output, channel, frequency | band | time | window), ``standard_error`` beside it where there is
        one; fitted explainers, `CrossValidatedExplanation` and `GroupExplanation`. With a dict, the reader chooses by
        its keys; all must have the channels of the first, and its outputs (or none: the same for each) and axis. Beside
        maps over frequencies those over `bands` may stand.
    title : str, default=""
    montage : optional
        Positions, as `plotting.channel_positions` takes them; None looks names up in the 10-05 system, then in what the
        explainer was fitted on. Where a name has no position the page says so and shows no scalp.
    bands : dict of str to (float, float), optional
        Ranges of frequency to choose from, in Hz. None is delta to gamma.
    fmin, fmax : float, default=0 and None
        Range of the axis that is kept: Hz, or seconds.
    beside : str, optional
        Key of the map that is drawn as a thin line beside the others: how the data differ, say.

    Raises
    ------
    TypeError
        For what is no explanation.
    ValueError
        For maps without an axis of the four, or that differ in outputs, channels or axis; more than 64 outputs; nothing
        within `fmin` and `fmax`.

    Examples
    --------
    >>> from eegexplain import PerturbationCorrelator, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(60, ["Fz", "C3", "C4", "Pz"], snr=3, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    >>> fitted = PerturbationCorrelator(net, ch_names=eeg.ch_names).fit(eeg.X, eeg.y)
    >>> Explorer(fitted, title="Planted rhythms", fmin=1, fmax=45)
    <Explorer: 2 outputs x 4 channels x 45 frequency, 1 map>
    """

    def __init__(
        self,
        explanation: Any,
        *,
        title: str = "",
        montage: Any = None,
        bands: Mapping[str, tuple[float, float]] | None = None,
        fmin: float = 0.0,
        fmax: float | None = None,
        beside: str | None = None,
    ):
        named = explanation if isinstance(explanation, Mapping) and not hasattr(explanation, "attrs") else None
        maps = {name: _dataset(one) for name, one in named.items()} if named else {"": _dataset(explanation)}
        if beside is not None and beside not in maps:
            raise ValueError(f"beside must be one of the maps ({', '.join(map(repr, maps))}), got {beside!r}.")
        first = next(iter(maps.values()))
        if montage is None:
            montage = own_positions(next(iter(named.values())) if named else explanation, first)
        self.axis = _axis(first)
        bands = EEG_BANDS if bands is None else bands
        outputs = first["output"].to_numpy() if "output" in first["value"].dims else [""]
        maps = {name: _placed(one, self.axis, bands, outputs) for name, one in maps.items()}
        maps = {name: _kept(one, self.axis, fmin, fmax) for name, one in maps.items()}
        _check_alike(maps, self.axis)
        self.title = str(title)
        first = next(iter(maps.values()))
        self.shape = tuple(first.sizes[dim] for dim in ("output", "channel", self.axis))
        self._payload = _payload(maps, self.axis, montage, bands, beside)

    def __repr__(self) -> str:
        outputs, channels, cells = self.shape
        n_maps = len(self._payload["layers"])
        return (
            f"<Explorer: {outputs} output{'s' * (outputs > 1)} x {channels} channel{'s' * (channels > 1)} x {cells} "
            f"{self.axis}, {n_maps} map{'s' * (n_maps > 1)}>"
        )

    def fragment(self) -> str:
        """Markup of the explorer for a page that holds `style` and, after it, `script`.

        Returns
        -------
        str
        """
        text = script_safe(self._payload)
        return f'<div class="eegexplain-explorer"><script type="application/json">{text}</script></div>'

    @staticmethod
    def style() -> str:
        """Style sheet of all explorers of a page.

        Returns
        -------
        str
        """
        return page_file("explorer.css")

    @staticmethod
    def script() -> str:
        """Script that brings all explorers of a page to life; to stand after them.

        Returns
        -------
        str
        """
        return '(function () {\n"use strict";\n' + "\n".join(map(page_file, _SCRIPTS)) + "})();\n"

    def page(self) -> str:
        """Return the whole page.

        Returns
        -------
        str
        """
        title = html.escape(self.title or "Explorer")
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{title}</title>\n<style>\n{self.style()}'
            "html { color-scheme: light dark; } body { margin: 0; } "
            "main.eegexplain-explorer { max-width: 1180px; margin: auto; padding: 16px; min-height: 100vh; }\n"
            "h1 { font-size: 20px; margin: 0 0 10px; }\n"
            "@media (prefers-color-scheme: dark) { body { background: #14161a; } }\n</style></head>\n"
            f'<body><main class="eegexplain-explorer" data-ready><h1>{title}</h1>\n{self.fragment()}\n</main>\n'
            f"<script>\n{self.script()}</script></body></html>\n"
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the page.

        Parameters
        ----------
        path : str or path-like
            Ending in ``.html``.

        Raises
        ------
        ValueError
            For another ending.
        OSError
            When the file cannot be written.
        """
        path = pathlib.Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"An explorer is a page: {path.name!r} must end in .html.")
        path.write_text(self.page(), encoding="utf-8")

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page())}" title="{html.escape(self.title or "Explorer")}" '
            'style="width:100%;height:760px;border:0"></iframe>'
        )


def _dataset(given):
    if hasattr(given, "data_vars"):
        return given
    if hasattr(given, "dataset"):  # over folds, or groups
        return given.dataset
    if hasattr(given, "fit"):
        check_is_fitted(given, "explanation_")
        return given.explanation_
    raise TypeError(
        f"An explanation is a fitted explainer, its explanation_, or maps over folds; got {type(given).__name__}."
    )


def _axis(dataset):
    found = [name for name in AXES if "value" in dataset and name in dataset["value"].dims]
    if len(found) != 1 or "channel" not in dataset["value"].dims:
        dims = ", ".join(map(str, dataset["value"].dims)) if "value" in dataset else "no value"
        raise ValueError(f"An explorer shows maps over channels and one of {', '.join(AXES)}; this one has {dims}.")
    return found[0]


def _placed(dataset, axis, bands, outputs):
    """With outputs, and bands at their place among frequencies."""
    dims = [str(dim) for dim in dataset["value"].dims]
    dataset = dataset[["value", *({"standard_error", "group_value", "fold_value"} & set(dataset))]]
    dataset = dataset if "output" in dims else dataset.expand_dims(output=outputs)
    if axis == "frequency" and "band" in dims:
        names = [str(name) for name in dataset["band"].to_numpy()]
        unknown = [name for name in names if name not in bands]
        if unknown:
            raise ValueError(f"Maps over bands beside one over frequencies need bands={{{unknown[0]!r}: (low, high)}}.")
        low, high = zip(*(bands[name] for name in names), strict=True)
        dataset = dataset.rename(band=axis).assign_coords(low=(axis, list(low)), high=(axis, list(high)))
    elif axis not in dims:
        raise ValueError(f"All maps must be over {axis}; one is over {', '.join(dims)}.")
    return dataset


def _kept(dataset, axis, fmin, fmax):
    """The wanted part of the axis."""
    if dataset[axis].dtype.kind not in "fiu":
        return dataset
    values = dataset[axis].to_numpy()
    keep = (values >= fmin) & (values <= (np.inf if fmax is None else fmax))
    if not keep.any():
        raise ValueError(f"No {axis} lies between {fmin} and {fmax}: there are {values[0]:g} to {values[-1]:g}.")
    return dataset.isel({axis: np.flatnonzero(keep)})


def _check_alike(maps, axis):
    first = next(iter(maps.values()))
    if first.sizes["output"] > MOST_OUTPUTS:
        raise ValueError(
            f"An explorer shows at most {MOST_OUTPUTS} outputs, got {first.sizes['output']}: choose some, as "
            "explanation.sel(output=[...])."
        )
    if len(maps) * first["value"].size > MOST_CELLS:
        size = len(maps) * first["value"].size
        raise ValueError(f"{size} cells are too many for a page: choose outputs, or fmin and fmax.")
    for name, one in maps.items():
        for dim in ("output", "channel"):
            if one[dim].astype(str).to_numpy().tolist() != first[dim].astype(str).to_numpy().tolist():
                raise ValueError(f"Maps of one explorer have the same {dim}s; {name!r} differs.")
        if axis in ("band", "window") and one[axis].to_numpy().tolist() != first[axis].to_numpy().tolist():
            raise ValueError(f"Maps of one explorer have the same {axis}s; {name!r} differs.")


def _payload(maps, axis, montage, bands, beside):
    first = next(iter(maps.values()))
    channels = [str(name) for name in first["channel"].to_numpy()]
    name, unit = AXES[axis]
    bands = bands if axis == "frequency" else {}
    layers = []
    for key, one in maps.items():
        title = key or str(one.attrs.get("label", one.attrs.get("method", "value")))
        limit_of = partial(familywise_limit, degrees_of_freedom=one.attrs.get("degrees_of_freedom", np.inf))
        drawn_beside = key == beside and key != ""
        layers.append(pack_layer(title, one, axis, short=title.lower(), beside=drawn_beside, limit_of=limit_of))
    low, high = layers[0]["lows"][0], layers[0]["highs"][-1]
    return {
        "channels": channels,
        "outputs": [str(output) for output in first["output"].to_numpy()],
        "axis": {"name": name, "unit": unit},
        "bands": [[band, float(a), float(b)] for band, (a, b) in bands.items() if a < high and b > low],
        "colors": colors(),
        "layers": layers,
        "start": _start(first, axis),
        **_places(channels, montage),
    }


def _start(dataset, axis):
    """The strongest cell of the last output: what a reader sees first."""
    value = np.abs(dataset["value"].transpose("output", "channel", axis).to_numpy()[-1])
    channel, cell = np.unravel_index(np.nanargmax(np.where(np.isnan(value), -1, value)), value.shape)
    lows, highs, _ = edges(dataset[axis])
    return {"output": dataset.sizes["output"] - 1, "channel": int(channel), "low": lows[cell], "high": highs[cell]}


def _places(channels, montage):
    from eegexplain.plotting import channel_positions

    try:
        plane = channel_positions(channels, montage)
    except ValueError:
        if montage is not None:
            raise
        return {"places": None}
    return places_of(plane)
