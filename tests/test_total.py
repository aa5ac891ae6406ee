"""The gate: what is read from maps of one network and of several, and how it is told."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from eegexplain._total import total_information


def explanation(value, error, degrees=9, folds=False):
    found = {"total_value": value, "total_standard_error": error, "entropy_value": 1.0}
    if folds:
        found["total_fold_value"] = (("fold", "seed"), np.full((degrees + 1, 1), value))
    return xr.Dataset(found, attrs={"degrees_of_freedom": degrees, "unit": "bit"})


def test_the_gate_is_a_one_sided_t():
    total = total_information(explanation(0.2, 0.1))
    assert total.p_value == pytest.approx(stats.t.sf(2.0, 9))
    assert total.shown == (total.p_value <= 0.05)
    np.testing.assert_allclose(total.interval, 0.2 + 0.1 * stats.t.ppf([0.025, 0.975], 9))


def test_nothing_is_said_of_decoding():
    told = str(total_information(explanation(0.01, 0.1)))
    assert "not shown above 0 with 10 trials or groups" in told and "may decode" in told
    assert "10 folds" in str(total_information(explanation(0.01, 0.1, folds=True)))
    assert "0.400 of 1.000 bits" in str(total_information(explanation(0.4, 0.1)))


def test_what_never_varies_is_not_above_zero():
    assert total_information(explanation(0.0, 0.0)).p_value == 1.0
    assert not total_information(explanation(0.0, np.nan)).shown


def test_other_explanations_are_refused():
    with pytest.raises(ValueError, match="perturbation"):
        total_information(xr.Dataset(attrs={"method": "perturbation"}))


def test_next_to_nothing_is_not_shown():
    """However surely it is above 0."""
    assert total_information(explanation(3e-5, 1e-6)).p_value < 1e-6
    assert not total_information(explanation(3e-5, 1e-6)).shown
    assert total_information(explanation(2e-3, 1e-6)).shown
