"""How much of the information about the label a decoder takes from a cell."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._bits import make_judge
from eegexplain._explanation import make_explanation, order_by_content
from eegexplain._judge import UNITS, Judge
from eegexplain._meta import Explainer
from eegexplain._parallel import progress
from eegexplain._settings import Number
from eegexplain._validation import check_option, random_seed
from eegexplain.information._hybrids import Parts, exchange
from eegexplain.information._judging import (
    MOST_PLAYERS,
    coalition_values,
    information_alone,
    judged_scores,
    shapley,
    unique_information,
)
from eegexplain.information._partners import draw_partners
from eegexplain.information._spaces import check_disjoint, make_cells, needs_decoder
from eegexplain.information._testing import check_units, test_evidence

DECOMPOSITIONS = ("unique", "alone", "shapley")
N_REFERENCE = 32  # trials that new ones are crossed with
ADDITIVE = 0.1  # share of interactions above which cells do not add up


@dataclass(frozen=True, eq=False)
class Design:
    """Who is judged by whom, and crossed with whom.

    Parameters
    ----------
    judge : Judge
    partners : ndarray of int of shape (n_trials, n_partners)
    groups : ndarray of int of shape (n_trials,) or None
    rng : numpy.random.RandomState
    """

    judge: Judge
    partners: NDArray
    groups: NDArray | None
    rng: np.random.RandomState


@dataclass(frozen=True, eq=False)
class Reference:
    """Trials that new ones are crossed with, and the outputs of their hybrids with every cell averaged out.

    Parameters
    ----------
    X : ndarray of shape (n_reference, n_channels, n_times)
    rows : ndarray of shape (n_cells, n_reference, n_outputs)
    """

    X: NDArray
    rows: NDArray


class InformationMapper(Explainer):
    r"""Bits about the label that a decoder takes from each cell of the trials: a band, a window, a channel in a band.

    Every trial gets a cell of other trials, drawn without looking at labels; what the outputs of these hybrids lose is
    what the decoder took from there. It works for any classifier or regressor with continuous outputs, and a cell that
    is not used has exactly 0.

    Parameters
    ----------
    estimator : estimator or None
        Any decoder with ``decision_function``, ``predict_proba`` or, for numbers, ``predict``. None is a SyncNet.
    cells : {"bands", "bins", "windows"} or Basis, default="bands"
        Parts of time and frequency: bands, bins 2 Hz wide, windows, or the cells of any basis of `eegexplain.bases` but
        a spatial one. Cells of short-time and wavelet bases share moments, as neighboring windows do: one of them alone
        holds little that its neighbors do not show, too.
    space : None, str, dict, array or Spatial, default=None
        Places on the head, each in every part: None is all channels together.

        - "channels": what an electrode shows, wherever on the head it appears.
        - "innovation": what only an electrode shows, and no other can predict. In EEG of 19 channels this is almost
          nothing, whatever the decoder uses, and less with more of them.
        - "patterns": what each filter of a SyncNet sees, or of common spatial patterns in a Pipeline.
        - dict of names to lists of channels (names or numbers): groups of channels.
        - array of shape (n_components, n_channels), one filter per row as in ``components_`` of scikit-learn, or a dict
          of names to such blocks. A complex filter is what its real and its imaginary part see.
        - `eegexplain.bases.spatial(...)`: components, with the patterns that their decomposition gave them.
    bands : "eeg" or dict of str to (float, float), default="eeg"
        In Hz.
    windows : int or sequence of float, default=4
        Number of windows, or their edges in seconds.
    decomposition : {"unique", "alone", "shapley"}, default="unique"
        What is lost without a cell; what is known by it alone; its share in all coalitions of at most 9 cells and of
        what no cell holds, which add up to the total.
    n_partners : int, default=4
        Trials that each is crossed with.
    unit : {"bit", "nat"}, default="bit"
        Numbers instead of classes are in nats of a Gaussian.
    n_permutations : int, default=999
        Of the labels, for the p values.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
    batch_size : int, default=256
        Hybrids per forward pass.
    random_state : int, RandomState instance or None
        Draws partners, and parts that calibrate each other.
    verbose : int, default=0

    Attributes
    ----------
    information_, standard_errors_ : ndarray of shape (*cells)
        With errors over trials or groups, given this decoder.
    evidence_, evidence_errors_ : ndarray of shape (n_outputs, *cells)
        How much more a cell speaks for a class in its trials than in others, in nats of log odds: the sign, not the
        amount of information.
    p_values_ : ndarray of shape (*cells)
        Of the evidence, largest over all cells under permuted labels.
    total_, total_error_, total_p_ : float
        Information of the whole output and its gate: one-sided t over trials or groups. Where it is not below .05,
        no information is shown, whatever single cells say.
    slope_ : float
        Of the calibration of the whole output; 1 means that the head is underconfident and `total_` a lower bound.
    interaction_ : ndarray of shape (*cells)
        Share of the variance of the hybrids' outputs that trial and cell do not add up to.
    explanation_ : xarray.Dataset

    Notes
    -----
    Let ``z[n, m]`` be the output for trial n with the cell of trial m. The least-squares fit ``z = r[n] + c[m]`` gives
    the output with the cell averaged out, r, and what each trial's cell says, c. Information is the loss of r less that
    of whole trials, both calibrated on other trials with slopes in [0, 1]: usable information [1]_ of an output, on the
    logit scale of [2]_. For an ideal observer and cells that are independent given the label it is I(y; cell | rest).
    It may be negative: a cell that misleads the decoder loses information.

    Filters W are exchanged with the patterns that they have on all channels, ``A = C W (W' C W)^-1`` [3]_, where C is
    the covariance of the trials in the part, of all classes together: an electrode exchanged alone would make
    topographies that no head has. What filters see and what is left are then uncorrelated, and hybrids have the
    covariance of the trials; the covariance within a class they do not keep. A cell of filters holds all that is
    correlated with what they see, also from elsewhere: cells of one band overlap and do not add up.

    References
    ----------
    .. [1] Y. Xu, S. Zhao, J. Song, R. Stewart, S. Ermon, "A theory of usable information under computational
           constraints", ICLR (2020), doi:10.48550/arXiv.2002.10689.
    .. [2] I. Covert, S. Lundberg, S.-I. Lee, "Understanding global feature contributions with additive importance
           measures", NeurIPS (2020), doi:10.48550/arXiv.2004.00668.
    .. [3] S. Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
           NeuroImage 87 (2014), doi:10.1016/j.neuroimage.2013.10.067.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.information import InformationMapper
    >>> eeg = make_oscillatory_eeg(n_trials=200, snr=5, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq).fit(eeg.X[:120], eeg.y[:120])
    >>> mapper = InformationMapper(FrozenEstimator(net), sfreq=eeg.sfreq, random_state=0).fit(eeg.X[120:], eeg.y[120:])
    >>> dict(zip(mapper.explanation_["band"].values, mapper.information_.round(1)))
    """

    _trial_label = "evidence (nats of log odds)"
    _numbers = {"n_partners": Number(least=3, whole=True), "n_permutations": Number(least=19, whole=True)}

    def __init__(
        self,
        estimator: Any = None,
        *,
        cells: Any = "bands",
        space: Any = None,
        bands: str | dict = "eeg",
        windows: int | Sequence[float] = 4,
        decomposition: str = "unique",
        n_partners: int = 4,
        unit: str = "bit",
        n_permutations: int = 999,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int = 256,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cells = cells
        self.space = space
        self.bands = bands
        self.windows = windows
        self.decomposition = decomposition
        self.n_partners = n_partners
        self.unit = unit
        self.n_permutations = n_permutations
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    # ----------------------------------------------------------------- fit
    def _prepare(self, X, y):
        check_option("decomposition", self.decomposition, DECOMPOSITIONS)
        check_option("unit", self.unit, tuple(UNITS))
        self._seed = random_seed(self.random_state)
        self.cells_ = None if needs_decoder(self.space) else self._make_cells(X)

    def _make_cells(self, X):
        axes = {"bands": self.bands, "windows": self.windows, "sfreq": self.sfreq_, "ch_names": self.ch_names_}
        cells = make_cells(self.cells, self.space, X=X, estimator=getattr(self, "estimator_", None), **axes)
        if self.decomposition == "shapley":
            self._check_players(cells)
        return cells

    def _check_players(self, own):
        """Players of a game must not overlap, and not be too many."""
        check_disjoint(own)
        if len(own.cells) >= MOST_PLAYERS:
            raise ValueError(
                f"{len(own.cells)} cells and what none of them holds have {2 ** (len(own.cells) + 1)} coalitions: "
                f"Shapley values are computed for at most {MOST_PLAYERS - 1} cells. Use fewer, wider ones."
            )

    def _explain_training(self, X, y, groups):
        if type(self.estimator).__name__ != "FrozenEstimator":
            warnings.warn(
                "These trials have trained the network: what it seems to know about them is too much. Use "
                "cross_validate_explanations, or explain_population of trials that it did not see.",
                stacklevel=3,
            )
        if self.cells_ is None:
            self.cells_ = self._make_cells(X)
        dataset, self._reference = self._measured(X, y, groups)
        return dataset

    # ------------------------------------------------------------- explain
    def _ask(self):
        """The outputs that are explained, as a function of trials."""
        net = self._outputs()
        response = net.check_response("auto")
        return lambda X: net.outputs(X, response, self.batch_size)

    def _explain_population(self, X, y, groups):
        if y is None:
            raise ValueError("Information is about labels: give y.")
        return self._measured(X, y, groups)[0]

    def _measured(self, X, y, groups):
        """The explanation, and trials with which new ones may be crossed."""
        order = order_by_content(X)  # nothing may depend on where a trial stands, or on what a group is called
        y = np.asarray(y)[order]
        groups = None if groups is None else _renamed(np.asarray(groups)[order])
        ask, parts = self._ask(), Parts(X, order)
        whole = ask(X)[order]
        design = self._design(y, groups, whole)
        found = [
            unique_information(design.judge, whole, exchange(ask, parts, design.partners, [cell]))
            for cell in progress(self.cells_.cells, self.verbose, "information")
        ]
        rows = np.stack([one.effects.rows[:N_REFERENCE] for one in found])
        reference = Reference(np.asarray(X[order[:N_REFERENCE]]), rows)
        values, errors, coords = self._decomposed(design, ask, parts, whole, found)
        return self._dataset(design, whole, found, values, errors, coords), reference

    def _design(self, y, groups, whole):
        """Who is judged and crossed with whom."""
        check_units(y, groups, hasattr(self, "classes_"))
        kind = "logits" if hasattr(self, "classes_") else "predictions"
        scores = whole if kind == "logits" else whole[:, 0]
        settings = {"groups": groups, "kind": kind, "unit": self.unit, "random_state": self._seed}
        judge, _ = make_judge(y, scores, **settings)
        rng = np.random.RandomState(self._seed)
        blocks = np.arange(len(y)) if groups is None else groups
        return Design(judge, draw_partners(blocks, self.n_partners, rng), groups, rng)

    def _decomposed(self, design, ask, parts, whole, found):
        """Values and errors of the decomposition that is wanted, and their axes."""
        judge, cells, coords = design.judge, self.cells_.cells, self.cells_.coords
        if self.decomposition == "unique":
            return [one.information for one in found], [one.standard_error for one in found], coords
        if self.decomposition == "alone":
            rests = [exchange(ask, parts, design.partners, [cell], alone=True) for cell in cells]
            values, errors = zip(*(information_alone(judge, one) for one in rests), strict=True)
            return values, errors, coords
        known = coalition_values(judge, ask, parts, design.partners, cells, whole)
        shares = shapley(known, len(cells) + 1)
        ((axis, names),) = coords.items()
        return shares.mean(axis=1), [judge.error(one) for one in shares], {axis: [*names, "outside"]}


    def _dataset(self, design, whole, found, values, errors, coords):
        """All numbers with names."""
        shape, judge = tuple(len(one) for one in coords.values()), design.judge
        own = self.cells_
        total = judge.information(judged_scores(judge, whole))
        columns = np.stack([one.effects.columns for one in found])
        tested = test_evidence(columns, judge, design.groups, self.n_permutations, design.rng)
        outputs = self.output_names_
        facts = {
            "method": "information",
            "unit": self.unit,
            "decomposition": self.decomposition,
            "label": f"information ({self.unit}s)",
            "total": total.value,
            "total_error": total.standard_error,
            "total_p": total.p_value,
            "slope": total.slope,
            "entropy": total.baseline,
            "degrees_of_freedom": judge.degrees_of_freedom,
        }
        dataset = make_explanation(
            np.reshape(values, shape), tuple(coords), coords, standard_error=np.reshape(errors, shape), **facts
        )
        import xarray as xr

        cells, dims = own.shape, tuple(own.coords)
        named = {
            "evidence_value": (("output", *dims), tested.evidence.T.reshape(len(outputs), *cells)),
            "evidence_standard_error": (("output", *dims), tested.errors.T.reshape(len(outputs), *cells)),
            "corrected_p": (dims, tested.p_values.reshape(cells)),
            "interaction": (dims, np.reshape([one.effects.interaction for one in found], cells)),
        }
        coordinates = {"output": outputs, **own.coords, **own.beside}
        inner = xr.Dataset(named, coordinates)
        return dataset.merge(inner) if self.decomposition != "shapley" else dataset.merge(inner, join="left")

    # -------------------------------------------------------- single trials
    def _trial_coords(self):
        outputs = self.output_names_
        return {**({"output": outputs} if len(outputs) > 1 else {}), **self.cells_.coords}

    def _explain_trials(self, X):
        """What the cells of new trials add to the outputs of stored ones, for each output."""
        reference, ask = self._reference, self._ask()
        own, cells = np.asarray(X), self.cells_.cells
        found = np.empty((len(X), len(cells), reference.rows.shape[2]))
        whom = (np.arange(len(X))[:, None] + np.arange(self.n_partners)) % len(reference.X)
        for number, cell in enumerate(cells):
            for start in range(0, len(X), self.batch_size):
                part = slice(start, start + self.batch_size)
                others = whom[part]
                stored = reference.X[others]
                moved = cell.of(own[part])[:, None] - cell.of(reference.X)[others]
                hybrids = (stored + moved).reshape(-1, *own.shape[1:]).astype(own.dtype, copy=False)
                outputs = ask(hybrids).reshape(*others.shape, -1)
                found[part, number] = (outputs - reference.rows[number][others]).mean(axis=1)
        found = np.moveaxis(found, 2, 1)
        found = found[:, 0] if found.shape[1] == 1 else found
        return found.reshape(len(X), *(len(one) for one in self._trial_coords().values()))

    def _store(self, dataset):
        attrs = dataset.attrs
        self.information_, self.standard_errors_ = dataset["value"].values, dataset["standard_error"].values
        self.evidence_ = dataset["evidence_value"].values
        self.evidence_errors_ = dataset["evidence_standard_error"].values
        self.p_values_, self.interaction_ = dataset["corrected_p"].values, dataset["interaction"].values
        self.total_, self.total_error_, self.total_p_ = (attrs[name] for name in ("total", "total_error", "total_p"))
        self.slope_ = attrs["slope"]


def _renamed(groups):
    """Codes of groups by where they first occur: their names do not matter."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]
