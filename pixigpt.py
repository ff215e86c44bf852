"""The client of the PixiGPT API in one file, on the standard library alone. Copy it, or `pip install pixigpt`.

    from pixigpt import Client

    client = Client()  # the key from PIXIGPT_API_KEY
    response = client.create_chat_completion(
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 17 + 25?"}]
    )
    print(response.choices[0].message.content)

The file is a house of floors, each built on those below it: shapes (TypedDicts, and `Object`, a dict with attributes),
errors, wire (bytes in, values out: no I/O, no clock), connections (`Session`, the pool), streams, tools (functions that
the model calls), client (one retry loop, then the endpoints), asyncio, command line.

What goes wrong once the arguments of a call were accepted is an APIError:

    APIError                     message, type, code, param, status_code, request_id, retry_after, headers, body
    |-- APIConnectionError       no usable response: DNS, refused, reset, TLS, proxy
    |   `-- APITimeoutError      the budget is spent; also a TimeoutError
    |-- APIResponseError         a response that is not what it must be
    |-- BadRequestError 400, 422; AuthenticationError 401; PermissionDeniedError 403; NotFoundError 404
    |-- ConflictError 409; RateLimitError 429; ServerError 5xx
    `-- RunError                 a run ended otherwise than completed; also a RuntimeError

MIT licence, https://github.com/PixiGPT/pixigpt-py
"""
# What JSON holds is Any until a shape names it:
# mypy: disable-error-code="no-any-return"

import enum
import functools
import io
import json
import os
import re
import select
import socket
import sys
import threading
import time
import types
import typing
import weakref
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from typing import TYPE_CHECKING, Any, Callable, Final, Optional, TypedDict, TypeVar, Union, overload
from urllib.parse import quote, unquote, urlencode, urlsplit

__version__ = "1.0.0"

__all__ = [
    "APIConnectionError", "APIError", "APIResponseError", "APITimeoutError", "Assistant", "AsyncChatCompletionStream",
    "AsyncClient", "AuthenticationError", "BadRequestError", "ChatCompletionChoice", "ChatCompletionChunk",
    "ChatCompletionRequest", "ChatCompletionResponse", "ChatCompletionStream", "Client", "ConflictError",
    "EmbeddingRequest", "EmbeddingResponse", "Message", "MessageCode", "MessageContent", "MessageMedia",
    "MessageSource", "ModerationMediaRequest", "ModerationResponse", "ModerationTextRequest", "NotFoundError", "Object",
    "PermissionDeniedError", "RateLimitError", "RequestMessage", "RerankRequest", "RerankResponse", "Run", "RunError",
    "ServerError", "Session", "Thread", "ThreadMessage", "Tool", "ToolCall", "ToolCallFunction", "Usage",
    "VisionAnalyzeRequest", "VisionAnalyzeResponse", "VisionOCRRequest", "VisionOCRResponse", "VisionTagsRequest",
    "VisionTagsResponse", "VisionVideoRequest", "VisionVideoResponse", "function_tool", "is_auth_error",
    "is_rate_limit_error", "main",
]

# ---------------------------------------------------------------------------------------------------- shapes
# Checkers see TypedDicts whose keys are also attributes. At run time a request is a plain dict and a response an
# `Object`: nothing is converted, what the server sent is what the caller has.

if TYPE_CHECKING:
    import ssl

    from typing_extensions import NotRequired, ParamSpec, ReadOnly, Self, Unpack  # which every checker bundles

    class _Attributes:
        def __getattr__(self, name: str) -> Any: ...

    class Shape(TypedDict, _Attributes):  # type: ignore  # a rule for each checker, so no code
        """A JSON object: its keys, readable as attributes."""

    _P = ParamSpec("_P")
else:
    Shape = TypedDict
    NotRequired = getattr(typing, "NotRequired", Union)  # before Python 3.11; Union[x] is x
    ReadOnly = getattr(typing, "ReadOnly", Union)  # before Python 3.13

_R = TypeVar("_R")

class ToolCallFunction(Shape):
    """What the model wants called; arguments is a JSON text."""
    name: str
    arguments: str

class ToolCall(Shape):
    """A call that the model asks for; its result goes back as a message with `tool_call_id` = id."""
    id: str
    type: str
    function: ToolCallFunction

class RequestMessage(Shape):
    """A message as it is sent: a `Message`, or one whose content is a list of OpenAI content parts."""
    role: ReadOnly[str]
    content: ReadOnly[Union[str, Sequence[Mapping[str, Any]], None]]
    tool_calls: NotRequired[ReadOnly[Sequence[ToolCall]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    reasoning_content: NotRequired[Optional[str]]

class Message(RequestMessage):
    """A message of a chat. role: system, user, assistant or tool. content: text, or None beside tool calls."""
    role: str
    content: Optional[str]
    tool_calls: NotRequired[list[ToolCall]]

class Tool(Shape):
    """An OpenAI tool: type is "function", function is `{name, description?, parameters: JSON schema}`."""
    type: str
    function: Mapping[str, Any]

class ChatCompletionRequest(Shape):
    """A chat request. Without assistant_id the first message must be a system message. tools may hold functions.

    max_tokens below 3000 is sent as 3000 unless enable_thinking is False: the thoughts need room.
    """
    messages: Sequence[RequestMessage]
    assistant_id: NotRequired[Optional[str]]
    model: NotRequired[Optional[str]]
    temperature: NotRequired[Optional[float]]
    max_tokens: NotRequired[Optional[int]]
    enable_thinking: NotRequired[Optional[bool]]
    tools: NotRequired[Optional[Sequence[Union[Tool, Mapping[str, Any], Callable[..., Any]]]]]
    tool_choice: NotRequired[Union[str, Mapping[str, Any], None]]
    parallel_tool_calls: NotRequired[Optional[bool]]
    top_p: NotRequired[Optional[float]]
    stop: NotRequired[Union[str, Sequence[str], None]]
    seed: NotRequired[Optional[int]]
    n: NotRequired[Optional[int]]
    response_format: NotRequired[Optional[Mapping[str, Any]]]
    stream_options: NotRequired[Optional[Mapping[str, Any]]]
    frequency_penalty: NotRequired[Optional[float]]
    presence_penalty: NotRequired[Optional[float]]
    logprobs: NotRequired[Optional[bool]]
    user: NotRequired[Optional[str]]

class Usage(Shape):
    """What a call cost, in tokens."""
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

class ChatCompletionChoice(Shape):
    """One answer. finish_reason: stop, length, tool_calls … reasoning_content: the chain of thought, if any."""
    index: int
    message: Message
    finish_reason: str
    reasoning_content: NotRequired[Optional[str]]

class _Completion(Shape):
    id: str
    object: str
    created: int  # seconds since 1970
    model: str

class ChatCompletionResponse(_Completion):
    """The answer to a chat request."""
    choices: list[ChatCompletionChoice]
    usage: Usage

class ChoiceDelta(Shape):
    role: NotRequired[Optional[str]]
    content: NotRequired[Optional[str]]
    reasoning_content: NotRequired[Optional[str]]
    tool_calls: NotRequired[Optional[list[Any]]]

class ChunkChoice(Shape):
    index: int
    delta: ChoiceDelta
    finish_reason: NotRequired[Optional[str]]

class ChatCompletionChunk(_Completion):
    """A piece of a streamed answer. choices may be empty; usage is in one of the last chunks, if at all."""
    choices: list[ChunkChoice]
    usage: NotRequired[Optional[Usage]]

class _Stored(Shape):
    id: str
    object: str
    created_at: int  # seconds since 1970

class Thread(_Stored):
    """A conversation that the service remembers."""
    metadata: NotRequired[dict[str, Any]]

class MessageText(Shape):
    value: str
    annotations: list[Any]

class MessageContent(Shape):
    """A block of a thread's message."""
    type: str
    text: MessageText

class MessageSource(Shape):
    """A page that a tool of the service read."""
    id: str
    tool_name: str
    title: NotRequired[Optional[str]]
    url: NotRequired[Optional[str]]
    snippet: NotRequired[Optional[str]]

class MessageMedia(Shape):
    """A picture or sound that a tool of the service made; signed_url is valid for a day."""
    id: str
    source: str
    type: str
    signed_url: str
    prompt: NotRequired[Optional[str]]
    description: NotRequired[Optional[str]]

class MessageCode(Shape):
    """Code that a tool of the service ran."""
    id: str
    language: str
    code: str
    stdout: NotRequired[Optional[str]]
    stderr: NotRequired[Optional[str]]
    execution_time_ms: NotRequired[Optional[int]]

class ThreadMessage(_Stored):
    """A message of a thread: `message.content[0].text["value"]` is its text."""
    thread_id: str
    role: str
    content: list[MessageContent]
    reasoning_content: NotRequired[Optional[str]]
    sources: NotRequired[Optional[list[MessageSource]]]
    media: NotRequired[Optional[list[MessageMedia]]]
    code: NotRequired[Optional[list[MessageCode]]]

class Run(_Stored):
    """An assistant at work on a thread. status: queued, in_progress, completed, failed … message: once completed."""
    thread_id: str
    assistant_id: str
    status: str
    model: str
    message: NotRequired[Optional[ThreadMessage]]

class Assistant(_Stored):
    """A personality with tools; tools_config is a JSON text."""
    name: str
    instructions: str
    tools_config: NotRequired[Optional[str]]

class VisionTagsRequest(Shape):
    """A picture to be tagged or read."""
    image_url: str

VisionOCRRequest = VisionTagsRequest

class VisionAnalyzeRequest(VisionTagsRequest):
    """A picture, and what to say about it."""
    user_prompt: NotRequired[Optional[str]]

class VisionVideoRequest(Shape):
    """A video below 10 MB, and what to say about it."""
    video_url: str
    user_prompt: NotRequired[Optional[str]]

class VisionAnalyzeResponse(Shape):
    """The text that came of a picture or a video."""
    result: str
    usage: Usage

VisionTagsResponse = VisionAnalyzeResponse
VisionOCRResponse = VisionAnalyzeResponse
VisionVideoResponse = VisionAnalyzeResponse

class ModerationTextRequest(Shape):
    """A text to be classified."""
    prompt: str

class ModerationMediaRequest(Shape):
    """A picture or a video to be classified."""
    media_url: str
    is_video: bool

class ModerationResponse(Shape):
    """A category such as SAFE or VIOLENT, and how sure that is, from 0 to 1."""
    category: str
    score: float
    usage: Usage

class EmbeddingRequest(Shape):
    """One text or several."""
    input: Union[str, Sequence[str]]
    model: NotRequired[Optional[str]]

class Embedding(Shape):
    object: str
    embedding: list[float]
    index: int

class EmbeddingResponse(Shape):
    """A vector for each text, numbered by `index`."""
    object: str
    data: list[Embedding]
    usage: Usage

class RerankRequest(Shape):
    """Documents to be sorted by what they say about a query; top_k: only the best."""
    query: str
    documents: Sequence[str]
    top_k: NotRequired[Optional[int]]
    model: NotRequired[Optional[str]]

class RerankResult(Shape):
    index: int
    document: str
    relevance_score: float

class RerankResponse(Shape):
    """The documents, the most relevant first. index: where one was in the request."""
    object: str
    results: list[RerankResult]
    usage: Usage

def _name_fields() -> None:
    """Adds their fields to the docstrings of the shapes, for pydoc, which cuts annotations off."""
    for shape in {value for value in globals().values() if hasattr(value, "__required_keys__")}:
        if shape.__doc__:
            margin = "    " if "\n    " in shape.__doc__ else ""  # Python 3.13 has taken it away
            shape.__doc__ = f"{shape.__doc__.rstrip()}\n\n{margin}Fields: {', '.join(shape.__annotations__)}."

_name_fields()

_MAY_BE_ABSENT: Final = frozenset(  # what the shapes of answers mark as NotRequired
    "code description execution_time_ms finish_reason media message metadata name prompt reasoning_content snippet"
    " sources stderr stdout title tool_call_id tool_calls tools_config url usage content role".split()
)

class Object(dict[str, Any]):
    """A JSON object of a response: a dict whose keys are also attributes, with dict's own methods before them.

    An attribute that a shape declares optional is None where the server left it out.
    """
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in self and not name.startswith("__"):  # those mean something to copy and pickle
            return self[name]
        if name in _MAY_BE_ABSENT:
            return None
        raise AttributeError(f"no {name!r} in this object, which has: {', '.join(self) or 'nothing'}")

    __setattr__ = dict.__setitem__

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(name)
        del self[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self]

    def copy(self) -> "Object":
        return Object(self)

# ---------------------------------------------------------------------------------------------------- errors

class APIError(Exception):
    """What went wrong with a call after its arguments were accepted; the API key is masked in all of it.

    status_code: None without a response. retry_after: seconds. headers: names in lower case. body: JSON or text.
    """
    type: Optional[str] = None
    code: Optional[str] = None
    param: Optional[str] = None
    status_code: Optional[int] = None
    request_id: Optional[str] = None
    retry_after: Optional[float] = None
    headers: Mapping[str, str] = {}
    body: Any = None
    where = ""  # "POST /chat/completions"
    attempts = 1
    stage = ""  # of a connection failure: "connect" nothing was sent, "reuse" a kept one died, "sent", "final" hopeless

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        vars(self).update(fields)

    def __str__(self) -> str:
        answer = " ".join(str(part) for part in (self.status_code, self.type) if part)
        text = ": ".join(part for part in (self.where, answer, self.message) if part)
        notes = [f"request {self.request_id}"] if self.request_id else []
        notes += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        return f"{text} ({', '.join(notes)})" if notes else text

class APIConnectionError(APIError):
    """No usable response: DNS, refused, reset, TLS, proxy. The cause is in `__cause__` and in the text."""

class APITimeoutError(APIConnectionError, TimeoutError):
    """The call's budget is spent."""

class APIResponseError(APIError):
    """A response that is not what it must be: bad JSON, truncated, too large, malformed HTTP."""

class BadRequestError(APIError):
    """400 or 422: the request is wrong; `param` may name the field."""

class AuthenticationError(APIError):
    """401: the API key is missing or wrong."""

class PermissionDeniedError(APIError):
    """403: the key may not do this."""

class NotFoundError(APIError):
    """404: no such thread, run, assistant or path."""

class ConflictError(APIError):
    """409: the request collides with another one."""

class RateLimitError(APIError):
    """429: too many requests, or the quota is used up (`code == "insufficient_quota"`)."""

class ServerError(APIError):
    """5xx: the service failed."""

class RunError(APIError, RuntimeError):
    """A run ended otherwise than completed; `run` is that run."""
    run: Run = None  # type: ignore  # of one that a caller made without it

_STATUS_ERRORS: Final[dict[int, type[APIError]]] = {
    400: BadRequestError, 401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError,
    409: ConflictError, 422: BadRequestError, 429: RateLimitError,
}

def is_auth_error(error: BaseException) -> bool:
    """Whether the service refused the API key."""
    return isinstance(error, APIError) and (error.type == "authentication_error" or error.status_code == 401)

def is_rate_limit_error(error: BaseException) -> bool:
    """Whether the service asked for fewer requests."""
    return isinstance(error, APIError) and (error.type == "rate_limit_error" or error.status_code == 429)

def _body_error(kind: type[APIError], body: Any) -> APIError:
    """The error in a body: `{"error": {"message", "type", …}}` as OpenAI's, or what other servers send."""
    detail = body.get("error") or body if isinstance(body, dict) else body
    fields = detail if isinstance(detail, dict) else {"message": detail}
    message = next((fields[key] for key in ("message", "detail", "error", "title") if fields.get(key)), "")
    known = {key: _excerpt(str(fields[key]), 200) for key in ("type", "code", "param") if fields.get(key) is not None}
    return kind(_excerpt(message) if isinstance(message, str) else _as_json(message), body=body, **known)

def _with_response(error: APIError, exchange: Any) -> APIError:
    """What the head of a response adds to an error in its body."""
    response = exchange.response
    if not isinstance(error, APIConnectionError):
        error.headers = dict(response.headers)
        error.request_id = error.headers.get("x-request-id") or error.headers.get("request-id")
        error.status_code = response.status_code if isinstance(error, APIResponseError) else error.status_code
    return error

def _excerpt(text: str, length: int = 500) -> str:
    """The beginning of what a server said, in one line and without HTML."""
    text = text[:4096]  # before the pattern below, which backtracks
    if text.lstrip().startswith("<"):
        text = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
    return " ".join(text.split())[:length]

def _as_json(value: Any) -> str:
    """A value that a server sent, for a message."""
    try:
        return _excerpt(json.dumps(value, ensure_ascii=False), 200)
    except RecursionError:
        return "deeply nested JSON"

def _masked(value: Any, secret: "re.Pattern[str]", depth: int = 0) -> Any:
    """*value* with every *secret* in its texts replaced, without what is nested beyond reason."""
    if isinstance(value, str):
        return secret.sub("***", value)
    if depth > 50:
        return None
    if isinstance(value, dict):
        return type(value)((_masked(key, secret), _masked(item, secret, depth + 1)) for key, item in value.items())
    return [_masked(item, secret, depth + 1) for item in value] if isinstance(value, list) else value

# ------------------------------------------------------------------------------------------------------ wire
# Bytes in, values out: nothing here sees a socket or a clock, so that tests can feed it bytes cut anywhere.

_MAX_BODY: Final = 64 << 20  # bytes of one answer
_MAX_HEAD: Final = 64 << 10  # bytes of a response head, or of trailers; http.client allows as much for one line
_MAX_INTERIM: Final = 20  # 1xx responses before the real one
_MIN_THINKING_TOKENS: Final = 3000
_IDLE_SECONDS: Final = 55.0  # load balancers commonly close after 60
_UNTIL_CLOSED: Final = float("inf")  # bytes of a body that ends with its connection

_HEAD: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r]*))?\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r]*\r\n)*)\r\n"
)
_FRAMING: Final = re.compile(rb"(?i)\n(?=[ctk])(?:content-length|transfer-encoding|connection|keep-alive):[^\r]*")
_CHUNK: Final = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]{0,4096})?\r\n")
_THINK_TAG: Final = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)

