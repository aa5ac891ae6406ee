"""Agreement of maps: one grid by hand, identities, permuted labels, and what planted networks differ in."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib.lines import Line2D
from scipy.integrate import quad
from scipy.stats import rankdata, spearmanr
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from torch import nn

from eegexplain import FLEXAttributor, PerturbationCorrelator
from eegexplain.inspection import (
    compare_explanations,
    cross_validate_explanations,
    cross_validate_models,
    explain_models,
    power_contrast,
)
from eegexplain.inspection._differences import FILTERS, INDEPENDENT, READINGS, Placed, tell_differences
from eegexplain.inspection._families import FAMILIES
from eegexplain.inspection._retraining import exchange
from eegexplain.inspection._scheme import labelings, retrain
from eegexplain.plotting import SpectralMapDisplay
from tests.inspection.differences import Difference, Weights
from tests.perturbation.nets import frozen

CHANNELS = ["C3", "Cz", "C4", "Oz"]
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
CONTRAST = {"method": "class difference of log mean power"}
FLEX = {"method": "attribution", "attribution": "integrated_gradients"}


def dataset(values, attrs=(), *, outputs=("0", "1"), channels=CHANNELS, **axis):
    """A map (output, channel, ...) with names."""
    axis = axis or {"band": list(BANDS)}
    dims = ["output", "channel", *axis][-np.ndim(values) :]
    coords = {name: labels for name, labels in {"output": list(outputs), "channel": channels, **axis}.items()
              if name in dims}  # fmt: skip
    return xr.Dataset({"value": (dims, values)}, coords=coords, attrs=dict(attrs))


def mirrored(seed, n_columns=3):
    """A map of two classes."""
    value = np.random.default_rng(seed).standard_normal((4, n_columns))
    return np.stack([-value, value])


def agreement(*maps, **settings):
    """The first pair."""
    return compare_explanations({f"map {k}": one for k, one in enumerate(maps)}, n_permutations=0, **settings)


# ------------------------------------------------------------------------------------------------------- identities


def test_a_map_agrees_with_itself_and_not_with_its_negative():
    value = mirrored(0)
    found = agreement(dataset(value), dataset(3 * value), dataset(-value), dataset(np.abs(value[0])))
    table = found.agreement
    measures = ["spearman", "sign_agreement", "jaccard"]
    assert table.loc[("map 0", "map 1"), measures].tolist() == pytest.approx([1, 1, 1])
    assert table.loc[("map 0", "map 2"), measures].tolist() == pytest.approx([-1, 0, 1])
    assert table.loc[("map 0", "map 3"), "spearman"] == pytest.approx(1)  # by magnitude: one of them has no signs
    assert not table.loc[("map 0", "map 3"), "signed"] and np.isnan(table.loc[("map 0", "map 3"), "sign_agreement"])
    assert table["p_value"].isna().all() and found.n_permutations == 0
    assert "No null" in str(found) and "signs 100 % alike" in str(found) and "of magnitudes" in str(found)
    assert not agreement(dataset(value), dataset(value)).differences


def test_the_order_of_channels_and_of_a_pair_does_not_matter():
    one, other = dataset(mirrored(0)), dataset(mirrored(1))
    moved = other.isel(channel=[2, 0, 3, 1], band=[1, 2, 0], output=[1, 0])
    expected = agreement(one, other)
    pd.testing.assert_frame_equal(agreement(one, moved).agreement, expected.agreement)
    backwards = agreement(other, one)
    assert backwards.agreement["spearman"].tolist() == expected.agreement["spearman"].tolist()
    np.testing.assert_allclose(backwards.consensus["value"], expected.consensus["value"])


# ------------------------------------------------------------------------------------------------------- one grid


def test_frequencies_are_added_up_or_averaged_as_the_kind_of_map_wants():
    rng, frequencies = np.random.default_rng(0), np.arange(0.0, 40.0, 0.5)
    value = rng.standard_normal((3, 4, 80))
    given = {"adds": dataset(value, FLEX, outputs="abc", frequency=frequencies),
             "means": dataset(value, CONTRAST, outputs="abc", frequency=frequencies)}  # fmt: skip
    found = compare_explanations(given, bands=BANDS, n_permutations=0).grid["value"]
    for name, pool in (("adds", np.sum), ("means", np.mean)):
        for k in range(3):
            for c in range(4):
                for b, (low, high) in enumerate(BANDS.values()):
                    bins = [i for i, f in enumerate(frequencies) if low <= f < high]
                    pooled = [float(pool([value[j, c, i] for i in bins])) for j in range(3)]
                    expected = pooled[k] - (sum(pooled) - pooled[k]) / 2
                    assert found.sel(explanation=name).values[k, c, b] == pytest.approx(expected)


def test_the_bands_of_a_flex_map_are_those_of_its_bins_and_coefficients():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 4, 64)), np.arange(12) % 2
    flex = FLEXAttributor(frozen(Planted()), bands=BANDS, sfreq=64.0, ch_names=CHANNELS, n_steps=3)
    given = {name: flex.set_params(basis=name).fit(X, y).explanation_ for name in ("bands", "fourier", "time_bands")}
    found = compare_explanations(given, bands=BANDS, n_permutations=0).grid["value"]
    for name in ("fourier", "time_bands"):
        np.testing.assert_allclose(found.sel(explanation=name), found.sel(explanation="bands"), atol=1e-9)
    expected = given["bands"]["value"].sel(band=list(BANDS)).values
    np.testing.assert_allclose(found.sel(explanation="bands")[0], expected[1] - expected[0], atol=1e-12)


def test_filters_count_by_what_they_pass_together():
    rng = np.random.default_rng(0)
    peak, width, amplitude = rng.uniform(5, 25, 3), rng.uniform(2, 6, 3), rng.random((3, 4))
    table = pd.DataFrame({"peak_frequency": peak, "bandwidth": width, "pattern_amplitude_C3": 1.0}
                         | {f"amplitude_{name}": amplitude[:, c] for c, name in enumerate(CHANNELS)})  # fmt: skip
    envelopes = dataset(rng.standard_normal((3, 4, 3)), {"method": "envelope correlation"}, outputs="abc")
    envelopes = envelopes.rename(output="filter")
    given = {"filters": table, "envelopes": envelopes, "data": dataset(mirrored(0), CONTRAST)}
    found = compare_explanations(given, n_permutations=0)
    for c in range(4):
        for b, (low, high) in enumerate(BANDS.values()):
            passed = [quad(lambda f, k=k: 0.5 ** (2 * (f - peak[k]) / width[k]) ** 2, low, high)[0] for k in range(3)]
            expected = sum(amplitude[k, c] ** 2 * passed[k] / (high - low) for k in range(3)) ** 0.5
            assert found.grid["value"].sel(explanation="filters").values[0, c, b] == pytest.approx(expected)
    expected = np.sqrt((envelopes["value"].values ** 2).sum(axis=0))
    np.testing.assert_allclose(found.grid["value"].sel(explanation="envelopes").values[0], expected)
    expected = spearmanr(expected.ravel(), np.abs(mirrored(0)[1]).ravel()).statistic
    assert found.agreement.loc[("envelopes", "data"), "spearman"] == pytest.approx(expected)
    assert found.grid["signed"].values.tolist() == [False, False, True]


def test_bits_are_compared_by_magnitude_for_every_output():
    """Information of a cell has no sign: what misleads (below 0) is not the other class's evidence."""
    rng = np.random.default_rng(0)
    bits = xr.Dataset({"value": (("channel", "band"), rng.normal(0.1, 0.1, (4, 3)))},
                      {"channel": CHANNELS, "band": list(BANDS)}, {"method": "information"})  # fmt: skip
    assert (bits["value"] < 0).any()
    found = compare_explanations({"bits": bits, "flex": dataset(mirrored(0), FLEX)}, n_permutations=0)
    row = found.agreement.loc[("bits", "flex")]
    assert not row["signed"] and np.isnan(row["sign_agreement"])
    expected = spearmanr(np.abs(bits["value"].values.ravel()), np.abs(mirrored(0)[1].ravel()) * 2).statistic
    assert row["spearman"] == pytest.approx(expected)
    assert found.grid["signed"].values.tolist() == [False, True] and "of magnitudes" in str(found)
    assert found.consensus["n_agreeing"].max() <= 1, "bits take no side"


