"""What a caller demands of the stored version before a change is made."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import PreconditionFailed, PreconditionRequired


@dataclass(frozen=True, slots=True)
class Precondition:
    """`versions` None: nothing was said. `exists`: any version will do. `absent`: there has to be none."""

    versions: frozenset[int] | None = None
    exists: bool = False
    absent: bool = False
    required: bool = False

    def check(self, version: int) -> None:
        """For an item that is there. Raises PreconditionRequired or PreconditionFailed."""
        stated = self.versions is not None or self.exists or self.absent
        if self.required and not stated:
            raise PreconditionRequired
        if self.absent or (self.versions is not None and version not in self.versions):
            raise PreconditionFailed(version=version)

    def check_absent(self) -> None:
        """For an item that is not there yet. Raises PreconditionFailed where a version of it was named."""
        if self.versions is not None or self.exists:
            raise PreconditionFailed(version=None)


NONE = Precondition()
