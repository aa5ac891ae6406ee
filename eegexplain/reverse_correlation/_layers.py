"""What analyses of a layer share: its units along time, and the classes of trials."""

import numpy as np

from eegexplain._means import label_index
from eegexplain.reverse_correlation.receptive_field import time_field


def trace_layer(network, layer, X):
    """Name of the layer (the default one for None) and its receptive field for trials such as `X`."""
    layer = network.default_layer() if layer is None else layer
    field = time_field(network.module, layer, network.input_shape, scale=float(X[:64].std()) or 1.0)
    if field.axis is None:
        network.layout(layer, tell=True)
    return layer, field


def units_along_time(activations, field, layout):
    """Bring activations ``(b, ...)`` into the shape ``(b, n_filters, n_units)`` of a receptive field.

    Axes other than time (filters, channels) are filters; where no axis follows time exactly, as behind attention,
    filters are the units of the layout, and positions, all of which see the same, are averaged.
    """
    if field.axis is None:
        return layout.arranged(activations).mean(axis=-1, keepdims=True)
    moved = np.moveaxis(activations, field.axis, -1)
    return moved.reshape(len(moved), -1, moved.shape[-1])


def class_codes(explainer, y, n_trials):
    """Class code per trial and class names; a single class where there is nothing to split."""
    if y is None:
        return np.zeros(n_trials, dtype=int), ["all"]
    labels = getattr(explainer, "classes_", None)
    if labels is None:
        raise ValueError("per_class=True needs a classifier: a regressor has no classes to split by.")
    return label_index(y, labels), explainer.output_names_
