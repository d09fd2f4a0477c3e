"""What can go wrong, as data; the sentences that users read are written in `app.web.problems`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar
from uuid import UUID

E = TypeVar("E", bound=Exception)


def remade(kind: type[E], args: tuple[object, ...], values: Mapping[str, object]) -> E:
    """An exception that came from another process, as it was; pickle alone would call `kind` with `args`, which few of ours take."""
    error = kind.__new__(kind, *args)
    vars(error).update(values)
    return error


class KehuError(Exception):
    """Something that the caller is told. `code` is for programs, `data` for whoever has to mend it."""

    code = "internal"

    def __init__(self, code: str | None = None, **data: object) -> None:
        super().__init__(code or self.code)
        self.code = code or self.code
        self.data = data

    def __reduce__(self) -> tuple[object, ...]:
        return remade, (type(self), self.args, vars(self))

    def kept(self) -> Self:
        """As a result among others, without the frames it was raised in: they hold the results, and both would stay for the collector.

        One refused line in a chunk kept all of it so: an import of 230,000 lines grew by 210 MB.
        """
        self.__context__ = self.__cause__ = None
        return self.with_traceback(None)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One thing wrong with one value of the input; `pointer` is an RFC 6901 pointer or `query.<name>`.

    `position` is where in a text that is a rule, counted in characters from 0; None where the whole value is meant.
    """

    pointer: str
    code: str
    detail: str
    position: int | None = None


class Invalid(KehuError):
    """The input is well-formed and wrong."""

    code = "invalid"

    def __init__(self, faults: Sequence[FieldFault], *, code: str | None = None) -> None:
        super().__init__(code)
        self.faults = tuple(faults)


class QueryTooDear(KehuError):
    """A read was cut by its own time-out."""

    code = "query_too_dear"


class NotAllOrNothing(KehuError):
    """A set of writes of which all or none was to be made; `refused` has what stood in the way, by the index of the item."""

    code = "batch_refused"

    def __init__(self, refused: Mapping[int, KehuError]) -> None:
        super().__init__()
        self.refused = refused


class BadCursor(KehuError):
    """A cursor that is damaged, or belongs to another query."""

    code = "bad_cursor"


class BadPosition(KehuError):
    """A position that is damaged, or from the future."""

    code = "bad_position"


class LostPosition(KehuError):
    """A position of the database's life before a restore."""

    code = "position_of_earlier_life"


class Unauthenticated(KehuError):
    """No token or a bad one; which of the two is not said."""

    code = "unauthenticated"


class Forbidden(KehuError):
    """The token lacks `data["scope"]`."""

    code = "scope_missing"


class NotFound(KehuError):
    """There is no such thing, or none that the caller may see."""

    code = "not_found"


class Gone(KehuError):
    """The customer, or what `code` says, was deleted and can be restored."""

    code = "customer_deleted"

    def __init__(self, code: str | None = None, *, existing_id: UUID, deleted_at: datetime) -> None:
        super().__init__(code, existing_id=existing_id, deleted_at=deleted_at)


class Conflict(KehuError):
    """The request is well-formed and the state forbids it."""

    code = "conflict"


class PreconditionFailed(KehuError):
    """The stored version is not the one that the caller named."""

    code = "version_mismatch"


class PreconditionRequired(KehuError):
    """This installation wants every change to name the version it is meant for."""

    code = "if_match_required"


class Unavailable(KehuError):
    """The database is away or too busy; the same request may succeed later."""

    code = "database_unavailable"
    retry_after = 1


class Outrun(Exception):
    """A row was written by a later transaction than ours: roll back and run again (see `app.db.unit_of_work`)."""
