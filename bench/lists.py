#!/usr/bin/env python3
"""lists.py DIR LISTS BASE KEYS PER VALUE_FILE: array literals for pgbench.

Writes DIR/keys.1 to DIR/keys.LISTS, each a text[] of PER different random keys
from BASE to BASE + KEYS - 1, and DIR/values, a text[] of PER times the value.
The same on every run."""

import random
import sys


def main():
    folder, lists, base, keys, per, value_file = sys.argv[1:]
    rng = random.Random(42)
    for i in range(1, int(lists) + 1):
        chosen = rng.sample(range(int(keys)), int(per))
        with open("%s/keys.%d" % (folder, i), "w") as f:
            f.write("{%s}" % ",".join(str(int(base) + k) for k in chosen))
    with open(value_file) as f:
        value = f.read().replace("\\", "\\\\").replace('"', '\\"')
    with open("%s/values" % folder, "w") as f:
        f.write("{%s}" % ",".join(['"%s"' % value] * int(per)))


main()
