"""What networks share as scikit-learn estimators: settings, a net built and trained inside ``fit``, state, tags."""

import inspect
import numbers
from typing import Any, ClassVar, TypedDict

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import nn

from eegexplain._containers import trials_alone, trials_to_fit
from eegexplain._module import seeded
from eegexplain._nets import default_dtype
from eegexplain._parallel import single_thread
from eegexplain._torch import TorchNet
from eegexplain._validation import (
    as_trials,
    check_ch_names,
    check_groups,
    check_sfreq,
    lookup,
    random_seed,
    validate_trials,
)
from eegexplain.models._shared import Shared
from eegexplain.models._training import (
    REFERENCE_SFREQ,
    TrialDataset,
    descend,
    input_scale,
    resolve_device,
    validation_split,
)


class TrainingSettings(TypedDict, total=False):
    """Parameters that every network has; a facade takes them as ``**training``."""

    max_epochs: int
    lr: float
    batch_size: int
    validation_fraction: float
    patience: int | None
    sfreq: float | None
    ch_names: list[str] | None
    device: str
    random_state: int | np.random.RandomState | None
    verbose: int


_TRAINING = """    max_epochs : int
        Passes over the training trials.
    lr : float
        Adam's learning rate.
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
        Names of the channels.
    device : str
        ``"auto"`` takes a GPU where there is one.
    random_state : int, RandomState instance or None
        Seeds initial weights, batches, dropout and the validation split; torch's generators are left as found.
    verbose : int
        1 shows a progress bar.
"""


