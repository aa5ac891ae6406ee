"""Where electrodes lie on the head disc: names, montages, ``mne.Info`` or coordinates to a plane.

All positions are in metres on a head of radius 0.095 m (as in MNE); the nose points to +y, the right ear to +x.
"""

import functools
import json
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._validation import check_array_like, check_number, suggest

DEFAULT_MONTAGE = "spherical_1005"
HEAD_RADIUS = 0.095  # metres: the head of MNE's template montages

#: Names of the same place in older and newer conventions, and the nearest named site for mastoids and ear lobes.
ALIASES = {
    "t3": ("t7",), "t4": ("t8",), "t5": ("p7",), "t6": ("p8",),
    "t7": ("t3",), "t8": ("t4",), "p7": ("t5",), "p8": ("t6",),
    "a1": ("m1", "tp9"), "a2": ("m2", "tp10"), "m1": ("a1", "tp9"), "m2": ("a2", "tp10"),
}  # fmt: skip

#: Montages that MNE 1.13 renamed, so that either name works with any version of MNE.
_RENAMED = {
    "standard_1005": "colin27_1005",
    "standard_1020": "colin27_1020",
    "colin27_1005": "standard_1005",
    "colin27_1020": "standard_1020",
    "spherical_1005": "easycap-M1",
}


def channel_positions(
    ch_names: Iterable[Any], positions: Any = None, *, head_radius: float | None = None
) -> NDArray[np.float64]:
    """Positions of electrodes on the head disc.

    Parameters
    ----------
    ch_names : sequence of str, length n_channels
        Names of the channels. Upper and lower case are alike; old names (T3, T4, T5, T6, A1, A2) are understood.
    positions : None, str, mne.channels.DigMontage, mne.Info or array of shape (n_channels, 2 or 3)
        Where to look the names up. None is the spherical 10-05 montage; a string is the name of one of MNE's
        montages. An array gives the positions themselves, in the order of `ch_names`: on the plane (two columns) or
        around the centre of the head (three columns; projected by the azimuthal equidistant projection), in any unit.
    head_radius : float, optional
        Radius of the head in the unit of `positions`. None is 0.095 m for montages and ``mne.Info`` (as in MNE), the
        mean distance from the centre for three columns, and the largest distance from the centre for two columns.

    Returns
    -------
    ndarray of shape (n_channels, 2)
        Positions in metres, scaled to a head of radius 0.095 m.

    Raises
    ------
    ValueError
        For unknown names (all of them are listed), duplicate names, electrodes at the same place, and arrays of a wrong
        shape.
    """
    if head_radius is not None:
        check_number("head_radius", head_radius, above=0)
    ch_names = [str(name) for name in ch_names]
    repeated = [name for name, count in Counter(map(_fold, ch_names)).items() if count > 1]
    if repeated:
        raise ValueError(f"Channel names must be unique; given more than once (case ignored): {', '.join(repeated)}.")
    if positions is None or isinstance(positions, str):
        name = positions or DEFAULT_MONTAGE
        plane = _look_up(ch_names, _montage_table(name), f"montage {name!r}")
    elif hasattr(positions, "get_positions") or hasattr(positions, "get_montage"):
        plane = _look_up(ch_names, _info_table(positions), f"the {type(positions).__name__}")
    else:
        plane, head_radius = _from_array(positions, len(ch_names), head_radius)
    _refuse_overlap(ch_names, plane)
    return plane * (HEAD_RADIUS / (head_radius or HEAD_RADIUS))


def own_positions(source: Any, explanation: Any) -> Any:
    """Return where the electrodes lie that have no place by their names, as far as what was explained knows.

    Parameters
    ----------
    source : object
        Fitted explainer, or what holds one as ``explainer``, that was fitted on MNE's epochs or recordings.
    explanation : xarray.Dataset
        With channels.

    Returns
    -------
    mne.Info or None
        None where the names are in the 10-05 system, and where nobody knows more.
    """
    kept = getattr(getattr(source, "explainer", source), "_read_info", None)
    if kept is None or "channel" not in explanation.coords or have_places(explanation["channel"].values):
        return None
    import mne

    info = mne.Info.from_json_dict(json.loads(kept))
    return info if have_places(explanation["channel"].values, info) else None


