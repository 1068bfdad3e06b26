"""Kafka's record batches (v2), partitioner and checksum, written from Kafka's protocol documents alone.

Nothing here is shared with the host: what both get wrong in the same way must be wrong twice, by two hands.
"""

import struct
import zlib
from typing import NamedTuple, Optional

HEADER = struct.Struct(">qiiBIhiqqqhii")
CRC_FROM = 21


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple


class Batch(NamedTuple):
    """A batch; one of `control` holds a single marker, by which a producer's transaction ended."""

    base: int
    last: int
    producer: int
    epoch: int
    transactional: bool
    control: bool
    records: list
    codec: str = "none"

    def commits(self):
        """Whether a marker says that the transaction was committed; otherwise it was aborted."""
        if not self.records:
            # Compaction took it away, which it does only when all records of the transaction are gone.
            return False
        _, kind = struct.unpack(">hh", self.records[0].key)
        return kind == 1


class Damaged(Exception):
    pass


# Bits of a batch's attributes. Which clock its timestamps are from is no concern of a reader's.
# The last one is set by compaction on batches with deletions: their base timestamp then is when those may go.
COMPRESSION, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 0x07, 0x08, 0x10, 0x20, 0x40
ATTRIBUTES = COMPRESSION | LOG_APPEND_TIME | TRANSACTIONAL | CONTROL | DELETE_HORIZON
CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def murmur2(data):
    """org.apache.kafka.common.utils.Utils#murmur2, as an unsigned number."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        h = ((h * m) & mask) ^ ((k * m) & mask)
    if whole < len(data):
        h ^= int.from_bytes(data[whole:], "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def partition_of(key, came_from, partitions):
    """Where a record goes; one without a key stays where its input record was."""
    return (came_from if key is None else murmur2(key) & 0x7FFFFFFF) % partitions


def _varint(data, at):
    shift = number = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7


def _field(data, at):
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    return bytes(data[at : at + length]), at + length


def decode(data, compacted=False):
    """All records of batches that lie one after the other, as the embedded log keeps them: without compression,
    transactions and markers. Raises Damaged for anything that is not sound."""
    records = []
    for batch in batches(data, compacted, allowed=0):
        records.extend(batch.records)
    return records


def batches(data, compacted=False, allowed=ATTRIBUTES):
    """All batches that lie one after the other, whose attributes have no other bits than the allowed. Compaction takes
    records out of a batch and leaves its range of offsets and its highest timestamp as they are."""
    found, at = [], 0
    while at < len(data):
        batch, at = _decode_batch(data, at, compacted, allowed)
        found.append(batch)
    return found


def cut(data):
    """The batches one by one, as bytes. Brokers cut the last one off when an answer is full; it is left out."""
    parts, at = [], 0
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">i", data, at + 8)[0]
        if end > len(data):
            break
        parts.append(data[at:end])
        at = end
    return parts


def _decode_batch(data, at, compacted, allowed):
    if len(data) - at < HEADER.size:
        raise Damaged(f"{len(data) - at} bytes are no batch")
    fields = HEADER.unpack_from(data, at)
    base, length, _, magic, crc, attributes, last, first_time, max_time, producer, epoch, _, count = fields
    end = at + 12 + length
    complete = last >= count - 1 if compacted else last == count - 1
    if magic != 2 or attributes & ~allowed or end > len(data) or not complete:
        raise Damaged(f"batch at offset {base}: magic {magic}, attributes {attributes}, {count} records to {last}")
    if crc32c(data[at + CRC_FROM : end]) != crc:
        raise Damaged(f"batch at offset {base}: checksum")
    body = _decompressed(data[at + HEADER.size : end], attributes & COMPRESSION, base)
    records = _decode_records(body, base, count, last, first_time, compacted)
    highest = max((record.timestamp for record in records), default=None)
    if highest != max_time and not compacted and not attributes & LOG_APPEND_TIME:
        raise Damaged(f"batch at offset {base}: its highest timestamp is {highest}, not {max_time}")
    transactional, control = bool(attributes & TRANSACTIONAL), bool(attributes & CONTROL)
    codec = CODECS[attributes & COMPRESSION]
    return Batch(base, base + last, producer, epoch, transactional, control, records, codec), end


def _decompressed(body, codec, base):
    if codec == 0:
        return body
    if codec == 1:
        return zlib.decompress(body, wbits=31)
    name = CODECS.get(codec, codec)
    raise Damaged(f"batch at offset {base}: compressed with {name}; only none and gzip are read: set compression.type=none")


def _decode_records(data, base, count, last, first_time, compacted):
    records, at, before = [], 0, -1
    for number in range(count):
        size, at = _varint(data, at)
        stop = at + size
        time, at = _varint(data, at + 1)
        delta, at = _varint(data, at)
        key, at = _field(data, at)
        value, at = _field(data, at)
        many, at = _varint(data, at)
        headers = []
        for _ in range(many):
            name, at = _field(data, at)
            text, at = _field(data, at)
            headers.append((name, text))
        if at != stop or not (before < delta <= last if compacted else delta == number):
            raise Damaged(f"batch at offset {base}: record {number} has offset delta {delta} and wrong length")
        before = delta
        records.append(Record(base + delta, first_time + time, key, value, tuple(headers)))
    if at != len(data):
        raise Damaged(f"batch at offset {base}: its records end at {at} instead of {len(data)}")
    return records


def _put_varint(number, out):
    number = (number << 1) ^ (number >> 63)
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _put_field(field, out):
    _put_varint(-1 if field is None else len(field), out)
    out += field or b""


def encode(base, records, producer=-1, epoch=-1, sequence=-1, attributes=0):
    """One batch of (timestamp, key, value, headers)."""
    first_time, body = records[0][0], bytearray()
    for number, (time, key, value, headers) in enumerate(records):
        one = bytearray(b"\0")
        _put_varint(time - first_time, one)
        _put_varint(number, one)
        _put_field(key, one)
        _put_field(value, one)
        _put_varint(len(headers), one)
        for name, text in headers:
            _put_field(name, one)
            _put_field(text, one)
        _put_varint(len(one), body)
        body += one
    count, highest = len(records), max(record[0] for record in records)
    body = _gzip(body) if attributes & COMPRESSION == 1 else body
    numbers = (attributes, count - 1, first_time, highest, producer, epoch, sequence, count)
    checked = struct.pack(">hiqqqhii", *numbers) + body
    length = CRC_FROM - 12 + len(checked)
    return struct.pack(">qiiBI", base, length, -1, 2, crc32c(checked)) + checked


def _gzip(body):
    squeeze = zlib.compressobj(wbits=31)
    return squeeze.compress(bytes(body)) + squeeze.flush()


def marker(base, producer, epoch, commits, timestamp=0):
    """The batch by which a broker ends a transaction."""
    key, value = struct.pack(">hh", 0, 1 if commits else 0), struct.pack(">hi", 0, 0)
    return encode(base, [(timestamp, key, value, ())], producer, epoch, -1, TRANSACTIONAL | CONTROL)
