"""The outcome log: append-only segments of JSON lines, written beside serving and read by everything that learns."""

from router.journal.export import StepRecord, steps
from router.journal.files import Files, Limits, Sync
from router.journal.opening import opened
from router.journal.reader import Copy, Tail, Tally, last, read
from router.journal.records import OutcomeRecord, Record, VerdictRecord
from router.journal.revival import revived
from router.journal.writer import Journal, Sink

__all__ = [
    "Copy",
    "Files",
    "Journal",
    "Limits",
    "OutcomeRecord",
    "Record",
    "Sink",
    "StepRecord",
    "Sync",
    "Tail",
    "Tally",
    "VerdictRecord",
    "last",
    "opened",
    "read",
    "revived",
    "steps",
]
