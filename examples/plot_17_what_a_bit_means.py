"""
What does a bit mean here?
==========================

The same map of three networks: one that has learned, one that was never trained, and one that was trained on permuted
labels. Maps of how an output *moves* are there for all three; maps of information are not.
"""

# %%
# Simulated EEG with a known truth: class 1 has less 10 Hz power at the back of the head, more 22 Hz power on the left.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import InformationMapper, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.information import total_information
from eegexplain.plotting import InformationDisplay, TopomapDisplay

eeg = make_oscillatory_eeg(500, random_state=0)
train, test = slice(300), slice(300, None)
permuted = np.random.default_rng(0).permutation(eeg.y[train])
untrained = {"training": "gradient", "readout": "log_power", "max_epochs": 1, "lr": 1e-12}
networks = {
    "trained": SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train]),
    "untrained": SyncNetClassifier(sfreq=eeg.sfreq, random_state=0, **untrained).fit(eeg.X[train], eeg.y[train]),
    "trained on\npermuted labels": SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], permuted),
}

# %%
# Bits per band, and per electrode in two bands on one scale, of trials that none of them has seen. Beside them how the
# output of each moves with alpha amplitude, on a scale of its own.

settings = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names, "random_state": 0}
bands = {name: InformationMapper(FrozenEstimator(net), **settings) for name, net in networks.items()}
cells = {name: InformationMapper(FrozenEstimator(net), space="channels", **settings) for name, net in networks.items()}
for mapper in (*bands.values(), *cells.values()):
    mapper.fit(eeg.X[test], eeg.y[test])

figure, axes = plt.subplots(3, 4, figsize=(7.1, 5.8), width_ratios=(1.6, 1, 1, 1), layout="constrained")
largest, titles = cells["trained"].information_.max(), ("alpha, bits", "beta, bits", "perturbation\ncorrelation, alpha")
for number, (name, mapper) in enumerate(cells.items()):
    bars, *scalps = axes[number]
    InformationDisplay.from_explanation(bands[name].explanation_).plot(ax=bars, title=name.replace("\n", " "))
    bars.set(ylim=(-0.05, 1.05), ylabel="bits")
    bars.tick_params("x", labelsize=7, rotation=30)
    if number:
        bars.get_legend().remove()
    correlator = PerturbationCorrelator(FrozenEstimator(networks[name]), bands="eeg", noise="data", **settings)
    moved = correlator.fit(eeg.X[test], eeg.y[test]).explanation_["value"].sel(output="1", band="alpha").values
    bits = mapper.explanation_["value"]
    maps = [(bits.sel(band=band).values, largest) for band in ("alpha", "beta")] + [(moved, None)]
    for ax, (values, limit), title in zip(scalps, maps, titles, strict=True):
        TopomapDisplay.from_values(values, eeg.ch_names).plot(ax=ax, vlim=limit, colorbar=False)
        ax.set_title("" if number else title, fontsize=9)

# %%
# An untrained network answers to power with signs that chance gave it, so it has a map of correlations as strong as
# that of the trained one. Where these signs happen to be right it even holds a little information, which a test on
# held-out trials may well see: the amount says how little. That a *procedure* learns nothing only several networks can
# show: `cross_validate_explanations`.

for name, mapper in bands.items():
    print(name.replace("\n", " "), "-", total_information(mapper.explanation_))

# %%
# What is lost without a band, what is known by it alone, and how the total divides: the two bands say partly the same,
# so each alone knows more than is lost without it.

alone = InformationMapper(FrozenEstimator(networks["trained"]), decomposition="alone", **settings)
shares = InformationMapper(FrozenEstimator(networks["trained"]), decomposition="shapley", **settings)
for mapper in (alone, shares):
    InformationDisplay.from_estimator(mapper.fit(eeg.X[test], eeg.y[test]))
print(alone.explanation_[["unique_value", "value", "redundancy_value"]].to_dataframe().round(3))
