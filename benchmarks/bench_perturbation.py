"""Perturbation correlation against braindecode 0.4.85 and bare torch, and its memory.

Run ``python benchmarks/bench_perturbation.py [PART ...]`` (gradient, sampling, noise, overhead, limit, control,
memory; all without any); the tables go to ``benchmarks/results/perturbation.md``. The peer comes from its source
distribution: ``pip install --no-deps --target PEERS --no-binary :all: braindecode==0.4.85`` and ``PYTHONPATH=PEERS``.
All times are CPU seconds on one thread.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import warnings

import numpy as np
import torch
from _networks import N_OUTPUTS, RANDOM, BandPower, Shallow, frozen, trials, untrained
from _timing import cpu, interleaved
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from eegexplain import PerturbationCorrelator

N_TRIALS, N_CHANNELS, N_ITERATIONS = 288, 22, 30
BATCHES = (8, 16, 32, 64)  # of which a peer gets the best; its own default is shown too
CASES = [(name, 48, 22, 500) for name in RANDOM] + [("Shallow", 8, 64, 500), ("band power", 8, 64, 500)]
RESULTS = pathlib.Path(__file__).parent / "results" / "perturbation.md"


class Trivial(RegressorMixin, BaseEstimator):
    """Outputs that cost nothing, so that only the package's own work is timed."""

    def fit(self, X, y):  # noqa: D102
        self.fitted_ = True
        return self

    def predict(self, X):  # noqa: D102
        return X[:, :N_OUTPUTS, 0]


def peer():
    """Return braindecode 0.4.85's perturbation module (which needs the old name ``np.int``), or None."""
    if importlib.util.find_spec("braindecode") is None or importlib.metadata.version("braindecode") != "0.4.85":
        return None
    np.int = int
    return importlib.import_module("braindecode.visualization.perturbation")


def peer_map(old, module, X, n_iterations, batch_size=30):
    """Map of the old tool, ``(n_outputs, n_channels, n_frequencies)``."""

    def predict(x):
        with torch.no_grad():
            return module(torch.from_numpy(np.ascontiguousarray(x[..., 0], dtype=np.float32))).numpy()[:, :, None]

    found = old.compute_amplitude_prediction_correlations(
        lambda x: predict(x), X[..., None], n_iterations, batch_size=batch_size
    )
    return found.transpose(2, 0, 1)


def our_map(module, X, y, **params):
    params = {"response": "logit", "scale_by": "absolute", "subspace": "full", "random_state": 0} | params
    return PerturbationCorrelator(frozen(module), **params).fit(X, y).correlations_


def best_of(found):
    """The fastest batch of a peer, and how long it takes."""
    times = {int(name[1:]): seconds for name, seconds in found.items() if name[0] == "b" and name[1:].isdigit()}
    return min(times, key=times.get), min(times.values())


def bare_gradients(module, X, batch_size):
    """One forward pass and a backward pass per output, without anything else."""
    for start in range(0, len(X), batch_size):
        x = torch.from_numpy(X[start : start + batch_size]).requires_grad_()
        outputs = module(x).sum(0)
        for number, output in enumerate(outputs):
            torch.autograd.grad(output, x, retain_graph=number + 1 < len(outputs))


def gradients(report):
    """The closed form beside the passes that it needs."""
    table(
        report, "net", "trials x channels x samples", "ours", "bare, best batch", "bare, 64", "ours / best", "ours / 64"
    )
    for name, n_trials, n_channels, n_times in CASES:
        X, y = trials(n_trials, n_channels, n_times)
        module = untrained(name, n_channels, n_times)
        net = PerturbationCorrelator(frozen(module), random_state=0)
        runs = {f"b{size}": functools.partial(bare_gradients, module, X, size) for size in BATCHES}
        found = interleaved(ours=lambda net=net, X=X, y=y: net.fit(X, y), **runs)
        (batch, best), ours = best_of(found), found["ours"]
        row(report, name, f"{n_trials} x {n_channels} x {n_times}", f"{ours:.3f} s", f"{best:.3f} s ({batch})",
            f"{found['b64']:.3f} s", f"{ours / best:.2f}", f"{ours / found['b64']:.2f}")  # fmt: skip


def sampling(old, report):
    """One iteration: a draw for every trial, a forward pass, correlations."""
    table(report, "net", "trials x channels x samples", "ours", "braindecode, best batch", "braindecode, 30",
          "ours / best", "ours / 30")  # fmt: skip
    for name, n_trials, n_channels, n_times in CASES:
        X, y = trials(n_trials, n_channels, n_times)
        module = untrained(name, n_channels, n_times)
        params = {"method": "sampling", "control_variate": False}
        runs = {f"ours {n}": functools.partial(our_map, module, X, y, n_iterations=n, **params) for n in (8, 16)}
        if old is not None:
            for size in (30, *BATCHES):
                runs |= {f"b{size} {n}": functools.partial(peer_map, old, module, X, n, size) for n in (1, 2)}
        found = interleaved(**runs)
        ours = (found["ours 16"] - found["ours 8"]) / 8
        found = {name[:-2]: found[name[:-2] + " 2"] - found[name] for name in found if name.endswith(" 1")}
        default = found.get("b30", np.nan)
        batch, best = best_of(found) if found else (0, np.nan)
        row(report, name, f"{n_trials} x {n_channels} x {n_times}", f"{ours:.3f} s", f"{best:.3f} s ({batch})",
            f"{default:.3f} s", f"{ours / best:.2f}", f"{ours / default:.2f}")  # fmt: skip


