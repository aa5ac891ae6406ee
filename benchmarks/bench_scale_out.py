"""What a second worker brings: seconds, bytes moved and the time to merge, on a cluster of this machine.

Run ``python benchmarks/bench_scale_out.py`` (needs ``eegexplain[distributed]``); the table goes to
``benchmarks/results/scale_out.md``, line by line as it is measured, beside the load of the machine. Long calls, each
here, on one worker process and on two: networks trained again on permuted labels (many small units), one large
perturbation correlation by draws (blocks of trials, sums merged here), FLEX (blocks whose maps come back), and units
that do nothing. Results are checked to be the same bits.
"""

import argparse
import os
import pathlib
import pickle
import time
from contextlib import contextmanager

import joblib
import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier, _cluster, _units
from eegexplain.attribution import _engine
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import _scheme, cross_validate_explanations
from eegexplain.perturbation import _population

RESULTS = pathlib.Path(__file__).parent / "results" / "scale_out.md"
CHANNELS = "Fp1 Fp2 F3 F4 Fz C3 C4 Cz T7 T8 P3 P4 Pz O1 O2 Oz".split()
HEAD = """# Scaling out

`python benchmarks/bench_scale_out.py` on a machine of {cores} cores; load is the mean number of running processes in
the minute before. Sent are parcels, and arrays once for each worker; back are results; merging is
what the caller does with results; CPU is that of the caller and of all workers, which load does not stretch.
Speed-up is over one worker; libraries are loaded before.

| call | where | units | seconds | speed-up | CPU s here | CPU s of workers | sent MB | back MB | merging s | load |
|---|---|---|---|---|---|---|---|---|---|---|
"""


class Meter:
    """Bytes and seconds of one call."""

    def __init__(self):
        self.sent = self.back = self.merging = self.units = 0

    def watch(self, run_units):
        """The runner, noting how long its caller is busy with each result."""

        def watched(units, **settings):
            self.units += len(units)
            for found in run_units(units, **settings):
                self.back += len(pickle.dumps(found))
                since = time.perf_counter()
                yield found
                self.merging += time.perf_counter() - since

        return watched


@contextmanager
def metered(n_workers):
    """Count what parcels hold, and arrays once for each worker."""
    meter, pack, send = Meter(), _cluster.Parcels.pack, _cluster.Parcels._send
    runners = {module: module.run_units for module in (_scheme, _population, _engine, _units)}

    def counted_pack(parcels, arguments):
        content, arrays = pack(parcels, arguments)
        meter.sent += len(content)
        return content, arrays

    def counted_send(parcels, array):
        meter.sent += 0 if id(array) in parcels._sent else array.nbytes * n_workers
        return send(parcels, array)

    _cluster.Parcels.pack, _cluster.Parcels._send = counted_pack, counted_send
    for module, runner in runners.items():
        module.run_units = meter.watch(runner)
    try:
        yield meter
    finally:
        _cluster.Parcels.pack, _cluster.Parcels._send = pack, send
        for module, runner in runners.items():
            module.run_units = runner


def calls(share):
    """Name, and a function of the number of processes that gives an array."""
    eeg = make_oscillatory_eeg(160, CHANNELS, duration=1, snr=3, random_state=0)
    net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=eeg.sfreq, random_state=0)
    correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
    found = cross_validate_explanations(correlator, eeg.X, eeg.y, cv=4, random_state=0, return_estimator=True)
    n_permutations = max(19, round(97 * share))

    def null(n_jobs):
        asked = {"n_permutations": n_permutations, "random_state": 0, "n_jobs": n_jobs}
        return found.significance("retraining", **asked).null_maxima

    many = make_oscillatory_eeg(round(1600 * share), CHANNELS, duration=1, snr=3, random_state=1)
    frozen = FrozenEstimator(net.fit(eeg.X, eeg.y))
    draws = {"method": "sampling", "n_iterations": 20, "control_variate": False, "random_state": 0}
    one = PerturbationCorrelator(frozen, bands="eeg", ch_names=eeg.ch_names, **draws)

    def draw(n_jobs):
        return one.set_params(n_jobs=n_jobs).fit(many.X, many.y).correlations_

    flex = FLEXAttributor(frozen, ch_names=CHANNELS)

    def attribute(n_jobs):
        return flex.set_params(n_jobs=n_jobs).fit(many.X, many.y).attributions_

    def nothing(n_jobs):
        return list(_units.run_units([_units.Unit(abs, (number,)) for number in range(100)], n_jobs=n_jobs))

    return {
        f"retraining, {n_permutations} permutations x 4 folds": null,
        f"draws, {len(many.X)} trials x 20": draw,
        f"FLEX, {len(many.X)} trials": attribute,
        "nothing": nothing,
    }


def load():
    """Load what a worker needs."""
    import eegexplain.inspection  # noqa: F401


def measured(call, client=None):
    """Result; seconds, CPU seconds of the caller and of all workers; meter."""

    def clocks():
        """Wall, and CPU here and there."""
        there = sum(client.run(time.process_time).values()) if client else 0.0
        return np.array([time.perf_counter(), time.process_time(), there])

    if client:
        client.run(load)
    with metered(len(client.nthreads()) if client else 0) as meter:
        since = clocks()
        found = call(None if client else 1)
        return found, clocks() - since, meter


def main(share=1.0):
    """Measure everything, and write it line by line."""
    from distributed import Client, LocalCluster

    RESULTS.write_text(HEAD.format(cores=os.cpu_count()))
    for name, call in calls(share).items():
        expected, alone = None, None
        for n_workers in (0, 1, 2):
            load = os.getloadavg()[0]
            if n_workers == 0:
                expected, seconds, meter = measured(call)
                found = expected
            else:
                cluster = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": None}
                with LocalCluster(**cluster) as local, Client(local) as client, joblib.parallel_config(backend="dask"):
                    found, seconds, meter = measured(call, client)
            np.testing.assert_array_equal(found, expected)
            alone = seconds[0] if n_workers == 1 else alone
            faster = "" if n_workers < 2 else f"{alone / seconds[0]:.2f}"
            where = f"{n_workers} worker{'s' * (n_workers > 1)}" if n_workers else "this process"
            sent, back = ("", "") if not n_workers else (f"{meter.sent / 1e6:.1f}", f"{meter.back / 1e6:.2f}")
            row = [name, where, meter.units, f"{seconds[0]:.1f}", faster]
            row += [f"{seconds[1]:.1f}", f"{seconds[2]:.1f}", sent, back, f"{meter.merging:.2f}", f"{load:.1f}"]
            with open(RESULTS, "a") as file:
                file.write(f"| {' | '.join(map(str, row))} |\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of permutations and trials")
    main(parser.parse_args().share)
