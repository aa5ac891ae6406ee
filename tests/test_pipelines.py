"""Pipelines that end in a network: composed by hand, refused by name, explained by what enters them."""

import mne
import numpy as np
import pytest
import torch
from mne.decoding import CSP, SSD, FilterEstimator, Scaler, TemporalFilter, UnsupervisedSpatialFilter, XdawnTransformer
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler
from torch import nn

from eegexplain import (
    FLEXAttributor,
    PerturbationCorrelator,
    ReverseCorrelator,
    SyncNetClassifier,
    as_estimator,
)
from eegexplain._torch import TorchNet
from eegexplain.encoding import unit_responses
from eegexplain.models import EnsembleClassifier

C, T, SFREQ = 4, 96, 64.0
INFO = mne.create_info([f"EEG{k}" for k in range(C)], SFREQ, "eeg")


class Own(TransformerMixin, BaseEstimator):
    """A transformer of the user's: by default the average reference."""

    acts_along = "channels"

    def __init__(self, function=None):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return (lambda X: X - X.mean(1, keepdims=True))(X) if self.function is None else self.function(X)


class Net(nn.Module):
    """A convolution, its log power, a linear readout."""

    def __init__(self, n_channels=C, width=9):
        super().__init__()
        self.conv, self.out = nn.Conv1d(n_channels, 3, width), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(torch.log1p((self.conv(x) ** 2).mean(-1)))


def network(n_channels=C, seed=0):
    torch.manual_seed(seed)
    return Net(n_channels)


@pytest.fixture(scope="module")
def eeg():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = 1e-5 * (rng.standard_normal((C, C)) @ rng.standard_normal((40, C, T)) + 3)
    X[y == 1, 1] += 2e-5 * np.sin(2 * np.pi * 10 * np.arange(T) / SFREQ)
    return X, y


