"""What the app of tests/crash/millstream.toml must do, written from the meaning of its operators.

A task is a function from the records that it has read to what it has written and what it remembers, one record at a
time. `Done` collects that: emissions by topic, in order; every state that a store's key ever had, in order.
"""

import struct
from collections import defaultdict

LETTERS = "dead-letters"


class Done:
    def __init__(self):
        self.emissions = []  # (topic, timestamp, key, value, headers)
        self.stores = defaultdict(lambda: defaultdict(list))  # store -> key -> [(timestamp, value or None, headers)]

    def emit(self, topic, record, **changed):
        record = record._replace(**changed)
        self.emissions.append((topic, record.timestamp, record.key, record.value, record.headers))

    def state(self, store, key):
        states = self.stores[store][key]
        return states[-1] if states and states[-1][1] is not None else None

    def put(self, store, record, timestamp, value):
        self.stores[store][record.key].append((timestamp, value, record.headers))


def folded(done, store, record, function):
    """One step of an aggregate; returns the change's timestamp and value."""
    before = done.state(store, record.key)
    value = function(before[1] if before else None)
    timestamp = max(before[0], record.timestamp) if before else record.timestamp
    done.put(store, record, timestamp, value)
    return timestamp, value


def text_task(text):
    """Reads `lines` and `more`, merged in the order in which it takes them."""
    done = Done()
    for record in text:
        value = record.value
        if value is not None and b"boom" in value:
            done.emit(LETTERS, record)
            continue
        if record.key is not None and value is not None:
            timestamp, state = folded(done, "stories", record, lambda state: (state or b"") + value)
            done.emit("stories", record, timestamp=timestamp, value=state)
            runs = lambda state: value if state is None else None if value == b"reset" else state + value
            timestamp, state = folded(done, "runs", record, runs)
            done.emit("runs", record, timestamp=timestamp, value=state)
        for word in (value or b"").split(b" "):
            if word:
                done.emit("crash-by-word-repartition", record, key=word, value=b"1")
        left = value is not None and b"left" in value
        done.emit("both", record, value=value.upper() if left else value)
    return done


def word_task(words):
    """Reads the repartition topic of words."""
    done = Done()
    for record in words:
        add = lambda state: struct.pack(">q", struct.unpack(">q", state or bytes(8))[0] + 1)
        timestamp, state = folded(done, "counts", record, add)
        done.emit("counts", record, timestamp=timestamp, value=state)
        folded(done, "totals", record, add)
    return done


def change(new, old):
    """A table's change as one value."""
    flags = (1 if new is not None else 0) | (2 if old is not None else 0)
    length = struct.pack(">I", len(new)) if flags == 3 else b""
    return bytes([flags]) + length + (new or b"") + (old or b"")


def sides(value):
    if value[0] == 3:
        (length,) = struct.unpack_from(">I", value, 1)
        return value[5 : 5 + length], value[5 + length :]
    return (value[1:] if value[0] == 1 else None, value[1:] if value[0] == 2 else None)


def profile_task(profiles):
    """Reads the table `profiles`."""
    done = Done()
    for record in profiles:
        if record.key is None:
            continue
        before = done.state("profiles", record.key)
        old = before[1] if before else None
        done.put("profiles", record, record.timestamp, record.value)
        kept = [value if value is not None and b"o" in value else None for value in (record.value, old)]
        if kept != [None, None]:
            done.emit("profiles-out", record, value=kept[0])
        group = lambda row: tuple(row.split(b",")[:2]) if row is not None and b"," in row else None
        new, old = group(record.value), group(old)
        if new and old and new[0] == old[0]:
            done.emit("crash-by-city-repartition", record, key=new[0], value=change(new[1], old[1]))
        else:
            if old:
                done.emit("crash-by-city-repartition", record, key=old[0], value=change(None, old[1]))
            if new:
                done.emit("crash-by-city-repartition", record, key=new[0], value=change(new[1], None))
    return done


def city_task(changes):
    """Reads the repartition topic of cities."""
    done = Done()
    for record in changes:
        new, old = sides(record.value)

        def step(state):
            state = state or b""
            state += b"" if old is None else b"-" + old
            return state + (b"" if new is None else b"+" + new)

        timestamp, state = folded(done, "cities", record, step)
        done.emit("cities", record, timestamp=timestamp, value=state)
    return done


def note_task(notes):
    """Reads `notes`."""
    done = Done()
    for record in notes:
        done.emit("notes-out", record, value=record.value.upper())
    return done


# Each subtopology: its input topics, its task, its stores (each with a changelog topic). What it reads from a
# repartition topic is read as it lies there.
SUBTOPOLOGIES = [
    (("lines", "more"), text_task, ("stories", "runs")),
    (("crash-by-word-repartition",), word_task, ("counts", "totals")),
    (("profiles",), profile_task, ("profiles",)),
    (("crash-by-city-repartition",), city_task, ("cities",)),
    (("notes",), note_task, ()),
]
INPUTS = ("lines", "more", "profiles", "notes")
PARTITIONS = {"notes": 1, "notes-out": 1}  # All others have four.
# What the text's task writes.
TEXT_OUTPUTS = (LETTERS, "stories", "runs", "crash-by-word-repartition", "both")
# Topics whose partition n is written by task n alone.
INTERNAL = ("counts", "cities", "notes-out")
# Topics of aggregates that hand on only the last state at each commit, and their stores.
HELD_BACK = {"totals": "totals"}
