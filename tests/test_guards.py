"""What is told between a sentence and what it cites: contradicted, missing, unknown, and what is none of these."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.guards import Findings, findings

NOTHING = Findings((), (), ())


def found(claim: str, *cited: str, around: str = "") -> Findings:
    return findings(claim, cited, " ".join([around, *cited]))


# ---------------------------------------------------------------- contradicted


@pytest.mark.parametrize(
    ("claim", "cited", "reason"),
    [
        ("Sales rose by 12 %.", "Sales rose by 14 %.", "The cited passage says “14 %”, not “12 %”."),
        ("The bridge is 5 miles long.", "The bridge is 5 km long.", "The cited passage says “5 km”, not “5 miles”."),
        ("The bridge cost €5m.", "The bridge cost $5m.", "The cited passage says “$5m”, not “€5m”."),
        (
            "The bridge cost 3.5 billion crowns.",
            "The bridge cost 3.5 million crowns.",
            "The cited passage says “3.5 million crowns”, not “3.5 billion crowns”.",
        ),
        (
            "More than 500 people came to the fair.",
            "500 people came to the fair.",
            "The cited passage says “500”, not “More than 500”.",
        ),
        (
            "The ship carries at least 900 boxes.",
            "The ship carries at most 900 boxes.",
            "The cited passage says “at most 900”, not “at least 900”.",
        ),
        (
            "Fines of 20 million euros are possible.",
            "Fines of up to 20 million euros are possible.",
            "The cited passage says “up to 20 million euros”, not “20 million euros”.",
        ),
        (
            "The share grew from 9 % to 7 %.",
            "The share grew from 7 % to 9 %.",
            "The cited passage says “7 % to 9 %”, not “9 % to 7 %”.",
        ),
        (
            "It has 64 ports and 31 ships.",
            "It has 31 ports and 64 ships.",
            "The cited passage says “31 ports”, not “64 ports”.",
        ),
        (
            "The pilot began on 4 March 2025.",
            "The pilot began on 3 March 2025.",
            "The cited passage says “3 March 2025”, not “4 March 2025”.",
        ),
        ("He left in the 1980s.", "He left in the 1990s.", "The cited passage says “1990s”, not “1980s”."),
        ("It came out in Q2 2025.", "It came out in Q3 2025.", "The cited passage says “Q3”, not “Q2”."),
        ("The shop opens on Monday.", "The shop opens on Friday.", "The cited passage says “Friday”, not “Monday”."),
        (
            "The firms agreed on a merger.",
            "The firms discussed a merger.",
            "The cited passage says “discussed”, the sentence says “agreed”.",
        ),
        (
            "The group doubled its fleet in 2026.",
            "The group plans to double its fleet in 2026.",
            "The cited passage says “plans to”, the sentence does not.",
        ),
        (
            "The drug will cure the fever.",
            "The drug may cure the fever.",
            "The cited passage says “may”, the sentence does not.",
        ),
        (
            "The firm did not sell its mill.",
            "The firm sold its mill.",
            "The sentence says “not”, the cited passage does not.",
        ),
        (
            "The firm sold its mill.",
            "The firm never sold its mill.",
            "The cited passage says “never”, the sentence does not.",
        ),
        (
            "The mayor accepted the plan.",
            "The mayor refused to accept the plan.",
            "The cited passage says “refused”, the sentence does not.",
        ),
        (
            "Prices rose in May by a third.",
            "Prices fell in May by a third.",
            "The cited passage says “fell”, the sentence says “rose”.",
        ),
        (
            "The bill was paid in June.",
            "The bill was unpaid in June.",
            "The cited passage says “unpaid”, the sentence says “paid”.",
        ),
        (
            "All islands have water.",
            "Most islands have water.",
            "The cited passage says “Most”, the sentence says “All”.",
        ),
        (
            "He left before the war.",
            "He left after the war.",
            "The cited passage says “after”, the sentence says “before”.",
        ),
        (
            "Acme sued Borland in 2019.",
            "In 2019 Borland sued Acme.",
            "The cited passage has “Borland” and “Acme” the other way round.",
        ),
        (
            "The road was paved before the tower was built.",
            "The tower was built before the road was paved.",
            "The cited passage has what stands before and after “before” the other way round.",
        ),
        ("他们放弃了自研。", "他们没有放弃自研。", "The cited passage says “没有”, the sentence does not."),
        ("他们没有放弃自研。", "他们放弃了自研。", "The sentence says “没有”, the cited passage does not."),
        ("该桥长413米。", "该桥长412米。", "The cited passage says “412米”, not “413米”."),
    ],
)
def test_what_the_cited_sentence_says_otherwise_is_named(claim: str, cited: str, reason: str) -> None:
    assert reason in found(claim, cited).contradicted


def test_a_name_of_the_passage_in_the_place_of_another_is_contradicted() -> None:
    result = found(
        "In May the director Petra Moss accepted the gap.",
        "In May the director Ines Hall accepted the gap.",
        around="Petra Moss pays.",
    )
    assert result == Findings(("The cited passage says “Ines Hall”, not “Petra Moss”.",), (), ())


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("Acme was sued by Borland.", "Borland sued Acme."),
        ("Acme met Borland.", "Borland met Acme."),
        ("Lena Falk sold the mill to Ott.", "Ott bought the mill from Lena Falk."),
        ("Norrland sells more than it buys.", "Norrland buys less than it sells."),
        ("The offer was not accepted by the union.", "The union rejected the offer."),
        ("The road was closed to cars.", "The road was not open to cars."),
        ("Passengers without a mask were not admitted.", "Only passengers with a mask were admitted."),
        ("The river is not polluted any more.", "The river is no longer polluted."),
        ("Not only the mayor came.", "The mayor came, and others did."),
        ("The bridge has a span of 1,200,000 millimetres.", "The span of the bridge is 1.2 million millimetres."),
        ("The trail has a length of 62 miles.", "The trail has a length of 100 km."),
        ("The course takes 12 months.", "The course takes a full 1 year."),
        ("Nearly 12 million came.", "There came 11.8 million."),
        ("Half of the staff left.", "50 % of the staff left."),
        ("A dozen men came.", "Twelve men came."),
        ("It opened in March.", "It opened on 3 March 2025."),
        ("It opened on a Monday.", "It opened on 3 March 2025."),
        ("It opened in the 1930s.", "It opened in 1931."),
        ("It opened in the first quarter of 2025.", "It opened on 3 March 2025."),
        ("The season was 2018–19.", "The season was 2018-2019."),
        ("They might be late.", "It is possible that they are late."),
        ("The Chinese bridge is long.", "The bridge in China is long."),
    ],
)
def test_the_same_in_other_words_is_not_held_against_a_sentence(claim: str, cited: str) -> None:
    assert found(claim, cited) == NOTHING


def test_a_sentence_about_something_else_contradicts_nothing() -> None:
    assert found("Bees do not fly in winter, when it is cold.", "The bridge is 412 metres long.").contradicted == ()


def test_what_one_citation_says_is_not_held_against_what_another_does() -> None:
    cited = ("The share of letters rose to 12 % in May.", "The share of parcels fell to 9 % in May.")
    assert found("The share of letters rose to 12 %, that of parcels fell to 9 %.", *cited) == NOTHING


# ---------------------------------------------------------------- missing, unknown


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("Visitors from 40 countries admired it.", "The number 40 is not in the cited passage."),
        ("Painters saw it on 4 May 1931.", "The date 4 May 1931 is not in the cited passage."),
        ("Painters loved it in 1932.", "The number 1932 is not in the cited passage."),
        ("Painters loved it in the 1940s.", "1940s is not in the cited passage."),
        ("Painters come in November.", "November is not in the cited passage."),
        ("Painters call it “a lovely old thing”.", "The quotation “a lovely old thing” is not in the cited passage."),
    ],
)
def test_what_stands_nowhere_is_missing(claim: str, reason: str) -> None:
    assert found(claim, "The bridge at Ostvik is long.") == Findings((), (reason,), ())


def test_a_quotation_from_elsewhere_is_told_from_one_that_is_nowhere() -> None:
    claim = "Painters call it “a lovely old thing”."
    result = findings(claim, ["The bridge is long."], "The bridge is long.", ["It is a lovely old thing."])
    assert result.missing == (
        "The quotation “a lovely old thing” stands in another article, not in the cited passage.",
    )


def test_a_denial_that_nothing_cited_bears_out_is_missing() -> None:
    result = found("The mill never employed Ida Berg in the valley.", "Ida Berg worked in a mill in the valley.")
    assert result.contradicted + result.missing == ("The sentence says “never”, the cited passage does not.",)


def test_a_name_that_stands_nowhere_is_unknown() -> None:
    assert found("The bridge was drawn by Karlsen.", "The bridge was drawn.").unknown == (
        "“Karlsen” is not in the cited passage.",
    )


@pytest.mark.parametrize(
    ("claim", "unknown"),
    [
        ("Karlsen drew the bridge.", 1),
        ("Karlsen has drawn the bridge.", 1),
        ("Painters admired the bridge.", 0),
        ("Nobody admired the bridge.", 0),
        ("Today is the day of the bridge.", 0),
        ("Old bridges were admired.", 0),
    ],
)
def test_a_word_that_opens_a_sentence_is_a_name_in_front_of_its_verb(claim: str, unknown: int) -> None:
    assert len(found(claim, "The bridge is long.").unknown) == unknown


def test_dates_years_and_names_may_stand_around_the_cited_sentence() -> None:
    claim = "In 1931 and on 3 May 1932 Ida Berg saw the bridge."
    assert found(claim, "She saw the bridge.", around="Ida Berg, in 1931; 3 May 1932.") == NOTHING
    assert found("She saw 40 bridges.", "She saw bridges.", around="40").missing != ()


# ---------------------------------------------------------------- any text

WORDS = "not never no the bridge Acme sued 12 % 3 March 2025 plans to may sold rose fell all . , “ ” 不 没有 桥".split()
TEXTS = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


@given(TEXTS)
def test_nothing_speaks_against_a_sentence_that_cites_itself(text: str) -> None:
    assert found(text, text) == NOTHING


@given(TEXTS | st.text(max_size=40), TEXTS | st.text(max_size=40))
def test_no_text_is_a_fault_and_each_reason_is_a_sentence(claim: str, cited: str) -> None:
    for reasons in found(claim, cited):
        assert len(set(reasons)) == len(reasons)
        assert all(reason.endswith(".") and len(reason) < 300 for reason in reasons)


def test_nothing_cited_leaves_figures_and_names_without_ground() -> None:
    result = findings("Ida Berg built 12 bridges.", [], "")
    assert (result.contradicted, len(result.missing), len(result.unknown)) == ((), 1, 2)


def test_a_sentence_without_end_is_checked_in_no_time() -> None:
    endless = "The mayor sold 12 bridges in 2024 and may not open more than 5 before May, Ida Berg said, and " * 100
    begun = time.monotonic()
    findings(endless, [endless.replace("sold", "bought")[:2000]] * 3, endless)
    assert time.monotonic() - begun < 30
