"""An answer while it is written.

    python examples/sandbox.py python examples/stream.py        without an account
    PIXIGPT_API_KEY=... python examples/stream.py               with one

The client's timeout bounds each wait for more, not the whole answer.
"""

from pixigpt import Client, Message

messages = [
    Message(role="system", content="You are a helpful assistant."),
    Message(role="user", content="Count to 20"),
]

with Client() as client:
    # The text alone ...
    with client.stream_chat_completion(messages=messages) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
        completion = stream.get_final_completion()  # the whole, as create_chat_completion returns it
    print("\n\nTokens:", completion["usage"]["total_tokens"])

    # ... or all that comes: the reasoning, the text, tool calls, the finish reason.
    with client.stream_chat_completion(messages=messages) as stream:
        for chunk in stream:
            for choice in chunk["choices"]:
                print(choice["delta"], choice.get("finish_reason") or "")
