"""A Python function that the model may call.

    python examples/sandbox.py python examples/tools.py     without an account
    PIXIGPT_API_KEY=... python examples/tools.py            with one

The model sees the function's name, type hints and docstring.
"""

import sys
from typing import Literal

from pixigpt import APIError, Client, Message


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict[str, object]:
    """Get the weather of a city right now.

    Args:
        city: The name of the city, such as Paris.
        unit: The unit of the temperature.
    """
    return {"city": city, "temperature": 21 if unit == "celsius" else 70, "unit": unit, "sky": "sunny"}


messages = [
    Message(role="system", content="You are a helpful assistant."),
    Message(role="user", content="What is the weather in Paris?"),
]
try:
    with Client() as client:
        for response in client.run_tools(messages=messages, tools=[get_weather]):
            message = response["choices"][0]["message"]
            for call in message.get("tool_calls") or []:
                print("calls", call["function"]["name"], call["function"]["arguments"])
            if message["content"]:
                print(message["content"])
except (APIError, ValueError) as error:  # ValueError: no key
    sys.exit(f"tools.py: {error}")
