"""The exceptions of the package, and how a mistake in a pipeline is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from levada._frozen import Frozen

__all__ = [
    "ExtensionError",
    "GoError",
    "InvalidPipelineError",
    "LevadaError",
    "Origin",
    "RetryableError",
    "SettingError",
    "Violation",
]


class Origin(Frozen):
    """A place in the author's source."""

    file: str
    line: int

    @classmethod
    def of_caller(cls) -> Origin:
        """The innermost frame that is not the platform's own.

        A frame is told by its module's name and not by its file: the methods that
        ``dataclasses`` generates have no file.
        """
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame.f_back is not None:
            module = frame.f_globals.get("__name__") or ""
            if module.partition(".")[0] not in ("levada", "typing"):
                break
            frame = frame.f_back
        return cls(frame.f_code.co_filename, frame.f_lineno)

    def within(self, folder: str | None) -> str:
        """``file:line`` with the file relative to folder, where it is inside it."""
        return f"{relative(self.file, folder)}:{self.line}"

    def __str__(self) -> str:
        return self.within(None)


def relative(file: str, folder: str | None) -> str:
    """The file as messages show it: relative to folder (default: the working
    folder) where it is inside it, with forward slashes."""
    if file.startswith("<"):  # "<stdin>", "<string>"
        return file
    path = os.path.relpath(file, folder or os.getcwd())
    if path.startswith(os.pardir):
        path = file
    return path.replace(os.sep, "/")


class Violation(Frozen):
    """One mistake: where it is, what is wrong, what helps."""

    text: str
    step: str = ""
    origin: Origin | None = None
    hint: str = ""

    def within(self, folder: str | None) -> str:
        """The message, with places relative to folder."""
        place = f'step "{self.step}"' if self.step else ""
        if self.origin is not None:
            where = self.origin.within(folder)
            place = f"{place} ({where})" if place else where
        message = f"{place}: {self.text}" if place else self.text
        return f"{message}\nhint: {self.hint}" if self.hint else message


class LevadaError(Exception):
    """The root of what this package raises for a mistake of its user."""


class InvalidPipelineError(LevadaError, ValueError):
    """A pipeline that can not become a plan. It tells every mistake that was found."""

    def __init__(self, violations: Violation | Iterable[Violation]) -> None:
        given = [violations] if isinstance(violations, Violation) else violations
        found = tuple(dict.fromkeys(given))  # a branch used twice says everything twice
        super().__init__(found)
        self.violations: tuple[Violation, ...] = found

    def within(self, folder: str | None) -> str:
        """The messages, with places relative to folder."""
        return "\n".join(v.within(folder) for v in self.violations)

    def __str__(self) -> str:
        return self.within(None)


class SettingError(InvalidPipelineError, TypeError):
    """A setting that a Go function does not have, or that has another type or range. It
    is a TypeError too, as with any argument that does not fit."""


class ExtensionError(LevadaError, ImportError):
    """A compiled module that is missing, stale, or one too many."""


class GoError(LevadaError, RuntimeError):
    """What a Go function returned as its error, or panicked with.

    Attributes:
        index: the message of a ``call_batch`` that it happened to; None for one message.
    """

    index: int | None = None


class RetryableError(Exception):
    """What a step raises where another call may do, as when a service did not answer.

    The call is repeated as the step's ``retry`` says; where neither the step nor the
    pipeline says anything, three times from 100 ms on. It is the author's own exception
    and no mistake, hence no ``LevadaError``; classes of his own may derive from it.
    """

    # The crossing asks the class of an exception for this: that needs no import.
    __levada_retry__ = True
