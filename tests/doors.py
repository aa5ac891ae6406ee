"""One valid call of everything exported, with its arrays and numbers by name: `test_doors` feeds each with faults.

A new public function or estimator needs an entry here, or a reason why it takes no arrays.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch

from eegexplain import (
    attribution,
    bases,
    datasets,
    encoding,
    information,
    inspection,
    intervention,
    models,
    perturbation,
    plotting,
    report,
    reverse_correlation,
    sinusoid,
    timecourse,
)
from eegexplain.attribution import FLEXAttributor, OcclusionAttributor
from eegexplain.perturbation import PerturbationCorrelator
from eegexplain.reverse_correlation import EnvelopeCorrelator, GradCAMAttributor, ReverseCorrelator
from eegexplain.sinusoid import SinusoidFitter
from eegexplain.timecourse import OrdinalLogisticRegression, TimeResolvedCoefficients
from tests.estimators import fast_classifier, fast_eegnet, fast_eegnet_regressor, fast_regressor

MODULES = (attribution, bases, datasets, encoding, information, inspection, intervention, models, perturbation,
           plotting, report, reverse_correlation, sinusoid, timecourse)  # fmt: skip


@dataclass(frozen=True)
class Door:
    """A valid call, and what the documentation says about odd input."""

    call: Callable  # takes the arrays and numbers by name
    arrays: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)  # classes and groups: text and numbers are both right
    numbers: dict = field(default_factory=dict)
    nan: tuple = ()  # arrays whose NaN comes back as NaN, as documented
    inf: tuple = ()  # arrays whose infinities come back as infinity or NaN
    left_out: tuple = ()  # arrays whose NaN and infinities are left out, as documented, or drawn as nothing
    filled: tuple = ()  # arrays whose NaN stands for "not given", as documented
    text: tuple = ()  # arrays that may hold names instead of numbers
    single: tuple = ()  # arrays that may be one number


rng = np.random.default_rng(0)
X = rng.standard_normal((8, 3, 32))
y = np.arange(8) % 2
TARGET = X[:, 0, 0].copy()
GROUPS = np.arange(8) // 2
MAPS = rng.standard_normal((2, 3, 4))
TRUE = np.arange(12).reshape(3, 4) % 3 == 0
PLANTED = Bunch(effect=MAPS, role=np.where(TRUE, "informative", "irrelevant"))
SPECTRA = {"amps": 1 + rng.random((8, 3, 17)), "phases": rng.random((8, 3, 17))}
PLANE = np.array([[0.0, 0.05], [0.05, 0.0], [-0.05, 0.0], [0.0, -0.04], [0.01, 0.01]])
NAMES = ["Fz", "C3", "Cz", "C4", "Pz"]
STIMULUS = rng.standard_normal((40, 2))
RESPONSE = STIMULUS @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((40, 3))
PLACES = np.linspace(-3, 3, 40)[:, None]
TUNING = np.array([[0.5, 1.0, 2.0, 0.3], [-0.5, 1.0, 1.0, 0.1]])
TUNED = np.exp(-0.5 * (PLACES - [0.5, -0.5]) ** 2) + 0.05 * rng.standard_normal((40, 2))


@functools.cache
def network():
    """A fitted network."""
    return fast_classifier().fit(X, y)


@functools.cache
def linear():
    """A linear network of two outputs."""
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(96, 2)).double()


@functools.cache
def explainer():
    """A fitted analysis around a network that can be retrained."""
    return PerturbationCorrelator(fast_classifier(max_epochs=1), random_state=0).fit(X, y)


@functools.cache
def contrast():
    """How the data of the classes differ, by frequency."""
    return inspection.power_contrast(X, y, sfreq=64.0, ch_names=["Fp1", "C3", "T8"])


def bits():
    """What a network takes from each band."""
    amounts = {"value": ("band", np.arange(5.0) / 10), "standard_error": ("band", np.full(5, 0.05))}
    whole = {"total_value": 0.8, "total_standard_error": 0.1, "entropy_value": 1.0}
    return xr.Dataset(amounts | whole, {"band": list("abcde")}, {"unit": "bit", "degrees_of_freedom": 4})


def relations():
    """What a network takes from the relations of three channels."""
    dims, values = ("band", "channel", "other_channel"), np.ones((1, 3, 3)) / 10
    amounts = {"value": (dims, values), "standard_error": (dims, values / 10)}
    known = {"value": ("band", [0.3]), "standard_error": ("band", [0.05])}
    for name in ("relations", "reversal", "diagonal"):
        amounts |= {f"{name}_{what}": found for what, found in known.items()}
    whole = {"total_value": 0.8, "total_standard_error": 0.1, "entropy_value": 1.0}
    coords = {"band": ["alpha"], **dict.fromkeys(dims[1:], list("abc"))}
    return xr.Dataset(amounts | whole, coords, {"unit": "bit", "degrees_of_freedom": 40})


def fit(make, **params):
    """Fit an analysis of trials."""
    return lambda X, y, groups: make(**params).fit(X, y, groups=groups)


def analysis(make, **params):
    """The door of an analysis of trials: what its `fit` takes, and the numbers of its constructor."""
    names = ("sfreq",)
    return Door(
        lambda X, y, groups, **numbers: make(FrozenEstimator(network()), **{**params, **numbers}).fit(
            X, y, groups=groups
        ),
        arrays={"X": X}, labels={"y": y, "groups": GROUPS}, numbers=dict.fromkeys(names, 64.0),
    )  # fmt: skip


def windows(function, **arrays):
    """Doors of the earlier tool's functions of inputs and activations."""
    return Door(
        lambda inputs, activations, receptive_field_size: function(inputs, activations, receptive_field_size),
        arrays={"inputs": X[..., None], "activations": X[:, :2, 4:, None] + 0.1,
                "receptive_field_size": np.array([5, 1])},
        single=("receptive_field_size",),
    )  # fmt: skip


def spectra(function):
    """Doors of perturbations."""
    return Door(lambda amps, phases: function(amps, phases, np.random.RandomState(0)), arrays=SPECTRA)


def predicting(model, paradigm, parameters, **more):
    """Doors of encoding models: what `predict` takes."""
    return Door(lambda paradigm, parameters: model.predict(paradigm, parameters),
                arrays={"paradigm": paradigm, "parameters": parameters}, nan=("parameters",))  # fmt: skip


def display(make, left_out=(), text=(), **arrays):
    """Doors of displays."""
    return Door(make, arrays=arrays, left_out=left_out, text=text)


def curve_of(X, attributions, fractions, sfreq):
    """Deletion curve of the amplitude at one frequency."""
    return inspection.deletion_curve(lambda X: np.abs(np.fft.rfft(X)[:, 0, 5]), X, attributions, random_state=0,
                                     fractions=fractions, sfreq=sfreq)  # fmt: skip


def layer_correlation(inputs):
    """Spectral perturbation correlation of the power of a channel."""
    return perturbation.spectral_perturbation_correlation(
        perturbation.amp_perturbation_multiplicative, perturbation.mean_diff_feature_maps, lambda X: [X[:, :1] ** 2], 1,
        inputs, 2,
    )  # fmt: skip


def reverse_correlation_windows(inputs, units, receptive_field_size, stride, offset):
    """Windows of units, with all arrays by name."""
    return reverse_correlation.get_input_windows_from_units_2d(inputs, units, receptive_field_size, stride=stride,
                                                               offset=offset)  # fmt: skip


def job_of(X, y, subject):
    """A small report's job."""
    data = Bunch(X=X, y=y, sfreq=64.0, ch_names=["C3", "Cz", "C4"], subject=subject)
    return report.run_job(data, report.Options(n_folds=2, group_by="subject"))


UNITS = np.array([[0, 0, 3, 0], [7, 0, 27, 0]])
DOORS = {
    # attribution
    "FLEXAttributor": analysis(FLEXAttributor, n_steps=3, random_state=0),
    "OcclusionAttributor": analysis(OcclusionAttributor),
    "attribute": Door(
        lambda **given: attribution.attribute(model=linear(), target=0, n_steps=3, **given),
        arrays={"input": X[0], "baseline": X[1]},
    ),
    # bases
    "spatial": Door(lambda source: bases.spatial(source), arrays={"source": rng.standard_normal((5, 2))}),
    "Spatial": Door(
        lambda filters, patterns: bases.Spatial(filters=filters, patterns=patterns, names=("a", "b")),
        arrays={"filters": np.eye(3)[:2], "patterns": np.eye(3)[:, :2]},
    ),
    # datasets
    "make_oscillatory_eeg": Door(
        lambda **numbers: datasets.make_oscillatory_eeg(4, ["C3", "Oz"], n_background=5, random_state=0, **numbers),
        numbers={"sfreq": 64.0, "duration": 0.5, "snr": 1.0, "line_noise": 0.0},
    ),
    "make_synchrony_eeg": Door(
        lambda **numbers: datasets.make_synchrony_eeg(4, 3, random_state=0, **numbers),
        numbers={"sfreq": 50.0, "duration": 0.5, "frequency": 10.0, "noise_variance": 8.0, "decay": 40.0},
    ),
    "read_trials": Door(
        lambda data, y, groups: np.asarray(datasets.read_trials(data, y, groups=groups).X),
        arrays={"data": X},
        labels={"y": y, "groups": GROUPS},
    ),
    "windows": Door(
        lambda recording, **given: np.asarray(datasets.windows(np.asanyarray(recording), **given).X),
        arrays={"recording": X[0], "events": np.array([0.04, 0.12, 0.22]), "bad": np.array([[0.28, 0.3], [0.3, 0.31]])},
        labels={"y": np.array([0, 1, 1])},
        numbers={"length": 0.08, "tmin": -0.02, "sfreq": 100.0, "block": 0.3},
        nan=("recording",),
        inf=("recording",),
    ),
    "Dipole": Door(
        lambda position, orientation: datasets.Dipole(position, orientation).topography(["Fz", "Cz"]),
        arrays={"position": np.array([0.1, 0.2, 0.5]), "orientation": np.array([0.0, 0.0, 1.0])},
    ),
    # encoding
    "EncodingModel": predicting(encoding.GaussianTuningModel(), PLACES, TUNING),
    "GaussianTuningModel": Door(
        lambda paradigm, grid_coordinates: encoding.GaussianTuningModel(grid_coordinates=grid_coordinates).predict(
            paradigm, TUNING
        ),
        arrays={"paradigm": STIMULUS, "grid_coordinates": np.array([[0.0], [1.0]])},
    ),
    "HRFEncodingModel": predicting(
        encoding.GaussianTuningModel(hrf_model=encoding.HRFModel(hrf=[0.5, 0.5])), PLACES, TUNING
    ),
    "LinearModelWithBaseline": Door(
        lambda paradigm, weights: encoding.LinearModelWithBaseline().predict(paradigm, weights=weights),
        arrays={"paradigm": STIMULUS, "weights": np.ones((2, 3))}, nan=("weights",),
    ),
    "LinearModelWithBaselineHRF": Door(
        lambda paradigm: encoding.LinearModelWithBaselineHRF(hrf_model=encoding.HRFModel(hrf=[0.5, 0.5])).predict(
            paradigm
        ),
        arrays={"paradigm": STIMULUS},
    ),
    "DelayedModel": Door(
        lambda paradigm, **numbers: encoding.DelayedModel(**numbers).predict(paradigm),
        arrays={"paradigm": STIMULUS}, numbers={"tmin": 0.0, "tmax": 2.0, "sfreq": 1.0},
    ),
    "HRFModel": Door(
        lambda hrf, signals: encoding.HRFModel(hrf=hrf).convolve(signals),
        arrays={"hrf": np.array([0.2, 0.5, 0.3]), "signals": STIMULUS}, nan=("signals",),
    ),
    "SPMHRFModel": Door(
        lambda delay, dispersion, **numbers: encoding.SPMHRFModel(**numbers).get_hrf(delay, dispersion),
        arrays={"delay": np.array([5.0, 6.0]), "dispersion": np.array([1.0, 0.9])}, single=("delay", "dispersion"),
        numbers={"tr": 1.0, "time_length": 20.0, "onset": 0.0, "undershoot": 16.0, "u_dispersion": 1.0, "ratio": 0.2},
    ),
    "spm_hrf": Door(
        lambda t, a1, d1, a2, d2, c: encoding.spm_hrf(t, a1, d1, a2, d2, c),
        arrays={"t": np.arange(0, 20.0), "a1": np.array([6.0, 5.0]), "d1": np.ones(2), "a2": np.array([16.0, 15.0]),
                "d2": np.ones(2), "c": np.full(2, 0.2)},
        single=("t", "a1", "d1", "a2", "d2", "c"),
    ),
    "WeightFitter": Door(
        lambda X, y, alpha, groups: encoding.WeightFitter(alpha=alpha, cv=2).fit(X, y, groups),
        arrays={"X": STIMULUS, "y": RESPONSE, "alpha": np.array([0.1, 1.0])},
        labels={"groups": np.arange(40) // 10}, single=("alpha",),
    ),
    "ParameterFitter": Door(
        lambda X, y, init_pars, confounds, groups: encoding.ParameterFitter(
            encoding.GaussianTuningModel(), init_pars=init_pars
        ).fit(X, y, confounds, groups),
        arrays={"X": PLACES, "y": TUNED, "init_pars": TUNING, "confounds": np.linspace(0, 1, 40)[:, None] ** 2},
        labels={"groups": np.arange(40) // 10}, filled=("init_pars",),
    ),
    "StimulusDecoder": Door(
        lambda X, y, grid, prior, data: encoding.StimulusDecoder(
            encoding.ParameterFitter(encoding.GaussianTuningModel()), grid=grid, prior=prior
        ).fit(X, y).predict_proba(data),
        arrays={"X": PLACES, "y": TUNED, "grid": np.linspace(-2, 2, 9)[:, None], "prior": np.ones(9), "data": TUNED},
    ),
    "score_significance": Door(
        lambda y_true, y_pred, groups: encoding.score_significance(
            y_true, y_pred, groups, n_permutations=9, random_state=0
        ),
        arrays={"y_true": RESPONSE, "y_pred": STIMULUS @ np.ones((2, 3))}, labels={"groups": np.arange(40) // 20},
        left_out=("y_true", "y_pred"),
    ),
    "ResidualFitter": Door(
        lambda X, tuning, distance: encoding.ResidualFitter(distance=distance).fit(X, tuning=tuning),
        arrays={"X": RESPONSE, "tuning": rng.standard_normal((6, 3)), "distance": 1 - np.eye(3)},
    ),
    "unit_responses": Door(
        lambda X: encoding.unit_responses(FrozenEstimator(network()), X), arrays={"X": X}
    ),
    # information
    "InformationMapper": analysis(
        information.InformationMapper, cells="windows", windows=2, n_permutations=19, random_state=0
    ),
    "SynchronyMapper": analysis(
        information.SynchronyMapper, bands={"alpha": (6, 14)}, space="channels", n_permutations=19, random_state=0
    ),
    "SourceSpace": Door(
        lambda leadfield, positions: information.SourceSpace(leadfield, positions),
        arrays={"leadfield": rng.standard_normal((5, 2)), "positions": rng.standard_normal((2, 3))},
    ),
    # inspection
    "artifact_audit": Door(
        lambda X, y, groups, sfreq, line_frequency: inspection.artifact_audit(
            contrast(), X, y, groups=groups, sfreq=sfreq, line_frequency=line_frequency
        ).shares,
        arrays={"X": X}, labels={"y": y, "groups": GROUPS}, numbers={"sfreq": 64.0, "line_frequency": 20.0},
    ),
    "assess_decoding": Door(
        lambda y, predicted, folds, groups, identities, scores, references: vars(
            inspection.assess_decoding(y, predicted, folds=folds, groups=groups, identities={"subject": identities},
                                       scores=scores, references={"other": references}, n_permutations=19,
                                       random_state=0)
        ),
        arrays={"scores": X[:, 0, 0], "references": X[:, 0, 1]},
        labels={"y": y, "predicted": y[::-1], "folds": np.arange(8) // 4, "groups": GROUPS, "identities": GROUPS},
    ),
    "balanced_accuracy": Door(inspection.balanced_accuracy, labels={"y": y, "predicted": y[::-1]}),
    "confusion_table": Door(
        lambda y, predicted, folds, groups: vars(
            inspection.confusion_table(y, predicted, folds=folds, groups=groups, n_permutations=19, random_state=0)
        ),
        labels={"y": y, "predicted": y[::-1], "folds": np.arange(8) // 4, "groups": GROUPS},
    ),
    "map_scores": Door(
        lambda maps, reference, top: inspection.map_scores(maps, reference, top=top),
        arrays={"maps": MAPS, "reference": np.abs(MAPS[::-1])}, numbers={"top": 0.3},
    ),
    "structural_similarity": Door(
        lambda first, second, data_range: inspection.structural_similarity(first, second, window=3,
                                                                           data_range=data_range),
        arrays={"first": MAPS, "second": MAPS[::-1]}, numbers={"data_range": 2.0},
    ),
    "average_precision": Door(
        lambda maps, truth, scored: inspection.average_precision(maps, truth, scored=scored),
        arrays={"maps": MAPS, "truth": TRUE, "scored": np.ones((3, 4), bool)},
    ),
    "complexity": Door(inspection.complexity, arrays={"maps": MAPS}),
    "cross_validate_explanations": Door(
        lambda X, y, groups: inspection.cross_validate_explanations(
            explainer(), X, y, groups=groups, cv=2, random_state=0
        ).dataset,
        arrays={"X": X}, labels={"y": y, "groups": GROUPS},
    ),
    "cross_validate_models": Door(
        lambda X, y, groups, identities: inspection.cross_validate_models(
            fast_classifier(), X, y, groups=groups, identities={"subject": identities}, cv=2, random_state=0
        ).held_out.scores,
        arrays={"X": X}, labels={"y": y, "groups": GROUPS, "identities": GROUPS},
    ),
    "deletion_curve": Door(
        curve_of, arrays={"X": X, "attributions": rng.random((3, 17)), "fractions": np.linspace(0, 0.9, 4)},
        numbers={"sfreq": 1.0},
    ),
    "evidence_contrast": Door(
        lambda evidence, y, folds, groups: inspection.evidence_contrast(
            evidence, y, folds=folds, groups=groups, n_permutations=19, alpha=0.5, random_state=0
        ),
        arrays={"evidence": X[:, :2, :5]}, labels={"y": y, "folds": np.arange(8) // 4, "groups": GROUPS},
    ),
    "explain_groups": Door(
        lambda X, y, groups: inspection.explain_groups(
            explainer(), X, y, groups=groups, cv=2, random_state=0
        ).dataset,
        arrays={"X": X}, labels={"y": y, "groups": np.arange(8) // 4},
    ),
    "group_significance": Door(
        lambda maps: inspection.group_significance(maps, alpha=0.5, random_state=0),
        arrays={"maps": rng.standard_normal((6, 4))},
    ),
    "label_randomization": Door(
        lambda X, y: inspection.label_randomization(explainer(), X, y, n_permutations=1, random_state=0),
        arrays={"X": X}, labels={"y": y},
    ),
    "map_similarity": Door(
        inspection.map_similarity, arrays={"first": MAPS, "second": MAPS[::-1]}, nan=("first", "second"),
    ),
    "model_randomization": Door(
        lambda X, y: inspection.model_randomization(explainer(), X, y, random_state=0), arrays={"X": X}, labels={"y": y}
    ),
    "permutation_test": Door(
        lambda X, y, groups: inspection.permutation_test(
            PerturbationCorrelator(FrozenEstimator(network())), X, y, groups=groups, n_permutations=19, alpha=0.5,
            random_state=0
        ).p_values.values,
        arrays={"X": X}, labels={"y": y, "groups": GROUPS},
    ),
    "power_contrast": Door(
        lambda X, y, groups, sfreq: inspection.power_contrast(X, y, groups=groups, sfreq=sfreq),
        arrays={"X": X}, labels={"y": y, "groups": GROUPS}, numbers={"sfreq": 64.0},
    ),
    "evoked_contrast": Door(
        lambda X, y, groups, sfreq: inspection.evoked_contrast(X, y, groups=groups, sfreq=sfreq),
        arrays={"X": X}, labels={"y": y, "groups": GROUPS}, numbers={"sfreq": 64.0},
    ),
    "reference_decoders": Door(
        lambda sfreq, frequency_range, shrinkage: inspection.reference_decoders(
            sfreq, frequency_range=frequency_range, shrinkage=shrinkage
        )["tangent space + LR"].fit(X, y).decision_function(X),
        arrays={"frequency_range": np.array([2.0, 30.0])}, numbers={"sfreq": 64.0, "shrinkage": 0.1},
    ),
    "relevance_mass_accuracy": Door(inspection.relevance_mass_accuracy, arrays={"maps": MAPS, "truth": TRUE}),
    "relevance_rank_accuracy": Door(inspection.relevance_rank_accuracy, arrays={"maps": MAPS, "truth": TRUE}),
    "score_against_truth": Door(
        lambda value: inspection.score_against_truth(value, PLANTED), arrays={"value": PLANTED.effect}
    ),
    "sign_agreement": Door(
        lambda maps, effect, scored: inspection.sign_agreement(maps, effect, scored=scored),
        arrays={"maps": MAPS, "effect": MAPS[0] + 0.1, "scored": np.ones((3, 4), bool)},
    ),
    "stability": Door(
        lambda X, y, groups: inspection.stability(
            explainer(), X, y, groups=groups, n_folds=2, n_repeats=1, n_permutations=0, random_state=0
        ).agreement,
        arrays={"X": X}, labels={"y": y, "groups": GROUPS},
    ),
    "uncovered_bands": Door(
        lambda X, y, groups, sfreq: len(
            inspection.uncovered_bands(network().filter_table_, X, y, sfreq=sfreq, groups=groups)
        ),
        arrays={"X": X}, labels={"y": y, "groups": GROUPS}, numbers={"sfreq": 64.0},
    ),
    "usable_information": Door(
        lambda y, scores, folds, groups: vars(inspection.usable_information(y, scores, folds=folds, groups=groups)),
        arrays={"scores": X[:, 0, 0]}, labels={"y": y, "folds": np.arange(8) // 4, "groups": np.arange(8)},
    ),
    # intervention
    "ActivationPatcher": analysis(intervention.ActivationPatcher, n_draws=2, random_state=0),
    "intervene": Door(
        lambda X, other, reference: intervention.intervene(
            network(), X, {"conv_out": {"units": [0], "with": other}, "pool_out": {"units": [1], "with": "mean"}},
            reference=reference,
        ),
        arrays={"X": X, "other": X[::-1], "reference": X[:5]},
    ),
    # models
    "align_groups": Door(
        lambda X, groups: models.align_groups(X, groups), arrays={"X": np.concatenate([X, X, X])},
        labels={"groups": np.repeat([0, 1], 12)},
    ),
    "filter_patterns": Door(
        lambda templates, X: models.filter_patterns(templates, X), arrays={"templates": X[:2, :, :5], "X": X},
    ),
    "fit_many": Door(
        lambda X, y, groups, targets, subsets: [
            *models.fit_many(fast_classifier(max_epochs=1), X, y, subsets=[*subsets], groups=groups),
            *models.fit_many(fast_classifier(max_epochs=1), X, None, targets=[*targets]),
        ],
        arrays={"X": X, "subsets": np.arange(8)[None]}, labels={"y": y, "groups": GROUPS, "targets": y[None]},
    ),
    "SyncNetClassifier": Door(
        lambda X, y, **numbers: fast_classifier(**numbers).fit(X, y), arrays={"X": X}, labels={"y": y},
        numbers={"sfreq": 64.0, "lr": 0.005},
    ),
    "SyncNetRegressor": Door(
        lambda X, y, **numbers: fast_regressor(**numbers).fit(X, y), arrays={"X": X, "y": TARGET},
        numbers={"sfreq": 64.0, "lr": 0.005},
    ),
    "EEGNetClassifier": Door(
        lambda X, y, **numbers: fast_eegnet(**numbers).fit(X, y), arrays={"X": X}, labels={"y": y},
        numbers={"sfreq": 64.0, "lr": 0.005},
    ),
    "EEGNetRegressor": Door(
        lambda X, y, **numbers: fast_eegnet_regressor(**numbers).fit(X, y), arrays={"X": X, "y": TARGET},
        numbers={"sfreq": 64.0, "lr": 0.005},
    ),
    "EnsembleClassifier": Door(
        lambda X, y, groups: models.EnsembleClassifier([fast_classifier(max_epochs=1)], random_state=0).fit(
            X, y, groups=groups
        ),
        arrays={"X": X}, labels={"y": y, "groups": GROUPS},
    ),
    "EnsembleRegressor": Door(
        lambda X, y, groups: models.EnsembleRegressor([fast_regressor(max_epochs=1)], random_state=0).fit(
            X, y, groups=groups
        ),
        arrays={"X": X, "y": TARGET}, labels={"groups": GROUPS},
    ),
    # perturbation
    "PerturbationCorrelator": analysis(PerturbationCorrelator, random_state=0),
    "amp_perturbation_additive": spectra(perturbation.amp_perturbation_additive),
    "amp_perturbation_multiplicative": spectra(perturbation.amp_perturbation_multiplicative),
    "phase_perturbation": spectra(perturbation.phase_perturbation),
    "compute_amplitude_prediction_correlations": Door(
        lambda examples: perturbation.compute_amplitude_prediction_correlations(
            lambda X: (X**2).mean(-1), examples, 2
        ),
        arrays={"examples": X},
    ),
    "correlate_feature_maps": Door(perturbation.correlate_feature_maps, arrays={"x": X, "y": X[::-1]}),
    "mean_diff_feature_maps": Door(perturbation.mean_diff_feature_maps, arrays={"x": X, "y": X[::-1]}),
    "spectral_perturbation_correlation": Door(layer_correlation, arrays={"inputs": X}),
    # plotting
    "CrossValidatedDisplay": Door(
        lambda value, standard_error, fold_value, error_given_networks, degrees_of_freedom:
        plotting.CrossValidatedDisplay(value, standard_error, fold_value, list("abcde"), degrees_of_freedom,
                                       error_given_networks=error_given_networks),
        arrays={name: rng.random(5) for name in ("value", "standard_error", "error_given_networks")}
        | {"fold_value": rng.random((3, 5))},
        numbers={"degrees_of_freedom": 2.0},
        left_out=("value", "standard_error", "fold_value", "error_given_networks"),
    ),
    "PermutationDisplay": display(
        lambda null, observed, p_values, cells:
        plotting.PermutationDisplay(null, observed, ["a"], p_values, cells=cells),
        null=rng.random((1, 9)), observed=np.array([0.5]), p_values=np.array([0.1]), cells=rng.random(5),
    ),
    "PatchingDisplay": display(
        lambda value, standard_error, contrast: plotting.PatchingDisplay(
            value, standard_error, list("abcde"), ["x", "y"], 9, contrast=contrast
        ),
        ("value", "standard_error", "contrast"), value=rng.random((2, 5)), standard_error=rng.random((2, 5)),
        contrast=rng.random(2),
    ),
    "CoverageDisplay": display(lambda mass: plotting.CoverageDisplay([mass], ["a"]), mass=np.linspace(0, 1, 9)),
    "GeneralizationDisplay": display(
        lambda scores, times: plotting.GeneralizationDisplay(scores, times), scores=rng.random((4, 4)),
        times=np.arange(4.0),
    ),
    "HRFDisplay": display(lambda times, responses: plotting.HRFDisplay([times], [responses], ["a"]),
                          times=np.arange(5.0), responses=np.arange(5.0)),
    "InformationDisplay": display(
        lambda unique: plotting.InformationDisplay(bits(), truth={"unique": unique}), unique=rng.random(5)
    ),
    "SynchronyDisplay": display(
        lambda positions: plotting.SynchronyDisplay(relations()).plot(positions=positions), positions=PLANE[:3]
    ),
    "R2Display": display(plotting.R2Display, ("r2", "null"), r2=np.linspace(0, 0.5, 9), null=np.zeros(9)),
    "SpectralMapDisplay": display(
        lambda values, frequencies, standard_error: plotting.SpectralMapDisplay(
            values, NAMES, frequencies=frequencies, standard_error=standard_error
        ),
        ("values", "standard_error"), values=rng.random((1, 5, 4)), frequencies=np.arange(4.0),
        standard_error=rng.random((1, 5, 4)),
    ),
    "TRFDisplay": display(lambda kernels, times: plotting.TRFDisplay(kernels, times, NAMES),
                          kernels=rng.random((5, 2, 6)), times=np.arange(6.0)),
    "TemplateDisplay": Door(
        lambda templates, sfreq, params_sin, r2_sin, windows, window_index: plotting.TemplateDisplay(
            templates, NAMES, sfreq, params_sin=params_sin, r2_sin=r2_sin, windows=windows, window_index=window_index
        ),
        arrays={"templates": rng.random((2, 5, 8)), "params_sin": rng.random((2, 5, 4)), "r2_sin": rng.random((2, 5)),
                "windows": rng.random((2, 3, 5, 8)), "window_index": np.ones((2, 3, 2), int)},
        numbers={"sfreq": 64.0},
    ),
    "TimeFrequencyDisplay": display(
        plotting.TimeFrequencyDisplay, ("values", "times", "rows"), values=rng.random(6), times=np.arange(6.0) % 3,
        rows=np.arange(6.0) // 3, text=("rows",),
    ),
    "TopomapDisplay": display(
        lambda values, positions, times, standard_error: plotting.TopomapDisplay(
            values, positions, NAMES, times=times, standard_error=standard_error
        ),
        ("values", "standard_error"), values=rng.random((1, 2, 5)), positions=PLANE, times=np.arange(2.0),
        standard_error=rng.random((1, 2, 5)),
    ),
    "TrialMapDisplay": display(plotting.TrialMapDisplay, ("values",), values=rng.random((3, 4)), cells=np.arange(4.0),
                               text=("cells",)),
    "TuningCurveDisplay": display(
        lambda curves, positions: plotting.TuningCurveDisplay(curves, positions, labels=["a", "b"]),
        curves=rng.random((6, 2)), positions=np.arange(6.0),
    ),
    "ax_scalp": display(lambda v: plotting.ax_scalp(v, NAMES).images[-1].get_array(), ("v",), v=np.arange(5.0)),
    "channel_positions": Door(
        lambda positions, head_radius: plotting.channel_positions(NAMES, positions, head_radius=head_radius),
        arrays={"positions": PLANE}, numbers={"head_radius": 0.095},
    ),
    "interpolation_matrix": Door(
        lambda positions, points: plotting.interpolation_matrix(positions, points),
        arrays={"positions": PLANE, "points": 0.5 * PLANE},
    ),
    # report
    "run_job": Door(job_of, arrays={"X": X}, labels={"y": y, "subject": np.arange(8) // 2}),
    # reverse correlation
    "GradCAMAttributor": analysis(GradCAMAttributor),
    "EnvelopeCorrelator": analysis(EnvelopeCorrelator, layer="pool_out", random_state=0),
    "ReverseCorrelator": analysis(ReverseCorrelator),
    "activation_reverse_correlation": windows(reverse_correlation.activation_reverse_correlation),
    "calc_Hin": Door(reverse_correlation.calc_Hin, arrays={"Hout": np.array([3.0, 4.0])}
                     | {name: np.array([2.0, 1.0]) for name in ("kernel", "stride", "dilation")},
                     single=("Hout", "kernel", "stride", "dilation")),
    "calc_Hout": Door(reverse_correlation.calc_Hout, arrays={"Hin": np.array([30.0, 40.0])}
                      | {name: np.array([2.0, 1.0]) for name in ("kernel", "stride", "dilation")},
                      single=("Hin", "kernel", "stride", "dilation")),
    "calc_receptive_field_for_units_2d": Door(
        lambda units, receptive_field_size, stride, offset: reverse_correlation.calc_receptive_field_for_units_2d(
            units, receptive_field_size, stride=stride, offset=offset
        ),
        arrays={"units": UNITS, "receptive_field_size": np.array([5, 1]), "stride": np.array([2, 1]),
                "offset": np.array([-1, 0])},
        single=("stride", "offset"),
    ),
    "calc_receptive_field_size": Door(
        lambda start_receptive_field: reverse_correlation.calc_receptive_field_size(
            torch.nn.Sequential(torch.nn.Conv2d(1, 1, (3, 1)), torch.nn.ReLU()), 1, start_receptive_field
        ),
        arrays={"start_receptive_field": np.array([2, 1])},
    ),
    "cut_windows": Door(
        lambda X, index: reverse_correlation.cut_windows(X, index, 32),
        arrays={"X": X, "index": np.column_stack([np.arange(8), np.zeros(8, int)])}, nan=("X",), inf=("X",),
    ),
    "get_input_windows_from_units_2d": Door(
        reverse_correlation_windows,
        arrays={"inputs": X[..., None], "units": np.array([[k, 0, 0, 0] for k in range(8)]),
                "receptive_field_size": np.array([32, 1]), "stride": np.array([1, 1]), "offset": np.array([0, 0])},
        nan=("inputs",), inf=("inputs",), single=("stride", "offset"),
    ),
    "get_max_act_index": Door(reverse_correlation.get_max_act_index, arrays={"activations": X[:, :1, :, None]}),
    "most_activating_input_windows": windows(reverse_correlation.most_activating_input_windows),
    "receptive_field": Door(
        lambda input_shape, scale: reverse_correlation.receptive_field(
            torch.nn.Sequential(torch.nn.Conv1d(3, 2, 5), torch.nn.ReLU()), "0", input_shape, scale=scale
        ),
        arrays={"input_shape": np.array([3, 40])}, numbers={"scale": 1.0},
    ),
    "reverse_correlation": Door(
        lambda inputs, activations, stride, offset: reverse_correlation.reverse_correlation(
            inputs, activations, 5, stride=stride, offset=offset
        ),
        arrays={"inputs": X, "activations": X[:, :2, 4:]}, numbers={"stride": 1.0, "offset": 0.0},
    ),
    "template_match": Door(reverse_correlation.template_match, arrays={"X": X, "templates": X[:2, :, :9]}),
    # sinusoid
    "SinusoidFitter": analysis(SinusoidFitter),
    "fit_sinusoids": Door(
        sinusoid.fit_sinusoids, arrays={"signals": X[0]}, numbers={"sfreq": 64.0, "fmin": 2.0, "fmax": 30.0}
    ),
    "signal_fit": Door(sinusoid.signal_fit, arrays={"signals": X[:1]}, numbers={"fs": 64.0}),
    "fit_fn_sin": Door(
        sinusoid.fit_fn_sin, arrays={"x": X[0, 0]} | {
            name: np.full(32, 0.5) for name in ("frequency", "amplitude", "phase", "offset")},
        nan=("x", "frequency", "amplitude", "phase", "offset"),
        single=("x", "frequency", "amplitude", "phase", "offset"),
    ),
    "fit_fn_lin": Door(
        sinusoid.fit_fn_lin, arrays={"x": X[0, 0], "intercept": np.ones(32), "slope": np.ones(32)},
        nan=("x", "intercept", "slope"), single=("x", "intercept", "slope"),
    ),
    "err_fn_sin": Door(sinusoid.err_fn_sin, arrays={"p": np.ones(4), "x": X[0, 0], "y": X[0, 1]}, nan=("p", "x", "y"),
                       single=("x", "y")),
    "err_fn_lin": Door(sinusoid.err_fn_lin, arrays={"p": np.ones(2), "x": X[0, 0], "y": X[0, 1]}, nan=("p", "x", "y"),
                       single=("x", "y")),
    # over time
    "TimeResolvedCoefficients": Door(
        lambda X, y, groups, **numbers: TimeResolvedCoefficients(**numbers).fit(X, y, groups=groups),
        arrays={"X": X}, labels={"y": y, "groups": np.arange(8) // 4}, numbers={"tmin": 0.0, "sfreq": 64.0},
    ),
    "OrdinalLogisticRegression": Door(
        lambda X, y, **numbers: OrdinalLogisticRegression(**numbers).fit(X, y),
        arrays={"X": X[:, :, 0]}, labels={"y": y}, numbers={"tol": 1e-8},
    ),
}  # fmt: skip

NO_ARRAYS = {
    "asked about models that `cross_validate_models` has checked": ("explain_models",),
    "scorers and choices of a search, which check what they are called with": (
        "accuracy_and_faithfulness", "faithfulness_scorer", "information_scorer", "sparsity_scorer",
        "stability_scorer"),
    "records": ("ArtifactAudit", "ArtifactShare", "CrossValidatedExplanation", "CrossValidatedModels",
                "ExplanationComparison", "GroupExplanation", "ReferenceComparison", "Confusion", "Decoding",
                "DecodingCalibration", "DeletionCurve",
                "SanityCheck", "Parameter", "Perturbation", "ReceptiveField", "Significance", "Stability",
                "SinusoidFit", "Source", "Job", "Options", "Figure", "Findings", "Section", "Trials",
                "TrialSet", "TotalInformation", "TruthScore", "UncoveredBand", "UsableInformation"),
    "bases, whose sizes `bind` checks": ("Basis", "Bands", "Fourier", "STFT", "Time", "TimeBands", "Wavelet",
                                                "Windows"),
    "a style": ("one_column",),
    "names, files, epochs and labelled results": ("as_basis", "class_contrast", "compare_explanations", "Explorer",
                                                  "fetch_uci_eeg", "from_epochs", "ideal_observer_accuracy",
                                                  "ideal_observer_information", "load_trials",
                                                  "load_uci_eeg", "to_bids_sidecar", "to_dataframe",
                                                  "to_mne", "total_information"),
    "torch modules, and what holds a trained one": ("EEGNet", "FrequencyDomainModel", "SyncNet", "TrainedModule",
                                                    "as_estimator"),
    "bases of facades, without a network": ("NetworkClassifier", "NetworkRegressor"),
    "drawn from a `DeletionCurve` or a `Confusion`": ("ConfusionDisplay", "FaithfulnessDisplay"),
    "starts with `run_job`": ("make_report",),
}  # fmt: skip
