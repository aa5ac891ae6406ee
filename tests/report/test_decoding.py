"""What the report says about held-out predictions."""

import numpy as np
import pytest
from sklearn.utils import Bunch

from eegexplain.report import find_identities
from eegexplain.report._decoding import banner, judge, sentence
from eegexplain.report._job import inside_passband

BANDS = {"delta": (1.0, 4.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}


def judged(y, predicted, folds, subject=None, **identities):
    return judge(Bunch(y=y, subject=subject, identities=identities), predicted, folds, seed=0)


def test_three_verdicts_have_three_texts():
    subjects = np.repeat(np.arange(10), 20)
    y, folds = subjects % 2, np.arange(200) % 5
    decodes = judged(y, y, folds)
    assert decodes.verdict == "decodes" and banner(decodes) == ""
    recognizes = judged(y, y, folds, subject=None, recording=subjects)
    assert recognizes.verdict == "may recognise subjects"
    assert "Labels are a property of the recording; this accuracy can be recognition of" in banner(recognizes)
    assert "--group-by recording tests on recordings that no network was trained on" in banner(recognizes)
    apart = judged(y, y, subjects // 2, subject=subjects, recording=subjects)
    assert apart.verdict == "decodes" and banner(apart) == ""
    chance = judged(y, np.random.default_rng(0).integers(0, 2, 200), folds)
    text = banner(chance)
    assert text.startswith("Not shown to decode: balanced accuracy 0.") and "(95 % interval 0." in text
    assert "nothing" not in text and "does not decode" not in text
    assert "precision: 95 % interval" in sentence(chance) and "200 trials" in sentence(chance)
    assert "10 groups" in sentence(apart)
    both = banner(judged(y, 1 - y, folds, subject=None, recording=subjects))
    assert both.index("Not shown") < both.index("Labels are a property")


def test_columns_that_say_where_trials_come_from():
    column = np.array(["a", "b", "a", "b"])
    names = ["stimulus", "condition", "recording", "participant_id", "Session", "subject", "daylight", "event"]
    data = Bunch(y=np.arange(4), X=np.zeros((4, 2, 2)), **dict.fromkeys(names, column))
    assert list(find_identities(data)) == ["subject", "recording", "participant_id", "Session"]
    data = Bunch(y=np.arange(2), subject=None, session=np.array([1.0, np.nan]), run=np.array([1, "x"], dtype=object))
    assert list(find_identities(data)) == ["run"]


@pytest.mark.parametrize(
    ("limits", "left_out"),
    [
        ((None, None), []),
        ((0.5, 50.0), []),
        ((8.0, 30.0), ["delta", "gamma"]),
        ((2.4, 38.0), []),
        ((2.6, 37.0), ["delta", "gamma"]),
        ((None, 30.0), ["gamma"]),
    ],
)
def test_bands_outside_of_the_passband_are_left_out(limits, left_out):
    kept, out = inside_passband(BANDS, *limits)
    assert out == left_out and [*kept] == [name for name in BANDS if name not in left_out]


def test_a_passband_without_any_band_is_named():
    with pytest.raises(ValueError, match="filtered to 50-60 Hz, which leaves none of the bands"):
        inside_passband(BANDS, 50.0, 60.0)
