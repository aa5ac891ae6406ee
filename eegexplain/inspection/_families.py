"""Kinds of maps: what tells them apart, whether their cells add up and have signs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FILTER_TABLE = ("peak_frequency", "bandwidth")


@dataclass(frozen=True)
class Family:
    """A kind of map.

    Parameters
    ----------
    name : str
    method : str
        The attribute ``method`` of its explanations.
    with_attributes : dict
        Further attributes that tell it from others of the same method.
    adds_up : bool
        Whether the cells of a band add up to the band's (shares of a whole, covariances); else they are averaged.
    signed : bool or None
        None: where any cell is negative.
    """

    name: str
    method: str = ""
    with_attributes: Mapping[str, Any] | None = None
    adds_up: bool = False
    signed: bool | None = None

    def fits(self, attributes: Mapping[str, Any]) -> bool:
        """Whether an explanation with these attributes is of this kind."""
        wanted = {"method": self.method} | dict(self.with_attributes or {})
        return all(attributes.get(name) == value for name, value in wanted.items())


# The correlation of a band with noise of its own is, but for one factor per output, the sum over its bins; attributions
# of a band are the sum over its bins exactly.
_AMPLITUDES = tuple(
    Family(f"{noise} noise", "perturbation correlation", {"noise": noise, "perturbation": kind}, True, True)
    for kind in ("additive", "multiplicative")
    for noise in ("independent", "data")
)
FAMILIES = (
    *_AMPLITUDES,
    Family("saliency", "attribution", {"attribution": "saliency"}, True, False),
    Family("attribution", "attribution", None, True, True),
    Family("occlusion", "occlusion", None, True, True),
    Family("information", "information", None, True, False),
    Family("envelopes", "envelope correlation", None, False, False),
    Family("filters", "filter table", None, False, False),
    Family("data contrast", "class difference of log mean power", None, False, True),
)
OTHER = Family("map")


def family_of(found: Any) -> Family:
    """The kind of an explanation.

    Parameters
    ----------
    found : xarray.Dataset

    Returns
    -------
    Family
        `OTHER` for kinds that are not known.
    """
    return next((family for family in FAMILIES if family.fits(found.attrs)), OTHER)


def as_explanation(given: Any) -> Any:
    """The dataset of whatever holds one.

    Parameters
    ----------
    given : xarray.Dataset, fitted explainer, CrossValidatedExplanation or filter table

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    TypeError
        For anything else, and explainers that are not fitted.
    """
    import pandas as pd
    import xarray as xr

    if isinstance(given, pd.DataFrame):
        return _of_filters(given)
    found = given if isinstance(given, xr.Dataset) else getattr(given, "explanation_", None)
    if not isinstance(found, xr.Dataset) or "value" not in found:
        raise TypeError(
            f"{type(given).__name__} is no explanation: give fitted explainers, results of cross_validate_explanations,"
            " datasets with a variable 'value', or the filter table of a SyncNet (filter_table_)."
        )
    return found


def _of_filters(table):
    """What the filters of a SyncNet pass: amplitude of each, squared, by the Gaussian that its bandwidth describes."""
    import xarray as xr

    channels = [name.removeprefix("amplitude_") for name in table.columns if name.startswith("amplitude_")]
    if not channels or not set(FILTER_TABLE) <= set(table.columns):
        raise TypeError(
            f"A table with the columns {list(table.columns)[:6]} is no filter table: give filter_table_ of a SyncNet, "
            f"with {', '.join(FILTER_TABLE)} and an amplitude for each channel."
        )
    value = table[[f"amplitude_{name}" for name in channels]].to_numpy(dtype=float)
    variables = {name: ("filter", table[name].to_numpy(dtype=float)) for name in FILTER_TABLE}
    variables["value"] = (("filter", "channel"), value)
    return xr.Dataset(variables, coords={"channel": channels}, attrs={"method": "filter table"})
