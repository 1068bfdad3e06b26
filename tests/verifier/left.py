"""How much input the crash app has left, who is in its group, and which nodes it needs: `left.py BOOTSTRAP --app APP
--prefix PREFIX` prints `{"text": 5, "all": 9, "places": 13, "members": 2, "nodes": {"group coordinator": 1, ...}}`.

`places` are partitions of the tape's topics for which the group has a committed offset. `text` counts records of the topics that are read first, `all` those of all that the app reads. Markers count as records
do: who asks wants to know whether there is work, and nothing of what is counted may be taken for more than that.
`members` is null while the group forms anew.
"""

import argparse
import json

import model
import snapshot
from client import GROUP, TRANSACTION, Client

TEXT = ("lines", "more")
# A topic whose leader is looked for.
OUTPUT = "both"
# States of a group that knows its members.
SETTLED = ("Stable", "Empty", "Dead")


def nodes(cluster, options, names):
    """By what they do for the app; some only once there is an output or a transaction."""
    found = {"group coordinator": cluster.find_coordinator(GROUP, options.app).node}
    output = f"{options.prefix}{OUTPUT}"
    if output in cluster.metadata():
        found["leader of an output"] = cluster.node(cluster.leader(output, 0))
    ids = sorted(snapshot.transactions_of(cluster, names))
    if ids:
        found["transaction coordinator"] = cluster.find_coordinator(TRANSACTION, ids[0]).node
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bootstrap")
    arguments.add_argument("--app", required=True)
    arguments.add_argument("--prefix", default="")
    options = arguments.parse_args()
    names = snapshot.Names(options.app, options.prefix)
    read = {topic for topics, _, _ in model.SUBTOPOLOGIES for topic in topics}
    left = {"text": 0, "all": 0, "places": 0}
    with Client(options.bootstrap) as cluster:
        places = snapshot.places_of(cluster, names)
        offsets = cluster.committed(options.app, stable=False)
        for theirs, (topic, _) in places.items():
            if topic in read:
                left["places"] += topic in model.INPUTS and offsets.get(theirs, -1) >= 0
                lag = cluster.bounds(*theirs).end - max(offsets.get(theirs, 0), 0)
                left["all"] += lag
                left["text"] += lag if topic in TEXT else 0
        group = cluster.group(options.app)
        left["members"] = len(group.members) if group.state in SETTLED else None
        left["nodes"] = cluster.settled(lambda: nodes(cluster, options, names))
    print(json.dumps(left))


if __name__ == "__main__":
    main()
