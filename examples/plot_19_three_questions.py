"""
Three questions to one decoder
==============================

How does its output move? What is the output made of? How much is that worth? Three maps of the same cross-validated
networks answer them, and are read differently.
"""

# %%
# Simulated EEG: a 10 Hz rhythm over the back of the head is stronger in one class, a 22 Hz rhythm over C3 in the other.
# The networks are trained once; every analysis is asked about the trials that they did not see.
import matplotlib.pyplot as plt

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import ideal_observer_information, make_oscillatory_eeg
from eegexplain.information import InformationMapper
from eegexplain.inspection import cross_validate_models, explain_models
from eegexplain.plotting import SpectralMapDisplay

names = ["Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]
eeg = make_oscillatory_eeg(240, names, snr=2.0, random_state=0)
models = cross_validate_models(SyncNetClassifier(sfreq=eeg.sfreq), eeg.X, eeg.y, random_state=0)
axes_of_trials = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names}

# %%
# *Perturbation correlation* says how the output moves with amplitude, whatever that is worth: an untrained network has
# such a map, too. *FLEX* divides the evidence for a class into what every cell adds: what the network itself sums up,
# in logits, which a confident head makes large. *Information* says how many bits about unseen labels are lost without
# a cell; it has no sign for a class, is 0 where a cell is not used or tells nothing, and below 0 where it misleads. The
# first and the last are about what an electrode shows, which is much the same at its neighbors; FLEX names the few
# electrodes whose samples the network adds up. Cells that five folds do not show beyond zero are pale.
questions = {
    "How does the output move?": PerturbationCorrelator(bands="eeg", noise="data", **axes_of_trials),
    "What is it made of?": FLEXAttributor(basis="bands", n_steps=8, **axes_of_trials),
    "How much is it worth?": InformationMapper(space="channels", **axes_of_trials),
}
figure, panels = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, (question, explainer) in zip(panels, questions.items(), strict=True):
    found = explain_models(models, explainer, random_state=0)
    beyond, data = found.beyond_zero, found.dataset
    data, beyond = (one.sel(band=["delta", "theta", "alpha", "beta", "gamma"]) for one in (data, beyond))
    if "output" in beyond.dims:
        data, beyond = data.sel(output=["1"]), beyond.sel(output=["1"])
    beyond = beyond.transpose(..., "channel", "band").values.reshape(1, len(names), -1)
    display = SpectralMapDisplay.from_explanation(data[["value", "standard_error"]])
    display.plot(ax=ax, order="front", fade=~beyond)
    ax.set_title(question)

# %%
# By band, beside what an observer knows who knows the distributions. What both bands know is not lost without one of
# them: the bars "lost without the cell" need not add up to the total. The title holds two verdicts, of decoding and of
# information, which may differ.
by_band = explain_models(models, InformationMapper(decomposition="alone", **axes_of_trials), random_state=0)
print(by_band)
by_band.plot(truth=ideal_observer_information(eeg, random_state=0))

# %%
# Shares of the whole, which add up to it: each bar begins where the last one ended.
explain_models(models, InformationMapper(decomposition="shapley", **axes_of_trials), random_state=0).plot()
