"""EEG whose classes differ in the strength of rhythms, through a spherical head."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from eegexplain._validation import check_ch_names, check_option, check_sfreq, lookup, positive_int
from eegexplain.datasets import _law
from eegexplain.datasets._head import LINE_FREQUENCY, Head, subject_law
from eegexplain.datasets._sources import ARTEFACTS, DEFAULT_SOURCES, Source, check_sources, count_classes, suppressor_of
from eegexplain.datasets._truth import class_effect, roles

TEN_TWENTY = tuple("Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split())
SUBJECT_SPREAD = 0.2  # standard deviation of the logarithm of a source's strength over subjects


def make_oscillatory_eeg(
    n_trials: int = 200,
    ch_names: Sequence[str] | None = None,
    sfreq: float = 128.0,
    duration: float = 2.0,
    sources: Sequence[Source] | None = None,
    snr: float = 1.0,
    n_background: int = 300,
    *,
    reference: str = "common",
    suppressor: bool = False,
    artefact: str | None = None,
    line_noise: float = 0.0,
    n_subjects: int = 1,
    random_state: Any = None,
) -> Bunch:
    """Simulate EEG trials whose classes differ in the strength of rhythms.

    Dipoles in a head of three concentric spheres; hundreds of background dipoles with 1/f activity; by default two
    classes and two sources, a 10 Hz rhythm under Oz that is stronger in class 0 and a 22 Hz rhythm under C3 that is
    stronger in class 1 (stronger, not present against absent: an ideal classifier is right in about 94 % of trials).

    Parameters
    ----------
    n_trials : int, default=200
        Trials of all classes and subjects together, balanced within each subject.
    ch_names : sequence of str or None
        Electrodes of the 10-05 system; None is the 19 of the 10-20 system.
    sfreq : float, default=128.0
        Sampling frequency in Hz.
    duration : float, default=2.0
        Length of a trial in seconds.
    sources : sequence of Source or None
        None is the two of the default. The number of classes is what they name, at least two.
    snr : float, default=1.0
        Root mean square of a source of amplitude 1 at its peak channel, over that of the 1-45 Hz background there.
    n_background : int, default=300
        Number of background dipoles, anywhere in the outer brain and in any direction.
    reference : {"common", "average"}, default="common"
        Potentials against a far point, or against the mean of the electrodes.
    suppressor : bool, default=False
        Whether to add a rhythm beside the first source, in its band, that is the same in all classes.
    artefact : {"blink", "muscle"} or None
        Artefact to add, the same in all classes.
    line_noise : float, default=0.0
        Root mean square of 50 Hz noise over that of the background.
    n_subjects : int, default=1
        Subjects differ in their background dipoles and, by a factor around 1, in the strength of each source.
    random_state : int, RandomState or None

    Returns
    -------
    Bunch
        ``X`` (n_trials, n_channels, n_times) in microvolts, ``y`` (n_trials,) of class numbers, ``sfreq``,
        ``ch_names``, ``classes``, ``subject`` (n_trials,), ``frequencies`` (n_frequencies,) in Hz and ``truth``, a
        Bunch of ``effect`` (n_classes, n_channels, n_frequencies), the log ratio of a class's expected power to the
        other classes' (geometric) mean; ``power`` of the same shape in squared microvolts; ``role``
        (n_channels, n_frequencies) of "informative", "leakage", "suppressor" and "irrelevant"; ``names``, ``patterns``
        (n_sources, n_channels) in microvolts, ``times`` (n_sources, 2) onset and end and ``lags``
        (n_classes, n_sources), both in seconds.

    Raises
    ------
    ValueError
        For a source at or above the Nyquist frequency, unknown electrodes, sizes that contradict each other.

    See Also
    --------
    make_synchrony_eeg : Classes of equal power that differ in phase lags.
    ideal_observer_accuracy : How often the best possible classifier is right.

    Notes
    -----
    A class effect that lies in lags alone changes power only where the two sources overlap; ``effect`` shows no more.

    Examples
    --------
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> eeg = make_oscillatory_eeg(n_trials=20, random_state=0)
    >>> eeg.X.shape
    (20, 19, 256)
    >>> eeg.ch_names[eeg.truth.effect[1, :, eeg.frequencies == 22.0].argmax()]
    'C3'
    """
    names = list(TEN_TWENTY) if ch_names is None else check_ch_names(ch_names, len(ch_names))
    if len(names) < 1 + (reference == "average"):
        raise ValueError(f"ch_names={names!r}: give at least 1 electrode, or 2 with reference='average'")
    sfreq, n_times = _check_sizes(sfreq, duration, snr, n_background, line_noise)
    check_option("reference", reference, ("common", "average"))
    sources = _declared(sources, suppressor, artefact)
    check_sources(sources, sfreq=sfreq, duration=n_times / sfreq)
    n_classes = count_classes(sources)
    _check_counts(n_trials, n_subjects, n_classes)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    head = Head(names, average=reference == "average")
    laws = [
        subject_law(
            head,
            sources,
            n_times,
            sfreq,
            snr=snr,
            n_background=n_background,
            line_noise=line_noise,
            spread=SUBJECT_SPREAD * (n_subjects > 1),
            rng=rng,
        )
        for _ in range(n_subjects)
    ]
    subject = np.arange(n_trials) * n_subjects // n_trials
    y = np.concatenate([rng.permutation(np.arange(np.sum(subject == s)) % n_classes) for s in range(n_subjects)])
    X = np.concatenate([_law.draw(law, y[subject == s], rng) for s, law in enumerate(laws)])
    return Bunch(
        X=X,
        y=y,
        sfreq=sfreq,
        ch_names=names,
        classes=np.arange(n_classes),
        subject=subject,
        frequencies=np.fft.rfftfreq(n_times, 1 / sfreq),
        truth=_truth(laws, sources, n_times / sfreq),
    )


def _check_sizes(sfreq, duration, snr, n_background, line_noise):
    """Refuse numbers without meaning; the sampling rate and the number of samples of a trial."""
    sfreq = check_sfreq(sfreq)
    n_times = int(round(sfreq * duration)) if np.isfinite(duration) else 0
    if n_times < 8 or sfreq / n_times > 45:
        raise ValueError(f"duration={duration!r} s at {sfreq:g} Hz is {n_times} samples: use at least 8, and 0.1 s")
    positive_int("n_background", n_background)
    if not 0 <= snr < np.inf or not 0 <= line_noise < np.inf:
        raise ValueError(f"snr and line_noise must be finite and at least 0, got {snr!r} and {line_noise!r}")
    if line_noise and sfreq <= 2 * LINE_FREQUENCY:
        raise ValueError(
            f"line_noise at {LINE_FREQUENCY:g} Hz needs sfreq above {2 * LINE_FREQUENCY:g} Hz, got {sfreq:g}"
        )
    return sfreq, n_times


def _check_counts(n_trials, n_subjects, n_classes):
    """Refuse fewer trials than subjects and classes need."""
    if positive_int("n_trials", n_trials) < positive_int("n_subjects", n_subjects) * n_classes:
        raise ValueError(
            f"n_trials={n_trials} and n_subjects={n_subjects}: each subject needs a trial of each of the {n_classes} "
            "classes"
        )


def _declared(sources, suppressor, artefact):
    """The user's sources (or the default's), the suppressor and the artefact."""
    sources = DEFAULT_SOURCES if sources is None else () if isinstance(sources, Source) else tuple(sources)
    if not sources or not all(isinstance(source, Source) for source in sources):
        raise TypeError("sources must be a list of at least one eegexplain.datasets.Source")
    if suppressor:
        sources = (*sources, suppressor_of(sources[0]))
    if artefact is not None:
        sources = (*sources, lookup(ARTEFACTS, artefact, "artefact"))
    return sources


def _truth(laws, sources, duration):
    """What is known about the simulated data, averaged over subjects."""
    n_classes, n_sources = laws[0].n_classes, len(sources)
    power = np.mean([[_law.expected_power(law, k) for k in range(n_classes)] for law in laws], axis=0)
    effect = class_effect(power)
    rhythms = [law.components[:n_sources] for law in laws]
    return Bunch(
        effect=effect,
        power=power,
        role=roles(np.abs(effect).max(axis=0), _suppressor_share(laws[0], power)),
        names=[source.name for source in sources],
        patterns=np.mean([[c.pattern * c.gains.max() for c in row] for row in rhythms], axis=0),
        times=np.array([(source.onset, source.end(duration)) for source in sources]),
        lags=np.array([component.lags for component in rhythms[0]]).T,
        laws=laws,
    )


def _suppressor_share(law, power):
    """Share of the suppressor in the mean power, of shape (n_channels, n_frequencies)."""
    share = np.zeros(power.shape[1:])
    for component in law.components:
        if component.name == "suppressor":
            share = (component.pattern[:, None] * component.gains[0]) ** 2 * component.spectrum / power.mean(axis=0)
    return share
