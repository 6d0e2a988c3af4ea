"""Owns what a failed request means: what the operator is told, and whether trying again makes sense."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import openai

from rag.errors import ProviderError
from rag.models.spec import ModelSpec

_LONGEST_WAIT = 10.0  # seconds a server may make a reader wait
_SAID = 200  # characters of a server's own message


class ContextTooLong(ProviderError):
    """The model's window is smaller than the prompt; `requests` is how many were sent until it said so."""

    requests = 0


class Failure(NamedTuple):
    """What to tell, and whether to try again: after `wait` seconds, or after our own pause where it is None."""

    error: ProviderError
    try_again: bool = False
    wait: float | None = None


def explain(error: Exception, spec: ModelSpec) -> Failure:
    """Return what an error of a request means; the key is in no message, nor is a reply's body."""
    who = _who(spec)
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, spec, who)
    if isinstance(error, openai.APIConnectionError | httpx.TransportError):
        text = f"{who} cannot be reached. Check base_url, and that the server runs."
        return Failure(ProviderError(text, retryable=True), try_again=True)
    return not_a_completion(spec)


def not_a_completion(spec: ModelSpec) -> Failure:
    """Return what a reply means that is none: a web page, an empty body, other data."""
    text = f"{_who(spec)} sent something that is not a chat completion. Check base_url."
    return Failure(ProviderError(text, retryable=True), try_again=True)


def _who(spec: ModelSpec) -> str:
    return f"The model {spec.name} at {urlsplit(spec.base_url).hostname}"


def _explain_status(error: openai.APIStatusError, spec: ModelSpec, who: str) -> Failure:
    status, said = error.status_code, _said(error, spec)
    if status in (401, 403):
        remedy = f"Check the key in {spec.key_variable}." if spec.key_variable else "Name its key in api_key_env."
        return Failure(ProviderError(f"{who} refused the key ({status}). {remedy}"))
    if status == 404:
        return Failure(ProviderError(f"{who} is not there (404). Check the model's name and base_url."))
    if error.code == "insufficient_quota":
        return Failure(ProviderError(f"{who} has no quota left ({status}).{said} Add to it, or use another model."))
    if status == 429 or status >= 500:
        wait = retry_after(error.response.headers.get("retry-after"))
        what = "is busy" if status == 429 else "failed"
        if wait is not None and wait > _LONGEST_WAIT:
            text = f"{who} {what} ({status}) and asks to wait {wait:.0f} s. Ask again then."
            return Failure(ProviderError(text, retryable=True))
        text = f"{who} {what} ({status}). Ask again in a moment."
        return Failure(ProviderError(text, retryable=True), try_again=True, wait=wait)
    if _is_too_long(error):
        return Failure(ContextTooLong(f"{who} cannot read so long a prompt. Set its context_window lower."))
    return Failure(ProviderError(f"{who} refused the request ({status}).{said} Check the model's settings."))


def unsupported_option(error: Exception, options: dict[str, object]) -> str | None:
    """Return which of the options sent a server names as one it does not take; None for any other error."""
    if isinstance(error, openai.APIStatusError) and error.status_code in (400, 422) and not _is_too_long(error):
        named = f"{error.param} {error.message}"
        return next((option for option in options if option in named), None)
    return None


def _is_too_long(error: openai.APIStatusError) -> bool:
    says_so = error.code == "context_length_exceeded" or "context" in error.message.lower()
    return error.status_code in (400, 413) and says_so


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for; None where there is none, or no sense in it."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
        except (ValueError, TypeError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _said(error: openai.APIStatusError, spec: ModelSpec) -> str:
    """Return the server's own message, cut short; empty where there is none or the key is in it."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    if not isinstance(message, str) or (spec.key and spec.key in message):
        return ""
    return f" It says: “{' '.join(message.split())[:_SAID]}”."
