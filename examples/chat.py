"""One question, one answer.

    python examples/sandbox.py python examples/chat.py              without an account
    PIXIGPT_API_KEY=... python examples/chat.py "Who are you?"      with one, after `pip install pixigpt`

PIXIGPT_ASSISTANT_ID, if set, names the assistant that answers.
"""

import os
import sys

from pixigpt import APIError, Client, Message

assistant_id = os.environ.get("PIXIGPT_ASSISTANT_ID") or None
messages = [Message(role="user", content=" ".join(sys.argv[1:]) or "What is 17 + 25?")]
if assistant_id is None:  # then the first message must say who is to answer
    messages.insert(0, Message(role="system", content="You are a helpful assistant."))

try:
    with Client() as client:
        response = client.create_chat_completion(messages=messages, assistant_id=assistant_id)
except (APIError, ValueError) as error:  # ValueError: no key
    sys.exit(f"chat.py: {error}")

choice, usage = response["choices"][0], response["usage"]
print(choice["message"]["content"])
if choice.get("reasoning_content"):
    print("\nReasoning:", choice.get("reasoning_content"))
print(f"\nTokens: {usage['prompt_tokens']} asked + {usage['completion_tokens']} answered = {usage['total_tokens']}")
