"""FLEX: speed against freqIG 0.1.8 and captum, nodes and errors, populations, growth with size, domains, memory.

Run ``python benchmarks/bench_flex.py`` for all tables, or name some: ``... speed accuracy small populations growth
captum domains completeness memory``. Each takes its place in ``benchmarks/results/flex.md``. freqIG: see
``_freqig.py``; braindecode's networks: see ``_networks.py``.
"""

import contextlib
import io
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import torch
from _freqig import freqig_attribute
from _networks import NAMES, SquareLog, eeg_net, frozen, network
from captum.attr import IntegratedGradients
from torch import nn

from eegexplain._torch import differentiate
from eegexplain.attribution import FLEXAttributor, FrequencyDomainModel, attribute
from eegexplain.attribution._path import Paths, find_stretch, integrate

RESULTS = pathlib.Path(__file__).parent / "results" / "flex.md"
HEAD = f"""# FLEX

2-core x86-64 VM (shared), Python {platform.python_version()}, torch {torch.__version__}, one thread, CPU time, medians
of interleaved runs. Reproduce with `python benchmarks/bench_flex.py`.
"""
SHAPE = (32, 22, 1000)
SCALES = (1e-6, 1e-3, 1.0, 30.0, 1e3)
N_COMPLETE = 60
SEED = 11  # rules and margins were chosen on networks of other seeds


def timed(*functions, rounds=5):
    """Median CPU seconds of interleaved runs."""
    seconds = [[] for _ in functions]
    for _ in range(rounds):
        for function, kept in zip(functions, seconds, strict=True):
            start = time.process_time()
            function()
            kept.append(time.process_time() - start)
    return [statistics.median(kept) for kept in seconds]


def known(names=NAMES, **sizes):
    """Networks that are installed: name, module, trials, labels."""
    for name in names:
        found = network(name, SEED, **sizes)
        if found is not None:
            yield name, *found


def told(line):
    """A row of a table, shown as soon as it is known."""
    print(line, flush=True)
    return line


def quietly(function, *arguments, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*arguments, **options)


