"""How answers to one question compare: what counts as the same, what contradicts, and that their order is no matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.agreement import Agreement, Place, agreement, cited_passages, words
from rag.cite import cite
from rag.types import Answer, Evidence
from rag.verify import verify
from tests.claims import PARAPHRASED, VERBATIM
from tests.evidence import draft, evidence, hit, same
from tests.mutations import MUTATORS

BRIDGE = "The bridge at Ostvik was opened in 1931. It is 412 metres long. The council did not ask for a toll."
BAKERY = "Corvane Foods sold its bakery division for $48 million. The unions discussed a joint strike on Friday."
FOUND = evidence("What about the bridge?", hit(BRIDGE, "a.md"), hit(BAKERY, "b.md"))


def answered(reply: str, found: Evidence = FOUND) -> Answer:
    cited = cite(draft(reply, found), found, same)
    text, sentences = verify(cited, found)
    return Answer(found.question, "partial", text, sentences, cited.citations, found, "model")


def compared(*replies: str | None) -> Agreement:
    return agreement([None if reply is None else answered(reply) for reply in replies])


def about(claim: str, *cited: str) -> Answer:
    """Return the answer that makes a claim and cites these sentences."""
    return answered(f"{claim} [1]", evidence("What happened?", hit(" ".join(cited))))


# ---------------------------------------------------------------- the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bridge at Ostvik was opened in 1931. [1]", "The bridge at Ostvik was opened in 1931. [1]"),
        ("The bridge at Ostvik was opened in 1931. [1]", "In 1931, the bridge at Ostvik was opened [1]."),
        ("The bridge at Ostvik was opened in 1931. [1]", "**The bridge** at Ostvik was opened in 1931."),
        (
            "Corvane Foods sold its bakery division for $48 million. [2]",
            "Corvane Foods sold its bakeries for $48m. [2]",
        ),
    ],
)
def test_sentences_that_say_the_same_in_near_words_agree(one: str, other: str) -> None:
    assert compared(one, other) == Agreement(((Place(0, 0), Place(1, 0)),), (), ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bridge at Ostvik was opened in 1931. [1]", "The bridge at Ostvik was opened in 1932. [1]"),
        ("The bridge is 412 metres long. [1]", "The bridge is 412 feet long. [1]"),
        ("The council did not ask for a toll. [1]", "The council did ask for a toll. [1]"),
        ("The unions discussed a joint strike on Friday. [2]", "The unions agreed on a joint strike on Friday. [2]"),
        ("Corvane Foods sold its bakery division. [2]", "Corvane Foods bought its bakery division. [2]"),
    ],
)
def test_another_figure_unit_denial_or_verb_contradicts(one: str, other: str) -> None:
    found = compared(one, other)
    assert found.same == ()
    assert found.alone == (Place(0, 0), Place(1, 0))
    assert found.contradictions == (((Place(0, 0),), (Place(1, 0),)),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bridge at Ostvik was opened in 1931. [1]", "It is 412 metres long. [1]"),
        (
            "The bridge at Ostvik was opened in 1931. [1]",
            "The bridge at Ostvik was opened in 1931 by Mira Castellan. [1]",
        ),
        ("The bridge at Ostvik was opened in 1931. [1]", "The mill at Lund was opened in 1931. [1]"),
        ("It cost 3.5 million.", "It cost 2 million."),
    ],
)
def test_what_is_about_something_else_or_says_more_is_said_by_one_only(one: str, other: str) -> None:
    assert compared(one, other) == Agreement((), (Place(0, 0), Place(1, 0)), ())


def test_of_three_answers_the_one_that_differs_contradicts_both_others_at_once() -> None:
    found = compared(
        "The bridge at Ostvik was opened in 1931. [1]",
        "In 1931 the bridge at Ostvik was opened. [1]",
        "The bridge at Ostvik was opened in 1930. [1] It is 412 metres long. [1]",
    )
    assert found.same == ((Place(0, 0), Place(1, 0)),)
    assert found.alone == (Place(2, 0), Place(2, 1))
    assert found.contradictions == (((Place(0, 0), Place(1, 0)), (Place(2, 0),)),)


def test_an_answer_that_failed_and_one_that_repeats_itself_agree_with_nobody() -> None:
    twice = "The bridge at Ostvik was opened in 1931. [1] The bridge at Ostvik was opened in 1931. [1]"
    assert compared(twice, None) == Agreement((), (Place(0, 0), Place(0, 1)), ())
    assert compared(None, None) == Agreement((), (), ())


# ---------------------------------------------------------------- sentences with one thing made wrong


def test_a_sentence_with_one_thing_made_wrong_agrees_with_no_right_one() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for pair in VERBATIM:
        rng = Random(pair.claim)
        for kind, mutate in MUTATORS.items():
            wrong = mutate(pair.claim, rng)
            if wrong is None or wrong == pair.claim:
                continue
            found = agreement([about(pair.claim, *pair.cited), about(wrong, *pair.cited)])
            seen[kind, "against" if found.contradictions else "same" if found.same else "apart"] += 1
    tried = sum(seen.values())
    assert tried >= 50
    assert not [kind for kind, what in seen if what == "same"]
    assert sum(count for (_, what), count in seen.items() if what == "against") >= 0.9 * tried, seen


def test_right_paraphrases_seldom_contradict_what_they_say_in_other_words() -> None:
    pairs = [pair for pair in PARAPHRASED if len(pair.cited) == 1]
    found = [agreement([about(pair.claim, *pair.cited), about(pair.cited[0], *pair.cited)]) for pair in pairs]
    assert sum(bool(item.contradictions) for item in found) <= 0.02 * len(pairs)
    assert sum(bool(item.same) for item in found) >= 0.5 * len(pairs)


# ---------------------------------------------------------------- any answers


SAID = [
    "The bridge at Ostvik was opened in 1931. [1]",
    "In 1931 the bridge at Ostvik was opened. [1]",
    "The bridge at Ostvik was opened in 1932. [1]",
    "The bridge at Ostvik was not opened in 1931. [1]",
    "The bridge at Ostvik, opened in 1931, is 412 metres long. [1]",
    "It is 412 metres long. [1]",
    "It is 214 metres long. [1]",
    "Corvane Foods sold its bakery division for $48 million. [2]",
    "Corvane Foods bought its bakery division for $48 million. [2]",
    "Nobody knows. [9]",
]
some_replies = st.lists(st.lists(st.sampled_from(SAID), max_size=4).map(" ".join), min_size=2, max_size=4)


@given(some_replies, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_answers_does_not_matter(replies: list[str], rng: Random) -> None:
    order = list(range(len(replies)))
    rng.shuffle(order)
    straight, turned = compared(*replies), compared(*(replies[k] for k in order))

    def named(places: Sequence[Place]) -> frozenset[tuple[int, int]]:
        return frozenset((order[place.reply], place.sentence) for place in places)

    def plain(places: Sequence[Place]) -> frozenset[tuple[int, int]]:
        return frozenset((place.reply, place.sentence) for place in places)

    assert {plain(group) for group in straight.same} == {named(group) for group in turned.same}
    assert plain(straight.alone) == named(turned.alone)
    assert {frozenset(map(plain, item)) for item in straight.contradictions} == {
        frozenset(map(named, item)) for item in turned.contradictions
    }


@given(some_replies)
@settings(max_examples=40, deadline=None)
def test_every_sentence_is_in_one_group_and_no_group_contradicts_itself(replies: list[str]) -> None:
    answers = [answered(reply) for reply in replies]
    found = agreement(answers)
    every = [Place(k, n) for k, answer in enumerate(answers) for n in range(len(answer.sentences))]
    assert sorted([*found.alone, *(place for group in found.same for place in group)]) == every
    assert all(len({place.reply for place in group}) > 1 for group in found.same)
    assert all(item.one != item.other for item in found.contradictions)


# ---------------------------------------------------------------- who cited what


def test_cited_passages_come_in_the_order_found_with_the_numbers_of_each_answer() -> None:
    answers = [
        answered("Corvane Foods sold its bakery division for $48 million. [2] It is 412 metres long. [1]"),
        None,
        answered("The bridge at Ostvik was opened in 1931. [1] It is 412 metres long. [1]"),
    ]
    first, second = cited_passages(answers)
    assert (first.source.source, first.numbers) == ("a.md", ((2,), (), (1, 2)))
    assert first.quote == "The bridge at Ostvik was opened in 1931."
    assert (second.source.source, second.numbers) == ("b.md", ((1,), (), ()))


def test_the_words_of_a_sentence_are_those_without_our_marks() -> None:
    answer = answered("The bridge [1] is 412 metres long [1]. It has [no] toll.")
    assert [words(sentence) for sentence in answer.sentences] == [
        "The bridge is 412 metres long.",
        "It has [no] toll.",
    ]
