"""The one narrow seam to models; `base` has the contract that every implementation keeps."""

from router.upstream.by_provider import ByProvider
from router.upstream.litellm import LiteLLMUpstream
from router.upstream.native import NativeUpstream
from router.upstream.openai import OpenAIUpstream
from router.upstream.scripted import Line, Scripted

__all__ = ["ByProvider", "Line", "LiteLLMUpstream", "NativeUpstream", "OpenAIUpstream", "Scripted"]
