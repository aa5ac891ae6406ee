"""SyncNet as scikit-learn estimators."""

import numbers
from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from eegexplain._module import seeded
from eegexplain._validation import spawn_seeds
from eegexplain.models._facade import NetworkFacade, TrainingSettings
from eegexplain.models._patterns import MeanSpectrum, filter_patterns, passed_bins, patterns_in, responses
from eegexplain.models._training import REFERENCE_SFREQ, validation_split
from eegexplain.models.network import NetworkClassifier, NetworkRegressor
from eegexplain.models.syncnet._aligned import AlignedClassifier, AlignedFacade
from eegexplain.models.syncnet._assembly import floor_powers, train_closed
from eegexplain.models.syncnet._ensemble import join_networks, stacked_histories
from eegexplain.models.syncnet._start import physical_rates, stratified_frequencies
from eegexplain.models.syncnet._strata import frequency_strata
from eegexplain.models.syncnet._tuning import TUNING_RATE, TrainingSet, surely_lower, trial_losses
from eegexplain.models.syncnet.module import SyncNet


class SyncNetFacade(NetworkFacade):
    """What classifier and regressor share: SyncNet's settings, its start, its results.

    Parameters
    ----------
    %(parameters)s
    """

    _module_class = SyncNet
    _lengths = ("filter_width", "pool_size")
    _settings_doc = """    num_filters : int
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
    readout : {"max", "log_power"}
        What is read out of a filter's output: its largest values, or the logarithm of its power; see `SyncNet`.
    n_windows : int
        Windows per trial in which ``"log_power"`` takes powers.
    training : {"gradient", "closed", "both"}
        ``"closed"`` (with ``readout="log_power"``) takes no gradient step: cross-spectra of the trials -> whitened, in
        the rank of the data -> matrix logarithms -> ridge regression on the classes (or numbers) -> eigenvectors of its
        weights, each a filter with an amplitude and a phase per channel in strata of about 4 Hz of `frequency_range`;
        the `num_filters` with the largest weights are kept. Folds (whole groups where given) choose the ridge and the
        scale of the logits. Offsets and slow drifts of trials play no part, nor does the unit of a channel. Initial
        values, epochs, rates, batches and dropout play no part. ``"both"`` tunes that solution by gradients, at a fifth
        of `lr`: the solution for the training part is tuned while the loss on the validation part falls; where it fell
        by more than 2.5 standard errors, the solution for all trials is tuned for as many epochs, else for none.
    init : {"strata", "tangent"}
        Where ``training="gradient"`` starts. ``"strata"``: small random amplitudes, a frequency in each stratum.
        ``"tangent"``: the filters of the closed form for the training part, and with ``readout="log_power"`` its last
        layer; with ``"max"`` the last layer is random.
    n_networks : int
        Networks trained by gradients, each with its own initial values, batches and validation part, and joined into
        one: the `num_filters` of each side by side, the mean of their logits (or predictions).
    align : {"group"} or None
        ``"group"`` whitens the trials of each group (subject, recording; ``fit`` and ``predict`` take `groups`) by its
        own mean covariance over channels, no labels needed, and recolors them to the mean of these; the network sees
        aligned trials, in the unit of `X`. New groups need a reference first, `set_reference`, from at least 10
        of their trials. It helps where groups differ in gain or anatomy; where a label is constant within groups it
        would take away the signal and is refused. See `align_groups`.
"""
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
        "readout": [StrOptions({"max", "log_power"})],
        "n_windows": [Interval(numbers.Integral, 1, None, closed="left")],
        "training": [StrOptions({"gradient", "closed", "both"})],
        "init": [StrOptions({"strata", "tangent"})],
        "n_networks": [Interval(numbers.Integral, 1, None, closed="left")],
        "align": [StrOptions({"group"}), None],
    }

    def __init__(
        self,
        *,
        num_filters: int = 20,
        filter_width: float = 0.4,
        pool_size: float = 0.31,
        activation: str | Callable[[], Any] = "ReLU",
        frequency_range: tuple[float, float] = (2.0, 45.0),
        ampli_init_values: tuple[float, float] | None = None,
        omega_init_values: tuple[float, float] | None = None,
        beta_init_values: tuple[float, float] | None = None,
        phase_init_values: tuple[float, float] = (0.0, 0.05),
        drop_prob: float = 0.0,
        padding: str = "same",
        readout: str = "log_power",
        n_windows: int = 1,
        training: str = "closed",
        init: str = "strata",
        n_networks: int = 1,
        align: str | None = None,
        **shared: Unpack[TrainingSettings],
    ):
        super().__init__(**shared)
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
        self.readout = readout
        self.n_windows = n_windows
        self.training = training
        self.init = init
        self.n_networks = n_networks
        self.align = align

    def _fit_net(self, X, target, groups, n_outputs):
        X = self._align_training(X, target, groups)
        if self.n_networks == 1:
            super()._fit_net(X, target, groups, n_outputs)
            return
        self._validate_params()
        if self.training == "closed":
            raise ValueError(
                f"n_networks is {self.n_networks}, but training='closed' starts from nothing random: its "
                "networks would be copies of one. Give n_networks=1."
            )
        rng = check_random_state(self.random_state)
        members = [spawn_seeds(self, rng).set_params(n_networks=1, align=None) for _ in range(self.n_networks)]
        for member in members:
            member._fit_net(X, target, groups, n_outputs)
        self.ch_names_, self._sizes = members[0].ch_names_, members[0]._sizes
        with seeded(0):
            net = self._build_net()
        join_networks(net.module_, [member.net_.module_ for member in members])
        self.patterns_ = np.concatenate([member.patterns_ for member in members])
        self.n_iter_ = np.array([member.n_iter_ for member in members])
        self.history_ = stacked_histories([member.history_ for member in members])
        self.net_ = net

    @property
    def _depends_on_seed(self):
        """Closed forms differ by the folds that choose the ridge alone."""
        return self.training != "closed"

    def _module_settings(self):
        sfreq = self._reference_sfreq()
        gain, decay = 0.05 * REFERENCE_SFREQ / sfreq, 50 / sfreq**2
        settings = {
            "ampli_init_values": (-gain, gain),
            "beta_init_values": (0.0, decay),
            **super()._module_settings(),
        }
        if self.training != "gradient" and self.readout != "log_power":
            raise ValueError(f"training={self.training!r} needs readout='log_power', got readout={self.readout!r}.")
        for name in ("frequency_range", "training", "init", "n_networks", "align"):  # no matters of the module
            settings.pop(name, None)
        return {**settings, "num_filters": self.num_filters * self.n_networks}

    def _start(self, module, trials, rng):
        super()._start(module, trials, rng)
        if self.omega_init_values is None:
            omega = stratified_frequencies(self.frequency_range, self.num_filters, self._reference_sfreq(), rng)
            with torch.no_grad():
                module.omega.copy_(torch.from_numpy(omega).reshape(module.omega.shape))
        if self.readout == "log_power" and self.training == "gradient":
            floor_powers(module, trials)

    def _train(self, net, trials, target, groups, seed):
        data = TrainingSet(trials, target, groups)
        split = validation_split(target, self.validation_fraction, groups, seed, self._stratify)
        if self.training == "gradient":
            if self.init == "tangent":  # learned from labels: held-out trials must not be among them
                self._solve(net.module_, data.part(split[0]), seed)
            found = self._descend(net, trials, target, split)
            self.n_iter_, self.history_ = found.n_epochs, found.history
            return
        self.n_iter_, self.history_ = 0, {}
        if self.training == "both" and len(split[1]):
            self.n_iter_, self.history_ = self._epochs_that_help(net, data, split, seed)
        self._solve(net.module_, data, seed, prepare=self._once)
        if self.n_iter_:
            net.initialize_optimizer()
            net.initialize_history()
            self._descend(net, trials, target, (np.arange(len(trials)), np.arange(0)), self.n_iter_)

    def _solve(self, module, data, seed, prepare=None):
        """Write the closed form for some trials into the module."""
        strata = frequency_strata(self.frequency_range, self._reference_sfreq(), data.trials.shape[2])
        settings = {"groups": data.groups, "seed": seed, "classes": self._stratify, "prepare": prepare}
        train_closed(module, data.trials, data.target, strata, **settings)

    def _epochs_that_help(self, net, data, split, seed):
        """Tune the closed form of one part of the trials; epochs with the least loss on the other, and all losses."""
        held_out = data.part(split[1])
        self._solve(net.module_, data.part(split[0]), seed)
        before = trial_losses(net.module_, held_out, self._stratify)
        found = self._descend(net, data.trials, data.target, split)
        after = trial_losses(net.module_, held_out, self._stratify)
        return found.best_epoch if surely_lower(after, before, held_out.groups) else 0, found.history

    def _finish(self, module, trials):
        with torch.no_grad():
            templates = module.filters().cpu().numpy()
        if "_shared" not in vars(self):
            self.patterns_ = filter_patterns(templates, trials)
            return
        spectrum = self._once(MeanSpectrum.of, trials)
        response = responses(templates, spectrum.frequencies)
        passed = passed_bins(response)
        self.patterns_ = patterns_in(spectrum.at(passed), response[passed])

    def _rates(self, sfreq):
        return physical_rates(self._learning_rate(), sfreq)

    def _learning_rate(self):
        return self.lr * TUNING_RATE if self.training == "both" else self.lr

    @property
    def templates_(self) -> NDArray[Any]:
        """Learned filters ``(n_filters, n_channels, width)``, in output per unit of `X` and sample."""
        check_is_fitted(self, "net_")
        with torch.no_grad():
            return self.net_.module_.filters().cpu().numpy()

    @property
    def filter_table_(self) -> Any:
        """Table of the learned filters and their patterns; see `SyncNet.filter_table`."""
        check_is_fitted(self, "net_")
        sfreq, patterns = self._told_sfreq() or 1.0, getattr(self, "patterns_", None)
        return self.net_.module_.filter_table(sfreq, self.ch_names_, patterns)


