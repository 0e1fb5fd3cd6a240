"""One agent step: the request, and the facts that the decision reads from it."""

from router.step.extract import facts
from router.step.request import NULL, Facts, Function, Message, Native, StepRequest, ToolCall
from router.step.vector import vector

__all__ = ["NULL", "Facts", "Function", "Message", "Native", "StepRequest", "ToolCall", "facts", "vector"]
