"""What the SyncNet facades share: parameters, building and training the net, state without torch objects."""

import numbers

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from eegexplain._module import default_dtype, seeded
from eegexplain._parallel import single_thread
from eegexplain._torch import TorchNet
from eegexplain._validation import (
    as_trials,
    check_ch_names,
    check_sfreq,
    lookup,
    random_seed,
    validate_trials,
)
from eegexplain.models._training import (
    REFERENCE_SFREQ,
    BestEpoch,
    FixedSplit,
    TrialDataset,
    input_scale,
    physical_rates,
    resolve_device,
    stratified_frequencies,
    validation_split,
)
from eegexplain.models.syncnet.module import SyncNet

_PARAMETERS = """    num_filters : int
        Filters, each with one frequency.
    filter_width, pool_size : int or float
        Samples when an int, seconds when a float.
    activation : str or type
        Name of a class in `torch.nn`, or the class.
    frequency_range : tuple of float
        Lowest and highest initial frequency in Hz; every filter starts in its own stratum of this range (cut at
        Nyquist). Training moves frequencies by a few Hz, also out of the range.
    ampli_init_values, omega_init_values, beta_init_values : tuple of float, optional
        Ranges of the initial values in the module's units (gain per sample, rad per sample, per squared sample). None
        gives the same filters in Hz and seconds at any `sfreq`: amplitudes within 0.05 (at 128 Hz), frequencies by
        `frequency_range`, decays between 0 and 50 per squared second (narrow bands; training widens them).
    phase_init_values : tuple of float
        Mean and standard deviation of the initial phases in rad.
    drop_prob : float
        Share of channels dropped whole in training, in [0, 1).
    padding : {"same", "braindecode"}
        See `SyncNet`.
    max_epochs : int
        Passes over the training trials.
    lr : float
        Adam's learning rate at 128 Hz; it acts on frequencies in Hz and decays per squared second, so that the same
        setting serves other sampling rates.
    batch_size : int
        Trials per training step.
    validation_fraction : float
        Share of trials (stratified; whole groups when ``fit`` gets `groups`) on which the best epoch is chosen. 0 keeps
        the last epoch, as do too few trials to hold any out.
    patience : int or None
        Epochs without a better validation loss after which training stops; None never stops early.
    sfreq : float, optional
        Sampling frequency in Hz. None reports frequencies in cycles per sample and reads settings in Hz and seconds
        as if 128 Hz were given.
    ch_names : list of str, optional
        Names in `filter_table_`.
    device : str
        ``"auto"`` takes a GPU where there is one.
    random_state : int, RandomState instance or None
        Seeds initial weights, batches, dropout and the validation split; torch's generators are left as found.
    verbose : int
        1 shows a progress bar.
"""


