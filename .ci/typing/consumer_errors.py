# pyright: strict
"""What a user must be told: the lines marked E, in every checker."""

import asyncio

from pixigpt import AsyncClient, ChatCompletionRequest, Client, Message

client = Client(api_key="key")
answer = client.create_chat_completion(messages=[])

# Fields missing, misspelt and mistyped, in each form of a request.
client.create_chat_completion()  # E
client.create_chat_completion([])  # E
client.create_chat_completion({"model": "m"})  # E
client.create_chat_completion(model="m")  # E
client.create_chat_completion({"messages": [], "modle": "m"})  # E
client.create_chat_completion(messages=[], modle="m")  # E !ty  (it takes any keyword beside those of the TypedDict)
client.create_chat_completion({"messages": [], "max_tokens": "m"})  # E
client.create_chat_completion(messages=[], max_tokens="m")  # E
client.create_chat_completion(messages=[{"roel": "user", "content": "Hi"}])  # E
client.create_chat_completion(messages=[{"role": "user", "content": 3}])  # E
client.create_chat_completion({"messages": [{"content": "Hi"}]})  # E
client.create_chat_completion(messages=[], tools=["weather"])  # E
client.analyze_image()  # E
client.analyze_image({"image": "u"})  # E
client.create_embedding(input=3)  # E
client.rerank(query="q")  # E
ChatCompletionRequest(model="m")  # E
ChatCompletionRequest(messages=[], modle="m")  # E
Message(role="user", contnet="Hi")  # E
Message(content="Hi")  # E

# Arguments of methods.
Client(api_key=3)  # E
Client(key="key")  # E
client.create_thread(metdata={})  # E
client.get_thread(3)  # E
client.create_run("t")  # E
client.list_messages("t", limit="5")  # E
client.create_messages_bulk("t", [{"roel": "user", "content": "Hi"}])  # E
client.create_messages_bulk("t", [{"role": "user"}])  # E

# Answers. Attributes are there at run time; only pyright and pyrefly let a TypedDict have them.
answer["chioces"]  # E
answer["choices"][0]["message"]["content"].upper()  # E
answer["usage"]["total_tokens"].upper()  # E
print(answer.choices)  # E !pyright !pyrefly
print(answer["choices"][0].message)  # E !pyright !pyrefly


async def awaited(client: AsyncClient) -> None:
    await client.create_chat_completion()  # E
    await client.create_chat_completion({"messages": 1})  # E
    await client.create_chat_completion(model="m")  # E
    await client.create_thread(metdata={})  # E
    client.with_options(timout=5)  # E
    client.run_tools(mesages=[])  # E
    await client.get_thread(3)  # E
    (await client.get_thread("t"))["idd"]  # E
    (await asyncio.gather(client.create_chat_completion(messages=[]), client.connect()))[0]["idd"]  # E
    client.get_thread("t")["id"]  # E
