"""Turnout with LangChain and LangGraph: a tool loop whose steps are each routed by themselves.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

RUN = f"clerk-{uuid4().hex}"


@tool
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


model = ChatOpenAI(
    model="auto?step=tool_use&accuracy=0.8",
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    default_headers={"x-turnout-run-id": RUN},
).bind_tools([stock])


def answer(state: MessagesState) -> MessagesState:
    return {"messages": [model.invoke(state["messages"])]}


graph = StateGraph(MessagesState)
graph.add_node("answer", answer)
graph.add_node("tools", ToolNode([stock]))
graph.add_edge(START, "answer")
graph.add_conditional_edges("answer", tools_condition)
graph.add_edge("tools", "answer")

if __name__ == "__main__":
    result = graph.compile().invoke({"messages": [("user", "How many bolts have we?")]})
    print(f"run {RUN}: {result['messages'][-1].content}")
