"""
Which rhythms a sleep-stage network reads
=========================================

One EEG channel, three simulated stages: waking with an alpha rhythm, light sleep with spindles around 13 Hz, deep sleep
with slow waves. A small convolutional network - any skorch net will do - learns the stages, and FLEX says which
frequencies each decision rests on, epoch by epoch.
"""

# %%
# Simulated epochs of 6 s at 64 Hz: pink noise and the rhythm of the stage, of random strength and phase.
import numpy as np

SFREQ, N_TIMES, STAGES = 64.0, 384, np.array(["N2", "N3", "wake"])
rng = np.random.default_rng(0)
frequencies = np.fft.rfftfreq(N_TIMES, 1 / SFREQ)


def epoch(stage):
    """Draw one epoch."""
    spectrum = rng.normal(size=frequencies.size) + 1j * rng.normal(size=frequencies.size)
    power = 1 / np.maximum(frequencies, 0.5)
    centre, width, strength = {"N2": (13.0, 0.8, 0.15), "N3": (1.5, 0.7, 2.0), "wake": (10.0, 0.8, 0.3)}[stage]
    power += strength * rng.uniform(0.5, 2) * np.exp(-(((frequencies - centre) / width) ** 2))
    signal = np.fft.irfft(spectrum * np.sqrt(power), n=N_TIMES)
    if stage == "N2":  # a spindle lasts for about a second
        times = np.arange(N_TIMES) / SFREQ
        onset = rng.uniform(1, 5)
        signal += 0.2 * np.exp(-(((times - onset) / 0.5) ** 2)) * np.cos(2 * np.pi * 13 * times + rng.uniform(0, 6))
    return signal


y = np.repeat(STAGES, 120)
X = np.stack([epoch(stage) for stage in y]).astype(np.float32) * 10
order = rng.permutation(len(y))
train, test = order[:240], order[240:]

# %%
# A network for series of one channel, in skorch.
import torch
from skorch import NeuralNetClassifier
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(
    nn.Unflatten(1, (1, N_TIMES)), nn.Conv1d(1, 8, 65, padding=32), nn.BatchNorm1d(8), nn.ELU(), nn.MaxPool1d(8),
    nn.Conv1d(8, 8, 9, padding=4), nn.ELU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(32, 3),
)
net = NeuralNetClassifier(network, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.005, max_epochs=25,
                          batch_size=32, train_split=None, verbose=0)

# %%
# FLEX around it: training, and maps of the attribution to each stage over the epochs of that stage.
from eegexplain import FLEXAttributor

codes = np.searchsorted(STAGES, y)
flex = FLEXAttributor(net, sfreq=SFREQ, ch_names=["Fpz-Cz"]).fit(X[train], codes[train])
accuracy = flex.score(X[test], codes[test])
held_out = flex.explain(X[test], codes[test], target="true")

# %%
# Every epoch is a row: alpha in waking, 13 Hz in light sleep, slow waves in deep sleep.
from eegexplain.plotting import TrialMapDisplay

TrialMapDisplay.from_explanation(held_out, y[test]).plot(fmax=20)

# %%
# When did the spindle come? The same integral in a short-time basis, one epoch of light sleep.
from eegexplain.bases import STFT
from eegexplain.plotting import TimeFrequencyDisplay

spindle = X[test][y[test] == "N2"][:1]
moments = flex.explain(spindle, target=0, basis=STFT(window=1.0, hop=0.125))
TimeFrequencyDisplay.from_explanation(moments, trial=0).plot(fmax=25)

# %%
# Would an untrained network give the same map? Its layers are randomised one after the other, from the output down.
from eegexplain.inspection import model_randomization

check = model_randomization(flex, X[test], random_state=0)
print(dict(zip(check.steps, check.similarity.round(2).tolist(), strict=True)))