def noises(report):
    """Noise with the data's cross-spectrum beside independent noise."""
    table(report, "net", "trials x channels x samples", "independent", "data", "data / independent")
    for name, n_trials, n_channels, n_times in [*CASES, ("band power", 96, 22, 1000), ("band power", 32, 64, 250)]:
        X, y = trials(n_trials, n_channels, n_times)
        net = frozen(untrained(name, n_channels, n_times))
        explainers = {
            noise: PerturbationCorrelator(net, noise=noise, random_state=0) for noise in ("independent", "data")
        }
        found = interleaved(**{noise: functools.partial(one.fit, X, y) for noise, one in explainers.items()})
        independent, data = found["independent"], found["data"]
        row(report, name, f"{n_trials} x {n_channels} x {n_times}", f"{independent:.3f} s", f"{data:.3f} s",
            f"{data / independent:.2f}")  # fmt: skip


def table(report, *names):
    """Begin a table."""
    row(report, *names)
    row(report, *["---"] * len(names))


def row(report, *cells):
    """One row of a table."""
    report(f"| {' | '.join(cells)} |")


def agreement(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def against_peer(old, report):
    """Time at 1000 samples, agreement with the limit at 250 and 1000."""
    X, y = trials(N_TRIALS, N_CHANNELS, 1000)
    module = Shallow(N_CHANNELS, 1000).eval()
    ours, theirs = [], []
    for _ in range(2):
        seconds, found = cpu(lambda: our_map(module, X, y, method="gradient"))
        ours.append(seconds)
        if old is not None:
            seconds, _ = cpu(lambda: peer_map(old, module, X, 2))
            theirs.append(seconds / 3 * (N_ITERATIONS + 1))  # 2 iterations and the unperturbed pass
    limit = our_map(Shallow(N_CHANNELS, 1000).double().eval(), X.astype(float), y, method="gradient")
    fine = agreement(found, limit)
    ours = statistics.median(ours)
    report(f"closed form, 288 x 22 x 1000: {ours:.1f} s; correlation with the float64 limit {fine:.6f} (target 0.999)")
    if old is None:
        return report("braindecode 0.4.85 is not installed: no comparison")
    theirs = statistics.median(theirs)
    report(
        f"braindecode 0.4.85, {N_ITERATIONS} iterations: {theirs:.0f} s (from 2; its cost is linear in them); "
        f"ratio {ours / theirs:.3f} (target <= 0.333)"
    )
    X, y = trials(N_TRIALS, N_CHANNELS, 250)
    module = Shallow(N_CHANNELS, 250).eval()
    limit = our_map(Shallow(N_CHANNELS, 250).double().eval(), X.astype(float), y, method="gradient")
    short, found = cpu(lambda: our_map(module, X, y, method="gradient"))
    old_short, old_map = cpu(lambda: peer_map(old, module, X, N_ITERATIONS))
    r = agreement(old_map, limit)
    report(
        f"correlation with the limit at 288 x 22 x 250: closed form {agreement(found, limit):.6f} in {short:.1f} s, "
        f"braindecode {r:.3f} after {N_ITERATIONS} iterations in {old_short:.0f} s"
    )
    wanted = (0.99**2 / (1 - 0.99**2)) / (r**2 / (1 - r**2))  # squared noise falls as one over the iterations
    factor = wanted * theirs / ours
    report(
        "braindecode to reach 0.99, extrapolated by its 1/sqrt law (agreement at 250 samples, times at 1000): "
        f"{wanted:.0f} x the iterations, "
        f"{factor:.0f} x the time of the closed form (target >= 500)"
    )


def overhead(old, report):
    """CPU time and peak memory of the package's own work per iteration, with a model that costs nothing."""
    X, y = trials(N_TRIALS, N_CHANNELS, 1000)
    target = np.stack([y] * N_OUTPUTS, axis=1).astype(float)

    def ours(n):
        params = {"method": "sampling", "scale_by": "absolute", "subspace": "full", "random_state": 0}
        return PerturbationCorrelator(FrozenEstimator(Trivial().fit(X, y)), n_iterations=n, **params).fit(X, target)

    def theirs(n):
        return old.compute_amplitude_prediction_correlations(lambda x: x[:, :N_OUTPUTS, :1, 0], X[..., None], n)

    rates, peaks = {}, {}
    for name, run in {"eegexplain": ours, "braindecode 0.4.85": theirs}.items():
        if name.startswith("brain") and old is None:
            continue
        times = [[cpu(functools.partial(run, n))[0] for n in (24, 8)] for _ in range(3)]
        rates[name] = statistics.median((long - short) / 16 for long, short in times)
        tracemalloc.start()
        run(16)
        peaks[name] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    for name in rates:
        report(f"{name}: {1000 * rates[name]:.0f} ms CPU per iteration, peak {peaks[name]:.0f} MiB above the input")
    if len(rates) == 2:
        cost, memory = (values["eegexplain"] / values["braindecode 0.4.85"] for values in (rates, peaks))
        report(f"ratio of time {cost:.2f} (target <= 0.33), of memory {memory:.2f} (target <= 0.25)")


def control_variate(report):
    """Passes to equal error with and without gradients as control variate, at three sizes of the noise."""
    X, y = trials(N_TRIALS, N_CHANNELS, 250)
    net = frozen(Shallow(N_CHANNELS, 250))
    for scale, bands in ((0.1, None), (0.1, {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}), (0.5, None)):
        errors = []
        for control in (True, False):
            params = {"method": "sampling", "scale": scale, "bands": bands, "n_iterations": 6, "sfreq": 125.0}
            fitted = PerturbationCorrelator(net, control_variate=control, random_state=0, **params).fit(
                X[:144], y[:144]
            )
            errors.append(np.mean(fitted.mc_standard_errors_**2))
        gain = errors[1] / errors[0]
        report(
            f"scale {scale}, {'bands' if bands else 'bins'}: the same error takes {gain:.0f} x the draws without the "
            f"control variate (kept if >= 5 at scale 0.1)"
        )


def anonymous_memory():
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) / 1024


