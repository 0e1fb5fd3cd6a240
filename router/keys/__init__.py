"""Who may ask, and for what: keys kept as hashes, what each may do, the file they are kept in."""

from router.keys.file import Entry, made
from router.keys.grant import ANONYMOUS, LOCAL, SCOPES, Grant, Right
from router.keys.ring import Ring

__all__ = ["ANONYMOUS", "LOCAL", "SCOPES", "Entry", "Grant", "Right", "Ring", "made"]
