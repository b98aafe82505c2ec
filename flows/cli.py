"""The command `latticework`.

Exit codes: 0 ok; 1 an item failed, the run could not be completed, or a certificate is not valid;
2 bad input (nothing was started); 130 interrupted. Results go to stdout; progress, logs and errors
go to stderr. Prefect and Ray are imported by the commands that need them, after their input has
been checked.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flows import FLOWS, FlowEntry
from flows.options import build_parser
from flows.supervision import supervise
from tasks.records import InputError, LatticeworkError, StoreError
from tasks.records.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.records import Run

__all__ = ["main"]

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code.

    Without `arguments` it takes those of the process, whose flow then runs in a supervised child.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    wants_json = given[:1] == ["run"] and "--json" in given
    if arguments is not None or given[:1] != ["run"] or "--help" in given or "-h" in given:
        return _answer(given, wants_json=wants_json)
    verdict = supervise(lambda: _answer(given, wants_json=wants_json))
    if verdict.reason:
        hint = "finished parts are kept, run the same command again"
        return _fail(f"{verdict.reason}; {hint}", verdict.code, "failed", wants_json)
    return verdict.code


def _answer(arguments: Sequence[str], *, wants_json: bool) -> int:
    """Run a command; every failure is one line, and with --json one object too."""
    try:
        options = build_parser((__doc__ or "").splitlines()[0], _COMMANDS).parse_args(arguments)
        return options.command(options)
    except InputError as error:
        return _fail(error, EXIT_BAD_INPUT, "refused", wants_json)
    except LatticeworkError as error:
        return _fail(error, EXIT_FAILED, "failed", wants_json)
    except KeyboardInterrupt:
        message = "interrupted; finished parts are kept"
        return _fail(message, EXIT_INTERRUPTED, "interrupted", wants_json)
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has seen enough; Python's own flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _complain(error: object, code: int) -> int:
    """One line on stderr."""
    print(f"latticework: {printable(str(error))}", file=sys.stderr)
    return code


def _fail(error: object, code: int, status: str, wants_json: bool) -> int:
    """One line on stderr and, if it is wanted, the JSON object of a run that has no results."""
    if wants_json:
        outcome = {"run_id": None, "path": None, "status": status, "rows": 0, "error": str(error)}
        print(json.dumps(outcome), flush=True)
    return _complain(error, code)


def _consoles(*, verbose: bool = False) -> tuple[Console, Console]:
    """Rich consoles on stdout and stderr; the latter gets the log."""
    from rich.console import Console

    from flows.terminal import send_logs_to

    # No markup: names of triangulations and cells of tables are data.
    out = Console(highlight=False, markup=False)
    err = Console(stderr=True, highlight=False, markup=False)
    send_logs_to(err, verbose=verbose)
    return out, err


def _list(_: argparse.Namespace) -> int:
    """`latticework list`."""
    for entry in FLOWS.values():
        print(f"{entry.name}: {entry.summary}")
        for recipe in entry.load("recipes").values():
            print(f"  --recipe {recipe.name}: {recipe.summary}")
    return EXIT_OK


def _show(options: argparse.Namespace) -> int:
    """`latticework show NAME`."""
    from flows.configs import find_shown, recipe_config
    from flows.terminal import config_table, fields_help

    entry, recipe, smoke = find_shown(options.name)
    out, _ = _consoles()
    if recipe is None:
        out.print(f"{entry.name}: {entry.summary}")
        out.print(fields_help(entry.load("config")))
        out.print(f"recipes: {', '.join(entry.load('recipes'))}")
        return EXIT_OK
    out.print(f"recipe {options.name} of {entry.name}: {recipe.summary}")
    out.print(config_table(recipe_config(recipe, smoke=smoke), "config"))
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    """`latticework run FLOW`: check everything, then start Prefect."""
    from flows.configs import build_config, check_address, find_flow, parse_assignments
    from flows.stored import open_run

    entry = find_flow(options.flow)
    out, err = _consoles(verbose=options.verbose)
    assignments = parse_assignments(options.assignments)
    config = build_config(
        entry, recipe=options.recipe, smoke=options.smoke, assignments=assignments
    )
    check_address(options.address)
    plan = entry.load("plan")(config)
    if entry.check:
        entry.load("check")(config, options.address)
    try:
        run = open_run(entry, plan, options.out)
    except StoreError as error:
        raise InputError(str(error)) from error
    problem = _execute(entry, config, options, err)
    _print_outcome(entry, run, out, is_json=options.json, problem=problem)
    return _complain(problem, EXIT_FAILED) if problem else EXIT_OK


def _execute(entry: FlowEntry, config: Any, options: argparse.Namespace, err: Console) -> str:
    """Run the flow under Prefect; "" or the one-line reason of its failure."""
    from flows.progress import announce, listening
    from flows.servers import failure_message, prefect_server, prepare_environment
    from flows.terminal import progress_bars

    prepare_environment()
    with progress_bars(err) as display, listening(display):
        announce("starting Prefect")
        with prefect_server():
            flow = entry.load("entrypoint")
            state = flow(config, store=options.out, ray_address=options.address, return_state=True)
        return failure_message(state)


def _print_outcome(
    entry: FlowEntry, run: Run, out: Console, *, is_json: bool, problem: str
) -> None:
    """The report and the run's place; with --json one object instead."""
    if is_json:
        status = "failed" if problem else "ok"
        rows = run.count_rows()
        outcome = {"run_id": run.run_id, "path": run.path, "status": status, "rows": rows}
        print(json.dumps(outcome), flush=True)
        return
    report = entry.load("report")
    out.print(report.terminal_report(run))
    out.print(f"results: {run.path}", soft_wrap=True)
    for figure in report.stored_figures(run):
        out.print(f"figure: {figure}", soft_wrap=True)


