"""A PixiGPT service on your own machine: no account, no network, nothing to install.

    python examples/sandbox.py python -m pixigpt "What is 17 + 25?"     run one command against it
    python examples/sandbox.py --port 8000                              serve until Ctrl-C
    with sandbox.Sandbox() as box: ...                                  from a test

The first form starts the service on a free port of 127.0.0.1, runs the command with PIXIGPT_API_KEY,
PIXIGPT_BASE_URL and PIXIGPT_ASSISTANT_ID set, and exits with the command's status. The second prints these
variables as `export` lines for another shell. The third gives `box.base_url`, `box.api_key`, `box.assistant_id`,
`box.environment()`, `box.requests` (what came over the wire, oldest first: `.method`, `.path` with its query,
`.headers` with lower-case names, `.body`, `.json`), `box.connections` (how many were accepted so far) and
`box.close_idle_connections()`.

Every endpoint answers as the service does; its state lives in memory and ends with the process. The "model" is a
handful of rules, so the same question always gets the same answer:

    What is 6 * (3 + 4)?                     6 * (3 + 4) = 42.
    How many words are in: to be or not      That is 4 words.
    Count to 20                              1, 2, 3 ... something to watch while it streams
    My name is Ada. ... What is my name?     Your name is Ada.  (from earlier in the chat or thread)
    Who are you?                             the assistant's name and instructions, or the system message
    anything else                            You said: anything else

Offered tools, it calls the one that shares most words with the question (else the first, or the one `tool_choice`
names) with arguments taken from the question, and then reports what the tool returned. In a thread, asking it to
search, to draw or to run code attaches `sources`, `media` or `code` to the message. Tokens are words.

Trouble on purpose: write it into a prompt (the last user message; in requests without messages, anywhere in the
body), or send what stands between the brackets, without `fault`, as the header X-Fault of any request.

    [fault 503]                     this status instead of an answer; any from 300 to 599
    [fault 503 times=2]             only the first two requests with this very prompt; goes with every fault
    [fault 429 retry-after=1]       name=value adds a response header; code=insufficient_quota sets the error's code
    [fault 503 late]                the request is carried out, only its answer is lost; also with drop and reset
    [fault slow=2]                  two seconds before anything is answered
    [fault drop]   [fault reset]    the connection ends without an answer: closed in order, or with a TCP reset
    [fault cut]                     the answer stops in the middle, and so does the connection
    [fault no-stream]               plain JSON where a stream was asked for
    [run failed]                    in a thread's last user message: its run ends so, or with any other status
    [run stuck]                     ... or never ends

Reading order: requests and their checks, the model, chat completions, faults, the service, HTTP, the command line.
"""

import argparse
import ast
import hashlib
import json
import math
import operator
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from itertools import count, takewhile
from typing import Any, Optional, Union
from urllib.parse import parse_qsl, unquote

API_KEY = "sandbox-key"
MODEL = "pixigpt-sandbox"
MAX_BODY = 32 * 1024 * 1024  # bytes; beyond it 413
MAX_HEAD = 64 * 1024  # bytes; beyond it 431
MAX_KEPT = 10_000  # requests for tests
MAX_READ = 1000  # characters of a message that patterns are matched against: they must never take long
MAX_DEPTH = 8  # of invented values: a schema may contain itself
EMBEDDING_SIZE = 16

Json = Any  # what json.loads returns
_ids = count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_ids):06d}"


# ---- requests and errors ---------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: Json) -> bytes:
    # A lone surrogate cannot be UTF-8, but its escape can.
    return _encode(value).encode("utf-8", "backslashreplace")


def given(fields: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, code: Optional[str] = None, param: Optional[str] = None) -> None:
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, kind)
        self.status = status
        self.body = to_json({"error": given({"message": message, "type": kind, "code": code, "param": param})})


def invalid(message: str, param: Optional[str] = None) -> ApiError:
    return ApiError(400, message, param=param)


