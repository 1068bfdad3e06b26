"""Kafka's record batches (v2), partitioner and checksum, written from Kafka's protocol documents alone.

Nothing here is shared with the host: what both get wrong in the same way must be wrong twice, by two hands.
"""

import struct
from typing import NamedTuple, Optional

HEADER = struct.Struct(">qiiBIhiqqqhii")
CRC_FROM = 21


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple


class Damaged(Exception):
    pass


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
    """All records of batches that lie one after the other. Raises Damaged for anything that is not sound. Compaction
    takes records out of a batch and leaves its range of offsets and its highest timestamp as they are."""
    records, at = [], 0
    while at < len(data):
        batch_records, at = _decode_batch(data, at, compacted)
        records.extend(batch_records)
    return records


def _decode_batch(data, at, compacted):
    if len(data) - at < HEADER.size:
        raise Damaged(f"{len(data) - at} bytes are no batch")
    base, length, _, magic, crc, attributes, last, first_time, max_time, _, _, _, count = HEADER.unpack_from(data, at)
    end = at + 12 + length
    whole = last >= count - 1 if compacted else last == count - 1
    if magic != 2 or attributes != 0 or end > len(data) or not whole:
        raise Damaged(f"batch at offset {base}: magic {magic}, attributes {attributes}, {count} records to {last}")
    if crc32c(data[at + CRC_FROM : end]) != crc:
        raise Damaged(f"batch at offset {base}: checksum")
    records, at, highest, before = [], at + HEADER.size, None, -1
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
        highest = records[-1].timestamp if highest is None else max(highest, records[-1].timestamp)
    if at != end or (highest != max_time and not compacted):
        raise Damaged(f"batch at offset {base}: it ends at {at} instead of {end}, or its highest timestamp is wrong")
    return records, end


def _put_varint(number, out):
    number = (number << 1) ^ (number >> 63)
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _put_field(field, out):
    _put_varint(-1 if field is None else len(field), out)
    out += field or b""


def encode(base, records):
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
    checked = struct.pack(">hiqqqhii", 0, count - 1, first_time, highest, -1, -1, -1, count) + body
    length = CRC_FROM - 12 + len(checked)
    return struct.pack(">qiiBI", base, length, -1, 2, crc32c(checked)) + checked
