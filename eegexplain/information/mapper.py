"""How much of the information about the label a decoder takes from a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import UNITS
from eegexplain._settings import AT_LEAST_ONE, Number
from eegexplain._validation import check_option, random_seed
from eegexplain.information._asked import ask
from eegexplain.information._explainer import InformationExplainer
from eegexplain.information._hybrids import Parts
from eegexplain.information._measured import Trials, decompose, lost_without, tabulate, warn_of_interactions
from eegexplain.information._overlap import as_players
from eegexplain.information._partners import draw_partners
from eegexplain.information._spaces import make_cells, needs_decoder
from eegexplain.information._testing import LEAST_PARTNERS, evidence_test

DECOMPOSITIONS = ("unique", "alone", "shapley")
N_REFERENCE = 8  # trials that each new one is crossed with


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


class InformationMapper(InformationExplainer):
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
    space : None, str, dict, array, SourceSpace or Spatial, default=None
        Places on the head, each in every part: None is all channels together.

        - "channels": what an electrode shows, wherever on the head it appears.
        - "innovation": what only an electrode shows, and no other can predict. No map of sources: in simulated EEG of
          19 channels it held between next to nothing and two thirds of what electrodes show, at electrodes that had
          little to do with the sources (average precision .5 against .98); with more channels less is left.
        - "patterns": what each filter of a SyncNet sees, or of common spatial patterns in a Pipeline.
        - dict of names to lists of channels (names or numbers): groups of channels.
        - array of shape (n_components, n_channels), one filter per row as in ``components_`` of scikit-learn, or a dict
          of names to such blocks. A complex filter is what its real and its imaginary part see.
        - `SourceSpace`: places in the brain, each seen by a beamformer; "sources" is `SourceSpace.spherical` of the
          trials' channels, which must have names of the 10-05 system.
        - `eegexplain.bases.spatial(...)`: components, with the patterns that their decomposition gave them.
    bands : "eeg" or dict of str to (float, float), default="eeg"
        In Hz.
    windows : int or sequence of float, default=4
        Number of windows, or their edges in seconds.
    decomposition : {"unique", "alone", "shapley"}, default="unique"
        What is lost without a cell; what is known by it alone; its share in all coalitions of cells and of what no
        cell holds, which add up to the total; beyond 9 cells in random orders, with an error.
    n_partners : int, default=4
        Trials that each is crossed with.
    unit : {"bit", "nat"}, default="bit"
        Numbers instead of classes are in nats of a Gaussian.
    n_permutations : int, default=999
        Of the labels, for the p values.
    n_orders : int, default=32
        In which more than 9 cells join for their Shapley values; an even number.
    sfreq : float, optional
        Sampling frequency in Hz.
    ch_names : list of str, optional
    random_state : int, RandomState instance or None
        Draws partners, and parts that calibrate each other.
    n_jobs : int, optional
        Units of up to eight cells (or coalitions) worked on at a time; results do not depend on it.
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
        Information of the whole output and its gate: one-sided t over trials or groups. Where p is above .05, or the
        total below .001, no information is shown, whatever single cells say.
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
    _fewest_groups = 3  # whose trials can all be compared, where none is crossed with its own group
    _numbers = {
        "n_partners": Number(least=LEAST_PARTNERS, whole=True),
        "n_permutations": Number(least=19, whole=True),
        "n_orders": Number(least=4, whole=True),
    }

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
        n_orders: int = 32,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
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
        self.n_orders = n_orders
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # ----------------------------------------------------------------- fit
    def _prepare(self, X, y):
        check_option("decomposition", self.decomposition, DECOMPOSITIONS)
        check_option("unit", self.unit, tuple(UNITS))
        if np.ndim(self.windows) == 0:
            AT_LEAST_ONE.check("windows", self.windows)
        self._seed = random_seed(self.random_state)
        self.cells_ = None if needs_decoder(self.space) else self._make_cells(X)

    def _make_cells(self, X):
        axes = {"bands": self.bands, "windows": self.windows, "sfreq": self.sfreq_, "ch_names": self.ch_names_}
        cells = make_cells(self.cells, self.space, X=X, estimator=getattr(self, "estimator_", None), **axes)
        if self.decomposition == "shapley":
            cells = as_players(cells)
        return cells

    def _explain_training(self, X, y, groups):
        self._warn_of_training()
        if self.cells_ is None:
            self.cells_ = self._make_cells(X)
        dataset, self._reference = self._measured(X, y, groups)
        return dataset

    # ------------------------------------------------------------- explain
    def _explain_population(self, X, y, groups):
        return self._measured(X, y, groups)[0]

    def _measured(self, X, y, groups):
        """The table, and trials with which new ones may be crossed."""
        held, rng = self._held_out(X, y, groups), np.random.RandomState(self._seed)
        parts = Parts(X, held.order, ask(self._outputs(), X))
        whole = parts.whole()
        judge = self._judge(held, whole)
        blocks = np.arange(len(X)) if held.groups is None else held.groups
        trials = Trials(judge, parts, draw_partners(blocks, self.n_partners, rng), whole, held.testable)
        run = {"n_jobs": self.n_jobs, "verbose": self.verbose}
        lost = lost_without(trials, self.cells_, **run)
        tested = evidence_test(lost.effects.columns, judge, held.groups, self.n_permutations, rng)
        decomposed = decompose(trials, self.cells_, lost, self.decomposition, self.n_orders, rng, **run)
        dataset = tabulate(trials, self.cells_, lost, decomposed, tested, self.output_names_)
        warn_of_interactions(dataset)
        return dataset, Reference(np.asarray(X[held.order[:N_REFERENCE]]), lost.effects.rows[:, :N_REFERENCE])

    # -------------------------------------------------------- single trials
    def _trial_coords(self):
        outputs = self.output_names_
        return {**({"output": outputs} if len(outputs) > 1 else {}), **self.cells_.coords}

    def _explain_trials(self, X):
        """What the cells of new trials add to the outputs of stored ones, for each output."""
        reference, asked, n_new = self._reference, ask(self._outputs(), self._reference.X), len(X)
        n_stored, cells = len(reference.X), self.cells_.cells
        own = np.arange(n_stored)
        stored, parts = Parts(reference.X, own, asked), Parts(X, np.arange(n_new), asked)
        found = np.empty((n_new, len(cells), reference.rows.shape[2]))
        for number, cell in enumerate(cells):
            bare = stored.of(None, own) - stored.of(cell, own)
            for start in range(0, n_new, rows := max(1, parts.n_at_once // n_stored)):
                news = np.arange(start, min(start + rows, n_new))
                hybrids = bare[None] + parts.of(cell, news)[:, None]
                outputs = asked.outputs(hybrids.reshape(-1, *hybrids.shape[2:])).reshape(len(news), n_stored, -1)
                found[news, number] = (outputs - reference.rows[number]).mean(axis=1)
        found = np.moveaxis(found, 2, 1)
        found = found[:, 0] if found.shape[1] == 1 else found
        return found.reshape(n_new, *(len(one) for one in self._trial_coords().values()))
