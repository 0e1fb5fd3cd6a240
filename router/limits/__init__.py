"""How much a key may do: so often, so many at once, so many dollars."""

from router.limits.admission import Admission
from router.limits.guard import Guard
from router.limits.purse import Purse
from router.limits.quota import Quota

__all__ = ["Admission", "Guard", "Purse", "Quota"]
