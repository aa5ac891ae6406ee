"""Do maps show what is true? A task with known frequencies, hand-built networks, and simulated EEG.

``python benchmarks/bench_faithfulness.py tones`` trains the network of FreqRISE's synthetic task [1]_ with selection
and confirmation seeds and compares responses and methods; ``... eeg`` scores FLEX and perturbation correlation against
what hand-built networks use and against what simulated classes differ in. Tables go to ``benchmarks/results``.

.. [1] Brüsch, Schmidt & Vladymyrov et al. (2024). FreqRISE: explaining time series using frequency masking.
   https://doi.org/10.48550/arXiv.2406.13584
"""

import contextlib
import io
import pathlib
import platform
import sys
import time
import warnings

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain._validation import spawn_seeds
from eegexplain.attribution import FLEXAttributor, FrequencyDomainModel
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import (
    average_precision,
    complexity,
    deletion_curve,
    relevance_rank_accuracy,
    sign_agreement,
)
from eegexplain.models import SyncNetClassifier
from eegexplain.perturbation import PerturbationCorrelator

RESULTS = pathlib.Path(__file__).parent / "results"
N_TIMES, SALIENT = 2560, np.array([5, 16, 32, 53])
OTHERS = np.setdiff1d(np.arange(1, 61), SALIENT)
N_TRAIN, N_EPOCHS, N_TEST = 20000, 20, 200
NOISE = {"low": 0.01, "high": 0.8}
SELECTION, CONFIRMATION = range(5), range(5, 10)
DELETED = np.linspace(0, 0.05, 17)  # 0 to 64 of 1281 bins: a trial has at most 49 tones
RESPONSES = ("logit", "centered_logit", "logprob", "prob", "margin")
METHODS = ("integrated_gradients", "input_x_gradient", "deep_lift", "gradient_shap", "saliency")


def machine():
    """One line on where this ran."""
    return f"2-core x86-64 VM, Python {platform.python_version()}, torch {torch.__version__}, one thread"


