"""Places in the brain as places on the head: lead fields, and the beamformers that look at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._forward import electrode_positions, lead_field
from eegexplain._subspace import column_space
from eegexplain._validation import check_array_like, check_ch_names, check_number, check_option, suggest
from eegexplain.information._cells import Pair, filter_pair

SHALLOW, DEEP = 0.8, 0.4  # head radii: the brain ends at .87, and what lies deep looks alike from everywhere
FILLED = 1e-6  # of a source's largest lead field over directions: a direction below makes no potential


@dataclass(frozen=True, eq=False)
class SourceSpace:
    """Places in the brain, and the potentials that their currents make at the electrodes.

    As ``space`` of an `InformationMapper` each place is looked at by a beamformer [1]_: of all filters that let its
    current through, the one with the least power, ``w = C^-1 l / (l' C^-1 l)``, where C is the covariance of the trials
    in a part. What it sees is exchanged with the topography of the place.

    Parameters
    ----------
    leadfield : array-like of shape (n_channels, n_sources) or (n_channels, n_sources, n_directions)
        Potentials of unit currents, of one direction per place or of several.
    positions : array-like of shape (n_sources, 3)
        Of the places, in any unit.
    names : sequence of str, optional
        Of the places.
    ch_names : sequence of str, optional
        Of the channels; None are those of the trials, in their order.
    regularization : float, default=0.05
        What is added to the variance of each channel before the inverse, as a share of their mean.

    Raises
    ------
    ValueError
        For shapes that do not fit each other, names that occur twice, NaN and infinities, and places that no channel
        sees.

    Notes
    -----
    Lead fields are potentials against a far point. Trials in average reference are compared with lead fields in average
    reference, and so for any projection that trials have been through; trials against a single electrode are not: give
    them an average reference first.

    Neighboring places, and places that are active together, see the same: a peak tells where a source may be, no map of
    a head model that is not the person's own tells more than within a centimeter or two.

    References
    ----------
    .. [1] B. D. Van Veen, W. van Drongelen, M. Yuchtman, A. Suzuki, "Localization of brain electrical activity via
           linearly constrained minimum variance spatial filtering", IEEE Transactions on Biomedical Engineering 44
           (1997), doi:10.1109/10.623056.

    Examples
    --------
    >>> from eegexplain.information import SourceSpace
    >>> places = SourceSpace.spherical(["Fz", "C3", "Cz", "C4", "Pz"], spacing=0.4)
    >>> places.leadfield.shape, places.positions.shape
    ((5, 18, 3), (18, 3))
    """

    leadfield: ArrayLike
    positions: ArrayLike
    names: Sequence[str] | None = None
    ch_names: Sequence[str] | None = None
    regularization: float = 0.05

    def __post_init__(self):
        leadfield = check_array_like("leadfield", self.leadfield, dtype=float)
        if leadfield.ndim == 2:
            leadfield = leadfield[..., None]
        positions = check_array_like("positions", self.positions, dtype=float)
        if leadfield.ndim != 3 or positions.shape != (leadfield.shape[1], 3):
            raise ValueError(
                "leadfield is (n_channels, n_sources) or (n_channels, n_sources, n_directions) and positions are "
                f"(n_sources, 3), got {np.shape(self.leadfield)} and {np.shape(self.positions)}."
            )
        if not np.abs(leadfield).max(axis=(0, 2)).all():
            raise ValueError(f"No channel sees place {int(np.abs(leadfield).max(axis=(0, 2)).argmin())}: leave it out.")
        names = [str(k) for k in range(len(positions))] if self.names is None else [str(name) for name in self.names]
        if len(names) != len(positions) or len(set(names)) < len(names):
            raise ValueError(f"names must be {len(positions)} different ones, one per place, got {len(names)}.")
        ch_names = None if self.ch_names is None else check_ch_names(self.ch_names, len(leadfield))
        regularization = check_number("regularization", self.regularization, least=0)
        fields = {"leadfield": leadfield, "positions": positions, "names": names, "ch_names": ch_names,
                  "regularization": regularization}  # fmt: skip
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def spherical(
        cls, ch_names: Sequence[str], *, spacing: float = 0.2, directions: str = "free", regularization: float = 0.05
    ) -> SourceSpace:
        """Places on a cubic grid in a head of three concentric spheres.

        Parameters
        ----------
        ch_names : sequence of str
            Electrodes of the 10-05 system.
        spacing : float, default=0.2
            Of the grid, in head radii (about 9 cm).
        directions : {"free", "radial"}, default="free"
            Of the currents: any, or outwards. Where they do flow outwards, the second is a little sharper; where they
            do not, it finds nothing, at places that mean nothing.
        regularization : float, default=0.05
            As above.

        Returns
        -------
        SourceSpace
            Positions in head radii (x to the right ear, y to the nose, z upwards), in the outer brain and down to one
            step below the lowest electrode, named by them.

        Raises
        ------
        ValueError
            For unknown electrodes, and a spacing that leaves no place.
        """
        check_option("directions", directions, ("free", "radial"))
        spacing = check_number("spacing", spacing, above=0)
        electrodes = electrode_positions(list(ch_names))
        steps = np.arange(-(SHALLOW // spacing), SHALLOW // spacing + 1) * spacing
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        depth = np.linalg.norm(grid, axis=1)
        lowest = electrodes[:, 2].min() * depth - spacing  # a step below what lies under the lowest electrode
        grid = grid[(depth <= SHALLOW) & (depth >= DEEP) & (grid[:, 2] > lowest + 1e-9)]
        if not len(grid):
            raise ValueError(f"No place of a grid of {spacing:g} head radii lies in the outer brain: lower spacing.")
        field = lead_field(electrodes, grid)
        if directions == "radial":
            field = np.einsum("csx,sx->cs", field, grid / np.linalg.norm(grid, axis=1, keepdims=True))
        names = [" ".join(f"{value:+.2f}" for value in place) for place in grid]
        return cls(field, grid, names, list(ch_names), regularization)

    @classmethod
    def from_forward(cls, forward: Any, *, regularization: float = 0.05) -> SourceSpace:
        """Places of a forward solution of MNE-Python.

        Parameters
        ----------
        forward : mne.Forward
            Of EEG channels, with fixed or free orientations, of surfaces or a volume.
        regularization : float, default=0.05
            As above.

        Returns
        -------
        SourceSpace
            Positions in meters, in the forward solution's own coordinates; names are source space and vertex.

        Raises
        ------
        TypeError
            For anything else.
        ValueError
            For a solution whose places do not fit its gains.
        """
        try:
            gains, channels = np.asarray(forward["sol"]["data"], float), list(forward["sol"]["row_names"])
            positions, vertices = np.asarray(forward["source_rr"], float), [one["vertno"] for one in forward["src"]]
        except (TypeError, KeyError, IndexError):
            raise TypeError(
                f"forward must be a forward solution of MNE-Python (mne.read_forward_solution), got "
                f"{type(forward).__name__}."
            ) from None
        if not len(positions) or gains.shape[1] % len(positions):
            raise ValueError(f"The forward solution has {len(positions)} places and {gains.shape[1]} gains.")
        names = [f"{part}:{vertex}" for part, own in enumerate(vertices) for vertex in own]
        return cls(gains.reshape(len(gains), len(positions), -1), positions, names, channels, regularization)

    def for_channels(self, ch_names: Sequence[str]) -> NDArray:
        """Lead field of the channels of trials, in their order.

        Parameters
        ----------
        ch_names : sequence of str

        Returns
        -------
        ndarray of shape (n_channels, n_sources, n_directions)

        Raises
        ------
        ValueError
            For channels without a lead field.
        """
        leadfield: Any = self.leadfield
        if self.ch_names is None:
            if len(leadfield) != len(ch_names):
                raise ValueError(f"The lead field is of {len(leadfield)} channels, the trials have {len(ch_names)}.")
            return leadfield
        known = {name.lower(): place for place, name in enumerate(self.ch_names)}
        missing = next((name for name in ch_names if name.lower() not in known), None)
        if missing is not None:
            raise ValueError(
                f"The lead field knows no channel {missing!r}: give ch_names, or leave the channel out."
                f"{suggest(missing, self.ch_names)}"
            )
        return leadfield[[known[name.lower()] for name in ch_names]]

    def beamformers(self, ch_names: Sequence[str], C: NDArray) -> list[Pair]:
        """Filter and topography of each place in trials of some covariance.

        Parameters
        ----------
        ch_names : sequence of str
        C : ndarray of shape (n_channels, n_channels)
            Covariance.

        Returns
        -------
        list of Pair
        """
        projector, rank = column_space(C)
        # within the space that the trials fill: a reference or a projection takes from the lead field what it takes
        # from the trials
        gains = np.moveaxis(np.tensordot(projector, self.for_channels(ch_names), 1), 1, 0)
        level = self.regularization * np.trace(C) / max(rank, 1)
        inverse = np.linalg.pinv(C + level * projector, rcond=1e-12, hermitian=True)
        left, values, _ = np.linalg.svd(gains, full_matrices=False)
        seen = values > FILLED * values.max()  # directions that make no potential have no filter
        numbers: Any = zip(self.names or (), left, seen, strict=True)
        return [
            filter_pair(name, inverse @ (own * kept)[:, : max(1, kept.sum())], C, silent=True)
            for name, own, kept in numbers
        ]
