"""Owns the model judge: a second opinion on each sentence that cites, beside the verdicts of our rules."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from rag.budget import Budget
from rag.prompts import JUDGE_VERSION, claim_text, judge_messages, shows
from rag.types import QUOTES, Answer, Citation, Judgement, Verdict, digest

Ask = Callable[[Sequence[tuple[str, str]], Budget], str | None]
"""Sends messages (roles and texts) to a model, in one request, and returns its reply; None where none came."""

_VERDICTS: dict[str, Verdict] = {verdict: verdict for verdict in get_args(Verdict)}
_LINE = re.compile(rf"\s*(\d{{1,5}}): ({'|'.join(_VERDICTS)})\s*", re.ASCII)


class ModelJudge:
    """Asks a model, in one request, for a verdict on every sentence that cites.

    `name` is what readers know the model by, `identity` whatever else tells it from others of that name. Verdicts are
    kept in `folder`, so that the same question about the same words is never paid twice; None keeps none. A judge that
    is not `in_house` never sees what internal articles say.
    """

    def __init__(
        self,
        name: str,
        ask: Ask,
        *,
        in_house: bool,
        folder: Path | None,
        identity: str = "",
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._ask = ask
        self._in_house = in_house
        self._kept = _Kept(folder)
        self._identity = identity
        self.close = close

    def __call__(self, answer: Answer, budget: Budget) -> Answer:
        """Return the answer with what the model says of its sentences; whatever goes wrong is a warning.

        The verdicts of our rules and the status stay as they are. Nothing is sent where no request is left.
        """
        claims, hidden = self._claims(answer)
        keys = {n: digest("judge", JUDGE_VERSION, self._name, self._identity, claim) for n, claim in claims.items()}
        verdicts = {n: verdict for n, key in keys.items() if (verdict := self._kept.get(key))}
        warnings = []
        if hidden:
            warnings.append(f"Sentences from internal articles that the judge {self._name} did not see: {hidden}.")
        if unknown := {n: claim for n, claim in claims.items() if n not in verdicts}:
            found, trouble = self._asked(unknown, budget)
            for n, verdict in found.items():
                self._kept.put(keys[n], verdict)
            verdicts |= found
            warnings += [f"The judge {self._name} {trouble}."] if trouble else []
        everything = tuple(verdicts.get(n) for n, _ in enumerate(answer.sentences, start=1))
        judgement = Judgement(self._name, everything) if verdicts else None
        return replace(answer, judgement=judgement, warnings=(*answer.warnings, *warnings))

    def _claims(self, answer: Answer) -> tuple[dict[int, str], int]:
        """Return the sentences to judge, by number from 1, and how many the judge may not see."""
        draft = answer.draft
        if draft is None or draft.model == QUOTES or not answer.sentences:  # the answer to a refusal has none
            return {}, 0
        claims: dict[int, str] = {}
        hidden = 0
        told = not self._in_house and _writer_saw_internal(answer)
        for n, (sentence, (start, end)) in enumerate(zip(answer.sentences, draft.sentences, strict=True), start=1):
            cited = [answer.citations[number - 1] for number in sentence.citations]
            internal = any(citation.source.visibility == "internal" for citation in cited)
            if cited and (told or (internal and not self._in_house)):
                hidden += 1
            elif cited:
                claims[n] = claim_text(
                    draft.text[start:end], [(_about(citation), citation.quote) for citation in cited]
                )
        return claims, hidden

    def _asked(self, claims: Mapping[int, str], budget: Budget) -> tuple[dict[int, Verdict], str | None]:
        """Return the verdicts on claims, and what was wrong, if anything."""
        if budget.left < 1 or budget.seconds <= 0:
            return {}, "was not asked: this question may send no more requests"
        try:
            reply = self._ask(judge_messages(claims), budget)
        except Exception as error:
            return {}, f"gave no verdict: {str(error).rstrip('.')}"
        if reply is None:
            return {}, "gave no verdict"
        found = {n: verdict for n, verdict in read_verdicts(reply).items() if n in claims}
        missing = len(claims) - len(found)
        return found, f"gave no verdict on {missing} of {len(claims)} sentences" if missing else None


def read_verdicts(reply: str) -> dict[int, Verdict]:
    """Return the verdicts in a reply, by number: of lines such as "3: supported"; one with two verdicts has none."""
    found: dict[int, set[Verdict]] = {}
    for line in reply.splitlines():
        if match := _LINE.fullmatch(line):
            found.setdefault(int(match[1]), set()).add(_VERDICTS[match[2]])
    return {n: verdicts.pop() for n, verdicts in found.items() if len(verdicts) == 1}


def _writer_saw_internal(answer: Answer) -> bool:
    """Whether a model wrote the answer with internal passages before it: then any sentence may tell of them."""
    prompt = answer.draft.prompt if answer.draft else ()
    internal = (hit for hit in answer.evidence.hits if hit.source.visibility == "internal")
    return any(shows(prompt, hit.passage.text) for hit in internal)


def _about(citation: Citation) -> str:
    source = citation.source
    return f"{source.title} ({source.published})" if source.published else source.title


class _Kept:
    """Verdicts from before: a file for each, named by the digest of all that was asked; no text is in them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: str) -> Verdict | None:
        if self._folder is None:
            return None
        try:
            return _VERDICTS.get((self._folder / key).read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict; where that cannot be, it will be asked for again."""
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=self._folder, delete=False) as file:
                file.write(verdict)
            Path(file.name).replace(self._folder / key)


def verdicts_folder() -> Path | None:
    """Return where verdicts are kept: `$XDG_CACHE_HOME/footnote/judge` or `~/.cache/footnote/judge`."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "footnote" / "judge"
    except RuntimeError:  # this user has no home
        return None
