#!/usr/bin/env python3
"""zipf.py trace SEED KEYS LENGTH FILE: writes LENGTH keys into FILE, one a line,
drawn from KEYS different ones of which the n-th most frequent comes with a
probability in proportion to 1 / n ** 0.99. Which key is how frequent does not
follow from its name. The same for the same SEED.

zipf.py lru CAPACITY FILE: prints the percentage of hits that a cache of CAPACITY
entries has on that trace when it evicts what was not asked for longest."""

import collections
import itertools
import random
import sys

SKEW = 0.99


def write_trace(seed, keys, length, path):
    rng = random.Random(seed)
    names = ["%012d" % i for i in range(keys)]
    rng.shuffle(names)
    weights = list(itertools.accumulate((n + 1) ** -SKEW for n in range(keys)))
    with open(path, "w") as f:
        for key in rng.choices(names, cum_weights=weights, k=length):
            f.write(key + "\n")


def lru_hits(capacity, path):
    held = collections.OrderedDict()
    hits = asked = 0
    with open(path) as f:
        for key in f:
            asked += 1
            if key in held:
                hits += 1
                held.move_to_end(key)
                continue
            if len(held) == capacity:
                held.popitem(last=False)
            held[key] = True
    return 100 * hits / asked


def main():
    if sys.argv[1] == "trace":
        seed, keys, length = map(int, sys.argv[2:5])
        write_trace(seed, keys, length, sys.argv[5])
    else:
        print("%.3f" % lru_hits(int(sys.argv[2]), sys.argv[3]))


main()
