"""From pooled maps to a labelled result."""

import numpy as np

from eegexplain._meta import make_explanation


def population_dataset(maps, cells, *, outputs, units, classes=None, **attrs):
    """Label pooled maps.

    Parameters
    ----------
    maps : list of PooledMap
        One, or one per class.
    cells : dict of str to coordinates
        Channels, and frequencies or bands.
    outputs : list of str
    units : dict of str to int
        Number of units per layer.
    classes : list of str, optional
        Names of the classes that were pooled separately.
    **attrs : dict
        Facts of the analysis.

    Returns
    -------
    xarray.Dataset
        ``value``, ``standard_error``, ``mc_standard_error``; per layer ``layer_<name>``, with ``_standard_error`` and
        ``_mc_standard_error``, over ``unit_<name>``; ``noise_size`` and ``change_size``.
    """
    lead = ("class",) if classes is not None else ()
    shape = tuple(len(coordinates) for coordinates in cells.values())
    coords = {"class": classes or [], "output": outputs, **cells}
    variables, start = {}, 0
    rows_of = [("value", "output", len(outputs)), *((f"layer_{k}", f"unit_{k}", n) for k, n in units.items())]
    for name, dim, n_rows in rows_of:
        coords.setdefault(dim, np.arange(n_rows))
        for field in ("value", "standard_error", "mc_standard_error"):
            rows = np.stack([getattr(m, field)[start : start + n_rows].reshape(n_rows, *shape) for m in maps])
            rows = rows if lead else rows[0]
            key = field if name == "value" else name if field == "value" else f"{name}_{field}"
            variables[key] = ((*lead, dim, *cells), rows)
        start += n_rows
    pooled = {
        field: np.sqrt(np.mean([np.square(getattr(m, field)) for m in maps], axis=0))
        for field in ("noise_size", "change_size")
    }
    variables["noise_size"] = (tuple(cells), pooled["noise_size"].reshape(shape))
    variables["change_size"] = ("output", pooled["change_size"][: len(outputs)])
    dims, value = variables.pop("value")
    return make_explanation(
        value,
        dims,
        coords,
        standard_error=variables.pop("standard_error")[1],
        variables=variables,
        perturbed_score=float(np.mean([m.kept for m in maps])),
        n_iterations=max(m.n_iterations for m in maps),
        **attrs,
    )
