"""Names that come from data - channels, classes, subjects - made safe for what they are written into."""

import unicodedata

FORMULA = tuple("=+-@\t\r")  # spreadsheets run cells that begin with these


def readable(name):
    r"""Return a name that every encoding and font can take.

    Parameters
    ----------
    name : object
        Anything; ``str(name)`` is used.

    Returns
    -------
    str
        Half characters (lone surrogates, from wrongly decoded bytes) and control characters as ``\ud800``, ``\n``.
    """
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in ("Cc", "Cs") else c for c in str(name)
    )


def plain(name):
    r"""Return a name for matplotlib, which takes what stands between two ``$`` for a formula.

    Parameters
    ----------
    name : object

    Returns
    -------
    str
        `readable`, with ``\$`` for every ``$``: drawn as a dollar sign, however many there are.
    """
    return readable(name).replace("$", r"\$")


def legend_name(name):
    """Return a name for a legend, which leaves out names that begin with an underscore."""
    name = plain(name)
    return f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name


def cell(value):
    """Return a cell of a table without a formula: text that begins like one gets a quote in front, as OWASP advises."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_csv(table, path):
    """Write a table whose names come from data.

    Parameters
    ----------
    table : pandas.DataFrame
    path : str or path-like
    """
    safe = table.map(lambda value: cell(readable(value) if isinstance(value, str) else value))
    safe = safe.rename(columns=lambda name: cell(readable(name)), index=lambda name: cell(name))
    safe.to_csv(path, encoding="utf-8")
