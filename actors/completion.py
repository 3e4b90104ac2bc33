"""One LLM endpoint, asked with patience: rate limit, spend cap, retries, and a ledger of every request."""

import asyncio
import random
import time
import uuid
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

from openai import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    OpenAIError,
)
from openai.types.chat import ChatCompletion

from actors.budget import Allowance, cost, estimated_tokens, most_tokens
from actors.ledger import Answer, Ledger
from harken.errors import HarkenError
from harken.llm_settings import LlmEndpoint
from harken.stages import cause

SPEND_CAP = "spend cap"
RATE_LIMITED = "rate limited"
MOST_SECONDS_BETWEEN_RETRIES = 60.0
# An endpoint that asks for more patience than this is not waited for; the rows can be retried later.
LONGEST_RETRY_AFTER = 600.0
# Without one answer in so many requests, each retried, the endpoint is down or the settings are wrong.
FAILURES_IN_A_ROW = 20
# What a request may take beyond its timeout until it is settled.
SETTLING_SECONDS = 30.0


class AskError(Exception):
    """A request that brought no answer; the text starts with the cause and a colon."""


class Completions:
    """Asks for chat completions of one user message each; an async context manager, one event loop.

    Raises (from `ask`):
        AskError: no answer after all retries, or the spend cap leaves no room for the request.
        HarkenError: the endpoint rejects the key or the model, or has failed many times without one answer.
    """

    def __init__(
        self,
        llm: LlmEndpoint,
        allowance: Allowance,
        api_key: str,
        response_format: dict[str, Any] | None,
    ) -> None:
        self.llm, self.limits = llm, llm.limits
        self.allowance = allowance
        self.response_format = response_format
        # Retries are ours: the ledger and the rate limit must see every request.
        self.client = AsyncOpenAI(
            base_url=llm.base_url, api_key=api_key, timeout=llm.limits.timeout_seconds, max_retries=0
        )
        self.slots = asyncio.Semaphore(llm.limits.requests_in_flight)
        self.failures_in_a_row = 0
        self.fatal: HarkenError | None = None

    async def __aenter__(self) -> "Completions":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def ask(self, request: str, prompt: str, max_tokens: int, ledger: Ledger) -> Answer:
        """The answer to one prompt; ``request`` is its key in the ledger, whose answer is taken if it has one."""
        if request in ledger.answers:
            return ledger.answers[request]
        async with self.slots:
            for attempt in range(self.limits.retries + 1):
                if self.fatal:
                    raise self.fatal
                try:
                    answer = await self._attempt(request, attempt, prompt, max_tokens, ledger)
                    self.failures_in_a_row = 0
                    return answer
                except _TransientError as failure:
                    wait = self._wait(attempt, failure.retry_after)
                    if attempt == self.limits.retries or wait > LONGEST_RETRY_AFTER:
                        self._count_failure(failure)
                        raise AskError(str(failure)) from failure
                    await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, request: str, attempt: int, prompt: str, max_tokens: int, ledger: Ledger) -> Answer:
        ticket = uuid.uuid4().hex
        at_most = cost(self.limits, most_tokens(prompt), max_tokens)
        expected = estimated_tokens(prompt) + max_tokens
        await self._permission(ticket, expected, at_most)
        ledger.sent(request, attempt, at_most)
        try:
            answer = self._read(await self._send(prompt, max_tokens), prompt, max_tokens)
        except _TransientError as failure:
            charged = at_most if failure.may_cost else 0.0
            ledger.failed(request, attempt, failure.cause, charged)
            await self.allowance.settle(ticket, expected if failure.may_cost else 0, charged)
            if failure.cause == RATE_LIMITED and failure.retry_after:
                await self.allowance.hold(min(failure.retry_after, LONGEST_RETRY_AFTER))
            raise
        except (AskError, HarkenError) as failure:
            ledger.failed(request, attempt, cause(str(failure)), 0.0)
            await self.allowance.settle(ticket, 0, 0.0)
            if isinstance(failure, HarkenError):
                self.fatal = failure
            else:
                self._count_failure(failure)
            raise
        ledger.answered(request, attempt, answer)
        await self.allowance.settle(ticket, answer.tokens_in + answer.tokens_out, answer.cost)
        return answer

    async def _permission(self, ticket: str, tokens: int, at_most: float) -> None:
        seconds = self.limits.timeout_seconds + SETTLING_SECONDS
        while True:
            permit = await self.allowance.reserve(ticket, tokens, at_most, seconds)
            if permit.wait is None:
                raise AskError(f"{SPEND_CAP}: {self.limits.spend_cap:g} leaves no room for another request")
            await asyncio.sleep(permit.wait)
            if permit.granted:
                return

    async def _send(self, prompt: str, max_tokens: int) -> ChatCompletion:
        options: dict[str, Any] = {self.llm.token_limit_field: max_tokens}
        if self.response_format:
            options["response_format"] = self.response_format
        try:
            # The client's timeout starts anew with every byte; this one is for the whole answer.
            async with asyncio.timeout(self.limits.timeout_seconds):
                return await self.client.chat.completions.create(
                    model=self.llm.model,
                    messages=[{"role": "user", "content": prompt}],
                    temperature=self.llm.temperature,
                    extra_body=self.llm.body or None,
                    **options,
                )
        except (APITimeoutError, TimeoutError):
            raise _TransientError("timeout", f"{self.limits.timeout_seconds:g} s", may_cost=True) from None
        except APIConnectionError as failure:
            broken = failure.__cause__ or failure
            # The HTTP library's own name for a connection that never came about, so nothing was asked.
            reached = not type(broken).__name__.startswith("Connect")
            raise _TransientError("connection", f"{type(broken).__name__}: {broken}", may_cost=reached) from None
        except APIStatusError as failure:
            raise self._status(failure) from None
        except (APIResponseValidationError, OpenAIError, ValueError, TypeError) as failure:
            # Status 200 with a body that is cut off or is no JSON: the client lets the parser's own error through.
            raise _TransientError(
                "unreadable response", f"{type(failure).__name__}: {failure}", may_cost=True
            ) from None

    def _status(self, failure: APIStatusError) -> Exception:
        status, message = failure.status_code, failure.message[:300]
        if status == 429 and failure.code != "insufficient_quota":
            return _TransientError(RATE_LIMITED, message, may_cost=False, retry_after=_retry_after(failure))
        if status >= 500 or status in (408, 409):
            return _TransientError(f"status {status}", message, may_cost=False, retry_after=_retry_after(failure))
        thing = f"LLM endpoint {self.llm.base_url}, status {status}"
        if status in (401, 403):
            return HarkenError(thing, message, f"Put a valid key into the variable {self.llm.api_key_env}.")
        if status in (402, 429):
            return HarkenError(thing, message, "Add money to the account and run again: finished answers are kept.")
        if status in (404, 405):
            return HarkenError(thing, message, f"Check base_url and the model {self.llm.model!r}.")
        return AskError(f"bad request: status {status}, {message}")

    def _read(self, completion: ChatCompletion, prompt: str, max_tokens: int) -> Answer:
        """What the response holds; a server that reports no usage is taken to have used what was estimated."""
        try:
            choice = completion.choices[0]
            content = choice.message.content or choice.message.refusal or ""
            usage = completion.usage
            tokens_in = usage.prompt_tokens if usage else estimated_tokens(prompt)
            tokens_out = usage.completion_tokens if usage else min(estimated_tokens(content), max_tokens)
            finish = "refusal" if choice.message.refusal else str(choice.finish_reason)
            price = cost(self.limits, tokens_in, tokens_out)
            return Answer(str(content), finish, str(completion.model or self.llm.model), tokens_in, tokens_out, price)
        except (AttributeError, IndexError, TypeError) as failure:
            # The client does not check what it is sent against its own types.
            raise _TransientError("unreadable response", f"no completion in it ({failure})", may_cost=True) from None

    def _wait(self, attempt: int, retry_after: float | None) -> float:
        backoff = min(self.limits.retry_seconds * 2**attempt, MOST_SECONDS_BETWEEN_RETRIES)
        # Half of it at random, so that workers that were refused together do not come back together.
        jittered = backoff * random.uniform(0.5, 1.0)
        return jittered if retry_after is None else retry_after + jittered / 4

    def _count_failure(self, failure: Exception) -> None:
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= FAILURES_IN_A_ROW and not self.fatal:
            remedy = "So many requests in a row brought no answer: check it and run again, finished answers are kept."
            self.fatal = HarkenError(f"LLM endpoint {self.llm.base_url}", str(failure), remedy)


class _TransientError(Exception):
    """A failure that may pass; ``may_cost`` when the endpoint may have done the work all the same."""

    def __init__(self, cause: str, detail: str, *, may_cost: bool, retry_after: float | None = None) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause, self.may_cost, self.retry_after = cause, may_cost, retry_after


def _retry_after(failure: APIStatusError) -> float | None:
    """Seconds that the header asks for, which may also be a date; None without one that makes sense."""
    value = failure.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