class SyncNetFacade:
    """What classifier and regressor share; computes in torch's default dtype."""

    _parameter_constraints = {
        "num_filters": [Interval(numbers.Integral, 1, None, closed="left")],
        "filter_width": [Interval(numbers.Real, 0, None, closed="neither")],
        "pool_size": [Interval(numbers.Real, 0, None, closed="neither")],
        "activation": [str, callable],
        "frequency_range": ["array-like"],
        "ampli_init_values": ["array-like", None],
        "omega_init_values": ["array-like", None],
        "beta_init_values": ["array-like", None],
        "phase_init_values": ["array-like"],
        "drop_prob": [Interval(numbers.Real, 0, 1, closed="left")],
        "padding": [StrOptions({"same", "braindecode"})],
        "max_epochs": [Interval(numbers.Integral, 1, None, closed="left")],
        "lr": [Interval(numbers.Real, 0, None, closed="neither")],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
        "patience": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "sfreq": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "ch_names": ["array-like", None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        num_filters=20,
        filter_width=0.4,
        pool_size=0.31,
        activation="ReLU",
        frequency_range=(2.0, 45.0),
        ampli_init_values=None,
        omega_init_values=None,
        beta_init_values=None,
        phase_init_values=(0.0, 0.05),
        drop_prob=0.0,
        padding="same",
        max_epochs=60,
        lr=0.005,
        batch_size=16,
        validation_fraction=0.2,
        patience=20,
        sfreq=None,
        ch_names=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.num_filters = num_filters
        self.filter_width = filter_width
        self.pool_size = pool_size
        self.activation = activation
        self.frequency_range = frequency_range
        self.ampli_init_values = ampli_init_values
        self.omega_init_values = omega_init_values
        self.beta_init_values = beta_init_values
        self.phase_init_values = phase_init_values
        self.drop_prob = drop_prob
        self.padding = padding
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # ----------------------------------------------------------------- fit
    def _fit_net(self, X, target, groups, n_outputs):
        """Build and train the net on validated trials and encoded targets."""
        self._validate_params()
        self._reference_sfreq()
        trials = as_trials(X)
        self.ch_names_ = check_ch_names(self.ch_names, trials.shape[1])
        self._sizes = {"n_chans": trials.shape[1], "n_times": trials.shape[2], "n_outputs": n_outputs}
        seed = random_seed(self.random_state)
        stratify = isinstance(self, ClassifierMixin)
        training, validation = validation_split(target, self.validation_fraction, groups, seed, stratify)
        callback = BestEpoch(self.patience, self.verbose)
        with single_thread(), seeded(seed):
            net = self._build_net(FixedSplit(training, validation) if len(validation) else None, callback)
            self._start(net.module_, trials, np.random.default_rng(seed))
            net.partial_fit(TrialDataset(trials, target, default_dtype()), target)
        if callback.interrupted(self.max_epochs):
            raise KeyboardInterrupt
        net.set_params(train_split=None, callbacks=None)
        self._check_trained(net.module_)
        self.n_iter_ = callback.n_epochs_
        self.history_ = {
            key: np.array(net.history[:, key]) for key in ("train_loss", "valid_loss") if key in net.history[-1]
        }
        self.net_ = net

    def _reference_sfreq(self):
        """Sampling rate that settings in Hz and seconds refer to."""
        return REFERENCE_SFREQ if self.sfreq is None else check_sfreq(self.sfreq)

    def _build_net(self, train_split=None, callback=None):
        """Return an initialised skorch net for the sizes seen in ``fit``."""
        sfreq = self._reference_sfreq()
        gain, decay = 0.05 * REFERENCE_SFREQ / sfreq, 50 / sfreq**2
        module = {
            **self._sizes,
            "num_filters": self.num_filters,
            "filter_width": _samples(self.filter_width, sfreq),
            "pool_size": _samples(self.pool_size, sfreq),
            "activation": _activation(self.activation),
            "ampli_init_values": (-gain, gain) if self.ampli_init_values is None else self.ampli_init_values,
            "beta_init_values": (0.0, decay) if self.beta_init_values is None else self.beta_init_values,
            "phase_init_values": self.phase_init_values,
            "drop_prob": self.drop_prob,
            "padding": self.padding,
        }
        if self.omega_init_values is not None:
            module["omega_init_values"] = self.omega_init_values
        net = self._net_class(
            SyncNet,
            criterion=self._criterion,
            optimizer=torch.optim.Adam,
            optimizer__param_groups=physical_rates(self.lr, sfreq),
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train__shuffle=True,
            train_split=train_split,
            callbacks=[] if callback is None else [("best_epoch", callback)],
            device=resolve_device(self.device),
            verbose=0,
            **{f"callbacks__{name}": None for name in self._silenced},
            **{f"module__{name}": value for name, value in module.items()},
        )
        return net.initialize()

    def _start(self, module, trials, rng):
        """Set what depends on the data and on the range of frequencies before training."""
        with torch.no_grad():
            module.input_scale.fill_(input_scale(trials))
            if self.omega_init_values is None:
                sfreq = self._reference_sfreq()
                omega = stratified_frequencies(self.frequency_range, self.num_filters, sfreq, rng)
                module.omega.copy_(torch.from_numpy(omega).reshape(module.omega.shape))

    def _check_trained(self, module):
        if not all(torch.isfinite(parameter).all() for parameter in module.parameters()):
            raise ValueError(
                "Training diverged (weights are not finite): lower lr, or look for extreme trials in X."
            )

    # ------------------------------------------------------------- results
    @property
    def templates_(self):
        """Learned filters ``(n_filters, n_channels, width)``, in output per unit of `X` and sample."""
        check_is_fitted(self, "net_")
        with torch.no_grad():
            return self.net_.module_.filters().cpu().numpy()

    @property
    def filter_table_(self):
        """Table of the learned filters; see `SyncNet.filter_table`."""
        check_is_fitted(self, "net_")
        return self.net_.module_.filter_table(1.0 if self.sfreq is None else self.sfreq, self.ch_names_)

    def _responses(self, X, response):
        check_is_fitted(self, "net_")
        X = validate_trials(self, X, reset=False)
        with single_thread():
            return TorchNet(self, self.trial_shape_).outputs(X, response, batch_size=256)

    # ------------------------------------------------------- state and tags
    def __getstate__(self):
        """Give weights as NumPy arrays: no torch object is pickled."""
        state = super().__getstate__()
        if "net_" in state:
            weights = state["net_"].module_.state_dict()
            state = {**state, "net_": {name: value.cpu().numpy() for name, value in weights.items()}}
        return state

    def __setstate__(self, state):
        """Build the net again and load its weights."""
        weights = state.get("net_")
        super().__setstate__({name: value for name, value in state.items() if name != "net_"})
        if weights is None:
            return
        with seeded(0):
            self.net_ = self._build_net()
        dtype = next(value.dtype for name, value in weights.items() if name == "amplitude")
        self.net_.module_.to(getattr(torch, str(dtype)))
        self.net_.module_.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})

    def __sklearn_tags__(self):
        """Say that trials may be 3-D and that short training fits badly."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if tags.classifier_tags is not None:
            tags.classifier_tags.poor_score = True
        if tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = True
        return tags


def _samples(value, sfreq):
    """Read a length: samples when an int, seconds when a float."""
    return int(value) if isinstance(value, numbers.Integral) else max(1, int(round(value * sfreq)))


def _activation(activation):
    """Look up an activation class of `torch.nn` by name; classes pass."""
    if isinstance(activation, nn.Module):
        name = type(activation).__name__
        raise ValueError(f"activation is an instance of {name}: give the class, or its name in torch.nn, {name!r}.")
    if not isinstance(activation, str):
        return activation
    return lookup({name: getattr(nn, name) for name in nn.modules.activation.__all__}, activation, "activation")


def documented(cls):
    """Insert the shared parameters into a class docstring."""
    cls.__doc__ = cls.__doc__.replace("    %(parameters)s", _PARAMETERS.rstrip())
    return cls
