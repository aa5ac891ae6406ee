"""The old scalp map of braindecode 0.4, under its name: `ax_scalp`.

For new work use `TopomapDisplay`: it is smooth, reaches the edge of the head and shares limits over panels.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import check_array_like, check_option, suggest
from eegexplain.plotting.scalp._hull import near_hull
from eegexplain.plotting.scalp.positions import ALIASES

# Rows from front to back: angle from the vertex upwards, then name and angle to the right, in units of 22.5 degrees. In
# the last two rows the angle upwards exceeds a right angle, so left and right change places.
_ROWS = """
    4: Fpz 0
    3.5: Fp1 -3.5 Fp2 3.5 AFp3h -1 AFp4h 1
    3: AF7 -4 AF3 -2 AFz 0 AF4 2 AF8 4
    2.5: AFF5h -2.5 AFF1 -0.5 AFF2 0.5 AFF6h 2.5
    2: F7 -4 F5 -3 F3 -2 F1 -1 Fz 0 F2 1 F4 2 F6 3 F8 4
    1.5: FFT7h -3.5 FFC5h -2.5 FFC3h -1.5 FFC1h -0.5 FFC2h 0.5 FFC4h 1.5 FFC6h 2.5 FFT8h 3.5
    1: FT9 -5 FT7 -4 FC5 -3 FC3 -2 FC1 -1 FCz 0 FC2 1 FC4 2 FC6 3 FT8 4 FT10 5
    0.5: FTT9h -4.5 FTT7h -3.5 FCC5h -2.5 FCC3h -1.5 FCC1h -0.5 FCC2h 0.5 FCC4h 1.5 FCC6h 2.5 FTT8h 3.5 FTT10h 4.5
    0: M1 -5 T9 -4.5 T7 -4 C5 -3 C3 -2 C1 -1 Cz 0 C2 1 C4 2 C6 3 T8 4 T10 4.5 M2 5
    -0.5: TTP7h -3.5 CCP5h -2.5 CCP3h -1.5 CCP1h -0.5 CCP2h 0.5 CCP4h 1.5 CCP6h 2.5 TTP8h 3.5
    -1: TP7 -4 CP5 -3 CP3 -2 CP1 -1 CPz 0 CP2 1 CP4 2 CP6 3 TP8 4
    -1.5: TPP9h -4.5 TPP7h -3.5 CPP5h -2.5 CPP3h -1.5 CPP1h -0.5 CPP2h 0.5 CPP4h 1.5 CPP6h 2.5 TPP8h 3.5 TPP10h 4.5
    -2: P9 -5 P7 -4 P5 -3 P3 -2 P1 -1 Pz 0 P2 1 P4 2 P6 3 P8 4 P10 5
    -2.5: PPO9h -4.5 PPO5h -3 PPO1 -0.65 PPO2 0.65 PPO6h 3 PPO10h 4.5
    -3: PO9 -5 PO7 -4 PO5 -3 PO3 -2 PO1 -1 POz 0 PO2 1 PO4 2 PO6 3 PO8 4 PO10 5
    -3.25: POO9h -4.5 POO3h -2 POO4h 2 POO10h 4.5
    -3.75: O1 -2.5 Oz 0 O2 2.5
    -4.25: OI1h 1.5 OI2h -1.5
    -4.5: I1 1 Iz 0 I2 -1
