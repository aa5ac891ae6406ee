"""What an analysis must know of its inner estimator: the kind of its targets, its sampling rate, its predictions."""

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.multiclass import type_of_target

from eegexplain._lazy import LazyTrials
from eegexplain._nets import default_dtype, frozen, is_skorch_net


def is_continuous(y):
    """Whether `y` are numbers rather than classes; so are NaN and infinity, which validation then refuses by name."""
    y = np.asarray(y)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        return True
    try:
        return type_of_target(y).startswith("continuous")
    except TypeError:  # labels of several types have no order: validation says which
        return False


def default_estimator(y, *, sfreq=None, random_state=None):
    """Return the network used for ``estimator=None``: a SyncNet classifier, or a regressor for continuous `y`."""
    from eegexplain.models import SyncNetClassifier, SyncNetRegressor  # the one upward import, named in the tests

    regression = type_of_target(y).startswith("continuous")
    return (SyncNetRegressor if regression else SyncNetClassifier)(sfreq=sfreq, random_state=random_state)


def inner_sfreq(estimator):
    """Return the `sfreq` of the inner estimator, or of what it wraps (search, ensemble, pipeline, frozen); or None."""
    while estimator is not None and getattr(estimator, "sfreq", None) is None:
        estimator = _inside(estimator)
    return getattr(estimator, "sfreq", None)


def _inside(estimator):
    """What an estimator wraps: the last step of a pipeline, the first member of an ensemble, its estimator; or None."""
    if hasattr(estimator, "steps"):
        return estimator.steps[-1][1]
    members = getattr(estimator, "estimators", None)
    if isinstance(members, (list, tuple)) and members:
        return members[0][1] if isinstance(members[0], tuple) else members[0]
    return getattr(estimator, "estimator", None)


def inner_target(y, inner):
    """Reshape and cast: skorch regressors refuse 1-D targets, and float64 ones against a float32 module."""
    if not is_skorch_net(inner):
        return y
    if is_regressor(inner):
        return np.asarray(y, dtype=default_dtype()).reshape(len(y), -1)
    if y.dtype.kind in "OUS" and type(inner).__name__ != "FrozenEstimator":
        raise ValueError(
            f"{type(inner).__name__} takes class numbers from 0, but y holds {y.dtype.type.__name__} labels: encode "
            "them with sklearn.preprocessing.LabelEncoder."
        )
    return y


def check_known(estimator, classes, y):
    """Refuse classes that a fitted estimator does not know: the explanation would be of other labels than `y`.

    Raises
    ------
    ValueError
    """
    unknown = sorted(set(np.unique(y).tolist()) - set(np.asarray(classes).tolist()), key=str)
    if unknown:
        naming = ", or name them: as_estimator(module, classes=[...])" if hasattr(estimator, "module") else ""
        raise ValueError(
            f"y holds the classes {unknown}, but {type(estimator).__name__} was fitted on "
            f"{np.asarray(classes).tolist()}: give y in the labels of the fitted estimator{naming}."
        )


def numbered_classes(n_outputs, y):
    """Classes of a network that has no names for its outputs.

    Raises
    ------
    ValueError
        Where `y` are not these numbers: which output is which class is then not known.
    """
    classes = np.arange(n_outputs)
    unknown = [label for label in np.unique(y).tolist() if label not in classes.tolist()]
    if unknown:
        raise ValueError(
            f"y holds the classes {unknown}, but the network has {n_outputs} outputs without names: give it "
            "classes=[...] in the order of its outputs, or y as their numbers."
        )
    return classes


def inner_input(X, inner):
    """Trials as an estimator takes them: a bare skorch net wants its module's precision, others than ours an array."""
    if is_skorch_net(inner):
        return np.asarray(X, dtype=default_dtype())
    return np.asarray(X) if isinstance(X, LazyTrials) and not _reads_by_block(inner) else X


def _reads_by_block(estimator):
    """Whether what meets trials first is of this package: in a pipeline its first step, in a search what it tries."""
    while estimator is not None and not hasattr(estimator, "_reads_by_block"):
        estimator = estimator.steps[0][1] if hasattr(estimator, "steps") else getattr(estimator, "estimator", None)
    return estimator is not None


def flat_prediction(prediction):
    """Give 1-D predictions where a skorch regressor gives one column; regressors return float64."""
    prediction = np.asarray(prediction)
    if prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    return prediction.astype(np.float64) if prediction.dtype == np.float32 else prediction


def inner_has(name):
    """Offer a method only when the inner estimator has it, with its own AttributeError otherwise."""

    def check(self):
        """Ask the inner estimator for the method: it raises where there is none."""
        inner = getattr(self, "estimator_", None) or frozen(self.estimator)
        if inner is not None:
            getattr(inner, name)
        return True

    return check
