"""What stands in quotation marks: how it is found, and how it is checked word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.quotations import check_quotations, quotations

SAID = (
    "“A summary that is a little plainer is a price I can explain to a patient,” said Ines Halloran. “A leak is not.”"
)
ELSEWHERE = "“We did not ask which model is best,” said Tomas Reyhl."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "no way" twice.', ["no way"]),
        ("He said “no way” and “never”.", ["no way", "never"]),
        ("Er sagte „kein Weg“ und ging.", ["kein Weg"]),
        ("Il dit « pas question » hier.", [" pas question "]),
        ("Er sagte »kein Weg« dazu.", ["kein Weg"]),
        ("他说「没有办法」。", ["没有办法"]),
        ("他读了『茶经』一书。", ["茶经"]),
        ("他说“没有办法”。", ["没有办法"]),
        ("She called it ‘a fine day’ again.", ["a fine day"]),
        ("She called it 'a fine day' again.", ["a fine day"]),
        ("“She said ‘no way’ to me,” he said.", ["She said ‘no way’ to me,"]),
        ("「她说『不』了」", ["她说『不』了"]),
        ("It is the dogs' and the cat's; don't, they’re here.", []),
        ("It isn’t ours, it’s theirs.", []),
        ("An inch is 1\" and 'tis so", []),
        ("“never closed", []),
        ('" "', []),
        ("", []),
    ],
)
def test_quotations_are_found_in_any_kind_of_marks_and_apostrophes_are_none(text: str, expected: list[str]) -> None:
    assert list(quotations(text)) == expected


@pytest.mark.parametrize(
    "claim",
    [
        "She said that “a leak is not”.",
        'She said: "A leak is not."',
        "She called it “a price I can explain to a patient”.",
        "She called it «a price  I can explain\nto a patient».",
        "A “summary that is […] a price I can explain”, she said.",
        "A “summary that is … a price I can explain”, she said.",
        "“A summary that is a little plainer is [the] price I can explain”"[:0]
        + "“A summary [of notes] that is a little plainer”.",
        "She spoke of a “Price”, not of a “LEAK”.",
        "No quotation at all, and the patient's leak.",
    ],
)
def test_what_stands_there_word_for_word_is_right(claim: str) -> None:
    assert check_quotations(claim, [SAID], SAID, [ELSEWHERE]) == ()


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (
            "She said “we did not ask which model is best”.",
            "The quotation “we did not ask which model is best” stands in another article, not in the cited passage.",
        ),
        (
            "She said “that is a little plainer a leak is not”.",
            "The words of the quotation “that is a little plainer a leak is not” do not stand together in the cited "
            "passage.",
        ),
        ("She said “a leak is fine”.", "The quotation “a leak is fine” is not in the cited passage."),
        ("She said “A leak is not now”.", "The quotation “A leak is not now” is not in the cited passage."),
        ("It is “catastrophic”.", "The quotation “catastrophic” is not in the cited passage."),
        (
            "She said “a leak is […] a little plainer”.",
            "The words of the quotation “a leak is […] a little plainer” do not stand together in the cited passage.",
        ),
        (
            "“A leak is not to be borne by any hospital that is what a hospital knows”, she said.",
            "The quotation “A leak is not to be borne by any hospital that is what a hos…” is not in the cited "
            "passage.",
        ),
    ],
)
def test_what_does_not_is_named_with_what_became_of_it(claim: str, reason: str) -> None:
    assert check_quotations(claim, [SAID], SAID, [ELSEWHERE]) == (reason,)


def test_what_another_said_is_not_given_to_the_wrong_speaker() -> None:
    claim = "“A summary that is a little plainer is a price I can explain to a patient,” said {}."
    assert check_quotations(claim.format("Tomas Reyhl"), [SAID], SAID) == (
        "The cited passage gives the quotation “A summary that is a little plainer is a price I can explain…” to "
        "Ines Halloran.",
    )
    for right in ("Halloran", "Dr. Halloran", "she", "the director"):
        assert check_quotations(claim.format(right), [SAID], SAID) == ()


def test_a_quotation_may_stand_around_the_cited_sentence() -> None:
    assert check_quotations("She said “a leak is not”.", ["The gap was accepted."], SAID) == ()


def test_chinese_quotations_are_compared_by_character() -> None:
    text = "他说：“质量和速度都更重要。”"
    assert check_quotations("他说“质量和速度都更重要”。", [text], text) == ()
    assert check_quotations("他说“价格和速度都更重要”。", [text], text) != ()


MARKS = st.text(alphabet="“”„‘’\"'«»「」『』‹›‚ab .…[]\n茶", max_size=40)


@given(MARKS, MARKS)
def test_no_mix_of_marks_is_a_fault(claim: str, text: str) -> None:
    assert all(quoted in claim for quoted in quotations(claim))
    check_quotations(claim, [text], text, [text])


@given(MARKS)
def test_a_sentence_never_misquotes_itself(text: str) -> None:
    assert check_quotations(text, [text], text) == ()


def test_a_long_quotation_is_checked_in_no_time() -> None:
    long = "word and " * 4000
    assert check_quotations(f"“{long}more”", [long], long) != ()
