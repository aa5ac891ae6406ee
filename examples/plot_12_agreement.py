"""
Do several analyses say the same?
=================================

Each analysis asks another question, so that their maps should differ, and where they do tells what the network does.
Five of them on simulated EEG: a rhythm of 10 Hz over the back of the head and one of 22 Hz over C3 tell the classes
apart, beside the first lies a rhythm of the same frequency that tells nothing, and in one class eyes blink more.
"""

# %%
# Networks are trained once, in five folds; every analysis explains the trials that they never saw.
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.inspection import (
    artifact_audit,
    compare_explanations,
    cross_validate_models,
    explain_models,
    power_contrast,
)

occipital = Source("occipital", 10.0, dipole=Dipole("Oz"), stronger_in=0)
central = Source("central", 22.0, dipole=Dipole("C3"), stronger_in=1)
blink = Source("blink", 1.5, 2.0, dipole=Dipole("Fpz", (0.0, 0.5, 1.0), 0.8), amplitude=3.0, stronger_in=1)
eeg = make_oscillatory_eeg(300, sources=[occipital, central, blink], suppressor=True, random_state=1)
names = {"ch_names": eeg.ch_names, "bands": "eeg"}
models = cross_validate_models(SyncNetClassifier(sfreq=eeg.sfreq), eeg.X, eeg.y, random_state=0)
print(models.decoding.verdict, f"balanced accuracy {models.decoding.balanced_accuracy:.2f}")

# %%
# What the network reads from each channel alone (independent noise), what goes with its output in the data (data
# noise), what the output is made of (FLEX), what its filters pass, and how the data differ, without any network.
explained = {
    "independent noise": explain_models(models, PerturbationCorrelator(**names), random_state=0),
    "data noise": explain_models(models, PerturbationCorrelator(noise="data", **names), random_state=0),
    "FLEX": explain_models(models, FLEXAttributor(basis="bands", n_steps=8, ch_names=eeg.ch_names), random_state=0),
    "data contrast": partial(power_contrast, sfreq=eeg.sfreq, **names),
}
net = SyncNetClassifier(sfreq=eeg.sfreq, ch_names=eeg.ch_names, random_state=0).fit(eeg.X, eeg.y)
comparison = compare_explanations({**explained, "filters": net.filter_table_}, n_permutations=0)
print(comparison.agreement[["spearman", "sign_agreement", "jaccard"]].round(2))

# %%
# Positive is evidence for class 1; dots mark the largest tenth of a map's cells, as far as they are beyond zero. With
# independent noise and FLEX the network reads C3 and subtracts its neighbors, which share C3's noise; with the data's
# noise, all of them go with the output. Filters pass much that what comes after them makes little of.
comparison.plot(panel_size=1.3)

# %%
# The same in words, with what follows from the definitions of the analyses.
for sentence in comparison.differences:
    print("-", sentence)

# %%
# Part of the accuracy is eye movement. The audit compares how much of a map lies where eyes, muscles and the mains show
# with the same share of the data's class difference, and flags a peak there.
print(artifact_audit(explained["data noise"], eeg.X, eeg.y, sfreq=eeg.sfreq))

# %%
# Eyes that blink alike in both classes, however much, are not used, and not flagged.
alike = [occipital, central, replace(blink, stronger_in=None)]
eeg = make_oscillatory_eeg(300, sources=alike, suppressor=True, random_state=1)
models = cross_validate_models(SyncNetClassifier(sfreq=eeg.sfreq), eeg.X, eeg.y, random_state=0)
found = explain_models(models, PerturbationCorrelator(noise="data", **names), random_state=0)
print(artifact_audit(found, eeg.X, eeg.y, sfreq=eeg.sfreq))
plt.show()
