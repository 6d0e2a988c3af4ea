"""Owns the answerer with a model: which passages it may see, how many fit, and its reply as a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rag.budget import REQUESTS, Budget, estimated_tokens
from rag.errors import ProviderError
from rag.models import STOPPED, ChatModel, ContextTooLong, Document, End, Quoted
from rag.prompts import NOT_FOUND, chat_messages, fence_for, refuses
from rag.reply import MarkParser, reply_sentences
from rag.text import clean
from rag.types import QUOTES, Draft, Evidence, Hit, Mark, ModelChoice, Span

_BETWEEN = "\n\n"
_COMPLETION_SECONDS = 20.0

Numbered = Sequence[tuple[int, Hit]]
Stopped = Callable[[], bool]


class ModelAnswerer:
    """Asks models in their order until one answers; the first text shown settles which.

    A model that is not in-house never sees articles marked internal: where some were found, in-house models are
    asked first, and below the answer of another one `quote` says what they hold.
    """

    def __init__(self, models: Sequence[ChatModel], quote: Callable[[Evidence], Draft]) -> None:
        self.name = ", ".join(model.name for model in models)
        self._models = models
        self.quote = quote

    def of(self, names: Sequence[str]) -> ModelAnswerer:
        """Return an answerer with some of the models alone: the same ones, so that a failure of one counts for all."""
        return ModelAnswerer([model for model in self._models if model.name in names], self.quote)

    @property
    def choices(self) -> list[ModelChoice]:
        """The models as readers may choose them."""
        models = {model.name: model.spec for model in self._models}
        return [
            ModelChoice(name, spec.in_house, spec.key_variable if spec.key_variable and not spec.key else None)
            for name, spec in models.items()
        ]

    @property
    def requests(self) -> int:
        """How many requests a question needs so that each model may be asked."""
        return max(REQUESTS, len(self._models))

    @property
    def troubled(self) -> list[str]:
        """Names of the models that are left alone for a while, since they failed too often in a row."""
        return [model.name for model in self._models if model.resting]

    def stream(self, evidence: Evidence, stopped: Stopped, budget: Budget) -> Iterator[str | Draft]:
        """Yield the text of the reply as it comes, without marks, and last the draft.

        Sends no more requests than are left in the budget; each later model that can be asked keeps one. Raises
        ProviderError where no model gave any text.
        """
        failures: list[ProviderError] = []
        barred: list[str] = []
        chain = [(model, _allowed(model, evidence)) for model in self._in_order(evidence)]
        for place, (model, allowed) in enumerate(chain):
            if not allowed:
                barred.append(model.name)
                continue
            keep = sum(bool(given) and later.trouble is None for later, given in chain[place + 1 :])
            unseen = len(evidence.hits) - len(allowed)
            try:
                stream = self._ask(model, evidence.question, allowed, stopped, budget, keep)
                if unseen:
                    stream = self._with_quotes(stream, evidence, model.name, unseen)
                for part in stream:
                    yield _noted(part, failures) if isinstance(part, Draft) else part
                return
            except ProviderError as failure:
                failures.append(failure)
        if failures and not barred:
            raise ProviderError(
                " ".join(str(failure) for failure in failures), retryable=any(failure.retryable for failure in failures)
            )
        draft = self.quote(evidence)
        yield draft.text
        note = (
            f"{_counted(len(evidence.hits))} not shown to {', '.join(barred)}, which may not see any: quoted instead."
        )
        yield _noted(replace(draft, warnings=(*draft.warnings, note)), failures)

    def complete(
        self,
        messages: Sequence[tuple[str, str]],
        budget: Budget,
        max_tokens: int,
        *,
        internal: bool,
        keep: int = 1,
        stopped: Stopped = lambda: False,
    ) -> str | None:
        """Return what the first model that may be asked replies to messages; None on any failure.

        It gets one request, never repeated, and 20 s at most. Where no more than `keep` requests are left
        nothing is sent: one remains for the answer. `internal`: the messages hold text of internal articles, which is
        for in-house models only.
        """
        may = (model for model in self._models if (model.in_house or not internal) and model.trouble is None)
        model = next(may, None)
        if model is None or budget.left <= keep or budget.seconds <= 0:
            return None
        budget.take()
        alone = Budget(1, min(_COMPLETION_SECONDS, budget.seconds))
        try:
            events = list(model.stream(messages, stopped, alone, max_tokens=max_tokens))
        except ProviderError:
            return None
        text = clean("".join(event for event in events if isinstance(event, str)).replace("\r", ""))
        return None if any(isinstance(event, End) and event.cut for event in events) else text

    def close(self) -> None:
        """Close the connections to all servers."""
        for model in self._models:
            model.close()

    def _in_order(self, evidence: Evidence) -> list[ChatModel]:
        """Return the models in the order to ask them."""
        if not any(map(_internal, evidence.hits)):
            return list(self._models)
        return sorted(self._models, key=lambda model: not model.in_house)

    def _ask(
        self, model: ChatModel, question: str, passages: Numbered, stopped: Stopped, budget: Budget, keep: int
    ) -> Iterator[str | Draft]:
        given = fitting(question, passages, model.context_window - model.max_tokens)
        try:
            yield from _read(model, question, given, stopped, budget, keep)
        except ContextTooLong:  # our count of tokens was wrong: once more with the better half
            if budget.left <= keep or len(given) < 2:
                raise
            yield from _read(model, question, given[: len(given) // 2], stopped, budget, keep)

    def _with_quotes(
        self, stream: Iterator[str | Draft], evidence: Evidence, name: str, unseen: int
    ) -> Iterator[str | Draft]:
        """Yield a model's reply and then what the internal passages say that it did not see.

        Where it found nothing in what it saw, they alone are the answer: so what may be a refusal is held back.
        """
        held = ""
        holding = True
        for part in stream:
            if isinstance(part, Draft):
                quotes = _only_internal(self.quote(evidence), evidence)
                refused = refuses(part.text) and not part.marks and not part.cut
                draft = _completed(part, quotes, f"{_counted(unseen)} not shown to {name}", refused, unseen > 1)
                if rest := draft.text if holding else draft.text[len(part.text) :]:
                    yield rest
                yield draft
            elif holding and _may_refuse(held := held + part):
                continue
            else:
                yield held if holding else part
                holding = False


def _completed(draft: Draft, quotes: Draft, note: str, refused: bool, several: bool) -> Draft:
    """Return a model's draft with quotes of what it did not see, or the quotes alone where it found no answer."""
    said = "what they say is quoted" if several else "what it says is quoted"
    if not quotes.sentences or draft.cut == STOPPED:
        return replace(draft, warnings=(*draft.warnings, f"{note}."))
    if refused:
        warning = f"{note}, which found no answer; {said}."
        return replace(
            draft,
            text=quotes.text,
            sentences=quotes.sentences,
            marks=quotes.marks,
            model=QUOTES,
            warnings=(*draft.warnings, warning),
        )
    at = len(draft.text) + len(_BETWEEN)
    return replace(
        draft,
        text=draft.text + _BETWEEN + quotes.text,
        sentences=(*draft.sentences, *(Span(start + at, end + at) for start, end in quotes.sentences)),
        marks=(*draft.marks, *(mark._replace(at=mark.at + at) for mark in quotes.marks)),
        warnings=(*draft.warnings, f"{note}; {said} below its answer."),
    )


