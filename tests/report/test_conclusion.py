"""What a report concludes, from maps made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from eegexplain.inspection import Significance
from eegexplain.report._analyses import Maps
from eegexplain.report._conclusion import conclude
from eegexplain.report._polarity import Polarity

CHANNELS, BANDS = ["O1", "O2", "C3"], {"alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
FREQUENCIES = np.arange(1.0, 40.0)


def job_with(cells, n_classes=2, error=0.01, data_sign=1.0, banner="", flipped=0.9, evidence=None):
    """A job whose map holds (output, channel, frequency, value), and whose data differ there."""
    outputs = [f"k{number}" for number in range(n_classes)]
    by_bin = np.zeros((n_classes, 3, len(FREQUENCIES)))
    for output, channel, frequency, value in cells:
        by_bin[output, CHANNELS.index(channel), int(frequency) - 1] = value
        if n_classes == 2:
            by_bin[1 - output, CHANNELS.index(channel), int(frequency) - 1] = -value
    coords = {"output": outputs, "channel": CHANNELS}
    masks = [(FREQUENCIES >= low) & (FREQUENCIES < high) for low, high in BANDS.values()]
    by_band = np.stack([by_bin[..., mask].sum(-1) for mask in masks], axis=-1)
    folds = by_band + 0.01 * np.random.default_rng(0).normal(size=(4, 1, *by_band.shape))

    def dataset(value, axis, labels, **more):
        dims = ("output", "channel", axis)
        data = {"value": (dims, value), "standard_error": (dims, np.full(value.shape, error))}
        return xr.Dataset(data | more, coords | {axis: labels}, {"degrees_of_freedom": 9})

    fold_value = (("fold", "seed", "output", "channel", "band"), folds)
    maps = Maps(dataset(by_band, "band", list(BANDS), fold_value=fold_value), dataset(by_bin, "frequency", FREQUENCIES))
    contrast = Maps(dataset(data_sign * by_band, "band", list(BANDS)), None)
    return SimpleNamespace(banner=banner, perturbation=maps, contrast=contrast, folds=[None] * 4,
                           polarity=Polarity(0.9, flipped, 0.5), has_gradients=evidence is not None,
                           evidence=SimpleNamespace(tested=evidence), data=SimpleNamespace(bands=BANDS))  # fmt: skip


PLANTED = [(1, "O1", 10, -0.5), (1, "O2", 10, -0.48), (1, "C3", 22, 0.4)]


def test_cells_beyond_zero_are_named_with_their_signs_and_frequencies():
    told = conclude(job_with(PLANTED))
    assert told.startswith(
        "The networks use less 10 Hz power at O1 and O2 and more 22 Hz power at C3 for class k1, "
        "with the signs by which the classes differ in the data. Maps of two folds correlate by "
    )
    assert "by 1.00 on average" in told


def test_other_signs_than_the_datas_are_told():
    assert "3 of 3 with another sign than the data's own difference" in conclude(job_with(PLANTED, data_sign=-1.0))


def test_what_holds_for_these_networks_alone_is_told_as_that():
    """Evidence of two cells separates the classes in unseen trials, but no cell of the map is beyond zero."""
    p_values = np.full((2, 3, 2), 0.6)
    p_values[:, 0, 0], p_values[:, 2, 1], p_values[:, 1, 0] = 0.01, 0.02, 0.01
    coords = {"output": ["k0", "k1"], "channel": CHANNELS, "band": list(BANDS)}
    p_values = xr.DataArray(p_values, coords)
    tested = Significance(1 / p_values, p_values, np.zeros(99), "contrast", "trials", False)
    told = conclude(job_with(PLANTED, error=0.5, evidence=tested))
    assert told.startswith(
        "What these networks take from alpha at O1 and O2 and beta at C3 for class k1 separates the classes in unseen "
        "trials (p <= 0.05 for all cells together). That others, trained on other trials, use the same is not shown"
    )
    tested = Significance(1 / p_values, p_values + 0.1, np.zeros(99), "contrast", "trials", False)
    assert conclude(job_with(PLANTED, error=0.5, evidence=tested)).startswith("No conclusion about rhythms")


def test_several_classes_are_told_apart():
    told = conclude(job_with([(0, "C3", 22, 0.5), (2, "O1", 10, 0.4)], n_classes=3))
    assert "more 22 Hz power at C3 for class k0; more 10 Hz power at O1 for class k2" in told


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (job_with(PLANTED, banner="Not shown to decode"), "need not concern them"),
        (job_with(PLANTED, error=0.5), "Largest, but not shown, is less 10 Hz power at O1 for class k1."),
        (job_with([]), "Largest, but not shown, is none: the map is 0."),
        (job_with(PLANTED, flipped=0.69), "read waveforms. Balanced accuracy 0.90 falls to 0.69"),
    ],
    ids=["gate", "little", "nothing", "waveforms"],
)
def test_without_evidence_there_is_no_conclusion(job, reason):
    told = conclude(job)
    assert told.startswith("No conclusion") and reason in told and "networks use" not in told
