"""
When and where is memory load? Coefficients over time
=====================================================

Linear models at 145 time points, for each subject and each of ten folds, averaged, drawn on the scalp and set in
motion. Loads have an order (1, 2, 3 items), so the model is an ordinal logistic regression.
"""

# %%
# Trials of twelve subjects
# -------------------------
# Load raises activity over parietal electrodes from 250 ms on, and lowers it at frontal ones, in correlated noise.

import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from eegexplain import OrdinalLogisticRegression, TimeResolvedCoefficients, TopomapDisplay
from eegexplain.plotting import channel_positions

names = (
    "Fp1 Fp2 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 P7 P3 Pz P4 P8 PO7 PO8 O1 Oz O2"
).split()
rng = np.random.default_rng(0)
plane = channel_positions(names)
closeness = np.exp(-((plane[:, None] - plane[None]) ** 2).sum(axis=-1) / (2 * 0.03**2))
n_times, sfreq = 145, 120.0
times = -0.2 + np.arange(n_times) / sfreq
subject = np.repeat(np.arange(12), 60)
load = np.tile([1, 2, 3], 240)
mixing = np.linalg.cholesky(closeness + 0.3 * np.eye(30))
noise = np.einsum("cd,ndt->nct", mixing, rng.standard_normal((720, 30, n_times)))
effect = (closeness[:, 22] - 0.6 * closeness[:, 4])[:, None] / (1 + np.exp(-(times - 0.3) / 0.03))
X = noise + 0.7 * load[:, None, None] * effect

# %%
# The whole recipe
# ----------------
# Coefficients per subject, fold, time and electrode; their mean; its map at every time; a GIF with the held-out score
# underneath.

gif = pathlib.Path(tempfile.mkdtemp()) / "load.gif"

ordinal = OrdinalLogisticRegression(C=0.1)
model = TimeResolvedCoefficients(ordinal, cv=10, tmin=-0.2, sfreq=sfreq, ch_names=names).fit(X, load, groups=subject)
maps = model.explanation_
display = TopomapDisplay.from_explanation(maps)
display.save(gif, trace=maps["score"].values, trace_label="accuracy", trace_baseline=model.chance_)

# %%
# ``coef_`` keeps subjects and folds apart.

print(f"{gif.name}: {gif.stat().st_size / 1e6:.1f} MB; coef_ {model.coef_.shape}")
display.plot_grid(times=[0.0, 0.2, 0.3, 0.4, 0.8])

# %%
# Coefficients also weigh channels to cancel noise. Where the signal is, is told by the patterns.

patterns = model.patterns_.mean(axis=(0, 1))
TopomapDisplay.from_values(patterns, names, times, label="pattern (SD)").plot_grid(times=[0.0, 0.2, 0.3, 0.4, 0.8])

# %%
# Held-out scores over time, with chance.

score, error = maps["score"].values, maps["score_standard_error"].values
figure, ax = plt.subplots(figsize=(5, 2.5), layout="constrained")
ax.fill_between(times, score - 1.96 * error, score + 1.96 * error, color="0.85")
ax.plot(times, score, color="black")
ax.axhline(model.chance_, color="0.5", linestyle="--")
ax.set(xlabel="time (s)", ylabel="balanced accuracy")
plt.show()
