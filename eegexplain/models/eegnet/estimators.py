"""EEGNet as scikit-learn estimators."""

import numbers
from collections.abc import Callable
from typing import Any, Unpack

from sklearn.utils._param_validation import Interval

from eegexplain.models._facade import NetworkFacade, TrainingSettings
from eegexplain.models.eegnet.module import EEGNet
from eegexplain.models.network import NetworkClassifier, NetworkRegressor

_COUNT = Interval(numbers.Integral, 1, None, closed="left")
_LENGTH = Interval(numbers.Real, 0, None, closed="neither")


class EEGNetFacade(NetworkFacade):
    """EEGNet's settings and their ranges.

    Parameters
    ----------
    %(parameters)s
    """

    _module_class = EEGNet
    _lengths = ("kernel_length", "pool_size")
    _settings_doc = """    F1 : int
        Temporal filters.
    D : int
        Spatial filters for each.
    F2 : int, optional
        Signals of the second block; ``F1 * D`` by default.
    kernel_length, pool_size : int or float
        Temporal filters and pools of the first block: samples when an int, seconds when a float. The second block works
        on what is pooled: its filters take in 16 such values, its pools 8 (0.5 s and 0.25 s by default).
    drop_prob : float
        Dropout after each block, in [0, 1); in the paper 0.5 within and 0.25 across persons.
    activation : str or type
        Name of a class in `torch.nn`, or the class.
"""
    _parameter_constraints = {
        "F1": [_COUNT],
        "D": [_COUNT],
        "F2": [_COUNT, None],
        "kernel_length": [_LENGTH],
        "pool_size": [_LENGTH],
        "drop_prob": [Interval(numbers.Real, 0, 1, closed="left")],
        "activation": [str, callable],
    }

    def __init__(
        self,
        *,
        F1: int = 8,
        D: int = 2,
        F2: int | None = None,
        kernel_length: float = 0.5,
        pool_size: float = 1 / 32,
        drop_prob: float = 0.25,
        activation: str | Callable[[], Any] = "ELU",
        **training: Unpack[TrainingSettings],
    ):
        super().__init__(**training)
        self.F1 = F1
        self.D = D
        self.F2 = F2
        self.kernel_length = kernel_length
        self.pool_size = pool_size
        self.drop_prob = drop_prob
        self.activation = activation


class EEGNetClassifier(EEGNetFacade, NetworkClassifier):
    """Classify trials with EEGNet: filters in time, spatial filters for each, then their combinations.

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
        The trained net; its module is an `EEGNet`.
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
    .. [1] V. J. Lawhern, A. J. Solon, N. R. Waytowich, S. M. Gordon, C. P. Hung, B. J. Lance, "EEGNet: a compact
           convolutional neural network for EEG-based brain-computer interfaces", J. Neural Eng. 15 056013 (2018),
           https://doi.org/10.1088/1741-2552/aace8c

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import EEGNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 2, 64)), np.repeat(["rest", "rhythm"], 20)
    >>> EEGNetClassifier(sfreq=64, max_epochs=2, random_state=0).fit(X, y).predict(X).shape
    (40,)
    """


class EEGNetRegressor(EEGNetFacade, NetworkRegressor):
    """Predict numbers from trials with EEGNet; see `EEGNetClassifier`.

    Targets are standardized for training (mean squared error), under the limit on the last layer's weights; mean and
    scale are then folded into that layer, so that the module's outputs, and explanations of them, have the unit of `y`.

    Parameters
    ----------
    %(parameters)s

    Attributes
    ----------
    n_targets_ : int
        Numbers predicted per trial.
    net_ : skorch.NeuralNetRegressor
        The trained net; its module is an `EEGNet`.
    history_ : dict of str to ndarray
        ``train_loss`` and ``valid_loss`` per epoch, in squared standard deviations of `y`.
    n_iter_ : int
        Epochs trained.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import EEGNetRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 2, 64)), rng.standard_normal(40)
    >>> EEGNetRegressor(sfreq=64, max_epochs=2, random_state=0).fit(X, y).predict(X).shape
    (40,)
    """
