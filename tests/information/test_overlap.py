"""Cells that overlap: only where their parts share moments or bins, and filters see each other's patterns."""

from types import SimpleNamespace

import numpy as np
import pytest

from eegexplain.information._overlap import as_players, check_disjoint


def part(bins=None):
    return SimpleNamespace(bins=None if bins is None else np.isin(np.arange(5), bins))


def pair(filters, patterns=None):
    filters = np.asarray(filters, dtype=float)
    return SimpleNamespace(filters=filters, patterns=filters if patterns is None else np.asarray(patterns, float))


def cells(*own):
    named = [SimpleNamespace(part=part, pair=pair) for part, pair in own]
    return SimpleNamespace(cells=named, coords={"cell": [f"c{k}" for k in range(len(own))]}, shape=(len(own),))


def test_parts_overlap_where_they_share_bins():
    low, high, wide = part([0, 1]), part([2, 3]), part([1, 2])
    check_disjoint(cells((low, None), (high, None)))
    with pytest.raises(ValueError, match="cells c0 and c2 overlap"):
        check_disjoint(cells((low, None), (high, None), (wide, None)))
    check_disjoint(cells((part(), None), (part(), None)))  # windows add up to the trial


def test_pairs_of_one_part_overlap_where_one_sees_the_pattern_of_the_other():
    band, other = part([1]), part([2])
    left, right = pair([[1], [0], [0]]), pair([[0], [1], [0]])
    tilted = pair([[1], [0], [0]], [[1], [0.1], [0]])
    check_disjoint(cells((band, left), (band, right)))
    check_disjoint(cells((band, tilted), (other, right)))
    for own in ([tilted, right], [right, tilted]):  # P_i P_j and P_j P_i
        with pytest.raises(ValueError, match="cells c0 and c1 overlap"):
            check_disjoint(cells(*((band, one) for one in own)))
    with pytest.raises(ValueError, match="cells c0 and c1 overlap"):
        check_disjoint(cells((band, left), (band, None)))


def test_the_size_of_filters_does_not_matter():
    band = part([1])
    small = pair([[1e-9], [0], [0]], [[1e9], [1e8], [0]])
    with pytest.raises(ValueError, match="overlap"):
        check_disjoint(cells((band, small), (band, pair([[0], [1e9], [0]], [[0], [1e-9], [0]]))))
    with_noise = pair([[1], [0], [0]], [[1], [1e-9], [0]])
    check_disjoint(cells((band, with_noise), (band, pair([[0], [1], [0]]))))


def test_players_of_several_axes_stand_on_one():
    halves = [pair([[1], [0], [0]]), pair([[0], [1], [0]])]
    low, high = part([1]), part([2])
    found = as_players(SimpleNamespace(**vars(cells(*((own, one) for one in halves for own in (low, high)))) | {
        "coords": {"place": ["left", "right"], "band": ["low", "high"]}, "shape": (2, 2)}))  # fmt: skip
    assert found.coords == {"cell": ["left@low", "left@high", "right@low", "right@high"]}
    assert found.beside["band"][1].tolist() == ["low", "high", "low", "high"]
    assert found.cells[2].pair is halves[1] and found.cells[2].part is low
