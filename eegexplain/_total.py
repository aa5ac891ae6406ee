"""The gate: whether the information of the whole output is above 0, in one network or over folds of several."""

from dataclasses import dataclass
from typing import Any

from scipy import stats

from eegexplain._exchange import LEVEL
from eegexplain._judge import one_sided_p

SMALLEST = 1e-3  # bits or nats: three digits are told


@dataclass(frozen=True, eq=False)
class TotalInformation:
    """What the whole output is worth, with its error.

    Parameters
    ----------
    value, standard_error : float
    entropy : float
        Of the label: the most there is.
    degrees_of_freedom : int
    unit : {"bit", "nat"}
    over : {"trials or groups", "folds"}
        What the error is over: of one network, or of the whole procedure.
    """

    value: float
    standard_error: float
    entropy: float
    degrees_of_freedom: int
    unit: str
    over: str

    @property
    def p_value(self) -> float:
        """One-sided p of 0 or less; NaN without an error."""
        return one_sided_p(self.value, self.standard_error, self.degrees_of_freedom)

    @property
    def shown(self) -> bool:
        """Whether it is above 0, one-sided at 5 %, and at least .001: the gate that cells come after.

        A slope near 0 leaves next to nothing of an output, which then hardly varies and may be told from 0.
        """
        return self.p_value <= LEVEL and self.value >= SMALLEST

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of `value`."""
        width = float(stats.t.ppf(0.975, self.degrees_of_freedom)) * self.standard_error
        return self.value - width, self.value + width

    @property
    def amount(self) -> str:
        """Value, entropy and interval in words."""
        low, high = self.interval
        return f"{self.value:.3f} of {self.entropy:.3f} {self.unit}s (95 % from {low:.3f} to {high:.3f})"

    @property
    def units(self) -> str:
        """How many of what the error is over."""
        return f"{self.degrees_of_freedom + 1} {self.over}"

    def __str__(self):
        if self.shown:
            return f"The output holds {self.amount}."
        return f"Information is not shown above 0 with {self.units}: {self.amount}. It may decode all the same."

    def beside(self, verdict: str) -> str:
        """Say it beside what is known of decoding: these are two verdicts, which may differ.

        Parameters
        ----------
        verdict : str
            A clause without its full stop; empty where nothing is known.

        Returns
        -------
        str
        """
        if not verdict:
            return str(self)
        if self.shown:
            return f"{verdict}. {self}"
        return f"{verdict}; information not shown above 0 with {self.units}: {self.amount}."


def total_information(explanation: Any) -> TotalInformation:
    """Read the total from an information map, of one network or cross-validated.

    Parameters
    ----------
    explanation : xarray.Dataset
        Of `InformationMapper` or `cross_validate_explanations` of it.

    Returns
    -------
    TotalInformation
        Over folds where there are several: it is then about the whole procedure.

    Raises
    ------
    ValueError
        For an explanation of something else.
    """
    if "total_value" not in explanation:
        raise ValueError(
            f"This explanation (method {explanation.attrs.get('method')!r}) has no total information: give one of "
            "InformationMapper or SynchronyMapper."
        )
    folds = "total_fold_value" in explanation
    return TotalInformation(
        float(explanation["total_value"]),
        float(explanation["total_standard_error"]),
        float(explanation["entropy_value"]),
        int(explanation.attrs["degrees_of_freedom"]),
        explanation.attrs["unit"],
        "folds" if folds else "trials or groups",
    )
