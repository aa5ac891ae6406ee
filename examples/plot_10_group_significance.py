"""
What holds of all subjects
==========================

Ten simulated subjects, each with a background and a strength of rhythms of its own, and 40 trials. A network of its own
is cross-validated inside each subject, so that its map is made of trials that it never saw and no two subjects share a
network. Is the mean map more than chance, and what should be expected of the next subject?
"""

# %%
# One network procedure for each subject
# --------------------------------------
# Two rhythms tell the classes apart, faintly: 10 Hz over the back of the head (stronger in class 0) and 22 Hz over the
# left motor cortex (stronger in class 1). Networks train in closed form; the correlator asks how each channel's band
# moves their output. Classes have equal shares in every subject, which significance needs.
from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import explain_groups

eeg = make_oscillatory_eeg(n_trials=400, duration=1.0, snr=0.6, n_subjects=10, random_state=1)
net = SyncNetClassifier(readout="log_power", training="closed", num_filters=8, sfreq=eeg.sfreq)
correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
found = explain_groups(correlator, eeg.X, eeg.y, groups=eeg.subject, random_state=0)
print("accuracy by subject:", found.dataset["test_score"].values.round(2))

# %%
# Significant cells on the scalp
# ------------------------------
# Without any effect each subject's map is as likely as its opposite. So the signs of whole maps are flipped, in all
# 2^9 ways that differ, and each cell's statistic is held against the largest over all cells of each flip. Three
# statistics: the mean over its error; the mean itself, which looks where maps are large; clusters of neighboring
# channels and bands, of which only the whole is significant, not each cell. White discs are significant at .05,
# familywise. The largest t also marks cells that are tiny, but alike in all subjects.
import numpy as np

from eegexplain.plotting import TopomapDisplay

tests = {name: found.significance(name) for name in ("max_t", "max_mean", "clusters")}
for name, test in tests.items():
    print(f"{name}: {test}")

shown = {"output": "1", "band": ["theta", "alpha", "beta"]}
mean = found.dataset["value"].sel(shown).transpose("band", "channel")
masks = [test.significant.sel(shown).transpose("band", "channel").values for test in tests.values()]
rows = TopomapDisplay.from_values(
    np.stack([mean.values] * len(tests)), eeg.ch_names, outputs=["largest t", "largest mean", "clusters"],
    bands=list(mean["band"].values), label="correlation with class 1",
)  # fmt: skip
rows.plot_grid(mask=np.stack(masks))

# %%
# Subjects, their mean, and the next one
# --------------------------------------
# Error bars of subjects are those of their own cross-validation. What subjects differ by beyond these errors is
# ``between_sd``; the interval for a new subject contains both.
import matplotlib.pyplot as plt

limits = found.prediction_interval()
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True, layout="constrained")
for ax, (channel, band) in zip(axes, (("C3", "beta"), ("O1", "alpha")), strict=True):
    cell = {"output": "1", "channel": channel, "band": band}
    data, interval = found.dataset.sel(cell), limits.sel(cell)
    order = np.argsort(data["group_value"].values)
    places = np.arange(1, len(order) + 1)
    ax.axhspan(float(interval["low"]), float(interval["high"]), color="0.9", label="95 % of new subjects")
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.axhline(float(data["value"]), color="C0", label="mean")
    ax.errorbar(
        places, data["group_value"].values[order], data["group_error"].values[order], fmt="o", color="k", markersize=4,
        linewidth=1, label="subjects",
    )  # fmt: skip
    ax.set_title(f"{channel}, {band} (SD between subjects {float(data['between_sd']):.2f})", fontsize=10)
    ax.set_xlabel("subject, in order")
    ax.set_xticks([])
axes[0].set_ylabel("correlation with class 1")
axes[1].legend(frameon=False, fontsize=8)
plt.show()
