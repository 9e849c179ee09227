#!/usr/bin/env python3
"""Writes csv-edges.json: texts of CSV, and what each cell of them says by other readers.

Cells are those of Python's own `csv`; numbers those of pandas' `read_csv`, which must be the
nearest double too, each as its bits. What those two take otherwise than
RFC 4180 has it, or refuse whole files for, is marked here by hand with the rows that must fail.

Python 3.11, pandas 3.1.1, numpy 2.4.6: `python csv_edges.py`.
"""

import base64
import csv
import io
import json
import pathlib
import struct

import pandas

CASES = []


def bits(number):
    return struct.unpack("<q", struct.pack("<d", float(number)))[0]


NAN = bits(float("nan"))


def number(cell, is_quoted=False):
    """What pandas makes of one cell among numbers: the bits, or None where it stays text."""
    quoted = '"' + cell.replace('"', '""') + '"'
    text = "x,y\n0.5,1\n" + (quoted if is_quoted or "," in cell or "\n" in cell else cell) + ",1\n"
    column = pandas.read_csv(io.StringIO(text))["x"]
    if column.dtype.kind in "fi":
        if pandas.isna(column[1]):
            return NAN
        # The nearest double, by Python's own reading.
        assert bits(column[1]) == bits(float(cell)), (cell, column[1])
        return bits(column[1])
    # Beside a number, truth values stay text to pandas; alone they are a column of their own.
    alone = pandas.read_csv(io.StringIO("x,y\n" + cell + ",1\n"))["x"]
    return bits(bool(alone[0])) if alone.dtype.kind == "b" else None


def add(name, data, model, failed=(), rows=None):
    """A text, the model's column, and the rows (from 0) that are no rows of numbers."""
    data = data if isinstance(data, bytes) else data.encode()
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if rows is None:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
        rows = [dict(zip(lines[0], line)) for line in lines[1:]]
    header = next(line for line in csv.reader(io.StringIO(text, newline="")) if line)
    good = []
    for index, row in enumerate(rows):
        if index in failed:
            continue
        value = number(row[model])
        assert value is not None, (name, index, row)
        good.append({"cells": [row[column] for column in header], "bits": value})
    CASES.append(
        {
            "name": name,
            "text": base64.b64encode(data).decode(),
            "model": model,
            "columns": header,
            "rows": good,
            "failed": sorted(failed),
        }
    )


def cell(name, content, fails=False):
    """One cell beside a sound one; what pandas makes of it is what it must be."""
    value = number(content)
    assert (value is None) == fails, (name, content, value)
    quoted = content
    if any(mark in content for mark in ',"\n\r'):
        quoted = '"' + content.replace('"', '""') + '"'
    add(name, f"id,x\nodd,{quoted}\neven,2.5\n", "x", failed=[0] if fails else [])


def numbers():
    for content in (
        ["0", "-0", "0.0", "-0.0", "1", "+1", "-1", "007", "-007", "1.", ".5", "-.5", "+.5", "00.50"]
        + ["1e5", "1E5", "1e+5", "1e-5", "1.e5", ".5e1", "1e05", "-1.5E-007"]
        + ["0.1", "0.30000000000000004", "5e-324", "4.9e-324", "2.2250738585072011e-308"]
        + ["1.7976931348623157e308", "1e308", "9007199254740993", "9007199254740992.5"]
        + ["123456789012345678", "0.1000000000000000055511151231257827021181583404541015625"]
        + ["1" + "0" * 40, "0." + "0" * 40 + "1", "3.141592653589793238462643383279"]
        + ["8.41e21", "9.5e-3", "2.5e0", "6.02214076e23", "1.0000000000000002"]
        + ["  7", "7  ", "\t7", " 7 "]
        + ["inf", "-inf", "+inf", "Inf", "INF", "Infinity", "-Infinity", "infinity"]
        + ["True", "False", "TRUE", "FALSE", "true", "false"]
        + ["", "NA", "N/A", "n/a", "#N/A", "#NA", "nan", "NaN", "-nan", "-NaN", "NULL", "null"]
        + ["None", "<NA>", "1.#IND", "-1.#QNAN", "#N/A N/A"]
    ):
        cell(f"number {content[:30]!r}", content)
    for content in (
        ["x", "-", "+", ".", "e5", "1e", "1e+", "--1", "+-1", "1-", "1..2", "1.2.3", "0x10", "1_000"]
        + ["1 000", "1'000", "1,5", "1,000.5", "12:30", "2026-11-22", "$5", "5%", "5 kg", "½", "١"]
        + ["−1", "1\u00a0", "ＮＡ", "Nan", "none", "NAN ", "yes", "1f", "1d5", "0b1", "1j"]
        + ["infinit", "infinityy", "i", "nul", "\u200b1", "#DIV/0!", "=1+1", "'1", "\\N", "?"]
    ):
        cell(f"no number {content!r}", content, fails=True)


