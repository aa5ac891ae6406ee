"""Occlusion: what an output loses when a part of the trial is replaced; for any model, with gradients or without."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from eegexplain._means import ClassMeans, label_index, store_attributions
from eegexplain._meta import Explainer
from eegexplain._settings import AT_LEAST_ONE
from eegexplain.attribution._baselines import make_bank
from eegexplain.attribution._occlusion import Occluder
from eegexplain.bases import Basis, as_basis
from eegexplain.bases._basis import cell_labels


class OcclusionAttributor(Explainer):
    """Replace parts of each trial, one after the other, and see what the outputs lose.

    The map of an output is the response to the trial as it is, less the response to the trial in which one cell
    (a window, a band, a component ...) of one channel is replaced [1]_. No gradient is needed: any scikit-learn
    classifier, regressor or Pipeline is explained. Of a linear model that is weight times input, in any basis.

    Parameters
    ----------
    estimator : estimator, optional
        Any classifier or regressor of trials, or a torch network; put a trained one into a ``FrozenEstimator``. None is
        a SyncNet with default settings.
    basis : str or Basis
        What the cells are: ``"windows"`` (eight of one length), ``bases.Windows(windows=1)`` (whole channels),
        ``"bands"``, ``"fourier"``, or another basis of `eegexplain.bases`, such as ``spatial(ica, "bands")``. What the
        basis does not span is never taken.
    joint : bool
        Take a cell from all channels (components) at once. What several channels hold is not lost with one of them.
    baseline : str or array-like
        What takes the place: ``"zeros"``, ``"mean"`` (of the training trials), ``"surrogate"`` (phase-randomised copies
        of the trial: power stays, timing goes), ``"trials"`` (the cells of other trials), or one trial.
    response : str
        ``"auto"`` is ``"centered_logit"`` for classifiers and ``"output"`` for regressors; further ``"logit"``,
        ``"logprob"``, ``"prob"``, ``"margin"``.
    bands : dict or "eeg", optional
        Bands of the bases that have any; None is "eeg".
    sfreq : float, optional
        Sampling rate in Hz; None takes the inner estimator's, else 1.
    ch_names : sequence of str, optional
        Channel names.
    n_baselines : int
        Draws for "surrogate" and "trials", over which maps are averaged. Each costs as many passes as there are cells.
    batch_size : int, optional
        Trials per pass of a network, at most; None takes what is fastest for the sizes of trial and network.
    n_jobs : int, optional
        Blocks of trials worked on at a time; results do not depend on it.
    random_state : int, RandomState or None
        Seed of drawn baselines.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    attributions_ : ndarray of shape (n_outputs, n_channels, n_cells)
        Mean over the training trials; without the axis of channels where `joint`.
    standard_errors_ : ndarray of that shape
        Over trials, or over `groups`: of this model, not of the procedure that trained it.
    class_attributions_, class_standard_errors_ : ndarray of that shape
        Of each class's output over the trials of that class (classifiers only).
    basis_ : Basis
        The basis, bound to length and sampling rate.
    explanation_ : xarray.Dataset
        ``value``, ``standard_error`` and, for classifiers, ``class_value``, ``class_standard_error``.
    estimator_ : estimator
        The fitted model.

    See Also
    --------
    FLEXAttributor : Divides the whole change of the output among the cells, for networks.
    PerturbationCorrelator : What small changes of amplitudes do, for any model.

    Notes
    -----
    A trial without one of its cells may be unlike any that the model has seen: a gap of zeros has an edge. ``"trials"``
    and ``"surrogate"`` put in its place what occurs. What is redundant is lost with nothing, and cells need not sum to
    the change of the output.

    References
    ----------
    .. [1] Zeiler & Fergus (2014). Visualizing and understanding convolutional networks. ECCV.
       https://doi.org/10.1007/978-3-319-10590-1_53

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from eegexplain.attribution import OcclusionAttributor
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=80, snr=3, random_state=0)
    >>> decoder = make_pipeline(FunctionTransformer(lambda X: np.log(X.var(-1))), LogisticRegression())
    >>> occlusion = OcclusionAttributor(decoder, basis="bands", sfreq=eeg.sfreq, ch_names=eeg.ch_names)
    >>> occlusion.fit(eeg.X, eeg.y).explanation_["value"].dims
    ('output', 'channel', 'band')
    """

    _numbers = {"n_baselines": AT_LEAST_ONE}

    def __init__(
        self,
        estimator: Any = None,
        *,
        basis: str | Basis = "windows",
        joint: bool = False,
        baseline: ArrayLike = "zeros",
        response: str = "auto",
        bands: dict[str, tuple[float, float]] | str | None = None,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        n_baselines: int = 8,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.basis = basis
        self.joint = joint
        self.baseline = baseline
        self.response = response
        self.bands = bands
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.n_baselines = n_baselines
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _prepare(self, X, y):
        rng = check_random_state(self.random_state)
        self._bank = make_bank(self.baseline, X, self.trial_shape_, self.n_baselines, rng)
        if self._bank.kind == "per trial":
            raise ValueError(f"baseline has shape {np.shape(self.baseline)}: give one trial {self.trial_shape_}, which "
                             "stands for all, or a name")
        self.basis_ = as_basis(self.basis, self.bands).bind(X.shape[-1], self.sfreq_)
        self._cells()  # bad bands and windows are told here, before any training

    def _occluder(self):
        model = self._outputs()
        return Occluder(model, model.check_response(self.response), self.basis_, self._bank, bool(self.joint),
                        self.batch_size, self.n_jobs, self.verbose)

    def _cells(self):
        """Dims and labels of a map; what the basis does not span, last where there is any, is never taken."""
        (row, names), coordinates = self.basis_.rows(self.ch_names_), self.basis_.coordinates()
        n_cells = len(next(iter(coordinates.values())))
        cells = {self.basis_.dim: cell_labels(self.basis_)[:n_cells]}
        n_rows = self.basis_.analyze(np.zeros((len(self.ch_names_), self.basis_.n_times))).shape[0]
        return cells if self.joint else {row: names[:n_rows], **cells}

    def _shaped(self, maps):
        return maps.reshape(*maps.shape[:2], *map(len, self._cells().values()))

    def _explain_population(self, X, y, groups):
        occluder = self._occluder()
        means = ClassMeans(label_index(y, getattr(self, "classes_", None)), groups, occluder.model.n_outputs)
        for part, maps in occluder.blocks(X):
            means.add(part, self._shaped(maps))
        given = self.baseline if isinstance(self.baseline, str) else "given"
        found = means.explanation(
            {"output": self.output_names_, **self._cells()}, method="occlusion", response=occluder.response,
            baseline=given, basis=self.basis_.name, joint=int(self.joint),
            label=f"lost {occluder.response.replace('_', ' ')}",
        )  # fmt: skip
        beside = {name: (self.basis_.dim, values) for name, values in self.basis_.coordinates().items()}
        return found.assign_coords({name: one for name, one in beside.items() if name != self.basis_.dim})

    def _store(self, dataset):
        store_attributions(self, dataset)

    def _trial_coords(self):
        return {"output": self.output_names_, **self._cells()}

    def _explain_trials(self, X):
        return self._shaped(np.concatenate([maps for _, maps in self._occluder().blocks(X)]))