def test_the_consensus_by_hand():
    values = [mirrored(seed)[1] for seed in range(3)]
    found = agreement(*(dataset(np.stack([-one, one])) for one in values), dataset(np.abs(values[0])))
    ranks = [rankdata(np.abs(one)).reshape(4, 3) / 12 for one in values]
    mean = sum(one / np.linalg.norm(one) for one in values) / 3
    np.testing.assert_allclose(found.consensus["value"][0], mean)
    np.testing.assert_allclose(found.consensus["magnitude"][0], (2 * ranks[0] + ranks[1] + ranks[2]) / 4)
    agreeing = sum((np.sign(one) == np.sign(mean)).astype(int) for one in values)
    assert found.consensus["n_agreeing"][0].values.tolist() == agreeing.tolist()
    high = sum((rank == 1).astype(int) for rank in [*ranks, ranks[0]])  # a tenth of 12 cells is one
    assert found.consensus["n_high"][0].values.tolist() == high.tolist()
    assert SpectralMapDisplay.from_explanation(found.explanation_).values.shape == (1, 4, 3)


def test_the_picture_has_every_map_as_shares_of_its_largest_value_and_marks_what_is_high():
    found = agreement(dataset(mirrored(0)), dataset(5 * mirrored(0)), dataset(mirrored(1)))
    display = found.plot(colorbar=False)
    assert display.outputs == ["map 0", "map 1", "map 2", "consensus"] and display.bands == list(BANDS)
    np.testing.assert_allclose(np.abs(display.values).max(axis=(1, 2)), 1)
    np.testing.assert_allclose(display.values[0], mirrored(0)[1].T / np.abs(mirrored(0)).max())
    dots = [line for line in display.figure_.findobj(Line2D) if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in dots) == 4  # the largest cell of each map; two of three maps share it
    bare = agreement(*(dataset(mirrored(k), channels=["a", "b", "c", "d"]) for k in range(2)))
    assert isinstance(bare.plot(), SpectralMapDisplay)
    with pytest.raises(ValueError, match="output"):
        found.plot(output="0")


