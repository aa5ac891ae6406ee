"""A log of lost processes: a worker of joblib, one of dask and the caller itself are killed in the middle of training.

``python benchmarks/lost_workers.py`` (dask: needs ``eegexplain[distributed]``) trains 24 networks in each case, kills
by SIGKILL, and compares with what is trained undisturbed; the log goes to ``benchmarks/results/lost_workers.md``.
"""

import contextlib
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

from eegexplain import fit_many

RESULTS = pathlib.Path(__file__).parent / "results" / "lost_workers.md"


class Slow(LogisticRegression):
    """Notes which process fits it, and takes its time."""

    def __init__(self, folder=None, random_state=None):
        self.folder = folder
        super().__init__(random_state=random_state)

    def fit(self, X, y):
        """Fit."""
        (pathlib.Path(self.folder) / f"{os.getpid()}-{time.time_ns()}").touch()
        time.sleep(0.2)
        return super().fit(X, y)


def train(folder, **run):
    """Train on parts of the trials; gives a digest of all weights."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 5)), np.arange(60) % 2
    subsets = [np.sort(rng.permutation(60)[:45]) for _ in range(24)]
    found = fit_many(Slow(str(folder)), X, y, subsets=subsets, **run)
    return hashlib.sha256(np.concatenate([one.coef_ for one in found]).tobytes()).hexdigest()[:12]


def kill_one(folder, lines):
    """Kill the process of the sixth fit."""
    while len(names := sorted(os.listdir(folder), key=lambda name: name.split("-")[1])) < 6:
        time.sleep(0.01)
    victim = int(names[5].split("-")[0])
    os.kill(victim, signal.SIGKILL)
    lines.append(f"process {victim} killed in fit 6")


def with_killed_worker(where, **run):
    """Train while a worker is killed."""
    with tempfile.TemporaryDirectory() as folder:
        lines: list[str] = []
        killer = threading.Thread(target=kill_one, args=(folder, lines))
        killer.start()
        digest = train(folder, **run)
        killer.join()
        processes = {name.split("-")[0] for name in os.listdir(folder)}
        return f"{where}: {lines[0]}; {len(os.listdir(folder))} fits in {len(processes)} processes; weights {digest}"


def with_killed_caller():
    """Train in a process that is killed, and go on."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept:
        code = f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n"
        code += f"from lost_workers import train\ntrain({folder!r}, checkpoint={kept!r}, n_jobs=1)"
        process, lines = subprocess.Popen([sys.executable, "-c", code]), []
        kill_one(folder, lines)
        process.wait()
        before, units = len(os.listdir(folder)), len(list(pathlib.Path(kept).rglob("*.unit")))
        sys.path.insert(0, str(pathlib.Path(__file__).parent))
        from lost_workers import train as same  # the same name in both processes

        digest = same(folder, checkpoint=kept, n_jobs=1)
        after = len(os.listdir(folder)) - before
        return f"caller: {lines[0]}, {units} of {before} kept; the same call again made {after} fits; weights {digest}"


def main():
    """Write the log."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"undisturbed: 24 fits; weights {train(folder, n_jobs=1)}"]
    lines.append(with_killed_worker("loky", n_jobs=2))
    lines.append(with_killed_caller())
    with contextlib.suppress(ImportError):
        from distributed import Client, LocalCluster

        settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**settings) as cluster, Client(cluster), joblib.parallel_config(backend="dask"):
            lines.append(with_killed_worker("dask"))
    text = "# Lost processes\n\n`python benchmarks/lost_workers.py`\n\n" + "".join(f"- {line}\n" for line in lines)
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
