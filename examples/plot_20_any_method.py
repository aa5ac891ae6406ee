"""
Occlusion, Grad-CAM, and methods to distrust
============================================

A burst of 22 Hz over C3, about 1 s after the beginning, tells two classes apart. A decoder without gradients is asked
by occlusion which band at which electrode it lives on; networks by Grad-CAM when, with a failure that is good to know;
and guided backpropagation whether it shows anything that the network has learned.
"""

# %%
# The burst has another phase in every trial, on a background of 1/f noise that the electrodes share.
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from eegexplain import FLEXAttributor, GradCAMAttributor, OcclusionAttributor, TopomapDisplay
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.inspection import confusion_table, model_randomization

eeg = make_oscillatory_eeg(300, sources=[Source("idle", 10.0, dipole=Dipole("Oz"), stronger_in=None)], random_state=0)
rng, times = np.random.default_rng(0), np.arange(eeg.X.shape[-1]) / eeg.sfreq
burst = np.exp(-(((times - 1.0) / 0.15) ** 2)) * np.cos(2 * np.pi * 22 * times + rng.uniform(0, 6.3, (300, 1)))
scalp = Dipole("C3").topography(eeg.ch_names)
X = eeg.X / eeg.X.std() + 2.0 * eeg.y[:, None, None] * burst[:, None] * (scalp / scalp.max())[:, None]
X = np.diff(X, axis=-1, prepend=0.0)  # which evens out the background's spectrum
X /= X.std()
train, test = slice(200), slice(200, None)
axes = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names}

# %%
# A discriminant of log powers has no gradient that anybody would ask for. Its bands are taken from single electrodes,
# those of other trials put in their place, and the logit watched, in trials that it never saw.
bands = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}


def log_powers(X):
    power, frequencies = np.abs(np.fft.rfft(X)) ** 2, np.fft.rfftfreq(X.shape[-1], 1 / eeg.sfreq)
    found = [power[..., (frequencies >= low) & (frequencies < high)].mean(-1) for low, high in bands.values()]
    return np.log(np.concatenate(found, axis=1))


decoder = make_pipeline(FunctionTransformer(log_powers), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
settings = {"basis": "bands", "bands": bands, "baseline": "trials", "n_baselines": 2, "random_state": 0}
occlusion = OcclusionAttributor(decoder, **settings, **axes)
occlusion.fit(X[train], eeg.y[train])
held_out = occlusion.explain_population(X[test], eeg.y[test])
lost = held_out["class_value"].mean("output").to_dataset(name="value").assign_attrs(label="lost logit of the class")
print(confusion_table(eeg.y[test], occlusion.predict(X[test]), random_state=0).table().round(2))

# %%
# Two networks of three convolutions with rectifiers: one reads the mean of its last layer over time, the other each
# moment by itself. Both decode. Grad-CAM of the second layer says when what speaks for class 1 is there - in the first:
# it weights a unit by its mean gradient over time, and where the readout is another at every moment, that mean is about
# other moments than the burst.
trials, labels = torch.as_tensor(X[train], dtype=torch.float32), torch.as_tensor(eeg.y[train])


def trained(*readout):
    torch.manual_seed(0)
    layers = [nn.Conv1d(19, 16, 13, padding=6), nn.ReLU(), nn.AvgPool1d(8), nn.Conv1d(16, 16, 5, padding=2), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Conv1d(16, 16, 5, padding=2), nn.ReLU(), *readout)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(20):
        for part in torch.randperm(200).split(25):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(trials[part]), labels[part]).backward()
            optimizer.step()
    return net


nets = {"reads means": trained(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 2)),
        "reads moments": trained(nn.Flatten(), nn.Linear(16 * 32, 2))}  # fmt: skip
over_time = {}
for name, net in nets.items():
    cam = GradCAMAttributor(net, layer="4", **axes).fit(X[train], eeg.y[train])
    print(name, "- accuracy in new trials:", cam.score(X[test], eeg.y[test]))
    over_time[name] = cam.explain_population(X[test], eeg.y[test]).sel(output="1")

# %%
# The second network's layers are drawn anew, from the output down. A map that stays was never about them.
checks = {}
for method, name in (("input_x_gradient", "gradient x input"), ("guided_backprop", "guided backpropagation")):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that guided backpropagation fails this very check
        explainer = FLEXAttributor(net, method=method, basis="time", response="logit", **axes).fit(X[:50], eeg.y[:50])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks[name] = model_randomization(explainer, X[test][:50], random_state=0)

# %%
# All three in one picture. Errors are over trials, given these networks. Electrodes beside C3 have the other sign: the
# decoder subtracts the noise that they share with C3.
figure = plt.figure(figsize=(9, 5), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.1))
panels = upper.subplots(1, 3)
display, limit = TopomapDisplay.from_explanation(lost), float(np.abs(lost["value"]).max())
for ax, band in zip(panels, bands, strict=True):
    display.plot(ax=ax, band=band, vlim=limit, colorbar=band == "beta", title=band)
left, right = lower.subplots(1, 2)
for (name, own), colour, style in zip(over_time.items(), ("#D55E00", "#0072B2"), ("-", "--"), strict=True):
    mean, error = own["class_value"].values, own["class_standard_error"].values
    left.plot(own["time"], mean, style, color=colour, label=name)
    left.fill_between(own["time"], mean - 1.96 * error, mean + 1.96 * error, color=colour, alpha=0.25, linewidth=0)
left.axhline(0, color="0.6", linewidth=0.6)
left.axvspan(0.85, 1.15, color="0.92", zorder=0, label="burst")
left.set(xlabel="time (s)", ylabel="Grad-CAM of class 1 in its trials", xlim=(0, times[-1]))
for (name, check), style in zip(checks.items(), ("o-", "s--"), strict=True):
    colour = "black" if style == "o-" else "#CC79A7"
    right.plot(range(5), [1, *check.similarity], style, color=colour, label=name)
right.set(xticks=range(5), xticklabels=["trained", "readout", "+ layer 3", "+ layer 2", "+ layer 1"], ylim=(-0.3, 1.05),
          xlabel="drawn anew", ylabel="rank correlation with the map")
for ax, place in ((left, "upper left"), (right, "upper right")):
    ax.legend(frameon=False, fontsize="small", loc=place)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
