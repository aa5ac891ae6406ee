"""SyncNet against itself with a plain convolution and, where installed, against braindecode 1.8.1's class.

Run ``python benchmarks/bench_syncnet.py``; the table goes to ``benchmarks/results/syncnet.md``. The peer needs
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

import torch

from eegexplain.models import SyncNet

SHAPES = [(64, 64, 256), (64, 62, 2000), (64, 1, 3000)]
TARGETS = [4.0, 4.0, 0.9]
SIZES = {"n_outputs": 2, "num_filters": 10, "filter_width": 40, "pool_size": 40}
SECONDS = 6.0  # per shape and task
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


def contestants(n_chans, n_times):
    """Return nets of equal parameters by name, ours first; the outputs are compared before any time is taken."""
    sizes = {"n_chans": n_chans, "n_times": n_times} | SIZES
    torch.manual_seed(0)
    nets = {"eegexplain": SyncNet(**sizes), "plain convolution": SyncNet(**sizes)}
    nets["plain convolution"].load_state_dict(nets["eegexplain"].state_dict())
    nets["plain convolution"].factored = False
    x = torch.randn(2, n_chans, n_times)
    torch.testing.assert_close(nets["eegexplain"](x), nets["plain convolution"](x), rtol=1e-4, atol=1e-4)
    peer = braindecode_class()
    if peer is not None:
        state = nets["eegexplain"].state_dict()
        del state["input_scale"]
        nets["braindecode 1.8.1"] = peer(**sizes)
        nets["braindecode 1.8.1"].load_state_dict(state)
        ours = SyncNet(**sizes, padding="braindecode")
        ours.load_state_dict(state)
        torch.testing.assert_close(ours(x), nets["braindecode 1.8.1"](x), rtol=1e-4, atol=1e-4)
    return nets


def forward(net, x):
    with torch.no_grad():
        net(x)


def forward_backward(net, x):
    net.zero_grad()
    net(x).sum().backward()


def forward_backward_to_input(net, x):
    net.zero_grad()
    net(x.detach().requires_grad_()).sum().backward()


def medians(task, nets, x):
    """Median CPU seconds per net, runs interleaved in alternating order."""
    times = {name: [] for name in nets}
    order = list(nets)
    for name in order:
        task(nets[name], x)
    start = time.process_time()
    while time.process_time() - start < SECONDS or len(times[order[0]]) < 9:
        for name in order:
            before = time.process_time()
            task(nets[name], x)
            times[name].append(time.process_time() - before)
        order.reverse()
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    torch.set_num_threads(1)
    lines = [
        "# SyncNet: the whole module, one thread",
        "",
        f"2-core x86-64 VM, Python {sys.version.split()[0]}, torch {torch.__version__}; 10 filters of 40 samples,",
        "pools of 40, float32. Median CPU time of interleaved runs in alternating order; a ratio says how many times",
        'faster eegexplain is. All nets hold the same parameters. "Plain" is the same module with a plain',
        "convolution and materialised filters. Reproduce with `python benchmarks/bench_syncnet.py`.",
        "",
        "| batch, channels, samples | task | route | eegexplain | against plain | against braindecode 1.8.1 | target |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape, target in zip(SHAPES, TARGETS, strict=True):
        nets = contestants(*shape[1:])
        x = torch.randn(shape)
        route = "factored" if nets["eegexplain"].factored else "plain"
        for task in (forward, forward_backward, forward_backward_to_input):
            found = medians(task, nets, x)
            ours = found["eegexplain"]
            ratios = [
                f"{found[name] / ours:.2f}x" if name in found else "not installed"
                for name in ("plain convolution", "braindecode 1.8.1")
            ]
            cells = [
                str(shape),
                task.__name__.replace("_", " "),
                route,
                f"{1e3 * ours:.1f} ms",
                *ratios,
                f"{target:g}x",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            sys.stdout.write(lines[-1] + "\n")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