def test_one_class_of_several():
    values = np.random.default_rng(0).standard_normal((2, 3, 4, 3))
    found = agreement(*(dataset(one, outputs="abc") for one in values), output="b").grid["value"]
    np.testing.assert_allclose(found[:, 0], values[:, 1] - (values[:, 0] + values[:, 2]) / 2)
    sizes = agreement(*(dataset(np.abs(one), FLEX | {"attribution": "saliency"}, outputs="abc") for one in values))
    np.testing.assert_allclose(sizes.grid["value"], np.abs(values))  # sizes are not subtracted from one another


# --------------------------------------------------------------------------------------------------- permuted labels


def middle_difference(X, y):
    """Of the classes' medians."""
    return np.median(X[y == 1], axis=0) - np.median(X[y == 0], axis=0)


class Bands(Weights):
    """Weights of channels and samples, as though samples were bands; or the class difference of what it is given."""

    def __init__(self, estimator=None, held_out=False):
        self.estimator = estimator
        self.held_out = held_out

    def fit(self, X, y, groups=None):
        weights = middle_difference(X, y) if self.held_out else self.estimator.estimator.weights_
        coords = {"output": ["0", "1"], "channel": CHANNELS, "band": list(BANDS)}
        self.explanation_ = xr.Dataset({"value": (tuple(coords), np.stack([-weights, weights]))}, coords=coords)
        return self


