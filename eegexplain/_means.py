"""Mean maps of all trials, and of each class's own output over the trials of that class."""

import numpy as np

from eegexplain._explanation import RunningMean, make_explanation


def places_among(classes, labels):
    """Position of each label among classes in any order, -1 for one that is none of them."""
    order = np.argsort(classes)
    place = order[np.searchsorted(classes, labels, sorter=order).clip(max=len(order) - 1)]
    return np.where(classes[place] == labels, place, -1)


def label_index(labels, classes):
    """Position of each label among the classes; None without labels, and for models that have no classes.

    Parameters
    ----------
    labels : ndarray of shape (n_trials,), or None
    classes : ndarray of shape (n_classes,), or None
        In any order: that of the outputs.

    Returns
    -------
    ndarray of int of shape (n_trials,), or None
    """
    if labels is None or classes is None:
        return None
    unknown = np.setdiff1d(labels, classes).tolist()
    if unknown:
        raise ValueError(f"y holds {unknown[0]!r}, which is not one of the classes {classes.tolist()}")
    return places_among(classes, labels)


def class_variables(means, dims, shape):
    """Variables of class maps: ``class_value`` and ``class_standard_error``, NaN for classes without trials.

    Parameters
    ----------
    means : list of RunningMean
        One per class.
    dims : tuple of str
    shape : tuple of int
        Of one class's map.

    Returns
    -------
    dict
    """
    empty = np.full(shape, np.nan)
    read = {"class_value": RunningMean.mean, "class_standard_error": RunningMean.standard_error}
    return {name: (dims, np.stack([one(each) if each.count else empty for each in means]))
            for name, one in read.items()}


def store_attributions(explainer, dataset):
    """Set the plain arrays of a population explanation; those of classes only where it has them.

    Parameters
    ----------
    explainer : Explainer
    dataset : xarray.Dataset
    """
    for name, prefix in (("value", "attributions_"), ("standard_error", "standard_errors_")):
        setattr(explainer, prefix, dataset[name].values)
        vars(explainer).pop(f"class_{prefix}", None)
        if f"class_{name}" in dataset:
            setattr(explainer, f"class_{prefix}", dataset[f"class_{name}"].values)


class ClassMeans:
    """Running means of trial maps with one map per output.

    Parameters
    ----------
    labels : ndarray of int of shape (n_trials,), or None
        Class of each trial, an index of outputs.
    groups : ndarray of int of shape (n_trials,), or None
    n_outputs : int
    """

    def __init__(self, labels, groups, n_outputs):
        self.labels, self.groups = labels, groups
        self.overall = RunningMean()
        self.per_class = [] if labels is None else [RunningMean() for _ in range(n_outputs)]

    def add(self, part, maps):
        """Add the maps `(n_trials, n_outputs, ...)` of the trials `part`, a slice."""
        codes = None if self.groups is None else self.groups[part]
        self.overall.add(maps, codes)
        for number, of_class in enumerate(self.per_class):
            inside = self.labels[part] == number
            of_class.add(maps[inside, number], None if codes is None else codes[inside])

    def explanation(self, coords, **facts):
        """Labelled means and errors.

        Parameters
        ----------
        coords : dict of str to sequence
            Of the dims of a trial's maps, "output" first.
        **facts : dict
            Attributes.

        Returns
        -------
        xarray.Dataset
        """
        dims, value = tuple(coords), self.overall.mean()
        variables = class_variables(self.per_class, dims, value.shape[1:]) if self.per_class else None
        return make_explanation(value, dims, coords, standard_error=self.overall.standard_error(),
                                variables=variables, **facts)
