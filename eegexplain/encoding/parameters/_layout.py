"""Which parameters are fixed, shared or free, and how solvers find each."""

from dataclasses import dataclass, field

import numpy as np


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
        Parameters in table order.
    fixed, shared : frozenset of str
        Labels of those that stay, and of those that all targets share.
    linear_given : bool
        Whether free amplitudes and baselines are to be taken as they are, not solved for.
    """

    space: tuple
    fixed: frozenset = frozenset()
    shared: frozenset = frozenset()
    linear_given: bool = False
    shape: list = field(init=False)
    amplitude: int | None = field(init=False)
    baseline: int | None = field(init=False)

    def __post_init__(self):
        roles = [par.role for par in self.space]
        object.__setattr__(self, "shape", [i for i, role in enumerate(roles) if role == "shape"])
        for role in ("amplitude", "baseline"):
            object.__setattr__(self, role, roles.index(role) if role in roles else None)

    def is_free(self, i):
        """Whether parameter ``i`` has a value of its own in every target."""
        return i is not None and self.space[i].label not in self.fixed | self.shared

    @property
    def eliminates_amplitude(self):
        """Whether the amplitude follows from the rest."""
        return self.is_free(self.amplitude) and not self.linear_given

    @property
    def projects_baseline(self):
        """Whether the baseline belongs to the nuisance."""
        return self.is_free(self.baseline) and not self.linear_given

    def steps(self):
        """Find what steps are taken along: all parameters that are neither fixed nor follow from the rest."""
        n_shape = len(self.shape)
        linear = [] if self.eliminates_amplitude or self.amplitude is None else [(n_shape, self.amplitude)]
        if self.baseline is not None and not self.projects_baseline:
            linear.append((n_shape + 1, self.baseline))
        pairs = [(column, par) for column, par in [*enumerate(self.shape), *linear] if not self._is_fixed(par)]
        shared = np.array([self.space[par].label in self.shared for _, par in pairs], dtype=bool)
        return Steps([column for column, _ in pairs], [par for _, par in pairs], shared)

    def _is_fixed(self, i):
        return self.space[i].label in self.fixed
