"""Tests of pixigpt, with real sockets on loopback: python -m pytest

Longer runs of what a test does in short: PYTHONPATH=examples python test_pixigpt.py fuzz SECONDS [SEED], or endure SECONDS [THREADS].
"""

import asyncio
import base64
import collections
import contextlib
import contextvars
import copy
import dataclasses
import datetime
import decimal
import email.utils
import enum
import functools
import gc
import gzip
import importlib
import importlib.util
import inspect
import io
import itertools
import json
import linecache
import math
import multiprocessing
import os
import pathlib
import pickle
import queue
import random
import re
import runpy
import select
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import typing
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from unittest import mock
from urllib.parse import urlsplit

import pytest
import sandbox

import pixigpt
from pixigpt import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AsyncClient,
    Client,
    Object,
    RateLimitError,
    RunError,
    ServerError,
    Session,
    function_tool,
)

try:
    import tracemalloc
except ImportError:  # PyPy has none
    tracemalloc = None

# -------------------------------------------------------------------------------------- tools of the tests


SECRET = "sk-Test-0123456789"  # the key of every client of a scripted server
COMPLETION = {
    "id": "chatcmpl_1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "pixi",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def chat(client, text="Hi", **fields):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return client.create_chat_completion(**{"messages": messages, **fields})


ON_PYPY = sys.implementation.name == "pypy"
needs_tracemalloc = pytest.mark.skipif(tracemalloc is None, reason="no tracemalloc")
needs_reference_counts = pytest.mark.skipif(ON_PYPY, reason="there finalizers run when they like")


def collect_garbage():
    """All of it: PyPy finds in a later round what the finalizers of an earlier one have let go."""
    for _ in range(5 if ON_PYPY else 1):
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def quick_collector():
    """What pytest has made so far stays: so the garbage collector, which many tests call, need not look at it again."""
    if hasattr(gc, "freeze"):
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith(("PIXIGPT_", "SSL_CERT_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def box():
    """A service of its own for each test."""
    with sandbox.Sandbox(word_delay=0, run_seconds=0.02) as box:
        yield box


@pytest.fixture
def client(box):
    with Client(box.api_key, box.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def waits(monkeypatch):
    """The waits that the module asks for, in seconds; none of them takes any time, and none is shortened at random."""
    waits = []
    monkeypatch.setattr(pixigpt, "_sleep", waits.append)
    monkeypatch.setattr(pixigpt, "_random", lambda: 0.0)
    return waits


def until(condition):
    """Until condition() holds, at most five seconds."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


class Request(NamedTuple):
    method: str
    path: str
    headers: dict  # by lower-case names
    body: bytes
    head: bytes
    connection: int  # from 1

    @property
    def json(self):
        return json.loads(self.body)


def reply(status=200, body=COMPLETION, **headers):
    """A well-formed response. bytes are sent as they are, anything else as JSON; Retry_After=1 is a header."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


# Steps of an answer, beside bytes (which are sent), numbers (seconds to wait) and tuples of steps.


def drop(connection):
    """The connection ends in order."""
    connection.shut()


def reset(connection):
    """The connection ends with a TCP reset."""
    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.shut()


def stall(connection):
    """Nothing more comes, until the client hangs up or the test is over."""
    with contextlib.suppress(OSError):
        while connection.sock.recv(65536):
            pass
    connection.shut()


def deaf(connection):
    """Nothing is read, until the test is over."""
    connection.server.stopping.wait()


def drip(data, pause=0.02):
    """The bytes come one at a time."""

    def step(connection):
        for number in range(len(data)):
            connection.sock.sendall(data[number : number + 1])
            if connection.server.stopping.wait(pause):
                break

    return step


class Server:
    """A scripted server: the n-th request, over whichever connection, gets the n-th answer; the last answer repeats.

        with Server(reply(503), reply(200)) as server:
            chat(server.client())
        assert len(server.requests) == 2

    An answer is a step: bytes, seconds to wait, `drop`, `reset`, `stall`, `drip(data)`, any callable(connection), or a
    tuple of steps. Or the one answer is `route=callable(request) -> step`. *first* is a step for each new connection,
    before its first request. A connection ends where an answer says `Connection: close`.
    """

    scheme = "http"

    def __init__(self, *answers, first=(), route=None, ssl_context=None, backlog=128):
        self.answers, self.first, self.route, self.ssl_context = answers or (reply(),), first, route, ssl_context
        self.requests = []
        self.connections = 0  # accepted so far
        self.most_open = 0  # at any one time
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open = set()
        self._threads = []
        self._exits = contextlib.ExitStack()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self.host = "127.0.0.1"
        self.url = f"{'https' if ssl_context else 'http'}://{self.host}:{self.port}"

    def client(self, api_key=SECRET, timeout=10, pool=None, **options):
        """A client of this server, closed with it; *pool* makes it a session of its own with these arguments."""
        if pool is not None:
            options["session"] = self._exits.enter_context(Session(**pool))
        return self._exits.enter_context(Client(api_key, self.url, timeout, **options))

    @property
    def open(self):
        """How many connections are open."""
        return len(self._open)

    def wait_for(self, condition):
        """Until condition(server) holds; its threads are a moment behind the client."""
        until(lambda: condition(self))

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info):
        self._exits.close()
        self.stopping.set()
        with contextlib.suppress(OSError), socket.socket() as caller:
            caller.settimeout(1)
            caller.connect(("127.0.0.1", self.port))  # wakes the accept()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.wake()
        for thread in self._threads:
            thread.join(timeout=5)
        self._listener.close()
        if exc_info[0] is None:
            assert not any(thread.is_alive() for thread in self._threads)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            sock, _ = self._listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            with self._lock:
                self.connections += 1
                connection = _ServedConnection(self, sock, self.connections)
                self._open.add(connection)
                self.most_open = max(self.most_open, len(self._open))
            self._start(connection.serve)

    def answer(self, request):
        with self._lock:
            self.requests.append(request)
            number = len(self.requests) - 1
        return self.route(request) if self.route else self.answers[min(number, len(self.answers) - 1)]

    def forget(self, connection):
        with self._lock:
            self._open.discard(connection)


class _ServedConnection:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.ended = False
        self._data = b""

    def serve(self):
        try:
            self.sock.settimeout(20)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server.ssl_context is not None:
                self.sock = self.server.ssl_context.wrap_socket(self.sock, server_side=True)
            self.run(self.server.first)
            while not self.ended:
                request = self._read_request()
                if request is None:
                    break
                self.run(self.server.answer(request))
        except OSError:
            pass  # the client is gone
        finally:
            self.shut()

    def run(self, step):
        if isinstance(step, tuple):
            for one in step:
                if not self.ended:
                    self.run(one)
        elif isinstance(step, bytes):
            self.sock.sendall(step)
            if b"connection: close" in step.partition(b"\r\n\r\n")[0].lower():
                self.shut()
        elif isinstance(step, (int, float)):
            self.server.stopping.wait(step)
        else:
            step(self)

    def shut(self):
        self.ended = True
        self.sock.close()
        self.server.forget(self)

    def wake(self):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def _read_request(self):
        while b"\r\n\r\n" not in self._data:
            if not self._receive():
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        size = int(headers.get("content-length", 0))
        while len(self._data) < size:
            if not self._receive():
                return None
        body, self._data = self._data[:size], self._data[size:]
        method, path, _ = line.split(" ")
        return Request(method, path, headers, body, head, self.number)

    def _receive(self):
        data = self.sock.recv(65536)
        self._data += data
        return data


class Proxy(Server):
    """An HTTP proxy, for absolute-form requests and CONNECT. *credentials*: "user:password" that it asks for.

    *to* sends everything to that one port of the loopback, whatever the host is called.
    """

    def __init__(self, credentials=None, to=None):
        super().__init__(route=self._forward)
        self.credentials, self.to = credentials, to

    def _forward(self, request):
        if self.credentials is not None:
            wanted = "Basic " + base64.b64encode(self.credentials.encode()).decode()
            if request.headers.get("proxy-authorization") != wanted:
                return reply(407, b"who are you?")
        forward = self._tunnel if request.method == "CONNECT" else self._pass_on
        return lambda connection: forward(connection, request)

    def _upstream(self, authority):
        host, _, port = authority.rpartition(":")
        address = ("127.0.0.1", self.to) if self.to else (host.strip("[]"), int(port))
        return socket.create_connection(address, timeout=10)

    def _pass_on(self, connection, request):
        url = urlsplit(request.path)
        head = request.head.replace(request.path.encode(), request.path.partition(url.netloc)[2].encode() or b"/", 1)
        head = re.sub(rb"(?i)\r\n(proxy-)?connection:[^\r]*", b"", head)
        with self._upstream(url.netloc if url.port else f"{url.netloc}:80") as upstream:
            upstream.sendall(head + b"\r\nConnection: close\r\n\r\n" + request.body)
            upstream.shutdown(socket.SHUT_WR)
            while data := upstream.recv(65536):
                connection.sock.sendall(data)
        drop(connection)

    def _tunnel(self, connection, request):
        with self._upstream(request.path) as upstream:
            connection.run(b"HTTP/1.1 200 Connected\r\n\r\n")
            ways = {connection.sock: upstream, upstream: connection.sock}
            while True:
                for sock in select.select(list(ways), [], [], 20)[0]:
                    data = sock.recv(65536)
                    if not data:
                        return drop(connection)
                    ways[sock].sendall(data)


# One P-256 key serves them all: a CA of ours, and of it a certificate for localhost and 127.0.0.1 and one for another
# host. The CA's own, which names localhost as well, is the self-signed one. Valid until 2124.
_KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgY7NIzjb6rfIHJu6m2fztEkvX2akTqlt8rbQWwvJlzK+hRANCAASTvVF5YZ/4ux"
    "JPpCjzCucIyYDftNI7140IyD+G91JdjHMrXqPQJ/hlPMrePb9BH36pMdRJgXofcjk3OAh2gmvx"
)
_CERTIFICATES = {
    "ca": (
        "MIIBhDCCASmgAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9waXhpZ3B0IHRlc3QgQ0EwIBcNMjQwMTAxMDAwMDAwWhgPMjEyNDAxMD"
        "EwMDAwMDBaMBoxGDAWBgNVBAMMD3BpeGlncHQgdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJO9UXlhn/i7Ek+kKPMK5wjJgN+0"
        "0jvXjQjIP4b3Ul2Mcyteo9An+GU8yt49v0Effqkx1EmBeh9yOTc4CHaCa/GjXjBcMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgKEMB"
        "0GA1UdDgQWBBREylIWlYlJ+zgCwTVP+n3M6LFPAjAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhAMeLOHUF"
        "xWOKZwyv5/yy/PGlLNCAtR1VdLqqmtqpP0X1AiEAgwdmPetmGgKXl+qZgQRZhv682sk1oVt95/qO2WQFaMw="
    ),
    "good": (
        "MIIBhjCCASygAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9waXhpZ3B0IHRlc3QgQ0EwIBcNMjQwMTAxMDAwMDAwWhgPMjEyNDAxMD"
        "EwMDAwMDBaMA8xDTALBgNVBAMMBGdvb2QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASTvVF5YZ/4uxJPpCjzCucIyYDftNI7140IyD+G91Jd"
        "jHMrXqPQJ/hlPMrePb9BH36pMdRJgXofcjk3OAh2gmvxo2wwajAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBREylIWlYlJ+zgCwTVP+n3M6LFPAj"
        "AfBgNVHSMEGDAWgBREylIWlYlJ+zgCwTVP+n3M6LFPAjAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZIzj0EAwIDSAAwRQIgB9OP"
        "06RxuarAGn+hDSaGGQaNkljYdanmF183nwhv0w0CIQDyGlw5PrZFHVFwNCUUQrx1JveWPfoVP2iUjrVPNuEEcA=="
    ),
    "wrong": (
        "MIIBiTCCAS+gAwIBAgIBAzAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9waXhpZ3B0IHRlc3QgQ0EwIBcNMjQwMTAxMDAwMDAwWhgPMjEyNDAxMD"
        "EwMDAwMDBaMBAxDjAMBgNVBAMMBXdyb25nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEk71ReWGf+LsST6Qo8wrnCMmA37TSO9eNCMg/hvdS"
        "XYxzK16j0Cf4ZTzK3j2/QR9+qTHUSYF6H3I5NzgIdoJr8aNuMGwwDAYDVR0TAQH/BAIwADAdBgNVHQ4EFgQURMpSFpWJSfs4AsE1T/p9zOixTw"
        "IwHwYDVR0jBBgwFoAURMpSFpWJSfs4AsE1T/p9zOixTwIwHAYDVR0RBBUwE4IRZWxzZXdoZXJlLmV4YW1wbGUwCgYIKoZIzj0EAwIDSAAwRQIh"
        "ALSYMt535YTVEUIp70qcanWHkBNX6xCsLrmJKzyxwSDpAiA8HssyWZSERfjz5RqT4lLLN1miD61ZiYsOKjlvUQO+8w=="
    ),
}


def pem(name):
    return ssl.DER_cert_to_PEM_cert(base64.b64decode(_CERTIFICATES[name]))


def server_tls(name="good"):
    """The context of a server with that certificate: "good", "wrong" (another host's), or "ca" (self-signed)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "chain.pem")
        with open(path, "w") as file:
            file.write(f"-----BEGIN PRIVATE KEY-----\n{_KEY}\n-----END PRIVATE KEY-----\n{pem(name)}")
        context.load_cert_chain(path)
    return context


def client_tls():
    """A context that trusts our CA."""
    return ssl.create_default_context(cadata=pem("ca"))


def together(count, function):
    """What function(0), function(1), … return, each in a thread of its own; an exception is a result too."""
    results = [None] * count

    def run(number):
        try:
            results[number] = function(number)
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive(), "a thread hangs"
    return results


def by_name(names, rows):
    """A test for each row, named by its key."""
    return pytest.mark.parametrize(names, [pytest.param(*row, id=name) for name, row in rows.items()])


def at_once(test):
    """For a table of rows that mostly wait: all are run, in threads, when the first is reached; each fails by itself."""
    outcomes = []

    @functools.wraps(test)
    def outcome(**row):
        if not outcomes:
            ((names, values),) = [mark.args for mark in outcome.pytestmark if mark.name == "parametrize"]
            with ThreadPoolExecutor(8) as threads:
                for one in values:
                    named = dict(zip(names.split(", "), getattr(one, "values", one)))
                    outcomes.append((named, threads.submit(test, **named)))
        return next(future for named, future in outcomes if all(named[name] is row[name] for name in row)).result()

    return outcome


# Where a fresh Python finds what is tested.
PATHS = os.pathsep.join(os.path.dirname(os.path.abspath(module.__file__)) for module in (pixigpt, sandbox))


def run_python(*arguments, stdin="", timeout=20, **environment):
    """A fresh Python with pixigpt importable; its CompletedProcess, with texts."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": PATHS, "PYTHONIOENCODING": "utf-8", **environment},
    )


# -------------------------------------------------------------------------------------------------- client


ASKED = [{"role": "user", "content": "Hi"}]
THREAD = {"id": "t_1", "object": "thread", "created_at": 1}
TEXT = {"type": "text", "text": {"value": "Hi", "annotations": []}}
THREAD_MESSAGE = {"id": "m_1", "object": "thread.message", "created_at": 1, "role": "user", "content": [TEXT]}
RUN = {"id": "r_1", "object": "thread.run", "created_at": 1, "status": "completed", "message": THREAD_MESSAGE}
ASSISTANT = {"id": "a_1", "object": "assistant", "created_at": 1, "name": "Pixi", "instructions": "Be kind."}
RESULT = {"result": "a cat", "usage": COMPLETION["usage"]}
CATEGORY = {"category": "SAFE", "score": 0.9, "usage": COMPLETION["usage"]}
EMPTY = {"object": "list", "data": []}
THREADS, ASSISTANTS = {**EMPTY, "data": [THREAD]}, {**EMPTY, "data": [ASSISTANT]}
PAGE = {**EMPTY, "data": [THREAD_MESSAGE], "first_id": "m_0", "last_id": "m_1", "has_more": True}
WORKS = contextlib.nullcontext()


def failure_of(*answers, call=chat, **options):
    """The error of a call that is answered so."""
    with Server(*answers) as server, pytest.raises(APIError) as caught:
        call(server.client(**{"max_retries": 0, **options}))
    return caught.value


# ---- what goes over the wire, and what comes of the answer

WIRE = {  # call with its IDs, request line, body, answer
    "create_chat_completion": (
        lambda c: c.create_chat_completion({"messages": ASKED, "x_new": 1}),
        "POST /chat/completions", {"messages": ASKED, "x_new": 1}, COMPLETION,
    ),
    "create_thread": (lambda c: c.create_thread(), "POST /threads", {}, THREAD),
    "create_thread_metadata": (lambda c: c.create_thread({"x": 1}), "POST /threads", {"metadata": {"x": 1}}, THREAD),
    "get_thread": (lambda c, t="t_1": c.get_thread(t), "GET /threads/t_1", None, THREAD),
    "list_threads": (lambda c: c.list_threads(), "GET /threads", None, THREADS),
    "delete_thread": (lambda c, t="t_1": c.delete_thread(t), "DELETE /threads/t_1", None, {"deleted": True}),
    "create_message": (
        lambda c, t="t_1": c.create_message(t, "user", "Hi"), "POST /threads/t_1/messages", ASKED[0], THREAD_MESSAGE,
    ),
    "create_messages_bulk": (
        lambda c, t="t_1": c.create_messages_bulk(t, ASKED),
        "POST /threads/t_1/messages/bulk", {"messages": ASKED}, PAGE,
    ),
    "list_messages": (lambda c, t="t_1": c.list_messages(t), "GET /threads/t_1/messages?limit=20", None, PAGE),
    "list_messages_page": (
        lambda c, t="t_1": c.list_messages(t, 5, after="a&b", before="c", order="asc"),
        "GET /threads/t_1/messages?limit=5&after=a%26b&before=c&order=asc", None, EMPTY,
    ),
    "list_all_messages": (
        lambda c, t="t_1": list(c.iter_messages(t)),
        "GET /threads/t_1/messages?limit=100", None, {**PAGE, "has_more": False},
    ),
    "create_run": (
        lambda c, t="t_1": c.create_run(t, "a_1"),
        "POST /threads/t_1/runs", {"assistant_id": "a_1", "enable_thinking": True}, RUN,
    ),
    "create_run_with_options": (
        lambda c, t="t_1": c.create_run(t, "a_1", 0.0, 100, False), "POST /threads/t_1/runs",
        {"assistant_id": "a_1", "temperature": 0.0, "max_tokens": 100, "enable_thinking": False}, RUN,
    ),
    "get_run": (lambda c, t="t_1", r="r_1": c.get_run(t, r), "GET /threads/t_1/runs/r_1", None, RUN),
    "wait_for_run": (lambda c, t="t_1", r="r_1": c.wait_for_run(t, r), "GET /threads/t_1/runs/r_1", None, RUN),
    "list_assistants": (lambda c: c.list_assistants(), "GET /assistants", None, ASSISTANTS),
    "get_assistant": (lambda c, a="a_1": c.get_assistant(a), "GET /assistants/a_1", None, ASSISTANT),
    "create_assistant": (
        lambda c: c.create_assistant("Pixi", ""), "POST /assistants", {"name": "Pixi", "instructions": ""}, ASSISTANT,
    ),
    "update_assistant": (
        lambda c, a="a_1": c.update_assistant(a, None, "Be kind.", "{}"),
        "PUT /assistants/a_1", {"instructions": "Be kind.", "tools_config": "{}"}, ASSISTANT,
    ),
    "delete_assistant": (lambda c, a="a_1": c.delete_assistant(a), "DELETE /assistants/a_1", None, {"deleted": True}),
    "list_assistant_threads": (
        lambda c, a="a_1": c.list_assistant_threads(a), "GET /assistants/a_1/threads?limit=20", None, THREADS,
    ),
    "analyze_image": (
        lambda c: c.analyze_image(image_url="https://x/a.png", user_prompt="What?"),
        "POST /vision/analyze", {"image_url": "https://x/a.png", "user_prompt": "What?"}, RESULT,
    ),
    "analyze_image_for_tags": (
        lambda c: c.analyze_image_for_tags(image_url="data:x"), "POST /vision/tags", {"image_url": "data:x"}, RESULT,
    ),
    "extract_text": (lambda c: c.extract_text(image_url="data:x"), "POST /vision/ocr", {"image_url": "data:x"}, RESULT),
    "analyze_video": (
        lambda c: c.analyze_video(video_url="data:x", user_prompt=None),
        "POST /vision/video", {"video_url": "data:x"}, RESULT,
    ),
    "moderate_text": (lambda c: c.moderate_text(prompt="Hi"), "POST /moderations", {"prompt": "Hi"}, CATEGORY),
    "moderate_media": (
        lambda c: c.moderate_media(media_url="data:x", is_video=False),
        "POST /moderations/media", {"media_url": "data:x", "is_video": False}, CATEGORY,
    ),
    "create_embedding": (lambda c: c.create_embedding(input=["a"]), "POST /embeddings", {"input": ["a"]}, EMPTY),
    "rerank": (
        lambda c: c.rerank(query="q", documents=["a"], top_k=1),
        "POST /rerank", {"query": "q", "documents": ["a"], "top_k": 1}, {"object": "list", "results": []},
    ),
    "request": (lambda c: c.request("get", "/models?all=1"), "GET /models?all=1", None, [1, "two"]),
    "request_with_body": (lambda c: c.request("POST", "/files", []), "POST /files", [], {"id": "file_1"}),
}  # fmt: skip
STATEFUL = "create_thread", "create_message", "create_run", "create_assistant", "request_with_body"
each_endpoint = pytest.mark.parametrize("name", WIRE)


@each_endpoint
def test_sends_what_the_service_expects_and_returns_what_it_sent(name):
    call, line, body, answer = WIRE[name]
    with Server(reply(200, answer)) as server:
        client = server.client()
        result = call(client)
        call(client)
    request, again = server.requests
    assert f"{request.method} {request.path}" == line
    assert (request.json if request.body else None) == body
    headers = {"host": f"127.0.0.1:{server.port}", "authorization": f"Bearer {SECRET}", "accept": "application/json"}
    headers["user-agent"] = f"pixigpt-python/{pixigpt.__version__}"
    if body is not None:
        headers.update({"content-type": "application/json", "content-length": str(len(request.body))})
    if name.startswith(STATEFUL):
        headers["idempotency-key"] = key = request.headers.get("idempotency-key", "")
        assert len(key) >= 16 and key != again.headers["idempotency-key"]
    assert request.headers == headers
    listed = name.startswith("list_") or name == "create_messages_bulk"
    assert result == (None if name.startswith("delete_") else answer["data"] if listed else answer)


def test_iter_messages_follows_the_pages():
    end = {**EMPTY, "data": [{**THREAD_MESSAGE, "id": "m_2"}], "has_more": False, "last_id": "m_2"}
    with Server(reply(200, PAGE), reply(200, end)) as server:
        messages = server.client().iter_messages("t_1", 1, order="asc")
        assert not server.requests
        assert [message.id for message in messages] == ["m_1", "m_2"]
    paths = [request.path.partition("limit=1&")[2] for request in server.requests]
    assert paths == ["order=asc", "after=m_1&order=asc"]


def test_iter_messages_ends_where_a_server_gives_the_same_page_again():
    with Server(reply(200, {"data": [{"id": "m"}], "last_id": "m", "has_more": True})) as server:
        messages = server.client().iter_messages("t")
        assert [next(messages)["id"], next(messages)["id"]] == ["m", "m"]
        with pytest.raises(APIResponseError, match="^GET /threads/t/messages: .*the same page again"):
            next(messages)
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", [name for name in WIRE if re.match("create_[ce]|analyze|extract|moder|rerank", name)])
def test_a_request_object_and_its_fields_as_keywords_are_the_same(name):
    _, _, body, answer = WIRE[name]
    with Server(reply(200, answer)) as server:
        method = getattr(server.client(), name)
        method(body)
        method(**body)
        method(types.MappingProxyType({**body, "user": None}))
        assert [request.json for request in server.requests] == [body] * 3
        for arguments, fields in (((body,), body), ((body, body), {}), ((), {}), (([],), {}), ((None,), {})):
            with pytest.raises(TypeError):
                method(*arguments, **fields)
        assert len(server.requests) == 3


def test_leaves_out_what_is_none_and_sends_what_is_merely_falsy():
    given = {"temperature": 0, "stop": "", "logprobs": False, "tools": [], "metadata": {}, "enable_thinking": False}
    with Server() as server:
        chat(server.client(), messages=ASKED, **given, seed=None, model=None, assistant_id=None)
    assert server.requests[0].json == {**given, "messages": ASKED}


@pytest.mark.parametrize("given, sent", [
    pytest.param({"max_tokens": 10}, {"max_tokens": 3000}, id="raised"),
    pytest.param({"max_tokens": 0}, {"max_tokens": 3000}, id="zero"),
    pytest.param({"max_tokens": 3001}, {"max_tokens": 3001}, id="enough"),
    pytest.param({"max_tokens": None}, {}, id="none"),
    pytest.param({"max_tokens": 10, "enable_thinking": None}, {"max_tokens": 3000}, id="not-said"),
    pytest.param({"max_tokens": 9, "enable_thinking": True}, {"max_tokens": 3000, "enable_thinking": True}, id="on"),
    pytest.param({"max_tokens": 9, "enable_thinking": False}, {"max_tokens": 9, "enable_thinking": False}, id="off"),
    pytest.param({}, {}, id="nothing-is-invented"),
])
def test_leaves_room_to_think(given, sent):
    with Server(reply(), reply(200, RUN)) as server:
        server.client().create_chat_completion(messages=ASKED, **given)
        server.client().create_run("t_1", "a_1", **given)
    asked, run = (request.json for request in server.requests)
    assert asked == {"messages": ASKED, **sent}
    thinking = {} if "enable_thinking" in given else {"enable_thinking": True}
    assert run == {"assistant_id": "a_1", **thinking, **sent}


def test_does_not_change_the_callers_request():
    def weather(city: str) -> str:
        """The weather in a city."""

    request = {"messages": ASKED, "max_tokens": 10, "seed": None, "tools": [weather], "stop": ["x"]}
    before = copy.deepcopy(request)
    with Server() as server:
        server.client().create_chat_completion(request)
    assert request == before
    assert server.requests[0].json["tools"][0]["function"]["name"] == "weather"


@pytest.mark.parametrize("name", [name for name, (call, *_) in WIRE.items() if call.__defaults__])
def test_an_id_is_one_quoted_segment_of_the_path(name):
    call = WIRE[name][0]
    with Server(reply(200, {**EMPTY, **RUN})) as server:
        client = server.client()
        for place in range(len(call.__defaults__)):
            before = call.__defaults__[:place]
            call(client, *before, "../a b?c#ü%2F")
            assert "/..%2Fa%20b%3Fc%23%C3%BC%252F" in server.requests.pop().path
            for wrong in (None, 7, b"x", "", ".", ".."):
                with pytest.raises(ValueError if isinstance(wrong, str) else TypeError):
                    call(client, *before, wrong)
        assert not server.requests


@pytest.mark.parametrize("wrong", [None, ""])
def test_a_run_needs_an_assistant(wrong):
    with Server() as server, pytest.raises((TypeError, ValueError), match="ID"):
        server.client().create_run("t_1", wrong)
    assert not server.requests


def test_messages_come_from_any_iterable_and_without_nulls_that_mean_nothing():
    message = {"role": "assistant", "content": None, "tool_calls": None, "tool_call_id": None, "name": None, "x": None}
    before = message.copy()
    with Server() as server:
        for messages in (collections.deque([message]), {1: message}.values(), iter([message]), (message,)):
            server.client().create_chat_completion(messages=messages)
        assert [request.json["messages"] for request in server.requests] == [[{"role": "assistant", "content": None, "x": None}]] * 4
        for wrong in ("Hi", {"role": "user"}):
            server.client().create_chat_completion(messages=wrong)  # as it is: the service says what is wrong
            assert server.requests[-1].json["messages"] == wrong
    assert message == before


CIRCULAR = {}
CIRCULAR["itself"] = CIRCULAR


@pytest.mark.parametrize("fields, kind, named", [
    pytest.param({"temperature": math.nan}, ValueError, "temperature", id="nan"),
    pytest.param({"temperature": -math.inf}, ValueError, "temperature", id="infinity"),
    pytest.param({"user": b"ada"}, TypeError, "user", id="bytes"),
    pytest.param({"stop": {"a"}}, TypeError, "stop", id="set"),
    pytest.param({"metadata": {"a": [0, 1j]}}, TypeError, "metadata['a'][1]", id="nested"),
    pytest.param({"metadata": {(1, 2): 0}}, TypeError, "metadata", id="key"),
    pytest.param({"messages": [{"role": "user", "content": "\ud800"}]}, ValueError, "['content']", id="surrogate"),
    pytest.param({"metadata": CIRCULAR}, ValueError, "", id="circular"),
    pytest.param({"metadata": functools.reduce(lambda inner, _: [inner], range(100_000))}, ValueError, "", id="deep"),
    pytest.param({"stream": True}, ValueError, "stream_chat_completion", id="stream"),
])
def test_what_cannot_be_sent_is_an_error_that_names_the_field(box, client, fields, kind, named):
    with pytest.raises(kind) as caught:
        chat(client, **fields)
    assert named in str(caught.value)
    assert not box.requests
    assert chat(client, "Count to 2").choices[0].message.content == "1, 2."


@pytest.mark.parametrize(
    "method, path",
    [("GET", path) for path in ("", "x", "/a b", "/a\n", "/ü", "/a#b", "http://x/", None, b"/x")]
    + [(method, "/x") for method in ("", "GET /", "G\n", "GÉT", None, b"GET")],
    ids=ascii,
)
def test_request_refuses_what_is_no_path_or_method(box, client, method, path):
    with pytest.raises((TypeError, ValueError)):
        client.request(method, path)
    assert not box.requests


# ---- the client


@pytest.mark.parametrize("given, environment, sent", [
    pytest.param("sk-1", "sk-2", "Bearer sk-1", id="argument"),
    pytest.param(None, "sk-2\n", "Bearer sk-2", id="environment"),
    pytest.param(" \tsk-1\r\n", "", "Bearer sk-1", id="secret-file"),
    pytest.param("", "sk-2", None, id="none-wanted"),
])
def test_finds_the_key(monkeypatch, given, environment, sent):
    monkeypatch.setenv("PIXIGPT_API_KEY", environment)
    with Server() as server:
        chat(server.client(given))
    assert server.requests[0].headers.get("authorization") == sent


@pytest.mark.parametrize("suffix, prefix", [("", ""), ("/", ""), ("/v1", "/v1"), ("/a/v1/", "/a/v1")])
def test_finds_the_base_url(monkeypatch, suffix, prefix):
    assert Client("k").base_url == "https://pixigpt.com/v1" and Client("k", "http://[::1]/").base_url == "http://[::1]"
    with Server(reply(200, THREADS)) as server:
        monkeypatch.setenv("PIXIGPT_BASE_URL", server.url + suffix)
        with Client("k", None if prefix else server.url + suffix) as client:
            client.list_threads()
        assert server.requests[0].path == f"{prefix}/threads"


def test_another_base_url_is_for_the_calls_to_come():
    with Server(reply(200, THREADS)) as old, Server(reply(200, THREADS)) as new, Client(SECRET, old.url) as client:
        client.list_threads()
        client.base_url = new.url + "/v2/"
        for other in (client, client.with_options(timeout=5)):
            other.list_threads()
            assert new.requests[-1].path == "/v2/threads" and f"{new.url}/v2" in repr(other)
        with pytest.raises(ValueError):
            client.base_url = "nowhere"
        client.list_threads()
        assert (len(old.requests), len(new.requests)) == (1, 3)


def shown(error, variables=False):
    """All that a log could hold of an error; with the variables of pixigpt's own frames."""
    text = [repr(error), str(error), repr(vars(error)), repr(error.args), str(pickle.dumps(error))]
    errors = [error]
    for error in errors:
        trace = traceback.TracebackException.from_exception(error, capture_locals=variables)
        text += [str(frame.locals) for frame in trace.stack if frame.filename == pixigpt.__file__]
        text += trace.format_exception_only()
        errors += [other for other in (error.__cause__, error.__context__) if other and other not in errors]
    return "\n".join(text)


@pytest.mark.parametrize(
    "options",
    [{"api_key": key} for key in (None, " \n", "sk hunter2", "hunter2\n1", "hunter2\0", "\u200b", "\x7f", b"k")]
    + [{"base_url": url} for url in ("pixigpt.com/v1", "/v1", "http://", "https:///v1", "ftp://h", "http://ho st/", 1)]
    + [{"base_url": f"http://{rest}"} for rest in ("u:hunter2@h", "h?q=hunter2", "h/#hunter2", "h:hunter2", "h:65536/")]
    + [{"base_url": f"http://{rest}"} for rest in ("h/\n", "h/ü", "a\\b/", "[::1/", "\udcff", "ü" * 99, "u@h")]
    + [{"base_url": f"http://{rest}"} for rest in ("[::1]h:80/", "h[::1]/", "[::1]h/", "[]/", ".h/")] + [{"base_url": ""}]
    + [{"timeout": seconds} for seconds in (0, -1, math.nan, math.inf, "5", True, [])]
    + [{"max_retries": count} for count in (-1, 1.5, "2", True, None)]
    + [{"session": session} for session in (object(), "session", Session)]
    + [{"max_connections": count} for count in (0, -1, 1.5, True, None)]
    + [{"proxies": {"http": url}} for url in ("socks5://u:hunter2@h", "https://127.0.0.1", "http://", "u:hunter2@h:x")],
    ids=lambda options: ascii(options).partition(" object")[0],
)
def test_refuses_options_that_cannot_be_meant_without_showing_a_secret(options):
    with pytest.raises((TypeError, ValueError)) as caught:
        Session(**options) if {"proxies", "max_connections"} & {*options} else Client(**{"api_key": "k", **options})
    assert "hunter2" not in shown(caught.value)
    assert options.get("api_key", "k") not in (None, " \n") or "PIXIGPT_API_KEY" in str(caught.value)


def test_nothing_but_the_wire_shows_the_key(box):
    with Client(SECRET, box.base_url) as client:
        assert SECRET not in f"{client!r} {client} {client.session!r} {vars(client)} {client.with_options()!r}"
        with pytest.raises(TypeError) as caught:
            client.create_chat_completion(messages=[object()])
        assert SECRET not in shown(caught.value, variables=True)
        with pytest.raises(ValueError) as caught:
            client.with_options(headers={"X-Key": f"{SECRET}\n"})
        assert SECRET not in str(caught.value)
    for options in ({"base_url": "bogus"}, {"timeout": -1}, {"session": 5}):
        with pytest.raises(ValueError) as caught:
            Client(SECRET, **options)
        assert SECRET not in shown(caught.value, variables=True)
    for key in (f"{SECRET} x", f"{SECRET}\0"):
        with pytest.raises(ValueError) as caught:
            Client(key)
        assert SECRET not in shown(caught.value, variables=True)
    with pytest.raises(ValueError) as caught:
        Session(max_connections=0)
    assert "<Session: closed>" in shown(caught.value, variables=True)


ECHO = f"Bearer {SECRET}".encode()
ECHOED = {  # a key that a server sends back where it does harm
    "cut-head": (b"HTTP/1.1 200 OK\r\nX-Echo: %b\r\n" % ECHO, reset),
    "stalled-head": (b"HTTP/1.1 200 OK\r\nX-Echo: %b\r\n" % ECHO, stall),
    "status-line": (b"%b\r\n\r\n" % ECHO, drop),
    "chunk-size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % ECHO, drop),
    "cut-by-a-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n%b\r\n0\r\n\r\n" % ECHO, drop),
    "escaped": reply(200, b'no {"k": "%b"}' % SECRET.replace("-", "\\-", 1).encode()),
}


@pytest.mark.parametrize(
    "answer, foreign",
    [pytest.param(answer, False, id=name) for name, answer in ECHOED.items()]
    + [pytest.param(ECHOED[name], True, id=f"requests-{name}") for name in ("stalled-head", "status-line", "chunk-size")],
)
def test_an_echoed_key_is_in_no_traceback(answer, foreign):
    requests = pytest.importorskip("requests") if foreign else None
    with Server(answer) as server:
        session = requests.Session() if requests else None
        client = server.client(timeout=0.3, max_retries=0, session=session)
        with pytest.raises(APIError) as caught:
            client.list_threads()
    text = shown(caught.value, variables=True)
    assert not [SECRET[end - 8 : end] for end in range(8, len(SECRET)) if SECRET[end - 8 : end] in text]


@pytest.mark.parametrize("body, call", [
    pytest.param({"choices": [SECRET]}, chat, id="chat"),
    pytest.param(f"data: {json.dumps(SECRET)}\n\n", lambda client: list(open_stream(client)), id="stream"),
    pytest.param(
        f'data: {{"choices": [{{"index": "{SECRET}", "delta": {{}}}}]}}\n\ndata: [DONE]\n\n',
        lambda client: open_stream(client).get_final_completion(), id="whole-of-a-stream",
    ),
    pytest.param({**RUN, "last_error": {"message": SECRET}}, lambda client: client.wait_for_run("t", "r"), id="run"),
])  # fmt: skip
def test_an_answer_that_is_wrong_leaves_nothing_of_the_key_in_a_traceback(body, call):
    if isinstance(body, str):
        answer = reply(200, body.encode(), Content_Type="text/event-stream")
    else:
        answer = reply(200, {**body, "status": "failed"})
    with Server(answer) as server, pytest.raises(APIError) as caught:
        call(server.client())
    assert SECRET not in shown(caught.value, variables=True)


@pytest.mark.parametrize("foreign", [False, True], ids=["own", "requests"])
def test_a_failure_leaves_alone_what_the_caller_was_handling(foreign):
    class Odd(Exception):
        def __repr__(self):
            raise ZeroDivisionError

        __str__ = __repr__

    def clean_up(call):
        with pytest.raises(APIError):
            call()

    session = pytest.importorskip("requests").Session() if foreign else None
    with Server((STREAM_HEAD, drop), drop) as server:
        client = server.client(session=session, max_retries=0)
        stream = open_stream(client)
        for call in (lambda: next(stream), client.list_threads):
            try:
                raise Odd
            except Odd as error:
                trace = error.__traceback__
                clean_up(call)
                assert error.__traceback__ is trace
    if session:
        session.close()


def test_an_error_event_leaves_nothing_of_the_others_in_a_traceback():
    events = f'data: {{"error": {{"message": "no"}}}}\n\ndata: {{"k": "{SECRET}"}}\n\n'.encode()
    with Server(reply(200, events, Content_Type="text/event-stream")) as server:
        with pytest.raises(APIError) as caught:
            next(open_stream(server.client()))
    assert SECRET not in shown(caught.value, variables=True)


def test_a_client_pickles_and_copies(client):
    chat(client)
    for other in (pickle.loads(pickle.dumps(client)), copy.copy(client), copy.deepcopy(client)):
        with other:
            assert (other.base_url, other.timeout, other.max_retries) == (client.base_url, 10, 3)
            assert other.session is not client.session and "0 idle" in repr(other)
            assert chat(other, "Count to 3").choices[0].message.content == "1, 2, 3."
    assert chat(client)
    with Session({"http": "http://127.0.0.1:1"}, max_connections=7, trust_env=False) as session:
        other = pickle.loads(pickle.dumps(session))
        assert (other.proxies, other.max_connections, other.trust_env) == (session.proxies, 7, False)


def test_with_options_shares_the_session_and_changes_what_is_named():
    with Server() as server:
        client = server.client()
        other = client.with_options(timeout=None, max_retries=0, headers={"X-A": "1", "user-agent": "mine/2"})
        for caller in (other, client):
            chat(caller)
        headers, own = (request.headers for request in server.requests)
        assert (headers["x-a"], headers["user-agent"], "x-a" in own) == ("1", "mine/2", False)
        assert server.requests[0].head.lower().count(b"user-agent:") == 1
        assert (other.timeout, other.max_retries, client.timeout, client.max_retries) == (None, 0, 10, 3)
        other.close()
        chat(client)
        assert server.connections == 1
        for wrong in ({"Content-Length": "1"}, {"a b": "1"}, {"a": "1\r\nb: 2"}, {"a": 1}, {"": "1"}, {"a": "\u20ac"}):
            with pytest.raises((TypeError, ValueError)):
                client.with_options(headers=wrong)
        with pytest.raises(ValueError):
            client.with_options(timeout=0)


def test_a_closed_client_says_so_and_leaves_a_session_that_was_given_to_it(box):
    with Client(box.api_key, box.base_url) as client:
        chat(client)
        assert repr(client) == f"<Client {box.base_url}: 0 active, 1 idle, 0 waiting, at most 100>"
    client.close()
    assert repr(client) == f"<Client {box.base_url}: closed>"
    for call in (chat, Client.connect, Client.list_threads, lambda c: list(c.iter_messages("t_1"))):
        with pytest.raises(RuntimeError, match="closed"):
            call(client)
    assert len(box.requests) == 1
    with Session() as session:
        for _ in range(2):
            with Client(box.api_key, box.base_url, session=session) as client:
                chat(client)
        assert box.connections == 2
    with Client(box.api_key, box.base_url, session=session) as client, pytest.raises(RuntimeError, match="closed"):
        chat(client)


# ---- what users of the published client have written works unchanged


def test_runs_code_written_for_the_published_client(box):
    from pixigpt import ChatCompletionRequest, Message, VisionTagsRequest

    client = Client(box.api_key, box.base_url)
    request = ChatCompletionRequest(
        assistant_id=box.assistant_id,
        messages=[Message(role="user", content="Hello!")],
        temperature=0.7, max_tokens=4000,
    )
    response = client.create_chat_completion(request)
    assert response.choices[0].message.content == "You said: Hello!"
    assert response.choices[0].reasoning_content.endswith("I read: Hello!")
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens

    thread = client.create_thread()
    client.create_message(thread_id=thread.id, role="user", content="What is 17 + 25?")
    run = client.create_run(thread_id=thread.id, assistant_id=box.assistant_id, enable_thinking=True)
    completed_run = client.wait_for_run(thread.id, run.id, poll_interval=0.01)
    assert completed_run.message.content[0].text["value"] == "17 + 25 = 42."
    assert [message.role for message in client.list_messages(thread.id, limit=10)] == ["assistant", "user"]
    assert client.analyze_image_for_tags(VisionTagsRequest(image_url="https://example.com/cat.png")).result
    client.delete_thread(thread.id)
    client.close()


def test_a_response_goes_back_into_a_request(client):
    schema = {"properties": {"city": {}}, "required": ["city"]}
    messages = [pixigpt.Message(role="system", content="Be kind."), {"role": "user", "content": "The weather in Rome?"}]
    response = client.create_chat_completion(
        messages=messages, tools=[{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    )
    message = response.choices[0].message
    call = message.tool_calls[0]
    assert (call.type, call.function.name, call.function.arguments) == ("function", "weather", '{"city": "Rome"}')
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert client.create_chat_completion(messages=messages).choices[0].message.content == "weather says: sunny."


def test_works_over_a_requests_session(box):
    requests = pytest.importorskip("requests")
    with Proxy() as proxy, requests.Session() as session:
        session.proxies = {"http": f"http://127.0.0.1:{proxy.port}"}
        with Client(box.api_key, box.base_url, session=session, max_retries=1) as client:
            assert chat(client, "Count to 2 [fault 503 times=1]").choices[0].message.content == "1, 2."
            assert client.get_thread(client.create_thread().id).metadata is None
            client.connect()
            with client.stream_chat_completion(messages=[{"role": "system", "content": ""}, *ASKED]) as stream:
                assert "".join(stream.text_stream) == "You said: Hi"
            with pytest.raises(pixigpt.NotFoundError, match="No thread found"):
                client.get_thread("t_0")
        assert session.get(box.base_url).status_code == 401  # it is not closed
        assert len(proxy.requests) == len(box.requests) == 7
        assert box.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("proxied", [False, True])
def test_what_could_not_connect_over_a_requests_session_is_tried_again(monkeypatch, waits, proxied):
    requests = pytest.importorskip("requests")

    def look_up(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with requests.Session() as session, pytest.raises(APIConnectionError) as caught:
        session.trust_env = False
        session.proxies = {"http": "http://proxy.test:1"} if proxied else {}
        Client(SECRET, "http://api.test", session=session, max_retries=2).create_thread()
    assert caught.value.attempts == 3


@pytest.mark.parametrize("answer, kind, attempts", [
    pytest.param(drop, APIConnectionError, 3, id="dropped"),
    pytest.param(stall, APITimeoutError, 1, id="stalled"),
    pytest.param((reply()[:-6], drip(reply()[-6:], 0.03)), APITimeoutError, 1, id="dripping"),
    pytest.param(reply(302, {}, Location="/x"), APIError, 1, id="redirected"),
    pytest.param(reply(500), pixigpt.ServerError, 3, id="failed"),
])
def test_errors_over_a_requests_session_are_our_own(waits, answer, kind, attempts):
    requests = pytest.importorskip("requests")
    with requests.Session() as session, Server(answer) as server, pytest.raises(kind) as caught:
        session.trust_env = False
        chat(server.client(session=session, max_retries=2, timeout=0.08 if kind is APITimeoutError else 10))
    assert type(caught.value) is kind and SECRET not in str(caught.value)
    assert len(server.requests) == caught.value.attempts == attempts


# ---- responses


def test_an_object_is_a_dict_with_attributes():
    sent = {**COMPLETION, "x_new": {"deep": [{"a": 1}]}}
    with Server(reply(200, sent)) as server:
        response = chat(server.client())
    assert type(response) is type(response.choices[0].message) is Object
    assert response.x_new.deep[0].a == response["x_new"]["deep"][0]["a"] == 1
    assert json.loads(json.dumps(response)) == response == sent
    for twin in (copy.copy(response), copy.deepcopy(response), pickle.loads(pickle.dumps(response)), response.copy()):
        assert type(twin) is Object and twin == response and twin is not response and twin.x_new.deep[0].a == 1
    assert copy.deepcopy(response).choices[0] is not response.choices[0] is copy.copy(response).choices[0]
    assert {"x_new", "choices", "items"} <= set(dir(response))
    response.model = "other"
    assert response["model"] == "other"
    del response.model
    assert "model" not in response


def test_an_unknown_attribute_lists_the_fields_there_are():
    message = Object(role="user", content=None)
    assert message.tool_calls is None and message.content is None and getattr(message, "nothing", 5) == 5
    for wrong in ("contents", "__len"):
        with pytest.raises(AttributeError, match=f"{wrong}.*role, content"):
            getattr(message, wrong)
    with pytest.raises(AttributeError):
        del message.contents
    with pytest.raises(KeyError):
        message["tool_calls"]
    optional = """tool_calls tool_call_id name reasoning_content metadata sources media code title url snippet prompt
        description stdout stderr execution_time_ms message tools_config usage finish_reason"""
    assert [getattr(Object(), name) for name in optional.split()] == [None] * len(optional.split())


def test_keys_named_like_special_methods_do_not_harm_copies():
    odd = Object(dict.fromkeys(("__deepcopy__", "__copy__", "__getstate__", "__reduce_ex__", "__class__"), "x"))
    for twin in (copy.copy(odd), copy.deepcopy(odd), pickle.loads(pickle.dumps(odd)), odd.copy()):
        assert type(twin) is Object and twin == odd


@pytest.mark.parametrize("choice, message, content, reasoning", [
    pytest.param({}, {"content": " \n Hi\n"}, "Hi", None, id="trimmed"),
    pytest.param({"reasoning_content": " why\n"}, {"content": "Hi "}, "Hi", "why", id="in-the-choice"),
    pytest.param({}, {"content": "Hi", "reasoning_content": "why "}, "Hi", "why", id="in-the-message"),
    pytest.param({}, {"content": "Hi", "reasoning": " why"}, "Hi", "why", id="as-reasoning"),
    pytest.param({"reasoning_content": ""}, {"content": "Hi", "reasoning": "why"}, "Hi", "why", id="one-is-empty"),
    pytest.param({"reasoning_content": None}, {"content": "<think>why</think>Hi"}, "Hi", "why", id="null-and-tags"),
    pytest.param({}, {"content": "<think>\nwhy\n</think>\n\nHi"}, "Hi", "why", id="tags"),
    pytest.param({}, {"content": "<Thinking>why</THINKING>Hi"}, "Hi", "why", id="long-tags"),
    pytest.param({}, {"content": "why\n</think>\nHi"}, "Hi", "why", id="no-opening-tag"),
    pytest.param({}, {"content": "<think>why"}, "", "why", id="never-closed"),
    pytest.param({}, {"content": "<think>a</think>Hi <think>b</think>you"}, "Hi you", "a\n\nb", id="twice"),
    pytest.param({"reasoning_content": "why"}, {"content": "Say <think>"}, "Say <think>", "why", id="tag-as-text"),
    pytest.param({}, {"content": None, "reasoning": "why"}, None, "why", id="no-text"),
    pytest.param({}, {"content": "<thinker>"}, "<thinker>", None, id="another-tag"),
])
def test_reasoning_is_in_the_choice_wherever_it_was(choice, message, content, reasoning):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **choice}
    with Server(reply(200, {**COMPLETION, "choices": [choice, choice]})) as server:
        response = chat(server.client())
    for choice in response.choices:
        assert (choice.message.content, choice.reasoning_content) == (content, reasoning)
        assert all(choice.message.get(name, reasoning) == reasoning for name in ("reasoning", "reasoning_content"))


@pytest.mark.parametrize("role, given, text, value, reasoning", [
    pytest.param("assistant", {}, " <think>why</think>Hi\n", "Hi", "why", id="split"),
    pytest.param("assistant", {"reasoning_content": " why"}, " Hi ", "Hi", "why", id="given"),
    pytest.param("assistant", {"reasoning_content": "why"}, "<think>", "<think>", "why", id="tag-as-text"),
    pytest.param("assistant", {"reasoning_content": None}, "Hi", "Hi", None, id="null"),
    pytest.param("assistant", {"reasoning": " why"}, "Hi", "Hi", "why", id="by-another-name"),
    pytest.param("user", {}, " <think>why</think>Hi\n", " <think>why</think>Hi\n", None, id="user"),
])
def test_messages_of_a_thread_are_tidied_everywhere_and_only_the_assistants(role, given, text, value, reasoning):
    message = {**THREAD_MESSAGE, "role": role, "content": [{"type": "text", "text": {"value": text}}], **given}
    one, many, run = (reply(200, body) for body in (message, {"data": [message]}, {**RUN, "message": message}))
    with Server(one, many, many, many, run, run) as server:
        client = server.client()
        messages = [client.create_message("t", "user", "x"), *client.create_messages_bulk("t", ASKED)]
        messages += [*client.list_messages("t"), *client.iter_messages("t")]
        messages += [client.get_run("t", "r").message, client.wait_for_run("t", "r").message]
    seen = [(message.content[0].text["value"], message.reasoning_content) for message in messages]
    assert seen == [(value, reasoning)] * 6


@pytest.mark.parametrize("given, texts, reasoning", [
    pytest.param({}, ["<think>a</think>x", "y", "<think>b</think>z"], "a\n\nb", id="split"),
    pytest.param({}, ["<think>a", "b</think>xyz"], "a\n\nb", id="across"),
    pytest.param({"reasoning_content": "why"}, ["<think>x", "y</think>z"], "why", id="given"),
])
def test_thoughts_are_taken_out_of_every_block_of_a_message(given, texts, reasoning):
    blocks = [{"type": "text", "text": {"value": text}} for text in texts]
    with Server(reply(200, {**THREAD_MESSAGE, "role": "assistant", "content": [*blocks, {"type": "image"}], **given})) as server:
        message = server.client().create_message("t", "user", "x")
    values = [block["text"]["value"] for block in message.content[:-1]]
    assert "".join(values) == ("".join(texts) if given else "xyz")
    assert message.reasoning_content == reasoning


# ---- errors


def test_names_the_kind_of_an_error():
    errors = APIError(type="authentication_error"), APIError(status_code=401), APIError(), ValueError("401"), None
    assert [pixigpt.is_auth_error(error) for error in errors] == [True, True, False, False, False]
    errors = APIError(type="rate_limit_error"), APIError(status_code=429), APIError(status_code=503), ValueError("429")
    assert [pixigpt.is_rate_limit_error(error) for error in errors] == [True, True, False, False]


FULL = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "tokens", "param": "messages", "x": 1}}
MOVED = "redirected to /new; redirects are not followed, set base_url to where the API is"


@pytest.mark.parametrize("status, body, text", [
    pytest.param(429, FULL, "429 rate_limit_error: slow down (request req_1, 4 attempts)", id="full"),
    pytest.param(400, {"detail": "no"}, "400: no (request req_1)", id="message-alone"),
    pytest.param(502, b"<h1>Bad\n Gateway</h1>", "502: Bad Gateway (request req_1, 4 attempts)", id="html"),
    pytest.param(501, b"", "501: Reason (request req_1)", id="nothing"),
    pytest.param(302, {}, f"302: {MOVED} (request req_1)", id="redirect"),
    pytest.param(200, [], '200: the answer is not a completion with "choices": [] (request req_1)', id="wrong-answer"),
])
@pytest.mark.parametrize("header", ["X-Request-Id", "Request-Id"])
def test_says_what_failed_where_and_what_came_back(waits, status, body, text, header):
    error = failure_of(reply(status, body, Location="/new", **{header: "req_1"}), max_retries=3)
    assert str(error) == f"POST /chat/completions: {text}"
    assert text.startswith(f"{status}") and error.message in text and error.status_code == status
    assert error.request_id == "req_1" and error.headers["location"] == "/new" and error.retry_after is None
    if body is FULL:
        assert (error.type, error.code, error.param) == ("rate_limit_error", "tokens", "messages")
        assert error.body == FULL and error.body.error.x == 1


def test_waits_no_longer_than_a_system_can(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with Server(reply(503, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"), reply()) as server:
        assert chat(server.client(timeout=None)) == COMPLETION
    assert len(slept) == 1 and 1e6 < slept[0] <= min(1e9, threading.TIMEOUT_MAX)


def test_an_error_is_one_line_whatever_the_server_says():
    error = failure_of(reply(400, {"error": {"message": "a\nb", "type": "c\nd", "code": "e\nf"}}))
    assert str(error).count("\n") == 0 and (error.type, error.code) == ("c d", "e f")


def test_all_errors_pickle_and_copy():
    assert issubclass(APITimeoutError, (APIConnectionError, TimeoutError)) and issubclass(RunError, RuntimeError)
    kinds = [kind for kind in vars(pixigpt).values() if isinstance(kind, type) and issubclass(kind, APIError)]
    assert len(kinds) == 12
    for kind in kinds:
        error = kind("no")
        error.code, error.attempts, error.headers, error.body = "c", 3, {"a": "b"}, Object(x=1)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(twin) is kind and str(twin) == str(error) == "no (3 attempts)" and vars(twin) == vars(error)


@pytest.mark.parametrize("key", ["abc=", "-abc", "abc"])
def test_a_short_key_is_masked_as_a_word(key):
    error = failure_of(reply(401, {"error": {"message": f"bad: {key}, not {key}s"}}), api_key=key)
    assert error.message == f"bad: ***, not {key}s"


def test_a_key_given_as_a_header_is_masked_too():
    with Server(reply(401, {"error": {"message": "bad: other-key-0123"}})) as server:
        client = server.client().with_options(headers={"authorization": "Bearer other-key-0123"})
        with pytest.raises(pixigpt.AuthenticationError) as caught:
            client.list_threads()
    assert server.requests[0].headers["authorization"] == "Bearer other-key-0123" and caught.value.message == "bad: ***"


def test_a_given_idempotency_key_is_sent():
    with Server() as server:
        server.client().with_options(headers={"idempotency-key": "order-42"}).create_thread()
    assert server.requests[0].headers["idempotency-key"] == "order-42"


def test_a_deleted_thing_that_never_was_is_an_error_if_no_attempt_came_through(monkeypatch, waits):
    dial, failures = pixigpt._Exchange._dial, iter([OSError("refused"), OSError("refused")])

    def fail_first(self, *arguments):
        for error in failures:
            raise error
        dial(self, *arguments)

    monkeypatch.setattr(pixigpt._Exchange, "_dial", fail_first)
    with Server(reply(404, {"error": "no such"}), (0, drop), reply(404)) as server:
        client = server.client()
        with pytest.raises(pixigpt.NotFoundError):
            client.delete_thread("t")
        assert len(waits) == 2 and client.delete_thread("t") is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", reply(405, {"error": "no"})], ids=len)
def test_a_connect_that_is_refused_has_a_body(answer):
    with Server(answer) as server, pytest.raises(APIError) as caught:
        server.client(timeout=2).request("CONNECT", "/x")
    assert (caught.value.status_code, caught.value.message) in ((405, "No"), (405, "no"))


def test_no_header_is_sent_twice():
    headers = {"user-agent": "a", "accept": "b", "content-type": "c", "x-team": "d", "authorization": "e"}
    with Server() as server:
        client = server.client().with_options(headers={**headers, "X-Team": "f"}).with_options(headers={"x-TEAM": "g"})
        pickle.loads(pickle.dumps(client)).create_thread()
    names = [line.partition(":")[0].lower() for line in server.requests[0].head.decode().split("\r\n")[1:] if line]
    assert sorted(names) == sorted({*names}) and {"host", "content-length", "idempotency-key", *headers} == {*names}
    expected = {**headers, "content-type": "application/json", "x-team": "g"}
    assert {name: server.requests[0].headers[name] for name in headers} == expected


def test_no_netrc_takes_the_place_of_the_key(monkeypatch, tmp_path):
    requests = pytest.importorskip("requests")
    (tmp_path / "netrc").write_text("default login user password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with requests.Session() as session, Server() as server:
        chat(server.client(session=session))
        chat(Client("", server.url, session=session))
        session.auth = "user", "own"  # what the user asks for
        chat(server.client(session=session))
    own = "Basic " + base64.b64encode(b"user:own").decode()
    assert [request.headers.get("authorization") for request in server.requests] == [f"Bearer {SECRET}", None, own]


def test_a_foreign_session_may_have_a_limit_of_its_own():
    requests = pytest.importorskip("requests")
    class Impatient(requests.Session):
        def request(self, *arguments, **options):
            return super().request(*arguments, **{**options, "timeout": 0.05})
    with Impatient() as session, Server(stall) as server, pytest.raises(APITimeoutError, match="timed out while"):
        session.trust_env = False
        chat(server.client(session=session, timeout=None))
    stream = STREAM_HEAD + framed(*parts("Hi", finish=None)), stall
    with Impatient() as session, Server(stream) as server, pytest.raises(APITimeoutError, match="timed out while"):
        session.trust_env = False
        list(open_stream(server.client(session=session, timeout=None)))


# ---- runs


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired", "incomplete", "requires_action"])
def test_a_run_that_ended_otherwise_is_an_error_with_the_run(status):
    run = {**RUN, "status": status, "last_error": {"code": "x", "message": f"no {SECRET}"}}
    error = failure_of(reply(200, run), call=WIRE["wait_for_run"][0])
    assert type(error) is RunError and error.run.status == pickle.loads(pickle.dumps(error)).run.status == status
    assert re.search(rf"r_1.* ended as {status}: no \*\*\*", str(error)) and SECRET not in shown(error)


def test_polls_until_a_run_is_completed(waits):
    states = [{**RUN, "status": status} for status in ("queued", "in_progress", "cancelling", "x_new", "completed")]
    with Server(*[reply(200, run) for run in states]) as server:
        assert server.client().wait_for_run("t", "r").status == "completed"
        assert server.client(timeout=None).wait_for_run("t", "r", 0.2, timeout=None).status == "completed"
    assert waits == [0.5] * 4 and len(server.requests) == 6


def test_a_run_that_never_ends_times_out(box, client):
    thread = client.create_thread()
    client.create_message(thread.id, "user", "[run stuck]")
    run = client.create_run(thread.id, box.assistant_id)
    with pytest.raises(APITimeoutError, match=f"GET /threads/{thread.id}/runs/{run.id}.* 0.05 s.*(in_progress|queued)"):
        client.wait_for_run(thread.id, run.id, 0.01, timeout=0.05)
    for wrong in ({"poll_interval": -1}, {"poll_interval": "1"}, {"timeout": 0}):
        with pytest.raises((TypeError, ValueError)):
            client.wait_for_run(thread.id, run.id, **wrong)


@pytest.mark.parametrize("own, given", [(10, 0.05), (0.05, 10), (None, 0.05), (0.05, None)])
@at_once
def test_waiting_for_a_run_is_bounded_by_both_budgets(own, given):
    error = failure_of(stall, call=lambda c: c.wait_for_run("t", "r", timeout=given), timeout=own)
    assert type(error) is APITimeoutError and "0.05 s" in str(error)


# ---- retries

QUOTA = {"error": {"message": "pay", "code": "insufficient_quota"}}
SPLIT = reply()[:-20], reply()[-20:]


@pytest.mark.parametrize("stateful", [False, True], ids=["repeatable", "stateful"])
@pytest.mark.parametrize(
    "answer, repeatable_again, stateful_again",
    [pytest.param(reply(status, FULL), True, True, id=str(status)) for status in (408, 429, 503)]
    + [pytest.param(reply(status), True, False, id=str(status)) for status in (500, 502, 504)]
    + [pytest.param(reply(status), False, False, id=str(status)) for status in (400, 401, 404, 409, 422, 425, 501, 302)]
    + [
        pytest.param(reply(400, X_Should_Retry="true"), True, True, id="400-should"),
        pytest.param(reply(500, X_Should_Retry="true"), True, True, id="500-should"),
        pytest.param(reply(503, X_Should_Retry="false"), False, False, id="503-should-not"),
        pytest.param(reply(503, X_Should_Retry="FALSE"), False, False, id="503-should-not-in-capitals"),
        pytest.param(reply(503, X_Should_Retry="perhaps"), True, True, id="503-perhaps"),
        pytest.param(reply(429, QUOTA), False, False, id="no-quota"),
        pytest.param(drop, True, False, id="dropped"),
        pytest.param(reset, True, False, id="reset"),
        pytest.param((b"HTTP/1.1 20", drop), True, False, id="cut-in-the-head"),
        pytest.param((SPLIT[0], 0.03, reset), True, False, id="reset-in-the-body"),
        pytest.param((SPLIT[0], drop), False, False, id="truncated"),
        pytest.param(b"HTTP/2 200\r\n\r\n", False, False, id="not-http"),
        pytest.param(reply(200, b"{"), False, False, id="not-json"),
    ],
)
def test_retries_what_may_be_repeated(waits, answer, repeatable_again, stateful_again, stateful):
    again = stateful_again if stateful else repeatable_again
    with Server(answer, reply()) as server, WORKS if again else pytest.raises(APIError):
        assert (Client.create_thread if stateful else chat)(server.client()) == COMPLETION
    assert len(server.requests) == 1 + again and waits == [0.1] * again
    keys = {request.headers.get("idempotency-key") for request in server.requests}
    assert len(keys) == 1 and (None not in keys) is stateful


@each_endpoint
def test_every_endpoint_is_retried_as_its_kind_may_be(waits, name):
    call, _, _, answer = WIRE[name]
    stateful = name.startswith(STATEFUL)
    with Server(reply(500), reply(200, answer)) as server, pytest.raises(pixigpt.ServerError) if stateful else WORKS:
        call(server.client())
    assert len(server.requests) == 2 - stateful


@pytest.mark.parametrize("call", [chat, Client.create_thread, Client.connect])
def test_what_could_not_connect_is_retried(waits, monkeypatch, call):
    cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=cause))
    with Client(SECRET, max_retries=2) as client, pytest.raises(APIConnectionError) as caught:
        call(client)
    assert waits == [0.1, 0.2] and caught.value.attempts == 3 and caught.value.status_code is None
    assert caught.value.__cause__ is cause and str(cause) in str(caught.value)


@pytest.mark.parametrize("chance, share", [(0.0, 1), (0.999999, 0.75)])
def test_waits_longer_each_time(waits, monkeypatch, chance, share):
    monkeypatch.setattr(pixigpt, "_random", lambda: chance)
    assert "7 attempts" in str(failure_of(reply(503), max_retries=6))
    assert waits == pytest.approx([wait * share for wait in (0.1, 0.2, 0.4, 0.8, 0.8, 0.8)], rel=1e-4)


def test_chance_is_a_number_below_one():
    chances = {pixigpt._random() for _ in range(50)}
    assert len(chances) > 1 and all(0 <= chance < 1 for chance in chances)


def test_a_wait_that_does_not_fit_raises_at_once(waits, monkeypatch):
    monkeypatch.setattr(pixigpt, "_clock", lambda: sum(waits))
    assert type(failure_of(reply(503), timeout=1.0, max_retries=100)) is pixigpt.ServerError
    assert waits == [0.1, 0.2, 0.4]


@pytest.mark.parametrize("headers, seconds", [
    pytest.param({"Retry-After": "2"}, 2, id="seconds"),
    pytest.param({"Retry-After": "0"}, 0, id="at-once"),
    pytest.param({"Retry-After": email.utils.formatdate(1_700_000_004, usegmt=True)}, 4, id="date"),
    pytest.param({"Retry-After": "Tue, 14 Nov 2023 22:13:10 GMT"}, 0, id="past-date"),
    pytest.param({"Retry-After": "9", "Retry-After-Ms": "250"}, 0.25, id="milliseconds"),
    pytest.param({"Retry-After": "soon"}, None, id="nonsense"),
])
def test_waits_as_long_as_the_server_asks(waits, monkeypatch, headers, seconds):
    monkeypatch.setattr(pixigpt, "_time_of_day", lambda: 1_700_000_000.0)
    with Server(reply(429, **headers), reply()) as server:
        chat(server.client())
    assert waits == [0.1 if seconds is None else seconds]


@pytest.mark.parametrize("value, seconds", [("11", 11), ("9" * 20, 1e9), ("Fri, 31 Dec 9999 23:59:59 GMT", 2e11)])
def test_a_retry_after_beyond_the_budget_raises_at_once(waits, value, seconds):
    error = failure_of(reply(503, Retry_After=value), timeout=10, max_retries=3)
    assert not waits and error.attempts == 1 and error.retry_after >= seconds


@pytest.mark.parametrize("first", [reply(503), drop], ids=["failed", "dropped"])
def test_a_repeated_delete_that_finds_nothing_has_done_its_work(waits, first):
    with Server(first, reply(404)) as server:
        assert server.client().delete_thread("t") is None
        with pytest.raises(pixigpt.NotFoundError):
            server.client().delete_thread("t")
    assert type(failure_of(first, reply(404), call=WIRE["get_thread"][0], max_retries=1)) is pixigpt.NotFoundError


@pytest.mark.parametrize("end", [drop, reset], ids=["dropped", "reset"])
def test_a_reused_connection_that_died_costs_no_retry(waits, end):
    with Server(reply(), end, reply(), end, reply()) as server:
        client = server.client(max_retries=0)
        assert chat(client) == chat(client) == COMPLETION
        assert not waits and [request.connection for request in server.requests] == [1, 1, 2]
        with pytest.raises(APIConnectionError):  # it may have been applied
            client.create_thread()
        assert len(server.requests) == 4
    with Server(reply(), end) as server, pytest.raises(APIConnectionError, match="3 attempts"):
        client = server.client(max_retries=1)
        chat(client) and chat(client)
    assert waits == [0.1]


def test_a_reused_connection_that_died_in_the_answer_is_an_ordinary_failure(waits):
    with Server(reply(), (b"HTTP/1.1", drop), reply()) as server:
        client = server.client()
        chat(client) and chat(client)
    assert waits == [0.1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reset may destroy what came before it")
def test_an_answer_that_comes_before_the_request_is_read_counts():
    def read_a_little(connection):
        connection.sock.recv(100)

    first = read_a_little, reply(413, b"no"), 0.05, reset
    with Server(first=first) as server, pytest.raises(APIError, match="413: no"):
        server.client(max_retries=0).create_embedding(input="x" * (8 << 20))


# ---- the budget


@pytest.mark.parametrize("first, url, text", [
    pytest.param(stall, "http://127.0.0.1:{}", "Hi", id="silence"),
    pytest.param(deaf, "http://127.0.0.1:{}", "x" * (16 << 20), id="sending"),
    pytest.param(stall, "https://127.0.0.1:{}", "Hi", id="tls"),
    pytest.param(stall, "http://api.example", "Hi", id="proxy"),
    pytest.param(stall, "https://api.example", "Hi", id="tunnel"),
])
@at_once
def test_the_budget_ends_a_call_at_any_stage(first, url, text):
    with Server(first=first) as server:
        proxies = {} if "{}" in url else dict.fromkeys(("http", "https"), server.url)
        url, began = url.format(server.port), time.monotonic()
        with Session(proxies, client_tls()) as session, Client(SECRET, url, 0.05, session=session) as client:
            with pytest.raises(TimeoutError, match="timed out after 0.05 s") as caught:
                chat(client, text)
            assert time.monotonic() - began < 3 and type(caught.value) is APITimeoutError
            assert repr(session).startswith("<Session: 0 active, 0 idle")


def test_the_budget_covers_the_retries_and_none_has_no_limit():
    error = failure_of((0.05, reply(503, Retry_After_Ms=1)), timeout=0.12, max_retries=9)
    assert isinstance(error, (APITimeoutError, pixigpt.ServerError)) and error.attempts < 5
    with Server((0.05, SPLIT[0], 0.05, SPLIT[1])) as server:
        assert chat(server.client(timeout=None)) == COMPLETION


def test_waiting_for_a_place_in_the_pool_is_in_the_budget():
    with Server((0.1, reply())) as server:
        client = server.client(pool={"max_connections": 1})

        def call(late):
            until(lambda: not late or "1 active" in repr(client))
            return chat(client.with_options(timeout=0.04) if late else client)

        first, second = together(2, call)
        assert first == COMPLETION and type(second) is APITimeoutError
        assert "timed out after 0.04 s while waiting for one of 1 connections" in str(second)
        assert repr(client.session) == "<Session: 0 active, 1 idle, 0 waiting, at most 1>"


def addresses(*ports):
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full backlog refuses")
@pytest.mark.parametrize("dead, alive", [(2, True), (2, False)])
def test_dead_addresses_do_not_eat_the_budget(monkeypatch, dead, alive):
    with Server() as server, contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # and it lets nobody in any more
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        found = addresses(*[listener.getsockname()[1]] * dead, *[server.port] * alive)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)
        client, began = server.client(timeout=0.12), time.monotonic()
        with WORKS if alive else pytest.raises(APITimeoutError, match="0.12 s"):
            assert chat(client) == COMPLETION
        assert time.monotonic() - began < 3


def test_tries_each_address_of_a_host(monkeypatch):
    with Server() as closed:
        pass  # its port refuses now
    with Server() as server:
        found = [addresses(closed.port, server.port), addresses(closed.port, closed.port)]
        monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=found))
        for outcome in (WORKS, pytest.raises(APIConnectionError, match="connecting to api.example failed: .*refused")):
            with Client(SECRET, "http://api.example", max_retries=0) as client, outcome:
                assert chat(client) == COMPLETION


# ---- the pool


def test_keeps_a_connection_for_the_next_call():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    kept = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}"
    interim = b"HTTP/1.1 102 Processing\r\n\r\n" + reply()
    answers = [reply(), reply(404), chunked, kept, interim, reply(204, b""), reply(200, b"{"), reply()]
    with Server(*answers) as server:
        client = server.client()
        for _ in answers:
            with contextlib.suppress(APIError):
                client.request("GET", "/x")
        assert len(server.requests) == len(answers) and server.connections == 1
        assert repr(client.session) == "<Session: 0 active, 1 idle, 0 waiting, at most 100>"


@pytest.mark.parametrize("answer", [
    pytest.param((reply(Connection="close"),), id="close"),
    pytest.param((reply(Connection="x, Close"),), id="close-among-others"),
    pytest.param((reply().replace(b"HTTP/1.1", b"HTTP/1.0"),), id="http-1.0"),
    pytest.param((reply() + b"HTTP/1.1 200 OK\r\n",), id="bytes-after-the-end"),
    pytest.param((reply().replace(b"\r\n", b"\n"),), id="bare-line-feeds"),
    pytest.param((reply(200, b"").replace(b": 0", b": 0, 0"),), id="framing"),
    pytest.param((reply(Keep_Alive="timeout=1"),), id="kept-for-a-second-at-most"),
    pytest.param((reply(), 0.01, b"HTTP/1.1 408 Timeout\r\n\r\n"), id="unasked-bytes-while-idle"),
    pytest.param((reply(), drop), id="closed-while-idle"),
    pytest.param((reply(), reset), id="reset-while-idle"),
    pytest.param((b"HTTP/1.1 200 OK\r\n\r\n{}", drop), id="no-length"),
])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_doubtful_connection_is_not_used_again(waits, answer, tls):
    done = threading.Event()
    with Server((*answer, lambda connection: done.set()), reply(), ssl_context=server_tls() if tls else None) as server:
        client = server.client(pool={"ssl_context": client_tls()}, max_retries=0)
        with contextlib.suppress(APIResponseError):
            client.request("GET", "/x")
        until(lambda: not server.open or (done.is_set() and answer[-1] not in (drop, reset)))
        assert client.create_thread() == COMPLETION
        assert [request.connection for request in server.requests] == [1, 2]


def test_a_connection_that_was_idle_too_long_is_not_used_again(monkeypatch):
    now = [1_700_000_000.0]
    monkeypatch.setattr(pixigpt, "_time_of_day", lambda: now[0])
    with Server(reply(), reply(), reply(Keep_Alive="timeout=5, max=100")) as server:
        client = server.client()
        for passed, connection in ((0, 1), (50, 1), (60, 2), (3, 2), (5, 3), (-60, 4)):
            now[0] += passed
            chat(client)
            assert server.requests[-1].connection == connection
        until(lambda: server.open == 1)


def held(gate):
    """A step that waits for an event."""
    return lambda connection: gate.wait(5)


def test_uses_the_most_recently_used_connection():
    gates = [threading.Event(), threading.Event()]
    with Server(*[(held(gate), reply()) for gate in gates], reply()) as server:
        client = server.client()

        def call(number):
            until(lambda: len(server.requests) == number)
            chat(client)

        def end():
            until(lambda: len(server.requests) == 2)
            for place, gate in ((1, gates[1]), (2, gates[0])):
                gate.set()
                until(lambda place=place: f"{place} idle" in repr(client))

        together(3, lambda number: end() if number == 2 else call(number))
        for _ in range(3):
            chat(client)
        assert [request.connection for request in server.requests] == [1, 2, 1, 1, 1]


def test_waits_in_order_when_all_connections_are_busy():
    gate = threading.Event()
    with Server((held(gate), reply()), reply()) as server:
        client = server.client(pool={"max_connections": 1})

        def call(number):
            until(lambda: number == 0 or f"1 active, 0 idle, {number - 1} waiting" in repr(client))
            return gate.set() if number == 6 else chat(client, str(number))

        together(7, call)
        assert [request.json["messages"][1]["content"] for request in server.requests] == list("012345")
        assert server.connections == 1 and "0 active, 1 idle, 0 waiting" in repr(client)


def test_any_number_of_threads_share_a_few_connections():
    with Server(route=lambda request: reply(200, {**COMPLETION, "id": request.json["id"]})) as server:
        client = server.client(pool={"max_connections": 3})
        results = together(12, lambda number: [chat(client, id=f"{number}/{i}").id for i in range(10)])
        assert results == [[f"{number}/{i}" for i in range(10)] for number in range(12)]
        assert server.most_open == server.connections == 3


def test_closing_a_session_wakes_who_waits():
    gate = threading.Event()
    with Server((held(gate), reply())) as server:
        client = server.client(pool={"max_connections": 1})

        def close():
            until(lambda: "1 waiting" in repr(client))
            client.session.close()
            gate.set()

        results = together(3, lambda number: close() if number == 2 else chat(client))
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "Object", "RuntimeError"]
        assert repr(client.session) == "<Session: closed>"
        until(lambda: not server.open)


def test_origins_share_a_session_and_its_limit():
    with Server() as one, Server() as two, Session(max_connections=1) as session:
        for server in (one, two) * 2:
            chat(server.client(session=session))
            until(lambda: one.open + two.open == 1)
        assert (one.connections, two.connections) == (2, 2)


@pytest.fixture
def press_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    yield lambda connection=None: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C does not interrupt a socket")
@pytest.mark.parametrize("before", [(), (SPLIT[0],)], ids=["head", "body"])
def test_ctrl_c_gives_the_connection_up(press_ctrl_c, before):
    with Server((*before, 0.03, press_ctrl_c, stall), reply()) as server:
        client = server.client(pool={"max_connections": 1})
        with pytest.raises(KeyboardInterrupt):
            chat(client)
        assert repr(client.session) == "<Session: 0 active, 0 idle, 0 waiting, at most 1>"
        until(lambda: not server.open)
        assert chat(client) == COMPLETION


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C does not interrupt a lock")
def test_ctrl_c_while_waiting_gives_the_place_up(press_ctrl_c):
    gate = threading.Event()
    with Server((held(gate), reply()), reply()) as server:
        client = server.client(pool={"max_connections": 1})

        def interrupt():
            until(lambda: "1 waiting" in repr(client))
            time.sleep(0.03)  # a signal that comes just before a wait does not end it
            press_ctrl_c()

        others = threading.Thread(target=together, args=(2, lambda number: chat(client) if number else interrupt()))
        others.start()
        until(lambda: server.requests)
        with pytest.raises(KeyboardInterrupt):
            chat(client)
        assert "1 active, 0 idle, 0 waiting" in repr(client)
        gate.set()
        others.join(5)
        assert chat(client) == COMPLETION and server.connections == 1


@pytest.mark.parametrize("version", [None, "TLSv1_2", "TLSv1_3"])
def test_connect_opens_a_connection_for_the_first_call(version):
    context = version and server_tls()
    if version:
        context.maximum_version = ssl.TLSVersion[version]
    with Server(ssl_context=context) as server:
        client = server.client(pool={"ssl_context": client_tls()})
        client.connect()
        client.connect()
        assert not server.requests and "0 active, 1 idle" in repr(client)
        for _ in range(2):
            time.sleep(0.02)  # for the session tickets of TLS 1.3, which come unasked
            chat(client)
        assert server.connections == 1


def test_connections_that_are_closed_make_room_before_others_open(monkeypatch):
    open_now, most, close = [], [], pixigpt._close
    def slowly(sock):
        if sock is not None:
            time.sleep(0.001)
            close(sock)
            open_now.remove(sock)
    def dial(self, origin, deadline, dial=pixigpt._Exchange._dial):
        dial(self, origin, deadline)
        open_now.append(self.sock)
        most.append(len(open_now))
    monkeypatch.setattr(pixigpt, "_close", slowly)
    monkeypatch.setattr(pixigpt._Exchange, "_dial", dial)
    with Server(reply(Connection="close")) as server:
        client = server.client(pool={"max_connections": 2})
        together(6, lambda number: [chat(client) for _ in range(5)])
    assert max(most) == 2


def test_a_place_that_the_garbage_collector_frees_is_not_waited_for(monkeypatch):
    with Server((STREAM_HEAD + framed(*parts("Hi")[:1]), stall), reply()) as server:
        client = server.client(pool={"max_connections": 1}, timeout=1)
        cycle = [open_stream(client)]
        cycle.append(cycle)
        real = threading.Lock
        monkeypatch.setattr(threading, "Lock", lambda: (gc.collect(), real())[1])
        gc.disable()
        try:
            del cycle
            assert chat(client) == COMPLETION
        finally:
            gc.enable()
        assert ": 0 active, 1 idle, 0 waiting" in repr(client)


@needs_reference_counts
def test_the_garbage_collector_may_come_at_any_line_while_a_place_is_waited_for():
    def collect_at(line):  # of `_acquire` and of what it calls
        seen, inside = itertools.count(1), []
        def trace(frame, event, argument):
            if frame.f_code is pixigpt.Session._acquire.__code__:
                inside.append(1)
            if inside and event == "line" and next(seen) == line:
                gc.collect()
            return trace
        return trace
    with Server(route=lambda request: (STREAM_HEAD, stall) if request.json.get("stream") else reply()) as server:
        def call(client, line):
            sys.settrace(collect_at(line))
            chat(client)
        for line in range(1, 50):
            client = server.client(pool={"max_connections": 1}, timeout=5)
            gc.disable()
            try:
                cycle = [open_stream(client)]
                cycle.append(cycle)
                del cycle
                thread = threading.Thread(target=call, args=(client, line), daemon=True)
                thread.start()
                thread.join(0.01)
                gc.collect()  # if it has not come by itself
                thread.join(3)
                assert not thread.is_alive(), line
            finally:
                gc.enable()


def test_what_outlives_the_names_of_the_module_is_closed_without_a_word():
    program = """
        import pixigpt
        with pixigpt.Session() as session:
            stream = pixigpt.Client(session=session).stream_chat_completion(messages=[])
        client = pixigpt.Client()
        client.create_chat_completion(messages=[])
        for name in [name for name in vars(pixigpt) if not name.startswith("__")]:
            setattr(pixigpt, name, None)  # as the interpreter does at its end
        del stream, client
    """
    with Server(route=lambda request: (STREAM_HEAD, stall) if request.json.get("stream") else reply()) as server:
        run_program(program, server)


@contextlib.contextmanager
def at_line(number, act, *functions, skip="with "):
    """Does something before a line of these functions runs; gives a list that is empty until then. Lines of a `with` are
    passed over: they run twice, and at the end the lock may be held still, where only Python itself can be interrupted."""
    codes, seen, done = {function.__code__ for function in functions}, itertools.count(1), []

    def trace(frame, event, argument):
        if frame.f_code not in codes:
            return trace if frame.f_code.co_filename == pixigpt.__file__ else None
        line = linecache.getline(pixigpt.__file__, frame.f_lineno).strip()
        if event == "line" and not (skip and line.startswith(skip)) and next(seen) == number:
            done.append(line)
            act()
        return trace

    sys.settrace(trace)
    try:
        yield done
    finally:
        sys.settrace(None)


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:unclosed")  # a socket that is let go is closed all the same
def test_an_interruption_at_any_line_of_a_release_loses_nothing():
    with Server() as server:
        for number in range(1, 40):
            client = server.client(pool={"max_connections": 1}, timeout=1)
            with at_line(number, interrupt, pixigpt.Session._release, skip=None), contextlib.suppress(KeyboardInterrupt):
                chat(client)
            assert ": 0 active, " in repr(client) and chat(client) == COMPLETION
        collect_garbage()  # while those warnings are ignored


def waiting_calls(client, count):
    """Threads that wait for a place; their answers, in the order that they come."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(chat(client)), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    until(lambda: f", {count} waiting" in repr(client))
    return threads, answers


def stall_or_answer(request):
    return (STREAM_HEAD, stall) if request.json["messages"][1:] == [] else reply()


@needs_reference_counts
def test_the_garbage_collector_may_come_at_any_line_of_a_release():
    session = pixigpt.Session
    with Server(route=stall_or_answer) as server:
        for number in range(1, 60):
            client = server.client(pool={"max_connections": 2}, timeout=5)
            gc.disable()
            try:
                cycle, last = [open_stream(client)], open_stream(client)
                cycle.append(cycle)
                threads, answers = waiting_calls(client, 3)
                del cycle
                with at_line(number, gc.collect, session._release, session._admit, pixigpt._end_wait) as done:
                    last.close()
                gc.collect()
            finally:
                gc.enable()
            for thread in threads:
                thread.join(3)
            assert len(answers) == 3 and re.search(": 0 active, [12] idle, 0 waiting", repr(client)), (done, repr(client))
            if not done:
                break


@pytest.mark.filterwarnings("ignore:unclosed")
def test_an_interruption_at_any_line_of_a_release_keeps_nobody_waiting():
    session = pixigpt.Session
    with Server(route=stall_or_answer) as server:
        for number in range(1, 60):
            client = server.client(pool={"max_connections": 1}, timeout=5)
            stream = open_stream(client)
            (thread,), answers = waiting_calls(client, 1)
            with at_line(number, interrupt, session._release, session._admit, pixigpt._end_wait) as done:
                with contextlib.suppress(KeyboardInterrupt):
                    stream.close()
            stream.close()
            thread.join(3)
            assert len(answers) == 1 and ": 0 active, 1 idle, 0 waiting" in repr(client), (done, repr(client))
            if not done:
                break
        collect_garbage()


@pytest.mark.filterwarnings("ignore:unclosed")
@by_name("end", {"close": (lambda stream: stream.close(),), "read": (list,)})
def test_an_interruption_at_any_line_of_the_end_of_a_stream_keeps_no_place(end):
    stream_class = pixigpt.ChatCompletionStream
    functions = stream_class.close, stream_class._read, pixigpt._Exchange.close
    with Server(route=lambda request: streamed(*parts("Hi"))) as server:
        for number in range(1, 60):
            client = server.client(pool={"max_connections": 1}, timeout=5)
            stream = open_stream(client)
            with at_line(number, interrupt, *functions) as done, contextlib.suppress(KeyboardInterrupt):
                end(stream)
            stream.close()
            assert ": 0 active, " in repr(client), done
            if not done:
                break
        collect_garbage()


@needs_reference_counts
def test_the_garbage_collector_may_come_while_an_idle_connection_is_looked_for(monkeypatch):
    now, session = [1e9], pixigpt.Session
    monkeypatch.setattr(pixigpt, "_time_of_day", lambda: now[0])
    functions = session._take_idle, session._acquire, session._release, pixigpt._Origin.__eq__
    with Server(route=stall_or_answer) as server:
        for number in range(1, 80):
            client = server.client()
            other = Client(SECRET, server.url, session=client.session)  # a route that is equal, but another object
            gc.disable()
            try:
                cycle = [open_stream(client)]
                cycle.append(cycle)
                together(2, lambda _: chat(client))
                now[0] += 100  # they have been idle too long
                del cycle
                with at_line(number, gc.collect, *functions) as done:
                    chat(other)
                gc.collect()
            finally:
                gc.enable()
            assert ": 0 active, 1 idle, 0 waiting" in repr(client), done
            if not done:
                break


def test_a_signal_handler_may_call_while_the_tls_context_is_made(monkeypatch):
    session, made, real = Session(), [], ssl.create_default_context

    def create_default_context():
        made.append(None)
        return session._tls_context() if len(made) == 1 else real()

    monkeypatch.setattr(ssl, "create_default_context", create_default_context)
    thread = threading.Thread(target=session._tls_context, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive() and len(made) == 2


def test_connect_does_not_make_an_idle_connection_younger(monkeypatch):
    now = [1_700_000_000.0]
    monkeypatch.setattr(pixigpt, "_time_of_day", lambda: now[0])
    with Server(reply(Keep_Alive="timeout=10")) as server:
        client = server.client()
        chat(client)
        for _ in range(3):
            now[0] += 4
            client.connect()
        chat(client)
        assert [request.connection for request in server.requests] == [1, 2]


def test_a_family_that_the_system_does_not_speak_is_passed_over(monkeypatch):
    with Server() as server:
        found = [(9999, socket.SOCK_STREAM, 0, "", ("::1", 1, 0, 0)), *addresses(server.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)
        assert chat(server.client(max_retries=0)) == COMPLETION


@pytest.mark.parametrize("timeout", [4294967.4, 1e9, threading.TIMEOUT_MAX])
def test_a_long_timeout_is_long(timeout):
    with Server((0.1, reply())) as server:
        assert chat(server.client(timeout=timeout, max_retries=0)) == COMPLETION


# ---- TLS and proxies


@pytest.mark.parametrize(
    "certificate, trusted, said",
    [("good", True, None), ("good", False, "unable to"), ("ca", False, "self.signed"), ("wrong", True, "not valid")],
)
def test_verifies_the_server_and_says_what_to_do(waits, monkeypatch, tmp_path, certificate, trusted, said):
    if trusted:
        (tmp_path / "ca.pem").write_text(pem("ca"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Server(ssl_context=server_tls(certificate)) as server:
        client = server.client()
        if said is None:
            assert chat(client) == COMPLETION
        else:
            with pytest.raises(APIConnectionError, match=f"{said}(.|\n)*SSL_CERT_FILE.*Install Certificates.command"):
                chat(client)
        assert server.connections == 1 and not waits


def test_the_tls_context_is_built_once_and_only_for_https(monkeypatch):
    contexts = [client_tls()]
    monkeypatch.setattr(ssl, "create_default_context", contexts.pop)
    with Server() as plain, Server(reply(Connection="close"), ssl_context=server_tls()) as secure, Session() as session:
        chat(plain.client(session=session))
        assert contexts
        for _ in range(2):
            chat(secure.client(session=session))
        assert not contexts


@pytest.mark.parametrize("https", [False, True], ids=["absolute-form", "tunnel"])
@pytest.mark.parametrize("user_info", ["", "ada:p%40ss:w@"], ids=["open", "credentials"])
def test_goes_through_a_proxy(https, user_info):
    credentials = "ada:p@ss:w" if user_info else None
    with Server(ssl_context=server_tls() if https else None) as server, Proxy(credentials) as proxy:
        url = f"http://{user_info}127.0.0.1:{proxy.port}"
        pool = {"proxies": {"https" if https else "http": url}, "ssl_context": client_tls()}
        client = server.client(pool=pool, max_retries=0)
        assert chat(client) == chat(client) == COMPLETION
        assert "ss:w" not in f"{client!r} {client.session!r}"
    place = f"127.0.0.1:{server.port}"
    asked = [(request.method, request.path) for request in proxy.requests]
    assert asked == ([("CONNECT", place)] if https else [("POST", f"http://{place}/chat/completions")] * 2)
    assert proxy.requests[0].headers["host"] == place
    assert ("authorization" in proxy.requests[0].headers) is not https
    assert not https or "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("url", ["http://api.example", "https://api.example"])
@pytest.mark.parametrize("running", [True, False])
def test_a_proxy_that_refuses_is_an_error_without_the_password(url, running):
    with Proxy("ada:right") as proxy:
        if not running:
            proxy.__exit__(None, None, None)
        session = Session(dict.fromkeys(("http", "https"), f"http://ada:hunter2@127.0.0.1:{proxy.port}"))
        with session, Client("k", url, max_retries=0, session=session) as client, pytest.raises(APIError) as caught:
            chat(client)
        assert ("407" if running else f"by proxy 127.0.0.1:{proxy.port}") in str(caught.value)
        assert "hunter2" not in shown(caught.value, variables=True) + repr(session)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", None])
def test_finds_the_proxy_in_the_environment(monkeypatch, box, name):
    with Proxy() as proxy, Session(trust_env=False) as alone, Session({"http": f"127.0.0.1:{proxy.port}"}) as told:
        monkeypatch.setenv(name or "NO_PROXY", f"127.0.0.1:{proxy.port}")
        for session, through in ((None, name not in ("HTTPS_PROXY", None)), (alone, False), (told, True)):
            proxy.requests.clear()
            with Client(box.api_key, box.base_url, session=session) as client:
                chat(client)
            assert len(proxy.requests) == through


@pytest.mark.parametrize(
    "no_proxy, host, direct",
    [("*", "api.example", True), ("api.example", "api.example", True), ("API.Example", "api.example", True)]
    + [("example", "api.example", True), (".example", "api.example", True)]
    + [("a.test, api.example", "api.example:8080", True), ("api.example:80", "api.example", True)]
    + [("api.example:8080", "api.example:8080", True), ("api.example:8081", "api.example:8080", False)]
    + [("pi.example", "api.example", False), ("api.example.x", "api.example", False)]
    + [("::1", "[::1]:8080", True), ("[::1]:8080", "[::1]:8080", True), ("::2", "[::1]", False)]
    + [("", "api.example", False), (",", "api.example", False)],
)
def test_no_proxy_names_hosts_that_are_reached_directly(monkeypatch, no_proxy, host, direct):
    with Server() as server, Proxy(to=server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY" if direct else "no_proxy", no_proxy)
        if direct:
            monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: addresses(server.port))
        with Client("k", f"http://{host}") as client:
            chat(client)
        assert len(proxy.requests) == (not direct) and server.requests[0].path == "/chat/completions"
        assert server.requests[0].headers["host"] == host


def test_proxies_of_one_host_are_of_that_host():
    session = Session({"https": "http://a", "https://one.example": "http://b", "all": "http://c"}, trust_env=False)
    hosts = [session._route(url).proxy.host for url in ("https://one.example", "https://two.example", "http://one.example")]
    assert hosts == ["b", "a", "c"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reset may destroy what came before it")
def test_an_answer_that_comes_before_the_request_is_read_counts_over_tls():
    def read_a_little(connection):
        connection.sock.recv(100)

    first = read_a_little, reply(413, b"no"), 0.05, reset
    with Server(first=first, ssl_context=server_tls()) as server, pytest.raises(APIError, match="413: no"):
        server.client(pool={"ssl_context": client_tls()}, max_retries=0).create_embedding(input="x" * (8 << 20))


# ---- the module as such


def test_importing_costs_nothing_that_is_not_used():
    slow = "argparse asyncio inspect logging urllib.request http.client ssl email random uuid"
    program = f"import sys, pixigpt; print(*[name for name in {slow!r}.split() if name in sys.modules])"
    assert run_python("-S", "-c", program).stdout == "\n"


def test_works_wherever_it_was_copied_to(box, tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.write(pixigpt.__file__, "pixigpt.py")
    folder = os.path.dirname(pixigpt.__file__)

    def run(place, option):
        program = f"import sys; sys.path.insert(0, {place!r}); import pixigpt; print(pixigpt.__file__);"
        program += f"print(pixigpt.Client({box.api_key!r}, {box.base_url!r}).list_threads())"
        done = run_python("-W", "error::SyntaxWarning", option, "-c", program)
        assert done.stdout.splitlines() == [os.path.join(place, "pixigpt.py"), "[]"] and done.stderr == "", option

    with ThreadPoolExecutor(2) as pythons:
        list(pythons.map(run, [folder, folder, str(bundle), str(bundle)], ["-I", "-OO", "-S", "-IS"]))


def test_needs_ssl_only_for_https(box):
    program = f"""if 1:
        import sys; sys.modules["ssl"] = sys.modules["_ssl"] = None
        import pixigpt
        print(pixigpt.Client({box.api_key!r}, {box.base_url!r}).list_threads())
        try:
            pixigpt.Client("k", {box.base_url.replace("http:", "https:")!r}).list_threads()
        except pixigpt.APIConnectionError as error:
            print(error, error.attempts)
    """
    done = run_python("-c", program)
    assert done.stdout.startswith("[]\nGET /threads: ") and "https needs Python's ssl module" in done.stdout
    assert done.stdout.endswith(") 1\n")  # to try again would not help


def test_says_so_where_python_cannot_do_tls():
    def refuse(*arguments, **options):
        raise RuntimeError("TLS not supported in this environment")  # what Pyodide's ssl module says

    with Server() as server:
        session = Session(ssl_context=types.SimpleNamespace(wrap_socket=refuse))
        client = Client(SECRET, server.url.replace("http:", "https:"), session=session)
        with pytest.raises(APIConnectionError, match="failed: TLS not supported in this environment$"):
            client.list_threads()
        assert ": 0 active, 0 idle, " in repr(client)


RESTRICTED = """
import asyncio, errno, os, socket, sys, threading

def refuse(error, *events):
    def look(event, arguments):
        reads = event == "open" and (arguments[1] == "r" or not arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if event in events and not reads and not (event == "socket.__new__" and arguments[1] != socket.AF_INET):
            raise error
    sys.addaudithook(look)

async def ask_async():
    async with pixigpt.AsyncClient() as client:
        return (await client.create_chat_completion(messages=MESSAGES)).choices[0].message.content

def ask():
    with pixigpt.Client(max_retries=0) as client, client.stream_chat_completion(messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == "You said: Hi"
        return client.create_chat_completion(messages=MESSAGES).choices[0].message.content

def attempt(function):
    try:
        print(function(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
"""
CANNOT = "POST /chat/completions: connecting to {} failed: [Errno 1] Operation not permitted"


@pytest.mark.skipif(os.name == "nt", reason="there asyncio itself needs a socket of the network")
@by_name("restriction, expected", {
    "no-threads": ("""
        def start(thread):
            raise RuntimeError("can't start new thread")  # as where Python is WebAssembly
        threading.Thread.start = start
    """, ["You said: Hi", "RuntimeError can't start new thread", "You said: Hi", 0, ""]),
    "read-only-files": ("""
        refuse(OSError(errno.EROFS, "Read-only file system"), "open", "os.mkdir", "os.rename", "os.remove")
        attempt(lambda: open(os.devnull, "w"))
    """, ["OSError [Errno 30] Read-only file system", "You said: Hi", "You said: Hi", "You said: Hi", 0, ""]),
    "no-sockets": ("""
        refuse(PermissionError(errno.EPERM, "Operation not permitted"), "socket.__new__")
    """, [f"APIConnectionError {CANNOT}", f"APIConnectionError {CANNOT} (4 attempts)", 1, f"pixigpt: {CANNOT} (4 attempts)"]),
    "no-names": ("""
        refuse(PermissionError(errno.EPERM, "Operation not permitted"), "socket.getaddrinfo")
    """, [f"APIConnectionError {CANNOT}", f"APIConnectionError {CANNOT} (4 attempts)", 1, f"pixigpt: {CANNOT} (4 attempts)"]),
})
@at_once
def test_does_what_it_can_in_a_restricted_place_and_says_what_it_lacks(restriction, expected):
    ways = """
        import pixigpt
        pixigpt._sleep = lambda seconds: None
        attempt(ask)
        attempt(lambda: asyncio.run(ask_async()))
        attempt(lambda: pixigpt.main(["Hi"]))
    """
    program = "\n".join([RESTRICTED, *map(inspect.cleandoc, (restriction, ways))])
    with sandbox.Sandbox(word_delay=0) as box:
        done = run_python("-c", program, **box.environment())
    *lines, said = [str(line).format(box.base_url.split("/")[2]) for line in expected]
    assert (done.stdout.splitlines(), done.stderr.strip()) == (lines, said)


def test_exports_what_it_promises():
    promised = """Client AsyncClient Session Object Message ToolCall ToolCallFunction Tool ChatCompletionRequest
        ChatCompletionResponse ChatCompletionChoice ChatCompletionChunk ChatCompletionStream Usage Thread ThreadMessage
        MessageContent MessageSource MessageMedia MessageCode Run Assistant VisionAnalyzeRequest VisionAnalyzeResponse
        VisionTagsRequest VisionTagsResponse VisionOCRRequest VisionOCRResponse VisionVideoRequest VisionVideoResponse
        ModerationTextRequest ModerationMediaRequest ModerationResponse EmbeddingRequest EmbeddingResponse RerankRequest
        RerankResponse APIError APIConnectionError APITimeoutError APIResponseError BadRequestError AuthenticationError
        PermissionDeniedError NotFoundError ConflictError RateLimitError ServerError RunError is_auth_error
        is_rate_limit_error function_tool main"""
    names = {}
    exec("from pixigpt import *", names)
    assert set(promised.split()) <= set(pixigpt.__all__) == set(names) - {"__builtins__"}
    assert pixigpt.__all__ == sorted(pixigpt.__all__)
    assert all(getattr(pixigpt, name).__doc__ for name in pixigpt.__all__)
    with open(pixigpt.__file__, encoding="utf-8") as file:
        assert "from __future__" not in file.read()  # with it TypedDict.__optional_keys__ would lie


# ---- processes


FORKING = """
import os, pixigpt, queue, random, signal, sys, threading, time
client = pixigpt.Client(timeout=5, max_retries=0)

def ask(token):
    answer = client.create_chat_completion(messages=[], id=token)
    assert answer.id == token, answer

def fork(work):
    child = os.fork()
    if child == 0:
        signal.alarm(3)  # the end of a child that hangs
        work()
        sys.exit()  # with all that an interpreter does at its end
    return child

def ends_well(child):
    return os.waitpid(child, 0)[1] == 0
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
plain_and_tls = by_name("tls", {"plain": (False,), "tls": (True,)})


def answer_its_id(request):
    return reply(200, {**COMPLETION, "id": request.json["id"]})


@contextlib.contextmanager
def running_program(program, server):
    """A Python of its own that runs the program, which may use what stands above. It must end well, in silence."""
    # From Python 3.12 on it is a warning to fork beside threads, which here is the purpose.
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c"]
    code = FORKING + inspect.cleandoc(program)
    with tempfile.TemporaryDirectory() as directory:
        authority = pathlib.Path(directory, "ca.pem")
        authority.write_text(pem("ca"))
        settings = {"PIXIGPT_API_KEY": SECRET, "PIXIGPT_BASE_URL": server.url, "SSL_CERT_FILE": str(authority)}
        environment = {**os.environ, **settings, "PYTHONPATH": os.path.dirname(os.path.abspath(pixigpt.__file__))}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen([*command, code], env=environment, text=True, **pipes) as process:
            try:
                yield process
                output = process.communicate(timeout=20)
            finally:
                process.kill()
    assert (process.returncode, *output) == (0, "", ""), output[1]


def run_program(program, server):
    with running_program(program, server):
        pass


@needs_fork
@plain_and_tls
@at_once
def test_forked_workers_use_their_parents_client_and_never_its_connections(tls):
    program = """
        def work(name):
            assert "0 active, 0 idle" in repr(client), client
            for number in range(3):
                ask(f"{name}/{number}")
            os.write(done, b".")
            os.read(go, 1)  # until all are here, and the parent has called again
            ask(f"{name}/late")
            client.close()

        ask("parent/before")
        (all_done, done), (go, gone) = os.pipe(), os.pipe()
        workers = [fork(lambda: work(name)) for name in ("one", "two", "three")]
        for _ in workers:
            os.read(all_done, 1)
        ask("parent/between")
        os.write(gone, b"...")
        assert all(map(ends_well, workers))
        ask("parent/after")
    """
    with Server(route=answer_its_id, ssl_context=server_tls() if tls else None) as server:
        run_program(program, server)
    calls = {}
    for request in server.requests:
        name, _, call = request.json["id"].partition("/")
        calls.setdefault((name, request.connection), []).append(call)
    assert calls.pop(("parent", 1)) == ["before", "between", "after"]
    assert sorted(name for name, _ in calls) == ["one", "three", "two"]
    assert all(value == ["0", "1", "2", "late"] for value in calls.values())


@needs_fork
@plain_and_tls
@at_once
def test_a_stream_that_was_open_at_a_fork_is_its_parents_alone(tls):
    program = """
        def work():
            try:
                next(stream)
            except pixigpt.APIConnectionError:
                stream.close()
                ask("child")

        stream = client.stream_chat_completion(messages=[], id="stream")
        texts = stream.text_stream
        assert next(texts) == "Hello"
        assert ends_well(fork(work))
        assert list(texts) == [" wor", "ld"]
        ask("parent")
    """
    asked = threading.Event()  # by the child

    def route(request):
        if request.json["id"] != "stream":
            asked.set()
            return answer_its_id(request)
        role, hello, *rest = [framed(event) for event in parts("Hello", " wor", "ld")]
        return STREAM_HEAD, role, hello, held(asked), *rest, framed(DONE), LAST

    with Server(route=route, ssl_context=server_tls() if tls else None) as server:
        run_program(program, server)
    assert [request.connection for request in server.requests] == [1, 2, 1]


@needs_fork
def test_forks_beside_threads_that_call():
    program = """
        def call_on(name):
            number = 0
            while not stopping.is_set():
                number += 1
                try:
                    ask(f"{name}/{number}")
                except BaseException as error:
                    failures.append(error)
                    raise
            counts.append(number)

        def work():
            for number in range(2):
                ask(f"child/{os.getpid()}/{number}")

        moments = random.Random(1)
        client = pixigpt.Client(timeout=2, max_retries=0, session=pixigpt.Session(max_connections=2))
        stopping, failures, counts = threading.Event(), [], []
        threads = [threading.Thread(target=call_on, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            time.sleep(moments.uniform(0, 0.003))
            assert ends_well(fork(work))
        stopping.set()
        for thread in threads:
            thread.join()
        assert not failures and len(counts) == 3 and min(counts) > 1, (failures, counts)
    """
    ends = itertools.count()

    def route(request):  # one in four closes its connection, so that some threads always connect and some wait
        answer = answer_its_id(request)
        return answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) if next(ends) % 4 == 0 else answer

    with Server(route=route) as server:
        run_program(program, server)
    children = [request.connection for request in server.requests if request.json["id"].startswith("child")]
    others = [request.connection for request in server.requests if not request.json["id"].startswith("child")]
    assert len(children) == 16 and not set(children) & set(others)


@needs_fork
def test_a_fork_at_any_line_of_another_threads_call_harms_neither():
    program = """
        import socket, ssl

        def trace(frame, event, argument):
            code = frame.f_code
            if code.co_filename != pixigpt.__file__ or code.co_varnames[:1] != ("self",):
                return None  # a function has no state
            if event == "line" and (code, frame.f_lineno) not in seen:
                seen.add((code, frame.f_lineno))
                places.put(f"{code.co_name}, line {frame.f_lineno}")
                forked.get()
            return trace

        def call():
            sys.settrace(trace)
            try:
                for _ in range(2):  # by a new connection, then by the same
                    secure.create_chat_completion(messages=[], id="thread")
            except BaseException as error:
                places.put(repr(error))
            sys.settrace(None)
            places.put(None)

        def work():
            ask("child")
            os._exit(0)

        session = pixigpt.Session(ssl_context=ssl.create_default_context())
        client = pixigpt.Client(timeout=2, session=session)
        secure = pixigpt.Client(base_url="SECURE", session=session)
        ports = 1, int(secure.base_url.rpartition(":")[2])  # nobody is at the first
        addresses = [address for port in ports for address in socket.getaddrinfo("127.0.0.1", port, 0, 1)]
        look_up, socket.getaddrinfo = socket.getaddrinfo, lambda *arguments: addresses
        places, forked, seen, children = queue.SimpleQueue(), queue.SimpleQueue(), set(), {}
        os.register_at_fork(after_in_child=lambda: setattr(socket, "getaddrinfo", look_up))
        threading.Thread(target=call, daemon=True).start()
        for place in iter(places.get, None):
            children[fork(work)] = place
            forked.put(None)
        failed = [place for child, place in children.items() if not ends_well(child)]
        assert not failed and len(children) > 100, (failed, len(children))
    """
    with Server(route=answer_its_id) as server, Server(route=answer_its_id, ssl_context=server_tls()) as secure:
        run_program(program.replace("SECURE", secure.url), server)


@by_name("method", {method: (method,) for method in multiprocessing.get_all_start_methods()})
@at_once
def test_clients_answers_and_errors_pass_between_processes(method):
    program = """
        import multiprocessing, pixigpt, sys
        client = pixigpt.Client(max_retries=0)

        def ask(id, given=None):
            return (given or client).create_chat_completion(messages=[], id=id)

        def put_answer(results, id, given):
            results.put(ask(id, given))

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            assert ask("parent").id == "parent"
            results = context.SimpleQueue()
            process = context.Process(target=put_answer, args=(results, "process", client))
            process.start()
            assert results.get().id == "process"
            process.join()
            assert process.exitcode == 0
            with context.Pool(2) as pool:
                answers = pool.starmap(ask, [("given", client.with_options(headers={"X-Given": "yes"})), ("own",)])
                assert [answer.id for answer in answers] == ["given", "own"]
                assert all(type(answer.choices[0]) is pixigpt.Object for answer in answers), answers
                try:
                    pool.apply(ask, ("wrong",))
                except pixigpt.NotFoundError as error:
                    assert (error.status_code, error.request_id, error.attempts) == (404, "req_1", 1)
                    print(error)
                pool.close()
                pool.join()
            assert ask("parent").id == "parent"
    """

    def route(request):
        found = request.json["id"] != "wrong"
        return answer_its_id(request) if found else reply(404, {"error": {"message": "none"}}, X_Request_Id="req_1")

    with Server(route=route) as server, tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "program.py")  # which children import
        path.write_text(inspect.cleandoc(program))
        settings = {"PIXIGPT_API_KEY": SECRET, "PIXIGPT_BASE_URL": server.url}
        quiet = ("-W", "error", "-W", "ignore:Module globals is missing")  # of 3.15's multiprocessing itself
        done = run_python(*quiet, str(path), method, **settings)
    said = "POST /chat/completions: 404: none (request req_1)\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    connections = {}
    for request in server.requests:
        connections.setdefault(request.json["id"], set()).add(request.connection)
        assert ("x-given" in request.headers) == (request.json["id"] == "given")
    assert connections.pop("parent") == {1} and not any(1 in used for used in connections.values())


@contextlib.contextmanager
def frozen(process):
    """Stops a process, where that is possible, and lets it go on."""
    if hasattr(signal, "SIGSTOP"):
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
    yield
    if hasattr(signal, "SIGCONT"):
        process.send_signal(signal.SIGCONT)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP")
@plain_and_tls
@at_once
def test_a_process_that_was_frozen_goes_on_calling(tls):
    program = """
        for id in map(str.strip, iter(sys.stdin.readline, "")):
            if id == "forgotten":  # in ten minutes, of which the monotonic clock of a suspended machine knows nothing
                pixigpt._time_of_day = lambda: time.time() + 600
            ask(id)
            print("answered", flush=True)
    """
    close_now, reset_now, answer_now = threading.Event(), threading.Event(), threading.Event()

    def ask(process, id):
        process.stdin.write(f"{id}\n")
        process.stdin.flush()

    route = iter([
        lambda answer: (answer, held(close_now), drop),
        lambda answer: (answer, held(reset_now), reset),
        lambda answer: answer,
        lambda answer: reset,  # as a machine does that has no such connection
        lambda answer: (answer, stall),  # a router on the way has forgotten the connection: nothing answers
        lambda answer: (held(answer_now), answer, drop),
        lambda answer: answer,
    ])
    context = server_tls() if tls else None
    with Server(route=lambda request: next(route)(answer_its_id(request)), ssl_context=context) as server:
        with running_program(program, server) as process:
            for id, gate in (("first", close_now), ("closed", reset_now), ("reset", None), ("restarted", None)):
                ask(process, id)
                assert process.stdout.readline() == "answered\n"
                with frozen(process):
                    if gate is not None:
                        gate.set()
                        until(lambda: not server.open)
            ask(process, "forgotten")
            server.wait_for(lambda server: len(server.requests) == 6)
            with frozen(process):
                answer_now.set()
                until(lambda: not server.open)
            ask(process, "last")
            assert process.stdout.readline() + process.stdout.readline() == "answered\nanswered\n"
    asked = [(request.json["id"], request.connection) for request in server.requests]
    assert asked[:4] == [("first", 1), ("closed", 2), ("reset", 3), ("restarted", 3)]
    assert asked[4:] == [("restarted", 4), ("forgotten", 5), ("last", 6)]


# ------------------------------------------------------------------------------------------------- streams


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Request-ID: req_1\r\n\r\n"
)
DONE = b"data: [DONE]\n\n"
LAST = b"0\r\n\r\n"  # chunk of a body
COUNTED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def part(delta=None, finish=None, **fields):
    """A chunk of a completion; fields are its own, or index."""
    choice = {"index": fields.pop("index", 0), "delta": delta or {}, "finish_reason": finish}
    head = {"id": "chatcmpl_1", "object": "chat.completion.chunk", "created": 1700000000, "model": "pixi"}
    return {**head, "choices": [choice], **fields}


def parts(*texts, finish="stop"):
    """The chunks of an answer in these pieces."""
    pieces = [part({"content": text}) for text in texts[:-1]] + [part({"content": texts[-1]}, finish)]
    return [part({"role": "assistant", "content": ""}), *pieces]


def framed(*events):
    """Events, each in an HTTP chunk of its own; bytes are sent as they are, anything else as the JSON of an event."""
    events = [event if isinstance(event, bytes) else b"data: %b\n\n" % json.dumps(event).encode() for event in events]
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


def streamed(*events):
    return STREAM_HEAD + framed(*events, DONE) + LAST


def open_stream(client, text="Hi", **fields):
    return client.stream_chat_completion(messages=[{"role": "user", "content": text}], **fields)


def test_a_character_sent_in_two_halves_is_whole_in_the_end():
    with Server(streamed(*parts("Hi \ud83d", "\ude00", " and \ud83d")), reply()) as server:
        whole = open_stream(server.client()).get_final_completion()
        assert whole.choices[0].message.content == "Hi \U0001f600 and \ufffd"
        server.client().create_chat_completion(messages=[whole.choices[0].message])


# ---- the decoder: each case whole, byte by byte, in twos and threes, and with something behind that is no event

# The first five: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
DECODED = {
    "spec-stocks": (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
    "spec-four-blocks": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        ["first event", "second event", " third event"],
    ),
    "spec-empty-data": (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
    "spec-one-space-is-no-data": (b"data:test\n\ndata: test\n\n", ["test", "test"]),
    "spec-types": (b"event: add\ndata: 7\n\nevent: cut\ndata: 2\n\ndata: 3\n\n", [("add", "7"), ("cut", "2"), "3"]),
    "nothing": (b"", []),
    "only-blank-lines": (b"\n\n\n\r\r\n", []),
    "no-blank-line-no-event": (b"data: a\n", []),
    "crlf": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", ["a\nb", "c"]),
    "cr": (b"data: a\rdata: b\r\rdata: c\r\r", ["a\nb", "c"]),
    "mixed": (b"data: a\rdata: b\ndata: c\r\n\r\ndata: d\n\r", ["a\nb\nc", "d"]),
    "mixed-blank-lines": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", ["a", "b", "c"]),
    "crlf-then-cr": (b"data: a\r\n\rdata: b\n\n", ["a", "b"]),
    "lf-then-cr-are-two-lines": (b"data: a\n\rdata: b\r\n\r\n", ["a", "b"]),
    "bom": (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    "second-bom-is-text": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", ["b"]),
    "later-bom-is-text": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
    "bom-on-the-second-line-is-text": (b"\n\xef\xbb\xbfdata: a\n\ndata: b\n\n", ["b"]),
    "half-a-bom": (b"\xef\xbbdata: a\n\ndata: b\n\n", ["b"]),
    "comments": (b":\n: ping\n\n:data: a\n\ndata: b\n: between\ndata: c\n\n", ["b\nc"]),
    "empty-data": (b"data:\n\n", [""]),
    "spaces": (b"data: \n\ndata:  \n\ndata:\ta\n\ndata: a \n\n", ["", " ", "\ta", "a "]),
    "empty-lines-of-data": (b"data:\ndata: a\ndata\n\n", ["\na\n"]),
    "colons-in-data": (b"data: a: b:c\n\n", ["a: b:c"]),
    "nearly-data": (b"data : a\n data: b\nDATA: c\ndatas: d\n\n", []),
    "type-without-data-is-forgotten": (b"event: a\n\ndata: b\n\n", ["b"]),
    "last-type-counts-once": (b"event: a\nevent: b\ndata: c\n\ndata: d\n\n", [("b", "c"), "d"]),
    "empty-type": (b"event\ndata: a\n\nevent:\ndata: b\n\n", ["a", "b"]),
    "id-retry-and-unknown": (b"id: 1\nretry: 10\nretry: x\nid: a\0b\nx: y\nfoo\ndata: a\n\n", ["a"]),
    "nul": (b"data: a\0b\n\n", ["a\0b"]),
    "no-other-line-ends": (b"data: a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n\n", ["a\vb\fc\x1cd\x85e\u2028f"]),
    "utf-8": ("data: Grüße 你好 🙂\n\n".encode(), ["Grüße 你好 🙂"]),
    "invalid-utf-8": (b"data: a\xffb\xe2\x82\n\ndata: \xed\xa0\x80\n\n", ["a\ufffdb\ufffd", "\ufffd" * 3]),
    "invalid-utf-8-in-a-type": (b"event: \xff\ndata: a\n\n", [("\ufffd", "a")]),
    "json-without-a-field": (b'{"id": 1}\n\ndata: a\n\n', ["a"]),
}


def cut_up(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@by_name("data, events", DECODED)
def test_decodes_events(data, events):
    expected = [event if isinstance(event, tuple) else ("", event) for event in events]
    for size, behind in itertools.product((len(data) + 99, 1, 2, 3), (b"", b"data: no event", b"event: x\r")):
        decoder = pixigpt._EventDecoder()
        found = [pair for piece in cut_up(data + behind, size) for pair in (*decoder.feed(piece), *decoder.feed(b""))]
        assert found == expected, f"in pieces of {size}, then {behind}"


def decoding_seconds(data, size, times):
    """Of the processor, the better of two."""
    best, pieces = float("inf"), cut_up(data, size)
    for _ in range(2):
        started = time.process_time()
        for _ in range(times):
            decoder = pixigpt._EventDecoder()
            count = sum(len(decoder.feed(piece)) for piece in pieces)
            assert count == data.count(b"\n\n") + data.count(b"\r\n\r")
        best = min(best, time.process_time() - started)
    return best


@by_name(
    "begin, middle, count, end, size",
    {
        "one-line": (b"data: ", b"x", 2 << 20, b"\n\n", 256),
        "one-event-of-many-lines": (b"", b"data: 12345678901234\n", 20_000, b"\n", 256),
        "30000-events": (b"", b"data: 1\n\n", 30_000, b"", 65536),
        "events-in-bits": (b"", b"data: 1\r\n\r\n", 20_000, b"", 16),
    },
)
def test_decoding_takes_linear_time(begin, middle, count, end, size):
    # Were it quadratic, a quarter of the input would take a sixteenth of the time, and four of them a quarter.
    quarters = decoding_seconds(begin + middle * (count // 4) + end, size, 4)
    assert decoding_seconds(begin + middle * count + end, size, 1) < 2.5 * quarters + 0.05


@needs_tracemalloc
def test_decoding_keeps_nothing_of_what_it_gave():
    decoder, data, total = pixigpt._EventDecoder(), (b"data: " + b"x" * 150 + b"\n\n: ping\n\n") * 50, 0
    tracemalloc.start()
    try:
        for _ in range(200):
            total += sum(len(text) for _, text in decoder.feed(data))
        assert tracemalloc.get_traced_memory()[1] < total / 20
    finally:
        tracemalloc.stop()


def test_one_event_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(pixigpt, "_MAX_BODY", 10_000)
    for piece in (b"data: 12345678901234\n", b"x"):
        decoder = pixigpt._EventDecoder()
        with pytest.raises(APIResponseError, match="too large"):
            for _ in range(10_001):
                decoder.feed(piece)
    decoder = pixigpt._EventDecoder()
    assert all(decoder.feed(b"data: small\n\n") for _ in range(2_000))


# ---- a stream over a socket


def test_iterates_chunks():
    with Server(streamed(*parts("Hel", "lo!"))) as server, open_stream(server.client(), seed=0) as stream:
        chunks = list(stream)
        assert chunks == parts("Hel", "lo!")
        assert chunks[1].choices[0].delta.content == "Hel" and chunks[1].choices[0].delta.role is None
        assert list(stream) == [] and next(stream, None) is None
        assert server.requests[0].json == {"messages": [{"role": "user", "content": "Hi"}], "seed": 0, "stream": True}


def test_text_stream_gives_the_text_of_the_first_choice_untrimmed():
    events = [part({"content": text}, index=index) for index, text in [(0, " a"), (1, "no"), (0, ""), (0, "b ")]]
    events += [part({"content": None}), part(choices=[], usage=COUNTED), part({}, "stop")]
    with Server(streamed(*events)) as server:
        assert list(open_stream(server.client()).text_stream) == [" a", "b "]


@pytest.mark.parametrize("read", range(5))
def test_final_completion_is_the_whole_whatever_was_read_before(read):
    with Server(streamed(*parts(" Hel", "lo! "), part(choices=[], usage=COUNTED))) as server:
        stream = open_stream(server.client())
        assert len(list(itertools.islice(stream, read))) == read
        final = stream.get_final_completion()
        assert final == {**COMPLETION, "usage": COUNTED}
        assert final.choices[0].message.content == "Hello!" and final.usage.total_tokens == 3
        stream.close()
        assert stream.get_final_completion() == final


@pytest.mark.parametrize("read", range(4))
def test_close_ends_it_at_any_time(read):
    with Server(streamed(*parts("Hel", "lo!"))) as server:
        client = server.client()
        stream = open_stream(client)
        assert len(list(itertools.islice(stream, read))) == read
        stream.close()
        stream.close()
        assert list(stream) == [] and ": 0 active, " in repr(client)
        with pytest.raises(RuntimeError) if read < 3 else contextlib.nullcontext():
            stream.get_final_completion()


def abandon_by(error):
    def abandon(client):
        with pytest.raises(error), open_stream(client) as stream:
            for _ in stream.text_stream:
                raise error

    return (abandon,)


@by_name(
    "abandon",
    {
        "at-once": (lambda client: open_stream(client) and None,),
        "close": (lambda client: open_stream(client).close(),),
        "exit": (lambda client: open_stream(client).__exit__(None, None, None),),
        "break": (lambda client: next(open_stream(client)) and None,),
        "text": (lambda client: next(open_stream(client).text_stream) and None,),
        "cycle": (lambda client: (lambda cycle: cycle.append(cycle))([open_stream(client)]),),
        "error": abandon_by(ZeroDivisionError),
        "sys.exit": abandon_by(SystemExit),
        "ctrl-c": abandon_by(KeyboardInterrupt),
    },
)
def test_an_abandoned_stream_gives_its_place_back(abandon):
    script = STREAM_HEAD + framed(*parts("Hel", "lo!")), stall
    with Server(script, reply()) as server, Session(max_connections=1) as session:
        client = server.client(session=session)
        abandon(client)
        collect_garbage()
        assert ": 0 active, 0 idle, " in repr(client)
        assert chat(client).choices[0].message.content == "Hello!"
        server.wait_for(lambda server: server.open == 1)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal to a thread here")
def test_an_interrupted_wait_gives_the_place_back():
    def interrupt(connection):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with Server((STREAM_HEAD + framed(*parts("Hel")), 0.05, interrupt, stall), reply()) as server:
        client = server.client()
        stream = open_stream(client)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        try:
            with pytest.raises(KeyboardInterrupt):
                list(stream)
        finally:
            signal.signal(signal.SIGINT, before)
        assert ": 0 active, 0 idle, " in repr(client) and list(stream) == []
        assert chat(client).choices[0].message.content == "Hello!"


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b""], ids=["chunked", "unframed"])
def test_a_chunk_arrives_before_the_server_has_the_next(framing):
    seen, late = (threading.Semaphore(0), threading.Semaphore(0)), []
    first, second = (framed(event) if framing else framed(event).partition(b"\r\n")[2] for event in parts("lo!"))
    waits = [lambda _, turn=turn: late.append(not turn.acquire(timeout=2)) for turn in seen]
    with Server((b"HTTP/1.1 200 OK\r\n%b\r\n" % framing, waits[0], first, waits[1], second, drop)) as server:
        stream = open_stream(server.client())
        seen[0].release()
        assert next(stream).choices[0].delta.role == "assistant"
        seen[1].release()
        assert next(stream).choices[0].delta.content == "lo!"
    assert late == [False, False]


ENDLESS = STREAM_HEAD + framed(*parts("Hi"), DONE)


@by_name(
    "step, connections",
    {
        "at-once": (ENDLESS + LAST, 1),
        "never": ((ENDLESS, stall), 3),
        "cut": ((ENDLESS, drop), 3),
        "drip": ((ENDLESS, drip(b"4;" + b"x" * 500)), 3),
        "junk-behind": (ENDLESS + LAST + b"more", 3),
        "more-events": ((ENDLESS, framed(*parts("no")), stall), 3),
        "asked-to-close": (ENDLESS.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + LAST, 3),
    },
)
@at_once
def test_the_connection_is_used_again_if_the_end_comes_at_once(step, connections):
    started = time.monotonic()
    with Server(step) as server:
        client = server.client()
        for _ in range(3):
            assert "".join(open_stream(client).text_stream) == "Hi"
            assert ": 0 active, " in repr(client)
        assert server.connections == connections
    assert time.monotonic() - started < 4  # of a timeout of 10 s


def test_the_end_of_the_framing_is_waited_for_a_moment():
    seen = threading.Semaphore(0)
    with Server((ENDLESS, lambda _: seen.acquire(timeout=2), 0.001, LAST)) as server:
        client = server.client()
        for _ in range(8):
            for _ in open_stream(client).text_stream:
                seen.release()
        assert server.connections < 8


# ---- its time, retries and errors


def test_timeout_bounds_each_wait_and_not_the_whole():
    events = [(framed(event), 0.02) for event in parts(*"abcdefgh")]
    with Server((STREAM_HEAD, *events, framed(DONE))) as server:
        started = time.monotonic()
        assert "".join(open_stream(server.client(timeout=0.15)).text_stream) == "abcdefgh"
        assert time.monotonic() - started > 0.15


@by_name(
    "step",
    {
        "before-the-head": (stall,),
        "in-the-head": ((STREAM_HEAD[:20], stall),),
        "dripped-head": (drip(STREAM_HEAD * 9),),
        "after-the-head": ((STREAM_HEAD, stall),),
        "between-events": ((STREAM_HEAD + framed(*parts("Hel")), stall),),
        "in-an-event": ((STREAM_HEAD + framed(*parts("Hel"))[:-9], stall),),
        "dripped-framing": ((STREAM_HEAD, drip(b"5;" + b"x" * 1000)),),
        "dripped-framing-later": ((STREAM_HEAD + framed(*parts("Hel")), drip(b"5;" + b"x" * 1000)),),
        "dripped-json": ((b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", drip(b" " * 1000)),),
        "dripped-error": ((b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", drip(b" " * 1000)),),
    },
)
@at_once
def test_timeout_bounds_the_wait(step):
    with Server(step) as server:
        client, started = server.client(timeout=0.05), time.monotonic()
        with pytest.raises(APITimeoutError, match=r"^POST /chat/completions: timed out after 0.05 s while "):
            open_stream(client).get_final_completion()
        assert 0.04 < time.monotonic() - started < 3
        assert ": 0 active, 0 idle, " in repr(client)


def test_retries_until_the_head_has_come(waits):
    with Server(reply(503), reply(429), reset, drop, streamed(*parts("Hi"))) as server:
        assert open_stream(server.client()).get_final_completion().choices[0].message.content == "Hi"
        assert waits == pytest.approx([0.1, 0.2, 0.4])  # the reset was of a kept connection: repeated at once


@by_name(
    "rest, kind",
    {
        "reset": (reset, APIConnectionError),
        "cut": (drop, APIResponseError),
        "reset-later": ((framed(*parts("Hel")[:1]), reset), APIConnectionError),
        "error": (framed({"error": {"message": "busy", "type": "rate_limit_error", "code": "503"}}), APIError),
    },
)
def test_never_retries_after_the_head(rest, kind, waits):
    with Server((STREAM_HEAD, rest), streamed(*parts("Hi"))) as server:
        with pytest.raises(kind) as caught:
            open_stream(server.client()).get_final_completion()
        assert type(caught.value) is kind and len(server.requests) == 1 and not waits


def test_a_refused_stream_raises_what_any_call_raises():
    body = {"error": {"message": "no such model", "type": "invalid_request_error", "param": "model"}}
    with Server(reply(404, body, X_Request_ID="req_1"), streamed(*parts("Hi"))) as server:
        client = server.client()
        with pytest.raises(pixigpt.NotFoundError) as caught:
            open_stream(client)
        assert (caught.value.message, caught.value.param, caught.value.body) == ("no such model", "model", body)
        assert str(caught.value) == "POST /chat/completions: 404 invalid_request_error: no such model (request req_1)"
        assert open_stream(client).get_final_completion().choices[0].message.content == "Hi"
        assert server.connections == 1


@by_name(
    "event, message, kind",
    {
        "openai": ({"error": {"message": "overloaded", "type": "server_error"}}, "overloaded", "server_error"),
        "text": ({"error": "overloaded"}, "overloaded", None),
        "with-choices": ({"error": {"code": 502, "message": "bad"}, "choices": [{"index": 0}]}, "bad", None),
        "event": (b'event: error\ndata: {"message": "gone", "type": "x"}\n\n', "gone", "x"),
        "event-and-error": (b'event: error\ndata: {"error": {"message": "gone"}}\n\n', "gone", None),
        "event-text": (b"event: error\ndata: it broke\n\n", "it broke", None),
        "event-without-data": (b"event: error\ndata\n\n", None, None),
    },
)
def test_errors_in_the_stream(event, message, kind):
    with Server(streamed(*parts("Hel", finish=None), event, *parts("no"))) as server:
        client = server.client()
        stream = open_stream(client)
        assert next(stream.text_stream) == "Hel"
        with pytest.raises(APIError) as caught:
            next(stream)
        error = caught.value
        assert type(error) is APIError and error.type == kind and error.message == (message or error.message)
        assert str(error).startswith("POST /chat/completions: ") and error.request_id == "req_1"
        assert ": 0 active, " in repr(client) and list(stream) == []


@by_name("end", {"in-order": (LAST,), "cut": (drop,), "reset": (reset,)})
def test_an_end_with_neither_done_nor_finish_reason_is_an_error(end):
    with Server((STREAM_HEAD + framed(*parts("Hel", finish=None)), 0.01, end)) as server:
        stream = open_stream(server.client())
        assert [next(stream), next(stream)] == parts("Hel", finish=None)
        with pytest.raises(APIConnectionError if end is reset else APIResponseError) as caught:
            next(stream)
        assert caught.value.request_id == "req_1" or end is reset
        with pytest.raises(RuntimeError):  # half an answer is never taken for the whole
            stream.get_final_completion()


@by_name("behind", {"nothing": ([],), "comment": ([b": bye\n\n"],), "half-an-event": ([b'data: {"choices": []}'],)})
@by_name("end", {"in-order": (LAST,), "cut": (drop,)})
def test_an_end_with_a_finish_reason_is_fine(end, behind):
    with Server((STREAM_HEAD + framed(*parts("Hi"), *behind), end)) as server:
        assert open_stream(server.client()).get_final_completion().choices[0].message.content == "Hi"


# ---- what servers send: the chunks, and the choices of the whole


def whole(content, finish="stop", thoughts=None, index=0, **message):
    choice = {"index": index, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return choice if thoughts is None else {**choice, "reasoning_content": thoughts}


def called(*calls, content=None):
    """The choices of an answer with tool calls, each (id, name, arguments) or that and more."""
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **dict(*more)}
        for id, name, arguments, *more in calls
    ]
    return [whole(content, "tool_calls", tool_calls=calls)]


def tool_parts(*fragments):
    return [part({"tool_calls": [fragment]}) for fragment in fragments] + [part({}, "tool_calls")]


def bit(index, arguments=..., id=None, **fields):
    """A fragment of a tool call; arguments may be left out."""
    function = {} if arguments is ... else {"arguments": arguments}
    if id is None:
        return {"index": index, "function": function}
    function["name"] = id.replace("c", "f")
    return {"index": index, "id": id, "type": "function", "function": function, **fields}


def beside(delta, finish=None, **fields):
    """A chunk with fields beside the delta."""
    return part(choices=[{"index": 0, "delta": delta, "finish_reason": finish, **fields}])


I_THINK = [whole("42", thoughts="I think", reasoning_content="I think")]
CALLS = called(("c1", "f1", "{}"), ("c2", "f2", "[1]"))[0]["message"]["tool_calls"]


@by_name(
    "events, choices",
    {
        "reasoning_content": (
            [part({"reasoning_content": text}) for text in (" I ", "think ")] + parts("\n42"),
            I_THINK,
        ),
        "reasoning": (
            [part({"content": "", "reasoning": text}) for text in ("I ", "think")] + parts("42"),
            [whole("42", thoughts="I think", reasoning="I think")],
        ),
        "reasoning-beside-the-delta": (
            [beside({}, reasoning_content=text) for text in ("I ", "think")] + parts("42"),
            [whole("42", thoughts="I think")],
        ),
        "the-other-is-null": (
            [
                part({"content": None, "reasoning_content": "I think"}),
                part({"content": "42", "reasoning_content": None}, "stop"),
            ],
            I_THINK,
        ),
        "think": (parts("<think>I ", "think</think>\n\n4", "2 "), [whole("42", thoughts="I think")]),
        "think-split": (parts("<th", "ink", ">I think<", "/thi", "nk>42"), [whole("42", thoughts="I think")]),
        "think-not-opened": (parts("I think</think>", "42"), [whole("42", thoughts="I think")]),
        "think-not-closed": (parts("<think>I think", finish="length"), [whole("", "length", thoughts="I think")]),
        "nulls": ([part({"role": None, "content": None}), *parts("a", "b")], [whole("ab")]),
        "no-role": ([part({"content": "a"}), part({"content": "b"}, "stop")], [whole("ab")]),
        "role-in-each": ([part({"role": "assistant", "content": text}, "stop") for text in "abc"], [whole("abc")]),
        "no-delta": ([beside(None), part(choices=[{"index": 0}]), *parts("a")], [whole("a")]),
        "no-choices": ([part(choices=None), part(choices=[]), {}, *parts("a")], [whole("a")]),
        "bare": ([{"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"finish_reason": "stop"}]}], [whole("a")]),
        "index-null": ([part({"content": "a"}, "stop", index=None)], [whole("a")]),
        "comments": ([b": PROCESSING\n\n", *parts("a"), b": ping\n\n"], [whole("a")]),
        "lines": ([b'id: 7\ndata: {"choices":\ndata: [{"delta": {"content": "a"}}]}\r\n\r\n'], [whole("a", None)]),
        "two-choices": (
            [part({"content": text}, index=index) for index, text in [(1, "b"), (0, "a"), (0, "a"), (1, "b")]]
            + [part({}, "stop", index=1), part({}, "length")],
            [whole("aa", "length"), whole("bb", index=1)],
        ),
        "unknown-fields": (
            [part({"content": "a", "refusal": "no", "facts": [1]}), part({"refusal": " way", "mood": {"x": 1}}, "end")],
            [whole("a", "end", refusal="no way", facts=[1], mood={"x": 1})],
        ),
        "unknown-fields-beside": ([beside({"content": "a"}, "stop", why=7)], [{**whole("a"), "why": 7}]),
        "log-probabilities": (
            [beside({"content": "a"}, finish, logprobs={"content": [{"token": "a"}]}) for finish in (None, "stop")],
            [{**whole("aa"), "logprobs": {"content": [{"token": "a"}] * 2}}],
        ),
        "tool": (tool_parts(bit(0, "", "c1"), bit(0, '{"a"'), bit(0, ": 1}")), called(("c1", "f1", '{"a": 1}'))),
        "tool-repeats-all": (
            tool_parts(*(bit(0, text, "c1") for text in ['{"a": "Z\\u00', "fc\\", '""}'])),
            called(("c1", "f1", '{"a": "Z\\u00fc\\""}')),
        ),
        "tool-without-arguments": (tool_parts(bit(0, id="c1"), bit(0)), called(("c1", "f1", ""))),
        "tool-with-nulls": (
            tool_parts(bit(0, None, "c1"), bit(0, None), {"index": 0, "id": None, "function": None}),
            called(("c1", "f1", "")),
        ),
        "tools-interleaved": (
            tool_parts(bit(0, "", "c1"), bit(1, "", "c2"), bit(0, "{"), bit(1, "[1"), bit(0, "}"), bit(1, "]")),
            [whole(None, "tool_calls", tool_calls=CALLS)],
        ),
        "tools-at-once": (
            [part({"content": "", "tool_calls": CALLS}, "tool_calls")],
            [whole(None, "tool_calls", tool_calls=CALLS)],
        ),
        "tools-without-index": (
            tool_parts(CALLS[0], {**CALLS[1], "function": {"name": "f2"}}, {"function": {"arguments": "[1]"}}),
            [whole(None, "tool_calls", tool_calls=CALLS)],
        ),
        "tool-with-more": (
            [part({"content": "Let me see. "}), *tool_parts(bit(0, "{}", "c1", extra_content={"signature": "s"}))],
            called(("c1", "f1", "{}", {"extra_content": {"signature": "s"}}), content="Let me see."),
        ),
    },
)
def test_the_whole_of_what_servers_send(events, choices):
    with Server(streamed(*events)) as server:
        client = server.client()
        chunks = list(open_stream(client))
        assert chunks == [event for event in events if not isinstance(event, bytes)] or isinstance(events[0], bytes)
        assert open_stream(client).get_final_completion().choices == choices


@by_name(
    "events, fields",
    {
        "none": (parts("a"), {}),
        "usage-apart": ([*parts("a"), part(choices=[], usage=COUNTED)], {"usage": COUNTED}),
        "usage-at-the-finish": ([part({"content": "a"}), part({}, "stop", usage=COUNTED)], {"usage": COUNTED}),
        "usage-null": (
            [part(usage=None), *parts("a"), part(choices=[], usage=COUNTED), part(usage=None)],
            {"usage": COUNTED},
        ),
        "usage-grows": ([part(usage={"total_tokens": 1}), part({}, "stop", usage=COUNTED)], {"usage": COUNTED}),
        "new-ids": ([{**chunk, "id": f"chatcmpl_{number}"} for number, chunk in enumerate(parts("a", "b"), 1)], {}),
        "unknown": ([{**chunk, "system_fingerprint": "fp"} for chunk in parts("a")], {"system_fingerprint": "fp"}),
        "unknown-at-the-end": ([*parts("a"), part(choices=[], sources=["s"])], {"sources": ["s"]}),
    },
)
def test_the_whole_has_the_fields_of_the_chunks(events, fields):
    head = {key: COMPLETION[key] for key in ("id", "object", "created", "model")}
    with Server(streamed(*events)) as server:
        final = open_stream(server.client()).get_final_completion()
        assert {key: value for key, value in final.items() if key != "choices"} == {**head, **fields}


@by_name(
    "choices, content_type",
    {
        "text": ([whole(" Hello!\n")], "application/json"),
        "charset": ([whole("Hello!")], "application/json; charset=utf-8"),
        "upper-case": ([whole("Hello!")], "Application/JSON"),
        "no-type": ([whole("Hello!")], ""),
        "think": ([whole("<think>I think</think>42")], "application/json"),
        "reasoning": ([whole("42", thoughts=" I think")], "application/json"),
        "reasoning-in-the-message": (I_THINK, "application/json"),
        "tools": ([whole("", "tool_calls", tool_calls=CALLS)], "application/json"),
        "tools-alike": (called(("", "f", "{}"), ("", "f", "{}"), content=""), "application/json"),
        "unknown-fields": ([{**whole("42", refusal=None, mood=1), "logprobs": {"content": []}}], "application/json"),
        "two-choices": ([whole("a"), whole("b", "length", index=1)], "application/json"),
    },
)
def test_json_instead_of_a_stream_is_one_chunk(choices, content_type):
    with Server(reply(200, {**COMPLETION, "choices": choices}, Content_Type=content_type)) as server:
        client, text = server.client(), choices[0]["message"]["content"]
        (chunk,) = open_stream(client)
        assert [choice.delta.content for choice in chunk.choices] == [one["message"]["content"] for one in choices]
        assert chunk.choices[0].delta.reasoning_content == choices[0].get(
            "reasoning_content", choices[0]["message"].get("reasoning_content")
        )
        assert "".join(open_stream(client).text_stream) == text and chunk.usage == COMPLETION["usage"]
        assert open_stream(client).get_final_completion() == chat(client)
        assert server.connections == 1


def test_a_whole_in_an_event_is_a_chunk_too(cli_here):
    answer = {**COMPLETION, "choices": [whole("Hello!")]}
    with Server(streamed(answer)) as server:
        assert list(open_stream(server.client()).text_stream) == ["Hello!"]
        assert open_stream(server.client()).get_final_completion() == {**answer, "object": "chat.completion"}
        assert cli_here(server, "hi") == (0, b"Hello!\n", b"")
    with Server(streamed(*parts("Hi", finish=None), beside({}, "stop", message={"content": "Hi"}))) as server:
        assert "".join(open_stream(server.client()).text_stream) == "Hi"
        assert cli_here(server, "hi") == (0, b"Hi\n", b"")


def test_a_whole_is_built_of_the_deltas_whatever_is_beside_them():
    for message in (None, {}, {"role": "assistant", "content": "Hi"}):
        with Server(streamed(beside({"content": "Hi"}, "stop", message=message))) as server:
            assert open_stream(server.client()).get_final_completion().choices[0].message.content == "Hi"


def test_a_stream_over_a_requests_session_ends_with_done():
    requests = pytest.importorskip("requests")
    with requests.Session() as session, Server((ENDLESS, stall)) as server:
        session.trust_env = False
        began = time.monotonic()
        assert list(open_stream(server.client(session=session, timeout=2)).text_stream) == ["Hi"]
        assert time.monotonic() - began < 1


# ----------------------------------------------------------------------------------------- hostile servers


# ---- rows: what the server does with one request, and what must come of it: the right answer or exactly that error, in
# time. Then, always: the next calls of the same client get their own answers, no place in the pool is lost, and the
# key is nowhere.

MALFORMED, BROKEN, LATE = APIResponseError, APIConnectionError, APITimeoutError
BODY = json.dumps(COMPLETION).encode()
LENGTH = b"Content-Length: %d" % len(BODY)
OK = b"HTTP/1.1 200 OK"


def http(*lines, body=BODY, status=OK):
    return b"".join(line + b"\r\n" for line in (status, *lines, b"")) + body


def hello(*lines, status=OK):
    return http(LENGTH, *lines, status=status)


def chunked(*pieces, status=OK, lines=()):
    """A chunked response whose body, framing and all, is what *pieces* say."""
    return http(b"Transfer-Encoding: chunked", *lines, body=b"".join(pieces), status=status)


def chunk(data, size=b"%x", end=b"\r\n"):
    return (size % len(data) if b"%" in size else size) + b"\r\n" + data + end


def says(text):
    return reply(200, {**COMPLETION, "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})


def endless(data):
    def step(connection):
        while True:
            connection.sock.sendall(data)

    return step


def echo(template):
    """*template* with the key that the client sent in place of KEY, and the end."""

    def step(connection):
        key = connection.server.requests[-1].headers["authorization"].partition(" ")[2].encode()
        connection.run((template.replace(b"KEY", key), drop))

    return step


def ask(client, text="Hi"):
    return chat(client, text).choices[0].message.content


def ask_for_stream(client, text="Hi"):
    stream = open_stream(client, text)
    text, choices = "".join(stream.text_stream), stream.get_final_completion().choices
    assert text == "" or choices[0].message.content == text.strip()
    return choices[0].message.content if choices else None


STREAM = {"call": ask_for_stream}


def undergo(script, expected, call=ask, timeout=5.0, first=(), late=False, check=None):
    """One row. *first* is done on the first connection before its request; late: the request and the next ones wait for
    all that the server does by itself."""
    begun, done = threading.Event(), threading.Event()

    def begin(connection):
        connection.run(first if connection.number == 1 else ())
        begun.set()

    def answer(connection):
        try:
            connection.run(script)
        finally:
            done.set()

    def route(request):
        return says(request.json["messages"][1]["content"]) if b"token-" in request.body else answer

    with Server(route=route, first=begin) as server:
        client, started = server.client(timeout=timeout, max_retries=0), time.monotonic()
        if late:
            client.connect()
            assert begun.wait(2)
        try:
            outcome = call(client)
        except Exception as error:
            outcome = error
        assert time.monotonic() - started < min(3, timeout + 2)
        if isinstance(expected, type):
            assert type(outcome) is expected, repr(outcome)
            shown = traceback.TracebackException.from_exception(outcome, capture_locals=True).format()
            assert SECRET.lower() not in "".join([*shown, str(outcome), *map(repr, vars(outcome).values())]).lower()
            assert vars(pickle.loads(pickle.dumps(outcome))) == vars(outcome) and 0 < len(str(outcome)) < 2000
        else:
            assert outcome == expected
        assert check is None or check(outcome)
        assert ": 0 active, " in repr(client) and ", 0 waiting" in repr(client)
        assert not late or done.wait(2)
        client = client.with_options(timeout=10)
        assert [ask(client, "token-1"), ask(client, "token-2")] == ["token-1", "token-2"]
        assert ": 0 active, 1 idle, 0 waiting" in repr(client) and len(server.requests) <= 3


def rows(table):
    """Each row by its name: the script, what is expected, and more for `undergo`: a dict, or the check."""
    marks = []
    for name, (script, expected, *more) in table.items():
        more = more[0] if more else {}
        marks.append(pytest.param(script, expected, more if isinstance(more, dict) else {"check": more}, id=name))
    return pytest.mark.parametrize("script, expected, more", marks)


def each(name, expected, build, values):
    """Rows that differ in a value."""
    return {f"{name} {ascii(value)[:40]}": (build(value), expected) for value in values}


BAD_STATUS = [
    *(b"", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/11.1 200 OK", b"http/1.1 200 OK", b"ICY 200 OK", b"SSH-2.0-Open"),
    *(b"HTTP/1.1  200 OK", b"HTTP/1.1 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 -20 OK"),
    *(b"HTTP/1.1 000 OK", "HTTP/1.1 ٢٠٠ OK".encode(), OK + b"\0", OK + b"\r\r", b"\r\n" + OK, b"\0" + OK),
]
GOOD_STATUS = [b"HTTP/1.1 200 ", b"HTTP/1.1 200", OK + b" \xdc\xff", b"HTTP/1.0 200 OK", b"HTTP/1.1 299 OK"]
BAD_FIELDS = [
    *(b"nonsense", b": nonsense", b"X-A : b", b"X A: b", b"X-\xc3\x84: b", b"X-\0A: b", b"X-A: b\0c", b"X-A: b\r"),
    *(b"X-A: b\rContent-Length: 5", b"X-A: " + b"x" * (1 << 20), b"\r\n".join(b"X-%d: y" % n for n in range(10_000))),
]
GOOD_FIELDS = [b"X-A:", b"X-B: ", b"X-A: b\nX-B: c", b"X-A: b,\r\n\tc", b"X-A: b\xff", b"A:b\r\n c"]
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@rows(
    {
        **each("status", MALFORMED, lambda line: hello(status=line), BAD_STATUS),
        **each("field", MALFORMED, hello, BAD_FIELDS),
        **each("status", "Hello!", lambda line: hello(status=line), GOOD_STATUS),
        **each("status", APIError, lambda line: hello(status=line), [b"HTTP/1.1 600 No", b"HTTP/1.1 999 No"]),
        **each("field", "Hello!", hello, GOOD_FIELDS),
        "http-0.9": ((BODY, drop), MALFORMED),
        "html": ((b"<html>It works!</html>", drop), MALFORMED),
        "http-2-frame": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), MALFORMED),
        "tls-alert": ((b"\x15\x03\x01\x00\x02\x02\x28", drop), MALFORMED),
        "http-1.0-kept": (hello(b"Connection: Keep-Alive", status=b"HTTP/1.0 200 OK"), "Hello!"),
        "close-and-open": (hello(b"ConnectioN: x, CLOSE"), "Hello!"),
        "bare-lf": (hello().replace(b"\r\n", b"\n"), "Hello!"),
        "bare-cr": (hello().replace(b"\r\n", b"\r"), LATE, {"timeout": 0.06}),
        "folded-length": (http(b"Content-Length:\r\n %d" % len(BODY)), "Hello!"),
        "folded-first": (hello(status=OK + b"\r\n X-A: b"), "Hello!"),
        "1000-fields": (hello(*[b"X-%d: y" % number for number in range(1000)]), "Hello!"),
        "megabyte-of-reason": (hello(status=OK + b"x" * (1 << 20)), MALFORMED),
        "endless-fields": ((OK, endless(b"\r\nX-A: b" * 1000)), MALFORMED),
        "endless-line": ((OK, endless(b"x" * 10_000)), MALFORMED),
        "endless-nothing": (endless(b"\r\n" * 1000), MALFORMED),
        "endless-100": (endless(GO_ON * 100), MALFORMED),
        "103-25-times": (HINTS * 25 + hello(), MALFORMED),
        "103-5-times": (HINTS * 5 + hello(), "Hello!"),
        "100-102-103": (GO_ON + GO_ON.replace(b"100", b"102") + HINTS + hello(), "Hello!"),
        "100-in-pieces": ((GO_ON[:-1], 0.01, b"\nHTT", 0.01, hello()[3:]), "Hello!"),
        "100-with-a-body": (http(b"Content-Length: 2", status=GO_ON[:21], body=b"{}") + hello(), MALFORMED),
        "100-then-nonsense": (GO_ON + b"nonsense", MALFORMED),
        "100-then-end": ((GO_ON, drop), BROKEN),
        "101": (http(b"Upgrade: h2c", body=b"", status=b"HTTP/1.1 101 Switching") + hello(), MALFORMED),
    }
)
@at_once
def test_hostile_heads(script, expected, more):
    undergo(script, expected, **more)


TWO = chunk(BODY[:50]), chunk(BODY[50:])
WHOLE = b"".join([*TWO, LAST])
SIZE = str(len(BODY))
ARABIC = SIZE.translate({48 + digit: 0x660 + digit for digit in range(10)})
BAD_LENGTHS = ["-" + SIZE, "+" + SIZE, SIZE[0] + "_" + SIZE[1:], f"{SIZE}, {SIZE}", SIZE + ";", SIZE + " 0"]
BAD_LENGTHS += ["", SIZE + ".0", hex(len(BODY)), "1e3", ARABIC, "9" * 20, "1" * 5000, "9" * 12]
BAD_CODINGS = [b"gzip, chunked", b"chunked, gzip", b"identity", b"xchunked", b"chunked;q=1", b"", b"\x0bchunked"]
BAD_SIZES = [b"-%x", b"+%x", b"-0", b"0x%x", b"0_%x", b"", b" %x", b"%x x", b"%x\0", b"%x;\0", b"%xg", b"%x\r"]
BAD_SIZES += [b"5", b"fff", b"f" * 15, b"f" * 16, b"0" * 16 + b"%x"]


@rows(
    {
        **each("length", MALFORMED, lambda text: http(b"Content-Length: " + text.encode()), BAD_LENGTHS),
        **each("coding", MALFORMED, lambda coding: http(b"Transfer-Encoding: " + coding, body=WHOLE), BAD_CODINGS),
        **each("chunk-size", MALFORMED, lambda size: (chunked(chunk(BODY, size), LAST), drop), BAD_SIZES),
        **each("chunk-end", MALFORMED, lambda end: chunked(chunk(BODY, end=end), LAST), [b"", b"\n", b"\r", b"x\n"]),
        "length-twice": (hello(LENGTH), MALFORMED),
        "length-twice-different": (hello(b"Content-Length: 5"), MALFORMED),
        "length-too-small": (http(b"Content-Length: 50"), MALFORMED),
        "length-0": (http(b"Content-Length: 0"), MALFORMED),
        "length-too-large": ((http(b"Content-Length: %d" % (len(BODY) + 1)), drop), MALFORMED),
        "length-in-spaces": (http(b"Content-Length: \t%d " % len(BODY)), "Hello!"),
        "length-none": ((http(), drop), "Hello!"),
        "length-none-reset": ((http(), 0.01, reset), BROKEN),
        "length-and-chunked": (chunked(WHOLE, lines=[LENGTH]), MALFORMED),
        "chunked-and-length": (hello(b"Transfer-Encoding: chunked"), MALFORMED),
        "chunked-twice": (chunked(WHOLE, lines=[b"Transfer-Encoding: chunked"]), MALFORMED),
        "chunked-folded": (http(b"Transfer-Encoding:\r\n chunked", body=WHOLE), "Hello!"),
        "chunked-upper-case": (http(b"transfer-encoding:CHUNKED", body=WHOLE), "Hello!"),
        "chunked-http-1.0": (chunked(WHOLE, status=b"HTTP/1.0 200 OK"), MALFORMED),
        "chunks-of-one": (chunked(*(chunk(b"%c" % byte) for byte in BODY), LAST), "Hello!"),
        "chunk-zeros": (chunked(chunk(BODY, b"0000%X"), b"000\r\n\r\n"), "Hello!"),
        "chunk-extensions": (chunked(chunk(BODY, b'%x;a;b="c;\xff"'), b"0;x\r\n\r\n"), "Hello!"),
        "chunk-extension-huge": (chunked(chunk(BODY, b"%x;" + b"x" * 5000), LAST), MALFORMED),
        "chunk-extension-endless": ((chunked(b"5;"), endless(b"x" * 1000)), MALFORMED),
        "chunk-size-lf": (chunked(b"%x\n" % len(BODY), BODY, b"\r\n", LAST), MALFORMED),
        "chunk-size-one-too-large": (chunked(b"%x\r\n" % (len(BODY) + 1), BODY, b"\r\n", LAST), MALFORMED),
        "trailers": (chunked(*TWO, b"0\r\nX-A: b\r\nContent-Length: 5\r\n\r\n"), "Hello!"),
        "trailer-huge": (chunked(*TWO, b"0\r\nX: ", b"x" * 70000, b"\r\n\r\n"), MALFORMED),
        "trailers-endless": ((chunked(*TWO, b"0\r\n"), endless(b"X-A: b\r\n" * 100)), MALFORMED),
        "trailer-lf": (chunked(*TWO, b"0\r\n\n"), MALFORMED, {"timeout": 0.5}),
        "last-chunk-missing": ((chunked(*TWO), drop), MALFORMED),
        "last-chunk-cut": ((chunked(*TWO, b"0\r\n"), drop), MALFORMED),
        "chunk-cut": ((chunked(TWO[0][:-9]), drop), MALFORMED),
        "chunk-reset": ((chunked(TWO[0][:-9]), 0.01, reset), BROKEN),
        "chunks-none": (chunked(LAST), MALFORMED),
        "204": (http(body=b"", status=b"HTTP/1.1 204 No Content"), MALFORMED),
        "204-with-a-body": (hello(status=b"HTTP/1.1 204 No Content"), MALFORMED),
        "204-chunked": (chunked(WHOLE, status=b"HTTP/1.1 204 No Content"), MALFORMED),
        "304-with-a-body": (hello(status=b"HTTP/1.1 304 Not Modified"), APIError),
        "gzip": (reply(200, gzip.compress(BODY), Content_Encoding="gzip"), MALFORMED),
        "gzip-lie": (reply(200, BODY, Content_Encoding="gzip"), "Hello!"),
    }
)
@at_once
def test_hostile_framing(script, expected, more):
    undergo(script, expected, **more)


@rows(
    {
        "until-the-end": ((http(), endless(b" " * 10_000)), MALFORMED),
        "chunked": ((chunked(), endless(chunk(b" " * 10_000))), MALFORMED),
        "announced": (http(b"Content-Length: 200001"), MALFORMED),
        "error": ((http(status=b"HTTP/1.1 404 No"), endless(b" " * 10_000)), pixigpt.NotFoundError),
        "event": ((STREAM_HEAD + b"fffffff\r\ndata: ", endless(b"x" * 10_000)), MALFORMED, STREAM),
        "json-for-a-stream": (
            (STREAM_HEAD.replace(b"event-stream", b"json") + b"fffffff\r\n", endless(b" " * 10_000)),
            MALFORMED,
            STREAM,
        ),
    }
)
def test_endless_bodies_are_read_to_a_limit(script, expected, more, monkeypatch):
    monkeypatch.setattr(pixigpt, "_MAX_BODY", 200_000)
    undergo(script, expected, **more)


def hello_with(new, old=b"Hello!"):
    return BODY.replace(old, new)


NO_JSON = [
    *(b"", b" \r\n\t", BODY[:-1], BODY + b"x", BODY * 2, b"<p>Sign in", BODY.replace(b'"', b"'"), b"[" * 99_999),
    *(b"\xef\xbb\xbf" * 2 + BODY, BODY.decode().encode("utf-16"), hello_with(b"\xe4"), hello_with(b"\xed\xa0\x80")),
    *(hello_with(b"\0"), *(hello_with(word, b"1700000000") for word in (b"NaN", b"-Infinity", b"017", b"0x1"))),
    *(b'{"a":' * 99_999 + b"1" + b"}" * 99_999, b"[" * 700 + b"]" * 700),
]
NO_COMPLETION = [None, [], {}, 5, True, "text", [COMPLETION], {"choices": None}, {"choices": {}}, {"choices": "text"}]
NO_COMPLETION += [{"choices": [value]} for value in (None, [], {}, {"message": None}, {"message": "Hello!"})]
NO_LIST = [b"", {}, [], None, {"data": None}, {"data": [1]}, {"data": {}}]
ODD_CONTENT = ["text", [1, None], [{"text": 5}], [{"text": {"value": 5}}], None]


def asking(method, *arguments):
    return {"call": lambda client: getattr(client, method)(*arguments)}


@rows(
    {
        **each("body", MALFORMED, lambda body: body, NO_JSON + NO_COMPLETION),
        **{f"content {value}": ({"choices": [{"message": {"content": value}}]}, value) for value in (None, 5, [])},
        "bom": (b"\xef\xbb\xbf" + BODY, "Hello!"),
        "lone-surrogate": (hello_with(b"\\ud800"), "\ud800"),
        "escaped-nul": (hello_with(b"\\u0000"), "\0"),
        "deep-unknown": (BODY[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}", "Hello!"),
        "5000-digits": (
            hello_with(b"9" * 5000, b"1700000000"),
            MALFORMED if hasattr(sys, "set_int_max_str_digits") else "Hello!",
        ),
        "1e999": (hello_with(b"-1e999", b"1700000000"), "Hello!"),
        "key-twice": (b'{"choices": 5, ' + BODY[1:], "Hello!"),
        "odd-reasoning": ({"choices": [{"message": {"content": "a", "reasoning_content": 5, "reasoning": []}}]}, "a"),
        **{f"threads {value!r}": (value, MALFORMED, asking("list_threads")) for value in NO_LIST},
        "threads-odd": ({"data": [{"x": 1}], "has_more": [5]}, [{"x": 1}], asking("list_threads")),
        "thread-list": ([{}], MALFORMED, asking("get_thread", "t")),
        "thread-null": (None, MALFORMED, asking("create_thread")),
        "run-without-status": ({"id": "r"}, MALFORMED, asking("wait_for_run", "t", "r")),
        "run-with-status-5": ({"status": 5}, MALFORMED, asking("get_run", "t", "r")),
        "run-odd": ({"status": "failed", "last_error": [5]}, pixigpt.RunError, asking("wait_for_run", "t", "r")),
        "pages-without-end": (
            {"data": [], "has_more": True, "last_id": "m"},
            MALFORMED,
            {"call": lambda client: list(client.iter_messages("t"))},
        ),
        **{
            f"message {content!r}": (
                {"role": "assistant", "content": content},
                {"role": "assistant", "content": content},
                asking("create_message", "t", "user", "x"),
            )
            for content in ODD_CONTENT
        },
        "delete": (b"\xffnonsense", None, asking("delete_thread", "t")),
        "embedding": ([0.5], MALFORMED, asking("create_embedding", {"input": "x"})),
        "request": (5, 5, asking("request", "GET", "/x")),
        "request-empty": (b"", None, asking("request", "GET", "/x")),
        "request-html": (b"<p>", MALFORMED, asking("request", "GET", "/x")),
    }
)
@at_once
def test_hostile_bodies(script, expected, more):
    undergo(reply(200, script), expected, **more)


def message_is(text):
    return lambda error: error.message == text and str(error).startswith("POST /chat/completions: ")


def waits_for(seconds):
    return lambda error: error.retry_after == seconds


CUT = b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\n{"
STATUSES = {
    **dict.fromkeys((402, 408, 418, 451), APIError),
    **dict.fromkeys((500, 503, 599), ServerError),
    **dict.fromkeys((400, 422), pixigpt.BadRequestError),
    401: pixigpt.AuthenticationError,
    403: pixigpt.PermissionDeniedError,
    404: pixigpt.NotFoundError,
    409: pixigpt.ConflictError,
    429: RateLimitError,
}
ODD_ERRORS = [
    *([], [1], {}, 5, None, True, "broke", 1e300, {"error": None}, {"error": []}, {"error": {}}, b"\xff\xfe\0"),
    *({"error": {"message": None}}, {"error": {"message": {"a": 1}, "type": 5, "code": [1], "param": {}}}),
    *(b'{"error": NaN}', b"<script" * 99_999, b'{"error":' * 600 + b"1" + b"}" * 600),
    *(b"[" * size + b"]" * size for size in (300, 600, 900, 960, 99_999)),
]
ODD_WAITS = ["-1", "+1", "", "soon", "nan", "inf", "1e3", "1, 2", "0x1", "1 s", "1;2", "9" * 3000, "\xb2", "x" * 5000]
ODD_WAITS += ["Wed", "Wed, 99 Oct", ", , , ,", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"]
WAITS = {"1": 1, "0": 0, "1.5": 1.5, "9" * 30: 1e9, "Wed, 21 Oct 2015 07:28:00 GMT": 0}


@rows(
    {
        **{str(status): (reply(status, {"error": "no"}), kind, message_is("no")) for status, kind in STATUSES.items()},
        **{
            str(status): (reply(status, b"", Location="http://x/y"), APIError, lambda error: "http://x/y" in str(error))
            for status in (300, 301, 302, 303, 307, 308, 399)
        },
        **each("error", ServerError, lambda body: reply(500, body), ODD_ERRORS),
        **{
            f"wait {text[:20]!a}": (reply(429, Retry_After=text), RateLimitError, waits_for(seconds))
            for text, seconds in [*WAITS.items(), *zip(ODD_WAITS, [None] * 99)]
        },
        "wait-ms": (reply(429, retry_after_ms="250", Retry_After="9"), RateLimitError, waits_for(0.25)),
        "redirect-nowhere": (reply(301, {"error": "it moved"}), APIError, message_is("it moved")),
        "bom": (reply(429, b'\xef\xbb\xbf{"error": {"message": "slow"}}'), RateLimitError, message_is("slow")),
        "redirect-to-itself": (reply(307, Location="/chat/completions"), APIError),
        "html": (reply(502, b"<style>p {}</style><h1>Bad\n gateway</h1>"), ServerError, message_is("Bad gateway")),
        "text": (reply(500, b"it\nbroke "), ServerError, message_is("it broke")),
        "empty": (reply(500, b""), ServerError, message_is("Reason")),
        "nothing": ((b"HTTP/1.1 500\r\n\r\n", drop), ServerError, message_is("no message")),
        "error-list": (reply(500, {"error": ["broke", 5]}), ServerError, lambda error: "broke" in error.message),
        "error-error": (reply(500, {"error": {"error": "broke"}}), ServerError, message_is("broke")),
        "detail": (reply(422, {"detail": "broke"}), pixigpt.BadRequestError, message_is("broke")),
        "details": (reply(500, {"detail": [{"msg": "missing"}]}), ServerError, lambda error: "missing" in str(error)),
        "problem": (reply(500, {"title": "broke", "status": 500}), ServerError, message_is("broke")),
        "not-json": (reply(500, b"{nope", Content_Type="application/json"), ServerError, message_is("{nope")),
        "surrogate": (reply(500, {"error": {"message": "\ud800"}}), ServerError, message_is("\ud800")),
        "megabyte": (reply(500, {"error": "x" * (1 << 20)}), ServerError, message_is("x" * 500)),
        "cut": ((CUT, drop), ServerError),
        "reset": ((CUT, 0.01, reset), ServerError),
        "framing": (chunked(b"nonsense\r\n", status=b"HTTP/1.1 404 No"), pixigpt.NotFoundError),
        "length": (http(b"Content-Length: nonsense", status=b"HTTP/1.1 404 No"), MALFORMED),
    }
)
@at_once
def test_hostile_errors(script, expected, more):
    undergo(script, expected, **more)


def hides_all_of(error):
    """Nor is the beginning of a key there whose end an excerpt has cut off."""
    return SECRET[:12] not in str(vars(error)) + str(error)


ECHO = b'HTTP/1.1 401 No\r\nX-Request-ID: KEY\r\n\r\n{"error": {"message": "bad: KEY", "type": "KEY", "KEY": ["KEY"]}}'


@rows(
    {
        "error": (ECHO, pixigpt.AuthenticationError, message_is("bad: ***")),
        "text": (b"HTTP/1.1 401 No\r\n\r\nKEY KEYKEY", pixigpt.AuthenticationError),
        "reason": (b"HTTP/1.1 401 KEY\r\nContent-Length: 0\r\n\r\n", pixigpt.AuthenticationError),
        "location": (b"HTTP/1.1 307 No\r\nLocation: /KEY\r\nContent-Length: 0\r\n\r\n", APIError),
        "no-json": (b"HTTP/1.1 200 OK\r\nX-A: KEY\r\n\r\nKEY", MALFORMED),
        "wrong-json": (b'HTTP/1.1 200 OK\r\n\r\n{"KEY": "KEY"}', MALFORMED),
        "status-line": (b"KEY\r\n", MALFORMED),
        "field": (b"HTTP/1.1 200 OK\r\nKEY\r\n\r\n", MALFORMED),
        "length": (b"HTTP/1.1 200 OK\r\nContent-Length: KEY\r\n\r\n", MALFORMED),
        "chunk": (chunked(b"KEY\r\n"), MALFORMED),
        "stream": (http(body=b'data: {"error": {"message": "KEY"}}\n\n'), APIError, STREAM),
        "cut-in-the-message": (b"HTTP/1.1 401 No\r\n\r\n" + b"x " * 244 + b"KEY", pixigpt.AuthenticationError, hides_all_of),
        "cut-in-no-json": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x " * 92 + b"KEY", MALFORMED, hides_all_of),
        "cut-in-json": (b'HTTP/1.1 200 OK\r\n\r\n{"x": "' + b"x" * 180 + b'KEY"}', MALFORMED, hides_all_of),
        "cut-in-the-body": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 4080 + b"KEY", MALFORMED, hides_all_of),
    }
)
def test_an_echoed_key_is_masked(script, expected, more):
    undergo(echo(script), expected, **more)


@rows(
    {
        "before-the-answer": (stall, LATE),
        **each("head", LATE, lambda size: (hello()[:size], stall), [7, 30, hello().index(b"\r\n\r\n") + 3]),
        **each("body", LATE, lambda size: (hello()[:-size], stall), [1, len(BODY)]),
        **each("chunks", LATE, lambda data: (chunked(data), stall), [b"5", b"5\r", WHOLE[:30], WHOLE[:54], WHOLE[:-2]]),
        "trailers": ((chunked(WHOLE[:-2], b"X-A: b\r\n"), stall), LATE),
        "no-length": ((http(), stall), LATE),
        "after-100": ((GO_ON, stall), LATE),
        "after-103": ((HINTS, stall), LATE),
        "error": ((CUT, stall), LATE),
        "drip-head": (drip(hello(), 0.005), LATE),
        "drip-100": ((drip(GO_ON * 20, 0.005), hello()), LATE),
        "drip-body": ((http(LENGTH, body=b""), drip(BODY, 0.005)), LATE),
        "drip-chunks": ((chunked(), drip(WHOLE, 0.005)), LATE),
        "drip-trailers": ((chunked(WHOLE[:-2]), drip(b"X-A: b\r\n" * 99, 0.005)), LATE),
        "drip-error": ((CUT, drip(b" " * 99, 0.005)), LATE),
        "drip-in-time": (drip(hello(), 0.0001), "Hello!", {"timeout": 5.0}),
        "slow-in-time": ((0.02, hello()[:20], 0.02, hello()[20:]), "Hello!", {"timeout": 5.0}),
    }
)
@at_once
def test_stalls_and_drips_end_in_time(script, expected, more):
    undergo(script, expected, **{"timeout": 0.03, **more})


EVIL = says("evil")
LATER = {"late": True}
BODY_LINES = [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: x, CLOSE"]


@rows(
    {
        "reset-at-once": (b"", BROKEN, {"first": reset}),
        "end-at-once": (b"", BROKEN, {"first": drop}),
        "end": (drop, BROKEN),
        "reset": (reset, BROKEN),
        "end-in-the-head": ((hello()[:30], drop), BROKEN),
        "reset-in-the-head": ((hello()[:30], 0.01, reset), BROKEN),
        "end-in-the-body": ((hello()[:-1], drop), MALFORMED),
        "reset-in-the-body": ((hello()[:-1], 0.01, reset), BROKEN),
        "end-after": ((hello(), drop), "Hello!", LATER),
        "reset-after": ((hello(), 0.01, reset), "Hello!", LATER),
        "two-answers": (hello() + EVIL, "Hello!"),
        "two-answers-chunked": (chunked(WHOLE) + EVIL, "Hello!"),
        "one-byte-more": (hello() + b"\n", "Hello!"),
        "another-answer-later": ((hello(), 0.01, EVIL), "Hello!", LATER),
        "408-later": ((hello(), 0.01, reply(408, b"", Connection="close")), "Hello!", LATER),
        "answer-before-the-request": (hello(), "Hello!", {"first": EVIL, **LATER}),
        "408-before-the-request": (hello(), "Hello!", {"first": reply(408, Connection="close"), **LATER}),
        "answer-after-204": (http(body=EVIL, status=b"HTTP/1.1 204 No"), None, asking("delete_thread", "t")),
        "answer-after-a-head": (http(LENGTH, body=EVIL), None, asking("request", "HEAD", "/x")),
        "body-after-a-head": (hello(), None, asking("request", "HEAD", "/x")),
        "answer-after-an-error": (reply(404) + EVIL, pixigpt.NotFoundError),
        "answer-after-a-stream": (streamed(*parts("Hi")) + EVIL, "Hi", STREAM),
        "answer-after-a-stream-later": ((streamed(*parts("Hi")), 0.01, EVIL), "Hi", {**STREAM, **LATER}),
    }
)
@at_once
def test_ends_at_every_stage_and_what_nobody_asked_for(script, expected, more):
    undergo(script, expected, **more)


@pytest.mark.parametrize(
    "script",
    [
        *(pytest.param(http(line, body=b"", status=b"HTTP/1.1 204 No"), id=f"204 {line!a}") for line in BODY_LINES),
        *(pytest.param(hello(line), id=f"field {line!a}") for line in (b"X-A: b\nX-B: c", b"X-A: b,\r\n c")),
        pytest.param(hello().replace(b"\r\n", b"\n"), id="bare-lf"),
        pytest.param(hello() + b"x", id="more-than-the-length"),
        pytest.param(http(b"Content-Length: 0", body=b"x"), id="more-than-nothing"),
        pytest.param(chunked(WHOLE) + b"x", id="more-than-the-chunks"),
        pytest.param(hello(status=b"HTTP/1.0 200 OK"), id="http-1.0"),
        pytest.param(hello(b"Keep-Alive: timeout=0"), id="closed-at-once"),
        pytest.param(hello(b"Keep-Alive: timeout = 1"), id="closed-soon"),
        pytest.param(hello(b"Connection: keep-alive,\tclose"), id="close-behind-a-tab"),
        pytest.param(chunked(WHOLE[:-2], b"nonsense\r\n\r\n"), id="trailers"),
        pytest.param((http(), drop), id="until-the-end"),
    ],
)
def test_a_connection_in_doubt_is_not_kept(script):
    with Server(script) as server:
        client = server.client()
        client.delete_thread("t")
        assert ": 0 active, 0 idle, " in repr(client)


BAD_DATA = [b"nonsense", b"null", b"5", b"[]", b'"Hi"', b"{", b"NaN", b"[DONE", b"\xff", b"[" * 99_999, b"{}\ndata: 1"]
BAD_DATA += [b'{"choices": %b}' % value for value in (b'{"a": 1}', b'"x"', b"[1]", b"5", b'[{"index": NaN}]')]
BAD_INDEX = [b'"x"', b"1e999", b"[1]", b'{"a": 1}', b"1" * 5000]
BAD_DELTA = ["Hi", [1], 5, *({"tool_calls": calls} for calls in (5, [1], [None], "x", [{"index": [1]}]))]


def index_is(value):
    return streamed(*parts("Hi", finish=None), b'data: {"choices": [{"index": %b}]}\n\n' % value)


def deep(template, depth):
    return b"data: %b\n\n" % (template % (b'{"logprobs":' * depth + b"1" + b"}" * depth))


def event_stream(body, **headers):
    return reply(200, body, Content_Type="text/event-stream", **headers)


@rows(
    {
        **each("data", MALFORMED, lambda data: streamed(b"data: %b\n\n" % data, *parts("Hi")), BAD_DATA),
        **each("index", MALFORMED, index_is, BAD_INDEX),
        **each("delta", MALFORMED, lambda delta: streamed(beside(delta, "stop")), BAD_DELTA),
        "nothing": (STREAM_HEAD + LAST, MALFORMED),
        "only-done": (streamed(), None),
        "done-in-pieces": ((streamed(*parts("Hi"))[:-15], 0.005, streamed()[-15:]), "Hi"),
        "after-done": (streamed(*parts("Hi"), DONE, *parts(" no"), b"data: nonsense\n\n"), "Hi"),
        "drip": ((STREAM_HEAD, drip(framed(*parts("Hi"), DONE) + LAST, 0.0001)), "Hi"),
        "unframed": ((http(b"Content-Type: text/event-stream", body=b"data: {}\n\ndata: [DONE]\n\n"), drop), None),
        "html": (reply(200, b"<p>Sign in</p>", Content_Type="text/html"), MALFORMED),
        "204": (http(body=b"", status=b"HTTP/1.1 204 No Content"), MALFORMED),
        "gzip": (event_stream(gzip.compress(b"data: {}\n\n" * 99)), MALFORMED),
        "length-too-small": (event_stream(DONE).replace(b": 14", b": 9"), MALFORMED),
        "json-as-events": (event_stream(BODY), "Hello!"),
        "error-as-events": (event_stream(b'{"error": {"message": "no quota"}}'), APIResponseError),
        "blank-events": (streamed(b"data:\n\nevent: ping\ndata: \n\n", *parts("Hi"), b"data:  [DONE] \n\n", {"error": "no"}), "Hi"),
        "delta-null": (streamed(beside(None, "stop")), ""),
        "index-null": (streamed(part({"content": "Hi"}, "stop", index=None)), "Hi"),
        "choices-null": (streamed({"choices": None}), None),
        "odd-values": (streamed(*parts("Hi"), beside({}, [{}], logprobs=5), part(choices=[], id=5, usage=5)), "Hi"),
        "odd-content": (streamed(part({"content": 5, "role": []}), *parts("Hi")), "Hi"),
        "deep-unknown": (streamed(deep(b"%b", 600), *parts("Hi")), "Hi"),
        "deep-logprobs": (streamed(*parts("Hi"), deep(b'{"choices":[{"logprobs":%b}]}', 480)), "Hi"),
        "error": (streamed(*parts("Hi"), {"error": {"message": "no"}}), APIError),
        "error-odd": (streamed({"error": [[{}]]}), APIError),
        "error-deep": (streamed(b'data: {"error": ' + b"[" * 600 + b"]" * 600 + b"}\n\n"), APIError),
        "error-event": (streamed(b"event: error\ndata: [\ndata: 5\n\n"), APIError),
        "cut": ((STREAM_HEAD + framed(*parts("Hi", finish=None)), drop), MALFORMED),
        "cut-in-another-choice": ((STREAM_HEAD + framed(*parts("Hi"), part({"content": "a"}, index=1)) + b"9\r\ndata", drop), MALFORMED),
        "cut-in-an-event": ((STREAM_HEAD + framed(*parts("Hi"))[:-40], drop), MALFORMED),
        "reset": ((STREAM_HEAD + framed(*parts("Hi", finish=None)), 0.01, reset), BROKEN),
        "framing": (STREAM_HEAD + framed(*parts("Hi", finish=None)) + b"nonsense\r\n", MALFORMED),
        "framing-at-once": (STREAM_HEAD + b"-1\r\n", MALFORMED),
        **{
            f"json {body[:30]!a}": (reply(200, body, Content_Type="application/json"), MALFORMED)
            for body in (b"", b"nope", b"null", b"[]", b"{}", b'{"error": {"message": "no"}}', b'{"choices": [1]}')
        },
        "json-odd": (reply(200, b'{"choices": [{"index": {}, "message": {"content": "Hi"}}]}'), "Hi"),
        "json-cut": ((reply(200, BODY, Content_Type="application/json")[:-1], drop), MALFORMED),
    }
)
@at_once
def test_hostile_streams(script, expected, more):
    undergo(script, expected, **{**STREAM, **more})


# ---- a fuzzer: answers of every kind with something changed, in their values or in their bytes

JUNK_VALUES = (None, True, 0, -1, 1e999, 2**70, "", "x", "\ud800", "<think>", [], {}, [[]], {"a": {}}, [None], "[DONE]")
JUNK_BYTES = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b":", b": ", b";", b",", b" ", b"-1", b"0", LAST, b"00", b"1e9"),
    *(b"ffffffff", b"\xff", b"\xef\xbb\xbf", b"data: ", DONE, b"event: error\n", b"[[[["),
)


def places(value):
    """The containers in a JSON value, each with each of its keys."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(item)


def with_junk(random, value):
    value = json.loads(json.dumps(value))
    container, key = random.choice(list(places(value)))
    container[key] = random.choice(JUNK_VALUES)
    return value


def good_answer(random):
    """Well-formed: plain, chunked, an error, a stream, after interim ones. What is in it may be not."""
    kind, odd = random.choice("plain chunked error stream interim".split()), random.random() < 0.5
    if kind == "stream":
        tool = part({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]})
        events = random.sample([*parts("Hel", "lo!"), tool, part(choices=[], usage=COUNTED)], random.randrange(1, 6))
        return streamed(*(with_junk(random, event) if odd and random.random() < 0.5 else event for event in events))
    if kind == "error":
        error = {"error": {"message": "no", "type": "x", "code": None, "param": "p"}}
        status = random.choice((300, 400, 404, 429, 500, 503))
        return reply(status, with_junk(random, error) if odd else error, Retry_After="1", X_Request_ID="r")
    body = json.dumps(with_junk(random, COMPLETION) if odd else COMPLETION).encode()
    if kind == "chunked":
        return chunked(*map(chunk, cut_up(body, random.randrange(20, 200))), b"0\r\nX-A: b\r\n\r\n")
    return HINTS * (kind == "interim") + reply(200, body, Content_Type="application/json", Connection="keep-alive")


def mutated(random, data):
    """Bytes with a bit flipped, some cut out, put in or repeated, another end or none, a number or a line changed."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 2, 10, 1000)))
    kind = random.choice("flip cut insert repeat end splice number line".split())
    if kind == "flip" and start < end:
        return data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :]
    if kind == "number":
        start = random.choice([place for place, byte in enumerate(data) if byte in b"0123456789"] or [0])
        return data[:start] + random.choice((b"", b"-", b"0", b"9", b"99999999", b"0x", b"+", b"f")) + data[start + 1 :]
    if kind == "line":
        lines = data.split(b"\r\n")
        lines[random.randrange(len(lines))] = random.choice(lines)
        return b"\r\n".join(lines)
    middle = {"insert": random.choice(JUNK_BYTES), "repeat": data[start:end]}.get(kind, b"")
    rest = {"cut": data[end:], "end": b"", "splice": good_answer(random)[end:]}.get(kind, data[start:])
    return data[:start] + middle + rest


def fuzz_once(random, script, clients):
    """Only an APIError or a completion comes of any bytes, in time, and the pool is whole."""
    data, hasty, call = good_answer(random), random.random() < 0.01, random.choice((chat, open_stream))
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        data = mutated(random, data)
    script[:], started = [(data, stall if hasty else drop)], time.monotonic()
    try:
        answer = call(clients[hasty])
        if call is open_stream:
            "".join(itertools.islice(answer.text_stream, random.randrange(4)))
            answer = answer.get_final_completion()
        assert all(isinstance(choice["message"], dict) for choice in answer["choices"])
        json.dumps(answer)
    except APIError as error:
        assert str(error).startswith("POST /chat/completions") and SECRET not in str(error)
    assert time.monotonic() - started < 4 and ": 0 active, " in repr(clients[hasty])


def fuzz(seconds, seed=0, cases=10**9):
    """Returns the number of cases."""
    source, count, until, script = random.Random(seed), 0, time.monotonic() + seconds, []
    while count < cases and time.monotonic() < until:
        with Server(route=lambda request: script[-1]) as server:  # a new one now and then, for ports are used up
            clients = [server.client(timeout=timeout, max_retries=0) for timeout in (5, 0.03)]
            for _ in range(min(3000, cases - count)):
                count += 1
                try:
                    fuzz_once(source, script, clients)
                except Exception as error:
                    raise AssertionError(f"case {count} of seed {seed}: {script[-1][0]!r}") from error
                if time.monotonic() > until:
                    break
    return count


def test_nothing_but_answers_and_errors_comes_of_any_bytes():
    assert fuzz(60, seed=1, cases=600) == 600


def test_framing_and_events_are_the_same_however_the_bytes_are_cut():
    def body_of(pieces):
        body, data = pixigpt._Response("POST", chunked()), b""
        try:
            for number, piece in enumerate(pieces):
                data += body.feed(piece)
                if body.complete:
                    return data, body.excess or any(pieces[number + 1 :])
        except MALFORMED:
            return "malformed"
        return data

    def events_of(pieces):
        decoder = pixigpt._EventDecoder()
        return [pair for piece in pieces for pair in decoder.feed(piece)]

    source = random.Random(2)
    for _ in range(400):
        data = source.choice((WHOLE, framed(*parts("Hi"), DONE) + LAST))
        for _ in range(source.randrange(3)):
            data = mutated(source, data)
        for outcome in (body_of, events_of):
            assert outcome([data]) == outcome(cut_up(data, source.choice((1, 2, 7, 50, 200)))), data


def test_any_retry_after_is_a_number_of_seconds_or_none():
    words = "Wed, 21 Oct 2015 07:28:00 GMT -1 1.5 99999999999 , : +0000 +99999999999 feb am . 0x1 é".split()
    source = random.Random(3)
    for _ in range(3000):
        value = source.choice(("", " ", "")).join(source.choices(words, k=source.randrange(8)))
        wait = pixigpt._retry_after({"retry-after": value}, 1.7e9)
        assert wait is None or 0 <= wait < float("inf"), value


# ---- endurance: many threads, a server that misbehaves at random, and every caller gets its own answer


def misbehaving(random, token):
    """An answer that carries *token*, or a failure after which the request is repeated."""
    good, status, cut = says(token), random.choice((429, 500, 502, 503, 504)), random.randrange(1, 60)
    head, _, body = good.partition(b"\r\n\r\n")
    chunks = [*map(chunk, cut_up(body, cut)), LAST]
    return random.choice(
        [good] * 5
        + [drop, reset, (good[:cut], 0.002, reset), (good[:-cut], 0.002, reset), reply(status, Retry_After="0")]
        + [(0.005, good), (good[:cut], 0.001, good[cut:]), (drip(good[:cut], 0.0001), good[cut:]), HINTS + good]
        + [chunked(*chunks), (chunked(), *chunks), (http(body=body), drop), good + EVIL, good + b"\n", (good, drop)]
        + [good.replace(b"1.1", b"1.0", 1), head + b"\r\nKeep-Alive: timeout=1\r\n\r\n" + body]
        + [head + b"\r\nConnection: close\r\n\r\n" + body]
    )


def open_descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def endure(seconds, threads=8, seed=0):
    """Every call gets its own answer and nothing is left behind. Returns the number of calls."""
    source, lock, counts, sizes = random.Random(seed), threading.Lock(), [0] * threads, []
    gc.collect()
    before, until = (threading.active_count(), open_descriptors()), time.monotonic() + seconds

    def route(request):
        token = request.json["messages"][-1]["content"]
        with lock:
            server.requests.clear()
            server._threads[:] = [thread for thread in server._threads if thread.is_alive()]
            if not request.json.get("stream"):
                return misbehaving(source, token)
            good = streamed(*parts(token[:5], token[5:]))
            return source.choice([good, good, drop, reset, reply(503), good + EVIL, (good[: -len(LAST)], drop)])

    def caller(number):
        while time.monotonic() < until:
            token = f"{number}-{counts[number]}-{'x' * (counts[number] % 300)}"
            if counts[number] % 4:
                assert ask(client, token) == token
            elif counts[number] % 8:
                assert ask_for_stream(client, token) == token
            else:
                stream = open_stream(client, token)
                assert next(stream.text_stream) == token[:5]
                if ON_PYPY:
                    stream.close()  # or all places were held by streams that the collector has not found yet
                del stream
            counts[number] += 1

    def measure():
        collect_garbage()
        if tracemalloc:
            traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, pixigpt.__file__)])
            sizes.append(sum(trace.size for trace in traces.traces))

    if tracemalloc:
        tracemalloc.start()
    try:
        with mock.patch.object(pixigpt, "_sleep", lambda wait: time.sleep(wait / 50)), Server(route=route) as server:
            with Session(max_connections=max(1, threads // 2)) as session:
                client = server.client(timeout=60, max_retries=40, session=session)
                sampler = threading.Timer(seconds / 3, measure)
                sampler.start()
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(caller, range(threads)))
                sampler.join()
                collect_garbage()
                assert ": 0 active, " in repr(client) and ", 0 waiting" in repr(client)
            measure()
    finally:
        if tracemalloc:
            tracemalloc.stop()
    collect_garbage()
    assert not sizes or sizes[1] < sizes[0] + 100_000, sizes
    assert threading.active_count() <= before[0] and open_descriptors() <= before[1]
    return sum(counts)


def test_every_caller_gets_its_own_answer_from_a_server_that_misbehaves():
    assert endure(1) > 50


def command_line(argv):
    """Say `fuzz SECONDS [SEED]` or `endure SECONDS [THREADS]`."""
    work = {"fuzz": fuzz, "endure": endure}.get(argv[0] if argv else "")
    if work is None or not 2 <= len(argv) <= 3:
        print(command_line.__doc__, file=sys.stderr)
        return 2
    print(f"{argv[0]}: {work(float(argv[1]), *map(int, argv[2:]))} without a failure")
    return 0


# -------------------------------------------------------------------------------------------- command line


CLI_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
CLI_JSON = reply(Content_Type="application/json")
CLI_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"  # until the connection ends
CLI_DONE = b"data: [DONE]\n\n"
CLI_CONTROLS = "a\x1b[31mb\x07\r\x00\x9b2Jc\td\ne\x7f"
CLI_CONTROLS_SHOWN = "a\\x1b[31mb\\x07\\x0d\\x00\\x9b2Jc\td\ne\\x7f"
on_posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell, a pseudo-terminal or POSIX's errors")


def cli_events(*pieces, finish=None):
    """Events of a stream: texts, or whole deltas."""
    choices = [{"delta": {"content": piece} if isinstance(piece, str) else piece} for piece in pieces]
    choices += [{"delta": {}, "finish_reason": finish}] if finish else []
    return b"".join(b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, **it}]}).encode() for it in choices)


def cli_stream(*pieces):
    return CLI_STREAM_HEAD, cli_events(*pieces, finish="stop"), CLI_DONE, drop


def cli_environment(server, changes):
    """This process's without what steers Python, and with the server; a change to None takes a variable away."""
    ours = {"PYTHONPATH": os.path.dirname(os.path.abspath(pixigpt.__file__)), "TERM": "dumb"}
    if isinstance(server, sandbox.Sandbox):
        ours.update(server.environment())
    elif server is not None:
        ours.update(PIXIGPT_API_KEY=SECRET, PIXIGPT_BASE_URL=server.url)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {name: value for name, value in {**inherited, **ours, **changes}.items() if value is not None}


def cli_start(
    server, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **changes
):
    command, environment = [sys.executable, "-m", "pixigpt", *arguments], cli_environment(server, changes)
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment)


def until_it_waits():
    """A signal that comes just before a system call is seen by Python only after that call."""
    time.sleep(0.05)


def cli_end(process, stdin=None):
    """Its status, standard output and standard error."""
    with process:
        out, err = process.communicate(stdin, timeout=20)
    return process.returncode, out, err


def cli(server, *arguments, stdin=b"", **changes):
    return cli_end(cli_start(server, *arguments, stdin=subprocess.PIPE, **changes), stdin)


@pytest.fixture
def cli_here(monkeypatch):
    """The same without a process of its own: `main` itself."""

    def run(server, *arguments, stdin=b"", **changes):
        for name, value in cli_environment(server, changes).items():
            monkeypatch.setenv(name, value)
        streams = [io.TextIOWrapper(io.BytesIO(data)) for data in (stdin, b"", b"")]
        for name, stream in zip(("stdin", "stdout", "stderr"), streams):
            monkeypatch.setattr(sys, name, stream)
        status = pixigpt.main(list(arguments))
        return (status, *(stream.buffer.getvalue() for stream in streams[1:] if not stream.flush()))

    return run


# ---- what is asked


@pytest.mark.parametrize(
    "arguments, variable, expected",
    [
        pytest.param("hi", "", {}, id="nothing-else"),
        pytest.param("-s Arr hi", "", {"system": "Arr"}, id="system"),
        pytest.param("-a asst_1 hi", "", {"assistant_id": "asst_1", "system": None}, id="assistant"),
        pytest.param("hi", "asst_1", {"assistant_id": "asst_1", "system": None}, id="variable"),
        pytest.param(
            "--assistant=asst_2 --system Arr hi", "asst_1", {"assistant_id": "asst_2", "system": "Arr"}, id="both"
        ),
        pytest.param("hi -m pixi-2", "", {"model": "pixi-2"}, id="model-behind-the-prompt"),
        pytest.param("-t 0 hi", "", {"temperature": 0}, id="temperature"),
        pytest.param("--max-tokens 5 hi", "", {"max_tokens": 3000}, id="max-tokens"),
        pytest.param("--no-thinking hi --max-tokens 5", "", {"max_tokens": 5, "enable_thinking": False}, id="no-think"),
        pytest.param("--no-stream hi", "", {"stream": None}, id="no-stream"),
        pytest.param("--json hi", "", {"stream": None}, id="json"),
        pytest.param("two words -t 1", "", {"temperature": 1, "prompt": "two words"}, id="words"),
        pytest.param("-5", "", {"prompt": "-5"}, id="negative-number"),
        pytest.param("-t 1 -- -x --help", "", {"temperature": 1, "prompt": "-x --help"}, id="prompt-with-dashes"),
    ],
)
def test_options_go_into_the_request(cli_here, arguments, variable, expected):
    with Server(CLI_JSON) as server:
        status, _, err = cli_here(server, *arguments.split(), PIXIGPT_ASSISTANT_ID=variable)
    body = {"prompt": "hi", "system": CLI_SYSTEM["content"], "stream": True, **expected}
    told = [("system", body.pop("system")), ("user", body.pop("prompt"))]
    body["messages"] = [{"role": role, "content": content} for role, content in told if content]
    body = {name: value for name, value in body.items() if value is not None}
    assert (status, err, [request.json for request in server.requests]) == (0, b"", [body])


def test_prompt_is_the_input_then_the_arguments(box, cli_here):
    cases = [
        (["arg", "uments"], b"", "arg uments"),
        ([], b"  from a pipe\n", "  from a pipe"),
        (["review this"], b"diff\n+ line\n", "diff\n+ line\n\nreview this"),
        ([], b"\x00\xff\x80 bytes", "\x00\ufffd\ufffd bytes"),
        (["how long?"], "ä".encode() * 524288, "ä" * 524288 + "\n\nhow long?"),
    ]
    results = [cli_here(box, *arguments, stdin=data) for arguments, data, _ in cases[:3]]
    results += together(2, lambda number: cli(box, *cases[3 + number][0], stdin=cases[3 + number][1]))
    assert [(status, err) for status, _, err in results] == [(0, b"")] * len(cases)
    asked = [request.json["messages"][-1]["content"] for request in box.requests]
    assert sorted(asked) == sorted(prompt for *_, prompt in cases)


def test_speaks_utf8_whatever_the_locale_says(box):
    locales = [
        {"LANG": "C"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONUTF8": "0"},
    ]
    asked = ("-s", "Grüße 🎈", "zwölf", "-m", "möbel")
    results = together(3, lambda number: cli(box, *asked, stdin="né".encode(), **locales[number]))
    assert results == [(0, "You said: né\n\nzwölf\n".encode(), b"")] * 3
    for request in box.requests:
        assert (request.json["messages"][0]["content"], request.json["model"]) == ("Grüße 🎈", "möbel")


@on_posix
def test_arguments_are_utf8_whatever_the_locale_says(box):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments, environment, said in (("zwölf".encode(), plain, "zwölf"), (b"caf\xe9", {}, "caf\ufffd")):
        assert cli(box, arguments, **environment) == (0, f"You said: {said}\n".encode(), b"")


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("-t warm hi", "temperature"),
        ("-t nan hi", "temperature"),
        ("--max-tokens 1.5 hi", "max-tokens"),
        ("--timeout 0 hi", "timeout"),
        ("--base-url ftp://host hi", "base_url"),
        ("-x hi", "-x"),
        ("--temp 1 hi", "--temp"),
        ("hi -s", "-s"),
        ("", "prompt"),
        ("--json", "prompt"),
    ],
)
def test_wrong_usage_is_status_2_and_sends_nothing(cli_here, arguments, said):
    with Server(CLI_JSON) as server:
        status, out, err = cli_here(server, *arguments.split(), stdin=b" \n")
    assert (status, out, server.requests) == (2, b"", [])
    assert b"pixigpt: " in err and said in err.decode()


@pytest.mark.parametrize("key, said", [("", "PIXIGPT_API_KEY"), ("a secret", "key"), ("sécret", "key")])
def test_missing_or_broken_key_is_told_but_not_shown(cli_here, key, said):
    status, out, err = cli_here(None, "hi", PIXIGPT_API_KEY=key)
    assert (status, out) == (2, b"") and said in err.decode() and b"cret" not in err


def test_help_is_a_page_for_a_terminal_of_80_columns(cli_here):
    status, out, err = cli_here(None, "--help", PIXIGPT_API_KEY="", COLUMNS="80")
    text = out.decode()
    assert (status, err) == (0, b"") and max(map(len, text.splitlines())) < 80 and len(text.splitlines()) < 50
    assert len(re.findall(r"(?m)^  (?:[\w ]+\| )?pixigpt .*", text)) == 2  # examples
    options = "system assistant model temperature max-tokens no-thinking show-thinking no-stream json list-assistants"
    assert all(f"--{name}" in text for name in [*options.split(), "base-url", "timeout", "version", "interactive"])
    assert all(re.search(rf"(?m)^  -{letter}\b.*, --", text) for letter in "samti")
    assert cli_here(None, "--version") == (0, f"pixigpt {pixigpt.__version__}\n".encode(), b"")


# ---- what is shown


@pytest.mark.parametrize("option", ["", "--no-stream"])
def test_only_the_answer_is_on_standard_output(box, cli_here, option):
    assert cli_here(box, *option.split(), "2 + 3") == (0, b"2 + 3 = 5.\n", b"")
    status, out, err = cli_here(box, *option.split(), "--show-thinking", "2 + 3")
    assert (status, out) == (0, b"2 + 3 = 5.\n") and err.endswith(b"\nI read: 2 + 3\n")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(["<think>hm</think>\n\nYes"], id="at-once"),
        pytest.param(["\n<th", "ink>", "h", "m</thi", "nk>", "\n", "\n", "Y", "es"], id="in-pieces"),
        pytest.param([{"reasoning": "h"}, {"reasoning_content": "m"}, "Yes"], id="beside-the-text"),
    ],
)
def test_thoughts_are_not_on_standard_output_while_it_streams(cli_here, pieces):
    with Server(cli_stream(*pieces)) as server:
        assert cli_here(server, "hi") == (0, b"Yes\n", b"")
        assert cli_here(server, "hi", "--show-thinking") == (0, b"Yes\n", b"hm\n")


def test_thoughts_beside_the_delta_are_shown(cli_here):
    with Server(streamed(beside({}, reasoning_content="hm"), *parts("Yes"))) as server:
        assert cli_here(server, "hi", "--show-thinking") == (0, b"Yes\n", b"hm\n")


@pytest.mark.parametrize(
    "text, thoughts", [("<", []), ("<thin ice>", []), ("1 << 2", []), ("1 <think", []), ("<think> is a tag", ["hm"])]
)
def test_what_only_looks_like_thoughts_is_shown(cli_here, text, thoughts):
    with Server(cli_stream(*({"reasoning_content": thought} for thought in thoughts), *text)) as server:
        assert cli_here(server, "hi") == (0, text.encode() + b"\n", b"")


@pytest.mark.parametrize("end", ["", "\n"])
def test_piped_text_is_byte_for_byte_and_ends_a_line(cli_here, end):
    whole = {**COMPLETION, "choices": [{"index": 0, "message": {"role": "assistant", "content": CLI_CONTROLS}}]}
    with Server(cli_stream(*CLI_CONTROLS, end), reply(body=whole)) as server:
        assert cli_here(server, "hi") == (0, CLI_CONTROLS.encode() + b"\n", b"")
        assert cli_here(server, "--no-stream", "hi") == (0, CLI_CONTROLS.encode() + b"\n", b"")


def test_text_that_utf8_cannot_hold_is_replaced(cli_here):
    with Server(cli_stream("a\ud800b")) as server:
        assert cli_here(server, "-i", stdin=b"\xff\n") == (0, b"a?b\n", b"")
    assert server.requests[0].json["messages"][-1]["content"] == "\ufffd"


def test_json_is_the_whole_response(cli_here):
    body = {**COMPLETION, "more": ["ü", CLI_CONTROLS, None], "system_fingerprint": None}
    with Server(reply(body=body)) as server:
        status, out, err = cli_here(server, "--json", "hi")
    assert (status, err, json.loads(out)) == (0, b"", body) and "ü".encode() in out


def test_server_that_cannot_stream(cli_here):
    with Server(CLI_JSON) as server:
        assert cli_here(server, "hi") == (0, b"Hello!\n", b"")
    assert [request.json.get("stream") for request in server.requests] == [True]


def test_list_assistants_has_a_line_for_each(cli_here):
    assistants = [{"id": "asst_1", "name": "Pixi"}, {"id": "asst_2", "name": "a\nb\tc "}, {"id": "asst_3"}]
    with Server(reply(body={"data": assistants})) as server:
        expected = b"asst_1\tPixi\nasst_2\ta b c\nasst_3\t\n"
        assert cli_here(server, "--list-assistants") == (0, expected, b"")
        assert json.loads(cli_here(server, "--list-assistants", "--json")[1]) == assistants
    assert [(request.method, request.path) for request in server.requests] == [("GET", "/assistants")] * 2


def test_interactive_takes_each_line_of_a_pipe_as_a_turn(cli_here):
    with Server(cli_stream("1"), cli_stream("2"), cli_stream("3")) as server:
        assert cli_here(server, "-i", "zero", stdin=b"one\r\n\n  \ntwo") == (0, b"1\n2\n3\n", b"")
    contents = [message["content"] for message in server.requests[-1].json["messages"]]
    assert contents == [CLI_SYSTEM["content"], "zero", "1", "one", "2", "two"]


def test_text_appears_before_the_rest_has_been_sent():
    read = threading.Event()
    rest = cli_events("two", finish="stop")
    with Server((CLI_STREAM_HEAD, cli_events("one"), lambda _: read.wait(10), rest, drop)) as server:
        process = cli_start(server, "hi")
        assert os.read(process.stdout.fileno(), 100) == b"one"
        read.set()
        assert cli_end(process) == (0, b"two\n", b"")


@on_posix
def test_ctrl_c_ends_a_piped_chat():
    with Server(stall) as server:
        process = cli_start(server, "-i", stdin=subprocess.PIPE)
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        until(lambda: server.requests)
        until_it_waits()
        process.send_signal(signal.SIGINT)
        assert cli_end(process)[:2] == (130, b"")
    assert len(server.requests) == 1


# ---- what goes wrong


@pytest.mark.parametrize(
    "answer, said",
    [
        pytest.param(reply(401, {"error": {"message": f"no {SECRET}\n\nhere"}}), "no *** here", id="api-error"),
        pytest.param(reply(404, b"<html>\r\n<b>\nnothing</b>"), "404", id="html"),
        pytest.param((CLI_STREAM_HEAD, cli_events("Hel"), drop), "ended", id="breaks-off"),
        pytest.param((CLI_STREAM_HEAD, cli_events("Hel"), b'data: {"error": "no\\nmore"}\n\n'), "no more", id="late"),
        pytest.param(stall, "0.2 s", id="too-slow"),
        # What a server must not send is an error or no answer, but neither a traceback nor the user's fault.
        pytest.param(cli_stream({"content": 5}), "", id="text-is-no-text"),
        pytest.param((CLI_STREAM_HEAD, CLI_DONE, drop), "", id="no-event"),
        pytest.param(reply(body={**COMPLETION, "choices": []}), "", id="no-choice"),
        pytest.param(reply(body={**COMPLETION, "choices": [{"message": {}}]}), "", id="no-content"),
    ],
)
def test_error_of_the_api_is_status_1_and_one_line(cli_here, answer, said):
    with Server(answer) as server:
        for option in [[], ["--no-stream"]] if not said else [[]]:
            status, out, err = cli_here(server, *option, "--timeout", "0.2", "hi")
            assert status == 1 if said else status in (0, 1)
            assert out.strip() in (b"", b"Hel") and said in err.decode() and SECRET not in err.decode()
            assert err.count(b"\n") == status and err.startswith(b"pixigpt: " * status)


def test_failed_turn_of_a_piped_chat_is_left_out_and_told_at_the_end(cli_here):
    nothing = (CLI_STREAM_HEAD, b'data: {"choices": []}\n\n', CLI_DONE, drop)
    with Server(reply(401), nothing, cli_stream("3")) as server:
        status, out, err = cli_here(server, "-i", stdin=b"one\ntwo\nthree\n")
    assert (status, out) == (1, b"3\n") and re.match(rb"pixigpt: .*401.*\n", err)
    messages = server.requests[-1].json["messages"]
    assert "one" not in [message["content"] for message in messages] and messages[-1]["content"] == "three"


def cli_into(target, box):
    """Commands whose standard output goes there, all at once; their statuses and standard errors."""
    commands = [["--help"], ["hi"], ["--list-assistants"]]
    processes = [cli_start(box, *arguments, stdout=target) for arguments in commands]
    return [(status, err) for status, _, err in map(cli_end, processes)]


@on_posix
def test_closed_pipe_ends_quietly(box):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert cli_into(writer, box) == [(0, b"")] * 3
    finally:
        os.close(writer)


@on_posix
def test_reader_that_leaves_in_the_middle_ends_the_answer():
    with Server((CLI_STREAM_HEAD, cli_events("first"), drip(cli_events("more") * 100, 0.001), stall)) as server:
        process = cli_start(server, "hi")
        assert os.read(process.stdout.fileno(), 1) == b"f"
        process.stdout.close()
        with process:
            assert (process.stderr.read(), process.wait(timeout=20)) == (b"", 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_one_line(box):
    with open("/dev/full", "wb") as full:
        for status, err in cli_into(full, box):
            assert status == 1 and err.startswith(b"pixigpt: ") and err.count(b"\n") == 1 and b"No space" in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_the_status_is_told_where_standard_error_cannot_be():
    with Server(reply(400), CLI_JSON) as server, open("/dev/full", "wb") as full:
        statuses = [
            cli_end(cli_start(server, *arguments, stderr=full, **environment))[0]
            for arguments, environment in (
                (["hi"], {}), (["hi"], {}), (["hi"], {"PIXIGPT_API_KEY": ""}),
            )
        ]  # fmt: skip
    assert statuses == [1, 0, 2]


def test_main_can_be_called_where_standard_input_has_been_read(box):
    program = "import sys, pixigpt; sys.stdin.readline(); sys.exit(pixigpt.main(['--no-stream']))"
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"first\nsecond\n", capture_output=True, timeout=20,
        env=cli_environment(box, {}),
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"You said: second\n", b"")


def test_a_byte_order_mark_is_no_text(cli_here):
    with Server(CLI_JSON) as server:
        assert cli_here(server, "--no-stream", stdin=b"\xef\xbb\xbfhi")[0] == 0
        assert cli_here(server, "--no-stream", stdin=b"\xef\xbb\xbf")[0] == 2
    assert [request.json["messages"][-1]["content"] for request in server.requests] == ["hi"]


def test_a_chat_goes_on_after_a_character_in_two_halves(cli_here):
    with Server(cli_stream("\ud83d", "\ude00"), cli_stream("two")) as server:
        assert cli_here(server, "-i", stdin=b"a\nb\n")[0] == 0
    assert server.requests[1].json["messages"][-2]["content"] == "\U0001f600"


def test_closed_standard_streams(box):
    def run(number):
        redirected = ["hi <&-", "-i hi <&-", "hi 2>&- </dev/null", "hi >&- </dev/null"][number]
        command = ["sh", "-c", f'exec "$0" -m pixigpt {redirected}', sys.executable]
        return subprocess.run(command, capture_output=True, timeout=20, env=cli_environment(box, {"HOME": None}))

    *answered, nowhere = together(4, run)
    assert [(done.returncode, done.stdout, done.stderr) for done in answered] == [(0, b"You said: hi\n", b"")] * 3
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr) == (0, b"", b"")


# ---- on a terminal


class CliTerminal:
    """The command line in a terminal of 300 columns; *streams* go elsewhere, as stdout=PIPE."""

    # It must be the controlling terminal, and Ctrl-C must not be ignored as it is in the background of a shell.
    CODE = (
        "import fcntl, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import pixigpt; sys.exit(pixigpt.main())"
    )

    def __init__(self, server, *arguments, **streams):
        import fcntl
        import pty
        import termios

        self.keyboard, slave = pty.openpty()
        self.written = b""
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 300, 0, 0))
        streams = {"stdin": slave, "stdout": slave, "stderr": slave, **streams}
        command, environment = [sys.executable, "-c", self.CODE, *arguments], cli_environment(server, {"HOME": None})
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.process.kill()
        self.process.communicate()
        os.close(self.keyboard)

    @property
    def lines(self):
        """What stands on the screen."""
        lines, column = [""], 0
        for character in re.sub(r"\x1b\[[?\d;]*\w|\x07", "", self.written.decode("utf-8", "replace")):
            if character == "\n":
                lines.append("")
            elif character in "\r\b":
                column = 0 if character == "\r" else column - 1
            else:
                lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
                column += 1
        return [line.rstrip() for line in lines]

    def wait_for(self, condition):
        while not condition(self.lines):
            assert self._read(), self.lines

    def type(self, text, then=lambda lines: lines[-1] == ">"):
        """Types, and waits for what is to come of it: the next prompt."""
        if not self.written:
            self.wait_for(lambda lines: lines[-1] == ">")
        before = len(self.written)
        time.sleep(0.05)  # Ctrl-C just before input() waits is only seen at the next key, and unread keys are lost
        os.write(self.keyboard, text.encode())
        self.wait_for(lambda lines: len(self.written) >= before + len(text) and then(lines))

    def end(self, text=""):
        """Its status, and what then stands on the screen: some readlines end the line of a Ctrl-D themselves."""
        os.write(self.keyboard, text.encode())
        while self._read():
            pass
        lines = self.lines
        while lines[-2:] == ["", ""]:
            lines.pop()
        return self.process.wait(timeout=10), lines

    def _read(self):
        assert select.select([self.keyboard], [], [], 10)[0], f"nothing more comes: {self.lines}"
        try:
            data = os.read(self.keyboard, 65536)
        except OSError:  # what Linux calls the end
            data = b""
        self.written += data
        return data


@on_posix
@pytest.mark.parametrize("piped", [False, True])
def test_sign_of_life_until_text_comes(piped):
    seen, pieces = threading.Event(), [{"reasoning_content": "hm"}, "Hel\n", {"reasoning_content": "hm"}, "lo", "!"]
    answer, streams = (lambda _: seen.wait(10), cli_stream(*pieces)), {"stdout": subprocess.PIPE} if piped else {}
    with Server(answer) as server, CliTerminal(server, "hi", **streams) as terminal:
        terminal.wait_for(lambda lines: lines[-1])
        seen.set()
        assert terminal.end() == (0, [""] if piped else ["Hel", "lo!", ""])
        assert b"\r" not in terminal.written.partition(b"Hel")[2].replace(b"\r\n", b"")
        assert not piped or terminal.process.stdout.read() == b"Hel\nlo!\n"


@on_posix
def test_no_text_drives_the_terminal_and_thoughts_have_their_own_lines():
    answers = cli_stream({"reasoning_content": CLI_CONTROLS}, *CLI_CONTROLS), reply(400, {"error": CLI_CONTROLS})
    with Server(*answers) as server, CliTerminal(server, "-i", "--show-thinking", "hi") as terminal:
        terminal.type("more\n")
        status, lines = terminal.end("\x04")
        written = re.sub(r"\x1b\[\?2004[hl]\r?", "", terminal.written.decode())  # readline has pasted text marked
        shown = re.sub(r".*\r", "", written.replace("\r\n", "\n"))
        assert status == 0 and shown.startswith(f"{CLI_CONTROLS_SHOWN}\n" * 2 + "> more\n")
        assert not re.search("[\x00-\x06\x0b-\x1f\x7f-\x9f]", shown)
        assert lines[-3].startswith("pixigpt: POST ") and r"a\x1b[31mb\x07" in lines[-3]


@on_posix
def test_chat_keeps_its_history_until_ctrl_d(box):
    with CliTerminal(box) as terminal:
        for line in ("My name is Ada.\n", "\n", "What is my name?\n"):
            terminal.type(line)
        status, lines = terminal.end("\x04")
        answers = ["I will remember that your name is Ada.", "Your name is Ada. (I remember 2 earlier messages.)"]
        assert (status, lines) == (0, ["> My name is Ada.", answers[0], ">", "> What is my name?", answers[1], ">", ""])
    told = [(message["role"], message["content"]) for message in box.requests[-1].json["messages"]]
    assert told == [("user", "My name is Ada."), ("assistant", answers[0]), ("user", "What is my name?")]


@on_posix
def test_chat_goes_on_without_a_turn_that_failed_or_was_stopped():
    begun = CLI_STREAM_HEAD, cli_events("Hel")
    answers = (*begun, stall), reply(401), (*begun, drop), cli_stream("Hello!")
    with Server(*answers) as server, CliTerminal(server) as terminal:
        terminal.type("one\n", lambda lines: lines[-1] == "Hel")
        until_it_waits()
        terminal.type("\x03")
        terminal.type("half", lambda lines: lines[-1] == "> half")
        for text in ("\x03", "two\n", "three\n", "four\n"):
            terminal.type(text)
        status, lines = terminal.end("\x04")
    lines = [re.sub(r"(?<=pixigpt:) POST.*|\^C", "", line) for line in lines]
    said = ["> two", "pixigpt:", "> three", "Hel", "pixigpt:", "> four", "Hello!", ">", ""]
    assert (status, lines) == (0, ["> one", "Hel", "> half", *said])
    assert server.requests[-1].json["messages"] == [CLI_SYSTEM, {"role": "user", "content": "four"}]


@on_posix
def test_first_turn_of_a_chat_can_be_stopped_as_any_other():
    with Server((CLI_STREAM_HEAD, cli_events("Hel"), stall), cli_stream("Hello!")) as server:
        with CliTerminal(server, "-i", "one") as terminal:
            terminal.wait_for(lambda lines: lines[-1] == "Hel")
            until_it_waits()
            os.write(terminal.keyboard, b"\x03")
            terminal.wait_for(lambda lines: lines[-1] == ">")
            terminal.type("two\n")
            assert terminal.end("\x04")[0] == 0
    assert server.requests[-1].json["messages"] == [CLI_SYSTEM, {"role": "user", "content": "two"}]


@on_posix
def test_pasted_lines_are_one_message(box):
    readline = pytest.importorskip("readline")
    if ON_PYPY or "GNU" not in readline.__doc__:
        pytest.skip("only GNU readline knows where a paste ends")
    with CliTerminal(box) as terminal:
        terminal.type("\x1b[200~one\r\ttwo\x1b[201~\r")  # what a terminal sends for a paste, and Enter
        terminal.type("three\n")
        assert terminal.end("\x04")[0] == 0
    said = [message["content"] for message in box.requests[-1].json["messages"] if message["role"] == "user"]
    assert said == ["one\n\ttwo", "three"]


@on_posix
def test_pipe_gets_only_the_answers_of_a_chat(box):
    with CliTerminal(box, stdout=subprocess.PIPE) as terminal:
        terminal.type("one\n")
        terminal.type("three\n")
        status, lines = terminal.end("\x04")
        assert terminal.process.stdout.read().startswith(b"You said: one\nYou said: three")
    assert (status, lines[0], lines[-3:]) == (0, "> one", ["> three", ">", ""])


@on_posix
@pytest.mark.parametrize("answer", [stall, (CLI_STREAM_HEAD, cli_events("Hel"), stall)], ids=["waiting", "streaming"])
def test_ctrl_c_is_status_130_without_a_traceback(answer):
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Server(answer) as server, CliTerminal(server, "hi", **piped) as terminal:
        until(lambda: server.requests)
        if answer is not stall:
            assert os.read(terminal.process.stdout.fileno(), 3) == b"Hel"
        until_it_waits()
        os.write(terminal.keyboard, b"\x03")
        out, err = terminal.process.communicate(timeout=20)
        assert (terminal.process.returncode, out, err.strip()) == (130, b"", b"")


# --------------------------------------------------------------------------------------- tools and asyncio


def table(names, rows):
    """A test for each row, named by its key."""
    return pytest.mark.parametrize(names, [pytest.param(*row, id=name) for name, row in rows.items()])


def in_a_loop(test):
    """A coroutine function as a test."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 8))

    return run


def connected(kind, server, timeout=10, **options):
    """A client of a Server or a Sandbox."""
    return kind(getattr(server, "api_key", SECRET), getattr(server, "base_url", None) or server.url, timeout, **options)


def run_in_sync(server, *request, **fields):
    """run_tools to its end: the answers."""
    with connected(Client, server) as client:
        return list(client.run_tools(*request, **fields))


def run_in_asyncio(server, *request, session=None, **fields):
    async def main():
        async with connected(AsyncClient, server, session=session) as client:
            return [response async for response in client.run_tools(*request, **fields)]

    return asyncio.run(asyncio.wait_for(main(), 5))


both_run_tools = pytest.mark.parametrize("run", [run_in_sync, run_in_asyncio], ids=["sync", "asyncio"])


def tool_call(name="take", arguments="{}", id="call_1"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls, **choice):
    """An answer in which the model calls tools."""
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return reply(200, {**COMPLETION, "choices": [{"message": message, "finish_reason": "tool_calls", **choice}]})


def told(function, *calls, run=run_in_sync):
    """What the model gets back for its calls, all in one round, as it came over the wire."""
    with Server(calling(*calls), reply()) as server:
        run(server, messages=[{"role": "user", "content": "Do it."}], tools=[function])
    _, asked, *results = server.requests[-1].json["messages"]
    assert asked["tool_calls"] == [*calls] and all(result["role"] == "tool" for result in results)
    return [result["content"] for result in results]


def error_in(text):
    ((key, error),) = json.loads(text).items()
    assert key == "error"
    return error


# ---- what a model is told of a function, and what its JSON becomes


class ToolColor(enum.Enum):
    RED = "red"
    BLUE = "blue"


class ToolLevel(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class ToolPoint:
    x: float
    y: "Optional[float]" = 0.0


@dataclasses.dataclass
class ToolLine(ToolPoint):
    """A line.

    Attributes:
        to: Where it ends.
    """

    to: "Optional[ToolPoint]" = None
    tags: list[str] = dataclasses.field(default_factory=list)
    length: float = dataclasses.field(init=False, default=1.0)


@dataclasses.dataclass
class ToolTree:
    children: "list[ToolTree]"


class ToolCity(TypedDict):
    name: str


class ToolPlace(ToolCity, total=False):
    code: "Optional[int]"
    at: ToolPoint


class ToolTrip(TypedDict):
    places: list[ToolPlace]


ToolId = NewType("ToolId", NewType("ToolNumber", int))
STRING, INTEGER, NUMBER, NULL = ({"type": kind} for kind in ("string", "integer", "number", "null"))
NO_INTEGER = {"anyOf": [INTEGER, NULL]}


def array(items):
    return {"type": "array", "items": items}


def mapping(items):
    return {"type": "object", "additionalProperties": items}


@dataclasses.dataclass
class ToolBox:
    size: int
    unit: dataclasses.InitVar[str]
    note: dataclasses.InitVar[str] = ""

    def __post_init__(self, unit, note):
        self.text = f"{self.size} {unit}"


@dataclasses.dataclass
class ToolEven:
    x: int

    def __post_init__(self):
        if self.x % 2:
            raise ArithmeticError("odd")


def members(*required, **properties):
    return {"type": "object", "properties": properties, **({"required": [*required]} if required else {})}


POINT = members("x", x=NUMBER, y={"anyOf": [NUMBER, NULL]})
LINE_END = {"description": "Where it ends.", "anyOf": [POINT, NULL]}
LINE = members("x", **POINT["properties"], to=LINE_END, tags=array(STRING))
PLACE = members("name", name=STRING, code=NO_INTEGER, at=POINT)
TOOL_TYPES = {  # hint, schema, JSON that fits and what becomes of it, JSON that does not and what is said
    "str": (str, STRING, {'"3"': "3", '""': ""}, {"3": "'x' must be a text, not 3", "null": "'x' must be a text, not null"}),
    "int": (int, INTEGER, {"3": 3, "3.0": 3, "1e3": 1000}, {'"3"': "'x' must be a whole number, not \"3\"", "3.5": "'x' must be a whole number, not 3.5", "true": "'x' must be a whole number, not true", "1e999": "'x' must be a whole number, not Infinity"}),
    "float": (float, NUMBER, {"3": 3.0, "0.5": 0.5}, {'"1"': "'x' must be a number, not \"1\"", "false": "'x' must be a number, not false"}),
    "bool": (bool, {"type": "boolean"}, {"true": True, "false": False}, {"1": "'x' must be true or false, not 1"}),
    "none": (None, NULL, {"null": None}, {"0": "'x' must be null, not 0"}),
    "any": (Any, {}, {"null": None, '[1, "a"]': [1, "a"]}, {}),
    "list": (list, {"type": "array"}, {'[1, "a"]': [1, "a"]}, {"{}": "'x' must be a list, not {}"}),
    "dict": (dict, {"type": "object"}, {'{"a": [1]}': {"a": [1]}}, {"[]": "'x' must be an object, not []"}),
    "list-of": (list[list[int]], array(array(INTEGER)), {"[]": [], "[[1, 2.0], []]": [[1, 2], []]}, {'[[1], [2, "a"]]': "'x'[1][1] must be a whole number, not \"a\"", "1": "'x' must be a list, not 1"}),
    "dict-of": (dict[str, float], mapping(NUMBER), {'{"a": 1}': {"a": 1.0}}, {'{"a": {}}': "'x'['a'] must be a number, not {}"}),
    "abstract": (Mapping[str, Sequence[Iterable[str]]], mapping(array(array(STRING))), {'{"a": [["b"]]}': {"a": [["b"]]}}, {}),
    "old-names": (typing.List[typing.Dict[str, int]], array(mapping(INTEGER)), {'[{"a": 1}]': [{"a": 1}]}, {}),  # noqa: UP006
    "literal": (Literal["a", "b"], {**STRING, "enum": ["a", "b"]}, {'"a"': "a"}, {'"c"': '\'x\' must be one of ["a", "b"], not "c"', "1": '\'x\' must be one of ["a", "b"], not 1'}),
    "literals-of-all-kinds": (Literal[1, "a", None], {"enum": [1, "a", None]}, {"1.0": 1, '"a"': "a", "null": None}, {"true": "'x' must be one of [1, \"a\", null], not true"}),
    "optional": (Optional[int], NO_INTEGER, {"1.0": 1, "null": None}, {'"a"': "'x' must be a whole number, not \"a\"; or 'x' must be null, not \"a\""}),
    "union": (Union[int, str, list[int]], {"anyOf": [INTEGER, STRING, array(INTEGER)]}, {"1": 1, '"1"': "1", "[1]": [1]}, {}),
    "optional-in-a-text": ("dict[str, Optional[int]]", mapping(NO_INTEGER), {'{"a": null}': {"a": None}}, {}),
    "class-by-name": ("ToolPoint", POINT, {'{"x": 1}': ToolPoint(1.0)}, {}),
    "enum": (ToolColor, {**STRING, "enum": ["red", "blue"]}, {'"red"': ToolColor.RED}, {'"RED"': '\'x\' must be one of ["red", "blue"], not "RED"'}),
    "enum-of-integers": (ToolLevel, {**INTEGER, "enum": [1, 2]}, {"2": ToolLevel.HIGH, "1.0": ToolLevel.LOW}, {"3": "'x' must be one of [1, 2], not 3"}),
    "dataclass": (ToolPoint, POINT, {'{"x": 1, "y": null}': ToolPoint(1.0, None), '{"x": 2}': ToolPoint(2.0)}, {"{}": "'x': 'x' is missing; they are: x, y", '{"x": "a"}': "'x'['x'] must be a number, not \"a\"", '{"x": 1, "z": 2}': "'x': 'z' is unknown; they are: x, y", "[1]": "'x' must be an object, not [1]"}),
    "dataclass-nested": (ToolLine, LINE, {'{"x": 1, "to": {"x": 2}, "tags": ["a"]}': ToolLine(1.0, 0.0, ToolPoint(2.0), ["a"]), '{"x": 1}': ToolLine(1.0)}, {}),
    "typeddict": (ToolPlace, PLACE, {'{"name": "a"}': {"name": "a"}, '{"name": "a", "code": 1.0}': {"name": "a", "code": 1}}, {'{"code": 1, "at": {}}': "'x': 'name' is missing; they are: name, code, at"}),
    "typeddict-nested": (ToolTrip, members("places", places=array(PLACE)), {'{"places": [{"name": "a", "at": {"x": 1}}]}': {"places": [{"name": "a", "at": ToolPoint(1.0)}]}}, {'{"places": [{"name": 1}]}': "'x'['places'][0]['name'] must be a text, not 1"}),
    "list-of-typeddicts": (list[ToolPlace], array(PLACE), {"[]": []}, {'[{"name": 1}]': "'x'[0]['name'] must be a text, not 1", '[{}]': "'x'[0]: 'name' is missing; they are: name, code, at"}),
    "annotated": (Annotated[int, 5, "How many."], {"description": "How many.", **INTEGER}, {"1": 1}, {}),
    "annotated-inside": (list[Annotated[str, "A name."]], array({"description": "A name.", **STRING}), {'["a"]': ["a"]}, {}),
    "dataclass-with-an-argument-that-is-no-field": (ToolBox, members("size", "unit", size=INTEGER, unit=STRING, note=STRING), {'{"size": 1, "unit": "cm"}': ToolBox(1, "cm")}, {'{"size": 1}': "'x': 'unit' is missing; they are: size, unit, note"}),
    "union-of-classes": (Union[ToolEven, ToolPoint], {"anyOf": [members("x", x=INTEGER), POINT]}, {'{"x": 2}': ToolEven(2), '{"x": 3}': ToolPoint(3.0)}, {}),
    "bare": (typing.List, {"type": "array"}, {"[1]": [1]}, {}),  # noqa: UP006
    "newtype": (list[ToolId], array(INTEGER), {"[1.0]": [1]}, {}),
}  # fmt: skip
if sys.version_info >= (3, 10):
    TOOL_TYPES["bar"] = int | None, NO_INTEGER, {"1": 1, "null": None}, {}
    TOOL_TYPES["bars"] = "int | None | list[str]", {"anyOf": [INTEGER, NULL, array(STRING)]}, {"null": None, "[]": []}, {}
if sys.version_info >= (3, 11):

    class ToolParts(TypedDict):  # texts, as where `annotations` comes from __future__: __required_keys__ has them
        a: int
        b: "typing.NotRequired[str]"
        c: "Annotated[typing.NotRequired[int], 'The c.']"

    class ToolSomeParts(TypedDict, total=False):
        a: "typing.Required[int]"
        b: str

    TOOL_TYPES["notrequired"] = (
        ToolParts, members("a", a=INTEGER, b=STRING, c={"description": "The c.", **INTEGER}), {'{"a": 1}': {"a": 1}}, {}
    )
    TOOL_TYPES["required"] = ToolSomeParts, members("a", a=INTEGER, b=STRING), {'{"a": 1}': {"a": 1}}, {}


def taking(hint, taken=None, **default):
    def take(x):
        taken.append(x)

    take.__annotations__["x"], take.__defaults__ = hint, tuple(default.values())
    return take


@table("hint, schema, good, bad", TOOL_TYPES)
def test_a_type_hint_is_a_schema_and_what_json_becomes(hint, schema, good, bad):
    taken, tool = [], {"name": "take", "parameters": members("x", x=schema)}
    assert function_tool(taking(hint)) == {"type": "function", "function": tool}
    results = told(taking(hint, taken), *[tool_call(arguments=f'{{"x": {text}}}') for text in [*good, *bad]])
    assert list(map(repr, taken)) == list(map(repr, good.values()))  # repr tells 1 from 1.0 and True
    assert [error_in(text) for text in results[len(good) :]] == list(bad.values())


def test_a_typeddict_may_build_on_one_of_another_module(monkeypatch):
    other = types.ModuleType("tool_shapes")
    monkeypatch.setitem(sys.modules, other.__name__, other)
    lines = (
        "from __future__ import annotations",
        "import typing",
        "Name = str",
        "class Base(typing.TypedDict):",
        " name: Name",
    )
    exec("\n".join(lines), vars(other))

    class Person(other.Base):
        age: int

    assert function_tool(taking(Person))["function"]["parameters"]["properties"]["x"] == members(
        "name", "age", name=STRING, age=INTEGER
    )


@table("hint, default", {
    "none": (Optional[int], None),
    "falsy": (str, ""),
    "enum": (ToolColor, ToolColor.RED),
    "dataclass": (ToolPoint, ToolPoint(1.0)),
    "object": (Any, object()),
    "infinite": (float, float("inf")),
})  # fmt: skip
def test_what_has_a_default_may_be_left_out(hint, default):
    taken = []
    assert "required" not in function_tool(taking(hint, x=default))["function"]["parameters"]
    assert told(taking(hint, taken, x=default), tool_call(arguments="")) == ["null"] and taken == [default]


def tool_nothing(): ...


def tool_plain(city: str) -> str:
    return f"plain {city}"


def tool_two(city: str, *, unit: str) -> "NoSuchType":  # noqa: F821  # what it returns is not described
    """Asks."""
    return f"{unit} {city}"


@functools.wraps(tool_plain)
def tool_wrapped(*args, **kwargs):
    return "wrapped " + tool_plain(*args, **kwargs)


class ToolMethods:
    """Asks."""

    def __init__(self):
        self.func = print  # as functools.partial has

    def __call__(self, city: str) -> str:
        return f"called {city}"

    def bound(self, city: str) -> str:
        return f"bound {city}"

    @classmethod
    def of_class(cls, city: str) -> str:
        return f"{cls.__name__} {city}"

    @staticmethod
    def static(city: str) -> str:
        return f"static {city}"


class ToolMade:
    """Made."""

    def __init__(self, city: "str"):
        self.city = city

    async def __call__(self): ...

    def __str__(self):
        return f"made in {self.city}"


@table("function, name, description, result", {
    "function": (tool_plain, "tool_plain", None, "plain Paris"),
    "bound-method": (ToolMethods().bound, "bound", None, "bound Paris"),
    "class-method": (ToolMethods.of_class, "of_class", None, "ToolMethods Paris"),
    "static-method": (ToolMethods.static, "static", None, "static Paris"),
    "object": (ToolMethods(), "ToolMethods", "Asks.", "called Paris"),
    "partial": (functools.partial(tool_two, unit="K"), "tool_two", "Asks.", "K Paris"),
    "partial-of-a-method": (functools.partial(ToolMethods().bound), "bound", None, "bound Paris"),
    "partial-of-an-object": (functools.partial(ToolMethods()), "ToolMethods", "Asks.", "called Paris"),
    "class": (ToolMade, "ToolMade", "Made.", "made in Paris"),
    "wrapped": (tool_wrapped, "tool_plain", None, "wrapped plain Paris"),
    "cached": (functools.lru_cache(None)(tool_plain), "tool_plain", None, "plain Paris"),
})  # fmt: skip
def test_all_kinds_of_callables_are_tools(function, name, description, result):
    tool = function_tool(function)["function"]
    assert (tool["name"], tool.get("description")) == (name, description)
    bound = {"unit": STRING} if name == "tool_two" else {}  # the model can still change it
    assert tool["parameters"] == members("city", city=STRING, **bound)
    assert told(function, tool_call(name, '{"city": "Paris"}'))[0].strip('"') == result


def test_parameters_keep_their_order_and_those_without_a_default_are_required():
    def take(b: int, a: str = "", *, d: bool, c: Optional[float] = None): ...

    parameters = function_tool(take)["function"]["parameters"]
    assert list(parameters["properties"]) == ["b", "a", "d", "c"] and parameters["required"] == ["b", "d"]
    assert function_tool(tool_nothing)["function"] == {"name": "tool_nothing", "parameters": members()}


@table("text, description, of_parameters", {
    "none": (None, None, {}),
    "only-a-description": ("Moves.\n\n    Far, and x: on.", "Moves.\n\nFar, and x: on.", {}),
    "google": ("Moves\n    it.\n\n    Args:\n        x (int, optional): The x,\n            on\n            two: lines.\n\n        y (dict(str, int)): The y: a number.\n        *z: No.\n\n    Returns:\n        x: Not this.\n\n    Raises:\n        ValueError: y: Nor this.", "Moves\nit.", {"x": "The x, on two: lines.", "y": "The y: a number."}),
    "google-arguments": ("Arguments:\n        x: The x.\n\n    Example:\n        y: No.\n    ", None, {"x": "The x."}),
    "google-other-section": ("Moves.\n\n    Args:\n        x: The x.\n\n    Warning:\n        y: Hot.\n    ", "Moves.", {"x": "The x."}),
    "google-then-prose": ("Moves.\n\n    Args:\n        x: The x.\n\n    Mind the\n    y: gap.\n    ", "Moves.", {"x": "The x."}),
    "numpy": ("Moves.\n\n    On.\n\n    Parameters\n    ----------\n    x : int, optional\n        The x,\n        longer.\n\n        Even: longer.\n    y\n        The y.\n\n    Returns\n    -------\n    x : int\n        Not this.\n\n    See Also\n    --------\n    y : Nor this.", "Moves.\n\nOn.", {"x": "The x, longer. Even: longer.", "y": "The y."}),
    "numpy-names-together": ("Parameters\n    ----------\n    x, y : int\n        Both.", None, {"x": "Both.", "y": "Both."}),
    "sphinx": ("Moves.\n\n    :param x: The x,\n        on two lines.\n    :type x: int\n    :param dict[str, int] y: The y.\n    :returns: x: Not this.\n    :raises ValueError: Nor this.", "Moves.", {"x": "The x, on two lines.", "y": "The y."}),
    "google-keywords": ("Moves.\n\n    Args: \n        x: The x.\n\n    Keyword Args:\n        y: The y.\n    ", "Moves.", {"x": "The x.", "y": "The y."}),
    "google-only-keywords": ("Moves.\n\n    Keyword Arguments:\n        y: The y.\n    ", "Moves.", {"y": "The y."}),
    "numpy-other": ("Moves.\n\n    Parameters\n    ---------- \n    x : int\n        The x.\n\n    Other Parameters\n    ----------------\n    y : int\n        The y.", "Moves.", {"x": "The x.", "y": "The y."}),
    "sphinx-keywords": ("Moves.\n\n    :key x: The x.\n    :keyword int y: The y.", "Moves.", {"x": "The x.", "y": "The y."}),
    "sphinx-then-prose": ("Moves.\n\n    :param x: The x.\n\n    Mind the gap.", "Moves.", {"x": "The x."}),
    "prose-with-a-list": ("Moves.\n\n    Ways are:\n        far, near", "Moves.\n\nWays are:\n    far, near", {}),
    "a-role-is-no-field": (":func:`move` moves.\n\n    :param x: The x.", ":func:`move` moves.", {"x": "The x."}),
})  # fmt: skip
def test_descriptions_come_from_the_docstring(text, description, of_parameters):
    def move(x: int, y: int): ...

    def turn(x: int, y: Annotated[int, "Its own."]): ...

    move.__doc__ = turn.__doc__ = text
    tool, other = function_tool(move)["function"], function_tool(turn)["function"]
    properties = tool["parameters"]["properties"]
    assert {name: kind["description"] for name, kind in properties.items() if "description" in kind} == of_parameters
    assert tool.get("description") == description
    assert other["parameters"]["properties"]["y"]["description"] == "Its own."


def test_descriptions_come_from_the_method_that_is_called_too():
    class Move:
        """Moves."""

        def __call__(self, x: int):
            """To somewhere.

            Args:
                x: The x.
            """

    move = Move()
    move.__name__ = "move"
    function = function_tool(move)["function"]
    assert function["description"] == "Moves."
    assert function["parameters"]["properties"] == {"x": {"type": "integer", "description": "The x."}}


def tool_args(*x: int): ...
def tool_kwargs(**x: int): ...
def tool_positional(x: int, /): ...
def tool_unhinted(x=1): ...


NO_SCHEMA = [
    bytes, set, set[str], tuple, tuple[int, int], object, complex, type, TypeVar("T"), ToolMethods, datetime.datetime,
    list[bytes], dict[int, str], Union[int, bytes], Optional[object], list[set[int]], Literal[b"a"], Literal[ToolColor.RED],
    Annotated[bytes, "A"],
    typing.Callable[[int], int], [int], list[ToolTree], "NoSuchType", "list[NoSuchType]", "bytes | None", "1 +",
]  # fmt: skip


@table("function, words", {
    **{f"hint-{number}": (taking(hint), "'x' of take") for number, hint in enumerate(NO_SCHEMA)},
    **{tool.__name__: (tool, f"'x' of {tool.__name__}") for tool in (tool_args, tool_kwargs, tool_positional, tool_unhinted)},
    "recursive": (taking(ToolTree), "'x' of take.*recursion"),
    "method-of-no-object": (ToolMethods.bound, "'self' of bound"),
    "lambda": (lambda: 1, "<lambda>"),
    "no-signature": (dict, "signature"),
    "no-function": (5, "function"),
})  # fmt: skip
def test_what_cannot_be_described_is_a_typeerror_that_names_it(function, words):
    with pytest.raises(TypeError, match=words):
        function_tool(function)


@pytest.mark.parametrize("method", ["create_chat_completion", "stream_chat_completion", "run_tools"])
def test_functions_and_tool_dicts_can_be_mixed(method):
    given = {"type": "function", "function": {"name": "given", "parameters": members()}}
    tools, messages = [tool_plain, given, ToolMethods.static], [{"role": "user", "content": "Hi"}]
    request = {"messages": messages, "tools": tools}
    with Server(reply()) as server:
        answer = getattr(server.client(), method)(request)
        assert method == "create_chat_completion" or list(answer)
    assert server.requests[0].json["tools"] == [function_tool(tool_plain), given, function_tool(ToolMethods.static)]
    assert request == {"messages": messages, "tools": tools} and tools == [tool_plain, given, ToolMethods.static]
    assert len(messages) == (2 if method == "run_tools" else 1)


# ---- run_tools


@both_run_tools
@pytest.mark.parametrize("form", ["keywords", "object"])
def test_the_request_holds_the_transcript(run, form):
    first, second = (tool_call("tool_plain", f'{{"city": "{city}"}}', id=city.lower()) for city in ("Rome", "Oslo"))
    messages = [{"role": "user", "content": "Where?"}]
    request = {"messages": messages, "tools": [tool_plain], "temperature": 0}
    with Server(calling(first, second), calling(second), reply()) as server:
        responses = run(server, **request) if form == "keywords" else run(server, request)
    results = [{"role": "tool", "tool_call_id": city.lower(), "content": f"plain {city}"} for city in ("Rome", "Oslo")]
    asked = [response["choices"][0]["message"] for response in responses]
    assert [message.get("tool_calls") for message in asked] == [[first, second], [second], None]
    assert messages == [messages[0], asked[0], *results, asked[1], results[1], asked[2]]
    assert messages[-1]["content"] == "Hello!" and request["messages"] is messages and request["tools"] == [tool_plain]
    sent = {"temperature": 0, "tools": [function_tool(tool_plain)]}
    assert [request.json for request in server.requests] == [{**sent, "messages": messages[:end]} for end in (1, 4, 6)]


@table("result, text", {  # what a function returns, what the model gets; None: any JSON, but no error
    "text": ("Grüße", "Grüße"),
    "empty": ("", ""),
    "like-json": ('{"a": 1', '{"a": 1'),
    "lone-surrogate": ("a\ud800b", "a?b"),
    "lone-surrogate-inside": (["\udfff"], '["?"]'),
    "none": (None, "null"),
    "true": (True, "true"),
    "list": ([1.5, "ü"], '[1.5, "ü"]'),
    "dataclass": ({"at": ToolLine(1.0)}, '{"at": {"x": 1.0, "y": 0.0, "to": null, "tags": [], "length": 1.0}}'),
    "typeddict": (ToolPlace(name="Paris", at=ToolPoint(2.0)), '{"name": "Paris", "at": {"x": 2.0, "y": 0.0}}'),
    "enum": ([ToolColor.RED, ToolLevel.LOW], '["red", 1]'),
    "dataclass-with-what-is-no-field": (ToolBox(1, "cm"), '{"size": 1}'),
    "set": ({3}, "[3]"),
    "iterables": ([{1: 2}.keys(), {1: 2}.values(), range(2), map(str, (1,)), (1,)], '[[1], [2], [0, 1], ["1"], [1]]'),
    "mapping": (types.MappingProxyType({"a": 1}), '{"a": 1}'),
    "bytes": (b"a", '"b\'a\'"'),
    "datetime": (datetime.datetime(2024, 1, 2), '"2024-01-02 00:00:00"'),
    "decimal": ({"a": decimal.Decimal("1.10")}, '{"a": "1.10"}'),
    "huge": ("x" * 3_000_000, "x" * 3_000_000),
    "object": (object(), None),
})  # fmt: skip
def test_a_result_is_sent_as_text_or_json(result, text):
    (sent,) = told(functools.update_wrapper(lambda: result, tool_nothing), tool_call("tool_nothing"))
    if text is not None:
        assert sent == text
    else:
        assert "error" not in str(json.loads(sent, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))


TOOL_MISTAKES = {  # a call of take(x: int), what the model is told
    "unknown-function": (tool_call("other", '{"x": 1}'), "no function 'other'; the functions are: take"),
    "no-function": ({"id": "c"}, "no function ''"),
    "function-is-no-object": ({"id": "c", "function": "take"}, "no function"),
    "name-is-no-text": (tool_call(["take"], '{"x": 1}'), "no function"),
    "broken-json": (tool_call(arguments='{"x": 1'), "not valid JSON: .*column 8"),
    "nothing": (tool_call(arguments=""), "'x' is missing"),
    "null": (tool_call(arguments=None), "'x' is missing"),
    "list": (tool_call(arguments="[1]"), r"must be an object, not \[1\]"),
    "number-for-a-text": (tool_call(arguments=5), "not valid JSON"),
    "missing": (tool_call(), "^the arguments: 'x' is missing; they are: x$"),
    "unknown": (tool_call(arguments='{"x": 1, "why": 2}'), "^the arguments: 'why' is unknown; they are: x$"),
    "wrong-type": (tool_call(arguments='{"x": "1"}'), "^'x' must be a whole number, not \"1\"$"),
    "not-a-number": (tool_call(arguments='{"x": 1, "y": NaN}'), "not valid JSON: NaN"),
    "nested-too-deep": (tool_call(arguments='{"x": ' + "[" * 100_000), "not valid JSON"),
    "huge": (tool_call(arguments='{"x": "%s"}' % ("y" * 1_000_000)), "^.{1,200}$"),
}  # fmt: skip


@both_run_tools
def test_what_a_model_gets_wrong_it_is_told_and_no_function_is_called(run):
    taken = []
    answers = told(taking(int, taken), *(call for call, _ in TOOL_MISTAKES.values()), run=run)
    for (name, (_, words)), answer in zip(TOOL_MISTAKES.items(), answers):
        assert re.search(words, error_in(answer)), f"{name}: {answer}"
    assert len(answers) == len(TOOL_MISTAKES) and not taken


class ToolUntold(Exception):
    def __str__(self):
        return str(1 / 0)


@both_run_tools
@table("error, words", {
    "value-error": (ValueError("too far"), "too far"),
    "key-error": (KeyError("a"), "KeyError: 'a'"),
    "stop-iteration": (StopIteration("end"), "StopIteration: end"),
    "lone-surrogate": (OSError("a\ud800"), "OSError: a?"),
    "without-a-text": (ToolUntold(), "ZeroDivisionError: division by zero"),
})  # fmt: skip
def test_an_exception_in_a_function_is_told_the_model(run, error, words):
    def fail():
        raise error

    (answer,) = told(fail, tool_call("fail"), run=run)
    assert error_in(answer) == words


@both_run_tools
def test_a_call_without_an_id_is_answered_without_one(run):
    call, messages = {"function": {"name": "tool_plain", "arguments": '{"city": "Paris"}'}}, []
    with Server(calling(call), reply()) as server:
        run(server, messages=messages, tools=filter(callable, [tool_plain, None]))  # an iterator can be read once
    assert messages[1] == {"role": "tool", "tool_call_id": "", "content": "plain Paris"}
    assert [request.json["tools"] for request in server.requests] == [[function_tool(tool_plain)]] * 2


@both_run_tools
@pytest.mark.parametrize("calls", [None, [], "take", 5, {"id": "c"}, ["take"]], ids=repr)
def test_an_answer_without_proper_calls_is_the_last(run, calls):
    message, messages = {"role": "assistant", "content": "Well.", "tool_calls": calls}, []
    with Server(calling(message=message), reply()) as server:
        assert len(run(server, messages=messages, tools=[tool_plain])) == 1
    assert messages == [message]


@both_run_tools
@pytest.mark.parametrize("tools", [{}, {"tools": None}, {"tools": []}], ids=repr)
def test_tools_that_were_not_given_are_not_sent(run, tools):
    with Server() as server:
        run(server, messages=[], **tools)
    assert server.requests[0].json.get("tools") == tools.get("tools")


@both_run_tools
def test_runs_no_more_rounds_than_allowed(run):
    messages = []
    with Server(calling(tool_call("tool_plain", '{"city": "Paris"}'))) as server:
        with pytest.raises(RuntimeError, match="after 3 rounds"):
            run(server, messages=messages, tools=[tool_plain], max_rounds=3)
    assert len(server.requests) == 3 and [message["role"] for message in messages] == ["assistant", "tool"] * 3


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_nothing_is_called_after_a_break(kind):
    async def first(answers):
        async for _ in answers:
            break

    taken, messages = [], []
    with Server(calling(tool_call(arguments='{"x": 1}')), reply()) as server, Session() as session:
        answers = connected(kind, server, session=session).run_tools(messages=messages, tools=[taking(int, taken)])
        asyncio.run(first(answers)) if kind is AsyncClient else next(answers)
        del answers
    assert not taken and len(messages) == len(server.requests) == 1


@both_run_tools
@table("fields, words", {
    "tuple": ({"messages": ()}, "messages must be a list"),
    "no-messages": ({}, "messages"),
    "lambda": ({"messages": [], "tools": [lambda: 1]}, "lambda"),
    "no-function": ({"messages": [], "tools": [5]}, "function"),
    "one-name": ({"messages": [], "tools": [tool_plain, tool_wrapped]}, "two of the tools are named 'tool_plain'"),
})  # fmt: skip
def test_nothing_is_sent_if_the_request_cannot_be_right(run, fields, words):
    with Server() as server, pytest.raises((TypeError, ValueError), match=words):
        run(server, **fields)
    assert not server.requests


@both_run_tools
@by_name("tools", {"text": ("x",), "function": (tool_plain,), "dict": (function_tool(tool_plain),), "number": ([5],)})
def test_tools_must_be_a_list_of_tools(run, tools):
    with Server() as server:
        for ask in (chat, open_stream):
            with pytest.raises(TypeError, match="^tools must be a list|a tool must be"):
                ask(server.client(), tools=tools)
        with pytest.raises(TypeError, match="^tools must be a list|a tool must be"):
            run(server, messages=[], tools=tools)
    assert not server.requests


async def tool_async(city: str) -> str:
    await asyncio.sleep(0)
    return f"async {city}"


class ToolAsync:
    async def __call__(self, city: str) -> str:
        return await tool_async(city)


@functools.wraps(tool_async)
def tool_around_async(city):
    return tool_async(city)


@functools.wraps(tool_plain)
async def tool_around_sync(city):
    return tool_plain(city).replace("plain", "async")


@pytest.mark.parametrize(
    "tool", [tool_async, functools.partial(tool_async, city="Paris"), ToolAsync(), tool_around_async, tool_around_sync]
)
def test_async_functions_are_for_the_async_client(tool):
    name = function_tool(tool)["function"]["name"]
    with Server() as server, pytest.raises(TypeError, match=f"{name} is async: use AsyncClient"):
        run_in_sync(server, messages=[], tools=[tool])
    assert not server.requests
    assert told(tool, tool_call(name, '{"city": "Paris"}'), run=run_in_asyncio) == ["async Paris"]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_calls_of_a_round_run_at_once_and_are_answered_in_order(asynchronous):
    meeting, arrived = threading.Barrier(3), []

    async def meet_async(number: int) -> int:
        arrived.append(number)
        await soon(lambda: len(arrived) == 3)
        return number

    def meet(number: int) -> int:
        meeting.wait(timeout=5)
        return number

    tool = meet_async if asynchronous else meet
    calls = [tool_call(tool.__name__, f'{{"number": {number}}}') for number in range(3)]
    with Session(max_connections=1) as session:  # a function needs no connection
        assert told(tool, *calls, run=functools.partial(run_in_asyncio, session=session)) == ["0", "1", "2"]


@both_run_tools
def test_arguments_are_made_once_and_results_are_told_where_the_function_runs(run):
    made, threads = [], []

    @dataclasses.dataclass
    class Made:
        x: int

        def __post_init__(self):
            made.append(self.x)

    class Told:
        def __str__(self):
            threads.append(threading.get_ident())
            return "told"

    def take(made: Any):
        threads.append(threading.get_ident())
        return [Told()]

    take.__annotations__["made"] = Made
    assert told(take, tool_call(arguments='{"made": {"x": 1}}'), run=run) == ['["told"]'] and made == [1]
    assert len({*threads}) == 1 and (threading.get_ident() in threads) == (run is run_in_sync)


def test_functions_see_the_context_of_the_task():
    user = contextvars.ContextVar("user", default="nobody")

    def who() -> str:
        return user.get()

    user.set("Ann")
    assert told(who, tool_call("who"), run=run_in_asyncio) == ["Ann"]


@in_a_loop
async def test_no_exception_of_a_session_hangs_a_task():
    session = types.SimpleNamespace(request=lambda *_, **__: next(iter([])))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await AsyncClient(SECRET, "http://x", session=session).list_threads()


@both_run_tools
def test_the_model_learns_the_weather(box, run):
    def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict:
        """Get the weather of a city right now."""
        return {"city": city, "temperature": 21 if unit == "celsius" else 70}

    messages = [{"role": role, "content": "What is the weather in Paris?"} for role in ("system", "user")]
    assert len(run(box, messages=messages, tools=[get_weather])) == 2
    assert [message["role"] for message in messages[2:]] == ["assistant", "tool", "assistant"]
    assert messages[3]["content"] == '{"city": "Paris", "temperature": 21}' and "21" in messages[4]["content"]


# ---- AsyncClient

ASKING = {"messages": [{"role": "user", "content": "Hi"}]}
OPENED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
SAID = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": null}]}\n\n'
ENDED = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
NO_THREADS = reply(200, {"data": []})


async def soon(condition):
    """Until condition() holds; the loop goes on."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.001)


def pool_of(client):
    """How many connections are active, idle, waited for."""
    return tuple(map(int, re.findall(r"(\d+) (?:active|idle|waiting)", repr(client))))


def every_method(client, box):
    """Uses each method; who drives it sends back what comes of each."""
    image = "https://example.com/cat.png"
    yield client.connect()
    yield client.request("GET", "/assistants")
    yield client.create_chat_completion(messages=[{"role": "system", "content": "Be brief."}, *ASKING["messages"]])
    yield client.stream_chat_completion({"assistant_id": box.assistant_id, **ASKING})
    yield client.run_tools(assistant_id=box.assistant_id, tools=[tool_plain], messages=[*ASKING["messages"]])
    thread = (yield client.create_thread({"x": "1"}))["id"]
    yield client.create_message(thread, "user", "one")
    yield client.create_messages_bulk(thread, [{"role": "user", "content": text} for text in ("two", "three")])
    yield client.list_messages(thread, 2, order="asc")
    assert len((yield client.iter_messages(thread, 2))) == 3
    run = yield client.create_run(thread, box.assistant_id, enable_thinking=False)
    yield client.wait_for_run(thread, run["id"], 0.1, timeout=5)
    yield client.get_run(thread, run["id"])
    yield client.get_thread(thread)
    yield client.list_assistant_threads(box.assistant_id, limit=1)
    yield client.delete_thread(thread)
    yield client.list_threads()
    assistant = (yield client.create_assistant("Ada", "Be Ada."))["id"]
    yield client.update_assistant(assistant, "Bob", "Be Bob.")
    yield client.get_assistant(assistant)
    yield client.delete_assistant(assistant)
    yield client.list_assistants()
    for method in (client.analyze_image, client.analyze_image_for_tags, client.extract_text):
        yield method(image_url=image)
    yield client.analyze_video({"video_url": image})
    yield client.moderate_text(prompt="Hi")
    yield client.moderate_media(media_url=image, is_video=False)
    yield client.create_embedding(input=["a"])
    yield client.rerank(query="a", documents=["a", "b"])


@in_a_loop
async def test_every_method_is_there_and_gives_the_same(box):
    def plainly(value):
        return re.sub(r'"created(_at)?": \d+', "", re.sub(r"\w+[-_]\d{6}", "ID", json.dumps(value)))

    async def results_of(client):
        steps, value = every_method(client, box), None
        with contextlib.suppress(StopIteration):
            while True:
                value = steps.send(value)
                value = await value if inspect.isawaitable(value) else value
                value = list(value) if isinstance(value, typing.Iterator) else value
                value = [item async for item in value] if hasattr(value, "__aiter__") else value
                yield plainly(value)

    one, other = connected(Client, box), connected(AsyncClient, box)
    spies = [mock.Mock(wraps=client) for client in (one, other)]
    with one:
        expected, count = [result async for result in results_of(spies[0])], len(box.requests)
    async with other:
        assert [result async for result in results_of(spies[1])] == expected
    sent = [plainly([request.method, request.path, request.json]) for request in box.requests]
    assert sent[count:] == sent[:count]
    public = {name for name, value in vars(Client).items() if callable(value) and not name.startswith("_")}
    for spy in spies:
        assert {name for name, _, _ in spy.method_calls} == public - {"close", "with_options"}
    for name in public - {"close", "with_options"}:
        method = getattr(other, name)
        assert method.__doc__ == getattr(one, name).__doc__ and name in vars(AsyncClient)
        assert inspect.signature(method) == inspect.signature(getattr(one, name))
        assert inspect.iscoroutinefunction(method) != (name in ("iter_messages", "run_tools"))


@in_a_loop
async def test_methods_of_a_subclass_take_the_place_of_its_parents(box):
    class Counting(AsyncClient):
        count = 0

        async def list_threads(self):
            self.count += 1
            return await super().list_threads()

    async with connected(Counting, box) as client:
        assert await client.list_threads() == await client.with_options(timeout=5).list_threads() == []
        assert client.count == 1
    with mock.patch.object(AsyncClient, "get_thread", return_value={"id": "t_1"}) as patched:
        assert await connected(AsyncClient, box).get_thread("t_1") == {"id": "t_1"} and patched.await_count == 1


@pytest.mark.parametrize("arguments", [
    (), ("a b",), ("k\n x",), ("k", "ftp://host"), ("k", None, 0), ("k", None, "1"), ("k", None, 1, -1), ("k", None, 1, 1, 5),
], ids=repr)  # fmt: skip
def test_the_constructor_refuses_the_same(arguments):
    errors = []
    for kind in (Client, AsyncClient):
        with pytest.raises((ValueError, TypeError)) as caught:
            kind(*arguments)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


@table("answer, timeout", {
    "unauthorized": (reply(401, {"error": {"message": f"bad {SECRET}", "type": "authentication_error"}}, X_Request_ID="r"), 10),
    "not-found": (reply(404, b"<html>"), 10),
    "rate-limit": (reply(429, {"error": "slow"}, Retry_After=99), 10),
    "no-answer": (drop, 10),
    "not-http": (b"220 smtp\r\n\r\n", 10),
    "not-json": (reply(200, b"{"), 10),
    "wrong-json": (reply(200, {"choices": 1}), 10),
    "silent": (stall, 0.05),
})  # fmt: skip
@at_once
def test_exceptions_are_the_same_and_never_show_the_key(answer, timeout):
    async def ask(server):
        async with connected(AsyncClient, server, timeout, max_retries=0) as client:
            await client.create_chat_completion(ASKING)

    with Server(answer) as server:
        with connected(Client, server, timeout, max_retries=0) as client, pytest.raises(APIError) as expected:
            client.create_chat_completion(ASKING)
        with pytest.raises(APIError) as caught:
            asyncio.run(ask(server))
    one, other = expected.value, caught.value
    assert (type(other), str(other), vars(other)) == (type(one), str(one), vars(one))
    shown = traceback.TracebackException.from_exception(other, capture_locals=True)
    frames = [frame for frame in shown.stack if frame.filename != __file__]  # ours hold what the server sent
    assert frames and SECRET not in str([frame.locals for frame in frames]) + str(other)


@in_a_loop
async def test_async_with_closes_the_client_and_the_stream():
    with Server((OPENED, SAID, stall)) as server:
        async with connected(AsyncClient, server) as client:
            assert (client.base_url, client.timeout, client.max_retries) == (server.url, 10, 3)
            with pytest.raises(ZeroDivisionError):
                async with await client.stream_chat_completion(ASKING) as stream:
                    assert (await stream.__anext__())["choices"][0]["delta"]["content"] == "Hi"
                    assert pool_of(client) == (1, 0, 0)
                    raise ZeroDivisionError
            assert pool_of(client) == (0, 0, 0) and [chunk async for chunk in stream] == []
            await soon(lambda: not server.open)
        await client.close()
        for call in (client.list_threads, lambda: client.stream_chat_completion(ASKING)):
            with pytest.raises(RuntimeError, match="the client is closed"):
                await call()
        assert repr(client) == f"<AsyncClient {server.url}: closed>"


@in_a_loop
async def test_streams_text_and_the_whole(box):
    async with connected(AsyncClient, box) as client:
        request = {"assistant_id": box.assistant_id, "messages": [{"role": "user", "content": "Count to 20"}]}
        whole = await client.create_chat_completion(request)
        stream = await client.stream_chat_completion(request)
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_completion()
        assert len(texts) > 9 and "".join(texts).strip() == final["choices"][0]["message"]["content"]
        assert "".join(texts).strip() == whole["choices"][0]["message"]["content"] and final["usage"] == whole["usage"]
        assert pool_of(client) == (0, 1, 0)
        stream = await client.stream_chat_completion(request)
        async for _ in stream:
            break
        assert (await stream.get_final_completion())["choices"] == final["choices"]
        stream = await client.stream_chat_completion(request)
        await stream.close()
        with pytest.raises(RuntimeError, match="closed before its end"):
            await stream.get_final_completion()


@in_a_loop
async def test_a_hundred_calls_at_once_leave_the_loop_free():
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.005)

    with Server((0.05, reply()), backlog=512) as server:
        async with connected(AsyncClient, server) as client:
            ticker, start = asyncio.create_task(tick()), time.monotonic()
            answers = await asyncio.gather(*(client.create_chat_completion(ASKING) for _ in range(100)))
            ticks.append(time.monotonic())
            ticker.cancel()
            assert len(answers) == len(server.requests) == 100 and pool_of(client)[::2] == (0, 0)
    assert ticks[-1] - start < 2  # one after the other: 5 s
    assert max(later - earlier for earlier, later in zip(ticks, ticks[1:])) < 1


# ---- cancelling


@in_a_loop
async def test_a_hundred_cancelled_calls_free_a_hundred_connections():
    with Server(stall, backlog=512) as server:
        async with connected(AsyncClient, server, None) as client:
            tasks = [asyncio.create_task(client.list_threads()) for _ in range(100)]
            await soon(lambda: len(server.requests) == 100)
            assert pool_of(client) == (100, 0, 0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)
            await soon(lambda: pool_of(client) == (0, 0, 0) and not server.open)


async def awaiting_a_run(client):
    await client.wait_for_run("t", "r", 9)


async def reading_a_stream(client):
    async with await client.stream_chat_completion(ASKING) as stream:
        async for _ in stream:
            pass


async def completing_a_stream(client):
    await (await client.stream_chat_completion(ASKING)).get_final_completion()


async def running_a_function(client):
    async def take():
        await asyncio.sleep(9)

    async for _ in client.run_tools(messages=[], tools=[take]):
        pass


@table("wait, answer", {
    "answer": (lambda client: client.list_threads(), stall),
    "rest-of-an-answer": (lambda client: client.list_threads(), (reply()[:-5], stall)),
    "retry-after": (lambda client: client.list_threads(), reply(503, Retry_After=8)),
    "stream": (reading_a_stream, stall),
    "first-chunk": (reading_a_stream, (OPENED, stall)),
    "next-chunk": (reading_a_stream, (OPENED, SAID, stall)),
    "rest-of-a-stream": (completing_a_stream, (OPENED, SAID, stall)),
    "next-poll": (awaiting_a_run, reply(200, {"id": "r", "status": "queued"})),
    "function": (running_a_function, calling(tool_call())),
})  # fmt: skip
@at_once
@in_a_loop
async def test_a_cancelled_call_ends_and_gives_its_connection_up(wait, answer):
    with Server(answer, NO_THREADS) as server, Session(max_connections=1) as session:
        client = connected(AsyncClient, server, session=session)
        task = asyncio.create_task(wait(client))
        await soon(lambda: server.requests)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.list_threads() == [] and len(server.requests) == 2
        await client.close()


@in_a_loop
async def test_timeouts_and_dropped_coroutines_cancel_as_well():
    with Server(stall) as server:
        async with connected(AsyncClient, server, None) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.list_threads(), 0.05)
            await soon(lambda: pool_of(client) == (0, 0, 0) and not server.open)
            coroutine = client.list_threads()
            coroutine.send(None)
            await soon(lambda: pool_of(client) == (1, 0, 0))
            coroutine.close()
            await soon(lambda: pool_of(client) == (0, 0, 0) and not server.open)


@in_a_loop
async def test_what_waits_for_a_connection_can_be_cancelled():
    with Server(stall) as server, Session(max_connections=1) as session:
        client = connected(AsyncClient, server, session=session)
        first = asyncio.create_task(client.list_threads())
        await soon(lambda: server.requests)
        others = [asyncio.create_task(client.list_threads()) for _ in range(3)]
        await asyncio.sleep(0.02)
        for task in (*others, first):
            task.cancel()
            await asyncio.wait([task])
        await soon(lambda: pool_of(client) == (0, 0, 0))
        await asyncio.sleep(0.02)
        assert len(server.requests) == 1
        await client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a connect that waits")
@in_a_loop
async def test_connecting_can_be_cancelled():
    with contextlib.ExitStack() as exits:
        listener = exits.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # now its queue is full, and the next SYN gets no answer
            caller = exits.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        async with AsyncClient(SECRET, f"http://127.0.0.1:{listener.getsockname()[1]}", None) as client:
            task = asyncio.create_task(client.connect())
            await soon(lambda: pool_of(client) == (1, 0, 0))
            await asyncio.sleep(0.02)
            assert task.cancel()
            await soon(lambda: pool_of(client) == (0, 0, 0))


@table("wait, status, reading", {
    "next-poll": (awaiting_a_run, 200, False),
    "retry-after": (lambda client: client.create_message("t", "user", "Hi"), 503, False),
    "answer": (awaiting_a_run, 200, True),
})  # fmt: skip
@at_once
@in_a_loop
async def test_a_cancelled_call_over_a_foreign_session_sends_nothing_more(wait, status, reading):
    def body(size):
        assert not reading or closed.wait(5)
        yield b'{"status": "queued"}'

    closed = threading.Event()
    answer = mock.Mock(status_code=status, reason="", headers={"retry-after": "8"}, iter_content=body, close=closed.set)
    session = mock.Mock(spec=["request"], request=mock.Mock(return_value=answer))
    async with AsyncClient(SECRET, "http://127.0.0.1:9", session=session) as client:
        task = asyncio.create_task(wait(client))
        await soon(lambda: session.request.called)
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        await soon(closed.is_set)
        await asyncio.sleep(0.05)
        assert session.request.call_count == 1


@in_a_loop
async def test_a_stream_that_comes_for_a_cancelled_task_is_closed():
    with Server((OPENED, stall)) as server, Session(max_connections=1) as session:
        client = connected(AsyncClient, server, session=session)
        task = asyncio.create_task(client.stream_chat_completion(ASKING))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.wait_for(lambda server: server.requests)
        time.sleep(0.05)  # the loop is busy, while the thread ends the call
        task.cancel()
        (kept,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(kept, asyncio.CancelledError)
        await soon(lambda: pool_of(client) == (0, 0, 0))
        await client.close()


@in_a_loop
async def test_closing_a_stream_ends_who_reads_it():
    with Server((OPENED, SAID, stall)) as server:
        async with connected(AsyncClient, server, None) as client:
            stream = await client.stream_chat_completion(ASKING)
            await stream.__anext__()
            reader = asyncio.create_task(stream.__anext__())
            await asyncio.sleep(0.02)
            await stream.close()
            with pytest.raises((APIError, StopAsyncIteration)):
                await asyncio.wait_for(reader, 2)
            await soon(lambda: pool_of(client) == (0, 0, 0) and not server.open)


@in_a_loop
async def test_no_stream_is_closed_under_the_thread_that_reads_it(monkeypatch):
    """Over TLS that thread would read on from whoever gets the descriptor next."""
    closers, close = [], pixigpt._close
    monkeypatch.setattr(pixigpt, "_close", lambda sock: (sock and closers.append(threading.current_thread()), close(sock)))

    async def read(stream):
        async with stream:
            async for _ in stream:
                pass

    with Server((OPENED, SAID, stall)) as server:
        async with connected(AsyncClient, server, None) as client:
            for stop in (lambda stream, reader: stream.close(), lambda stream, reader: asyncio.sleep(0, reader.cancel())):
                stream = await client.stream_chat_completion(ASKING)
                reader = asyncio.create_task(read(stream))
                await asyncio.sleep(0.05)
                await stop(stream, reader)
                await asyncio.wait([reader])
                await soon(lambda: pool_of(client) == (0, 0, 0))
    assert len(closers) == 2 and threading.main_thread() not in closers


@in_a_loop
async def test_a_cancelled_call_over_a_foreign_session_leaves_the_loop_free():
    def body(size):
        read.wait(5)
        yield b"{}"

    read, closed = threading.Event(), threading.Event()
    close = lambda: (read.wait(5), closed.set())  # noqa: E731  # waits for who reads, as that of requests does
    answer = mock.Mock(status_code=200, reason="", headers={}, iter_content=body, close=close)
    session = mock.Mock(spec=["request"], request=mock.Mock(return_value=answer))
    async with AsyncClient(SECRET, "http://127.0.0.1:9", session=session) as client:
        task = asyncio.create_task(client.get_thread("t"))
        await soon(lambda: session.request.called)
        await asyncio.sleep(0.02)
        task.cancel()
        start = time.monotonic()
        await asyncio.wait([task])
        assert time.monotonic() - start < 1
        read.set()
        await soon(closed.is_set)


# ---- budgets, places, loops, threads


@in_a_loop
async def test_waiting_for_a_connection_is_in_the_budget():
    with Server(stall) as server, Session(max_connections=1) as session:
        client, start = connected(AsyncClient, server, 5, session=session), time.monotonic()
        first, hasty = asyncio.create_task(client.list_threads()), client.with_options(timeout=0.1)
        await soon(lambda: server.requests)
        results = await asyncio.gather(*(hasty.list_threads() for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [APITimeoutError] * 5
        assert time.monotonic() - start < 2 and not first.done() and len(server.requests) == 1
        first.cancel()
        await client.close()


@in_a_loop
async def test_the_wait_for_a_thread_is_taken_from_the_budget():
    late, release = 0, threading.Event()
    with Server((lambda _: release.wait(5), NO_THREADS)) as server, Session(max_connections=1) as session:
        client = connected(AsyncClient, server, session=session)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixigpt, "_clock", lambda: time.monotonic() + late)
            first = asyncio.create_task(client.with_options(timeout=None).list_threads())
            await soon(lambda: server.requests)
            second = asyncio.create_task(client.list_threads())
            await asyncio.sleep(0.02)
            late = 60
            release.set()
            with pytest.raises(APITimeoutError):
                await second
        assert await first == [] and len(server.requests) == 1
        await client.close()


@in_a_loop
async def test_who_waits_for_a_run_keeps_no_connection_from_others():
    def route(request):
        return NO_THREADS if request.path == "/threads" else reply(200, {"id": "r", "status": "queued"})

    with Server(route=route) as server, Session(max_connections=2) as session:
        client = connected(AsyncClient, server, session=session)
        tasks = [asyncio.create_task(awaiting_a_run(client)) for _ in range(5)]
        await soon(lambda: len(server.requests) == 5)
        assert await asyncio.wait_for(client.list_threads(), 2) == []
        for task in tasks:
            task.cancel()
        await client.close()


@in_a_loop
async def test_an_abandoned_stream_gives_its_connection_back():
    with Server((OPENED, SAID, stall)) as server, Session(max_connections=1) as session:
        client = connected(AsyncClient, server, session=session)
        for read in (0, 1, "text"):
            stream = await client.stream_chat_completion(ASKING)
            if read:
                await (stream if read == 1 else stream.text_stream).__anext__()
            del stream
            await asyncio.sleep(0)  # until the loop has let go of it
            collect_garbage()
            await soon(lambda: pool_of(client) == (0, 0, 0) and not server.open)
        await client.close()


@in_a_loop
async def test_open_streams_and_calls_that_wait_for_a_connection_do_not_block_each_other():
    release = threading.Event()

    def route(request):
        return (OPENED, SAID, lambda _: release.wait(5), ENDED, drop) if request.json.get("stream") else reply()

    with Server(route=route, backlog=512) as server, Session(max_connections=20) as session:
        client = connected(AsyncClient, server, session=session)
        streams = await asyncio.gather(*(client.stream_chat_completion(ASKING) for _ in range(20)))
        calls = [asyncio.create_task(client.create_chat_completion(ASKING)) for _ in range(50)]
        finals = [asyncio.create_task(stream.get_final_completion()) for stream in streams]
        await soon(lambda: pool_of(client)[2] > 0)
        release.set()
        assert [final["choices"][0]["message"]["content"] for final in await asyncio.gather(*finals)] == ["Hi"] * 20
        assert len(await asyncio.gather(*calls)) == 50 and pool_of(client)[0] == 0
        await client.close()


def test_one_client_serves_loop_after_loop_and_loops_in_threads():
    async def many():
        return await asyncio.gather(*(client.create_chat_completion(ASKING) for _ in range(20)))

    with Server((0.001, reply())) as server:
        client = connected(AsyncClient, server)
        for _ in range(3):
            asyncio.run(client.create_chat_completion(ASKING))
        assert server.connections == 1
        assert [len(answers) for answers in together(2, lambda _: asyncio.run(many()))] == [20, 20]
        assert pool_of(client)[0] == 0 and len(server.requests) == 43
        asyncio.run(client.close())


@in_a_loop
async def test_a_call_that_got_no_thread_is_never_sent(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    with Server(NO_THREADS) as server:
        async with connected(AsyncClient, server) as client:
            with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="can't start new thread"):
                patch.setattr(threading.Thread, "start", start)
                await client.create_thread()
            assert await client.list_threads() == await client.list_threads() == []
        assert [request.method for request in server.requests] == ["GET", "GET"]


@pytest.mark.parametrize("shared", [False, True], ids=["own-session", "shared-session"])
def test_threads_are_named_as_few_as_connections_and_end_with_the_client(shared):
    def threads():
        return [one for one in threading.enumerate() if one.name.startswith("pixigpt") and one not in before]

    before, counts = threading.enumerate(), []  # another test's may be about to end

    def route(request):
        counts.append(len(threads()))
        return NO_THREADS if request.method == "GET" else (OPENED, ENDED, drop)

    async def main(client):
        async with client:
            streams = await asyncio.gather(*(client.stream_chat_completion(ASKING) for _ in range(3)))
            other = client.with_options(timeout=5)
            reads = [stream.get_final_completion() for stream in streams]
            await asyncio.gather(*reads, *(one.list_threads() for one in (client, other) for _ in range(10)))
            await other.close()
            assert await client.list_threads() == []

    with Server(route=route) as server, Session(max_connections=3) as session:
        client = connected(AsyncClient, server, session=session if shared else None)
        asyncio.run(main(client))
        until(lambda: not threads())
    assert 2 <= max(counts) <= (6 if shared else 23)  # for calls and for streams


@in_a_loop
async def test_options_and_pickles_make_clients_that_work():
    with Server(NO_THREADS) as server:
        async with connected(AsyncClient, server) as client:
            other = client.with_options(timeout=5, headers={"X-A": "1"})
            assert type(other) is AsyncClient and await other.list_threads() == await client.list_threads() == []
            assert ["x-a" in request.headers for request in server.requests] == [True, False]
            assert server.connections == 1
            async with pickle.loads(pickle.dumps(client)) as copied:
                assert type(copied) is AsyncClient and await copied.list_threads() == [] and server.connections == 2


ASYNC_SCRIPT = """
import asyncio, os, sys, time, pixigpt
client = pixigpt.AsyncClient("k", sys.argv[1], None)

async def begin():
    stream = await client.stream_chat_completion(messages=[])
    calls = stream.__anext__(), client.list_threads(), client.get_thread("late"), client.wait_for_run("t", "r", 99)
    tasks = [asyncio.ensure_future(call) for call in calls]
    while "2 active" not in repr(client):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.03)  # the other two wait for their next attempt
    return tasks

async def ask():
    return (await client.with_options(timeout=5).get_thread("t"))["id"]
"""


@table("script", {
    "tasks-unfinished": ("asyncio.run(begin())",),
    "loop-left": ("tasks = asyncio.new_event_loop().run_until_complete(begin())",),
    "forked": ("""
        tasks = asyncio.new_event_loop().run_until_complete(begin())
        assert asyncio.run(ask()) == "t"
        time.sleep(0.05)  # now a thread is idle, which the child does not have
        pid = os.fork()
        if not pid:
            os._exit(asyncio.run(ask()) != "t")
        assert os.waitpid(pid, 0)[1] == 0 and asyncio.run(ask()) == "t"
        """,),
})  # fmt: skip
@at_once
def test_no_stuck_server_keeps_the_interpreter_from_exiting(script):
    def route(request):
        threads = {"/threads/t": reply(200, {"id": "t"}), "/threads/late": reply(503, Retry_After=99)}
        runs = {"/threads/t/runs/r": reply(200, {"id": "r", "status": "queued"}), "/chat/completions": (OPENED, stall)}
        return {**threads, **runs}.get(request.path, stall)

    if "fork" in script and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    with Server(route=route) as server:
        result = run_python("-c", ASYNC_SCRIPT + inspect.cleandoc(script), server.url, timeout=10)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr


# ------------------------------------------------------------------------------------------------ examples


EXAMPLES = pathlib.Path(sandbox.__file__).resolve().parent
ON_WINDOWS = os.name == "nt"


def run_example(box, name, *arguments, **environment):
    """Runs an example here: its exit status, and what it wrote to standard output and to standard error."""
    status, out, err = 0, io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, {**box.environment(), **environment}), contextlib.redirect_stdout(out):
        with mock.patch.object(sys, "argv", [name, *arguments]), contextlib.redirect_stderr(err):
            try:
                runpy.run_path(str(EXAMPLES / name), run_name="__main__")
            except SystemExit as end:  # the examples end with a text, if at all
                status = 1
                print(end.code, file=err)
    return status, out.getvalue(), err.getvalue()


def load_example(path):
    """The module at a path, executed anew."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name, arguments, environment, expected",
    [
        pytest.param(
            "chat.py",
            [],
            {},
            "17 + 25 = 42.\n\nReasoning: I am Pixi. My instructions: You are a helpful assistant.\n"
            "I read: What is 17 + 25?\n\nTokens: 5 asked + 22 answered = 27\n",
            id="chat with an assistant",
        ),
        pytest.param(
            "chat.py",
            ["Who", "are you?"],
            {"PIXIGPT_ASSISTANT_ID": ""},
            "I am the PixiGPT sandbox. My instructions: You are a helpful assistant.\n\nReasoning: ",
            id="chat with a system message",
        ),
        pytest.param(
            "stream.py",
            [],
            {},
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20.\n\nTokens: 45\n"
            "{'role': 'assistant', 'content': ''} \n{'reasoning_content': 'I'} \n",
            id="stream",
        ),
        pytest.param(
            "tools.py",
            [],
            {},
            'calls get_weather {"city": "Paris"}\n'
            "get_weather says: city: Paris, temperature: 21, unit: celsius, sky: sunny.\n",
            id="tools",
        ),
    ],
)
def test_example_prints(box, name, arguments, environment, expected):
    status, out, err = run_example(box, name, *arguments, **environment)
    assert (status, err) == (0, "")
    assert out.startswith(expected)


def test_thread_example_remembers_shows_attachments_and_deletes_its_thread():
    with sandbox.Sandbox(run_seconds=0) as box:
        status, out, err = run_example(box, "thread.py")
        paths = [(request.method, request.path) for request in box.requests]
    assert (status, err) == (0, "")
    for line in (
        "Your name is Ada. (I remember 2 earlier messages.)",
        "  reasoning: I am Pixi. My instructions: You are a helpful assistant.",
        "  source: An example https://example.com/",
        "  media: image https://example.com/drawing.png?signature=0",
        "  code: python 'print(6 * 7)' -> '42\\n'",
    ):
        assert line in out.splitlines()
    assert paths[0] == ("POST", "/v1/threads")
    assert paths[-1][0] == "DELETE"


@pytest.mark.parametrize(
    "name, environment, expected",
    [
        *(
            pytest.param(f"{name}.py", {"PIXIGPT_API_KEY": "wrong"}, f"{name}.py: POST /{path}: 401 ", id=f"{name}-key")
            for name, path in {"chat": "chat/completions", "thread": "threads", "tools": "chat/completions"}.items()
        ),
        pytest.param("stream.py", {"PIXIGPT_API_KEY": ""}, "stream.py: no API key", id="no key"),
        pytest.param(
            "thread.py", {"PIXIGPT_ASSISTANT_ID": ""}, "thread.py: set PIXIGPT_ASSISTANT_ID", id="no assistant"
        ),
    ],
)
def test_example_says_in_one_line_what_is_wrong(box, name, environment, expected):
    status, out, err = run_example(box, name, **environment)
    assert status == 1
    assert err.startswith(expected)
    assert err.count("\n") == 1


def test_sandbox_runs_an_example_from_a_checkout_without_an_install():
    command = [sys.executable, "sandbox.py", sys.executable, "chat.py"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=20)
    assert result.stdout.startswith("17 + 25 = 42."), result.stderr


# batch.py


def sums(*numbers, fault=""):
    return [{"id": number, "prompt": f"What is {number} + 1? {fault}".strip()} for number in numbers]


def answered(*numbers):
    return {number: f"{number} + 1 = {number + 1}." for number in numbers}


class BatchFiles:
    """IN.jsonl and OUT.jsonl, and batch.py at work on them."""

    def __init__(self, directory, box, monkeypatch, capsys):
        self.input, self.output = directory / "in.jsonl", directory / "out.jsonl"
        self.box, self.monkeypatch, self.capsys = box, monkeypatch, capsys
        self.module = importlib.import_module("batch")
        for name, value in box.environment().items():
            monkeypatch.setenv(name, value)

    def write(self, rows):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        self.input.write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def run(self, *options, output=None):
        """The exit status and what was written to stderr."""
        arguments = ["batch.py", *options, str(self.input), str(output or self.output)]
        self.monkeypatch.setattr(sys, "argv", arguments)
        status = self.module.main()
        return status, self.capsys.readouterr().err

    def start(self, *options, **settings):
        """The same in a process of its own."""
        command = [sys.executable, str(EXAMPLES / "batch.py"), *options, str(self.input), str(self.output)]
        environment = {**os.environ, "PYTHONPATH": PATHS, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **settings)

    def wait_for_lines(self, number):
        deadline = time.monotonic() + 10
        while not self.output.exists() or self.output.read_bytes().count(b"\n") < number:
            assert time.monotonic() < deadline, "the batch does not get on"
            time.sleep(0.01)

    def results(self):
        """{id: content}; an error instead of a content as (error,). No id comes twice."""
        rows = [json.loads(line) for line in self.output.read_bytes().splitlines(keepends=True)]
        results = {row["id"]: row["content"] if "content" in row else (row["error"],) for row in rows}
        assert len(results) == len(rows)
        return results


@pytest.fixture
def batch_files(tmp_path, box, monkeypatch, capsys):
    return BatchFiles(tmp_path, box, monkeypatch, capsys)


def test_batch_answers_each_row_once_and_does_not_ask_again(batch_files, box):
    whole = {"id": "whole", "messages": [{"role": "user", "content": "What is 1 + 1?"}], "enable_thinking": False}
    batch_files.write([whole, *sums(*range(60)), {"id": "ä\ud83d", "prompt": "\ud83d"}, ""])
    status, told = batch_files.run("--concurrency", "7")
    assert (status, told.splitlines()[-1].split(" rows, ")[0]) == (0, "62")
    expected = {**answered(*range(60)), "whole": "1 + 1 = 2."}
    results = batch_files.results()
    assert "surrogates" in results.pop("ä\ud83d")[0]
    assert results == expected
    assert box.connections <= 7
    kinds = {tuple(json.loads(line)) for line in batch_files.output.read_bytes().splitlines()}
    assert kinds == {("id", "content", "usage"), ("id", "error")}
    asked, before = len(box.requests), batch_files.output.read_bytes()
    assert batch_files.run()[0] == 0
    assert (len(box.requests), batch_files.output.read_bytes()) == (asked, before)


def test_batch_writes_results_as_they_come(batch_files):
    batch_files.write([*sums(0, fault="[fault slow=0.1]"), *sums(*range(1, 20))])
    assert batch_files.run()[0] == 0
    assert list(batch_files.results())[-1] == 0


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"", id="whole"),
        pytest.param(b"{", id="one byte"),
        pytest.param(b'{"id": 3, "content": "\xc3', id="in the middle of a character"),
        pytest.param(b'{"id": 3, "content": "3 + 1 = 4.", "usage": null}', id="only the line end is missing"),
    ],
)
def test_batch_goes_on_behind_the_last_whole_line(batch_files, box, tail):
    kept = b'{"id": 1, "content": "kept", "usage": null}\n{"id": 2, "error": "kept"}\n'
    batch_files.output.write_bytes(kept + tail)
    batch_files.write(sums(1, 2, 3, 4))
    assert batch_files.run()[0] == 0
    assert batch_files.results() == {1: "kept", 2: ("kept",), **answered(3, 4)}
    assert batch_files.output.read_bytes().startswith(kept)
    assert len(box.requests) == 2


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"id": 1, "prompt": "Hi"}\n', id="rows"),
        pytest.param('{"id": 1, "prompt": "Hi"}', id="one row without a line end"),
        pytest.param("my only copy", id="a text"),
        pytest.param('{"id": 1, "error": "x"}\nmy only copy\n{"id": 2, "error": "x"}\n', id="a text among results"),
    ],
)
def test_batch_leaves_a_file_alone_that_is_not_its_own(batch_files, content):
    batch_files.output.write_text(content)
    batch_files.write(sums(1))
    for options in ((), ("--retry-failed",)):
        status, told = batch_files.run(*options)
        assert status == 1
        assert "is it the right file?" in told
        assert batch_files.output.read_text() == content


def test_batch_killed_in_the_middle_goes_on(batch_files, box):
    batch_files.write(sums(*range(150), fault="[fault slow=0.02]"))
    with batch_files.start("--concurrency", "8") as process:
        batch_files.wait_for_lines(20)
        process.kill()
        process.stderr.read()
    assert 20 <= batch_files.output.read_bytes().count(b"\n") < 150
    assert batch_files.run("--concurrency", "50")[0] == 0
    assert batch_files.results() == answered(*range(150))
    assert len(box.requests) <= 150 + 2 * 8


@pytest.mark.skipif(ON_WINDOWS, reason="no SIGINT to one process")
def test_batch_stops_at_ctrl_c_without_waiting_for_answers(batch_files):
    batch_files.write([*sums(*range(10)), *sums(10, 11, fault="[fault slow=5]"), *sums(12)])
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a job in the background ignores it
    with batch_files.start("--concurrency", "2", **heed) as process:
        batch_files.wait_for_lines(10)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130
    assert time.monotonic() - began < 4
    assert told.endswith("batch.py: stopped: Ctrl-C; the same command goes on from here\n")
    assert batch_files.results() == answered(*range(10))


@on_posix
def test_batch_writes_to_a_pipe_that_has_no_name(batch_files):
    batch_files.write(sums(1, 2))
    command = ["sh", "-c", '"$0" "$@" /dev/stdout | cat', sys.executable, str(EXAMPLES / "batch.py"), str(batch_files.input)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": PATHS}, capture_output=True, text=True, timeout=20)
    assert sorted(json.loads(line)["id"] for line in done.stdout.splitlines()) == [1, 2], done.stderr


def test_batch_leaves_nothing_behind_where_failed_rows_cannot_be_taken_out(batch_files, monkeypatch):
    batch_files.write([*sums(1), *sums(2, fault="[fault 400 times=1]")])
    batch_files.run()
    before = batch_files.output.read_bytes()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch_files.module.shutil, "copymode", refuse)
    assert batch_files.run("--retry-failed")[0] == 1
    assert sorted(os.listdir(batch_files.output.parent)) == ["in.jsonl", "out.jsonl"]
    assert batch_files.output.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_batch_stops_when_nothing_can_be_written(batch_files, box):
    batch_files.write(sums(*range(500)))
    status, told = batch_files.run("--concurrency", "2", output="/dev/full")
    assert status == 1
    assert "No space left on device" in told
    assert len(box.requests) < 20


@pytest.mark.skipif(ON_WINDOWS, reason="no resource limits")
@pytest.mark.parametrize(
    "rows, room", [pytest.param(40, 1000, id="in the middle"), pytest.param(1, 10, id="at the end")]
)
def test_batch_goes_on_after_a_full_disk(batch_files, rows, room):
    def fill_disk():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    batch_files.write(sums(*range(rows)))
    with batch_files.start(preexec_fn=fill_disk) as process:
        told = process.stderr.read()
    assert process.returncode == 1
    assert "File too large" in told
    assert batch_files.output.stat().st_size == room
    assert batch_files.run()[0] == 0
    assert batch_files.results() == answered(*range(rows))


def test_batch_reports_what_it_skips(batch_files):
    bad = ["{", "[]", '{"id": null, "prompt": "x"}', '{"id": 5}', '{"id": 5, "prompt": 5}']
    both = {"id": 5, "prompt": "x", "messages": []}
    batch_files.write([*sums(1), "", *bad, both, *sums(1), "[" * 20_000, *sums(2)])
    status, told = batch_files.run()
    assert status == 0
    lines = [line.partition("line ")[2].partition(":")[0] for line in told.splitlines() if "skipped" in line]
    assert lines == [f"{number} is skipped" for number in (3, 4, 5, 6, 7, 8, 9, 10)]
    assert "line 9 is skipped: id 1 once more" in told
    assert batch_files.results() == answered(1, 2)


def test_batch_slows_down_for_a_service_that_wants_fewer_requests(batch_files):
    batch_files.write(sums(*range(12), fault="[fault 429 times=2 retry-after=0.01]"))
    status, told = batch_files.run("--concurrency", "4")
    assert status == 0
    assert "12 rows, 0 failed" in told
    assert batch_files.results() == answered(*range(12))


class ScriptedClient:
    """A client whose first calls raise these errors, once as many are under way as *meet*; the others answer."""

    def __init__(self, *errors, meet=1):
        self.errors, self.meeting = iter(errors), threading.Barrier(meet)
        self.active = 0
        self.calls = []  # when each began, and how many were then under way
        self.lock = threading.Lock()

    def with_options(self, **options):
        return self

    def create_chat_completion(self, request):
        with self.lock:
            self.active += 1
            self.calls.append((time.monotonic(), self.active))
            error = next(self.errors, None)
        if error is not None:
            self.meeting.wait(timeout=10)
        elif self.meeting.parties > 1:
            time.sleep(0.02)
        with self.lock:
            self.active -= 1
        if error is not None:
            raise error
        return COMPLETION


def complete_rows(count, **options):
    batch = importlib.import_module("batch")
    return batch.complete(({"id": number, "prompt": "Hi"} for number in range(count)), **options)


def test_one_refusal_makes_all_calls_wait_and_half_as_many_go_on():
    refusals = [pixigpt.RateLimitError("slow down", status_code=429, retry_after=0.1) for _ in range(8)]
    client = ScriptedClient(*refusals, meet=8)
    results = list(complete_rows(12, concurrency=8, client=client))
    assert all(result["content"] == "Hello!" for result in results)
    refused, after = client.calls[:8], client.calls[8:]
    assert after[0][0] - refused[-1][0] >= 0.1
    assert max(active for _, active in after[:8]) <= 5


def test_refusals_of_calls_under_way_halve_their_number_once_and_successes_win_it_back():
    throttle = importlib.import_module("batch").Throttle(8)
    for _ in range(8):
        throttle.__enter__()
    for _ in range(8):
        throttle.__exit__(None, pixigpt.RateLimitError("slow down", status_code=429, retry_after=0.05), None)
    assert throttle.limit == 4
    for _ in range(30):
        with throttle:
            pass
    assert throttle.limit == 8


def test_refusals_that_do_not_say_how_long_are_waited_out_longer_each_time(monkeypatch):
    batch = importlib.import_module("batch")
    now = [1000.0]
    monkeypatch.setattr(batch, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    throttle, waits = batch.Throttle(8), []

    def call(error=None):
        now[0] = max(now[0], throttle.resume)
        throttle.__enter__()
        throttle.__exit__(type(error), error, None)
        waits.append(throttle.resume - now[0])

    for _ in range(8):
        call(pixigpt.RateLimitError("slow down", status_code=429))
    call(pixigpt.RateLimitError("slow down", status_code=429, retry_after=1.0))
    call(pixigpt.RateLimitError("slow down", status_code=429, retry_after=0.0))
    call()
    call(pixigpt.RateLimitError("slow down", status_code=429))
    assert [round(wait, 6) for wait in waits] == [2, 4, 8, 16, 32, 60, 60, 60, 1, 0.6, 0, 2]


def test_a_row_that_is_refused_for_ever_is_an_error(monkeypatch):
    monkeypatch.setattr(importlib.import_module("batch"), "REFUSALS", 3)
    refusals = (pixigpt.RateLimitError("slow down", status_code=429, retry_after=0.0) for _ in range(3))
    client = ScriptedClient(*refusals)
    assert list(complete_rows(1, concurrency=1, client=client)) == [{"id": 0, "error": "429: slow down"}]


def test_nothing_is_asked_again_once_a_batch_was_stopped():
    client = ScriptedClient(*(pixigpt.APIConnectionError("refused", stage="connect") for _ in range(2)), meet=2)
    before, results = {*threading.enumerate()}, complete_rows(3, concurrency=3, client=client)
    assert next(results)["content"] == "Hello!"  # two have failed, and wait for their next attempt
    results.close()
    until(lambda: {*threading.enumerate()} <= before)
    assert len(client.calls) == 3


def test_a_service_that_is_gone_for_long_stops_the_batch_without_results(monkeypatch):
    batch, waits = importlib.import_module("batch"), []
    monkeypatch.setattr(batch.Throttle, "sleep", lambda self, seconds: waits.append(seconds))
    client = ScriptedClient(*(pixigpt.APIConnectionError("refused", stage="connect") for _ in range(batch.OUTAGE)))
    with pytest.raises(pixigpt.APIConnectionError):
        list(complete_rows(1, concurrency=1, client=client))
    assert sum(waits) > 600 and max(waits) == 300
    client = ScriptedClient(*(pixigpt.APIConnectionError("refused", stage="connect") for _ in range(batch.OUTAGE - 1)))
    assert [result["content"] for result in complete_rows(1, concurrency=1, client=client)] == ["Hello!"]


def test_failures_of_each_kind_have_their_own_attempts(monkeypatch):
    batch = importlib.import_module("batch")
    monkeypatch.setattr(batch.Throttle, "sleep", lambda self, seconds: None)
    limited = pixigpt.RateLimitError("slow down", status_code=429, retry_after=0.0)
    overloaded = pixigpt.ServerError("busy", status_code=503, retry_after=0.0)
    gone, failed = pixigpt.APIConnectionError("refused", stage="connect"), pixigpt.ServerError("oops", status_code=500)
    monkeypatch.setattr(batch, "REFUSALS", 13)
    errors = [limited] * 6 + [overloaded] * 6 + [gone] * (batch.OUTAGE - 1) + [failed] * (batch.FAILURES - 1)
    client = ScriptedClient(*errors)
    assert [result["content"] for result in complete_rows(1, concurrency=1, client=client)] == ["Hello!"]
    assert "oops" in next(complete_rows(1, concurrency=1, client=ScriptedClient(*errors, failed)))["error"]


def test_results_do_not_wait_for_rows_that_come_slowly():
    def rows():
        for number in range(3):
            yield {"id": number, "prompt": "Hi"}
            until(lambda: len(client.calls) == number + 1 and not client.active)
            time.sleep(0.01)
            seen.append(len(results))

    client, seen, results = ScriptedClient(), [], []
    for result in importlib.import_module("batch").complete(rows(), concurrency=10, client=client):
        results.append(result["id"])
    assert seen == [0, 1, 2] and results == [0, 1, 2]


@pytest.mark.parametrize(
    "fault, expected",
    [
        pytest.param("[fault 503 times=2 retry-after=0]", answered(1)[1], id="an outage that passes"),
        pytest.param("[fault drop times=1]", answered(1)[1], id="a lost connection"),
        pytest.param("[fault 408 times=1 retry-after=0]", answered(1)[1], id="a server that lost patience"),
        pytest.param("[fault 500 retry-after=0]", "server_error", id="an outage that lasts"),
        pytest.param("[fault 400]", "invalid_request_error", id="a wrong request"),
    ],
)
def test_batch_retries_what_may_pass(batch_files, fault, expected):
    batch_files.write(sums(1, fault=fault))
    began = time.monotonic()
    assert batch_files.run()[0] == 0
    assert time.monotonic() - began < 3  # seven seconds if no Retry-After says otherwise
    assert expected in "".join(batch_files.results()[1])


def test_batch_asks_failed_rows_again_only_if_told_to(batch_files, box):
    batch_files.write([*sums(1), *sums(2, fault="[fault 400 times=1]"), *sums(3)])
    assert "1 failed" in batch_files.run()[1]
    batch_files.run()
    assert isinstance(batch_files.results()[2], tuple)
    assert batch_files.run("--retry-failed")[0] == 0
    assert batch_files.results() == answered(1, 2, 3)
    assert len(box.requests) == 4
    assert sorted(os.listdir(batch_files.output.parent)) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(
    "fault, key, expected",
    [
        pytest.param("", "wrong", "401 authentication_error", id="wrong key"),
        pytest.param("[fault 429 code=insufficient_quota]", None, "429 rate_limit_error", id="used-up quota"),
    ],
)
def test_batch_stops_where_no_row_can_succeed(batch_files, box, monkeypatch, fault, key, expected):
    monkeypatch.setenv("PIXIGPT_API_KEY", key or box.api_key)
    batch_files.write(sums(*range(200), fault=fault))
    status, told = batch_files.run("--concurrency", "4")
    assert status == 1
    assert told.splitlines()[-1].startswith(f"batch.py: stopped: POST /chat/completions: {expected}")
    assert batch_files.results() == {}
    assert len(box.requests) <= 8


def test_batch_stops_without_a_service(batch_files, box, waits):
    box.close()
    batch_files.write(sums(1))
    status, told = batch_files.run()
    assert status == 1
    assert told.startswith("batch.py: stopped: connect: ")
    assert batch_files.results() == {}
    batch_files.output.write_text('{"id": 1, "content": "2", "usage": {}}\n')
    assert batch_files.run()[0] == 0  # there is nothing to ask


def test_batch_says_that_it_needs_threads(batch_files, monkeypatch):
    def start_others(thread):
        if thread.name.startswith("ThreadPoolExecutor"):
            raise RuntimeError("can't start new thread")
        start(thread)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start_others)
    batch_files.write(sums(1))
    status, told = batch_files.run()
    assert (status, told.splitlines()[-1]) == (1, "batch.py: stopped: can't start new thread")
    assert batch_files.results() == {}


@pytest.mark.parametrize(
    "arguments, expected",
    [
        pytest.param(["{in}", "{in}"], "IN and OUT are the same file", id="one file"),
        pytest.param(["{in}.not", "{out}"], "No such file", id="no input"),
        pytest.param(["{in}", "{out}", "--concurrency", "0"], "max_connections", id="no concurrency"),
        pytest.param(["{in}"], "OUT.jsonl", id="no output"),
    ],
)
def test_batch_wrong_usage(batch_files, arguments, expected):
    batch_files.write(sums(1))
    names = {"in": batch_files.input, "out": batch_files.output}
    batch_files.monkeypatch.setattr(sys, "argv", ["batch.py", *(text.format(**names) for text in arguments)])
    with pytest.raises(SystemExit) as stopped:
        batch_files.module.main()
    assert stopped.value.code == 2
    assert expected in batch_files.capsys.readouterr().err
    assert batch_files.input.read_text() == json.dumps(sums(1)[0]) + "\n"


def test_batch_does_not_take_its_input_for_its_own_copy(batch_files):
    batch_files.input = batch_files.output.with_name(batch_files.output.name + ".new")
    batch_files.write(sums(1))
    with pytest.raises(SystemExit) as stopped:
        batch_files.run("--retry-failed")
    assert stopped.value.code == 2 and "--retry-failed writes" in batch_files.capsys.readouterr().err
    assert batch_files.run()[0] == 0 and batch_files.results() == answered(1)


@pytest.mark.skipif(ON_WINDOWS, reason="no flock")
def test_batch_lets_no_second_one_write_its_file(batch_files):
    batch_files.write([*sums(0), *sums(1, fault="[fault slow=0.2]")])
    with batch_files.start("--concurrency", "1") as process:
        batch_files.wait_for_lines(1)
        assert "another batch.py is writing" in batch_files.run()[1]
        process.stderr.read()
    assert batch_files.results() == answered(0, 1)


def test_batch_shows_its_progress_on_a_terminal(batch_files, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    batch_files.write(["{", *sums(*range(30), fault="[fault slow=0.02]")])
    batch_files.run("--concurrency", "2")
    first, *changing, last = [line.rstrip() for line in terminal.getvalue().split("\r")[1:]]
    assert "line 1 is skipped" in first
    on_the_way = [line for line in changing if not line.startswith("30 rows, ")]
    assert on_the_way
    assert all(re.fullmatch(r"\d+ rows, 0 failed, [\d.]+/s, 0:\d\d:\d\d left", line) for line in on_the_way)
    assert re.fullmatch(r"30 rows, 0 failed, [\d.]+/s", last)
    monkeypatch.setenv("COLUMNS", "20")
    terminal.truncate(0)
    batch_files.module.Progress(4).show("")
    assert len(terminal.getvalue().strip("\0")) == 20  # or it would wrap, and not be written over


def test_batch_says_how_far_it_is_in_lines_where_there_is_no_terminal(batch_files):
    progress = batch_files.module.Progress(4)
    progress.count({"id": 1, "content": "Hi"})
    assert batch_files.capsys.readouterr().err == ""
    progress.began, progress.shown = progress.began - 20, progress.shown - 10  # seconds later
    progress.count({"id": 2, "error": "no"})
    assert batch_files.capsys.readouterr().err == "2 rows, 1 failed, 0.1/s, 0:00:20 left\n"


def test_complete_takes_rows_only_as_fast_as_they_are_answered():
    taken = []
    rows = ({"id": taken.append(number), "prompt": "Hi"} for number in range(1000))
    results = importlib.import_module("batch").complete(rows, concurrency=5, client=ScriptedClient())
    for _ in range(10):
        next(results)
    results.close()
    assert len(taken) <= 15


@needs_tracemalloc
def test_complete_needs_the_same_memory_for_any_number_of_rows():
    client = types.SimpleNamespace(create_chat_completion=lambda **request: COMPLETION)
    client.with_options = lambda **options: client

    def peak(count):
        gc.collect()
        tracemalloc.start()
        for _ in complete_rows(count, concurrency=20, client=client):
            pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(2000) < 2 * peak(200) + 50_000


def test_ids_are_told_apart_at_sixteen_bytes_each():
    ids = importlib.import_module("batch").Ids()
    names = [*range(5_000), -1, "1", "ä", "\ud83d"]
    assert all(ids.add(name) for name in names)
    assert not any(ids.add(name) for name in names)
    assert ids.count == len(names)
    assert sum(map(len, ids.buckets)) == 16 * len(names)


def test_batch_runs_on_the_workers_of_a_dask_cluster(batch_files, box):
    pytest.importorskip("distributed")
    program = (
        "import distributed\n"
        "cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)\n"
        "print(cluster.scheduler_address, flush=True); input()"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PIXIGPT_"))}
    directory = batch_files.input.parent  # where neither pixigpt.py nor batch.py is
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], cwd=directory, env=environment, **pipes) as cluster:
        address = cluster.stdout.readline().strip()
        batch_files.write(sums(*range(50), fault="[fault slow=0.05]"))
        with batch_files.start("--dask", address, "--concurrency", "4") as process:
            told = process.stderr.read()
        cluster.stdin.write("\n")
        cluster.stdin.flush()
    assert (process.returncode, told.splitlines()[-1].split(" rows, ")[0]) == (0, "50")
    assert batch_files.results() == answered(*range(50))
    assert 4 < box.connections <= 16


# aws_lambda

LAMBDA = EXAMPLES / "aws_lambda"


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """The layer that the command builds."""
    path = tmp_path_factory.mktemp("layer") / "layer.zip"
    result = run_python(str(LAMBDA / "build_layer.py"), str(path))
    assert result.stdout == f"{path}: {path.stat().st_size:,} bytes\n"
    return path


def test_layer_is_the_same_bytes_from_the_same_source(layer, tmp_path):
    source = pathlib.Path(pixigpt.__file__).read_bytes()
    builder = tmp_path / "examples" / "aws_lambda" / "build_layer.py"
    builder.parent.mkdir(parents=True)
    builder.write_bytes((LAMBDA / "build_layer.py").read_bytes())
    (tmp_path / "pixigpt.py").write_bytes(source.replace(b"\n", b"\r\n"))
    os.utime(tmp_path / "pixigpt.py", (1e8, 1e8))
    umask_before = os.umask(0o077)
    try:
        load_example(builder).build(tmp_path / "layer.zip", False)
    finally:
        os.umask(umask_before)
    assert layer.read_bytes() == (tmp_path / "layer.zip").read_bytes()
    with zipfile.ZipFile(layer) as archive:
        (entry,) = archive.infolist()
    assert (entry.filename, entry.external_attr >> 16, entry.create_system) == ("python/pixigpt.py", 0o100644, 3)


def test_layer_is_small_and_has_the_same_code_on_the_same_lines(layer):
    def same(one, two):
        numbers = [(code.co_name, code.co_code, code.co_names, code.co_firstlineno) for code in (one, two)]
        assert numbers[0] == numbers[1]
        for inner in zip(one.co_consts, two.co_consts):
            if hasattr(inner[0], "co_code"):
                same(*inner)
            else:
                assert inner[0] == inner[1]

    assert layer.stat().st_size <= 30 * 1024
    with zipfile.ZipFile(layer) as archive:
        sources = (pathlib.Path(pixigpt.__file__).read_bytes(), archive.read("python/pixigpt.py"))
    same(*(compile(source, "pixigpt.py", "exec", optimize=2) for source in sources))


def test_layer_with_bytecode_is_not_compiled_again(tmp_path):
    path = tmp_path / "layer.zip"
    run_python(str(LAMBDA / "build_layer.py"), "--bytecode", str(path))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    source = tmp_path / "python" / "pixigpt.py"
    os.utime(source, (1e9, 1e9))  # unpacked on another day, and it would not even have to be the same
    source.write_text(source.read_text("utf-8") + "\nraise SystemExit('compiled')\n", "utf-8")
    program = f"import sys; sys.path.insert(0, {str(source.parent)!r}); import pixigpt; print(pixigpt.__version__)"
    assert run_python("-c", program).stdout == f"{pixigpt.__version__}\n"


def test_layer_that_cannot_be_written_is_one_line(tmp_path):
    result = run_python(str(LAMBDA / "build_layer.py"), str(tmp_path / "nowhere" / "layer.zip"))
    assert result.returncode == 1 and result.stderr.startswith("build_layer.py: ") and result.stderr.count("\n") == 1


class LambdaContext:
    aws_request_id = "invocation-1"

    def __init__(self, seconds):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self.seconds * 1000)


@pytest.fixture
def lambda_call(box, monkeypatch, capsys):
    """Calls the handler: what it returns or raises, and what it logs."""
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    module = load_example(LAMBDA / "handler.py")

    def call(event, seconds=10):
        try:
            result = module.handler(event, LambdaContext(seconds))
        except Exception as error:
            result = error
        (line,) = capsys.readouterr().out.splitlines()
        return result, json.loads(line)

    with module.client:
        yield call


def http_event(body, **fields):
    return {"requestContext": {}, "body": body if isinstance(body, str) else json.dumps(body), **fields}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"prompt": "What is 1 + 1?"}, id="direct"),
        pytest.param(http_event({"prompt": "What is 1 + 1?"}), id="http"),
        pytest.param(
            http_event(base64.b64encode(b'{"prompt": "What is 1 + 1?"}').decode(), isBase64Encoded=True), id="base64"
        ),
    ],
)
def test_lambda_answers(lambda_call, box, event):
    deadline = time.monotonic() + 5
    while not box.connections:
        assert time.monotonic() < deadline, "there is no connection before the first call"
        time.sleep(0.002)
    result, log = lambda_call(event)
    if "body" in event:
        body = result.pop("body")
        assert result == {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "isBase64Encoded": False}
        result = json.loads(body)
    assert result == {"content": "1 + 1 = 2.", "usage": log["usage"]}
    assert (log["status"], log["invocation"]) == (200, "invocation-1")
    assert set(log) == {"invocation", "status", "usage", "seconds"}
    assert box.requests[0].json["assistant_id"] == box.assistant_id
    assert box.connections == 1


@pytest.mark.parametrize(
    "event, seconds, status, kind",
    [
        pytest.param({"prompt": " "}, 10, 400, "BadRequest", id="empty prompt"),
        pytest.param({"prompt": 5}, 10, 400, "BadRequest", id="no text"),
        pytest.param({"prompt": "secret \ud83d"}, 10, 400, "BadRequest", id="half a character"),
        pytest.param("secret", 10, 400, "BadRequest", id="no object"),
        pytest.param(http_event("{secret"), 10, 400, None, id="no JSON"),
        pytest.param(http_event("secret!", isBase64Encoded=True), 10, 400, None, id="no base64"),
        pytest.param({"requestContext": {}}, 10, 400, None, id="no body"),
        pytest.param(http_event([]), 10, 400, None, id="a list"),
        pytest.param({"prompt": "secret [fault 400]"}, 10, 502, "BadGateway", id="refused"),
        pytest.param(http_event({"prompt": "secret [fault 500]"}), 2, 502, None, id="failed"),
        pytest.param({"prompt": "secret [fault slow=1]"}, 0.6, 504, "GatewayTimeout", id="late"),
        pytest.param(http_event({"prompt": "secret [fault slow=1]"}), 0.6, 504, None, id="late for http"),
        pytest.param({"prompt": "secret"}, 0.3, 504, "GatewayTimeout", id="no time left"),
    ],
)
def test_lambda_says_what_went_wrong_without_telling_secrets(lambda_call, box, waits, event, seconds, status, kind):
    began = time.monotonic()
    result, log = lambda_call(event, seconds)
    assert time.monotonic() - began < seconds
    assert log["status"] == status
    if kind is None:
        assert result["statusCode"] == status
        assert json.loads(result["body"]) == {"error": log["error"]}
    else:
        assert (type(result).__name__, str(result)) == (kind, log["error"])
    assert not any(secret in f"{log} {result}" for secret in ("secret", box.api_key))


def test_lambda_starts_without_a_service(box, waits, monkeypatch, capsys):
    for name, value in {**box.environment(), "PIXIGPT_BASE_URL": "http://127.0.0.1:9/v1"}.items():
        monkeypatch.setenv(name, value)
    module = load_example(LAMBDA / "handler.py")
    with module.client, pytest.raises(module.BadGateway, match="APIConnectionError"):
        module.handler({"prompt": "Hi"}, LambdaContext(5))
    assert json.loads(capsys.readouterr().out)["status"] == 502


class LambdaRuntime:
    """What AWS has behind AWS_LAMBDA_RUNTIME_API: hands out events, takes what came of them."""

    def __init__(self):
        self.events, self.outcomes = queue.Queue(), queue.Queue()
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event, seconds = runtime.events.get()
                headers = {
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": "invocation-1",
                    "Lambda-Runtime-Deadline-Ms": int((time.time() + seconds) * 1000),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn",
                }
                self.answer(200, json.dumps(event).encode(), headers)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                runtime.outcomes.put((self.path.rpartition("/")[2], json.loads(body)))
                self.answer(202, b"{}", {})

            def answer(self, status, body, headers):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def call(self, event, seconds=10):
        self.events.put((event, seconds))
        return self.outcomes.get(timeout=20)

    def close(self):
        self.events.put((None, 0))  # for the one that waits in do_GET
        self.server.shutdown()
        self.server.server_close()


def test_lambda_function_runs_from_the_layer(box, layer, tmp_path):
    pytest.importorskip("awslambdaric")
    with zipfile.ZipFile(layer) as archive:
        archive.extractall(tmp_path / "opt")
    runtime = LambdaRuntime()
    environment = {
        **os.environ,
        **box.environment(),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "opt" / "python"), str(LAMBDA)]),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server.server_address[1]}",
    }
    command = [sys.executable, "-m", "awslambdaric", "handler.handler"]
    with subprocess.Popen(command, cwd=LAMBDA, env=environment, stdout=subprocess.PIPE, text=True) as function:
        try:
            for number in range(4):
                kind, answer = runtime.call({"prompt": f"What is {number} + 1?"})
                assert (kind, answer["content"]) == ("response", f"{number} + 1 = {number + 1}.")
            assert box.connections == 1
            with frozen(function):  # as Lambda does between invocations
                box.close_idle_connections()
            assert "1 + 1 = 2." in runtime.call(http_event({"prompt": "What is 1 + 1?"}))[1]["body"]
            assert box.connections == 2
            kind, failure = runtime.call({"prompt": "[fault slow=2]"}, seconds=0.8)
            assert (kind, failure["errorType"]) == ("error", "GatewayTimeout")
            assert runtime.call({"prompt": "What is 2 + 1?"})[0] == "response"
        finally:
            function.kill()
            logs = function.stdout.read()
            runtime.close()
    assert logs.count('"status": 200') == 6
    assert box.api_key not in logs


def test_lambda_template_fits_the_layer_and_the_handler():  # that it is a valid one is checked by .ci/run
    template, handler = ((LAMBDA / name).read_text("utf-8") for name in ("template.yaml", "handler.py"))
    values = dict(re.findall(r"(?m)^ +(\w+): (?!$|>)(.*?)(?: #.*)?$", template))
    assert (values["ContentUri"], values["Layers"]) == ("layer.zip", "[!Ref Layer]")
    assert values["CodeUri"] == "handler.py" and values["Handler"] == "handler.handler" and "\ndef handler(" in handler
    assert values["CompatibleArchitectures"] == "[x86_64, arm64]"
    assert (values["Architectures"], values["AllowedValues"]) == ("[!Ref Architecture]", "[arm64, x86_64]")
    project = README.with_name("pyproject.toml").read_text("utf-8")
    runtimes = [f"python{version}" for version in re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)]
    assert values["CompatibleRuntimes"] == f"[{', '.join(runtimes)}]" and values["Runtime"] in runtimes
    assert values["PIXIGPT_API_KEY"] == '!Sub "{{resolve:secretsmanager:${ApiKeySecret}}}"'
    given = {name for name in values if name.startswith("PIXIGPT_")}
    assert given == set(re.findall(r"PIXIGPT_\w+", handler)) - {"PIXIGPT_BASE_URL"}


# -------------------------------------------------------------------------------------------------- README


README = pathlib.Path(pixigpt.__file__).resolve().with_name("README.md")
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"
NOT_RUN = {  # and why; every other command in the README is run
    TEST_COMMAND: ".ci/run does",
    "pip install pixigpt": "needs PyPI",
    "pip install --target published pixigpt==0.1.5": "needs PyPI",
    "python examples/benchmark.py --markdown --published published": "takes minutes",
    "aws lambda publish-layer-version --layer-name pixigpt --zip-file fileb://layer.zip": "needs AWS",
    "aws lambda update-function-configuration --function-name my-function --layers LAYER_VERSION_ARN": "needs AWS",
    "./publish.sh": "runs all tests",
    "./publish.sh --upload": "publishes",
}
# What a reader's shell has: the command as it is installed, a file of questions, a repository with a change in it.
SHELL = r"""set -euo pipefail
pixigpt() { python -m pixigpt "$@"; }
git() { echo "a change"; }
printf 'Who are you?\nWhat is 6 * 7?\n' > questions.txt
"""


@functools.lru_cache(None)
def readme_blocks():
    """The fenced blocks: (section, language, number of its first line, text)."""
    blocks, section, fence = [], "", None
    for number, line in enumerate(README.read_text("utf-8").splitlines(), 1):
        if fence is None and line.startswith("## "):
            section = line[3:]
        elif fence is None and line.startswith("```"):
            fence = [section, line[3:], number + 1, ""]
        elif fence is not None and line == "```":
            blocks.append(fence)
            fence = None
        elif fence is not None:
            fence[3] += f"{line}\n"
    assert fence is None
    return blocks


def readme_table(title):
    """The rows of the table whose first column has this title."""
    lines = README.read_text("utf-8").partition(f"\n| {title} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def readme_names(box, monkeypatch):
    """What the README says its snippets have, in the environment of the sandbox."""
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 17 + 25?"}]
    with Client() as client:
        yield {"__name__": "readme", "client": client, "messages": messages}


@pytest.mark.parametrize("section", dict.fromkeys(block[0] for block in readme_blocks() if block[1] == "python"))
def test_python_in_the_readme_runs_and_prints_what_it_says(section, readme_names, monkeypatch):
    for name in ("pandas", "pyspark", "pyspark.sql", "ray"):
        monkeypatch.setitem(sys.modules, name, mock.MagicMock(DataFrame=lambda rows, columns: list(rows)))
    monkeypatch.setattr(pixigpt, "_sleep", lambda seconds: time.sleep(seconds / 20))  # as fast as the sandbox's runs
    for name, language, line, code in readme_blocks():
        if (name, language) == (section, "python"):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile("\n" * (line - 1) + code, str(README), "exec"), readme_names)
            assert set(re.findall(r"→ (.*)", code)) <= set(output.getvalue().splitlines())
    if section == "Batches":  # what Spark and Ray do with its functions
        row = {"id": 1, "prompt": "What is 17 + 25?"}
        (text,) = readme_names["answers"]([mock.Mock(asDict=lambda: row)])
        (result,) = readme_names["answer"](mock.Mock(to_dict=lambda orient: [row]))
        assert json.loads(text)["content"] == result["content"] == "17 + 25 = 42."


def readme_commands(language, text):
    """The commands of a block, each with the lines that it prints, None where that is not said."""
    if language == "sh":
        yield from ((line, None) for line in text.replace("\\\n", "").splitlines())
    elif language == "console":
        for part in re.split(r"(?m)^\$ ", text)[1:]:
            command, *lines = part.splitlines()
            typed = [line[2:] for line in lines if line.startswith("> ")]
            command = f"printf '%s\\n' {shlex.join(typed)} | {command} -i" if typed else command  # a chat
            yield command, [line for line in lines if not line.startswith("> ")]


@pytest.mark.skipif(os.name == "nt" or shutil.which("bash") is None, reason="the commands are for a Unix shell")
def test_commands_in_the_readme_run_and_print_what_it_says(box, tmp_path):
    folder = shutil.copytree(README.parent / "examples", tmp_path / "copy" / "examples").parent
    shutil.copy(pixigpt.__file__, folder)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, **box.environment(), "PATH": path, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
    blocks = [list(readme_commands(language, text)) for _, language, _, text in readme_blocks()]
    named = [command for block in blocks for command, _ in block]
    assert next(command for command in named if "pytest" in command) == TEST_COMMAND
    assert NOT_RUN.keys() <= set(named)

    def run(commands):
        script = SHELL + "\necho @@\n".join(command for command, _ in commands)
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "encoding": "utf-8", "timeout": 30}
        result = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, **options)
        outputs = [text.splitlines() for text in result.stdout.split("@@\n")]
        assert (result.returncode, len(outputs)) == (0, len(commands)), (script, result.stderr)
        for (command, lines), output in zip(commands, outputs):
            assert lines in (None, output), command

    to_run = [[command for command in block if command[0] not in NOT_RUN] for block in blocks]
    with ThreadPoolExecutor(2) as shells:  # one for each block, for they do not need each other
        list(shells.map(run, filter(None, to_run)))


METHODS = readme_table("Method of `Client`")


def test_methods_in_the_readme_are_those_of_the_client():
    public = [name for name, value in vars(Client).items() if callable(value) and not name.startswith("_")]
    assert sorted(text[1:].partition("(")[0] for text, *_ in METHODS) == sorted(public)
    assert [name for name in public if not hasattr(pixigpt.AsyncClient("key"), name)] == []


@pytest.mark.parametrize("text, http, result", METHODS, ids=[text[1:].partition("(")[0] for text, *_ in METHODS])
def test_method_takes_does_and_returns_what_the_readme_says(text, http, result):
    name, arguments = re.fullmatch(r"`(\w+)\((.*)\)`", text).groups()
    signature = inspect.signature(getattr(Client, name))
    plain = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()][1:]
    names = [argument for argument in arguments.split(", ") if re.fullmatch(r"\w+\??", argument)]
    given = {name: [] if name == "messages" else name for name in names if "?" not in name}
    if "fields" in signature.parameters:  # of a request
        shapes = [set(vars(pixigpt)[shape].__annotations__) for shape in pixigpt.__all__ if shape.endswith("Request")]
        fields = {name.strip("?") for name in names}
        assert fields in shapes or ("…" in arguments and any(fields < shape for shape in shapes))
        for missing in given.keys() - {"tools"}:
            with Client("key") as client, pytest.raises(TypeError, match=f"needs '{missing}'"):
                getattr(client, name)(**{name: value for name, value in given.items() if name != missing})
    elif name != "with_options":
        assert f"({arguments})" == str(inspect.Signature(plain))
    if " /" not in http:
        return
    assert eval(result.strip("`"), dict(vars(pixigpt))) == signature.return_annotation
    with Server(reply(200, {**COMPLETION, "data": [], "status": "completed"})) as server:
        answer = getattr(server.client(), name)(**{**given, **({"tools": []} if "tools" in given else {})})
        answer.close() if "Stream" in result else list(answer) if "Iterator" in result else None
        assert re.sub("[{}`]", "", http) == f"{server.requests[0].method} {server.requests[0].path.partition('?')[0]}"


def test_retry_table_of_the_readme_is_right():
    causes = {
        "could not connect: nothing was sent": [APIConnectionError(stage="connect")],
        "a reused connection died before a byte of the answer": [],  # is decided elsewhere, and has tests of its own
        "any later connection failure": [APIConnectionError(stage="sent")],
        "budget spent": [APITimeoutError(stage="connect")],
        "everything else": [APIResponseError()],
    }
    statuses = set(range(300, 600))
    for cause, *cells in readme_table("What happened"):
        named = statuses if cause == "everything else" else set(map(int, re.findall(r"\b\d{3}\b", cause)))
        statuses = statuses - named
        for error in causes.pop(cause, []) + [APIError(status_code=status) for status in named]:
            decisions = [pixigpt._should_retry(error, True), pixigpt._should_retry(error, False)]
            assert decisions == [cell.startswith("retry") for cell in cells], (cause, error)
    assert not statuses and not causes


def test_names_options_links_and_paths_in_the_readme_are_right():
    text = README.read_text("utf-8")
    assert {language for _, language, *_ in readme_blocks()} == {"python", "sh", "console", "text"}
    tree = next(text for _, language, _, text in readme_blocks() if language == "text")
    assert set(re.findall(r"\w+Error\b", tree)) >= {name for name in pixigpt.__all__ if name.endswith("Error")}
    options = set(re.findall(r"(?<=`)--[a-z-]+", text.partition("## Command line")[2].partition("\n## ")[0]))
    assert options <= set(re.findall(r"--[a-z-]+", run_python("-m", "pixigpt", "--help").stdout))
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)", text)}
    for link in re.findall(r"\]\(([^)]*)\)", text):
        ours = re.match(r"https://(pixigpt\.com|github\.com/PixiGPT/pixigpt-py)\b", link)
        packed = link.startswith(".github")  # which the package for PyPI does not have
        assert ours or packed or link[1:] in anchors or (README.parent / link).exists(), link
    assert not re.search(r"/(home|root|Users|tmp|work|usr)/|\b[A-Z]:\\", text)


# Docstrings


def public_docstrings():
    objects = {"pixigpt": pixigpt, **{name: getattr(pixigpt, name) for name in pixigpt.__all__}}
    for name in ("AsyncChatCompletionStream", "ChatCompletionStream", "Client", "Session"):
        objects.update({f"{name}.{key}": member for key, member in vars(objects[name]).items() if key[0] != "_"})
    return {name: inspect.cleandoc(value.__doc__ or "") for name, value in objects.items()}


def test_everything_public_has_a_docstring():
    assert [name for name, text in public_docstrings().items() if not text] == []
    text = run_python("-m", "pydoc", "pixigpt").stdout
    assert "create_chat_completion(" in text and "object at 0x" not in text
    assert "Fields: id, object, created, model, choices, usage." in text


@pytest.mark.parametrize("name", [name for name, text in public_docstrings().items() if "\n\n    " in text])
def test_example_in_a_docstring_runs(name, readme_names):
    def get_weather(city: str) -> str:
        return f"Sunny in {city}."

    readme_names.update(get_weather=get_weather, AsyncClient=pixigpt.AsyncClient)
    code = re.search(r"\n\n((?: {4}.*\n+)+)", public_docstrings()[name] + "\n")[1]
    awaited = f"import asyncio\nasync def main():\n{code}\nasyncio.run(main())"
    with contextlib.redirect_stdout(io.StringIO()):
        exec(awaited if "async " in code else inspect.cleandoc(code), readme_names)
