# pyright: strict
"""What a user may write: not an error in any checker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Optional, assert_type

import pixigpt
from pixigpt import (
    APIError,
    APITimeoutError,
    Assistant,
    AsyncClient,
    ChatCompletionRequest,
    ChatCompletionResponse,
    Client,
    EmbeddingResponse,
    Message,
    ModerationResponse,
    RateLimitError,
    RequestMessage,
    RerankResponse,
    Run,
    RunError,
    Session,
    Thread,
    ThreadMessage,
    ToolCall,
    Usage,
    function_tool,
    is_auth_error,
    is_rate_limit_error,
)


def weather(city: str, unit: str = "C") -> str:
    """The weather in a city."""
    return city + unit


client = Client("key", base_url="http://localhost:1/v1", timeout=None, session=Session(max_connections=5))
client = client.with_options(timeout=5.0, max_retries=0, headers={"X-Team": "a"})

# A request is an object, a dict or keywords.
answer = client.create_chat_completion({"messages": [{"role": "user", "content": "Hi"}]})
answer = client.create_chat_completion(ChatCompletionRequest(messages=[Message(role="user", content="Hi")]))
answer = client.create_chat_completion(messages=[Message(role="user", content="Hi")], temperature=0, max_tokens=3000)
answer = client.create_chat_completion(
    messages=[
        Message(role="system", content="Be brief."),
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "y"}}]},
        answer["choices"][0]["message"],
    ],
    tools=[weather, {"type": "function", "function": {"name": "f", "parameters": {}}}, function_tool(weather)],
)
request: ChatCompletionRequest = {"messages": [], "enable_thinking": False, "assistant_id": "a", "stop": ["x"]}
request["temperature"] = 0.5

# A history may hold what was sent and what came back.
history: list[RequestMessage] = [{"role": "user", "content": "Hi"}]
history.append(answer["choices"][0]["message"])
history.append({"role": "tool", "content": "42", "tool_call_id": "t"})
client.create_chat_completion(messages=history)
messages: list[Message] = [{"role": "user", "content": "Hi"}, *(choice["message"] for choice in answer["choices"])]
client.create_chat_completion({"messages": messages})
client.create_chat_completion(messages=[*history, *messages])

# Keys are exact.
assert_type(answer, ChatCompletionResponse)
assert_type(answer["choices"][0]["message"], Message)
assert_type(answer["choices"][0]["message"]["content"], Optional[str])
assert_type(answer["choices"][0]["message"].get("tool_calls"), Optional[list[ToolCall]])
assert_type(answer["usage"], Usage)
assert_type(answer["usage"]["total_tokens"], int)
for call in answer["choices"][0]["message"].get("tool_calls", []):
    assert_type(call["function"]["arguments"], str)

# Streams and tools.
with client.stream_chat_completion(messages=history) as stream:
    for text in stream.text_stream:
        assert_type(text, str)
    assert_type(stream.get_final_completion(), ChatCompletionResponse)
for chunk in client.stream_chat_completion({"messages": []}):
    print(chunk["choices"])
assert_type(client.run_tools(request, max_rounds=3), Iterator[ChatCompletionResponse])
assert_type(client.run_tools(messages=history, tools=[weather], max_rounds=3), Iterator[ChatCompletionResponse])

# Threads, runs, assistants.
thread = client.create_thread({"user": "u"})
assert_type(thread, Thread)
assert_type(client.create_thread(metadata=None)["id"], str)
assert_type(client.list_threads(), list[Thread])
assert_type(client.create_message(thread["id"], "user", "Hi"), ThreadMessage)
assert_type(client.create_messages_bulk(thread["id"], [{"role": "user", "content": "Hi"}]), list[ThreadMessage])
assert_type(client.list_messages(thread["id"], 5, after="m", order="asc"), list[ThreadMessage])
assert_type(client.iter_messages(thread["id"]), Iterator[ThreadMessage])
run = client.create_run(thread["id"], "a", temperature=0.5, enable_thinking=False)
run = client.wait_for_run(thread["id"], run["id"], timeout=None)
assert_type(run, Run)
message = run.get("message")
if message is not None:
    assert_type(message, ThreadMessage)
    assert_type(message["content"][0]["text"]["value"], str)
assert_type(client.list_assistants(), list[Assistant])
assert_type(client.update_assistant("a", "name", "instructions", tools_config="{}"), Assistant)

# The rest.
assert_type(client.analyze_image(image_url="u", user_prompt="p")["result"], str)
assert_type(client.analyze_video({"video_url": "u"})["usage"], Usage)
assert_type(client.moderate_text(prompt="p"), ModerationResponse)
assert_type(client.moderate_media(media_url="u", is_video=False)["score"], float)
assert_type(client.create_embedding(input=["a", "b"]), EmbeddingResponse)
assert_type(client.create_embedding({"input": "a"})["data"][0]["embedding"], list[float])
assert_type(client.rerank(query="q", documents=["d"], top_k=1), RerankResponse)
anything: Any = client.request("GET", "/models")

try:
    client.close()
except RunError as error:
    assert_type(error.run, Run)
except APITimeoutError as error:
    timeout: TimeoutError = error
except RateLimitError as error:
    assert_type(error.retry_after, Optional[float])
except APIError as error:
    assert_type(error.status_code, Optional[int])
    assert_type(error.code, Optional[str])
    assert_type(is_auth_error(error) or is_rate_limit_error(error), bool)
assert_type(pixigpt.main(["--version"]), int)


async def awaited() -> AsyncIterator[str]:
    async with AsyncClient("key", timeout=5.0) as client:
        assert_type(await client.create_thread(metadata={"user": "u"}), Thread)
        assert_type(await client.list_assistants(), list[Assistant])
        assert_type(await client.wait_for_run("t", "r", timeout=None), Run)
        assert_type(await client.create_chat_completion(request), ChatCompletionResponse)
        assert_type(await client.create_chat_completion({"messages": []}), ChatCompletionResponse)
        assert_type(await client.create_chat_completion(messages=history, seed=1), ChatCompletionResponse)
        assert_type(await client.create_embedding(input="a"), EmbeddingResponse)
        async for response in client.run_tools(messages=history, tools=[weather], max_rounds=3):
            assert_type(response, ChatCompletionResponse)
        async for response in client.run_tools(request):
            assert_type(response, ChatCompletionResponse)
        both = await asyncio.gather(client.create_chat_completion(request), client.create_embedding(input="a"))
        assert_type(both[0]["id"], str)
        assert_type(both[1]["data"][0]["index"], int)
        patient = client.with_options(timeout=60.0)
        assert_type(await patient.list_threads(), list[Thread])
        async for message in client.iter_messages("t"):
            assert_type(message, ThreadMessage)
        stream = await client.stream_chat_completion(messages=history)
        async with stream:
            async for text in stream.text_stream:
                yield text
        assert_type(await stream.get_final_completion(), ChatCompletionResponse)