class _Hidden(str):
    """A text that no repr shows: the API key."""

    def __repr__(self) -> str:
        return "'***'"

def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

_DECODER: Final = json.JSONDecoder(object_hook=Object, parse_constant=_no_constant)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))

def _parse_json(text: str) -> Any:
    value, end = _DECODER.raw_decode(text := text.strip(" \t\r\n"))  # what `decode` does with patterns
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value

def _json_or_text(text: str) -> Any:
    try:
        return _parse_json(text)
    except (ValueError, RecursionError):
        return text

def _whole_characters(text: str) -> str:
    """*text* with those characters whole whose two halves (UTF-16) a server sent one by one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

def _decode(data: bytes) -> Any:
    """The JSON value of an answer's body (RFC 8259)."""
    try:
        return _parse_json(data.decode("utf-8").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        problem = _excerpt(str(error))
    text = data[:4096].decode("utf-8", "replace")  # outside of the handler: its error would carry all of the data along
    raise APIResponseError(f"the answer is not JSON ({problem}): {_excerpt(text, 200)!r}", body=text)

def _encode(value: Any, field: str = "") -> bytes:
    """The JSON text of a request's body; an error names the field that JSON cannot hold."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except RecursionError:
        raise ValueError(f"{field or 'the request'} cannot be sent as JSON: it is circular or too deep") from None
    except (TypeError, ValueError) as error:
        sequence = value if isinstance(value, (list, tuple)) else ()
        for key, item in value.items() if isinstance(value, dict) else enumerate(sequence):
            _encode(item, f"{field}[{key!r}]" if field else str(key))
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{field or 'the request'} cannot be sent as JSON: {error}") from None

def _rendered(headers: Mapping[str, str]) -> str:
    """Header fields as they are sent."""
    return _Hidden("".join([f"{name}: {value}\r\n" for name, value in headers.items()]))

def _request_bytes(method: str, target: str, host: str, headers: str, body: Optional[bytes]) -> memoryview:
    """A request as it is sent; a view, which shows nothing of the key where a traceback shows values."""
    has_length = body is not None or method in ("POST", "PUT", "PATCH")
    length = f"Content-Length: {len(body or b'')}\r\n" if has_length else ""
    start = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"
    return memoryview(f"{start}{headers}{length}\r\n".encode("latin-1") + (body or b""))

def _head_end(data: bytes, start: int) -> int:
    """Where the head of a response ends, 0 if that has not come; an error if this cannot be one."""
    if not b"HTTP/".startswith(data[:5]):
        raise APIResponseError(f"not an HTTP response: {_excerpt(data[:80].decode('latin-1'))!r}")
    end = data.find(b"\r\n\r\n", start) + 4
    if end < 4:
        lenient = re.compile(rb"\n\r?\n").search(data, start)
        end = lenient.end() if lenient else 0
    if (end or len(data)) > _MAX_HEAD:
        raise APIResponseError(f"the response head is too large: more than {_MAX_HEAD} bytes")
    return end

def _headers(lines: Iterable[bytes]) -> dict[str, str]:
    """Header fields by lower-case name; what comes several times is joined by commas (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for line in lines:
        name, value = line.decode("latin-1").split(":", 1)
        name, value = name.strip().lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers

class _Response:
    """A response's head, and where its body ends (RFC 9112). What two readers could understand differently is an error.

    `feed` it the bytes behind the head, it gives those of the body. `complete` after the last; `excess` if more came
    behind. keep: seconds that the connection may be idle hereafter, 0 if it must be closed.
    """

    complete = excess = False
    _chunked = _last = False  # _last: the chunk of size 0 has come
    _left: float = 0  # bytes to the end of the body, or of the chunk
    _held = b"\r\n"  # what is not read yet: so each chunk has a line end, its size line, its data

    def __init__(self, method: str, head: bytes) -> None:
        """method: of the request. head: up to its empty line (RFC 9112 sections 4 and 5)."""
        match, clean = _HEAD.fullmatch(head), head.count(b"\n") == head.count(b"\r")
        if match is None or not clean:  # a line may end in a lone LF, or be folded, which is to be read as a space
            clean, head = False, re.sub(rb"\r?\n", b"\r\n", re.sub(rb"\r?\n[ \t]+", b" ", head))
            match = _HEAD.fullmatch(head)
        if match is None or 0 in head:
            raise APIResponseError(
                f"not the head of an HTTP/1 response, or a malformed one: {_excerpt(repr(head[:120]))}"
            )
        version, status, self._reason, self._fields = match.groups(b"")
        self.status_code, is_new, framing = int(status), version == b"1", _headers(_FRAMING.findall(head))
        self.keep = _keep_seconds(is_new, framing) if clean else 0.0
        if method == "CONNECT" and 200 <= self.status_code < 300:
            self.complete = self.excess = True  # what is behind the head is a tunnel
        elif self.status_code >= 200:
            self._find_end(method, is_new, framing)

    @property
    def reason(self) -> str:
        return self._reason.strip().decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        return _headers(self._fields.splitlines())

    def _find_end(self, method: str, is_new: bool, framing: Mapping[str, str]) -> None:
        """The rules of RFC 9112 section 6.3."""
        coding, length = framing.get("transfer-encoding"), framing.get("content-length")
        if method == "HEAD" or self.status_code in (204, 304):  # no body, but one may come that must not
            self.excess = method != "HEAD" and (coding is not None or length not in (None, "0"))
        elif coding is None and length is None:
            self._left = _UNTIL_CLOSED
        elif coding is None and length and len(length) <= 15 and length.isdecimal():
            self._left = int(length)  # ASCII digits, for Latin-1 has no other decimals
            _check_size(self._left)
        elif coding and coding.lower() == "chunked" and length is None and is_new:
            self._chunked = True
        else:
            raise APIResponseError("cannot tell where the response ends: odd content-length or transfer-encoding")
        self.complete = not (self._left or self._chunked)

    def feed(self, data: bytes) -> bytes:
        if self._chunked:
            return self._feed_chunked(self._held + data)
        self._left -= len(data)
        self.complete, self.excess = self._left <= 0, self._left < 0
        return data[: int(self._left)] if self.excess else data

    def end(self) -> None:
        """The connection ended."""
        if self._left != _UNTIL_CLOSED:
            raise APIResponseError("the response is truncated: the connection ended before it was complete")
        self.complete = self.excess = True  # such a connection cannot be kept

    def _feed_chunked(self, data: bytes) -> bytes:
        pieces, start, size = [], 0, int(self._left)
        while not self._last:
            pieces.append(data[start : start + size])
            start += size
            match = _CHUNK.match(data, start)
            if match is None:
                break
            size, start = int(match[1], 16), match.end()
            if not size:
                self._last, start = True, start - 2  # the line end belongs to the trailers
        self._left, self._held = max(0, start - len(data)), data[start:]
        line = self._held[2:]  # as far as it has come
        if self._last:
            trailers, end, rest = self._held.partition(b"\r\n\r\n")
            self.complete, self.excess, line = bool(end), bool(rest or trailers), trailers.replace(b"\r\n", b"")
        if not b"\r\n".startswith(self._held[:2]) or b"\n" in line or len(line) > _MAX_HEAD:
            raise APIResponseError("malformed chunked response: something else where a chunk should begin")
        return b"".join(pieces)

def _require(fits: Any, what: str) -> None:
    if not fits:
        raise ValueError(what)

def _check(fits: bool, value: Any, wanted: str) -> Any:
    if not fits:
        raise APIResponseError(f"the answer is not {wanted}: {_as_json(value)}", body=value)
    return value

def _check_size(size: float) -> None:
    if size > _MAX_BODY:
        raise APIResponseError(f"the response is too large: more than {_MAX_BODY} bytes")

def _keep_seconds(is_new: bool, framing: Mapping[str, str]) -> float:
    """How long a connection may be idle after a response, 0 if it must be closed (RFC 9112 section 9.3)."""
    options = framing.get("connection", "").lower().replace(",", " ").split()
    if "close" in options or not (is_new or "keep-alive" in options):
        return 0.0
    hint = "keep-alive" in framing and re.search("(?i)timeout *= *([0-9]{1,6})", framing["keep-alive"])
    return min(_IDLE_SECONDS, int(hint[1]) - 1) if hint else _IDLE_SECONDS  # a second before it closes

def _retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
    """Seconds a server asks to wait: `retry-after-ms`, or `Retry-After`, seconds or HTTP date (RFC 9110 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{0,30})?", headers.get(name, "")):
            return min(float(headers[name]) * unit, 1e9)  # more than a clock can wait is as good as for ever
    if headers.get("retry-after", "")[:1].isalpha():
        from email.utils import mktime_tz, parsedate_tz

        try:
            date = parsedate_tz(headers["retry-after"])
            return None if date is None else max(0.0, mktime_tz(date) - now)
        except (ValueError, OverflowError, LookupError, TypeError):
            pass  # some texts make it trip
    return None

def _status_error(status: int, reason: str, headers: Mapping[str, str], raw: bytes, now: float) -> APIError:
    """The error that a status other than 2xx stands for, whatever the body is like."""
    body = _json_or_text(raw.decode("utf-8-sig", "replace"))
    error = _body_error(_STATUS_ERRORS.get(status, ServerError if 500 <= status < 600 else APIError), body)
    if 300 <= status < 400 and "location" in headers:
        place = headers["location"]
        error.message = f"redirected to {place}; redirects are not followed, set base_url to where the API is"
    error.message = error.message or reason or "no message"
    error.status_code, error.retry_after = status, _retry_after(headers, now)
    return error

_STATELESS_POSTS: Final = (
    "/chat/completions /vision/analyze /vision/tags /vision/ocr /vision/video /moderations /moderations/media"
    " /embeddings /rerank".split()
)

def _is_repeatable(method: str, path: str) -> bool:
    """Whether a request may reach the service twice without harm."""
    return method in ("GET", "HEAD", "PUT", "DELETE") or (method == "POST" and path in _STATELESS_POSTS)

def _should_retry(error: APIError, repeatable: bool) -> bool:
    """Can we be sure that the service did not act, or may it act twice?"""
    if isinstance(error, (APITimeoutError, APIResponseError)) or error.stage == "final":
        return False
    if isinstance(error, APIConnectionError):
        return repeatable or error.stage == "connect"
    hint = error.headers.get("x-should-retry", "").lower()
    if hint in ("true", "false"):
        return hint == "true"
    if error.status_code == 429:
        return error.code != "insufficient_quota"
    return error.status_code in (408, 503) or (repeatable and error.status_code in (500, 502, 504))

def _backoff(retry: int, random: float) -> float:
    """Seconds before a retry, numbered from 1: 0.1, 0.2, 0.4, 0.8, 0.8 …, less up to a quarter; *random* in [0, 1)."""
    return min(0.1 * 2.0 ** min(retry - 1, 3), 0.8) * (1 - random / 4)

def _tidy_text(holder: Any, key: str, reasoning: Optional[str]) -> Optional[str]:
    """Trims a text in place; its reasoning: what was given, else the `<think>…</think>` parts, taken out of it.

    A part that was never opened began with the text, one that is never closed goes to its end.
    """
    text = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(text, str):
        return reasoning
    if reasoning or "<" not in text:
        holder[key] = text.strip()
        return reasoning
    pieces = _THINK_TAG.split(text)  # between two texts stands the slash of a tag, or ""
    content: list[str] = []
    thoughts: list[str] = []
    is_thought = pieces[1:2] == ["/"]
    for piece, slash in zip(pieces[::2], [*pieces[1::2], ""]):
        (thoughts if is_thought else content).append(piece)
        is_thought = not slash
    holder[key] = "".join(content).strip()
    return "\n\n".join(filter(None, map(str.strip, thoughts))) if thoughts else reasoning

def _given_reasoning(*places: tuple[Any, str]) -> Optional[str]:
    """Trims the reasoning that a server gave, in place; the last of them that is not empty."""
    reasoning = None
    for place, key in places:
        text = place.get(key)
        if isinstance(text, str):
            place[key] = text.strip()
            reasoning = place[key] or reasoning or ""
    return reasoning

def _tidy_completion(response: Any) -> Any:
    """Trims an answer's texts and puts its reasoning, wherever the server put it, into `choice.reasoning_content`."""
    try:
        for choice in response["choices"]:
            message = choice["message"]
            places = (message, "reasoning"), (message, "reasoning_content"), (choice, "reasoning_content")
            reasoning = _tidy_text(message, "content", _given_reasoning(*places))
            if reasoning is not None:
                choice["reasoning_content"] = reasoning
    except (AttributeError, KeyError, TypeError):
        _check(False, response, 'a completion with "choices"')
    return response

def _check_completion(value: Any) -> Any:
    return _check(bool(_tidy_completion(value)["choices"]), value, 'a completion with "choices"')

def _tidy_message(message: Any) -> Any:
    """The same for a message of a thread; only the assistant's are touched."""
    if message.get("role") == "assistant":
        given, blocks = _given_reasoning((message, "reasoning"), (message, "reasoning_content")), message.get("content")
        blocks = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
        thoughts = [given, *[_tidy_text(block.get("text"), "value", given) for block in blocks]]
        if any(thought is not None for thought in thoughts):
            message["reasoning_content"] = given or "\n\n".join(filter(None, thoughts))
    return message

def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)

# ----------------------------------------------------------------------------------------------- connections

_ADDRESS_SECONDS: Final = 5.0  # for one address of a host that has more: a lost SYN is sent again after 1 and 3 s
_RECEIVE_BYTES: Final = 64 << 10
_FOREVER: Final = float("inf")

# A test can replace these. The time of day goes on while a machine is suspended, which a monotonic clock need not.
_clock = time.monotonic
_time_of_day = time.time

def _random() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32

def _sleep(seconds: float) -> None:
    call, seconds = _current.call, min(seconds, 1e9, threading.TIMEOUT_MAX)
    if call is None:
        time.sleep(seconds)
    elif call.wait(seconds):
        call.track(None)

def _deadline(timeout: Optional[float]) -> float:
    return _FOREVER if timeout is None else _clock() + timeout

def _left(deadline: float) -> float:
    """Seconds left of a call's budget; more than none."""
    left = deadline - _clock()
    if left <= 0:
        raise socket.timeout("timed out")
    return left

class _Call(threading.Event):
    """A call that another thread may cancel: then it is set, its exchange is aborted, and its waits end."""

    exchange: Any = None  # what it waits for
    deadline = _FOREVER  # of its wait for a thread and what follows

    def cancel(self) -> None:
        self.set()
        if self.exchange is not None:
            self.exchange.abort()

    def track(self, exchange: Any) -> None:
        self.exchange = exchange
        if self.is_set():
            raise APIConnectionError("the call was cancelled", stage="final")

class _Current(threading.local):
    call: Optional[_Call] = None  # what `AsyncClient` runs in this thread, and may cancel

_current = _Current()

def _track(exchange: Any) -> None:
    """Lets a call be cancelled while it waits for this exchange."""
    if _current.call is not None:
        _current.call.track(exchange)

class _Origin:
    """Where requests go: what a URL says before its path, and the proxy on the way."""
    proxy: Optional["_Origin"] = None

    def __init__(self, scheme: str, host: str, port: int, authority: str, credentials: str) -> None:
        self.scheme, self.host, self.port = scheme, host, port  # host: ASCII, an IPv6 address without brackets
        self.authority = authority  # the Host header: the port only if it is not the scheme's own
        self.credentials = credentials  # for a proxy: the value of Proxy-Authorization
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Origin) and vars(self) == vars(other)