def fitted_elu(n_steps=10):
    """An ELU network that was trained for a few steps (or not at all) on the trials it explains."""
    torch.manual_seed(0)
    net, x, y = eeg_net(nn.ELU), torch.randn(SHAPE), torch.arange(SHAPE[0]) % 4
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(n_steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval(), x


def against_freqig():
    """Seconds of freqIG, of ours at its 50 nodes and at our defaults, one output per trial.

    freqIG takes trial by trial: it is timed on two, times their number.
    """
    peer, lines = freqig_attribute(), []
    kinds = ("transformer", "SyncNet, closed", "ReLU", "EEGNet", "ShallowFBCSPNet")
    for sizes, n_explained, names in (({}, 8, kinds), ({}, 64, kinds[:2]), ({"n_channels": 64}, 8, kinds[:3])):
        for name, net, x, _ in known(names, **sizes):
            x, flex = x[:n_explained], FLEXAttributor(frozen(net), response="logit", n_steps=2).fit(x[:4], np.arange(4))
            y = net(torch.as_tensor(x)).argmax(1)
            flex.set_params(n_steps="auto")
            nodes = flex.explain(x, target=y.numpy())["n_steps"].values.mean()
            fixed, auto, theirs = timed(
                lambda net=net, x=x, y=y: attribute(x, net, target=y.tolist(), n_steps=50),
                lambda flex=flex, x=x, y=y: flex.explain(x, target=y.numpy()),
                lambda net=net, x=x, y=y: [quietly(peer, torch.as_tensor(one), net, target=int(to))
                                           for one, to in zip(x[:2], y[:2], strict=True)], rounds=5)
            theirs *= n_explained / 2
            lines.append(told(f"| {name} | {' x '.join(map(str, x.shape))} | {theirs:.2f} | {fixed:.2f} | "
                              f"{theirs / fixed:.2f} | {auto:.3f} | {theirs / auto:.1f} | {nodes:.1f} |"))
    return ["| network | trials | freqIG, 50 nodes, s | ours, 50 nodes, s | ratio | ours, auto, s | ratio | nodes |",
            "|---|---|---|---|---|---|---|---|", *lines,
            "\nTargets of the second ratio at 8 x 22 x 400: transformer 3.5, SyncNet 5, ReLU 2, EEGNet 7.8, Shallow 8."]


def dense(respond, x, targets, n_panels):
    """Maps by a Gauss rule of 4 points on many panels, spread as the path asks for."""
    points, weights = np.polynomial.legendre.leggauss(4)
    edges = np.linspace(0, 1, n_panels + 1)
    u = ((edges[1:] + edges[:-1])[:, None] / 2 + points / 2 / n_panels).ravel()
    paths, maps = Paths(respond, torch.zeros_like(x), x, targets), []
    for trial, stretch in enumerate(np.minimum(find_stretch(paths, paths.ends()), 0.3)):
        rate = np.arcsinh(1 / stretch)
        nodes = stretch * np.sinh(u * rate)
        slope = np.tile(weights / 2 / n_panels, n_panels) * stretch * rate * np.cosh(u * rate)
        total = 0.0
        for first in range(0, len(nodes), 16):
            some = slice(first, first + 16)
            where = torch.as_tensor(nodes[some])[:, None, None] * x[trial]
            gradients = differentiate(respond, where, targets[trial].expand(len(where), 1))[1][:, 0]
            total = total + (torch.as_tensor(slope[some])[:, None, None] * gradients).sum(0)
        maps.append((total * x[trial]).numpy())
    return np.stack(maps)


def accuracy(n_trials=8):
    """Nodes, and true errors of maps, at three tolerances."""
    lines = []
    for name, net, x, _ in known():
        net, x = net.double(), torch.as_tensor(x[:n_trials]).double()

        def centred(z, net=net):
            return net(z) - net(z).mean(1, keepdim=True)

        with torch.no_grad():
            targets = centred(x).argmax(1)[:, None]
        for parameter in net.parameters():
            parameter.requires_grad_(False)
        kinked = name in ("ReLU", "ShallowFBCSPNet", "log power", "SyncNet, max, gradient")
        expected = dense(centred, x, targets, 64 if kinked else 24)
        for tol in (0.05, 0.01, 0.002):
            found = integrate(Paths(centred, torch.zeros_like(x), x, targets, 16), tol=tol)
            maps, done = found.gradients[:, 0] * x.numpy(), found.error[:, 0] <= tol
            wrong = np.abs(maps - expected).sum((1, 2)) / np.abs(expected).sum((1, 2))
            rest = f"{np.median(wrong[~done]):.1e}" if np.any(~done) else ""
            held = f"{np.mean(wrong[done] <= tol):.0%}" if done.any() else ""
            lines.append(told(f"| {name} | {tol} | {found.n_steps.mean():.1f} | {np.median(wrong):.1e} | "
                         f"{np.quantile(wrong, 0.95):.1e} | {np.mean(wrong <= tol):.0%} | {done.mean():.0%} | "
                         f"{held} | {rest} |"))
    return ["| network | tol | nodes | median error | 95th percentile | error at most tol | called converged | of "
            "these at most tol | median error of the others |", "|---|---|---|---|---|---|---|---|---|", *lines]


def few_units(seed):
    """Very small networks trained for a moment on 30 trials of 3 x 59: kind, module, trials, labels."""
    kinds = [("jumps", nn.ReLU, 3), ("jumps", nn.ReLU, 6), ("jumps", nn.ReLU, 16), ("jumps", nn.LeakyReLU, 6),
             ("jumps", nn.ReLU, 0), ("smooth", nn.ELU, 6), ("smooth", nn.GELU, 6)]
    for kind, act, width in kinds:
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(177, 16), act(), nn.Linear(16, 3)) if not width else nn.Sequential(
            nn.Conv1d(3, width, 9), act(), nn.AvgPool1d(4), nn.Conv1d(width, width, 5), act(), nn.AvgPool1d(4),
            nn.Flatten(), nn.Linear(2 * width, 16), act(), nn.Linear(16, 3))
        net, y = net.double(), torch.arange(30) % 3
        x = torch.randn(30, 3, 59, dtype=torch.float64)
        x[:, 0] += y[:, None] * torch.sin(torch.arange(59) * 0.7)
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        yield kind, net.eval().requires_grad_(False), x, y[:, None]


