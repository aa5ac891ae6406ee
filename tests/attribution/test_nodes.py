"""Rules of integration: exact for polynomials, for reciprocals, and near the baseline."""

import numpy as np
import pytest

from eegexplain.attribution import _nodes


@pytest.mark.parametrize("rule, fine_degree, coarse_degree", [(_nodes.WHOLE, 7, 3), (_nodes.PIECE, 11, 5)])
def test_nested_rules_are_exact_for_polynomials(rule, fine_degree, coarse_degree):
    for degree in range(fine_degree + 1):
        exact = 2 / (degree + 1) if degree % 2 == 0 else 0.0
        fine, coarse = rule.weights @ rule.nodes**degree
        assert abs(fine - exact) < 1e-14
        assert degree > coarse_degree or abs(coarse - exact) < 1e-14
    assert rule.share == np.count_nonzero(rule.weights[1]) / len(rule.nodes)
    nodes, weights = _nodes.gauss_legendre(4)
    assert abs(weights @ nodes**7 - 1 / 8) < 1e-14


def test_logarithmic_panels_integrate_reciprocals():
    nodes, weights = _nodes.place(_nodes.PIECE, np.array([1e-6, 0.0]), np.array([1.0, 0.5]), np.array([True, False]))
    assert abs(weights[0, 0] @ (1 / nodes[0]) - np.log(1e6)) < 1e-12
    assert abs(weights[0, 1] @ nodes[1] ** 3 - 0.5**4 / 4) < 1e-15


def test_panels_reach_as_close_to_the_baseline_as_the_output_moves():
    positions = _nodes.PROBES
    edges, logarithmic = _nodes.first_panels(positions)
    assert list(edges) == [0, 0.5, 1] and not logarithmic.any()
    for corner in (1e-3, 1e-8):
        share = np.log1p((positions / corner) ** 2) / np.log1p(corner**-2)
        edges, logarithmic = _nodes.first_panels(share)
        assert edges[0] == 0 and edges[-1] == 1 and 0.003 * corner < edges[1] < corner
        assert not logarithmic[0] and logarithmic[1:].all()
