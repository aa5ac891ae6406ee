"""Reverse correlation as an estimator: the waveform that each unit of a layer responds to."""

import math
import warnings

import numpy as np

from eegexplain._explanation import make_explanation
from eegexplain._meta import Explainer
from eegexplain._parallel import progress, single_thread, trial_blocks
from eegexplain.reverse_correlation._correlate import Moments, WindowCovariance, channel_level
from eegexplain.reverse_correlation._layers import class_codes, trace_layer, units_along_time
from eegexplain.reverse_correlation._windows import TopUnits, cut_windows, template_match

MAX_WHITENED = 5000  # samples in a window: their covariance takes 200 MB


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
        Layer as in ``module.named_modules()``; by default ``conv_out``, else the last layer with a time axis.
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
    batch_size : int
        Trials per forward pass.
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
        ``value`` with dims ``filter, channel, lag`` (seconds from the start of the window), and the windows.

    Notes
    -----
    `transform` tells how strongly each trial holds each template: the largest normalised cross-correlation over all
    positions. Standard errors of templates are not given. Recurrent layers have no fixed receptive field; the template
    covers their effective one.

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

    def __init__(
        self,
        estimator=None,
        *,
        layer=None,
        normalize=True,
        whiten=False,
        ridge=1e-4,
        per_class=False,
        top_percentage=0.05,
        max_per_trial=1,
        max_windows=100,
        sfreq=None,
        ch_names=None,
        batch_size=64,
        random_state=None,
        verbose=0,
    ):
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
        if not 0 < self.top_percentage <= 1:
            raise ValueError(f"top_percentage must be a share above 0 and at most 1, got {self.top_percentage!r}.")
        for name in ("max_per_trial", "max_windows", "batch_size"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
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
        field = self.receptive_field_
        split = self.per_class and y is not None
        codes, names = class_codes(self, y if split else None, len(X))
        level = channel_level(X) if self.normalize or self.whiten else np.zeros(X.shape[1])
        inner = field.inner_units(X.shape[-1])
        moments = [Moments(field.starts[inner], field.size, X.shape[-1], level) for _ in names]
        auto = WindowCovariance(moments[0], X.shape[1]) if self.whiten else None
        top = TopUnits(self.max_per_trial)
        network = self._network()
        batches = network.activations(X, [self.layer_], self.batch_size)
        n_batches = len(trial_blocks(len(X), self.batch_size))
        with single_thread():
            for part, activations in progress(batches, self.verbose, "reverse correlation", n_batches):
                units = units_along_time(activations[self.layer_], field)[..., inner]
                top.add(units)
                for code, sums in enumerate(moments):
                    chosen = codes[part] == code
                    if chosen.any():
                        sums.add(X[part][chosen], units[chosen])
                if auto is not None:
                    auto.add(X[part])
            pooled = sum(moments[1:], moments[0])
            template = self._template(pooled, auto)
            by_class = [
                self._template(sums, auto) if sums.n_trials else np.full_like(template, np.nan)
                for sums in moments * split
            ]
        self._warn_dead(pooled)
        by_class = dict(zip(names * split, by_class, strict=True))
        n_windows = min(self.max_windows, math.ceil(self.top_percentage * pooled.n_windows))
        index, values = top.select(n_windows)
        index[..., 1] = pooled.starts[index[..., 1]]
        return self._dataset(X, template, by_class, index, values)

    def _template(self, moments, auto):
        if self.whiten:
            return auto.solve(moments.covariance(), self.ridge)
        return moments.correlation() if self.normalize else moments.weighted_mean()

    def _warn_dead(self, moments):
        dead = np.flatnonzero(moments.dead())
        if len(dead):
            warnings.warn(
                f"{len(dead)} of {len(moments.sum_a)} filters of layer {self.layer_!r} never change their output on "
                f"these trials ({', '.join(map(str, dead[:10]))}{', ...' if len(dead) > 10 else ''}): their templates "
                "are zero.",
                stacklevel=4,
            )

    def _dataset(self, X, template, by_class, index, activations):
        width = self.receptive_field_.size
        coords = {
            "filter": np.arange(len(template)),
            "channel": self.ch_names_,
            "lag": np.arange(width) / self.sfreq_,
            "output": list(by_class),
            "position": ["trial", "sample"],
        }
        windows = cut_windows(X, index, width)
        variables = {
            "windows": (("filter", "window", "channel", "lag"), windows),
            "window_index": (("filter", "window", "position"), index),
            "window_activations": (("filter", "window"), activations),
        }
        if by_class:
            variables["class_value"] = (("output", "filter", "channel", "lag"), np.stack(list(by_class.values())))
        return make_explanation(
            template,
            ("filter", "channel", "lag"),
            coords,
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