def _results(options: argparse.Namespace) -> int:
    """`latticework results [RUN] [--sql QUERY]`."""
    from tasks.records import Store

    out, _ = _consoles()
    store = Store.open(options.out or None)
    if options.run is None:
        if options.sql:
            raise InputError("--sql needs a run: latticework results RUN --sql QUERY")
        return _list_runs(store, out)
    run = store.find_run(options.run)
    if options.sql is None:
        out.print(FLOWS[run.identity.flow].load("report").terminal_report(run))
        return EXIT_OK
    from flows.query import query_tables
    from flows.terminal import arrow_table

    out.print(arrow_table(query_tables(_stored_tables(run), options.sql)))
    return EXIT_OK


def _stored_tables(run: Run) -> dict[str, Any]:
    """Every table of which a part is stored."""
    stored = {part.table for part in run.check().parts}
    return {
        table: run.read(table)
        for table in (*run.science_tables, "execution")
        if table in stored or table == "execution"
    }


def _list_runs(store: Any, out: Console) -> int:
    """One line per stored run."""
    for info in store.runs():
        line = f"{info.flow}/{info.run_id}  {info.status}  {info.rows} rows  {info.path}"
        out.print(line, soft_wrap=True)
    return EXIT_OK


def _plot(options: argparse.Namespace) -> int:
    """`latticework plot RUN`."""
    from tasks.records import Store

    run = Store.open(options.out or None).find_run(options.run)
    for path in FLOWS[run.identity.flow].load("report").draw_figures(run):
        print(path)
    if options.gallery:
        from flows.exports import write_galleries

        for path in write_galleries(run):
            print(path)
    return EXIT_OK


def _certify(options: argparse.Namespace) -> int:
    """`latticework certify RUN`."""
    from tasks.records import Store

    run = Store.open(options.out or None).find_run(options.run)
    if "certificates" in run.tables:
        return _certify_polynomials(run, options)
    if options.name:
        raise InputError(f"--name is for polynomials; run {run.run_id} found schemes, see --scheme")
    from flows.exports import write_certificates

    export = write_certificates(
        run, scheme=options.scheme, folder=options.to, with_polynomials=options.polynomial
    )
    for path in export.paths:
        print(path)
    for scheme in export.uncertified:
        reason = "it was found only on triangulations that are not certified regular"
        _complain(f"{scheme} gets no certificate: {reason}", EXIT_FAILED)
    return EXIT_FAILED if export.uncertified else EXIT_OK


def _certify_polynomials(run: Run, options: argparse.Namespace) -> int:
    """`latticework certify RUN` of a run about sums of squares."""
    from flows.sos_exports import write_sos_certificates

    if options.scheme or options.polynomial:
        given = "--scheme" if options.scheme else "--polynomial"
        raise InputError(f"{given} is for schemes; run {run.run_id} is about sums of squares")
    export = write_sos_certificates(run, name=options.name, folder=options.to)
    for path in export.paths:
        print(path)
    for line in export.uncertified:
        _complain(line, EXIT_FAILED)
    return EXIT_FAILED if export.uncertified else EXIT_OK


def _verify(options: argparse.Namespace) -> int:
    """`latticework verify FILE...`: every file is looked at, whatever the others are."""
    from flows.verdicts import UNREADABLE, verdicts

    worst = EXIT_OK
    for code, line in verdicts(options.files, as_json=options.json, squares=options.squares):
        print(line, file=sys.stderr if code == UNREADABLE else sys.stdout)
        worst = max(worst, code)
    return worst


def _serve(options: argparse.Namespace) -> int:
    """`latticework serve`."""
    from flows.servers import prepare_environment
    from flows.serving import find_deployment_file, read_deployment_file, serve
    from tasks.records import Store

    file = read_deployment_file(find_deployment_file(options.file))
    store = Store.open(options.out or None)
    out, _ = _consoles()
    prepare_environment()

    def announce(line: str) -> None:
        out.print(line, soft_wrap=True)

    serve(file, store=store.root, port=options.port, announce=announce)
    return EXIT_OK


def _doctor(options: argparse.Namespace) -> int:
    """`latticework doctor`."""
    from rich.table import Table

    from flows.doctor import examine

    out, _ = _consoles()
    table = Table("subject", "usable", "detail")
    for finding in examine(options.out):
        table.add_row(finding.subject, "yes" if finding.usable else "no", finding.detail)
    out.print(table)
    return EXIT_OK


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "run": _run,
    "results": _results,
    "plot": _plot,
    "certify": _certify,
    "verify": _verify,
    "serve": _serve,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
