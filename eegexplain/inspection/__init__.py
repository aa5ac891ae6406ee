"""Can the map be trusted? Faithfulness, sanity checks, scores against a known truth, and the data on their own."""

from eegexplain.inspection.contrast import power_contrast
from eegexplain.inspection.coverage import UncoveredBand, uncovered_bands
from eegexplain.inspection.faithfulness import (
    DeletionCurve,
    average_precision,
    complexity,
    deletion_curve,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    sign_agreement,
)
from eegexplain.inspection.sanity import SanityCheck, label_randomization, map_similarity, model_randomization

__all__ = [
    "DeletionCurve",
    "SanityCheck",
    "UncoveredBand",
    "average_precision",
    "complexity",
    "deletion_curve",
    "label_randomization",
    "map_similarity",
    "model_randomization",
    "power_contrast",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "sign_agreement",
    "uncovered_bands",
]
