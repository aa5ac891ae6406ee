"""Which channels and frequencies move the outputs: correlation of spectral perturbations with output changes."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from eegexplain._bands import band_masks
from eegexplain._means import places_among
from eegexplain._meta import Explainer
from eegexplain._outputs import RESPONSES
from eegexplain._settings import AT_LEAST_ONE, Number
from eegexplain._validation import check_bands, check_option, random_seed
from eegexplain.perturbation._blocks import Trials, cluster_blocks
from eegexplain.perturbation._changes import DIFFERENCES, OutputChanges
from eegexplain.perturbation._gradient import GradientMethod
from eegexplain.perturbation._kept import KeptHits, KeptVariance
from eegexplain.perturbation._noise import Noise
from eegexplain.perturbation._population import gradient_map, sampled_map
from eegexplain.perturbation._result import population_dataset
from eegexplain.perturbation._sampling import SamplingMethod
from eegexplain.perturbation._spectra import data_scale
from eegexplain.perturbation.kinds import KINDS, Perturbation, resolve_kind, with_data_noise

_AXES = ("channel", "frequency")


class PerturbationCorrelator(Explainer):
    r"""Correlate perturbations of the trials' spectra with the change of a network's outputs.

    Amplitudes (or phases) of all channels and frequencies are disturbed by small random noise; where noise and output
    change together, the network uses that channel at that frequency, and the sign says in which direction. For small
    noise the correlation is known in closed form from gradients, without any sampling noise (``method="gradient"``).

    Parameters
    ----------
    estimator : estimator instance, optional
        What is explained. None is a `SyncNetClassifier`, or a `SyncNetRegressor` for continuous targets; pass a
        trained network as ``FrozenEstimator(net)``.
    perturbation : {"additive", "multiplicative", "phase", "lag"} or callable, default="additive"
        "additive" adds noise to amplitudes, "multiplicative" scales them. "phase" shifts the phase of a bin alike in
        all channels (use of absolute timing). "lag" shifts each channel and bin with probability 1 / n_channels: it
        breaks synchrony between channels and keeps power. A callable takes ``(amplitudes, phases, rng)`` of shape
        ``(n_trials, n_channels, n_frequencies)`` and returns new amplitudes, new phases and the values to correlate.
    noise : {"independent", "data"}, default="independent"
        For additive noise: independent in each channel, or with the cross-spectrum of the trials. See Notes.
    scale : float, default=0.02
        Size of amplitude noise in units of `scale_by`; for multiplicative noise the SD of the factor.
    scale_by : {"sd", "mad", "absolute"}, default="sd"
        Unit of additive noise: each bin's standard deviation over the training trials, its (normal-consistent) median
        absolute deviation, or the unnormalised discrete Fourier transform's own unit.
    method : {"auto", "gradient", "sampling"}, default="auto"
        "gradient" needs a torch network and amplitude noise; "sampling" works for any estimator and perturbation.
        "auto" is the first where possible.
    bands : "eeg" or dict of str to (float, float), optional
        Perturb whole bands (Hz; one noise per channel and band) instead of single bins. With ``noise="data"`` bins
        keep noise of their own and its sum over the band is correlated.
    layers : list of str, optional
        Also correlate with the units of these layers of a torch network (by sampling); ``"lstm[0]"`` is a part of what
        a layer returns, ``"encoder@2"`` says which axis holds the units (it is else seen on the network).
    difference : {"mean", "power", "correlation"} or callable, default="mean"
        Change of a unit: of its mean or mean square over positions (the mean of a linear filter's output sees
        frequency 0 only), the correlation of new and old activations over positions minus 1, or a function
        ``(new, old)`` of arrays ``(n_trials, n_units, n_positions)``.
    per_class : bool, default=False
        Correlate within the trials of each class: results get a leading axis of classes.
    subspace : {"data", "full"}, default="data"
        Keep perturbations in the space that the channels fill (an average reference or removed components empty some
        dimensions, where a network's behaviour is arbitrary), or do not.
    n_iterations : int, default=100
        Draws per trial in sampling, at most.
    tol : float, optional
        Stop sampling when the largest standard error over draws is below this.
    control_variate : "auto" or bool, default="auto"
        In sampling of a torch network with independent amplitude noise, whether gradients give the linear part of the
        change and draws only the rest: the same map with far fewer draws. "auto" is wherever that is possible.
    response : str, default="auto"
        What is explained: "logit", "centered_logit" (the logit minus its mean over classes), "logprob", "prob",
        "margin", for regressors "output". "auto" is "centered_logit" or "output".
    sfreq : float, optional
        Sampling frequency in Hz; None takes the inner estimator's, else 1.
    ch_names : list of str, optional
        Names of the channels.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).
    n_jobs : int, optional
        Blocks of trials worked on at a time; results do not depend on it.
    random_state : int, RandomState or None, default=None
        Of the noise, and of a default estimator.
    verbose : int, default=0
        1 shows progress bars.

    Attributes
    ----------
    correlations_ : ndarray of shape (n_outputs, n_channels, n_frequencies or n_bands)
        With ``per_class`` a first axis of classes; for "phase" one channel, called "all". 0 where noise or change is
        constant.
    standard_errors_ : ndarray of the shape of ``correlations_``
        Over trials, clustered by ``groups``; with sampling it contains the error over draws; see Notes.
    mc_standard_errors_ : ndarray of the shape of ``correlations_``
        Over draws with the trials fixed; 0 for gradients.
    layer_correlations_ : dict of str to ndarray (n_units, n_channels, n_frequencies or n_bands)
        Per layer.
    frequencies_ : ndarray
        Of the bins, in Hz.
    bands_ : dict or None
        The bands used.
    n_iter_ : int
        Draws per trial made; 0 for gradients.
    method_ : str
        "gradient" or "sampling".
    perturbed_score_ : float
        Share of the accuracy that perturbed trials keep (for a regressor, of the variance of its predictions):
        noise should be too small to matter.
    rank_ : int
        Dimensions that the channels fill.
    explanation_ : xarray.Dataset
        The same, labelled.
    estimator_ : estimator
        The fitted inner estimator.

    Raises
    ------
    ValueError
        For unknown options, bands without bins, a network that gives two outputs for one input.
    TypeError
        For ``method="gradient"`` around an estimator without gradients.

    Notes
    -----
    With independent noise of SD :math:`s`, and the gradient :math:`g_b` of the output with respect to the amplitudes of
    trial b at fixed phase, the correlation pooled over trials and draws tends to
    :math:`s\,\overline{g_b} / \sqrt{\overline{\sum s^2 g_b^2}}`. It says how the network uses *this channel alone*,
    as a filter weight does. Under volume conduction one source reaches many channels and a good spatial filter has
    weights of either sign that cancel background activity; a network with common spatial patterns shows the sign of
    the class effect on only half of the informative channels. ``noise="data"`` asks instead what *co-varies* with the
    output in this data set: noise has the trials' own cross-spectrum, as a pattern [2]_ has the data's covariance.
    On simulated tangential sources it has the sign of the class effect on all informative channels.

    Where the size of the noise is measured on trials (``scale_by`` "sd" or "mad", or the cross-spectrum), errors of
    ``fit`` contain what that adds; those of ``explain_population`` take the noise as given. Intervals take the quantile
    of t with ``explanation_.attrs["degrees_of_freedom"]``.

    A fixed network's map always differs from zero, an untrained one's too: standard errors say how well the map is
    known, not that the network has learned something.

    References
    ----------
    .. [1] R. T. Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding and
       visualization", Human Brain Mapping 38 (2017), doi:10.1002/hbm.23730.
    .. [2] S. Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
       NeuroImage 87 (2014), doi:10.1016/j.neuroimage.2013.10.067.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from eegexplain.perturbation import PerturbationCorrelator
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 20)
    >>> X = rng.normal(size=(40, 2, 64))
    >>> X[y == 1, 1] += 2 * np.sin(2 * np.pi * 10 / 64 * np.arange(64) + rng.uniform(0, 6, (20, 1)))
    >>> def log_power(X):
    ...     return np.log(np.abs(np.fft.rfft(X)[..., 8:13]) ** 2).reshape(len(X), -1)
    >>> decoder = make_pipeline(FunctionTransformer(log_power), LogisticRegression())
    >>> bands = {"alpha": (8, 13), "beta": (13, 30)}
    >>> correlator = PerturbationCorrelator(decoder, bands=bands, sfreq=64, random_state=0).fit(X, y)
    >>> correlator.correlations_.shape
    (2, 2, 2)
    >>> bool(correlator.correlations_[1, 1, 0] > 0.5)  # more alpha in channel 1 speaks for class 1
    True
    """

    _trial_label = "amplitude sensitivity"
    _numbers = {"n_iterations": AT_LEAST_ONE, "scale": Number(above=0), "tol": Number(above=0, other=(None,))}

    def __init__(
        self,
        estimator: Any = None,
        *,
        perturbation: str | Callable[..., Any] | Perturbation = "additive",
        noise: str = "independent",
        scale: float = 0.02,
        scale_by: str = "sd",
        method: str = "auto",
        bands: dict[str, tuple[float, float]] | str | None = None,
        layers: Sequence[str] | None = None,
        difference: str | Callable[..., Any] = "mean",
        per_class: bool = False,
        subspace: str = "data",
        n_iterations: int = 100,
        tol: float | None = None,
        control_variate: str | bool = "auto",
        response: str = "auto",
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.perturbation = perturbation
        self.noise = noise
        self.scale = scale
        self.scale_by = scale_by
        self.method = method
        self.bands = bands
        self.layers = layers
        self.difference = difference
        self.per_class = per_class
        self.subspace = subspace
        self.n_iterations = n_iterations
        self.tol = tol
        self.control_variate = control_variate
        self.response = response
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # -------------------------------------------------------------------------------------- hooks of the base class
    def _prepare(self, X, y):
        kind = self._check_options()
        n_times = X.shape[-1]
        self.frequencies_ = np.fft.rfftfreq(n_times, 1 / self.sfreq_)
        self.bands_ = None if self.bands is None else check_bands(self.bands, self.sfreq_, n_times)
        scale = data_scale(X, scale_by=self.scale_by, cross=self.noise == "data", subspace=self.subspace)
        self.rank_ = scale.rank
        membership = None
        if self.bands_ is not None:
            membership = band_masks(self.frequencies_, self.bands_).astype(np.float32)
        lengths = [n if axis in kind.axes else 1 for axis, n in zip(_AXES, scale.spread.shape, strict=True)]
        amount = self.scale * scale.spread if kind.relative else np.full(lengths, self.scale)
        cross = None
        if self.noise == "data":
            cross = scale.cross.scaled(float(self.scale))
            kind = with_data_noise(kind, cross.cross)
        unit = scale.unit if kind.relative and kind.closed_form else None
        self._noise = Noise(kind, amount, membership, scale.projector, cross, unit, random_seed(self.random_state))

    def _check_options(self):
        kind = resolve_kind(self.perturbation)
        check_option("noise", self.noise, ("independent", "data"))
        check_option("scale_by", self.scale_by, ("sd", "mad", "absolute"))
        check_option("method", self.method, ("auto", "gradient", "sampling"))
        check_option("subspace", self.subspace, ("data", "full"))
        check_option("control_variate", self.control_variate, ("auto", True, False))
        check_option("response", self.response, ("auto", *RESPONSES, "output"))
        if not callable(self.difference):
            check_option("difference", self.difference, tuple(DIFFERENCES))
        if self.noise == "data" and not kind.data_noise:
            raise ValueError(
                f"noise='data' is a kind of additive noise and not defined for perturbation={kind.name!r}: "
                "use noise='independent'"
            )
        if self.method == "gradient" and not kind.closed_form:
            raise ValueError(
                f"perturbation={kind.name!r} has no closed form: use method='sampling' (or 'auto'); "
                f"gradients serve {' and '.join(repr(name) for name, other in KINDS.items() if other.closed_form)}"
            )
        if self.bands is not None and "frequency" not in kind.axes:
            raise ValueError(f"perturbation={kind.name!r} has no value per frequency: use bands=None")
        if isinstance(self.layers, str):
            raise ValueError(f"layers must be a list of names, got the single string {self.layers!r}")
        return kind

    def _explain_training(self, X, y, groups):
        return self._population(X, y, groups, own=self._noise.measured)

    def _explain_population(self, X, y, groups):
        return self._population(X, y, groups, own=False)

    def _population(self, X, y, groups, *, own):
        """Population map; `own` where the size of the noise was measured on these very trials."""
        model = self._output_changes()
        n_outputs = model.check_deterministic(X[:4])
        classes = is_classifier(self.estimator_)
        truth = self._truth(y) if classes and y is not None else None
        gradient = model.net.differentiable and self._noise.kind.closed_form and self.method != "sampling"
        control = not gradient and self._uses_control(model.net)
        maps = []
        for pooled in self._selections(y, len(X)):
            trials = Trials(X, pooled, truth, KeptHits if classes else KeptVariance)
            blocks = cluster_blocks(np.arange(len(X)), groups, self._noise.block_size(X.shape[1:]))
            maps.append(self._pooled_map(model, trials, blocks, gradient=gradient, control=control, own=own))
        if not gradient and not control and all(m.is_noise(n_outputs) for m in maps):
            warnings.warn(
                f"after {maps[0].n_iterations} draws per trial the map cannot be told from the noise of sampling: "
                "raise n_iterations, use bands, or method='gradient' where the network allows it",
                stacklevel=3,
            )
        return self._label(maps, model, X, n_outputs, "gradient" if gradient else "sampling")

    def _pooled_map(self, model, trials, blocks, *, gradient, control, own):
        """Map of some trials: outputs by gradient or draws, layers by draws."""
        run = {"own": own, "n_jobs": self.n_jobs, "verbose": self.verbose}
        exact = gradient_map(model, self._noise, trials, blocks, **run) if gradient else None
        if exact is not None and not model.layers:
            return exact
        run |= {"control": control, "n_iterations": self.n_iterations, "tol": self.tol}
        drawn = sampled_map(model, self._noise, trials, blocks, **run)
        return drawn if exact is None else exact.with_rows(drawn, len(exact.value))

    def _truth(self, y):
        """Position of each label among the classes; -1 for a label not seen in ``fit``."""
        return places_among(self.classes_, y)

    def _label(self, maps, model, X, n_outputs, estimation):
        """Labelled result of the pooled maps."""
        names = self.output_names_
        outputs = names if len(names) == n_outputs else [f"output{k}" for k in range(n_outputs)]
        return population_dataset(
            maps,
            self._cells(),
            outputs=outputs,
            units=model.n_units,
            classes=[str(name) for name in self.classes_] if self.per_class else None,
            method="perturbation correlation",
            estimation=estimation,
            label="perturbation correlation",
            response=model.response,
            perturbation=self._noise.kind.name,
            noise=self.noise,
            scale=float(self.scale),
            scale_by=self.scale_by,
            difference=self.difference if isinstance(self.difference, str) else "function",
            subspace=self.subspace,
            rank=self.rank_,
        )

    def _cells(self):
        """Coordinates of a map."""
        axes = self._noise.kind.axes
        axis = {"frequency": self.frequencies_} if "frequency" in axes else {"band": ["all"]}
        axis = axis if self.bands_ is None else {"band": list(self.bands_)}
        return {"channel": self.ch_names_ if "channel" in axes else ["all"], **axis}

    def _store(self, dataset):
        self.correlations_ = dataset["value"].to_numpy()
        self.standard_errors_ = dataset["standard_error"].to_numpy()
        self.mc_standard_errors_ = dataset["mc_standard_error"].to_numpy()
        self.layer_correlations_ = {name: dataset[f"layer_{name}"].to_numpy() for name in self.layers or ()}
        self.method_ = dataset.attrs["estimation"]
        self.n_iter_ = dataset.attrs["n_iterations"]
        self.perturbed_score_ = dataset.attrs["perturbed_score"]
        self._size = dataset["noise_size"].to_numpy(), dataset["change_size"].to_numpy()

    def _trial_coords(self):
        return {"output": self.output_names_, **self._cells()}

    def _explain_trials(self, X):
        model = self._output_changes(layers=())
        if self.method_ == "gradient":
            method = GradientMethod(model, self._noise)
        else:
            method = SamplingMethod(model, self._noise, self.n_iter_)
        noise, change = self._size
        covariance = method.trial_covariances(X).reshape(len(X), len(change), *noise.shape)
        scale = change[:, None, None] * noise
        return np.divide(covariance, scale, out=np.zeros(covariance.shape), where=scale > 0)

    # ------------------------------------------------------------------------------------------------------- helpers
    def _output_changes(self, *, layers=None):
        """Return the fitted model as outputs (and layers, which only a network has)."""
        net = self._network() if self.method == "gradient" or self.layers else self._outputs()
        difference = self.difference if callable(self.difference) else DIFFERENCES[self.difference]
        layers = (self.layers or ()) if layers is None else layers
        response = net.check_response(self.response)
        return OutputChanges(net, response, layers=layers, difference=difference, batch_size=self.batch_size)

    def _uses_control(self, net):
        """Whether the linear part of the change is known from gradients."""
        noise = self._noise
        overlap = noise.membership is not None and noise.membership.sum(axis=0).max() > 1
        possible = net.differentiable and noise.kind.closed_form and noise.cross is None and not overlap
        if self.control_variate is True and not possible:
            raise ValueError(
                "control_variate=True needs a torch network, independent additive or multiplicative noise and bands "
                "that do not overlap: use 'auto'"
            )
        return possible and self.control_variate is not False

    def _selections(self, y, n_trials):
        """Which trials are pooled, per map: all, or those of each class."""
        if not self.per_class:
            return [np.ones(n_trials, dtype=bool)]
        if y is None or not hasattr(self, "classes_"):
            raise ValueError("per_class=True needs a classifier and y: the trials of each class are pooled")
        selections = [y == name for name in self.classes_]
        for name, pooled in zip(self.classes_, selections, strict=True):
            if pooled.sum() < 2:
                raise ValueError(f"per_class=True needs at least 2 trials of each class; {name!r} has {pooled.sum()}")
        return selections
