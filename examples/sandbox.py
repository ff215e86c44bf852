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

Reading order: requests and errors, the model, chat completions, faults, the service, HTTP, the command line.
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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from itertools import count
from types import FrameType
from typing import Any, NamedTuple, Optional, TypeVar, Union, final
from urllib.parse import parse_qsl, unquote

API_KEY = "sandbox-key"
MODEL = "pixigpt-sandbox"
MAX_BODY = 32 * 1024 * 1024  # bytes; beyond it 413
MAX_LINE = 64 * 1024  # bytes of the request line or of one header
MAX_HEADERS = 100
MAX_KEPT = 10_000  # requests for tests, answers for Idempotency-Keys, counts of faults
MAX_READ = 1000  # characters of a message that patterns are matched against: they must never take long
EMBEDDING_SIZE = 16

Json = Any  # what json.loads returns
_ids = count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_ids):06d}"


# ---- requests and errors ---------------------------------------------------------------------------------------------


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, code: Optional[str] = None, param: Optional[str] = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def to_json(self) -> bytes:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(self.status, kind)
        error = {"message": self.message, "type": kind, "code": self.code, "param": self.param}
        return to_json({"error": {name: value for name, value in error.items() if value is not None}})


def invalid(message: str, param: Optional[str] = None) -> ApiError:
    return ApiError(400, message, param=param)


def not_found(what: str, name: str) -> ApiError:
    return ApiError(404, f"No {what} found with id {name!r}.", "not_found")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: Json) -> bytes:
    # A lone surrogate cannot be UTF-8, but its escape can.
    return _encode(value).encode("utf-8", "backslashreplace")


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

    def fields(self) -> Json:
        """The body as the endpoints want it: an object, {} if nothing was sent."""
        try:
            body = self.json
        except (ValueError, RecursionError) as error:
            raise invalid(f"The request body is not valid JSON: {error}") from None
        if body is not None and not isinstance(body, dict):
            raise invalid("The request body must be a JSON object.")
        return body or {}


KIND_NAMES: dict[type, str] = {
    str: "a string", bool: "true or false", int: "an integer", float: "a number", list: "an array", dict: "an object",
}  # fmt: skip


def take(body: Json, name: str, *kinds: type, where: str = "", low: float = -math.inf, high: float = math.inf) -> Any:
    """`body[name]`, checked; None if it is missing or null. `where` is the path to `body`, for error messages."""
    if not isinstance(body, dict):
        raise invalid(f"{where} must be an object", where)
    value = body.get(name)
    if value is None:
        return None
    param = f"{where}.{name}" if where else name
    # For Python true is an integer, for JSON it is not.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise invalid(f"{param} must be {' or '.join(KIND_NAMES[kind] for kind in kinds)}", param)
    if isinstance(value, (int, float)) and not low <= value <= high:
        raise invalid(f"{param} must be at least {low}" + (f" and at most {high}" if high < math.inf else ""), param)
    return value


def need(body: Json, name: str, *kinds: type, where: str = "") -> Any:
    """As `take`, but the field must be there."""
    value = take(body, name, *kinds, where=where)
    if value is None:
        param = f"{where}.{name}" if where else name
        raise invalid(f"{param} is required", param)
    return value


def check_strings(values: list[Json], param: str) -> list[str]:
    if not values:
        raise invalid(f"{param} must not be empty", param)
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise invalid(f"{param}[{number}] must be a string", f"{param}[{number}]")
    return values


def check_messages(body: Json) -> list[Json]:
    messages: list[Json] = need(body, "messages", list)
    if not messages:
        raise invalid("messages must not be empty", "messages")
    called: set[str] = set()  # ids of tool calls
    for number, message in enumerate(messages):
        check_message(message, f"messages[{number}]", called)
    return messages


def check_message(message: Json, where: str, called: set[str]) -> None:
    role = need(message, "role", str, where=where)
    if role not in ("system", "user", "assistant", "tool"):
        raise invalid(f"{where}.role must be system, user, assistant or tool", f"{where}.role")
    calls = take(message, "tool_calls", list, where=where) or []
    for number, call in enumerate(calls):
        inside = f"{where}.tool_calls[{number}]"
        called.add(need(call, "id", str, where=inside))
        for name in ("name", "arguments"):
            need(need(call, "function", dict, where=inside), name, str, where=f"{inside}.function")
    if role == "tool" and need(message, "tool_call_id", str, where=where) not in called:
        raise invalid(f"{where} answers a tool call that no earlier message makes", f"{where}.tool_call_id")
    text_of((take if calls else need)(message, "content", str, list, where=where), where)


def text_of(content: Json, where: str = "") -> str:
    """The text of a message's content: a string, null, or a list of OpenAI content parts."""
    if not isinstance(content, list):
        return content or ""
    return " ".join(text_of_part(part, f"{where}.content[{number}]") for number, part in enumerate(content))


def text_of_part(part: Json, where: str) -> str:
    kind = need(part, "type", str, where=where)
    if kind == "text":
        return str(need(part, "text", str, where=where))
    if kind == "image_url":
        url = need(need(part, "image_url", dict, where=where), "url", str, where=f"{where}.image_url")
        return f"[image {file_name(url)}]"
    return f"[{kind}]"


def file_name(url: str) -> str:
    """What to call the thing at `url`."""
    if url.startswith("data:"):
        return re.split("[;,]", url[len("data:") :])[0] or "data"
    return unquote(re.split("[?#]", url)[0].rstrip("/").rpartition("/")[2])


# ---- the model: text in, text out ------------------------------------------------------------------------------------

