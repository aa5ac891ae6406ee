"""Models of one's own that are linear in their stimulus: by a field, or by a basis of their own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding import (
    EncodingModel,
    GaussianTuningModel,
    HRFEncodingModel,
    HRFModel,
    Parameter,
    ParameterFitter,
)

PLACES = np.linspace(-3, 3, 25)
TRUTH = np.array([[0.5, 0.8, 2.0], [-1.2, 0.5, 1.0]])
STIMULUS = np.random.default_rng(0).standard_normal((80, 25))


def gaussian(centre, width):
    return np.exp(-0.5 * ((PLACES[:, None] - centre) / width) ** 2)


class ByField(HRFEncodingModel):
    parameter_space = (Parameter("centre"), Parameter("width", lower=0.1), Parameter("gain", "amplitude"))
    linear_in_stimulus = True

    def field(self, centre, width):
        return gaussian(centre, width)


class ByBasis(EncodingModel):
    parameter_space = ByField.parameter_space
    linear_in_stimulus = True

    def basis(self, paradigm, centre, width):
        return paradigm @ gaussian(centre, width)


@pytest.mark.parametrize("model", [ByField(), ByBasis(), ByField(hrf_model=HRFModel(hrf=[0.3, 0.5, 0.2]))])
def test_a_model_that_says_it_is_linear_is_fitted(model):
    """By the field where there is one, else by the basis; the truth comes back."""
    y = model.predict(STIMULUS, TRUTH)
    fit = ParameterFitter(model, grid={"centre": PLACES[::3], "width": [0.4, 1.0]}).fit(STIMULUS, y)
    assert_allclose(fit.parameters_, TRUTH, rtol=1e-5)
    assert model.has_field == isinstance(model, ByField)
    assert (model.filtered_stimulus(STIMULUS) is None) != model.has_field


def test_derivatives_of_a_field_are_differences():
    found = ByField().field_gradient(*TRUTH[:, :2].T)
    field, derivatives = GaussianTuningModel(grid_coordinates=PLACES).field_gradient(*TRUTH[:, :2].T)
    assert_allclose(found[0], field)
    assert_allclose(found[1], derivatives, atol=1e-6)
    with pytest.raises(NotImplementedError, match="EncodingModel must define field"):
        EncodingModel().field()
