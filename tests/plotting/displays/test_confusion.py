"""The picture of a confusion table: names, empty classes, the user's axes."""

import matplotlib.pyplot as plt
import pytest

from eegexplain.inspection import confusion_table
from eegexplain.plotting import ConfusionDisplay


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_a_class_that_no_trial_has_is_a_row_without_trials():
    """What was predicted and never true stands in the matrix; names with dollars are no formulas."""
    found = confusion_table(["$a$", "b"] * 5, ["$a$", "b", "other", "b", "$a$"] * 2, n_permutations=19, random_state=0)
    figure, axes = plt.subplots(1, 2)
    display = ConfusionDisplay(found).plot(axes=axes)
    assert display.figure_ is figure and plt.get_fignums() == [figure.number]
    figure.canvas.draw()
    assert [text.get_text() for text in axes[0].get_xticklabels()] == [r"\$a\$", "b", "other"]
    assert axes[1].get_yticklabels()[2].get_text() == "no trials"
    assert display.texts_[-1].get_text() == "0\n0 %"
