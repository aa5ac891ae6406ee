"""Information maps over folds: two verdicts, cells after the gate, one-sided, files."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from eegexplain.information import InformationMapper
from eegexplain.inspection import CrossValidatedExplanation, _cross_validated, cross_validate_explanations

SFREQ, CHANNELS = 64.0, ["Fz", "C3", "O1"]


def log_power(X):
    """Of 8 to 12 and 18 to 24 Hz."""
    power = np.square(np.abs(np.fft.rfft(np.asarray(X))))
    bands = [power[..., low:high].sum(axis=-1) for low, high in ((8, 13), (18, 25))]
    return np.log(np.concatenate(bands, axis=1))


DECODER = make_pipeline(FunctionTransformer(log_power), StandardScaler(), LogisticRegression(C=0.05))


def planted(n_trials=200, seed=0):
    """Noise, and in class 1 rhythms of 10 Hz in the last channel and 20 Hz in the second."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, 3, 64)), np.arange(n_trials) % 2
    for channel, frequency in ((2, 10), (1, 20)):
        phase = rng.uniform(0, 2 * np.pi, (n_trials, 1))
        X[:, channel] += 0.7 * y[:, None] * np.sin(2 * np.pi * frequency * np.arange(64) / SFREQ + phase)
    return X, y


X, Y = planted()
MAPPER = InformationMapper(DECODER, sfreq=SFREQ, ch_names=CHANNELS, decomposition="alone", n_permutations=19)


@pytest.fixture(scope="module")
def found():
    settings = {"random_state": 0, "return_trials": True, "return_estimator": True}
    return cross_validate_explanations(MAPPER, X, Y, **settings)


@pytest.fixture(scope="module")
def unshown():
    return cross_validate_explanations(MAPPER, X, np.random.default_rng(1).permutation(Y), cv=3, random_state=0)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_the_gate_is_that_of_the_folds(found):
    totals = []
    for fold, (net,) in zip(found.models.folds, found.estimators_, strict=True):
        seeded = {"estimator": FrozenEstimator(net), "random_state": 0}
        alone = clone(MAPPER).set_params(**seeded).fit(X[fold.test], Y[fold.test])
        totals.append(alone.total_)
    total = found.total_
    assert total.over == "folds" and total.degrees_of_freedom == 4
    assert total.value == pytest.approx(np.mean(totals), abs=0.03)  # parts that calibrate are drawn anew
    fold_values = found.dataset["total_fold_value"].values[:, 0]
    assert total.value == pytest.approx(fold_values.mean())
    assert total.standard_error >= np.std(fold_values, ddof=1) * np.sqrt(1 / 5 + 1 / 4) - 1e-12  # Nadeau and Bengio
    assert total.p_value == pytest.approx(stats.t.sf(total.value / total.standard_error, 4)) and total.shown


def test_what_is_told_is_one_sided_and_comes_after_the_gate(found, unshown):
    value, error = (found.dataset[name].values for name in ("value", "standard_error"))
    p = stats.t.sf(value / error, 4)
    holm = np.zeros(len(p), bool)
    for place, cell in enumerate(np.argsort(p)):
        if p[cell] > 0.05 / (len(p) - place):
            break
        holm[cell] = True
    np.testing.assert_array_equal(found.beyond_zero.values, holm & (value >= 0.05 * value.max()))
    assert found.beyond_zero.sel(band=["alpha", "beta"]).any() and not found.beyond_zero.sel(band="delta")
    told = str(found)
    assert told.count("The output holds") == 1 and "cells above zero" in told and "needs 2.1 errors" in told
    assert not unshown.beyond_zero.any() and not unshown.total_.shown
    told = str(unshown)
    assert "; information not shown above 0 with 3 folds: " in told and "no information" not in told


def test_cells_come_after_the_gate(found):
    closed = found.dataset.assign(total_standard_error=found.total_.value)
    assert found.beyond_zero.any() and not CrossValidatedExplanation(closed).beyond_zero.any()


def test_a_misleading_cell_is_not_above_zero(found):
    data = found.dataset.copy()
    data["value"] = -data["value"]
    assert not CrossValidatedExplanation(data).beyond_zero.any()


def test_both_verdicts_stand_in_the_title(found, unshown):
    display = found.plot()
    np.testing.assert_array_equal(display.amounts[-1].told, found.beyond_zero.values)
    assert "balanced accuracy" in display.title_.get_text() and "holds" in display.title_.get_text()
    assert "information not shown" in unshown.plot().title_.get_text().replace("\n", " ")
    tested = found.significance(random_state=0, n_permutations=99)
    one_class = replace(tested, p_values=tested.p_values.where(tested.p_values["output"] == "1", 1.0))
    told = found.plot(significance=one_class).amounts[-1].told
    np.testing.assert_array_equal(told, tested.significant.sel(output="1"))
    assert told.any()


def test_electrodes_of_no_montage_lie_where_they_are_told_to(found):
    names, plane = [f"E{n}" for n in range(6)], np.random.default_rng(0).uniform(-0.08, 0.08, (6, 2))
    data = found.dataset.drop_vars([name for name in found.dataset if name.startswith("unique")])
    by_channel = data.map(lambda one: one.expand_dims(channel=names) if "band" in one.dims else one, keep_attrs=True)
    here = CrossValidatedExplanation(by_channel).plot(positions=plane)
    nowhere = CrossValidatedExplanation(by_channel).plot()
    assert len(here.figure_.axes) > len(nowhere.figure_.axes)  # a head for each band beside its bar


def test_maps_come_back_from_files(found, tmp_path):
    for ending in ("nc", "npz"):
        found.save(tmp_path / f"found.{ending}")
        loaded = CrossValidatedExplanation.load(tmp_path / f"found.{ending}")
        assert str(loaded) == str(found)
        np.testing.assert_array_equal(loaded.beyond_zero, found.beyond_zero)


def test_folds_of_one_group_and_few_trials_are_explained():
    mapper, recordings = clone(MAPPER).set_params(decomposition="unique"), np.repeat(np.arange(3), 40)
    one_each = cross_validate_explanations(mapper, X[:120], Y[:120], groups=recordings, cv=3, random_state=0)
    assert np.isfinite(one_each.total_.standard_error) and one_each.total_.units == "3 folds"
    pairs = np.repeat(np.arange(4), 30)  # two groups could not be crossed: as one, they are taken as trials
    two_each = cross_validate_explanations(mapper, X[:120], Y[:120], groups=pairs, cv=2, random_state=0)
    assert np.isfinite(two_each.dataset["value"]).all()
    with pytest.warns(UserWarning, match="too few"):
        few = cross_validate_explanations(mapper, X[:38], Y[:38], cv=2, random_state=0)
    assert np.isfinite(few.dataset["value"]).all() and np.isfinite(few.total_.p_value)


def test_permutations_ask_for_more_information(found, monkeypatch):
    asked = []

    def claim(kind, **claimed):
        asked.append((kind, claimed["alternative"]))
        raise InterruptedError

    monkeypatch.setattr(_cross_validated, "claim", claim)
    for kind in ("contrast", "retraining"):
        with pytest.raises(InterruptedError):
            found.significance(kind)
    assert asked == [("contrast", "greater"), ("retraining", "greater")]
