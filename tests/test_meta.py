"""What all explainers share, on the least explainer there can be."""

import pickle
import signal
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from torch import nn

from eegexplain import _meta
from eegexplain._explanation import make_explanation, population_error
from eegexplain._meta import Explainer
from eegexplain.models import SyncNetClassifier, SyncNetRegressor
from tests.estimators import FAST, SFREQ, fast_classifier, fast_gradient, fast_regressor, trials


class GradientMean(Explainer):
    """Mean gradient per channel: enough to exercise the base."""

    def __init__(self, estimator=None, *, sfreq=None, ch_names=None, random_state=None):
        self.estimator = estimator
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.random_state = random_state

    def _explain_population(self, X, y, groups):
        per_trial = self._explain_trials(X)
        influence = per_trial - per_trial.mean(0)
        coords = self._trial_coords()
        error = population_error(influence, groups)
        return make_explanation(per_trial.mean(0), tuple(coords), coords, standard_error=error, method="gradient")

    def _store(self, dataset):
        self.gradients_ = dataset["value"].values

    def _trial_coords(self):
        return {"output": self.output_names_, "channel": self.ch_names_}

    def _explain_trials(self, X):
        return np.concatenate([g.mean(-1) for _, _, g in self._network().gradients(X)])


class Score(Explainer):
    """Needs no gradient: the inner estimator's decision per trial."""

    def __init__(self, estimator=None, *, sfreq=None, ch_names=None):
        self.estimator = estimator
        self.sfreq = sfreq
        self.ch_names = ch_names

    def _explain_population(self, X, y, groups):
        return make_explanation(self._explain_trials(X).mean(0), ("output",), self._trial_coords())

    def _trial_coords(self):
        return {"output": self.output_names_[-1:]}

    def _explain_trials(self, X):
        X = X.reshape(len(X), *self.trial_shape_)
        method = "decision_function" if hasattr(self.estimator_, "decision_function") else "predict"
        return np.asarray(getattr(self.estimator_, method)(X)).reshape(len(X), 1)


def test_fit_explain_transform_agree():
    X, y = trials()
    e = GradientMean(fast_classifier(), ch_names=["C3", "Cz", "C4"]).fit(X, y)
    assert e.sfreq_ == SFREQ  # the inner estimator's
    assert list(e.get_feature_names_out()) == [f"{c}@{k}" for k in ("left", "right") for c in ("C3", "Cz", "C4")]
    evidence = e.transform(X)
    dataset = e.explain(X)
    assert dataset["value"].dims == ("trial", "output", "channel")
    np.testing.assert_array_equal(evidence, dataset["value"].values.reshape(12, -1))
    np.testing.assert_allclose(e.gradients_, evidence.mean(0).reshape(2, 3))
    np.testing.assert_allclose(dataset["value"].sel(channel="C3", output="left").values, evidence[:, 0])
    held_out = e.explain_population(X[:5])
    np.testing.assert_allclose(held_out["value"].values.ravel(), e.transform(X[:5]).mean(0))
    frame = clone(e).set_output(transform="pandas").fit(X, y).transform(X)
    assert list(frame.columns) == list(e.get_feature_names_out())
    np.testing.assert_array_equal(e.predict_proba(X), e.estimator_.predict_proba(X))
    assert e.score(X, y) == e.estimator_.score(X, y)


@pytest.mark.parametrize("method", ["transform", "explain", "explain_population", "predict", "get_feature_names_out"])
def test_not_fitted(method):
    e = GradientMean(fast_classifier())
    with pytest.raises(NotFittedError):
        getattr(e, method)(*([] if method.startswith("get") else [trials()[0]]))


def test_labels_of_several_types_are_named_before_a_default_estimator_is_chosen():
    X, _ = trials(n_trials=6)
    with pytest.raises(TypeError, match=r"y mixes labels of several types \(int, str\)"):
        GradientMean().fit(X, np.array([1, "a"] * 3, dtype=object))