STEPS = {
    "scaler of kinds of channels": (Scaler(INFO), C),
    "scaler of channels": (Scaler(scalings="mean"), C),
    "robust scaler": (Scaler(scalings="median"), C),
    "PCA": (UnsupervisedSpatialFilter(PCA(3, whiten=True)), 3),
    "CSP": (CSP(2, transform_into="csp_space"), 2),
    "xDAWN": (XdawnTransformer(n_components=1), 2),
    "SSD": (SSD(INFO, {"l_freq": 8, "h_freq": 12, "l_trans_bandwidth": 2, "h_trans_bandwidth": 2},
                {"l_freq": 6, "h_freq": 14, "l_trans_bandwidth": 2, "h_trans_bandwidth": 2}, n_components=2), 2),
    "finite impulse response": (TemporalFilter(None, 20, SFREQ), C),
    "recursive filter": (TemporalFilter(4, 20, SFREQ, method="iir"), C),
    "filter of epochs": (FilterEstimator(INFO, None, 20), C),
    "own": (Own(), C),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_a_step_and_a_network_answer_as_when_composed_by_hand(eeg, name):
    X, y = eeg
    step, width = STEPS[name]
    module = network(width).double()
    with mne.use_log_level("ERROR"):
        pipeline = make_pipeline(step, as_estimator(module)).fit(X, y)
        held = TorchNet(pipeline, X.shape[1:])
        transformed = pipeline[:-1].transform(X.copy())
        directions = np.random.default_rng(1).standard_normal(X.shape) * X.std()
        ahead, behind = (pipeline[:-1].transform(X + sign * 1e-4 * directions) for sign in (1, -1))
    alone = TorchNet(as_estimator(module), transformed.shape[1:])
    scale = np.abs(alone.outputs(transformed)).max()
    np.testing.assert_allclose(held.outputs(X), alone.outputs(transformed), rtol=1e-9, atol=1e-9 * scale)
    slope = (alone.outputs(ahead) - alone.outputs(behind)) / 2e-4
    (found,) = held.gradients(X, batch_size=len(X))
    along = np.einsum("noct,nct->no", found.gradients, directions)
    np.testing.assert_allclose(along, slope, rtol=1e-4, atol=1e-6 * np.abs(slope).max())


def test_trials_of_one_channel_pass_scalers_of_samples(eeg):
    X, y = eeg[0][:, 0] * 1e5, eeg[1]
    steps = [StandardScaler(), RobustScaler(), MinMaxScaler((-1, 1)), "passthrough", FunctionTransformer(), PCA(30)]
    pipeline = make_pipeline(*steps, as_estimator(network(1).double())).fit(X, y)
    alone = TorchNet(pipeline[-1], (30,)).outputs(pipeline[:-1].transform(X))
    np.testing.assert_allclose(TorchNet(pipeline, (T,)).outputs(X), alone, rtol=1e-9, atol=1e-11)


def by_hand(pipeline, module):
    """The network behind scaled channels, as a module of its own."""
    scaler = pipeline[0].scaler_
    front = nn.Conv1d(C, C, 1)
    with torch.no_grad():
        front.weight.copy_(torch.diag(torch.tensor(1 / scaler.scale_))[..., None])
        front.bias.copy_(torch.tensor(-scaler.mean_ / scaler.scale_))
    return nn.Sequential(front, module)


def test_analyses_refer_to_what_enters_the_pipeline(eeg):
    X, y = eeg
    module = network()
    pipeline = make_pipeline(Scaler(scalings="mean"), as_estimator(module)).fit(X, y)
    composed = as_estimator(by_hand(pipeline, module))
    held, other = FrozenEstimator(pipeline), composed
    settings = {"sfreq": SFREQ, "ch_names": INFO["ch_names"]}
    flex = [FLEXAttributor(one, basis="bands", **settings).fit(X, y) for one in (held, other)]
    assert flex[0].explanation_["value"].dims == ("output", "channel", "band")
    moved = [PerturbationCorrelator(one, method="gradient", **settings).fit(X, y) for one in (held, other)]
    drawn = [PerturbationCorrelator(one, layers=[layer], n_iterations=2, random_state=0, **settings).fit(X, y)
             for one, layer in ((held, "conv"), (other, "1.conv"))]  # fmt: skip
    waves = [ReverseCorrelator(one, layer=layer, **settings).fit(X, y)
             for one, layer in ((held, "conv"), (other, "1.conv"))]  # fmt: skip
    assert waves[0].receptive_field_ == waves[1].receptive_field_
    units = [unit_responses(one, X, layer=layer).data for one, layer in ((held, "conv"), (other, "1.conv"))]
    pairs = [[one.attributions_ for one in flex], [one.correlations_ for one in moved],
             [next(iter(one.layer_correlations_.values())) for one in drawn],
             [one.templates_ for one in waves], units]  # fmt: skip
    for one, same in pairs:
        np.testing.assert_allclose(one, same, rtol=1e-3, atol=1e-4 * np.abs(same).max())
    assert TorchNet(pipeline, (C, T)).default_layer() == "conv"
    with pytest.raises(ValueError, match="Unknown layer 'convv'. Did you mean 'conv'.*are: conv, out."):
        ReverseCorrelator(held, layer="convv").fit(X, y)


def test_a_pipeline_is_trained_and_explained_as_one(eeg):
    X, y = eeg
    net = SyncNetClassifier(num_filters=2, max_epochs=3, sfreq=SFREQ, random_state=0)
    correlator = PerturbationCorrelator(make_pipeline(Scaler(scalings="mean"), net), random_state=0).fit(X, y)
    assert correlator.method_ == "gradient" and correlator.sfreq_ == SFREQ
    fitted = correlator.estimator_
    alone = TorchNet(fitted[-1], (C, T)).outputs(fitted[0].transform(X))
    np.testing.assert_allclose(TorchNet(fitted, (C, T)).outputs(X), alone, rtol=1e-3, atol=1e-5)
    several = EnsembleClassifier([FrozenEstimator(fitted), FrozenEstimator(fitted)]).fit(X, y)
    np.testing.assert_allclose(TorchNet(several, (C, T)).outputs(X), alone, rtol=1e-3, atol=1e-5)


def test_pipelines_inside_pipelines_and_the_network_is_left_as_it_was(eeg):
    X, y = eeg
    module = network()
    module.register_buffer("count", torch.tensor(3.0, dtype=torch.float64))
    inner = Pipeline([("reference", Own()), ("net", as_estimator(module))])
    front = Pipeline([("one", Own(np.negative)), ("two", Own())])
    pipeline = Pipeline([("front", front), ("inner", inner)]).fit(X, y)
    alone = TorchNet(as_estimator(module), (C, T)).outputs(X.mean(1, keepdims=True) - X)
    np.testing.assert_allclose(TorchNet(pipeline, (C, T)).outputs(X), alone, rtol=1e-4, atol=1e-6)
    assert module.count.dtype == torch.float64 and module.conv.weight.dtype == torch.float32 and module.training


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (FunctionTransformer(np.negative), TypeError, r"Step 'step' \(FunctionTransformer\).*acts_along"),
        (CSP(2), TypeError, r"Step 'step' \(CSP\).*CSP\(transform_into='csp_space'\)"),
        (Own(np.abs), ValueError, r"Step 'step' \(Own\).*is no affine map along channels.*pipeline\[-1\]"),
        (Own(lambda X: X[:, :, ::-1]), ValueError, "is no affine map along channels"),
        (Own(lambda X: X - X.mean()), ValueError, "is no affine map along channels"),
        (Own(lambda X: X[:, :, :60]), ValueError, r"makes trials of shape \(4, 60\) of trials of shape \(4, 96\)"),
    ],
)
def test_other_steps_are_named_with_their_cure(eeg, step, error, message):
    X, y = eeg
    pipeline = Pipeline([("step", step), ("net", as_estimator(network(2 if isinstance(step, CSP) else C)))])
    with mne.use_log_level("ERROR"):
        pipeline[:-1].fit(X, y)
    with pytest.raises(error, match=message):
        FLEXAttributor(FrozenEstimator(pipeline)).fit(X, y)


@pytest.mark.filterwarnings("ignore:after 2 draws")
def test_what_has_no_gradients_is_explained_by_draws(eeg):
    X, y = eeg
    function = make_pipeline(FunctionTransformer(np.negative), as_estimator(network())).fit(X, y)
    found = PerturbationCorrelator(FrozenEstimator(function), n_iterations=2, bands="eeg", sfreq=SFREQ).fit(X, y)
    assert found.method_ == "sampling"
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:, 0], y)
    with pytest.raises(TypeError, match="Pipeline is not a torch network"):
        PerturbationCorrelator(FrozenEstimator(linear), method="gradient").fit(X[:, 0], y)
