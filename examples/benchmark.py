"""What pixigpt.py costs, beside other clients and beside no client at all, measured on your machine.

    python examples/benchmark.py                            two to three minutes
    python examples/benchmark.py --quick                    a first impression in some seconds
    python examples/benchmark.py --markdown                 the table for a README
    python examples/benchmark.py --only pixigpt,socket      some of the contestants

`openai`, `requests` and `httpx` take part if they are installed. The client that was published as pixigpt 0.1.5 has the
same import name, so it needs a place of its own:

    pip install --target published pixigpt==0.1.5
    python examples/benchmark.py --published published

How it is measured: a server in its own process sends answers that were prepared beforehand. In each turn every
contestant gets a fresh process. Where many calls make a figure, these processes live side by side and take turns every
25 ms, so that whatever else the machine does hits all alike. A figure is a median, a ratio the median of the ratios of
neighbours; in parentheses the least and the greatest turn. CPU is the client process's own, user and system. All
contestants encode the same request and decode the same answer.
"""

import argparse
import collections
import contextlib
import gc
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import py_compile
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

HERE = Path(__file__).resolve()
LATENCY = 0.05  # seconds that the slow server takes for an answer
BATCH = 0.025  # seconds of CPU until it is the next contestant's turn
CHUNKS = 1000  # of a stream
CONNECTIONS = 50  # idle ones, whose memory is measured
WORDS = "The sum of seventeen and twenty-five is forty-two, which a child can tell you and a model should. " * 8
REQUEST = {
    "model": "pixi",
    "messages": [
        {"role": "system", "content": "You are a patient teacher of arithmetic. Answer in whole sentences."},
        {"role": "user", "content": "What is 17 + 25, and how would you explain it to a child of six years?"},
    ],
    "temperature": 0.7,
}

# --------------------------------------------------------------------------------------------------- contestants
# Each is a program that defines chat(), which returns the answer's text, and if it can, stream(), which yields the text
# piece by piece. A connection that serves one thread only is made by opened(). URL and REQUEST are defined before.

PIXIGPT = """
from pixigpt import Client
client = Client("key", URL)
def chat():
    return client.create_chat_completion(REQUEST).choices[0].message.content
def stream():
    return client.stream_chat_completion(REQUEST).text_stream
"""
PUBLISHED = """
from pixigpt import ChatCompletionRequest, Client, Message
client = Client("key", URL)
def chat():
    messages = [Message(**message) for message in REQUEST["messages"]]
    request = ChatCompletionRequest(messages=messages, temperature=REQUEST["temperature"])
    return client.create_chat_completion(request).choices[0].message.content
"""
OPENAI = """
from openai import OpenAI
client = OpenAI(api_key="key", base_url=URL)
def chat():
    return client.chat.completions.create(**REQUEST).choices[0].message.content
def stream():
    for chunk in client.chat.completions.create(**REQUEST, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content
"""
REQUESTS = """
import requests
session = requests.Session()
session.headers["Authorization"] = "Bearer key"
session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=100))
def chat():
    response = session.post(URL + "/chat/completions", json=REQUEST, timeout=30)
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]
"""
HTTPX = """
import httpx
limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
client = httpx.Client(headers={"Authorization": "Bearer key"}, timeout=30, limits=limits)
def chat():
    response = client.post(URL + "/chat/completions", json=REQUEST)
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]
"""
HTTP_CLIENT = """
import http.client, json, ssl
HEADERS = {"Authorization": "Bearer key", "Content-Type": "application/json", "Accept": "application/json"}
def opened():
    host = URL.split("/")[2]
    if URL.startswith("https"):
        connection = http.client.HTTPSConnection(host, timeout=30, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, timeout=30)
    def asked(request):
        connection.request("POST", "/v1/chat/completions", json.dumps(request).encode(), HEADERS)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(response.status)
        return response
    def chat():
        return json.loads(asked(REQUEST).read())["choices"][0]["message"]["content"]
    def stream():
        for line in asked({**REQUEST, "stream": True}):
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])["choices"][0]["delta"].get("content")
    return chat, stream
chat, stream = opened()
"""
SOCKET = """
import json, socket
PLACE = URL.split("/")[2]
HEAD = (f"POST /v1/chat/completions HTTP/1.1\\r\\nHost: {PLACE}\\r\\nAuthorization: Bearer key\\r\\n"
        "Content-Type: application/json\\r\\nAccept: application/json\\r\\nContent-Length: ")
def opened():
    connection = socket.create_connection(PLACE.split(":"))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    def ask(request):
        body = json.dumps(request)
        connection.sendall(f"{HEAD}{len(body)}\\r\\n\\r\\n{body}".encode())
    def chat():
        ask(REQUEST)
        data = connection.recv(65536)
        end = data.index(b"\\r\\n\\r\\n") + 4
        length = data.index(b"Content-Length: ") + 16
        size = end + int(data[length : data.index(b"\\r\\n", length)])
        while len(data) < size:
            data += connection.recv(65536)
        return json.loads(data[end:])["choices"][0]["message"]["content"]
    def stream():
        ask({**REQUEST, "stream": True})
        lines = connection.makefile("rb")
        for line in lines:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])["choices"][0]["delta"].get("content")
            elif line == b"0\\r\\n":  # HTTP's own last chunk
                lines.readline()
                return
    return chat, stream
chat, stream = opened()
"""
PEERS = {"openai": OPENAI, "requests": REQUESTS, "httpx": HTTPX}
BARE = {"http.client": HTTP_CLIENT, "socket": SOCKET}
CONTESTANTS = {"pixigpt": PIXIGPT, "published": PUBLISHED, **PEERS, **BARE}