class SyncNetClassifier(AlignedClassifier, SyncNetFacade, NetworkClassifier):
    """Classify trials with SyncNet: filters that are damped oscillations with a phase per channel.

    The net is built for the sizes of the data. By default it reads out the log power of its filters and trains in
    closed form, from cross-spectra; with ``training="gradient"`` (and ``readout="max"``, the network of [1]_) it is
    trained with Adam on the cross-entropy, and the epoch with the lowest loss on a stratified validation part is kept.
    One global scale (the root mean square of `X`) is learnt and kept in
    the net, so that volts and microvolts give the same network. `lr` is Adam's learning rate at 128 Hz: it acts on
    frequencies in Hz and decays per squared second, so that the same setting serves other sampling rates.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; one output each, also for two.
    net_ : skorch.NeuralNetClassifier
        The trained net; its module is a `SyncNet`.
    templates_ : ndarray of shape (n_filters, n_channels, width)
        Learned filters, ``n_filters = n_networks * num_filters``, one network after another.
    patterns_ : complex ndarray of shape (n_filters, n_channels)
        What goes with the output of each filter in the training trials, unit of `X` per unit of output: topographies,
        which filters are not; see `filter_patterns`.
    alignment_ : GroupAlignment or None
        Maps of the groups, with ``align="group"``; filters and patterns are those of aligned trials.
    filter_table_ : pandas.DataFrame
        Peak frequency, bandwidth, amplitudes and phases per filter and of its pattern.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch; of several networks ``(n_networks, n_epochs)``, NaN after a
        network's last epoch.
    n_iter_ : int, or ndarray of shape (n_networks,)
        Epochs trained; with ``training="both"`` those chosen, whose losses, from the first epoch on and past the best,
        are ``history_``.

    Raises
    ------
    ValueError
        In ``fit``, for fewer than two classes and for settings out of range.

    References
    ----------
    .. [1] Y. Li, M. Murias, S. Major, G. Dawson, K. Dzirasa, L. Carin, D. E. Carlson, "Targeting EEG/LFP Synchrony
           with Neural Nets", NeurIPS 30 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(128) / 128
    >>> X = rng.standard_normal((40, 2, 128))
    >>> y = np.repeat(["rest", "rhythm"], 20)
    >>> X[20:] += 2 * np.sin(2 * np.pi * 10 * t + rng.uniform(0, 6, (20, 1, 1)))
    >>> net = SyncNetClassifier(num_filters=4, max_epochs=10, sfreq=128, random_state=0).fit(X, y)
    >>> net.predict(X).shape
    (40,)
    """