class Matched(Difference):
    """Scores trials by the difference of class means, at every sample."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.weights_ = X[y == 1].mean(0) - X[y == 0].mean(0)
        return self

    def decision_function(self, X):
        return np.tensordot(X, self.weights_)


def contrast(X, y):
    """What a function of trials may be."""
    return dataset(np.stack([-middle_difference(X, y), middle_difference(X, y)]))


def trials(seed, shift=0.0):
    """Classes differ in the second channel."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((40, 4, 3)), np.arange(40) % 2
    X[y == 1, 1] += shift
    return X, y


def test_permuted_labels_go_through_networks_and_functions_alike():
    X, y = trials(0, 0.4)
    models = cross_validate_models(Matched(), X, y, cv=2, random_state=0)
    read, held = (explain_models(models, Bands(held_out=which), random_state=0) for which in (False, True))
    asked = []

    def data(X, y):
        asked.append(y)
        return contrast(X, y)

    given = {"read": read, "held": held, "data": data, "fixed": contrast(X, y)}
    found = compare_explanations(given, n_permutations=19, random_state=3).agreement
    assert found["p_value"].isna().tolist() == [False, False, True, False, True, True]
    null, rng = [], check_random_state(3)
    stacks = labelings(models, exchange(models, 0.05), 19, [read.explainer, held.explainer], rng)
    for labels, folds in retrain(models, stacks, lambda scheme, one, folds: (one.y, folds)):
        weights = [X[f.train][labels[f.train] == 1].mean(0) - X[f.train][labels[f.train] == 0].mean(0) for f in folds]
        seen = [middle_difference(X[f.test], labels[f.test]) for f in folds]
        maps = [np.mean(weights, axis=0), np.mean(seen, axis=0), contrast(X, labels)["value"].values[1]]
        null.append([spearmanr(maps[i].ravel(), maps[j].ravel()).statistic for i, j in ((0, 1), (0, 2), (1, 2))])
    null = np.array(null)
    tested = found[found["p_value"].notna()]
    np.testing.assert_allclose(tested["chance"], null.mean(axis=0))
    np.testing.assert_allclose(tested["p_value"], (1 + (null >= tested["spearman"].values).sum(axis=0)) / 20)
    every = np.vstack([tested["spearman"], null])
    excess = (every - every.mean(axis=0)) / every.std(axis=0)
    largest = (1 + (excess[1:].max(axis=1)[:, None] >= excess[0]).sum(axis=0)) / 20
    np.testing.assert_allclose(tested["familywise_p"], largest)
    assert len(asked) == 20 and all(sorted(labels) == sorted(y) for labels in asked)
    assert sum(np.array_equal(labels, y) for labels in asked) == 1


def test_planted_effects_agree_more_than_those_of_permuted_labels():
    """A map that does not depend on labels has a null, too: what is known of the trials, say."""
    X, y = trials(0, 1.0)
    truth, size = np.zeros((2, 4, 3)), np.random.default_rng(0).random((4, 3))
    truth[1], truth[0] = size / 10, -size / 10
    truth[1, 1], truth[0, 1] = 1 + size[1], -1 - size[1]
    read = cross_validate_explanations(Bands(Matched()), X, y, cv=4, return_estimator=True, random_state=0)
    found = compare_explanations([read, lambda X, y: dataset(truth)], n_permutations=19, random_state=0)
    assert found.agreement.index.tolist() == [("map", "map (2)")]
    assert found.agreement["p_value"].item() == found.agreement["familywise_p"].item() == 0.05
    assert "familywise p = 0.05" in str(found)


