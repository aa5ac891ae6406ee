"""What the report says of reference decoders and of bits."""

import json

import numpy as np

from eegexplain.inspection import assess_decoding
from eegexplain.report._references import decoder_table, numbers, tell_information, tell_references

rng = np.random.default_rng(0)
Y = np.arange(200) % 2
FOLDS = np.arange(200) // 2 % 5
GOOD, FAIR = (strength * (2 * Y - 1) + rng.standard_normal(200) for strength in (2.0, 0.8))


def judged(scores, **options):
    return assess_decoding(Y, (scores > 0).astype(int), folds=FOLDS, scores=scores, random_state=0, **options)


def test_network_and_references_stand_in_one_sentence_and_one_table():
    found = judged(FAIR, references={"tangent space + LR": GOOD, "other": FAIR})
    (line,) = tell_references(found)
    first, second = found.references
    assert line.startswith(
        f"A linear decoder of covariances (tangent space + LR) reaches {first.balanced_accuracy:.3f} (network less "
        f"reference {first.difference:+.3f} ± {first.standard_error:.3f} over {first.error_over}); other reaches"
    )
    assert first.difference < 0 == second.difference and line.endswith(f"this network {found.balanced_accuracy:.3f}")
    table = decoder_table(found)
    assert table.count("<tr>") == 4 and f"{first.information.value:.3f}</td>" in table
    assert tell_references(judged(FAIR)) == [] and decoder_table(judged(FAIR)).count("<tr>") == 2


def test_information_that_is_not_shown_is_not_called_absent():
    assert tell_information(judged(GOOD)).startswith("Usable information 0.")
    line = tell_information(judged(rng.standard_normal(200)))
    assert line.startswith("Information not shown above 0: ") and "95 % interval" in line and "200 trials" in line
    assert "no information" not in line.lower() and "other folds" not in line
    assert "lower bound, the outputs are underconfident" in tell_information(judged(0.05 * GOOD))
    few = assess_decoding([0, 1, 0, 1], [0, 1, 0, 1], scores=np.arange(4.0), groups=np.zeros(4), random_state=0)
    assert few.information is None and "too few to calibrate" in tell_information(few)
    assert "not known" in decoder_table(few) and numbers(few)["information"] is None


def test_numbers_can_be_written():
    found = judged(GOOD, references={"other": FAIR})
    written = json.loads(json.dumps(numbers(found)))
    assert written["information"]["value"] == found.information.value
    assert written["references"][0]["information"]["p_value"] == found.references[0].information.p_value
    assert len(written["information"]["fold_values"]) == 5 and "trial_values" not in written["information"]
