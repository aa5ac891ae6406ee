"""The bases of classifiers and regressors: any torch module becomes an estimator by naming it and its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from eegexplain._containers import ScoresTrials
from eegexplain._nets import default_dtype
from eegexplain._validation import validate_trials
from eegexplain.models._facade import NetworkFacade


class NetworkClassifier(ScoresTrials, ClassifierMixin, NetworkFacade):
    """Base of classifiers that hold a torch module; a subclass names the module and its settings.

    The module is built for the sizes of the data inside ``fit`` and trained with Adam on the cross-entropy; the epoch
    with the lowest loss on a stratified validation part is kept. The estimator can be cloned, pickled (without torch
    objects), searched and cross-validated, and every analysis of this package runs on it.

    A subclass sets ``_module_class``; its ``__init__`` takes the module's settings as keywords, then ``**training``;
    ``_parameter_constraints`` gives their ranges as in scikit-learn, ``_lengths`` the names of those that are samples
    when an int and seconds when a float. The module is called with ``n_chans``, ``n_times``, ``n_outputs`` and the
    settings; it takes ``(batch, n_chans, n_times)`` and returns logits. Where it has a buffer ``input_scale``, this
    becomes the root mean square of the trials; where it has a method ``constrain()``, this is called after every
    training step.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; one output each, also for two.
    net_ : skorch.NeuralNetClassifier
        The trained net.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch.
    n_iter_ : int
        Epochs trained.

    Raises
    ------
    ValueError
        In ``fit``, for fewer than two classes, for settings out of range and for training that diverged.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from eegexplain.models import NetworkClassifier
    >>> class PowerNet(torch.nn.Module):
    ...     def __init__(self, n_chans, n_times, n_outputs, kernel=9):
    ...         super().__init__()
    ...         self.conv_out = torch.nn.Conv1d(n_chans, 4, kernel)
    ...         self.final_layer = torch.nn.Linear(4, n_outputs)
    ...
    ...     def forward(self, x):
    ...         return self.final_layer(self.conv_out(x).square().mean(-1).add(1e-6).log())
    >>> class PowerNetClassifier(NetworkClassifier):
    ...     _module_class = PowerNet
    ...     _lengths = ("kernel",)
    ...
    ...     def __init__(self, *, kernel=0.1, **training):
    ...         super().__init__(**training)
    ...         self.kernel = kernel
    >>> X, y = np.random.default_rng(0).standard_normal((40, 2, 64)), np.repeat([0, 1], 20)
    >>> PowerNetClassifier(sfreq=64, max_epochs=2, random_state=0).fit(X, y).predict_proba(X).shape
    (40, 2)
    """

    _net_class = NeuralNetClassifier
    _criterion = nn.CrossEntropyLoss
    _silenced = ("print_log", "valid_acc")
    _stratify = True

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> NetworkClassifier:
        """Build and train the network.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials, in any unit, or what `datasets.read_trials` takes.
        y : array-like of shape (n_trials,), or str, optional
            Class labels. Of a container None takes its own, and a name one of its columns.
        groups : array-like of shape (n_trials,), optional
            Subjects or recordings: the validation part then holds whole groups.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For trials that are none, a single class, settings out of range, or training that diverged.
        """
        X, y, groups = self._read(X, y, groups)
        X, y = validate_trials(self, X, y, reset=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds one class: {self.classes_.tolist()}."
            )
        self._fit_net(X, codes.astype(np.int64), groups, len(self.classes_))
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_trials, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape.
        """
        return self._responses(X, "prob")

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each trial.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_trials,)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape.
        """
        logits = self._responses(X, "logit")
        return self.classes_[logits.argmax(1)]

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return logits.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.

        Returns
        -------
        logits : ndarray of shape (n_trials, n_classes) or (n_trials,)
            For two classes the logit of the second minus that of the first.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape.
        """
        logits = self._responses(X, "logit")
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def __sklearn_tags__(self):
        """Say that short training fits badly."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class NetworkRegressor(ScoresTrials, RegressorMixin, NetworkFacade):
    """Base of regressors that hold a torch module; see `NetworkClassifier` for what a subclass names.

    Targets are standardised for training (mean squared error); mean and scale are then folded into the module's
    ``final_layer``, a `torch.nn.Linear`, so that its outputs, and explanations of them, are in the unit of `y`.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    n_targets_ : int
        Numbers predicted per trial.
    net_ : skorch.NeuralNetRegressor
        The trained net.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch, in squared standard deviations of `y`.
    n_iter_ : int
        Epochs trained.
    """

    _net_class = NeuralNetRegressor
    _criterion = nn.MSELoss
    _silenced = ("print_log",)

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> NetworkRegressor:
        """Build and train the network.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials, in any unit, or what `datasets.read_trials` takes.
        y : array-like of shape (n_trials,) or (n_trials, n_targets), or str, optional
            Targets. Of a container the name of a column.
        groups : array-like of shape (n_trials,), optional
            Subjects or recordings: the validation part then holds whole groups.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For trials that are none, settings out of range, or training that diverged.
        """
        X, y, groups = self._read(X, y, groups)
        X, y = validate_trials(self, X, y, reset=True)
        self.n_targets_ = 1 if y.ndim == 1 else y.shape[1]
        target = y.reshape(len(y), -1)  # two axes: against (n, 1) outputs a 1-D target would broadcast silently
        mean, scale = target.mean(0), target.std(0)
        scale[scale == 0] = 1.0
        self._fit_net(X, ((target - mean) / scale).astype(default_dtype()), groups, target.shape[1])
        with torch.no_grad():
            last = self.net_.module_.final_layer
            scale, mean = (torch.from_numpy(value).to(last.weight) for value in (scale, mean))
            last.weight.mul_(scale[:, None])
            last.bias.mul_(scale).add_(mean)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return predictions in the unit of `y`.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.

        Returns
        -------
        predictions : ndarray of shape (n_trials,), or (n_trials, n_targets) for several targets

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape.
        """
        values = self._responses(X, "output")
        return values[:, 0] if self.n_targets_ == 1 else values

    def __sklearn_tags__(self):
        """Say that several targets are fine and that short training fits badly."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags
