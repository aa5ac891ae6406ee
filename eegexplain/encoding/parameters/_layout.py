"""What is fixed, shared or free, within which bounds, and where a fit starts."""

from dataclasses import dataclass, field, replace

import numpy as np

from eegexplain._validation import check_array_like, suggest


@dataclass(frozen=True)
class Steps:
    """What steps are taken along.

    Parameters
    ----------
    columns : list of int
        Positions among the columns of the moments, ``[derivatives, response, constant, data]``.
    parameters : list of int
        Positions of the parameters in the table.
    shared : ndarray of bool, shape (n_steps,)
        Whether all targets share the parameter.
    """

    columns: list
    parameters: list
    shared: np.ndarray


@dataclass(frozen=True)
class Layout:
    """Which parameter is found how.

    Parameters
    ----------
    space : tuple of Parameter
        Parameters in table order, with the bounds of this fit.
    fixed, shared, asked : frozenset of str
        Labels of those that stay, of those that all targets share, and of those whose bounds a user has given.
    """

    space: tuple
    fixed: frozenset = frozenset()
    shared: frozenset = frozenset()
    asked: frozenset = frozenset()
    shape: list = field(init=False)
    amplitude: int | None = field(init=False)
    baseline: int | None = field(init=False)

    def __post_init__(self):
        roles = [par.role for par in self.space]
        object.__setattr__(self, "shape", [i for i, role in enumerate(roles) if role == "shape"])
        for role in ("amplitude", "baseline"):
            object.__setattr__(self, role, roles.index(role) if role in roles else None)

    @property
    def labels(self):
        """Names of the parameters."""
        return [par.label for par in self.space]

    def is_free(self, i):
        """Whether parameter ``i`` has a value of its own in every target."""
        return i is not None and self.space[i].label not in self.fixed | self.shared

    @property
    def eliminates_amplitude(self):
        """Whether the amplitude follows from the rest: least squares, cut off at bounds, is exact."""
        return self.is_free(self.amplitude)

    @property
    def projects_baseline(self):
        """Whether the baseline belongs to the nuisance, which knows no bounds."""
        return self.is_free(self.baseline) and not self.space[self.baseline].is_bounded

    def unknown(self):
        """Positions of all parameters that are not fixed."""
        return [i for i, par in enumerate(self.space) if par.label not in self.fixed]

    def steps(self):
        """Find what steps are taken along: all parameters that are neither fixed nor follow from the rest."""
        n_shape = len(self.shape)
        linear = [] if self.eliminates_amplitude or self.amplitude is None else [(n_shape, self.amplitude)]
        if self.baseline is not None and not self.projects_baseline:
            linear.append((n_shape + 1, self.baseline))
        unknown = self.unknown()
        pairs = [(column, par) for column, par in [*enumerate(self.shape), *linear] if par in unknown]
        shared = np.array([self.space[par].label in self.shared for _, par in pairs], dtype=bool)
        return Steps([column for column, _ in pairs], [par for _, par in pairs], shared)


def make_layout(model, stimulus, *, bounds=None, fixed_pars=None, shared_pars=None):
    """Look up labels, and the bounds of this fit.

    Parameters
    ----------
    model : EncodingModel
        The model.
    stimulus : ndarray of shape (n_times, n_features)
        Stimulus, within which tuning models keep their centers.
    bounds : dict or None
        Label to (lower, upper), instead of the model's.
    fixed_pars, shared_pars : str, sequence of str or None
        Labels.

    Returns
    -------
    layout : Layout
        What is found how.

    Raises
    ------
    ValueError
        For unknown labels, for one that is both fixed and shared, and for bounds that are none.
    """
    declared, bounds = model.get_parameter_space(), dict(bounds or {})
    labels = [par.label for par in declared]
    fixed, shared = (
        frozenset(_check_labels(name, given, labels))
        for name, given in (("fixed_pars", fixed_pars), ("shared_pars", shared_pars))
    )
    if fixed & shared:
        raise ValueError(f"{sorted(fixed & shared)} cannot be both fixed and shared: leave them out of one.")
    _check_labels("bounds", bounds, labels)
    space = []
    for known, narrowed in zip(declared, model.fitting_space(stimulus), strict=True):
        if known.label in bounds:
            pair = check_array_like(f"bounds[{known.label!r}]", bounds[known.label], dtype=float, allow_inf=True)
            if pair.shape != (2,):
                raise ValueError(f"bounds[{known.label!r}] must be (lower, upper); got {bounds[known.label]!r}.")
            narrowed = replace(known, lower=float(pair[0]), upper=float(pair[1]))
        space.append(known if known.label in fixed else narrowed)  # what stays may stand anywhere
    return Layout(tuple(space), fixed, shared, frozenset(bounds))


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
        What is found how.
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
    start = np.full((n_targets, len(layout.labels)), np.nan)
    if init_pars is not None:
        columns = list(getattr(init_pars, "columns", layout.labels))
        _check_labels("init_pars", columns, layout.labels)
        values = check_array_like("init_pars", init_pars, ndim=(1, 2), dtype=float, allow_nan=True)
        values = values[None] if values.ndim == 1 else values
        if values.shape[1] != len(columns) or values.shape[0] not in (1, n_targets):
            raise ValueError(
                f"init_pars has shape {values.shape}, but {n_targets} target(s) with parameters {columns} need "
                f"({n_targets}, {len(columns)})."
            )
        start[:, [layout.labels.index(column) for column in columns]] = values
    for i, par in enumerate(layout.space):
        given = start[~np.isnan(start[:, i]), i]
        if not par.holds(given).all():
            raise ValueError(
                f"init_pars: {np.sum(~par.holds(given))} value(s) of {par.label!r} are outside its bounds "
                f"[{par.lower}, {par.upper}]; the first is {given[~par.holds(given)][0]}. Other bounds: "
                f"bounds={{{par.label!r}: (lower, upper)}}."
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
    model, layout, stimulus
        As for ``make_layout``.
    start : ndarray of shape (n_targets, n_parameters)
        Initial values, NaN where there are none.

    Returns
    -------
    grid : dict of str to ndarray
        Candidates inside the bounds.

    Raises
    ------
    ValueError
        For unknown labels, candidates outside their bounds, and labels without any.
    """
    grid = dict(grid or {})
    shape = {layout.space[i].label: layout.space[i] for i in layout.shape}
    _check_labels("grid", grid, list(shape))
    missing = [layout.space[i].label for i in layout.shape if np.isnan(start[:, i]).any()]
    if set(missing) - set(grid):
        proposed = model.candidate_grid(stimulus)
        for label in set(missing) & set(proposed) - set(grid):
            grid[label] = _within(shape[label], proposed[label], label in layout.asked)
    if set(missing) - set(grid):
        raise ValueError(f"The grid lacks candidates of {sorted(set(missing) - set(grid))}.")
    options = {"ndim": "any", "dtype": float, "allow_empty": True}
    grid = {label: np.atleast_1d(check_array_like(f"grid[{label!r}]", grid[label], **options)) for label in missing}
    for label, values in grid.items():
        if not len(values) or not shape[label].holds(values).all():
            bounds = [shape[label].lower, shape[label].upper]
            raise ValueError(f"The grid needs at least one {label!r}, all inside the bounds {bounds}.")
    return grid


def _within(par, values, asked):
    """Proposed candidates, or as many between the bounds that a user asks for."""
    if asked and np.isfinite(par.unconstrain([par.lower, par.upper])).all():
        return par.candidates(len(values))
    return values[par.holds(values)]