def _only_internal(draft: Draft, evidence: Evidence) -> Draft:
    """Return those of the quotes, each a paragraph with one mark, that come from internal passages."""
    text = ""
    sentences: list[Span] = []
    marks: list[Mark] = []
    for span, mark in zip(draft.sentences, draft.marks, strict=True):
        if _internal(evidence.hits[mark.n - 1]):
            text += (_BETWEEN if text else "") + draft.text[span.start : span.end]
            sentences.append(Span(len(text) - (span.end - span.start), len(text)))
            marks.append(mark._replace(at=len(text)))
    return replace(draft, text=text, sentences=tuple(sentences), marks=tuple(marks))


def _may_refuse(text: str) -> bool:
    """Whether a reply that begins like this may become a refusal, or is one."""
    begun = text.lstrip(" \n\"'*“”.")
    return refuses(text) or NOT_FOUND.startswith(begun)


def _allowed(model: ChatModel, evidence: Evidence) -> Numbered:
    """Return the passages that a model may see, with their evidence numbers."""
    numbered = enumerate(evidence.hits, start=1)
    return [(n, hit) for n, hit in numbered if model.in_house or not _internal(hit)]


def _internal(hit: Hit) -> bool:
    return hit.source.visibility == "internal"


def _counted(unseen: int) -> str:
    return "1 internal passage was" if unseen == 1 else f"{unseen} internal passages were"


