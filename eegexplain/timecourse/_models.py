"""Linear models for each time point, subject and fold."""

from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metaestimators import available_if

from eegexplain._explanation import order_by_content
from eegexplain._parallel import trial_blocks
from eegexplain._settings import check_numbers
from eegexplain._units import Unit, run_units
from eegexplain._validation import as_trials, seeded_parameters
from eegexplain.timecourse._fit import fit_block
from eegexplain.timecourse._folds import divide
from eegexplain.timecourse._generalize import generalize, time_blocks
from eegexplain.timecourse._scores import find_score, predicted_codes, probabilities
from eegexplain.timecourse.ordinal import OrdinalLogisticRegression, class_codes, ordinal_log_proba, warn_not_converged

N_LEFT_OUT = 10  # parts of the trials left out in turn, where no folds tell how a model varies over trials
_TRIAL_BLOCK = 256  # trials answered together
_TIME_BLOCK = 16  # time points solved together; a constant, so that n_jobs changes nothing


def _generator_of(inner):
    """Return a generator from the first `random_state` that a model sets; None where all are None (own starts)."""
    states = [inner.get_params()[name] for name in seeded_parameters(inner)]
    given = [state for state in states if state is not None]
    return check_random_state(given[0]) if given else None


class LinearModelsOverTime(BaseEstimator):
    """Linear models for each time point, subject and fold; predicts with their mean over subjects, folds and times."""

    _reads_by_block = True

    def __init__(self, estimator=None, *, cv=None, scoring=None, generalize=False, n_jobs=None, verbose=0):
        self.estimator = estimator
        self.cv = cv
        self.scoring = scoring
        self.generalize = generalize
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, groups=None, runs=None):
        """Fit to trials (n_trials, n_channels, n_times); `groups` are the subjects, `runs` are left out within them."""
        X = as_trials(X)
        inner = self._inner(y)
        if self.target_ == "numbers":
            target = np.asarray(y, dtype=float)
        else:
            self.classes_, target = class_codes(y)
        parts = divide(self.cv, target, groups, runs, classifier=self.target_ != "numbers")
        rng, alone = _generator_of(inner), len(parts) == 1
        self.groups_ = [part.name for part in parts]
        fits, left_out = zip(*(self._fit_subject(inner, X, target, part, rng, alone) for part in parts), strict=True)
        if len({fit["weights"].shape[1] for fit in fits}) > 1:
            raise ValueError("cv gives subjects different numbers of folds: use a fixed number, such as cv=5.")
        stacked = {key: np.stack([fit[key] for fit in fits]) for key in fits[0]}
        self._keep_replicates(stacked, left_out[0], alone)
        if self.cv is None:
            stacked = {key: value[:, :, :1] for key, value in stacked.items()}
        # (subjects, times, folds, outputs, channels) -> (outputs, subjects, folds, times, channels)
        self.coef_ = stacked["weights"].transpose(3, 0, 2, 1, 4)
        self.patterns_ = stacked["patterns"].transpose(3, 0, 2, 1, 4)
        self.scores_ = None if self.cv is None else stacked["scores"].swapaxes(1, 2)
        if self.generalize:  # (subjects, training times, folds, test times)
            self.generalization_ = stacked["generalization"].swapaxes(1, 2)
        self.chance_ = float(self._score().chance(target))
        self.raw_weights_ = stacked["raw_weights"].mean(axis=(0, 2)).swapaxes(0, 1)
        self.raw_offsets_ = stacked["raw_offsets"].mean(axis=(0, 2)).swapaxes(0, 1)
        if self.target_ == "ordinal":
            self.thresholds_ = stacked["thresholds"].mean(axis=(0, 1, 2))
        return self

    def _keep_replicates(self, stacked, left_out, alone):
        """Keep the models of one subject that left out some trials, and the factor of their jackknife variance."""
        found = slice(None) if self.cv is not None else slice(1, None)
        left_out = left_out[found]
        usable = alone and len(left_out) > 1 and (left_out > 0).all()
        self.replicates_ = {
            kind: stacked[key][:, :, found].transpose(3, 0, 2, 1, 4)
            for kind, key in (("coefficients", "weights"), ("patterns", "patterns")) if usable
        }  # fmt: skip
        self.jackknife_factor_ = float((1 / left_out - 1).mean()) if usable else np.nan

    def _inner(self, y):
        """The model to fit, and ``target_``: what kind of target it has."""
        inner = self.estimator
        if inner is None:
            inner = LogisticRegression()
        if isinstance(inner, OrdinalLogisticRegression):
            check_numbers(inner)
            self.target_ = "ordinal"
        elif is_classifier(inner):
            self.target_ = "binary" if len(np.unique(y)) < 3 else "multiclass"
        else:
            self.target_ = "numbers"
        if hasattr(inner, "_parameter_constraints"):  # its own fit, which would look at them, may never run
            inner._validate_params()
        return inner

    def _score(self):
        inner = LogisticRegression() if self.estimator is None else self.estimator
        return find_score(self.scoring, self.target_, getattr(self, "classes_", None), hasattr(inner, "predict_proba"))

    def _fit_subject(self, inner, X, y, part, rng, alone):
        """Models of one subject, and the share of the trials that each left out."""
        train, test = self._folds(y[part.trials], part)
        if alone and self.cv is None:
            kept = self._all_but_some(X, y)
            train, test = np.concatenate([train, kept]), np.concatenate([test, np.ones_like(kept)])
        seeds = None if rng is None else rng.randint(np.iinfo(np.int32).max, size=(X.shape[2], len(train)))
        trials = slice(None) if len(part.trials) == len(X) else part.trials  # no copy of a single subject
        score = self._score()
        work = partial(
            fit_block, inner=inner, X=X, y=y, trials=trials, train=train, test=test, score=score,
            target=self.target_, n_classes=len(getattr(self, "classes_", ())), seeds=seeds,
        )  # fmt: skip
        parts = self._run(work, trial_blocks(X.shape[2], _TIME_BLOCK), "time points")
        if not all(part["converged"] for part in parts):
            warn_not_converged("A model at some time points")
        found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key != "converged"}
        if self.generalize:
            ask = partial(generalize, X=X, y=y, trials=trials, test=test, found=found, score=score)
            blocks = time_blocks(X.shape[2], int(test.sum(axis=1).max()), found["raw_weights"].shape[2])
            found["generalization"] = np.concatenate(self._run(ask, blocks, "training times"))
        return found, 1 - train.mean(axis=1)

    def _run(self, work, blocks, desc):
        units = [Unit(work, (block,)) for block in blocks]
        return list(run_units(units, n_jobs=self.n_jobs, verbose=self.verbose, desc=desc))

    def _all_but_some(self, X, y):
        """Masks that leave out one of ten parts of the trials each; none with fewer than ten trials (of a class)."""
        classes = y if self.target_ != "numbers" else np.zeros(len(y), dtype=int)
        if np.unique(classes, return_counts=True)[1].min() < N_LEFT_OUT:
            return np.zeros((0, len(y)), dtype=bool)
        order = order_by_content(X)
        order = order[np.argsort(classes[order], kind="stable")]
        part = np.empty(len(y), dtype=int)
        part[order] = np.arange(len(y)) % N_LEFT_OUT
        return part != np.arange(N_LEFT_OUT)[:, None]

    def _folds(self, y, part):
        """Masks of the training and the test trials of every fold."""
        masks = np.zeros((2, len(part.splits), len(y)), dtype=bool)
        for fold, (train, test) in enumerate(part.splits):
            masks[0, fold, train] = masks[1, fold, test] = True
            if self.target_ != "numbers":
                missing = np.setdiff1d(np.arange(len(self.classes_)), y[train])
                if len(missing):
                    whose = "" if part.name is None else f" subject {part.name},"
                    raise ValueError(
                        f"Class {self.classes_[missing[0]]} is missing from the training trials of{whose} "
                        f"fold {fold}: use fewer folds, a stratified cv, or drop the subject."
                    )
        return masks

    # -- prediction with the mean model

    def decision_over_time(self, X):
        """Mean decision values over time, ``(n_outputs, n_trials, n_times)``."""
        trials, weights = as_trials(X), self.raw_weights_
        parts = [np.einsum("ktc,nct->knt", weights, trials[part]) for part in trial_blocks(len(trials), _TRIAL_BLOCK)]
        decision = np.concatenate(parts, axis=1)
        return decision + self.raw_offsets_[:, None]

    def scores_over_time(self, X, y):
        """Score of the mean model at each time of any trials, (n_times,)."""
        decision = self.decision_over_time(X).transpose(2, 1, 0)
        target = np.asarray(y, dtype=float) if self.target_ == "numbers" else np.searchsorted(self.classes_, y)
        return self._score().function(target, predicted_codes(decision, self._thresholds()), decision)

    def _thresholds(self):
        return self.thresholds_ if self.target_ == "ordinal" else None

    def _mean_decision(self, X):
        return self.decision_over_time(X).mean(axis=-1).T

    def predict(self, X):
        """Predict from the decision values averaged over time."""
        decision = self._mean_decision(X)
        if self.target_ == "numbers":
            return decision[:, 0]
        return self.classes_[predicted_codes(decision, self._thresholds())]

    def _classifies(self):
        if self.target_ == "numbers":
            raise AttributeError("a regression has no decision_function and no predict_proba")
        return True

    def _gives_probabilities(self):
        if self.estimator is not None:
            _ = self.estimator.predict_proba
        return self._classifies()

    @available_if(_classifies)
    def decision_function(self, X):
        """Decision values averaged over time: ``(n_trials,)`` for two classes, else ``(n_trials, n_classes)``."""
        decision = self._mean_decision(X)
        if self.target_ == "ordinal":
            if len(self.thresholds_) == 1:
                return decision[:, 0] - self.thresholds_[0]
            return ordinal_log_proba(decision[:, 0], self.thresholds_)
        return decision if decision.shape[1] > 1 else decision[:, 0]

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Class probabilities that belong to the averaged decision values."""
        decision = self._mean_decision(X)
        if self.target_ == "ordinal":
            return np.exp(ordinal_log_proba(decision[:, 0], self.thresholds_))
        return probabilities(decision)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))

    def score(self, X, y):
        """Accuracy, or R2 of numbers, of `predict`."""
        return (r2_score if self.target_ == "numbers" else accuracy_score)(y, self.predict(X))

    def __sklearn_tags__(self):
        """Of the type of the models."""
        tags = super().__sklearn_tags__()
        inner = get_tags(LogisticRegression() if self.estimator is None else self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        return tags
