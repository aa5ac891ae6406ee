"""Spatial bases: the components of PCA, ICA, CSP, or any patterns, times any basis in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from eegexplain._validation import check_array_like
from eegexplain.bases._basis import Basis
from eegexplain.bases.spectral import Time


@dataclass(frozen=True, kw_only=True, eq=False)
class Spatial(Basis):
    """Components instead of channels, in any temporal basis.

    The activity of component `j` is ``filters[j] @ x``, and the signal is ``patterns @ activities`` plus what the
    components do not span: the last row, ``residual``, present unless the components span all channels. Use
    :func:`spatial` to make one from a fitted decomposition.

    Parameters
    ----------
    filters : ndarray of shape (n_components, n_channels)
    patterns : ndarray of shape (n_channels, n_components)
    names : tuple of str
    temporal : Basis
        Basis of the activities.
    """

    filters: np.ndarray
    patterns: np.ndarray
    names: tuple = ()
    temporal: Basis = field(default_factory=Time)

    def __post_init__(self):
        for name in ("filters", "patterns"):
            object.__setattr__(self, name, check_array_like(name, getattr(self, name), ndim=2))
        if self.patterns.shape != self.filters.shape[::-1] or len(self.names) != len(self.filters):
            raise ValueError("filters are (n_components, n_channels), patterns (n_channels, n_components) and names "
                             f"one per component; got {self.filters.shape}, {self.patterns.shape} and {self.names}")

    @property
    def name(self):
        """Name of the product."""
        return f"spatial_{self.temporal.name}"

    @property
    def dim(self):
        """Dimension of the temporal cells."""
        return self.temporal.dim

    @property
    def spans(self):
        """Whether the components span all channels."""
        return np.allclose(self.patterns @ self.filters, np.eye(self.filters.shape[1]), atol=1e-8)

    @property
    def complete(self):
        """Whether the temporal basis is complete (its residual is a cell, that of the components a row)."""
        return self.temporal.complete

    def bind(self, n_times, sfreq):
        """Return this basis for signals of `n_times` samples at `sfreq` Hz."""
        bound = super().bind(n_times, sfreq)
        object.__setattr__(bound, "temporal", self.temporal.bind(n_times, sfreq))
        return bound

    def _check(self, x):
        if x.ndim < 2 or x.shape[-2] != self.filters.shape[1]:
            raise ValueError(f"the spatial basis has {self.filters.shape[1]} channels, the data {x.shape[:-1]}")

    def analyze(self, x):
        """Coefficients `(..., n_components, n_coefficients)` of the component activities."""
        self._check(x)
        return self.temporal.analyze(self.filters.astype(x.dtype) @ x)

    def synthesize(self, coefficients):
        """Channel signals of these activities."""
        activities = self.temporal.synthesize(coefficients)
        return self.patterns.astype(activities.dtype) @ activities

    def adjoint(self, gradient):
        """Gradient over the coefficients of the activities."""
        self._check(gradient)
        return self.temporal.adjoint(self.patterns.T.astype(gradient.dtype) @ gradient)

    def pool(self, values):
        """Sum coefficient values into the temporal cells."""
        return self.temporal.pool(values)

    def spread(self, cells):
        """Give every coefficient the value of its temporal cell."""
        return self.temporal.spread(cells)

    def attribute(self, change, gradient):
        """Attribution of each component and cell; the last row is what the components do not span."""
        self._check(change)
        activities = self.filters @ change
        parts = self.temporal.attribute(activities, self.patterns.T @ gradient)
        if self.spans:
            return parts
        rest = self.temporal.attribute(change - self.patterns @ activities, gradient)
        return np.concatenate([parts, rest.sum(-2, keepdims=True)], axis=-2)

    def sensitivity(self, gradient):
        """Size of the gradient over each component and cell; zero for the residual row."""
        parts = self.temporal.sensitivity(self.patterns.T @ gradient)
        return parts if self.spans else np.concatenate([parts, np.zeros_like(parts[..., :1, :])], axis=-2)

    def coordinates(self):
        """Coordinates of the temporal cells."""
        return self.temporal.coordinates()

    def rows(self, ch_names):
        """Component names, the residual last."""
        if len(ch_names) != self.filters.shape[1]:
            raise ValueError(f"the spatial basis has {self.filters.shape[1]} channels, the data {len(ch_names)}")
        return "component", [*self.names, *([] if self.spans else ["residual"])]


def spatial(source: Any, temporal: Basis | str | None = None, *, names: Sequence[str] | None = None) -> Spatial:
    """Make a spatial basis from a fitted decomposition.

    Parameters
    ----------
    source : estimator, tuple or array-like
        A fitted `sklearn.decomposition.PCA` or `FastICA`, `mne.decoding.CSP`, `mne.preprocessing.ICA`, a pair
        ``(filters, patterns)``, or patterns `(n_channels, n_components)` alone, whose pseudo-inverse then filters.
    temporal : Basis or str, optional
        Basis of the component activities, for example ``"fourier"``; None is time.
    names : sequence of str, optional
        Names of the components.

    Returns
    -------
    Spatial

    Raises
    ------
    TypeError
        If `source` has no spatial filters and patterns.
    ValueError
        For shapes that do not fit, NaN and infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.bases import spatial
    >>> basis = spatial(np.array([[1.0], [1.0], [0.0]]), "fourier").bind(n_times=8, sfreq=100.0)
    >>> basis.rows(["C3", "C4", "Cz"])
    ('component', ['component0', 'residual'])
    """
    from eegexplain.bases import as_basis

    found = _components(source)
    filters, patterns = found.filters, found.patterns
    numbered = [f"{found.prefix}{number}" for number in range(len(filters))]
    names = tuple(numbered if names is None else map(str, names))
    if len(names) != len(filters) or len(set(names)) != len(names):
        raise ValueError(f"{len(filters)} components need as many distinct names, got {names}")
    return Spatial(filters=filters, patterns=patterns, names=names, temporal=as_basis(temporal or "time"))


class _Components(NamedTuple):
    """Spatial filters ``(n_components, n_channels)``, their patterns (transposed), and what a component is called."""

    filters: np.ndarray
    patterns: np.ndarray
    prefix: str


def _components(source):
    """Read components from whatever holds them."""
    if isinstance(source, tuple):
        filters, patterns = source
        return _Components(np.asarray(filters), np.asarray(patterns), "component")
    if isinstance(source, (np.ndarray, list)):
        patterns = check_array_like("source", source, ndim=2, dtype=float)
        return _Components(np.linalg.pinv(patterns), patterns, "component")
    if hasattr(source, "unmixing_matrix_"):
        return _Components(*_mne_ica(source), "IC")
    if hasattr(source, "mixing_"):
        return _Components(np.asarray(source.components_), np.asarray(source.mixing_), "IC")
    if hasattr(source, "filters_") and hasattr(source, "patterns_"):
        count = getattr(source, "n_components", None) or len(source.filters_)
        return _Components(np.asarray(source.filters_[:count]), np.asarray(source.patterns_[:count]).T, "CSP")
    if hasattr(source, "components_"):
        return _Components(np.asarray(source.components_), np.asarray(source.components_).T, "PC")
    raise TypeError("a spatial basis comes from a fitted PCA, FastICA, CSP or mne ICA, a pair (filters, patterns) or "
                    f"an array of patterns; {type(source).__name__} holds none of these (is it fitted?)")


def _mne_ica(ica):
    """Filters and patterns of an `mne.preprocessing.ICA` in the unit of the data: whitener, PCA, unmixing."""
    count = ica.n_components_
    whitener = np.asarray(ica.pre_whitener_, float)
    components = ica.pca_components_[:count]
    if whitener.shape[1] == 1:
        return ica.unmixing_matrix_ @ components / whitener.T, whitener * (components.T @ ica.mixing_matrix_)
    return (ica.unmixing_matrix_ @ components @ whitener,
            np.linalg.pinv(whitener) @ components.T @ ica.mixing_matrix_)
