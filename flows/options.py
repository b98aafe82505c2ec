"""The options of the command `latticework`; what the commands do is in `flows.cli`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from tasks.records import InputError

EPILOG = """exit codes: 0 ok; 1 an item failed, the run could not be completed, or a certificate
is not valid; 2 bad input; 130 interrupted"""


class Parser(argparse.ArgumentParser):
    """Argparse with one-line errors."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise InputError(f"{message} (see `{self.prog} --help`)")


def build_parser(
    description: str, functions: Mapping[str, Callable[[argparse.Namespace], int]]
) -> Parser:
    """All commands with their options; `command` of what is parsed is the command's function."""
    parser = Parser(prog="latticework", description=description, epilog=EPILOG)
    parser.add_argument("--version", action=VersionAction)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary, epilog=EPILOG)
        added.set_defaults(command=functions[name])
        return added

    command("list", "list flows and recipes")
    show = command("show", "show the config fields of a flow, or the values of a recipe")
    show.add_argument("name", metavar="NAME")
    _add_run_options(command("run", "run a flow, or finish a run that was interrupted"))
    results = command("results", "list runs, or query the tables of one by SQL")
    results.add_argument("run", nargs="?", metavar="RUN", help="id, its beginning, path or latest")
    results.add_argument("--sql", metavar="QUERY", help="one SELECT over the run's tables")
    plot = command("plot", "draw the figures of a run again")
    plot.add_argument("run", metavar="RUN", help="id, its beginning, path or latest")
    plot.add_argument("--gallery", action="store_true", help="and one page of all schemes found")
    certify = command("certify", "write certificates of the schemes or polynomials of a run")
    _add_certify_options(certify)
    verify = command("verify", "check certificate files in exact arithmetic")
    verify.add_argument("files", nargs="+", metavar="FILE", help="certificates of any kind")
    verify.add_argument("--json", action="store_true", help="one JSON object per file on stdout")
    verify.add_argument(
        "--squares", action="store_true", help="and the squares of a valid sum of squares"
    )
    serve = command("serve", "register the deployments and execute triggered runs")
    serve.add_argument("--file", default="", metavar="PATH", help="default: deploy/prefect.yaml")
    serve.add_argument(
        "--port", type=_port, default=4200, help="of a server that has to be started"
    )
    doctor = command("doctor", "say what is installed and what can be used")
    for each in (results, plot, certify, serve, doctor):
        each.add_argument("--out", default="", metavar="DIR", help="root of the results")
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    run.add_argument("flow", metavar="FLOW")
    run.add_argument("--recipe", metavar="NAME", help="start from a named config")
    run.add_argument("--smoke", action="store_true", help="the recipe's quick twin (< 10 s)")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="KEY=VALUE",
        help="change a field; JSON where it parses, else a string; repeatable",
    )
    run.add_argument(
        "--out",
        default="",
        metavar="DIR",
        help="root of the results: folder or URI (default: $LATTICEWORK_STORE, else results)",
    )
    run.add_argument(
        "--address",
        default="local",
        metavar="RAY",
        help="local (default), serial, auto, or the address of a Ray cluster",
    )
    run.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    run.add_argument("--verbose", action="store_true", help="all log messages on stderr")


def _add_certify_options(certify: argparse.ArgumentParser) -> None:
    """Options of `certify`."""
    certify.add_argument("run", metavar="RUN", help="id, its beginning, path or latest")
    certify.add_argument("--scheme", default="", metavar="VIRO", help="only this: '<9v1<1>>'")
    certify.add_argument("--name", default="", metavar="NAME", help="only this polynomial")
    certify.add_argument("--to", default="", metavar="DIR", help="default: in the run's folder")
    certify.add_argument("--polynomial", action="store_true", help="and integer polynomials")


def _port(text: str) -> int:
    """A port number."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 1 to 65535")
    return int(text)


class VersionAction(argparse.Action):
    """Print the version and exit; the version is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print and exit."""
        from tasks.records import RELEASE

        sys.stdout.write(f"latticework {RELEASE}\n")
        parser.exit()
