"""The command `latticework`.

Exit codes: 0 ok; 1 an item failed, the run could not be completed, or a certificate is not valid;
2 bad input (nothing was started); 130 interrupted. Results go to stdout; progress, logs and errors
go to stderr. Prefect and Ray are imported by the commands that need them, after their input has
been checked.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flows import all_studies, find_study
from flows.options import build_parser, check_arguments, shortcuts, tools, verify_arguments
from flows.study import Chain, Study, load
from tasks.records.errors import InputError, LatticeworkError, StoreError, printable
from workers.supervision import supervise

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State
    from rich.console import Console

    from tasks.records import Store, Stored

__all__ = ["main"]

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130
MAX_FINDINGS = 3
"""Lines about each run of a list."""
MAX_FIGURES = 4
"""Figures that are named after a run, the last ones, which show it as a whole."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code.

    Without `arguments` it takes those of the process, whose flow then runs in a supervised child.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    is_run = given[:1] == ["run"] or (given[:1] and given[0] in {s.name for _, s in shortcuts()})
    wants_json = bool(is_run) and "--json" in given
    if arguments is not None or not is_run or "--help" in given or "-h" in given:
        return _answer(given, wants_json=wants_json)
    verdict = supervise(lambda: _answer(given, wants_json=wants_json))
    if verdict.reason:
        hint = "finished parts are kept, run the same command again"
        return _fail(f"{verdict.reason}; {hint}", verdict.code, "failed", wants_json)
    return verdict.code


def _answer(arguments: Sequence[str], *, wants_json: bool) -> int:
    """Run a command; every failure is one line, and with --json one object too."""
    try:
        functions = {**_COMMANDS, **dict.fromkeys(tools(), _of_tool)}
        parser = build_parser((__doc__ or "").splitlines()[0], functions, _of_study)
        options = parser.parse_args(arguments)
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
    for study in all_studies().values():
        print(f"{study.name}: {study.summary}")
        for recipe in study.recipes:
            print(f"  --recipe {recipe.name}: {recipe.summary}")
    return EXIT_OK


def _show(options: argparse.Namespace) -> int:
    """`latticework show NAME`."""
    from flows.configs import find_shown, recipe_config
    from flows.terminal import config_table, fields_help

    study, recipe, smoke = find_shown(options.shown)
    out, _ = _consoles()
    if recipe is None:
        out.print(f"{study.name}: {study.summary}")
        out.print(fields_help(load(study.config)))
        out.print(f"recipes: {', '.join(each.name for each in study.recipes)}")
        return EXIT_OK
    out.print(f"recipe {options.shown} of {study.name}: {recipe.summary}")
    out.print(config_table(recipe_config(study, recipe, smoke=smoke), "config"))
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    """`latticework run FLOW`: check everything, then start Prefect."""
    from flows.configs import build_config, check_address, parse_assignments

    study = find_study(options.flow)
    out, err = _consoles(verbose=options.verbose)
    assignments = parse_assignments(options.assignments)
    if files := getattr(options, "files_field", ""):
        assignments[files] = options.files
    config = build_config(
        study, recipe=options.recipe, smoke=options.smoke, assignments=assignments
    )
    check_address(options.address)
    try:
        stored = _opened(study, config, options)
    except StoreError as error:
        raise InputError(str(error)) from error
    if isinstance(study, Study) and study.estimate:
        for line in load(study.estimate)(config):
            err.print(line, soft_wrap=True)
    problem = _execute(study, config, options, err)
    results = [(study, stored)] if stored and isinstance(study, Study) else []
    if isinstance(study, Chain) and not problem:
        results = _results_of_links(study, config, options)
    _print_outcome(results, out, options, problem=problem)
    return _complain(problem, EXIT_FAILED) if problem else EXIT_OK


def _opened(study: Study | Chain, config: Any, options: argparse.Namespace) -> Stored | None:
    """The run that is to be made or finished, after everything it names has been checked."""
    from flows.planning import check_links, continued_run, open_run, plan_run
    from tasks.records import Stored

    if isinstance(study, Chain):
        check_links(study, config, options.continued)
        return None
    if study.check:
        load(study.check)(config, options.address)
    planned = plan_run(study, config)
    continued_run(study, options.out, options.continued)
    return Stored(open_run(planned, options.out), planned.schemas)


def _results_of_links(
    chain: Chain, config: Any, options: argparse.Namespace
) -> list[tuple[Study, Stored]]:
    """The runs of a chain."""
    from flows.planning import chain_links, open_run, plan_run
    from tasks.records import Stored

    planned = (plan_run(*link) for link in chain_links(chain, config, options.out))
    return [(each.study, Stored(open_run(each, options.out), each.schemas)) for each in planned]


def _execute(study: Study | Chain, config: Any, options: argparse.Namespace, err: Console) -> str:
    """Run the flow under Prefect; "" or the one-line reason of its failure."""
    from flows.progress import announce, listening
    from flows.servers import failure_message, prefect_server, prepare_environment
    from flows.terminal import progress_bars

    prepare_environment()
    with progress_bars(err) as display, listening(display):
        announce("starting Prefect")
        with prefect_server(meanwhile=functools.partial(_import_ahead, study)):
            from flows.engine import flow_of

            state: State = flow_of(study)(  # pyrefly: ignore[bad-assignment] - as asked for
                config,
                store=options.out,
                ray_address=options.address,
                continued=options.continued,
                return_state=True,
            )
        return failure_message(state)


