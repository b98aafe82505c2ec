"""The study `squares`, in 60 lines: the smallest question that uses what the engine offers."""

# fmt: off
import math
import time
from pathlib import Path

import matplotlib.figure
import pyarrow as pa

from flows.study import Argument, Command, Recipe, Stage, Study, Verifier
from tasks import records

TYPES = ("string", "int64", "string")
SQUARES = records.science_schema(*map(pa.field, ("item", "square", "reason"), TYPES))
CHECKS = records.science_schema(*map(pa.field, ("item", "root"), TYPES))
class SquaresConfig(records.FrozenConfig):
    """Which numbers to square."""
    numbers: tuple[int, ...] = (1, 2, 3)
    """Numbers; negative ones fail, those above 100 are over budget."""
    offset: str = ""
    """File with a number that is added to every square."""
    pause: float = 0.0
    """Seconds of one call."""
def inputs(config):
    value = int(Path(config.offset).read_text()) if config.offset else 0
    return records.Inputs({"offset": str(value)}, value, {"offset": ""})
def items(plan):
    at, pause, numbers = plan.value, plan.config.pause, plan.config.numbers
    return [records.Item(str(n), (n, at, pause), {"at": at}) for n in numbers]
def square(argument, place):
    number, offset, pause = argument
    time.sleep(pause)
    if not 0 <= number <= 100:
        raise ValueError("negative") if number < 0 else records.BudgetExceeded("too large")
    records.Volume.open(place.folder).write(name := f"files/{number}", b"*" * number)
    return {"squares": [{"item": str(number), "square": number**2 + offset}], records.FILES: [name]}
def known(argument):
    return [{"item": str(argument[0])}]
def check(argument, squares):
    return {"checks": [known(argument)[0] | {"root": math.isqrt(squares["square"][0].as_py())}]}
def report(stored):
    rows = [(row["item"], str(row["square"])) for row in stored.rows("squares")]
    return records.Report([f"{len(rows)} numbers"], [records.Table(("number", "square"), rows)])
def figures(stored):
    yield records.Figure("figures/squares.png", matplotlib.figure.Figure, ("squares",))
def write(stored, *, to=""):
    return [f"{to}: {row['item']}" for row in stored.rows("squares")]
def judge(file):
    kind, root, value = map((file.record or {}).get, ("kind", "root", "square"))
    return records.Verdict(root**2 == value, "looked at", {}) if kind == "square" else None
STUDY = Study("squares", "Squares of numbers.", "toy_study:SquaresConfig",
    {"squares": "toy_study:SQUARES", "checks": "toy_study:CHECKS"}, (
    Stage("square", "toy_study:square", ("squares",), "toy_study:items", known="toy_study:known",
          placed=True),
    Stage("check", "toy_study:check", ("checks",), "toy_study:items", needs=("squares",))),
    "toy_study:report", (Recipe("few", "three numbers", {}, {"numbers": (1,)}),), deployment="toy",
    inputs="toy_study:inputs", figures="toy_study:figures", unnamed=("pause",), subject="number",
    selecting=("numbers",), verifiers=(Verifier("square", "toy_study:judge"),),
    commands=(Command("write", "write", "toy_study:write", (Argument("to", "folder", "DIR"),)),))
