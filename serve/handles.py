"""Calls of deployments that end with whoever waits for them: Serve lets a call go on when its caller has given up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator


async def answer(response: DeploymentResponse) -> Any:
    """What a deployment answers; a caller that is cancelled cancels the call."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


async def answers(response: DeploymentResponseGenerator) -> AsyncIterator[Any]:
    """What a deployment answers piece by piece; a caller that goes away cancels the call."""
    try:
        async for piece in response:
            yield piece
    except (asyncio.CancelledError, GeneratorExit):
        response.cancel()
        raise
