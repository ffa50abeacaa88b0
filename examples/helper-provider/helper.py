#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One turn of a conversation: records on standard input, lines on standard output, as README.md describes them.

This one asks a server of chat completions. Change ask() to use whatever has a Python library.
"""
import json
import os
import sys
import urllib.error
import urllib.request


def records(stream):
    """The kind, the other words of the header and the content of each record."""
    while header := stream.readline():
        *words, size = header.decode().split()
        content = stream.read(int(size)).decode()
        stream.read(1)  # the newline behind it
        yield words[0], words[1:], content


def said_by_model(lines):
    """The message of an earlier answer of ours."""
    text, calls = "", []
    for line in lines.split("\n"):
        word, _, rest = line.partition(" ")
        if word == "text":
            text += rest + "\n"
        elif word == "call":
            identifier, name, arguments = rest.split(" ", 2)
            calls.append({"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}})
    return {"role": "assistant", "content": text or None} | ({"tool_calls": calls} if calls else {})


def request_of(stream):
    """The body of a chat completion."""
    request = {"messages": [], "tools": []}
    for kind, words, content in records(stream):
        if kind == "model":
            request["model"] = content
        elif kind == "tool":
            description, _, parameters = content.partition("\n")
            function = {"name": words[0], "description": description, "parameters": json.loads(parameters)}
            request["tools"].append({"type": "function", "function": function})
        elif kind == "assistant":
            request["messages"].append(said_by_model(content))
        elif kind in ("result", "failed"):
            request["messages"].append({"role": "tool", "tool_call_id": words[0], "content": content})
        else:
            request["messages"].append({"role": kind, "content": content})
    return request


def ask(request):
    """The service's message and the tokens that it counted."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("HELPER_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    url = os.environ["HELPER_BASE_URL"].rstrip("/") + "/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(request).encode(), headers)) as answer:
        document = json.load(answer)
    return document["choices"][0]["message"], document.get("usage") or {}


def main():
    try:
        message, usage = ask(request_of(sys.stdin.buffer))
    except (OSError, ValueError, KeyError, IndexError) as problem:
        # The host shows the last line of what a helper writes here. An HTTPError is an OSError; it names no key.
        sys.exit(f"{type(problem).__name__}: {problem}")
    for line in (message.get("content") or "").split("\n"):
        print("text", line)
    for call in message.get("tool_calls") or []:
        print("call", call["id"], call["function"]["name"], json.dumps(json.loads(call["function"]["arguments"])))
    print("usage", usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
    print("end", flush=True)


if __name__ == "__main__":
    main()