"""


def _read_rows():
    places = []
    for row in _ROWS.strip().splitlines():
        upwards, electrodes = row.split(":")
        fields = electrodes.split()
        for name, right in zip(fields[::2], fields[1::2], strict=True):
            places.append((name, (float(right), float(upwards))))
    return ("angle", *places)


#: Approximate angles of the electrodes of the extended 10-20 system, for `ax_scalp`.
CHANNEL_10_20_APPROX = _read_rows()


def ax_scalp(
    v: ArrayLike,
    channels: Sequence[Any],
    ax: Any = None,
    annotate: bool = False,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: Any = None,
    scalp_line_width: float = 1,
    scalp_line_style: str = "solid",
    chan_pos_list: Sequence[Any] = CHANNEL_10_20_APPROX,
    interpolation: str = "bilinear",
    fontsize: float = 8,
) -> Any:
    """Draw a scalp map like the function of this name in braindecode 0.4.

    Its documentation promised the axes, its code returned the image: this one returns the axes (the image is
    ``ax.images[-1]``). Unknown names are listed in one error, one limit alone is mirrored, and a NaN value leaves out
    its own channel instead of the whole map.

    Parameters
    ----------
    v : array of shape (n_channels,)
        Values at the channels.
    channels : sequence of str, length n_channels
        Names of the channels (upper and lower case are alike).
    ax : matplotlib.axes.Axes, optional
        Where to draw; None is ``plt.gca()``.
    annotate : bool
        Write the names of the channels.
    vmin, vmax : float, optional
        Limits of the colours. A missing one mirrors the other; None for both takes the largest absolute value.
    cmap : str or matplotlib.colors.Colormap, optional
        None is matplotlib's coolwarm.
    scalp_line_width, scalp_line_style
        Line of head, nose and ears; a width of 0 draws none.
    chan_pos_list : sequence
        ``"angle"`` or ``"cartesian"``, then pairs ``(name, (a, b))``: angles to the right and upwards in units of 22.5
        degrees, or places on the plane, where the head has radius 1.
    interpolation : {"bilinear", "nearest"}
        Linear between the channels, or the value of the nearest channel.
    fontsize : float
        Size of the names, in points.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For unknown channels, wrong lengths, fewer than three channels or channels on a line.

    Examples
    --------
    >>> from eegexplain.plotting import ax_scalp
    >>> ax = ax_scalp([0.2, -1.0, 0.1, 1.0, 0.0], ["Fz", "C3", "Cz", "C4", "Pz"], annotate=True)
    >>> ax.images[-1].get_clim()
    (-1.0, 1.0)
    """
    import matplotlib.pyplot as plt

    check_option("interpolation", interpolation, ("bilinear", "nearest"))
    values = check_array_like("v", v, dtype=float, allow_nan=True, allow_inf=True)
    channels = [str(channel) for channel in channels]
    if values.shape != (len(channels),):
        raise ValueError(f"v must hold one value for each of the {len(channels)} channels; got shape {values.shape}.")
    plane = _places(channels, chan_pos_list)
    kept = np.isfinite(values)
    if not kept.all():
        lost = ", ".join(channel for channel, keep in zip(channels, kept, strict=True) if not keep)
        warnings.warn(f"Channels without a finite value are left out of the map: {lost}.", UserWarning, stacklevel=2)
    picture, extent = _picture(plane[kept], values[kept], interpolation)
    vmin, vmax = _limits(vmin, vmax, values[kept])
    ax = plt.gca() if ax is None else ax
    ax.imshow(
        picture, vmin=vmin, vmax=vmax, cmap=cmap or "coolwarm", extent=extent, origin="lower",
        interpolation=interpolation,
    )  # fmt: skip
    if scalp_line_width > 0:
        _draw_scalp(ax, scalp_line_width, scalp_line_style)
    ax.set(xlim=(-1.15, 1.15), ylim=(-1.05, 1.15), aspect="equal", xticks=[], yticks=[], frame_on=False)
    if annotate:
        for channel, (x, y) in zip(channels, plane, strict=True):
            ax.annotate(plain(channel), (x, y + 0.05), ha="center", va="center", fontsize=fontsize)
    return ax


def _places(channels, chan_pos_list):
    kind, *pairs = chan_pos_list
    check_option("chan_pos_list[0]", kind, ("angle", "cartesian"))
    table = {name.lower(): place for name, place in pairs}
    found = {}
    for channel in channels:
        spellings = (channel.lower(), *ALIASES.get(channel.lower(), ()))
        found[channel] = next((table[name] for name in spellings if name in table), None)
    unknown = [channel for channel, place in found.items() if place is None]
    if unknown:
        hints = ", ".join(f"{channel!r}{suggest(channel.lower(), table)}" for channel in unknown)
        raise ValueError(f"chan_pos_list has no place for {len(unknown)} of {len(channels)} channels: {hints}")
    places = np.array([found[channel] for channel in channels], dtype=float).reshape(-1, 2)
    if kind == "cartesian":
        return places
    right, upwards = (places * np.pi / 8).T
    x, y, z = np.sin(right) * np.cos(upwards), np.sin(upwards), np.cos(right) * np.cos(upwards)
    return np.column_stack([x, y]) / (1.3 + z)[:, None]


def _picture(plane, values, interpolation):
    """Interpolate on 500 by 500 points of the box around the channels."""
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

    if len(plane) < 3 or np.linalg.matrix_rank(plane - plane.mean(axis=0), tol=1e-9) < 2:
        raise ValueError(
            "ax_scalp needs three channels with finite values that are not on a line. TopomapDisplay draws fewer."
        )
    (left, low), (right, high) = plane.min(axis=0), plane.max(axis=0)
    points = np.stack(np.meshgrid(np.linspace(left, right, 500), np.linspace(low, high, 500)), axis=-1)
    if interpolation == "nearest":
        return NearestNDInterpolator(plane, values)(points), (left, right, low, high)
    picture = np.full(points.shape[:2], np.nan)
    near = near_hull(plane, points)
    picture[near] = LinearNDInterpolator(plane, values)(points[near])
    return picture, (left, right, low, high)


def _limits(vmin, vmax, values):
    if vmin is None and vmax is None:
        vmax = float(np.abs(values).max()) or 1.0
    return (-vmax if vmin is None else vmin), (-vmin if vmax is None else vmax)


def _draw_scalp(ax, width, style):
    from matplotlib.patches import Arc, Circle

    line = {"linewidth": width, "linestyle": style}
    ax.add_artist(Circle((0, 0), 1, fill=False, **line))
    ax.plot([-0.1, 0, 0.1], [1, 1.1, 1], color="black", **line)
    for side, start in ((1, -105), (-1, 75)):
        ax.add_artist(Arc((side, 0), 0.2, 0.36, theta1=start, theta2=start + 210, **line))
