"""What any fitted model answers: numbers per trial and output, of torch networks and scikit-learn models alike.

A network (`_torch.TorchNet`) and any other model (`ScikitOutputs`) answer the same questions: ``outputs(X, response,
batch_size)``, ``check_response``, ``n_outputs``, ``eps`` (relative rounding of the outputs) and ``differentiable``
(whether there are gradients and layers too). `_meta.Explainer._outputs` gives the one that fits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import is_classifier, is_regressor

from eegexplain._lazy import LazyTrials
from eegexplain._validation import check_option

ROWS = 256  # trials of a scikit-learn model that are worked on at a time


@dataclass(frozen=True)
class Response:
    """The number per trial and output that is explained, as a function of logits.

    Attributes
    ----------
    name : str
    formula : str
        From logits z of the classes.
    of : callable (logits, xp) -> array
        From ``(n_trials, n_classes)`` to the same shape. Logits are a NumPy array or a torch tensor, ``xp`` is `numpy`
        or `torch`: operations that both have under one name serve every model, and give gradients.
    sums_to_zero : bool
        Whether the outputs of a trial sum to zero, so that the gradient of the last follows from the others.
    """

    name: str
    formula: str
    of: Callable
    sums_to_zero: bool = False


def _logit(logits, xp):
    return logits


def _centered(logits, xp):
    return logits - logits.mean(1, keepdims=True)


def _logprob(logits, xp):
    below = logits - xp.amax(logits, 1, keepdims=True)  # exponentials of what is at most 0 do not overflow
    return below - xp.log(xp.exp(below).sum(1, keepdims=True))


def _prob(logits, xp):
    return xp.exp(_logprob(logits, xp))


def _margin(logits, xp):
    classes = range(logits.shape[1])
    if len(classes) == 1:
        return logits
    largest = [xp.amax(logits[:, [j for j in classes if j != k]], 1) for k in classes]
    return logits - xp.stack(largest, 1)


RESPONSES = {
    response.name: response
    for response in (
        Response("logit", "z_k (the logarithm of the probability where a model gives only that)", _logit),
        Response("centered_logit", "z_k - mean_j z_j", _centered, sums_to_zero=True),
        Response("logprob", "z_k - log sum_j exp z_j", _logprob),
        Response("prob", "exp z_k / sum_j exp z_j", _prob),
        Response("margin", "z_k - max_{j != k} z_j", _margin),
    )
}


def resolve_response(response, classes):
    """Return the name of a response.

    Parameters
    ----------
    response : str
        A name, or "auto": "centered_logit" for classes, "output" for the predictions of a regressor.
    classes : bool
        Whether the outputs are those of classes.

    Returns
    -------
    response : str

    Raises
    ------
    ValueError
        For a response that the model does not have.
    """
    allowed = tuple(RESPONSES) if classes else ("output",)
    default = "centered_logit" if classes else "output"
    return check_option("response", default if response == "auto" else response, allowed)


_LAZY_BLOCK = 256  # trials


class ScikitOutputs:
    """A fitted scikit-learn classifier or regressor as a function of trials.

    Parameters
    ----------
    estimator : estimator instance
        Fitted; with ``predict_proba`` or ``decision_function``, or a regressor.
    trial_shape : tuple of int
        ``(n_channels, n_times)`` or ``(n_times,)``, as the estimator was fitted.
    convert : callable, default=numpy.asarray
        Makes trials what the estimator takes.

    Attributes
    ----------
    n_outputs : int
        One per class, also for two classes; for regressors one per target.
    eps : float
        Relative rounding of the outputs.

    Raises
    ------
    TypeError
        When the estimator has no continuous outputs.
    """

    differentiable = False

    def __init__(self, estimator, trial_shape, convert=np.asarray):
        self.estimator, self.trial_shape, self.convert = estimator, tuple(trial_shape), convert
        if not (
            is_regressor(estimator) or hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
        ):
            raise TypeError(
                f"{type(estimator).__name__} has neither predict_proba nor decision_function and is no regressor: "
                "its outputs cannot be explained; for an SVC set probability=True or use LinearSVC"
            )

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self._probed[0]

    @property
    def eps(self):
        """Relative rounding of the outputs: that of their own precision, before they become float64."""
        return self._probed[1]

    @cached_property
    def _probed(self):
        """Number and rounding of the outputs, seen on two trials of noise as for networks."""
        with np.errstate(all="ignore"):
            raw = self._raw(np.random.default_rng(0).standard_normal((2, *self.trial_shape)))
            n_outputs = self._respond(raw, self.check_response("auto")).shape[1]
        return n_outputs, float(np.finfo(raw.dtype if raw.dtype.kind == "f" else float).eps)

    def check_response(self, response):
        """Return `response` with "auto" resolved: "centered_logit" for classifiers, "output" for regressors."""
        return resolve_response(response, is_classifier(self.estimator))

    def outputs(self, X, response="auto", batch_size=None):
        """Return the responses of all trials.

        Parameters
        ----------
        X : array of shape (n_trials, n_channels, n_times)
        response : str
        batch_size : int, optional
            Not used: these models take all trials at once.

        Returns
        -------
        responses : array of shape (n_trials, n_outputs)
            In float64.
        """
        return self._respond(self._raw(X), self.check_response(response))

    def rows(self, batch_size=None, n_gradients=0):
        """Trials at a time, where something is done to each: as `TorchNet.rows`, for models whose passes are free."""
        return ROWS if batch_size is None else batch_size

    def _raw(self, X):
        """What the estimator returns: predictions, probabilities or decision values."""
        if not is_classifier(self.estimator):
            return self.of("predict", X)
        return self.of("predict_proba" if hasattr(self.estimator, "predict_proba") else "decision_function", X)

    def of(self, method, X):
        """Return what a method of the estimator says of trials ``(n_trials, n_channels, n_times)``."""
        ask, shape = getattr(self.estimator, method), self.trial_shape
        if isinstance(X, LazyTrials):  # as many at a time as are worth holding
            parts = [X[start : start + _LAZY_BLOCK] for start in range(0, len(X), _LAZY_BLOCK)]
            return np.concatenate([np.asarray(ask(self.convert(part))) for part in parts])
        return np.asarray(ask(self.convert(X.reshape(len(X), *shape))))

    def _respond(self, raw, response):
        raw = raw.astype(float)
        if not is_classifier(self.estimator):
            return raw.reshape(len(raw), -1)
        if hasattr(self.estimator, "predict_proba"):
            logits = np.log(np.maximum(raw, np.finfo(float).tiny))
        else:  # one decision value is the difference of two logits: the centered pair has it
            logits = raw if raw.ndim > 1 else np.stack([-raw / 2, raw / 2], axis=1)
        return RESPONSES[response].of(logits, np)
