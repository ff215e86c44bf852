"""An answer while it is written.

    python examples/sandbox.py python examples/stream.py        without an account
    PIXIGPT_API_KEY=... python examples/stream.py               with one

The client's timeout bounds each wait for more, not the whole answer.
"""

import sys

from pixigpt import APIError, Client, Message

messages = [
    Message(role="system", content="You are a helpful assistant."),
    Message(role="user", content="Count to 20"),
]

try:
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
except (APIError, ValueError) as error:  # ValueError: no key
    sys.exit(f"stream.py: {error}")
