"""Commands that read all there is: ``verify``, ``copy``, ``export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headrace.cli.places import Commands, command, opened, option, reached
from headrace.cli.saying import FINE, complain, counted, printed
from headrace.core.errors import DamageError
from headrace.stores.versions.exporting import Format

_ENDINGS: dict[str, Format] = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}


def add(commands: Commands) -> None:
    """Add the commands."""
    verify = command(commands, "verify", "check all files", "Read every file and compare it with its checksum.")
    verify.add_argument("id", metavar="ID", nargs="?", help="only this dataset")
    verify.add_argument("version", metavar="VERSION", nargs="?", help="only this version of it")
    verify.set_defaults(run=_verify)

    copy = command(
        commands,
        "copy",
        "bring a version to another store",
        "Bring a version to another store, under the same names. Every byte is checked; a copy that was stopped goes "
        "on where it ended.",
    )
    copy.add_argument("id", metavar="ID", help="the dataset")
    copy.add_argument("version", metavar="VERSION", nargs="?", help="the version or a tag; left out: the newest")
    copy.add_argument("to", metavar="TO", help="the other store's folder or URL")
    copy.add_argument("--tags", action="store_true", help="the version's tags go along")
    copy.add_argument("--to-endpoint", metavar="URL", help="like --endpoint, of the other store")
    option(copy, "--to-option", "like --option, of the other store")
    copy.add_argument("--compression", choices=["zstd"], help="how files are packed there, at a URL")
    copy.set_defaults(run=_copy)

    export = command(
        commands,
        "export",
        "write a version as Parquet, Arrow or tar shards",
        "Write a version as files that other tools read.",
    )
    export.add_argument("id", metavar="ID", help="the dataset")
    export.add_argument("version", metavar="VERSION", nargs="?", help="the version or a tag; left out: the newest")
    export.add_argument("path", metavar="PATH", help="the file, or for webdataset the folder")
    export.add_argument(
        "--format",
        choices=["parquet", "arrow", "webdataset"],
        help="left out: by the path's ending, .parquet or .arrow",
    )
    export.add_argument("--replace", action="store_true", help="replace what is there")
    export.set_defaults(run=_export)


def _verify(arguments: argparse.Namespace) -> int:
    store = opened(arguments)
    try:
        checked = store.verify(arguments.id, arguments.version)
    except DamageError as error:
        summary, *files = str(error).splitlines()
        print("\n".join(files))
        sys.stdout.flush()
        return complain(summary.rstrip(":"))
    print(f"{counted(checked, 'part')} checked: everything is as it was written")
    return FINE


def _copy(arguments: argparse.Namespace) -> int:
    source = opened(arguments, allow_pickle=True)  # nothing is unpickled for it
    found = source.manifest(arguments.id, arguments.version)
    more = {} if arguments.compression is None else {"compression": arguments.compression}
    target = reached(
        arguments.to, arguments.to_endpoint, arguments.cache, arguments.to_option, allow_pickle=True, **more
    )
    source.copy(found.id, found.version, to=target, tags=arguments.tags)
    return printed(f"version {found.version!r} of {found.id!r} is in {target.url}: {counted(found.length, 'record')}")


def _export(arguments: argparse.Namespace) -> int:
    store = opened(arguments)
    path = Path(arguments.path)
    format: Format | None = arguments.format or _ENDINGS.get(path.suffix.lower())
    if format is None:
        return complain(f"{path} says nothing of the format: add --format parquet, arrow or webdataset")
    found = store.manifest(arguments.id, arguments.version)
    store.export(found.id, found.version, path, format, arguments.replace)
    return printed(f"version {found.version!r} of {found.id!r} is in {path}: {counted(found.length, 'record')}")
