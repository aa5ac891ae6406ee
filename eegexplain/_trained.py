"""A trained torch module as an estimator: fitted, frozen, with the outputs of a classifier or regressor."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from torch import nn

from eegexplain._containers import trials_alone, trials_to_ask
from eegexplain._held import HeldModule, first_output
from eegexplain._torch import TorchNet
from eegexplain._validation import as_trials, check_array_like, check_sfreq


def as_estimator(
    module: nn.Module,
    *,
    classes: Sequence[Any] | bool | None = None,
    output: int | str | Callable[[Any], torch.Tensor] | None = None,
    sfreq: float | None = None,
    add_axis: bool = False,
) -> "TrainedModule":
    """Make a trained torch module an estimator that every analysis takes.

    Analyses wrap a bare module themselves: ``PerturbationCorrelator(module)`` is
    ``PerturbationCorrelator(as_estimator(module))``. Call this function where the defaults do not fit.

    Parameters
    ----------
    module : torch.nn.Module
        Trained; takes ``(batch, n_channels, n_times)``. Compiled modules are taken as what was compiled; exported and
        traced ones answer for outputs and their gradients, but have no layers.
    classes : sequence, False or None
        The labels in the order of the outputs. None is ``0, 1, ...``, as many as the module has outputs. False says
        that the outputs are numbers: predictions of a regressor, or the scores of labels that do not exclude each
        other. A module of one output is the (log-odds or probability of the) second of two classes if two are given.
    output : int, str or callable, optional
        Which part of a tuple (its number) or dict (its key) is explained, or a function that makes a tensor
        ``(batch, n_outputs)`` of what the module returns. None is the tensor, or the first of a tuple.
    sfreq : float, optional
        Sampling frequency in Hz. None takes the module's own attribute ``sfreq``, as braindecode's networks have it.
    add_axis : bool, default=False
        Whether the module takes ``(batch, 1, n_channels, n_times)``.

    Returns
    -------
    estimator : TrainedModule

    Raises
    ------
    TypeError
        When `module` is no torch module.
    ValueError
        For a sampling frequency that is none.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from eegexplain import as_estimator
    >>> from eegexplain.perturbation import PerturbationCorrelator
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 2))
    >>> X, y = np.random.default_rng(0).normal(size=(20, 3, 64)), np.repeat(["left", "right"], 10)
    >>> trained = as_estimator(network, classes=["left", "right"], sfreq=128)
    >>> PerturbationCorrelator(trained).fit(X, y).correlations_.shape
    (2, 3, 33)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}.")
    if sfreq is not None:
        check_sfreq(sfreq)
    sfreq = getattr(module, "_sfreq", None) if sfreq is None else sfreq  # braindecode's networks may know it
    return TrainedModule(module, classes=classes, output=output, sfreq=sfreq, add_axis=add_axis)


