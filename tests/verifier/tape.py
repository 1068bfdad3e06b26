"""Writes the input of a crash run: `tape.py SEED DIRECTORY`.

One file of record batches for each input partition, `<topic>-<partition>.batches`, and `notes.txt`, whose lines the
host's own command puts into the topic `notes`. Every record carries a header `src` that says where it came from.
"""

import random
import sys
from pathlib import Path

import kafka

PARTITIONS = 4
# Records a partition: some thousands of words in all, so that a run has a few hundred commits and takes seconds.
LINES, MORE, PROFILES, NOTES = 200, 70, 90, 150
START = 1_700_000_000_000


def lines(pick, topic, partition, count):
    """Text with shared words and words of this partition only; some cannot be processed, some have no key or value."""
    records, time = [], START
    for number in range(count):
        time += pick.choice([0, 0, 1, 3, 10, -2])
        words = [pick.choice([f"w{pick.randrange(40)}", f"p{partition}-{pick.randrange(25)}"]) for _ in range(4)]
        words += pick.choices([["boom"], ["left"], []], [1, 4, 15])[0]
        pick.shuffle(words)
        key = pick.choices([f"k{partition}-{pick.randrange(8)}".encode(), None], [19, 1])[0]
        value = pick.choices([" ".join(words).encode(), None, b"", b"reset"], [40, 1, 1, 4])[0]
        headers = [(b"src", f"{topic}/{partition}/{number}".encode())]
        if pick.randrange(10) == 0:
            headers.append((b"", pick.choice([None, b"", b"\xff\x00"])))
        records.append((time, key, value, tuple(headers)))
    return records


def profiles(pick, topic, partition, count):
    """Rows `city,name` of a table, tombstones among them; rows without a city belong to no group."""
    records, time = [], START
    for number in range(count):
        time += pick.randrange(-3, 9)
        row = f"{pick.choice(['ath', 'rom', 'oslo', 'ulm', 'wien'])},n{pick.randrange(30)}".encode()
        key = pick.choices([f"u{partition}-{pick.randrange(10)}".encode(), None], [30, 1])[0]
        value = pick.choices([row, None, b"nowhere"], [20, 5, 1])[0]
        records.append((time, key, value, ((b"src", f"{topic}/{partition}/{number}".encode()),)))
    return records


def batches(pick, records):
    data, at = b"", 0
    while at < len(records):
        count = pick.randrange(1, 25)
        data += kafka.encode(at, records[at : at + count])
        at += count
    return data


def main(seed, directory):
    pick, directory = random.Random(seed), Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for topic, make, count in [("lines", lines, LINES), ("more", lines, MORE), ("profiles", profiles, PROFILES)]:
        for partition in range(PARTITIONS):
            data = batches(pick, make(pick, topic, partition, count))
            (directory / f"{topic}-{partition}.batches").write_bytes(data)
    notes = [f"note {number} {pick.random()}" for number in range(NOTES)]
    (directory / "notes.txt").write_text("".join(f"{note}\n" for note in notes))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