def small_networks(seeds=(5, 6)):
    """What is called converged, and is right, of networks with few units, whose gradients jump seldom and far."""
    tolerances = (0.05, 0.02, 0.01, 0.005, 0.002)
    counts = {(kind, tol): np.zeros(4) for kind in ("jumps", "smooth") for tol in tolerances}
    for seed in seeds:
        for kind, net, x, y in few_units(seed):
            expected = dense(net, x, y, 600 if kind == "jumps" else 60)
            for tol in tolerances:
                found = integrate(Paths(net, torch.zeros_like(x), x, y), tol=tol)
                wrong = np.abs(found.gradients[:, 0] * x.numpy() - expected).sum((1, 2)) / np.abs(expected).sum((1, 2))
                done = found.error[:, 0] <= tol
                counts[kind, tol] += len(x), found.n_steps.sum(), done.sum(), np.sum(wrong[done] > tol)
    return ["| gradients | tol | trials | nodes | called converged | of these above tol |", "|---|---|---|---|---|---|",
            *(f"| {kind} | {tol} | {n:.0f} | {nodes / n:.1f} | {done / n:.0%} | {bad / max(done, 1):.1%} |"
              for (kind, tol), (n, nodes, done, bad) in counts.items())]


def size(maps):
    """Absolute sums over rows and cells."""
    return np.abs(maps).sum((-2, -1))


def populations():
    """Nodes, seconds and errors in standard errors of population maps that stop at the noise, beside each trial's."""
    lines = []
    for name, net, x, y in known(n_trials=96):
        options = {"sfreq": 250.0, "bands": "eeg", "n_steps": 2}
        flex = FLEXAttributor(frozen(net), basis="bands", **options).fit(x[:8], y[:8])
        flex.set_params(n_steps="auto", population_tol=1e-9, tol=1e-9)
        exact = flex.explain_population(x, y)
        flex.set_params(tol=0.01, population_tol=0.1)
        found = flex.explain_population(x, y)
        alone = FLEXAttributor(frozen(net), basis="bands", **options).fit(x[:8], y[:8])
        alone.set_params(n_steps="auto", population_tol=None)
        single = alone.explain_population(x, y)
        ours, theirs = timed(lambda f=flex, x=x, y=y: f.explain_population(x, y),
                             lambda f=alone, x=x, y=y: f.explain_population(x, y), rounds=3)
        wrong = max(np.max(size(found[kind].values - exact[kind].values) / size(exact[error].values))
                    for kind, error in (("value", "standard_error"), ("class_value", "class_standard_error")))
        share = np.mean(size(exact["standard_error"].values) / size(exact["value"].values))
        lines.append(told(f"| {name} | {share:.0%} | {found.attrs['n_steps']:.0f} | {wrong:.3f} | {ours:.1f} | "
                     f"{single.attrs['n_steps']:.1f} | {theirs:.1f} | {theirs / ours:.1f} | "
                     f"{found.attrs['n_unconverged']} | {single.attrs['n_unconverged']} |"))
    return ["| network | standard errors over the map | nodes | largest error in standard errors | s | nodes, each "
            "trial to tol | s | ratio | unconverged | each trial to tol |",
            "|---|---|---|---|---|---|---|---|---|---|", *lines]


def growth():
    """Exponents of CPU time in trials, channels and samples."""
    sizes = {"trials": ("n_trials", (32, 128)), "channels": ("n_channels", (22, 64)),
             "samples": ("n_times", (400, 1600))}
    lines = []
    for name in ("ELU", "SyncNet, closed", "transformer", "log power"):
        for kind in ("explain", "population"):
            exponents = []
            for key, ends in sizes.values():
                seconds = []
                for end in ends:
                    _, net, x, y = next(known([name], **{"n_trials": 32, key: end}))
                    flex = FLEXAttributor(frozen(net), n_steps=2).fit(x[:4], y[:4]).set_params(n_steps=11)
                    run = flex.explain if kind == "explain" else flex.explain_population
                    seconds += timed(lambda run=run, x=x: run(x), rounds=3)
                exponents.append(np.log(seconds[1] / seconds[0]) / np.log(ends[1] / ends[0]))
            lines.append(told(f"| {name} | {kind} | " + " | ".join(f"{value:.2f}" for value in exponents) + " |"))
    return ["| network | call | trials | channels | samples |", "|---|---|---|---|---|", *lines,
            "\nOf 11 nodes each, 32 trials x 22 channels x 400 samples and about 4 times as many of one kind. "
            "Attention is quadratic in samples."]


