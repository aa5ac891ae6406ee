"""SyncNet as scikit-learn estimators: sizes from the data, a skorch net built inside ``fit``."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from eegexplain._module import default_dtype
from eegexplain._validation import check_groups, validate_trials
from eegexplain.models._facade import SyncNetFacade, documented


@documented
class SyncNetClassifier(SyncNetFacade, ClassifierMixin, BaseEstimator):
    """Classify trials with SyncNet: filters that are damped oscillations with a phase per channel.

    The net is built for the sizes of the data and trained with Adam on the cross-entropy; the epoch with the lowest
    loss on a stratified validation part is kept. One global scale (the root mean square of `X`) is learnt and kept in
    the net, so that volts and microvolts give the same network.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; one output each, also for two.
    net_ : skorch.NeuralNetClassifier
        The trained net; its module is a `SyncNet`.
    templates_ : ndarray of shape (n_filters, n_channels, width)
        Learned filters.
    filter_table_ : pandas.DataFrame
        Peak frequency, bandwidth, amplitudes and phases per filter.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch.
    n_iter_ : int
        Epochs trained.

    Raises
    ------
    ValueError
        In ``fit``, for fewer than two classes and for settings out of range.

    References
    ----------
    .. [1] Y. Li, M. Murias, S. Major, G. Dawson, K. Dzirasa, L. Carin, D. E. Carlson, "Targeting EEG/LFP Synchrony
           with Neural Nets", NeurIPS 30 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(128) / 128
    >>> X = rng.standard_normal((40, 2, 128))
    >>> y = np.repeat(["rest", "rhythm"], 20)
    >>> X[20:] += 2 * np.sin(2 * np.pi * 10 * t + rng.uniform(0, 6, (20, 1, 1)))
    >>> net = SyncNetClassifier(num_filters=4, max_epochs=10, sfreq=128, random_state=0).fit(X, y)
    >>> net.predict(X).shape
    (40,)
    """

    _net_class = NeuralNetClassifier
    _criterion = nn.CrossEntropyLoss
    _silenced = ("print_log", "valid_acc")

    def fit(self, X, y, *, groups=None):
        """Build and train the network.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials, in any unit.
        y : array-like of shape (n_trials,)
            Class labels.
        groups : array-like of shape (n_trials,), optional
            Subjects or recordings: the validation part then holds whole groups.

        Returns
        -------
        self : object
        """
        X, y = validate_trials(self, X, y, reset=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"SyncNetClassifier needs at least 2 classes, but y holds one class: {self.classes_.tolist()}."
            )
        groups = None if groups is None else check_groups(groups, len(X))
        self._fit_net(X, codes.astype(np.int64), groups, len(self.classes_))
        return self

    def predict_proba(self, X):
        """Return class probabilities ``(n_trials, n_classes)``, columns in the order of ``classes_``."""
        return self._responses(X, "prob")

    def predict(self, X):
        """Return the most probable class of each trial, ``(n_trials,)``."""
        logits = self._responses(X, "logit")
        return self.classes_[logits.argmax(1)]

    def decision_function(self, X):
        """Return logits ``(n_trials, n_classes)``; for two classes their difference, ``(n_trials,)``."""
        logits = self._responses(X, "logit")
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits


@documented
class SyncNetRegressor(SyncNetFacade, RegressorMixin, BaseEstimator):
    """Predict numbers from trials with SyncNet; see `SyncNetClassifier`.

    Targets are standardised for training (mean squared error); mean and scale are then folded into the last layer, so
    that the module's outputs, and explanations of them, are in the unit of `y`.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    net_ : skorch.NeuralNetRegressor
        The trained net; its module is a `SyncNet`.
    templates_ : ndarray of shape (n_filters, n_channels, width)
        Learned filters.
    filter_table_ : pandas.DataFrame
        Peak frequency, bandwidth, amplitudes and phases per filter.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch, in squared standard deviations of `y`.
    n_iter_ : int
        Epochs trained.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 2, 64)), rng.standard_normal(40)
    >>> SyncNetRegressor(num_filters=2, max_epochs=2, sfreq=128, random_state=0).fit(X, y).predict(X).shape
    (40,)
    """

    _net_class = NeuralNetRegressor
    _criterion = nn.MSELoss
    _silenced = ("print_log",)

    def fit(self, X, y, *, groups=None):
        """Build and train the network.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials, in any unit.
        y : array-like of shape (n_trials,) or (n_trials, n_targets)
            Targets.
        groups : array-like of shape (n_trials,), optional
            Subjects or recordings: the validation part then holds whole groups.

        Returns
        -------
        self : object
        """
        X, y = validate_trials(self, X, y, reset=True)
        self.n_targets_ = 1 if y.ndim == 1 else y.shape[1]
        target = y.reshape(len(y), -1)  # two axes: against (n, 1) outputs a 1-D target would broadcast silently
        mean, scale = target.mean(0), target.std(0)
        scale[scale == 0] = 1.0
        groups = None if groups is None else check_groups(groups, len(X))
        self._fit_net(X, ((target - mean) / scale).astype(default_dtype()), groups, target.shape[1])
        with torch.no_grad():
            last = self.net_.module_.final_layer
            scale, mean = (torch.from_numpy(value).to(last.weight) for value in (scale, mean))
            last.weight.mul_(scale[:, None])
            last.bias.mul_(scale).add_(mean)
        return self

    def predict(self, X):
        """Return predictions ``(n_trials,)``, or ``(n_trials, n_targets)`` for several targets, in the unit of `y`."""
        values = self._responses(X, "output")
        return values[:, 0] if self.n_targets_ == 1 else values

    def __sklearn_tags__(self):
        """Say that several targets are fine."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
