"""A conversation that the service remembers: each question is sent alone, and yet the answers know what came before.

    python examples/sandbox.py python examples/thread.py                            without an account
    PIXIGPT_API_KEY=... PIXIGPT_ASSISTANT_ID=... python examples/thread.py          with one

The thread is deleted at the end.
"""

import os
import sys

from pixigpt import APIError, Client, ThreadMessage

QUESTIONS = (
    "My name is Ada.",
    "What is my name?",
    "Search for a picture of a teapot, draw one too, and run some code.",
)


def show(message: ThreadMessage) -> None:
    """An answer with all that may come with it; what the service left out is None."""
    for block in message["content"]:
        print(block["text"]["value"])
    if message.get("reasoning_content"):
        print("  reasoning:", message.get("reasoning_content"))
    for source in message.get("sources") or []:
        print("  source:", source.get("title"), source.get("url"))
    for media in message.get("media") or []:
        print("  media:", media["type"], media["signed_url"])
    for code in message.get("code") or []:
        print("  code:", code["language"], repr(code["code"]), "->", repr(code.get("stdout")))


assistant_id = os.environ.get("PIXIGPT_ASSISTANT_ID")
if not assistant_id:
    sys.exit("thread.py: set PIXIGPT_ASSISTANT_ID; `python -m pixigpt --list-assistants` shows those you have")

try:
    with Client() as client:
        thread_id = client.create_thread()["id"]
        try:
            for question in QUESTIONS:
                print("\n>", question)
                client.create_message(thread_id, "user", question)
                run = client.create_run(thread_id, assistant_id)
                run = client.wait_for_run(thread_id, run["id"])
                message = run.get("message")
                if message:
                    show(message)
                if run.get("usage"):
                    print("  usage:", run.get("usage"))
        finally:
            client.delete_thread(thread_id)
except (APIError, ValueError) as error:  # ValueError: no key
    sys.exit(f"thread.py: {error}")
