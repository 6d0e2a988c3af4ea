"""The mutation table: sentences that are right, with one thing made wrong; how much of it is seen, and what is not."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from rag.embed import MiniLMEmbedding
from rag.guards import findings
from rag.text import index_terms, question_terms, sentence_spans
from rag.types import Citation, CitedDraft, CitedMark, CitedSentence, Span
from rag.verify import verify
from tests.claims import PARAPHRASED, VERBATIM, Pair
from tests.evidence import evidence, hit
from tests.mutations import MUTATORS
from tests.summary import SUMMARY

PLAIN = ("number", "unit, scale, currency", "date", "name")
Judge = Callable[[str, Pair], bool]
"""Whether a claim that cites what a pair cites is flagged."""


def tuned(pair: Pair) -> bool:
    """Whether the words were tuned on a pair, and not on the other half, which is looked at in no detail."""
    return int(hashlib.sha256((pair.group or pair.cited[0]).encode()).hexdigest(), 16) % 2 == 0


def mutants(pair: Pair) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each claim that one mutation makes."""
    rng = Random(int(hashlib.sha256(pair.claim.encode()).hexdigest(), 16))
    for kind, mutate in MUTATORS.items():
        changed = mutate(pair.claim, rng)
        if changed is not None and changed != pair.claim:
            yield kind, changed


class Shares(NamedTuple):
    """How many were flagged, of how many, on the tuned and on the held-out half."""

    flagged: tuple[int, int]
    tried: tuple[int, int]

    def reach(self, goal: float) -> bool:
        """Whether a share is reached on both halves, one miss on each aside."""
        return all(hit + 1 >= goal * of for hit, of in zip(*self, strict=True))

    def stay_below(self, bound: float) -> bool:
        """Whether a share is not exceeded on either half."""
        return all(hit <= bound * of for hit, of in zip(*self, strict=True))


def table(name: str, pairs: Iterable[Pair], judge: Judge) -> dict[str, Shares]:
    """Return for each kind of mutation, and for "untouched", how many are flagged; print it."""
    flagged: Counter[tuple[str, bool]] = Counter()
    tried: Counter[tuple[str, bool]] = Counter()
    for pair in pairs:
        for kind, claim in (("untouched", pair.claim), *mutants(pair)):
            tried[kind, tuned(pair)] += 1
            flagged[kind, tuned(pair)] += judge(claim, pair)
    shares = {
        kind: Shares(*((count[kind, True], count[kind, False]) for count in (flagged, tried)))
        for kind in ("untouched", *MUTATORS)
    }
    lines = [
        f"{kind} {', '.join(f'{hit}/{of}' for hit, of in zip(*share, strict=True))}" for kind, share in shares.items()
    ]
    SUMMARY.lines.append(f"mutations, {name} (flagged; tuned half, held-out half): {'; '.join(lines)}")
    return shares


def by_guards(claim: str, pair: Pair) -> bool:
    return any(findings(claim, pair.cited, " ".join(["Title.", pair.around, *pair.cited])))


def contradicted(claim: str, pair: Pair) -> bool:
    return bool(findings(claim, pair.cited, " ".join([pair.around, *pair.cited])).contradicted)


# ---------------------------------------------------------------- written for this


def test_a_sentence_that_is_nearly_that_of_the_article_is_flagged_once_a_thing_in_it_is_wrong() -> None:
    shares = table("verbatim", VERBATIM, by_guards)
    assert shares.pop("untouched").stay_below(0)
    assert all(share.reach(0.95) for share in shares.values()), shares


def test_wrong_figures_dates_and_names_are_flagged_in_other_words_too() -> None:
    shares = table("in other words", PARAPHRASED, by_guards)
    assert shares["untouched"].stay_below(0.05)
    assert all(shares[kind].reach(0.95) for kind in PLAIN), shares
    # Where nearly every word is another one, only reading tells whether it is denied.
    assert shares["negation"].reach(0.6)
    assert shares["verb strength"].reach(0.6)


def test_good_sentences_in_other_words_are_seldom_called_contradicted() -> None:
    wrong = [pair.claim for pair in PARAPHRASED if contradicted(pair.claim, pair)]
    assert len(wrong) <= 0.04 * len(PARAPHRASED)


