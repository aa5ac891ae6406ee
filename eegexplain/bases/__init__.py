"""Linear bases of signals: attributions computed once in time are read in any of them."""

from eegexplain._validation import lookup
from eegexplain.bases._basis import Basis
from eegexplain.bases.spatial import Spatial, spatial
from eegexplain.bases.spectral import Bands, Fourier, Time, TimeBands, Windows
from eegexplain.bases.timefrequency import STFT, Wavelet

BASES = {basis.name: basis for basis in (Time, Windows, Fourier, Bands, TimeBands, STFT, Wavelet)}

__all__ = ["BASES", "STFT", "Bands", "Basis", "Fourier", "Spatial", "Time", "TimeBands", "Wavelet", "Windows",
           "as_basis", "spatial"]


def as_basis(basis: str | Basis, bands: dict | str | None = None) -> Basis:
    """Return a :class:`Basis` for a name or a basis.

    Parameters
    ----------
    basis : str or Basis
        A name in ``BASES`` or a basis object.
    bands : dict or "eeg", optional
        Bands for bases given by name that have any.

    Returns
    -------
    Basis

    Raises
    ------
    TypeError
        For anything but a name and a basis.
    ValueError
        For a name that no basis has.

    Examples
    --------
    >>> from eegexplain.bases import as_basis
    >>> as_basis("stft").bind(n_times=64, sfreq=32.0).sizes()
    FrameSizes(width=8, hop=4, n_frames=17)
    """
    if isinstance(basis, Basis):
        return basis
    if not isinstance(basis, str):
        raise TypeError(f"basis must be a name ({', '.join(sorted(BASES))}) or a Basis, got {type(basis).__name__}")
    kind = lookup(BASES, basis, "basis")
    return kind(bands=bands) if bands is not None and "bands" in kind.__dataclass_fields__ else kind()
