"""Haemodynamic response functions and their convolution with predicted signals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from eegexplain._validation import check_array_like, check_number
from eegexplain.encoding._runs import PADDINGS, check_run_lengths, convolve_runs, run_slices
from eegexplain.encoding.models.double_gamma import gamma_density, spm_hrf

NORMALIZATIONS = ("sum", "peak", None)


@dataclass(frozen=True)
class HRFPreset:
    """Parameters of a published double-gamma response.

    Parameters
    ----------
    delay, undershoot : float
        Shape times scale of the two gamma densities: their means, in seconds after the event.
    dispersion, u_dispersion : float
        Scales of the response and of the undershoot, in seconds.
    ratio : float
        Weight of the undershoot relative to the response.
    """

    delay: float
    undershoot: float
    dispersion: float
    u_dispersion: float
    ratio: float


PRESETS = {
    "spm": HRFPreset(delay=6.0, undershoot=16.0, dispersion=1.0, u_dispersion=1.0, ratio=1 / 6),
    "glover": HRFPreset(delay=6.0, undershoot=12.0, dispersion=0.9, u_dispersion=0.9, ratio=0.35),
}


class HRFModel(BaseEstimator):
    """A haemodynamic response that is convolved with predicted signals.

    Parameters
    ----------
    unique_hrfs : bool
        Whether the parameters of the response differ between targets, in subclasses that have some. A response of two
        dimensions differs between targets in any case.
    hrf : array-like of shape (n_lags,) or (n_lags, n_targets), default=None
        The response, sampled like the data, from lag zero. Subclasses compute it instead.

    See Also
    --------
    SPMHRFModel : The double-gamma response.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import HRFModel
    >>> HRFModel(hrf=[0.5, 0.5]).convolve(np.array([[0.0], [1.0], [0.0]])).ravel().round(3)
    array([0. , 0.5, 0.5])
    """

    def __init__(self, unique_hrfs: bool = False, hrf: ArrayLike | None = None):
        self.unique_hrfs = unique_hrfs
        self.hrf = hrf

    def get_hrf(self):
        """Sample the response.

        Returns
        -------
        hrf : ndarray of shape (n_lags,) or (n_lags, n_targets)
            The response from lag zero on.

        Raises
        ------
        ValueError
            If none was given.
        """
        if self.hrf is None:
            raise ValueError("HRFModel needs hrf, the response sampled like the data; or use SPMHRFModel(tr=...).")
        return check_array_like("hrf", self.hrf, ndim=(1, 2), dtype=float)

    def parameter_bounds(self):
        """Name the parameters that may differ between targets.

        Returns
        -------
        bounds : dict
            Label to (lower, upper); empty where the response is fixed.
        """
        return {}

    def convolve(self, signals, *pars, groups=None, padding="edge"):
        """Convolve signals with the response, causally and within runs.

        Parameters
        ----------
        signals : ndarray of shape (n_times, n_signals)
            Signals, sampled like the response; one with a NaN (a target that was not fitted) is NaN throughout.
        *pars : arrays of shape (n_signals,)
            Values of the parameters in ``parameter_bounds``; none: those of the constructor.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample; responses never cross runs.
        padding : {"edge", "zero"}
            What precedes each run: its first sample repeated, or zeros.

        Returns
        -------
        convolved : ndarray of shape (n_times, n_signals)
            The convolved signals.

        Raises
        ------
        ValueError
            If the response is longer than a run, or there are as few responses as do not fit the signals.
        """
        if padding not in PADDINGS:
            raise ValueError(f"padding={padding!r} is not one of {PADDINGS}.")
        signals = check_array_like("signals", signals, ndim=(1, 2), dtype=float, allow_nan=True)
        signals = signals[:, None] if signals.ndim == 1 else signals
        kernel = self._kernel(pars)
        if kernel.ndim == 2 and kernel.shape[1] not in (1, signals.shape[1]):
            raise ValueError(f"There are {kernel.shape[1]} responses for {signals.shape[1]} signals.")
        runs = run_slices(groups, signals.shape[0])
        check_run_lengths(runs, kernel.shape[0], "The haemodynamic response (see time_length)")
        return convolve_runs(signals, kernel, runs, padding)

    def _kernel(self, pars):
        """Return the response of these parameters; here there are none."""
        return self.get_hrf()


class SPMHRFModel(HRFModel):
    """The double-gamma haemodynamic response, fixed or with a delay and dispersion per target.

    Parameters
    ----------
    tr : float
        Seconds per sample of the data.
    unique_hrfs : bool
        Whether delay and dispersion are parameters of each target, bounded by the ``min_`` and ``max_`` values.
    highres_dt : float
        Step (s) of the fine grid of ``legacy``.
    time_length : float
        Length of the response (s).
    onset : float
        Time (s) at which the response sets in.
    delay, undershoot : float
        Delay (s) of the response and of the undershoot.
    dispersion, u_dispersion : float
        Dispersion (s) of the response and of the undershoot.
    ratio : float
        Weight of the undershoot relative to the response.
    min_hrf_delay, max_hrf_delay, min_dispersion, max_dispersion : float
        Bounds (s) of the delay and dispersion of ``unique_hrfs``.
    normalize : {"sum", "peak", None}
        Scale of the sampled response: unit sum (a lasting stimulus of one gives a response of one, whatever the
        sampling), unit peak, or a density per second.
    legacy : bool
        Reproduce braincoder's response: see Notes.

    Notes
    -----
    With ``legacy=True`` the gamma shape is ``delay / dispersion + 1``, samples are taken at
    ``linspace(1e-4, time_length, round(time_length / tr))`` and scaled as in ``spm_hrf(..., legacy=True)``, so that the
    amplitude depends on ``tr`` and ``highres_dt``, and the peak comes at 6.2 instead of 5 seconds.

    References
    ----------
    Friston, K. J. et al. (1998). Event-related fMRI: characterizing differential responses. NeuroImage, 7(1), 30-40.
    https://doi.org/10.1006/nimg.1997.0306

    Glover, G. H. (1999). Deconvolution of impulse response in event-related BOLD fMRI. NeuroImage, 9(4), 416-429.
    https://doi.org/10.1006/nimg.1998.0419

    Examples
    --------
    >>> from eegexplain.encoding import SPMHRFModel
    >>> hrf = SPMHRFModel(tr=1.0)
    >>> int(hrf.get_hrf().argmax()), round(float(hrf.get_hrf().sum()), 6)
    (5, 1.0)
    """

    def __init__(
        self,
        tr: float,
        unique_hrfs: bool = False,
        highres_dt: float = 0.1,
        time_length: float = 32.0,
        onset: float = 0.0,
        delay: float = 6.0,
        undershoot: float = 16.0,
        dispersion: float = 1.0,
        u_dispersion: float = 1.0,
        ratio: float = 0.167,
        min_hrf_delay: float = 3.0,
        max_hrf_delay: float = 7.0,
        min_dispersion: float = 0.3,
        max_dispersion: float = 2.0,
        *,
        normalize: str | None = "sum",
        legacy: bool = False,
    ):
        self.tr = tr
        self.unique_hrfs = unique_hrfs
        self.highres_dt = highres_dt
        self.time_length = time_length
        self.onset = onset
        self.delay = delay
        self.undershoot = undershoot
        self.dispersion = dispersion
        self.u_dispersion = u_dispersion
        self.ratio = ratio
        self.min_hrf_delay = min_hrf_delay
        self.max_hrf_delay = max_hrf_delay
        self.min_dispersion = min_dispersion
        self.max_dispersion = max_dispersion
        self.normalize = normalize
        self.legacy = legacy

    @classmethod
    def from_preset(cls, name, tr, **pars):
        """Make a response with published parameters.

        Parameters
        ----------
        name : {"spm", "glover"}
            Which parameters.
        tr : float
            Seconds per sample.
        **pars : dict
            Further parameters of the class.

        Returns
        -------
        model : SPMHRFModel
            The response.

        Raises
        ------
        ValueError
            If there is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {sorted(PRESETS)}.")
        return cls(tr, **{**vars(PRESETS[name]), **pars})

    def parameter_bounds(self):
        """Name the parameters that may differ between targets.

        Returns
        -------
        bounds : dict
            ``hrf_delay`` and ``hrf_dispersion`` to (lower, upper) in seconds, if ``unique_hrfs``; else empty.
        """
        if not self.unique_hrfs:
            return {}
        return {
            "hrf_delay": (self.min_hrf_delay, self.max_hrf_delay),
            "hrf_dispersion": (self.min_dispersion, self.max_dispersion),
        }

    def get_times(self):
        """Time (s) of each sample of the response.

        Returns
        -------
        times : ndarray of shape (n_lags,)
            Multiples of ``tr``, from zero to before ``time_length``.

        Raises
        ------
        ValueError
            If a duration is not positive.
        """
        for name in ("tr", "time_length", "highres_dt", "delay", "undershoot", "dispersion", "u_dispersion"):
            check_number(name, getattr(self, name), above=0)
        for name in ("onset", "ratio"):
            check_number(name, getattr(self, name))
        if not self.onset < self.time_length:
            raise ValueError(f"onset ({self.onset} s) must come before time_length ({self.time_length} s).")
        n_lags = max(int(np.rint(self.time_length / self.tr)), 1)
        if self.legacy:
            return np.linspace(1e-4, self.time_length, n_lags)
        return np.arange(n_lags) * float(self.tr)

    def get_hrf(self, delay=None, dispersion=None):
        """Sample the response.

        Parameters
        ----------
        delay, dispersion : float or array-like of shape (n_targets,), default=None
            Seconds; None takes the constructor's.

        Returns
        -------
        hrf : ndarray of shape (n_lags,) or (n_lags, n_targets)
            The response at ``get_times()``.

        Raises
        ------
        ValueError
            For delays and dispersions that are not above 0.
        """
        delay = self.delay if delay is None else delay
        dispersion = self.dispersion if dispersion is None else dispersion
        single = np.ndim(delay) == 0 and np.ndim(dispersion) == 0
        delay, dispersion = (
            np.atleast_1d(check_array_like(name, value, ndim="any", dtype=float))
            for name, value in (("delay", delay), ("dispersion", dispersion))
        )
        if not (delay > 0).all() or not (dispersion > 0).all():
            raise ValueError("delay and dispersion must be above 0 seconds.")
        hrf = self._sample(delay, dispersion)
        return hrf[:, 0] if single else hrf

    def _sample(self, delay, dispersion):
        """Sample for vectors of delays and dispersions."""
        if self.normalize not in NORMALIZATIONS:
            raise ValueError(f"normalize={self.normalize!r} is not one of {NORMALIZATIONS}.")
        times = self.get_times() - self.onset
        undershoot = self.undershoot / self.u_dispersion
        if self.legacy:
            pars = [delay / dispersion + 1, dispersion, undershoot, self.u_dispersion, self.ratio]
            return spm_hrf(times, *pars, self.highres_dt, legacy=True).reshape(len(times), -1)
        times = np.broadcast_to(times[:, None], (len(times), len(delay)))
        fixed = gamma_density(times, np.asarray(undershoot), self.u_dispersion)
        hrf = gamma_density(times, delay / dispersion, dispersion) - self.ratio * fixed
        if self.normalize == "sum":
            return hrf / hrf.sum(0)
        return hrf / hrf.max(0) if self.normalize == "peak" else hrf

    def _kernel(self, pars):
        """Return the response for given delays and dispersions, or the constructor's."""
        return self._sample(*pars) if pars else self.get_hrf()
