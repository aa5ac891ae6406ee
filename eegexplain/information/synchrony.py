"""How much of the information about the label a decoder takes from phase relations between channels."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eegexplain._bands import band_masks, frozen_bins
from eegexplain._explanation import order_by_content
from eegexplain._judge import UNITS
from eegexplain._settings import Number
from eegexplain._validation import EEG_BANDS, check_bands, check_option, random_seed
from eegexplain.information._asked import ask
from eegexplain.information._coordinates import (
    Coordinates,
    covariances,
    filter_coordinates,
    principal_coordinates,
    same_units,
)
from eegexplain.information._explainer import InformationExplainer
from eegexplain.information._question import Judged, Question
from eegexplain.information._rotations import (
    Rotations,
    Turned,
    draw_rotations,
    n_rotations_for,
    relations,
)
from eegexplain.information._spaces import SPACES, find_space, needs_decoder
from eegexplain.information._summary import describe
from eegexplain.information._synchrony import Settings, measure
from eegexplain.information._table import Axes, tabulate

PRINCIPAL = "principal"
N_PROBED = 64  # trials by which the outputs are tried
SINGLE_PRECISION = 1e-9  # outputs that are rounded more than this come from single precision


class SynchronyMapper(InformationExplainer):
    r"""Bits about the label that a decoder takes from the phase relation of each pair of channels, or components.

    The phases of every channel in a band are turned, each channel's by an angle of its own, which leaves all power and
    all waveforms as they are and breaks their relations; how the output changes with the difference of two angles says
    what it owes to the relation of these two. It works for any classifier or regressor with continuous outputs.

    Parameters
    ----------
    estimator : estimator or None
        Any decoder with ``decision_function``, ``predict_proba`` or, for numbers, ``predict``. None is a SyncNet.
    bands : "eeg" or dict of str to (float, float), default="eeg"
        In Hz; phases are turned in one band at a time.
    space : str, dict, array or Spatial, default="principal"
        Whose phases are turned. "principal" are the strongest principal components of the trials in the band, found
        without labels. All others are those of `InformationMapper`: "channels", after which trials are brought back
        into the space that the data fill (the same reference again); a dict of groups of channels, each turned as a
        whole; filters, one per row, or those of common spatial patterns ("patterns"), which must see different things.
        What they leave over is turned as one more unit, "rest".
    n_components : int, default=8
        Of "principal", and of the second control, at most.
    n_rotations : int or "auto", default="auto"
        Three for each coefficient: ``3 (1 + 2 n_pairs)``. Fewer shrink all values by a ridge.
    unit : {"bit", "nat"}, default="bit"
        Numbers instead of classes are in nats of a Gaussian.
    n_permutations : int, default=999
        Of the labels, for the p values.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
    batch_size : int, optional
        Rotated trials per pass of the decoder; None takes what is fastest for the sizes of trial and network (1 to
        256).
    random_state : int, RandomState instance or None
        Draws angles, and parts that calibrate each other.
    n_jobs : int, optional
        Blocks of trials worked on at a time; results do not depend on it.
    verbose : int, default=0

    Attributes
    ----------
    information_, standard_errors_ : ndarray of shape (n_bands, n_units, n_units)
        Lost without the relation of a pair; symmetric, 0 on the diagonal, with errors over trials or groups, given this
        decoder.
    evidence_, evidence_errors_ : ndarray of shape (n_outputs, n_bands, n_units, n_units)
        How much more a relation speaks for a class in its trials than in others, in nats of log odds.
    p_values_ : ndarray of shape (n_bands, n_units, n_units)
        Of the evidence, largest over all pairs and bands under permuted labels.
    relations_, relations_errors_, relations_p_ : ndarray of shape (n_bands,)
        Information of all relations in a band together, with a one-sided t test. Pairs are shown where it, and that of
        the total, is below .05.
    total_, total_error_, total_p_ : float
        Information of the whole output, and its gate: where its p value is not below .05, no information is shown.
    slope_ : float
        Of the calibration of the whole output; 1 means that the head is underconfident and `total_` a lower bound.
    reversal_, reversal_errors_, reversal_z_ : ndarray of shape (n_bands,)
        First control: information lost when time runs backwards in the band. Power and coupling in phase stay as they
        are, lags change their sign.
    diagonal_, diagonal_errors_, diagonal_p_ : ndarray of shape (n_bands,)
        Second control: information of all relations between components that have no covariance in any class, so
        that only lags relate them. Each half of the trials has components from labels of the other.
    diagonal_evidence_ : ndarray of shape (n_outputs, n_bands, n_diagonal, n_diagonal)
    diagonal_p_values_ : ndarray of shape (n_bands, n_diagonal, n_diagonal)
        Of pairs of these components, the same test.
    interaction_ : ndarray of shape (n_bands,)
        Share of the variance over rotations that pairs do not add up to.
    coordinates_ : list of Coordinates
        Filters and patterns of each band.
    explanation_ : xarray.Dataset

    Notes
    -----
    With angles :math:`\theta` for all units, the output of a trial is fitted by least squares [1]_,

    .. math:: z(\theta) = u_0 + \sum_{i<j} u_{ij} \cos(\theta_i - \theta_j) + v_{ij} \sin(\theta_i - \theta_j),

    with the same angles for all trials, so that one pseudo-inverse serves them all. As the trial itself has the angles
    0, :math:`u_{ij}` is what the relation of i and j, as it is in this trial, adds to its output, and :math:`u_0` the
    output with all relations averaged out. Information is the loss of :math:`z - u_{ij}` (of :math:`u_0`) less that of
    z, both calibrated on other trials: usable information [2]_, see `InformationMapper`.

    **What no test tells.** In-phase synchrony of two places and one source seen twice have the same second-order
    statistics; no test on the scalp tells them apart. A decoder that reads the power of one source combines channels
    coherently, and the map of pairs shows it. Lags are another matter: volume conduction makes none. Where time
    reversal costs information and components without covariance keep relations, lagged synchrony is the message
    (decoders of single moments lose by reversal, too); where neither is so, the pairs show how channels are combined.

    Components are found in the trials of `fit`, without labels; those of different data are not the same. For averages
    over folds give filters, or channels.

    References
    ----------
    .. [1] W. Hoeffding, "A class of statistics with asymptotically normal distribution", Annals of Mathematical
           Statistics 19 (1948), doi:10.1214/aoms/1177730196: the terms of second order.
    .. [2] Y. Xu, S. Zhao, J. Song, R. Stewart, S. Ermon, "A theory of usable information under computational
           constraints", ICLR (2020), doi:10.48550/arXiv.2002.10689.
    .. [3] S. Haufe, V. V. Nikulin, K.-R. Mueller, G. Nolte, "A critical assessment of connectivity measures for EEG
           data: a simulation study", NeuroImage 64 (2013), doi:10.1016/j.neuroimage.2012.09.036: time reversal.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.datasets import make_synchrony_eeg
    >>> from eegexplain.information import SynchronyMapper
    >>> eeg = make_synchrony_eeg(300, n_channels=4, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[:200], eeg.y[:200])
    >>> mapper = SynchronyMapper(FrozenEstimator(net), bands={"alpha": (8, 12)}, space="channels", random_state=0)
    >>> mapper = mapper.fit(eeg.X[200:], eeg.y[200:])
    >>> bool(mapper.relations_p_[0] < 0.001), bool(mapper.reversal_z_[0] > 3)
    (True, True)
    """

    _trial_label = "evidence of phase relations (nats of log odds)"
    _numbers = {
        "n_components": Number(least=1, whole=True),
        "n_rotations": Number(least=3, whole=True, other=("auto",)),
        "n_permutations": Number(least=19, whole=True),
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        bands: str | dict = "eeg",
        space: Any = "principal",
        n_components: int = 8,
        n_rotations: int | str = "auto",
        unit: str = "bit",
        n_permutations: int = 999,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.bands = bands
        self.space = space
        self.n_components = n_components
        self.n_rotations = n_rotations
        self.unit = unit
        self.n_permutations = n_permutations
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # ----------------------------------------------------------------- fit
    def _prepare(self, X, y):
        check_option("unit", self.unit, tuple(UNITS))
        self._probe = np.array(X[order_by_content(X)[:N_PROBED]], dtype=float)
        self._seed = random_seed(self.random_state)
        self._bins = _phased_bins(self.bands, self.sfreq_, X.shape[2])
        self.coordinates_ = None
        if not needs_decoder(self.space):
            self._place(X)

    def _place(self, X):
        """Find coordinates in each band, and draw angles."""
        order, weights = order_by_content(X), np.full((1, len(X)), 1 / len(X))
        self._unit_dim, make = self._coordinate_maker()
        self.coordinates_ = same_units(
            [make(covariances(X, order, bins, weights)[0]) for bins in self._bins.values()]
        )
        self._rotations = self._draw(len(self._unit_names))
        if len(self._unit_names) < 2:
            warnings.warn("One channel (or component) has no phase relations: there is nothing to map.", stacklevel=4)

    def _coordinate_maker(self):
        """Axis of the units, and how those of a band come from its covariance."""
        if isinstance(self.space, str) and self.space == PRINCIPAL:  # those of these data mean nothing in others
            return "unit", lambda C: principal_coordinates(self.n_components, C)
        if isinstance(self.space, str):
            check_option("space", self.space, (PRINCIPAL, *SPACES))
        places = find_space(self.space, self.ch_names_, getattr(self, "estimator_", None))
        names = [str(name) for name in places.values]
        return places.dim, lambda C: filter_coordinates(names, [pair.filters for pair in places.pairs(C)], C)

    def _draw(self, n_units) -> Rotations:
        """Angles, of which the first are the same however many units there are."""
        wanted = n_rotations_for(n_units)
        number = wanted if self.n_rotations == "auto" else int(self.n_rotations)
        if number < wanted and n_units > 1:
            warnings.warn(
                f"{number} rotations for {n_units * (n_units - 1) // 2} pairs: least squares take at least {wanted}. A "
                "ridge shrinks all values, weak ones as much as strong ones.",
                stacklevel=5,
            )
        return draw_rotations(n_units, number, np.random.RandomState(self._seed))

    def _explain_training(self, X, y, groups):
        self._warn_of_training()
        if self.coordinates_ is None:
            self._place(X)
        return self._explain_population(X, y, groups)

    # ------------------------------------------------------------- explain
    @property
    def _unit_names(self):
        return self.coordinates_[0].names

    def _question(self, X, order):
        net = self._outputs()
        single = net.eps > SINGLE_PRECISION
        return Question(ask(net, X), X, order, net.rows(self.batch_size), np.float32 if single else np.float64)

    def _explain_population(self, X, y, groups):
        held = self._held_out(X, y, groups)
        question = self._question(X, held.order)
        whole = question.outputs()
        trials = Judged(question, whole, self._judge(held, whole), held.testable)
        bands = list(zip(self._bins.values(), self.coordinates_, strict=True))
        asked = self._rotations, self.n_components, self.n_permutations, self._seed
        settings = Settings(*asked, n_jobs=self.n_jobs, verbose=self.verbose)
        patterns = np.array([_unit_patterns(one) for one in self.coordinates_])
        axes = Axes(self._unit_dim, self._unit_names, list(self._bins), self.output_names_, self.ch_names_, patterns)
        dataset = tabulate(trials, measure(trials, bands, settings), axes)
        return dataset.assign_attrs(n_rotations=len(self._rotations.angles), ridge=self._rotations.ridge)

    def summary(self) -> str:
        """Say in words what was found: the gate, each band with its strongest pair, both controls, and what they leave.

        Returns
        -------
        str
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "explanation_")
        return describe(self.explanation_)

    # -------------------------------------------------------- single trials
    def _trial_coords(self):
        outputs, names = self.output_names_, self._unit_names
        pairs = [f"{names[i]}~{names[j]}" for i, j in self._rotations.pairs]
        return {**({"output": outputs} if len(outputs) > 1 else {}), "band": list(self._bins), "pair": pairs}

    def _explain_trials(self, X):
        """What each relation adds to the outputs of new trials."""
        lengths = [len(one) for one in self._trial_coords().values()]
        if not len(self._rotations.pairs):
            return np.zeros((len(X), *lengths))
        question = replace(self._question(self._probe, np.arange(len(X))), X=X)
        turned = [
            Turned(question, bins, own) for bins, own in zip(self._bins.values(), self.coordinates_, strict=True)
        ]
        found = relations(turned, self._rotations, n_jobs=self.n_jobs)
        return np.stack([one.values for one in found], axis=1).transpose(0, 3, 1, 2).reshape(len(X), *lengths)

    def _store(self, dataset):
        super()._store(dataset)
        for name in ("relations", "reversal", "diagonal"):
            setattr(self, f"{name}_", dataset[f"{name}_value"].values)
            setattr(self, f"{name}_errors_", dataset[f"{name}_standard_error"].values)
        self.relations_p_, self.diagonal_p_ = dataset["relations_p"].values, dataset["diagonal_p"].values
        self.reversal_z_ = dataset["reversal_z"].values
        self.diagonal_evidence_ = dataset["diagonal_evidence"].values
        self.diagonal_p_values_ = dataset["diagonal_corrected_p"].values


