"""Rules of integration: exact for polynomials, nested, and at home near the baseline."""

import numpy as np
import pytest

from eegexplain.attribution import _nodes


@pytest.mark.parametrize("number, n_nodes, degree", [(0, 2, 3), (1, 5, 7), (2, 11, 17), (3, 23, 35), (4, 47, 71),
                                                     (5, 95, 71)])
def test_nested_rules_are_exact_to_their_degree(number, n_nodes, degree):
    """The degrees of Patterson's table, by Legendre polynomials: monomials of such degree tell nothing apart."""
    rules = _nodes.nested_rules()
    weights, legendre = rules.weights[number], np.polynomial.legendre.legvander(2 * rules.nodes - 1, degree + 1)
    assert rules.count(number) == n_nodes == np.count_nonzero(weights)
    np.testing.assert_allclose(weights @ legendre[:, :degree + 1], np.eye(degree + 1)[0], atol=1e-14)
    assert np.abs(weights @ legendre[:, degree + 1]) > 1e-6
    assert np.all(weights[rules.level <= number] > 0)
    nodes, weights = _nodes.gauss_legendre(4)
    assert abs(weights @ nodes**7 - 1 / 8) < 1e-14


def test_a_rule_of_the_table_of_1968():
    """Weights of 11 points as handed down."""
    expected = [0.03250446496641661, 0.09610769308114507, 0.17578249094347492, 0.24664959084586527, 0.29382188862537967,
                0.31026774307543686]
    weights = _nodes.nested_rules().weights[2]
    np.testing.assert_allclose(2 * weights[weights > 0][:6], expected, rtol=1e-14)


@pytest.mark.parametrize("stretch", [1e-8, 1e-3, 0.3, 1.0])
def test_stretched_rules_integrate_what_follows_a_logarithm(stretch):
    """The derivative of asinh(a / s), and a constant, which every rule has to have right."""
    rules = _nodes.nested_rules()
    nodes, weights = rules.place(np.array([stretch, 0.5]))
    assert nodes.shape == (2, 95) and weights.shape == (2, 6, 95) and 0 < nodes.min() and nodes.max() < 1
    np.testing.assert_allclose(weights.sum(2), 1, rtol=1e-14)
    rate = 1 / np.hypot(nodes[0], stretch)
    np.testing.assert_allclose(weights[0, 3:] @ rate, np.arcsinh(1 / stretch), rtol=1e-10)
    np.testing.assert_allclose(weights[1, 2] @ nodes[1] ** 3, 0.25, rtol=1e-9)


def test_each_gap_of_a_rule_gets_a_node_of_the_next():
    """So that what changes between two nodes is seen, and jumps cost half as much."""
    rules = _nodes.nested_rules()
    np.testing.assert_array_equal(rules.brought(0, 1), np.flatnonzero(rules.level < 2))
    for level in range(1, 6):
        new, old = rules.nodes[rules.brought(level, level)], rules.nodes[rules.brought(0, level - 1)]
        np.testing.assert_array_equal(np.searchsorted(old, new), np.arange(len(old) + 1))
    gaps = np.diff(np.concatenate([[0], rules.nodes, [1]]))
    assert np.all(rules.weights[5] > 0.9 * np.minimum(gaps[:-1], gaps[1:])) and gaps.max() < 0.02


def profile(change):
    """Changes at the probes of one trial and target."""
    return np.abs(change(np.concatenate([[1.0], _nodes.PROBES])))[:, None, None]


def test_the_stretch_lies_where_a_tenth_of_the_change_is_done():
    for power in (0.5, 0.3):
        tenth = 0.1 ** (1 / power)
        found = _nodes.stretch(profile(lambda a, power=power: 7 * a**power))
        np.testing.assert_allclose(found, tenth + 20 * tenth**2, rtol=1e-10)
    for corner in (1e-8, 1e-4):
        tenth = corner * np.sqrt(np.expm1(0.1 * np.log1p(corner**-2)))  # of log(1 + (a / corner)^2)
        found = _nodes.stretch(profile(lambda a, corner=corner: np.log1p((a / corner) ** 2)))
        assert 1 / 3 < found[0] / tenth < 3
    assert _nodes.stretch(profile(lambda a: a**2)) > 1
    assert _nodes.stretch(profile(lambda a: 0 * a)) == 1
    assert _nodes.stretch(profile(lambda a: 1.0 * (a > 0))) < 1e-11


def test_the_target_that_changes_first_sets_the_stretch():
    both = np.concatenate([profile(lambda a: a), profile(lambda a: np.log1p(1e3 * a))], axis=2)
    assert _nodes.stretch(both) == _nodes.stretch(both[:, :, 1:]) < _nodes.stretch(both[:, :, :1]) / 10