def test_default_estimator_follows_the_target(monkeypatch):
    monkeypatch.setattr(SyncNetClassifier.__init__, "__kwdefaults__",
                        {**SyncNetClassifier.__init__.__kwdefaults__, "max_epochs": 1})  # fmt: skip
    X, y = trials()
    e = GradientMean(sfreq=SFREQ, random_state=0).fit(X, y)
    assert isinstance(e.estimator_, SyncNetClassifier) and e.estimator_.sfreq == SFREQ
    X, y = trials(regression=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*strata are merged")  # the trials are short
        e = GradientMean(random_state=0).fit(X, y)
    assert isinstance(e.estimator_, SyncNetRegressor)
    assert e.sfreq_ == 1.0 and e.output_names_ == ["output"]
    assert e.estimator_.sfreq is None and e.estimator_.templates_.shape[2] > 1  # not filters of 0.4 s at 1 Hz
    assert list(e.get_feature_names_out()) == ["ch0", "ch1", "ch2"]


def test_frozen_is_the_same_object():
    X, y = trials()
    net = fast_classifier().fit(X, y)
    e = GradientMean(FrozenEstimator(net)).fit(X, y)
    assert e.estimator_.estimator is net and e.sfreq_ == SFREQ
    unfitted = GradientMean(FrozenEstimator(fast_classifier()))
    with pytest.raises(NotFittedError):
        unfitted.fit(X, y)


class Small(nn.Module):
    def __init__(self, n_outputs=2):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(96, n_outputs))

    def forward(self, x):
        return self.body(x)


def test_bare_skorch_nets_get_their_dtype_and_shape():
    X, y = trials()  # float64, and string labels are not skorch's: give codes
    e = GradientMean(NeuralNetClassifier(Small, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0,
                                         train_split=None)).fit(X, (y == "right").astype(np.int64))  # fmt: skip
    assert e.transform(X).shape == (12, 6) and e.predict(X).shape == (12,)
    X, y = trials(regression=True)
    net = NeuralNetRegressor(Small, module__n_outputs=1, max_epochs=1, verbose=0, train_split=None)
    e = GradientMean(net).fit(X, y)
    assert e.transform(X).shape == (12, 3)
    assert e.predict(X).shape == (12,) and e.predict(X).dtype == np.float64


@pytest.mark.parametrize(("inner", "classifier"), [(LogisticRegression(), True), (Ridge(), False)])
def test_tags_are_copied_and_any_estimator_works(inner, classifier):
    X, y = trials(regression=not classifier)
    e = Score(inner)
    assert is_classifier(e) == classifier and is_regressor(e) != classifier
    e.fit(X[:, 0], y)
    assert e.transform(X[:, 0]).shape == (12, 1)
    assert e.explain(X[:, 0])["value"].dims == ("trial", "output")
    with pytest.raises(TypeError, match="not a torch network"):
        GradientMean(inner).fit(X[:, 0], y)


def test_methods_are_those_of_the_inner_estimator():
    assert hasattr(GradientMean(fast_classifier()), "predict_proba")
    assert not hasattr(GradientMean(fast_regressor()), "predict_proba")
    assert is_classifier(GradientMean())


def test_grid_search_in_a_pipeline_stratifies():
    X, y = trials(n_trials=18)
    y = np.sort(y)  # unstratified folds would hold one class
    search = GridSearchCV(
        make_pipeline(GradientMean(fast_classifier()), LogisticRegression()),
        {"gradientmean__estimator__num_filters": [1, 2]},
        cv=StratifiedKFold(3),
        error_score="raise",
    )
    search.fit(X, y)
    assert len(search.cv_results_["mean_test_score"]) == 2
    alone = GridSearchCV(GradientMean(fast_classifier()), {"estimator__num_filters": [1, 2]}, cv=3, error_score="raise")
    assert alone.fit(X, y).best_estimator_.explanation_ is not None


