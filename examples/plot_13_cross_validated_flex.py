"""
A map that holds beyond one network
===================================

One network's map tells about this network. Here FLEX is cross-validated: networks are trained on four fifths of the
trials, each explains the fifth that it never saw, and the mean map has an error that contains networks and trials.
Then labels are permuted to ask which cells' evidence separates the classes in unseen trials, and maps of disjoint
halves of the trials are compared.
"""

# %%
# Simulated EEG: a 10 Hz rhythm over the back of the head is stronger in one class, a 22 Hz rhythm over C3 in the other.
from eegexplain import FLEXAttributor, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_explanations, stability

names = ["Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]
eeg = make_oscillatory_eeg(160, names, duration=1.0, random_state=0)
net = SyncNetClassifier(num_filters=8, sfreq=eeg.sfreq)
flex = FLEXAttributor(net, basis="bands", n_steps=8, ch_names=eeg.ch_names)
found = cross_validate_explanations(flex, eeg.X, eeg.y, cv=10, return_trials=True, random_state=0)
print(found.decoding_.verdict, f"balanced accuracy {found.decoding_.balanced_accuracy:.2f}")

# %%
# The mean map: cells that are not shown to be beyond zero are pale, 5 % familywise over the map. On the right the
# strongest cells, with the 95 % interval of the whole procedure - other trials, other networks - around the much
# narrower one that takes these networks for given. With few folds the limit is high: a t distribution with four
# degrees of freedom needs ten errors for one cell of a hundred, with nine (``cv=10``) five.
found.plot(n_cells=10)

# %%
# A map differs from zero also where a network uses noise. Whether a cell's evidence separates the classes in trials
# that no network saw is another question, which permuted labels answer.
tested = found.significance(random_state=0)
print(tested)
tested.plot()
found.plot(significance=tested, n_cells=10)

# %%
# Would other trials have given this map? Both halves are cross-validated by themselves.
halves = stability(flex, eeg.X, eeg.y, n_folds=2, n_repeats=1, n_permutations=19, random_state=0)
print(halves)
halves.plot()