class SyncNetRegressor(AlignedFacade, SyncNetFacade, NetworkRegressor):
    """Predict numbers from trials with SyncNet; see `SyncNetClassifier`.

    Targets are standardised for training (mean squared error); mean and scale are then folded into the last layer, so
    that the module's outputs, and explanations of them, are in the unit of `y`.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    net_ : skorch.NeuralNetRegressor
        The trained net; its module is a `SyncNet`.
    templates_ : ndarray of shape (n_filters, n_channels, width)
        Learned filters, ``n_filters = n_networks * num_filters``, one network after another.
    patterns_ : complex ndarray of shape (n_filters, n_channels)
        What goes with the output of each filter in the training trials, unit of `X` per unit of output: topographies,
        which filters are not; see `filter_patterns`.
    alignment_ : GroupAlignment or None
        Maps of the groups, with ``align="group"``; filters and patterns are those of aligned trials.
    filter_table_ : pandas.DataFrame
        Peak frequency, bandwidth, amplitudes and phases per filter and of its pattern.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch, in squared standard deviations of `y`; of several networks
        ``(n_networks, n_epochs)``, NaN after a network's last epoch.
    n_iter_ : int, or ndarray of shape (n_networks,)
        Epochs trained; with ``training="both"`` those chosen, whose losses, from the first epoch on and past the best,
        are ``history_``.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 2, 64)), rng.standard_normal(40)
    >>> SyncNetRegressor(num_filters=2, max_epochs=2, sfreq=128, random_state=0).fit(X, y).predict(X).shape
    (40,)
    """
