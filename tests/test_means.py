"""Places of labels among the classes of a model."""

import numpy as np
import pytest

from eegexplain._means import label_index


@pytest.mark.parametrize("classes", [["a", "b", "c"], ["c", "a", "b"], [2, 0, 1]])
def test_labels_are_found_among_classes_in_any_order(classes):
    labels = np.random.default_rng(0).choice(classes, 20)
    expected = [classes.index(one) for one in labels.tolist()]
    np.testing.assert_array_equal(label_index(labels, np.array(classes)), expected)


def test_a_label_of_no_class_is_named():
    with pytest.raises(ValueError, match="y holds 'd', which is not one of the classes"):
        label_index(np.array(["a", "d"]), np.array(["b", "a"]))
    assert label_index(None, np.array([0])) is None
