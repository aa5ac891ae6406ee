"""What a simulated source of EEG is: frozen records, and the named sources and artefacts."""

from dataclasses import dataclass

import numpy as np

from eegexplain._forward import electrode_positions, lead_field
from eegexplain._validation import check_array_like, check_option, lookup

PHASE_LAWS = ("random", "locked", "lagged")


@dataclass(frozen=True)
class Dipole:
    """A current dipole in the brain.

    Parameters
    ----------
    position : str or tuple of float of shape (3,)
        Electrode that the dipole lies under, or Cartesian position in head radii (x right, y front, z up).
    orientation : {"radial", "tangential"} or tuple of float of shape (3,)
        Direction of the current. A radial dipole makes one blob under its electrode; a tangential one makes a
        positive and a negative blob on either side. "tangential" points as far to the front as it can.
    eccentricity : float, default=0.7
        Distance from the middle of the head in head radii, where ``position`` is an electrode.

    Examples
    --------
    >>> from eegexplain.datasets import Dipole
    >>> Dipole("Oz").topography(["Fz", "O1", "Cz"]).argmax().item()
    1
    """

    position: str | tuple = "Cz"
    orientation: str | tuple = "radial"
    eccentricity: float = 0.7

    def location(self):
        """Position in the head.

        Returns
        -------
        ndarray of shape (3,)
            Cartesian, in head radii.

        Raises
        ------
        ValueError
            When it lies outside the brain.
        """
        named = isinstance(self.position, str)
        place = (
            self.eccentricity * electrode_positions([self.position])[0]
            if named
            else check_array_like("position", self.position)
        )
        if place.shape != (3,) or not 0 < np.linalg.norm(place) < 0.87:
            raise ValueError(
                f"A dipole lies inside the brain, more than 0 and less than 0.87 head radii from the middle; "
                f"got position={self.position!r}, eccentricity={self.eccentricity!r}"
            )
        return place

    def moment(self):
        """Direction of the current.

        Returns
        -------
        ndarray of shape (3,)
            Of length 1.

        Raises
        ------
        ValueError
            For an orientation without a direction.
        """
        outwards = self.location() / np.linalg.norm(self.location())
        if not isinstance(self.orientation, str):
            direction = check_array_like("orientation", self.orientation)
        elif check_option("orientation", self.orientation, ("radial", "tangential")) == "radial":
            direction = outwards
        else:
            front = np.array([0.0, 1.0, 0.0]) if abs(outwards[1]) < 0.99 else np.array([0.0, 0.0, 1.0])
            direction = front - (front @ outwards) * outwards
        length = np.linalg.norm(direction) if direction.shape == (3,) else 0.0
        if not length > 0:
            raise ValueError(
                f"orientation must be 'radial', 'tangential' or three numbers, not all 0; got {self.orientation!r}"
            )
        return direction / length

    def topography(self, ch_names):
        """Potential at electrodes, against a far reference.

        Parameters
        ----------
        ch_names : sequence of str
            Names of the 10-05 system.

        Returns
        -------
        ndarray of shape (n_channels,)
        """
        return lead_field(electrode_positions(ch_names), self.location()[None])[:, 0] @ self.moment()


@dataclass(frozen=True)
class Source:
    """A rhythm of one place in the brain, and what the class does to it.

    Parameters
    ----------
    name : str
    frequency : float
        Centre of its spectrum in Hz.
    bandwidth : float, default=1.0
        Full width of its (Gaussian) power spectrum at half maximum, in Hz.
    dipole : Dipole
    amplitude : float, default=1.0
        Root mean square in the class or classes where it is strong, relative to the simulation's ``snr``.
    stronger_in : int, tuple of int or None, default=None
        The classes where it is strong; None is all of them: the source tells nothing about the class.
    base : float, default=0.6
        Share of ``amplitude`` that it has in the other classes.
    phase : {"random", "locked", "lagged"}, default="random"
        New random phases in each trial, the same waveform in each trial, or the waveform of another source, later.
    leader : str or None
        With "lagged": name of the source that it follows, which must be declared before it.
    lag : float or tuple of float of shape (n_classes,), default=0.0
        With "lagged": seconds by which it follows its leader.
    onset, length : float or None
        Seconds after the start of the trial when it begins, and how long it lasts; None lasts to the end.

    Examples
    --------
    >>> from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
    >>> theta = Source("theta", 6.0, dipole=Dipole("Fz", "tangential"), stronger_in=1)
    >>> make_oscillatory_eeg(n_trials=10, sources=[theta], random_state=0).truth.patterns.shape
    (1, 19)
    """

    name: str
    frequency: float
    bandwidth: float = 1.0
    dipole: Dipole = Dipole()
    amplitude: float = 1.0
    stronger_in: int | tuple | None = None
    base: float = 0.6
    phase: str = "random"
    leader: str | None = None
    lag: float | tuple = 0.0
    onset: float = 0.0
    length: float | None = None

    def amplitudes(self, n_classes):
        """Amplitude in each class.

        Parameters
        ----------
        n_classes : int

        Returns
        -------
        ndarray of shape (n_classes,)
            Root mean squares.
        """
        if self.stronger_in is None:
            return np.full(n_classes, float(self.amplitude))
        strong = np.isin(np.arange(n_classes), np.atleast_1d(self.stronger_in))
        return self.amplitude * np.where(strong, 1.0, self.base)

    def lags(self, n_classes):
        """Lag behind the leader in each class.

        Parameters
        ----------
        n_classes : int

        Returns
        -------
        ndarray of shape (n_classes,)
            In seconds.
        """
        return np.broadcast_to(np.asarray(self.lag, float), (n_classes,))

    def window(self, n_times, sfreq):
        """When the source is active.

        Parameters
        ----------
        n_times : int
            Length of a trial in samples.
        sfreq : float
            Sampling rate in Hz.

        Returns
        -------
        ndarray of shape (n_times,)
            1 while it is active, else 0.
        """
        times = np.arange(n_times) / sfreq
        return ((times >= self.onset) & (times < self.end(n_times / sfreq))).astype(float)

    def end(self, duration):
        """When the source ends.

        Parameters
        ----------
        duration : float
            Length of a trial in seconds.

        Returns
        -------
        float
            Seconds after the start of the trial.
        """
        return duration if self.length is None else min(self.onset + self.length, duration)