def _parse_origin(url: str, name: str) -> _Origin:
    """The origin of an http or https URL, with its user info (RFC 7617). No error repeats the URL and its password."""
    host, own, parts = "", 0, urlsplit("")
    try:
        parts = urlsplit(url)
        own = {"http": 80, "https": 443}[parts.scheme]
        fits = re.fullmatch(r"(\[[^\[\]]+\]|[^.\[\]][^\[\]]*)(:[0-9]*)?", parts.netloc.rpartition("@")[2])
        host = (parts.hostname or "") if fits and (parts.port is None or parts.port) else ""
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, KeyError):
        host = ""  # their texts hold what the URL holds
    _require(host, f"{name} must be an http or https URL with a valid host, such as https://pixigpt.com/v1")
    credentials = ""
    if parts.username is not None:
        import base64

        user_info = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        credentials = _Hidden("Basic " + base64.b64encode(user_info).decode())
    port, name = parts.port or own, f"[{host}]" if ":" in host else host
    return _Origin(parts.scheme, host, port, name if port == own else f"{name}:{port}", credentials)

def _parse_proxy(url: str) -> _Origin:
    url = url if "://" in url else f"http://{url}"
    fits = url.lower().startswith("http://")
    _require(fits, f"a proxy must be reached by http://, not {url.partition('://')[0]!r}")
    return _parse_origin(url, "the proxy's URL")

def _environment_proxy(origin: _Origin) -> Optional[str]:
    """The proxy that the environment names, as urllib reads it, which is imported only if there is one."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    found = proxies.get(origin.scheme) or proxies.get("all")
    return None if not found or proxy_bypass(origin.address) or proxy_bypass(origin.host) else found

def _failure(error: Exception, doing: str, stage: str) -> APIError:
    """The APIError for a failure of the network while *doing* something."""
    if isinstance(error, APIError):
        return error
    if isinstance(error, socket.timeout) and error.errno is None:  # the system's own ETIMEDOUT has a number
        return APITimeoutError(doing)
    text = f"{doing} failed: {error}"
    if "certificate verify failed" in text:
        stage = "final"
        text += "; behind a proxy that inspects TLS set SSL_CERT_FILE to the company's CA, for a python.org Python"
        text += " on macOS run 'Install Certificates.command'"
    return APIConnectionError(text, stage=stage)

def _close(sock: Optional[socket.socket]) -> None:
    try:
        if sock is not None:
            sock.close()
    except OSError:
        pass

_Idle = tuple[_Origin, socket.socket, float, float]  # its route, the socket, the seconds that it may wait, since when

def _idle_left(idle: _Idle) -> float:
    """Seconds that a socket may still wait for its next request; none if the clock was set back meanwhile."""
    _, _, seconds, since = idle
    left = seconds - (_time_of_day() - since)
    return left if left <= seconds else 0.0

def _is_silent(sock: socket.socket) -> bool:
    """Whether nothing has come that nobody asked for, nor the connection's end."""
    if hasattr(select, "poll"):  # which takes any descriptor; select() only does on Windows
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        readable: Any = poll.poll(0)
    else:
        readable = select.select([sock], [], [], 0)[0]
    if readable and hasattr(sock, "pending"):  # over TLS it may be a new session ticket, which no read shows
        try:
            sock.settimeout(0)
            sock.recv(1)
        except OSError as error:
            return type(error).__name__ == "SSLWantReadError"
    return not readable

def _end_wait(turn: Any) -> None:
    """For a place. The caller holds the session's lock."""
    try:
        if turn is not None and turn.locked():
            turn.release()
    except RuntimeError:
        pass  # the garbage collector came in between, and here

class _Exchange:
    """A place among a session's connections, the socket once there is one, and the one request and answer it is for.

    `_read` the body. What is not read to its end must be closed; if it is forgotten, the garbage collector does it.
    """

    sock: Optional[socket.socket] = None
    turn: Any = None  # a lock, held until one that waits for a place gets it
    reused = aborted = _heard = False
    over = True  # until it is made
    keep = _IDLE_SECONDS  # seconds that the socket may be idle hereafter
    response: _Response
    _rest = b""  # what has come behind the head

    def __init__(self, session: "Session", route: _Origin) -> None:
        self.session, self.route, self.over = session, route, False

    def close(self) -> None:
        if not self.over:
            self.session._release(self, 0)

    def __del__(self) -> None:
        if self.over:
            return
        if _close is not None:
            try:
                self.close()
            finally:
                self.close()  # after Ctrl-C, which ends here
        elif self.sock is not None:  # at the interpreter's end the module's names may be gone before what they made
            self.sock.close()

    def abort(self) -> None:
        """From another thread: ends whatever is waited for."""
        with self.session._lock:  # so that the socket is not somebody else's meanwhile
            self.aborted = True
            _end_wait(self.turn)
            try:
                if self.sock is not None:
                    socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # SSLSocket's is for its own thread only
            except OSError:
                pass

    def _armed(self, deadline: float) -> socket.socket:
        """The socket, with what is left of the budget as its timeout."""
        sock, left = self.sock, _left(deadline)
        if sock is None or self.aborted:  # by `abort`, or in a child process, which drops what was its parent's
            raise ConnectionAbortedError("the connection was given up")
        armed = sock.gettimeout()
        if armed is None or abs(left - armed) > 0.001:  # to set it costs a system call
            sock.settimeout(None if left > 1e6 else left)  # poll() cannot count further
        return sock

    def connect(self, deadline: float) -> None:
        """TCP, the proxy's tunnel, TLS."""
        proxy = self.route.proxy
        try:
            self._dial(proxy or self.route, deadline)
            if self.route.scheme == "https":
                if proxy is not None:
                    self._tunnel(proxy, deadline)
                context, name = self.session._tls_context(), self.route.host.encode()  # bytes: see _dial
                tls = context.wrap_socket(self._armed(deadline), server_hostname=name, do_handshake_on_connect=False)
                self.sock = tls
                self._armed(deadline)
                tls.do_handshake()
        except (OSError, RuntimeError, ValueError) as error:
            stage = "connect" if isinstance(error, OSError) else "final"  # TLS that Python cannot do
            via = f" by proxy {proxy.authority}" if proxy else ""
            raise _failure(error, f"connecting to {self.route.authority}{via}", stage) from error

    def _dial(self, origin: _Origin, deadline: float) -> None:
        """TCP to the first address that answers; each has a fair share of the time, so that none eats it all."""
        # The name as bytes, because a str would cost the import of the IDNA tables.
        addresses = socket.getaddrinfo(origin.host.encode(), origin.port, 0, socket.SOCK_STREAM)
        for others, (family, kind, protocol, _, address) in zip(reversed(range(len(addresses))), addresses):
            try:
                self.sock = socket.socket(family, kind, protocol)
                sock = self._armed(deadline)
                if others:
                    sock.settimeout(min(_ADDRESS_SECONDS, _left(deadline) / (others + 1)))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return
            except OSError:
                _close(self.sock)
                if not others:
                    raise

    def _tunnel(self, proxy: _Origin, deadline: float) -> None:
        """Has the proxy open a way to the server (RFC 9110 section 9.3.6)."""
        place = self.route.address
        headers = _rendered({"Proxy-Authorization": proxy.credentials}) if proxy.credentials else ""
        self._armed(deadline).sendall(_request_bytes("CONNECT", place, place, headers, None))
        try:
            self._read_head("CONNECT", deadline)
        except APIResponseError as error:
            raise ConnectionError(f"of the proxy: {error.message}") from error
        if not 200 <= self.response.status_code < 300 or self._rest:
            raise ConnectionError(f"the proxy answered {self.response.status_code} {self.response.reason}")
        self._heard = False

    def _read_head(self, method: str, deadline: float) -> None:
        """The head of the answer, and what comes with it. Interim responses are passed over (RFC 9110 15.2)."""
        data, searched = b"", 0
        for _ in range(_MAX_INTERIM + 1):
            while not data or not (end := _head_end(data, searched)):
                searched = max(0, len(data) - 3)
                more = self._armed(deadline).recv(_RECEIVE_BYTES)
                if not more:
                    raise ConnectionResetError("the server closed the connection without an answer")
                data, self._heard = data + more, True
            self.response, data, searched = _Response(method, data[:end]), data[end:], 0
            if self.response.status_code >= 200:
                self._rest = data
                return
            if self.response.status_code == 101:
                raise APIResponseError("the server switched to a protocol that nobody asked for")
        raise APIResponseError(f"more than {_MAX_INTERIM} interim responses")

    def send(self, method: str, request: memoryview, deadline: float) -> None:
        """Sends the request and reads the head of its answer."""
        doing, sent = "sending the request", True
        try:
            try:
                self._armed(deadline).sendall(request)
            except socket.timeout:
                raise
            except OSError:  # over TLS not always a BrokenPipeError
                sent = False  # the server may have answered before it had read all; if not, reading fails as well
            doing = "waiting for the answer"
            self._read_head(method, deadline)
        except OSError as error:
            raise _failure(error, doing, "reuse" if self.reused and not self._heard else "sent") from error
        self.keep = self.response.keep if sent else 0.0
        if self.response.complete:
            self.response.excess = self.response.excess or bool(self._rest)
            self._finish()

    def _read(self, deadline: float) -> bytes:
        """The next bytes of the body, as soon as there are any; b"" at its end."""
        piece, response = b"", self.response
        while not piece and not response.complete:
            try:
                data = self._rest or self._armed(deadline).recv(_RECEIVE_BYTES)
            except OSError as error:
                raise _failure(error, "reading the answer", "sent") from error
            self._rest = b""
            if data:
                piece = response.feed(data)
            else:
                response.end()
            if response.complete:
                self._finish()
        return piece

    def _finish(self) -> None:
        self.session._release(self, 0 if self.response.excess else self.keep)

class _Closing:
    """What `with` closes at its end."""

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None: ...

