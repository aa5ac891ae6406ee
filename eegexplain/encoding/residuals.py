"""`ResidualFitter`: the law of the noise that an encoding model leaves."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from eegexplain._explanation import order_by_content
from eegexplain._settings import AT_LEAST_ONE, Number, check_numbers
from eegexplain._validation import check_array_like
from eegexplain.encoding._covariance import (
    SHARES,
    blend,
    choose_share,
    fit_structure,
    fit_tail,
    log_density,
    sample_weights,
    whiten,
)
from eegexplain.encoding._tables import check_finite_targets, read_table

N_FOLDS = 5


class ResidualFitter(BaseEstimator):
    """Covariance and tails of residuals: what all targets share, what targets of similar tuning share, and the rest.

    The scale matrix is, for shares that are estimated::

        c ((1 - a) Omega + a S),  Omega = rho tau tau' + (1 - rho) I * tau tau' + sigma^2 W W'

    with each target's scale tau, noise common to all (rho), noise of the stimulus that targets of similar tuning W
    share (sigma) [1]_, the sample covariance S [2]_ and a factor c. With `distance`, noise that near targets share is a
    third part of ``tau tau'``. Tails are those of a multivariate t distribution.

    Parameters
    ----------
    sample_share : "auto" or float
        Share a of the sample covariance, 0 to 1; "auto" is the one under which left-out samples are most likely.
    dof : "auto", float or None
        Degrees of freedom of Student's t; "auto" estimates them, None is Gaussian.
    distance : array-like of shape (n_targets, n_targets), optional
        Distances between targets, in any unit.
    max_n_iterations : int
        Most steps of the maximum likelihood fit.

    Attributes
    ----------
    omega_ : ndarray of shape (n_targets, n_targets)
        Scale matrix; the covariance for Gaussian noise.
    covariance_ : ndarray of shape (n_targets, n_targets)
        ``omega_ dof / (dof - 2)``; NaN where there is none, for up to two degrees of freedom.
    dof_ : float
        Degrees of freedom; infinite for Gaussian noise.
    sample_share_ : float
        Share of the sample covariance.
    scale_ : float
        The factor c. The likelihood of samples that a fold left out chooses it, and the degrees of freedom.
    tau_ : ndarray of shape (n_targets,)
        Scales.
    rho_, sigma_ : float
        Common noise, as a share of ``tau tau'``, and the scale of the noise that follows tuning.
    near_, length_ : float
        Share of noise that falls off as ``exp(-distance / length_)``; 0 and NaN without `distance`.
    log_likelihood_ : float
        Mean log density of left-out samples, before the factor.

    References
    ----------
    .. [1] van Bergen, R. S., Ji Ma, W., Pratte, M. S., & Jehee, J. F. M. (2015). Sensory uncertainty decoded from
           visual cortex predicts behavior. Nature Neuroscience, 18, 1728-1730. https://doi.org/10.1038/nn.4150
    .. [2] van Bergen, R. S., & Jehee, J. F. M. (2021). TAFKAP: An improved method for probabilistic decoding of
           cortical activity. bioRxiv. https://doi.org/10.1101/2021.03.04.433946

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import ResidualFitter
    >>> rng = np.random.default_rng(0)
    >>> common = rng.standard_normal((500, 1))
    >>> noise = 2 * (np.sqrt(0.3) * common + np.sqrt(0.7) * rng.standard_normal((500, 20)))
    >>> fitter = ResidualFitter(dof=None).fit(noise)
    >>> round(fitter.rho_, 1), round(float(fitter.tau_.mean()), 1)
    (0.3, 2.0)
    """

    _numbers = {
        "sample_share": Number(least=0, most=1, other=("auto",)),
        "dof": Number(above=0, other=("auto", None)),
        "max_n_iterations": AT_LEAST_ONE,
    }

    def __init__(
        self,
        *,
        sample_share: str | float = "auto",
        dof: str | float | None = "auto",
        distance: ArrayLike | None = None,
        max_n_iterations: int = 200,
    ):
        self.sample_share = sample_share
        self.dof = dof
        self.distance = distance
        self.max_n_iterations = max_n_iterations

    def fit(self, X: ArrayLike, y: Any = None, *, tuning: ArrayLike | None = None, folds: ArrayLike | None = None):
        """Fit to residuals, which should be those of samples that the encoding model was not fitted to.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_targets)
            Residuals, of mean zero.
        y : None
            Not used.
        tuning : array-like of shape (n_stimuli, n_targets), optional
            Expected responses to evenly chosen stimuli, which say what targets of similar tuning are: ``W W'`` is their
            covariance over stimuli. None leaves that part out.
        folds : array-like of shape (n_samples,), optional
            Label of the part that each sample is left out with; None is five parts.

        Returns
        -------
        self : ResidualFitter
            Fitted.

        Raises
        ------
        ValueError
            For fewer than four samples, NaN, targets without residuals, arrays that do not fit each other, and more
            targets than samples where the sample covariance is all there is.
        """
        check_numbers(self)
        residuals = self._read(X)
        n_samples, n_targets = residuals.shape
        labels = _parts(residuals) if folds is None else np.asarray(folds)
        if labels.shape != (n_samples,) or len(np.unique(labels)) < 2:
            raise ValueError(f"folds must be a label per sample, {n_samples}, of at least two parts.")
        distance = self._read_distance(n_targets)
        structure = fit_structure(residuals, _similarity(tuning, n_targets), distance, self.dof, self.max_n_iterations)
        factor = cholesky(structure.covariance, lower=True)
        weights = sample_weights((whiten(factor, residuals) ** 2).sum(axis=1), n_targets, structure.dof)
        shares = SHARES if self.sample_share == "auto" else (float(self.sample_share),)
        if shares == (1.0,) and n_samples - np.unique(labels, return_counts=True)[1].max() < n_targets:
            raise ValueError(f"{n_samples} samples do not determine {n_targets} covariances: use sample_share < 1.")
        held_out = choose_share(residuals, structure, weights, labels, shares)
        self.sample_share_, self.log_likelihood_ = held_out.share, held_out.log_likelihood
        # Determinants differ between folds; with their mean added to all, distances alone tell factor and tails.
        self.scale_, self.dof_ = fit_tail(held_out.squares, n_targets, self.dof)
        self.tau_, self.rho_, self.sigma_ = structure.tau, structure.common, structure.sigma
        self.near_, self.length_ = structure.near, structure.length
        self._structure = structure.covariance
        self.omega_ = self._omega_of(residuals, weights)
        self.covariance_ = self.omega_ * (_spread(self.dof_))
        self.n_features_in_, self._weights = n_targets, weights
        return self

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Log density of each sample.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_targets)
            Residuals.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            For another number of targets, and NaN.
        """
        check_is_fitted(self)
        residuals = read_table(X, "X").values
        check_finite_targets(residuals, name="X")
        if residuals.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {residuals.shape[1]} targets, but ResidualFitter knows {self.n_features_in_}.")
        factor = cholesky(self.omega_, lower=True)
        squares = (whiten(factor, residuals) ** 2).sum(axis=1)
        return log_density(squares, 2 * np.log(np.diag(factor)).sum(), len(factor), self.dof_)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Mean log density of samples.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_targets)
            Residuals.
        y : None
            Not used.

        Returns
        -------
        float
        """
        return float(self.score_samples(X).mean())

    # Helpers ---------------------------------------------------------------------------------------------------------
    def _omega_of(self, residuals, weights):
        """Scale matrix with the sample covariance of these residuals."""
        return self.scale_ * blend(self._structure, residuals, weights, self.sample_share_)

    def _read(self, X):
        residuals = read_table(X, "X").values
        check_finite_targets(residuals, name="X")
        if len(residuals) < 4:
            raise ValueError(f"X holds {len(residuals)} samples: a covariance needs at least 4.")
        if not (np.abs(residuals).max(axis=0) > 0).all():
            raise ValueError("A target has no residuals at all: leave it out.")
        return residuals

    def _read_distance(self, n_targets):
        if self.distance is None:
            return None
        distance = check_array_like("distance", self.distance, ndim=2, dtype=float)
        if distance.shape != (n_targets, n_targets) or not np.allclose(distance, distance.T) or (distance < 0).any():
            raise ValueError(
                f"distance must be symmetric, non-negative and of shape {(n_targets, n_targets)}; its shape is "
                f"{distance.shape}."
            )
        return distance if (distance > 0).any() else None


def _similarity(tuning, n_targets):
    """Covariance of tuning curves over stimuli."""
    if tuning is None:
        return None
    curves = check_array_like("tuning", tuning, ndim=2, dtype=float)
    if curves.shape[1] != n_targets:
        raise ValueError(f"tuning has {curves.shape[1]} targets, but X has {n_targets}.")
    curves = curves - curves.mean(axis=0)
    return curves.T @ curves / len(curves)


def _parts(residuals):
    """Label of the part of each sample, by what it holds: the same however samples are ordered."""
    labels = np.empty(len(residuals), dtype=int)
    labels[order_by_content(residuals[:, None])] = np.arange(len(residuals)) % min(N_FOLDS, len(residuals))
    return labels


def _spread(dof):
    """Covariance of a t distribution, in units of its scale matrix."""
    return 1.0 if np.isinf(dof) else (dof / (dof - 2) if dof > 2 else np.nan)