def _import_ahead(study: Study | Chain) -> None:
    """Import what the run needs anyway, while the server starts on another core."""
    prefect = "flow_engine", "task_engine", "artifacts", "utilities.visualization"
    for module in ("flows.engine", "matplotlib.figure", *(f"prefect.{name}" for name in prefect)):
        importlib.import_module(module)
    for each in [study] if isinstance(study, Study) else [link.study for link in study.links]:
        calls = (name for stage in each.stages for name in (stage.call, stage.prepare))
        for reference in filter(None, (each.report, each.figures, *calls)):
            load(reference)


def _print_outcome(
    results: list[tuple[Study, Stored]], out: Console, options: argparse.Namespace, *, problem: str
) -> None:
    """Reports and places of the runs; with --json one object instead, of a chain on its last."""
    if options.json:
        outcome: dict[str, Any] = {"run_id": None, "path": None, "rows": 0}
        for _, stored in results:
            run = stored.run
            outcome = {"run_id": run.run_id, "path": run.path, "rows": run.count_rows()}
        print(json.dumps(outcome | {"status": "failed" if problem else "ok"}), flush=True)
        return
    for study, stored in results:
        _print_report(study, stored, out, full=options.full)


def _print_report(study: Study, stored: Stored, out: Console, *, full: bool) -> None:
    """The report, then where everything is."""
    from flows.reports import figures_of, report_of, terminal
    from tasks.records.pictures import stored_figures

    run = stored.run
    out.print(terminal(report_of(study, stored), f"{study.name} {run.run_id}", full=full))
    out.print(f"results: {run.path}", soft_wrap=True)
    figures = stored_figures(stored, figures_of(study, stored))
    for figure in figures if full else figures[-MAX_FIGURES:]:
        out.print(f"figure: {figure}", soft_wrap=True)
    if (hidden := len(figures) - MAX_FIGURES) > 0 and not full:
        out.print(f"{hidden} more figure{'s' * (hidden > 1)} beside them", soft_wrap=True)


def _results(options: argparse.Namespace) -> int:
    """`latticework results [RUN] [--sql QUERY]`."""
    from tasks.records import Store

    out, _ = _consoles()
    if options.run is None:
        if options.sql:
            raise InputError("--sql needs a run: latticework results RUN --sql QUERY")
        return _list_runs(Store.open(options.out or None), out, options.last)
    study, stored = _found(options)
    if options.sql is None:
        _print_report(study, stored, out, full=options.full)
        return EXIT_OK
    from flows.terminal import arrow_table
    from tasks.records.query import query_tables

    run = stored.run
    tables = {table: run.read(table, schema=rows) for table, rows in stored.schemas.items()}
    tables["execution"] = run.read("execution")
    out.print(arrow_table(query_tables(tables, options.sql)))
    return EXIT_OK


def _found(options: argparse.Namespace) -> tuple[Study, Stored]:
    """The stored run that an option names, and its study."""
    from flows.configs import check_older
    from tasks.records import Store, Stored
    from tasks.records.layout import SCHEMA_VERSION

    run = Store.open(options.out or None).find_run(options.run)
    study = all_studies().get(run.identity.flow)
    if not isinstance(study, Study):
        raise InputError(
            f"run {run.run_id} is of flow {run.identity.flow}, which is not known here"
        )
    if run.record.schema_version < SCHEMA_VERSION:
        check_older(study, run)
    return study, Stored(run, study.schemas(run.record.config))


def _list_runs(store: Store, out: Console, last: int | None) -> int:
    """One line per stored run, and what it found."""
    from tasks.records.markdown import stored_findings

    infos = store.runs()
    for info in infos[:last]:
        line = f"{info.flow}/{info.run_id}  {info.status}  {info.rows} rows  {info.path}"
        out.print(line, soft_wrap=True)
        findings = [] if info.status == "damaged" else stored_findings(store.find_run(info.path))
        for finding in findings[:MAX_FINDINGS]:
            out.print(f"  {finding}", soft_wrap=True)
    return EXIT_OK


def _plot(options: argparse.Namespace) -> int:
    """`latticework plot RUN`, unless the study of the run draws in its own way."""
    study, stored = _found(options)
    if any(each.name == "plot" for each in study.commands):
        return _of_study(options)
    from flows.reports import figures_of
    from tasks.records.pictures import draw_figures

    check_arguments(study, set(), options)
    for path in draw_figures(stored, figures_of(study, stored)):
        print(path)
    return EXIT_OK


def _of_study(options: argparse.Namespace) -> int:
    """A command that the study of a run has."""
    given = options.command_name
    study, stored = _found(options)
    command = next((each for each in study.commands if each.name == given), None)
    if command is None:
        having = [s.name for s in all_studies().values() if given in {c.name for c in s.commands}]
        raise InputError(
            f"run {stored.run.run_id} is of flow {study.name}, for which there is no "
            f"{given}; runs of {', '.join(having)} have it"
        )
    own = {each.name for each in command.arguments}
    check_arguments(study, own, options)
    for line in load(command.call)(stored, **{name: getattr(options, name) for name in own}):
        print(line)
    return EXIT_OK


def _of_tool(options: argparse.Namespace) -> int:
    """A command that needs no stored run."""
    tool = tools()[options.command_name]
    for line in load(tool.call)(**{name: getattr(options, name) for name in tool.keywords()}):
        print(line)
    return EXIT_OK


def _verify(options: argparse.Namespace) -> int:
    """`latticework verify FILE...`: every file is looked at, whatever the others are."""
    from flows.verdicts import UNREADABLE, verdicts

    on = [each.name for each in verify_arguments() if getattr(options, each.name)]
    worst = EXIT_OK
    for code, line in verdicts(options.files, as_json=options.json, switches=on):
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
    announce = functools.partial(out.print, soft_wrap=True)
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
    "verify": _verify,
    "serve": _serve,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