# ------------------------------------------------------------------ tones
def tones(n_trials, noise, rng):
    """Sums of 10 to 49 tones of random phase; the class is which of the four salient ones are there."""
    y = rng.integers(0, 16, n_trials)
    spectra = np.zeros((n_trials, N_TIMES // 2 + 1), np.complex64)
    for row, label in zip(spectra, y, strict=True):
        on = SALIENT[(label >> np.arange(4)) & 1 == 1]
        bins = np.concatenate([on, rng.choice(OTHERS, max(rng.integers(10, 50) - len(on), 0), replace=False)])
        row[bins] = np.exp(2j * np.pi * rng.random(len(bins))) * N_TIMES / 2
    x = np.fft.irfft(spectra, n=N_TIMES).astype(np.float32)
    return x + noise * rng.standard_normal(x.shape, dtype=np.float32), y


def salient_bins(y):
    """Truth `(n_trials, 1, n_bins)`."""
    truth = np.zeros((len(y), 1, N_TIMES // 2 + 1), bool)
    truth[:, 0, SALIENT] = (y[:, None] >> np.arange(4)) & 1 == 1
    return truth


def train_tones(noise, seed):
    """Train one network and give it with clean test trials of classes with a salient tone."""
    rng = np.random.default_rng([seed, int(100 * noise)])
    x, y = (torch.from_numpy(part) for part in tones(N_TRAIN, noise, rng))
    torch.manual_seed(seed)
    sizes = [N_TIMES, 64, 64, 64, 16]
    layers = [layer for a, b in zip(sizes[:-1], sizes[1:], strict=True) for layer in (nn.Linear(a, b), nn.ReLU())]
    net = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(N_EPOCHS):
        for batch in torch.randperm(N_TRAIN).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    x, y = tones(N_TEST + 40, 0.0, rng)
    accuracy = (net(torch.from_numpy(x)).argmax(1).numpy() == y).mean()
    keep = np.flatnonzero(y > 0)[:N_TEST]
    return net.eval(), x[keep].astype(float), y[keep], accuracy


def frozen(module, n_classes):
    """Wrap a trained module for the estimators."""
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, classes=np.arange(n_classes), train_split=None)
    return FrozenEstimator(net.initialize())


def score_map(net, x, y, maps):
    """Rank accuracy in percent, deletion area and gain over random order, complexity."""
    def own_probability(trials):
        with torch.no_grad():
            probabilities = net(torch.from_numpy(trials[:, 0].astype(np.float32))).softmax(1).numpy()
        return probabilities[np.arange(len(y)), y]

    curve = deletion_curve(own_probability, x[:, None], maps, fractions=DELETED, n_random=1, random_state=0)
    return {"rank": 100 * np.nanmean(relevance_rank_accuracy(maps, salient_bins(y))), "deletion": curve.auc.mean(),
            "gain": curve.gain.mean(), "complexity": complexity(np.maximum(maps, 0)).mean()}


def our_maps(net, x, y):
    """Yield (name, maps, seconds per trial) of every response and method."""
    estimator = frozen(net, 16)
    for method in METHODS:
        for response in RESPONSES:
            flex = FLEXAttributor(estimator, method=method, response=response, n_steps=2, random_state=0)
            flex.fit(x[:16], np.arange(16)).set_params(n_steps="auto")
            start = time.process_time()
            maps = flex.explain(x, target=y)["value"].values
            yield f"{method} of {response}", maps, (time.process_time() - start) / len(x)


def peer_maps(net, x, y):
    """Yield the same for captum on the composed model and for freqIG 0.1.8, both of the logit."""
    from _freqig import freqig_attribute
    from captum.attr import IntegratedGradients

    composed = FrequencyDomainModel(net, N_TIMES)
    spectrum = composed.spectrum(torch.from_numpy(x.astype(np.float32)))
    start = time.process_time()
    parts = [IntegratedGradients(composed).attribute(spectrum[k : k + 10], target=torch.from_numpy(y[k : k + 10]))
             for k in range(0, len(x), 10)]
    maps = torch.cat(parts).sum(-1).detach().numpy()[:, None]
    yield "captum, composed model, 50 steps, logit", maps, (time.process_time() - start) / len(x)
    attribute = freqig_attribute()
    if attribute is not None:
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints every target
            maps = [attribute(torch.from_numpy(trial.astype(np.float32)), net, target=int(label))
                    for trial, label in zip(x, y, strict=True)]
        yield "freqIG 0.1.8, logit", np.array(maps)[:, None], (time.process_time() - start) / len(x)


def run_tones():
    """All seeds of one kind; tables of means over seeds."""
    lines = [f"# Which frequencies matter: FreqRISE's synthetic task\n\n{machine()}; {N_TRAIN} training trials "
             f"(the recipe has 100000), {N_EPOCHS} epochs, {N_TEST} clean test trials with a salient tone per network. "
             "Rank: relevance rank accuracy in percent (100 is best; lowest network in brackets). Deletion: mean "
             "probability of the true class while 0 to 5 % of the bins are zeroed, the most relevant first (lower is "
             "better; it rewards brittle networks, so read the gain over random order, higher is better). Complexity: "
             "entropy of the positive relevance in nats. Reproduce with `python benchmarks/bench_faithfulness.py "
             "tones`.\n"]
    for kind, seeds in (("Selection", SELECTION), ("Confirmation", CONFIRMATION)):
        for level, noise in NOISE.items():
            lines += table_of_tones(kind, level, noise, seeds)
            (RESULTS / "faithfulness_tones.md").write_text("\n".join(lines) + "\n")


def table_of_tones(kind, level, noise, seeds):
    """One table: methods and responses as rows."""
    rows, accuracies = {}, []
    for seed in seeds:
        net, x, y, accuracy = train_tones(noise, seed)
        accuracies.append(accuracy)
        for maps_of in (our_maps, peer_maps):
            for name, maps, seconds in maps_of(net, x, y):
                rows.setdefault(name, []).append(score_map(net, x, y, maps) | {"ms": 1000 * seconds})
    head = [f"\n## {kind} seeds {seeds.start}-{seeds.stop - 1}, {level} noise (SD {noise}), clean accuracy "
            f"{100 * min(accuracies):.1f} % or more\n",
            "| method and response | rank | deletion | gain | complexity | ms per trial |", "|---|---|---|---|---|---|"]
    for name, found in rows.items():
        mean = {key: np.mean([one[key] for one in found]) for key in found[0]}
        lowest = min(one["rank"] for one in found)
        head.append(f"| {name} | {mean['rank']:.1f} ({lowest:.1f}) | {mean['deletion']:.3f} | {mean['gain']:.3f} | "
                    f"{mean['complexity']:.2f} | {mean['ms']:.1f} |")
    return head


# -------------------------------------------------------------------- EEG
class BandPower(nn.Module):
    """A network whose use of every channel and frequency is known: weighted power of filtered channels."""

    def __init__(self, n_channels, sfreq, uses):
        super().__init__()
        times = torch.arange(-64, 65, dtype=torch.float32) / sfreq
        window = torch.hann_window(131, periodic=False)[1:-1]
        kernels = [window * torch.cos(2 * np.pi * frequency * times + phase)
                   for _, frequency, _ in uses for phase in (0.0, np.pi / 2)]
        self.register_buffer("kernels", torch.stack(kernels)[:, None].float() / 64)
        self.channels = [channel for channel, _, _ in uses for _ in range(2)]
        self.weights = nn.Parameter(torch.tensor([weight for _, _, weight in uses], dtype=torch.float32))

    def forward(self, x):
        """Two logits, the evidence and its mirror image."""
        filtered = nn.functional.conv1d(x[:, self.channels], self.kernels, groups=len(self.channels), padding=64)
        power = (filtered**2).mean(-1).reshape(len(x), -1, 2).sum(-1)
        evidence = power @ self.weights
        return torch.stack([-evidence, evidence], 1) / 2


def random_use(eeg, rng):
    """Three uses: two of either sign and one that subtracts the first's frequency at another channel."""
    channels = rng.choice(len(eeg.ch_names), 3, replace=False)
    first, second = rng.choice(np.arange(6, 40, 4.0), 2, replace=False)
    signs = rng.permutation([1.0, -1.0])
    return [(channels[0], first, signs[0]), (channels[1], second, signs[1]), (channels[2], first, -signs[0])]


def truth_of_use(eeg, uses):
    """Sign of use per channel and frequency, and the cells that are clearly used or clearly not."""
    sign = np.zeros((len(eeg.ch_names), len(eeg.frequencies)))
    scored = np.ones(sign.shape, bool)
    for channel, frequency, weight in uses:
        distance = np.abs(eeg.frequencies - frequency)
        sign[channel, distance <= 0.5] = np.sign(weight)
        scored[channel, (distance > 0.5) & (distance < 2.5)] = False
    return sign, scored


def explain_all(estimator, X, y, sfreq):
    """Maps of the second output: FLEX (mean attribution) and perturbation correlation with either noise."""
    maps = {"FLEX": FLEXAttributor(estimator, sfreq=sfreq, tol=0.05, random_state=0).fit(X, y).attributions_[1]}
    for noise in ("independent", "data"):
        correlator = PerturbationCorrelator(estimator, noise=noise, sfreq=sfreq, random_state=0).fit(X, y)
        maps[f"perturbation, {noise} noise"] = correlator.correlations_[1]
    return maps


def class_difference(X, y, mean):
    """Difference of the classes' log power, without a network: of the mean power, or the mean of the trials' logs."""
    power = np.abs(np.fft.rfft(X)) ** 2 + 1e-12
    first, second = (mean(power[y == label]) for label in (0, 1))
    return second - first


def log_of_mean(power):
    return np.log(power.mean(0))


def mean_of_log(power):
    return np.log(power).mean(0)


def model_truth(seed, table):
    """A hand-built network on simulated EEG: maps against its use."""
    eeg = make_oscillatory_eeg(n_trials=60, random_state=seed)
    uses = random_use(eeg, np.random.default_rng(seed))
    sign, scored = truth_of_use(eeg, uses)
    net = frozen(BandPower(len(eeg.ch_names), eeg.sfreq, uses), 2)
    maps = explain_all(net, eeg.X, eeg.y, eeg.sfreq)
    maps["data only, log of mean power"] = class_difference(eeg.X, eeg.y, log_of_mean)
    for name, values in maps.items():
        add(table, name, average_precision(values, sign != 0, scored=scored), sign_agreement(values, sign))


def data_truth(seed, table):
    """Trained, untrained and label-permuted networks: maps of held-out trials against the classes' difference.

    A network sees 200 trials in training and 100 when it is explained; the data alone get the same 300.
    """
    eeg = make_oscillatory_eeg(n_trials=300, random_state=1000 + seed)
    informative = eeg.truth.role == "informative"
    scored = informative | (eeg.truth.role == "irrelevant")

    def score(name, values):
        add(table, name, average_precision(values, informative, scored=scored),
            sign_agreement(values, eeg.truth.effect[1], scored=informative))

    train, test = slice(0, 200), slice(200, 300)
    net = SyncNetClassifier(readout="max", training="gradient", sfreq=eeg.sfreq)
    start = {"max_epochs": 1, "lr": 1e-12}
    permuted = np.random.default_rng(seed).permutation(eeg.y[train])
    for kind, labels, settings in (("trained", eeg.y[train], {}), ("permuted", permuted, {}),
                                   ("untrained", eeg.y[train], start)):
        fitted = spawn_seeds(net, np.random.RandomState(seed)).set_params(**settings).fit(eeg.X[train], labels)
        estimator = FrozenEstimator(fitted)
        if kind == "trained":
            add(table, "accuracy", estimator.score(eeg.X[test], eeg.y[test]), np.nan)
        for name, values in explain_all(estimator, eeg.X[test], eeg.y[test], eeg.sfreq).items():
            score(f"{name}, {kind} network", values)
    for words, part in (("the 300 trials that a network sees", slice(None)), ("the 100 held-out trials only", test)):
        for name, mean in (("log of mean power", log_of_mean), ("mean of log power", mean_of_log)):
            score(f"data only, {name}, {words}", class_difference(eeg.X[part], eeg.y[part], mean))
    add(table, "chance (share of informative cells)", informative.sum() / scored.sum(), 0.5)


def add(table, name, *values):
    table.setdefault(name, []).append(tuple(float(value) for value in values))


def interval(values):
    """Mean and 95 % interval over seeds."""
    values = np.asarray(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.3f} ± {half:.3f}"


def run_eeg(n_seeds=20):
    """Both truths over seeds."""
    parts = [f"# What the network uses, what the classes differ in\n\n{machine()}; {n_seeds} seeds, mean ± half a 95 % "
             "confidence interval. Average precision of sizes of map cells (channels x frequencies), and share of "
             "true cells with the right sign. An area under the ROC curve is not given: most cells are irrelevant, and "
             "it is high for untrained networks, too. Reproduce with `python benchmarks/bench_faithfulness.py eeg`.\n"]
    for title, function in (
        ("Model truth: hand-built networks of band power at three channels, one of which subtracts", model_truth),
        ("Data truth: SyncNet trained on 200 simulated trials, maps of 100 others; data only: the same 300; "
         "informative against irrelevant cells", data_truth),
    ):
        table = {}
        for seed in range(n_seeds):
            function(seed, table)
        accuracy = table.pop("accuracy", None)
        if accuracy:
            title += f" (accuracy {interval([one[0] for one in accuracy])})"
        parts += [f"\n## {title}\n", "| map | average precision | sign agreement |", "|---|---|---|"]
        parts += [f"| {name} | {interval([v[0] for v in values])} | {interval([v[1] for v in values])} |"
                  for name, values in table.items()]
    parts += ["\nA network has seen 200 trials when its map is made of the other 100; a map that needs no network can "
              "use all 300, and\nthen shows where the classes differ at least as well. Maps of networks answer another "
              "question: what this network uses\n(independent noise, FLEX), or what goes with its output (data noise)."]
    (RESULTS / "faithfulness_eeg.md").write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # unconverged trials of kinked networks
    RESULTS.mkdir(exist_ok=True)
    {"tones": run_tones, "eeg": run_eeg}[sys.argv[1]]()