class Session(_Closing):
    """A pool of connections, for any number of threads and clients. A call more than max_connections waits for one.

    proxies: `{"http": url, "https": url}`, else the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
    `NO_PROXY`) unless trust_env is False. ssl_context: instead of one that trusts what the system trusts.
    """

    _closed = True  # until it is made
    _idle: dict[socket.socket, _Idle] = {}  # the most recently used last

    def __init__(
        self, proxies: Optional[Mapping[str, str]] = None, ssl_context: Optional["ssl.SSLContext"] = None,
        max_connections: int = 100, trust_env: bool = True,
    ) -> None:
        fits = type(max_connections) is int and max_connections >= 1
        _require(fits, "max_connections must be a whole number from 1")
        _require(ssl_context is None or hasattr(ssl_context, "wrap_socket"), "ssl_context must be an ssl.SSLContext")
        self.proxies, self.ssl_context = dict(proxies or {}), ssl_context
        self.max_connections, self.trust_env = max_connections, trust_env
        self._proxies = {key.removesuffix("://"): _parse_proxy(url) for key, url in self.proxies.items() if url}
        self._closed = False
        self._idle = {}
        # By id, in the order they came: the first max_connections have a place, the others wait for one. So each change
        # is one step, which neither Ctrl-C nor the garbage collector can come in between.
        self._calls: dict[int, tuple[weakref.ref[_Exchange], Any]] = {}  # and their turns
        self._forget()
        _sessions.add(self)

    def _forget(self) -> None:
        """Begins anew, as a forked child must: no lock is held, and the parent's sockets are let go, not shut down."""
        for sock in self._idle:
            _close(sock)
        for exchange in filter(None, [reference() for reference, _ in self._calls.values()]):
            _close(exchange.sock)
            exchange.sock = None
        # Reentrant, because a garbage collection at any point may close a forgotten exchange.
        self._lock = threading.RLock()
        self._tls_lock = threading.RLock()  # reentrant, because a signal handler may call as well
        self._tls = self.ssl_context
        self._calls, self._idle, self._queued = {}, {}, False  # _queued: somebody may have to wait
        self._threads: Any = None  # of AsyncClients

    def __reduce__(self) -> Any:
        return type(self), (self.proxies, self.ssl_context, self.max_connections, self.trust_env)

    def __repr__(self) -> str:
        return f"<Session: {self._describe()}>"

    def _describe(self) -> str:
        if self._closed:
            return "closed"
        calls, places = len(self._calls), self.max_connections
        waiting = max(0, calls - places)
        return f"{calls - waiting} active, {len(self._idle)} idle, {waiting} waiting, at most {places}"

    def __del__(self) -> None:
        for sock in self._idle:  # nothing else is open, and no name of the module is needed, see _Exchange
            sock.close()

    def close(self) -> None:
        """Closes the idle connections. A call under way ends as usual, one that waits for a place: RuntimeError."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
            waiting = [reference() for reference, _ in [*self._calls.values()][self.max_connections :]]
        for sock in idle:
            _close(sock)
        for exchange in filter(None, waiting):
            exchange.abort()

    def _route(self, url: str) -> _Origin:
        """The origin of a URL and the proxy on the way there."""
        origin = _parse_origin(url, "base_url")
        keys = (f"{origin.scheme}://{origin.host}", origin.scheme, f"all://{origin.host}", "all")
        proxy = next((self._proxies[key] for key in keys if key in self._proxies), None)
        found = _environment_proxy(origin) if proxy is None and self.trust_env else None
        origin.proxy = _parse_proxy(found) if found else proxy
        return origin

    def _tls_context(self) -> "ssl.SSLContext":
        with self._tls_lock:
            if self._tls is None:
                try:
                    import ssl
                except ImportError as error:
                    text = f"https needs Python's ssl module, which is missing here ({error})"
                    raise APIConnectionError(text, stage="final") from error
                self._tls = ssl.create_default_context()
                self._tls.set_alpn_protocols(["http/1.1"])
            return self._tls

    def _open(
        self, route: _Origin, method: str, target: str, headers: str, body: Optional[bytes], deadline: float,
        fresh: bool,
    ) -> _Exchange:
        """Sends a request: the answer, as soon as its head has come. *fresh*: not by a connection used before."""
        if route.proxy is not None and route.scheme == "http":
            target = f"http://{route.authority}{target}"
            if route.proxy.credentials and "\r\nProxy-Authorization: " not in headers:
                headers = _Hidden(headers + _rendered({"Proxy-Authorization": route.proxy.credentials}))
        request = _request_bytes(method, target, route.authority, headers, body)
        exchange = self._acquire(route, deadline, fresh)
        try:
            exchange.send(method, request, deadline)
        except BaseException:
            exchange.close()
            raise
        return exchange

    def _connect(self, route: _Origin, deadline: float) -> None:
        """Leaves a connection in the pool that is ready for its first request."""
        exchange = self._acquire(route, deadline, False)
        self._release(exchange, exchange.keep)

    def _acquire(self, route: _Origin, deadline: float, fresh: bool) -> _Exchange:
        """A connection to *route*: the most recently used idle one, or a new one."""
        exchange = _Exchange(self, route)
        try:
            with self._lock:  # critical section: a place among the active, or one in the queue
                if len(self._calls) >= self.max_connections:
                    # No Event: within its methods the garbage collector may free a place, and come back to them here.
                    exchange.turn = threading.Lock()
                    exchange.turn.acquire()
                self._calls[id(exchange)] = weakref.ref(exchange), exchange.turn
                if exchange.turn is not None:
                    self._queued = True
                    self._admit()  # what the collector has freed meanwhile
            _track(exchange)
            if exchange.turn is not None and not self._closed:
                left = deadline - _clock()
                if not exchange.turn.acquire(timeout=-1 if left == _FOREVER else max(left, 0)):
                    with self._lock:  # forgotten ones long since, whose `__del__` ended by Ctrl-C before it began
                        for lost in [key for key, (reference, _) in [*self._calls.items()] if reference() is None]:
                            self._calls.pop(lost, None)
                    raise APITimeoutError(f"waiting for one of {self.max_connections} connections")
                _track(exchange)
            if self._closed:
                raise RuntimeError("the session is closed")
            while exchange.sock is None:
                idle = self._take_idle(route, fresh)
                if idle is None:
                    exchange.connect(deadline)
                elif (left := _idle_left(idle)) > 0 and _is_silent(idle[1]):
                    exchange.sock, exchange.reused, exchange.keep = idle[1], True, left
                else:
                    _close(idle[1])
            return exchange
        except BaseException:
            exchange.close()
            raise

    def _take_idle(self, route: _Origin, fresh: bool) -> Optional[_Idle]:
        """The newest idle socket that fits. If there is none, there is room for one more: the oldest is closed."""
        surplus = None
        with self._lock:  # critical section
            for idle in () if fresh else reversed([*self._idle.values()]):  # a copy: see _release
                if (idle[0] is route or idle[0] == route) and (taken := self._idle.pop(idle[1], None)) is not None:
                    return taken
            if len(self._calls) + len(self._idle) > self.max_connections:
                for sock in [*self._idle][:1]:
                    surplus = self._idle.pop(sock, None)
        if surplus is not None:
            _close(surplus[1])
        return None

    def _release(self, exchange: _Exchange, keep_seconds: float) -> None:
        """An exchange is over, its socket is idle for so many seconds at most. The next in the queue has its turn."""
        with self._lock:  # critical section; after Ctrl-C at any point of it `close` comes here again
            sock, exchange.sock = exchange.sock, None
            if sock is not None and keep_seconds > 0 and not self._closed:
                self._idle[sock] = exchange.route, sock, keep_seconds, _time_of_day()
            else:
                _close(sock)  # before somebody else has the place, or there would be one too many
            for idle in [*self._idle.values()]:  # a copy: the garbage collector may come here meanwhile
                if _idle_left(idle) > 0:
                    break
                _close(idle[1])
                self._idle.pop(idle[1], None)
            self._calls.pop(id(exchange), None)
            self._admit()
            exchange.over = True

    def _admit(self) -> None:
        """Ends the wait of those who have a place now. The caller holds the lock."""
        if self._queued:
            for _, turn in [*self._calls.values()][: self.max_connections]:
                _end_wait(turn)
            self._queued = len(self._calls) > self.max_connections

_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()

def _forget_parent() -> None:
    for session in list(_sessions):
        session._forget()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)

class _ForeignExchange:
    """The answer of a foreign session, read as an `_Exchange` is."""

    def __init__(self, answer: Any) -> None:
        headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
        status_code, reason = int(answer.status_code), str(getattr(answer, "reason", None) or "")
        self.response = types.SimpleNamespace(status_code=status_code, reason=reason, headers=headers)
        # Only of a chunked body requests gives what has come; of any other it waits for as much as is asked for.
        chunked, stream = "transfer-encoding" in headers, "event-stream" in headers.get("content-type", "")
        self._pieces: Iterator[bytes] = iter(answer.iter_content(None if chunked else 1 if stream else _RECEIVE_BYTES))
        self.close = answer.close

    def abort(self) -> None:
        """From another thread, which `close` would keep until the one that reads is done."""
        threading.Thread(target=self.close, daemon=True).start()

    def _read(self, deadline: float) -> bytes:
        try:
            _left(deadline)
            return next((piece for piece in self._pieces if piece), b"")
        except OSError as error:
            raise _foreign_failure(error, "reading the answer", deadline) from error

class _ForeignSession(Session):
    """A `requests.Session`, or what looks like one: it brings its own pool, proxies and TLS."""

    def __init__(self, session: Any) -> None:
        super().__init__(trust_env=False)
        self._session = session

    def _describe(self) -> str:
        return f"over {type(self._session).__module__}.{type(self._session).__qualname__}"

    def _connect(self, route: _Origin, deadline: float) -> None:
        """Nothing: such a session connects when it has something to send."""

    def _open(
        self, route: _Origin, method: str, target: str, headers: str, body: Optional[bytes], deadline: float,
        fresh: bool,
    ) -> Any:
        pairs = (line.split(": ", 1) for line in [*headers.split("\r\n")[:-1], "Accept-Encoding: identity"])
        url, given = f"{route.scheme}://{route.authority}{target}", {name: _Hidden(value) for name, value in pairs}
        try:
            timeout = None if deadline == _FOREVER else _left(deadline)
            options: dict[str, Any] = {"data": body, "headers": given, "timeout": timeout, "stream": True}
            if getattr(self._session, "auth", self) is None:  # then requests would put a .netrc's in the key's place
                options["auth"] = _unchanged
            exchange = _ForeignExchange(self._session.request(method, url, allow_redirects=False, **options))
        except OSError as error:  # all that requests raises is one
            raise _foreign_failure(error, "the request", deadline) from error
        _track(exchange)
        return exchange

def _unchanged(request: Any) -> Any:
    return request

def _foreign_failure(error: OSError, doing: str, deadline: float) -> APIError:
    cause = error.args[0] if error.args else None  # of urllib3, below requests
    if deadline <= _clock() or "Timeout" in type(error).__name__ + type(cause).__name__:
        return APITimeoutError(doing)
    reason = getattr(cause, "reason", None)
    reason = getattr(reason, "original_error", reason)  # of a ProxyError
    unsent = any(kind.__name__ == "NewConnectionError" for kind in type(reason).__mro__)
    return _failure(error, doing, "connect" if unsent else "sent")

def _read_all(exchange: Any, deadline: float) -> bytes:
    """The whole body of an answer, at most 64 MiB."""
    pieces, size = [], 0
    while piece := exchange._read(deadline):
        pieces.append(piece)
        size += len(piece)
        _check_size(size)
    return b"".join(pieces)

# --------------------------------------------------------------------------------------------------- streams

_DRAIN_SECONDS: Final = 0.05  # for the end of a response behind its last event; a new connection costs about as much

class _EventDecoder:
    """Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

    `feed` it bytes, cut anywhere; it gives the (event, data) pairs that are complete.
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # of a line that is not complete; joined once, for a long one's sake
        self._after_cr, self._first, self._event = False, True, ""
        self._data: list[str] = []
        self._size = 0  # bytes since the last event

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        if data:
            data = data[1:] if self._after_cr and data[:1] == b"\n" else data
            self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes: at CR, LF and CRLF, as it must be
        rest = lines.pop() if lines and data[-1] not in b"\r\n" else b""
        events: list[tuple[str, str]] = []
        if lines and self._tail:
            lines[0] = b"".join((*self._tail, lines[0]))
            self._tail = []
        if rest:
            self._tail.append(rest)
        if lines and self._first:
            self._first, lines[0] = False, lines[0].removeprefix(b"\xef\xbb\xbf")
        for line in lines:
            if line:
                name, _, value = line.partition(b":")
                if name == b"data":
                    self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
                elif name == b"event":
                    self._event = value.removeprefix(b" ").decode("utf-8", "replace")
            else:
                if self._data:
                    events.append((self._event, "\n".join(self._data)))
                    self._data = []
                self._event = ""
        self._size = len(rest) if events else self._size + len(data)
        _check_size(self._size)
        return events

_GROWING: Final = frozenset(("content", "reasoning", "reasoning_content", "refusal", "arguments", "input"))
_NESTED: Final = frozenset(("delta", "function", "function_call", "custom", "logprobs"))
_NUMBERED: Final = frozenset(("choices", "tool_calls"))  # lists whose items come in pieces, each with its index

def _joined(parts: Sequence[Mapping[str, Any]]) -> Object:
    """The object that parts of it add up to, key by key."""
    whole = Object()
    for key in dict.fromkeys(key for part in parts for key in part):
        values: list[Any] = [part[key] for part in parts if part.get(key) is not None]
        if not values:
            whole[key] = None
        elif key in _NUMBERED:
            whole[key] = _joined_items([item for value in values for item in value])
        elif key in _NESTED and isinstance(values[0], dict):
            whole[key] = _joined(values)
        elif key in _GROWING and isinstance(values[0], str):
            whole[key] = _whole_characters("".join(values))
        elif isinstance(values[0], list):
            whole[key] = [item for value in values for item in value]  # such as log probabilities
        else:
            filled = [value for value in values if value != ""] or values
            whole[key] = filled[0] if key in ("id", "name", "created") else filled[-1]
    return whole

def _joined_items(parts: Sequence[Mapping[str, Any]]) -> list[Object]:
    """The items of a numbered list. A part without an index belongs to the last item, unless it has its own ID."""
    items: dict[int, list[Mapping[str, Any]]] = {}
    for part in parts:
        number = part.get("index")
        if number is None:
            same = [known for known, those in items.items() if part.get("id") in (None, "", those[0].get("id"))]
            number = same[-1] if same else max(items, default=-1) + 1
        items.setdefault(int(number), []).append(part)
    return [Object(_joined(items[number]), index=number) for number in sorted(items)]

def _completion(chunks: Sequence[Mapping[str, Any]]) -> Any:
    """The answer that chunks add up to, as `create_chat_completion` returns it."""
    answer = Object(_joined(chunks), object="chat.completion")
    answer["choices"] = [_joined_choice(**choice) for choice in answer.get("choices") or ()]
    return _tidy_completion(answer)

def _joined_choice(index: int, delta: Any = None, message: Any = None, **fields: Any) -> Object:
    message = Object({"role": "assistant", "content": None, **(delta or message or {})})
    for call in message.get("tool_calls") or ():
        del call["index"]
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call["function"] = Object({**function, "name": function.get("name") or "", "arguments": arguments})
        call.update({"id": call.get("id") or "", "type": call.get("type") or "function"})
    message["role"] = message["role"] or "assistant"
    message["content"] = message["content"] or (None if message.get("tool_calls") else "")
    return Object({"index": index, "message": message, "finish_reason": None, **fields})

