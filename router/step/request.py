"""One agent step as the proxy understands it: the request, and what the decision may know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

NULL = msgspec.Raw(b"null")


class Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: msgspec.Raw = NULL
    """A JSON string of JSON, as it came."""


class ToolCall(msgspec.Struct, frozen=True):
    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct, frozen=True):
    """One message, its content left as JSON until somebody needs it."""

    role: str
    content: msgspec.Raw = NULL
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: msgspec.Raw = NULL
    """Thoughts that a client sends back, in the spellings of several servers."""
    reasoning_content: msgspec.Raw = NULL
    reasoning_details: msgspec.Raw = NULL
    thinking_blocks: msgspec.Raw = NULL


class Native(msgspec.Struct, frozen=True):
    """A request in another dialect as it came, for deployments that speak it themselves."""

    body: bytes
    thinks: bool
    """Whether the caller expects thoughts in the answer."""
    dialect: Literal["messages", "responses"] = "messages"
    """As the catalog calls it."""
    thoughts: bool = False
    """Whether it holds thoughts that its translation may not have."""


class StepRequest(msgspec.Struct, frozen=True):
    """A wire request after parsing. `fields` holds every top-level member as raw JSON, unknown ones included."""

    model: str
    fields: dict[str, msgspec.Raw]
    messages: tuple[Message, ...]
    size: int
    """Bytes of the body as received."""
    stream: bool = False
    include_usage: bool = False
    """Whether the caller asked for the usage chunk itself."""
    max_tokens: int | None = None
    n: int = 1
    tools: tuple[str, ...] = ()
    """Names of the functions, and of tools of other kinds, offered."""
    tool_schemas: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    """Function name → JSON schema of its parameters, as JSON text; tools of other kinds have none."""
    tool_choice: str | None = None
    """`none`, `auto`, `required`, or the name of one function."""
    schema: bytes | None = None
    """The JSON schema that the answer must meet, as JSON text; None where no format is asked for."""
    logprobs: bool = False
    thinking: str | None = None
    """`on`, `off` or `low` where the caller sets it explicitly, in any provider's dialect."""
    images: tuple[tuple[int, int], ...] = ()
    """Width and height in pixels of each image, (0, 0) where it cannot be known without fetching."""
    image_bytes: int = 0
    """Bytes that the images' URLs take up in the body."""
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """The `turnout.*` entries of OpenAI `metadata`, parsed."""
    thoughts: bool = False
    """Whether earlier answers carry their thoughts."""
    author: str | None = None
    """The model whose thoughts the messages after the last user message hold, where that is known and they hold any."""
    native: Native | None = None
    """None where the caller speaks chat completions, or a dialect that no deployment takes."""
    hints: Mapping[str, Any] | None = None
    """The `turnout` object of the body, parsed, or None."""


class Facts(msgspec.Struct, frozen=True):
    """What the decision may know of a step. Numbers are raw; `vector` scales them."""

    input_bytes: int = 0
    """UTF-8 bytes of the messages and tools, images left out."""
    code: float = 0.0
    """Share of code in the last messages, 0..1."""
    non_latin: float = 0.0
    """Share of characters outside Latin scripts in the last messages, 0..1."""
    images: tuple[tuple[int, int], ...] = ()
    turn: int = 0
    """Assistant messages so far."""
    tool_results: int = 0
    """Tool results since the last user message."""
    severity: int = 0
    """Of the last tool result: 0 none, 1 soft failure, 2 exception, 3 hard refusal or timeout."""
    failure_share: float = 0.0
    """Of the last five tool results."""
    repeated: int = 0
    """How often the last tool call was made before with the same arguments."""
    reads: float = 0.5
    """Reads against writes in the last ten tool calls: 1 exploring, 0 producing."""
    tools: int = 0
    schema: bool = False
    logprobs: bool = False
    max_tokens: int | None = None
    n: int = 1
    thinking: str | None = None
    text: bytes = b""
    """Hashed words, `beliefs.text.hashed`; empty where the policy does not ask for them."""
