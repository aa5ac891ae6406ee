"""
A network chosen by what it says
================================

How wide should filters be, how many, and which number should be explained? A grid search that only asks for accuracy
cannot tell the last, and does not care whether maps can be believed. Here an explanation is scored like a prediction:
on trials that the network did not see. Everything is nested: inner folds choose, outer folds are reported.
"""

# %%
# Simulated trials of eight channels; the classes differ by a 10 Hz rhythm under Oz and a 22 Hz rhythm under C3.
from eegexplain.datasets import make_oscillatory_eeg

names = ["Fz", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz"]
eeg = make_oscillatory_eeg(108, names, duration=1.0, snr=1.5, random_state=1)
labels = eeg.y.astype(str).astype(object)
labels[:] = ["beta over C3" if label else "alpha over Oz" for label in eeg.y]

# %%
# A Pipeline that ends in an analysis. The grid names settings of the network and of the analysis alike; beside it stand
# a SyncNet that reads out largest values, trained by gradients, and an EEGNet that was hardly trained at all.
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain import EEGNetClassifier, FLEXAttributor, SyncNetClassifier


def without_mean(X):
    """Each trial and channel around zero."""
    return X - X.mean(axis=-1, keepdims=True)


flex = FLEXAttributor(SyncNetClassifier(random_state=0), n_steps=4, relative=True, sfreq=eeg.sfreq, ch_names=names)
pipeline = make_pipeline(FunctionTransformer(without_mean), flex)
step = "flexattributor__"
grid = [
    {
        f"{step}estimator__filter_width": [0.08, 0.5],
        f"{step}estimator__num_filters": [1, 8],
        f"{step}response": ["centered_logit", "prob"],
    },
    {
        f"{step}estimator": [
            SyncNetClassifier(readout="max", training="gradient", max_epochs=15, random_state=0),
            EEGNetClassifier(max_epochs=1, random_state=0),
        ]
    },
]

# %%
# Two scores choose: powers of faithfulness and of what accuracy has above chance, multiplied. Faithfulness differs more
# between kinds of networks than within one, so it gets a small weight: it decides between candidates that decode alike.
# The network that learned nothing is explained most faithfully of all - and cannot win. Outer folds report two scores
# more.
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from eegexplain.inspection import (
    accuracy_and_faithfulness,
    faithfulness_scorer,
    sparsity_scorer,
    stability_scorer,
)

choosing = {"accuracy": "accuracy", "faithfulness": faithfulness_scorer()}
reported = choosing | {"stability": stability_scorer(), "sparsity": sparsity_scorer()}
inner, outer = (StratifiedKFold(3, shuffle=True, random_state=seed) for seed in (0, 1))
search = GridSearchCV(pipeline, grid, scoring=choosing, refit=accuracy_and_faithfulness(weight=0.25), cv=inner)
found = cross_validate(search, eeg.X, labels, cv=outer, scoring=reported, return_estimator=True, return_indices=True)
for name in reported:
    print(f"{name}: {found[f'test_{name}'].mean():.2f} on outer folds")
for one in found["estimator"]:
    print({name.split("__")[-1]: value for name, value in one.best_params_.items()})

# %%
# What is reported is the mean map of outer folds: each by the network that was chosen without these trials.
import numpy as np
import xarray as xr

maps = [
    one.best_estimator_[-1].explain_population(without_mean(eeg.X[test]), labels[test])
    for one, test in zip(found["estimator"], found["indices"]["test"], strict=True)
]
mean = xr.concat([one[["value"]] for one in maps], "fold", combine_attrs="override").mean("fold", keep_attrs=True)

# %%
# Left: candidates on inner folds (means over outer ones); along a gray line accuracy and faithfulness are worth the
# same. Right: the map that is reported.
import matplotlib.pyplot as plt

from eegexplain.plotting import SpectralMapDisplay

results = [one.cv_results_ for one in found["estimator"]]
accuracy, faithful = (
    np.mean([one[f"mean_test_{name}"] for one in results], axis=0) for name in ("accuracy", "faithfulness")
)
times_chosen = np.bincount([one.best_index_ for one in found["estimator"]], minlength=len(accuracy))
others = {"SyncNetClassifier": ("D", "largest values"), "EEGNetClassifier": ("X", "EEGNet, hardly trained")}
colors = {0.08: "#0072B2", 0.5: "#D55E00"}


def drawn(settings):
    """Look and name of a candidate."""
    given = {name.split("__")[-1]: value for name, value in settings.items()}
    if "estimator" in given:
        marker, name = others[type(given["estimator"]).__name__]
        return {"marker": marker, "color": "0.3", "ms": 8}, name
    width, n_filters, response = given["filter_width"], given["num_filters"], given["response"]
    inside = {"ms": 6} if response == "centered_logit" else {"ms": 10, "mfc": "none"}
    name = f"{width:g} s, {n_filters} filter{'s' * (n_filters > 1)}, {response.replace('centered_', '')}"
    return {"marker": "o" if n_filters == 8 else "^", "color": colors[width], **inside}, name


fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained", width_ratios=(1, 1.2))
x, y = np.meshgrid(np.linspace(0.5, 1, 101), np.linspace(0, 0.8, 101))
left.contour(x, y, ((x - 0.5) / 0.5) ** 0.75 * y**0.25, levels=np.arange(0.1, 0.9, 0.1), colors="0.8", linewidths=0.8)
left.axvspan(0.3, 0.5, color="0.93")
left.text(0.4, 0.02, "chance:\ncannot win", ha="center", color="0.4", fontsize=9)
for place, settings in enumerate(results[0]["params"]):
    look, name = drawn(settings)
    if times_chosen[place]:
        name += f" (chosen {times_chosen[place]}x)"
        left.plot(accuracy[place], faithful[place], "o", mec="black", mfc="none", ms=18)
    left.plot(accuracy[place], faithful[place], label=name, ls="", **look)
left.set(xlim=(0.3, 1), ylim=(0, 0.8), xlabel="accuracy", ylabel="faithfulness", title="Candidates, inner folds")
fig.legend(fontsize=8, frameon=False, ncols=4, loc="outside lower center")
display = SpectralMapDisplay.from_explanation(mean, output="beta over C3", fmax=30, label="share of attribution")
display.plot(ax=right, order="front")
right.set_title(f"Map of outer folds, accuracy {found['test_accuracy'].mean():.2f}", pad=24)
plt.show()
