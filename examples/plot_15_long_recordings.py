"""
A recording longer than memory
==============================

Windows of a continuous recording are trials for every network, analysis and fold, and none is copied: they are read
from the file a block at a time. The recording here is small and simulated; nothing below changes when it is not.
"""

# %%
# A recording in a file
# ---------------------
# Eight minutes of 8 channels, as the memory map that a recording machine, or a conversion, leaves behind. A rhythm of
# 10 Hz at the back of the head comes and goes every 20 seconds (eyes closed, eyes open), and from 100 to 110 s an
# electrode was loose.

import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_score

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import windows

ch_names, sfreq, n_samples = ["Fz", "C3", "Cz", "C4", "P3", "Pz", "O1", "O2"], 128.0, 480 * 128
rng, seconds = np.random.default_rng(0), np.arange(n_samples) / sfreq
closed = (seconds // 20 % 2).astype(bool)
folder = tempfile.TemporaryDirectory()
path = pathlib.Path(folder.name) / "recording.npy"
recording = np.lib.format.open_memmap(path, "w+", np.float32, (len(ch_names), n_samples))
recording[:] = 10 * rng.standard_normal(recording.shape)
recording[5:] += np.where(closed, 6, 2) * np.sin(2 * np.pi * 10 * seconds + np.cumsum(rng.normal(0, 0.02, n_samples)))
recording[0, 100 * 128 : 110 * 128] *= 50
recording.flush()

# %%
# Windows
# -------
# Two seconds every half second, but none with the loose electrode in it. Windows that overlap share samples, and
# neighbors are alike: ``block`` numbers stretches of 20 seconds that no window crosses, so that folds can keep each
# stretch on one side.

data = windows(
    np.load(path, mmap_mode="r"), 2.0, step=0.5, sfreq=sfreq, ch_names=ch_names, block=20.0, bad=[(100.0, 110.0)]
)
y = np.where(closed[np.round(data.onset * sfreq).astype(int)], "closed", "open")
print(data.X, f"{data.X.nbytes / 2**20:.0f} MB if they were copied, {path.stat().st_size / 2**20:.0f} MB in the file")
print(f"{data.dropped.bad} windows left out")

# %%
# Folds, a network, its explanation
# ---------------------------------
# ``cross_val_score`` hands ``X[train]`` to the network, which is again not read before it is used.

net = SyncNetClassifier(num_filters=4, sfreq=sfreq, random_state=0)
scores = cross_val_score(net, data.X, y, groups=data.block, cv=GroupKFold(4))
print(f"Accuracy in stretches that the network never saw: {scores.mean():.2f}")
correlator = PerturbationCorrelator(net, ch_names=ch_names, bands="eeg", random_state=0)
found = correlator.fit(data.X, y, groups=data.block).explanation_

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
shown = found["value"].sel(output="closed")
image = ax.imshow(shown, cmap="RdBu_r", vmin=-abs(shown).max(), vmax=abs(shown).max(), aspect="auto")
ax.set_xticks(range(shown.sizes["band"]), shown["band"].values)
ax.set_yticks(range(len(ch_names)), ch_names)
figure.colorbar(image, label=found.attrs["label"])
ax.set_title("What speaks for closed eyes")
data = recording = None  # the file may go
folder.cleanup()
