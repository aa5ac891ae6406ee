"""The record of how far explanations agree: as a table, a consensus map, sentences and a picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._validation import check_option


@dataclass(frozen=True, eq=False)
class ExplanationComparison:
    """How far several explanations agree, cell by cell and as a whole.

    Parameters
    ----------
    agreement : pandas.DataFrame
        One row per pair (index ``one``, ``other``): ``spearman`` (-1 to 1), ``sign_agreement`` (0 to 1; NaN where a map
        has no signs), ``jaccard`` (0 to 1, of the tenth of the cells with the largest absolute values), ``signed``
        (else magnitudes are compared), ``chance`` (mean ``spearman`` of networks trained on permuted labels),
        ``p_value`` (that it is as large) and ``familywise_p`` (that any pair's stands out so far); NaN without a null.
    consensus : xarray.Dataset
        ``value`` and ``magnitude`` (output, channel, band), ``n_agreeing`` and ``n_high``: see `compare_explanations`.
    grid : xarray.Dataset
        ``value`` and ``high`` (explanation, output, channel, band): whether a cell is in the largest tenth and, where
        errors are known, beyond 0; ``family`` and ``signed`` (explanation).
    differences : list of str
        Where a pair differs, and what that means.
    n_permutations : int
        0 without a null.
    """

    agreement: Any
    consensus: Any
    grid: Any
    differences: list
    n_permutations: int = 0

    @property
    def explanation_(self) -> Any:
        """The consensus: displays draw it as the map of any explainer."""
        return self.consensus

    def plot(self, *, output: Any = None, **options: Any) -> Any:
        """Draw all maps and the consensus, each as shares of its largest value, with cells marked that are high.

        Parameters
        ----------
        output : label, optional
            None is the last.
        **options : dict
            Of `TopomapDisplay.plot_grid` or, where channels have no place on the scalp, `SpectralMapDisplay.plot`.

        Returns
        -------
        TopomapDisplay or SpectralMapDisplay
            In the consensus cells are marked that are high in more than half of the maps.
        """
        from eegexplain.plotting import SpectralMapDisplay, TopomapDisplay, channel_positions

        shown, high = self._shown(output)
        label = "share of the largest value"
        try:
            channel_positions(shown["channel"].values)
        except ValueError:
            return SpectralMapDisplay.from_explanation(shown, label=label).plot(fade=~high.values, **options)
        mask = high.transpose("output", "band", "channel").values
        return TopomapDisplay.from_explanation(shown, label=label).plot_grid(mask=mask, **options)

    def _shown(self, output):
        """Maps and consensus of one class as the outputs of one explanation, and which of their cells are high."""
        import xarray as xr

        outputs = self.consensus["output"].values.astype(str).tolist()
        place = -1 if output is None else outputs.index(check_option("output", str(output), outputs))
        of_each, together = self.grid.isel(output=place, drop=True), self.consensus.isel(output=place, drop=True)
        most = together["n_high"] > self.grid.sizes["explanation"] / 2
        rows = [of_each[["value", "high"]].rename(explanation="output"),
                together[["value"]].assign(high=most).expand_dims(output=["consensus"])]  # fmt: skip
        both = xr.concat(rows, "output")
        size = np.abs(both["value"]).max(["channel", "band"])
        return (both["value"] / size.where(size > 0, 1.0)).to_dataset(name="value"), both["high"]

    def __str__(self):
        """Pairs, the strongest cells of the consensus, and what differences mean."""
        lines = [f"{self.grid.sizes['explanation']} maps of {self.consensus['value'].sizes['channel']} channels x "
                 f"{self.consensus['value'].sizes['band']} bands."]  # fmt: skip
        lines += [_tell_pair(row) for row in self.agreement.reset_index().itertuples()]
        if not self.agreement["p_value"].notna().any():
            lines.append(
                "No null: p values need cross-validated explanations of the same networks, trained again on permuted "
                "labels."
            )
        return "\n".join([*lines, self._strongest(), *self.differences])

    def _strongest(self):
        """The cells that most methods hold to be strong."""
        size = np.abs(self.consensus["value"])
        told = []
        for place in np.argsort(-size.values, axis=None, kind="stable")[:3]:
            cell = self.consensus.isel(dict(zip(size.dims, np.unravel_index(place, size.shape), strict=True)))
            whose = f" for {cell['output'].item()}" if size.sizes["output"] > 1 else ""
            sign = f"{'-+'[int(cell['value'].item() > 0)]}, " if self.consensus.attrs["n_signed"] else ""
            told.append(f"{cell['channel'].item()} {cell['band'].item()}{whose} ({sign}high in "
                        f"{cell['n_high'].item()} of {self.consensus.attrs['n_methods']} maps)")  # fmt: skip
        return f"Consensus: {', '.join(told)}."


def _tell_pair(row):
    signs = f", signs {100 * row.sign_agreement:.0f} % alike" if row.signed else " of magnitudes"
    null = f" (permuted labels {row.chance:+.2f}, familywise p = {row.familywise_p:.3g})"
    null = "" if np.isnan(row.p_value) else null
    return f"{row.one} and {row.other}: rank agreement {row.spearman:+.2f}{signs}{null}."
