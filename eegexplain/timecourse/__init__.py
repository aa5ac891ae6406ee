"""Coefficients over time: linear models per time point, subject and fold; ordinal logistic regression."""

from eegexplain.timecourse.coefficients import TimeResolvedCoefficients
from eegexplain.timecourse.ordinal import OrdinalLogisticRegression

__all__ = ["OrdinalLogisticRegression", "TimeResolvedCoefficients"]
