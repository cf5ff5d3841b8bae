"""Recordings as tools export them: each is read in the one way that it can mean, or refused with its line."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.recording import (
    RecordingError,
    decoded,
    rows,
)

NOON = 1769860800.0
"""2026-01-31T12:00:00Z"""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("time,rate\n0,3\n10,6\n", [(0, 3), (10, 6)]),
        ("\ufeff# of yesterday\n\nTime;Value\n\n0;3,5\n# a pause\n10;6,25\n", [(0, 3.5), (10, 6.25)]),
        ("sep=;\n0;3\n10;6\n", [(0, 3), (10, 6)]),
        ("seconds\trequests per second\n0\t3\n10\t6\n", [(0, 3), (10, 6)]),
        # Grafana: dates, quoted thousands, units.
        (
            '"Time","http_requests"\n"2026-01-31 12:00:00","1,234.5 req/s"\n"2026-01-31 12:00:30","1.25 K req/s"\n',
            [(NOON, 1234.5), (NOON + 30, 1250)],
        ),
        ("Time,Value\n1769860800000,3\n1769860801500,4\n", [(NOON, 3), (NOON + 1.5, 4)]),
        # A German spreadsheet.
        (
            "Datum;Wert\n31.01.2026 12:00:00;1.234,5\n31.01.2026 12:01:00;987,25\n",
            [(NOON, 1234.5), (NOON + 60, 987.25)],
        ),
        # One cell shows what the comma of the other is.
        ('time,rate\n0,"1,234"\n10,"12,345.5"\n', [(0, 1234), (10, 12345.5)]),
        ("time;rate\n0;1,234\n10;12,5\n", [(0, 1.234), (10, 12.5)]),
        ("time,rate\n0,1.234\n10,2.345\n", [(0, 1.234), (10, 2.345)]),
        ("t,rpm\n0,60\n60,90\n", [(0, 1), (60, 1.5)]),
        ("t,load\n0,60 req/min\n60,3 rps\n", [(0, 1), (60, 3)]),
        ("rps,timestamp\n5,0\n6,60\n", [(0, 5), (60, 6)]),
        ("host,time,errors,rate\na,0,9,5\na,60,9,6\n", [(0, 5), (60, 6)]),
        ("00:00:00,5\n00:01:30.5,6\n", [(0, 5), (90.5, 6)]),
        ("0 s,5\n500 ms,6\n1 min,7\n", [(0, 5), (0.5, 6), (60, 7)]),
        ("0,1 234.5\n1,1'234.5\n", [(0, 1234.5), (1, 1234.5)]),
        ("time,rate\n0,1,\n1,2,\n", [(0, 1), (1, 2)]),
        ("2026-01-31T12:00:00Z\n2026-01-31T13:00:01+01:00\n", [(NOON, None), (NOON + 1, None)]),
    ],
)
def test_what_has_one_meaning_is_read(text: str, meant: list[tuple[float, float | None]]) -> None:
    found = rows(text)
    assert [row.time for row in found] == pytest.approx([time for time, _unused in meant])
    for row, (_unused, rate) in zip(found, meant, strict=True):
        assert row.rate == (None if rate is None else pytest.approx(rate)), row


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,rate\n0,3\nlater,6\n", "line 3 .*'later': that is no number; a time is seconds"),
        ("1x2,3\n0,3\n10,6\n", "line 1 .*unit 'x2' of a time"),
        ("# one\n\ntime,rate\n0,3\n10,\n", "line 5 .*there is nothing; write 0"),
        ("time,rate\n0,3\n10,null\n", "line 3 .*'null': that is no number"),
        ("time,rate\n0,3\n10,6\nTotal,9\n", "line 4 .*'Total'"),
        ("time,rate\n0,3\n10,NaN\n", "line 3"),
        ("time,rate\n0,3\n10,-6\n", "line 3 .*no rate"),
        ("time,rate\n0,3\n10,6 MB/s\n", "line 3 .*unit 'MB/s'|line 3 .*'B/s' is unknown"),
        ("time,rate\n0,3 %\n10,6 %\n", "line 2 .*unit '%' is unknown"),
        ('time,rate\n0,"1,234"\n10,"2,345"\n', "line 2 .*1,234 may be 1234 or 1.234"),
        ("time;rate\n0;1,5\n10;2.25\n", "line 2 .*decimal comma, and other lines have decimal points"),
        ("time,rate\n0,1,5\n10,2,5\n", "line 2 .*3 instead of 2.* in quotes"),
        ('time,rate\n0,"12,34,5.5"\n10,6.5\n', "line 2 .*does not stand between thousands"),
        ("0,3,4\n1,3,4\n", "line 1 .*3 columns and no names"),
        ("time,a,b\n0,3,4\n1,3,4\n", "which is the time, and which the rate"),
        ("time,count\n0,3\n1,4\n", "column 'count' may be requests a second or requests a line"),
        ("01/02/2026 12:00,3\n01/02/2026 12:01,3\n", "line 1 .*day first or the month"),
        ("31.02.2026 12:00:00,3\n01.03.2026 12:01:00,3\n", "line 1 .*no date and time"),
        ("2026-01-31T12:00:00Z,1\n2026-01-31T12:00:10,1\n", "some have none"),
        ("5,1\n1,1\n", "line 2 of the CSV is earlier than line 1"),
        ('0,"3\n1,4\n', "line 2 of the CSV can't be read"),
        ("1,2\n5\n", "line 2 .*another number of columns"),
        ("time,rate\n1,2\n", "at least two lines with values; there are 1"),
        ("", "at least two lines"),
    ],
)
def test_everything_else_is_refused_with_its_line_and_the_reason(text: str, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        rows(text)


def test_files_of_spreadsheets_are_text() -> None:
    assert decoded("Zeit;Wert\r\n".encode("utf-16")) == "Zeit;Wert\r\n"
    assert decoded("Zeit;Wert".encode("utf-8-sig")) == "Zeit;Wert"
    with pytest.raises(RecordingError, match="line 2 of the CSV is not UTF-8"):
        decoded("a,b\nMäßig,3".encode("latin-1"))
