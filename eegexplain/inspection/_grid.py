"""One channel x band grid for maps of all kinds, and how each gets there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from eegexplain._bands import band_masks
from eegexplain._validation import EEG_BANDS, check_bands, check_option, refuse_masked
from eegexplain.inspection._families import FILTER_TABLE, Family

REST = "residual"  # what bases call the part of a signal that is in no band
ROUNDING = 1e-12  # share of the largest value below which a cell, and its sign, is a matter of rounding
COLUMNS = ("band", "frequency", "coefficient")


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells that maps of all kinds are brought to.

    Parameters
    ----------
    channels : list of str
    bands : dict of str to (float, float) or None
        None where limits are not known, nor needed.
    outputs : list of str
        What is compared: each class against the mean of the others; of two classes the second.
    classes : list of str
        All outputs that a map must have, if it has any.
    """

    channels: list
    bands: Mapping[str, Any]
    outputs: list
    classes: list

    def place(self, found: Any, family: Family, name: str = "the map") -> NDArray:
        """Bring a map to the grid.

        Parameters
        ----------
        found : xarray.Dataset
        family : Family
        name : str
            For errors.

        Returns
        -------
        ndarray of shape (n_outputs, n_channels, n_bands)

        Raises
        ------
        ValueError
            For other channels, bands or outputs, and NaN.
        """
        value = found["value"]
        refuse_masked(name, value.values)
        check_channels(self.channels, channels_of(found, name), name)
        value = value.sel(channel=self.channels)
        value = _passed(found, value, self.bands) if family.name == "filters" else _banded(value, family, self, name)
        if "filter" in value.dims:  # which filter it is means nothing to other methods: how much all of them hold
            value = np.sqrt((value**2).sum("filter"))
        if "output" in value.dims:
            values = self._contrasted(value.transpose("output", "channel", "band"), family)
        else:
            values = np.tile(value.transpose("channel", "band").values, (len(self.outputs), 1, 1))
        if not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(values))[0]
            raise ValueError(
                f"{name} is not finite at {self.channels[where[1]]} {list(self.bands)[where[2]]}: repair it, or leave "
                "it out of the comparison."
            )
        return np.where(np.abs(values) > ROUNDING * np.abs(values).max(), values, 0.0)

    def error(self, found: Any) -> NDArray | None:
        """Standard errors of the map on the grid, where they are those of its cells; else None."""
        value = found["value"]
        plain = set(value.dims) <= {"output", "channel", "band"} and "standard_error" in found
        if not plain or "band" not in value.dims or ("output" not in value.dims and len(self.classes) > 1):
            return None
        error = found["standard_error"].sel(channel=self.channels, band=list(self.bands))
        if "output" not in value.dims or value.sizes["output"] == 1:
            return error.transpose(..., "channel", "band").values.reshape(len(self.outputs), len(self.channels), -1)
        names, total = value["output"].values.astype(str).tolist(), value.sum("output")
        if np.abs(total).max() > 1e-6 * np.abs(value).max():
            return None  # the error of a difference is known where outputs add up to 0: it is that of the value, scaled
        error = error.transpose("output", "channel", "band").values
        places = [names.index(output) for output in self.outputs]
        return error[places] * len(names) / (len(names) - 1)

    def _contrasted(self, value, family):
        """Each output less the mean of the others; sizes are not subtracted from one another."""
        names = value["output"].values.astype(str).tolist()
        values, places = value.values, [names.index(output) for output in self.outputs]
        if len(names) == 1:
            return values
        if family.signed is False:
            return values[places] if len(names) > 2 else values.mean(axis=0, keepdims=True)
        return (values[places] * len(names) - values.sum(axis=0)) / (len(names) - 1)


def channels_of(found: Any, name: str) -> list[str]:
    """Names of a map's channels.

    Parameters
    ----------
    found : xarray.Dataset
    name : str
        For errors.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        For a map without channels, or with axes that no grid of channels and bands has.
    """
    dims = found["value"].dims
    if "channel" not in dims:
        raise ValueError(
            f"{name} has no channel axis (its axes: {', '.join(dims)}): maps of filters or components are not compared "
            "with maps of channels. Explain outputs by channel."
        )
    more = [dim for dim in dims if dim not in ("output", "filter", "channel", *COLUMNS)]
    if more or not (set(dims) & set(COLUMNS) or set(FILTER_TABLE) <= set(found.data_vars)):
        raise ValueError(
            f"{name} has the axes {', '.join(dims)}: maps are compared by channel and band, or frequency, for each "
            "output. Take one entry of any other axis first, with isel."
        )
    return found["channel"].values.astype(str).tolist()


def check_channels(wanted: Sequence[str], given: Sequence[str], name: str) -> None:
    """Refuse a map of other channels.

    Parameters
    ----------
    wanted, given : sequence of str
    name : str
        For errors.

    Raises
    ------
    ValueError
        Naming what is missing, and what is more.
    """
    missing, more = ([c for c in one if c not in set(other)] for one, other in ((wanted, given), (given, wanted)))
    if missing or more:
        told = [f"{what} {', '.join(names)}" for what, names in (("lacks", missing), ("also has", more)) if names]
        raise ValueError(
            f"{name} {' and '.join(told)}: maps are compared channel by channel. Explain the same channels, or select "
            "those that all have, and give ch_names where channels are only numbered."
        )


