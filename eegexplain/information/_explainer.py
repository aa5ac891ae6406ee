"""What analyses of information share: held-out trials in an order of their own, one target, a judge, a total."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._bits import make_judge
from eegexplain._explanation import order_by_content
from eegexplain._judge import Judge
from eegexplain._meta import Explainer
from eegexplain._total import total_information
from eegexplain.information._testing import check_units


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out trials in an order that depends on what they hold, not on where they stand.

    Parameters
    ----------
    order : ndarray of int of shape (n_trials,)
    y : ndarray of shape (n_trials,)
        In this order, as `groups`.
    groups : ndarray of int of shape (n_trials,) or None
        Codes that do not depend on what groups are called.
    testable : bool
        Whether there are enough for p values.
    """

    order: NDArray
    y: NDArray
    groups: NDArray | None
    testable: bool


class InformationExplainer(Explainer):
    """Base of analyses of information: their parameters include ``unit``, their datasets have a total.

    A subclass sets ``_seed`` in `_prepare`, and begins `_explain_training` with `_warn_of_training`.
    """

    def _warn_of_training(self):
        """Say so where the trials explained are those that the network was trained on."""
        if type(self.estimator).__name__ != "FrozenEstimator":
            warnings.warn(
                "These trials have trained the network: what it seems to know about them is too much. Use "
                "cross_validate_explanations, or explain_population of trials that it did not see.",
                stacklevel=4,
            )

    def _held_out(self, X, y, groups) -> HeldOut:
        """Check labels and groups, and put them in order."""
        if y is None:
            raise ValueError("Information is about labels: give y.")
        if np.ndim(y) > 1:
            raise ValueError(f"Information is about one label or number per trial: y has the shape {np.shape(y)}.")
        order = order_by_content(X)
        y = np.asarray(y)[order]
        if groups is not None:  # numbered by where they first occur
            _, first, codes = np.unique(np.asarray(groups)[order], return_index=True, return_inverse=True)
            groups = np.argsort(np.argsort(first))[codes]
        return HeldOut(order, y, groups, check_units(y, groups, hasattr(self, "classes_")))

    def _judge(self, held: HeldOut, whole) -> Judge:
        """Who calibrates outputs of these trials on others of them."""
        classes = hasattr(self, "classes_")
        scores, kind = (whole, "logits") if classes else (whole[:, 0], "predictions")
        settings = {"groups": held.groups, "kind": kind, "unit": self.unit, "random_state": self._seed}
        return make_judge(held.y, scores, **settings)[0]

    def _store(self, dataset):
        total = total_information(dataset)
        self.information_, self.standard_errors_ = dataset["value"].values, dataset["standard_error"].values
        self.evidence_ = dataset["evidence_value"].values
        self.evidence_errors_ = dataset["evidence_standard_error"].values
        self.p_values_, self.interaction_ = dataset["corrected_p"].values, dataset["interaction"].values
        self.total_, self.total_error_, self.total_p_ = total.value, total.standard_error, total.p_value
        self.slope_ = dataset.attrs["slope"]

    def __sklearn_tags__(self):
        """One target: information is about one label."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags

