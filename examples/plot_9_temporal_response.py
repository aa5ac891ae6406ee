"""
Temporal response functions, and what drives the units of a network
===================================================================

How does EEG follow a continuous stimulus? A temporal response function is an encoding model of lagged features. The
same machinery asks what drives the units of a trained network: they take the place of electrodes.
"""

# %%
# A forward model
# ---------------
# Two features of speech drive simulated EEG: the envelope, frontally after 100 ms and occipitally after 220 ms, and
# word onsets after 300 ms. Ten runs; lags and folds never cross from one to the next.

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict

from eegexplain import SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.encoding import DelayedModel, WeightFitter, unit_responses
from eegexplain.plotting import R2Display, SpectralMapDisplay, TRFDisplay, channel_positions

names = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
sfreq, n_runs, run_length = 64.0, 10, 1280
rng = np.random.default_rng(0)
model = DelayedModel(tmin=0.0, tmax=0.45, sfreq=sfreq)
lags, place = model.get_times(), channel_positions(names)


def bump(centre, latency, width):
    """A map around a place, at a latency."""
    on_scalp = np.exp(-((place - centre) ** 2).sum(axis=1) / (2 * 0.04**2))
    return np.outer(on_scalp, np.exp(-((lags - latency) ** 2) / (2 * width**2)))


planted = np.stack(
    [bump([0, 0.04], 0.1, 0.03) - bump([0, -0.07], 0.22, 0.04), 0.5 * bump([0.05, 0], 0.3, 0.05)], axis=1
)
speech = rng.standard_normal((n_runs * run_length, 2))
runs = np.repeat(np.arange(n_runs), run_length)
eeg = model.predict(speech, weights=planted.reshape(19, -1).T, groups=runs)
eeg += 2 * rng.standard_normal(eeg.shape)

# %%
# Each channel has its own penalty, chosen by cross-validation over whole runs.

train = runs < 8
trf = WeightFitter(model, alpha=np.logspace(0, 5, 11), cv=4).fit(speech[train], eeg[train], groups=runs[train])
print("correlation with the planted kernels", np.corrcoef(trf.kernels_.ravel(), planted.ravel())[0, 1].round(3))
print("penalties", np.unique(trf.alpha_))
TRFDisplay.from_estimator(trf, names, features=["envelope", "onsets"], label="µV per unit")

# %%
# The share of EEG that speech explains in runs that were not fitted.

r2 = trf.score(speech[~train], eeg[~train], groups=runs[~train], multioutput="raw_values")
R2Display(r2).plot(bins=10, xlabel="R², held-out runs")

# %%
# A backward model
# ----------------
# Reading the envelope from the EEG needs later samples: negative lags. Its weights say how to read, not where the
# signal comes from; Haufe patterns do, and they look like the forward model with time reversed.

backward = WeightFitter(DelayedModel(tmin=-0.45, tmax=0.0, sfreq=sfreq), alpha=np.logspace(2, 6, 9))
backward.fit(eeg[train], speech[train, 0], groups=runs[train])
print(f"reconstruction R2 {backward.score(eeg[~train], speech[~train, 0], groups=runs[~train]):.2f}")
TRFDisplay.from_estimator(backward, names, scalp="features", features=["envelope"])

# %%
# What drives the units of a network?
# -----------------------------------
# A SyncNet learns to tell two classes apart: 10 Hz is stronger under Oz in one, 22 Hz under C3 in the other. Its
# units are its filters, rectified and pooled.

trials = make_oscillatory_eeg(n_trials=300, random_state=0)
fitted, fresh = np.arange(300) < 150, np.arange(300) >= 150
net = SyncNetClassifier(readout="max", training="gradient", sfreq=trials.sfreq, random_state=0)
net.fit(trials.X[fitted], trials.y[fitted])
units = np.log(unit_responses(net, trials.X[fresh], layer="pool_out").data + 1e-6)
varies = units.std(axis=0) > 1e-6
units = units[:, varies]

# %%
# The features are the log power of every channel in four bands; a unit's R2 on held-out trials says how much of it
# they explain, and shuffled trials say how much R2 nothing gives.

bands = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
power = np.abs(np.fft.rfft(trials.X[fresh] * np.hanning(trials.X.shape[2]))) ** 2
power = np.stack(
    [
        power[..., (trials.frequencies >= low) & (trials.frequencies < high)].mean(axis=2)
        for low, high in bands.values()
    ],
    axis=2,
)
features = np.log(power).reshape(len(power), -1)
features = (features - features.mean(axis=0)) / features.std(axis=0)
encoder = WeightFitter(alpha=np.logspace(0, 5, 11))
r2 = r2_score(units, cross_val_predict(encoder, features, units, cv=KFold(5)), multioutput="raw_values")
shuffled = rng.permutation(units)
null = r2_score(shuffled, cross_val_predict(encoder, features, shuffled, cv=KFold(5)), multioutput="raw_values")
print("R2 per unit, held-out trials", r2.round(2))
R2Display(r2, null=null).plot(bins=12, xlabel="R² per unit, held-out trials")

# %%
# The two units that band power explains best. Under volume conduction, patterns show where the power is that a unit
# follows; the weights also hold what a unit must subtract.

best = np.argsort(-r2)[:2]
patterns = [encoder.fit(features, units[:, unit]).patterns_[:, 0] for unit in best]
SpectralMapDisplay(
    np.reshape(patterns, (len(best), len(names), len(bands))),
    names,
    bands=list(bands),
    outputs=[f"unit {unit} (R² {r2[unit]:.2f})" for unit in best],
    label="pattern",
).plot(order="front")