def against_captum():
    """The same algorithm: 50 nodes for one output per trial."""
    net, x = fitted_elu()
    y = net(x).argmax(1)
    composed = FrequencyDomainModel(net, SHAPE[2])
    explainer = IntegratedGradients(composed)

    def batch(size):
        return lambda: explainer.attribute(composed.spectrum(x), target=y, internal_batch_size=size,
                                           method="gausslegendre")

    runs = {"eegexplain, attribute": lambda: attribute(x, net, target=y.tolist(), n_steps=50)}
    runs |= {f"captum on the composed model, internal_batch_size={size}": batch(size) for size in (32, 64, 128)}
    seconds = dict(zip(runs, timed(*runs.values(), rounds=3), strict=True))
    ours = seconds["eegexplain, attribute"]
    return ["| run | seconds | over ours |", "|---|---|---|",
            *(f"| {name} | {value:.2f} | {value / ours:.2f} |" for name, value in seconds.items()),
            "\ncaptum takes no batch below the number of trials."]


def domains():
    """Ratio of the cost of four domains to one, nodes alike."""
    net, x = fitted_elu()
    x = x.numpy()
    flex = FLEXAttributor(frozen(net), response="logit", sfreq=250.0, n_steps=7).fit(x[:4], np.arange(4))
    every = ["time", "fourier", "bands", "stft"]
    ratios = {}
    for target in ("predicted", "all"):
        one, four = timed(lambda t=target: flex.explain(x, target=t, basis="fourier"),
                          lambda t=target: flex.explain(x, target=t, basis=every), rounds=5)
        ratios[target] = (one, four)
    return ratios


def trained(make, scale, dtype):
    """A network trained for a moment on trials of unit size, and these trials times `scale`."""
    torch.manual_seed(0)
    n_channels, n_times = 8, 256
    net = make(n_channels=n_channels, n_times=n_times)
    x, y = torch.randn(N_COMPLETE, n_channels, n_times), torch.arange(N_COMPLETE) % 4
    x[:, 0] += y[:, None] * torch.sin(torch.arange(n_times) * 0.5) / 2
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    net = net.to(dtype).eval().requires_grad_(False)
    x = (x.to(torch.float64) * scale).to(dtype)
    return lambda x: net(x) - net(x).mean(1, keepdim=True), x, net(x).argmax(1)[:, None]


NETS = {"ReLU": lambda **sizes: eeg_net(nn.ReLU, **sizes), "ELU": lambda **sizes: eeg_net(nn.ELU, **sizes),
        "GELU": lambda **sizes: eeg_net(nn.GELU, **sizes), "square-log": SquareLog}


def completeness():
    """Rows: net, precision, scale, share of complete trials, 95th percentile of the error, nodes, map error."""
    rows = []
    for name, make in NETS.items():
        for dtype, scales in ((torch.float64, SCALES), (torch.float32, (1.0, 1e3))):
            for scale in scales:
                net, x, y = trained(make, scale, dtype)
                found = integrate(Paths(net, torch.zeros_like(x), x, y))
                change = np.abs(found.output_change[:, 0])
                clear = change > 1e4 * torch.finfo(dtype).eps * np.abs(net(x).gather(1, y)[:, 0].numpy())
                error = np.abs(found.convergence_delta[clear, 0]) / change[clear]
                rows.append((name, str(dtype)[6:], scale, np.mean(error < 0.01), np.quantile(error, 0.95),
                             found.n_steps.mean(), found.n_steps.max(), np.mean(found.error <= 0.01), clear.sum()))
    return rows


def memory(limit=2**28):
    """Peak resident growth in MiB of a population map of 64 x 64 x 5000 with 256 nodes, in a process of its own."""
    code = f"import bench_flex; print(bench_flex.memory_here({limit}))"
    out = subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent, capture_output=True,
                         text=True, check=True)
    return [float(word) for word in out.stdout.split()]


