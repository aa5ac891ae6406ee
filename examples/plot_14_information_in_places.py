"""
Where in the brain is what the network knows?
=============================================

How many bits about the class does a network take from a region of the head, or from a place in the brain? Trials get
the activity of one place from other trials, which were drawn without looking at labels; what the network then knows
less, it knew from there. A place is exchanged with the topography that it has at all electrodes, so that what the
network sees stays EEG.
"""

# %%
# Simulated trials: a 10 Hz rhythm under Oz is stronger in one class, a 22 Hz rhythm under C3 in the other. A network is
# trained on most of them; what it knows is asked of trials that it never saw.
from sklearn.frozen import FrozenEstimator

from eegexplain import SyncNetClassifier
from eegexplain.datasets import Dipole, make_oscillatory_eeg

eeg = make_oscillatory_eeg(420, random_state=1)
network = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[:300], eeg.y[:300])
held_out = {"X": eeg.X[300:], "y": eeg.y[300:]}

# %%
# First regions of the scalp. Rhythms are volume-conducted: each region shows part of what the others show, and what is
# exchanged is all that goes with it. So regions do not add up. Values below 0 are noise that misleads the network.
from eegexplain.information import InformationMapper, SourceSpace

regions = {
    "front": ["Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8"],
    "left": ["T7", "C3", "P7", "P3"],
    "right": ["T8", "C4", "P8", "P4"],
    "back": ["Pz", "O1", "O2"],
}
bands = {"alpha": (8, 13), "beta": (13, 30)}
settings = {"bands": bands, "sfreq": eeg.sfreq, "ch_names": eeg.ch_names, "random_state": 0}
by_region = InformationMapper(FrozenEstimator(network), space=regions, **settings).fit(**held_out)
print(by_region.explanation_["value"].to_series().unstack().round(2))

# %%
# Then places in the brain: a beamformer looks at each place of a grid in a spherical head and lets as little as
# possible of the others through. The simulated currents flow outwards, and so may those that are looked for: where this
# is not known, ``directions="free"`` is less sharp, but does not miss currents that flow sideways. With a lead field of
# your own it is ``SourceSpace.from_forward(forward)``.
places = SourceSpace.spherical(eeg.ch_names, spacing=0.25, directions="radial")
by_place = InformationMapper(FrozenEstimator(network), space=places, **settings).fit(**held_out)
value = by_place.explanation_["value"]
for band in bands:
    print(f"{band}: most information at (x, y, z) = {value['source'].values[value.sel(band=band).values.argmax()]}")

# %%
# Each dot is a place of the grid, from above: the largest value of those below each other. Crosses are planted sources.
import matplotlib.pyplot as plt
import numpy as np

planted = {"alpha": Dipole("Oz").location(), "beta": Dipole("C3").location()}
fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained", width_ratios=(1, 1, 1.1))
limit = float(value.max())
for ax, band in zip(axes, bands, strict=False):
    order = np.argsort(value.sel(band=band).values)  # the largest on top
    x, y = (value[axis].values[order] for axis in "xy")
    dots = ax.scatter(x, y, c=value.sel(band=band).values[order], s=110, vmin=0, vmax=limit, cmap="viridis")
    ax.plot(*planted[band][:2], "x", color="#D55E00", ms=13, mew=2.5)
    ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.6"))
    ax.plot([-0.1, 0, 0.1], [0.99, 1.1, 0.99], color="0.6")
    ax.set(title=band, aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.2), xticks=[], yticks=[])
    ax.set_frame_on(False)
fig.colorbar(dots, ax=axes[1], label="information (bits)", shrink=0.8)
for offset, band in zip((-0.2, 0.2), bands, strict=True):
    found = by_region.explanation_.sel(band=band)
    axes[2].bar(np.arange(4) + offset, found["value"], 0.38, yerr=found["standard_error"], label=band, capsize=3)
axes[2].axhline(0, color="0.6", lw=0.8)
axes[2].set(xticks=range(4), xticklabels=list(regions), title="regions of the scalp (bits)")
axes[2].legend(frameon=False)
plt.show()
