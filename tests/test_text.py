"""Names from data: what encodings, fonts, formulas and spreadsheets would do with them."""

import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain._text import cell, legend_name, plain, readable, write_csv


def test_names_stay_as_they_are_where_they_can():
    assert readable("Größe µV 中 a$b$") == "Größe µV 中 a$b$" and readable(3) == "3"
    assert readable("a\ud800b\nc\x00") == r"a\ud800b\nc\x00"
    assert legend_name("C3") == "C3" and legend_name("_C3").endswith("_C3") and legend_name("_C3")[0] != "_"


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_can_be_encoded_and_is_no_formula(text):
    from matplotlib import cbook

    assert readable(text).encode() and not cbook.is_math_text(plain(text)) if text else not readable(text)
    assert plain(text).replace(r"\$", "$") == readable(text)


@given(st.text(st.sampled_from("=+-@\t\r1a. "), max_size=6))
def test_no_cell_is_a_formula(text):
    found = cell(text)
    assert found.lstrip("'") == text.lstrip("'")
    try:
        float(found)
    except ValueError:
        assert not found.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("value", ["-1.5", "+2", -3.0, 7, None, "Cz"])
def test_numbers_and_plain_names_are_no_formulas(value):
    assert cell(value) == value


def test_tables_hold_no_formulas(tmp_path):
    name = "=HYPERLINK(1)"
    table = pd.DataFrame({"plain": [name, "C3"], name: [-1.5, 2.0], "half": ["\ud800", "@x"]}, index=["+a", "b"])
    write_csv(table, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["", "plain", f"'{name}", "half"], ["'+a", f"'{name}", "-1.5", r"\ud800"], ["b", "C3", "2.0", "'@x"],
    ]  # fmt: skip
    write_csv(pd.DataFrame({"x": [1.25]}), tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv", index_col=0)["x"].tolist() == [1.25]
