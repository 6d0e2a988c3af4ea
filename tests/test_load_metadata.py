"""Dates, names, addresses and languages: what is found is right, and nothing is invented."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.load.metadata import detect_language, language_code, one_line, parse_date, person_names, web_address


@pytest.mark.parametrize(
    "value",
    [
        "2025-03-04",
        "2025-3-4",
        "2025/03/04",
        "2025.03.04",
        "2025-03-04T10:30:00Z",
        "2025-03-04T23:30:00.000-05:00",
        "2025-03-04 10:30",
        "2025-03-04Z",
        "  March 4, 2025 ",
        "Mar 4 2025",
        "Mar. 4, 2025",
        "4 March 2025",
        "4th of March 2025",
        "Tuesday, March 4, 2025",
        "March 4th, 2025 10:30 EST",
        "Tue, 04 Mar 2025 10:30:00 +0000",
        "2025 March 4",
        "2025年3月4日",
        "2025年03月04日 10:30",
        "2025 年 3 月 4 日 星期二",
        date(2025, 3, 4),
        datetime(2025, 3, 4, 23, 59),
        datetime(2025, 3, 4, 23, 30, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_a_full_date_is_read_in_every_form(value: Any) -> None:
    assert parse_date(value) == "2025-03-04"


@pytest.mark.parametrize("value", ["23/08/2025", "08/23/2025", "23.8.2025", "23-08-2025", "Aug 23, 2025 5:12 PM"])
def test_numbers_that_read_one_way_only_are_a_date(value: str) -> None:
    assert parse_date(value) == "2025-08-23"


@pytest.mark.parametrize("value", ["03/04/2025", "3.4.2025", "03-04-2025", "2025 3 4", "03/04/2025 10:30"])
def test_a_date_that_two_countries_read_differently_is_unknown(value: str) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize("value", ["04/04/2025", "4.4.2025"])
def test_both_readings_of_equal_day_and_month_agree(value: str) -> None:
    assert parse_date(value) == "2025-04-04"


@pytest.mark.parametrize(
    "value",
    [
        "08/23",
        "August 2025",
        "Aug 2025",
        "2025",
        "2025-08",
        "2025年8月",
        "8月23日",
        "August 23",
        "Saturday",
        "Saturday, August 23",
        "10:30 on August 23",
        "10:30 today",
        "yesterday",
        "Summer 2025",
        "23 Aug 25",
        "23/08/25",
        "25-08-23",
    ],
)
def test_no_part_of_a_date_is_filled_in(value: str) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "250823",
        "1712345678",
        "2025-02-30",
        "2025-13-01",
        "0001-01-01T00:00:00Z",
        "2025-08-23 to 2025-09-01",
        "Version 4.3.2025",
        "Chapter 12, 1931 to 1945",
        "May 2025 be a good year",
        "",
        "x" * 1000,
        2025,
        20250823,
        3.5,
        True,
        None,
        ["2025-08-23"],
        {"date": "2025-08-23"},
    ],
)
def test_what_is_no_date_stays_unknown(value: Any) -> None:
    assert parse_date(value) is None


@settings(deadline=None)
@given(st.dates(date(1000, 1, 1), date(2999, 12, 31)))
def test_iso_dates_come_back_as_they_are(day: date) -> None:
    assert parse_date(day.isoformat()) == day.isoformat()
    assert parse_date(f"{day.isoformat()}T12:00:00+08:00") == day.isoformat()


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="0123456789/-.: ,年月日TZMayug", max_size=30))
@example("٢٠٢٥-٠٣-٠٤")
def test_whatever_the_text_a_date_found_has_its_year_in_the_text(text: str) -> None:
    found = parse_date(text)
    if found is not None:
        assert date.fromisoformat(found).isoformat() == found
        assert str(int(found[:4])) in "".join(str(int(char)) if char.isdecimal() else char for char in text)


# ---------------------------------------------------------------- names and addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  The\n bridge\t at  Ostvik ", "The bridge at Ostvik"),
        (["Ida Berg", "李雷", 7], "Ida Berg, 李雷, 7"),
        (1984, "1984"),
        (date(2025, 3, 4), "2025-03-04"),
        ("a\ud800\x00\x1bb", "ab"),
        ("", None),
        (" \n", None),
        (True, None),
        (None, None),
        ([], None),
        ({"a": "b"}, None),
        (["Ida", None, {"a": 1}, ["x"]], "Ida"),
    ],
)
def test_a_value_becomes_one_line_that_can_be_stored(value: Any, expected: str | None) -> None:
    assert one_line(value) == expected


def test_a_value_of_any_length_is_cut() -> None:
    assert one_line("word " * 1000) == ("word " * 60)[:300]


def test_lists_within_lists_are_not_written_out() -> None:
    nested: list[Any] = ["lol"]
    for _ in range(60):
        nested = [nested, nested]
    began = time.perf_counter()
    assert one_line(["Ida", nested]) == "Ida"
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ida Berg", "Ida Berg"),
        ({"@type": "Person", "name": "Ida Berg"}, "Ida Berg"),
        ([{"name": "Ida Berg"}, "李雷", {"url": "x"}], "Ida Berg, 李雷"),
        ({"name": ["Ida Berg"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_authors_are_named_in_every_shape(value: Any, expected: str | None) -> None:
    assert person_names(value) == expected


@pytest.mark.parametrize("value", ["https://example.org/a?b=c#d", "HTTP://example.org", "https://例子.中国/茶"])
def test_a_web_address_is_kept(value: str) -> None:
    assert web_address(f" {value}\n") == value


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "data:text/html,x", "/a/b", "//example.org", "https://a b", "https://", "", None, 5, ["x"]],
)
def test_what_must_not_become_a_link_is_dropped(value: Any) -> None:
    assert web_address(value) is None


# ---------------------------------------------------------------- languages


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("zh_CN", "zh"),
        (" ZH-Hant ", "zh"),
        ("yue", "yue"),
        ("english", None),
        ("e", None),
        ("", None),
        (False, None),  # what YAML makes of Norwegian's `no`
        (None, None),
    ],
)
def test_a_language_tag_gives_its_code(value: Any, expected: str | None) -> None:
    assert language_code(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The bridge was opened in 1931, and engineers found rust in two of its cables.", "en"),
        ("茶叶最早产于中国云南。唐代陆羽写了《茶经》一书，讲述茶的历史。", "zh"),
        ("Die Brücke wurde im Jahr 1931 eröffnet, und sie ist vierhundert Meter lang.", "de"),
        ("Tea 1931", None),
        ("12345 " * 100, None),
        ("", None),
    ],
)
def test_a_language_is_detected_only_where_there_is_enough_text(text: str, expected: str | None) -> None:
    assert detect_language(text) == expected
