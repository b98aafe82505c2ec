"""The Prefect deployments of all studies: ``python -m flows.deployments > deploy/prefect.yaml``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import yaml

from flows import all_studies
from flows.study import Chain, Study

__all__ = ["deployment_text"]

HEADER = """\
# Deployments of latticework, written by `make deployments`; edits here are lost. Schedules are in
# flows/deployments.py. Register them with `latticework serve`, or by hand (see README.md).
"""
POOL = "latticework"
SCHEDULES: dict[str, list[dict[str, Any]]] = {
    # Finished items are not computed again: the nightly run verifies that what is stored is whole
    # and does again what is missing or altered.
    "tcurve-census": [{"slug": "nightly", "cron": "0 3 * * *", "timezone": "UTC", "active": True}]
}
PARAMETERS = """\
`config` is the frozen config of the run, `store` the root of the results (empty: the worker's
LATTICEWORK_STORE, else the folder `results`), `ray_address` where the calls run: `local`, `serial`,
or the address of a Ray cluster.
"""


def deployment_text() -> str:
    """Content of ``deploy/prefect.yaml``."""
    content = {
        "prefect-version": version("prefect"),
        "name": POOL,
        "build": None,
        "push": None,
        # Nothing is pulled: a run starts in the folder from which the deployment was registered,
        # with the packages that are installed there.
        "pull": None,
        "deployments": [_deployment(study) for study in all_studies().values()],
    }
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HEADER + text


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _deployment(study: Study | Chain) -> dict[str, Any]:
    field = study.config.split(".")[1]
    entry: dict[str, Any] = {
        "name": study.deployment or study.name,
        "description": f"{study.summary}\n\n{PARAMETERS}",
        # A module path, not a file path: Ray workers import the same module under the same name.
        "entrypoint": f"flows.engine.{study.name.replace('-', '_')}",
        "tags": [POOL, field],
        "enforce_parameter_schema": True,
        "parameters": {"config": _plain(study.recipes[0].settings)},
        "work_pool": {"name": POOL},
    }
    if study.name in SCHEDULES:
        entry["schedules"] = SCHEDULES[study.name]
    return entry


def _plain(value: Any) -> Any:
    """Mappings and sequences as YAML knows them."""
    if hasattr(value, "items"):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


if __name__ == "__main__":
    sys.stdout.write(deployment_text())