NUMBER = r"\d+(?:\.\d+)?"
SUM = re.compile(rf"[(\s-]*(?<![\w.,]){NUMBER}(?:[\s)]*[-+*/][\s(+-]*{NUMBER})+(?!\w)[\s)]*")
DATE = re.compile(r"\d[-/]\d+[-/]\d")
SPOKEN = {"plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/", "×": "*", "÷": "/"}
SPOKEN_OPERATOR = re.compile(rf"(?<=[\d)]) ({'|'.join(SPOKEN)}) (?=[\d(-])")
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
FACT = re.compile(r"\bmy (\w[\w ]{0,40}?) is ([^.!?\n]+)", re.IGNORECASE)
DIRECTIVE = re.compile(r"\[(?:fault|run) [^\]\n]*\]")


class Question(NamedTuple):
    text: str  # the last user message
    earlier: list[str]  # the user messages before it
    persona: str  # who is asked


def find_sum(text: str) -> Optional[str]:
    """The first arithmetic expression in `text`."""
    match = SUM.search(SPOKEN_OPERATOR.sub(lambda spoken: f" {SPOKEN[spoken[1]]} ", text[:MAX_READ]))
    if match is None or DATE.search(match[0]):
        return None
    found = match[0].strip()
    return found if found.count("(") == found.count(")") else found.strip("() ")


def evaluate(node: ast.AST) -> Any:
    """The value of a parsed sum. There is no power operator, so it stays about as long as its text."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand) if isinstance(node.op, ast.USub) else evaluate(node.operand)
    return ast.literal_eval(node)


def answer_sum(question: Question) -> Optional[str]:
    found = find_sum(question.text)
    if found is None:
        return None
    try:
        value = evaluate(ast.parse(found, mode="eval").body)
    except ZeroDivisionError:
        return f"{found} has no value, because it divides by zero."
    except (SyntaxError, ValueError, LookupError, ArithmeticError, RecursionError, MemoryError):
        return None  # it only looked like a sum
    return f"{found} = {value if isinstance(value, int) else format(value, '.12g')}."


def answer_word_count(question: Question) -> Optional[str]:
    rest = re.sub(r"how many words[^:?\n]*[:?]?", "", question.text, count=1, flags=re.IGNORECASE)
    if rest == question.text:
        return None
    return f"That is {plural(len((rest.strip() or question.text).split()), 'word')}."


def answer_counting(question: Question) -> Optional[str]:
    match = re.search(r"\bcount to (\d{1,3})\b", question.text, re.IGNORECASE)
    return ", ".join(map(str, range(1, int(match[1]) + 1))) + "." if match else None


def answer_from_memory(question: Question) -> Optional[str]:
    asked = re.search(r"\bwhat(?:['’]s| is| was) my (\w[\w ]*)", question.text[:MAX_READ], re.IGNORECASE)
    if asked is None:
        told = FACT.search(question.text[:MAX_READ])
        return f"I will remember that your {told[1]} is {told[2].strip()}." if told else None
    for text in [question.text, *reversed(question.earlier)]:
        for subject, value in reversed(FACT.findall(text[:MAX_READ])):
            if subject.lower() == asked[1].strip().lower():
                return f"Your {subject} is {value.strip()}."
    return f"You have not told me your {asked[1].strip()}."


def answer_who(question: Question) -> Optional[str]:
    asked = re.search(r"\bwho are you\b|\bwhat(?:['’]s| is) your name\b", question.text, re.IGNORECASE)
    return f"I am {question.persona}" if asked else None


def answer_echo(question: Question) -> str:
    return f"You said: {question.text}" if question.text else "There is no message to answer yet."


RULES = (answer_from_memory, answer_word_count, answer_counting, answer_sum, answer_who, answer_echo)


def converse(messages: list[Json], persona: str) -> str:
    """The answer of the first rule that has one, and how much of the conversation was there to draw on."""
    texts = [visible(text_of(message.get("content"))) for message in messages if message["role"] == "user"]
    question = Question(texts[-1] if texts else "", texts[:-1], persona)
    answer = next(filter(None, (rule(question) for rule in RULES)))
    remembered = sum(message["role"] in ("user", "assistant") for message in messages) - 1
    return f"{answer} (I remember {plural(remembered, 'earlier message')}.)" if texts[:-1] else answer


def report_tools(messages: list[Json]) -> str:
    """What the tool results at the end of the conversation say."""
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    names = {call["id"]: call["function"]["name"] for call in calls}
    first = max(number for number, message in enumerate(messages) if message["role"] != "tool") + 1
    return " ".join(report_tool(names[message["tool_call_id"]], message) for message in messages[first:])


def report_tool(name: str, message: Json) -> str:
    text = text_of(message["content"])
    try:
        result = json.loads(text)
    except (ValueError, RecursionError):
        result = text
    if isinstance(result, dict) and "error" in result:
        return f"I am sorry, {name} failed: {readable(result['error'])}."
    return f"{name} says: {readable(result)}."


def readable(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {readable(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(readable, value))
    return value.rstrip(".") if isinstance(value, str) else json.dumps(value)


def visible(text: str) -> str:
    """The text without what is meant for the sandbox and not for the model."""
    return DIRECTIVE.sub("", text).strip() if "[" in text else text


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# ---- the model: tool arguments out of a JSON schema ------------------------------------------------------------------


class Clues:
    """What a message offers as values. Each name and number is used once, in the order of the message."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.numbers = re.findall(rf"-?{NUMBER}", text)
        self.names = names_in(text)

    def mentions(self, value: Json) -> bool:
        return bool(re.search(rf"\b{re.escape(str(value))}\b", self.text, re.IGNORECASE))


def names_in(text: str) -> list[str]:
    """Quoted strings, a sum, and runs of capitalised words such as New York, except where a sentence begins."""
    names = re.findall(r'"([^"]+)"', text) + [found for found in [find_sum(text)] if found]
    run: list[str] = []
    begins = True
    for word in [*text.split(), ""]:
        bare = word.strip(".,;:!?\"'()")
        is_name = bare[:1].isupper() and bare != "I" and not begins
        if is_name:
            run.append(bare)
        if run and (not is_name or bare != word):
            names.append(" ".join(run))
            run = []
        begins = word.endswith((".", "!", "?", ":"))
    return list(dict.fromkeys(names))


