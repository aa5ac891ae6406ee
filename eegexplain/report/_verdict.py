"""What the report says about held-out predictions."""


def banner(found):
    """What every report must open with where accuracy does not show that classes are decoded.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    str
        Empty where the classes are decoded.
    """
    sentences = []
    if not found.above_chance:
        sentences.append(
            f"Not shown to decode: balanced accuracy {found.balanced_accuracy:.2f} (95 % interval {found.low:.2f} to "
            f"{found.high:.2f}), p = {found.p_value:.3f}; its maps are not shown to concern the classes"
        )
    if found.recognizable:
        name = found.recognizable[0]
        sentences.append(
            f"Labels are a property of the {name}; this accuracy can be recognition of {name}s, whose trials are in "
            f"training and test parts alike. --group-by {name} tests on {name}s that no network was trained on"
        )
    return ". ".join(sentences)


def headline(found):
    """The banner in a few words, for figures.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    str
        Empty where the classes are decoded.
    """
    words = [] if found.above_chance else ["Not shown to decode"]
    if found.recognizable:
        words.append(f"May recognize {found.recognizable[0]}s")
    return " · ".join(words)


def sentence(found):
    """Accuracy, its precision and chance in one line.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    str
    """
    unit = f"{found.n_groups} groups" if found.n_groups else f"{found.n_trials} trials"
    return (
        f"Held-out balanced accuracy {found.balanced_accuracy:.3f} (precision: 95 % interval {found.low:.3f} to "
        f"{found.high:.3f} over {unit}); permuted labels reach {found.chance_upper:.3f} in 5 % of cases, "
        f"p = {found.p_value:.3f}; accuracy {found.accuracy:.3f}"
    )