def from_memory_map(path, n_trials):
    """Print CPU time and peak anonymous memory of a map from a memory-mapped file (in a process of its own)."""
    X = np.lib.format.open_memmap(path, mode="r")[:n_trials]
    peak, stop = [0.0], threading.Event()

    def watch():
        while not stop.wait(0.05):
            peak[0] = max(peak[0], anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    net = frozen(BandPower(N_CHANNELS, n_outputs=2), 2)
    seconds, _ = cpu(lambda: PerturbationCorrelator(net, random_state=0).fit(X, np.arange(n_trials) % 2))
    stop.set()
    watcher.join()
    print(seconds, peak[0])


def memory(report):
    """20,000 trials from a file of 1.8 GB."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(20000, N_CHANNELS, 1000))
        rng = np.random.default_rng(0)
        for start in range(0, len(X), 1000):
            X[start : start + 1000] = rng.standard_normal((1000, N_CHANNELS, 1000), dtype=np.float32)
        X.flush()
        del X
        for n_trials in (5000, 10000, 20000):
            command = [sys.executable, __file__, "--memory", str(path), str(n_trials)]
            seconds, peak = map(float, subprocess.check_output(command, text=True).split())
            report(
                f"{n_trials} trials from a memory map: {seconds:.1f} s, {1e3 * seconds / n_trials:.2f} ms per trial, "
                f"peak anonymous memory {peak:.0f} MiB (target < 1024)"
            )


def main(wanted):
    warnings.filterwarnings("ignore", "after [0-9]+ draws")  # a map of noise is what is timed
    old = peer()
    parts = {
        "gradient": ("Closed form beside bare torch: one forward and 4 backward passes", gradients),
        "sampling": ("One iteration of sampling beside braindecode 0.4.85", functools.partial(sampling, old)),
        "noise": ("Noise of the data beside independent noise", noises),
        "limit": ("Closed form against sampling (Shallow-style net, 4 outputs)", functools.partial(against_peer, old)),
        "overhead": ("Own work of sampling (trivial model, 288 x 22 x 1000)", functools.partial(overhead, old)),
        "control": ("Gradients as control variate of sampling (144 x 22 x 250)", control_variate),
        "memory": ("Memory (small net, 22 x 1000)", memory),
    }
    for name in wanted or parts:
        title, part = parts[name]
        lines = []

        def report(line, lines=lines):
            """Keep a line and show it; a table's as it is."""
            lines.append(line if line.startswith("|") else f"- {line}")
            print(line, flush=True)

        part(report)
        write(list(parts.values()), title, lines)


def write(parts, title, lines):
    """Replace one section of the page; the others stay as they were measured."""
    page = RESULTS.read_text() if RESULTS.exists() else ""
    sections = dict(section.split("\n", 1) for section in page.split("\n## ")[1:])
    sections[title] = "\n" + "\n".join(lines)
    head = (
        "# Perturbation correlation\n\nOn a 2-core x86-64 VM (shared), one thread, CPU seconds, medians, interleaved; "
        f"torch {torch.__version__}, NumPy {np.__version__}. Written by `benchmarks/bench_perturbation.py`.\n"
    )
    body = [f"\n## {name}\n{sections[name].rstrip()}\n" for name, _ in parts if name in sections]
    RESULTS.write_text(head + "".join(body))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--memory"]:
        from_memory_map(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
