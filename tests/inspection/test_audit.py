"""Shares of maps where artifacts show: cells, shares and errors by hand, and networks that use what eyes do."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.inspection import artifact_audit, cross_validate_models, explain_models, power_contrast
from eegexplain.inspection._artifacts import line_columns, muscle_columns, ocular_columns, place_of

CHANNELS = ["Fp1", "Fz", "T7", "C3", "Pz", "O2"]
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
SFREQ = 128.0
OCULAR, MUSCLE = np.zeros((2, 6, 3), bool)
OCULAR[:2, 0] = True
MUSCLE[[0, 2, 5], 2] = True


def noise(seed=0, n_trials=60, n_channels=6, n_times=128):
    """Trials without any class difference."""
    return np.random.default_rng(seed).standard_normal((n_trials, n_channels, n_times)), np.arange(n_trials) % 2


def dataset(value, *, attrs=(), channels=CHANNELS, **variables):
    """A map of two mirrored outputs."""
    dims = ("output", "channel", "band")
    data = {"value": (dims, np.stack([-value, value]))}
    return xr.Dataset(data | variables, {"output": ["0", "1"], "channel": channels, "band": list(BANDS)}, dict(attrs))


def audit(found, X, y, **settings):
    """By kind."""
    return {one.kind: one for one in artifact_audit(found, X, y, **{"sfreq": SFREQ, "bands": BANDS} | settings).shares}


def share_of(value, mask):
    """By hand."""
    inside = sum(abs(value[c, b]) for c, b in np.argwhere(mask))
    return inside / sum(abs(one) for one in value.ravel())


# ------------------------------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize(
    ("names", "ocular", "muscle"),
    [
        ("Fp1 FPZ fp2. EOG HEOGL veo IO1", True, None),
        ("AF3 AFz F5 F8 F3 Fz", True, None),
        ("Fp1 F7 F8 F10 T7 T3 T4 T5 FT8 TP9 P7 P8 O1 Oz Iz PO7", None, True),
        ("F3 Fz C3 C5 T7h P5 POz CP6 Cz", None, False),
        ("C3 FC1 T8 Pz O1 FT7", False, None),
    ],
)
def test_names_tell_places(names, ocular, muscle):
    for name in names.split():
        place = place_of(name)
        assert ocular is None or place.ocular == ocular, name
        assert muscle is None or place.muscle == muscle, name


def test_other_names_tell_nothing():
    assert [place_of(name) for name in ("ch0", "E17", "B12", "nd", "X", "STI 014", "F", "z")] == [None] * 8


def test_columns_by_their_limits():
    bands = [(1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 70.0), (48.0, 52.0)]
    assert ocular_columns(bands).tolist() == [True, True, False, False, False, False]
    assert muscle_columns(bands).tolist() == [False, False, False, True, True, True]
    assert line_columns(bands, 50.0).tolist() == [False] * 5 + [True]  # 30-70 Hz holds more than the line
    bins = [(f, f) for f in (7.5, 8.0, 12.5, 13.0, 48.5, 49.0, 51.0, 51.5, 99.5, 150.0, 60.0)]
    assert np.flatnonzero(ocular_columns(bins)).tolist() == [0, 1]
    assert np.flatnonzero(line_columns(bins, 50.0)).tolist() == [5, 6, 8, 9]
    assert np.flatnonzero(line_columns(bins, 60.0)).tolist() == [10]


# ------------------------------------------------------------------------------------------------- shares and errors


def test_shares_by_hand_and_of_a_map_without_structure():
    X, y = noise()
    value = np.random.default_rng(1).standard_normal((6, 3))
    found = audit(dataset(value), X, y)
    contrast = power_contrast(X, y, sfreq=SFREQ, bands=BANDS, ch_names=CHANNELS)["value"].values[1]
    for kind, mask in (("ocular", OCULAR), ("muscle", MUSCLE)):
        assert found[kind].share == pytest.approx(share_of(value, mask))
        assert found[kind].data_share == pytest.approx(share_of(contrast, mask))
        assert np.isnan(found[kind].standard_error) and found[kind].beside_data == "not shown to differ from"
    even = audit(dataset(np.ones((6, 3))), X, y)
    assert even["ocular"].share == pytest.approx(even["ocular"].cells) == pytest.approx(2 / 18)
    assert even["line"].unknown and "line: not audited" in str(even["line"])


def test_the_error_of_a_share_over_folds_is_that_of_how_cells_move_together():
    X, y = noise()
    rng = np.random.default_rng(2)
    common = rng.standard_normal((5, 1, 1)) * OCULAR  # ocular cells go up and down together
    folds = rng.standard_normal((6, 3)) + 0.02 * rng.standard_normal((5, 6, 3)) + 0.05 * common
    value = folds.mean(axis=0)
    spread = folds.std(axis=0, ddof=1)
    both = np.stack([-folds, folds], axis=1)[:, None]
    variables = {"fold_value": (("fold", "seed", "output", "channel", "band"), both)}
    for name, size in (("fold_sd", 1.0), ("standard_error", 1.7)):
        variables[name] = (("output", "channel", "band"), np.stack([size * spread] * 2))
    found = audit(dataset(value, attrs={"degrees_of_freedom": 4}, **variables), X, y)
    for kind, mask in (("ocular", OCULAR), ("muscle", MUSCLE)):
        step = 1e-6
        moved = [(share_of(value + step * (fold - value), mask) - share_of(value, mask)) / step for fold in folds]
        assert found[kind].standard_error == pytest.approx(1.7 * np.std(moved, ddof=1), rel=1e-3)
        width = t.isf(0.025, 4) * np.hypot(found[kind].standard_error, found[kind].data_standard_error)
        middle = found[kind].share - found[kind].data_share
        assert found[kind].difference_interval == pytest.approx((middle - width, middle + width))


def test_without_folds_the_error_is_as_though_all_cells_erred_together():
    X, y = noise()
    rng = np.random.default_rng(3)
    value, error = rng.standard_normal((6, 3)), 0.1 * rng.random((6, 3))
    variables = {"standard_error": (("output", "channel", "band"), np.stack([error, error]))}
    found = audit(dataset(value, attrs={"degrees_of_freedom": 50}, **variables), X, y)["ocular"]
    share, size = share_of(value, OCULAR), np.abs(value).sum()
    worst = sum(error[c, b] * abs(OCULAR[c, b] - share) / size for c in range(6) for b in range(3))
    assert found.standard_error == pytest.approx(worst)
    draws = np.random.default_rng(4).standard_normal((200, 6, 3)) * 0.1 * error
    assert np.std([share_of(value + draw, OCULAR) for draw in draws]) < 0.1 * found.standard_error


@pytest.mark.parametrize("grouped", [False, True])
def test_the_error_of_the_data_is_the_jackknife_over_blocks(grouped):
    X, y = noise(n_trials=70)[0], (np.arange(70) % 3 == 0).astype(int)  # a block takes more of one class
    groups = np.arange(70) // 10 if grouped else None
    found = audit(dataset(np.ones((6, 3))), X, y, groups=groups)["muscle"]
    position = np.array([np.sum(y[:n] == y[n]) % 20 for n in range(70)])  # the trial's number in its class
    blocks = position if groups is None else groups
    values = []
    for block in np.unique(blocks):
        kept = blocks != block
        one = power_contrast(X[kept], y[kept], sfreq=SFREQ, bands=BANDS)["value"].values[1]
        values.append(share_of(one, MUSCLE))
    expected = np.sqrt((len(values) - 1) / len(values) * np.sum((values - np.mean(values)) ** 2))
    assert found.data_standard_error == pytest.approx(expected)


def test_more_and_less_than_in_the_data_only_beyond_the_error():
    X, y = noise(n_trials=200)
    X[y == 1, 0] += 3 * np.cos(2 * np.pi * 6 * np.arange(128) / SFREQ)  # eyes tell the classes
    error = (("output", "channel", "band"), np.full((2, 6, 3), 0.01))
    attrs = {"degrees_of_freedom": 100}
    of_data = audit(dataset(np.ones((6, 3))), X, y)["ocular"].data_share
    assert of_data > 0.5
    for size, expected in ((0.01, "less than"), (None, "not shown to differ from"), (90.0, "more than")):
        value = np.ones((6, 3))
        value[OCULAR] = (of_data * 16 / (1 - of_data)) / 2 if size is None else size
        found = audit(dataset(value, attrs=attrs, standard_error=error), X, y)["ocular"]
        assert found.beside_data == expected and f"{expected} the" in str(found)


# -------------------------------------------------------------------------------------------------- peaks, sentences


def test_a_kind_has_a_peak_only_where_no_other_channel_is_larger_and_the_cell_is_known():
    X, y = noise()
    value = np.full((6, 3), 0.1)
    value[3, 2], value[2, 2] = 2.0, 1.0  # beta: larger at C3 than on the edge, at T7
    error = (("output", "channel", "band"), np.full((2, 6, 3), 0.05))
    attrs = {"degrees_of_freedom": 4}
    value[4, 0] = 0.2
    assert not artifact_audit(dataset(value), X, y, sfreq=SFREQ, bands=BANDS).flagged
    value[3, 2] = 0.5
    found = artifact_audit(dataset(value, attrs=attrs, standard_error=error), X, y, sfreq=SFREQ, bands=BANDS)
    assert found.flagged == ("muscle",) and {one.peak for one in found.shares} == {"", "T7 beta"}
    told = str(found)
    assert told.startswith("Peaks where muscles (T7 beta) show; ocular: ") and "with a peak at T7 beta" in told
    unsure = dataset(value, attrs=attrs, standard_error=(error[0], 8 * error[1]))
    assert not artifact_audit(unsure, X, y, sfreq=SFREQ, bands=BANDS).flagged


def test_the_mains_are_seen_by_frequency():
    X, y = noise(n_trials=120)
    X[y == 1] += 0.5 * np.cos(2 * np.pi * 50 * np.arange(128) / SFREQ)
    found = power_contrast(X, y, sfreq=SFREQ, ch_names=CHANNELS)
    result = artifact_audit(found, X, y, sfreq=SFREQ)
    assert result.flagged == ("line",) and result.shares[2].peak.endswith(" 50 Hz")
    assert result.shares[2].cells == pytest.approx(3 / 65) and result.shares[2].share > 2 * result.shares[2].cells
    assert not artifact_audit(found, X, y, sfreq=SFREQ, line_frequency=60).flagged


def test_what_cannot_be_audited_is_said():
    X, y = noise()
    names = [f"ch{k}" for k in range(6)]
    found = dataset(np.ones((6, 3)), channels=names)
    result = artifact_audit(found, X, y, sfreq=SFREQ, bands=BANDS)
    assert str(result).startswith("Artifacts not audited; ocular: not audited") and "ch0, ch1" in str(result)
    given = artifact_audit(found, X, y, sfreq=SFREQ, bands=BANDS, ocular=["ch0", "ch1"], muscle=["ch0", "ch2", "ch5"])
    named = artifact_audit(dataset(np.ones((6, 3))), X, y, sfreq=SFREQ, bands=BANDS)
    assert str(given) == str(named).replace("Fp1", "ch0") and not given.unplaced
    empty = artifact_audit(dataset(np.zeros((6, 3))), X, y, sfreq=SFREQ, bands=BANDS)
    assert empty.shares[0].unknown == "the map is 0, or not finite"


def test_bad_input_is_refused():
    X, y = noise()
    good = dataset(np.ones((6, 3)))
    for message, found, trials, settings in (
        ("no channel axis", good.rename(channel="component"), X, {}),
        ("output, channel, coefficient", good.rename(band="coefficient"), X, {}),
        ("limits of theta", good, X, {"bands": {"alpha": (8.0, 13.0), "beta": (13.0, 30.0)}}),
        ("6 channels", good, X[:, :5], {}),
        ("ocular names EOG", good, X, {"ocular": ["EOG"]}),
        ("line_frequency", good, X, {"line_frequency": -50.0}),
        ("frequencies that trials", power_contrast(X[..., :100], y, sfreq=SFREQ, ch_names=CHANNELS), X, {}),
    ):
        with pytest.raises(ValueError, match=message):
            audit(found, trials, y, **settings)
    with pytest.raises(ValueError, match="at least 2 classes"):
        audit(good, X, np.zeros(60, int))


# ---------------------------------------------------------------------------------------------------- planted artifacts

MONTAGE = ["Fp1", "Fz", "C3", "C4", "T8", "P3", "Pz", "O1"]
BRAIN = (Source("occipital", 10.0, dipole=Dipole("Oz"), stronger_in=0),
         Source("central", 22.0, dipole=Dipole("C3"), stronger_in=1))  # fmt: skip
EYES = Source("blink", 1.5, 2.0, dipole=Dipole("Fpz", (0.0, 0.5, 1.0), 0.8), amplitude=3.0)


@pytest.mark.parametrize(
    ("sources", "flagged"), [(BRAIN, ()), ((*BRAIN, EYES), ()), ((replace(EYES, stronger_in=1),), ("ocular",))]
)
def test_a_network_that_uses_eye_movements_is_flagged_and_no_other(sources, flagged):
    eeg = make_oscillatory_eeg(80, MONTAGE, duration=1.0, sources=sources, snr=2.0, random_state=0)
    net = SyncNetClassifier(num_filters=4, sfreq=eeg.sfreq)
    models = cross_validate_models(net, eeg.X, eeg.y, cv=4, random_state=0)
    for noise in ("data", "independent"):
        correlator = PerturbationCorrelator(noise=noise, bands="eeg", ch_names=MONTAGE)
        found = explain_models(models, correlator, scoring={}, random_state=0)
        result = artifact_audit(found, eeg.X, eeg.y, sfreq=eeg.sfreq)
        assert result.flagged == flagged, str(result)
        assert (result.shares[0].share > 2 * result.shares[0].cells) == bool(flagged)