def _phased_bins(bands, sfreq, n_times):
    """Bins of each band that have a phase; where trials are too short for any of the preset, all of them as one."""
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    phased, preset = ~frozen_bins(n_times), isinstance(bands, str) and bands == "eeg"
    if preset and not (band_masks(frequencies, EEG_BANDS) & phased).any():
        warnings.warn(
            f"Trials of {n_times} samples at {sfreq:g} Hz resolve {sfreq / n_times:g} Hz: all frequencies are one "
            "band.",
            stacklevel=5,
        )
        return {"all": phased}
    named = check_bands(bands, sfreq, n_times)
    masks = dict(zip(named, band_masks(frequencies, named) & phased, strict=True))
    silent = [name for name, mask in masks.items() if not mask.any()]
    told = f"trials of {n_times} samples at {sfreq:g} Hz have phases every {sfreq / n_times:g} Hz, but none at 0 and "
    if silent and preset:
        warnings.warn(f"{', '.join(silent)} left out: {told}{sfreq / 2:g} Hz.", stacklevel=5)
    elif silent:
        raise ValueError(
            f"Band {silent[0]!r} holds no bin with a phase: {told}{sfreq / 2:g} Hz. Widen it, or use longer trials."
        )
    return {name: mask for name, mask in masks.items() if mask.any()}


def _unit_patterns(coordinates: Coordinates):
    """Patterns of units; NaN for those that have several, as what is left, or none."""
    patterns = np.full((len(coordinates.patterns), len(coordinates.names)), np.nan)
    for place in range(len(coordinates.names)):
        own = coordinates.unit == place
        if own.sum() == 1:
            patterns[:, place] = coordinates.patterns[:, own][:, 0]
    return patterns
