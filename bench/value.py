#!/usr/bin/env python3
"""value.py BYTES: a JSON object of exactly so many bytes, as an API would give
it: a list of small records with ids, names and numbers that do not repeat. The
same on every run."""

import json
import random
import sys

WORDS = "amber birch cedar delta ember frost grove heath inlet jetty knoll ledge".split()


def record(rng):
    return {
        "id": "%012x" % rng.getrandbits(48),
        "name": " ".join(rng.choice(WORDS) for _ in range(3)),
        "price": rng.randrange(100, 100000) / 100,
        "stock": rng.randrange(1000),
    }


def encode(items, pad):
    return json.dumps({"items": items, "pad": pad}, separators=(",", ":"))


def main():
    size = int(sys.argv[1])
    rng = random.Random(42)
    items = []
    length = len(encode([], ""))
    while True:
        item = record(rng)
        # One byte for the comma between two records.
        more = len(json.dumps(item, separators=(",", ":"))) + (1 if items else 0)
        if length + more > size:
            break
        items.append(item)
        length += more
    if length > size:
        sys.exit("value.py: %d bytes are too few" % size)
    pad = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size - length))
    sys.stdout.write(encode(items, pad))


main()
