"""Owns receiving uploads: a multipart request taken apart and counted as it comes, kept whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from rag.errors import FootnoteError
from ui.upload_store import MEGABYTE, Part, Refused, Uploads, kept

FILES_AT_ONCE = 50
"""In one request."""
BYTES_AT_ONCE = 200 * MEGABYTE
"""Of the files of one request."""
SILENCE_SECONDS = 30
"""Between two pieces of a request; how long all of it may take is for the gate to say."""

_BESIDE_FILES = MEGABYTE  # bytes of a request that are in no file
MOST_IN_BODY = BYTES_AT_ONCE + _BESIDE_FILES
"""Bytes of a request."""

_MANY = (
    f"At most {FILES_AT_ONCE} files and {BYTES_AT_ONCE // MEGABYTE} MB can be uploaded at once. Send fewer together."
)
_BROKEN = "The upload came incomplete or damaged, so nothing was kept. Send it again."
_LATE = "The upload took too long, so nothing was kept. Send fewer files together, or over a faster connection."
_STRANGER = "This browser has no session here any more. Load the page again."
_NONE = "No file came. Choose at least one."
_UNEXPECTED = "Something unexpected went wrong, so nothing was kept. The log of the server says what."

_log = logging.getLogger(__name__)


def uploads_router(uploads: Uploads, session_of: Callable[[Mapping[str, str]], str | None]) -> APIRouter:
    """Return `POST /articles`: multipart, with the files in parts that have a file name.

    The answer is JSON: `error`, a sentence or null, and `files`, for each its `name`, and the `source` it has in the
    library or the `error` why it was refused; `note` says that the very same file was there. Status 200 where one
    was kept or was there; else 413 too large or too many, 422 not readable, 429 too much for today, 403 not to be
    changed here, 503 busy, 507 no space, 408 too slow.
    """
    router = APIRouter()

    @router.post("/articles")
    async def receive(request: Request) -> JSONResponse:
        parts: list[Part] = []
        try:
            session = session_of(request.cookies)
            if session is None:
                raise Refused(403, _STRANGER)
            with uploads.running(session):
                await _receive(request, uploads, session, parts)
        except Refused as refusal:
            return JSONResponse({"files": [], "error": refusal.message}, refusal.status)
        except FootnoteError as error:  # too many changes wait: the files are there, and a later sync finds them
            return JSONResponse({"files": [part.answer() for part in parts], "error": str(error)}, 503)
        except OSError:
            _log.exception("An upload failed")
            return JSONResponse({"files": [], "error": _UNEXPECTED}, 500)
        refused = [part.refused for part in parts if part.refused]
        status = refused[0].status if len(refused) == len(parts) else 200
        return JSONResponse({"files": [part.answer() for part in parts], "error": None}, status)

    return router


async def _receive(request: Request, uploads: Uploads, session: str, parts: list[Part]) -> None:
    """Take in a request, and fill `parts` with what came. Raises Refused; then nothing of it is kept."""
    declared = request.headers.get("content-length", "")
    coming = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 16 else 0
    if coming > MOST_IN_BODY:
        raise Refused(413, _MANY)
    await asyncio.to_thread(uploads.prepare)
    uploads.check_space(coming)
    receiver = _Receiver(uploads, session, _boundary(request), parts)
    try:
        async for chunk in _chunks(request):
            await asyncio.to_thread(receiver.take, chunk)
        await asyncio.to_thread(receiver.end)
        await asyncio.to_thread(uploads.keep, parts)
    finally:
        await asyncio.shield(asyncio.to_thread(receiver.discard))


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise Refused(422, _NONE)
    return boundary


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes. Raises Refused where it comes too slowly, or the reader has gone."""
    stream = request.stream()
    try:
        while True:
            yield await asyncio.wait_for(anext(stream), SILENCE_SECONDS)
    except StopAsyncIteration:
        return
    except TimeoutError:
        raise Refused(408, _LATE) from None
    except ClientDisconnect:
        raise Refused(422, _BROKEN) from None


class _Receiver:
    """Writes the files of one request to where they wait for its end."""

    def __init__(self, uploads: Uploads, session: str, boundary: bytes, parts: list[Part]) -> None:
        self._uploads = uploads
        self._session = session
        self._parts = parts
        self._part: Part | None = None  # the one that comes; None where it is no file
        self._file: int | None = None
        self._body = 0
        self._ended = False
        self._header = [b"", b""]
        self._disposition = ""
        callbacks: Any = {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_file,
            "on_part_data": self._write,
            "on_part_end": self._end_file,
            "on_end": self._end_body,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise Refused(422, _BROKEN) from None

    def take(self, chunk: bytes) -> None:
        """Take the next piece of the body. Raises Refused."""
        self._body += len(chunk)
        if self._body > MOST_IN_BODY:
            raise Refused(413, _MANY)
        self._uploads.check_space(len(chunk))
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Refused(422, _BROKEN) from None

    def end(self) -> None:
        """See that all of the body came. Raises Refused."""
        if not self._ended:
            raise Refused(422, _BROKEN)
        if not self._parts:
            raise Refused(422, _NONE)

    def discard(self) -> None:
        """Delete what has no name of its own yet."""
        self._close()
        for part in self._parts:
            if part.path is not None:
                with suppress(OSError):
                    part.path.unlink(missing_ok=True)

    # ------------------------------------------------------------ what the parser says

    def _begin_part(self) -> None:
        self._header = [b"", b""]
        self._disposition = ""

    def _add_header(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value.decode("latin-1")
        self._header = [b"", b""]

    def _begin_file(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if not options.get(b"filename"):
            self._part = None
            return
        if len(self._parts) >= FILES_AT_ONCE:
            raise Refused(413, _MANY)
        self._uploads.count(self._session, files=1, size=0)
        self._part, self._file = self._uploads.begin(_decoded(options[b"filename"]))
        self._parts.append(self._part)

    def _write(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part is None:
            return
        self._uploads.count(self._session, files=0, size=end - start)
        part.size += end - start
        part.refused = part.refused or self._uploads.too_large(part.size)
        if part.refused is not None or self._file is None:
            self._drop(part)
            return
        piece = memoryview(data)[start:end]
        part.hasher.update(piece)
        with kept():
            while piece:
                piece = piece[os.write(self._file, piece) :]

    def _end_file(self) -> None:
        part, self._part = self._part, None
        if part is None or self._file is None:
            return
        if not part.size:
            part.refused = Refused(422, "The file is empty.")
            self._drop(part)
            return
        with kept():
            os.fsync(self._file)
        self._close()

    def _end_body(self) -> None:
        self._ended = True

    def _drop(self, part: Part) -> None:
        self._close()
        if part.path is not None:
            with kept():
                part.path.unlink(missing_ok=True)
            part.path = None

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _decoded(name: bytes) -> str:
    """Return a file name as a browser meant it: UTF-8, with quotation marks and line ends written as %22, %0D, %0A."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = name.decode("latin-1")
    for written, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(written, meant)
    return text
