"""One thing wrong with one value; where in the input the value stood is the caller's to say."""

from __future__ import annotations


class Fault(ValueError):
    """A value that is refused. `code` is for programs; `detail` is a sentence for people and never repeats the whole value."""

    def __init__(self, code: str, detail: str) -> None:
        # Both in args, so that a fault can be pickled.
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
