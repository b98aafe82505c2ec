"""Prefect's server application, on an SQLite that loses no request when many write at once.

Prefect begins most transactions with reading and writes later. SQLite refuses that write at once,
whatever time it is given, if another transaction has been committed meanwhile, and the server
answers with 503: a triggered run is lost. A transaction that claims the right to write as it begins
waits for it instead, as long as Prefect lets SQLite wait, which is a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.server.api import server
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["create_app"]


def create_app() -> FastAPI:
    """Prefect's application for uvicorn, over the configured database."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):
        MODELS_DEPENDENCIES["database_config"] = _WriteFromTheStart(url)
    return server.create_app()


class _WriteFromTheStart(AioSqliteConfiguration):
    def begin_transaction(self, session: AsyncSession, with_for_update: bool = False) -> Any:
        return super().begin_transaction(session, with_for_update=True)
