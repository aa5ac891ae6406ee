"""The maps that sections of the report share: of the networks, of their evidence, and of the data alone."""

import warnings
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

from eegexplain.inspection import Significance, evidence_contrast, power_contrast
from eegexplain.inspection.explanations import explain_models
from eegexplain.inspection.fold_maps import AVERAGES, class_means

TOLERANCE = 0.05  # share of a trial's map that may still move when the path integral stops


@dataclass(frozen=True, eq=False)
class Maps:
    """A map by band and the same by frequency, each an explanation.

    Parameters
    ----------
    by_band, by_bin : xarray.Dataset
    """

    by_band: Any
    by_bin: Any


@dataclass(frozen=True, eq=False)
class Evidence(Maps):
    """Maps of evidence, and which cells of those by band separate the classes in unseen trials.

    Parameters
    ----------
    tested : Significance or None
    untested : str
        Why there is no test.
    """

    tested: Significance | None = None
    untested: str = ""


@dataclass(frozen=True, eq=False)
class Information:
    """What the networks know, in bits.

    Parameters
    ----------
    by_band, by_channel : CrossValidatedExplanation or None
        Of each band lost without it and alone; of each channel in each band.
    untold : str
        Why there are none.
    note : str
        What they must be read with.
    """

    by_band: Any = None
    by_channel: Any = None
    untold: str = ""
    note: str = ""


def perturbation_maps(data, models, *, noise, **settings):
    """Perturbation correlation of the networks on held-out trials.

    Parameters
    ----------
    data : Trials
    models : CrossValidatedModels
    noise : {"data", "independent"}
    **settings : dict
        ``random_state, n_jobs, checkpoint`` of `explain_models`.

    Returns
    -------
    Maps
    """
    from eegexplain.perturbation import PerturbationCorrelator

    def explained(bands):
        """Mean map over folds and networks."""
        explainer = PerturbationCorrelator(bands=bands, noise=noise, **data.axes)
        return _maps_alone(explain_models(models, explainer, scoring={}, **settings))

    return Maps(explained(data.bands), data.inside_passband(explained(None)))


def information_maps(data, models, **settings):
    """What the networks know about the label in bits: by band, and by channel and band.

    Parameters
    ----------
    data : Trials
    models : CrossValidatedModels
    **settings : dict
        ``random_state, n_jobs`` of `explain_models`.

    Returns
    -------
    Information
        Without maps where the held-out trials are too few to calibrate on one another.
    """
    from eegexplain.information import InformationMapper

    common = {"bands": data.bands, "n_permutations": 19, **data.axes}
    explainers = (InformationMapper(decomposition="alone", **common), InformationMapper(space="channels", **common))
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [explain_models(models, one, scoring={}, **settings) for one in explainers]
    except ValueError as error:
        return Information(untold=str(error))
    return Information(*found, note=_noted(caught))


def _noted(caught):
    """Say in the report when cells do not add up; p values of single networks nobody asks for, others are passed on."""
    notes = []
    for warning in caught:
        text = str(warning.message)
        if "do not add up" in text:
            notes.append(text)
        elif "too few to tell information" not in text:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return max(notes, default="")


def contrast_maps(data):
    """How the power of the classes differs in the data.

    Parameters
    ----------
    data : Trials

    Returns
    -------
    Maps
    """
    by_band, by_bin = (
        power_contrast(data.X, data.y, bands=bands, groups=data.groups, **data.axes) for bands in (data.bands, None)
    )
    return Maps(by_band, data.inside_passband(by_bin))


def evidence_maps(data, models, **settings):
    """Attribution of each class's output over held-out trials of that class, in bands and in bins.

    Parameters
    ----------
    data : Trials
    models : CrossValidatedModels
    **settings : dict
        ``random_state, n_jobs, checkpoint`` of `explain_models`.

    Returns
    -------
    Evidence
        Whole: with the coefficient ``residual`` of what is in no band, and all frequencies.
    """
    explainer = ClassEvidence(bands=data.bands, **data.axes)
    found = explain_models(models, explainer, scoring={}, return_trials=True, **settings)
    maps = _maps_alone(found, "bands_"), _maps_alone(found, "fourier_")
    shown = found.dataset["trial_value"].sel(band=list(data.bands))
    design = {"folds": found.dataset["fold_of_trial"].values, "groups": data.groups}
    try:
        tested = evidence_contrast(shown, data.y, **design, random_state=settings.get("random_state"))
    except ValueError as error:  # a design whose labels cannot be exchanged
        return Evidence(*maps, untested=str(error))
    return Evidence(*maps, tested)


def _maps_alone(found, prefix=""):
    """The mean map, its errors and the maps that it is the mean of, without what is known of single trials."""
    import xarray as xr

    kept = {name.removeprefix(prefix): found.dataset[name] for name in found.dataset if name.startswith(prefix)}
    return xr.Dataset({name: kept[name] for name in AVERAGES}, attrs=found.dataset.attrs)


class ClassEvidence(BaseEstimator):
    """Frequency attribution of each class's output over trials of that class, in two bases from one integral.

    Parameters
    ----------
    estimator : FrozenEstimator
    bands : dict of str to (float, float)
    sfreq : float
    ch_names : list of str

    Attributes
    ----------
    explanation_ : xarray.Dataset
        ``bands_value``, ``fourier_value`` and their errors, ``bands_standard_error`` and ``fourier_standard_error``.
    trials_ : xarray.Dataset
        Evidence of each of the trials, by band.
    """

    bases = ("bands", "fourier")

    def __init__(self, estimator=None, *, bands=None, sfreq=None, ch_names=None):
        self.estimator = estimator
        self.bands = bands
        self.sfreq = sfreq
        self.ch_names = ch_names

    def fit(self, X, y, *, groups=None):
        """Explain trials with a network that is trained.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        y : ndarray of shape (n_trials,)
        groups : ndarray of shape (n_trials,) or None

        Returns
        -------
        self
        """
        import xarray as xr

        from eegexplain.attribution import FLEXAttributor

        flex = FLEXAttributor(
            self.estimator, bands=self.bands, sfreq=self.sfreq, ch_names=self.ch_names, tol=TOLERANCE
        )
        flex.fit(X[:1], y[:1])  # a baseline of zeros is known without trials, and the network is trained
        found = flex.explain(X, target="all", basis=list(self.bases))
        means = {name: class_means(found[name], y, groups) for name in self.bases}
        variables = {f"{name}_{part}": mean[part] for name, mean in means.items() for part in mean}
        self.explanation_ = xr.Dataset(variables, attrs=means[self.bases[0]].attrs)
        self.trials_ = found["bands"]
        return self

    def explain(self, X):
        """Evidence of the trials that were explained, which is not computed anew.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
            Those of `fit`.

        Returns
        -------
        xarray.Dataset
        """
        return self.trials_
