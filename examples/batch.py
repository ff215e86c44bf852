"""Asks many prompts, a hundred at a time; stopped by whatever, the same command goes on where it was.

    python examples/batch.py IN.jsonl OUT.jsonl

A line of IN is {"id": 1, "prompt": "Hi"}, or {"id": 1, "messages": [...], ...} with whatever a chat request may hold.
A line of OUT is {"id", "content", "usage"} or {"id", "error"}, in the order in which the answers came.

After Ctrl-C, kill -9 or a full disk a torn last line of OUT is cut off, and ids that OUT has are not asked again; those
with an error only with --retry-failed, which takes their lines out. What was under way is asked again. Lines of IN that
are no rows, and ids that come twice, are reported and skipped. A service that wants fewer requests (429) is asked more
slowly; a wrong key, a used-up quota, or a service that is gone for a quarter of an hour stops the batch. It takes 32
bytes of memory for each id, and what the calls under way need.

Exit status: 0 every row has its line in OUT, 1 stopped, 2 wrong usage, 130 Ctrl-C.

The core is `complete`, an iterator of rows in and one of results out. It runs as it is on the workers of a Dask cluster
(--dask tcp://host:8786, so many calls at a time on each), and with PIXIGPT_API_KEY set there in Spark and Ray Data:

    rdd.mapPartitions(complete)
    dataset.map_batches(lambda frame: DataFrame(complete(frame.to_dict("records"))), batch_format="pandas")
"""

import argparse
import contextlib
import functools
import hashlib
import importlib
import io
import itertools
import json
import math
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, Optional

import pixigpt
from pixigpt import APIConnectionError, APIError, APITimeoutError, Client, ServerError, Session

TIMEOUT = 300.0  # seconds for one answer
REFUSED = (429, 503)  # what a service says that has too much to do
# Attempts of a row before its result is an error, if they were refused and if something failed that may pass.
REFUSALS, FAILURES = 100, 5
OUTAGE = 12  # attempts that could not even connect, a quarter of an hour with the waits, before the batch stops
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}  # for a prompt without an assistant

Row = dict[str, Any]

# ---- the core: rows in, results out


def complete(
    rows: Iterable[Row], concurrency: int = 100, client: Optional[Client] = None, **options: Any
) -> Iterator[Row]:
    """Asks rows, so many at a time; the results as they come: {"id", "content", "usage"} or {"id", "error"}.

    options are fields of every request that its row may override: assistant_id="...", temperature=0. Rows are taken
    only as fast as they are answered. A wrong key, a used-up quota or a service that is gone ends it with an APIError.
    """
    own = None if client else Session(max_connections=concurrency)
    client = client or Client(timeout=TIMEOUT, session=own)
    client, throttle = client.with_options(max_retries=0), Throttle(concurrency)  # one retries for all, in `ask`
    done: SimpleQueue[Future[Row]] = SimpleQueue()
    pool, running = ThreadPoolExecutor(concurrency), 0
    try:
        for row in rows:
            while running == concurrency or not done.empty():  # so results do not wait for rows that come slowly
                yield done.get().result()
                running -= 1
            running += 1
            pool.submit(ask, client, throttle, row, options).add_done_callback(done.put)
        for _ in range(running):
            yield done.get().result()
    finally:
        throttle.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        if own:
            own.close()


def ask(client: Client, throttle: "Throttle", row: Row, options: Row) -> Row:
    request: Any = {**options, **{name: value for name, value in row.items() if value is not None}}
    request.pop("id", None)
    if "prompt" in request:
        user = {"role": "user", "content": request.pop("prompt")}
        request["messages"] = [user] if request.get("assistant_id") else [SYSTEM, user]
    attempts: Counter[str] = Counter()  # that failed, by the kind of failure
    while True:
        try:
            with throttle:
                response = client.create_chat_completion(request)
            message = response["choices"][0]["message"]
            return {"id": row["id"], "content": message.get("content"), "usage": response.get("usage")}
        except APIError as error:
            passing = isinstance(error, (ServerError, APIConnectionError)) or error.status_code == 408
            if error.status_code in REFUSED:
                kind, most = "refused", REFUSALS
            elif error.stage == "connect":
                kind, most = "gone", OUTAGE
            else:
                kind, most = "failed", FAILURES if passing and not isinstance(error, APITimeoutError) else 1
            attempts[kind] += 1
            is_last = attempts[kind] >= most
            if pixigpt.is_auth_error(error) or error.code == "insufficient_quota" or (kind == "gone" and is_last):
                raise  # no other row would fare better
            if is_last:
                return {"id": row["id"], "error": str(error)}
            if kind != "refused":  # else the throttle waits
                wait = 2.0 ** (attempts[kind] - 2) if error.retry_after is None else error.retry_after
                throttle.sleep(min(wait, 300))
        except (TypeError, ValueError, LookupError) as error:  # not to be sent, or an answer without choices
            return {"id": row["id"], "error": f"{type(error).__name__}: {error}"}


