#!/usr/bin/env python3
"""p99.py "BEGIN END" DIR: of the logs that pgbench -l wrote into DIR, the 99th
percentile of the latencies in "busy.*" that ended between BEGIN and END
(seconds of the epoch), divided by that in all of "idle.*"."""

import glob
import sys


def latencies(pattern, begin, end):
    found = []
    for path in glob.glob(pattern):
        with open(path) as f:
            for line in f:
                # client, transaction, latency in us, script, seconds, us
                fields = line.split()
                if begin <= int(fields[4]) + int(fields[5]) / 1e6 <= end:
                    found.append(int(fields[2]))
    if len(found) < 100:
        sys.exit("p99.py: only %d transactions in %s" % (len(found), pattern))
    found.sort()
    return found[len(found) * 99 // 100]


def main():
    begin, end = map(float, sys.argv[1].split())
    folder = sys.argv[2]
    busy = latencies(folder + "/busy.*", begin, end)
    idle = latencies(folder + "/idle.*", 0, float("inf"))
    print("%.3f" % (busy / idle))


main()