class NetworkFacade(BaseEstimator):
    """Base of all networks as estimators: it knows how to build, train and pickle a module, but no module.

    A network's facade names the module and its settings:

    - ``_module_class``: called with ``n_chans, n_times, n_outputs`` and the settings; its ``forward`` takes
      ``(batch, n_chans, n_times)`` and returns logits (or predictions) ``(batch, n_outputs)`` from a linear layer
      ``final_layer``. A buffer ``input_scale`` is set to the root mean square of the trials; a method ``constrain()``
      runs after every training step.
    - ``__init__`` with its own settings as keywords, then ``**training``: they go to the module by their names, None
      leaves the module's own default. ``_lengths`` names those that are samples when an int and seconds when a float.
    - ``_parameter_constraints`` of its own settings, as in scikit-learn; ``_settings_doc`` describes them.

    Constraints, signature and the ``%(parameters)s`` of the docstring are completed with those of the bases. What a
    network starts from (`_start`), its groups of learning rates (`_rates`), its training (`_train`) and what else is
    learned from the trials (`_finish`) have defaults.
    """

    _module_class: ClassVar[Any] = None
    _lengths: ClassVar[tuple[str, ...]] = ()
    _settings_doc: ClassVar[str] = _TRAINING
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
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
    # what classifiers and regressors add
    _net_class: ClassVar[Any] = None
    _criterion: ClassVar[Any] = None
    _silenced: ClassVar[tuple[str, ...]] = ()
    _stratify: ClassVar[bool] = False
    _reads_by_block: ClassVar[bool] = True

    def __init__(
        self,
        *,
        max_epochs: int = 60,
        lr: float = 0.005,
        batch_size: int = 16,
        validation_fraction: float = 0.2,
        patience: int | None = 20,
        sfreq: float | None = None,
        ch_names: list[str] | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
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

    def __init_subclass__(cls, **kwargs):
        """Complete signature, constraints and docstring with what the bases declare."""
        cls.__init__.__signature__ = _whole_signature(cls)  # what scikit-learn, editors and the docs read
        lineage = cls.__mro__
        declared = [vars(base).get("_parameter_constraints", {}) for base in reversed(lineage)]
        cls._parameter_constraints = {name: allowed for part in declared for name, allowed in part.items()}
        if cls.__doc__ and "    %(parameters)s" in cls.__doc__:
            described = [vars(base)["_settings_doc"] for base in lineage if "_settings_doc" in vars(base)]
            cls.__doc__ = cls.__doc__.replace("    %(parameters)s", "".join(described).rstrip())
        super().__init_subclass__(**kwargs)

    # ----------------------------------------------------------------- fit
    @property
    def _depends_on_seed(self):
        """Whether training depends on ``random_state`` by more than which folds choose a setting."""
        return True

    def _read(self, X, y, groups):
        """Trials, labels and groups of whatever holds them; rate and names that it knows stand in for None."""
        X, y, groups = read = trials_to_fit(self, X, y, groups)
        self._read_sfreq, self._read_names = read.sfreq, read.ch_names
        return X, y, groups

    def _told_sfreq(self):
        """Sampling rate that was given, or that the container of the trials knew; or None."""
        return vars(self).get("_read_sfreq") if self.sfreq is None else self.sfreq

    def _fit_net(self, X, target, groups, n_outputs):
        """Build and train the net on validated trials and encoded targets."""
        self._validate_params()
        self._reference_sfreq()
        groups = None if groups is None else check_groups(groups, len(X))
        trials = as_trials(X)
        names = vars(self).get("_read_names") if self.ch_names is None else self.ch_names
        self.ch_names_ = check_ch_names(names, trials.shape[1])
        self._sizes = {"n_chans": trials.shape[1], "n_times": trials.shape[2], "n_outputs": n_outputs}
        seed = random_seed(self.random_state)
        with single_thread(), seeded(seed):
            net = self._build_net()
            self._start(net.module_, trials, np.random.default_rng(seed))
            self._train(net, trials, target, groups, seed)
        if not all(torch.isfinite(parameter).all() for parameter in net.module_.parameters()):
            raise ValueError("Training diverged (weights are not finite): lower lr, or look for extreme trials in X.")
        with single_thread():
            self._finish(net.module_, trials)
        self.net_ = net

    @staticmethod
    def _fit_many(networks, X, targets, settings):
        """Train networks on the same trials, one after another; they share what `_once` computes. See `fit_many`."""
        shared = Shared()
        for network, target in zip(networks, targets, strict=True):
            network._shared = shared
            try:
                network.fit(X, target, **settings)
            finally:
                del network._shared
        return networks

    def _once(self, function, trials, *settings):
        """``function(trials, *settings)``, of neither labels nor seeds: once for all networks of `_fit_many`."""
        shared = vars(self).get("_shared")
        return function(trials, *settings) if shared is None else shared(function, trials, *settings)

    def _reference_sfreq(self):
        """Sampling rate that settings in Hz and seconds refer to."""
        sfreq = self._told_sfreq()
        return REFERENCE_SFREQ if sfreq is None else check_sfreq(sfreq)

    def _module_settings(self):
        """Settings as the module takes them: lengths in samples, the activation's class, none where None is given."""
        sfreq, own = self._reference_sfreq(), set(self._get_param_names()) - TrainingSettings.__annotations__.keys()
        given = {name: getattr(self, name) for name in sorted(own) if getattr(self, name) is not None}
        lengths = {name: _samples(given[name], sfreq) for name in self._lengths if name in given}
        activations = {name: _activation(given[name]) for name in ("activation",) if name in given}
        return {**given, **lengths, **activations}

    def _build_net(self):
        """Return an initialised skorch net for the sizes seen in ``fit``."""
        device = resolve_device(self.device)
        net = self._net_class(
            self._module_class,
            criterion=self._criterion,
            optimizer=torch.optim.Adam,
            optimizer__param_groups=self._rates(self._reference_sfreq()),
            optimizer__fused=device.split(":")[0] in ("cpu", "cuda"),  # one call per step, not ten per parameter
            lr=self._learning_rate(),
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            device=device,
            verbose=0,
            **{f"callbacks__{name}": None for name in self._silenced},
            **{f"module__{name}": value for name, value in {**self._sizes, **self._module_settings()}.items()},
        )
        return net.initialize()

    def _start(self, module, trials, rng):
        """Set what depends on the data before training: the scale of the input, where the module has one."""
        if hasattr(module, "input_scale"):
            with torch.no_grad():
                module.input_scale.fill_(self._once(input_scale, trials))

    def _rates(self, sfreq):
        """Learning rates of groups of parameters, ``[(name pattern, {"lr": rate})]``; `lr` acts on all others."""
        return []

    def _learning_rate(self):
        """Adam's learning rate."""
        return self.lr

    def _train(self, net, trials, target, groups, seed):
        """Train the initialised net in place and set ``n_iter_`` and ``history_``: Adam, best epoch kept."""
        split = validation_split(target, self.validation_fraction, groups, seed, self._stratify)
        found = self._descend(net, trials, target, split)
        self.n_iter_, self.history_ = found.n_epochs, found.history

    def _descend(self, net, trials, target, split, max_epochs=None):
        """Take Adam's steps on one part of the trials, keep the best epoch on the other."""
        data = TrialDataset(trials, target, default_dtype())
        return descend(net, data, split, max_epochs or self.max_epochs, self.patience, self.verbose)

    def _finish(self, module, trials):
        """Set fitted attributes that the trained module and the training trials give together."""

    # ------------------------------------------------------------- results
    def _responses(self, X, response):
        check_is_fitted(self, "net_")
        X = validate_trials(self, trials_alone(self, X), reset=False)
        with single_thread():
            return TorchNet(self, self.trial_shape_).outputs(X, response)

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
            net = self._build_net()
        trained = [weights[name].dtype for name, _ in net.module_.named_parameters() if name in weights]
        if trained:  # the default dtype of torch may have changed since
            net.module_.to(getattr(torch, str(trained[0])))
        net.module_.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
        self.net_ = net

    def __sklearn_tags__(self):
        """Say that trials may be 3-D."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _whole_signature(cls):
    """Signature of ``__init__`` with the bases' parameters in the place of ``**training``."""
    own = inspect.signature(cls.__init__)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.parameters.values()):
        return own
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    inherited = inspect.signature(super(owner, cls).__init__).parameters
    parameters = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    parameters += [parameter for name, parameter in inherited.items() if name not in own.parameters]
    return own.replace(parameters=parameters)


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