class Throttle:
    """A context around each call. If one is refused, all wait as long as the service says, or else twice as long
    as last time, and then half as many are let through at a time; with each success that number grows again.
    A service that says "at once" again and again is believed a little less each time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self.resume = 0.0  # by time.monotonic()
        self.pause = 1.0  # seconds, the last one since a success
        self.changed = threading.Condition()
        self.stopped = threading.Event()  # nobody wants the results any more

    def stop(self) -> None:
        with self.changed:
            self.stopped.set()
            self.changed.notify_all()

    def sleep(self, seconds: float) -> None:
        if self.stopped.wait(seconds):
            raise RuntimeError("the batch was stopped")

    def __enter__(self) -> None:
        with self.changed:
            while (left := self.resume - time.monotonic()) > 0 or self.active >= int(self.limit):
                self.sleep(0)
                self.changed.wait(left if left > 0 else None)
            self.active += 1

    def __exit__(self, kind: object, error: Optional[BaseException], traceback: object) -> None:
        with self.changed:
            self.active -= 1
            now = time.monotonic()
            if isinstance(error, APIError) and error.status_code in REFUSED:
                if now >= self.resume:  # else it was sent before the others were told to wait
                    self.limit, self.pause = max(1.0, self.limit / 2), min(2 * self.pause, 60)
                pause = self.pause
                if error.retry_after is not None:
                    pause = min(max(error.retry_after, self.pause / 100), 3600)
                self.resume = max(self.resume, now + pause)
            elif error is None:
                self.limit, self.pause = min(self.most, self.limit + 1 / self.limit), 1.0
            self.changed.notify_all()


def spread(rows: Iterator[Row], address: str, concurrency: int, client: Client, **options: Any) -> Iterator[Row]:
    """`complete` on the workers of a Dask cluster, a partition of rows at a time on each. The client goes there too."""
    distributed: Any = importlib.import_module("distributed")  # pip install distributed

    def answer(part: list[Row]) -> list[Row]:
        return list(complete(part, concurrency, client, **options))

    parts = iter(lambda: list(itertools.islice(rows, 4 * concurrency)), [])
    with distributed.Client(address) as cluster:
        for module in (pixigpt.__file__, __file__):
            cluster.upload_file(os.path.abspath(module))
        cluster.wait_for_workers(1)
        submit = functools.partial(cluster.submit, answer, pure=False)
        running = distributed.as_completed([submit(part) for part in itertools.islice(parts, len(cluster.nthreads()))])
        for future in running:
            running.update([submit(part) for part in itertools.islice(parts, 1)])
            yield from future.result()


# ---- the files


class Ids:
    """A set of ids at 16 bytes each: buckets that hold their hashes, end to end."""

    def __init__(self) -> None:
        self.buckets = [bytearray() for _ in range(4096)]
        self.count = 0

    def add(self, value: object) -> bool:
        """Whether it is new."""
        digest = hashlib.blake2b(json.dumps(value).encode(), digest_size=16).digest()
        bucket = self.buckets[digest[0] << 4 | digest[1] >> 4]
        if digest in bucket:
            return False
        bucket += digest
        self.count += 1
        return True


def read_rows(path: str, finished: Ids, progress: "Progress") -> Iterator[Row]:
    """The rows of IN that are to be asked."""
    seen = Ids()
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict) or type(row.get("id")) not in (str, int):
                    raise ValueError('no object with an "id", a text or a whole number')
                if isinstance(row.get("prompt"), str) == isinstance(row.get("messages"), list):
                    raise ValueError('it must have either "prompt", a text, or "messages", a list')
                if not seen.add(row["id"]):
                    raise ValueError(f"id {row['id']!r:.80} once more")
            except (ValueError, RecursionError) as error:
                progress.say(f"{path}, line {number} is skipped: {error}")
                progress.todo -= 1
                continue
            if finished.add(row["id"]):
                yield row


def open_locked(path: str) -> io.FileIO:
    file = io.FileIO(path, "ab")
    with contextlib.suppress(ImportError, OSError):  # Windows; a file system without locks
        import fcntl

        try:
            if os.path.isfile(path):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # however this process ends, the kernel unlocks it
            if os.path.isfile(path) and not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                raise BlockingIOError  # it has been replaced in the meantime
        except BlockingIOError:
            file.close()
            raise ValueError(f"another batch.py is writing {path}") from None
    return file


def drop_failed(path: str) -> None:
    """Takes the lines with an error out of OUT."""
    try:
        with open_locked(path) as file:
            with open(path + ".new", "wb") as copy:
                copy.writelines(line for line, result in read_results(path) if "error" not in result)
            shutil.copymode(path, path + ".new")
            if os.name == "nt":
                file.close()  # or it cannot be replaced
            os.replace(path + ".new", path)  # while no other batch.py can write to it
    except OSError:  # such as a full disk
        with contextlib.suppress(OSError):
            os.unlink(path + ".new")
        raise


def resume(file: io.FileIO, path: str) -> Ids:
    """The ids that OUT has; a torn last line is cut off."""
    finished, size = Ids(), 0
    for line, result in read_results(path):
        finished.add(result["id"])
        size += len(line)
    file.truncate(size)
    return finished


def write(file: io.FileIO, result: Row) -> None:
    line = json.dumps(result, ensure_ascii=False) + "\n"
    data = line.encode("utf-8", "backslashreplace")  # half a surrogate pair is no UTF-8, but its escape is JSON
    while data:
        data = data[file.write(data) :]  # all of it at once, unless the disk is full


def read_results(path: str) -> Iterator[tuple[bytes, Row]]:
    """The lines of OUT, but not a torn last one. ValueError if it is some other file, of which nothing must be lost."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            whole = line.endswith(b"\n")
            try:
                result = json.loads(line)
                ours = isinstance(result, dict) and "id" in result and ("content" in result or "error" in result)
            except ValueError:
                result, ours = {}, not whole and line[:7] == b'{"id": '[: len(line)]
            if not ours:
                raise ValueError(f"{path}, line {number} is none of batch.py: is it the right file?")
            if whole:
                yield line, result


