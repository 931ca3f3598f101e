"""Which store is meant: a folder or a URL, and what must be said to reach it."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from headrace.core.errors import StoreError
from headrace.store import Store

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def command(commands: Commands, name: str, help: str, description: str, pickles: bool = False) -> Any:
    """Add a command that concerns a store, and return its parser.

    Args:
        commands: All of them.
        name: Of this one.
        help: In the list of all.
        description: On its own page.
        pickles: Whether it reads records, so that pickled objects may have to be allowed.
    """
    parser = commands.add_parser(name, help=help, description=description)
    parser.add_argument("store", metavar="STORE", help="the store's folder or URL")
    far = parser.add_argument_group("stores at a URL")
    far.add_argument("--endpoint", metavar="URL", help="the server's address, where it is not the cloud's own")
    far.add_argument("--cache", metavar="FOLDER", help="where fetched parts are kept; left out: ~/.cache/headrace")
    option(far, "--option", "what else the place must be told, such as region=eu-central-1; may be repeated")
    if pickles:
        parser.add_argument(
            "--allow-pickle", action="store_true", help="read pickled objects: whoever wrote them can run code here"
        )
    return parser


def option(parser: Any, name: str, help: str) -> None:
    """Add an option for what a place is told, which may be given several times."""
    parser.add_argument(name, metavar="KEY=VALUE", type=_pair, action="append", default=[], help=help)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("must be KEY=VALUE")  # what came is not shown: it may be a secret
    return key, value


def opened(arguments: argparse.Namespace, allow_pickle: bool | None = None) -> Store:
    """Return a store that is there: making one is what ``submit`` is for, and a typo is not."""
    allow = getattr(arguments, "allow_pickle", False) if allow_pickle is None else allow_pickle
    store = reached(arguments.store, arguments.endpoint, arguments.cache, arguments.option, allow_pickle=allow)
    if "://" in arguments.store and not arguments.store.startswith("file://"):
        return store
    if not store.path.exists():
        raise StoreError(f"there is no store at {store.path}")
    if not (store.path / "datasets").is_dir() and any(store.path.iterdir()):
        raise StoreError(f"{store.path} is no store: it holds other things, and no folder 'datasets'")
    return store


def reached(path: str, endpoint: str | None, cache: str | None, option: list[tuple[str, str]], **more: Any) -> Store:
    """Return a store, which need not be there."""
    given = {**({} if cache is None else {"cache": cache}), **more}
    return Store(path, endpoint=endpoint, options=dict(option) or None, **given)
