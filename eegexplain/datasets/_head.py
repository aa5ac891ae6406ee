"""From declared sources to the law of one subject's EEG at the electrodes."""

import numpy as np

from eegexplain._forward import electrode_positions, lead_field
from eegexplain.datasets import _law
from eegexplain.datasets._sources import Source, count_classes

MICROVOLTS = 10.0  # RMS of the background between 1 and 45 Hz, averaged over electrodes
LINE_FREQUENCY = 50.0


class Head:
    """Electrodes and their reference: dipoles in, topographies out."""

    def __init__(self, ch_names, average):
        self.electrodes = electrode_positions(ch_names)
        self.average = average

    def topographies(self, locations, moments):
        """Potentials of dipoles, of shape (n_channels, n_dipoles)."""
        field = np.einsum("cdx,dx->cd", lead_field(self.electrodes, locations), moments)
        return field - field.mean(axis=0) if self.average else field


def subject_law(head, sources, n_times, sfreq, *, snr, n_background, line_noise, spread, rng):
    """Draw one subject: background dipoles and the strength of each source.

    Parameters
    ----------
    head : Head
    sources : tuple of Source
        Checked, leaders before followers.
    n_times : int
    sfreq : float
    snr, n_background, line_noise
        See `make_oscillatory_eeg`.
    spread : float
        Standard deviation of the logarithm of a source's strength.
    rng : numpy.random.Generator

    Returns
    -------
    Law
    """
    n_classes = count_classes(sources)
    mixing = _background(head, n_background, rng)
    level = np.linalg.norm(mixing, axis=1)
    locations = np.array([source.dipole.location() for source in sources])
    moments = np.array([source.dipole.moment() for source in sources])
    components = {}
    for source, pattern in zip(sources, head.topographies(locations, moments).T, strict=True):
        peak = np.abs(pattern).argmax()
        scaled = pattern * level[peak] / np.abs(pattern[peak])
        strength = snr * np.exp(spread * rng.standard_normal())
        components[source.name] = _component(
            source, scaled, strength, n_times, sfreq, leader=components.get(source.leader), n_classes=n_classes
        )
    rhythms = list(components.values())
    if line_noise:
        line = Source("line", LINE_FREQUENCY, 1e-3, amplitude=line_noise)
        pattern = level * rng.normal(1.0, 0.3, len(level))
        rhythms.append(_component(line, pattern, 1.0, n_times, sfreq, leader=None, n_classes=n_classes))
    background = _law.pink_spectrum(np.fft.rfftfreq(n_times, 1 / sfreq))
    return _law.Law(mixing, background, tuple(rhythms), n_times, sfreq)


def _background(head, n_background, rng):
    """Mixing of the background: dipoles of equal strength and spectrum at random places and directions.

    Only ``mixing @ mixing.T`` matters, so the dipoles are replaced by as many latents as there are electrodes.
    """
    outwards, moments = rng.standard_normal((2, n_background, 3))
    outwards *= rng.uniform(0.3, 0.8, (n_background, 1)) / np.linalg.norm(outwards, axis=1, keepdims=True)
    moments /= np.linalg.norm(moments, axis=1, keepdims=True)
    field = head.topographies(outwards, moments)
    left, values, _ = np.linalg.svd(field, full_matrices=False)
    mixing = (left * values) @ left.T  # the symmetric root does not depend on the signs of singular vectors
    return mixing * MICROVOLTS / np.linalg.norm(mixing, axis=1).mean()


def _component(source, pattern, strength, n_times, sfreq, *, leader, n_classes):
    """One source at the electrodes; a follower takes its leader's driver, lags and (with phase locking) waveform."""
    frequencies, window = np.fft.rfftfreq(n_times, 1 / sfreq), source.window(n_times, sfreq)
    lags = np.zeros(n_classes)
    spectrum = _law.gaussian_spectrum(frequencies, source.frequency, source.bandwidth)
    fixed = None
    if source.phase == "locked":
        fixed = _law.evoked_coefficients(spectrum, frequencies, np.flatnonzero(window).mean() / sfreq)
    if leader is not None:
        lags, fixed = leader.lags + source.lags(n_classes), leader.fixed
    driver = source.name if leader is None else leader.driver
    gains = strength * source.amplitudes(n_classes)
    return _law.Component(source.name, driver, pattern, gains, lags, spectrum, window, fixed)
