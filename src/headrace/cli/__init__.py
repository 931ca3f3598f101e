"""The command ``headrace``: what is in a store, is it whole, bring it elsewhere; and what does all this do."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence

from headrace import __version__
from headrace.cli import changing, looking, moving
from headrace.cli.saying import FINE, complain, human
from headrace.core.errors import HeadraceError

__all__ = ["human", "main"]

INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell says of a command that SIGINT or SIGPIPE ended

_EXAMPLES = """examples:
  headrace ls ~/data                   the datasets of a store, with all versions
  headrace show ~/data digits          the newest version: size, schema, first records
  headrace show ~/data digits 1.0 -n 20
  headrace diff ~/data digits 1.0 1.1 --key name
  headrace verify s3://bucket/data     read every file and compare it with its checksum
  headrace copy ~/data digits 1.0 s3://bucket/data
  headrace export ~/data digits digits.parquet
  headrace gc ~/data                   what would go? With --yes it does
  headrace demo                        train, be killed in the middle, go on: is it the same?

A store is a folder or a URL: s3://, gs://, az://, redis://. Credentials come from each cloud's usual environment.

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
        if argv is None:  # the process ends now, and who is impatient shall not see how
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return INTERRUPTED
    except (HeadraceError, OSError) as error:
        return complain(str(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headrace",
        description="Look into stores of datasets, check them, bring versions elsewhere, and see what Headrace does.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    looking.add(commands)
    changing.add(commands)
    moving.add(commands)

    demo = commands.add_parser(
        "demo",
        help="train, be killed, resume",
        description="Train a model on real digits, kill the training in the middle of an epoch, resume it, and compare "
        "it with one that was never stopped. Needs scikit-learn.",
    )
    demo.add_argument("--store", metavar="STORE", help="keep the digits in this store; left out: in a temporary one")
    demo.set_defaults(run=_demo)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from headrace.demo import main as run

    return run(arguments.store) or FINE
