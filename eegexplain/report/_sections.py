"""The sections of the report, in the order in which they are read: a new one is a function and a line here."""

from eegexplain.report._decoding import decoding
from eegexplain.report._filters import filters
from eegexplain.report._findings import Section
from eegexplain.report._flex import attribution
from eegexplain.report._information import information
from eegexplain.report._layers import layers
from eegexplain.report._maps import perturbation
from eegexplain.report._truth import planted
from eegexplain.report._waveforms import waveforms


def _is_simulated(job):
    return job.data.simulation is not None


def _is_syncnet(job):
    return job.options.model == "syncnet"


def _is_network(job):
    return job.has_gradients


def _reads_waveforms(job):
    return job.polarity.reads_waveforms


SECTIONS = (
    Section("Decoding", decoding),
    Section("What the network uses", perturbation),
    Section("Waveforms", waveforms, _reads_waveforms),
    Section("How much it knows", information),
    Section("What the evidence is made of", attribution, _is_network),
    Section("Planted truth", planted, _is_simulated),
    Section("Learned filters", filters, _is_syncnet),
    Section("Layer by layer", layers, _is_syncnet),
)
