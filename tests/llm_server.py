"""A local server that speaks the OpenAI protocol over real HTTP, writes labels, and fails on purpose."""

import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from harken.settings import LabelSettings

FAULTS = ("429", "500", "timeout", "truncated", "malformed", "garbled")
TARGET_LINE = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
TERM = re.compile(r"(.+?) \([A-Z]+\)(?:、|, |$)")
OFFER_LINE = re.compile(r"^[A-Z]+: (.+)$", re.MULTILINE)
PLACES = ("上海", "北京", "广州", "成都", "武汉", "南京", "西安", "杭州", "苏州", "青岛", "大连", "厦门")
PEOPLE = ("老师", "医生", "学生", "律师", "厨师", "司机", "画家", "教练", "护士", "演员", "记者", "店主")
HABITS = ("常去爬山", "每天跑步", "喜欢钓鱼", "爱看电影", "收集邮票", "周末下棋", "学弹钢琴", "养了三只猫", "经常出差")
REASONS = (
    "送给母亲过生日",
    "换掉旧的那只",
    "搭配黑色大衣",
    "参加朋友婚礼",
    "自己日常使用",
    "下个月旅行带着",
    "留作纪念",
)


@dataclass
class Received:
    """One request as the server saw it."""

    prompt: str
    body: dict[str, Any]
    headers: dict[str, str]
    time: float
    fault: str | None


@dataclass
class LlmServer:
    """Context manager; ``fault_rate`` of the requests fail, in equal parts by the given ``faults``.

    ``billed_in`` and ``billed_out`` count the tokens of every request that was worked on, also when the client
    never saw the answer. Every answer takes ``pause_seconds``; the first ``together`` of them are held back until
    all their requests are there, or for ``hang_seconds``. ``script`` answers the first requests: a fault's
    name, or the content of an answer.
    """

    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    retry_after: str = "0"
    seed: int = 0
    script: list[str] = field(default_factory=list)
    hang_seconds: float = 8.0
    pause_seconds: float = 0.0
    together: int = 1
    received: list[Received] = field(default_factory=list)
    billed_in: int = 0
    billed_out: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._draw = random.Random(self.seed)
        self._now = 0
        self._over = threading.Event()
        self._gathered = threading.Event()

    def __enter__(self) -> "LlmServer":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def injected(self) -> Counter[str]:
        return Counter(request.fault for request in self.received if request.fault)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        prompt = body["messages"][0]["content"]
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            scripted = self.script.pop(0) if self.script else ""
            fault = scripted if scripted in (*FAULTS, "401") else None
            if not scripted and self._draw.random() < self.fault_rate:
                fault = self._draw.choice(self.faults)
            seed = self._draw.random()
            headers = {key.lower(): value for key, value in handler.headers.items()}
            self.received.append(Received(prompt, body, headers, time.monotonic(), fault))
            if len(self.received) >= self.together:
                self._gathered.set()
        try:
            self._gathered.wait(self.hang_seconds)
            self._respond(handler, prompt, fault, "" if fault else scripted, seed)
        finally:
            with self._lock:
                self._now -= 1

    def _respond(
        self, handler: BaseHTTPRequestHandler, prompt: str, fault: str | None, scripted: str, seed: float
    ) -> None:
        if fault in ("429", "500", "401"):
            headers = {"Retry-After": self.retry_after} if fault == "429" else {}
            _send(handler, int(fault), json.dumps({"error": {"message": f"injected {fault}"}}).encode(), headers)
            return
        self._over.wait(self.pause_seconds)
        content = scripted or json.dumps({"labels": write_labels(prompt, seed)}, ensure_ascii=False)
        if fault == "malformed":
            content = content.replace('"text"', "text").replace("[", "(")
        finish = "stop"
        if fault == "truncated":
            content, finish = content[: len(content) * 2 // 3], "length"
        tokens_in, tokens_out = len(prompt), len(content)
        with self._lock:
            self.billed_in += tokens_in
            self.billed_out += tokens_out
        if fault == "timeout":
            self._over.wait(self.hang_seconds)
            handler.close_connection = True
            return
        completion = {
            "id": "completion",
            "object": "chat.completion",
            "created": 0,
            "model": "local-model",
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }
        payload = json.dumps(completion).encode()
        if fault == "garbled":
            payload = payload[:-20]
        _send(handler, 200, payload)


def _send(handler: BaseHTTPRequestHandler, status: int, payload: bytes, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(payload)))
    handler.end_headers()
    handler.wfile.write(payload)


def write_labels(prompt: str, seed: float) -> list[dict[str, Any]]:
    """Labels as a good model would write them, found in the prompt: with its targets, or with some of its offers."""
    draw = random.Random(seed)
    asked = [[term.group(1) for term in TERM.finditer(line.group(2))] for line in TARGET_LINE.finditer(prompt)]
    if not asked:
        offers = [term for line in OFFER_LINE.finditer(prompt) for term in line.group(1).split(", ")]
        count = int(re.search(r"写 (\d+) 句", prompt).group(1))  # type: ignore[union-attr]
        asked = [draw.sample(offers, 2) for _ in range(count)]
    return [
        {
            "number": number,
            "text": f"{draw.choice(PLACES)}的{draw.choice(PEOPLE)}，{draw.choice(HABITS)}，想要{'和'.join(terms)}，"
            f"{draw.choice(REASONS)}，预算{draw.randrange(10, 99)}万。",
            "keywords": terms,
        }
        for number, terms in enumerate(asked, start=1)
    ]


def job_overrides(server: LlmServer, folder: Path, *further: str) -> list[str]:
    """What turns the demo's configuration into one whose labels are written by ``server``."""
    llm = {
        "base_url": server.url,
        "model": "local",
        "api_key_env": None,
        "labels_per_request": 2,
        "near_duplicate": 1.0,
        "limits": {"retry_seconds": 0.01, "timeout_seconds": 8.0, "price_in": 1.0, "price_out": 2.0},
    }
    return [
        f"run.output={folder / 'run'}",
        "labels.writer=llm",
        "labels.count=20",
        "labels.rows_per_shard=8",
        "labels.workers=0",
        f"labels.llm={json.dumps(llm)}",
        *further,
    ]


def llm_labels(server: LlmServer, count: int = 24, **changes: Any) -> LabelSettings:
    """Label settings that ask ``server``; ``changes`` go to `labels.llm`, those in ``limits`` to its limits."""
    limits = {"retry_seconds": 0.01, "timeout_seconds": 4.0, "price_in": 1.0, "price_out": 2.0}
    limits |= changes.pop("limits", {})
    sampling = changes.pop("sampling", "coverage")
    rows_per_shard = changes.pop("rows_per_shard", 12)
    llm = {"base_url": server.url, "model": "local", "api_key_env": None, "labels_per_request": 3, "limits": limits}
    return LabelSettings.model_validate(
        {
            "seeds": "unused.jsonl",
            "count": count,
            "sampling": sampling,
            "rows_per_shard": rows_per_shard,
            "workers": 0,
            "writer": "llm",
            "llm": llm | changes,
        }
    )