DEFAULT_SOURCES = (
    Source("occipital", 10.0, dipole=Dipole("Oz"), stronger_in=0),
    Source("central", 22.0, dipole=Dipole("C3"), stronger_in=1),
)
ARTEFACTS = {
    "blink": Source("blink", 1.5, 2.0, dipole=Dipole("Fpz", (0.0, 0.5, 1.0), 0.8), amplitude=3.0),
    "muscle": Source("muscle", 40.0, 25.0, dipole=Dipole("T8", eccentricity=0.84), amplitude=1.0),
}


def suppressor_of(source):
    """A class-neutral rhythm beside ``source`` in its band: using it cancels noise, though it tells nothing itself."""
    place = source.dipole.location()
    radius = np.linalg.norm(place)
    # Turned by 35 degrees towards the top of the head (or the front, for a source at the top).
    up = np.array([0.0, 0.0, 1.0]) if abs(place[2]) < 0.9 * radius else np.array([0.0, 1.0, 0.0])
    aside = up - (up @ place) * place / radius**2
    turned = np.cos(np.radians(35)) * place + np.sin(np.radians(35)) * radius * aside / np.linalg.norm(aside)
    return Source(
        "suppressor", source.frequency, source.bandwidth, Dipole(tuple(turned)), amplitude=2 * source.amplitude
    )


def count_classes(sources):
    """Number of classes that the sources name, at least two."""
    named = [np.max(source.stronger_in) + 1 for source in sources if source.stronger_in is not None]
    return int(max([2, *named, *(np.size(source.lag) for source in sources)]))


def check_sources(sources, *, sfreq, duration):
    """Refuse sources that cannot be simulated, each with the cure."""
    for source in sources:
        _check_classes(source)
    n_classes = count_classes(sources)
    earlier = {}
    for source in sources:
        check_option("phase", source.phase, PHASE_LAWS)
        if not isinstance(source.dipole, Dipole):
            raise TypeError(f"Source {source.name!r} has dipole={source.dipole!r}: give a Dipole, as Dipole('Cz')")
        if source.name in earlier:
            raise ValueError(f"Two sources are called {source.name!r}: give each its own name")
        if not 0 < source.frequency < sfreq / 2:
            raise ValueError(
                f"Source {source.name!r} has frequency {source.frequency} Hz, which must lie between 0 and the Nyquist "
                f"frequency {sfreq / 2:g} Hz: raise sfreq or lower the frequency"
            )
        if not (source.bandwidth > 0 and source.amplitude >= 0 and source.base >= 0):
            raise ValueError(f"Source {source.name!r} needs bandwidth > 0, amplitude >= 0 and base >= 0")
        if not 0 <= source.onset < source.end(duration):
            raise ValueError(
                f"Source {source.name!r} is never active in a trial of {duration:g} s: "
                f"onset={source.onset}, length={source.length}"
            )
        if np.ndim(source.lag) and len(source.lag) != n_classes:
            raise ValueError(f"Source {source.name!r} has {len(source.lag)} lags for {n_classes} classes")
        _check_leader(source, earlier)
        earlier[source.name] = source


def _check_classes(source):
    """Refuse classes that are no whole numbers from 0."""
    classes = np.atleast_1d(0 if source.stronger_in is None else source.stronger_in)
    if classes.size == 0 or classes.dtype.kind not in "iu" or classes.min() < 0:
        raise ValueError(
            f"Source {source.name!r} has stronger_in={source.stronger_in!r}: classes count from 0, None is all of them"
        )


def _check_leader(source, earlier):
    """Refuse a follower without a leader or at another frequency, and a leader without a follower's phase law."""
    if (source.leader is not None) != (source.phase == "lagged"):
        raise ValueError(f"Source {source.name!r} needs both phase='lagged' and leader=..., or neither")
    if source.leader is None:
        return
    leader = lookup(earlier, source.leader, "leader (declared before its follower)")
    if (source.frequency, source.bandwidth) != (leader.frequency, leader.bandwidth):
        raise ValueError(f"Source {source.name!r} follows {leader.name!r} and must have its frequency and bandwidth")
