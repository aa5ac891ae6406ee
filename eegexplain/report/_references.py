"""The network beside decoders that need none: balanced accuracy, and bits with their errors."""

from dataclasses import asdict

import numpy as np

NAMES = {"tangent space + LR": "a linear decoder of covariances (tangent space + LR)"}
TEXT = (
    "<p>All decoders were trained and tested on the same folds: tangent space + LR is a logistic regression of "
    "whitened, shrunk covariances' logarithms, CSP + LDA one of log powers of common spatial patterns, both of 2 to 45 "
    "Hz or what a filter left of it. Differences are paired; ± is one standard error. Bits are usable information: how "
    "much less the calibrated outputs cost than guessing by the frequency of the classes. Outputs are calibrated on "
    "other held-out trials, so overconfidence is forgiven; what is below 0 misleads.</p>"
)


def tell_references(found):
    """How the network compares with each reference decoder, in one line.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    list of str
        Empty without references.
    """
    told = [
        f"{NAMES.get(one.name, one.name)} reaches {one.balanced_accuracy:.3f} (network less reference "
        f"{one.difference:+.3f} ± {one.standard_error:.3f} over {one.error_over})"
        for one in found.references
    ]
    if not told:
        return []
    line = "; ".join(told) + f"; this network {found.balanced_accuracy:.3f}"
    return [line[0].upper() + line[1:]]


def tell_information(found):
    """Usable information of the network, in one line; what is not shown is not called absent.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    str
    """
    bits = found.information
    unit = f"{found.n_groups} groups" if found.n_groups else f"{found.n_trials} trials"
    if bits is None:
        return f"Usable information is not known: {unit} in these folds are too few to calibrate outputs on others"
    low, high = bits.interval
    how = ", calibrated on the networks of other folds" if bits.calibrated_over == "folds" else ""
    told = f"95 % interval {low:.3f} to {high:.3f}, {unit}, p = {bits.p_value:.3f}{how}"
    size = f"{bits.value:.3f} bits per trial ({told})"
    line = f"Usable information {size}" if bits.above_zero else f"Information not shown above 0: {size}"
    if bits.at_limit and bits.free_value > bits.value + bits.standard_error:
        line += f"; a lower bound, the outputs are underconfident: {bits.free_value:.3f} if they may be amplified"
    return line


def decoder_table(found):
    """HTML table of the network and the reference decoders.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    str
    """
    rows = [("network", found.balanced_accuracy, "", found.information)]
    for one in found.references:
        difference = f"{one.difference:+.3f} ± {one.standard_error:.3f}"
        rows.append((one.name, one.balanced_accuracy, difference, one.information))
    cells = "".join(
        f"<tr><td>{name}</td><td>{accuracy:.3f}</td><td>{difference}</td>{_bits(bits)}</tr>"
        for name, accuracy, difference, bits in rows
    )
    heads = "decoder|balanced accuracy|network less it|bits per trial|± given networks|± over folds|p".split("|")
    return TEXT + f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{cells}</table>"


def _bits(bits):
    if bits is None:
        return "<td>not known</td><td></td><td></td><td></td>"
    fold_error = "" if np.isnan(bits.fold_error) else f"{bits.fold_error:.3f}"
    return (
        f"<td>{bits.value:.3f}</td><td>{bits.standard_error:.3f}</td><td>{fold_error}</td><td>{bits.p_value:.3f}</td>"
    )


def numbers(found):
    """What summary.json says of a decoding: without values of single trials.

    Parameters
    ----------
    found : Decoding

    Returns
    -------
    dict
    """
    plain = asdict(found)
    for part, record in zip((plain, *plain["references"]), (found, *found.references), strict=True):
        bits = record.information
        if bits is not None:
            part["information"].pop("trial_values")
            part["information"] |= {"p_value": bits.p_value, "interval": bits.interval}
            part["information"]["fold_values"] = bits.fold_values.tolist()
    return plain
