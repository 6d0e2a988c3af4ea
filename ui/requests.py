"""Owns what the page's script may ask of the server: the shape of each request, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rag.errors import InputError
from rag.types import Scope
from ui.turns import Asked, Mode

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}(\.[1-9])?$")]
_Number = Annotated[int, Field(ge=1, le=10_000)]


class Request(BaseModel):
    """A request of the page's script; names that we do not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


T = TypeVar("T", bound=Request)


class Question(Request):
    """How a question is asked; with `number`, in place of that turn and all after it. No `conversation` begins one."""

    conversation: _Id | None = None
    number: _Number | None = None
    mode: Mode = "answer"
    models: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=4)
    articles: list[_Id] = Field(default=[], max_length=5000)
    as_of: Annotated[str, Field(max_length=20)] = ""

    @property
    def asked(self) -> Asked:
        """How it is asked, as the chat takes it."""
        return Asked(self.mode, tuple(self.models), Scope(tuple(self.articles), self.as_of or None))


class Open(Request):
    """Open the page, or a conversation."""

    conversation: _Id | None = None


class Conversing(Request):
    """Stop an answer in a conversation."""

    conversation: _Id


class Listing(Request):
    """Change or search the reader's conversations."""

    do: Literal["list", "rename", "delete", "delete_all"] = "list"
    search: Annotated[str, Field(max_length=200)] = ""
    conversation: _Id | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    current: _Id | None = None


class Judging(Request):
    """Keep what a reader thinks of a reply; `good` None takes it back."""

    conversation: _Id
    key: Key
    good: bool | None
    reason: Annotated[str, Field(max_length=500)] = ""

    @property
    def place(self) -> tuple[int, int]:
        """The number of the turn, and which of its replies, both from 1."""
        number, _, k = self.key.partition(".")
        return int(number), int(k or 1)


def read(kind: type[T], data: Any) -> T:
    """Return a request of the page's script, given as JSON or as its values. Raises InputError where it is not one."""
    try:
        return kind.model_validate_json(data) if isinstance(data, str) else kind.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"The page sent something unexpected ({where}). Load it again.") from None