def resolve(schema: Json, root: Json) -> Json:
    """`schema` with its $ref followed and the first alternative taken that is not null."""
    if "$ref" in schema:
        target = root
        for key in schema["$ref"].split("/")[1:]:
            target = target[key]
        return resolve(target, root)
    for keyword in ("anyOf", "oneOf", "allOf"):
        options = [option for option in schema.get(keyword, []) if option.get("type") != "null"]
        if options:
            return {**schema, **resolve(options[0], root), keyword: []}
    return schema


def kind_of(schema: Json) -> str:
    kinds = schema.get("type") or ("object" if "properties" in schema else "string")
    return str(kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null"))


def invent(schema: Json, clues: Clues, root: Json, depth: int = 0) -> Json:
    """A value that fits `schema`, taken from the message if it offers one. `root` is where $ref starts from."""
    schema = resolve(schema, root)
    kind = kind_of(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next(filter(clues.mentions, schema["enum"]), schema.get("default", schema["enum"][0]))
    if kind == "object":
        return invent_object(schema, clues, root, depth)
    if kind == "array":
        return [invent(schema.get("items", {}), clues, root, depth + 1)]
    if kind in ("integer", "number"):
        number = float(clues.numbers.pop(0)) if clues.numbers else schema.get("default", 1)
        return int(number) if number == int(number) else number
    if kind in ("boolean", "null"):
        return schema.get("default", True) if kind == "boolean" else None
    return clues.names.pop(0) if clues.names else schema.get("default", clues.text)


def invent_object(schema: Json, clues: Clues, root: Json, depth: int) -> Json:
    """Every required property, then the optional ones that the message evidently gives."""
    if depth > 8:  # a schema may contain itself
        return {}
    properties, required = schema.get("properties", {}), schema.get("required", [])
    value = {name: invent(properties[name], clues, root, depth + 1) for name in required if name in properties}
    for name, part in properties.items():
        if name not in value and is_evident(name, resolve(part, root), clues):
            value[name] = invent(part, clues, root, depth + 1)
    return value


def is_evident(name: str, schema: Json, clues: Clues) -> bool:
    if "enum" in schema:
        return any(map(clues.mentions, schema["enum"]))
    if kind_of(schema) in ("integer", "number"):
        return bool(clues.numbers)
    return clues.mentions(name.replace("_", " "))


# ---- chat completions ------------------------------------------------------------------------------------------------


def count_tokens(*texts: Optional[str]) -> int:
    return sum(len(text.split()) for text in texts if text)


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def choose_tool(body: Json, text: str) -> Optional[Json]:
    """The function that `tool_choice` names, else the first of those that share most words with the question."""
    tools, choice = take(body, "tools", list) or [], take(body, "tool_choice", str, dict)
    functions = [need(tool, "function", dict, where=f"tools[{number}]") for number, tool in enumerate(tools)]
    names = [need(function, "name", str, where=f"tools[{i}].function") for i, function in enumerate(functions)]
    if not functions or choice == "none":
        return None
    if isinstance(choice, dict):
        wanted = need(need(choice, "function", dict, where="tool_choice"), "name", str, where="tool_choice.function")
        if wanted not in names:
            raise invalid(f"tool_choice names {wanted!r}, which is not among the tools", "tool_choice")
        return functions[names.index(wanted)]
    asked = {word for word in words(text) if len(word) > 3}
    offered = [f"{function['name']} {function.get('description')}".replace("_", " ") for function in functions]
    shared = [len(asked.intersection(words(text))) for text in offered]
    return functions[shared.index(max(shared))]


def call_tool(function: Json, text: str) -> Json:
    schema = function.get("parameters") or {}
    try:
        arguments = json.dumps(invent_object(resolve(schema, schema), Clues(text), schema, 0), ensure_ascii=False)
    except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, StopIteration, RecursionError):
        raise invalid(f"the parameters of {function['name']!r} are not a JSON schema", "tools") from None
    return {"id": new_id("call"), "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def pieces_of(text: str) -> list[str]:
    """Words with the space before them: what a token is here."""
    return re.findall(r"\s*\S+|\s+", text)


def cut_short(text: str, body: Json) -> tuple[str, str]:
    """The text up to a stop sequence or `max_tokens` words, and the finish reason."""
    stops = take(body, "stop", str, list) or []
    for stop in [stops] if isinstance(stops, str) else stops and check_strings(stops, "stop"):
        text = text.partition(stop)[0] if stop else text
    limit = take(body, "max_tokens", int, low=1)
    pieces = pieces_of(text) if limit else []
    return ("".join(pieces[:limit]), "length") if len(pieces) > (limit or 0) else (text, "stop")


def respond(body: Json, messages: list[Json], persona: str) -> Json:
    """One choice of a completion, without its index."""
    last = messages[-1]
    prompt = visible(text_of(last.get("content")))
    function = choose_tool(body, prompt)
    if function and last["role"] == "user":
        message = {"role": "assistant", "content": None, "tool_calls": [call_tool(function, prompt)]}
        choice: Json = {"message": message, "finish_reason": "tool_calls"}
    else:
        text = report_tools(messages) if last["role"] == "tool" else converse(messages, persona)
        if (take(body, "response_format", dict) or {}).get("type") == "json_object":
            text = json.dumps({"answer": text}, ensure_ascii=False)
        text, finish_reason = cut_short(text, body)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    if take(body, "enable_thinking", bool) is not False:
        seen = "The tools have answered, I only need to report it." if last["role"] == "tool" else f"I read: {prompt}"
        choice["reasoning_content"] = f"I am {persona}\n{seen}"
    return choice


def completion(body: Json, messages: list[Json], persona: str) -> Json:
    take(body, "temperature", int, float, low=0, high=2)
    how_many = take(body, "n", int, low=1, high=16) or 1
    choices: list[Json] = [{"index": index, **respond(body, messages, persona)} for index in range(how_many)]
    asked = sum(count_tokens(text_of(message.get("content"))) for message in messages)
    told = sum(count_tokens(it["message"]["content"] or "tool call", it.get("reasoning_content")) for it in choices)
    return {"id": new_id("chatcmpl").replace("_", "-"), "object": "chat.completion", "created": int(time.time()),
            "model": take(body, "model", str) or MODEL, "choices": choices, "usage": usage(asked, told)}  # fmt: skip


def chunks_of(whole: Json) -> Iterable[Json]:
    """A completion as a stream has it: word by word, the finish reason, and at last the usage."""
    head = {**whole, "object": "chat.completion.chunk"}
    del head["usage"]
    for choice in whole["choices"]:
        for delta in deltas_of(choice):
            yield {**head, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield {**head, "choices": [], "usage": whole["usage"]}


def deltas_of(choice: Json) -> Iterable[Json]:
    message = choice["message"]
    yield {"role": "assistant", "content": None if message["content"] is None else ""}
    for piece in pieces_of(choice.get("reasoning_content", "")):
        yield {"reasoning_content": piece}
    for piece in pieces_of(message["content"] or ""):
        yield {"content": piece}
    for index, call in enumerate(message.get("tool_calls", [])):
        yield {"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]}
        for piece in re.findall(r"(?s).{1,8}", call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


# ---- trouble on purpose ----------------------------------------------------------------------------------------------


@dataclass
class Fault:
    status: int = 0  # 0: none
    code: Optional[str] = None
    slow: float = 0  # seconds
    times: float = math.inf  # how many requests it strikes
    words: set[str] = field(default_factory=set)  # of FAULT_WORDS
    headers: dict[str, str] = field(default_factory=dict)


FAULT = re.compile(r'\[fault ([^\]\n"\\]+)\]')
FAULT_WORDS = {"drop", "reset", "cut", "late", "no-stream"}
NO_FAULT = Fault()


def parse_fault(text: str) -> Fault:
    fault = Fault()
    for word in text.split():
        name, _, value = word.partition("=")
        if re.fullmatch(r"[345]\d\d", word):
            fault.status = int(word)
        elif word in FAULT_WORDS:
            fault.words.add(word)
        elif name in ("slow", "times") and re.fullmatch(NUMBER, value):
            setattr(fault, name, float(value))
        elif name == "code" and value:
            fault.code = value
        elif name not in ("slow", "times") and re.fullmatch(r"[A-Za-z-]+=[!-~]+", word):
            fault.headers[name] = value
        else:
            raise invalid(f"The sandbox does not understand {word!r} in [fault {text}].")
    return fault


def prompt_of(body: Json) -> str:
    """The last user message if there are messages, so that earlier turns do not fail again; else the whole body."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return json.dumps(body)
    users = [it for it in messages if isinstance(it, dict) and it.get("role") == "user"]
    return json.dumps(users[-1:])


def remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep the newest MAX_KEPT entries."""
    memory[key] = value
    if len(memory) > MAX_KEPT:
        del memory[next(iter(memory))]


# ---- the service: routes ---------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """What a request asks of an endpoint."""

    body: Json  # an object
    query: dict[str, str]
    may_stream: bool = True


Endpoint = Callable[..., Json]  # (service, call, *ids) -> the answer; a list of chunks is to be streamed
AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint)
ROUTES: dict[tuple[Optional[str], ...], dict[str, Endpoint]] = {}  # by the segments after /v1, None for an id


def route(method: str, path: str) -> Callable[[AnyEndpoint], AnyEndpoint]:
    def register(endpoint: AnyEndpoint) -> AnyEndpoint:
        key = tuple(None if part == "{id}" else part for part in path.split("/"))
        ROUTES.setdefault(key, {})[method] = endpoint
        return endpoint

    return register


def find_route(method: str, path: str) -> tuple[Endpoint, list[str]]:
    """The endpoint for a path, and the ids in it. Ids stand at the second and the fourth place, if anywhere."""
    parts = path.split("/")
    for places in ((), (1,), (1, 3)):
        methods = ROUTES.get(tuple(None if number in places else part for number, part in enumerate(parts)))
        if methods and method in methods:
            return methods[method], [unquote(parts[place]) for place in places]
        if methods:
            raise ApiError(405, f"{method} is not allowed here, only {' and '.join(methods)}.", "method_not_allowed")
    raise ApiError(404, f"There is no endpoint /{path}.", "not_found")


# ---- the service: its state and its endpoints ------------------------------------------------------------------------


@dataclass
class Run:
    record: Json
    began: float  # time.monotonic()
    outcome: str  # the status it ends with
    message: Json  # what it adds to the thread if it completes


@dataclass
class Thread:
    record: Json
    messages: list[Json] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)


def record(prefix: str, kind: str, **fields: Json) -> Json:
    given = {name: value for name, value in fields.items() if value is not None}
    return {"id": new_id(prefix), "object": kind, "created_at": int(time.time()), **given}


def listing(items: Iterable[Json]) -> Json:
    return {"object": "list", "data": list(items)}


def page_size(query: dict[str, str]) -> int:
    limit = query.get("limit", "20")
    if not re.fullmatch(r"[1-9][0-9]?|100", limit):
        raise invalid("limit must be an integer from 1 to 100", "limit")
    return int(limit)


def thread_message(thread_id: str, role: str, text: str, **fields: Json) -> Json:
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    return record("msg", "thread.message", thread_id=thread_id, role=role, content=content, **fields)


def check_thread_message(body: Json, where: str = "") -> tuple[str, str]:
    role, content = need(body, "role", str, where=where), need(body, "content", str, list, where=where)
    if role not in ("user", "assistant"):
        param = f"{where}.role" if where else "role"
        raise invalid(f"{param} must be user or assistant", param)
    return role, text_of(content, where)


def chat_messages(thread: Thread) -> list[Json]:
    messages = [{"role": it["role"], "content": it["content"][0]["text"]["value"]} for it in thread.messages]
    return messages or [{"role": "user", "content": ""}]


def attachments(prompt: str) -> dict[str, Json]:
    """What the tools of an assistant would have brought along."""
    asked, found = set(words(prompt)), dict[str, Json]()
    if "search" in asked:
        found["sources"] = [{"id": new_id("source"), "tool_name": "web_search", "title": "An example",
                             "url": "https://example.com/", "snippet": f"All about: {prompt}"}]  # fmt: skip
    if "draw" in asked:
        found["media"] = [{"id": new_id("media"), "source": "generated", "type": "image", "prompt": prompt,
                           "signed_url": "https://example.com/drawing.png?signature=0"}]  # fmt: skip
    if {"run", "code"} <= asked:
        found["code"] = [{"id": new_id("code"), "language": "python", "code": "print(6 * 7)", "stdout": "42\n",
                          "stderr": "", "execution_time_ms": 12}]  # fmt: skip
    return found


def media_name(body: Json, param: str) -> str:
    url = need(body, param, str)
    if not url.startswith(("http://", "https://", "data:")):
        raise invalid(f"{param} must be an http, https or data URL", param)
    return file_name(url)


def vision_answer(body: Json, result: str) -> Json:
    prompt = take(body, "user_prompt", str)
    result += f" You asked: {visible(prompt)}" if prompt else ""
    return {"result": result, "usage": usage(100 + count_tokens(prompt), count_tokens(result))}


BAD_WORDS = {"kill": "VIOLENT", "bomb": "VIOLENT", "attack": "VIOLENT", "weapon": "VIOLENT", "hate": "HATE",
             "nude": "SEXUAL", "suicide": "SELF_HARM", "spam": "SPAM"}  # fmt: skip


def moderation_answer(text: str) -> Json:
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


class Service:
    """What the service knows and can do. `handle` holds the lock around each endpoint, so none has to think of it."""

    def __init__(self, run_seconds: float) -> None:
        self.run_seconds = run_seconds
        self.lock = threading.Lock()
        self.threads: dict[str, Thread] = {}
        self.assistants: dict[str, Json] = {}
        self.answers: dict[tuple[str, str], bytes] = {}  # by path and Idempotency-Key
        self.struck: dict[str, int] = {}  # how often, by fault and prompt

    def admit(self, request: Request) -> Fault:
        """Check the key, then find the fault that the request asks for."""
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise ApiError(401, "Incorrect API key provided.", "invalid_api_key")
        asked, prompt = request.headers.get("x-fault"), f"{request.method} {request.path}"
        if asked is None and b"[fault " in request.body:
            prompt = prompt_of(request.fields())
            match = FAULT.search(prompt)
            asked = match[1] if match else None
        if asked is None:
            return NO_FAULT
        fault = parse_fault(asked)
        with self.lock:
            struck = self.struck.get(asked + prompt, 0)
            remember(self.struck, asked + prompt, struck + 1)
        return fault if struck < fault.times else NO_FAULT

    def handle(self, request: Request, fault: Fault = NO_FAULT) -> Union[bytes, list[Json]]:
        """The answer: JSON text, or the chunks of a stream."""
        # A proxy is sent the whole URL, and so may we be.
        path, _, query = re.sub(r"^https?://[^/]+", "", request.path).partition("?")
        if not path.startswith("/v1/"):
            raise ApiError(404, f"There is nothing at {path}, everything is below /v1/.", "not_found")
        endpoint, ids = find_route(request.method, path[len("/v1/") :])
        call = Call(request.fields(), dict(parse_qsl(query)), "no-stream" not in fault.words)
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        with self.lock:
            if key and (path, key) in self.answers:
                return self.answers[path, key]
            result = endpoint(self, call, *ids)
            if isinstance(result, list):
                return result
            answer = to_json(result)
            if key:
                remember(self.answers, (path, key), answer)
            return answer

    # -- chat

    @route("POST", "chat/completions")
    def create_chat_completion(self, call: Call) -> Json:
        messages = check_messages(call.body)
        assistant_id = take(call.body, "assistant_id", str)
        if assistant_id is not None:
            persona = self._persona(assistant_id)
        elif messages[0]["role"] == "system":
            persona = f"the PixiGPT sandbox. My instructions: {text_of(messages[0]['content'])}"
        else:
            raise invalid("Without an assistant_id the first message must be a system message.", "messages")
        streams = take(call.body, "stream", bool) and call.may_stream
        whole = completion(call.body, messages, persona)
        return list(chunks_of(whole)) if streams else whole

    def _persona(self, assistant_id: str) -> str:
        """Who answers. An unknown assistant in a body is a bad request, unlike one in a path."""
        if assistant_id not in self.assistants:
            raise invalid(f"No assistant found with id {assistant_id!r}.", "assistant_id")
        assistant = self.assistants[assistant_id]
        return f"{assistant['name']}. My instructions: {assistant['instructions']}"

    # -- threads and their messages

    def _thread(self, thread_id: str) -> Thread:
        if thread_id not in self.threads:
            raise not_found("thread", thread_id)
        thread = self.threads[thread_id]
        for run in thread.runs.values():
            self._advance(thread, run)
        return thread

    @route("POST", "threads")
    def create_thread(self, call: Call) -> Json:
        thread = Thread(record("thread", "thread", metadata=take(call.body, "metadata", dict)))
        self.threads[thread.record["id"]] = thread
        return thread.record

    @route("GET", "threads")
    def list_threads(self, call: Call) -> Json:
        return listing(thread.record for thread in reversed(list(self.threads.values())))

    @route("GET", "threads/{id}")
    def get_thread(self, call: Call, thread_id: str) -> Json:
        return self._thread(thread_id).record

    @route("DELETE", "threads/{id}")
    def delete_thread(self, call: Call, thread_id: str) -> Json:
        self._thread(thread_id)
        del self.threads[thread_id]
        return {"id": thread_id, "object": "thread.deleted", "deleted": True}

    @route("POST", "threads/{id}/messages")
    def create_message(self, call: Call, thread_id: str) -> Json:
        thread = self._thread(thread_id)
        message = thread_message(thread_id, *check_thread_message(call.body))
        thread.messages.append(message)
        return message

    @route("POST", "threads/{id}/messages/bulk")
    def create_messages_bulk(self, call: Call, thread_id: str) -> Json:
        thread = self._thread(thread_id)
        given = need(call.body, "messages", list)
        # All are checked before the first is added: it is all or nothing.
        checked = [check_thread_message(message, f"messages[{number}]") for number, message in enumerate(given)]
        added = [thread_message(thread_id, role, text) for role, text in checked]
        thread.messages += added
        return listing(added)

    @route("GET", "threads/{id}/messages")
    def list_messages(self, call: Call, thread_id: str) -> Json:
        """The newest first unless `order=asc`; `after` and `before` are message ids, in the order of the list."""
        query, limit, messages = call.query, page_size(call.query), self._thread(thread_id).messages
        if query.get("order", "desc") not in ("asc", "desc"):
            raise invalid("order must be asc or desc", "order")
        messages = messages[:] if query.get("order") == "asc" else messages[::-1]
        places = {message["id"]: place for place, message in enumerate(messages)}
        for cursor in ("after", "before"):
            if cursor in query and query[cursor] not in places:
                raise invalid(f"{cursor} is not a message of this thread", cursor)
        start = places[query["after"]] + 1 if "after" in query else 0
        messages = messages[start : places[query["before"]] if "before" in query else None]
        # With `before` alone the page is the one that ends there.
        page = messages[-limit:] if "before" in query and "after" not in query else messages[:limit]
        ids = [message["id"] for message in page] or [None]
        return {**listing(page), "first_id": ids[0], "last_id": ids[-1], "has_more": len(messages) > limit}

    # -- runs

    @route("POST", "threads/{id}/runs")
    def create_run(self, call: Call, thread_id: str) -> Json:
        thread, assistant_id = self._thread(thread_id), need(call.body, "assistant_id", str)
        messages = chat_messages(thread)
        prompt = next((it["content"] for it in reversed(messages) if it["role"] == "user"), "")
        choice = completion(call.body, messages, self._persona(assistant_id))["choices"][0]
        text, reasoning = choice["message"]["content"] or "", choice.get("reasoning_content")
        extras = attachments(visible(prompt))
        message = thread_message(thread_id, "assistant", text, reasoning_content=reasoning, **extras)
        fields = {"thread_id": thread_id, "assistant_id": assistant_id, "status": "queued", "model": MODEL}
        wanted = re.search(r"\[run (\w+)\]", prompt)
        outcome = wanted[1] if wanted else "completed"
        run = Run(record("run", "thread.run", **fields), time.monotonic(), outcome, message)
        thread.runs[run.record["id"]] = run
        return run.record

    @route("GET", "threads/{id}/runs/{id}")
    def get_run(self, call: Call, thread_id: str, run_id: str) -> Json:
        runs = self._thread(thread_id).runs
        if run_id not in runs:
            raise not_found("run", run_id)
        return runs[run_id].record

    def _advance(self, thread: Thread, run: Run) -> None:
        """Bring a run to where it is by now. Nothing happens in the background: only when someone looks."""
        if run.record["status"] not in ("queued", "in_progress"):
            return
        elapsed = time.monotonic() - run.began
        if elapsed < self.run_seconds or run.outcome == "stuck":
            run.record["status"] = "queued" if elapsed < self.run_seconds / 3 else "in_progress"
            return
        run.record["status"] = run.outcome
        if run.outcome == "completed":
            run.message["created_at"] = int(time.time())
            run.record["message"] = run.message
            thread.messages.append(run.message)
        elif run.outcome == "failed":
            run.record["last_error"] = {"code": "server_error", "message": "The run failed, as it was told to."}

    # -- assistants

    def _assistant(self, assistant_id: str) -> Json:
        if assistant_id not in self.assistants:
            raise not_found("assistant", assistant_id)
        return self.assistants[assistant_id]

    @route("POST", "assistants")
    def create_assistant(self, call: Call) -> Json:
        name, instructions = need(call.body, "name", str), need(call.body, "instructions", str)
        tools_config = take(call.body, "tools_config", str)
        assistant = record("asst", "assistant", name=name, instructions=instructions, tools_config=tools_config)
        self.assistants[assistant["id"]] = assistant
        return assistant

    @route("GET", "assistants")
    def list_assistants(self, call: Call) -> Json:
        return listing(reversed(list(self.assistants.values())))

    @route("GET", "assistants/{id}")
    def get_assistant(self, call: Call, assistant_id: str) -> Json:
        return self._assistant(assistant_id)

    @route("PUT", "assistants/{id}")
    def update_assistant(self, call: Call, assistant_id: str) -> Json:
        assistant = self._assistant(assistant_id)
        changes = {name: take(call.body, name, str) for name in ("name", "instructions", "tools_config")}
        assistant.update({name: value for name, value in changes.items() if value is not None})
        return assistant

    @route("DELETE", "assistants/{id}")
    def delete_assistant(self, call: Call, assistant_id: str) -> Json:
        self._assistant(assistant_id)
        del self.assistants[assistant_id]
        return {"id": assistant_id, "object": "assistant.deleted", "deleted": True}

    @route("GET", "assistants/{id}/threads")
    def list_assistant_threads(self, call: Call, assistant_id: str) -> Json:
        self._assistant(assistant_id)
        found = [
            thread.record for thread in reversed(list(self.threads.values()))
            if any(run.record["assistant_id"] == assistant_id for run in thread.runs.values())
        ]  # fmt: skip
        return listing(found[: page_size(call.query)])

    # -- vision, moderation, embeddings, reranking: something plausible from the words at hand

    @route("POST", "vision/analyze")
    def analyze_image(self, call: Call) -> Json:
        return vision_answer(call.body, f"This is {media_name(call.body, 'image_url')}.")

    @route("POST", "vision/tags")
    def analyze_image_for_tags(self, call: Call) -> Json:
        tags = ["image", *words(media_name(call.body, "image_url"))]
        return vision_answer({}, ", ".join(dict.fromkeys(tags)))

    @route("POST", "vision/ocr")
    def extract_text(self, call: Call) -> Json:
        return vision_answer({}, f"The text in {media_name(call.body, 'image_url')}")

    @route("POST", "vision/video")
    def analyze_video(self, call: Call) -> Json:
        return vision_answer(call.body, f"Something moves in {media_name(call.body, 'video_url')}.")

    @route("POST", "moderations")
    def moderate_text(self, call: Call) -> Json:
        return moderation_answer(need(call.body, "prompt", str))

    @route("POST", "moderations/media")
    def moderate_media(self, call: Call) -> Json:
        take(call.body, "is_video", bool)
        return moderation_answer(media_name(call.body, "media_url"))

    @route("POST", "embeddings")
    def create_embedding(self, call: Call) -> Json:
        given = need(call.body, "input", str, list)
        texts = check_strings(given, "input") if isinstance(given, list) else [given]
        data = [{"object": "embedding", "embedding": embed(text), "index": index} for index, text in enumerate(texts)]
        return {**listing(data), "usage": usage(count_tokens(*texts), 0)}

    @route("POST", "rerank")
    def rerank(self, call: Call) -> Json:
        query, documents = need(call.body, "query", str), check_strings(need(call.body, "documents", list), "documents")
        top_k = take(call.body, "top_k", int, low=1)
        results: list[Json] = [
            {"index": index, "document": text, "relevance_score": relevance(query, text)}
            for index, text in enumerate(documents)
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        return {"object": "list", "results": results[:top_k], "usage": usage(count_tokens(query, *documents), 0)}


# ---- HTTP ------------------------------------------------------------------------------------------------------------


JSON_TYPE = {"Content-Type": "application/json"}
STREAM_TYPE = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
PHRASES = {status.value: status.phrase for status in HTTPStatus}
LINGER_FORMAT = "hh" if os.name == "nt" else "ii"  # struct linger, for setsockopt


def response_head(status: int, headers: dict[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {PHRASES.get(status, 'Unknown')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Connection:
    """One client's connection, served by a thread of its own until either side has enough."""

    def __init__(self, sandbox: "Sandbox", sock: socket.socket) -> None:
        self.sandbox, self.sock = sandbox, sock
        self.busy = threading.Lock()  # held from the first line of a request to the last byte of its answer

    def serve(self) -> None:
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.sandbox.ssl_context is not None:
                self.sock.settimeout(10)  # seconds for the handshake
                self.sock = self.sandbox.ssl_context.wrap_socket(self.sock, server_side=True)
                self.sock.settimeout(None)
            with self.sock.makefile("rb", MAX_LINE) as self.reader:
                while self._serve_one():
                    pass
        except OSError:
            pass  # the client is gone, and with it whoever could be told
        finally:
            self.sandbox.forget(self)
            self.sock.close()

    def end(self) -> None:
        """Have the connection's thread find its end; for other threads."""
        try:
            # Not SSLSocket.shutdown, which takes the TLS state from under the reading thread.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass  # it ended on its own

    def _serve_one(self) -> bool:
        """Answer the next request; False if it was the last one."""
        line = self.reader.readline(MAX_LINE + 1)
        with self.busy:
            if not line.strip():  # the end, or an empty line, which RFC 9112 2.2 asks to skip
                return bool(line)
            try:
                request = self._read_request(line)
            except ApiError as error:
                # Where the next request would begin is anyone's guess.
                self._send(error.status, error.to_json(), {"Connection": "close"})
                self._close_gently()
                return False
            return self._answer(request)

    # -- reading

    def _read_request(self, line: bytes) -> Request:
        if not re.fullmatch(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r?\n", line):
            raise ApiError(414 if len(line) > MAX_LINE else 400, "This is not an HTTP/1.1 request line.")
        method, path, version = line.decode("ascii").split()
        request = Request(method, path, version, self._read_headers())
        if "transfer-encoding" in request.headers:
            raise ApiError(411, "Send the body with a Content-Length.")
        length = request.headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise ApiError(400, "Content-Length must be a number.")
        if int(length) > MAX_BODY:
            raise ApiError(413, f"The body must not be longer than {MAX_BODY} bytes.")
        if request.headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = self.reader.read(int(length))
        if len(request.body) < int(length):
            raise ConnectionError("the request was cut off")
        return request

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MAX_HEADERS + 1):
            line = self.reader.readline(MAX_LINE + 1)
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not line.endswith(b"\n") or not colon or not name or name != name.strip():
                raise ApiError(431 if len(line) > MAX_LINE else 400, "This is not an HTTP header.")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raise ApiError(431, f"There must not be more than {MAX_HEADERS} headers.")

    # -- answering

    def _answer(self, request: Request) -> bool:
        """Answer one request; False if the connection is to end with it."""
        self.sandbox.record(request)
        service, fault, status, headers = self.sandbox.service, NO_FAULT, 200, {"x-request-id": new_id("req")}
        result: Union[bytes, list[Json]]
        try:
            fault = service.admit(request)
            result = service.handle(request, fault) if "late" in fault.words else b""
            if self._strike(fault):
                return False
            result = result or service.handle(request, fault)
        except ApiError as error:
            status, result = error.status, error.to_json()
        except RecursionError:
            status, result = 400, invalid("The request body is nested too deeply.").to_json()
        except Exception as error:  # a bug, and whoever finds it shall see it
            status, result = 500, ApiError(500, f"sandbox.py has a bug: {error!r}").to_json()
        keeps_alive = request.version == "HTTP/1.1" and request.headers.get("connection", "").lower() != "close"
        headers.update(fault.headers, **{} if keeps_alive else {"Connection": "close"})
        if isinstance(result, list):
            self._stream(result, headers, request.version == "HTTP/1.1", "cut" in fault.words)
        else:
            has_body = request.method != "HEAD" and status != 304
            self._send(status, result, headers, has_body, "cut" in fault.words)
        return keeps_alive and "cut" not in fault.words

    def _strike(self, fault: Fault) -> bool:
        """Do what the fault says before there is an answer; True if there is to be none."""
        if fault.slow:
            time.sleep(fault.slow)
        if "reset" in fault.words:  # what closing does to a socket that is told not to linger
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(LINGER_FORMAT, 1, 0))
        if fault.status:
            raise ApiError(fault.status, "This fault was asked for.", fault.code)
        return bool(fault.words & {"drop", "reset"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], with_body: bool = True, cut: bool = False
    ) -> None:
        head = response_head(status, {**JSON_TYPE, "Content-Length": str(len(body)), **headers})
        # One send: a body on its own could wait for the acknowledgement of the head.
        self.sock.sendall(head + body[: len(body) // 2 if cut else None] if with_body else head)

    def _stream(self, events: list[Json], headers: dict[str, str], chunked: bool, cut: bool) -> None:
        """Send the events as they come; before HTTP/1.1 there are no chunks, and the end of the stream is the close."""
        framing, frame = ({"Transfer-Encoding": "chunked"}, chunk) if chunked else ({}, bytes)
        self.sock.sendall(response_head(200, {**STREAM_TYPE, **framing, **headers}))
        for event in events[: len(events) // 2] if cut else events:
            self.sock.sendall(frame(b"data: " + to_json(event) + b"\n\n"))
            if self.sandbox.word_delay:
                time.sleep(self.sandbox.word_delay)
        if not cut:
            self.sock.sendall(frame(b"data: [DONE]\n\n") + frame(b""))

    def _close_gently(self) -> None:
        """Wait for the client to read and go. Closing with unread bytes would be a reset and destroy the answer."""
        socket.socket.shutdown(self.sock, socket.SHUT_WR)
        self.sock.settimeout(1)
        for _ in range(1000):
            if not self.sock.recv(MAX_LINE):
                return


@final
class Sandbox:
    """The running service; a context manager.

    `run_seconds` from creating a run to its completion, `word_delay` seconds between the words of a stream;
    with an `ssl_context` it speaks https on localhost. `keep_requests=False` does not fill `requests`.
    """

    api_key = API_KEY

    def __init__(
        self,
        port: int = 0,
        ssl_context: Optional[ssl.SSLContext] = None,
        run_seconds: float = 0.3,
        word_delay: float = 0.02,
        keep_requests: bool = True,
    ) -> None:
        self.ssl_context, self.word_delay, self.keep_requests = ssl_context, word_delay, keep_requests
        self.requests: list[Request] = []
        self.connections = 0
        self.service = Service(run_seconds)
        hello = {"name": "Pixi", "instructions": "You are a helpful assistant."}
        self.assistant_id: str = self.service.create_assistant(Call(hello, {}))["id"]
        self._lock = threading.Lock()  # guards requests and _open
        self._open: set[Connection] = set()
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        origin = f"http://127.0.0.1:{self.port}" if ssl_context is None else f"https://localhost:{self.port}"
        self.base_url = f"{origin}/v1"
        self._acceptor = threading.Thread(target=self._accept, name="sandbox", daemon=True)
        self._acceptor.start()

    def environment(self) -> dict[str, str]:
        return {
            "PIXIGPT_API_KEY": self.api_key,
            "PIXIGPT_BASE_URL": self.base_url,
            "PIXIGPT_ASSISTANT_ID": self.assistant_id,
        }

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
        for connection in self._connections_now():
            connection.end()

    def close_idle_connections(self) -> None:
        """Close the connections that wait for a next request, as a server does that has kept them long enough."""
        for connection in self._connections_now():
            # A thread that has just sent an answer may hold the lock a moment longer.
            if connection.busy.acquire(timeout=0.1):
                connection.end()
                connection.busy.release()

    def _connections_now(self) -> list[Connection]:
        with self._lock:
            return list(self._open)

    def _accept(self) -> None:
        while True:
            try:
                sock = self._listener.accept()[0]
            except OSError:  # out of file descriptors, or the caller has gone already
                time.sleep(0.01)
                continue
            if self._closing:
                sock.close()
                return
            connection = Connection(self, sock)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    # -- what a connection tells

    def record(self, request: Request) -> None:
        if not self.keep_requests:
            return
        with self._lock:
            self.requests.append(request)
            if len(self.requests) > MAX_KEPT:
                del self.requests[: MAX_KEPT // 10]

    def forget(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)


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
    child: Optional[subprocess.Popen[bytes]] = None

    def pass_on(number: int, frame: Optional[FrameType]) -> None:
        # Ctrl-C reaches the child by itself, as it is in the same process group.
        if number == signal.SIGTERM and child is not None:
            child.terminate()

    signal.signal(signal.SIGINT, pass_on)
    signal.signal(signal.SIGTERM, pass_on)
    try:
        child = subprocess.Popen(command, env=environment)
    except FileNotFoundError:
        print(f"sandbox: {command[0]}: command not found", file=sys.stderr)
        return 127
    except OSError as error:
        print(f"sandbox: {command[0]}: {error.strerror}", file=sys.stderr)
        return 126
    status = child.wait()
    return 128 - status if status < 0 else status


def serve(box: Sandbox) -> int:
    try:
        for name, value in box.environment().items():
            print(f"export {name}={value}", flush=True)
        print("Serving until Ctrl-C. Paste the lines above into another shell.", file=sys.stderr, flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0


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
        return run_command(command, child_environment(box)) if command else serve(box)


if __name__ == "__main__":
    sys.exit(main())
