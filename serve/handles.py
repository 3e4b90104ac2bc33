"""Calls of deployments that end with whoever waits for them: Serve lets a call go on when its caller has given up."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any


async def answer(response: Any) -> Any:
    """What a deployment answers; a caller that is cancelled cancels the call.

    `response` is a `DeploymentResponse`, as the type of a handle does not say.
    """
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


async def answers(response: Any) -> AsyncGenerator[Any, None]:
    """What a deployment answers piece by piece; a caller that goes away cancels the call.

    `response` is a `DeploymentResponseGenerator`.
    """
    try:
        async for piece in response:
            yield piece
    except (asyncio.CancelledError, GeneratorExit):
        response.cancel()
        raise