def structure():
    add("a quoted number", 'a,b\n"1","2.5"\n3,4\n', "b")
    add("quoted spaces", 'a,b\n" 1 "," 2"\n', "b")
    add("a quoted empty cell is missing", 'a,b\n1,""\n2,3\n', "b")
    add("one column", "a\n1\n2\n", "a")
    add("one column in quotes", '"a"\n"1"\n"2"\n', "a")
    add("a header in quotes with a line end", '"a\nb",c\n1,2\n', "c")
    add("a header with a comma", '"a,b",c\n1,2\n', "a,b")
    add("a header with a quote", '"a""b",c\n1,2\n', 'a"b')
    add("a header of spaces", " ,c\n1,2\n", "c")
    add("names that differ in case", "A,a\n1,2\n", "a")
    add("names of other letters", "größe,температура,高さ\n1,2,3\n", "高さ")
    add("an emoji", "a,b\n😀,2\n", "b")
    add("letters beside their accents", "a,e\u0301\n1,2\n", "e\u0301")
    add("the model's column last of many", ",".join(f"c{n}" for n in range(200)) + "\n"
        + ",".join(str(n) for n in range(200)) + "\n", "c199")
    add("a long cell", "a,b\n" + "x" * 10_000 + ",2\n", "b")
    add("a long quoted cell of line ends", 'a,b\n"' + "\r\n" * 500 + '",2\n', "b")
    add("quotes alone", 'a,b\n"""",2\n""""""\t,3\n', "b",
        rows=[{"a": '"', "b": "2"}, {"a": '""\t', "b": "3"}])
    add("commas alone in quotes", 'a,b\n",,,",2\n', "b")
    add("an empty quoted cell first", 'a,b\n"",2\n', "b")
    add("mixed line ends", "a,b\r\n1,2\n3,4\r\n5,6\n", "b")
    add("a line end in quotes of another kind", 'a,b\n"x\r\ny",2\r\n"x\ny",3\n', "b")
    add("no line end after the last row", "a,b\n1,2\n3,4", "b")
    add("CR LF after a quoted cell", 'a,b\r\n1,"2"\r\n3,"4"\r\n', "b")
    add("a byte order mark before quotes", b"\xef\xbb\xbf" + b'"a","b"\n1,2\n', "a")
    add("blank lines between", "a,b\n\n1,2\n\n\n3,4\n\n", "b")
    add("tabs stay", "a,b\n\tx\t,2\n", "b")
    add("cells of spaces stay", "a,b\n   ,2\n", "b")
    add("what looks like a comment is a row", "a,b\n#x,2\n", "b")
    add("what looks like a formula is text", 'a,b\n"=SUM(A1:A2)",2\n', "b")
    add("a backslash escapes nothing", 'a,b\n"x\\",2\ny\\,3\n', "b",
        rows=[{"a": "x\\", "b": "2"}, {"a": "y\\", "b": "3"}])
    add("single quotes are text", "a,b\n'x',2\n", "b")
    add("semicolons are text", "a,b\nx;y,2\n", "b")
    add("a form feed and a vertical tab", "a,b\nx\x0cy\x0bz,2\n", "b")
    add("a line separator of Unicode ends no line", "a,b\nx\u2028y\u0085z,2\n", "b")
    add("a delete and an escape", "a,b\nx\x7f\x1by,2\n", "b")
    add("text behind a closing quote", 'a,b\n"1"x,2\n3,4\n', "b")
    add("a space behind a closing quote", 'a,b\n"1" ,2\n3,4\n', "b")
    add("rows that are alike", "a,b\n1,2\n1,2\n1,2\n", "b")
    # Of these, rows fail and the others are read.
    add("too few cells", "a,b,c\n1,2\n3,4,5\n", "b", failed=[0])
    add("too many cells", "a,b\n1,2,3\n4,5\n", "b", failed=[0])
    add("an empty row of delimiters has missing values", "a,b\n,\n4,5\n", "b")
    add("a delimiter too many at one row", "a,b\n1,2,\n4,5\n", "b", failed=[0])
    add("a bare carriage return in a row", "a,b\n1,2\r3\n4,5\n", "b",
        failed=[0], rows=[{}, {"a": "4", "b": "5"}])
    add("bytes that are no UTF-8", b"a,b\nx\xff,2\n3,4\n", "b", failed=[0])
    add("half of a letter", b"a,b\nx\xc3,2\n3,4\n", "b", failed=[0])
    add("a surrogate", b"a,b\nx\xed\xa0\x80,2\n3,4\n", "b", failed=[0])
    add("an overlong letter", b"a,b\nx\xc0\xaf,2\n3,4\n", "b", failed=[0])


if __name__ == "__main__":
    structure()
    numbers()
    place = pathlib.Path(__file__).with_name("csv-edges.json")
    lines = ",\n".join(json.dumps(case) for case in CASES)
    place.write_text(f"[\n{lines}\n]\n")
    print(len(CASES), "cases")
