"""Many subjects in files: how much memory their explanation takes, here and in the worker processes.

``python benchmarks/bench_many_files.py`` writes subjects of 60 trials x 8 channels x 128 samples to a temporary folder
and explains each, cross-validated, in two processes of joblib and, with ``eegexplain[distributed]``, on two workers of
a dask cluster. Lines go to ``benchmarks/results/many_files.md`` as they are measured. Anonymous memory is what a
process holds besides files; told is by how much its peak lies above the start, for workers above the end of the first
20 files.
"""

import argparse
import contextlib
import os
import pathlib
import re
import tempfile
import threading
import time
import warnings

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain import PerturbationCorrelator
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import explain_groups

RESULTS = pathlib.Path(__file__).parent / "results" / "many_files.md"
CHANNELS = "Fz C3 Cz C4 Pz O1 Oz O2".split()
FEW = 20
HEAD = """# Many subjects in files

`python benchmarks/bench_many_files.py`: 60 trials x 8 channels x 128 samples each ({kib:.0f} KiB), two folds of a
logistic regression on log power. Growth of anonymous memory: of the caller above its start, of the larger worker above
what it held after {few} files.

| files | where | seconds | of all files MiB | caller grows by MiB | worker grows by MiB |
|---|---|---|---|---|---|
"""


def read(path):
    """Trials of one file, read where it is explained."""
    with np.load(path) as saved:
        return saved["X"], saved["y"]


def anonymous(process="self"):
    """Anonymous memory of a process in MiB; 0 where it has ended."""
    try:
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text())[1]) / 1024
    except (FileNotFoundError, ProcessLookupError, TypeError):
        return 0.0


@contextlib.contextmanager
def peaks(processes):
    """Largest anonymous memory of processes, looked at twenty times a second."""
    found, over = dict.fromkeys(processes, 0.0), threading.Event()

    def look():
        while not over.wait(0.05):
            for one in processes:
                found[one] = max(found[one], anonymous(one))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def log_power(X):
    """Features of the decoder."""
    return np.log(np.square(np.abs(np.fft.rfft(X)))[..., 4:30]).reshape(len(X), -1)


def explain(files):
    """The call that is measured."""
    decoder = make_pipeline(FunctionTransformer(log_power), LogisticRegression())  # cheap: what is measured is memory
    draws = {"n_iterations": 2, "random_state": 0, "sfreq": 128.0}
    warnings.simplefilter("ignore")  # few draws
    correlator = PerturbationCorrelator(decoder, bands={"alpha": (8, 13)}, **draws, ch_names=CHANNELS)
    return explain_groups(correlator, files, read=read, cv=2, random_state=0, n_jobs=N_JOBS)


def measure(files, where, find_workers):
    """A line of the table."""
    few = explain(files[:FEW])
    own, workers = os.getpid(), [one for one in find_workers() if one != os.getpid()]
    before = {one: anonymous(one) for one in [own, *workers]}
    since = time.perf_counter()
    with peaks([own, *workers]) as highest:
        found = explain(files)
    seconds = time.perf_counter() - since
    assert found.dataset.sizes["group"] == len(files)
    np.testing.assert_array_equal(found.dataset["group_value"][:FEW], few.dataset["group_value"])
    grown = {one: highest[one] - before[one] for one in before}
    size = sum(one.stat().st_size for one in files) / 2**20
    told = [len(files), where, f"{seconds:.0f}", f"{size:.0f}", f"{grown.pop(own):.0f}", f"{max(grown.values()):.0f}"]
    with open(RESULTS, "a") as file:
        file.write(f"| {' | '.join(map(str, told))} |\n")


def pid(_):
    """Of the process that is asked, which is busy for a moment."""
    time.sleep(0.2)
    return os.getpid()


def pool():
    """Processes of joblib's workers."""
    return set(joblib.Parallel(2)(joblib.delayed(pid)(0) for _ in range(4)))


def main(sizes):
    """Measure all sizes."""
    global N_JOBS
    with tempfile.TemporaryDirectory() as folder:
        eeg = make_oscillatory_eeg(60, CHANNELS, duration=1, sfreq=128.0, snr=3, random_state=0)
        rng, files = np.random.default_rng(0), []
        for number in range(max(sizes)):
            noisy = eeg.X + 0.3 * eeg.X.std() * rng.standard_normal(eeg.X.shape)
            files.append(pathlib.Path(folder) / f"{number:04}.npz")
            np.savez(files[-1], X=noisy.astype(np.float32), y=eeg.y)
        RESULTS.write_text(HEAD.format(kib=files[0].stat().st_size / 1024, few=FEW))
        N_JOBS = 2
        for size in sizes:
            measure(files[:size], "2 processes", pool)
        with contextlib.suppress(ImportError):
            from distributed import Client, LocalCluster

            N_JOBS, cluster = None, {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
            with LocalCluster(**cluster) as local, Client(local) as client, joblib.parallel_config(backend="dask"):
                for size in sizes:
                    measure(files[:size], "2 workers of dask", lambda: client.run(os.getpid).values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000])
    main(parser.parse_args().sizes)