class ChatCompletionStream(_Closing):
    """An answer while it is written: iterate it for its chunks, or `text_stream` for the text alone.

        with client.stream_chat_completion(messages=messages) as stream:
            for text in stream.text_stream:
                print(text, end="", flush=True)
        print(stream.get_final_completion().usage.total_tokens)

    `timeout` bounds each wait for more. Raises what any call raises, also in the middle; APIResponseError if the stream
    ends without `[DONE]` and without a finish reason. One thread at a time may read it, any may `close` it.
    """

    def __init__(self, exchange: Any, timeout: Optional[float], explain: Callable[..., APIError]) -> None:
        self._exchange, self._timeout, self._explain = exchange, timeout, explain
        self._decoder = _EventDecoder()
        self._events: deque[tuple[str, str]] = deque()
        self._began = self._ended = False  # something has come; nothing more will
        self._done = False  # there was [DONE]
        self._finished: dict[Any, bool] = {}  # whether a choice that has begun had its finish reason, by its number
        self._seen: list[str] = []  # the chunks so far, as their JSON texts
        self._whole: Any = None  # of a server that cannot stream its answer
        self._text = ""  # of the last chunk
        self._reading = threading.Lock()

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self

    def __next__(self) -> ChatCompletionChunk:
        outer = sys.exc_info()[1]  # see _explain
        try:
            while (events := self._events) or not self._ended:
                if not events:
                    self._receive()
                elif (chunk := self._take(*events.popleft())) is not None:
                    return chunk
        except BaseException as error:
            self.close()
            events = self._events  # others may hold the key
            if isinstance(error, APIError):
                error = self._explain(_with_response(error, self._exchange), outer=outer)
                raise error.with_traceback(None) from error.__cause__
            raise
        raise StopIteration

    @property
    def _complete(self) -> bool:
        return self._done or (bool(self._finished) and all(self._finished.values()))

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of the first choice, piece by piece as it comes, untrimmed."""
        return (self._text for _ in self if self._text)

    def get_final_completion(self) -> ChatCompletionResponse:
        """Reads what is left: the whole answer, as `create_chat_completion` returns it."""
        deque(self, 0)  # a loop's variable would be in tracebacks
        if not self._complete:
            raise RuntimeError("the stream was closed before its end")
        if self._whole is not None:
            return self._whole
        try:
            return _completion([_parse_json(text) for text in self._seen])
        except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError) as error:
            problem = APIResponseError(f"the chunks of the stream have no whole: {error}")
        raise self._explain(_with_response(problem, self._exchange))

    def close(self) -> None:
        """Ends the stream, also if another thread reads it. Its connection is closed unless the answer was complete."""
        self._ended, self._events = True, deque()  # a new one: another thread may be about to take from the old
        if self._reading.locked():
            # Who reads closes it: over TLS it would read on from whoever gets the descriptor next.
            self._exchange.abort()
        else:
            self._exchange.close()

    def _read(self, deadline: float) -> bytes:
        try:
            with self._reading:
                return b"" if self._ended else self._exchange._read(deadline)
        finally:
            if self._ended:
                self._exchange.close()

    def _receive(self) -> None:
        """Waits for more, until its end; the events that are in it."""
        deadline = _deadline(self._timeout)
        try:
            piece = self._read(deadline)
        except APIResponseError:
            if not self._complete:  # else nothing is missing but the framing's end
                raise
            piece = b""
        kind = "" if self._began else self._exchange.response.headers.get("content-type", "").lower()
        if not self._began and ("json" in kind or piece.lstrip().startswith(b"{")):  # no event begins so
            data = piece + _read_all(self, deadline)  # of a server that cannot stream
            self._whole, self._done, self._ended = _check_completion(_decode(data)), True, True
            self._events.append(("", json.dumps(_as_chunk(_decode(data)))))
            return
        self._began = self._began or bool(piece.strip())
        events = [(event, data.strip()) for event, data in self._decoder.feed(piece)]
        self._events.extend([event for event in events if event[1] or event[0] == "error"])  # others are signs of life
        if not piece:
            self.close()
            if not self._complete:
                raise APIResponseError("the stream ended before the answer was complete")

    def _take(self, event: str, data: str) -> Any:
        """The chunk in an event, None at the end; an error if it is one, or no chunk."""
        if data == "[DONE]":
            self._done = True
            return self._drain()
        chunk = _json_or_text(data)
        if event == "error" or (isinstance(chunk, dict) and chunk.get("error")):
            error = _body_error(APIError, chunk)
            error.message = error.message or "the server reported an error"
            raise error
        self._text = ""
        try:
            for choice in chunk.get("choices") or ():
                text = (choice.get("delta", choice.get("message")) or {}).get("content")
                number = choice.get("index") or 0
                if isinstance(text, str) and number == 0:
                    self._text = text
                if choice.get("finish_reason") or number not in self._finished:
                    self._finished[number] = bool(choice.get("finish_reason"))
        except (AttributeError, TypeError):
            raise APIResponseError(f"not a chunk of a completion: {_excerpt(data, 200)!r}", body=data[:4096]) from None
        self._seen.append(data)
        return chunk

    def _drain(self) -> None:
        """After the last event: the connection can be kept if the response's end comes at once."""
        deadline = _deadline(_DRAIN_SECONDS)
        try:
            while isinstance(self._exchange, _Exchange) and self._read(deadline):  # a foreign one waits too long
                pass
        except APIError:
            pass
        self.close()

def _as_chunk(answer: Any) -> Any:
    """A whole completion as the only chunk of a stream."""
    choices = []
    for choice in answer["choices"]:
        delta = {**choice["message"], **_given(reasoning_content=choice.get("reasoning_content"))}
        choices.append({**{key: value for key, value in choice.items() if key != "message"}, "delta": delta})
    return {**answer, "object": "chat.completion.chunk", "choices": choices}

# ----------------------------------------------------------------------------------------------------- tools

def function_tool(function: Callable[..., Any]) -> Tool:
    """The OpenAI tool dict of a Python function, for `tools=[…]`.

    Name and descriptions come from the function and its docstring (Google, NumPy or Sphinx style, or `Annotated`), the
    JSON schema from its type hints, `required` from its defaults. TypeError names a parameter that cannot be described.
    """
    return _Function(function).tool

class _Function:
    """A Python function, what the model is told of it, and the schema that its arguments must fit."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import inspect

        inner: Any = function.func if isinstance(function, functools.partial) else function
        self.function, self.name = function, str(getattr(inner, "__name__", type(inner).__name__))
        if not callable(inner) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.name):
            raise TypeError(f"a tool must be a function with a name of letters, digits, _ and -, not {self.name!r}")
        called = "__init__" if isinstance(inner, type) else "__call__"
        code = inner if inspect.isroutine(inner) else getattr(inner, called)
        self.is_async = any(map(inspect.iscoroutinefunction, (code, inspect.unwrap(code))))
        self.schema, where = _Schema(type="object", properties={}), "the signature"
        try:
            for name, parameter in inspect.signature(function).parameters.items():
                where = f"parameter {name!r}"
                if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    raise TypeError("a model passes arguments by name")
                if parameter.annotation is parameter.empty:
                    raise TypeError("it has no type hint")
                holder: Any = types.SimpleNamespace(__annotations__={name: parameter.annotation}, __wrapped__=code)
                self.schema["properties"][name] = _schema(typing.get_type_hints(holder, include_extras=True)[name])
                if parameter.default is parameter.empty:
                    self.schema.setdefault("required", []).append(name)
        except (TypeError, ValueError, LookupError, NameError, SyntaxError, RecursionError) as error:
            raise TypeError(f"{where} of {self.name} cannot be described: {error}") from error
        description = _add_descriptions(self.schema, inspect.getdoc(inner) or "")
        if code is not inner:  # a method that stands for a class or an object
            _add_descriptions(self.schema, inspect.getdoc(code) or "")
        about = _given(name=self.name, description=description or None, parameters=self.schema)
        self.tool = Tool(type="function", function=about)

class _Schema(dict[str, Any]):
    """A JSON schema, and the class (an Enum, a dataclass), if any, of which a value that fits it becomes a member."""

    def __init__(self, becomes: Any = None, **schema: Any) -> None:
        super().__init__(schema)
        self.becomes = becomes

_JSON_TYPES: Final[dict[str, tuple[Any, str]]] = {
    "string": (str, "a text"), "boolean": (bool, "true or false"), "integer": (int, "a whole number"),
    "number": (float, "a number"), "null": (type(None), "null"), "array": (list, "a list"),
    "object": (dict, "an object"),
}

def _schema(hint: Any) -> _Schema:
    """The JSON schema of a type hint; TypeError if there is no simple one."""
    if type(hint).__name__ == "InitVar":
        return _schema(hint.type)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    for name, (python_type, _) in _JSON_TYPES.items():
        if python_type in (hint, origin) and not args:
            return _Schema(type=name)
    if hint is Any:
        return _Schema()
    if origin is typing.Annotated or getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        schema = _schema(args[0])
        for note in args[1:]:
            if isinstance(note, str):
                schema.setdefault("description", note)
        return schema
    if hasattr(hint, "__supertype__") or hasattr(hint, "__value__"):  # NewType, `type X = …`
        return _schema(getattr(hint, "__supertype__", None) or hint.__value__)
    if origin is Union or type(hint).__name__ == "UnionType":
        return _Schema(anyOf=[_schema(arg) for arg in args])
    if origin in (list, Sequence, Iterable) and args:
        return _Schema(type="array", items=_schema(args[0]))
    if origin in (dict, Mapping) and args[:1] == (str,):
        return _Schema(type="object", additionalProperties=_schema(args[1]))
    if origin is typing.Literal:
        return _enum_schema(args)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _enum_schema([member.value for member in hint], hint)
    if hasattr(hint, "__dataclass_fields__") or hasattr(hint, "__required_keys__"):
        return _class_schema(hint)
    raise TypeError(f"{hint!r} has no simple JSON schema")

def _enum_schema(values: Sequence[Any], becomes: Any = None) -> _Schema:
    if not all(isinstance(value, (str, int, float, type(None))) for value in values):
        raise TypeError("only texts, numbers, booleans and None can be choices")
    kinds = {_schema(type(value))["type"] for value in values}
    return _Schema(becomes, enum=list(values), **({"type": kinds.pop()} if len(kinds) == 1 else {}))

def _class_schema(cls: Any) -> _Schema:
    """The JSON schema of a dataclass or a TypedDict."""
    import inspect

    hints = typing.get_type_hints(cls, include_extras=True)
    if hasattr(cls, "__dataclass_fields__"):
        parameters = inspect.signature(cls).parameters
        hints = {name: hints[name] for name in parameters}
        required = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    else:  # a Required or NotRequired in a text is none to __required_keys__
        pattern = r"(?:[\w.]*\.(?:Annotated|ReadOnly)\[)*[\w.]*\.(Not)?Required\["
        marks = {name: re.match(pattern, str(hint)) for name, hint in hints.items()}
        required = {name for name, mark in marks.items() if (not mark[1] if mark else name in cls.__required_keys__)}
    schema = _Schema(cls, type="object", properties={name: _schema(hint) for name, hint in hints.items()})
    schema.update(_given(required=[name for name in hints if name in required] or None))
    _add_descriptions(schema, inspect.getdoc(cls) or "")
    return schema

def _add_descriptions(schema: _Schema, docstring: str) -> str:
    """Adds what a docstring in Google, NumPy or Sphinx style says of each parameter; returns what it says before."""
    docstring = re.sub("(?m) +$", "", docstring)
    titles = "(?:Keyword )?(?:Args|Arguments)|(?:Other )?Parameters|Attributes"
    more = r"(?:\n(?: .*|$))*"  # the lines below, as long as they are indented or empty
    google = re.findall(rf"(?m)^(?:{titles}):$({more})", docstring)
    numpy = re.findall(rf"(?ms)^(?:{titles})\n---+\n(.*?)(?=^[^\n]+\n---|\Z)", docstring)
    if google:
        entry = r"^( +)(?P<names>\w+) *(?:\(.*?\))? *:(?P<text>.*(?:\n(?:\1 .*|$))*)"
    elif numpy:
        entry = rf"^(?P<names>\w+(?:, \w+)*).*(?P<text>{more})"
    else:
        entry = rf"^:(?:param|arg|key)\w* (?:[^:\n]* )?(?P<names>\w+) *:(?P<text>.*{more})"
    for found in re.finditer(f"(?m){entry}", "\n".join(google or numpy or [docstring])):
        for name in found["names"].split(", "):
            if name in schema["properties"] and found["text"].strip():
                schema["properties"][name].setdefault("description", " ".join(found["text"].split()))
    fields = r":(?:param|arg|key|type|return|rtype|raise|yield)\w*\b.*:"
    end = rf"(?m)^(?:(?:{titles}|Returns|Yields|Raises|Examples?):$|.+\n---+$|{fields})"
    return re.split(end, docstring, maxsplit=1)[0].strip()

def _fit(value: Any, schema: Any, where: str) -> Any:
    """The argument that a JSON value stands for; a ValueError tells the model why it does not fit the schema."""
    what = where or "the arguments"
    if "anyOf" in schema:
        problems = []
        for choice in schema["anyOf"]:
            try:
                return _fit(value, choice, where)
            except Exception as error:  # also of a class
                problems.append(str(error))
        raise ValueError("; or ".join(problems))
    if "enum" in schema:
        for choice in schema["enum"]:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return schema.becomes(choice) if schema.becomes else choice
        raise ValueError(f"{where} must be one of {_as_json(schema['enum'])}, not {_as_json(value)[:80]}")
    if "type" in schema:
        python_type, words = _JSON_TYPES[schema["type"]]
        if _is_number(value) and (python_type is float or (python_type is int and value % 1 == 0)):
            value = python_type(value)  # JSON knows no difference between 3 and 3.0
        if type(value) is not python_type:
            raise ValueError(f"{what} must be {words}, not {_as_json(value)[:80]}")
    if "items" in schema:
        return [_fit(item, schema["items"], f"{where}[{index}]") for index, item in enumerate(value)]
    if "additionalProperties" in schema:
        return {key: _fit(item, schema["additionalProperties"], f"{where}[{key!r}]") for key, item in value.items()}
    if "properties" in schema:
        members = schema["properties"]
        wrong = [f"{name!r} is missing" for name in schema.get("required", ()) if name not in value]
        wrong += [f"{name!r} is unknown" for name in value if name not in members]
        if wrong:
            raise ValueError(f"{what}: {', '.join(wrong)}; they are: {', '.join(members) or 'none'}")
        places = {name: f"{where}[{name!r}]" if where else repr(name) for name in value}
        value = {name: _fit(item, members[name], places[name]) for name, item in value.items()}
    return schema.becomes(**value) if schema.becomes else value

def _is_many(value: Any) -> bool:
    """Whether it holds items, and is not one of them."""
    return isinstance(value, list) or (isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)))

def _listed(tools: Any) -> list[Any]:
    if not _is_many(tools):
        raise TypeError("tools must be a list of functions and OpenAI tool dicts")
    return list(tools)

def _functions(request: dict[str, Any]) -> dict[str, _Function]:
    """The Python functions among a request's tools, by name."""
    if not isinstance(request["messages"], list):
        raise TypeError("messages must be a list: what is said is appended to it")
    if "tools" in request:
        request["tools"] = _listed(request["tools"])  # an iterator can be read once
    functions: dict[str, _Function] = {}
    for tool in request.get("tools", ()):
        if not isinstance(tool, Mapping):
            function = _Function(tool)
            _require(function.name not in functions, f"two of the tools are named {function.name!r}")
            functions[function.name] = function
    return functions

def _called(call: Mapping[str, Any]) -> tuple[str, Any]:
    """The name of the function in a call, and its arguments as they came."""
    wanted = call["function"] if isinstance(call.get("function"), dict) else {}
    return str(wanted.get("name") or ""), wanted.get("arguments")