def test_groups_reach_the_errors_and_the_inner_estimator():
    X, y = trials()
    groups = np.repeat(["a", "b", "c"], 4)
    plain = GradientMean(fast_classifier()).fit(X, y)
    clustered = GradientMean(fast_classifier()).fit(X, y, groups=groups)
    assert not np.allclose(plain.explanation_["standard_error"], clustered.explanation_["standard_error"])
    with pytest.raises(ValueError, match="groups has length 3"):
        clone(plain).fit(X, y, groups=[0, 1, 2])


def test_metadata_routing():
    X, y = trials()
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        e = Score(inner).fit(X[:, 0], y, sample_weight=np.ones(12))
        assert e.score(X[:, 0], y, sample_weight=np.ones(12)) == e.estimator_.score(X[:, 0], y)
        with pytest.raises(TypeError, match="unexpected argument"):
            Score(inner).fit(X[:, 0], y, no_such_thing=1)


def test_routed_groups_reach_an_inner_estimator_that_asks_for_them():
    X, y = trials()
    groups, seen = np.repeat([0, 1, 2], 4), []

    class Asking(SyncNetClassifier):
        def fit(self, X, y, *, groups=None):
            seen.append(groups)
            return super().fit(X, y, groups=groups)

    with sklearn.config_context(enable_metadata_routing=True):
        asking = Asking(**FAST).set_fit_request(groups=True).set_score_request(groups=False)
        e = GradientMean(asking).set_fit_request(groups=True)
        cross_validate(e, X, y, params={"groups": groups}, cv=GroupKFold(3), error_score="raise")
        GradientMean(Asking(**FAST)).fit(X, y, groups=groups)
    GradientMean(Asking(**FAST)).fit(X, y, groups=groups)  # without routing, whoever takes them gets them
    assert [None if g is None else len(g) for g in seen] == [8, 8, 8, None, 12]


def test_several_targets_are_several_outputs():
    X, y = trials(regression=True)
    e = GradientMean(fast_regressor()).fit(X, np.stack([y, -y], 1))
    assert e.output_names_ == ["output0", "output1"] and e.gradients_.shape == (2, 3)


def test_a_refit_forgets_the_classes_of_the_last():
    X, y = trials()
    e = Score(LogisticRegression()).fit(X[:, 0], y)
    assert e.output_names_ == ["left", "right"]
    assert e.set_params(estimator=Ridge()).fit(X[:, 0], np.linspace(0, 1, 12)).output_names_ == ["output"]


def test_labels_that_the_network_does_not_know():
    X, y = trials()
    e = GradientMean(FrozenEstimator(fast_classifier().fit(X, y))).fit(X, y)
    codes = (y == "right").astype(int)
    for method in (e.fit, e.explain_population):
        with pytest.raises(ValueError, match=r"classes \[0, 1\].*fitted on \['left', 'right'\]"):
            method(X, codes)
    with pytest.raises(ValueError, match="NeuralNetClassifier takes class numbers.*LabelEncoder"):
        GradientMean(NeuralNetClassifier(Small)).fit(X, y)


def test_the_sampling_rate_is_found_inside_pipelines_and_searches():
    X, y = trials()
    pipeline = make_pipeline(FunctionTransformer(), fast_classifier())
    search = GridSearchCV(fast_classifier(), {"lr": [0.01]}, cv=2)
    for inner in (pipeline, search, FrozenEstimator(pipeline.fit(X, y)), GradientMean(fast_classifier())):
        assert Score(inner).fit(X, y).sfreq_ == SFREQ
    assert Score(LogisticRegression()).fit(X[:, 0], y).sfreq_ == 1.0


def test_pickle():
    X, y = trials()
    e = GradientMean(fast_classifier()).fit(X, y)
    back = pickle.loads(pickle.dumps(e))
    np.testing.assert_array_equal(back.transform(X), e.transform(X))
    assert back.explanation_.identical(e.explanation_)


