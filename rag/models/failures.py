"""Owns what a failed request means: what the operator is told, and whether trying again makes sense."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from rag.errors import ProviderError
from rag.models.spec import ModelSpec

_LONGEST_WAIT = 10.0  # seconds a server may make a reader wait
_SAID = 200  # characters of a server's own message


class ContextTooLong(ProviderError):
    """The model's window is smaller than the prompt."""


class Refused(Exception):
    """A server answered with an error: its status, message, code, the parameter it names, and its Retry-After.

    `said` is its own message, where it sent one; `message` may be the SDK's.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        said: object = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.said = said
        self.retry_after = retry_after


class Unreachable(Exception):
    """There was no connection, or it broke."""


class Failure(NamedTuple):
    """What to tell, and whether to try again: after `wait` seconds, or after our own pause where it is None.

    `broken` where the fault is the server's or the network's, not that of the request or the key.
    """

    error: ProviderError
    try_again: bool = False
    wait: float | None = None
    broken: bool = False


def explain(error: Exception, spec: ModelSpec) -> Failure:
    """Return what an error of a request means; the key is in no message, nor is a reply's body."""
    if isinstance(error, Refused):
        return _explain_status(error, spec, who(spec))
    if isinstance(error, Unreachable):
        text = f"{who(spec)} cannot be reached. Check base_url, and that the server runs."
        return Failure(ProviderError(text, retryable=True), try_again=True, broken=True)
    return not_a_completion(spec)


def not_a_completion(spec: ModelSpec) -> Failure:
    """Return what a reply means that is none: a web page, an empty body, other data."""
    text = f"{who(spec)} sent something that is not a chat completion. Check base_url."
    return Failure(ProviderError(text, retryable=True), try_again=True, broken=True)


def too_late(spec: ModelSpec, setting: str) -> Failure:
    """Return what it means that a model did not begin in the time that a setting allows."""
    text = f"{who(spec)} did not begin to answer in time. Try again, or raise {setting}."
    return Failure(ProviderError(text, retryable=True), broken=True)


def who(spec: ModelSpec) -> str:
    """Return how a message names a model."""
    return f"The model {spec.name} at {spec.host}"


def key_trouble(spec: ModelSpec) -> str | None:
    """Return what is wrong with a model's key before anything is sent; None where nothing is."""
    if spec.key_variable and not spec.key:
        return f"The model {spec.name} needs a key. Put it in {spec.key_variable}."
    if spec.key and not (spec.key.isascii() and spec.key.isprintable()):
        return f"The key in {spec.key_variable} has characters that no key has. Set it again."
    return None


def _explain_status(error: Refused, spec: ModelSpec, who: str) -> Failure:
    status, said = error.status, _said(error, spec)
    if status in (401, 403):
        remedy = f"Check the key in {spec.key_variable}." if spec.key_variable else "Name its key in api_key_env."
        return Failure(ProviderError(f"{who} refused the key ({status}). {remedy}"))
    if status == 404:
        return Failure(ProviderError(f"{who} is not there (404). Check the model's name and base_url."))
    if error.code == "insufficient_quota":
        return Failure(ProviderError(f"{who} has no quota left ({status}).{said} Add to it, or use another model."))
    if status == 429 or status >= 500:
        wait = retry_after(error.retry_after)
        what, broken = ("is busy", False) if status == 429 else ("failed", True)
        if wait is not None and wait > _LONGEST_WAIT:
            text = f"{who} {what} ({status}) and asks to wait {wait:.0f} s. Ask again then."
            return Failure(ProviderError(text, retryable=True), broken=broken)
        text = f"{who} {what} ({status}). Ask again in a moment."
        return Failure(ProviderError(text, retryable=True), try_again=True, wait=wait, broken=broken)
    if _is_too_long(error):
        return Failure(ContextTooLong(f"{who} cannot read so long a prompt. Set its context_window lower."))
    return Failure(ProviderError(f"{who} refused the request ({status}).{said} Check the model's settings."))


def unsupported_option(error: Exception, options: Collection[str]) -> str | None:
    """Return which of the options sent a server names as one it does not take; None for any other error."""
    if isinstance(error, Refused) and error.status in (400, 422) and not _is_too_long(error):
        named = f"{error.param} {error.message}"
        return next((option for option in options if option in named), None)
    return None


def _is_too_long(error: Refused) -> bool:
    message = error.message.lower()
    says_so = (
        error.code in ("context_length_exceeded", "request_too_large")
        or "context" in message
        or "prompt is too long" in message
    )
    return error.status in (400, 413) and says_so


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


def _said(error: Refused, spec: ModelSpec) -> str:
    """Return the server's own message, cut short; empty where there is none or the key is in it."""
    message = error.said
    if not isinstance(message, str) or (spec.key and spec.key in message):
        return ""
    return f" It says: “{' '.join(message.split())[:_SAID]}”."
