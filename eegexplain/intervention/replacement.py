"""What a network answers while units of its layers are replaced."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from eegexplain._explanation import order_by_content
from eegexplain._module import inference
from eegexplain._nets import frozen
from eegexplain._parallel import single_thread, trial_blocks
from eegexplain._torch import TorchNet
from eegexplain._validation import as_trials, check_array_like, check_option, lookup, positive_int
from eegexplain.intervention._donors import draw_others
from eegexplain.intervention._sites import Site, find_sites, hooked, states


def intervene(
    estimator: Any,
    X: ArrayLike,
    replace: Mapping[str, Mapping[str, Any]],
    *,
    response: str = "auto",
    reference: ArrayLike | None = None,
    batch_size: int | None = None,
    random_state: Any = None,
) -> NDArray:
    """Ask a network for its outputs while units of its layers are replaced.

    The rest of the network runs as it is, so that the change of its outputs is what these units cause [1]_ [2]_.

    Parameters
    ----------
    estimator : fitted SyncNetClassifier, skorch net, braindecode classifier, ensemble of networks or torch module
        The network. It is left as it was found, also after an error: weights, hooks, training mode.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        Trials.
    replace : dict of str to dict
        For each layer (a name as in ``module.named_modules()``; ``"lstm[0]"`` of what returns several, ``"seen@2"``
        where the axis of units must be said; of an ensemble with ``members.0.`` and so on before it)
        ``"with"``, what takes the place of its units' outputs:

        - "zeros";
        - "mean": the mean over the reference trials, at each position;
        - "resample": those of another trial, the same for all layers, each reference trial about equally often;
        - other trials, one for each of `X`, or one for all: the units do what they would do on these.

        ``"units"``, whole numbers, says which; without it, all. ``"heads": n`` says that n heads enter this layer side
        by side (it is the projection behind them): units are then these heads.
    response : str
        "logit", "centered_logit", "logprob", "prob", "margin"; for regressors "output". "auto" is "centered_logit" or
        "output".
    reference : array-like of shape (n_reference, n_channels, n_times) or (n_reference, n_times), optional
        Trials that means and samples are taken from; None takes `X`, of which no trial gets itself.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).
    random_state : int, RandomState instance or None
        Of "resample".

    Returns
    -------
    outputs : ndarray of shape (n_trials, n_outputs)
        In float64, one column per class, also of two.

    Raises
    ------
    TypeError
        If the estimator holds no torch network.
    ValueError
        For unknown layers, units and words, layers that do not run exactly once in a forward pass, and trials of other
        shapes or with NaN.

    Notes
    -----
    Zeros and means are states that the network may never be in, and what it does there need not tell what it does
    elsewhere; states of other trials are real ones [3]_. A unit whose work others do as well changes nothing when it is
    replaced alone: name them together.

    References
    ----------
    .. [1] J. Vig et al., "Investigating gender bias in language models using causal mediation analysis", Advances in
           Neural Information Processing Systems 33 (2020), doi:10.48550/arXiv.2004.12265.
    .. [2] A. Geiger, H. Lu, T. Icard, C. Potts, "Causal abstractions of neural networks", Advances in Neural
           Information Processing Systems 34 (2021), doi:10.48550/arXiv.2106.02997.
    .. [3] S. Heimersheim, N. Nanda, "How to use and interpret activation patching" (2024),
           doi:10.48550/arXiv.2404.15255.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetClassifier, intervene
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=60, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X, eeg.y)
    >>> whole = intervene(net, eeg.X, {})
    >>> without = intervene(net, eeg.X, {"conv_out": {"units": [0, 1], "with": "mean"}})
    >>> whole.shape == without.shape and np.abs(whole - without).max() > 0
    True
    """
    trials = as_trials(check_array_like("X", X, ndim=(2, 3)))
    if batch_size is not None:
        positive_int("batch_size", batch_size)
    net = TorchNet(frozen(estimator), trials.shape[1:])
    response = net.check_response(response)
    base = trials if reference is None else _trials("reference", reference, trials)
    run = _Run(net, trials, base, net.rows(batch_size), check_random_state(random_state))
    patches, found = _patches(run, replace), []
    for part in trial_blocks(len(trials), run.rows):
        with single_thread(), inference(net.module), torch.no_grad():
            changes = {patch.site: partial(_replaced, patch, patch.states(part)) for patch in patches}
            with hooked(net, changes):
                found.append(net.respond(net.tensor(trials[part]), response).double().cpu().numpy())
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class _Run:
    """A network, its trials, and those that means and samples are taken from."""

    net: TorchNet
    trials: NDArray
    base: NDArray
    rows: int
    rng: np.random.RandomState

    def states(self, site, trials):
        """What passes a site."""
        return states(self.net, self.net.tensor(trials), [site])[site]

    @cached_property
    def sampled(self):
        """Which reference trial each trial gets, by what trials hold: for all layers alike."""
        order, others = order_by_content(self.trials), order_by_content(self.base)
        if self.base is self.trials:
            drawn = draw_others(len(order), self.rng)
        else:
            drawn = np.resize(self.rng.permutation(len(others)), len(order))
        return others[drawn[np.argsort(order)]]


def _zeros(run, site):
    return lambda part: torch.zeros(1, *site.shape)


def _mean(run, site):
    total = 0.0
    with single_thread(), inference(run.net.module), torch.no_grad():
        for part in trial_blocks(len(run.base), run.rows):
            total = total + run.states(site, run.base[part]).double().sum(0, keepdim=True)
    return lambda part: total / len(run.base)


def _resample(run, site):
    return lambda part: run.states(site, run.base[run.sampled[part]])


SOURCES = {"zeros": _zeros, "mean": _mean, "resample": _resample}


@dataclass(frozen=True, eq=False)
class _Patch:
    """Units, and a function that gives the states they are replaced by for a slice of the trials."""

    site: Site
    units: NDArray
    states: Callable[[slice], torch.Tensor]


def _replaced(patch, other, state):
    return patch.site.replaced(state, patch.units, other)


def _patches(run, replace):
    """What is replaced, checked."""
    wanted = 'replace must be {"layer": {"units": [...], "with": "zeros", "mean", "resample" or trials}}'
    if not isinstance(replace, Mapping) or not all(isinstance(one, Mapping) for one in replace.values()):
        raise ValueError(f"{wanted}, got {replace!r}.")
    for asked in replace.values():
        for key in asked:
            check_option("a key of replace", key, ("units", "with", "heads"))
        if "with" not in asked:
            raise ValueError(f'{wanted}: "with" is missing in {dict(asked)!r}.')
    heads = {name: positive_int("heads", asked["heads"]) for name, asked in replace.items() if "heads" in asked}
    sites = find_sites(run.net, list(replace), heads, tell=True)
    return [_Patch(site, site.check_units(replace[name].get("units")), _source(run, site, replace[name]["with"]))
            for name, site in sites.items()]  # fmt: skip


def _source(run, site, given):
    name = f"replace[{site.layer!r}]['with']"
    if isinstance(given, str):
        return lookup(SOURCES, given, name)(run, site)
    given = _trials(name, given, run.trials)
    if len(given) not in (1, len(run.trials)):
        raise ValueError(
            f"{name} holds {len(given)} trials for {len(run.trials)} of X: give one for each, or one for all."
        )
    return lambda part: run.states(site, given if len(given) == 1 else given[part])


def _trials(name, given, trials):
    """Trials beside others, of the same shape."""
    given = as_trials(check_array_like(name, given, ndim=(2, 3)))
    if given.shape[1:] != trials.shape[1:]:
        raise ValueError(f"{name} holds trials of shape {given.shape[1:]}, but those of X have {trials.shape[1:]}.")
    return given
