"""The old names against numbers recorded from braindecode 0.4.85."""

import pathlib

import numpy as np
import pytest
from torch import nn

from eegexplain import reverse_correlation as rc

ORACLE = pathlib.Path(__file__).parents[1] / "oracles" / "braindecode_0_4_85.npz"


@pytest.fixture(scope="module")
def old():
    with np.load(ORACLE) as archive:
        return {key: archive[key] for key in archive if key.startswith(("rf/", "iw/"))}


def strided_net():
    """The network behind the recorded receptive fields."""
    return nn.Sequential(
        nn.Conv2d(1, 2, (10, 1)),
        nn.Conv2d(2, 2, (1, 3)),
        nn.MaxPool2d((3, 1), (3, 1)),
        nn.Conv2d(2, 2, (10, 1), dilation=2),
        nn.MaxPool2d((3, 1), (3, 1)),
        nn.Conv2d(2, 2, (4, 1), stride=2),
    )


def test_lengths_equal_the_oracle(old):
    for name in ("calc_Hin", "calc_Hout"):
        *arguments, expected = old[f"rf/{name}"].T
        np.testing.assert_array_equal(getattr(rc, name)(*arguments), expected)


@pytest.mark.parametrize(("key", "start"), [("rf/net", (1, 1)), ("rf/net_start5", (5, 1))])
def test_receptive_field_sizes_equal_the_oracle(old, key, start):
    found = [rc.calc_receptive_field_size(strided_net(), i, start) for i in range(7)]
    np.testing.assert_array_equal(found, old[key])


def test_nested_and_average_pooled_networks_count():
    flat = nn.Sequential(nn.Conv1d(1, 1, 5), nn.AvgPool1d(4), nn.Conv1d(1, 1, 3))
    nested = nn.Sequential(nn.Sequential(nn.Conv1d(1, 1, 5), nn.AvgPool1d(4)), nn.Sequential(nn.Conv1d(1, 1, 3)))
    assert list(rc.calc_receptive_field_size(flat, 3)) == [16, 1] == list(rc.calc_receptive_field_size(nested, 2))
    assert rc.receptive_field(flat, "2", (1, 200)).size == 16


@pytest.mark.parametrize("unique", [0, 1])
@pytest.mark.parametrize("n_units", [None, 3])
def test_max_act_index_equals_the_oracle(old, unique, n_units):
    units, values = rc.get_max_act_index(old["iw/act"][:, :1], bool(unique), n_units)
    np.testing.assert_array_equal(units, old[f"iw/get_max_act_index/unique{unique}_n{n_units}/units"])
    np.testing.assert_array_equal(values, old[f"iw/get_max_act_index/unique{unique}_n{n_units}/act"])


def test_windows_equal_the_oracle(old):
    units = old["iw/get_max_act_index/unique1_n3/units"]
    found = rc.get_input_windows_from_units_2d(old["iw/inputs"], units, old["iw/rf"])
    np.testing.assert_array_equal(found, old["iw/get_input_windows_from_units_2d"])
    for top in (0.05, 0.5):
        found = rc.most_activating_input_windows(old["iw/inputs"], old["iw/act"], old["iw/rf"], top)
        np.testing.assert_array_equal(found, old[f"iw/most_activating_input_windows/top{top}"])
    assert rc.most_activating_input_windows(old["iw/inputs"][:9], old["iw/act"][:9], old["iw/rf"]).shape[1] == 1


def test_reverse_correlation_equals_the_oracle(old):
    for suffix, activations, tolerance in [("", old["iw/act"], 1e-10), ("_strided", old["iw/strided_act"], 1e-10)]:
        found = rc.activation_reverse_correlation(old["iw/inputs"], activations, old["iw/rf"])
        expected = old[f"iw/activation_reverse_correlation{suffix}"]
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    single = [old["iw/inputs"].astype("f4"), old["iw/act"].astype("f4")]
    found = rc.activation_reverse_correlation(*single, old["iw/rf"])
    np.testing.assert_allclose(found, old["iw/activation_reverse_correlation_f32"], atol=2e-6)


def test_units_in_2d_are_where_the_documentation_says():
    units = np.array([[7, 0, 3, 2], [1, 0, 0, 0]])
    start, stop = rc.calc_receptive_field_for_units_2d(units, (4, 2), stride=(2, 1), offset=(-1, 0))
    assert start.tolist() == [[5, 2], [-1, 0]] and stop.tolist() == [[9, 4], [3, 2]]
    inputs = np.arange(8 * 10 * 4.0).reshape(8, 1, 10, 4)
    windows = rc.get_input_windows_from_units_2d(inputs, units, (4, 2), stride=(2, 1), offset=(-1, 0))
    np.testing.assert_array_equal(windows[0, 0], inputs[7, 0, 5:9, 2:4])
    assert not windows[1, 0, 0].any()
    np.testing.assert_array_equal(windows[1, 0, 1:], inputs[1, 0, :3, :2])


def test_wrong_shapes_are_refused(old):
    with pytest.raises(ValueError, match="one filter"):
        rc.get_max_act_index(old["iw/act"])
    with pytest.raises(ValueError, match="receptive field"):
        rc.activation_reverse_correlation(old["iw/inputs"][..., 0], old["iw/act"], old["iw/rf"])
    with pytest.raises(ValueError, match="receptive field"):
        rc.activation_reverse_correlation(old["iw/inputs"], old["iw/act"], (10, 2))
