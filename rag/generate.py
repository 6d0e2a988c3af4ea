"""Owns the answerer with a model: which passages it may see, how many fit, and its reply as a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rag.budget import Budget
from rag.errors import ProviderError
from rag.models import REQUESTS, ChatModel, ContextTooLong, End
from rag.prompts import chat_messages, fence_for
from rag.reply import MarkParser, reply_sentences
from rag.text import clean
from rag.types import Draft, Evidence, Hit

_BYTES_PER_TOKEN = 3  # of UTF-8; fewer than any common tokenizer needs for English, and a character of Chinese

Numbered = Sequence[tuple[int, Hit]]


class ModelAnswerer:
    """Asks models in their order until one answers; the first text shown settles which.

    A model that is not in-house never sees articles marked internal. Where no model may see what was
    found, `quote` answers.
    """

    def __init__(self, models: Sequence[ChatModel], quote: Callable[[Evidence], Draft]) -> None:
        self.name = ", ".join(model.name for model in models)
        self._models = models
        self._quote = quote

    def stream(self, evidence: Evidence, stopped: Callable[[], bool], budget: Budget) -> Iterator[str | Draft]:
        """Yield the text of the reply as it comes, without marks, and last the draft.

        Raises ProviderError where no model gave any text.
        """
        failures: list[ProviderError] = []
        notes: list[str] = []
        for model in self._models:
            numbered = list(enumerate(evidence.hits, start=1))
            allowed = [(n, hit) for n, hit in numbered if model.in_house or hit.source.visibility != "internal"]
            if len(allowed) < len(numbered):
                notes.append(f"Internal passages that {model.name} did not see: {len(numbered) - len(allowed)}.")
            if not allowed:
                continue
            try:
                yield from self._ask(model, evidence.question, allowed, stopped, notes)
                return
            except ProviderError as failure:
                failures.append(failure)
                notes.append(str(failure))
        if failures:
            raise ProviderError(
                " ".join(str(failure) for failure in failures), retryable=any(failure.retryable for failure in failures)
            )
        draft = self._quote(evidence)
        yield draft.text
        yield replace(draft, warnings=(*notes, "No in-house model is set for them: answered in quotes."))

    def close(self) -> None:
        """Close the connections to all servers."""
        for model in self._models:
            model.close()

    def _ask(
        self, model: ChatModel, question: str, passages: Numbered, stopped: Callable[[], bool], notes: list[str]
    ) -> Iterator[str | Draft]:
        given = fitting(question, passages, model.context_window - model.max_tokens)
        try:
            yield from _read(model, given, model.stream(_prompt(question, given), stopped), notes)
        except ContextTooLong as error:  # our count of tokens was wrong: once more with the better half
            if error.requests >= REQUESTS or len(given) < 2:
                raise
            given = given[: len(given) // 2]
            rest = REQUESTS - error.requests
            yield from _read(model, given, model.stream(_prompt(question, given), stopped, rest), notes)


def _prompt(question: str, passages: Numbered) -> list[tuple[str, str]]:
    return chat_messages(question, passages, fence_for(passages))


def _read(model: ChatModel, given: Numbered, stream: Iterator[str | End], notes: list[str]) -> Iterator[str | Draft]:
    """Yield the text of a reply without its marks, and last the draft."""
    parser = MarkParser([n for n, _ in given])
    raw: list[str] = []
    end = End(None)
    for event in stream:
        if isinstance(event, End):
            end = event
        else:
            raw.append(event)
            if piece := parser.feed(clean(event.replace("\r", ""))):
                yield piece
    if piece := parser.finish():
        yield piece
    sentences = reply_sentences(parser.text)
    if not sentences and end.cut is None:
        raise ProviderError(f"The model {model.name} gave no answer. Ask again.", retryable=True)
    yield Draft(
        text=parser.text,
        sentences=sentences,
        marks=tuple(parser.marks),
        model=model.name,
        raw="".join(raw),
        dropped_marks=parser.dropped,
        cut=end.cut,
        usage=end.usage,
        warnings=tuple(notes),
    )


def fitting(question: str, passages: Numbered, tokens: int) -> Numbered:
    """Return the passages whose prompt stays within `tokens`, the lowest-ranked left out; at least the first."""
    for count in range(len(passages), 1, -1):
        if sum(estimated_tokens(text) for _, text in _prompt(question, passages[:count])) <= tokens:
            return passages[:count]
    return passages[:1]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has for a model whose tokenizer we do not have; rather too many."""
    return len(text.encode("utf-8")) // _BYTES_PER_TOKEN + 1
