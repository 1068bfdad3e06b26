"""The order in which a task took the records of two partitions."""

from collections import defaultdict


def source(headers):
    """Where a record was read first: topic, partition, offset; none if it does not say so."""
    said = dict(headers).get(b"src")
    if said is None:
        return None
    topic, partition, offset = said.split(b"/")
    return topic.decode(), int(partition), int(offset)


def by_timestamp(first, second):
    """The head with the lower timestamp, the first partition's if they are equal."""
    first, second, both = list(first), list(second), []
    while first or second:
        from_first = first and (not second or first[0].timestamp <= second[0].timestamp)
        both.append((first if from_first else second).pop(0))
    return both


def explaining(first, second, sequences):
    """An order that keeps each partition's and agrees with every sequence of sources that was seen in an output, and
    what contradicts it, if anything does. Where the outputs leave a choice it goes by timestamp: they cannot tell."""
    known = {source(record.headers): record for record in [*first, *second]}
    before = defaultdict(set)
    for sequence in [[source(record.headers) for record in part] for part in (first, second)] + list(sequences):
        seen = list(dict.fromkeys(one for one in sequence if one in known))
        for earlier, later in zip(seen, seen[1:]):
            before[later].add(earlier)
    parts, merged, done = [list(first), list(second)], [], set()
    while parts[0] or parts[1]:
        heads = [part for part in parts if part and before[source(part[0].headers)] <= done]
        if not heads:
            waiting = [source(part[0].headers) for part in parts if part]
            return by_timestamp(first, second), f"{waiting} wait for each other"
        part = min(heads, key=lambda part: part[0].timestamp)
        merged.append(part.pop(0))
        done.add(source(merged[-1].headers))
    return merged, None