def have_places(ch_names: Iterable[Any], positions: Any = None) -> bool:
    """Return whether all these channels have places on the scalp, each its own.

    Parameters
    ----------
    ch_names : sequence of str
    positions : optional
        As in `channel_positions`.

    Returns
    -------
    bool
    """
    try:
        channel_positions(ch_names, positions)
    except ValueError:
        return False
    return True


def project(coordinates: NDArray[Any]) -> NDArray[np.float64]:
    """Azimuthal equidistant projection of 3-D positions to the plane.

    The angle from the vertex becomes the distance from the centre; the equator lies at the electrode's own distance.

    Parameters
    ----------
    coordinates : ndarray of shape (n, 3)
        Positions around the centre of the head.

    Returns
    -------
    ndarray of shape (n, 2)
        Same unit.
    """
    x, y, z = coordinates.T
    distance = np.sqrt(x * x + y * y + z * z)
    angle = np.arccos(np.clip(z / np.where(distance > 0, distance, 1), -1, 1))
    azimuth = np.arctan2(y, x)
    return np.column_stack([angle * np.cos(azimuth), angle * np.sin(azimuth)]) * (distance / (np.pi / 2))[:, None]


def _fold(name):
    return name.strip(" .").casefold()


def _look_up(ch_names, table, source):
    """Positions of all names, or one error that lists every name that was not found."""
    found = {name: next((table[key] for key in _candidates(name) if key in table), None) for name in ch_names}
    unknown = [name for name, position in found.items() if position is None]
    if unknown:
        raise ValueError(
            f"No position in {source} for {len(unknown)} of {len(ch_names)} channels: "
            f"{', '.join(_with_hint(name, table) for name in unknown)}. Rename or drop them, name another montage, or "
            "give positions as an array."
        )
    return np.array([found[name] for name in ch_names], dtype=float).reshape(-1, 2)


def _candidates(name):
    folded = _fold(name)
    return (folded, *ALIASES.get(folded, ()))


def _with_hint(name, table):
    hint = suggest(_fold(name), table).strip()
    return f"{name!r} ({hint})" if hint else repr(name)


@functools.lru_cache(maxsize=8)
def _montage_table(name):
    """Folded channel name -> plane position for one of MNE's montages."""
    import mne

    known = mne.channels.get_builtin_montages()
    if name not in known and _RENAMED.get(name) in known:
        name = _RENAMED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # old names of montages still work
        try:
            montage = mne.channels.make_standard_montage(name)
        except ValueError:
            hint = suggest(name, known)
            raise ValueError(f"Unknown montage {name!r}.{hint} MNE knows: {', '.join(known)}.") from None
    return _info_table(montage)


def _info_table(source):
    """Folded channel name -> plane position, from an ``mne.Info`` or a montage (put into head coordinates first)."""
    import mne

    if not isinstance(source, mne.Info):
        info = mne.create_info(list(source.ch_names), 1.0, "eeg")
        source = info.set_montage(source, verbose="error")
    places = {_fold(ch["ch_name"]): ch["loc"][:3] for ch in source["chs"]}
    known = {name: place for name, place in places.items() if np.isfinite(place).all() and np.any(place)}
    if not known:
        return {}
    plane = project(np.array(list(known.values()), dtype=float))
    return dict(zip(known, plane, strict=True))


def _from_array(positions, n_channels, head_radius):
    array = check_array_like("positions", positions, dtype=float, allow_nan=True, allow_inf=True)
    if array.ndim != 2 or array.shape[0] != n_channels or array.shape[1] not in (2, 3):
        raise ValueError(f"positions must have shape ({n_channels}, 2) or ({n_channels}, 3); got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("positions must be finite: drop channels without a position.")
    if head_radius is None:
        distance = np.linalg.norm(array, axis=1)
        head_radius = distance.max() if array.shape[1] == 2 else distance.mean()
    return (array if array.shape[1] == 2 else project(array)), float(head_radius)


def _refuse_overlap(ch_names, plane):
    gap = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    near = 1e-6 * np.linalg.norm(plane, axis=1).max(initial=0)
    together = sorted({ch_names[i] for pair in np.argwhere(np.triu(gap <= near, k=1)) for i in pair})
    if together:
        raise ValueError(f"Some electrodes lie at the same place: {', '.join(together)}. Keep one of each place.")
