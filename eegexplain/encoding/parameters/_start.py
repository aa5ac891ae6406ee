"""Where a fit starts: labels, given values, bounds."""

import numpy as np

from eegexplain._validation import check_array_like, suggest
from eegexplain.encoding.parameters._layout import Layout


def make_layout(model, fixed_pars, shared_pars):
    """Look up fixed and shared labels.

    Parameters
    ----------
    model : EncodingModel
        The model.
    fixed_pars, shared_pars : str, sequence of str or None
        Labels.

    Returns
    -------
    layout : Layout
        What is fixed and shared.

    Raises
    ------
    ValueError
        For unknown labels, and for one that is both.
    """
    space = model.get_parameter_space()
    fixed, shared = (
        frozenset(_check_labels(name, labels, [par.label for par in space]))
        for name, labels in (("fixed_pars", fixed_pars), ("shared_pars", shared_pars))
    )
    if fixed & shared:
        raise ValueError(f"{sorted(fixed & shared)} cannot be both fixed and shared: leave them out of one.")
    return Layout(space, fixed, shared)


def _check_labels(name, labels, known):
    labels = [labels] if isinstance(labels, str) else list(labels or [])
    for label in labels:
        if label not in known:
            raise ValueError(f"{name}: the model has no parameter {label!r}, only {known}.{suggest(label, known)}")
    return labels


def read_start(init_pars, layout, n_targets):
    """Read initial values; NaN where there are none.

    Parameters
    ----------
    init_pars : DataFrame, array-like of shape (n_targets, n_parameters) or (n_parameters,), or None
        A DataFrame may have some of the columns only.
    layout : Layout
        What is fixed and shared.
    n_targets : int
        Number of targets.

    Returns
    -------
    start : ndarray of shape (n_targets, n_parameters)
        Given values; shared parameters have their mean.

    Raises
    ------
    ValueError
        For unknown columns, a wrong shape, values outside their bounds, and fixed parameters without a value.
    """
    labels = [par.label for par in layout.space]
    start = np.full((n_targets, len(labels)), np.nan)
    if init_pars is not None:
        columns = list(getattr(init_pars, "columns", labels))
        _check_labels("init_pars", columns, labels)
        values = check_array_like("init_pars", init_pars, ndim=(1, 2), dtype=float, allow_nan=True)
        values = values[None] if values.ndim == 1 else values
        if values.shape[1] != len(columns) or values.shape[0] not in (1, n_targets):
            raise ValueError(
                f"init_pars has shape {values.shape}, but {n_targets} target(s) with parameters {columns} need "
                f"({n_targets}, {len(columns)})."
            )
        start[:, [labels.index(column) for column in columns]] = values
    for i, par in enumerate(layout.space):
        given = start[~np.isnan(start[:, i]), i]
        if not par.holds(given).all():
            raise ValueError(
                f"init_pars: {np.sum(~par.holds(given))} value(s) of {par.label!r} are outside its open bounds "
                f"({par.lower}, {par.upper}); the first is {given[~par.holds(given)][0]}."
            )
        if par.label in layout.fixed and len(given) < n_targets:
            raise ValueError(f"fixed_pars: {par.label!r} needs its value for every target in init_pars.")
        if par.label in layout.shared and len(given):
            start[:, i] = given.mean()
    return start


def read_grid(grid, model, layout, stimulus, start):
    """Return candidates of the shape parameters that have no initial value.

    Parameters
    ----------
    grid : dict or None
        Candidates by label; the model proposes the others.
    model, layout
        As for ``make_layout``.
    stimulus : ndarray of shape (n_times, n_features)
        Stimulus.
    start : ndarray of shape (n_targets, n_parameters)
        Initial values, NaN where there are none.

    Returns
    -------
    grid : dict of str to ndarray
        Candidates inside the bounds.
    """
    grid = dict(grid or {})
    shape = {layout.space[i].label: layout.space[i] for i in layout.shape}
    _check_labels("grid", grid, list(shape))
    missing = [layout.space[i].label for i in layout.shape if np.isnan(start[:, i]).any()]
    if set(missing) - set(grid):
        grid = {**model.candidate_grid(stimulus), **grid}
    if set(missing) - set(grid):
        raise ValueError(f"The grid lacks candidates of {sorted(set(missing) - set(grid))}.")
    options = {"ndim": "any", "dtype": float, "allow_empty": True}
    grid = {label: np.atleast_1d(check_array_like(f"grid[{label!r}]", grid[label], **options)) for label in missing}
    for label, values in grid.items():
        if not len(values) or not shape[label].holds(values).all():
            bounds = (shape[label].lower, shape[label].upper)
            raise ValueError(f"The grid needs at least one {label!r}, all inside the open bounds {bounds}.")
    return grid
