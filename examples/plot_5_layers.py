"""
Layer by layer: which frequency does each filter respond to?
============================================================

Perturb the trials and look inside the network: the same correlation for the units of any layer, beside that of the
outputs. Then ask what an amplitude map cannot show: whether the network uses synchrony between channels.
"""

# %%
# A network and trials it has never seen
# --------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg, make_synchrony_eeg

eeg = make_oscillatory_eeg(n_trials=300, random_state=1)
train = np.arange(len(eeg.y)) < 200
net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train])
held_out = eeg.X[~train], eeg.y[~train]
print(f"held-out accuracy {net.score(*held_out):.2f}")

# %%
# Two layers and the outputs
# --------------------------
# ``layers`` names submodules of the network. The convolution is linear, so that the mean of its output only sees
# frequency 0: ``difference="power"`` correlates with the change of the mean square instead. Outputs still come from
# gradients in closed form, layers from draws.

correlator = PerturbationCorrelator(
    FrozenEstimator(net),
    noise="data",
    layers=["conv_out", "pool_out"],
    difference="power",
    n_iterations=40,
    ch_names=eeg.ch_names,
    random_state=0,
).fit(*held_out)
print({name: values.shape for name, values in correlator.layer_correlations_.items()})

# %%
# Each row is a unit, at every frequency the channel of its largest correlation; dots are the frequencies of the learned
# filters. Most filters respond at their own frequency; those beside 10 or 22 Hz respond to these strong rhythms.


def strongest_channel(values):
    """Correlations of each unit at the channel where they are largest, per frequency."""
    return np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)[:, 0]


own = net.filter_table_["peak_frequency"].to_numpy()
order = np.argsort(own)
panels = {name: strongest_channel(values)[order] for name, values in correlator.layer_correlations_.items()}
panels["classes"] = strongest_channel(correlator.correlations_)
limit = max(np.abs(values).max() for values in panels.values())
edges = correlator.frequencies_[[0, -1]]
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for ax, (title, values) in zip(axes, panels.items(), strict=True):
    extent = (*edges, -0.5, len(values) - 0.5)
    image = ax.imshow(
        values,
        cmap="RdBu_r",
        interpolation="nearest",
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        origin="lower",
        extent=extent,
    )
    ax.set(title=title, xlim=(0, 48), xlabel="frequency (Hz)", ylabel="class" if title == "classes" else "filter")
    if title == "classes":
        ax.set_yticks(range(len(values)))
    else:
        ax.plot(own[order], range(len(own)), ".", color="black")
        ax.set_yticks(range(len(own)), order, fontsize=7)
figure.colorbar(image, ax=axes, label="correlation")

# %%
# Power or synchrony?
# -------------------
# In `make_synchrony_eeg` the classes differ only in how channels go together, not in power. ``perturbation="lag"``
# shifts each channel and frequency with probability 1 / n_channels: power stays, synchrony goes. Where the network
# needs synchrony, shifts take away evidence for the synchronous class.

synchrony = make_synchrony_eeg(n_trials=600, random_state=0)
train = np.arange(len(synchrony.y)) < 300
net = SyncNetClassifier(sfreq=synchrony.sfreq, random_state=0).fit(synchrony.X[train], synchrony.y[train])
held_out = synchrony.X[~train], synchrony.y[~train]
print(f"held-out accuracy {net.score(*held_out):.2f}")

bands = {"2-8 Hz": (2, 8), "8-12 Hz": (8, 12), "12-20 Hz": (12, 20)}
maps = {
    kind: PerturbationCorrelator(
        FrozenEstimator(net), perturbation=kind, bands=bands, n_iterations=60, random_state=0
    ).fit(*held_out)
    for kind in ("additive", "lag")
}
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, (kind, fitted) in zip(axes, maps.items(), strict=True):
    for band, style in zip(bands, ("s:", "o-", "^--"), strict=True):
        values = fitted.explanation_.sel(output="1", band=band)
        ax.errorbar(values["channel"], values["value"], 2 * values["standard_error"], fmt=style, capsize=2, label=band)
    ax.axhline(0, color="0.7", zorder=0)
    ax.set(title=f"{kind} (accuracy kept: {fitted.perturbed_score_:.0%})", xlabel="channel")
axes[0].set_ylabel("correlation with class 1")
axes[1].legend(frameon=False)

# %%
# Lags at 10 Hz speak for one class on every channel that takes part, more of them the stronger it takes part; amplitude
# has a map too (a filter that compares channels also weighs them), but its signs differ from channel to channel.

print(maps["lag"].explanation_["value"].sel(output="1", band="8-12 Hz").to_series().round(2))
