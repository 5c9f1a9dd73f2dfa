"""The HTTP API as one app: agents report, operators look and decide. ``docs/api.md`` lists it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from ...jobs.version import VERSION
from .. import panel
from ..brain import assemble
from ..config import BrainConfig
from ..schedulers import Schedulers
from . import (
    champions as api_champions,
)
from . import (
    cms as api_cms,
)
from . import (
    errors,
    probes,
)
from . import (
    models as api_models,
)
from . import (
    read as api_read,
)
from . import (
    vetting as api_vetting,
)
from . import (
    write as api_write,
)
from .gate import Gate


def create_app(config: BrainConfig, watched: Schedulers | None = None) -> FastAPI:
    """The app of one brain; its rounds run while the app does.

    ``watched`` takes the place of the schedulers of the configuration.
    """
    brain = assemble(config, watched)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        brain.start()
        yield
        brain.stop()

    app = FastAPI(
        title="jobmend brain",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={"default": {"model": errors.ErrorBody, "description": "any error"}},
    )
    app.state.brain = brain
    routes = (api_write, api_read, api_champions, api_vetting, api_cms, api_models, probes)
    for part in (*routes, *panel.PARTS):
        app.include_router(part.router)
    errors.install(app, panel.error_page)
    app.add_middleware(Gate, policy=panel.POLICY)
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the function, so that clients do not change with paths."""
    return route.name
