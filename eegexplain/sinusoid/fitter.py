"""Sinusoids as an estimator: the rhythm of every learned template, and of every trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._containers import trials_to_fit
from eegexplain._explanation import make_explanation
from eegexplain._meta import Explainer
from eegexplain._parallel import trial_blocks
from eegexplain._settings import Number, check_numbers
from eegexplain._validation import as_trials, mean_trial, validate_trials
from eegexplain.sinusoid._fit import check_limits, fit_sinusoids, frequency_limits

PARAMETERS = ("frequency", "amplitude", "phase", "offset")
FEATURES = ("frequency", "amplitude", "phase_cos", "phase_sin", "offset", "r2")
_BLOCK = 256  # trials whose fits are searched for at once


class SinusoidFitter(Explainer):
    """Describe templates by sinusoids: frequency, amplitude, phase and how well they fit.

    ``fit`` trains `estimator` and fits ``offset + amplitude cos(2 pi frequency t + phase)`` and a straight line to each
    of its ``templates_``, per channel. ``transform`` does the same for every trial and channel, without the network.

    Parameters
    ----------
    estimator : estimator, "passthrough" or None
        Anything that has ``templates_ (n_filters, n_channels, width)`` once fitted: a SyncNet facade (None), a
        `ReverseCorrelator`. ``"passthrough"`` makes this a plain transformer of signals; its ``fit`` describes the mean
        trial.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
        Channel names.
    fmin, fmax : float, optional
        Frequency range in Hz. It is never wider than one cycle per signal (half a cycle without `detrend`) to the
        Nyquist frequency less as much.
    detrend : bool
        Fit a straight line together with the sinusoid, so that drifts do not count as slow rhythms.
    random_state : int, RandomState instance or None
        Seeds the default network.

    Attributes
    ----------
    params_sin_ : ndarray of shape (n_filters, n_channels, 4)
        Frequency (Hz), amplitude (>= 0, units of the template), phase at the first sample (rad, of a cosine), offset.
    params_lin_ : ndarray of shape (n_filters, n_channels, 2)
        Intercept and slope per second of the line alone.
    err_sin_, err_lin_ : ndarray of shape (n_filters, n_channels)
        Mean squared errors.
    r2_sin_ : ndarray of shape (n_filters, n_channels)
        Share of the variance (about the line, with `detrend`) that the sinusoid explains.
    aic_difference_ : ndarray of shape (n_filters, n_channels)
        Akaike criterion of the line minus that of the sinusoid: positive where the sinusoid describes the template
        better. The search over frequencies makes it lenient: noise, too, has a best frequency.
    standard_errors_ : ndarray of shape (n_filters, n_channels, 4)
        Of ``params_sin_``, from the Gauss-Newton Hessian, for white residuals.
    explanation_ : xarray.Dataset
        The same numbers with dims ``filter, channel, parameter``.

    Notes
    -----
    The fit is the global least-squares optimum over the frequency range. Constant templates, straight ones (with
    `detrend`) and those of fewer than 4 samples have all zeros.

    References
    ----------
    .. [1] G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
           variables separate", SIAM Journal on Numerical Analysis 10 (1973), doi:10.1137/0710036.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SinusoidFitter
    >>> time = np.arange(128) / 128
    >>> X = np.sin(2 * np.pi * 10 * time) + np.zeros((5, 2, 1))
    >>> fitter = SinusoidFitter("passthrough", sfreq=128, ch_names=["O1", "O2"]).fit(X)
    >>> fitter.params_sin_[0, :, 0].round(3)
    array([10., 10.])
    >>> fitter.get_feature_names_out()[:2].tolist()
    ['O1@frequency', 'O1@amplitude']
    """

    _numbers = {"fmin": Number(least=0, other=(None,)), "fmax": Number(above=0, other=(None,))}

    def __init__(
        self,
        estimator: Any = None,
        *,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        fmin: float | None = None,
        fmax: float | None = None,
        detrend: bool = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.fmin = fmin
        self.fmax = fmax
        self.detrend = detrend
        self.random_state = random_state

    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, *, groups: ArrayLike | None = None, **fit_params: Any
    ) -> SinusoidFitter:
        """Train the inner estimator and describe its templates.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        y : array-like of shape (n_trials,)
            Targets; optional with ``estimator="passthrough"``.
        groups : array-like of shape (n_trials,), optional
            As in every analysis.
        **fit_params : dict
            For the inner estimator's ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            When the inner estimator learns no templates.
        ValueError
            For trials or settings that are none, and a frequency range that the templates do not hold.
        """
        if not self._is_passthrough:
            return super().fit(X, y, groups=groups, **fit_params)
        check_numbers(self)
        X, y, groups = read = trials_to_fit(self, X, y, groups)
        X = validate_trials(self, X, reset=True)
        self._set_axes(X, read)
        self._prepare(as_trials(X), y)
        self.estimator_ = self.estimator
        self.explanation_ = self._explain_population(as_trials(X), y, groups)
        self._store(self.explanation_)
        return self

    def fit_transform(self, X, y=None, **fit_params):
        """Fit, then describe the same trials.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        y : array-like of shape (n_trials,)
            Targets; optional with ``estimator="passthrough"``.
        **fit_params : dict
            As in `fit`.

        Returns
        -------
        features : ndarray of shape (n_trials, n_channels * 6)
        """
        return self.fit(X, y, **fit_params).transform(X)

    @property
    def _is_passthrough(self):
        return isinstance(self.estimator, str) and self.estimator == "passthrough"

    def _prepare(self, X, y):
        check_limits(self.sfreq_, self.fmin, self.fmax)
        if X.shape[-1] >= 4:
            frequency_limits(X.shape[-1], self.sfreq_, self.fmin, self.fmax, self.detrend and X.shape[-1] >= 6)

    def _fit_signals(self, signals):
        return fit_sinusoids(signals, self.sfreq_, fmin=self.fmin, fmax=self.fmax, detrend=self.detrend)

    def _templates(self, X, y, groups, *, trained=False):
        """Templates of the fitted estimator, ``(n_filters, n_channels, width)``; of these trials where it can.

        `trained`: on these trials, so that what it found is not computed again.
        """
        if self._is_passthrough:
            return mean_trial(X)[None]
        inner = self.estimator_
        if not hasattr(inner, "templates_"):
            raise TypeError(
                f"{type(inner).__name__} has no templates_ to describe: give a SyncNet facade, a ReverseCorrelator, or "
                "'passthrough' to describe the trials themselves."
            )
        if hasattr(inner, "explain_population"):
            if trained and type(inner).__name__ != "FrozenEstimator":
                return inner.explanation_["value"].values
            shape = (len(X), *self.trial_shape_)
            return inner.explain_population(X.reshape(shape), y, groups)["value"].values
        return np.asarray(inner.templates_)

    def _explain_training(self, X, y, groups):
        return self._described(self._templates(X, y, groups, trained=True))

    def _explain_population(self, X, y, groups):
        return self._described(self._templates(X, y, groups))

    def _described(self, templates):
        fit = self._fit_signals(templates)
        cell = ("filter", "channel")
        coords = {
            "filter": np.arange(len(templates)),
            "channel": self.ch_names_,
            "parameter": list(PARAMETERS),
            "line_parameter": ["intercept", "slope"],
        }
        variables = {
            "params_lin": ((*cell, "line_parameter"), fit.params_lin),
            "err_sin": (cell, fit.err_sin),
            "err_lin": (cell, fit.err_lin),
            "r2_sin": (cell, fit.r2_sin),
            "aic_difference": (cell, fit.aic_difference),
        }
        return make_explanation(
            fit.params_sin,
            (*cell, "parameter"),
            coords,
            standard_error=fit.standard_errors,
            variables=variables,
            method="sinusoid fit",
            label="parameter of the sinusoid",
            detrend=int(self.detrend),
            sfreq=self.sfreq_,
        )

    def _store(self, dataset):
        self.params_sin_ = dataset["value"].values
        self.standard_errors_ = dataset["standard_error"].values
        for name in ("params_lin", "err_sin", "err_lin", "r2_sin", "aic_difference"):
            setattr(self, f"{name}_", dataset[name].values)

    def _trial_coords(self):
        return {"channel": self.ch_names_, "parameter": list(FEATURES)}

    def _explain_trials(self, X):
        return np.concatenate([self._features(X[part]) for part in trial_blocks(len(X), _BLOCK)])

    def _features(self, X):
        fit = self._fit_signals(X)
        frequency, amplitude, phase, offset = np.moveaxis(fit.params_sin, -1, 0)
        present = amplitude > 0
        phases = np.cos(phase) * present, np.sin(phase) * present
        return np.stack([frequency, amplitude, *phases, offset, fit.r2_sin], axis=-1)

    def get_metadata_routing(self):
        """Route metadata to the inner estimator; ``"passthrough"`` has none.

        Returns
        -------
        routing : MetadataRouter
        """
        if not self._is_passthrough:
            return super().get_metadata_routing()
        return super(Explainer, self).get_metadata_routing()

    def __sklearn_tags__(self):
        if not self._is_passthrough:
            return super().__sklearn_tags__()
        tags = super(Explainer, self).__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
