"""The command ``headrace``: what is in a store, is it whole, and what does all this do."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from headrace import __version__
from headrace.core import table
from headrace.core.errors import DamageError, HeadraceError, StoreError
from headrace.core.records import wrap
from headrace.store import Store
from headrace.stores.manifest import Manifest

FINE, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell says of a command that SIGINT or SIGPIPE ended

_EXAMPLES = """examples:
  headrace ls ~/data                   the datasets of a store, with all versions
  headrace show ~/data digits          the newest version: size, schema, first records
  headrace show ~/data digits 1.0 -n 20
  headrace verify ~/data               read every file and compare it with its checksum
  headrace demo                        train, be killed in the middle, go on: is it the same?

exit codes: 0 fine, 1 damage or failure, 2 wrong use
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments; None for those that the process was started with.

    Returns:
        The exit code: 0 fine, 1 damage or failure, 130 interrupted, 141 nobody reads the output any more.

    Raises:
        SystemExit: With code 2 for wrong use, 0 for ``--help`` and ``--version``.
    """
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack letters that the data has
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the last flush fails once more
        return PIPE_CLOSED
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one, while Python ends, would kill it with a traceback
        return INTERRUPTED
    except (HeadraceError, OSError) as error:
        return _failed(str(error))
    return code


def _failed(message: str) -> int:
    """Say in one line what went wrong."""
    print(f"headrace: {' '.join(message.split())}", file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headrace",
        description="Look into stores of datasets, check them, and see what Headrace does.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    ls = commands.add_parser("ls", help="list datasets and versions", description="List all versions in a store.")
    ls.add_argument("store", metavar="STORE", help="the store's folder")
    ls.set_defaults(run=_ls)

    show = commands.add_parser(
        "show", help="describe a version", description="Show the size, the schema and the first records of a version."
    )
    show.add_argument("store", metavar="STORE", help="the store's folder")
    show.add_argument("id", metavar="ID", help="the dataset")
    show.add_argument("version", metavar="VERSION", nargs="?", help="the version; left out: the newest")
    show.add_argument("-n", "--records", metavar="N", type=_count, default=5, help="how many records to show (5)")
    show.set_defaults(run=_show)

    verify = commands.add_parser(
        "verify", help="check all files", description="Read every file and compare it with its checksum."
    )
    verify.add_argument("store", metavar="STORE", help="the store's folder")
    verify.add_argument("id", metavar="ID", nargs="?", help="only this dataset")
    verify.add_argument("version", metavar="VERSION", nargs="?", help="only this version of it")
    verify.set_defaults(run=_verify)

    demo = commands.add_parser(
        "demo",
        help="train, be killed, resume",
        description="Train a model on real digits, kill the training in the middle of an epoch, resume it, and compare "
        "it with one that was never stopped. Needs scikit-learn.",
    )
    demo.add_argument("--store", metavar="STORE", help="keep the digits in this store; left out: in a temporary one")
    demo.set_defaults(run=_demo)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def _open(path: str) -> Store:
    """Return a store that is there: making one is what ``submit`` is for, and a typo is not."""
    store = Store(path)
    if not store.path.exists():
        raise StoreError(f"there is no store at {store.path}")
    if not (store.path / "datasets").is_dir() and any(store.path.iterdir()):
        raise StoreError(f"{store.path} is no store: it holds other things, and no folder 'datasets'")
    return store


def _ls(arguments: argparse.Namespace) -> int:
    store = _open(arguments.store)
    rows, unreadable = [], []
    for id in store.ids():
        for version in store.versions(id):
            try:
                found = store.manifest(id, version)
            except StoreError as error:
                unreadable.append(str(error))
                rows.append((id, version, "", "", "cannot be read"))
            else:
                rows.append((id, version, f"{found.length:,}", human(found.size), _when(found)))
    if not rows:
        print(f"{store.path} has no datasets")
        return FINE
    print(_aligned([("DATASET", "VERSION", "RECORDS", "SIZE", "CREATED"), *rows], right=(2, 3)))
    sys.stdout.flush()
    for problem in unreadable:
        _failed(problem)
    return FAILED if unreadable else FINE


def _show(arguments: argparse.Namespace) -> int:
    store = _open(arguments.store)
    found = store.manifest(arguments.id, arguments.version)
    dataset = store.fetch(found.id, found.version)
    newest = store.versions(found.id)[-1] == found.version
    about = [
        ("dataset", f"{found.id}, version {found.version}{' (the newest)' if newest else ''}"),
        ("records", f"{found.length:,}"),
        ("size", f"{human(found.size)} in {len(found.parts):,} part{'' if len(found.parts) == 1 else 's'}"),
        ("schema", str(found.schema)),
        ("fingerprint", found.fingerprint),
        ("created", f"{_when(found)}, by Headrace {found.headrace} with NumPy {found.numpy}"),
        *(("replaces", parent) for parent in found.parents),
    ]
    print(_aligned(about))
    shown = min(arguments.records, found.length)
    if shown:
        print()
        print(table.text(wrap(dataset.take(shown).collect()).batch, shown).partition("\n")[2])
    return FINE


def _verify(arguments: argparse.Namespace) -> int:
    store = _open(arguments.store)
    try:
        checked = store.verify(arguments.id, arguments.version)
    except DamageError as error:
        summary, *files = str(error).splitlines()
        print("\n".join(files))
        sys.stdout.flush()
        return _failed(summary.rstrip(":"))
    print(f"{checked:,} part{'' if checked == 1 else 's'} checked: everything is as it was written")
    return FINE


def _demo(arguments: argparse.Namespace) -> int:
    from headrace.demo import main as run

    return run(arguments.store)


def human(size: int) -> str:
    """Return a number of bytes as a person reads it.

    >>> human(0), human(999), human(1500), human(614_400_128)
    ('0 B', '999 B', '1.5 kB', '614.4 MB')
    """
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} PB"


def _when(manifest: Manifest) -> str:
    return f"{datetime.fromisoformat(manifest.created):%Y-%m-%d %H:%M} UTC"


def _aligned(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows as lines, their cells below each other."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
