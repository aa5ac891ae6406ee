"""`StimulusDecoder`: from data back to the stimulus, by Bayes' rule."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import ledoit_wolf
from sklearn.utils.validation import check_is_fitted

from eegexplain._settings import Number, check_numbers
from eegexplain._validation import check_array_like
from eegexplain.encoding._tables import check_finite_targets, frame, read_table

MAX_DEFAULT_GRID = 1000
N_DEFAULT_STEPS = 101


class StimulusDecoder(BaseEstimator):
    """Posterior over stimuli, given data, from a fitted encoding model and the covariance of its residuals.

    Parameters
    ----------
    fitter : WeightFitter or ParameterFitter
        Fitted, as a clone, in ``fit``; a ``FrozenEstimator`` around a fitted one stays as it is. Its model must respond
        to each stimulus at once: no haemodynamic response, no lags.
    grid : array-like of shape (n_stimuli, n_features), default=None
        Stimuli that are considered. None: the different ones of the training paradigm or, if there are too many, equal
        steps over the range of its only feature.
    prior : array-like of shape (n_stimuli,), default=None
        Their prior probabilities, up to a factor; None: all the same.
    shrinkage : "auto" or float
        How far the correlations of residuals are shrunk towards zero, 0 to 1; "auto" is Ledoit and Wolf's estimate.
    dof : float, default=None
        Degrees of freedom of Student's t noise; None is Gaussian.

    Attributes
    ----------
    fitter_ : estimator
        The fitted encoding model.
    omega_ : ndarray of shape (n_targets, n_targets)
        Covariance of the residuals, shrunk; of targets in ``kept_``.
    shrinkage_ : float
        Shrinkage in use.
    kept_ : ndarray of bool, shape (n_all_targets,)
        Targets that are used: those with a prediction and with residuals.
    grid_ : ndarray of shape (n_stimuli, n_features)
        Stimuli that are considered.

    References
    ----------
    van Bergen, R. S., Ji Ma, W., Pratte, M. S., & Jehee, J. F. M. (2015). Sensory uncertainty decoded from visual
    cortex predicts behavior. Nature Neuroscience, 18, 1728-1730. https://doi.org/10.1038/nn.4150

    Ledoit, O., & Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
    Multivariate Analysis, 88(2), 365-411. https://doi.org/10.1016/S0047-259X(03)00096-4

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import GaussianTuningModel, ParameterFitter, StimulusDecoder
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-3, 3, (300, 1))
    >>> pars = np.column_stack([np.linspace(-3, 3, 20), np.ones(20), np.ones(20), np.zeros(20)])
    >>> y = GaussianTuningModel().simulate(x, pars, noise=0.2, random_state=0)
    >>> decoder = StimulusDecoder(ParameterFitter(GaussianTuningModel())).fit(x[:200], y[:200])
    >>> bool(np.corrcoef(decoder.predict(y[200:])[:, 0], x[200:, 0])[0, 1] > 0.98)
    True
    """

    _numbers = {"shrinkage": Number(least=0, most=1, other=("auto",)), "dof": Number(above=0, other=(None,))}

    def __init__(
        self,
        fitter: Any,
        *,
        grid: ArrayLike | None = None,
        prior: ArrayLike | None = None,
        shrinkage: str | float = "auto",
        dof: float | None = None,
    ):
        self.fitter = fitter
        self.grid = grid
        self.prior = prior
        self.shrinkage = shrinkage
        self.dof = dof

    def fit(self, X: ArrayLike, y: ArrayLike):
        """Fit the encoding model and the covariance of its residuals.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features)
            Paradigm.
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        self : StimulusDecoder
            Fitted.

        Raises
        ------
        ValueError
            For a model with memory, a grid or prior of the wrong shape, and a shrinkage outside 0 to 1.
        """
        check_numbers(self)
        stimulus, data = read_table(X, "paradigm").values, read_table(y, "data").values
        self.fitter_ = clone(self.fitter).fit(X, y)
        model = getattr(self.fitter_, "model_", getattr(self.fitter_, "model", None))
        if getattr(model, "has_memory", False):
            raise ValueError(
                f"{type(model).__name__} responds to earlier stimuli, too, so one sample does not tell one stimulus: "
                "decode from responses without haemodynamic delay or lags, for example one estimate per trial."
            )
        residual = data - np.asarray(self.fitter_.predict(X)).reshape(data.shape)
        self.n_features_in_, self.n_targets_ = stimulus.shape[1], data.shape[1]
        spread = residual.std(axis=0)
        self.kept_ = np.isfinite(spread) & (spread > 0)
        if not self.kept_.any():
            raise ValueError("No target can be used: all residuals are zero or undefined.")
        self.omega_, self.shrinkage_ = self._covariance(residual[:, self.kept_])
        self.grid_ = self._make_grid(stimulus)
        self._log_prior = self._make_prior(len(self.grid_))
        expected = np.asarray(self.fitter_.predict(self.grid_)).reshape(len(self.grid_), -1)[:, self.kept_]
        self._factor = cholesky(self.omega_, lower=True)
        self._expected = self._whiten(expected)
        return self

    def predict_log_proba(self, y):
        """Logarithm of the posterior.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        log_posterior : DataFrame or ndarray of shape (n_times, n_stimuli)
            Over the stimuli in ``grid_``; a DataFrame if the data are one.

        Raises
        ------
        ValueError
            For no samples, another number of targets, and data that are not finite.
        """
        check_is_fitted(self)
        table = read_table(y, "data")
        if not len(table.values):
            raise ValueError("The data have no samples.")
        if table.values.shape[1] != self.n_targets_:
            raise ValueError(f"The data have {table.values.shape[1]} targets, but the decoder knows {self.n_targets_}.")
        check_finite_targets(table.values[:, self.kept_], name="data")
        white = self._whiten(table.values[:, self.kept_])
        # With L L' the covariance, |L^-1 (y - f(s))|^2 is Mahalanobis' distance: the log likelihood but for constants.
        distance = (white**2).sum(axis=1)[:, None] + (self._expected**2).sum(axis=1) - 2 * white @ self._expected.T
        distance = np.maximum(distance, 0.0)
        if self.dof is None:
            log_posterior = self._log_prior - 0.5 * distance
        else:
            log_posterior = self._log_prior - 0.5 * (self.dof + white.shape[1]) * np.log1p(distance / self.dof)
        log_posterior = log_posterior - logsumexp(log_posterior, axis=1, keepdims=True)
        return frame(log_posterior, table.index, self._names()) if table.labelled else log_posterior

    def predict_proba(self, y):
        """Posterior probability of each stimulus.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        posterior : DataFrame or ndarray of shape (n_times, n_stimuli)
            Over the stimuli in ``grid_``.
        """
        return np.exp(self.predict_log_proba(y))

    def predict(self, y, return_std=False):
        """Mean of the posterior.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.
        return_std : bool
            Whether to give its standard deviation, too.

        Returns
        -------
        mean : ndarray of shape (n_times, n_features)
            Decoded stimulus.
        std : ndarray of shape (n_times, n_features)
            Uncertainty, with ``return_std``.
        """
        posterior = np.asarray(self.predict_proba(y))
        mean = posterior @ self.grid_
        if not return_std:
            return mean
        return mean, np.sqrt(np.maximum(posterior @ self.grid_**2 - mean**2, 0.0))

    def predict_mode(self, y):
        """Most probable stimulus.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        mode : ndarray of shape (n_times, n_features)
            Decoded stimulus.
        """
        return self.grid_[np.asarray(self.predict_log_proba(y)).argmax(axis=1)]

    # Helpers ---------------------------------------------------------------------------------------------------------
    def _whiten(self, values):
        """Solve with the triangular factor of the covariance."""
        return solve_triangular(self._factor, values.T, lower=True).T

    def _covariance(self, residual):
        """Covariance of residuals, their correlations shrunk towards zero."""
        scale = np.sqrt((residual**2).mean(axis=0))
        white = residual / scale
        if self.shrinkage == "auto":
            correlation, shrinkage = ledoit_wolf(white, assume_centered=True)
        else:
            shrinkage = float(self.shrinkage)
            n_targets = white.shape[1]
            correlation = (1 - shrinkage) * white.T @ white / len(white) + shrinkage * np.eye(n_targets)
            if shrinkage == 0 and np.linalg.matrix_rank(correlation, hermitian=True) < n_targets:
                raise ValueError(f"{len(white)} samples do not determine {n_targets} covariances: use shrinkage > 0.")
        return correlation * np.outer(scale, scale), float(shrinkage)

    def _make_grid(self, stimulus):
        if self.grid is not None:
            grid = check_array_like("grid", read_table(self.grid, "grid").values)
            if grid.shape[1] != stimulus.shape[1]:
                raise ValueError(f"grid has {grid.shape[1]} features, but the paradigm has {stimulus.shape[1]}.")
            return grid
        grid = np.unique(stimulus, axis=0)
        if len(grid) <= MAX_DEFAULT_GRID:
            return grid
        if stimulus.shape[1] > 1:
            raise ValueError(f"The paradigm has {len(grid)} different stimuli: give grid, the ones to consider.")
        return np.linspace(grid[0], grid[-1], N_DEFAULT_STEPS)

    def _make_prior(self, n_stimuli):
        """Logarithm of the prior."""
        if self.prior is None:
            return np.zeros(n_stimuli)
        prior = check_array_like("prior", self.prior, dtype=float)
        if prior.shape != (n_stimuli,) or not (prior >= 0).all() or not prior.sum() > 0:
            raise ValueError(
                f"prior must be {n_stimuli} non-negative numbers, not all zero; its shape is {prior.shape}."
            )
        with np.errstate(divide="ignore"):
            return np.log(prior / prior.sum())

    def _names(self):
        """Label stimuli by their only feature, or by position."""
        return self.grid_[:, 0] if self.grid_.shape[1] == 1 else None