def resolve_bands(found: Mapping[str, Any], bands: Any = None) -> Mapping[str, Any]:
    """Bands of the grid.

    Parameters
    ----------
    found : dict of str to xarray.Dataset
    bands : "eeg", dict of str to (float, float) or None
        None takes the bands of the first map that has any.

    Returns
    -------
    dict of str to (float, float) or None
        None for names whose limits are not known, which no map by frequency can be pooled into.
    """
    highest = [float(np.max(one[f].values)) for one in found.values() for f in FILTER_TABLE[:1] + ("frequency",)
               if f in one.variables]  # fmt: skip
    if bands is not None:
        return check_bands(bands, 2 * max(highest, default=1e6) + 1e-9)
    named = next((one["band"].values.astype(str) for one in found.values() if "band" in one["value"].coords), None)
    if named is None:
        return check_bands("eeg", 2 * max(highest, default=1e6))
    return {name: EEG_BANDS.get(name) for name in dict.fromkeys(named) if name != REST}


def resolve_outputs(found: Mapping[str, Any], output: Any = None) -> tuple[list[str], list[str]]:
    """Outputs that are compared, and all that maps have.

    Parameters
    ----------
    found : dict of str to xarray.Dataset
    output : label or None
        None compares all; of two classes the second, whose contrast is the first's with the other sign.

    Returns
    -------
    outputs, classes : list of str

    Raises
    ------
    ValueError
        For maps of different outputs, and an unknown one.
    """
    known = {n: one["output"].values.astype(str).tolist() for n, one in found.items() if "output" in one["value"].dims}
    if not known:
        return ["all"], ["all"]
    first, classes = next(iter(known.items()))
    for name, outputs in known.items():
        if sorted(outputs) != sorted(classes):
            raise ValueError(
                f"{name} explains the outputs {outputs}, {first} {classes}: give maps of the same classes, with all "
                "their outputs."
            )
    if output is not None:
        return [check_option("output", str(output), classes)], classes
    return (classes[1:] if len(classes) == 2 else classes), classes


def _banded(value, family, grid, name):
    """The map with a band axis."""
    if "band" in value.dims:
        missing = [band for band in grid.bands if band not in value["band"].values]
        if missing:
            given = ", ".join(value["band"].values.astype(str))
            raise ValueError(
                f"{name} has the bands {given}, not {', '.join(missing)}: explain the same bands, or give bands "
                "of which all maps have the names."
            )
        return value.sel(band=list(grid.bands))
    dim = "frequency" if "frequency" in value.dims else "coefficient"
    masks = _members(value, grid, name)
    empty = [band for band, inside in zip(grid.bands, masks, strict=True) if not inside.any()]
    if empty:
        raise ValueError(f"{name} has no cell in {', '.join(empty)}: give bands that hold frequencies of all maps.")
    pooled = [value.isel({dim: np.flatnonzero(inside)}) for inside in masks]
    pooled = [part.sum(dim) if family.adds_up else part.mean(dim) for part in pooled]
    import xarray as xr

    bare = [part.drop_vars([name for name in part.coords if name in COLUMNS]) for part in pooled]
    return xr.concat(bare, "band").assign_coords(band=list(grid.bands))


def _members(value, grid, name):
    """Which cells belong to which band, by the name of their band or their frequency."""
    if "band" in value.coords:
        return np.array([value["band"].values.astype(str) == band for band in grid.bands])
    if "frequency" not in value.coords:
        raise ValueError(f"{name} has cells without frequency or band: explain frequencies or bands.")
    unknown = [band for band, limits in grid.bands.items() if limits is None]
    if unknown:
        raise ValueError(
            f"{name} is by frequency, and the limits of {', '.join(unknown)} are not known: give bands as a dict of "
            "name to (lowest, highest) in Hz."
        )
    return band_masks(value["frequency"].values, grid.bands)


def _passed(found, value, bands):
    """Amplitude that each filter passes per Hz of each band: at half its bandwidth from the peak half of the power."""
    unknown = [band for band, limits in bands.items() if limits is None]
    if unknown:
        raise ValueError(f"The limits of {', '.join(unknown)} are not known: give bands as a dict, in Hz.")
    peak, width = (found[name].values for name in FILTER_TABLE)
    deviation = width / 2 / np.sqrt(2 * np.log(2))  # of the Gaussian whose value is 1/2 at width / 2
    low, high = np.array(list(bands.values())).T[:, :, None]
    share = (ndtr((high - peak) / deviation) - ndtr((low - peak) / deviation)) * deviation * np.sqrt(2 * np.pi)
    share /= high - low
    import xarray as xr

    return value * xr.DataArray(np.sqrt(share), dims=("band", "filter"), coords={"band": list(bands)})
