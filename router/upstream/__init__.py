"""The one narrow seam to models; `base` has the contract that every implementation keeps.

The clients on aiohttp and litellm are not gathered here: `loader` imports them where they are wanted.
"""

from router.upstream.by_provider import ByProvider
from router.upstream.native import NativeUpstream
from router.upstream.scripted import Line, Scripted

__all__ = ["ByProvider", "Line", "NativeUpstream", "Scripted"]