class Progress:
    """What stderr is told: on a terminal a line that changes, elsewhere a line every ten seconds."""

    def __init__(self, todo: float) -> None:
        self.todo = todo  # rows; infinite if not known
        self.done = self.failed = 0
        self.began = self.shown = time.monotonic()
        self.live = sys.stderr.isatty()

    def count(self, result: Row) -> None:
        self.done += 1
        self.failed += "error" in result
        if time.monotonic() - self.shown >= (0.2 if self.live else 10):
            self.show("" if self.live else "\n")

    def show(self, end: str = "\n") -> None:
        self.shown = time.monotonic()
        rate = self.done / max(self.shown - self.began, 0.001)
        text = f"{self.done:,} rows, {self.failed:,} failed, {rate:,.1f}/s"
        if rate and 0 < self.todo - self.done < math.inf:
            text += f", {timedelta(seconds=round((self.todo - self.done) / rate))} left"
        self.say(text, end)

    def say(self, text: str, end: str = "\n") -> None:
        if self.live:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps would not be overwritten
            text = f"\r{text if end else text[:width]:<{width}}"
        print(text, end=end, file=sys.stderr, flush=True)


def count_rows(path: str) -> float:
    if not os.path.isfile(path):
        return math.inf  # a pipe can be read only once
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())


def run(arguments: argparse.Namespace, client: Client) -> None:
    path = arguments.output
    is_file = os.path.isfile(path) or not os.path.exists(path)  # else a pipe or a device, with nothing to go on from
    path = os.path.realpath(path) if is_file else path
    if is_file and arguments.retry_failed:
        drop_failed(path)
    with open_locked(path) as file:
        finished = resume(file, path) if is_file else Ids()
        progress = Progress(count_rows(arguments.input) - finished.count)
        rows = read_rows(arguments.input, finished, progress)
        options = {"assistant_id": os.environ.get("PIXIGPT_ASSISTANT_ID") or None}
        if arguments.dask:
            results = spread(rows, arguments.dask, arguments.concurrency, client, **options)
        else:
            first = list(itertools.islice(rows, 1))
            if first:
                client.with_options(timeout=30).connect()  # without a network rather no results than many failures
            results = complete(itertools.chain(first, rows), arguments.concurrency, client, **options)
        try:
            for result in results:
                write(file, result)
                progress.count(result)
        finally:
            progress.show()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN.jsonl")
    parser.add_argument("output", metavar="OUT.jsonl")
    parser.add_argument("--concurrency", type=int, default=100, metavar="N", help="calls at a time (100)")
    parser.add_argument("--retry-failed", action="store_true", help="ask those rows again that have an error in OUT")
    parser.add_argument("--dask", metavar="ADDRESS", help="the scheduler of a Dask cluster whose workers are to ask")
    arguments = parser.parse_args()
    try:
        os.stat(arguments.input)
        if os.path.exists(arguments.output) and os.path.samefile(arguments.input, arguments.output):
            raise ValueError("IN and OUT are the same file")
        copy = os.path.realpath(arguments.output) + ".new"
        if arguments.retry_failed and os.path.exists(copy) and os.path.samefile(arguments.input, copy):
            raise ValueError(f"IN is {copy}, which --retry-failed writes")
        client = Client(timeout=TIMEOUT, session=Session(max_connections=arguments.concurrency))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    try:
        with client.session, client:
            run(arguments, client)
        return 0
    except KeyboardInterrupt:
        reason, status = "Ctrl-C; the same command goes on from here", 130
    except (APIError, ImportError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: no more threads
        reason, status = str(error), 1
    print(f"batch.py: stopped: {reason}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    os._exit(main())  # without waiting for the calls under way, whose rows are asked again
