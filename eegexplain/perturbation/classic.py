"""The functions of the old ``braindecode.visualization.perturbation``, by their names, arguments and axis order.

Where the old code and its documentation disagreed, these do what was documented; ``legacy=True`` gives the old numbers.
For new work use `PerturbationCorrelator`: it has standard errors, labels, and needs no sampling for torch networks.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._bands import frozen_bins
from eegexplain._parallel import trial_blocks
from eegexplain._validation import check_array_like, check_same_shape
from eegexplain.perturbation._changes import correlate_positions
from eegexplain.perturbation._classic import Sums, activations, kept_activations, squared_rounding
from eegexplain.perturbation.kinds import call_perturbation

_SEED = (2017, 7, 10)
Perturbed: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # amplitudes, phases, values


def phase_perturbation(amps: ArrayLike, phases: ArrayLike, rng: Any = None) -> Perturbed:
    """Shift phases by noise from U(-pi, pi), one shift per trial and frequency, the same for all channels.

    Parameters
    ----------
    amps, phases : ndarray of shape (n_trials, n_channels, n_frequencies, ...)
    rng : numpy.random.RandomState, optional
        None draws from a fresh generator.

    Returns
    -------
    amps : ndarray
        As given.
    phases : ndarray
        Shifted, in [-pi, pi].
    values : ndarray of shape (n_trials, 1, n_frequencies, ...)
        Size of the shifts.

    Raises
    ------
    ValueError
        If `amps` and `phases` differ in shape, or hold NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import phase_perturbation
    >>> amps, phases, shifts = phase_perturbation(np.ones((2, 3, 5)), np.zeros((2, 3, 5)), np.random.RandomState(0))
    >>> shifts.shape
    (2, 1, 5)
    """
    amps, phases = check_same_shape(amps=amps, phases=phases)
    rng = np.random.RandomState() if rng is None else rng
    shift = rng.uniform(-np.pi, np.pi, (phases.shape[0], 1, *phases.shape[2:])).astype(np.float32)
    shifted = phases + shift
    shifted[shifted < -np.pi] += 2 * np.pi
    shifted[shifted > np.pi] -= 2 * np.pi
    return amps, shifted, np.abs(shift)


def amp_perturbation_additive(
    amps: ArrayLike, phases: ArrayLike, rng: Any = None, *, legacy: bool = False
) -> Perturbed:
    """Add noise from N(0, 0.02) to amplitudes; amplitudes stay above 0.

    The noise is absolute, on the unnormalised Fourier amplitude, so its effect depends on unit and length of the
    trials. The old code drew from N(0, 1), against its documentation.

    Parameters
    ----------
    amps, phases : ndarray of shape (n_trials, n_channels, n_frequencies, ...)
    rng : numpy.random.RandomState, optional
        None draws from a fresh generator.
    legacy : bool, default=False
        Whether to draw from N(0, 1).

    Returns
    -------
    amps : ndarray
        Perturbed.
    phases : ndarray
        As given.
    values : ndarray of the shape of `amps`
        Change of the amplitudes.

    Raises
    ------
    ValueError
        If `amps` and `phases` differ in shape, or hold NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import amp_perturbation_additive
    >>> amps, _, values = amp_perturbation_additive(np.ones((2, 3, 5)), np.zeros((2, 3, 5)), np.random.RandomState(0))
    >>> bool(np.allclose(amps - 1, values))
    True
    """
    amps, phases = check_same_shape(amps=amps, phases=phases)
    rng = np.random.RandomState() if rng is None else rng
    noise = rng.normal(0, 1 if legacy else 0.02, amps.shape).astype(np.float32)
    perturbed = np.maximum(amps + noise, 0)
    return perturbed, phases, perturbed - amps


def amp_perturbation_multiplicative(amps: ArrayLike, phases: ArrayLike, rng: Any = None) -> Perturbed:
    """Multiply amplitudes by noise from N(1, 0.02); amplitudes stay above 0.

    Parameters
    ----------
    amps, phases : ndarray of shape (n_trials, n_channels, n_frequencies, ...)
    rng : numpy.random.RandomState, optional
        None draws from a fresh generator.

    Returns
    -------
    amps : ndarray
        Perturbed.
    phases : ndarray
        As given.
    values : ndarray of the shape of `amps`
        Factors.

    Raises
    ------
    ValueError
        If `amps` and `phases` differ in shape, or hold NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import amp_perturbation_multiplicative
    >>> amps, _, factors = amp_perturbation_multiplicative(2 * np.ones((1, 2, 3)), np.zeros((1, 2, 3)))
    >>> bool(np.allclose(amps, 2 * factors))
    True
    """
    amps, phases = check_same_shape(amps=amps, phases=phases)
    rng = np.random.RandomState() if rng is None else rng
    factors = rng.normal(1, 0.02, amps.shape).astype(np.float32)
    return np.maximum(amps * factors, 0), phases, factors


def correlate_feature_maps(x: ArrayLike, y: ArrayLike, *, legacy: bool = False) -> NDArray[Any]:
    """Correlate activations over their last axis.

    Parameters
    ----------
    x, y : ndarray of shape (n_trials, [n_filters,] n_times)
    legacy : bool, default=False
        The old code returned the correlation times ``n_times``, and NaN for constant activations.

    Returns
    -------
    correlations : ndarray of shape (n_trials, [n_filters])
        0 where an activation is constant, but for rounding.

    Raises
    ------
    ValueError
        If `x` and `y` differ in shape, or hold NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import correlate_feature_maps
    >>> x = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    >>> np.round(correlate_feature_maps(x, 2 * x), 6).tolist()
    [1.0, 0.0]
    """
    x, y = check_same_shape(x=x, y=y)
    if not legacy:
        return correlate_positions(x, y, constant=0)
    left, right = (part - np.mean(part, axis=-1, keepdims=True) for part in (x, y))
    size = np.sqrt(np.mean(left**2, axis=-1) * np.mean(right**2, axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return left.shape[-1] * np.mean(left * right, axis=-1) / size


def mean_diff_feature_maps(x: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    """Mean difference of activations over their last axis.

    Parameters
    ----------
    x, y : ndarray of shape (n_trials, [n_filters,] n_times)

    Returns
    -------
    mean_diff : ndarray of shape (n_trials, [n_filters])

    Raises
    ------
    ValueError
        If `x` and `y` differ in shape, or hold NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import mean_diff_feature_maps
    >>> mean_diff_feature_maps(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]])).tolist()
    [1.5]
    """
    new, old = check_same_shape(x=x, y=y)
    return np.mean(new - old, axis=-1)


def spectral_perturbation_correlation(
    pert_fn: Callable[..., Any],
    diff_fn: Callable[..., Any],
    pred_fn: Callable[..., Any],
    n_layers: int,
    inputs: ArrayLike,
    n_iterations: int,
    batch_size: int = 30,
    seed: Any = _SEED,
    *,
    legacy: bool = False,
) -> list[NDArray[Any]]:
    """Correlate perturbations of the inputs' spectra with changes of a network's layers.

    Per iteration all inputs are perturbed once and perturbations are correlated over inputs with the change of each
    filter; the mean of these correlations over iterations is returned. This package's own perturbations are drawn
    batch by batch (the same random stream), so that one batch is in memory; other functions get all inputs at once.

    Parameters
    ----------
    pert_fn : callable
        ``(amps, phases, rng=rng) -> (amps, phases, values)`` such as `amp_perturbation_additive`, or
        ``(amps, rng) -> noise`` that is added to the amplitudes.
    diff_fn : callable
        ``(new, old) -> differences`` of activations ``(n_trials, n_filters, n_times)``, such as
        `mean_diff_feature_maps`.
    pred_fn : callable
        Takes inputs and returns a list of activations ``(n_trials, n_filters, ...)``, one per layer.
    n_layers : int
    inputs : ndarray of shape (n_trials, n_channels, n_times, 1) or (n_trials, n_channels, n_times)
    n_iterations : int
    batch_size : int
        Inputs per forward pass.
    seed : int or sequence of int
    legacy : bool, default=False
        Whether to give the old numbers: noise of SD 1 in `amp_perturbation_additive`, phases shifted at DC and
        Nyquist too (where that changes amplitudes), only index 0 of the axes after the third of an activation,
        inputs rounded to single precision, and NaN for what is constant.

    Returns
    -------
    pert_corrs : list of ndarray of shape (n_channels, n_frequencies, n_filters)
        One per layer; for `phase_perturbation` the first axis has length 1. 0 for what is constant, but for rounding.

    Raises
    ------
    ValueError
        For inputs, perturbations or activations of the wrong shape, and a perturbation that changes its arguments.

    References
    ----------
    .. [1] R. T. Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding and
       visualization", Human Brain Mapping 38 (2017), doi:10.1002/hbm.23730.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import perturbation
    >>> X = np.random.RandomState(0).normal(size=(40, 2, 16))
    >>> [r] = perturbation.spectral_perturbation_correlation(
    ...     perturbation.amp_perturbation_multiplicative, perturbation.mean_diff_feature_maps,
    ...     lambda X: [X[:, :1] ** 2], 1, X, 3)
    >>> r.shape
    (2, 9, 1)
    """
    inputs = check_array_like("inputs", inputs, dtype="same")
    if inputs.ndim not in (3, 4) or inputs.shape[3:] not in ((), (1,)):
        raise ValueError(f"inputs must be (n_trials, n_channels, n_times[, 1]), got shape {inputs.shape}")
    if n_iterations < 1:
        raise ValueError(f"n_iterations must be at least 1, got {n_iterations}")
    rng = np.random.RandomState(seed)
    pert_fn, by_batch = _as_perturbation(pert_fn, legacy)
    if legacy and diff_fn is correlate_feature_maps:
        diff_fn = functools.partial(correlate_feature_maps, legacy=True)
    blocks = trial_blocks(len(inputs), batch_size)
    predict = functools.partial(activations, pred_fn, n_layers, legacy)
    original = kept_activations(predict, inputs, blocks)
    correlations: list[Any] = [0.0] * n_layers
    rounding: list[Any] = [0.0] * n_layers
    for iteration in range(n_iterations):
        sums = [Sums() for _ in range(n_layers)]
        perturbed = _perturbed(pert_fn, inputs, blocks if by_batch else None, rng, batch_size, legacy)
        for block, kept, (new_inputs, values) in zip(blocks, original, perturbed, strict=True):
            old = predict(inputs[block]) if kept is None else kept
            for layer, (mine, new) in enumerate(zip(sums, predict(new_inputs), strict=True)):
                mine.add(values, diff_fn(new, old[layer]))
                if iteration == 0 and not legacy:
                    rounding[layer] = rounding[layer] + squared_rounding(diff_fn, old[layer], new_inputs.dtype)
        correlations = [
            total + mine.correlation(None if legacy else least)
            for total, mine, least in zip(correlations, sums, rounding, strict=True)
        ]
    return [total / n_iterations for total in correlations]


def compute_amplitude_prediction_correlations(
    pred_fn: Callable[..., Any],
    examples: ArrayLike,
    n_iterations: int,
    perturb_fn: Callable[..., Any] = amp_perturbation_additive,
    batch_size: int = 30,
    seed: Any = _SEED,
    *,
    legacy: bool = False,
) -> NDArray[Any]:
    """Correlate perturbations of the examples' amplitudes with changes of the predictions.

    Parameters
    ----------
    pred_fn : callable
        Takes examples and returns predictions ``(n_trials, n_classes)``, or ``(n_trials, n_classes, n_crops)``, which
        are averaged over crops.
    examples : ndarray of shape (n_trials, n_channels, n_times, 1) or (n_trials, n_channels, n_times)
    n_iterations : int
    perturb_fn : callable
        As `pert_fn` of `spectral_perturbation_correlation`.
    batch_size : int
    seed : int or sequence of int
    legacy : bool, default=False
        As in `spectral_perturbation_correlation`.

    Returns
    -------
    amplitude_pred_corrs : ndarray of shape (n_channels, n_frequencies, n_classes)

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.perturbation import compute_amplitude_prediction_correlations
    >>> X = np.random.RandomState(0).normal(size=(40, 2, 16))
    >>> compute_amplitude_prediction_correlations(lambda X: (X**2).mean(-1), X, 3).shape
    (2, 9, 2)
    """
    [correlations] = spectral_perturbation_correlation(
        perturb_fn, mean_diff_feature_maps, lambda x: [pred_fn(x)], 1, examples, n_iterations, batch_size=batch_size,
        seed=seed, legacy=legacy,
    )  # fmt: skip
    return correlations


_OWN = (phase_perturbation, amp_perturbation_additive, amp_perturbation_multiplicative)


def _as_perturbation(function, legacy):
    """Bring both forms to ``(amps, phases, rng)``; the second value tells whether it may be drawn batch by batch."""
    if function in _OWN:
        return functools.partial(function, legacy=True) if legacy and function is _OWN[1] else function, True
    parameters = inspect.signature(function).parameters
    if "phases" in parameters or len(parameters) > 2:
        return lambda amps, phases, rng: function(amps, phases, rng=rng), False

    def additive(amps, phases, rng):
        """Add the noise that the function returns."""
        perturbed = np.maximum(amps + function(amps, rng), 0)
        return perturbed, phases, perturbed - amps

    return additive, False


def _perturbed(pert_fn, inputs, blocks, rng, batch_size, legacy):
    """Yield perturbed inputs and values batch by batch; without `blocks` all are perturbed at once."""
    for block in [slice(None)] if blocks is None else blocks:
        spectrum = np.fft.rfft(inputs[block], axis=2)
        phases = np.angle(spectrum)
        amps, shifted, values = call_perturbation(pert_fn, np.abs(spectrum), phases, rng)
        if not legacy:
            frozen = frozen_bins(inputs.shape[2])
            shifted = shifted.copy()
            shifted[:, :, frozen] = phases[:, :, frozen]
            if pert_fn is phase_perturbation:
                values[:, :, frozen] = 0
        new = np.fft.irfft(amps * np.exp(1j * shifted), n=inputs.shape[2], axis=2)
        new = new.astype(np.float32 if legacy else np.result_type(inputs.dtype, np.float32))
        values = values.reshape(*values.shape[:3], -1)[..., 0]
        for part in trial_blocks(len(new), batch_size):
            yield new[part], values[part]
