"""The model of a report: one by name, or what a user's factory gives, trained or not."""

import importlib
import inspect
import pathlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from eegexplain._inner import inner_input
from eegexplain._nets import frozen, is_skorch_net, last_step
from eegexplain._validation import lookup
from eegexplain.inspection import reference_decoders
from eegexplain.report._trials import Trials


def _syncnet(sfreq):
    """SyncNet for trials at this sampling rate."""
    from eegexplain.models import SyncNetClassifier

    return SyncNetClassifier(sfreq=sfreq)


def _eegnet(sfreq):
    """EEGNet for trials at this sampling rate."""
    from eegexplain.models import EEGNetClassifier

    return EEGNetClassifier(sfreq=sfreq)


MODELS: dict[str, Callable[[float], Any]] = {"syncnet": _syncnet, "eegnet": _eegnet}
REFERENCES = {"csp": "CSP + LDA", "tangent-space": "tangent space + LR"}


@dataclass(frozen=True, eq=False)
class Model:
    """What a report explains.

    Attributes
    ----------
    name : str
        As it was asked for.
    estimator : estimator
    trained : bool
        Whether it came trained: then it is explained as it is.
    """

    name: str
    estimator: Any
    trained: bool = False

    @property
    def kind(self) -> str:
        """Name of the class of what is explained."""
        held = last_step(self.estimator)
        made = getattr(held, "module", held)  # skorch holds the class of its module
        return (made if isinstance(made, type) else type(made)).__name__

    @property
    def starts_by_chance(self) -> bool:
        """Whether it is trained from a start that differs by the seed."""
        held = last_step(self.estimator)
        return not self.trained and getattr(held, "_depends_on_seed", is_skorch_net(held))

    @property
    def told(self) -> str:
        """Which model it is, and how it was trained."""
        if self.trained:
            return (
                f"Model: {self.name} ({self.kind}), trained before and explained as it is. Nothing was trained here: "
                "the trials are unseen only if none of them was in its training, and errors are of trials alone, not "
                "of another training"
            )
        return f"Model: {self.name} ({self.kind}), trained here, anew on the training part of each fold"


def find_model(name: str, data: Trials) -> Model:
    """Find a model by name, or by the factory that makes it.

    Parameters
    ----------
    name : str
        "syncnet", "eegnet", "csp", "tangent-space", or "package.module:factory". A factory is called with those of
        ``sfreq, n_channels, n_times, n_classes, ch_names, classes`` that it names (braindecode's ``n_chans`` and
        ``n_outputs`` too). It returns a classifier, fitted or not, or a trained torch module.
    data : Trials

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        For what is not there, and for what is no classifier of these trials.
    """
    if ":" in name:
        return _checked(_made(name, data), data)
    if name not in REFERENCES:
        return Model(name, lookup({**MODELS, **dict.fromkeys(REFERENCES)}, name, "model")(data.sfreq))
    decoders = references(data)
    if not decoders:
        raise ValueError(f"model {name!r} uses 2 to 45 Hz, of which the trials hold nothing.")
    return Model(name, decoders[REFERENCES[name]])


def references(data: Trials) -> dict[str, Any]:
    """Decoders that need no network, from 2 to 45 Hz or what the data's filter left of it.

    Parameters
    ----------
    data : Trials

    Returns
    -------
    dict of str to Pipeline
        Empty where the trials hold no such frequency.
    """
    limits = decoded_frequencies(data)
    return {} if limits is None else reference_decoders(data.sfreq, frequency_range=limits)


def decoded_frequencies(data: Trials) -> tuple[float, float] | None:
    """Limits in Hz of what the reference decoders use; None where no frequency of the trials lies between them.

    Parameters
    ----------
    data : Trials

    Returns
    -------
    tuple of (float, float) or None
    """
    low, high = data.passband
    low, high = max(2.0, low or 0.0), min(45.0, high or np.inf, data.sfreq / 2)
    frequencies = np.fft.rfftfreq(data.X.shape[-1], 1 / data.sfreq)
    inside = (frequencies >= low) & (frequencies < high)
    return (low, high) if inside.any() and np.ptp(data.X, axis=-1).any() else None


