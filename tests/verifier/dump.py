"""Reads the raw entries of a data directory, as the crash test exports them: `family key value`, each with its length.

What the keys mean is told in the host's sources: host/src/transport/embedded/keys.rs and host/src/store/.
"""

import struct
from collections import defaultdict


class Dump:
    def __init__(self, data):
        families = {family: dict(_entries(data, family)) for family in ("meta", "log", "key-value")}
        meta = families["meta"]
        numbers = _after(meta, b"number/")
        names = {number: name for name, number in numbers.items()}
        self.topics = {name.decode() for name in _after(meta, b"topic/")}
        self.offsets = {}
        for name, value in _after(meta, b"offset/").items():
            group, topic, partition = name.decode().split("/")
            self.offsets[group, topic, int(partition)] = struct.unpack(">q", value)[0]
        # (topic, partition) -> [(offset by its place, batch)]
        self.logs = defaultdict(list)
        for key, value in sorted(families["log"].items()):
            partition, offset = struct.unpack(">iq", key[4:])
            topic = names[key[:4]].decode().removeprefix("topic/")
            self.logs[topic, partition].append((offset, value))
        # (store, partition) -> key -> (timestamp, value)
        self.stores = defaultdict(dict)
        for key, value in families["key-value"].items():
            store = names[key[:4]].decode().removeprefix("store/")
            (partition,) = struct.unpack(">i", key[4:8])
            self.stores[store, partition][key[8:]] = (struct.unpack(">q", value[:8])[0], value[8:])
        # (store, partition) -> offset in its changelog up to which it holds what that says
        self.checkpoints = {}
        for key, value in _after(meta, b"checkpoint/").items():
            store = names[key[:4]].decode().removeprefix("store/")
            self.checkpoints[store, struct.unpack(">i", key[4:8])[0]] = struct.unpack_from(">q", value)[0]


def _after(entries, prefix):
    return {key[len(prefix) :]: value for key, value in entries.items() if key.startswith(prefix)}


def _entries(data, wanted):
    at = 0
    while at < len(data):
        fields = []
        for _ in range(3):
            (length,) = struct.unpack_from(">I", data, at)
            fields.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        family, key, value = fields
        if family.decode() == wanted:
            yield key, value