# ---------------------------------------------------------------------------------------------------- the server

HEADERS = (
    "Date: Mon, 06 Jul 2026 09:30:00 GMT|X-Request-Id: req_0123456789abcdef0123456789abcdef|Server: cloudflare"
    "|X-RateLimit-Limit-Requests: 5000|X-RateLimit-Limit-Tokens: 800000|X-RateLimit-Remaining-Requests: 4999"
    "|X-RateLimit-Remaining-Tokens: 799948|X-RateLimit-Reset-Requests: 12ms|X-RateLimit-Reset-Tokens: 3ms"
    "|Strict-Transport-Security: max-age=31536000; includeSubDomains; preload|X-Content-Type-Options: nosniff"
    "|Connection: keep-alive|Cache-Control: no-store"
    "|Vary: Origin|CF-Cache-Status: DYNAMIC|CF-Ray: 9a0b1c2d3e4f5a6b"
    f"|Set-Cookie: __cf_bm={'a1b2c3d4' * 25}; path=/; HttpOnly; Secure; SameSite=None|Processing-Ms: 812"
    '|Report-To: {"endpoints":[{"url":"https:\\/\\/a.nel.example\\/report\\/v4"}],'
    '"group":"nel","max_age":604800}'
)


def answers() -> tuple[bytes, bytes]:
    """A response as the service sends it, with 20 headers in 1 KB; and a stream, an HTTP chunk for each event."""
    head = "\r\n".join(["HTTP/1.1 200 OK", *HEADERS.split("|")])
    common = {"id": "chatcmpl-0123456789abcdef", "created": 1783330200, "model": "pixi"}
    choice = {"index": 0, "message": {"role": "assistant", "content": WORDS.strip()}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 48, "completion_tokens": 170, "total_tokens": 218}
    body = json.dumps({**common, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    whole = f"{head}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def event(text: str, finish_reason: Optional[str] = None) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish_reason}
        return json.dumps({**common, "object": "chat.completion.chunk", "choices": [choice]}).encode()

    texts = itertools.islice(itertools.cycle(WORDS.split()), CHUNKS - 1)
    events = [b"data: %s\n\n" % data for data in (*(event(text + " ") for text in texts), event("", "stop"), b"[DONE]")]
    stream = b"".join(b"%x\r\n%s\r\n" % (len(data), data) for data in events) + b"0\r\n\r\n"
    return whole, f"{head}\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + stream


def serve(certificate: str) -> None:
    """On two or three ports (http, slow, https), a thread for each connection, until standard input ends."""
    whole, stream = answers()

    def converse(connection: socket.socket, latency: float) -> None:
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\ncontent-length: *([0-9]+)", head)
            while length and len(body) < int(length[1]):
                body += connection.recv(65536)
            time.sleep(latency) if latency else None
            connection.sendall(stream if re.search(rb'"stream": ?true', body) else whole)

    def accepted(sock: socket.socket, latency: float, context: Optional[ssl.SSLContext]) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with context.wrap_socket(sock, server_side=True) if context else sock as connection:
                converse(connection, latency)
        except OSError:
            pass  # the client has gone

    def listen(listener: socket.socket, *options: Any) -> None:
        while True:
            threading.Thread(target=accepted, args=(listener.accept()[0], *options), daemon=True).start()

    ports: list[tuple[str, str, float, Optional[ssl.SSLContext]]] = [("http", "http", 0, None)]
    ports.append(("slow", "http", LATENCY, None))
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        ports.append(("https", "https", 0, context))
    urls = {}
    for name, scheme, *options in ports:
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        threading.Thread(target=listen, args=(listener, *options), daemon=True).start()
        urls[name] = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1"
    print(json.dumps(urls), flush=True)
    sys.stdin.read()


def make_certificate(folder: str, environment: dict[str, str]) -> str:
    """A certificate with its key, which children trust beside the system's; "" where openssl cannot make it."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=benchmark"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/own.pem"]
    try:
        subprocess.run(command.split() + files, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    own, key, system = Path(folder, "own.pem"), Path(folder, "key.pem"), ssl.get_default_verify_paths().cafile
    trusted = own.read_bytes() + (Path(system).read_bytes() if system else b"")
    Path(folder, "trusted.pem").write_bytes(trusted)
    Path(folder, "server.pem").write_bytes(own.read_bytes() + key.read_bytes())
    environment["SSL_CERT_FILE"] = environment["REQUESTS_CA_BUNDLE"] = f"{folder}/trusted.pem"
    return f"{folder}/server.pem"


# ------------------------------------------------------------------------- figures that a child process takes of itself


def cpu_per_call(names: dict[str, Any]) -> Callable[[], float]:
    return cpu_of(names["chat"], 1)


def cpu_per_chunk(names: dict[str, Any]) -> Callable[[], float]:
    return cpu_of(lambda: collections.deque(names["stream"](), maxlen=0), CHUNKS)


def cpu_of(action: Callable[[], object], items: int) -> Callable[[], float]:
    """Microseconds for each of the items of an action."""

    def batch(count: int) -> float:
        start = time.process_time()
        for _ in range(count):
            action()
        return (time.process_time() - start) / count / items * 1e6

    warm_up = 2 + 50 // items
    batch(warm_up)
    count = max(1, int(BATCH * 1e6 / items / max(1.0, batch(warm_up))))
    return lambda: batch(count)


def in_threads(names: dict[str, Any], threads: int, work: Callable[[Any], Any]) -> list[Any]:
    """What work(chat) gives in each of so many threads, which begin at the same time, and their chats."""
    barrier, results = threading.Barrier(threads), list[Any]()

    def run() -> None:
        chat = names["opened"]()[0] if "opened" in names else names["chat"]
        barrier.wait(60)
        results.append((work(chat), chat))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(results) == threads
    return results


def efficiency(names: dict[str, Any], threads: int, seconds: float) -> Callable[[], float]:
    """Percent of the calls that so many threads could make if nothing but the server's latency took time."""

    def calls_per_second(chat: Callable[[], object]) -> float:
        chat()
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            chat()
            count += 1
        return count / (time.perf_counter() - start)

    return lambda: statistics.mean(rate for rate, _ in in_threads(names, threads, calls_per_second)) * LATENCY * 100


def memory_per_connection(names: dict[str, Any]) -> Callable[[], float]:
    """KiB of Python's memory that an idle connection holds."""

    def figure() -> float:
        names["chat"]()
        tracemalloc.start()
        kept = in_threads(names, CONNECTIONS, lambda chat: chat() == "")  # at once, so each needs one of its own
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(kept) / 1024

    return figure


def growth(names: dict[str, Any], calls: int) -> Callable[[], float]:
    """KiB that the process is larger after so many calls."""

    def size_after(count: int) -> float:
        for _ in range(count):
            names["chat"]()
        if sys.platform == "linux":
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
        import resource  # elsewhere the greatest size so far, which is as good for something that grows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)

    return lambda: -size_after(1000) + size_after(calls)


FIGURES: dict[str, Any] = {
    figure.__name__: figure for figure in (cpu_per_call, cpu_per_chunk, efficiency, memory_per_connection, growth)
}

# ---------------------------------------------------------------------------------------------------- the parent

Sampler = Callable[[str, contextlib.ExitStack], Callable[[], float]]  # of a contestant, for the time of one turn


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


class Measurement(NamedTuple):
    title: str
    unit: str
    contestants: list[str]
    sampler: Sampler
    turns: int
    rounds: int = 1  # in each turn
    compared: bool = True  # whether "so many times pixigpt's" says something


class Bench:
    """The server, the environment of the children, and how a contestant is measured."""

    def __init__(self, folder: str, published: str, only: list[str]) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.folders = {"pixigpt": folder, "published": published and str(Path(published).resolve())}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.folder = Path(folder, "empty")
        self.folder.mkdir()
        py_compile.compile(shutil.copy(HERE.parent.parent / "pixigpt.py", folder))  # as what is installed is
        self.missing = [name for name in only if not self.is_here(name)]
        self.contestants = [name for name in CONTESTANTS if name in only and name not in self.missing]
        command = [sys.executable, str(HERE), "--serve", make_certificate(folder, self.environment)]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.urls: dict[str, str] = json.loads(read_line(self.server))

    def is_here(self, name: str) -> bool:
        if name == "published":
            return bool(self.folders[name]) and Path(self.folders[name], "pixigpt", "__init__.py").is_file()
        return name in CONTESTANTS and (name not in PEERS or importlib.util.find_spec(name) is not None)

    def python(self, contestant: str, *arguments: str) -> "subprocess.Popen[str]":
        """A fresh process that finds the contestant."""
        paths = {"PYTHONPATH": self.folders[contestant]} if contestant in self.folders else {}
        environment = {**self.environment, **paths}
        command = [sys.executable, *arguments]
        # Not from the tree's top, where `import pixigpt` finds ./pixigpt.py whoever is measured.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.folder
        )

    def program(self, contestant: str, url: str) -> str:
        return f"URL, REQUEST = {self.urls[url]!r}, {REQUEST!r}\n{CONTESTANTS[contestant]}"

    def child(self, figure: Callable[..., Callable[[], float]], url: str, *arguments: float) -> Sampler:
        """A process that takes a figure of itself for every line that it reads."""

        def sampler(contestant: str, stack: contextlib.ExitStack) -> Callable[[], float]:
            work = [getattr(figure, "__name__", ""), self.program(contestant, url), *arguments]
            process = stack.enter_context(self.python(contestant, str(HERE), "--child", json.dumps(work)))

            def sample() -> float:
                print(file=process.stdin, flush=True)
                return float(read_line(process))

            return sample

        return sampler

    def cold_start(self, url: str) -> Sampler:
        """Milliseconds from the start of a process to its first answer."""

        def sample(contestant: str) -> float:
            start = time.perf_counter()
            with self.python(contestant, "-c", self.program(contestant, url) + "print(chat(), flush=True)") as process:
                answer = read_line(process)
                elapsed = time.perf_counter() - start
            assert answer.strip() == WORDS.strip(), f"{contestant} got {answer!r}"
            return elapsed * 1000

        return lambda contestant, _: lambda: sample(contestant)

    def import_time(self, contestant: str, _: contextlib.ExitStack) -> Callable[[], float]:
        """Milliseconds of CPU on top of http.client, json and ssl; for http.client what these three take."""
        clock, three = "import time; start = time.process_time()", "import http.client, json, ssl"
        lines = [three, clock, f"import {'pixigpt' if contestant == 'published' else contestant}"]
        lines = [clock, three] if contestant in BARE else lines
        code = "\n".join([*lines, "print((time.process_time() - start) * 1000)"])
        return lambda: float(self.python(contestant, "-c", code).communicate()[0])

    def size(self, contestant: str, _: contextlib.ExitStack) -> Callable[[], float]:
        """KiB of the files to deploy: a distribution's and those of all that it requires, without compiled copies."""
        folder, found = self.folders.get(contestant), dict[str, int]()
        names = ["pixigpt" if contestant == "published" else contestant]
        if contestant == "pixigpt":
            names, found = [], {contestant: Path(str(folder), "pixigpt.py").stat().st_size}
        while names:
            name = names.pop()
            installed = importlib.metadata.distributions(name=name, path=[folder] if folder else sys.path)
            for distribution in itertools.islice(installed, 0 if name in found else 1):
                files = [Path(str(file.locate())) for file in distribution.files or () if file.suffix != ".pyc"]
                found[name] = sum(file.stat().st_size for file in files if file.is_file())
                needs = [need for need in distribution.requires or () if "extra ==" not in need]
                names += [re.split(r"[^\w.-]", need)[0] for need in needs]
        return lambda: sum(found.values()) / 1024


def plan(bench: Bench, quick: bool) -> list[Measurement]:
    everyone, child = bench.contestants, bench.child
    some = [name for name in everyone if name in ("pixigpt", *BARE)] if quick else everyone
    imports = [name for name in some if name != "socket"]  # which can neither do TLS
    streams = [name for name in some if "def stream" in CONTESTANTS[name]]
    installed = [name for name in imports if name not in BARE]
    turns, starts, rounds, seconds, calls = (1, 1, 3, 0.2, 500) if quick else (4, 7, 16, 0.8, 20_000)
    measurements = [
        Measurement("CPU per call", "µs", everyone, child(cpu_per_call, "http"), turns, rounds),
        Measurement("CPU per streamed chunk", "µs", streams, child(cpu_per_chunk, "http"), turns, rounds),
        Measurement("cold start, http", "ms", some, bench.cold_start("http"), starts),
        Measurement("cold start, https", "ms", imports, bench.cold_start("https"), starts),
        Measurement("import", "ms", imports, bench.import_time, starts),
        Measurement("1 thread", "% of ideal", some, child(efficiency, "slow", 1, seconds), turns - 2, 1, False),
        Measurement(
            "10 threads", "% of ideal", some, child(efficiency, "slow", 10, seconds), max(1, turns - 2), 1, False
        ),
        Measurement("100 threads", "% of ideal", some, child(efficiency, "slow", 100, seconds), turns - 1, 1, False),
        Measurement("memory per idle connection", "KiB", some, child(memory_per_connection, "slow"), 1),
        Measurement(f"growth over {calls} calls", "KiB", imports[:1], child(growth, "http", calls), 1, 1, False),
        Measurement("size to deploy", "KiB", installed, bench.size, 1),
    ]
    left_out = ["cold start, https"] * ("https" not in bench.urls) + ["growth over"] * (os.name == "nt")
    # In a quick run the figures of 1 and 100 threads are left out: they have no turns.
    return [it for it in measurements if it.turns > 0 and not it.title.startswith(tuple(left_out))]


# What is aimed at: of pixigpt the figure itself, of others how many times pixigpt's theirs is.
TARGETS = {
    ("CPU per call", "published"): ">= 20",
    ("CPU per call", "openai"): ">= 35",
    ("CPU per call", "http.client"): ">= 2.5",
    ("CPU per call", "socket"): ">= 0.4",
    ("CPU per streamed chunk", "openai"): ">= 15",
    ("CPU per streamed chunk", "socket"): ">= 0.67",
    ("cold start, http", "http.client"): ">= 0.83",
    ("cold start, https", "http.client"): ">= 0.83",
    ("import", "pixigpt"): "<= 8",
    ("100 threads", "pixigpt"): ">= 85",
    ("growth over 20000 calls", "pixigpt"): "<= 128",
}


def rows(measurement: Measurement) -> Iterator[list[str]]:
    """Takes the measurement: a line of the table for each contestant."""
    figures: dict[str, list[float]] = {contestant: [] for contestant in measurement.contestants}
    ratios: dict[str, list[float]] = {contestant: [] for contestant in measurement.contestants}
    for _ in range(measurement.turns):
        with contextlib.ExitStack() as stack:
            samplers = {contestant: measurement.sampler(contestant, stack) for contestant in figures}
            rounds = [{name: sample() for name, sample in samplers.items()} for _ in range(measurement.rounds)]
        for name, values in figures.items():
            values.append(statistics.median(samples[name] for samples in rounds))
            if measurement.compared and "pixigpt" in figures and name != "pixigpt":
                ratios[name].append(statistics.median(samples[name] / samples["pixigpt"] for samples in rounds))
    for name, values in figures.items():
        target = TARGETS.get((measurement.title, name), "") if name == "pixigpt" or ratios[name] else ""
        verdict = ""
        if target:
            reached, (sign, limit) = statistics.median(ratios[name] or values), target.split()
            verdict = "met" if (reached >= float(limit) if sign == ">=" else reached <= float(limit)) else "missed"
        yield [f"{measurement.title}, {measurement.unit}", name, shown(values), shown(ratios[name]), target, verdict]


def shown(values: list[float]) -> str:
    if not values:
        return ""
    digits = 0 if max(values) >= 100 else 1 if max(values) >= 10 else 2
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.{digits}f}{spread}"


