"""Linear encoding models: weighted sums of stimulus features, convolved or lagged."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._validation import check_number, check_sfreq
from eegexplain.encoding._lags import lagged_windows, spans_of, window_order
from eegexplain.encoding._runs import check_run_lengths, run_slices
from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.hrf import HRFModel
from eegexplain.encoding.models.parameter import Parameter


class LinearModelWithBaseline(EncodingModel):
    """A weighted sum of the paradigm's columns, and a baseline: ``X W + b``; without weights ``X + b``.

    Parameters
    ----------
    paradigm, data, parameters, weights, omega
        As for ``EncodingModel``; the only parameter is ``baseline``, and zero if there are no parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import LinearModelWithBaseline
    >>> LinearModelWithBaseline().predict(np.eye(2), np.array([[0.5]]), np.array([[1.0], [2.0]])).ravel()
    array([1.5, 2.5])
    """

    parameter_space = (Parameter("baseline", "baseline"),)

    def basis(self, paradigm):
        """Return the paradigm itself.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_features)
            Features.

        Returns
        -------
        response : array of shape (n_times, n_features)
            The paradigm.
        """
        return paradigm

    def design(self, paradigm, groups=None):
        """Return the columns that weights multiply: the paradigm.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Features.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        design : ndarray of shape (n_times, n_features)
            The paradigm.
        """
        return paradigm

    def _predict(self, paradigm, parameters, weights, groups):
        """Predict from arrays; no parameters are a baseline of zero."""
        if weights is None:
            prediction = self.design(paradigm, groups)
        else:
            prediction = self.weighted_design(paradigm, weights.values, groups)
        if parameters is None:
            return prediction
        return prediction + self.measured_baseline(parameters[:, 0], len(prediction), groups)

    def measured_baseline(self, baseline, n_times, groups):
        """Return the baseline as it is measured.

        Parameters
        ----------
        baseline : ndarray of shape (n_targets,)
            Baselines.
        n_times : int
            Number of samples.
        groups : array-like of shape (n_times,) or None
            Label of the run of each sample.

        Returns
        -------
        measured : ndarray of shape (n_targets,) or (n_times, n_targets)
            What it adds to the response.
        """
        return baseline


class LinearModelWithBaselineHRF(LinearModelWithBaseline):
    """A weighted sum and baseline, convolved with a haemodynamic response: ``hrf * (X W + b)``.

    Parameters
    ----------
    paradigm, data, parameters, weights, omega
        As for ``LinearModelWithBaseline``.
    hrf_model : HRFModel
        The response.
    padding : {"edge", "zero"}
        What precedes each run.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import HRFModel, LinearModelWithBaselineHRF
    >>> model = LinearModelWithBaselineHRF(hrf_model=HRFModel(hrf=[0.5, 0.5]), padding="zero")
    >>> model.predict(np.array([[1.0], [0.0]]), weights=np.array([[2.0]])).ravel().round(6)
    array([1., 1.])
    """

    def __init__(
        self,
        paradigm: ArrayLike | None = None,
        data: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        omega: ArrayLike | None = None,
        hrf_model: HRFModel | None = None,
        *,
        padding: str = "edge",
    ):
        super().__init__(paradigm, data, parameters, weights, omega)
        self.hrf_model = hrf_model
        self.padding = padding

    @property
    def has_memory(self):
        """Whether a response depends on earlier stimuli, too: it does."""
        return True

    def response(self, paradigm, *, groups=None):
        """Convolve the paradigm.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_features)
            Features.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        response : array of shape (n_times, n_features)
            Each feature, convolved.
        """
        return self._convolve(paradigm, groups)

    def design(self, paradigm, groups=None):
        """Return the columns that weights multiply: the paradigm, convolved.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Features.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        design : ndarray of shape (n_times, n_features)
            Each feature, convolved.
        """
        return self._convolve(paradigm, groups)

    def measured_baseline(self, baseline, n_times, groups):
        """Return the baseline as it is measured: convolved.

        Parameters
        ----------
        baseline : ndarray of shape (n_targets,)
            Baselines.
        n_times : int
            Number of samples.
        groups : array-like of shape (n_times,) or None
            Label of the run of each sample.

        Returns
        -------
        measured : ndarray of shape (n_targets,) or (n_times, n_targets)
            What it adds to the response.
        """
        return self._convolve(np.ones((n_times, 1)), groups) * baseline

    def _convolve(self, signals, groups):
        if self.hrf_model is None:
            raise ValueError("LinearModelWithBaselineHRF needs hrf_model, for example SPMHRFModel(tr=2.0).")
        if self.hrf_model.parameter_bounds():
            raise ValueError("A linear model has one response for all targets: use unique_hrfs=False.")
        return self.hrf_model.convolve(signals, groups=groups, padding=self.padding)


class DelayedModel(LinearModelWithBaseline):
    """A linear model of lagged features: the temporal response function (finite impulse response).

    Parameters
    ----------
    paradigm, data, parameters, weights, omega
        As for ``LinearModelWithBaseline``; weights have one row per feature and lag, lags running fastest.
    tmin, tmax : float
        First and last lag in seconds, both included. Positive lags: the response follows the stimulus. For a backward
        model, which reads the stimulus from later data, they are negative.
    sfreq : float
        Samples per second.
    edges : {"mask", "zero"}
        What to do with samples whose lags reach beyond their run: leave them out of fits, or keep them, with zeros in
        place of what is not there. Predictions are made with zeros either way.

    References
    ----------
    Crosse, M. J., Di Liberto, G. M., Bednar, A., & Lalor, E. C. (2016). The multivariate temporal response function
    (mTRF) toolbox. Frontiers in Human Neuroscience, 10, 604. https://doi.org/10.3389/fnhum.2016.00604

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import DelayedModel
    >>> DelayedModel(tmin=0.0, tmax=0.02, sfreq=100.0).design(np.array([[1.0], [2.0], [3.0]]))
    array([[1., 0., 0.],
           [2., 1., 0.],
           [3., 2., 1.]])
    """

    def __init__(
        self,
        paradigm: ArrayLike | None = None,
        data: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        omega: ArrayLike | None = None,
        *,
        tmin: float = 0.0,
        tmax: float = 0.5,
        sfreq: float = 1.0,
        edges: str = "mask",
    ):
        super().__init__(paradigm, data, parameters, weights, omega)
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.edges = edges

    @property
    def has_memory(self):
        """Whether a response depends on other stimuli, too: with any lag but zero."""
        return bool(self.get_lags().any())

    def get_lags(self) -> NDArray[np.integer]:
        """Lags in samples.

        Returns
        -------
        lags : ndarray of int, shape (n_lags,)
            From ``tmin`` to ``tmax``.

        Raises
        ------
        ValueError
            If ``sfreq`` is not positive or ``tmax`` comes before ``tmin``.
        """
        sfreq = check_sfreq(self.sfreq)
        times = (check_number("tmin", self.tmin), check_number("tmax", self.tmax))
        first, last = (int(np.rint(time * sfreq)) for time in times)
        if last < first:
            raise ValueError(f"tmax ({self.tmax} s) comes before tmin ({self.tmin} s).")
        return np.arange(first, last + 1)

    def get_times(self) -> NDArray[np.floating]:
        """Lags in seconds.

        Returns
        -------
        times : ndarray of shape (n_lags,)
            Lags divided by ``sfreq``.
        """
        return self.get_lags() / self.sfreq

    def design(self, paradigm, groups=None):
        """Return the columns that weights multiply: every feature at every lag.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Features.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        design : ndarray of shape (n_times, n_features * n_lags)
            Lags run fastest; samples beyond a run are zero.
        """
        lags = self.get_lags()
        n_times, n_features = paradigm.shape
        design = np.zeros((n_times, n_features, len(lags)))
        for run in self._check_runs(n_times, groups):
            # Column of lag k: y[t] sees x[t - k], so the run is copied k samples later, cut at its ends.
            length = run.stop - run.start
            for i, lag in enumerate(lags.tolist()):
                first, last = max(lag, 0), length + min(lag, 0)
                design[run.start + first : run.start + last, :, i] = paradigm[
                    run.start + first - lag : run.start + last - lag
                ]
        return design.reshape(n_times, -1)

    @property
    def only_lags(self):
        """Whether the design is the paradigm's lags and nothing else: a subclass may make another."""
        return type(self).design is DelayedModel.design

    def weighted_design(self, paradigm, weights, groups=None):
        """Return the weighted sums of the lagged features, some samples at a time.

        Parameters
        ----------
        paradigm, groups
            As for ``design``.
        weights : ndarray of shape (n_features * n_lags, n_targets)
            Weights; lags run fastest.

        Returns
        -------
        sums : ndarray of shape (n_times, n_targets)
            ``design @ weights``.

        Raises
        ------
        ValueError
            For weights of another number of rows, and lags longer than a run.
        """
        n_times, n_features = paradigm.shape
        lags = self.get_lags()
        if not self.only_lags:
            return super().weighted_design(paradigm, weights, groups)
        if len(weights) != n_features * len(lags):
            raise ValueError(
                f"weights have {len(weights)} rows, but {n_features} features at {len(lags)} lags are "
                f"{n_features * len(lags)} columns."
            )
        sums = np.empty((n_times, weights.shape[1]))
        ordered = weights[window_order(n_features, len(lags))]
        spans = spans_of(np.arange(n_times), self._check_runs(n_times, groups))
        for windows, samples in lagged_windows(np.ascontiguousarray(paradigm), lags, spans):
            sums[samples[0] : samples[-1] + 1] = windows @ ordered
        return sums

    def valid_samples(self, n_times, groups=None):
        """Which samples have all their lags inside their run; all, with ``edges="zero"``.

        Parameters
        ----------
        n_times : int
            Number of samples.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        valid : ndarray of bool, shape (n_times,)
            Samples that a fit may use.

        Raises
        ------
        ValueError
            For another option of ``edges``, and lags longer than a run.
        """
        if self.edges not in ("mask", "zero"):
            raise ValueError(f"edges={self.edges!r} is not 'mask' or 'zero'.")
        valid = np.ones(n_times, dtype=bool)
        if self.edges == "mask":
            lags = self.get_lags()
            for run in self._check_runs(n_times, groups):
                valid[run.start : run.start + max(lags[-1], 0)] = False
                valid[run.stop + min(lags[0], 0) : run.stop] = False
        return valid

    def _check_runs(self, n_times, groups):
        """Cut runs; each must be longer than the lags reach."""
        lags = self.get_lags()
        runs = run_slices(groups, n_times)
        reach = max(lags[-1], 0) - min(lags[0], 0) + 1
        check_run_lengths(runs, reach, "The window of lags (see tmin, tmax)")
        return runs