def _arguments(functions: dict[str, _Function], call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for the function in a call; a ValueError tells the model what is wrong with it."""
    name, text = _called(call)
    _require(name in functions, f"there is no function {name!r}; the functions are: {', '.join(functions) or 'none'}")
    try:
        arguments = json.loads(text or "{}", parse_constant=_no_constant)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"the arguments are not valid JSON: {error}") from None
    return _fit(arguments, functions[name].schema, "")

def _answer(functions: dict[str, _Function], call: Mapping[str, Any]) -> Message:
    """Runs the function in a call: the message with what it returns or raises."""
    try:
        arguments = _arguments(functions, call)
        outcome = functions[_called(call)[0]].function(**arguments)
    except Exception as error:
        return _tool_message(call, error)
    return _tool_message(call, outcome)

def _tool_message(call: Mapping[str, Any], outcome: Any) -> Message:
    """A function's result or exception as the model gets it: a text as it is, anything else as JSON."""
    def plain(value: Any) -> Any:
        if hasattr(value, "__dataclass_fields__"):
            import dataclasses

            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, (Set, Sequence, ValuesView, Iterator)) and not isinstance(value, (bytes, bytearray)):
            return list(value)
        return value.value if isinstance(value, enum.Enum) else str(value)

    try:
        if isinstance(outcome, Exception):
            kind = "" if type(outcome) is ValueError else f"{type(outcome).__name__}: "
            outcome = {"error": f"{kind}{outcome}"}
        text = outcome if isinstance(outcome, str) else json.dumps(outcome, ensure_ascii=False, default=plain)
    except Exception as error:  # it cannot be told, for example because it holds itself
        return _tool_message(call, error)
    content = str(text.encode("utf-8", "replace"), "utf-8")
    return Message(role="tool", tool_call_id=str(call.get("id") or ""), content=content)

# ---------------------------------------------------------------------------------------------------- client

_KEPT: Any = ...  # "not given", where None means something

# What is checked before anything is sent.

def _checked_key(api_key: Optional[str]) -> str:
    key = os.environ.get("PIXIGPT_API_KEY", "") if api_key is None else api_key
    _require(isinstance(key, str), "api_key must be a text")
    key = _Hidden(key.strip())
    _require(key or api_key == "", "no API key: pass api_key, or set PIXIGPT_API_KEY")
    _require(re.fullmatch("[!-~]*", key), "the API key holds white space, control or non-ASCII characters")
    return key

def _checked_url(url: str) -> str:
    fits = isinstance(url, str) and re.fullmatch(r"[^\x00-\x20\x7f?#@\\]+", url) and urlsplit(url).path.isascii()
    _require(fits, "base_url must be a URL with an ASCII path, without user info, query, fragment or white space")
    return url.rstrip("/")

def _check_limits(timeout: Optional[float], max_retries: int) -> None:
    fits = timeout is None or (_is_number(timeout) and 0 < timeout <= threading.TIMEOUT_MAX)
    _require(fits, "timeout must be a number of seconds above 0, or None for no limit")
    _require(type(max_retries) is int and max_retries >= 0, "max_retries must be a whole number from 0")

def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        _require(re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name), f"not a header's name: {name!r}")
        _require(re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value), f"header {name!r} must be Latin-1 in one line")
        own = name.lower() in ("host", "content-length", "transfer-encoding", "connection", "expect")
        _require(not own, f"header {name!r} is the client's own")
    return {name.title(): _Hidden(value) for name, value in headers.items()}

def _request(given: tuple[Any, ...], fields: dict[str, Any], *required: str) -> dict[str, Any]:
    """The request that a method got, as one object or as its fields, without those that are None."""
    if not given and "request" in fields:
        given = (fields.pop("request"),)
    if len(given) + bool(fields) > 1:
        raise TypeError("give one request, or its fields as keywords, not both")
    request = given[0] if given else fields
    if not isinstance(request, (dict, Mapping)):  # dict first, which is known at once
        raise TypeError(f"a request is a dict, not {type(request).__name__}")
    for name in required:
        if request.get(name) is None:
            raise TypeError(f"the request needs {name!r}")
    return {name: value for name, value in request.items() if value is not None}

def _chat_request(given: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any]:
    request = _request(given, fields, "messages")
    if _is_many(request["messages"]):
        request["messages"] = [_without_nulls(message) for message in request["messages"]]
    if "tools" in request:
        tools = _listed(request["tools"])
        request["tools"] = [tool if isinstance(tool, Mapping) else function_tool(tool) for tool in tools]
    return _with_room_to_think(request)

def _without_nulls(message: Any) -> Any:
    """A message without its optional fields that are None, as those attributes of an answer are that it has not."""
    if not isinstance(message, dict) or None not in message.values():
        return message
    optional = ("tool_calls", "tool_call_id", "name", "reasoning_content")
    return {name: value for name, value in message.items() if value is not None or name not in optional}

def _with_room_to_think(body: dict[str, Any]) -> dict[str, Any]:
    limit: Any = body.get("max_tokens")
    if _is_number(limit) and limit < _MIN_THINKING_TOKENS and body.get("enable_thinking") is not False:
        body["max_tokens"] = _MIN_THINKING_TOKENS
    return body

def _id(value: str) -> str:
    """An ID as one quoted segment of a path."""
    if not isinstance(value, str):
        raise TypeError(f"an ID must be a text, not {type(value).__name__}")
    _require(value not in ("", ".", ".."), f"an ID must not be {value!r}")
    return quote(value, safe="")

# What comes of an answer. A `_read_…` makes the result of a call of a 2xx response, and checks it.

def _read_json(exchange: Any, deadline: float) -> Any:
    data = _read_all(exchange, deadline)
    return _decode(data) if data else None

def _read_object(exchange: Any, deadline: float) -> Any:
    value = _read_json(exchange, deadline)
    return _tidy_message(_check(isinstance(value, dict), value, "an object"))

def _read_page(exchange: Any, deadline: float, alone: bool = False) -> Any:
    page = _read_object(exchange, deadline)
    items, more = page.get("data"), page.get("has_more") and not alone
    _check(_is_list_of_objects(items), page, 'an object with a list of objects as "data"')
    _check(not more or bool(items and page.get("last_id")), page, "a page that leads to the next")
    for item in items:
        _tidy_message(item)
    return page

def _read_list(exchange: Any, deadline: float) -> Any:
    return _read_page(exchange, deadline, alone=True)["data"]

def _read_run(exchange: Any, deadline: float) -> Any:
    run = _read_object(exchange, deadline)
    _check(isinstance(run.get("status"), str), run, 'a run with a "status"')
    if isinstance(run.get("message"), dict):
        _tidy_message(run["message"])
    return run

def _read_completion(exchange: Any, deadline: float) -> Any:
    return _check_completion(_read_json(exchange, deadline))

def _read_error(exchange: Any, deadline: float) -> APIError:
    """The error that any other status stands for, with the body if it can be had."""
    body = b""
    try:
        body = _read_all(exchange, deadline)
    except APITimeoutError:
        raise
    except APIError:
        pass
    response = exchange.response
    return _status_error(response.status_code, response.reason, response.headers, body, _time_of_day())

