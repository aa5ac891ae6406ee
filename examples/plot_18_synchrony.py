"""
Does the network read phase relations, and are they synchrony?
==============================================================

How many bits does a network take from the phase relation of each pair of electrodes? Phases in a band are turned,
every electrode's by an angle of its own and all trials by the same angles: all power stays, relations break. But a
network that reads the power of one source also combines electrodes, in phase. Two controls tell this from lags.
"""

# %%
# Two kinds of simulated trials. In the first the electrodes follow one rhythm with lags in one class, and each a rhythm
# of its own in the other, with the same power. In the second one source is stronger in one class.
from sklearn.frozen import FrozenEstimator

from eegexplain import SyncNetClassifier
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg, make_synchrony_eeg

names = ["F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
lagged = make_synchrony_eeg(500, random_state=1)
power = make_oscillatory_eeg(500, names, sources=[Source("central", 10.0, dipole=Dipole("C3"), stronger_in=1)], snr=4,
                             random_state=1)  # fmt: skip

# %%
# A network of each, and the pairs in trials that it never saw.
from eegexplain.information import SynchronyMapper


def pairs_of(eeg):
    """What a network of the first 300 trials takes from each pair."""
    net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[:300], eeg.y[:300])
    mapper = SynchronyMapper(
        FrozenEstimator(net), bands={"alpha": (8, 13)}, space="channels", ch_names=names, random_state=0
    )
    return mapper.fit(eeg.X[300:], eeg.y[300:])


synchrony, sources = pairs_of(lagged), pairs_of(power)
print(synchrony.summary())

# %%
# Electrodes further back have more of the planted rhythm. Nearly all that the network knows is in relations, and it is
# lost when time runs backwards, which turns the sign of lags and leaves everything else.
from eegexplain.plotting import SynchronyDisplay

SynchronyDisplay.from_estimator(synchrony)

# %%
# The network of a source takes no information from relations that could be shown, though its evidence may have some:
# electrodes that see the same source are combined. Time reversal costs nothing; the pairs are grey.
print(sources.summary())
SynchronyDisplay.from_estimator(sources)

# %%
# In coordinates of its own: principal components of the trials, found without labels. In phase, a relation of two
# electrodes is the power of their sum and difference, so that only lags must remain relations in all coordinates.
components = SynchronyMapper(synchrony.estimator, bands={"alpha": (8, 13)}, ch_names=names, random_state=0)
components.fit(lagged.X[300:], lagged.y[300:])
print(f"{components.relations_[0]:.2f} of {components.total_:.2f} bits in relations of components")
display = SynchronyDisplay.from_estimator(components)
