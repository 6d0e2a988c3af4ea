"""Owns the evaluations of the page: what readers may list, run, open and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rag import Footnote
from rag.errors import InputError
from rag.evaluation.compare import compare
from rag.evaluation.measure import Wanted
from rag.types import QUOTES
from ui.evaluation_runs import Runs
from ui.evaluation_store import DataSet, EvaluationStore
from ui.evaluation_view import home_html, run_html
from ui.report_view import compared_html, report_html
from ui.requests import Request, read

_Name = Annotated[str, Field(max_length=300)]


class Evaluating(Request):
    """Show, run or cancel evaluations; `name` and `other` are names of the list, never paths."""

    do: Literal["list", "progress", "open", "compare", "run", "cancel"] = "list"
    name: _Name = ""
    other: _Name = ""
    answers: bool = False
    model: _Name = ""
    questions: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    by_chance: bool = False
    confirmed: bool = False


class Evaluations:
    """Shows and runs evaluations for all readers of one page."""

    def __init__(self, library: Footnote, feedback: Path) -> None:
        settings = library.settings
        self._library = library
        self._settings = settings
        # It holds the questions of all readers: where they log in, it is the operator's alone.
        shared = None if settings.page.password else feedback
        self._store = EvaluationStore(settings.page.evaluations, shared)
        self._runs = Runs(settings.page.evaluations)

    def act(self, data: Any, session: str) -> dict[str, Any]:
        """Do what a reader asks; returns `html` of the view, or `status` of the evaluation that runs or ran last."""
        asked = read(Evaluating, data)
        if asked.do == "open":
            return {"html": report_html(asked.name, self._store.report(asked.name))}
        if asked.do == "compare":
            first, second = self._store.report(asked.name), self._store.report(asked.other)
            return {"html": compared_html((asked.name, asked.other), compare(first, second))}
        if asked.do == "run":
            self._run(asked, session)
        elif asked.do == "cancel":
            self._runs.cancel(session)
        if asked.do == "list":
            return {"html": self._home(session), **self._status(session)}
        return self._status(session)

    def close(self) -> None:
        """End what runs."""
        self._runs.close()

    def _home(self, session: str) -> str:
        reports, broken = self._store.reports()
        models = [model.name for model in self._library.models]
        judge = bool(self._settings.judge)
        return home_html(
            self._store.datasets(), reports, broken, models, run_html(self._runs.last, session), judge=judge
        )

    def _status(self, session: str) -> dict[str, Any]:
        last = self._runs.last
        return {"status": run_html(last, session), "running": bool(last and last.state == "running")}

    def _run(self, asked: Evaluating, session: str) -> None:
        data = self._store.dataset(asked.name)
        claims = data.kind == "claims"
        answering = asked.answers or claims
        model = asked.model if asked.answers and not claims else QUOTES
        if model not in {choice.name for choice in self._library.models} | {QUOTES}:
            raise InputError("This model is not one of those that the settings name. Load the page again.")
        if model != QUOTES or (answering and self._settings.judge):
            self._check_cost(asked, data)
        settings = self._settings.model_copy(
            update={
                "model": "" if model == QUOTES else model,
                "library": self._settings.library.resolve(),
            }
        )
        count = asked.questions
        wanted = Wanted(answering, sample=count if asked.by_chance else None, limit=None if asked.by_chance else count)
        self._runs.start(session, data.name, data.path.resolve(), settings, wanted)

    def _check_cost(self, asked: Evaluating, data: DataSet) -> None:
        """Refuse what would ask models where nobody said that this is meant, or where the day's tokens are counted.

        Questions alone are asked of the library itself, and counted with those of its readers; others have a library
        of their own, whose count would begin at 0.
        """
        if not asked.confirmed:
            raise InputError("This evaluation asks models, which may cost money. Confirm that first.")
        if self._settings.limits.tokens_per_day and data.kind != "questions":
            raise InputError(
                "The tokens of a day are limited here, and this data set would not be counted. Measure it with the "
                "command line, or without a model."
            )