def _made(name, data):
    """Call the factory with what it asks for."""
    factory, classes = _factory(name), np.unique(data.y).tolist()
    n_channels, n_times = data.X.shape[1:]
    known = {"sfreq": data.sfreq, "n_times": n_times, "ch_names": data.ch_names, "classes": classes}
    known |= dict.fromkeys(("n_channels", "n_chans"), n_channels)
    known |= dict.fromkeys(("n_classes", "n_outputs"), len(classes))
    asked = inspect.signature(factory).parameters.values()
    missing = [one.name for one in asked if one.name not in known and one.default is one.empty
               and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]  # fmt: skip
    if missing:
        raise ValueError(f"model {name!r}: the factory asks for {', '.join(missing)}; given are {', '.join(known)}.")
    made = factory(**{one.name: known[one.name] for one in asked if one.name in known})
    return Model(name, made)


def _factory(name):
    """Import the factory; the folder one is in counts as with ``python -m``."""
    module_name, _, attribute = name.partition(":")
    here = str(pathlib.Path.cwd())
    try:
        if here not in sys.path:  # and it stays: worker processes, which have this path too, read what it makes
            sys.path.insert(0, here)
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ValueError(f"model {name!r}: {module_name} needs {error.name}, which is not installed.") from error
        raise ValueError(
            f"model {name!r}: there is no module {module_name!r}, neither installed nor in {here}."
        ) from error
    except ValueError as error:  # an empty name
        raise ValueError(f"model {name!r} must read package.module:factory.") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        there = [one for one, value in vars(module).items() if callable(value) and not one.startswith("_")]
        raise ValueError(f"model {name!r}: {module_name} has no function {attribute!r}; it has {', '.join(there)}.")
    return factory


def _checked(model, data):
    """Refuse what is no classifier of these trials; what is fitted is taken as it is."""
    made, classes = model.estimator, np.unique(data.y)
    estimator = frozen(made)
    if estimator is not made:  # a bare module: its outputs are the classes, in their order
        if inspect.isclass(_factory(model.name)):
            raise ValueError(
                f"model {model.name!r} is the class of a torch module, whose weights are random: give a function that "
                "returns a trained module, or a classifier that trains it (skorch, braindecode's EEGClassifier)."
            )
        estimator = type(estimator)(made, classes=classes.tolist(), sfreq=estimator.sfreq)
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not is_classifier(estimator):
        raise ValueError(
            f"model {model.name!r}: the factory returned {type(made).__name__}; expected is a classifier with fit and "
            "predict (scikit-learn, skorch), or a trained torch module."
        )
    if not _is_fitted(estimator):
        return Model(model.name, estimator)
    try:
        estimator.predict(inner_input(data.X[:2], estimator))
    except Exception as error:
        raise ValueError(
            f"model {model.name!r} is trained, but does not take these trials of {data.X.shape[1]} channels and "
            f"{data.X.shape[2]} samples: {str(error).splitlines()[0]}"
        ) from error
    if not hasattr(estimator, "classes_"):
        raise ValueError(
            f"model {model.name!r} is trained but does not know its classes: give it classes=[...] in the order of its "
            "outputs."
        )
    known = classes if is_skorch_net(estimator) else np.asarray(estimator.classes_)  # skorch may call its codes so
    unknown = sorted(set(classes.tolist()) - set(known.tolist()), key=str)
    if unknown:
        raise ValueError(
            f"model {model.name!r} was trained on the classes {known.tolist()}, but the data hold {unknown}."
        )
    kept = estimator if hasattr(estimator, "_held_module") else FrozenEstimator(estimator)
    return Model(model.name, kept, trained=True)


def _is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except Exception:  # NotFittedError, and what estimators of others raise
        return False
    return True