def test_verdicts_see_what_the_guards_see(embedder: MiniLMEmbedding) -> None:
    @cache
    def meaning(text: str) -> list[float]:
        return embedder.get_text_embedding(text)

    def by_verdict(claim: str, pair: Pair) -> bool:
        found = hit(" ".join(pair.cited), context=f"{pair.around} ")
        spans = [(found.passage.start + found.passage.text.index(quote), quote) for quote in pair.cited]
        citations = tuple(
            Citation(n, 1, found.source, at, at + len(quote), quote) for n, (at, quote) in enumerate(spans, start=1)
        )
        near = max(sum(a * b for a, b in zip(meaning(claim), meaning(quote), strict=True)) for quote in pair.cited)
        sentence = CitedSentence(
            Span(0, len(claim)), (CitedMark(len(claim), tuple(citation.n for citation in citations)),), near
        )
        _, (checked,) = verify(CitedDraft(claim, (sentence,), citations), evidence("q", found))
        return checked.verdict != "supported"

    pairs = [*VERBATIM, *PARAPHRASED]
    shares = table("verdicts on all that was written for this", pairs, by_verdict)
    assert shares["untouched"].stay_below(0.08)
    assert all(shares[kind].reach(0.95) for kind in PLAIN), shares
    assert shares["negation"].reach(0.65)
    assert shares["verb strength"].reach(0.65)


# ---------------------------------------------------------------- public


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _sentences(folder: Path, count: int) -> list[Pair]:
    """Return sentences of an encyclopedia as claims that cite themselves, one of a paragraph."""
    rng = Random(7)
    rows = _rows(folder / "corpus.jsonl")
    rng.shuffle(rows)
    pairs: list[Pair] = []
    for row in rows:
        spans = sentence_spans(row["text"])
        fit = [text for start, end in spans if 8 <= len((text := row["text"][start:end]).split()) <= 35]
        if fit and len(pairs) < count:
            chosen = rng.choice(fit)
            pairs.append(Pair(chosen, (chosen,), f"{row['title']}. {row['text']}"))
    return pairs


def _shortened(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Yield the sentences without their last part, every second one with words in front."""
    for i, pair in enumerate(pairs):
        end = max(pair.claim.rfind(border) for border in (", ", " which ", " while ", " because "))
        claim = pair.claim[: max(0, end)].rstrip(", ") + "."
        if len(claim.split()) > 5:
            yield Pair(f"According to the article, {claim}" if i % 2 else claim, pair.cited, pair.around)


def test_sentences_of_an_encyclopedia_are_flagged_once_a_thing_in_them_is_wrong(
    evaluation_data: Callable[[str], Path],
) -> None:
    sentences = _sentences(evaluation_data("datasets/squad2_dev_half"), 700)
    for name, pairs in (("whole", sentences[:300]), ("shortened", list(_shortened(sentences[300:])))):
        shares = table(f"SQuAD 2.0's sentences, {name}", pairs, by_guards)
        assert shares.pop("untouched").stay_below(0.02)
        assert all(share.reach(0.95) for share in shares.values()), shares


def _summaries(folder: Path) -> Iterator[Pair]:
    """Yield the sentences of summaries that people called consistent, with the three nearest of the document."""
    known: dict[str, tuple[list[str], list[set[str]]]] = {}
    seen: set[str] = set()
    for row in _rows(folder / "items.jsonl"):
        text = row["document"]
        if row["label"] != "consistent":
            continue
        if text not in known:
            parts = [text[start:end] for start, end in sentence_spans(text)]
            known[text] = parts, [set(index_terms(part)) for part in parts]
        parts, terms = known[text]
        for start, end in sentence_spans(row["summary"]):
            claim = row["summary"][start:end]
            wanted = question_terms(claim)
            near = sorted(range(len(parts)), key=lambda i: -sum(term in terms[i] for term in wanted))[:3]
            shared = sum(any(term in terms[i] for i in near) for term in wanted)
            if claim not in seen and len(claim.split()) > 5 and shared >= 0.6 * len(wanted):
                seen.add(claim)
                yield Pair(claim, tuple(parts[i] for i in sorted(near)), text[:2000], text)


def test_summaries_that_people_found_consistent_are_seldom_called_contradicted(
    evaluation_data: Callable[[str], Path],
) -> None:
    pairs = list(_summaries(evaluation_data("datasets/summedits_dev")))
    wrong = [contradicted(pair.claim, pair) for pair in pairs]
    SUMMARY.lines.append(f"consistent summaries called contradicted: {sum(wrong)} of {len(wrong)} sentences")
    assert sum(wrong) <= 0.03 * len(wrong)
    shares = table("consistent summaries", (pair for pair in pairs[::4] if not by_guards(pair.claim, pair)), by_guards)
    assert all(shares[kind].reach(0.8) for kind in ("number", "unit, scale, currency", "date")), shares


@pytest.mark.parametrize("kind", MUTATORS)
def test_a_mutation_changes_one_thing(kind: str) -> None:
    for pair in VERBATIM:
        changed = MUTATORS[kind](pair.claim, Random(1))
        assert changed is None or len(set(changed.split()) ^ set(pair.claim.split())) <= 9
