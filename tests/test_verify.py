"""Verdicts with their reasons, and the text that they are attached to."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import cite
from rag.types import AnswerSentence, Citation, CitedDraft, CitedMark, CitedSentence, Draft, Hit, Mark, Span
from rag.verify import verify
from tests.evidence import draft, evidence, hit, same

BRIDGE = hit(
    "The bridge at Ostvik is 412 metres long. It was opened on 3 March 1931. Ida Berg drew it for 3.5 million crowns.",
    published="2025-01-02",
)
FOUND = evidence("How long is the bridge?", BRIDGE, hit("Honey bees form a cluster.", "b.md"))


def checked(claim: str, *quoted: int, similarity: float = 0.9, found: Hit = BRIDGE) -> AnswerSentence:
    """Return a claim as verified against sentences of a passage, by position."""
    spans = [found.passage.sentences[i] for i in quoted]
    citations = tuple(
        Citation(n, 1, found.source, *span, found.passage.quote(span)) for n, span in enumerate(spans, start=1)
    )
    marks = (CitedMark(len(claim), tuple(citation.n for citation in citations)),) if citations else ()
    sentence = CitedSentence(Span(0, len(claim)), marks, similarity)
    _, (result,) = verify(CitedDraft(claim, (sentence,), citations), evidence("q", found))
    return result


# ---------------------------------------------------------------- verdicts


def test_a_sentence_without_citation_is_unsupported() -> None:
    result = checked("The bridge at Ostvik is 412 metres long.")
    assert (result.verdict, result.reasons) == ("unsupported", ("The sentence has no citation.",))


def test_what_is_said_to_be_missing_is_neither_supported_nor_held_against_the_model() -> None:
    claim = checked("The articles do not say who designed the bridge.")
    assert (claim.verdict, claim.reasons) == ("partial", ("For what the articles do not say nothing can be cited.",))


@pytest.mark.parametrize("space", [" ", "\n", "  "])
def test_the_words_of_a_citation_are_supported_whatever_the_vectors_say(space: str) -> None:
    result = checked("The bridge at Ostvik is 412 metres long.".replace(" ", space), 2, 0, similarity=0.0)
    assert (result.verdict, result.reasons) == ("supported", ())


def test_other_words_that_say_the_same_are_supported() -> None:
    result = checked("At 412 metres the Ostvik bridge is a long one.", 0)
    assert (result.verdict, result.reasons) == ("supported", ())


def test_the_nearer_a_sentence_the_better_its_verdict() -> None:
    claim = "The bridge is 412 metres long, slender, graceful and admired abroad."
    results = [checked(claim, 0, similarity=i / 20) for i in range(21)]
    verdicts = {result.verdict: result.reasons for result in results}
    assert list(verdicts) == ["unsupported", "partial", "supported"]
    assert [result.verdict for result in results] == sorted(
        (result.verdict for result in results), key=list(verdicts).index
    )
    assert verdicts["partial"] == ("The cited passage does not say all of this.",)


def test_a_sentence_about_something_else_is_unsupported() -> None:
    result = checked("Honey keeps for centuries in sealed jars.", 0, similarity=0.1)
    assert (result.verdict, result.reasons) == ("unsupported", ("The cited passage says something else.",))


def test_without_a_similarity_words_alone_must_do() -> None:
    claim = CitedSentence(Span(0, 12), (CitedMark(12, (1,)),))
    quote = Citation(1, 1, BRIDGE.source, 100, 140, "The bridge at Ostvik is 412 metres long.")
    _, (result,) = verify(CitedDraft("Bees sleep. ", (claim,), (quote,)), FOUND)
    assert result.verdict == "unsupported"


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("The bridge at Ostvik is 412 metres long, say nine.", "The number nine is not in the cited passage."),
        ("The 3.5 million bridge at Ostvik is 412 metres long.", "The number 3.5 million is not in the cited passage."),
        ("On 4 March 1931 the bridge at Ostvik was long.", "The date 4 March 1931 is not in the cited passage."),
        ("In April 1931 the bridge at Ostvik was long.", "The date April 1931 is not in the cited passage."),
        ("The bridge at Ostvik was 412 metres long in 1932.", "The number 1932 is not in the cited passage."),
    ],
)
def test_a_wrong_figure_is_unsupported_however_near_the_rest(claim: str, reason: str) -> None:
    result = checked(claim, 0, similarity=1.0)
    assert (result.verdict, result.reasons) == ("unsupported", (reason,))


def test_each_wrong_figure_and_name_is_named() -> None:
    result = checked("On 4 March 1931 Nils drew the 421 metres of the bridge at Ostvik.", 0)
    for wrong, reason in zip(("4 March 1931", "421", "Nils"), result.reasons, strict=True):
        assert wrong in reason


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("The bridge at Ostvik is 421 metres long.", "412 metres"),
        ("The bridge at Ostvik is 412 million metres long.", "412 metres"),
        ("The bridge at Ostvik is not 412 metres long.", ""),
    ],
)
def test_what_the_source_says_otherwise_is_contradicted(claim: str, said: str) -> None:
    result = checked(claim, 0, similarity=1.0)
    assert result.verdict == "contradicted"
    assert said in result.reasons[0]
    assert result.support < checked("The bridge at Ostvik is 412 metres long, they say.", 0).support


def test_what_one_citation_says_is_not_contradicted_by_another() -> None:
    found = hit(
        "An Australian pleaded guilty to manslaughter on Thursday. He pleaded not guilty to murder on Thursday."
    )
    claim = "An Australian has pleaded guilty to manslaughter on Thursday."
    assert checked(claim, 0, 1, found=found).verdict == "supported"
    denied = checked("An Australian has not pleaded guilty to manslaughter on Thursday.", 0, found=found)
    assert denied.verdict == "contradicted"


def test_support_tells_how_sure_a_verdict_is() -> None:
    claims = (
        ("The bridge at Ostvik is 412 metres long.", (), 0.9),
        ("Honey keeps for centuries in sealed jars.", (0,), 0.1),
        ("The bridge at Ostvik, says Karlsen, is 412 metres long.", (0,), 0.9),
        ("At 412 metres the Ostvik bridge is a long one.", (0,), 0.9),
        ("The bridge at Ostvik is 412 metres long.", (0,), 0.0),
    )
    sure = [checked(claim, *quoted, similarity=near).support for claim, quoted, near in claims]
    assert sure == sorted(sure)
    assert (sure[0], sure[-1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("claim", "quoted"),
    [
        ("On March 3, 1931, the bridge at Ostvik was opened.", 1),
        ("On 1931-03-03 the bridge at Ostvik was opened.", 1),
        ("The bridge was opened in March 1931.", 1),
        ("Ida Berg drew it for 3,500,000 crowns.", 2),
        ("Ida Berg drew one for 3.5m crowns.", 2),
    ],
)
def test_a_figure_may_be_written_otherwise(claim: str, quoted: int) -> None:
    assert checked(claim, quoted).verdict == "supported"


@pytest.mark.parametrize(
    "claim",
    [
        "Opened on 3 March 1931, the bridge at Ostvik is 412 metres long.",
        "Opened in 1931, the bridge at Ostvik is 412 metres long.",
        "The bridge at Ostvik by Ida Berg is 412 metres long.",
    ],
)
def test_a_date_a_year_or_a_name_may_stand_elsewhere_in_the_passage(claim: str) -> None:
    assert checked(claim, 0).verdict == "supported"


def test_a_name_may_stand_in_the_title_in_front_of_the_passage() -> None:
    found = hit("It is 412 metres long.", context="The bridge at Ostvik. ")
    assert checked("The bridge at Ostvik is 412 metres long.", 0, found=found).verdict == "supported"


def test_the_year_of_publication_may_be_named() -> None:
    claim = "The bridge at Ostvik was 412 metres long in 2025."
    assert checked(claim, 0).verdict == "supported"
    undated = hit(BRIDGE.passage.text, published=None)
    assert checked(claim, 0, found=undated).reasons == ("The number 2025 is not in the cited passage.",)


def test_an_unknown_name_makes_a_near_sentence_partial_and_a_far_one_unsupported() -> None:
    reason = "“Karlsen” is not in the cited passage."
    near = checked("The bridge at Ostvik, says Karlsen, is 412 metres long.", 0)
    assert (near.verdict, near.reasons) == ("partial", (reason,))
    far = checked("The baker Karlsen sells bread and cakes.", 0, similarity=0.1)
    assert (far.verdict, far.reasons) == ("unsupported", (reason, "The cited passage says something else."))


@pytest.mark.parametrize(
    ("said", "claimed"),
    [
        ("The company uses GPT-4 in its office.", "Its office uses GPT-5 today."),
        ("该桥建成时有10万人参加。", "该桥建成时有20万人参加。"),
        ("去年的收入增长了30%。", "去年的收入增长了35%。"),
        ("There were twenty-one engineers at the bridge.", "There were twenty-two engineers at this bridge."),
    ],
)
def test_another_version_amount_or_share_is_not_supported(said: str, claimed: str) -> None:
    assert checked(claimed, 0, found=hit(said), similarity=0.9).verdict != "supported"


@pytest.mark.parametrize(
    ("said", "claimed"),
    [
        ("该桥建成时有10万人参加。", "参加的有 10万"),
        ("There were twenty-one engineers at the bridge.", "There were 21 engineers at the bridge."),
        ("Up to 30 people may apply to the school.", "At the school up to 30 may apply."),
        ("The bridge was opened in mid-2024 by the mayor.", "The mayor opened the bridge in 2024."),
        ("The bridge is 412 metres long from end to end.", "The bridge is 412m long."),
    ],
)
def test_the_same_amount_in_other_words_is_not_called_missing(said: str, claimed: str) -> None:
    assert not [reason for reason in checked(claimed, 0, found=hit(said)).reasons if reason.startswith("The ")]


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_check(claim: str, said: str) -> None:
    found = hit(said.strip() or "x")
    if found.passage.sentences:
        result = checked(claim, 0, found=found)
        assert bool(result.reasons) == (result.verdict != "supported")


@pytest.mark.parametrize("text", ["sıx men", "ſix men", "1 auguſt 2024", "aprıl 2024", "9" * 400, "²³ ½ ٣ ３０"])
def test_letters_that_look_like_others_break_nothing(text: str) -> None:
    assert checked("The bridge is long.", 0, found=hit(text), similarity=0.0).verdict == "unsupported"
    assert checked(text, 0, similarity=0.0).verdict == "unsupported"


# ---------------------------------------------------------------- the text


def test_marks_stand_where_the_model_set_them() -> None:
    reply = "The bridge at Ostvik is 412 metres long [1]. Bees cluster. [2]"
    text, sentences = verify(cite(draft(reply, FOUND), FOUND, same), FOUND)
    assert text == reply
    assert [sentence.text for sentence in sentences] == [
        "The bridge at Ostvik is 412 metres long [1].",
        "Bees cluster. [2]",
    ]


def test_a_mark_for_two_sentences_of_a_passage_becomes_two() -> None:
    reply = "It was opened on 3 March 1931, drawn by Ida Berg [1]."
    text, (sentence,) = verify(cite(draft(reply, FOUND), FOUND, same), FOUND)
    assert text == "It was opened on 3 March 1931, drawn by Ida Berg [1] [2]."
    assert [chip.n for chip in sentence.chips] == [1, 2]


def test_the_same_number_stands_once_in_a_row_of_marks() -> None:
    text, _ = verify(cite(draft("Honey bees cluster [2][2].", FOUND), FOUND, same), FOUND)
    assert text == "Honey bees cluster [1]."


def test_a_number_named_again_further_on_stands_there_again() -> None:
    reply = "Honey bees [2], like the Ostvik bridge at 412 metres [1][2], are long."
    text, (sentence,) = verify(cite(draft(reply, FOUND), FOUND, same), FOUND)
    assert text == "Honey bees [1], like the Ostvik bridge at 412 metres [2] [1], are long."
    assert sentence.citations == (1, 2)


@pytest.mark.parametrize(
    "reply", ["[1] The bridge is long.", "- [1] The bridge is long.", "1. [1] The bridge is long."]
)
def test_a_mark_that_opens_a_line_does_not_touch_the_word_behind_it(reply: str) -> None:
    text, _ = verify(cite(draft(reply, FOUND), FOUND, same), FOUND)
    assert "] The" in text


def test_brackets_that_are_words_are_no_chips() -> None:
    text, (sentence,) = verify(cite(draft("Honey bees, see `[2]`, cluster [2].", FOUND), FOUND, same), FOUND)
    assert text == "Honey bees, see `[2]`, cluster [1]."
    assert [text[chip.start : chip.end] for chip in sentence.chips] == ["[1]"]
    assert sentence.chips[0].start == text.rindex("[1]")


def assert_places_hold(drafted: Draft) -> None:
    """Check that the answer is the draft with chips set in, and that every offset gives what it says."""
    cited = cite(drafted, FOUND, same)
    text, sentences = verify(cited, FOUND)
    assert len(sentences) == len(drafted.sentences)
    bare, at = "", 0
    for sentence in sentences:
        assert text[sentence.start : sentence.end] == sentence.text
        leading = sentence.start  # where a chip in front of the sentence would stand, its blank behind it
        for chip in sentence.chips:
            assert sentence.start <= chip.start < chip.end <= sentence.end
            assert text[chip.start : chip.end] == f"[{chip.n}]"
            assert 1 <= chip.n <= len(cited.citations)
            if chip.start == leading or text[chip.start - 1] == "\n":
                assert text[chip.end] == " "
                bare, at = bare + text[at : chip.start], chip.end + 1
                leading = at
            else:
                assert text[chip.start - 1] == " "
                bare, at = bare + text[at : chip.start - 1], chip.end
        assert {chip.n for chip in sentence.chips} == set(sentence.citations)
    assert bare + text[at:] == drafted.text
    assert all(earlier.end <= later.start for earlier, later in pairwise(sentences))


PIECES = ["[1]", "[2]", "[1, 2]", " [1]", "[9]", "[2025]", " ", "\n", "\n\n", "\n- ", "1. ", "# ", "|", "`", "\n```\n"]
REPLIES = st.lists(st.sampled_from([*PIECES, "bridge", "Ostvik", "412", ". ", "。", "桥", "- ", "> "]), max_size=30)


@given(REPLIES.map("".join))
def test_without_its_chips_the_text_is_that_of_the_draft(reply: str) -> None:
    assert_places_hold(draft(reply, FOUND))


@given(st.text("ab .\n", max_size=40), st.data())
def test_marks_at_any_place_leave_the_text_of_the_draft(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    sentences = tuple(Span(*pair) for pair in zip(cuts[::2], cuts[1::2], strict=False))
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    marks = tuple(Mark(at, data.draw(st.integers(1, 2))) for at in places)
    assert_places_hold(Draft(text, sentences, marks, "model", text))


def test_text_around_the_sentences_is_kept() -> None:
    reply = "# Ostvik\n\n- The bridge is 412 metres long [1]\n- Bees cluster [2]\n\n---\n"
    text, sentences = verify(cite(draft(reply, FOUND), FOUND, same), FOUND)
    assert text == "# Ostvik\n\n- The bridge is 412 metres long [1]\n- Bees cluster [2]\n\n---\n"
    assert [re.sub(r" \[\d\]", "", sentence.text) for sentence in sentences] == [
        "Ostvik",
        "The bridge is 412 metres long",
        "Bees cluster",
    ]
