"""The options of the command `latticework`; what the commands do is in `flows.cli`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, NoReturn

from flows import all_studies
from flows.study import Argument, Chain, Shortcut, Study, Tool
from tasks.records.errors import InputError

__all__ = [
    "build_parser",
    "check_arguments",
    "shortcuts",
    "study_commands",
    "tools",
    "verify_arguments",
]

EPILOG = """exit codes: 0 ok; 1 an item failed, the run could not be completed, or a certificate
is not valid; 2 bad input; 130 interrupted"""
RUN_HELP = "id, its beginning, path or latest"
Function = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Argparse with one-line errors."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise InputError(f"{message} (see `{self.prog} --help`)")


def study_commands() -> dict[str, tuple[str, tuple[Argument, ...]]]:
    """Name of every command that studies have -> help, arguments of any of them."""
    found: dict[str, tuple[str, tuple[Argument, ...]]] = {}
    for study in all_studies().values():
        for command in study.commands:
            _, arguments = found.get(command.name, ("", ()))
            found[command.name] = command.help, _joined(arguments, command.arguments)
    return found


def check_arguments(study: Study | Chain, own: set[str], options: argparse.Namespace) -> None:
    """Check that a command got no arguments that it has for runs of other studies only.

    Parameters
    ----------
    study : Study or Chain
        Of the run.
    own : set of str
        Names of the arguments that its command has.
    options : Namespace
        As parsed, with the name of the command.

    Raises
    ------
    InputError
        If it did.
    """
    _, arguments = study_commands().get(options.command_name, ("", ()))
    for argument in arguments:
        if argument.name not in own and getattr(options, argument.name):
            raise InputError(f"--{argument.name} is not for runs of {study.name}")


def shortcuts() -> list[tuple[Study | Chain, Shortcut]]:
    """Runs with a command of their own, with their studies."""
    return [(study, each) for study in all_studies().values() for each in study.shortcuts]


def tools() -> dict[str, Tool]:
    """Name of every command without a stored run -> what it is; of equal names the last counts."""
    return {each.name: each for study in all_studies().values() for each in study.tools}


def verify_arguments() -> tuple[Argument, ...]:
    """Switches of `verify` that any kind of certificate has."""
    return _joined(*(v.arguments for study in all_studies().values() for v in study.verifiers))


def _joined(*groups: Iterable[Argument]) -> tuple[Argument, ...]:
    """Arguments of some commands of one name; of equal names the first one counts."""
    return tuple({each.name: each for group in reversed(groups) for each in group}.values())


def build_parser(description: str, functions: Mapping[str, Function], of_study: Function) -> Parser:
    """All commands with their options; `command` of what is parsed is the command's function.

    Parameters
    ----------
    description : str
    functions : Mapping
        Name of every command of its own, and of every tool -> its function.
    of_study : callable
        The function of all commands of studies.
    """
    parser = Parser(prog="latticework", description=description, epilog=EPILOG)
    release = f"latticework {version('latticework')}"
    parser.add_argument("--version", action="version", version=release)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary, epilog=EPILOG)
        added.set_defaults(command=functions.get(name, of_study), command_name=name)
        return added

    command("list", "list flows and recipes")
    show = command("show", "show the config fields of a flow, or the values of a recipe")
    show.add_argument("shown", metavar="NAME")
    run = command("run", "run a flow, or finish a run that was interrupted")
    run.add_argument("flow", metavar="FLOW")
    _add_run_options(run)
    for study, each in shortcuts():
        short = command(each.name, each.help)
        run_it = functions.get("run", of_study)
        short.set_defaults(command=run_it, flow=study.name, files_field=each.field)
        short.add_argument("files", nargs="+", metavar=each.metavar)
        _add_run_options(short)
    results = command("results", "list runs, show the report of one, or query its tables by SQL")
    results.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    results.add_argument("--sql", metavar="QUERY", help="one SELECT over the run's tables")
    results.add_argument("--full", action="store_true", help="the whole report")
    results.add_argument("--last", type=_up_to_65535, metavar="N", help="only N of the list")
    plot = command("plot", "draw the figures of a run again")
    plot.add_argument("run", metavar="RUN", help=RUN_HELP)
    of_studies = study_commands()
    _add(plot, of_studies.pop("plot", ("", ()))[1])
    found = [results, plot]
    for name, (summary, arguments) in of_studies.items():
        added = command(name, summary)
        added.add_argument("run", metavar="RUN", help=RUN_HELP)
        _add(added, arguments)
        found.append(added)
    for name, tool in tools().items():
        added = command(name, tool.help)
        for each in tool.positional:
            several = "+" if each is tool.positional[-1] else None
            added.add_argument(each.name, metavar=each.metavar, help=each.help, nargs=several)
        _add(added, tool.arguments)
    verify = command("verify", "check certificate files in exact arithmetic")
    verify.add_argument("files", nargs="+", metavar="FILE", help="certificates of any kind")
    verify.add_argument("--json", action="store_true", help="one JSON object per file on stdout")
    _add(verify, verify_arguments())
    serve = command("serve", "register the deployments and execute triggered runs")
    serve.add_argument("--file", default="", metavar="PATH", help="default: deploy/prefect.yaml")
    port = "of a server that has to be started"
    serve.add_argument("--port", type=_up_to_65535, default=4200, help=port)
    doctor = command("doctor", "say what is installed and what can be used")
    for each in (*found, serve, doctor):
        each.add_argument("--out", default="", metavar="DIR", help="root of the results")
    return parser


def _add(parser: argparse.ArgumentParser, arguments: Iterable[Argument]) -> None:
    """Options of a study; a switch without metavar."""
    for each in arguments:
        how: dict[str, Any] = {"default": "", "metavar": each.metavar}
        if not each.metavar:
            how = {"action": "store_true"}
        parser.add_argument(f"--{each.name}", help=each.help, **how)


def _add_run_options(run: argparse.ArgumentParser) -> None:
    """Options of `run` and its shortcuts."""
    run.add_argument("--recipe", metavar="NAME", help="start from a named config, or FILE.toml")
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
    run.add_argument(
        "--continue",
        default="",
        dest="continued",
        metavar="RUN",
        help="take over the finished items of a run of older code",
    )
    run.add_argument("--full", action="store_true", help="end with the whole report")
    run.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    run.add_argument("--verbose", action="store_true", help="all log messages on stderr")


def _up_to_65535(text: str) -> int:
    """The number of a port, or of runs."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: give 1 to 65535")
    return int(text)
