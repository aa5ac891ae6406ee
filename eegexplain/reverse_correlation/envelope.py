"""Which band power, at which channel, the outputs of a layer's units follow."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from eegexplain._explanation import make_explanation
from eegexplain._meta import Explainer
from eegexplain._parallel import progress, single_thread, trial_blocks
from eegexplain._validation import EEG_BANDS, check_bands, check_groups, random_seed
from eegexplain.reverse_correlation._envelopes import (
    ClusteredSums,
    Envelopes,
    default_bands,
    filter_bank,
    mean_over_fields,
    merge_clusters,
)
from eegexplain.reverse_correlation._layers import class_codes, trace_layer, units_along_time


class EnvelopeCorrelator(Explainer):
    """Correlate band-power envelopes with the outputs of a layer's units.

    The input-feature unit-output correlation map: the power of each channel in each band, averaged over a unit's
    receptive field, is correlated with the unit's output over all units and trials. The same map of the network with
    untrained weights stands beside it, because random filters, too, follow band power.

    Parameters
    ----------
    estimator : estimator or None
        A torch network (a SyncNet facade, a skorch net, a braindecode ``EEGClassifier``), or a ``FrozenEstimator``
        around a fitted one. None is a SyncNet.
    layer : str, optional
        Layer as in ``module.named_modules()``, ``"lstm[0]"`` for a part of what it returns; by default ``conv_out``,
        else the last layer with a time axis. Layers
        behind a nonlinearity (``pool_out`` of a SyncNet) follow power; a purely linear output does not.
    bands : None, "eeg", "filterbank" or dict of str to (float, float)
        Bands in Hz. None takes the EEG bands, "filterbank" the overlapping bands of the reference (6 Hz wide below 31
        Hz, 8 Hz above).
    per_class : bool
        Also correlate within the trials of each class.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
        Channel names.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).
    random_state : int, RandomState instance or None
        Seeds the untrained weights and the default network.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    correlations_ : ndarray of shape (n_filters, n_channels, n_bands)
        Correlation of unit output and band power.
    standard_errors_ : ndarray of shape (n_filters, n_channels, n_bands)
        Over trials (clustered by `groups`); many trials are put into blocks, 32 to 256 of them.
    baseline_correlations_, baseline_standard_errors_ : ndarray of shape (n_filters, n_channels, n_bands)
        The same for untrained weights.
    class_correlations_ : ndarray of shape (n_classes, n_filters, n_channels, n_bands)
        With `per_class`.
    bands_ : dict of str to (float, float)
        Bands in Hz.
    receptive_field_ : ReceptiveField
        Size, stride and offset of a unit, in samples.
    layer_ : str
        The layer.
    explanation_ : xarray.Dataset
        The same numbers with dims ``filter, channel, band``.

    Notes
    -----
    `transform` gives the band powers that are correlated, averaged over each trial, in squared units of the input.

    References
    ----------
    .. [1] R. T. Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding and
           visualization", Human Brain Mapping 38 (2017), doi:10.1002/hbm.23730.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import EnvelopeCorrelator, SyncNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((30, 2, 128)), np.arange(30) % 2
    >>> net = SyncNetClassifier(num_filters=2, max_epochs=2, sfreq=128, random_state=0)
    >>> correlator = EnvelopeCorrelator(net, layer="pool_out").fit(X, y)
    >>> correlator.correlations_.shape
    (2, 2, 5)
    >>> correlator.get_feature_names_out()[:2].tolist()
    ['ch0@delta', 'ch0@theta']
    """

    _trial_label = "band power"

    def __init__(
        self,
        estimator: Any = None,
        *,
        layer: str | None = None,
        bands: dict | str | None = None,
        per_class: bool = False,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.layer = layer
        self.bands = bands
        self.per_class = per_class
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def _prepare(self, X, y):
        if self.bands is None:
            self.bands_ = default_bands(self.sfreq_, EEG_BANDS)
        elif isinstance(self.bands, str) and self.bands == "filterbank":
            self.bands_ = filter_bank(self.sfreq_)
            if not self.bands_:
                raise ValueError(f"No band of the filter bank lies below the Nyquist frequency {self.sfreq_ / 2:g} Hz.")
        else:
            self.bands_ = check_bands(self.bands, self.sfreq_)
        highest, duration = max(high for _, high in self.bands_.values()), X.shape[-1] / self.sfreq_
        if highest * duration < 0.5:
            raise ValueError(
                f"trials of {duration:g} s hold less than half a cycle of every band (up to {highest:g} Hz): is sfreq="
                f"{self.sfreq_:g} Hz right?"
            )

    def _fit_inner(self, X, y, groups, fit_params):
        super()._fit_inner(X, y, groups, fit_params)
        self.layer_, self.receptive_field_ = trace_layer(self._network(), self.layer, X)
        self._baseline_seed = random_seed(self.random_state)

    def _explain_population(self, X, y, groups):
        split = self.per_class and y is not None
        codes, names = class_codes(self, y if split else None, len(X))
        clusters = check_groups(groups, len(X))
        trained, untrained = self._sums(X, codes, clusters, len(names))
        pooled, baseline = _correlate(trained), _correlate(untrained)
        by_class = [_correlate([sums]) for sums in trained] if split else []
        return self._dataset(pooled, baseline, by_class, names)

    def _sums(self, X, codes, clusters, n_classes):
        """Sums of the trained network, one per class, and of the untrained one."""
        field = self.receptive_field_
        inner = field.inner_units(X.shape[-1])
        from eegexplain._module import reinitialized

        envelopes = Envelopes(self.bands_, self.sfreq_, X.shape[-1])
        network = self._network()
        other = copy.copy(network)
        other.module = reinitialized(network.module, self._baseline_seed)
        layout = network.layout(self.layer_)  # of both: the copy shares what is known of the layers
        pairs = zip(*(net.activations(X, [self.layer_], self.batch_size) for net in (network, other)), strict=True)
        sums = None
        with single_thread():
            n_batches = len(trial_blocks(len(X), self.batch_size))
            for (part, activations), (_, random) in progress(pairs, self.verbose, "envelope correlation", n_batches):
                units, chance = (
                    units_along_time(a[self.layer_], field, layout)[..., inner] for a in (activations, random)
                )
                if sums is None:
                    shape = units.shape[1], X.shape[1], len(self.bands_)
                    clusters = merge_clusters(clusters, int(np.prod(shape)), X)
                    sums = [ClusteredSums(int(clusters.max()) + 1, *shape) for _ in range(n_classes + 1)]
                chosen = [codes[part] == code for code in range(n_classes)] + [slice(None)]
                parts = [
                    (total, clusters[part][rows], outputs[rows], rows)
                    for total, rows, outputs in zip(sums, chosen, [units] * n_classes + [chance], strict=True)
                ]
                for total, groups, outputs, _ in parts:
                    total.add_outputs(groups, outputs)
                for band, power in enumerate(envelopes(X[part])):
                    power = mean_over_fields(power, field.starts[inner], field.size)
                    for total, groups, outputs, rows in parts:
                        total.add_power(groups, outputs, band, power[rows])
        return sums[:-1], sums[-1:]

    def _dataset(self, pooled, baseline, by_class, names):
        shape = (-1, len(self.ch_names_), len(self.bands_))
        dims = ("filter", "channel", "band")
        pooled, baseline = ([part.reshape(shape) for part in pair] for pair in (pooled, baseline))
        variables = {"baseline": (dims, baseline[0]), "baseline_standard_error": (dims, baseline[1])}
        if by_class:
            for name, k in (("class_value", 0), ("class_standard_error", 1)):
                variables[name] = (("output", *dims), np.stack([pair[k].reshape(shape) for pair in by_class]))
        coords = {
            "filter": np.arange(len(pooled[0])),
            "channel": self.ch_names_,
            "band": list(self.bands_),
            "output": names,
        }
        return make_explanation(
            pooled[0],
            dims,
            coords,
            standard_error=pooled[1],
            variables=variables,
            method="envelope correlation",
            label="correlation with band power",
            layer=self.layer_,
            sfreq=self.sfreq_,
        )

    def _store(self, dataset):
        self.correlations_ = dataset["value"].values
        self.standard_errors_ = dataset["standard_error"].values
        self.baseline_correlations_ = dataset["baseline"].values
        self.baseline_standard_errors_ = dataset["baseline_standard_error"].values
        if self.per_class:
            self.class_correlations_ = dataset["class_value"].values

    def _trial_coords(self):
        return {"channel": self.ch_names_, "band": list(self.bands_)}

    def _explain_trials(self, X):
        envelopes = Envelopes(self.bands_, self.sfreq_, X.shape[-1])
        with single_thread():
            parts = [
                np.stack([power.mean(axis=-1, dtype=float) for power in envelopes(X[part])], axis=-1)
                for part in trial_blocks(len(X))
            ]
        return np.concatenate(parts)


def _correlate(parts):
    """Correlation over the trials of several sums."""
    if len(parts) == 1:
        return parts[0].correlation()
    total = copy.copy(parts[0])
    for name in ("n", "a", "a2", "p", "p2", "ap"):
        setattr(total, name, sum(getattr(part, name) for part in parts))
    return total.correlation()
