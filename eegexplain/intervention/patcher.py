"""Which units carry the class: outputs lost when a unit does what it does on trials of another class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier

from eegexplain._explanation import make_explanation, order_by_content
from eegexplain._inner import check_known, is_continuous
from eegexplain._means import label_index
from eegexplain._meta import Explainer
from eegexplain._module import inference
from eegexplain._nets import frozen
from eegexplain._outputs import RESPONSES
from eegexplain._parallel import single_thread, trial_blocks
from eegexplain._settings import AT_LEAST_ONE
from eegexplain._units import Unit, run_units
from eegexplain._validation import as_trials, check_option, random_seed
from eegexplain.intervention._donors import draw_donors
from eegexplain.intervention._effects import Pairs
from eegexplain.intervention._rest import Rest
from eegexplain.intervention._sites import find_sites

CELLS = ("unit", "layer")
HELD = 2**27  # bytes of scores that are held at a time


class ActivationPatcher(Explainer):
    r"""Replace what units of a network do by what they do on trials of another class: what goes of the output with it.

    Each unit's activation is taken from other trials, the rest of the network runs as it is. Activations of another
    class's trials change the output by what tells the classes apart and by what tells any two trials apart; those of
    the same class's trials by the latter alone. The difference is what the unit carries about the class, as far as the
    layers behind it use that [1]_ [2]_.

    Parameters
    ----------
    estimator : estimator or None
        A network of classes (a SyncNet facade, a skorch net, a braindecode ``EEGClassifier``, a torch module), or a
        ``FrozenEstimator`` around a fitted one. None is a SyncNet.
    layers : str or list of str, optional
        As in ``module.named_modules()``, ``"lstm[0]"`` of what returns several; by default ``conv_out``, else the last
        layer with a time axis.
    by : {"unit", "layer"}, default="unit"
        What is replaced at a time: one unit, or all units of a layer. Unit 3 of one network has nothing to do with
        unit 3 of another; maps by layer can be averaged over the networks of a cross-validation.
    heads : dict of str to int, optional
        Layers that so many heads of attention enter side by side (the projection behind them): their units are heads.
    n_draws : int, default=10
        Trials of each kind whose activations each trial is given.
    response : str, default="auto"
        What is explained: "logit", "centered_logit" (the logit minus its mean over classes), "logprob", "prob" or
        "margin". "auto" is "centered_logit".
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
        Channel names.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).
    n_jobs : int, optional
        Blocks of trials worked on at a time; results do not depend on it.
    random_state : int, RandomState instance or None
        Of the draws, and of a default network.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    effects_ : ndarray of shape (n_outputs, n_units or n_layers)
        Mean over the trials of each class of its own output with activations of the same class, less that with
        activations of other classes: what the output loses.
    standard_errors_ : ndarray of the shape of ``effects_``
        Over trials that take and trials that give, clustered by ``groups``.
    loss_effects_, loss_standard_errors_ : ndarray of the shape of ``effects_``
        The same of the log loss, in nats: how much it grows.
    contrast_, contrast_standard_errors_ : ndarray of shape (n_outputs,)
        Mean output of a class on its own trials, less that on all others: what there is to lose. A layer through which
        everything passes loses just this.
    layers_ : list of str
        The layers.
    units_ : list of str
        Names of the units, or layers.
    explanation_ : xarray.Dataset
        The same, labelled; ``clean_loss`` is the log loss of the network as it is.
    estimator_ : estimator
        The fitted network.

    Raises
    ------
    TypeError
        For an estimator that is no network, or no classifier.
    ValueError
        For unknown options and layers, and trials of a single class.

    Notes
    -----
    With :math:`r(x, u \leftarrow x')` the output of the trial's own class when unit :math:`u` does what it does on
    :math:`x'`, the effect is

    .. math:: \operatorname{E}_{x \in c} \left[ \operatorname{E}_{x' \in c} r(x, u \leftarrow x')
              - \operatorname{E}_{x' \notin c} r(x, u \leftarrow x') \right].

    Donors come from the trial's own group where that has both kinds, else both kinds come from other groups. Errors are
    those of means over pairs, which share trials [3]_. Log losses mean what they say on trials that the network was not
    trained on: use a ``FrozenEstimator``, or ``cross_validate_explanations``.

    `transform` asks what each unit adds to each output in a single trial, of which no class is known: the output less
    its mean over activations of `n_draws` training trials of each class.

    What single units show has two blind spots [2]_. Where several units do the same and one of them is enough, none of
    them has an effect on trials where the others go on; look at the trials of the other class, where one unit turned on
    is enough (and the other way round for units that must agree). A majority of three shows in neither: replace units
    together with `intervene`. And units carry what tells classes apart in *these* trials: an artifact is carried, too.

    References
    ----------
    .. [1] J. Vig et al., "Investigating gender bias in language models using causal mediation analysis", Advances in
           Neural Information Processing Systems 33 (2020), doi:10.48550/arXiv.2004.12265.
    .. [2] S. Heimersheim, N. Nanda, "How to use and interpret activation patching" (2024),
           doi:10.48550/arXiv.2404.15255.
    .. [3] P. M. Aronow, C. Samii, V. A. Assenova, "Cluster-robust variance estimation for dyadic data", Political
           Analysis 23 (2015), doi:10.1093/pan/mpv018.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import ActivationPatcher, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=120, random_state=0)
    >>> net = SyncNetClassifier(num_filters=6, sfreq=eeg.sfreq, random_state=0).fit(eeg.X[:80], eeg.y[:80])
    >>> patcher = ActivationPatcher(FrozenEstimator(net), random_state=0).fit(eeg.X[80:], eeg.y[80:])
    >>> patcher.effects_.shape, patcher.units_[0]
    ((2, 6), 'conv_out[0]')
    """

    _numbers = {"n_draws": AT_LEAST_ONE}
    _trial_label = "output added by the unit"

    def __init__(
        self,
        estimator: Any = None,
        *,
        layers: str | Sequence[str] | None = None,
        by: str = "unit",
        heads: Mapping[str, int] | None = None,
        n_draws: int = 10,
        response: str = "auto",
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.layers = layers
        self.by = by
        self.heads = heads
        self.n_draws = n_draws
        self.response = response
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # -------------------------------------------------------------------------------------- hooks of the base class
    def _prepare(self, X, y):
        check_option("by", self.by, CELLS)
        check_option("response", self.response, ("auto", *RESPONSES))
        numbers = is_continuous(y)
        given = frozen(self.estimator, numbers)
        if numbers if given is None else not is_classifier(given):
            raise TypeError(
                "ActivationPatcher compares trials of two classes, but this network predicts numbers: "
                "eegexplain.intervene says what it answers with activations of any other trials."
            )
        self._seed = random_seed(self.random_state)

    def _fit_inner(self, X, y, groups, fit_params):
        super()._fit_inner(X, y, groups, fit_params)
        net = self._network()
        layers = net.default_layer() if self.layers is None else self.layers
        self.layers_ = [layers] if isinstance(layers, str) else list(layers)
        sites = find_sites(net, self.layers_, self.heads, tell=self.layers is not None)
        whole = self.by == "layer"
        self._cells, self.units_ = {}, []
        for name, site in sites.items():
            self._cells[name] = [np.arange(site.n_units)] if whole else [*np.arange(site.n_units)[:, None]]
            self.units_ += [name] if whole else [f"{name}[{unit}]" for unit in range(site.n_units)]
        X = as_trials(X)
        order, codes = order_by_content(X), self._codes(y)
        self._bank = [np.array(X[order[codes[order] == code][: self.n_draws]]) for code in np.unique(codes)]

    def _explain_population(self, X, y, groups):
        if y is None:
            raise ValueError("Activations are taken from trials of the same and of another class: give y.")
        codes = self._codes(y)
        if len(np.unique(codes)) < 2:
            raise ValueError("All trials are of one class: there is no other to take activations from.")
        donors = draw_donors(X, codes, groups, self.n_draws, np.random.RandomState(self._seed))
        clusters = np.arange(len(X)) if groups is None else groups
        pairs = Pairs(np.stack([donors.same, donors.other], axis=1), codes, clusters)
        found = [pairs.effects(scores, len(self.classes_)) for scores in self._scores(X, pairs)]
        values, errors = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        clean = self._clean(X)
        contrast = pairs.contrasts(clean, groups)
        loss = [-clean[codes == code, code, 1].mean() if (codes == code).any() else np.nan
                for code in range(len(self.classes_))]  # fmt: skip
        fewest = min(len(np.unique(clusters[codes == code])) for code in np.unique(codes))
        return self._dataset(values, errors, contrast, loss).assign_attrs(degrees_of_freedom=max(fewest - 1, 1))

    def _store(self, dataset):
        self.effects_, self.standard_errors_ = dataset["value"].values, dataset["standard_error"].values
        self.loss_effects_, self.loss_standard_errors_ = (
            dataset[f"loss_{name}"].values for name in ("value", "standard_error")
        )
        self.contrast_, self.contrast_standard_errors_ = (
            dataset[f"contrast_{name}"].values for name in ("value", "standard_error")
        )

    def _trial_coords(self):
        return {"output": self.output_names_, self.by: self.units_}

    def _explain_trials(self, X):
        net = self._network()
        found = []
        for name in self.layers_:
            rest = self._rest(net, name)
            with single_thread():
                found.append([_evidence(rest, X[part], self._bank, self._cells[name])
                              for part in trial_blocks(len(X), net.rows(self.batch_size))])  # fmt: skip
        return np.concatenate([np.concatenate(parts) for parts in found], axis=2)

    # ------------------------------------------------------------------------------------------------------- helpers
    def _codes(self, y):
        """Place of each label among the classes, in the order of the outputs."""
        check_known(self.estimator_, self.classes_, y)
        return label_index(np.asarray(y), np.asarray(self.classes_))

    def _rest(self, net, name):
        """The network from a layer on, looked at on trials that do not depend on the order of all."""
        site = find_sites(net, [name], {key: n for key, n in (self.heads or {}).items() if key == name})[name]
        some = np.concatenate([bank[:2] for bank in self._bank])
        return Rest.of(net, site, some, response=net.check_response(self.response), batch_size=self.batch_size)

    def _scores(self, X, pairs):
        """Own output and log probability of trials with each donor's activations, of some units after the other."""
        net = self._network()
        parts = trial_blocks(len(X), net.rows(self.batch_size))
        for name in self.layers_:
            rest = self._rest(net, name)
            at_once = max(1, HELD // (pairs.donors.size * 16))
            known = rest.states_kept(X, HELD)
            for cells in trial_blocks(len(self._cells[name]), at_once):
                units = [Unit(_own_scores, (rest, X, known, part, pairs, self._cells[name][cells])) for part in parts]
                run = {"n_jobs": self.n_jobs, "verbose": self.verbose, "desc": f"patching {name}"}
                yield np.concatenate(list(run_units(units, **run)))

    def _clean(self, X):
        """Responses and logarithms of probabilities of the network as it is."""
        net = self._network()
        wanted = net.check_response(self.response), "logprob"
        return np.stack([net.outputs(X, response, self.batch_size) for response in wanted], axis=-1)

    def _dataset(self, values, errors, contrast, loss):
        response = self._network().check_response(self.response)
        dims, layer = ("output", self.by), [name for name in self.layers_ for _ in self._cells[name]]
        variables = {
            "loss_value": (dims, values[..., 1]),
            "loss_standard_error": (dims, errors[..., 1]),
            "clean_loss": (("output",), np.array(loss)),
        }
        for prefix, number in (("contrast_", 0), ("loss_contrast_", 1)):
            for name, both in zip(("value", "standard_error"), contrast, strict=True):
                variables[f"{prefix}{name}"] = (("output",), both[:, number])
        found = make_explanation(
            values[..., 0],
            dims,
            {"output": self.output_names_, self.by: self.units_},
            standard_error=errors[..., 0],
            variables=variables,
            method="activation patching",
            label=f"{response.replace('_', ' ')} lost",
            response=response,
            n_draws=int(self.n_draws),
        )
        return found if self.by == "layer" else found.assign_coords(layer=("unit", layer))


def _own_scores(rest, X, known, part, pairs, cells):
    """What trials of a block answer for their own class with activations of their donors."""
    codes, donors = pairs.codes[part], pairs.donors[part]
    rows, n_draws = np.arange(len(codes)), donors.shape[2]
    found = np.empty((len(codes), 2, n_draws, len(cells), 2))
    with inference(rest.net.module), torch.no_grad():
        x = rest.net.tensor(X[part])
        own = rest.states_of(X, part, known)
        for kind in range(2):
            for draw in range(n_draws):
                answers = rest.answers(x, own, rest.states_of(X, donors[:, kind, draw], known), cells)
                found[:, kind, draw] = answers[:, rows, codes].swapaxes(0, 1)
    return found


def _evidence(rest, X, banks, cells):
    """Outputs of trials, less their mean over activations of the trials of each class in the bank."""
    with inference(rest.net.module), torch.no_grad():
        x, own, total = rest.net.tensor(X), rest.states(X), 0.0
        clean = rest.told(rest.raw(x, own.clone()))[..., 0]
        for bank in banks:
            others = rest.states(bank)
            parts = [rest.answers(x, own, others[k : k + 1], cells)[..., 0] for k in range(len(bank))]
            total = total + sum(parts) / (len(bank) * len(banks))
    return clean[..., None] - np.moveaxis(total, 0, -1)