class TrainedModule(BaseEstimator):
    """A trained torch module as a fitted and frozen estimator; see `as_estimator` for its parameters.

    ``fit`` trains nothing, and `sklearn.base.clone` returns the estimator itself. The module's weights, mode, hooks and
    gradients stay as they are.

    Parameters
    ----------
    module : torch.nn.Module
    classes : sequence, False or None
    output : int, str or callable, optional
    sfreq : float, optional
        In Hz.
    add_axis : bool, default=False

    Attributes
    ----------
    classes_ : ndarray of shape (n_outputs,)
        Labels, sorted; not of a regressor. Where `classes` is None it is known from the first trials on.
    """

    def __init__(self, module, *, classes=None, output=None, sfreq=None, add_axis=False):
        self.module = module
        self.classes = classes
        self.output = output
        self.sfreq = sfreq
        self.add_axis = add_axis

    # ----------------------------------------------------------------- fit
    def fit(self, X: ArrayLike, y: Any = None, **fit_params: Any) -> "TrainedModule":
        """Train nothing; see whether the module takes such trials.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        y : object
            Ignored.
        **fit_params : dict
            Ignored.

        Returns
        -------
        self : TrainedModule

        Raises
        ------
        ValueError
            For trials that the module does not take, and outputs that do not fit `classes`.
        """
        self._network(trials_alone(self, X))
        return self

    @property
    def classes_(self) -> NDArray:
        """Labels, sorted as those of scikit-learn; outputs of the module follow them."""
        if self.classes is False:
            raise AttributeError("The outputs of this module are numbers: it has no classes.")
        if self.classes is not None:
            return np.sort(np.asarray(self.classes))
        width = vars(self).get("_n_outputs", getattr(self.module, "n_outputs", None))  # braindecode's networks know it
        if width is None:
            raise AttributeError("How many outputs the module has is known from its first trials on: call fit(X).")
        return np.arange(width)

    # --------------------------------------------------------- predictions
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the class of the largest output, or the outputs of a regressor.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        y : ndarray of shape (n_trials,) or (n_trials, n_outputs)
        """
        outputs = self._responses(X, "auto")
        if self.classes is not False:
            return self.classes_[outputs.argmax(1)]
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @available_if(lambda self: self.classes is not False)
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        probabilities : ndarray of shape (n_trials, n_classes)
        """
        return self._responses(X, "prob")

    @available_if(lambda self: self.classes is not False)
    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return centered logits; of two classes the log odds of the second.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        decision : ndarray of shape (n_trials,) or (n_trials, n_classes)
        """
        logits = self._responses(X, "centered_logit")
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def score(self, X: Any, y: Any = None) -> float:
        """Return the accuracy of a classifier, or a regressor's coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        y : array-like of shape (n_trials,) or (n_trials, n_outputs)

        Returns
        -------
        score : float
        """
        X, y, _ = trials_to_ask(self, X, y)
        return float((r2_score if self.classes is False else accuracy_score)(y, self.predict(X)))

    def _responses(self, X, response):
        trials = check_array_like("X", trials_alone(self, X), ndim=(2, 3))
        return self._network(trials).outputs(as_trials(trials), response)

    # ---------------------------------------------------- what analyses ask
    def _network(self, X):
        """The module as functions of such trials."""
        shape = np.shape(X)[1:]
        try:
            return TorchNet(self, shape)
        except (RuntimeError, IndexError) as error:  # what torch raises where shapes do not fit
            taken = "(batch, 1, n_channels, n_times)" if self.add_axis else "(batch, n_channels, n_times)"
            raise ValueError(
                f"{type(self.module).__name__} does not take trials of shape {shape} as {taken}: "
                f"{str(error).splitlines()[0]}.{self._cure(shape)}"
            ) from error

    def _cure(self, shape):
        """Say what would help with trials of a shape that the module does not take."""
        other = TrainedModule(self.module, classes=False, output=self.output, add_axis=not self.add_axis)
        if _takes(other, shape):
            return f" It takes them with as_estimator(module, add_axis={not self.add_axis})."
        if len(shape) == 2 and _takes(self, shape[::-1]):
            return f" It takes {shape[::-1]}: are channels and times swapped?"
        return ""

    def _held_module(self, trial_shape):
        """How the module is asked (see `HeldModule`)."""
        shape = (*((1,) * (2 - len(trial_shape))), *trial_shape)
        return HeldModule(self.module, (1, *shape) if self.add_axis else shape, self._emission, self._pick)

    def _pick(self, returned):
        """The explained part of what the module returns, its outputs in the order of the classes."""
        part = self._part(returned)
        order = np.argsort(np.asarray(self.classes)) if self.classes not in (None, False) else np.arange(1)
        if part.ndim != 2 or np.array_equal(order, np.arange(len(order))):
            return part
        if part.shape[1] == len(order):
            return part[:, order.tolist()]
        if part.shape[1] == 1:  # for the second of two classes, which is the first by name
            return 1 - part if isinstance(_last_layer(self.module), nn.Sigmoid) else -part
        return part

    def _part(self, returned):
        if callable(self.output):
            return self.output(returned)
        if self.output is None and not isinstance(returned, dict):
            return first_output(returned)
        parts = list(returned) if isinstance(returned, dict) else list(range(len(returned)))
        if self.output not in parts:
            given = "" if self.output is None else f", not {self.output!r}"
            raise ValueError(f"The module returns {type(returned).__name__} with the parts {parts}{given}: name one "
                             "with as_estimator(module, output=...).")
        return returned[self.output]

    def _emission(self, probe):
        """Say what the module emits, from outputs on noise."""
        width = 1 if probe.ndim == 1 else probe.shape[1]
        if self.classes is False:
            return "values"
        if width == 1 and (self.classes is None or len(self.classes) != 2):
            raise ValueError(
                "The module has one output. Is it a number, or the second of two classes? "
                "Say as_estimator(module, classes=False) or as_estimator(module, classes=[first, second])."
            )
        if self.classes is not None and width not in (1, len(self.classes)):
            raise ValueError(f"The module has {width} outputs, but classes names {len(self.classes)}.")
        self._n_outputs = max(width, 2)
        if width == 1:
            within = bool(((probe >= 0) & (probe <= 1)).all()) and isinstance(_last_layer(self.module), nn.Sigmoid)
            return "binary_probability" if within else "binary_logit"
        if bool((probe >= 0).all()) and torch.allclose(probe.sum(1), torch.ones_like(probe[:, 0]), atol=1e-3):
            return "probabilities"
        if bool((probe <= 0).all()) and torch.allclose(probe.logsumexp(1), torch.zeros_like(probe[:, 0]), atol=1e-3):
            return "log_probabilities"
        return "logits"

    # -------------------------------------------------------- scikit-learn
    def __sklearn_is_fitted__(self):
        """Say that the module is trained."""
        return True

    def __sklearn_clone__(self):
        """Return the estimator itself: a trained module is frozen."""
        return self

    def __sklearn_tags__(self):
        """Say whether this is a classifier, and that trials may be 3-D."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if self.classes is False else "classifier"
        if self.classes is False:
            tags.regressor_tags = RegressorTags()
        else:
            tags.classifier_tags = ClassifierTags()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        return tags

    def __repr__(self, N_CHAR_MAX=700):  # noqa: N803  (scikit-learn's name)
        """Name the module and what was said of it, not each of its layers."""
        given = self.get_params(deep=False) | {"module": None}
        said = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        return f"TrainedModule({', '.join([type(self.module).__name__, *said])})"


def _takes(trained, shape):
    """Whether a module runs on trials of this shape."""
    try:
        TorchNet(TrainedModule(trained.module, classes=False, output=trained.output, add_axis=trained.add_axis), shape)
    except Exception:
        return False
    return True


def _last_layer(module):
    """The leaf that was registered last."""
    leaves = [child for child in module.modules() if not list(child.children())]
    return leaves[-1]
