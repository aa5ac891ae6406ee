"""Where information is found on the head and in the brain: planted sources, and planted channels in bands.

Run ``nice python benchmarks/bench_information_spaces.py`` (8 CPU minutes); the tables go to
``benchmarks/results/information_spaces.md``. Simulated EEG of 19 channels, the default SyncNet (closed form) trained on
300 trials, information of 200 held-out ones. Each line of the log is one data set; ``--seeds`` runs others.

Sources: a grid of beamformers; the distance from a planted source to the place with the most information in its band,
in head radii (one is about 9 cm), beside the place that lies nearest. Channels: average precision of the cells whose
band holds at least half of the largest planted effect, against those that hold less than a tenth.
"""

import argparse
import pathlib
import time

import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import SyncNetClassifier
from eegexplain._parallel import single_thread
from eegexplain._validation import EEG_BANDS
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.information import InformationMapper, SourceSpace
from eegexplain.inspection import average_precision

RESULTS = pathlib.Path(__file__).parent / "results" / "information_spaces.md"
SPACING = 0.2
N_TRAINED = 300
BANDS = {"occipital": "alpha", "central": "beta"}


def dipoles(orientation):
    """The two sources of the default simulation, whose currents point elsewhere."""
    return [
        Source("occipital", 10.0, dipole=Dipole("Oz", orientation), stronger_in=0),
        Source("central", 22.0, dipole=Dipole("C3", orientation), stronger_in=1),
    ]


DATA = {
    "outward": {"sources": dipoles("radial")},
    "outward, average reference": {"sources": dipoles("radial"), "reference": "average"},
    "sideways": {"sources": dipoles("tangential")},
}


def simulated(kind, seed):
    """Trials, and a network that saw the first of them."""
    eeg = make_oscillatory_eeg(N_TRAINED + 200, random_state=seed, **DATA[kind])
    net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=seed).fit(eeg.X[:N_TRAINED], eeg.y[:N_TRAINED])
    return eeg, FrozenEstimator(net)


def explained(eeg, net, seed, **settings):
    """Information of the held-out trials."""
    mapper = InformationMapper(net, sfreq=eeg.sfreq, ch_names=eeg.ch_names, random_state=seed, **settings)
    return mapper.fit(eeg.X[N_TRAINED:], eeg.y[N_TRAINED:])


def distances(eeg, net, seed, kind, directions):
    """From each planted source to the peak of its band, and to the place that is nearest."""
    places = SourceSpace.spherical(eeg.ch_names, spacing=SPACING, directions=directions)
    bands = {name: EEG_BANDS[name] for name in BANDS.values()}
    value = explained(eeg, net, seed, space=places, bands=bands).explanation_["value"]
    found = {}
    for source in DATA[kind]["sources"]:
        away = np.linalg.norm(places.positions - source.dipole.location(), axis=1)
        own = value.sel(band=BANDS[source.name]).values
        found[source.name] = away[own.argmax()], away.min(), own.max()
    return found


def precision(eeg, net, seed, space):
    """Average precision of planted cells of channels and bands, and the largest information."""
    found = explained(eeg, net, seed, space=space)
    effect = np.abs(eeg.truth.effect).max(axis=0)
    limits = [EEG_BANDS[name] for name in found.explanation_["band"].values]
    inside = [(eeg.frequencies >= low) & (eeg.frequencies < high) for low, high in limits]
    strength = np.stack([effect[:, one].max(axis=1) for one in inside], axis=1) / effect.max()
    scored = (strength >= 0.5) | (strength < 0.1)
    return float(average_precision(found.information_, strength >= 0.5, scored=scored)), found.information_.max()


def main():
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[961, 962, 963])
    parser.add_argument("--kinds", nargs="+", default=list(DATA), choices=DATA)
    options = parser.parse_args()
    peaks, cells = {}, {}
    with single_thread():
        for kind in options.kinds:
            for seed in options.seeds:
                eeg, net = simulated(kind, seed)
                for directions in ("radial", "free"):
                    start = time.process_time()
                    found = distances(eeg, net, seed, kind, directions)
                    peaks.setdefault((kind, directions), []).extend(found.values())
                    told = ", ".join(f"{name} {one[0]:.2f} ({one[2]:.2f} bits)" for name, one in found.items())
                    print(f"{kind} {seed} {directions}: {told}; {time.process_time() - start:.0f} s", flush=True)
                for space in ("channels", "innovation"):
                    found = precision(eeg, net, seed, space)
                    cells.setdefault((kind, space), []).append(found)
                    print(f"{kind} {seed} {space}: precision {found[0]:.3f}, largest {found[1]:.3f}", flush=True)
                write(peaks, cells, options.seeds)


def write(peaks, cells, seeds):
    """Everything found so far."""
    lines = [
        "# Information in places of the head and the brain",
        "",
        f"Simulated data sets {', '.join(map(str, seeds))}: 19 channels, 2 s at 128 Hz; default SyncNet trained on "
        f"{N_TRAINED} trials, information of 200 held-out ones.",
        "",
        f"## Beamformers on a grid of {SPACING:g} head radii: distance from a planted source to the peak of its band",
        "",
        "| sources | directions of the grid | sources | within one step | median distance | nearest place | largest "
        "information (bits) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (kind, directions), found in peaks.items():
        away, nearest, bits = np.array(found).T
        lines.append(
            f"| {kind} | {directions} | {len(away)} | {np.mean(away <= SPACING):.2f} | {np.median(away):.2f} | "
            f"{nearest.mean():.2f} | {bits.mean():.2f} |"
        )
    lines += [
        "",
        "## Channels in five bands: average precision of planted cells",
        "",
        "| sources | space | mean (smallest) | largest information (bits) |",
        "|---|---|---|---|",
    ]
    for (kind, space), found in cells.items():
        values, bits = np.array(found).T
        lines.append(f"| {kind} | {space} | {values.mean():.3f} ({values.min():.3f}) | {bits.mean():.3f} |")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
