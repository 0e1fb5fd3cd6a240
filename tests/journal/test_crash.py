"""A writer that is killed in the middle of its work, many times: nothing but the last record is ever lost or torn."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from router.journal import Tally, last, read, records, segment
from router.journal.records import OutcomeRecord
from tests.journal.made import line, said

KILLS = 12
LINE = line(0, text="x" * 4_000).decode().strip()
WRITER = """
import sys
from pathlib import Path
from router.journal import Files, Limits

files = Files(Path(sys.argv[1]), Limits(segment_bytes=300_000, sync=sys.argv[2], compress=sys.argv[2] == "never"))
first, number = int(sys.argv[3]), 0
line = sys.argv[4].encode() + b"\\n"
print("ready", flush=True)
while True:
    batch = [line.replace(b"dec_0", b"dec_%d" % (first + number + i)) for i in range(7)]
    files.write(batch)
    number += 7
    print(first + number, flush=True)  # whole batches up to here have been handed to the system
"""


def test_kill_nine_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """Twelve writers, one after the other in one folder, each killed at some moment: every record of every batch that a
    writer had finished is there once, and at most one line of a segment, its last, is torn."""
    handed: list[int] = []
    draw = random.Random(7)
    for kill in range(KILLS):
        sync = ("never", "interval", "always")[kill % 3]
        handed += _killed(tmp_path, sync, kill * 1_000_000, draw.uniform(0.01, 0.15))
    tally = Tally()
    numbers = [int(r.decision_id[4:]) for r in read(tmp_path, tally=tally)]
    assert set(handed) <= set(numbers) and len(numbers) == len(set(numbers))
    assert len(handed) > KILLS * 7 and tally.invalid == 0
    for each in segment.listed(tmp_path):
        if each.path.suffix == ".jsonl":
            *whole, _ = each.path.read_bytes().split(b"\n")
            assert all(isinstance(records.decode(text), OutcomeRecord) for text in whole)


def _killed(folder: Path, sync: str, first: int, after: float) -> list[int]:
    """Runs a writer and kills it; the numbers of the records that it had written."""
    command = [sys.executable, "-c", WRITER, str(folder), sync, str(first), LINE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split(b"\n")[:-1]
    assert process.returncode == -signal.SIGKILL
    end = int(told[-1]) if told else first + 7
    return list(range(first, end))


def test_any_cut_of_a_segment_leaves_all_before_it(tmp_path: Path) -> None:
    """Wherever a power cut ends the file, whole lines are read and the rest of one is passed over; nor does a hole of
    zeros, which some file systems leave, harm what a later writer adds."""
    text = b"".join(said(i) for i in range(3))
    ends = [i + 1 for i, byte in enumerate(text) if byte == 10]
    path = tmp_path / "journal-20200101T000000Z-1-000001.jsonl"
    for cut in range(len(text) + 1):
        path.write_bytes(text[:cut])
        tally = Tally()
        assert len([*read(tmp_path, tally=tally)]) == sum(end <= cut for end in ends)
        assert tally.torn == (cut not in (0, *ends)) and tally.invalid == 0
    path.write_bytes(text[: ends[1]] + b"\x00" * 700)
    assert len([*read(tmp_path)]) == 2 and last(tmp_path, 1) == []