@pytest.mark.parametrize("other", [{"random_state": 1}, {"cv": 3}, {"n_seeds": 2}])
def test_networks_of_another_cross_validation_have_no_null(other):
    X, y = trials(0)
    settings = {"cv": list(KFold(4).split(X)), "random_state": 0}  # with another seed the folds are the same
    first, second = (cross_validate_models(Matched(), X, y, **one) for one in (settings, settings | other))
    found = compare_explanations([explain_models(one, Bands(), random_state=0) for one in (first, second)])
    assert found.agreement["p_value"].isna().all() and found.n_permutations == 0


# ------------------------------------------------------------------------------------------------- planted networks


class Planted(nn.Module):
    """Reads alpha at C3 less a share of Cz (which has C3's noise), and beta at C4; Oz is not read."""

    def __init__(self, share=0.5):
        super().__init__()
        self.share = share
        self.scale = nn.Parameter(torch.full((1,), 1 / 4000, dtype=torch.float64))

    def forward(self, x):
        spectrum = torch.fft.rfft(x)
        alpha = (spectrum[:, 0, 8:13] - self.share * spectrum[:, 1, 8:13]).abs().square().sum(-1)
        score = (alpha + 0.3 * spectrum[:, 2, 13:30].abs().square().sum(-1)) * self.scale
        return torch.stack([-score / 2, score / 2], dim=1)


def rhythm(rng, n_trials, frequency, n_times=64):
    """Random phases at one frequency."""
    return np.cos(2 * np.pi * (frequency * np.arange(n_times) / n_times + rng.random((n_trials, 1))))


@functools.cache
def planted(share=0.5):
    """Alpha at C3 tells the class and shares noise with Cz; alpha at Oz tells it, too; beta at C4 does not."""
    rng, y = np.random.default_rng(0), np.arange(200) % 2
    X = 0.1 * rng.standard_normal((200, 10, 64))
    noise, size = 1.5 * rhythm(rng, 200, 9) * (1 + 0.3 * rng.random((200, 1))), np.where(y == 1, 1.6, 1.0)[:, None]
    X[:, 0] += size * rhythm(rng, 200, 10) + noise
    X[:, 1] += noise
    X[:, 2] += (1 + 0.3 * rng.random((200, 1))) * rhythm(rng, 200, 20)
    X[:, 3] += size * rhythm(rng, 200, 11)
    net, axes = frozen(Planted(share)), {"sfreq": 64.0, "bands": BANDS}
    axes["ch_names"] = [*CHANNELS, "Fz", "F3", "F4", "Pz", "P3", "P4"]
    given = {noise: PerturbationCorrelator(net, noise=noise, **axes).fit(X, y) for noise in ("independent", "data")}
    given |= {"FLEX": FLEXAttributor(net, basis="bands", n_steps=5, **axes).fit(X, y)}
    return compare_explanations(given | {"contrast": power_contrast(X, y, **axes)}, n_permutations=0)


def test_maps_of_a_planted_network_are_told_apart_by_what_it_does():
    """The three cells that are read, or tell the classes, each have the sentence that their part in it asks for."""
    found = planted()
    names = found.grid["explanation"].values.tolist()
    map_of = {name: found.grid["value"].sel(explanation=name, output="1") for name in names}
    assert [np.sign(one.sel(channel="Cz", band="alpha").item()) for one in map_of.values()][:3] == [-1, 1, -1]
    told = "\n".join(found.differences)
    assert "independent and data have opposite signs at Cz alpha: the network subtracts these channels" in told
    assert "FLEX and data have opposite signs at Cz alpha: they are added with one sign" in told
    assert "contrast and independent differ (the first high, the second low) at Oz alpha" in told
    assert "C4 beta" in told.split("independent and contrast differ")[1].split(":")[0]


def test_a_suppressor_that_cancels_all_of_its_noise_moves_the_output_with_neither_noise():
    half, all_of_it = (planted(share).grid["value"].sel(channel="Cz", band="alpha", output="1") for share in (0.5, 1.0))
    assert (np.abs(all_of_it[:2]) < 0.2 * np.abs(half[:2])).all()


