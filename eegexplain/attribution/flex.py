"""The FLEX estimator: what a network uses, per channel and frequency, band, time, or any linear basis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from eegexplain._containers import trials_to_ask
from eegexplain._means import label_index, store_attributions
from eegexplain._meta import Explainer
from eegexplain._settings import AT_LEAST_ONE, Number
from eegexplain._validation import as_trials, check_option, lookup, validate_trials
from eegexplain.attribution._baselines import make_bank
from eegexplain.attribution._engine import Engine, Settings
from eegexplain.attribution._labelled import label_population, label_trials, warn_unconverged
from eegexplain.attribution._methods import METHODS
from eegexplain.attribution._population import Population
from eegexplain.bases import Basis, as_basis
from eegexplain.bases._basis import cell_labels

TARGETS = ("all", "predicted", "true")


class FLEXAttributor(Explainer):
    """Attribute a network's outputs to frequencies, bands, times or components of its input.

    Gradients are averaged once over the path from a baseline to each trial; every linear basis then reads them by its
    adjoint, so that each domain's attributions sum to the same change of the output (integrated gradients [1]_ behind
    the inverse of the basis).

    Parameters
    ----------
    estimator : estimator, optional
        Network to explain: a SyncNet facade, a skorch net, a braindecode ``EEGClassifier``, or one of these in a
        ``FrozenEstimator``. None is a SyncNet with default settings.
    basis : str or Basis
        ``"fourier"``, ``"bands"``, ``"time"``, ``"time_bands"``, ``"stft"``, ``"wavelet"``, or an object of
        `eegexplain.bases`, such as ``spatial(ica, "fourier")``.
    method : str
        ``"integrated_gradients"``, ``"deep_lift"``, ``"gradient_shap"``, ``"input_x_gradient"``, or ``"saliency"``
        (sizes of gradients: unsigned, no sum). ``"guided_backprop"`` [2]_ and ``"deconvolution"`` [3]_ change how
        gradients pass ``nn.ReLU`` and take the place of the gradient; they are for comparison with earlier work, and
        warn: their maps hardly depend on what upper layers have learned.
    n_steps : int or "auto"
        Nodes along the path; "auto" refines every trial by nested rules of 5, 11, 23, 47 and 95 nodes.
    tol : float
        Share of a trial's map (of its absolute sum) that may be wrong with "auto", as far as nested rules can tell.
    population_tol : float, optional
        Population maps stop where the integral's error is below this share of their standard errors (or below `tol`
        of the map, where that is more): all trials have the same nodes then. None refines each trial to `tol`.
    baseline : str or array-like
        What stands for "nothing": ``"zeros"``, ``"mean"`` (of the training trials), ``"surrogate"``
        (phase-randomised copies of each trial: power stays, timing goes), ``"trials"`` (training trials: expected
        gradients), one trial, or one per trial.
    target : str, int or array-like of int
        Output that `transform` explains: ``"all"``, ``"predicted"`` or an index; `explain` also takes one per trial
        and ``"true"``.
    response : str
        ``"auto"`` is ``"centered_logit"`` for classifiers and ``"output"`` for regressors; further ``"logit"``,
        ``"logprob"``, ``"prob"``, ``"margin"``.
    bands : dict or "eeg", optional
        Bands of the bases that have any; None is "eeg".
    sfreq : float, optional
        Sampling rate in Hz; None takes the inner estimator's, else 1.
    ch_names : sequence of str, optional
        Channel names.
    memory_limit : int
        Bytes that activations, gradients and sums may take.
    batch_size : int, optional
        Points on paths per pass of the network, at most; None takes what is fastest for the sizes of trial and network
        (1 to 256).
    n_baselines : int
        Draws for "surrogate" and "trials".
    relative : bool
        Divide each trial's map by the sum of its absolute values: shares instead of units of the output.
    n_jobs : int, optional
        Blocks of trials worked on at a time; results do not depend on it.
    random_state : int, RandomState or None
        Seed of drawn baselines and positions.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    attributions_ : ndarray of shape (n_outputs, n_channels, n_cells)
        Mean over the training trials of the attribution to each output.
    standard_errors_ : ndarray of shape (n_outputs, n_channels, n_cells)
        Over trials, or over `groups`.
    class_attributions_ : ndarray of shape (n_classes, n_channels, n_cells)
        Attribution to each class's output over the trials of that class (classifiers only).
    class_standard_errors_ : ndarray of shape (n_classes, n_channels, n_cells)
    convergence_delta_ : ndarray of shape (n_trials, n_outputs)
        Sum of a trial's attributions minus the change of its output.
    n_steps_ : ndarray of shape (n_trials,)
        Gradients evaluated per training trial.
    n_unconverged_ : int
        Training trials whose estimated error is above `tol` at the last node, or, where the population was settled by
        `population_tol`, so large that it alone moves the mean by more than that.
    basis_ : Basis
        The basis, bound to length and sampling rate.
    explanation_ : xarray.Dataset
        ``value``, ``standard_error`` and, for classifiers, ``class_value``, ``class_standard_error``; per trial
        ``convergence_delta``, ``n_steps``, ``converged``. The attribute ``attribution`` names the method.
    estimator_ : estimator
        The fitted network.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017). Axiomatic attribution for deep networks. ICML.
       https://doi.org/10.48550/arXiv.1703.01365
    .. [2] Springenberg, Dosovitskiy, Brox & Riedmiller (2015). Striving for simplicity: the all convolutional net. ICLR
       workshop. https://doi.org/10.48550/arXiv.1412.6806
    .. [3] Zeiler & Fergus (2014). Visualizing and understanding convolutional networks. ECCV.
       https://doi.org/10.1007/978-3-319-10590-1_53

    Examples
    --------
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=40, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    >>> flex = FLEXAttributor(net, basis="bands", ch_names=eeg.ch_names).fit(eeg.X, eeg.y)
    >>> flex.explanation_["value"].dims
    ('output', 'channel', 'band')
    """

    _numbers = {"n_steps": Number(least=1, whole=True, other=("auto",)), "n_baselines": AT_LEAST_ONE,
                "population_tol": Number(above=0, other=(None,))}

    def __init__(
        self,
        estimator: Any = None,
        *,
        basis: str | Basis = "fourier",
        method: str = "integrated_gradients",
        n_steps: int | str = "auto",
        tol: float = 0.01,
        population_tol: float | None = 0.1,
        baseline: ArrayLike = "zeros",
        target: ArrayLike = "all",
        response: str = "auto",
        bands: dict[str, tuple[float, float]] | str | None = None,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        memory_limit: int = 2**28,
        batch_size: int | None = None,
        n_baselines: int = 8,
        relative: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.basis = basis
        self.method = method
        self.n_steps = n_steps
        self.tol = tol
        self.population_tol = population_tol
        self.baseline = baseline
        self.target = target
        self.response = response
        self.bands = bands
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.memory_limit = memory_limit
        self.batch_size = batch_size
        self.n_baselines = n_baselines
        self.relative = relative
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # ----------------------------------------------------------------- fit
    def _prepare(self, X, y):
        lookup(METHODS, self.method, "method")
        if isinstance(self.target, str):
            check_option("target", self.target, TARGETS)
        rng = check_random_state(self.random_state)
        self._bank = make_bank(self.baseline, X, self.trial_shape_, self.n_baselines, rng)
        self._positions = rng.uniform(size=max(METHODS[self.method].n_draws, 1))
        self.basis_ = self._bind(self.basis, X.shape[-1])

    def _bind(self, basis, n_times):
        if isinstance(basis, list):
            raise TypeError("the constructor takes one basis; explain(X, basis=[...]) gives several from one integral")
        bound = as_basis(basis, self.bands).bind(n_times, self.sfreq_)
        cell_labels(bound)  # bad bands and windows are told here, before any training
        bound.rows(self.ch_names_)
        return bound

    def _store(self, dataset):
        store_attributions(self, dataset)
        self.convergence_delta_ = dataset["convergence_delta"].values
        self.n_steps_ = dataset["n_steps"].values
        self.n_unconverged_ = dataset.attrs["n_unconverged"]

    def _engine(self, bank=None):
        net = self._network()
        settings = Settings(METHODS[self.method], net.check_response(self.response), self.n_steps, self.tol,
                            self.memory_limit, self.batch_size, self.relative, self.n_jobs, self.verbose)
        return Engine(net, bank or self._bank, self._positions, settings)

    # ------------------------------------------------------------- explain
    def _explain_population(self, X, y, groups):
        engine, labels = self._engine(), self._label_index(y)
        engine.settings.method.warn_of(engine.net.module)
        n_outputs = engine.net.n_outputs
        every = np.tile(np.arange(n_outputs), (len(X), 1))
        together = self.population_tol is not None
        rounds = engine.rounds(X, every, self.basis_) if together else [engine.blocks(X, every, [self.basis_])]
        population, settled = None, False
        for blocks in rounds:
            population = Population(labels, groups, n_outputs, population)
            for block in blocks:
                population.add(block, self.relative)
            if settled := together and bool(population.settled(self.population_tol, self.tol)):
                break
        checks = population.checks(settled, self.population_tol, self.tol)
        warn_unconverged(checks)
        coords = {"output": self.output_names_, **self._coords(self.basis_)}
        facts = self._facts(engine.settings.response, self.basis_)
        return label_population(population, checks, coords, self.basis_, facts)

    def _facts(self, response, basis):
        given = self.baseline if isinstance(self.baseline, str) else "given"
        unit = "share of attribution" if self.relative else "attribution"
        return {"method": "attribution", "estimation": "gradient", "attribution": self.method, "response": response,
                "baseline": given, "basis": basis.name,
                "relative": int(self.relative), "label": f"{unit} ({response.replace('_', ' ')})"}

    def _label_index(self, y):
        """Position of each trial's label among the classes; None for regressors and without labels."""
        return label_index(y, getattr(self, "classes_", None))

    def _coords(self, basis):
        row, names = basis.rows(self.ch_names_)
        return {row: names, basis.dim: cell_labels(basis)}

    def _trial_coords(self):
        single = not (isinstance(self.target, str) and self.target == "all")
        return {**({} if single else {"output": self.output_names_}), **self._coords(self.basis_)}

    def _explain_trials(self, X):
        engine = self._engine()
        (maps,) = engine.attribute(X, self._targets(X, self.target, None, engine), [self.basis_]).maps
        return maps if self._is_all(self.target) else maps[:, 0]

    @staticmethod
    def _is_all(target):
        return isinstance(target, str) and target == "all"

    def explain(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        target: ArrayLike | None = None,
        basis: str | Basis | list[str | Basis] | None = None,
        baseline: ArrayLike | None = None,
    ):
        """Attribute single trials, in as many bases as wanted from one integral.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        y : array-like of shape (n_trials,), optional
            Labels, for ``target="true"``.
        target : {"all", "predicted", "true"}, int or array-like of int, optional
            Output explained; None is that of the constructor.
        basis : str, Basis or list of these, optional
            None is that of the constructor.
        baseline : str or array-like, optional
            None is that of the constructor; arrays are one trial, or one per trial of `X`.

        Returns
        -------
        xarray.Dataset, or dict of str to xarray.Dataset for a list of bases
            ``value`` with first dim ``trial``, ``convergence_delta`` and ``n_steps``; ``target`` names the explained
            output where there is one per trial.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape than in ``fit``, NaN, a baseline of another shape, an unknown target or label,
            ``target="true"`` without labels, and two bases of the same name.
        """
        check_is_fitted(self)
        X, y, _ = trials_to_ask(self, X, y)
        X = as_trials(validate_trials(self, X, reset=False))
        target = self.target if target is None else target
        wanted = basis if isinstance(basis, list) else [self.basis_ if basis is None else basis]
        bases = [self._bind(one, X.shape[-1]) for one in wanted]
        names = [one.name for one in bases]
        if len(set(names)) < len(names):
            raise ValueError(f"bases are told apart by name, but these repeat: {', '.join(names)}")
        bank = self._bank if baseline is None else make_bank(
            baseline, X, self.trial_shape_, self.n_baselines, check_random_state(self.random_state))
        engine = self._engine(bank)
        targets = self._targets(X, target, y, engine)
        found = engine.attribute(X, targets, bases)
        warn_unconverged(found.checks)
        explained = None if self._is_all(target) else np.array(self.output_names_)[targets[:, 0]]
        datasets = {}
        for one, values in zip(bases, found.maps, strict=True):
            coords = {"output": self.output_names_, **self._coords(one)}
            datasets[one.name] = label_trials(values, found.checks, coords, one,
                                              self._facts(engine.settings.response, one), explained)
        return datasets if isinstance(basis, list) else next(iter(datasets.values()))

    def _targets(self, X, target, y, engine):
        """Outputs to explain, `(n_trials, n_targets)`."""
        n_outputs = engine.net.n_outputs
        if isinstance(target, str):
            check_option("target", target, TARGETS)
            if target == "all":
                return np.tile(np.arange(n_outputs), (len(X), 1))
            if target == "predicted":
                return engine.net.outputs(X, engine.settings.response, self.batch_size).argmax(1)[:, None]
            if y is None or not hasattr(self, "classes_"):
                raise ValueError("target='true' needs a classifier and labels: explain(X, y, target='true')")
            index = self._label_index(np.asarray(y))
        else:
            index = np.asarray(target)
            if index.dtype.kind not in "iu" or index.ndim > 1:
                raise ValueError(f"target must be one of {TARGETS}, an integer or one integer per trial, "
                                 f"got {target!r}")
            if np.any((index < 0) | (index >= n_outputs)):
                raise ValueError(f"target {target!r} is out of range: there are {n_outputs} outputs "
                                 f"({', '.join(self.output_names_)})")
        if index.shape not in ((), (len(X),)):
            raise ValueError(f"one target per trial is {len(X)} values, got {index.shape}")
        return np.broadcast_to(index, (len(X),))[:, None].copy()
