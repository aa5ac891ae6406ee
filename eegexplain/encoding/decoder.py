"""`StimulusDecoder`: from data back to the stimulus, by Bayes' rule."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from eegexplain._settings import Number, check_numbers
from eegexplain._validation import check_array_like
from eegexplain.encoding._covariance import whiten
from eegexplain.encoding._crossfit import CrossFit, cross_fit, responses
from eegexplain.encoding._predictive import Predictive, error_variance, errors_of
from eegexplain.encoding._tables import check_finite_targets, frame, read_table
from eegexplain.encoding.calibration import DecodingCalibration, fit_trust, mass_above, nearest, region, temper
from eegexplain.encoding.residuals import ResidualFitter

MAX_DEFAULT_GRID = 1000
N_DEFAULT_STEPS = 101


class StimulusDecoder(BaseEstimator):
    """Posterior over stimuli, given data, from an encoding model, its errors and the law of its residuals.

    Data are expected to be ``f(s) + e``: the responses f of a fitted model, which are off by what few samples leave
    open, and noise e. The covariance of both is that of the noise, ``omega``, times ``1 + h_v(s) . h_w(s)`` for targets
    v and w, where ``h_v(s)`` are the weights that training samples have in the response of v to s [1]_ [2]_. The noise
    is fitted to residuals of samples that the model did not see. What remains, because first order and Gaussian errors
    are not all, two numbers make good under which such samples' own stimuli are most probable: a power of the
    likelihood, and a share of samples about which it tells nothing.

    Parameters
    ----------
    fitter : WeightFitter or ParameterFitter
        Fitted, as a clone, in ``fit``; a ``FrozenEstimator`` around a fitted one stays as it is, and is taken for the
        truth. Its model must respond to each stimulus at once: no haemodynamic response, no lags.
    grid : array-like of shape (n_stimuli, n_features), default=None
        Stimuli that are considered. None: the different ones of the training paradigm or, if there are too many, equal
        steps over the range of its only feature.
    prior : array-like of shape (n_stimuli,), default=None
        Their prior probabilities, up to a factor; None: all the same.
    noise : ResidualFitter, default=None
        Fitted, as a clone, to the residuals. None is ``ResidualFitter()``.
    cv : int, splitter or None
        How samples are left out in turn: a number of folds, of whole runs if ``groups`` are given to ``fit``. None
        takes the residuals of the fit itself, made larger by their degrees of freedom, and the likelihood as it is.

    Attributes
    ----------
    fitter_ : estimator
        The fitted encoding model.
    noise_ : ResidualFitter
        The fitted noise.
    omega_ : ndarray of shape (n_targets, n_targets)
        Its scale matrix (the covariance, if Gaussian); of targets in ``kept_``.
    dof_ : float
        Its degrees of freedom; infinite if Gaussian.
    temper_, lapse_ : float
        Power of the likelihood, and the share of the prior in the posterior; 1 and 0 for a likelihood as it is.
    kept_ : ndarray of bool, shape (n_all_targets,)
        Targets that are used: those with a prediction and with residuals.
    grid_ : ndarray of shape (n_stimuli, n_features)
        Stimuli that are considered.

    References
    ----------
    .. [1] van Bergen, R. S., Ji Ma, W., Pratte, M. S., & Jehee, J. F. M. (2015). Sensory uncertainty decoded from
           visual cortex predicts behavior. Nature Neuroscience, 18, 1728-1730. https://doi.org/10.1038/nn.4150
    .. [2] Rasmussen, C. E., & Williams, C. K. I. (2006). Gaussian Processes for Machine Learning, section 2.1: the
           predictive distribution of a linear model. MIT Press. https://doi.org/10.7551/mitpress/3206.001.0001

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
    >>> bool(0.8 < decoder.calibration(x[200:], y[200:]).coverage(0.9) < 1)
    True
    """

    _numbers: dict[str, Number] = {}

    def __init__(
        self,
        fitter: Any,
        *,
        grid: ArrayLike | None = None,
        prior: ArrayLike | None = None,
        noise: ResidualFitter | None = None,
        cv: Any = 5,
    ):
        self.fitter = fitter
        self.grid = grid
        self.prior = prior
        self.noise = noise
        self.cv = cv

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None):
        """Fit the encoding model, its errors and the noise.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features)
            Paradigm.
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample: runs are left out as wholes.

        Returns
        -------
        self : StimulusDecoder
            Fitted.

        Raises
        ------
        ValueError
            For a model with memory, a grid or prior of the wrong shape, too few samples, and folds that do not leave
            out each sample once.
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
        residual = data - responses(self.fitter_, X, data.shape[1])
        self.n_features_in_, self.n_targets_ = stimulus.shape[1], data.shape[1]
        spread = residual.std(axis=0)
        self.kept_ = np.isfinite(spread) & (spread > 0)
        if not self.kept_.any():
            raise ValueError("No target can be used: all residuals are zero or undefined.")
        self.grid_ = self._make_grid(stimulus)
        self._log_prior = self._make_prior(len(self.grid_))
        self._errors = errors_of(self.fitter_, stimulus, residual[:, self.kept_], self.kept_)
        self._expected = self._responses(self.fitter_, self.grid_)
        found = self._residuals(X, y, groups, residual[:, self.kept_])
        noise = ResidualFitter() if self.noise is None else self.noise
        self.noise_ = clone(noise).fit(found.residual, tuning=self._expected, folds=found.labels)
        self.omega_, self.dof_ = self.noise_.omega_, self.noise_.dof_
        self.temper_, self.lapse_ = self._fit_trust(stimulus, data[:, self.kept_], found)
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
        likelihood = self._density(self.grid_, self._expected).log_likelihood(table.values[:, self.kept_])
        log_posterior = temper(likelihood, self._log_prior, self.temper_, self.lapse_)
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
        """Most probable stimulus: maximum a posteriori.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        mode : ndarray of shape (n_times, n_features)
            Decoded stimulus, of those in ``grid_``.
        """
        return self.grid_[np.asarray(self.predict_log_proba(y)).argmax(axis=1)]

    def highest_density_region(self, y: ArrayLike, level: float = 0.9) -> np.ndarray:
        """Fewest stimuli that together have a probability.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.
        level : float, default=0.9
            The probability, 0 to 1.

        Returns
        -------
        ndarray of bool, shape (n_times, n_stimuli)
            Whether a stimulus of ``grid_`` is in the region.

        Raises
        ------
        ValueError
            For a level that is no probability.
        """
        Number(least=0, most=1).check("level", level)
        return region(np.asarray(self.predict_proba(y)), float(level))

    def calibration(self, X: ArrayLike, y: ArrayLike) -> DecodingCalibration:
        """Say where true stimuli lie in their posteriors.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features)
            True stimuli; of samples that were not in ``fit``.
        y : DataFrame or array-like of shape (n_times, n_targets)
            Data.

        Returns
        -------
        DecodingCalibration
            Its ``coverage(0.9)`` should be about .9; `plotting.CoverageDisplay` draws it.

        Raises
        ------
        ValueError
            For stimuli that do not fit the data.
        """
        log_posterior = np.asarray(self.predict_log_proba(y))
        stimuli = read_table(X, "paradigm").values
        wanted = len(log_posterior), self.n_features_in_
        if stimuli.shape != wanted:
            raise ValueError(f"The paradigm must be {wanted}; it is {stimuli.shape}.")
        check_finite_targets(stimuli, name="paradigm")
        place = nearest(self.grid_, stimuli)
        return DecodingCalibration(
            mass_above(log_posterior, place), np.take_along_axis(log_posterior, place[:, None], axis=1)[:, 0]
        )

    def fisher_information(self, stimuli: ArrayLike | None = None) -> np.ndarray:
        """Information of one sample about the stimulus: one over the smallest variance of an unbiased estimate.

        ``f'(s)' C(s)^-1 f'(s)`` with the covariance C of noise and errors, times ``(dof + n) / (dof + n + 2)`` for t
        noise and times ``temper_``; what C itself tells about the stimulus, and lapses, are left out.

        Parameters
        ----------
        stimuli : array-like of shape (n_stimuli, n_features), default=None
            Where; None is ``grid_``.

        Returns
        -------
        ndarray of shape (n_stimuli, n_features, n_features)
            In one over the squared unit of the features.

        Raises
        ------
        ValueError
            For another number of features.
        """
        check_is_fitted(self)
        places = self.grid_ if stimuli is None else check_array_like("stimuli", stimuli, ndim=2, dtype=float)
        if places.shape[1] != self.n_features_in_:
            raise ValueError(f"stimuli have {places.shape[1]} features, but the paradigm has {self.n_features_in_}.")
        steps = 1e-4 * np.maximum(np.ptp(self.grid_, axis=0), 1e-12) * np.eye(self.n_features_in_)
        slopes = np.stack([
            (self._responses(self.fitter_, places + step) - self._responses(self.fitter_, places - step))
            / (2 * step.max()) for step in steps
        ], axis=1)  # fmt: skip
        factors = self._density(places, self._responses(self.fitter_, places)).factors()
        white = np.stack([whiten(factor, slope) for factor, slope in zip(factors, slopes, strict=True)])
        n = white.shape[2]
        tails = 1.0 if np.isinf(self.dof_) else (self.dof_ + n) / (self.dof_ + n + 2)
        return self.temper_ * tails * white @ white.swapaxes(1, 2)

    # Steps of fit ----------------------------------------------------------------------------------------------------
    def _residuals(self, X, y, groups, residual):
        """Residuals in units of the noise alone, of samples left out in turn where the model can be fitted anew."""
        if isinstance(self.fitter, FrozenEstimator):
            return CrossFit(residual, None, ())
        if self.cv is not None:
            return cross_fit(self.fitter, X, y, groups, cv=self.cv, kept=self.kept_, grid=self.grid_)
        stimulus = read_table(X, "paradigm").values
        # Least squares leaves 1 - h of the variance of a sample whose own weight in its prediction is h.
        own = error_variance(self._errors, stimulus)
        return CrossFit(residual / np.sqrt(np.maximum(1 - own, 0.1)), None, ())

    def _fit_trust(self, stimulus, data, found):
        """Power and lapses that suit samples of which neither responses nor covariances know."""
        if not found.folds:
            return 1.0, 0.0
        likelihood = np.empty((len(data), len(self.grid_)))
        for fold in found.folds:
            out, kept = found.labels == fold.label, found.labels != fold.label
            omega = self.noise_._omega_of(found.residual[kept], self.noise_._weights[kept])
            density = Predictive(self.grid_, fold.expected, fold.errors, omega, self.dof_)
            likelihood[out] = density.log_likelihood(data[out])
        return fit_trust(likelihood, self._log_prior, nearest(self.grid_, stimulus))

    # Helpers ---------------------------------------------------------------------------------------------------------
    def _responses(self, fitter, stimuli):
        return responses(fitter, stimuli, self.n_targets_)[:, self.kept_]

    def _density(self, stimuli, expected):
        return Predictive(stimuli, expected, self._errors, self.omega_, self.dof_)

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
            return np.full(n_stimuli, -np.log(n_stimuli))
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
