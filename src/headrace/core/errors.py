"""Every error that Headrace raises on purpose, and every warning it gives.

One root, so that ``except headrace.HeadraceError`` catches all; each also is the built-in error that fits, so that
code which knows nothing of Headrace still catches what it expects::

    HeadraceError
    ├── ArgumentError (ValueError)       an argument that cannot be meant: a batch size of 0, weights that do not fit
    │   └── KindError (TypeError)        an argument of a kind that cannot be used: a string where records belong
    ├── ColumnError (KeyError)           no such column
    ├── SchemaError (ValueError)         records or columns that do not fit together
    ├── EndlessError (TypeError)         an end is needed, and there is none
    ├── OrderError (ValueError)          an order that cannot be drawn as asked, such as a split that would leak
    ├── RecordError (RuntimeError)       the user's function or the source failed on a record; the original is the cause
    ├── StateError (ValueError)          a state that does not belong here
    ├── DryRunError (ValueError)         a chain has problems that a dry run found; all of them are listed
    ├── WorkerError (RuntimeError)       a worker died, or could not be started or given its work
    ├── StoreError (OSError)             a store cannot be read or written
    │   ├── NotFoundError (LookupError)  no such dataset or version
    │   ├── ExistsError                  the version is there already
    │   ├── DamageError                  what lies there is not what was written
    │   ├── DeniedError                  the place is there, and these credentials may not use it
    │   └── UnreachableError             the place gave no answer, or none that can be used, until a deadline
    └── MissingExtraError (ImportError)  an optional dependency is not installed

    HeadraceWarning (UserWarning)
    ├── ReplayWarning                    a stream is resumed by running its generator again
    └── CodeChangedWarning               a function is not the one that the state was saved with
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HeadraceError(Exception):
    """The root of all errors raised on purpose."""


class ArgumentError(HeadraceError, ValueError):
    """An argument that cannot be meant."""


class KindError(ArgumentError, TypeError):
    """An argument of a kind that cannot be used."""


class ColumnError(HeadraceError, KeyError):
    """There is no such column; the message names those that there are, and the nearest."""

    def __str__(self) -> str:  # KeyError would show the message quoted
        return str(self.args[0]) if self.args else ""

    @classmethod
    def missing(cls, name: object, names: Iterable[str]) -> ColumnError:
        """Say which column is missing, which there are, and which may have been meant.

        >>> raise ColumnError.missing("imgae", ["image", "label"])
        Traceback (most recent call last):
        headrace.core.errors.ColumnError: no column 'imgae'; there are 'image', 'label'. Did you mean 'image'?
        """
        known = list(names)
        near = get_close_matches(name, known, n=1) if isinstance(name, str) else []
        there = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
        hint = f". Did you mean {near[0]!r}?" if near else ""
        return cls(f"no column {name!r}; there are {there or 'none'}{hint}")


class SchemaError(HeadraceError, ValueError):
    """Records or columns that do not fit together."""


class EndlessError(HeadraceError, TypeError):
    """An end is needed, and there is none."""


class OrderError(HeadraceError, ValueError):
    """An order that cannot be drawn as asked."""


class RecordError(HeadraceError, RuntimeError):
    """The user's function or the source failed on a record; the original error is the cause."""


class StateError(HeadraceError, ValueError):
    """A state that does not belong here."""


class DryRunError(HeadraceError, ValueError):
    """A dry run found problems; the message lists all of them."""


class WorkerError(HeadraceError, RuntimeError):
    """A worker died, or could not be started or given its work."""


class StoreError(HeadraceError, OSError):
    """A store cannot be read or written."""


class NotFoundError(StoreError, LookupError):
    """There is no such dataset or version."""


class ExistsError(StoreError):
    """The version is there already; versions never change."""


class DamageError(StoreError):
    """What lies in the store is not what was written."""


class DeniedError(StoreError):
    """The place is there, and these credentials may not do what was asked."""


class UnreachableError(StoreError):
    """The place was asked again and again until a deadline, and gave no answer that can be used."""


class MissingExtraError(HeadraceError, ImportError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """Say what is missing, for what, and the command that installs it."""
        return cls(f'{purpose} needs {package}, which is not installed: pip install "headrace[{extra}]"')


class HeadraceWarning(UserWarning):
    """The root of all warnings."""


class ReplayWarning(HeadraceWarning):
    """A stream is resumed by running its generator again from the start."""


class CodeChangedWarning(HeadraceWarning):
    """A function is not the one that the state was saved with."""
