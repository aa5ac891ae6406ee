"""Labels are permuted within folds and blocks, whole blocks where the label is theirs."""

import numpy as np

from eegexplain._exchange import Design, exchangeable, log_arrangements, permuted_labels


def test_labels_stay_in_their_fold_and_block_and_groups_stay_whole():
    codes, strata = np.arange(24) % 2, np.repeat(np.arange(4), 6)
    rng = np.random.RandomState(0)
    moved = list(permuted_labels(codes, Design(np.arange(24), strata), 20, rng))
    for permuted in moved:
        assert all(permuted[strata == s].sum() == codes[strata == s].sum() for s in range(4))
    assert len({tuple(permuted) for permuted in moved}) > 15
    groups = np.repeat(np.arange(8), 3)
    for permuted in permuted_labels(groups % 2, Design(groups, groups // 4), 20, rng):
        assert (permuted == permuted[::3].repeat(3)).all() and permuted[:12].sum() == permuted[12:].sum() == 6


def test_the_design_says_what_is_exchanged():
    folds, mixed = np.repeat([0, 1], 12), np.repeat(np.arange(4), 6)
    assert exchangeable(np.arange(24) % 2, folds).exchanged == "trials"
    within = exchangeable(np.arange(24) % 2, folds, mixed)
    assert within.exchanged == "trials" and (within.strata == mixed).all()
    trait = exchangeable(mixed % 2, folds, mixed)  # 2 * 2 arrangements within folds are too few: over all folds
    assert trait.exchanged == "groups" and not trait.strata.any()
    assert np.isclose(np.exp(log_arrangements(mixed % 2, trait)), 6)
    many = np.arange(24) // 2
    assert (exchangeable(many % 2, folds, many).strata == folds).all()