def _noted(draft: Draft, failures: Sequence[ProviderError]) -> Draft:
    return replace(draft, warnings=(*map(str, failures), *draft.warnings))


def _read(
    model: ChatModel, question: str, given: Numbered, stopped: Stopped, budget: Budget, keep: int
) -> Iterator[str | Draft]:
    """Yield the text of a model's reply without its marks, and last the draft."""
    parser = MarkParser([n for n, _ in given])
    raw: list[str] = []
    native: list[Mark] = []
    end = End(None)
    fence = fence_for(given)
    prompt = chat_messages(question, given, fence)
    documents = citable(prompt[-1][1], given, fence) if model.cites else ()
    hits = dict(given)
    for event in model.stream(prompt, stopped, budget, keep=keep, documents=documents):
        if isinstance(event, End):
            end = event
        elif isinstance(event, Quoted):
            native.append(Mark(len(parser.text), event.n, hits[event.n].passage.sentences[event.sentence]))
        else:
            raw.append(event)
            if piece := parser.feed(clean(event.replace("\r", ""))):
                yield piece
    if piece := parser.finish():
        yield piece
    sentences = reply_sentences(parser.text)
    if not sentences and end.cut is None:
        raise ProviderError(f"The model {model.name} gave no answer. Ask again.", retryable=True)
    reported = {"response_model": end.model, "response_id": end.id}
    yield Draft(
        text=parser.text,
        sentences=sentences,
        marks=tuple(sorted([*native, *parser.marks], key=lambda mark: mark.at)),
        model=model.name,
        raw="".join(raw),
        dropped_marks=parser.dropped + end.misquoted,
        cut=end.cut,
        usage=end.usage,
        prompt=tuple(prompt),
        parameters=model.parameters | {name: value for name, value in reported.items() if value},
    )


def citable(text: str, passages: Numbered, fence: str) -> tuple[Document, ...]:
    """Return where passages, with a sentence in each part, stand in the text of a prompt with this fence.

    Rests on what `chat_messages` does to a passage: it changes characters, never how many there are.
    """
    documents = []
    end = 0
    for n, hit in passages:
        end = text.index(f"\n</passage-{fence}>", end + 1)
        start = end - len(hit.passage.text)
        starts = [span.start - hit.passage.start + start for span in hit.passage.sentences[1:]]
        documents.append(Document(n, (start, *starts, end)))
    return tuple(documents)


def fitting(question: str, passages: Numbered, tokens: int) -> Numbered:
    """Return the passages whose prompt stays within `tokens`, the lowest-ranked left out; at least the first."""
    for count in range(len(passages), 1, -1):
        prompt = chat_messages(question, passages[:count], fence_for(passages))
        if sum(estimated_tokens(text) for _, text in prompt) <= tokens:
            return passages[:count]
    return passages[:1]
