"""SyncNet against itself with a plain convolution and, where installed, against braindecode 1.8.1's class.

Run ``python benchmarks/bench_syncnet.py``; the tables go to ``benchmarks/results/syncnet.md``. The peer needs
``pip install --no-deps braindecode==1.8.1 einops docstring-inheritance torchinfo``.
"""

import functools
import importlib.util
import pathlib
import statistics
import sys
import time
import types
from unittest import mock

import numpy as np
import torch
from torch.nn import functional

from eegexplain.models import SyncNet, SyncNetClassifier

# batch, channels, samples, filters; target of a training step
CASES = {
    (64, 22, 1000, 10): "4.5x",
    (16, 22, 1000, 10): "",
    (16, 19, 256, 20): "2.2x",
    (64, 19, 256, 20): "",
    (16, 64, 512, 20): "",
    (64, 64, 256, 10): "",
    (64, 62, 2000, 10): "",
    (64, 1, 3000, 10): "1x",
}
SIZES = {"n_outputs": 2, "filter_width": 40, "pool_size": 40}
SECONDS = 1.5  # per shape and task, at least 7 runs
EPOCHS = 6
RESULTS = pathlib.Path(__file__).parent / "results" / "syncnet.md"


@functools.cache
def braindecode_class():
    """Return braindecode's SyncNet without its package's imports (torchaudio and others), or None."""
    found = importlib.util.find_spec("braindecode")
    if found is None:
        return None
    root = pathlib.Path(found.submodule_search_locations[0])
    for name, folder in (("braindecode", root), ("braindecode.models", root / "models")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    unused = types.ModuleType("braindecode.models.util")
    unused.__getattr__ = lambda name: mock.MagicMock()
    sys.modules[unused.__name__] = unused
    return importlib.import_module("braindecode.models.syncnet").SyncNet


def contestants(n_chans, n_times, num_filters):
    """Return nets of equal parameters by name, ours first; the outputs are compared before any time is taken."""
    sizes = {"n_chans": n_chans, "n_times": n_times, "num_filters": num_filters} | SIZES
    torch.manual_seed(0)
    nets = {"eegexplain": SyncNet(**sizes), "plain": SyncNet(**sizes)}
    nets["plain"].load_state_dict(nets["eegexplain"].state_dict())
    nets["plain"].factored = nets["plain"].spectral = False
    x = torch.randn(2, n_chans, n_times)
    torch.testing.assert_close(nets["eegexplain"](x), nets["plain"](x), rtol=1e-4, atol=1e-4)
    peer = braindecode_class()
    if peer is not None:
        state = nets["eegexplain"].state_dict()
        del state["input_scale"]
        nets["braindecode"] = peer(**sizes)
        nets["braindecode"].load_state_dict(state)
        ours = SyncNet(**sizes, padding="braindecode")
        ours.load_state_dict(state)
        torch.testing.assert_close(ours(x), nets["braindecode"](x), rtol=1e-4, atol=1e-4)
    return nets


def prediction(net, x):
    with torch.no_grad():
        net.eval()(x)


def training_step(net, x):
    net.train().zero_grad()
    net(x).sum().backward()


def gradient_of_trials(net, x):
    """As analyses take it: of the trials alone."""
    net.eval().requires_grad_(False)
    net(x.detach().requires_grad_()).sum().backward()
    net.requires_grad_(True)


TASKS = {"prediction": prediction, "training step": training_step, "gradient of trials": gradient_of_trials}


def medians(tasks, seconds=SECONDS, least=7):
    """Median CPU seconds per name, runs interleaved in alternating order."""
    times = {name: [] for name in tasks}
    order = list(tasks)
    for name in order:
        tasks[name]()
    start = time.process_time()
    while time.process_time() - start < seconds or len(times[order[0]]) < least:
        for name in order:
            before = time.process_time()
            tasks[name]()
            times[name].append(time.process_time() - before)
        order.reverse()
    return {name: statistics.median(values) for name, values in times.items()}


def ratio(found, name):
    """How many times faster eegexplain is."""
    return f"{found[name] / found['eegexplain']:.2f}x" if name in found else "not installed"


def module_rows():
    """The module by itself."""
    for (batch, *shape, n_filters), target in CASES.items():
        nets = contestants(*shape, n_filters)
        x = torch.randn(batch, *shape)
        for name, task in TASKS.items():
            found = medians({one: functools.partial(task, net, x) for one, net in nets.items()})
            spent = f"{1e3 * found['eegexplain']:.1f} ms"
            ratios = ratio(found, "plain"), ratio(found, "braindecode")
            yield [(batch, *shape), n_filters, name, spent, *ratios, target if name == "training step" else ""]


def bare_loop(make, X, y, n_epochs):
    """Train a module as a short script would: Adam, batches of 16, a fifth of the trials held out after each epoch."""
    torch.manual_seed(0)
    net, x, target = make(), torch.from_numpy(X), torch.from_numpy(y)
    optimizer, n_training = torch.optim.Adam(net.parameters(), lr=0.005), len(x) * 4 // 5
    order = torch.randperm(len(x))
    training, held_out = order[:n_training], order[n_training:]
    for _ in range(n_epochs):
        net.train()
        for part in training[torch.randperm(n_training)].split(16):
            optimizer.zero_grad()
            functional.cross_entropy(net(x[part]), target[part]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            sum(functional.cross_entropy(net(x[part]), target[part]).item() for part in held_out.split(16))


def fit_rows():
    """Epochs of training: more of them less one, so that what comes before and after does not count."""
    for n_trials, n_channels, n_times in [(200, 19, 256), (64, 19, 256), (200, 64, 512)]:
        X = np.random.default_rng(0).standard_normal((n_trials, n_channels, n_times), dtype=np.float32)
        y = np.arange(n_trials) % 2
        sizes = {"n_chans": n_channels, "n_times": n_times, "n_outputs": 2, "num_filters": 20}
        sizes |= {"filter_width": 51, "pool_size": 40}
        makers = {"our module": SyncNet, "braindecode": braindecode_class()}
        tasks = {}
        for n_epochs in (1, 1 + EPOCHS):
            settings = {"readout": "max", "training": "gradient", "sfreq": 128.0, "random_state": 0, "patience": None}
            network = SyncNetClassifier(**settings, max_epochs=n_epochs)
            tasks["eegexplain", n_epochs] = functools.partial(network.fit, X, y)
            for name, kind in makers.items():
                make = None if kind is None else functools.partial(kind, **sizes)
                if make is not None:
                    tasks[name, n_epochs] = functools.partial(bare_loop, make, X, y, n_epochs)
        found = medians(tasks, least=5)
        epoch = {name: (found[name, 1 + EPOCHS] - found[name, 1]) / EPOCHS for name, n in tasks if n == 1}
        target = "2.2x" if (n_trials, n_channels) == (200, 19) else ""
        spent = f"{1e3 * epoch['eegexplain']:.1f} ms"
        yield [(n_trials, n_channels, n_times), spent, ratio(epoch, "our module"), ratio(epoch, "braindecode"), target]


def write(lines, rows):
    """Add rows, and store what there is."""
    for row in rows:
        lines.append(f"| {' | '.join(map(str, row))} |")
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    torch.set_num_threads(1)
    lines = [
        "# SyncNet: the module and its training, one thread",
        "",
        f"2-core x86-64 VM, Python {sys.version.split()[0]}, torch {torch.__version__}; filters of 40 samples, pools",
        "of 40, float32. Median CPU time of interleaved runs in alternating order; a ratio says how many times",
        'faster eegexplain is. All nets hold the same parameters. "Plain" is the same module with a plain',
        "convolution and materialised filters, the peer braindecode 1.8.1's module. Predictions and gradients of",
        "trials are in evaluation mode. Reproduce with `python benchmarks/bench_syncnet.py`.",
        "",
        "| batch, channels, samples | filters | task | eegexplain | against plain | against braindecode | target |",
        "|---|---|---|---|---|---|---|",
    ]
    write(lines, module_rows())
    lines += [
        "",
        'An epoch of `SyncNetClassifier(training="gradient", readout="max")`: 20 filters of 51 samples, batches of 16,',
        "a fifth of the trials held out; against a bare loop around our module and around braindecode's.",
        "",
        "| trials, channels, samples | epoch | against bare loop, our module | bare loop, braindecode | target |",
        "|---|---|---|---|---|",
    ]
    write(lines, fit_rows())


if __name__ == "__main__":
    main()
