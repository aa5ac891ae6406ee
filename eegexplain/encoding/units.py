"""The units of a network as targets of an encoding model."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from eegexplain._containers import trials_alone
from eegexplain._validation import as_trials, check_array_like, positive_int


def unit_responses(
    estimator: Any, X: Any, *, layer: str | None = None, average: bool = True, batch_size: int | None = None
) -> Bunch:
    """Outputs of a layer's units, as data for a ``WeightFitter`` or ``ParameterFitter``.

    What drives a unit of a network - the power of a band at some channel, a feature of the stimulus - is the question
    that encoding models answer for voxels and electrodes; here the units take their place. Judge by R2 on held-out
    trials.

    Parameters
    ----------
    estimator : fitted SyncNetClassifier, SyncNetRegressor, skorch net or braindecode classifier
        The network.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        Trials.
    layer : str, default=None
        Name of the layer; None is ``conv_out`` or the last layer with a time axis. ``"lstm[0]"`` is a part of what a
        layer returns, ``"encoder@2"`` says which axis holds the units (0 is the batch).
    average : bool
        Whether to average each unit's output over time. Otherwise every step of the layer's time axis is a sample, and
        ``groups`` says which trial it belongs to.
    batch_size : int, optional
        Trials per pass of the network; None takes what is fastest for the sizes of trial and network (1 to 256).

    Returns
    -------
    responses : Bunch
        ``data`` of shape (n_trials, n_units) or (n_trials * n_steps, n_units), float64; ``groups``, the number of the
        trial of each row; ``n_steps``, rows per trial; ``layer``.

    Raises
    ------
    TypeError
        If the estimator holds no torch network.
    ValueError
        If there is no such layer, and for trials with NaN or infinities.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.encoding import unit_responses
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((20, 2, 64)), np.arange(20) % 2
    >>> net = SyncNetClassifier(num_filters=3, max_epochs=1, random_state=0).fit(X, y)
    >>> unit_responses(net, X).data.shape, unit_responses(net, X, average=False).data.shape
    ((20, 3), (1280, 3))
    """
    trials = as_trials(check_array_like("X", trials_alone(estimator, X), ndim=(2, 3)))
    if batch_size is not None:
        positive_int("batch_size", batch_size)
    from eegexplain._torch import TorchNet

    net = TorchNet(estimator, trials.shape[1:])
    layer = net.default_layer() if layer is None else layer
    layout, parts = net.layout(layer, tell=True), []
    for _, activations in net.activations(trials, [layer], batch_size):
        units = layout.arranged(activations[layer]).astype(float)
        parts.append(units.mean(axis=2, keepdims=True) if average else units)
    units = np.concatenate(parts)
    n_trials, n_units, n_steps = units.shape
    data = units.transpose(0, 2, 1).reshape(n_trials * n_steps, n_units)
    return Bunch(data=data, groups=np.repeat(np.arange(n_trials), n_steps), n_steps=n_steps, layer=layer)
