"""Grad-CAM: when a layer holds what speaks for an output."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from eegexplain._means import ClassMeans, label_index, store_attributions
from eegexplain._meta import Explainer
from eegexplain.reverse_correlation._class_activation import layer_maps, to_samples
from eegexplain.reverse_correlation.receptive_field import receptive_field


class GradCAMAttributor(Explainer):
    """Weight what the units of a layer return by the mean gradient of the output, and see when it speaks for it.

    The activations of a layer's units (filters), each times the mean over positions of the derivative of the output by
    it, are summed over units [1]_. The map is brought to the samples of the trial: a position of the layer lies in the
    middle of its receptive field. A layer that keeps the channels apart gives a map of channels and times, others one
    over time alone.

    Parameters
    ----------
    estimator : estimator, optional
        A torch network (a facade, a skorch net, a braindecode ``EEGClassifier``, a trained module), or one in a
        ``FrozenEstimator``. None is a SyncNet with default settings.
    layer : str, optional
        As in ``module.named_modules()``; None is ``conv_out``, else the last layer with a time axis. The deeper, the
        more a unit stands for, and the coarser the map.
    rectify : bool
        Keep only what speaks for the output, as the authors do; else what speaks against it is negative.
    response : str
        ``"auto"`` is ``"centered_logit"`` for classifiers and ``"output"`` for regressors; further ``"logit"``,
        ``"logprob"``, ``"prob"``, ``"margin"``.
    sfreq : float, optional
        Sampling rate in Hz; None takes the inner estimator's, else 1.
    ch_names : sequence of str, optional
        Channel names.
    batch_size : int, optional
        Trials per pass of the network, at most; None takes what is fastest for the sizes of trial and network.
    random_state : int, RandomState or None
        Seed of the default network.
    verbose : int
        Not used: one pass per output.

    Attributes
    ----------
    attributions_ : ndarray of shape (n_outputs, n_times) or (n_outputs, n_channels, n_times)
        Mean over the training trials, in response times activation: of no unit that could be compared between layers.
    standard_errors_ : ndarray of that shape
        Over trials, or over `groups`.
    class_attributions_, class_standard_errors_ : ndarray of that shape
        Of each class's output over the trials of that class (classifiers only).
    layer_ : str
        The layer.
    receptive_field_ : ReceptiveField
        Where its positions lie.
    explanation_ : xarray.Dataset
        ``value``, ``standard_error`` and, for classifiers, ``class_value``, ``class_standard_error``.
    estimator_ : estimator
        The fitted network.

    See Also
    --------
    FLEXAttributor : Shares out the change of the output among samples, frequencies or bands of every channel.

    Notes
    -----
    The sum over units of mean gradient times activation is a share of the output where the layers above read means over
    time. Where they read every moment by itself, the mean gradient is about other moments, and the map may have the
    wrong sign: ``examples/plot_20_any_method.py`` shows one. Ask `inspection.model_randomization` and
    `inspection.deletion_curve`.

    References
    ----------
    .. [1] Selvaraju et al. (2017). Grad-CAM: visual explanations from deep networks via gradient-based localization.
       ICCV. https://doi.org/10.1109/ICCV.2017.74

    Examples
    --------
    >>> from eegexplain import GradCAMAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=40, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    >>> cam = GradCAMAttributor(net, layer="pool_out").fit(eeg.X, eeg.y)
    >>> cam.explanation_["value"].dims, cam.layer_
    (('output', 'time'), 'pool_out')
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        layer: str | None = None,
        rectify: bool = False,
        response: str = "auto",
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.layer = layer
        self.rectify = rectify
        self.response = response
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def _fit_inner(self, X, y, groups, fit_params):
        super()._fit_inner(X, y, groups, fit_params)
        network = self._network()
        self.layer_ = network.default_layer() if self.layer is None else self.layer
        scale = float(np.asarray(X[:64]).std()) or 1.0
        found = receptive_field(network.module, self.layer_, network.input_shape, scale=scale)
        self.receptive_field_ = found
        if found.axis is None:
            warnings.warn(f"Layer {self.layer_!r} has no axis along time: its map is one number per trial, the same "
                          "for all times. An earlier layer has one.", stacklevel=3)
        apart = found.channel_size == 1 and found.channel_stride == 1
        channel = found.channel_axis if apart else None
        self._positions = tuple(axis for axis in (channel, found.axis) if axis is not None)
        self._to_samples = to_samples(found, network.n_times)

    def _maps(self, X):
        """Maps on the samples of the trials, block by block."""
        network = self._network()
        response = network.check_response(self.response)
        for part, maps in layer_maps(network, self.layer_, self._positions, X, response, self.batch_size):
            maps = np.maximum(maps, 0.0) if self.rectify else maps
            maps = maps if self.receptive_field_.axis is not None else maps[..., None]
            yield part, maps @ self._to_samples

    def _coordinates(self):
        cells = {"channel": self.ch_names_} if self.receptive_field_.channel_axis in self._positions else {}
        return {**cells, "time": np.arange(self._to_samples.shape[1]) / self.sfreq_}

    def _explain_population(self, X, y, groups):
        network = self._network()
        means = ClassMeans(label_index(y, getattr(self, "classes_", None)), groups, network.n_outputs)
        for part, maps in self._maps(X):
            means.add(part, maps)
        response = network.check_response(self.response)
        coords = {"output": self.output_names_, **self._coordinates()}
        return means.explanation(coords, method="grad-cam", estimation="gradient", response=response, layer=self.layer_,
                                 rectified=int(self.rectify), label="Grad-CAM")  # fmt: skip

    def _store(self, dataset):
        store_attributions(self, dataset)

    def _trial_coords(self):
        return {"output": self.output_names_, **self._coordinates()}

    def _explain_trials(self, X):
        return np.concatenate([maps for _, maps in self._maps(X)])
