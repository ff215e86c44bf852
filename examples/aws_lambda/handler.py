"""An AWS Lambda function that answers {"prompt": "..."}: a direct invocation, or the body of an HTTP event.

HTTP events (function URL, API Gateway, load balancer) get a response with a status: 200 {"content", "usage"}, 400 the
request is wrong, 502 the service refused or failed, 504 there was no answer in time. A direct invocation gets the
content and usage, or fails with an errorType of the same meaning: BadRequest, BadGateway, GatewayTimeout.

Settings, from the environment: PIXIGPT_API_KEY, and if wanted PIXIGPT_BASE_URL and PIXIGPT_ASSISTANT_ID.
"""

import base64
import json
import os
import time
from typing import Any

from pixigpt import APIError, APITimeoutError, Client, Message

MARGIN = 0.5  # seconds of the function's time that are left for the answer's way out

# Once for each execution environment, not for each call: its connections live from one invocation to the next.
client = Client()
try:
    client.with_options(timeout=5).connect()  # DNS, TCP and TLS while Lambda is still starting up
except APIError:
    pass  # the first invocation tries again, and can tell what is wrong
assistant_id = os.environ.get("PIXIGPT_ASSISTANT_ID") or None


class BadRequest(Exception):
    status = 400


class BadGateway(Exception):
    status = 502


class GatewayTimeout(Exception):
    status = 504


def handler(event: Any, context: Any) -> Any:
    """What Lambda calls."""
    began = time.monotonic()
    is_http = isinstance(event, dict) and ("requestContext" in event or "body" in event)
    log: dict[str, Any] = {"invocation": context.aws_request_id, "status": 500}
    try:
        prompt = read_prompt(read_body(event) if is_http else event)
        result = answer(prompt, context.get_remaining_time_in_millis() / 1000 - MARGIN, log)
        log["status"] = 200
    except (BadRequest, BadGateway, GatewayTimeout) as error:
        log.update(status=error.status, error=str(error))
        if not is_http:
            raise
        result = {"error": str(error)}
    finally:
        # One line of JSON, which CloudWatch Logs Insights can query. Neither the key nor the prompt is in it.
        print(json.dumps({**log, "seconds": round(time.monotonic() - began, 3)}))
    if not is_http:
        return result
    return {
        "statusCode": log["status"],
        "isBase64Encoded": False,  # which a load balancer wants to be told
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(result),
    }


def read_body(event: dict[str, Any]) -> Any:
    body = event.get("body") or ""
    try:
        return json.loads(base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body)
    except (ValueError, TypeError, RecursionError):
        raise BadRequest("the body is not JSON") from None


def read_prompt(request: Any) -> str:
    prompt = request.get("prompt") if isinstance(request, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadRequest('the request must be {"prompt": "..."}')
    return prompt


def answer(prompt: str, seconds: float, log: dict[str, Any]) -> dict[str, Any]:
    if seconds <= 0:
        raise GatewayTimeout("no time is left to ask")
    messages = [Message(role="user", content=prompt)]
    if assistant_id is None:
        messages.insert(0, Message(role="system", content="You are a helpful assistant."))
    patient = client.with_options(timeout=seconds)  # the same connections
    try:
        response = patient.create_chat_completion(messages=messages, assistant_id=assistant_id)
        result = {"content": response["choices"][0]["message"]["content"], "usage": response.get("usage")}
    except APITimeoutError:
        raise GatewayTimeout(f"no answer within {seconds:.1f} s") from None
    except (APIError, LookupError) as error:
        if isinstance(error, APIError):  # not its text, in which a server may repeat the prompt
            log.update(upstream=error.status_code, code=error.code, request=error.request_id)
        raise BadGateway(f"the service: {type(error).__name__}") from None
    except ValueError:
        raise BadRequest("the prompt is not valid Unicode") from None
    log["usage"] = result["usage"]
    return result