def compare(folder: str, options: argparse.Namespace) -> None:
    bench = Bench(folder, options.published, options.only.split(","))
    try:
        system = f"{platform.system()} on {platform.machine()} with {os.cpu_count()} CPUs"
        versions = [f"{name} {importlib.metadata.version(name)}" for name in bench.contestants if name in PEERS]
        print(", ".join([f"{platform.python_implementation()} {platform.python_version()}", system, *versions]))
        if bench.missing:
            print(f"skipped, not here: {', '.join(bench.missing)}")
        layout = "| {} | {} | {} | {} | {} | {} |" if options.markdown else "{:30}  {:11}  {:21}  {:21}  {:7}  {}"
        print("\n" + layout.format("", "", "median", "times pixigpt's", "target", "").rstrip())
        if options.markdown:
            print("|---|---|---|---|---|---|")
        for measurement in plan(bench, options.quick):
            for row in rows(measurement):
                print(layout.format(*row).rstrip(), flush=True)
    finally:
        bench.server.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a first impression in some seconds")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--only", metavar="NAMES", default=",".join(CONTESTANTS), help="some of: %(default)s")
    parser.add_argument("--published", metavar="DIR", default="", help="where pixigpt 0.1.5 is installed")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
    elif options.child:
        figure, program, *arguments = json.loads(options.child)
        names: dict[str, Any] = {}
        exec(program, names)
        sample = FIGURES[figure](names, *arguments)
        for _ in sys.stdin:
            print(sample(), flush=True)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(folder, options)


if __name__ == "__main__":
    main()