class Client(_Closing):
    """The PixiGPT API. One client serves any number of threads.

    api_key: else `PIXIGPT_API_KEY`; "" sends none. base_url: else `PIXIGPT_BASE_URL`, else https://pixigpt.com/v1.
    timeout: seconds for a whole call with its retries, None for no limit. max_retries: attempts after the first.
    session: a `Session` to share, or a `requests.Session`. ValueError for what cannot be right.
    """

    _base_url, _closed = "", True  # until it is made

    def __init__(
        self, api_key: Optional[str] = None, base_url: Optional[str] = None, timeout: Optional[float] = 30.0,
        max_retries: int = 3, session: Any = None,
    ) -> None:
        api_key = _Hidden(api_key) if isinstance(api_key, str) else api_key  # for tracebacks
        self.api_key = _checked_key(api_key)
        self.timeout, self.max_retries = timeout, max_retries
        _check_limits(timeout, max_retries)
        self.session = Session() if session is None else session
        fits = isinstance(self.session, Session) or callable(getattr(session, "request", None))
        _require(fits, "session must be a Session or have the request method of a requests.Session")
        self._owns_session, self._closed = session is None, False
        self._transport = self.session if isinstance(self.session, Session) else _ForeignSession(self.session)
        default = os.environ.get("PIXIGPT_BASE_URL") or "https://pixigpt.com/v1"
        self.base_url = default if base_url is None else base_url
        headers = {"Accept": "application/json", "User-Agent": f"pixigpt-python/{__version__}"}
        self._use_headers({**headers, "Authorization": _Hidden(f"Bearer {self.api_key}")} if self.api_key else headers)

    @property
    def base_url(self) -> str:
        """Where the API is; a new value is for the calls to come."""
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        url = _checked_url(url)
        self._route, self._prefix, self._base_url = self._transport._route(url), urlsplit(url).path, url

    def _use_headers(self, headers: dict[str, str]) -> None:
        self._headers, self._rendered = headers, _rendered(headers)
        self._rendered_with_json = _rendered({**headers, "Content-Type": "application/json"})

    def __reduce__(self) -> Any:
        session = None if self._owns_session else self.session
        return type(self), (str(self.api_key), self.base_url, self.timeout, self.max_retries, session), self._headers

    __setstate__ = _use_headers

    def __repr__(self) -> str:
        return f"<Client {self.base_url}: {'closed' if self._closed else self._transport._describe()}>"

    def close(self) -> None:
        """Ends the client, and its session unless that was given to it."""
        self._closed = True
        if self._owns_session:
            self.session.close()

    def with_options(
        self, *, timeout: Optional[float] = _KEPT, max_retries: int = _KEPT, headers: Optional[Mapping[str, str]] = None
    ) -> "Self":
        """A client that shares the session and differs in what is named: `client.with_options(timeout=5)`."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), _owns_session=False)
        other.timeout = self.timeout if timeout is _KEPT else timeout
        other.max_retries = self.max_retries if max_retries is _KEPT else max_retries
        _check_limits(other.timeout, other.max_retries)
        other._use_headers({**self._headers, **_checked_headers(headers or {})})
        return other

    def connect(self) -> None:
        """Opens one pooled connection now (DNS, TCP, TLS), so that the first call does not pay for it."""
        self._retrying("connect", True, lambda deadline, fresh: self._transport._connect(self._route, deadline))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Any endpoint: its decoded answer to `client.request("GET", "/models?all=1")`. body: a JSON value or None."""
        _require(isinstance(method, str) and re.fullmatch("[A-Za-z]+", method), "method must be letters, such as GET")
        fits = isinstance(path, str) and re.fullmatch(r"/[!-~]*", path) and "#" not in path
        _require(fits, "path must begin with / and hold no space, # or non-ASCII character")
        return self._call(method.upper(), path, body, _read_json)

    def _call(self, method: str, path: str, body: Any = None, read: Callable[[Any, float], Any] = _read_object) -> Any:
        """One call: sends *body* as JSON unless it is None; *read* makes the result of a 2xx response."""
        plain_path = path.partition("?")[0]
        repeatable = _is_repeatable(method, plain_path)
        data, headers = (None, self._rendered) if body is None else (_encode(body), self._rendered_with_json)
        if not repeatable and "Idempotency-Key" not in self._headers:
            headers = _Hidden(headers + _rendered({"Idempotency-Key": os.urandom(16).hex()}))

        def attempt(deadline: float, fresh: bool) -> Any:
            exchange = self._transport._open(self._route, method, self._prefix + path, headers, data, deadline, fresh)
            try:
                if not 200 <= exchange.response.status_code < 300:
                    raise _read_error(exchange, deadline)
                return read(exchange, deadline)
            except BaseException as error:
                exchange.close()
                if isinstance(error, APIError):
                    _with_response(error, exchange)
                raise

        return self._retrying(f"{method} {plain_path}", repeatable, attempt)

    def _retrying(self, where: str, repeatable: bool, attempt: Callable[[float, bool], Any]) -> Any:
        """Calls attempt(deadline, fresh) until it succeeds, may not be repeated, or the budget is spent."""
        if self._closed:
            raise RuntimeError("the client is closed")
        deadline = min(_deadline(self.timeout), _current.call.deadline if _current.call else _FOREVER)
        attempts, retries, fresh, sent, outer = 0, 0, False, False, sys.exc_info()[1]
        while True:
            attempts += 1
            try:
                return attempt(deadline, fresh)
            except APIError as error:
                error.attempts = attempts
                if error.status_code == 404 and sent and where.startswith("DELETE "):
                    return None  # an earlier attempt has done the work
                sent = sent or error.stage != "connect"
                if error.stage == "reuse" and repeatable:
                    fresh = True  # the server had closed a kept connection: no failure of the service
                    continue
                retries += 1
                delay = _backoff(retries, _random()) if error.retry_after is None else error.retry_after
                too_late = delay >= deadline - _clock()
                if retries > self.max_retries or too_late or not _should_retry(error, repeatable):
                    # Its frames hold what the server sent, which may echo the key.
                    raise self._explain(error, where, outer).with_traceback(None) from error.__cause__
            _sleep(delay)

    def _explain(self, error: APIError, where: str = "POST /chat/completions", outer: Any = None) -> APIError:
        """Completes an error with what only the client knows, and takes out the key that a server may have echoed.

        outer: what the caller was handling, which is part of the error's chain and none of ours.
        """
        error.where = where
        if isinstance(error, APITimeoutError):
            after = "" if self.timeout is None else f" after {self.timeout:g} s"  # a foreign session may have a limit
            error.message = f"timed out{after} while {error.message}"
        if key := self._headers.get("Authorization", "").rpartition(" ")[2]:
            begin, rest = r"\\*".join(map(re.escape, key[:8])), re.escape("\\" + "".join(set(key)))
            # An excerpt may have cut it, or escaped what is in it. A short one is in many words.
            secret = re.compile(f"{begin}[{rest}]*" if len(key) > 7 else rf"(?<!\w){begin}(?!\w)")
            for name, value in vars(error).items():
                setattr(error, name, _masked(value, secret))
            error.__context__ = cause = error.__cause__
            while cause is not None and cause is not outer:
                cause.__traceback__ = None  # its frames hold what the server sent
                if secret.search(f"{cause!r} {cause}"):
                    error.__cause__ = error.__context__ = None
                cause = cause.__cause__ or cause.__context__
        error.args = (error.message,)
        return error

    # Chat

    @overload
    def create_chat_completion(self, request: ChatCompletionRequest) -> ChatCompletionResponse: ...
    @overload
    def create_chat_completion(self, **request: "Unpack[ChatCompletionRequest]") -> ChatCompletionResponse: ...
    def create_chat_completion(self, *request: Any, **fields: Any) -> ChatCompletionResponse:
        """An answer, with its thoughts in `choices[0].reasoning_content`. It takes the fields of ChatCompletionRequest.

            response = client.create_chat_completion(messages=messages, temperature=0)
            print(response.choices[0].message.content)
        """
        body = _chat_request(request, fields)
        if body.get("stream"):
            raise ValueError("stream=True: call stream_chat_completion, which returns the stream")
        return self._call("POST", "/chat/completions", body, _read_completion)

    @overload
    def stream_chat_completion(self, request: ChatCompletionRequest) -> ChatCompletionStream: ...
    @overload
    def stream_chat_completion(self, **request: "Unpack[ChatCompletionRequest]") -> ChatCompletionStream: ...
    def stream_chat_completion(self, *request: Any, **fields: Any) -> ChatCompletionStream:
        """An answer while it is written, as a `ChatCompletionStream`; it takes what create_chat_completion takes."""
        def begin(exchange: Any, deadline: float) -> ChatCompletionStream:
            return ChatCompletionStream(exchange, self.timeout, self._explain)

        return self._call("POST", "/chat/completions", {**_chat_request(request, fields), "stream": True}, begin)

    @overload
    def run_tools(
        self, request: ChatCompletionRequest, *, max_rounds: int = ...
    ) -> Iterator[ChatCompletionResponse]: ...
    @overload
    def run_tools(
        self, *, max_rounds: int = ..., **request: "Unpack[ChatCompletionRequest]"
    ) -> Iterator[ChatCompletionResponse]: ...
    def run_tools(self, *request: Any, max_rounds: int = 10, **fields: Any) -> Iterator[ChatCompletionResponse]:
        """Asks, runs the functions that the model calls, sends the results back, until it answers without a call.

            for response in client.run_tools(messages=messages, tools=[get_weather]):
                pass
            print(response.choices[0].message.content)

        Yields each answer; `messages` grows to the whole transcript. What goes wrong in a call goes back to the model.
        RuntimeError after max_rounds answers that all were calls.
        """
        body: Any = _request(request, fields, "messages")
        messages, functions = body["messages"], _functions(body)
        for function in functions.values():
            if function.is_async:
                raise TypeError(f"{function.name} is async: use AsyncClient.run_tools")

        def rounds() -> Iterator[ChatCompletionResponse]:
            for _ in range(max_rounds):
                response = self.create_chat_completion(body)
                messages.append(response["choices"][0]["message"])
                calls: Any = messages[-1].get("tool_calls")
                yield response
                if not calls or not _is_list_of_objects(calls):
                    return
                for call in calls:
                    messages.append(_answer(functions, call))
            raise RuntimeError(f"the model still calls tools after {max_rounds} rounds")

        return rounds()

    # Threads, messages, runs

    def create_thread(self, metadata: Optional[Mapping[str, Any]] = None) -> Thread:
        """A new conversation that the service remembers."""
        return self._call("POST", "/threads", _given(metadata=metadata))

    def get_thread(self, thread_id: str) -> Thread:
        """A thread. NotFoundError if there is none of that ID, as for every method that takes one."""
        return self._call("GET", f"/threads/{_id(thread_id)}")

    def list_threads(self) -> list[Thread]:
        """All threads of the key."""
        return self._call("GET", "/threads", None, _read_list)

    def delete_thread(self, thread_id: str) -> None:
        """Deletes a thread with its messages."""
        self._call("DELETE", f"/threads/{_id(thread_id)}", None, _read_all)

    def create_message(self, thread_id: str, role: str, content: str) -> ThreadMessage:
        """Adds a message to a thread."""
        return self._call("POST", f"/threads/{_id(thread_id)}/messages", {"role": role, "content": content})

    def create_messages_bulk(self, thread_id: str, messages: Sequence[RequestMessage]) -> list[ThreadMessage]:
        """Adds several messages, each `{"role": …, "content": …}`, in one request."""
        return self._call("POST", f"/threads/{_id(thread_id)}/messages/bulk", {"messages": messages}, _read_list)

    def list_messages(
        self, thread_id: str, limit: Optional[int] = 20, *, after: Optional[str] = None, before: Optional[str] = None,
        order: Optional[str] = None,
    ) -> list[ThreadMessage]:
        """A page of a thread's messages. after, before: the ID of a message. order: "asc" or "desc", by time."""
        query = urlencode(_given(limit=limit, after=after, before=before, order=order))
        return self._call("GET", f"/threads/{_id(thread_id)}/messages?{query}", None, _read_list)

    def iter_messages(
        self, thread_id: str, page_size: int = 100, *, after: Optional[str] = None, before: Optional[str] = None,
        order: Optional[str] = None,
    ) -> Iterator[ThreadMessage]:
        """All messages of a thread, fetched page by page as they are needed."""
        more = True
        while more:
            query = urlencode(_given(limit=page_size, after=after, before=before, order=order))
            page = self._call("GET", f"/threads/{_id(thread_id)}/messages?{query}", None, _read_page)
            yield from page["data"]
            more, before_it, after = page.get("has_more"), after, page.get("last_id")
            if more and after == before_it:  # or it would go on for ever
                problem = APIResponseError("the server gives the same page again and again", body=page)
                raise self._explain(problem, f"GET /threads/{_id(thread_id)}/messages")

    def create_run(
        self, thread_id: str, assistant_id: str, temperature: Optional[float] = None, max_tokens: Optional[int] = None,
        enable_thinking: bool = True,
    ) -> Run:
        """Sets an assistant to work on a thread; `wait_for_run` waits for what it says."""
        _id(assistant_id)  # refuses what is none
        body = _given(
            assistant_id=assistant_id, temperature=temperature, max_tokens=max_tokens, enable_thinking=enable_thinking
        )
        return self._call("POST", f"/threads/{_id(thread_id)}/runs", _with_room_to_think(body), _read_run)

    def get_run(self, thread_id: str, run_id: str) -> Run:
        """A run as it stands; its `message` is there once it is completed."""
        return self._call("GET", f"/threads/{_id(thread_id)}/runs/{_id(run_id)}", None, _read_run)

    def wait_for_run(
        self, thread_id: str, run_id: str, poll_interval: float = 0.5, *, timeout: Optional[float] = 600.0
    ) -> Run:
        """Asks every poll_interval seconds until a run is completed.

        RunError, with the run, if it ends otherwise; APITimeoutError if it has not ended after *timeout* seconds.
        """
        _require(_is_number(poll_interval) and poll_interval >= 0, "poll_interval must be a number of seconds from 0")
        patient, deadline, status = self.with_options(timeout=timeout), _deadline(timeout), "not known"
        where = f"GET /threads/{_id(thread_id)}/runs/{_id(run_id)}"
        budget = _FOREVER if self.timeout is None else self.timeout
        while (left := deadline - _clock()) > 0:
            try:
                run = (self.with_options(timeout=left) if left < budget else self).get_run(thread_id, run_id)
            except APITimeoutError:
                if left < budget:
                    break
                raise
            status = run["status"]
            if status == "completed":
                return run
            if status in ("failed", "cancelled", "expired", "incomplete", "requires_action"):
                reason = _body_error(APIError, run.get("last_error")).message
                problem = self._explain(RunError(f"the run ended as {status}{reason and ': '}{reason}", run=run), where)
                del run, reason  # a traceback may show them, and they the key
                raise problem
            _sleep(min(poll_interval, max(0.0, deadline - _clock())))
        raise patient._explain(APITimeoutError(f"the run's status is {status}"), where)

    # Assistants

    def list_assistants(self) -> list[Assistant]:
        """All assistants of the key."""
        return self._call("GET", "/assistants", None, _read_list)

    def get_assistant(self, assistant_id: str) -> Assistant:
        """An assistant."""
        return self._call("GET", f"/assistants/{_id(assistant_id)}")

    def create_assistant(self, name: str, instructions: str, tools_config: Optional[str] = None) -> Assistant:
        """A new assistant; tools_config is a JSON text."""
        body = _given(name=name, instructions=instructions, tools_config=tools_config)
        return self._call("POST", "/assistants", body)

    def update_assistant(
        self, assistant_id: str, name: str, instructions: str, tools_config: Optional[str] = None
    ) -> Assistant:
        """Changes an assistant; what is None stays as it is."""
        body = _given(name=name, instructions=instructions, tools_config=tools_config)
        return self._call("PUT", f"/assistants/{_id(assistant_id)}", body)

    def delete_assistant(self, assistant_id: str) -> None:
        """Deletes an assistant."""
        self._call("DELETE", f"/assistants/{_id(assistant_id)}", None, _read_all)

    def list_assistant_threads(self, assistant_id: str, limit: Optional[int] = 20) -> list[Thread]:
        """The threads that have runs of an assistant."""
        query = urlencode(_given(limit=limit))
        return self._call("GET", f"/assistants/{_id(assistant_id)}/threads?{query}", None, _read_list)

    # Vision, moderation, embeddings, rerank

    @overload
    def analyze_image(self, request: VisionAnalyzeRequest) -> VisionAnalyzeResponse: ...
    @overload
    def analyze_image(self, **request: "Unpack[VisionAnalyzeRequest]") -> VisionAnalyzeResponse: ...
    def analyze_image(self, *request: Any, **fields: Any) -> VisionAnalyzeResponse:
        """Says what is in a picture: image_url, user_prompt?."""
        return self._call("POST", "/vision/analyze", _request(request, fields, "image_url"))

    @overload
    def analyze_image_for_tags(self, request: VisionTagsRequest) -> VisionTagsResponse: ...
    @overload
    def analyze_image_for_tags(self, **request: "Unpack[VisionTagsRequest]") -> VisionTagsResponse: ...
    def analyze_image_for_tags(self, *request: Any, **fields: Any) -> VisionTagsResponse:
        """Tags for a picture, in one text with commas: image_url."""
        return self._call("POST", "/vision/tags", _request(request, fields, "image_url"))

    @overload
    def extract_text(self, request: VisionOCRRequest) -> VisionOCRResponse: ...
    @overload
    def extract_text(self, **request: "Unpack[VisionOCRRequest]") -> VisionOCRResponse: ...
    def extract_text(self, *request: Any, **fields: Any) -> VisionOCRResponse:
        """The text in a picture: image_url."""
        return self._call("POST", "/vision/ocr", _request(request, fields, "image_url"))

    @overload
    def analyze_video(self, request: VisionVideoRequest) -> VisionVideoResponse: ...
    @overload
    def analyze_video(self, **request: "Unpack[VisionVideoRequest]") -> VisionVideoResponse: ...
    def analyze_video(self, *request: Any, **fields: Any) -> VisionVideoResponse:
        """Says what happens in a video: video_url, user_prompt?."""
        return self._call("POST", "/vision/video", _request(request, fields, "video_url"))

    @overload
    def moderate_text(self, request: ModerationTextRequest) -> ModerationResponse: ...
    @overload
    def moderate_text(self, **request: "Unpack[ModerationTextRequest]") -> ModerationResponse: ...
    def moderate_text(self, *request: Any, **fields: Any) -> ModerationResponse:
        """The category of a text, and how sure that is: prompt."""
        return self._call("POST", "/moderations", _request(request, fields, "prompt"))

    @overload
    def moderate_media(self, request: ModerationMediaRequest) -> ModerationResponse: ...
    @overload
    def moderate_media(self, **request: "Unpack[ModerationMediaRequest]") -> ModerationResponse: ...
    def moderate_media(self, *request: Any, **fields: Any) -> ModerationResponse:
        """The category of a picture or a video, and how sure that is: media_url, is_video."""
        return self._call("POST", "/moderations/media", _request(request, fields, "media_url", "is_video"))

    @overload
    def create_embedding(self, request: EmbeddingRequest) -> EmbeddingResponse: ...
    @overload
    def create_embedding(self, **request: "Unpack[EmbeddingRequest]") -> EmbeddingResponse: ...
    def create_embedding(self, *request: Any, **fields: Any) -> EmbeddingResponse:
        """A vector for each text, `response.data[0].embedding`: input, model?."""
        return self._call("POST", "/embeddings", _request(request, fields, "input"))

    @overload
    def rerank(self, request: RerankRequest) -> RerankResponse: ...
    @overload
    def rerank(self, **request: "Unpack[RerankRequest]") -> RerankResponse: ...
    def rerank(self, *request: Any, **fields: Any) -> RerankResponse:
        """Sorts documents, `response.results[0].document`: query, documents, top_k?, model?."""
        return self._call("POST", "/rerank", _request(request, fields, "query", "documents"))

# --------------------------------------------------------------------------------------------------- asyncio

class _Threads:
    """Runs jobs in daemon threads, at most *limit* at a time; a thread that finds no more work ends."""

    def __init__(self, limit: int) -> None:
        self.limit, self.count, self.lock = limit, 0, threading.Lock()
        self.jobs: deque[Callable[[], None]] = deque()

    def submit(self, job: Callable[[], None]) -> None:
        with self.lock:
            self.jobs.append(job)
            if self.count < self.limit:
                threading.Thread(target=self._work, name="pixigpt", daemon=True).start()
                self.count += 1

    def _work(self) -> None:
        while True:
            with self.lock:
                if not self.jobs:
                    self.count -= 1
                    return
                job = self.jobs.popleft()
            job()

def _close_unread(future: Any) -> None:
    """Closes the stream that came for a task that was cancelled: whoever keeps its exception would keep the stream."""
    if not future.cancelled() and isinstance(stream := future.exception() or future.result(), ChatCompletionStream):
        stream.close()