@pytest.mark.parametrize("reading", READINGS, ids=lambda one: f"{one.high}-{one.low}-{one.opposite}")
def test_every_reading_is_told_of_the_cells_that_it_is_about_and_only_in_its_direction(reading):
    value = np.linspace(0.1, 1, 12).reshape(1, 4, 3)
    first, second = value.copy(), value.copy()
    first[0, 3, 2], second[0, 3, 2] = 9.0, -8.0 if reading.opposite else 0.01
    pair = [Placed("one", reading.high, first, True, np.zeros((1, 4, 3))),
            Placed("other", reading.low, second, True, np.zeros((1, 4, 3)))]  # fmt: skip
    coordinates = {"output": ["1"], "channel": CHANNELS, "band": list(BANDS)}
    told = tell_differences(pair, coordinates)
    assert [one for one in told if one.endswith(f" Oz beta: {reading.means}.")] == [f"one and other {told[0][14:]}"]
    names = [family.name for family in FAMILIES]
    assert reading.high in names and reading.low in names and reading.high != reading.low
    unknown = [Placed("one", reading.high, first, True, np.ones((1, 4, 3))), pair[1]]
    assert not [one for one in tell_differences(unknown, coordinates) if one.startswith("one and")]  # not beyond 0


# --------------------------------------------------------------------------------------------------------- bad input


def test_what_cannot_be_compared_is_refused_with_the_cure():
    good, rng = dataset(mirrored(0)), np.random.default_rng(0)
    gap = mirrored(0)
    gap[0, 2, 1] = np.nan
    table = pd.DataFrame({"a": [1.0]})
    refused = {
        "at least 2": [good],
        "lacks Oz and also has O2": [good, dataset(mirrored(1), channels=["C3", "Cz", "C4", "O2"])],
        "no channel axis": [good, good.rename(channel="component")],
        "output, channel, time": [good, good.rename(band="time")],
        "output, channel, band, lag": [good, good.expand_dims(lag=[0.0, 1.0], axis=-1)],
        "not theta": [good, good.isel(band=[1, 2])],
        "the same classes": [good, good.assign_coords(output=["left", "right"])],
        "not finite at C4 alpha": [good, dataset(gap)],
        "limits of slow": [good.assign_coords(band=["slow", "alpha", "beta"]),
                           dataset(mirrored(0, 40), frequency=np.arange(40.0))],
        "no cell in theta": [good, dataset(mirrored(0, 20), frequency=np.arange(10.0, 30.0))],
        "a function of trials": [good, contrast],
    }  # fmt: skip
    for message, given in refused.items():
        with pytest.raises(ValueError, match=f"(?i){message}"):
            compare_explanations(given, n_permutations=0)
    for message, other in (("no explanation", rng.random((4, 3))), ("no filter table", table),
                           ("no explanation", FLEXAttributor())):  # fmt: skip
        with pytest.raises(TypeError, match=message):
            compare_explanations([good, other], n_permutations=0)
    with pytest.raises(ValueError, match="output"):
        compare_explanations([good, good], output="2", n_permutations=0)
    X, y = trials(0)
    found = cross_validate_explanations(Bands(Matched()), X, y, cv=4, return_estimator=True, random_state=0)
    with pytest.raises(ValueError, match="n_permutations of at least 19"):
        compare_explanations([found, contrast], n_permutations=9)


def test_names_come_from_the_kind_of_map():
    named = {**FLEX}, {"method": "perturbation correlation", "noise": "independent", "perturbation": "additive"}, FLEX
    found = compare_explanations([dataset(mirrored(k), attrs) for k, attrs in enumerate(named)], n_permutations=0)
    assert found.grid["explanation"].values.tolist() == ["attribution", INDEPENDENT, "attribution (2)"]
    assert FILTERS not in found.grid["family"].values
