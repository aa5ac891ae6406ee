"""Reverse correlation as an estimator: the waveform that each unit of a layer responds to."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._explanation import make_explanation
from eegexplain._meta import Explainer
from eegexplain._parallel import progress, single_thread, trial_blocks
from eegexplain._settings import AT_LEAST_ONE, Number
from eegexplain.reverse_correlation._correlate import CrossSums, WindowCovariance, channel_level
from eegexplain.reverse_correlation._errors import (
    CorrelationInfluence,
    WeightedInfluence,
    WhitenedInfluence,
    template_errors,
)
from eegexplain.reverse_correlation._layers import class_codes, trace_layer, units_along_time
from eegexplain.reverse_correlation._windows import TopUnits, cut_windows, template_match

KEPT = 2**28  # bytes of unit outputs kept for the errors; more are computed again
MAX_WHITENED = 5000  # samples in a window: their covariance takes 200 MB, once


@dataclass(frozen=True, eq=False)
class _Streamed:
    """What one pass over the trials leaves.

    Attributes
    ----------
    sums : list of CrossSums
        One per class.
    auto : WindowCovariance or None
        Of the windows, where templates are whitened.
    top : TopUnits
        The most active units.
    batches : iterable of (slice, ndarray)
        Trials and the outputs of their units, for the pass that errors take.
    """

    sums: list[CrossSums]
    auto: WindowCovariance | None
    top: TopUnits
    batches: Iterable


class ReverseCorrelator(Explainer):
    """Find the waveform that each unit of a layer responds to.

    Every unit's output is correlated with the samples inside its receptive field, over all units and trials. The
    receptive field is traced on the network, so that any layer of any torch network can be taken.

    Parameters
    ----------
    estimator : estimator or None
        A torch network (a SyncNet facade, a skorch net, a braindecode ``EEGClassifier``), or a ``FrozenEstimator``
        around a fitted one. None is a SyncNet.
    layer : str, optional
        Layer as in ``module.named_modules()``, ``"lstm[0]"`` for a part of what it returns; by default ``conv_out``,
        else the last layer with a time axis.
    normalize : bool
        True: Pearson correlation of unit output and sample, in [-1, 1]. False: ``sum a x / sum |a|``, neither centred
        nor normalised.
    whiten : bool
        Multiply by the inverse autocovariance of the input: the linear filter (output per unit of input) that predicts
        the unit best. Reverse correlation of correlated input - all EEG - shows the filter smeared by the input's
        spectrum and by volume conduction, that is what co-occurs with the output; whitening undoes it.
    ridge : float
        Regularisation of `whiten`, as a share of the mean variance of a sample.
    per_class : bool
        Also correlate within the trials of each class.
    top_percentage : float
        Share of all units whose windows are kept, per filter.
    max_per_trial, max_windows : int
        Windows kept per trial and per filter, at most.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
        Channel names.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).
    random_state : int, RandomState instance or None
        Seeds the default network.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    templates_ : ndarray of shape (n_filters, n_channels, width)
        Template of each filter; zero where a filter's output never changes. Layers with several spatial positions
        have one filter per position.
    class_templates_ : ndarray of shape (n_classes, n_filters, n_channels, width)
        With `per_class`.
    standard_errors_ : ndarray of shape (n_filters, n_channels, width)
        Of ``templates_``, over trials (clustered by `groups`), given this network: how far the template hangs on the
        trials at hand. That another training would give other filters is not in it. NaN with fewer than two trials
        (groups), and with `whiten` where the windows are fewer than twice the parameters.
    receptive_field_ : ReceptiveField
        Size, stride and offset of a unit, in samples.
    layer_ : str
        The layer.
    windows_ : ndarray of shape (n_filters, n_windows, n_channels, width)
        Most activating windows, strongest first, zero outside the trial.
    window_index_ : ndarray of shape (n_filters, n_windows, 2)
        Trial and first sample of each window (negative inside padding).
    window_activations_ : ndarray of shape (n_filters, n_windows)
        Outputs of these units.
    explanation_ : xarray.Dataset
        ``value`` and ``standard_error`` with dims ``filter, channel, lag`` (seconds from the start of the window), the
        windows, and with `per_class` ``class_value`` and (without `whiten`) ``class_standard_error``.

    Notes
    -----
    `transform` tells how strongly each trial holds each template: the largest normalised cross-correlation over all
    positions. Standard errors come from each trial's influence on the template, that of its share of all variances and,
    with `whiten`, of the covariance included. Outputs of units that take more than 256 MB are computed twice for them.
    Recurrent layers have no fixed receptive field; the template covers their effective one.

    References
    ----------
    .. [1] E. J. Chichilnisky, "A simple white noise analysis of neuronal light responses", Network: Computation in
           Neural Systems 12 (2001), doi:10.1080/713663221.
    .. [2] K. G. Hartmann, R. T. Schirrmeister, T. Ball, "Hierarchical internal representation of spectral features in
           deep convolutional networks trained for EEG decoding", BCI 2018, doi:10.1109/IWW-BCI.2018.8311493.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import ReverseCorrelator, SyncNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((30, 2, 64)), np.arange(30) % 2
    >>> X[y == 1] += np.sin(2 * np.pi * 10 * np.arange(64) / 64)
    >>> net = SyncNetClassifier(num_filters=2, max_epochs=2, sfreq=64, random_state=0)
    >>> correlator = ReverseCorrelator(net).fit(X, y)
    >>> correlator.templates_.shape[:2], correlator.transform(X).shape
    ((2, 2), (30, 2))
    """

    _trial_label = "largest correlation with the template"
    _numbers = {
        "ridge": Number(least=0),
        "top_percentage": Number(above=0, most=1),
        "max_per_trial": AT_LEAST_ONE,
        "max_windows": AT_LEAST_ONE,
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        layer: str | None = None,
        normalize: bool = True,
        whiten: bool = False,
        ridge: float = 1e-4,
        per_class: bool = False,
        top_percentage: float = 0.05,
        max_per_trial: int = 1,
        max_windows: int | None = 100,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.layer = layer
        self.normalize = normalize
        self.whiten = whiten
        self.ridge = ridge
        self.per_class = per_class
        self.top_percentage = top_percentage
        self.max_per_trial = max_per_trial
        self.max_windows = max_windows
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def _prepare(self, X, y):
        if self.whiten and not self.ridge > 0:
            raise ValueError(f"ridge must be above 0, got {self.ridge!r}: EEG channels are nearly dependent.")

    def _fit_inner(self, X, y, groups, fit_params):
        super()._fit_inner(X, y, groups, fit_params)
        self.layer_, self.receptive_field_ = trace_layer(self._network(), self.layer, X)
        n_samples = self.receptive_field_.size * X[:1].size // X.shape[-1]
        if self.whiten and n_samples > MAX_WHITENED:
            raise ValueError(
                f"whiten=True needs the covariance of the {n_samples} samples that a unit of layer {self.layer_!r} "
                f"sees (at most {MAX_WHITENED}): choose an earlier layer, or whiten=False."
            )

    def _explain_population(self, X, y, groups):
        split = self.per_class and y is not None
        codes, names = class_codes(self, y if split else None, len(X))
        streamed = self._sums(X, codes, len(names))
        sums, auto = streamed.sums, streamed.auto
        pooled = sum(sums[1:], sums[0])
        self._warn_dead(pooled)
        influences = {None: self._influence(pooled, auto)}
        empty = np.full_like(influences[None].template, np.nan)
        by_class = [self._influence(of_class, auto) if of_class.n_trials else None for of_class in sums * split]
        if not self.whiten:  # the whitening of one class's template hangs on the trials of all
            influences |= {code: found for code, found in enumerate(by_class) if found is not None}
        with single_thread():
            errors = template_errors(influences, streamed.batches, X, groups, codes)
        variables = self._windows(X, streamed.top, pooled)
        if split:
            dims = ("output", "filter", "channel", "lag")
            values = [empty if found is None else found.template for found in by_class]
            variables["class_value"] = (dims, np.stack(values))
            if not self.whiten:
                values = [errors.get(code, empty) for code in range(len(names))]
                variables["class_standard_error"] = (dims, np.stack(values))
        return self._dataset(influences[None].template, errors[None], variables, names)

    def _sums(self, X, codes, n_classes):
        """Pass over the trials once, for all that needs sums only."""
        field = self.receptive_field_
        level = channel_level(X) if self.normalize or self.whiten else np.zeros(X.shape[1])
        starts = field.starts[field.inner_units(X.shape[-1])]
        sums = [CrossSums(starts, field.size, X.shape[-1], level) for _ in range(n_classes)]
        auto = WindowCovariance(sums[0], X.shape[1]) if self.whiten else None
        top = TopUnits(self.max_per_trial)
        kept, size = [], 0
        n_batches = len(trial_blocks(len(X), self.batch_size))
        with single_thread():
            for part, units in progress(self._units(X), self.verbose, "reverse correlation", n_batches):
                top.add(units)
                for code, of_class in enumerate(sums):
                    chosen = codes[part] == code
                    if chosen.any():
                        of_class.add(X[part][chosen], units[chosen])
                if auto is not None:
                    auto.add(X[part])
                size += units.nbytes
                kept = [*kept, (part, units)] if size <= KEPT else []
        return _Streamed(sums, auto, top, kept or self._units(X))

    def _units(self, X):
        """Yield trials and the outputs of their units that see no padding, batch by batch."""
        field, network = self.receptive_field_, self._network()
        inner = field.inner_units(X.shape[-1])
        for part, activations in network.activations(X, [self.layer_], self.batch_size):
            yield part, units_along_time(activations[self.layer_], field, network.layout(self.layer_))[..., inner]

    def _influence(self, moments, auto):
        """Template and influence function of the kind that was asked for."""
        if self.whiten:
            return WhitenedInfluence(moments, auto, self.ridge)
        return (CorrelationInfluence if self.normalize else WeightedInfluence)(moments)

    def _windows(self, X, top, pooled):
        """Return the most activating windows as variables of the explanation."""
        n_windows = min(self.max_windows, math.ceil(self.top_percentage * pooled.n_windows))
        index, activations = top.select(n_windows)
        index[..., 1] = pooled.starts[index[..., 1]]
        return {
            "windows": (("filter", "window", "channel", "lag"), cut_windows(X, index, self.receptive_field_.size)),
            "window_index": (("filter", "window", "position"), index),
            "window_activations": (("filter", "window"), activations),
        }

    def _warn_dead(self, moments):
        dead = np.flatnonzero(moments.dead())
        if len(dead):
            warnings.warn(
                f"{len(dead)} of {len(moments.sum_a)} filters of layer {self.layer_!r} never change their output on "
                f"these trials ({', '.join(map(str, dead[:10]))}{', ...' if len(dead) > 10 else ''}): their templates "
                "are zero.",
                stacklevel=4,
            )

    def _dataset(self, template, error, variables, names):
        coords = {
            "filter": np.arange(len(template)),
            "channel": self.ch_names_,
            "lag": np.arange(self.receptive_field_.size) / self.sfreq_,
            "output": names,
            "position": ["trial", "sample"],
        }
        return make_explanation(
            template,
            ("filter", "channel", "lag"),
            coords,
            standard_error=error,
            variables=variables,
            method="reverse correlation",
            label="reverse correlation",
            layer=self.layer_,
            normalize=int(self.normalize),
            whiten=int(self.whiten),
            sfreq=self.sfreq_,
        )

    def _store(self, dataset):
        self.templates_ = dataset["value"].values
        self.standard_errors_ = dataset["standard_error"].values
        self.windows_ = dataset["windows"].values
        self.window_index_ = dataset["window_index"].values
        self.window_activations_ = dataset["window_activations"].values
        if self.per_class:
            self.class_templates_ = dataset["class_value"].values

    def _trial_coords(self):
        return {"filter": np.arange(len(self.templates_))}

    def _explain_trials(self, X):
        with single_thread():
            parts = [template_match(X[part], self.templates_) for part in trial_blocks(len(X))]
        return np.concatenate(parts)