def test_errors_say_on_how_many_independent_units_they_rest():
    X, y = trials()
    explainer = GradientMean(fast_classifier()).fit(X, y)
    assert explainer.explanation_.attrs["degrees_of_freedom"] == len(X) - 1
    assert explainer.explain_population(X, y, groups=np.arange(12) % 3).attrs["degrees_of_freedom"] == 2
    assert "degrees_of_freedom" not in explainer.explain(X).attrs
    assert "degrees_of_freedom" not in Score(fast_classifier()).fit(X, y).explanation_.attrs  # no errors


def test_the_default_is_imported_only_when_needed():
    assert isinstance(_meta.default_estimator(np.array([0, 1])), SyncNetClassifier)
    assert isinstance(_meta.default_estimator(np.array([0.5, 1.2])), SyncNetRegressor)


class StopsAt(Callback):
    """Raises at the given moment, or sends the signal that Ctrl-C sends."""

    def __init__(self, moment, send=False):
        self.moment, self.send = moment, send

    def stop(self, moment):
        if moment == self.moment:
            if self.send:
                signal.raise_signal(signal.SIGINT)
            raise KeyboardInterrupt

    def on_batch_end(self, net, **kwargs):
        self.stop("batch")

    def on_epoch_end(self, net, **kwargs):
        self.stop("epoch")


def interrupted_net(moment, send):
    return NeuralNetClassifier(
        Tiny, criterion=nn.CrossEntropyLoss, max_epochs=3, train_split=None, verbose=0,
        callbacks=[StopsAt(moment, send)],
    )


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.readout = nn.Linear(3, 2)

    def forward(self, x):
        return self.readout(x.square().mean(-1))


HOLDERS = {
    "bare": lambda net: net,
    "pipeline": lambda net: make_pipeline(FunctionTransformer(), net),
    "search": lambda net: GridSearchCV(net, {"lr": [0.1]}, cv=2, error_score="raise"),
    "pipeline in a search": lambda net: GridSearchCV(make_pipeline(FunctionTransformer(), net), {}, cv=2),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(("moment", "send"), [("batch", False), ("batch", True), ("epoch", True)])
def test_a_half_trained_net_is_not_explained(holder, moment, send):
    """skorch swallows Ctrl-C."""
    X, y = trials()
    before = signal.getsignal(signal.SIGINT)
    explainer = GradientMean(HOLDERS[holder](interrupted_net(moment, send)))
    with pytest.raises(KeyboardInterrupt):
        explainer.fit(X.astype(np.float32), (y == "right").astype(int))
    assert not hasattr(explainer, "explanation_") and not hasattr(explainer, "estimator_")
    assert signal.getsignal(signal.SIGINT) is before


def test_early_stopping_is_no_interrupt():
    X, y = trials()
    explainer = GradientMean(interrupted_net("epoch", False))
    explainer.fit(X.astype(np.float32), (y == "right").astype(int))  # as skorch's EarlyStopping ends a fit
    assert len(explainer.estimator_.history) == 1


def test_explanations_say_where_they_are_from():
    X, y = trials(n_trials=80)
    first = fast_gradient().fit(X, y)
    attrs = first.explanation_.attrs
    assert "num_filters=2" in attrs["parameters"] and "numpy 2" in attrs["libraries"]
    assert attrs["data_hash"] == fast_gradient().fit(X, y).explanation_.attrs["data_hash"]
    assert attrs["data_hash"] == first.explain_population(X, y).attrs["data_hash"]
    others = (X[:-1], y[:-1]), (X, y[::-1]), (X + 1e-6, y), (X.astype(np.float32), y)
    hashes = {first.explain_population(*other).attrs["data_hash"] for other in others}
    assert len(hashes) == 4 and attrs["data_hash"] not in hashes
    assert first.explain(X[:3]).attrs["data_hash"] != attrs["data_hash"]