def memory_here(limit):
    """Peak resident memory above that before the call, and seconds; the trials are there before."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(64, 8, 25, stride=5), nn.ELU(), nn.AvgPool1d(10), nn.Flatten(), nn.Linear(8 * 99, 2))
    x = np.random.default_rng(0).normal(size=(64, 64, 5000)).astype(np.float32)
    flex = FLEXAttributor(frozen(net.eval(), 2), n_steps=2, basis="bands", bands={"low": (0.0, 0.1)})
    flex.fit(x[:2, :, :], np.arange(2))
    flex.set_params(n_steps=256, memory_limit=limit)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    before, start = resident("VmRSS"), time.process_time()
    flex.explain_population(x)
    return f"{resident('VmHWM') - before:.0f} {time.process_time() - start:.0f}"


def resident(kind):
    """Resident memory now (VmRSS) or at its peak (VmHWM), in MiB."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


def domain_lines():
    """Lines of the table of domains."""
    return ["| outputs | one, s | four, s | ratio (target 1.1) |", "|---|---|---|---|",
            *(f"| {name} | {one:.2f} | {four:.2f} | {four / one:.2f} |" for name, (one, four) in domains().items())]


def completeness_lines():
    """Lines of the table of completeness."""
    row = "| {} | {} | {:g} | {:.0%} | {:.1e} | {:.1f} | {} | {:.0%} | {} |"
    return ["| network | precision | scale of the trials | below 1 % | 95th percentile | nodes mean | nodes max "
            "| converged | trials above rounding |", "|---|---|---|---|---|---|---|---|---|",
            *(row.format(*values) for values in completeness()),
            "\nKinks leave an error in proportion to the map, not to its sum."]


def memory_lines():
    """Lines of the table of memory."""
    lines = []
    for limit in (2**26, 2**28):
        peak, cost = memory(limit)
        lines.append(told(f"| {limit / 2**20:.0f} | {peak:.0f} | {cost:.0f} |"))
    return ["| memory_limit, MiB | peak growth, MiB | CPU seconds |", "|---|---|---|", *lines]


TABLES = {
    "speed": ("Speed beside freqIG 0.1.8 at its defaults (float32, one output per trial)", against_freqig),
    "accuracy": ("Nodes and errors: 8 trials of 22 x 400, relative L1 error of maps against a dense reference, "
                 "centred logit of the predicted class, zero baseline, double precision, networks of another seed",
                 accuracy),
    "small": ("Networks of 3 to 16 units per layer, of seeds that played no part in the choice of the estimate",
              small_networks),
    "populations": ("Populations: 96 trials of 22 x 400, four outputs, bands, population_tol=0.1", populations),
    "growth": ("Growth: exponents of CPU time", growth),
    "captum": (f"The same algorithm: {' x '.join(map(str, SHAPE))}, ELU network, 50 nodes", against_captum),
    "domains": ("Four domains (time, fourier, bands, stft) against one, 7 nodes", domain_lines),
    "completeness": (f"Completeness with n_steps=\"auto\", tol=0.01: {N_COMPLETE} trials of 8 x 256, centred logit of "
                     "the predicted class, zero baseline, networks trained briefly on trials of scale 1",
                     completeness_lines),
    "memory": ("Memory: population map of 64 x 64 x 5000 (float32), 256 nodes, two outputs", memory_lines),
}


def main(names):
    """Write the tables of these names, each in its place among those that are there."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in names or TABLES:
        title, make = TABLES[name]
        text = f"## {title}\n\n" + "\n".join(make()) + "\n"
        there = RESULTS.read_text() if RESULTS.exists() else ""
        parts = {part.split("\n")[0]: part.strip() + "\n" for part in re.split(r"\n(?=## )", there)[1:]}
        parts[f"## {title}"] = text
        kept = [parts[f"## {each}"] for each, _ in TABLES.values() if f"## {each}" in parts]
        head = re.split(r"\n(?=## )", there)[0].strip() + "\n" if there else HEAD  # what was written there stays
        RESULTS.write_text("\n".join([head, *kept]))
        print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