class AsyncClient:
    """`Client` for asyncio: the same constructor and methods, awaited; a cancelled task gives its connection up.

        async with AsyncClient() as client:
            response = await client.create_chat_completion(messages=messages)
            stream = await client.stream_chat_completion(messages=messages)
            async for chunk in stream: ...

    Calls run in threads of its own, as many as the session has connections; a stream that is read, a run that is waited
    for and a tool function have one beside them. `iter_messages` and `run_tools` are asynchronous iterators;
    `run_tools` awaits async functions and runs the calls of a round at once.
    """

    def __init__(
        self, api_key: Optional[str] = None, base_url: Optional[str] = None, timeout: Optional[float] = 30.0,
        max_retries: int = 3, session: Any = None,
    ) -> None:
        self._over(Client(api_key, base_url, timeout, max_retries, session))

    def _over(self, client: Client) -> "Self":
        self._client = client
        self.base_url, self.session = client.base_url, client.session
        self.timeout, self.max_retries = client.timeout, client.max_retries
        if TYPE_CHECKING:  # one line a method: the signatures are Client's; see _add_async_methods
            self.connect = self._awaited(client.connect)
            self.request = self._awaited(client.request)
            self.create_chat_completion = self._awaited(client.create_chat_completion)
            self.stream_chat_completion = self._awaited_stream(client.stream_chat_completion)
            self.run_tools = self._iterated(client.run_tools)
            self.create_thread = self._awaited(client.create_thread)
            self.get_thread = self._awaited(client.get_thread)
            self.list_threads = self._awaited(client.list_threads)
            self.delete_thread = self._awaited(client.delete_thread)
            self.create_message = self._awaited(client.create_message)
            self.create_messages_bulk = self._awaited(client.create_messages_bulk)
            self.list_messages = self._awaited(client.list_messages)
            self.iter_messages = self._iterated(client.iter_messages)
            self.create_run = self._awaited(client.create_run)
            self.get_run = self._awaited(client.get_run)
            self.wait_for_run = self._awaited(client.wait_for_run)
            self.list_assistants = self._awaited(client.list_assistants)
            self.get_assistant = self._awaited(client.get_assistant)
            self.create_assistant = self._awaited(client.create_assistant)
            self.update_assistant = self._awaited(client.update_assistant)
            self.delete_assistant = self._awaited(client.delete_assistant)
            self.list_assistant_threads = self._awaited(client.list_assistant_threads)
            self.analyze_image = self._awaited(client.analyze_image)
            self.analyze_image_for_tags = self._awaited(client.analyze_image_for_tags)
            self.extract_text = self._awaited(client.extract_text)
            self.analyze_video = self._awaited(client.analyze_video)
            self.moderate_text = self._awaited(client.moderate_text)
            self.moderate_media = self._awaited(client.moderate_media)
            self.create_embedding = self._awaited(client.create_embedding)
            self.rerank = self._awaited(client.rerank)
        return self

    __setstate__ = _over

    def __getstate__(self) -> Client:
        return self._client

    def __repr__(self) -> str:
        return f"<Async{repr(self._client)[1:]}"

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._client.close()

    async def close(self) -> None:
        """Ends the client, and its session unless that was given to it."""
        self._client.close()

    def with_options(
        self, *, timeout: Optional[float] = _KEPT, max_retries: int = _KEPT, headers: Optional[Mapping[str, str]] = None
    ) -> "Self":
        """As `Client.with_options`."""
        client = self._client.with_options(timeout=timeout, max_retries=max_retries, headers=headers)
        return object.__new__(type(self))._over(client)

    async def _run(self, kind: str, function: Callable[[], _R], reading: Any = None) -> _R:
        """What a function returns that runs in a thread; if the task is cancelled, what it waits for ends.

        A "call" needs one of as many threads as there are connections. What must "wait" for none has its own.
        """
        import asyncio
        import contextvars
        from concurrent.futures import Future

        call, future, transport = _Call(), Future[_R](), self._client._transport

        context = contextvars.copy_context()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                _current.call = call
                try:
                    call.track(reading)
                    future.set_result(context.run(function))
                except StopIteration as error:  # which asyncio refuses, and the task would wait for ever
                    future.set_exception(RuntimeError(repr(error)))
                except BaseException as error:
                    future.set_exception(error)

        answer = asyncio.wrap_future(future)
        try:
            if kind == "wait":
                threading.Thread(target=job, name="pixigpt", daemon=True).start()
            else:
                call.deadline = _deadline(self.timeout)
                transport._threads = transport._threads or _Threads(transport.max_connections)
                transport._threads.submit(job)
                await asyncio.wait([answer], timeout=self.timeout)
                if future.cancel():  # it is still in the queue
                    late = APITimeoutError(f"waiting for one of {transport.max_connections} connections")
                    raise self._client._explain(late, "")
            return await answer
        except BaseException:
            call.cancel()
            future.add_done_callback(_close_unread)
            if not answer.get_loop().is_closed():
                answer.cancel()
            raise

    if TYPE_CHECKING:  # None, not Any, or asyncio.gather of two methods is Any to mypy
        def _awaited(self, method: Callable[_P, _R]) -> Callable[_P, Coroutine[None, None, _R]]: ...
        def _awaited_stream(
            self, method: Callable[_P, ChatCompletionStream]
        ) -> "Callable[_P, Coroutine[None, None, AsyncChatCompletionStream]]": ...
        def _iterated(self, method: Callable[_P, Iterator[_R]]) -> Callable[_P, AsyncIterator[_R]]: ...

    async def _iter_messages(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        messages = self._client.iter_messages(*args, **kwargs)
        while (message := await self._run("call", lambda: next(messages, None))) is not None:
            yield message

    async def _run_tools(self, *request: Any, max_rounds: int = 10, **fields: Any) -> AsyncIterator[Any]:
        import asyncio

        async def answer(call: Any) -> Message:
            function = functions.get(_called(call)[0])
            if function is None or not function.is_async:
                return await self._run("wait", lambda: _answer(functions, call))
            try:
                outcome = await function.function(**_arguments(functions, call))
            except Exception as error:
                return _tool_message(call, error)
            return _tool_message(call, outcome)

        body: Any = _request(request, fields, "messages")
        messages, functions = body["messages"], _functions(body)
        for _ in range(max_rounds):
            response = await self.create_chat_completion(body)
            messages.append(response["choices"][0]["message"])
            calls: Any = messages[-1].get("tool_calls")
            yield response
            if not calls or not _is_list_of_objects(calls):
                return
            messages.extend(await asyncio.gather(*map(answer, calls)))
        raise RuntimeError(f"the model still calls tools after {max_rounds} rounds")

def _add_async_methods() -> None:
    """Gives AsyncClient the methods of Client: in the class, where subclasses, `super()`, mocks and pydoc look."""
    def awaited(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            bound = getattr(self._client, name)
            answer = await self._run("wait" if name == "wait_for_run" else "call", lambda: bound(*args, **kwargs))
            return AsyncChatCompletionStream(answer, self._run) if isinstance(answer, ChatCompletionStream) else answer

        return call

    for name, method in vars(Client).items():
        if name in ("iter_messages", "run_tools"):
            setattr(AsyncClient, name, functools.wraps(method)(getattr(AsyncClient, f"_{name}")))
        elif not name.startswith("_") and callable(method) and name not in vars(AsyncClient):
            setattr(AsyncClient, name, awaited(name, method))

_add_async_methods()

class AsyncChatCompletionStream:
    """`ChatCompletionStream` for asyncio: `async for`, `async with`, `text_stream`, `await get_final_completion()`."""

    def __init__(self, stream: ChatCompletionStream, run: Callable[..., Any]) -> None:
        self._stream, self._run = stream, run

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        ready = self._stream._events and self._stream._events[0][1] != "[DONE]"  # what has come needs no thread
        chunk: Any = next(self._stream, None) if ready else await self._in_thread(lambda: next(self._stream, None))
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The text of the first choice, piece by piece as it comes, untrimmed."""
        return (self._stream._text async for _ in self if self._stream._text)

    async def get_final_completion(self) -> ChatCompletionResponse:
        """Reads what is left: the whole answer, as `create_chat_completion` returns it."""
        return await self._in_thread(self._stream.get_final_completion)

    async def close(self) -> None:
        """Ends the stream, also if another task reads it."""
        self._stream.close()

    def _in_thread(self, function: Callable[[], _R]) -> Coroutine[Any, Any, _R]:
        return self._run("wait", function, self._stream._exchange)

# ---------------------------------------------------------------------------------------------- command line

def _options(argv: Optional[Sequence[str]]) -> Any:
    import argparse

    parser = argparse.ArgumentParser(
        usage='pixigpt [options] [prompt ...]\n  pixigpt "What is 17 + 25?"\n  git diff | pixigpt "review this"',
        description="The prompt is the arguments, or standard input, or both: then the input comes first. Without one, "
        "on a terminal, it is a chat: Ctrl-C stops an answer, Ctrl-D ends the chat.",
        epilog="Exit status: 0, 1 for an error of the API, 2 for wrong usage or a missing key, 130 for Ctrl-C.",
        prog="pixigpt", allow_abbrev=False, formatter_class=lambda prog: argparse.HelpFormatter(prog, 2, 27),
    )
    add = parser.add_argument
    add("prompt", nargs="*", help=argparse.SUPPRESS)
    add("-s", "--system", metavar="TEXT", help="the system message")
    add("-a", "--assistant", dest="assistant_id", metavar="ID", help="who answers; else PIXIGPT_ASSISTANT_ID")
    add("-m", "--model", metavar="NAME", help="the model")
    add("-t", "--temperature", metavar="T", type=float, help="0 is the most predictable")
    add("--max-tokens", metavar="N", type=int, help="the longest answer; thinking needs 3000 or more")
    add("--no-thinking", dest="enable_thinking", action="store_const", const=False, help="answer without thinking")
    add("--show-thinking", action="store_true", help="show the chain of thought, on standard error")
    add("--no-stream", action="store_true", help="show the answer once it is complete")
    add("--json", action="store_true", help="show the whole response")
    add("-i", "--interactive", action="store_true", help="a chat, also with a prompt or without a terminal")
    add("--list-assistants", action="store_true", help="show the assistants of the key")
    add("--base-url", metavar="URL", help="else PIXIGPT_BASE_URL, else https://pixigpt.com/v1")
    add("--timeout", metavar="SECONDS", type=float, default=30.0, help="for an answer, or each wait as it comes (30)")
    add("--version", action="version", version=f"pixigpt {__version__}")
    try:
        argv = sys.argv[1:] if argv is None else argv
        return parser.parse_args([str(text.encode("utf-8", "surrogateescape"), "utf-8", "replace") for text in argv])
    finally:
        sys.stdout.flush()  # the help

class _Console:
    """Standard output and error. No text of a model or a server can drive a terminal; a pipe gets it as it is."""

    begun: Any = None  # the stream whose last line has no end yet
    waiting = False  # that line is a sign of life

    def write(self, text: str, stream: Any) -> None:
        if self.waiting:
            sys.stderr.write("\r             \r")
        elif self.begun not in (None, stream) and (self.begun is sys.stderr or self.begun.isatty()):
            self.begun.write("\n")
        if stream.isatty():
            text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda control: f"\\x{ord(control[0]):02x}", text)
        print(text, end="", file=stream, flush=True)
        self.begun, self.waiting = None if text.endswith("\n") else stream, False

    def write_json(self, value: Any) -> None:
        self.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n", sys.stdout)

    def fail(self, error: Exception, status: int) -> int:
        self.write(f"pixigpt: {' '.join(str(error).split())}\n", sys.stderr)
        return status

def _parts(chunks: Iterable[Any]) -> Iterator[tuple[bool, str]]:
    """The parts of an answer: (whether it is a thought, text). Thoughts have a field of their own or stand in tags."""
    thinking, tags, held = False, True, ""
    for choice in (choice for chunk in chunks for choice in chunk.get("choices") or ()):
        delta = choice.get("delta", choice.get("message")) or {}
        text, places = delta.get("content"), (delta.get("reasoning_content"), delta.get("reasoning"))
        thought = next(filter(None, places), choice.get("reasoning_content"))
        if thought and isinstance(thought, str):
            tags = False
            yield True, thought
        held += text if isinstance(text, str) else ""
        while tags and (tag := _THINK_TAG.search(held)):
            yield thinking, held[: tag.start()]
            thinking, held = not tag[1], held[tag.end() :]
        begun = held.rfind("<", -10) if tags else -1  # a tag may be under way: the longest has 11 characters
        ready, held = (held[:begun], held[begun:]) if begun >= 0 else (held, "")
        yield thinking, ready
    yield thinking, held

def _ask(client: Client, messages: list[Any], prompt: str, options: Any, console: _Console) -> list[Any]:
    """Prints the answer as it comes; returns the messages of this turn."""
    turn: list[Any] = [Message(role="user", content=prompt)]
    fields = ("assistant_id", "model", "temperature", "max_tokens", "enable_thinking")
    request: Any = {"messages": messages + turn, **{name: getattr(options, name) for name in fields}}
    if sys.stderr.isatty():
        console.write("waiting ...", sys.stderr)
        console.waiting = True
    whole = options.json or options.no_stream
    reply: Any = client.create_chat_completion(request) if whole else client.stream_chat_completion(request)
    if options.json:
        console.write_json(reply)
        return [*turn, reply["choices"][0]["message"]]
    answer = ""
    for is_thought, text in _parts([_as_chunk(reply)] if whole else reply):
        text = text if answer or is_thought else text.lstrip()
        answer += "" if is_thought else text
        if text and (options.show_thinking or not is_thought):
            console.write(text, sys.stderr if is_thought else sys.stdout)
    if console.begun:
        console.write("\n", console.begun)
    return [*turn, Message(role="assistant", content=_whole_characters(answer))]

def _chat(client: Client, messages: list[Any], prompt: str, options: Any, console: _Console) -> int:
    """Turn by turn until Ctrl-D. Ctrl-C stops an answer; a turn that failed is as if it had not been."""
    try:
        import readline  # gives input() line editing

        readline.parse_and_bind("set enable-bracketed-paste on")  # pasted lines are one message
    except ImportError:
        pass
    terminal, status = sys.stdin.isatty(), 0
    ready = "> " if terminal and sys.stdout.isatty() else ""
    while True:
        try:
            if terminal and not (ready or prompt):  # input() would write it to standard output
                console.write("> ", sys.stderr)
            asked, prompt = prompt or input(ready), ""
            if asked.strip():
                messages += _ask(client, messages, asked, options, console)
        except EOFError:
            sys.stderr.write("\n" if terminal else "")
            return status
        except KeyboardInterrupt:
            if not terminal:
                raise
            console.write("\n", console.begun or sys.stderr)
        except APIError as error:
            status = console.fail(error, 0 if terminal else 1)

def _command(options: Any, console: _Console) -> int:
    client = Client(base_url=options.base_url, timeout=options.timeout)
    if options.list_assistants:
        assistants = client.list_assistants()
        if options.json:
            console.write_json(assistants)
            return 0
        for assistant in assistants:
            columns = (" ".join(str(assistant.get(key) or "").split()) for key in ("id", "name"))
            console.write("\t".join(columns) + "\n", sys.stdout)
        return 0
    prompt, terminal = " ".join(options.prompt), sys.stdin.isatty()
    chat = options.interactive or (terminal and not prompt.strip())
    if not chat and not terminal:
        prompt = "\n\n".join(part for part in (sys.stdin.read().strip("\n"), prompt) if part.strip())
    if not chat and not prompt.strip():
        raise ValueError("no prompt: give one as an argument or on standard input; see pixigpt --help")
    options.assistant_id = options.assistant_id or os.environ.get("PIXIGPT_ASSISTANT_ID") or None
    system = "You are a helpful assistant." if options.system is None and not options.assistant_id else options.system
    messages: list[Any] = [] if system is None else [Message(role="system", content=system)]
    if chat:
        return _chat(client, messages, prompt, options, console)
    _ask(client, messages, prompt, options, console)
    return 0

def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line, see `pixigpt --help`: runs it with the arguments and returns the exit status."""
    for name, mode, encoding, newline in (  # UTF-8 whatever the locale, and no carriage returns on Windows
        ("stdin", "r", "utf-8-sig", None), ("stdout", "w", "utf-8", "\n"), ("stderr", "w", "utf-8", "\n"),
    ):
        if getattr(sys, name) is None:  # it was closed before Python began
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            try:
                stream.reconfigure(encoding=encoding, errors="replace", newline=newline)
            except io.UnsupportedOperation:
                pass  # the program that calls this has read from it
    console, status = _Console(), 0
    try:
        try:
            status = _command(_options(argv), console)
        except SystemExit as end:  # of argparse, which has said why
            status = int(end.code or 0)
        except KeyboardInterrupt:
            status = 130
            sys.stderr.write("\n")
        except (APIError, ValueError) as error:
            status = 1 if isinstance(error, APIError) else 2
            console.fail(error, status)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:  # a closed pipe or a full disk: what a stream still holds would fail again at exit
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        status = status or (0 if isinstance(error, BrokenPipeError) else console.fail(error, 1))
    return status

if __name__ == "__main__":
    sys.exit(main())
