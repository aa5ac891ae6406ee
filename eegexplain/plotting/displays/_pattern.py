"""Patterns of filters on the scalp: complex numbers per channel, drawn at the phase where they are largest."""

import numpy as np


def in_phase(pattern):
    """Turn a complex pattern to the phase where it is largest.

    Parameters
    ----------
    pattern : complex array of shape (n_channels,)

    Returns
    -------
    topography : ndarray of shape (n_channels,)
        In units of its strongest channel; 0 where the pattern is. Of the two signs that of the phase nearer to the
        filter's output.
    share : float
        Of the pattern's power.
    """
    power = np.square(np.abs(pattern)).sum()
    if not power > 0:
        return np.zeros(len(pattern)), 1.0
    turned = (pattern * np.exp(-0.5j * np.angle(np.sum(pattern**2)))).real
    return turned / np.abs(turned).max(), float(np.square(turned).sum() / power)


def pattern_title(share):
    """Name a map of a pattern, and say how much of it lies at other phases where that is much."""
    return "pattern" if share > 0.95 else f"pattern, {100 * share:.0f} %\nat this phase"


def draw_pattern(ax, pattern, positions, ch_names):
    """Draw a complex pattern at the phase where it is largest; None where there is no place to draw it."""
    topography, share = in_phase(pattern)
    ax.set_title(pattern_title(share), fontsize=8)
    if positions is None or len(positions) < 3:
        ax.set_axis_off()
        return None
    from eegexplain.plotting.scalp.maps import TopomapDisplay

    display = TopomapDisplay(topography[None, None], positions, ch_names)
    display.plot(ax=ax, colorbar=False, contours=0, vlim=1.0, title=pattern_title(share))
    ax.title.set_fontsize(8)
    return display


def check_patterns(values):
    """Return finite numbers as a complex array."""
    values = np.asarray(values)
    if values.dtype.kind not in "biufc" or not np.isfinite(values).all():
        raise ValueError(f"patterns must be finite numbers, got an array of {values.dtype}, shape {values.shape}.")
    return values.astype(complex)