@dataclass
class Request:
    """A request as it came over the wire."""

    method: str
    path: str  # with its query
    version: str
    headers: dict[str, str]  # names in lower case
    body: bytes = b""

    @cached_property
    def json(self) -> Json:
        """The decoded body, None if there is none. ValueError or RecursionError if it is not JSON."""
        return _decode(self.body.decode("utf-8")) if self.body else None

    def fields(self) -> dict[str, Json]:
        """The body as the endpoints want it: an object, {} if nothing was sent."""
        try:
            body = {} if self.json is None else self.json
        except (ValueError, RecursionError) as error:
            raise invalid(f"The request body is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise invalid("The request body must be a JSON object.")
        return body


# ---- what requests must look like ------------------------------------------------------------------------------------

# A shape is a type, a range, a pattern for the whole of a string, [the shape of each item] (with `...`: at least one),
# {field: shape} (with `?` after the name: it may be missing or null), or a tuple of shapes of which one must fit.
Shape = Any

URL = r"(?s)(https?://|data:).*"
LIMIT = "[1-9][0-9]?|100"
CONTENT = (str, [{"type": str}])
PARTS = {"text": {"text": str}, "image_url": {"image_url": {"url": str}}}  # of content, by their type
TOOL_CALL = {"id": str, "function": {"name": str, "arguments": str}}
CHAT_MESSAGE = {"role": "system|user|assistant|tool", "content?": CONTENT, "tool_calls?": [TOOL_CALL],
                "tool_call_id?": str}  # fmt: skip
THREAD_MESSAGE = {"role": "user|assistant", "content": CONTENT}
OPTIONS = {
    "model?": str, "enable_thinking?": bool, "temperature?": float, "max_tokens?": range(1, 10**9), "n?": range(1, 17),
    "stop?": (str, [str]), "response_format?": dict, "tools?": [{"function": {"name": str}}],
    "tool_choice?": (str, {"function": {"name": str}}),
}  # fmt: skip
CHAT = {"messages": [CHAT_MESSAGE, ...], "assistant_id?": str, "stream?": bool, **OPTIONS}
KIND_NAMES: dict[Any, str] = {
    str: "a string", bool: "true or false", int: "an integer", float: "a number", list: "an array", dict: "an object"
}  # fmt: skip


def kind_of(shape: Shape) -> type:
    """The Python type that values of this shape have."""
    return shape if isinstance(shape, type) else int if isinstance(shape, range) else type(shape)


def check(value: Json, shape: Shape, where: str = "") -> None:
    """Raise the error to answer with unless `value`, at the path `where`, has the shape."""
    kind = type(value)
    if shape is kind or (shape is float and kind is int):  # 1 is as good a number as 1.0
        return
    options = {kind_of(option): option for option in (shape if isinstance(shape, tuple) else (shape,))}
    if kind not in options:
        raise invalid(f"{where} must be {' or '.join(KIND_NAMES[kind] for kind in options)}", where)
    shape = options[kind]
    if isinstance(shape, str) and not re.fullmatch(shape, value):
        raise invalid(f"{where} must match {shape}", where)
    if isinstance(shape, range) and value not in shape:
        raise invalid(f"{where} must be from {shape[0]} to {shape[-1]}", where)
    if isinstance(shape, list):
        if not value and shape[-1] is ...:
            raise invalid(f"{where} must not be empty", where)
        for number, item in enumerate(value):
            check(item, shape[0], f"{where}[{number}]")
    if isinstance(shape, dict):
        for name, part in shape.items():
            field = name.rstrip("?")
            if value.get(field) is not None:
                check(value[field], part, f"{where}.{field}" if where else field)
            elif field == name:
                inside = f"{where}.{field}" if where else field
                raise invalid(f"{inside} is required", inside)


def conversation(messages: list[Json]) -> list[Json]:
    """The messages with their content as plain text; raises if they do not make a conversation."""
    plain, called = [], set[str]()
    for number, message in enumerate(messages):
        where, calls = f"messages[{number}]", message.get("tool_calls") or []
        called.update(call["id"] for call in calls)
        if message.get("content") is None and not calls:
            raise invalid(f"{where}.content is required", f"{where}.content")
        if message["role"] == "tool" and message.get("tool_call_id") not in called:
            raise invalid(f"{where} answers a tool call that no earlier message makes", f"{where}.tool_call_id")
        plain.append({**message, "content": text_of(message.get("content"), f"{where}.content"), "tool_calls": calls})
    return plain


def text_of(content: Json, where: str = "content") -> str:
    """The text of a message's content: a string, null, or a list of OpenAI content parts."""
    if not isinstance(content, list):
        return content or ""
    texts = []
    for number, part in enumerate(content):
        check(part, PARTS.get(part["type"], {}), f"{where}[{number}]")
        image = part["type"] == "image_url" and f"[image {file_name(part['image_url']['url'])}]"
        texts.append(part["text"] if part["type"] == "text" else image or f"[{part['type']}]")
    return " ".join(texts)


def file_name(url: str) -> str:
    """What to call the thing at `url`."""
    if url.startswith("data:"):
        return re.split("[;,]", url[len("data:") :])[0] or "data"
    return unquote(re.split("[?#]", url)[0].rstrip("/").rpartition("/")[2])


# ---- the model: text in, text out ------------------------------------------------------------------------------------

NUMBER = r"\d+(?:\.\d+)?"
SUM = re.compile(rf"[(\s-]*(?<![\w.,]){NUMBER}(?:[\s)]*[-+*/][\s(+-]*{NUMBER})+(?!\w)[\s)]*")
OPERATORS: dict[Any, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv
}  # fmt: skip
WHAT_IS_MY = re.compile(r"\bwhat(?:['’]s| is| was) my (\w[\w ]*)", re.IGNORECASE)
FACT = re.compile(r"\bmy (\w[\w ]{0,40}?) is ([^.!?\n]+)", re.IGNORECASE)
HOW_MANY_WORDS = re.compile(r"how many words[^:?\n]*[:?]?", re.IGNORECASE)
COUNT_TO = re.compile(r"\bcount to (\d{1,3})\b", re.IGNORECASE)
WHO = re.compile(r"\bwho are you\b|\bwhat(?:['’]s| is) your name\b", re.IGNORECASE)
DIRECTIVE = re.compile(r"\[(?:fault|run) [^\]\n]*\]")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def visible(text: str) -> str:
    """The text without what is meant for the sandbox and not for the model."""
    return DIRECTIVE.sub("", text).strip() if "[" in text else text


def find_sum(text: str) -> str:
    """The first arithmetic expression in `text`, or nothing."""
    match = SUM.search(text[:MAX_READ])
    found = match[0].strip() if match else ""
    return found if found.count("(") == found.count(")") else found.strip("() ")


def evaluate(node: ast.AST) -> Any:
    """The value of a parsed sum. There is no power operator, so it stays about as long as its text."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand) if isinstance(node.op, ast.USub) else evaluate(node.operand)
    return ast.literal_eval(node)


def answer_sum(text: str) -> str:
    try:
        value = evaluate(ast.parse(text, mode="eval").body)
        return f"{text} = {value if isinstance(value, int) else format(value, '.12g')}."
    except ZeroDivisionError:
        return f"{text} has no value, because it divides by zero."
    except (SyntaxError, ValueError, LookupError, ArithmeticError, RecursionError, MemoryError):
        return ""  # it only looked like a sum


def answer(text: str, earlier: list[str], persona: str) -> str:
    """What the model says to `text`, asked as `persona` by who said `earlier` before."""
    beginning = text[:MAX_READ]
    if match := WHAT_IS_MY.search(beginning):
        told = [fact for said in [*earlier, text] for fact in FACT.findall(said[:MAX_READ])]
        facts = {subject.lower(): f"Your {subject} is {value.strip()}." for subject, value in told}
        subject = match[1].strip()
        return facts.get(subject.lower(), f"You have not told me your {subject}.")
    if match := FACT.search(beginning):
        return f"I will remember that your {match[1]} is {match[2].strip()}."
    if HOW_MANY_WORDS.search(text):
        rest = HOW_MANY_WORDS.sub("", text, count=1).strip()
        number = len((rest or text).split())
        return f"That is {number} word{'' if number == 1 else 's'}."
    if match := COUNT_TO.search(text):
        return ", ".join(map(str, range(1, int(match[1]) + 1))) + "."
    if (found := find_sum(text)) and (result := answer_sum(found)):
        return result
    if WHO.search(text):
        return f"I am {persona}"
    return f"You said: {text}" if text else "There is no message to answer yet."


def report_tools(messages: list[Json]) -> str:
    """What the tool results at the end of the conversation say."""
    names = {call["id"]: call["function"]["name"] for message in messages for call in message["tool_calls"]}
    results = takewhile(lambda message: message["role"] == "tool", reversed(messages))
    return " ".join(report_tool(names[it["tool_call_id"]], it["content"]) for it in reversed(list(results)))


def report_tool(name: str, text: str) -> str:
    try:
        result = json.loads(text)
    except (ValueError, RecursionError):
        result = text  # plain text is a result too
    if isinstance(result, dict) and "error" in result:
        return f"I am sorry, {name} failed: {readable(result['error'])}."
    return f"{name} says: {readable(result)}."


def readable(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {readable(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(readable, value))
    return value.rstrip(".") if isinstance(value, str) else json.dumps(value)


# ---- the model: tool arguments out of a JSON schema ------------------------------------------------------------------

# Words with capitals such as New York, except where a sentence begins.
NAME = re.compile(r"(?<=[^\s.:!?]\s)[\"'(]?((?!I\b)[A-ZÀ-ÖØ-Þ][\w'-]*(?: (?!I\b)[A-ZÀ-ÖØ-Þ][\w'-]*)*)")


def invent(root: Json, text: str) -> Json:
    """A value that fits the schema `root`: its names and numbers are those of the text, in their order."""
    found = [*re.findall(r'"([^"]+)"', text), find_sum(text), *NAME.findall(text)]
    names = iter(dict.fromkeys(filter(None, found)))
    numbers = [float(number) for number in re.findall(rf"-?{NUMBER}", text)]

    def mentioned(value: Json) -> bool:
        return bool(re.search(rf"\b{re.escape(str(value))}\b", text, re.IGNORECASE))

    def evident(name: str, schema: Json) -> bool:
        """Whether the text seems to mean an optional property."""
        if schema.get("type") in ("integer", "number"):
            return bool(numbers)
        return any(map(mentioned, schema.get("enum", [name.replace("_", " ")])))

    def fit(schema: Json, depth: int) -> Json:
        if "$ref" in schema:
            return fit(root["$defs"][schema["$ref"].rpartition("/")[2]], depth)
        if "anyOf" in schema:
            return fit(schema["anyOf"][0], depth)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        default = schema.get("default")
        if "enum" in schema:
            return next(filter(mentioned, schema["enum"]), schema["enum"][0] if default is None else default)
        if kind == "object":
            properties, required = schema.get("properties", {}), schema.get("required", [])
            ordered = sorted(properties.items(), key=lambda item: item[0] not in required)
            return {
                name: fit(part, depth + 1) for name, part in ordered
                if depth <= MAX_DEPTH and (name in required or evident(name, part))
            }  # fmt: skip
        if kind == "array":
            return [fit(schema.get("items", {}), depth + 1)]
        if kind in ("integer", "number"):
            number = numbers.pop(0) if numbers else 1 if default is None else default
            return int(number) if number == int(number) else number
        if kind in ("boolean", "null"):
            return (default is not False) if kind == "boolean" else None
        return next(names, text if default is None else default)

    return fit(root, 0)


# ---- chat completions ------------------------------------------------------------------------------------------------


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def count_tokens(*texts: Optional[str]) -> int:
    return sum(len(text.split()) for text in texts if text)


def pieces_of(text: str) -> list[str]:
    """Words with the space before them: what a token is here."""
    return re.findall(r"\s*\S+|\s+", text)


def choose_tool(body: Json, text: str) -> Json:
    """The function that `tool_choice` names, else the first of those that share most words with the question."""
    functions = {tool["function"]["name"]: tool["function"] for tool in body.get("tools", [])}
    choice = body.get("tool_choice")
    if not functions or choice == "none":
        return None
    if isinstance(choice, dict):
        if choice["function"]["name"] not in functions:
            raise invalid(f"tool_choice names {choice['function']['name']!r}, which is no tool", "tool_choice")
        return functions[choice["function"]["name"]]
    asked = {word for word in words(text) if len(word) > 3}
    offers = {name: f"{name} {it.get('description')}".replace("_", " ") for name, it in functions.items()}
    return functions[max(offers, key=lambda name: len(asked.intersection(words(offers[name]))))]


def call_tool(function: Json, text: str) -> Json:
    name, schema = function["name"], function.get("parameters") or {}
    try:
        arguments = json.dumps(invent({"type": "object", **schema}, text), ensure_ascii=False)
    except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError):
        raise invalid(f"the parameters of {name!r} are not a JSON schema", "tools") from None
    return {"id": new_id("call"), "type": "function", "function": {"name": name, "arguments": arguments}}


def respond(body: Json, messages: list[Json], persona: str) -> Json:
    """One choice of a completion, without its index."""
    last = messages[-1]
    prompt = visible(last["content"])
    function = choose_tool(body, prompt)
    finish_reason, content, calls = "stop", None, []
    if function and last["role"] == "user":
        finish_reason, calls = "tool_calls", [call_tool(function, prompt)]
    elif last["role"] == "tool":
        content = report_tools(messages)
    else:
        asked = [visible(message["content"]) for message in messages if message["role"] == "user"]
        content = answer(asked[-1] if asked else "", asked[:-1], persona)
        if asked[:-1]:
            remembered = sum(message["role"] in ("user", "assistant") for message in messages) - 1
            content += f" (I remember {remembered} earlier message{'' if remembered == 1 else 's'}.)"
    if content is not None:
        if body.get("response_format", {}).get("type") == "json_object":
            content = json.dumps({"answer": content}, ensure_ascii=False)
        stops = body.get("stop", [])
        for stop in filter(None, [stops] if isinstance(stops, str) else stops):
            content = content.partition(stop)[0]
        pieces, limit = pieces_of(content), body.get("max_tokens", math.inf)
        if len(pieces) > limit:
            finish_reason, content = "length", "".join(pieces[:limit])
    message = {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
    choice = {"message": message, "finish_reason": finish_reason}
    if body.get("enable_thinking", True):
        seen = "The tools have answered, I only need to report it." if last["role"] == "tool" else f"I read: {prompt}"
        choice["reasoning_content"] = f"I am {persona}\n{seen}"
    return choice


def complete(body: Json, messages: list[Json], persona: str) -> Json:
    """The completion of a conversation."""
    if not 0 <= body.get("temperature", 1) <= 2:
        raise invalid("temperature must be from 0 to 2", "temperature")
    choices: list[Json] = [{"index": index, **respond(body, messages, persona)} for index in range(body.get("n", 1))]
    asked = count_tokens(*(message["content"] for message in messages))
    told = sum(count_tokens(it["message"]["content"] or "tool call", it.get("reasoning_content")) for it in choices)
    return {"id": new_id("chatcmpl").replace("_", "-"), "object": "chat.completion", "created": int(time.time()),
            "model": body.get("model", MODEL), "choices": choices, "usage": usage(asked, told)}  # fmt: skip


def chunks_of(whole: Json) -> Iterable[Json]:
    """A completion as a stream has it: word by word, the finish reason, and at last the usage."""
    head = {**whole, "object": "chat.completion.chunk"}
    del head["usage"]
    for choice in whole["choices"]:
        for delta in deltas_of(choice["message"], choice.get("reasoning_content", "")):
            yield {**head, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield {**head, "choices": [], "usage": whole["usage"]}


def deltas_of(message: Json, reasoning: str) -> Iterable[Json]:
    yield {"role": "assistant", "content": None if message["content"] is None else ""}
    yield from ({"reasoning_content": piece} for piece in pieces_of(reasoning))
    yield from ({"content": piece} for piece in pieces_of(message["content"] or ""))
    for index, call in enumerate(message.get("tool_calls", [])):
        yield {"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]}
        for piece in re.findall(r"(?s).{1,8}", call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


# ---- trouble on purpose ----------------------------------------------------------------------------------------------

Fault = dict[str, str]  # `503 late slow=2` is {"503": "", "late": "", "slow": "2"}
FAULT = re.compile(r'\[fault ([^\]\n"\\]+)\]')
FAULT_WORD = re.compile(
    rf"[345]\d\d|drop|reset|cut|late|no-stream|(slow|times)={NUMBER}|(?!slow=|times=)[A-Za-z-]+=[!-~]+"
)


def parse_fault(text: str) -> Fault:
    for word in text.split():
        if not FAULT_WORD.fullmatch(word):
            raise invalid(f"The sandbox does not understand {word!r} in [fault {text}].")
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


# ---- the service: what needs no memory -------------------------------------------------------------------------------

BAD_WORDS = {"kill": "VIOLENT", "bomb": "VIOLENT", "attack": "VIOLENT", "weapon": "VIOLENT", "hate": "HATE_SPEECH",
             "nude": "SEXUAL_ADULT", "suicide": "SUICIDE_SELF_HARM", "spam": "UNETHICAL"}  # fmt: skip


def describe(result: str, prompt: Optional[str] = None) -> Json:
    result += f" You asked: {visible(prompt)}" if prompt else ""
    return {"result": result, "usage": usage(100 + count_tokens(prompt), count_tokens(result))}


def moderate(text: str) -> Json:
    category = next((BAD_WORDS[word] for word in words(text) if word in BAD_WORDS), "SAFE")
    return {"category": category, "score": 0.98 if category == "SAFE" else 0.95, "usage": usage(count_tokens(text), 1)}


def embed(text: str) -> list[float]:
    """A unit vector: the sum of one pseudo-random direction per word, so texts that share words lie closer."""
    total = [0.0] * EMBEDDING_SIZE
    for word in words(text) or [""]:
        direction = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        total = [value + byte - 127.5 for value, byte in zip(total, direction)]
    length = math.hypot(*total)
    return [round(value / length, 8) for value in total]


def relevance(query: str, document: str) -> float:
    """The cosine of two bags of words, in which plurals are singular and short words do not count."""
    asked, told = ({word.rstrip("s") for word in words(text) if len(word) > 2} for text in (query, document))
    return round(len(asked & told) / math.sqrt(len(asked) * len(told) or 1), 6)


def embed_all(texts: Union[str, list[str]]) -> Json:
    texts = [texts] if isinstance(texts, str) else texts
    data = [{"object": "embedding", "embedding": embed(text), "index": index} for index, text in enumerate(texts)]
    return {"object": "list", "data": data, "usage": usage(count_tokens(*texts), 0)}


def rerank(query: str, documents: list[str], top_k: Optional[int] = None) -> Json:
    scores = [relevance(query, text) for text in documents]
    best = sorted(range(len(documents)), key=lambda index: -scores[index])[:top_k]
    results = [{"index": index, "document": documents[index], "relevance_score": scores[index]} for index in best]
    return {"object": "list", "results": results, "usage": usage(count_tokens(query, *documents), 0)}


# By method and path the shape of the fields, and what answers them.
SIMPLE_ROUTES: dict[str, tuple[Shape, Callable[[Json], Json]]] = {
    "POST vision/analyze": ({"image_url": URL, "user_prompt?": str},
                            lambda it: describe(f"This is {file_name(it['image_url'])}.", it.get("user_prompt"))),
    "POST vision/video": ({"video_url": URL, "user_prompt?": str},
                          lambda it: describe(f"Something moves in {file_name(it['video_url'])}.",
                                              it.get("user_prompt"))),
    "POST vision/tags": ({"image_url": URL},
                         lambda it: describe(", ".join(dict.fromkeys(["image", *words(file_name(it["image_url"]))])))),
    "POST vision/ocr": ({"image_url": URL}, lambda it: describe(f"The text in {file_name(it['image_url'])}")),
    "POST moderations": ({"prompt": str}, lambda it: moderate(it["prompt"])),
    "POST moderations/media": ({"media_url": URL, "is_video?": bool}, lambda it: moderate(file_name(it["media_url"]))),
    "POST embeddings": ({"input": (str, [str, ...])}, lambda it: embed_all(it["input"])),
    "POST rerank": ({"query": str, "documents": [str, ...], "top_k?": range(1, 10**9)}, lambda it: rerank(**it)),
}  # fmt: skip


# ---- the service: what it remembers ----------------------------------------------------------------------------------

Endpoint = Callable[..., Json]  # (service, fields, *records that the path names) -> the answer, a list for a stream
ROUTES: dict[str, tuple[Shape, Endpoint]] = {}  # by method and path; the shape is that of the body, for GET the query
PATH_ID = re.compile(r"(?:^|(?<=/))(threads|assistants|runs)/([^/]+)")


def route(name: str, shape: Shape) -> Callable[[Endpoint], Endpoint]:
    def register(endpoint: Endpoint) -> Endpoint:
        ROUTES[name] = (shape, endpoint)
        return endpoint

    return register


def listing(items: Iterable[Json]) -> Json:
    return {"object": "list", "data": list(items)}


def attachments(prompt: str) -> dict[str, Json]:
    """What the tools of an assistant would have brought along."""
    source = {"tool_name": "web_search", "title": "An example", "url": "https://example.com/",
              "snippet": f"All about: {prompt}"}  # fmt: skip
    media = {"source": "generated", "type": "image", "prompt": prompt,
             "signed_url": "https://example.com/drawing.png?signature=0"}  # fmt: skip
    code = {"language": "python", "code": "print(6 * 7)", "stdout": "42\n", "stderr": "", "execution_time_ms": 12}
    found: Json = {"search": ("sources", source), "draw": ("media", media), "code": ("code", code)}
    return {name: [{"id": new_id(name), **it}] for word, (name, it) in found.items() if word in words(prompt)}


class Service:
    """What the service knows and can do. `handle` holds the lock around each endpoint, so none has to think of it."""

    def __init__(self, run_seconds: float) -> None:
        self.run_seconds = run_seconds
        self.lock = threading.Lock()
        # Records by id, in collections by path: "threads", "assistants", "threads/{id}/messages", "threads/{id}/runs".
        self.stored: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self.plans: dict[str, tuple[float, str, Json]] = {}  # when a run began, how it ends, with which message
        self.answers: dict[tuple[str, str], Union[bytes, list[Json]]] = {}  # by path and Idempotency-Key
        self.struck: Counter[str] = Counter()  # how often, by fault and prompt

    def admit(self, request: Request) -> Fault:
        """Check the key, then find the fault that the request asks for."""
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise ApiError(401, "Incorrect API key provided.", "invalid_api_key")
        asked, prompt = request.headers.get("x-fault", ""), f"{request.method} {request.path}"
        if not asked and b"[fault " in request.body:
            fields: Json = request.fields()
            messages = fields.get("messages")
            if isinstance(messages, list):  # only the last user message, so that earlier turns do not fail again
                fields = [it for it in messages if isinstance(it, dict) and it.get("role") == "user"][-1:]
            prompt = json.dumps(fields)
            match = FAULT.search(prompt)
            asked = match[1] if match else ""
        fault = parse_fault(asked)
        if "times" in fault:
            with self.lock:
                self.struck[asked + prompt] += 1
                return fault if self.struck[asked + prompt] <= float(fault["times"]) else {}
        return fault

    def handle(self, request: Request, fault: Fault) -> Union[bytes, list[Json]]:
        """The answer: JSON text, or the chunks of a stream."""
        # A proxy is sent the whole URL, and so may we be.
        path, _, query = re.sub(r"^https?://[^/]+", "", request.path).partition("?")
        if not path.startswith("/v1/"):
            raise ApiError(404, f"There is nothing at {path}, everything is below /v1/.", "not_found")
        path = path[len("/v1/") :]
        pattern = PATH_ID.sub(r"\1/{id}", path)
        if f"{request.method} {pattern}" not in ROUTES:
            methods = [name.partition(" ")[0] for name in ROUTES if name.endswith(f" {pattern}")]
            if not methods:
                raise ApiError(404, f"There is no endpoint /{path}.", "not_found")
            raise ApiError(405, f"Here only {' and '.join(methods)} is allowed.", "method_not_allowed")
        shape, endpoint = ROUTES[f"{request.method} {pattern}"]
        fields = dict(parse_qsl(query)) if request.method == "GET" else request.fields()
        key = (path, request.headers.get("idempotency-key", "") if request.method == "POST" else "")
        with self.lock:
            if key in self.answers:
                return self.answers[key]
            records = self._find(path)
            check(fields, shape)
            known = given({name: fields.get(name) for name in (field.rstrip("?") for field in shape)})
            if "no-stream" in fault:
                known.pop("stream", None)
            result = endpoint(self, known, *records)
            answer = result if isinstance(result, list) else to_json(result)
            if key[1]:
                self.answers[key] = answer
            return answer

    # -- what is stored

    def _find(self, path: str) -> list[Json]:
        """The records whose ids are in the path, the outer one first."""
        records: list[Json] = []
        collection = ""
        for kind, quoted in PATH_ID.findall(path):
            name, collection = unquote(quoted), collection + kind
            if name not in self.stored[collection]:
                raise ApiError(404, f"No {kind[:-1]} found with id {name!r}.", "not_found")
            records.append(self.stored[collection][name])
            if kind == "threads":
                self._advance_runs(records[0])
            collection += f"/{name}/"
        return records

    def add(self, collection: str, prefix: str, kind: str, **fields: Json) -> Json:
        record = {"id": new_id(prefix), "object": kind, "created_at": int(time.time()), **given(fields)}
        self.stored[collection][str(record["id"])] = record
        return record

    @route("POST threads", {"metadata?": dict})
    def create_thread(self, fields: Json) -> Json:
        return self.add("threads", "thread", "thread", **fields)

    @route("POST assistants", {"name": str, "instructions": str, "tools_config?": str})
    def create_assistant(self, fields: Json) -> Json:
        return self.add("assistants", "asst", "assistant", **fields)

    @route("GET threads", {})
    def list_threads(self, fields: Json) -> Json:
        return listing(reversed(self.stored["threads"].values()))

    @route("GET assistants", {})
    def list_assistants(self, fields: Json) -> Json:
        return listing(reversed(self.stored["assistants"].values()))

    @route("GET assistants/{id}/threads", {"limit?": LIMIT})
    def list_assistant_threads(self, fields: Json, assistant: Json) -> Json:
        runs = {name: self.stored[f"threads/{name}/runs"].values() for name in reversed(self.stored["threads"])}
        found = [name for name in runs if any(run["assistant_id"] == assistant["id"] for run in runs[name])]
        return listing(self.stored["threads"][name] for name in found[: int(fields.get("limit", 20))])

    @route("GET assistants/{id}", {})
    @route("GET threads/{id}", {})
    @route("GET threads/{id}/runs/{id}", {})
    def get_record(self, fields: Json, *records: Json) -> Json:
        return records[-1]

    @route("PUT assistants/{id}", {"name?": str, "instructions?": str, "tools_config?": str})
    def update_record(self, fields: Json, record: Json) -> Json:
        record.update(fields)
        return record

    @route("DELETE assistants/{id}", {})
    @route("DELETE threads/{id}", {})
    def delete_record(self, fields: Json, record: Json) -> Json:
        del self.stored[f"{record['object']}s"][record["id"]]
        for inner in ("messages", "runs"):
            self.stored.pop(f"threads/{record['id']}/{inner}", None)
        return {"id": record["id"], "object": f"{record['object']}.deleted", "deleted": True}

    # -- chats, messages, runs

    @route("POST chat/completions", CHAT)
    def create_chat_completion(self, fields: Json) -> Json:
        messages = conversation(fields["messages"])
        if "assistant_id" in fields:
            persona = self._persona(fields["assistant_id"])
        elif messages[0]["role"] == "system":
            persona = f"the PixiGPT sandbox. My instructions: {messages[0]['content']}"
        else:
            raise invalid("Without an assistant_id the first message must be a system message.", "messages")
        whole = complete(fields, messages, persona)
        return list(chunks_of(whole)) if fields.get("stream") else whole

    def _persona(self, assistant_id: str) -> str:
        """Who answers. An unknown assistant in a body is a bad request, unlike one in a path."""
        assistant = self.stored["assistants"].get(assistant_id)
        if assistant is None:
            raise invalid(f"No assistant found with id {assistant_id!r}.", "assistant_id")
        return f"{assistant['name']}. My instructions: {assistant['instructions']}"

    def _add_message(self, thread: Json, role: str, content: Json, **extras: Json) -> Json:
        parts = [{"type": "text", "text": {"value": text_of(content), "annotations": []}}]
        return self.add(f"threads/{thread['id']}/messages", "msg", "thread.message",
                        thread_id=thread["id"], role=role, content=parts, **extras)  # fmt: skip

    @route("POST threads/{id}/messages", THREAD_MESSAGE)
    def create_message(self, fields: Json, thread: Json) -> Json:
        return self._add_message(thread, fields["role"], fields["content"])

    @route("POST threads/{id}/messages/bulk", {"messages": [THREAD_MESSAGE]})
    def create_messages_bulk(self, fields: Json, thread: Json) -> Json:
        texts = [text_of(message["content"]) for message in fields["messages"]]  # all are checked before one is added
        return listing(self._add_message(thread, it["role"], text) for it, text in zip(fields["messages"], texts))

    @route("GET threads/{id}/messages", {"limit?": LIMIT, "order?": "asc|desc", "after?": str, "before?": str})
    def list_messages(self, fields: Json, thread: Json) -> Json:
        """The newest first unless `order=asc`; `after` and `before` are message ids, in the order of the list."""
        messages, limit = list(self.stored[f"threads/{thread['id']}/messages"].values()), int(fields.get("limit", 20))
        if fields.get("order") != "asc":
            messages.reverse()
        places = {message["id"]: place for place, message in enumerate(messages)}
        for cursor in ("after", "before"):
            if cursor in fields and fields[cursor] not in places:
                raise invalid(f"{cursor} is not a message of this thread", cursor)
        start = places[fields["after"]] + 1 if "after" in fields else 0
        messages = messages[start : places[fields["before"]] if "before" in fields else None]
        # With `before` alone the page is the one that ends there.
        page = messages[-limit:] if "before" in fields and "after" not in fields else messages[:limit]
        ids = [message["id"] for message in page] or [None]
        return {**listing(page), "first_id": ids[0], "last_id": ids[-1], "has_more": len(messages) > limit}

    @route("POST threads/{id}/runs", {"assistant_id": str, **OPTIONS})
    def create_run(self, fields: Json, thread: Json) -> Json:
        said = self.stored[f"threads/{thread['id']}/messages"].values()
        texts = [(message["role"], message["content"][0]["text"]["value"]) for message in said] or [("user", "")]
        messages = [{"role": role, "content": text, "tool_calls": []} for role, text in texts]
        choice = complete(fields, messages, self._persona(fields["assistant_id"]))["choices"][0]
        prompt = next((text for role, text in reversed(texts) if role == "user"), "")
        message = {"role": "assistant", "content": choice["message"]["content"],
                   "reasoning_content": choice.get("reasoning_content"), **attachments(visible(prompt))}  # fmt: skip
        run = self.add(f"threads/{thread['id']}/runs", "run", "thread.run", thread_id=thread["id"],
                       assistant_id=fields["assistant_id"], status="queued", model=MODEL)  # fmt: skip
        wanted = re.search(r"\[run (\w+)\]", prompt)
        self.plans[run["id"]] = (time.monotonic(), wanted[1] if wanted else "completed", message)
        return run

    def _advance_runs(self, thread: Json) -> None:
        """Bring the runs to where they are by now. Nothing happens in the background: only when someone looks."""
        for run in self.stored[f"threads/{thread['id']}/runs"].values():
            if run["id"] not in self.plans:
                continue
            began, outcome, message = self.plans[run["id"]]
            elapsed = time.monotonic() - began
            if elapsed < self.run_seconds or outcome == "stuck":
                run["status"] = "queued" if elapsed < self.run_seconds / 3 else "in_progress"
                continue
            del self.plans[run["id"]]
            run["status"] = outcome
            if outcome == "completed":
                run["message"] = self._add_message(thread, **message)
            elif outcome == "failed":
                run["last_error"] = {"code": "server_error", "message": "The run failed, as it was told to."}


def simple_endpoint(answer_fields: Any) -> Any:
    def endpoint(service: Any, fields: Any) -> Any:
        return answer_fields(fields)

    return endpoint


for name, (simple_shape, answer_fields) in SIMPLE_ROUTES.items():
    route(name, simple_shape)(simple_endpoint(answer_fields))


# ---- HTTP ------------------------------------------------------------------------------------------------------------

JSON_TYPE = {"Content-Type": "application/json"}
STREAM_TYPE = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
PHRASES = {status.value: status.phrase for status in HTTPStatus}
HEAD = re.compile(r"([A-Z]+) ([!-~]+) (HTTP/1\.[01])\r?\n((?:[!-9;-~]+:[^\n]*\n)*)\r?\n")
NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def read_request(sock: socket.socket, reader: Any, line: bytes) -> Request:
    """The request that begins with this line. ApiError: where it ends, and the next begins, is anyone's guess."""
    head = line
    while line not in (b"\r\n", b"\n"):
        if len(head) > MAX_HEAD:
            raise ApiError(431, f"The request line and the headers must not be longer than {MAX_HEAD} bytes.")
        line = reader.readline(MAX_HEAD)
        if not line:
            raise ConnectionError("the request was cut off")
        head += line
    match = HEAD.fullmatch(head.decode("latin-1"))
    if match is None:
        raise ApiError(400, "This is not HTTP/1.1.")
    method, path, version, lines = match.groups()
    headers: dict[str, str] = {}
    for field in lines.split("\n")[:-1]:
        name, _, value = field.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "transfer-encoding" in headers:
        raise ApiError(411, "Send the body with a Content-Length.")
    length = headers.get("content-length", "0")
    if not re.fullmatch("[0-9]{1,18}", length):
        raise ApiError(400, "Content-Length must be a number.")
    if int(length) > MAX_BODY:
        raise ApiError(413, f"The body must not be longer than {MAX_BODY} bytes.")
    if headers.get("expect", "").lower() == "100-continue":
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = reader.read(int(length))
    if len(body) < int(length):
        raise ConnectionError("the request was cut off")
    return Request(method, path, version, headers, body)


def send(sock: socket.socket, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    # In one go: a body on its own could wait for the acknowledgement of the head.
    sock.sendall(f"HTTP/1.1 {status} {PHRASES.get(status, 'Unknown')}\r\n{lines}\r\n".encode("latin-1") + body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def end(sock: socket.socket) -> None:
    """Have the thread that serves this connection find its end."""
    try:
        # Not SSLSocket.shutdown, which takes the TLS state from under the reading thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # it ended on its own


class Sandbox:
    """The running service; a context manager.

    `run_seconds` from creating a run to its completion, `word_delay` seconds between the words of a stream;
    with an `ssl_context` it speaks https on localhost. `keep_requests=False` does not fill `requests`.
    """

    api_key = API_KEY

    def __init__(self, port: int = 0, ssl_context: Optional[ssl.SSLContext] = None, run_seconds: float = 0.3,
                 word_delay: float = 0.02, keep_requests: bool = True) -> None:  # fmt: skip
        self.ssl_context, self.word_delay, self.keep_requests = ssl_context, word_delay, keep_requests
        self.requests: list[Request] = []
        self.connections = 0
        self.service = Service(run_seconds)
        hello = {"name": "Pixi", "instructions": "You are a helpful assistant."}
        self.assistant_id: str = self.service.create_assistant(hello)["id"]
        self._lock = threading.Lock()  # guards requests, connections and _open
        # Each connection's lock is held from the first line of a request to the last byte of its answer.
        self._open: dict[socket.socket, threading.Lock] = {}
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        host = "http://127.0.0.1" if ssl_context is None else "https://localhost"
        self.base_url = f"{host}:{self.port}/v1"
        self._acceptor = threading.Thread(target=self._accept, name="sandbox", daemon=True)
        self._acceptor.start()

    def environment(self) -> dict[str, str]:
        return {"PIXIGPT_API_KEY": self.api_key, "PIXIGPT_BASE_URL": self.base_url,
                "PIXIGPT_ASSISTANT_ID": self.assistant_id}  # fmt: skip

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        # Closing a listening socket does not everywhere wake up who waits in accept(); a caller does.
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            pass
        self._acceptor.join(timeout=5)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                end(sock)

    def close_idle_connections(self) -> None:
        """Close the connections that wait for a next request, as a server does that has kept them long enough."""
        with self._lock:
            connections = list(self._open.items())
        for sock, busy in connections:
            # A thread that has just sent an answer may hold the lock a moment longer.
            if busy.acquire(timeout=0.1):
                end(sock)
                busy.release()

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock = self._listener.accept()[0]
            except OSError:  # out of file descriptors, or the caller has gone already
                time.sleep(0.01)
                continue
            if self._closing:
                sock.close()
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        """One client's connection, until either side has enough."""
        busy = threading.Lock()
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.ssl_context is not None:  # the handshake comes with the first read
                sock = self.ssl_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._open[sock] = busy
            with sock.makefile("rb", MAX_HEAD) as reader:
                keeps_alive = not self._closing
                while keeps_alive:
                    line = reader.readline(MAX_HEAD)
                    with busy:
                        # RFC 9112 2.2 asks to skip an empty line.
                        keeps_alive = self._serve_request(sock, reader, line) if line.strip() else bool(line)
        except OSError:
            pass  # the client is gone, and with it whoever could be told; or a fault is to look like this
        finally:
            with self._lock:
                self._open.pop(sock, None)
            sock.close()

    def _serve_request(self, sock: socket.socket, reader: Any, line: bytes) -> bool:
        """Answer one request; False if it was the last one."""
        try:
            request = read_request(sock, reader, line)
        except ApiError as error:
            length = str(len(error.body))
            send(sock, error.status, {**JSON_TYPE, "Content-Length": length, "Connection": "close"}, error.body)
            # Closing with unread bytes would be a reset and destroy the answer: wait for the client to go.
            socket.socket.shutdown(sock, socket.SHUT_WR)
            sock.settimeout(1)
            return all(sock.recv(MAX_HEAD) for _ in range(1000)) and False
        if self.keep_requests:
            with self._lock:
                self.requests.append(request)
                if len(self.requests) > MAX_KEPT:
                    del self.requests[: MAX_KEPT // 10]
        modern = request.version == "HTTP/1.1"  # before it there are no chunks: the end of a stream is the close
        status, fault, result = self._respond(sock, request)
        headers = {name: value for name, value in fault.items() if value and name not in ("slow", "times", "code")}
        headers["x-request-id"] = new_id("req")
        if not modern or request.headers.get("connection", "").lower() == "close":
            headers["Connection"] = "close"
        if isinstance(result, list):
            framing, frame = ({"Transfer-Encoding": "chunked"}, chunk) if modern else ({}, bytes)
            send(sock, status, {**STREAM_TYPE, **framing, **headers})
            for event in result[: len(result) // 2] if "cut" in fault else result:
                sock.sendall(frame(b"data: " + to_json(event) + b"\n\n"))
                if self.word_delay:
                    time.sleep(self.word_delay)
            if "cut" not in fault:
                sock.sendall(frame(b"data: [DONE]\n\n") + frame(b""))
        else:
            sent = 0 if request.method == "HEAD" or status == 304 else len(result) // (2 if "cut" in fault else 1)
            send(sock, status, {**JSON_TYPE, "Content-Length": str(len(result)), **headers}, result[:sent])
        return "cut" not in fault and "Connection" not in headers

    def _respond(self, sock: socket.socket, request: Request) -> tuple[int, Fault, Union[bytes, list[Json]]]:
        """The status, the fault that is in force, and the body or the events of a stream."""
        fault: Fault = {}
        try:
            fault = self.service.admit(request)
            late = self.service.handle(request, fault) if "late" in fault else None
            if "slow" in fault:
                time.sleep(float(fault["slow"]))
            for word in filter(str.isdecimal, fault):
                raise ApiError(int(word), "This fault was asked for.", fault.get("code"))
            if "reset" in fault:  # what closing does to a socket that is told not to linger
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            if "drop" in fault or "reset" in fault:
                raise ConnectionError("this fault was asked for")
            return 200, fault, late or self.service.handle(request, fault)
        except ConnectionError:
            raise
        except ApiError as error:
            return error.status, fault, error.body
        except RecursionError:
            return 400, fault, invalid("The request body is nested too deeply.").body
        except Exception as error:  # a bug, and whoever finds it shall see it
            return 500, fault, ApiError(500, f"sandbox.py has a bug: {error!r}").body


# ---- command line ----------------------------------------------------------------------------------------------------


def child_environment(box: Sandbox) -> dict[str, str]:
    environment = {**os.environ, **box.environment()}
    # In a checkout the pixigpt.py above this file is the one to run, installed or not.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.exists(os.path.join(root, "pixigpt.py")):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # A proxy out there cannot reach this machine's loopback.
    for name in ("NO_PROXY", "no_proxy"):
        hosts = os.environ.get(name) or os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        environment[name] = "*" if hosts == "*" else ",".join(filter(None, [hosts, "127.0.0.1"]))
    return environment


def run_command(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` and return its exit status, as a shell would report it."""
    if command[0] == "python" and shutil.which("python") is None:
        command = [sys.executable, *command[1:]]  # many machines only have a python3
    # Ctrl-C reaches the child by itself, as it is in the same process group.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        child = subprocess.Popen(command, env=environment)
    except FileNotFoundError:
        print(f"sandbox: {command[0]}: command not found", file=sys.stderr)
        return 127
    except OSError as error:
        print(f"sandbox: {command[0]}: {error.strerror}", file=sys.stderr)
        return 126
    signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
    status = child.wait()
    return 128 - status if status < 0 else status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run against the sandbox")
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    try:
        box = Sandbox(arguments.port, keep_requests=False)
    except (OSError, OverflowError) as error:
        print(f"sandbox: cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return 1
    with box:
        if command:
            return run_command(command, child_environment(box))
        print(*(f"export {name}={value}" for name, value in box.environment().items()), sep="\n", flush=True)
        print("Serving until Ctrl-C. Paste the lines above into another shell.", file=sys.stderr, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
