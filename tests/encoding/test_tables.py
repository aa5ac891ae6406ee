"""Labels of rows must agree wherever a paradigm meets data."""

import numpy as np
import pandas as pd
import pytest

from eegexplain.encoding import GaussianTuningModel, ParameterFitter
from eegexplain.encoding._tables import check_same_index

FRAME = pd.DataFrame({"x": [0.1, 0.2, 0.3]}, index=[0.0, 0.1, 0.2])


def test_labels_agree_or_are_refused_with_the_row():
    other = FRAME.iloc[[0, 2, 1]]
    with pytest.raises(ValueError, match=r"indices of X and y differ: row 1 is .*0\.1.* in X and .*0\.2.* in y"):
        check_same_index(X=FRAME, y=other)
    with pytest.raises(ValueError, match="differ: row 0"):
        check_same_index(X=FRAME, y=FRAME.set_axis(list("abc")))
    check_same_index(X=FRAME, y=other.to_numpy(), groups=None)  # arrays have no labels
    check_same_index(X=FRAME, y=FRAME.iloc[:2])  # another length has an error of its own
    check_same_index(X=FRAME, y=FRAME.set_axis(FRAME.index * (1 + 1e-12)))
    runs = pd.MultiIndex.from_tuples([(0, 0), (0, 1), (1, 0)])
    check_same_index(X=FRAME.set_axis(runs), y=FRAME.set_axis(runs))
    with pytest.raises(ValueError, match="row 1"):
        check_same_index(X=FRAME.set_axis(runs), y=FRAME.set_axis(runs[[0, 2, 1]]))


def test_a_shuffled_paradigm_is_no_paradigm_for_tuning():
    x = pd.DataFrame({"place": np.linspace(-3, 3, 60)})
    y = GaussianTuningModel().predict(x, [[0.5, 1.0, 2.0, 0.0]])
    shuffled = x.sample(frac=1.0, random_state=0)
    fitter = ParameterFitter(GaussianTuningModel()).fit(x, y)
    for call in (fitter.fit, fitter.score):
        with pytest.raises(ValueError, match="indices of .* differ: row 0"):
            call(shuffled, y)
