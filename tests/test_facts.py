"""What can be checked to the letter: numbers whatever their notation, dates, and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.facts import Date, facts, lacks_name, names
from rag.text import index_terms

# ---------------------------------------------------------------- numbers


def values(text: str) -> list[float]:
    return [number.values[-1] for number in facts(text).numbers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 412 metres long.", [412]),
        ("It cost 3.5 million crowns.", [3.5e6]),
        ("It cost $3.5m, then €2bn.", [3.5e6, 2e9]),
        ("It has 40k users, 12 thousand of them new.", [40e3, 12e3]),
        ("2 billion, 3 trillion, 4 bn, 5 mln, 1 tn", [2e9, 3e12, 4e9, 5e6, 1e12]),
        ("a 3-million-crown repair", [3e6]),
        ("1,200 and 1,234,567.5 of 12", [1200, 1234567.5, 12]),
        ("two of 3", [2, 3]),
        ("Twelve men, sixteen women, NINETY dogs.", [12, 16, 90]),
        ("two hundred and five thousand", [200, 5000]),
        ("a three-year plan", [3]),
        ("from 10 to 20, 30–40, 50-60", [10, 20, 30, 40, 50, 60]),
        ("(7) “8” *9*", [7, 8, 9]),
        ("0.5", [0.5]),
        ("It ends with 5.", [5]),
        ("About 7, then 8; and 9:", [7, 8, 9]),
        ("In 1931 and in 2025.", [1931, 2025]),
        ("at 10:30", [10, 30]),
        ("10万 3.5亿", [1e5, 3.5e8]),
        ("３０ houses", [30]),
        ("", []),
        ("No number.", []),
    ],
)
def test_a_number_counts_with_its_scale(text: str, expected: list[float]) -> None:
    assert values(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("有10万人参加。", [1e5]),
        ("收入3.5亿元", [3.5e8]),
        ("该桥长412米", [412]),
        ("增长了30%。", [30]),
        ("占30%的人", [30]),
        ("2024年开业", [2024]),
        ("共有15人，3家公司。", [15, 3]),
    ],
)
def test_a_number_counts_between_chinese_characters(text: str, expected: list[float]) -> None:
    assert values(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("twenty-one men", [21]),
        ("ninety-nine bottles", [99]),
        ("in mid-2024", [2024]),
        ("pre-1931 cables", [1931]),
    ],
)
def test_a_number_counts_in_a_compound(text: str, expected: list[float]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    ["GPT-4o", "GPT-4", "v2.5", "Qwen2.5", "B2B", "Covid-19", "F-35", "3D", "5G", "19th", "1990s", "x86_64", "a1"],
)
def test_figures_in_a_name_are_no_numbers(text: str) -> None:
    assert values(f"We like {text} a lot.") == []


def test_words_that_hold_a_number_word_are_none() -> None:
    assert values("Someone often weighed tension, freight, height, bone and canine; tenfold, twofold.") == []


@pytest.mark.parametrize("text", ["30%", "30 %", "30 percent", "30 per cent", "thirty percent", "30 PERCENT"])
def test_a_percentage_is_told_from_a_number(text: str) -> None:
    (number,) = facts(f"It grew by {text} in a year.").numbers
    assert (number.values[-1], number.percent, number.text) == (30, True, text)
    (number,) = facts("It grew by 30 in a year.").numbers
    assert (number.percent, number.text) == (False, "30")


def test_a_number_keeps_its_words() -> None:
    assert [number.text for number in facts("It cost 3.5 million, 1,200 of them in two days.").numbers] == [
        "3.5 million",
        "1,200",
        "two",
    ]


@given(st.integers(0, 10**15))
def test_any_whole_number_is_read_with_and_without_separators(value: int) -> None:
    assert values(f"It has {value} parts.") == values(f"It has {value:,} parts.") == [value]


@given(st.decimals(min_value=0, max_value=10**6, places=2), st.sampled_from(["million", "billion", "thousand"]))
def test_a_scale_multiplies(value: object, scale: str) -> None:
    factor = {"thousand": 1e3, "million": 1e6, "billion": 1e9}[scale]
    assert values(f"It cost {value} {scale}.") == pytest.approx([float(str(value)) * factor])


# ---------------------------------------------------------------- dates


def dates(text: str) -> list[tuple[int | None, int, int | None]]:
    return [(date.year, date.month, date.day) for date in facts(text).dates]


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-05",
        "2024-3-5",
        "5 March 2024",
        "5th March 2024",
        "5th of March, 2024",
        "March 5, 2024",
        "March 5th 2024",
        "Mar. 5, 2024",
        "5 mar 2024",
        "05 MARCH 2024",
        "2024年3月5日",
        "2024 年 3 月 5 日",
        "2024年03月05号",
    ],
)
def test_a_date_is_read_in_any_notation_and_holds_no_number(text: str) -> None:
    found = facts(f"It opened on {text}.")
    assert [(date.year, date.month, date.day) for date in found.dates] == [(2024, 3, 5)]
    assert found.numbers == ()
    assert found.dates[0].text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in March 2024", [(2024, 3, None)]),
        ("in March, 2024", [(2024, 3, None)]),
        ("in March of 2024", [(2024, 3, None)]),
        ("in Sept. 2024", [(2024, 9, None)]),
        ("in May 2024", [(2024, 5, None)]),
        ("on 5 March", [(None, 3, 5)]),
        ("on March 5", [(None, 3, 5)]),
        ("该桥于2024年3月开业", [(2024, 3, None)]),
        ("3月5日开业", [(None, 3, 5)]),
        ("on 1 May 1931 and on 2 June 1932", [(1931, 5, 1), (1932, 6, 2)]),
        ("2024-03-05T10:00", [(2024, 3, 5)]),
        ("in 2024", []),
        ("on 5", []),
        ("in the month of March", []),
        ("March", []),
        ("5 marches", []),
        ("5 Marchers", []),
        ("Marchand 5", []),
        ("chapter 2024-5", []),
    ],
)
def test_a_date_is_read_as_far_as_it_is_given(text: str, expected: list[object]) -> None:
    assert dates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Up to 30 may apply.", [30]),
        ("In March 20,000 people came.", [20000]),
    ],
)
def test_a_number_beside_a_verb_or_a_month_is_no_date(text: str, expected: list[float]) -> None:
    assert (dates(text), values(text)) == ([], expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("5 March 2024", "2024-03-05", True),
        ("March 2024", "5 March 2024", True),
        ("5 March", "5 March 2024", True),
        ("5 March 2024", "March 5", True),
        ("3月5日", "5 March 2024", True),
        ("5 March 2024", "March 2024", False),
        ("5 March 2024", "6 March 2024", False),
        ("5 March 2024", "5 April 2024", False),
        ("5 March 2024", "5 March 2023", False),
        ("March 2024", "March 2023", False),
    ],
)
def test_a_date_agrees_with_one_that_says_all_of_it(one: str, other: str, expected: bool) -> None:
    (first,), (second,) = facts(one).dates, facts(other).dates
    assert first.agrees(second) is expected


DATES = st.builds(
    Date,
    st.just(""),
    st.none() | st.integers(2020, 2022),
    st.integers(1, 3),
    st.none() | st.integers(1, 3),
    st.just(0),
    st.just(0),
)


@given(DATES, DATES)
def test_a_date_agrees_with_itself_and_two_full_dates_only_where_equal(one: Date, other: Date) -> None:
    assert one.agrees(one)
    if None not in (*one, *other):
        assert one.agrees(other) == (one == other)


@given(st.text(max_size=100))
def test_facts_are_found_in_any_text_and_are_words_of_it(text: str) -> None:
    found = facts(text)
    assert all(number.text in text for number in found.numbers)
    assert all(date.text in text for date in found.dates)


@pytest.mark.parametrize(
    "text", ["sıx", "ſix", "ſeven men", "1 auguſt 2024", "aprıl 2024", "5 K", "mıllıon", "²³", "½"]
)
def test_letters_that_look_like_others_are_read_without_a_fault(text: str) -> None:
    assert all(number.text in text for number in facts(text).numbers)


@given(st.text(alphabet="sſiıİxKk5 MmAaYyUugGtT0129,.-年月日万", max_size=30))
def test_no_mix_of_letters_and_figures_is_a_fault(text: str) -> None:
    facts(text)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The bridge was drawn by Ida Berg.", ["Ida", "Berg"]),
        ("Bridges are long.", []),
        ("- Bridges are long.", []),
        ("“Bridges are long.", []),
        ("Ida Berg drew it.", ["Ida", "Berg"]),
        ("The Hague is old.", ["Hague"]),
        ("In Denmark it rains.", ["Denmark"]),
        ("However, Denmark won.", ["Denmark"]),
        ("NASA launched it.", ["NASA"]),
        ("OpenAI launched it.", ["OpenAI"]),
        ("A NASA probe.", ["NASA"]),
        ("It was Denmark's idea.", ["Denmark's"]),
        ("It was Denmark’s idea.", ["Denmark’s"]),
        ("He met Jean-Luc O'Brien.", ["Jean-Luc", "O'Brien"]),
        ("He works at AT&T now.", ["AT&T"]),
        ("They met in Ærø and Łódź.", ["Ærø", "Łódź"]),
        ("On Monday in March 2024 I saw May.", []),
        ("He said that The Bridge and I agree.", ["Bridge"]),
        ("It is Plan B.", ["Plan"]),
        ("Berg met Berg and Berg.", ["Berg"]),
        ("桥在云南。", []),
        ("it is grey.", []),
        ("", []),
    ],
)
def test_names_are_capitalised_words_that_do_not_merely_stand_first(text: str, expected: list[str]) -> None:
    assert list(names(text)) == expected


@pytest.mark.parametrize("text", ["It uses GPT-4o.", "It is OpenAI GPT-4o.", "GPT-4o is new."])
def test_a_name_keeps_its_version(text: str) -> None:
    assert "GPT-4o" in names(text)


@pytest.mark.parametrize("text", ["He was at the école Normale.", "桥梁 Ostvik", "它在 Ostvik 附近"])
def test_a_name_behind_a_word_in_another_script_is_found(text: str) -> None:
    assert {"Normale", "Ostvik"} & set(names(text))


@given(st.text(max_size=80))
def test_names_are_words_of_the_text_each_once(text: str) -> None:
    found = names(text)
    assert len(set(found)) == len(found)
    assert all(name in text and len(name) > 1 for name in found)


# ---------------------------------------------------------------- names in a passage


def lacks(name: str, passage: str) -> bool:
    return lacks_name(name, set(index_terms(passage)))


@pytest.mark.parametrize(
    ("name", "passage"),
    [
        ("Denmark", "In Denmark it rains."),
        ("Denmark's", "In Denmark it rains."),
        ("Denmark’s", "DENMARK"),
        ("Italian", "Italy is long."),
        ("Russian", "In Russia it rains."),
        ("Germany", "A German bridge."),
        ("Jean-Luc", "Jean and Luc."),
        ("Lodz", "Łódź, or Lódz."),
        ("Ida", "by Ida Berg"),
        ("O'Brien", "by O’Brien"),
    ],
)
def test_a_name_is_found_in_other_forms_of_the_word(name: str, passage: str) -> None:
    assert not lacks(name, passage)


@pytest.mark.parametrize(
    ("name", "passage"),
    [
        ("Denmark", "In Norway it rains."),
        ("Ida", "an idea"),
        ("Jean-Luc", "by Jean"),
        ("GPT-5", "GPT-4"),
        ("Berg", "by Ida Borg"),
        ("Denmark", ""),
    ],
)
def test_another_name_is_not_taken_for_it(name: str, passage: str) -> None:
    assert lacks(name, passage)


@given(st.text(max_size=30))
def test_no_name_is_missing_from_itself(name: str) -> None:
    assert not lacks(name, name)


# ---------------------------------------------------------------- units, currencies, bounds


def agree(one: str, other: str) -> bool:
    (first,), (second,) = facts(one).numbers, facts(other).numbers
    return first.agrees(second)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("5 km", "5,000 metres", True),
        ("5 km", "5 miles", False),
        ("62 miles", "100 km", True),
        ("5 km", "5", True),
        ("12 months", "1 year", True),
        ("$5", "5 dollars", True),
        ("US$5m", "5 million dollars", True),
        ("€5", "$5", False),
        ("5 km", "5 kg", False),
        ("2.6 percentage points", "2.6 %", False),
        ("5公里", "5 km", True),
        ("5公里", "5英里", False),
        ("30元", "30美元", False),
        ("a dozen", "12", True),
        ("two dozen eggs", "24 eggs", True),
        ("3m", "3 million", True),
    ],
)
def test_a_number_agrees_with_its_own_unit_or_currency_only(one: str, other: str, expected: bool) -> None:
    assert agree(one, other) is expected


@pytest.mark.parametrize(
    ("text", "bound", "phrase"),
    [
        ("It has more than 5 km of road.", ">", "more than 5 km"),
        ("It cost over $5m.", ">", "over $5m"),
        ("It took over 5 years.", "", "5 years"),
        ("It has at least 5 men.", "≥", "at least 5"),
        ("It has 5 or more men.", "≥", "5 or more"),
        ("It has up to 5 men.", "≤", "up to 5"),
        ("It has fewer than 5 men.", "<", "fewer than 5"),
        ("It has about 5 men.", "~", "about 5"),
        ("It has 5 men.", "", "5"),
        ("超过5公里", ">", "超过5公里"),
    ],
)
def test_a_number_has_its_bound_and_unit_in_its_phrase(text: str, bound: str, phrase: str) -> None:
    (number,) = facts(text).numbers
    assert (number.bound, number.phrase) == (bound, phrase)
    assert text[number.start : number.end].strip() == phrase


def test_the_second_year_of_a_season_is_a_year() -> None:
    assert values("In 2018–19 it rained.") == [2018, 2019]


@pytest.mark.parametrize(
    ("name", "passage"),
    [("Chinese", "in China"), ("Dutch", "the Netherlands"), ("French", "France"), ("British", "in Britain")],
)
def test_a_people_is_found_in_the_name_of_its_country(name: str, passage: str) -> None:
    assert not lacks(name, passage)


def test_a_name_in_a_compound_is_the_name() -> None:
    assert names("It is a Paris-based firm of Jean-Luc.") == ("Paris", "Jean-Luc")
