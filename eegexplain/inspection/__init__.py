"""Does the network decode, and can its map be trusted? Sanity checks, scores against a known truth, the data alone."""

from eegexplain._bits import UsableInformation, usable_information
from eegexplain.inspection._compared import ExplanationComparison
from eegexplain.inspection._comparison import ReferenceComparison
from eegexplain.inspection._cross_validated import CrossValidatedExplanation
from eegexplain.inspection.agreement import compare_explanations
from eegexplain.inspection.audit import ArtifactAudit, ArtifactShare, artifact_audit
from eegexplain.inspection.confusion import Confusion, confusion_table
from eegexplain.inspection.contrast import evoked_contrast, power_contrast
from eegexplain.inspection.coverage import UncoveredBand, uncovered_bands
from eegexplain.inspection.decoding import Decoding, assess_decoding, balanced_accuracy
from eegexplain.inspection.explanations import cross_validate_explanations, explain_models
from eegexplain.inspection.faithfulness import (
    DeletionCurve,
    average_precision,
    complexity,
    deletion_curve,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    sign_agreement,
)
from eegexplain.inspection.groups import GroupExplanation, explain_groups
from eegexplain.inspection.halves import Stability, stability
from eegexplain.inspection.information_scores import information_scorer
from eegexplain.inspection.map_scores import map_scores, structural_similarity
from eegexplain.inspection.models import CrossValidatedModels, cross_validate_models
from eegexplain.inspection.permutation import permutation_test
from eegexplain.inspection.references import reference_decoders
from eegexplain.inspection.sanity import SanityCheck, label_randomization, map_similarity, model_randomization
from eegexplain.inspection.scorers import (
    accuracy_and_faithfulness,
    faithfulness_scorer,
    sparsity_scorer,
    stability_scorer,
)
from eegexplain.inspection.sign_flips import group_significance
from eegexplain.inspection.significance import Significance, evidence_contrast
from eegexplain.inspection.truth import TruthScore, score_against_truth

__all__ = [
    "ArtifactAudit",
    "ArtifactShare",
    "Confusion",
    "CrossValidatedExplanation",
    "CrossValidatedModels",
    "Decoding",
    "DeletionCurve",
    "ExplanationComparison",
    "GroupExplanation",
    "ReferenceComparison",
    "SanityCheck",
    "Significance",
    "Stability",
    "TruthScore",
    "UncoveredBand",
    "UsableInformation",
    "accuracy_and_faithfulness",
    "artifact_audit",
    "assess_decoding",
    "average_precision",
    "balanced_accuracy",
    "compare_explanations",
    "confusion_table",
    "cross_validate_explanations",
    "cross_validate_models",
    "evidence_contrast",
    "evoked_contrast",
    "explain_groups",
    "explain_models",
    "complexity",
    "deletion_curve",
    "faithfulness_scorer",
    "information_scorer",
    "group_significance",
    "label_randomization",
    "map_scores",
    "map_similarity",
    "model_randomization",
    "permutation_test",
    "power_contrast",
    "reference_decoders",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "score_against_truth",
    "sign_agreement",
    "sparsity_scorer",
    "stability",
    "stability_scorer",
    "structural_similarity",
    "uncovered_bands",
    "usable_information",
]
