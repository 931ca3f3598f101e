"""Commands that change what there is: ``tag``, ``untag``, ``rm``, ``gc``."""

from __future__ import annotations

import argparse

from headrace.cli.places import Commands, command, opened
from headrace.cli.saying import printed


def add(commands: Commands) -> None:
    """Add the commands."""
    tag = command(
        commands, "tag", "give a version another name", "Give a version another name, which can be moved later on."
    )
    tag.add_argument("id", metavar="ID", help="the dataset")
    tag.add_argument("version", metavar="VERSION", help="the version, or another tag of it")
    tag.add_argument("tag", metavar="TAG", help="the name, such as best")
    tag.set_defaults(run=_tag)

    untag = command(commands, "untag", "take a tag away", "Take a tag away; the version stays.")
    untag.add_argument("id", metavar="ID", help="the dataset")
    untag.add_argument("tag", metavar="TAG", help="the tag")
    untag.set_defaults(run=_untag)

    rm = command(
        commands,
        "rm",
        "delete a version",
        "Delete a version. Who reads it reads on. Far away its files stay until 'headrace gc'.",
    )
    rm.add_argument("id", metavar="ID", help="the dataset")
    rm.add_argument("version", metavar="VERSION", help="the version; a tag is not enough")
    rm.set_defaults(run=_rm)

    gc = command(
        commands,
        "gc",
        "clear away what no version needs",
        "Show which parts no version needs; with --yes they are deleted. Versions are never touched.",
    )
    gc.add_argument("--yes", action="store_true", help="delete them")
    gc.add_argument(
        "--grace", metavar="TIME", default="1 h", help="younger parts stay: somebody may be writing them (1 h)"
    )
    gc.set_defaults(run=_gc)


def _tag(arguments: argparse.Namespace) -> int:
    store = opened(arguments)
    store.tag(arguments.id, arguments.version, arguments.tag)
    named = store.tags(arguments.id).get(arguments.tag, arguments.version)
    return printed(f"{arguments.tag!r} is version {named!r} of {arguments.id!r}")


def _untag(arguments: argparse.Namespace) -> int:
    opened(arguments).untag(arguments.id, arguments.tag)
    return printed(f"{arguments.tag!r} is no tag of {arguments.id!r} any more")


def _rm(arguments: argparse.Namespace) -> int:
    opened(arguments).delete(arguments.id, arguments.version)
    return printed(f"version {arguments.version!r} of {arguments.id!r} is deleted")


def _gc(arguments: argparse.Namespace) -> int:
    grace = 0 if arguments.grace.strip() == "0" else arguments.grace
    found = opened(arguments).gc(dry_run=not arguments.yes, grace=grace)
    hint = " (with --yes)" if found.dry_run and found.parts else ""
    return printed(f"{found}{hint}")
