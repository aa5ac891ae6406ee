"""Permutation tests of maps, from trials to cells in one call."""

import os
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from eegexplain._containers import trials_to_study
from eegexplain._validation import validate_trials
from eegexplain.inspection._kinds import claim
from eegexplain.inspection.explanations import cross_validate_explanations
from eegexplain.inspection.significance import Significance, check_permutations, evidence_contrast


def permutation_test(
    explainer: Any,
    X: Any,
    y: Any = None,
    *,
    kind: str = "contrast",
    statistic: str | None = None,
    alternative: str | None = None,
    groups: Any = None,
    cv: Any = None,
    n_seeds: int = 1,
    n_permutations: int | None = None,
    alpha: float = 0.05,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Significance:
    """Test which cells of a map permuted labels cannot explain, with a familywise error of `alpha`.

    Parameters
    ----------
    explainer : explainer
        Around an estimator that can be trained; around a frozen one for the contrast of trials that it never saw.
    X : array-like of shape (n_trials, n_channels, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
        Classes. Of a container None takes its own, and a name one of its columns.
    kind : {"contrast", "retraining"}, default="contrast"
        "contrast" keeps the networks and permutes the labels of held-out trials: see `evidence_contrast`. Give it an
        explainer whose values are evidence, as `FLEXAttributor`. "retraining" permutes all labels and does everything
        again that depends on them: networks are trained, predict, are explained and averaged.
    statistic : {"max", "total", "studentized", "clusters"}, optional
        What is compared: cells with the maximum over cells ("max", the default; the only one of the contrast), the sum
        over the cells of each output, cells in units of their deviation over permutations, of which this needs 200, or
        clusters of such cells: neighbors on the scalp (as MNE has them) and along frequency beyond 2 deviations.
    alternative : {"two-sided", "greater", "less"}, optional
        None is "two-sided"; the contrast is one-sided, "greater": towards the truth.
    groups : array-like of shape (n_trials,), optional
        Subjects or recordings: folds never split them; labels are permuted within them, or between them where the
        label is theirs.
    cv, n_seeds
        As in `cross_validate_explanations`; not used for frozen networks.
    n_permutations : int, optional
        None is 999, of retraining 199 (studentized and clusters 200).
    alpha : float, default=0.05
    random_state : int, RandomState or None
    n_jobs : int, optional
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    Significance
        Of retraining with the balanced accuracy and its p value, which should be read first.

    Raises
    ------
    ValueError
        For claims that a kind cannot make, an `alpha` that cannot be reached, held-out parts with one class, and a
        damaged checkpoint, or one of another call.

    Notes
    -----
    The two ask different questions. The contrast asks whether what these networks hold for evidence separates the
    classes in unseen trials. Retraining asks whether networks that learn from labels which mean nothing get such maps.
    Its maps keep their scale: correlations are multiplied with the sizes of noise and of the change of the outputs,
    as a network that learned nothing has correlations as large as any other. Labels are permuted within folds, which
    were stratified by them, and within groups, or between whole groups; what overlapping splits, or groups exchanged
    over folds, make of this is called approximate.

    References
    ----------
    .. [1] T. E. Nichols, A. P. Holmes, "Nonparametric permutation tests for functional neuroimaging", Human Brain
           Mapping 15 (2002), doi:10.1002/hbm.1058.
    .. [2] M. Ojala, G. C. Garriga, "Permutation tests for studying classifier performance", Journal of Machine Learning
           Research 11 (2010), https://jmlr.org/papers/v11/ojala10a.html.

    Examples
    --------
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import permutation_test
    >>> eeg = make_oscillatory_eeg(n_trials=60, snr=5, random_state=0)
    >>> net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=eeg.sfreq)
    >>> flex = FLEXAttributor(net, basis="bands", n_steps=4, ch_names=eeg.ch_names)
    >>> found = permutation_test(flex, eeg.X, eeg.y, cv=2, n_permutations=199, random_state=0)
    >>> found.exact, found.significant.dims
    (False, ('output', 'channel', 'band'))
    """
    asked = claim(kind, statistic=statistic, alternative=alternative, n_permutations=n_permutations)
    check_permutations(asked.n_permutations, alpha)
    explainer, (X, y, groups) = trials_to_study(explainer, X, y, groups)
    rng = check_random_state(random_state)
    test: dict[str, Any] = {"alpha": alpha, "random_state": rng}
    if type(getattr(explainer, "estimator", None)).__name__ == "FrozenEstimator":
        return _of_one_network(explainer, X, y, groups, kind, n_permutations=asked.n_permutations, **test)
    settings: dict[str, Any] = {"random_state": rng, "n_jobs": n_jobs, "verbose": verbose}
    settings["checkpoint"] = checkpoint
    found = cross_validate_explanations(
        explainer,
        X,
        y,
        groups=groups,
        cv=cv,
        n_seeds=n_seeds,
        return_trials=kind == "contrast",
        return_estimator=kind != "contrast",
        **settings,
    )
    return asked.test(found, alpha=alpha, **settings)


def _of_one_network(explainer, X, y, groups, kind, **settings):
    """The contrast of one network, exact: it saw none of the trials."""
    if kind != "contrast":
        raise ValueError(
            "A frozen network cannot be trained again on permuted labels: give it unfitted, or use kind='contrast', "
            "which keeps the network."
        )
    X, y = validate_trials(clone(explainer), X, y, reset=True, kind="classifier")
    evidence = clone(explainer).fit(X, y, groups=groups).explain(X)["value"]
    return evidence_contrast(evidence, y, groups=groups, **settings)
