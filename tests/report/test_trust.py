"""What speaks for a map and what against: networks that read power, waveforms or nothing, and maps made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from eegexplain.inspection import Significance
from eegexplain.report._polarity import Polarity
from eegexplain.report._trust import of_decoding, of_evidence, of_maps, polarity
from tests.report.test_conclusion import PLANTED, job_with

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(80, 2, 40)), np.arange(80) % 2


class Reads:
    """A trained classifier: of the power or of the mean of the first channel, or of nothing."""

    def __init__(self, what):
        self.what = what

    def predict(self, trials):
        if self.what == "nothing":
            return (np.arange(len(trials)) // 2 % 2).astype(int)
        read = trials[:, 0].std(-1) - 1.5 if self.what == "power" else trials[:, 0].mean(-1)
        return (read > 0).astype(int)


def job_of(what, groups=None, recognizable=(), shared=False, p_value=0.001):
    """A job of one fold whose classes differ in power and in mean."""
    trials = X * (1 + Y[:, None, None]) + (2 * Y[:, None, None] - 1)
    decoding = SimpleNamespace(chance=0.5, chance_upper=0.56, balanced_accuracy=0.9, p_value=p_value,
                               above_chance=p_value < 0.05, recognizable=recognizable)  # fmt: skip
    fold = SimpleNamespace(test=np.arange(80), net=Reads(what))
    data = SimpleNamespace(X=trials, y=Y, groups=groups)
    return SimpleNamespace(folds=[fold], data=data, decoding=decoding, shared_subjects=shared,
                           polarity=Polarity.of([fold], trials, Y, 0.5))  # fmt: skip


@pytest.mark.parametrize(("what", "mark", "told"), [
    ("power", "good", "read power"), ("waveform", "bad", "read waveforms"), ("nothing", "doubt", "too little"),
])  # fmt: skip
def test_flipped_signs_tell_power_from_waveforms(what, mark, told):
    found = polarity(job_of(what))
    assert found.mark == mark and told in found.told


@pytest.mark.parametrize(("p_values", "mark", "told"), [
    ([[0.01, 0.2], [0.03, 0.9]], "good", "from 1 of 2 cells"), ([[0.2, 0.2], [0.3, 0.9]], "doubt", "from 0 of 2 cells"),
])  # fmt: skip
def test_significance_is_told(p_values, mark, told):
    p_values = xr.DataArray(p_values, dims=("output", "channel"))
    tested = Significance(p_values, p_values, np.zeros(99), "contrast", "groups", True)
    (found,) = of_evidence(SimpleNamespace(evidence=SimpleNamespace(tested=tested)))
    assert found.mark == mark and told in found.told and "labels of groups permuted" in found.told
    (found,) = of_evidence(SimpleNamespace(evidence=SimpleNamespace(tested=None, untested="One group.")))
    assert (found.mark, found.told) == ("doubt", "not tested: One group.")


@pytest.mark.parametrize(("settings", "marks"), [
    ({"groups": Y}, ["good", "good", "good"]),
    ({}, ["good", "doubt", "good"]),
    ({"shared": True}, ["good", "doubt", "good"]),
    ({"recognizable": ("subject",)}, ["good", "bad", "good"]),
    ({"groups": Y, "p_value": 0.4}, ["bad", "good", "good"]),
])  # fmt: skip
def test_the_gate_and_recognition_are_told(settings, marks):
    assert [one.mark for one in of_decoding(job_of("power", **settings))] == marks


def test_maps_that_agree_and_maps_that_do_not():
    clean = SimpleNamespace(flagged=())
    job = job_with(PLANTED)
    job.perturbation.by_band.attrs["perturbed_score"] = 1.0
    found = {one.name: one for one in of_maps(job, clean)}
    assert {one.mark for one in found.values()} == {"good"} and "correlate by 1.00" in found["Data"].told
    job = job_with(PLANTED, data_sign=-1.0)
    job.perturbation.by_band.attrs["perturbed_score"] = 0.6
    folds = job.perturbation.by_band["fold_value"]
    job.perturbation.by_band["fold_value"] = folds.copy(data=RNG.normal(size=folds.shape))
    found = {one.name: one for one in of_maps(job, SimpleNamespace(flagged=("muscle",)))}
    assert {one.mark for one in found.values()} == {"doubt"}
    assert "correlate by -1.00" in found["Data"].told and "muscle" in found["Artifacts"].told
