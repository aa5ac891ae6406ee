"""Declared parameters of encoding models (label, role, bounds, scale of steps), and derivatives by them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Candidates along each of so many shape parameters.
N_CANDIDATES = {1: 41, 2: 16, 3: 9}
ROLES = ("shape", "amplitude", "baseline")


@dataclass(frozen=True)
class Parameter:
    """One parameter per target.

    Parameters
    ----------
    label : str
        Name, the column of parameter tables.
    role : {"shape", "amplitude", "baseline"}
        ``shape`` parameters are arguments of ``basis``; its result is multiplied by the ``amplitude``, and the
        ``baseline`` is added. A model without the latter two predicts its basis.
    lower, upper : float
        Bounds, which belong to the interval; fits never leave it.
    transform : {"identity", "log"}, default=None
        The scale on which fitters step. A logarithm needs ``lower`` of at least 0, and never reaches 0. None is "log"
        for shapes that are positive and nothing else, "identity" otherwise.

    Examples
    --------
    >>> from eegexplain.encoding import Parameter
    >>> Parameter("sd", lower=0.0).kind
    'log'
    """

    label: str
    role: str = "shape"
    lower: float = -np.inf
    upper: float = np.inf
    transform: str | None = None

    def __post_init__(self):
        if self.role not in ROLES:
            raise ValueError(f"Parameter {self.label!r} has role {self.role!r}; roles are {ROLES}.")
        if not self.lower < self.upper:
            raise ValueError(f"Parameter {self.label!r} needs lower < upper; got {self.lower} and {self.upper}.")
        if self.kind not in TRANSFORMS:
            raise ValueError(f"Parameter {self.label!r}: transform {self.kind!r} is not one of {sorted(TRANSFORMS)}.")
        if self.kind == "log" and not self.lower >= 0:
            raise ValueError(f"Parameter {self.label!r}: the log transform needs a lower bound of at least 0.")

    @property
    def kind(self) -> str:
        """Name of the transform in use."""
        if self.transform is not None:
            return self.transform
        return "log" if self.role == "shape" and self.lower == 0 and np.isinf(self.upper) else "identity"

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound."""
        return bool(np.isfinite(self.lower) or np.isfinite(self.upper))

    def constrain(self, u):
        """Map from the scale of steps into the bounds.

        Parameters
        ----------
        u : ndarray
            Anything real.

        Returns
        -------
        value : ndarray
            The nearest within the bounds.
        """
        return np.clip(TRANSFORMS[self.kind].inverse(u), self.lower, self.upper)

    def unconstrain(self, value):
        """Map to the scale of steps.

        Parameters
        ----------
        value : array-like
            Within the bounds.

        Returns
        -------
        u : ndarray
            What ``constrain`` maps to it.
        """
        with np.errstate(divide="ignore"):
            return TRANSFORMS[self.kind].function(np.asarray(value, dtype=float))

    def slope(self, value):
        """Derivative by the scale of steps.

        Parameters
        ----------
        value : ndarray
            Within the bounds.

        Returns
        -------
        slope : ndarray
            Derivative of the value by the number on the scale of steps.
        """
        return TRANSFORMS[self.kind].slope(np.asarray(value, dtype=float))

    def holds(self, value):
        """Whether values lie within the bounds; a logarithm excludes 0.

        Parameters
        ----------
        value : ndarray
            Any values.

        Returns
        -------
        inside : ndarray of bool
            False for NaN.
        """
        inside = (value >= self.lower) & (value <= self.upper)
        return inside & (value > 0) if self.kind == "log" else inside

    def candidates(self, n_values):
        """Spread values over the bounds, evenly on the scale of steps.

        Parameters
        ----------
        n_values : int
            How many.

        Returns
        -------
        values : ndarray of shape (n_values,)
            From bound to bound.

        Raises
        ------
        ValueError
            Where a bound is not finite on that scale.
        """
        ends = self.unconstrain([self.lower, self.upper])
        if not np.isfinite(ends).all():
            raise ValueError(
                f"{self.label!r} has no two finite bounds to search between: give them, grid or init_pars, or define "
                "candidate_grid(paradigm)."
            )
        return self.constrain(np.linspace(*ends, n_values))


@dataclass(frozen=True)
class Transform:
    """A scale for steps.

    Parameters
    ----------
    function, inverse : callable
        From a value to the scale, and back.
    slope : callable
        Derivative of `inverse`, written as a function of its result.
    """

    function: Callable
    inverse: Callable
    slope: Callable


def _same(value):
    return value


TRANSFORMS = {"identity": Transform(_same, _same, np.ones_like), "log": Transform(np.log, np.exp, _same)}


def spread(shape: Sequence[Parameter]) -> dict[str, NDArray[np.floating]]:
    """Candidates of shape parameters between their bounds.

    Parameters
    ----------
    shape : sequence of Parameter
        Shape parameters.

    Returns
    -------
    grid : dict of str to ndarray
        Candidates by label, fewer along each where there are many.
    """
    return {par.label: par.candidates(N_CANDIDATES.get(len(shape), 6)) for par in shape}


def central_differences(
    function: Callable, pars: Sequence[NDArray[np.floating]]
) -> tuple[NDArray[np.floating], list[NDArray[np.floating]]]:
    """Value and derivatives of an elementwise family of functions.

    Parameters
    ----------
    function : callable
        ``function(*pars)`` -> array of shape (n_times, n_targets); column ``v`` depends on element ``v`` of each only.
    pars : sequence of ndarray of shape (n_targets,)
        Where to take the derivatives.

    Returns
    -------
    value : ndarray of shape (n_times, n_targets)
        ``function(*pars)``.
    derivatives : list of ndarray
        By each of ``pars``.
    """
    step = np.cbrt(np.finfo(float).eps)
    derivatives = []
    for i, par in enumerate(pars):
        h = step * np.maximum(np.abs(par), 1e-2)
        above, below = ([*pars[:i], par + sign * h, *pars[i + 1 :]] for sign in (1, -1))
        derivatives.append((function(*above) - function(*below)) / (2 * h))
    return function(*pars), derivatives
