"""Owns the errors that an operator can act on; each message ends with what to do.

    FootnoteError
    ├── UsageError    2  an option or setting is unknown or out of range
    ├── InputError    3  a folder, file or question cannot be used
    ├── ProviderError 4  no model gave an answer
    │   └── LimitError      too much was asked for just now
    ├── StoreError    5  the library is damaged or does not fit these settings
    │   └── ReadOnlyError   nothing can be written to it; what it holds still answers
    └── BusyError     6  another process owns the library

`Unloadable` stands apart: it is what a loader says of one file, and ends as that file's state.
Weak evidence and sentences without support are not errors: they are values on `Answer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rag.types import Answer


class FootnoteError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(FootnoteError):
    """A command-line option or a setting is unknown or out of range."""

    exit_code = 2


class InputError(FootnoteError):
    """The articles folder, a file or the question cannot be used as given."""

    exit_code = 3


class ProviderError(FootnoteError):
    """No model gave an answer; `retryable` says whether asking again may help.

    `answer` holds what was found for the question without one: status `incomplete`, no text, the evidence.
    """

    exit_code = 4

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.answer: Answer | None = None


class LimitError(ProviderError):
    """Readers have asked for more than `[limits]` allows; after `retry_after` seconds they may ask again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retryable=True)
        self.retry_after = retry_after


class StoreError(FootnoteError):
    """The library on disk is damaged, too new, or was built with another embedder."""

    exit_code = 5


class ReadOnlyError(StoreError):
    """The library cannot be written by this user, or lies on a disk that is read-only."""


class BusyError(FootnoteError):
    """Another process owns the library; `owner_pid` names it where it is known."""

    exit_code = 6

    def __init__(self, message: str, owner_pid: int | None = None) -> None:
        super().__init__(message)
        self.owner_pid = owner_pid


class Unloadable(Exception):
    """One file cannot become an article: `skipped` (nothing to read in it) or `failed` (something is wrong).

    `passing`: not the fault of the file; the next sync tries again though it is unchanged.
    """

    def __init__(self, state: Literal["skipped", "failed"], reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.passing = passing
