"""What the report says about held-out predictions."""

import numpy as np

from eegexplain.inspection import assess_decoding
from eegexplain.report._verdict import banner, headline, sentence


def judged(y, predicted, folds, subject=None, **identities):
    return assess_decoding(y, predicted, folds=folds, groups=subject, identities=identities, random_state=0)


def test_three_verdicts_have_three_texts():
    subjects = np.repeat(np.arange(10), 20)
    y, folds = subjects % 2, np.arange(200) % 5
    decodes = judged(y, y, folds)
    assert decodes.verdict == "decodes" and banner(decodes) == ""
    recognizes = judged(y, y, folds, subject=None, recording=subjects)
    assert recognizes.verdict == "may recognize subjects"
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
    assert headline(decodes) == headline(apart) == "" and headline(chance) == "Not shown to decode"
    assert headline(recognizes) == "May recognize recordings"
