#!/usr/bin/env python3
"""report.py PART ROWS RAW HEAD DIR: the results of one part.

Reads the rows' records, the figures that run.sh measured (one line for each
round and cell: round, part, id, name, figure) and the head that says on what;
writes DIR/PART.md, a table with one line for each peer, and DIR/PART.svg.

The figure of a cell is its median over the rounds; "covet is" is how many times
better covet's is (faster, or less where less is better), with the least and the
greatest of the rounds in brackets. No figure is written without its peer's."""

import math
import re
import statistics
import subprocess
import sys

CELL = re.compile(r"^(\w+)(?:=[\w.]+)?(?:@[a-z]+)?(?:(>=|<=)([\d.]+))?$")
TITLES = {
    "cache": "Cache",
    "session": "Sessions",
    "json": "JSON values in the cache",
    "token": "Revoked tokens",
    "limit": "Rate limits and locks",
    "plain": "Plain tables of a server with covet, and of one without",
}
PEERS = {
    "floor": "the floor",
    "plain": "plain table",
    "sliding": "plain table, UPDATE to slide",
    "cache_get": "cache_get",
    "redis": "Redis",
    "memcached": "Memcached",
    "advisory": "advisory lock",
    "lru": "exact LRU",
    "stock": "without covet",
}
# A peer has the same colour in each picture.
COLOURS = {
    "floor": "#8c8c8c",
    "plain": "#4c72b0",
    "sliding": "#64b5cd",
    "cache_get": "#8172b3",
    "redis": "#c44e52",
    "memcached": "#55a868",
    "advisory": "#64b5cd",
    "lru": "#937860",
    "stock": "#4c72b0",
}
OTHER_COLOUR = "#dd8452"


class Row:
    def __init__(self, record):
        part, self.id, self.what, self.kind, options, cells = record
        self.part = part
        options = dict(pair.split("=", 1) for pair in options.split())
        self.unit = options.get("unit", "/s")
        self.less = options.get("less") == "1"
        self.cells = []
        for cell in cells.split():
            match = CELL.match(cell)
            if not match:
                sys.exit('report.py: "%s" is not a cell' % cell)
            name, relation, aim = match.groups()
            self.cells.append((name, relation, float(aim) if aim else None))


def read_rows(path, part):
    rows = []
    with open(path) as f:
        for line in f:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            record = [field.strip() for field in line.split("|")]
            if len(record) != 6:
                sys.exit("report.py: a record has six fields: %s" % line)
            if record[0] == part:
                rows.append(Row(record))
    return rows


def read_raw(path, part):
    """{(id, name): [figure of each round]}"""
    figures = {}
    with open(path) as f:
        for line in f:
            _, its_part, row, name, figure = line.rstrip("\n").split("\t")
            if its_part == part:
                figures.setdefault((row, name), []).append(float(figure))
    return figures


def figure_text(row, figure):
    if row.unit == "times":
        return "%.2f x" % figure
    text = "{:,.0f}".format(figure) if figure >= 100 or figure == 0 else "%.3g" % figure
    return text + ("/s" if row.unit == "/s" else " " + row.unit)


def times_better(row, ours, theirs):
    """Endless where covet needs nothing of what should be little."""
    if row.less:
        return theirs / ours if ours > 0 else math.inf
    return ours / theirs


def verdict(relation, aim, figure, smoke):
    """The aim, and unless nothing was really measured whether it was met."""
    text = "%s %s" % ("at least" if relation == ">=" else "at most", "{:,.10g}".format(aim))
    if smoke:
        return text
    met = figure >= aim if relation == ">=" else figure <= aim
    return text + (": met" if met else ": **missed**")


def pairs(rows, figures, smoke):
    """(row, peer, ours, theirs, ratio, least, greatest, relation, aim, own verdict)"""
    found = []
    for row in rows:
        _, own_relation, own_aim = row.cells[0]
        ours = figures[row.id, row.cells[0][0]]
        middle = statistics.median(ours)
        own = verdict(own_relation, own_aim, middle, smoke) if own_aim is not None else ""
        for name, relation, aim in row.cells[1:]:
            theirs = figures[row.id, name]
            ratios = [times_better(row, a, b) for a, b in zip(ours, theirs)]
            peer = statistics.median(theirs)
            found.append((row, name, middle, peer, times_better(row, middle, peer),
                          min(ratios), max(ratios), relation, aim, own))
            own = ""
    return found


def number(x):
    return "%.2f" % x if x < 10 else "%.1f" % x if x < 100 else "{:,.0f}".format(x)


def table(found, rounds, smoke):
    lines = ["| operation | covet | beside it | its figure | covet is | aim |",
             "|---|---:|---|---:|---:|---|"]
    last = None
    for row, peer, ours, theirs, ratio, least, greatest, relation, aim, own in found:
        times = "∞" if math.isinf(ratio) else "%s x" % number(ratio)
        if rounds > 1 and not math.isinf(greatest):
            times += " (%s to %s)" % (number(least), number(greatest))
        aims = [own] if own else []
        if aim is not None:
            aims.append(verdict(relation, aim, ratio, smoke))
        lines.append("| %s | %s | %s | %s | %s | %s |" % (
            row.what if row is not last else "", figure_text(row, ours), PEERS.get(peer, peer),
            figure_text(row, theirs), times, "; ".join(aims)))
        last = row
    return "\n".join(lines) + "\n"


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def plot(part, found, smoke, path):
    """Bars from 1 (as fast as the peer), to the right where covet is better.
    What is endless has no bar: it stands in the table only."""
    found = [entry for entry in found if not math.isinf(entry[4])]
    places, y = [], 0.0
    for i, entry in enumerate(found):
        if i > 0:
            y += 1.0 if entry[0] is found[i - 1][0] else 1.5
        places.append(y)
    ratios = [entry[4] for entry in found]
    low, high = min(ratios + [0.5]) / 1.6, max(ratios + [2]) * 1.6
    script = [
        "set encoding utf8",
        "set terminal svg size 900,%d font 'sans-serif,12' noenhanced background 'white'" % (180 + 20 * y),
        "set output %s" % quoted(path),
        "set title %s" % quoted("%s%s: covet beside its peers, in one run" % ("SMOKE, " if smoke else "", TITLES.get(part, part))),
        "set xlabel 'times its peer (to the right of 1 covet is better)'",
        "set logscale x",
        "set xrange [%g:%g]" % (low, high),
        "set yrange [%g:-1]" % (y + 1),
        "set lmargin 42",
        "set rmargin 4",
        "set grid xtics back lt 1 lc rgb '#e0e0e0'",
        "set key above horizontal",
        "set style fill solid 1 noborder",
        "set xtics (%s)" % ", ".join("'%g' %g" % (t, t) for t in ticks(low, high)),
        "set ytics nomirror scale 0 (%s)" % ", ".join(
            "%s %g" % (quoted(entry[0].what), place) for i, (entry, place) in enumerate(zip(found, places))
            if i == 0 or found[i - 1][0] is not entry[0]),
        "set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb '#333333' lw 1.5 front",
    ]
    for i, (entry, place) in enumerate(zip(found, places)):
        # Beyond the end of the bar, and beyond the mark of the aim.
        if entry[4] >= 1:
            x, side = entry[4] * 1.03, "left"
        else:
            x, side = min(entry[4], entry[8] or 1) * 0.97, "right"
        script.append("set label %d %s at %g, %g %s font ',10' front" % (
            i + 1, quoted(number(entry[4])), x, place, side))
    drawn, data = [], []
    for name in dict.fromkeys(entry[1] for entry in found):
        drawn.append("'-' using 1:2:3:4:5:6 with boxxyerror lc rgb '%s' title %s" % (
            COLOURS.get(name, OTHER_COLOUR), quoted(PEERS.get(name, name))))
        for entry, place in zip(found, places):
            if entry[1] == name:
                data.append("%g %g %g %g %g %g" % (
                    entry[4], place, min(1, entry[4]), max(1, entry[4]), place - 0.4, place + 0.4))
        data.append("e")
    aims = [(entry[8], place) for entry, place in zip(found, places) if entry[8] is not None]
    if aims:
        drawn.append("'-' using 1:2:(0):(1.0) with vectors nohead lc rgb '#000000' lw 2.5 title 'aim'")
        data += ["%g %g" % (aim, place - 0.5) for aim, place in aims]
        data.append("e")
    script.append("plot " + ", ".join(drawn))
    subprocess.run(["gnuplot"], input="\n".join(script + data) + "\n", text=True, check=True)


def ticks(low, high):
    found = []
    decade = 0.001
    while decade <= high:
        found += [decade * m for m in (1, 2, 5) if low <= decade * m <= high]
        decade *= 10
    return found


def main():
    part, rows_path, raw_path, head_path, folder = sys.argv[1:]
    rows = read_rows(rows_path, part)
    figures = read_raw(raw_path, part)
    rounds = len(figures[rows[0].id, rows[0].cells[0][0]])
    for row in rows:
        for name, _, _ in row.cells:
            if len(figures.get((row.id, name), [])) != rounds:
                sys.exit("report.py: %s, %s was not measured in each round" % (row.id, name))
    with open(head_path) as f:
        head = f.read()
    smoke = "SMOKE" in head
    found = pairs(rows, figures, smoke)
    with open("%s/%s.md" % (folder, part), "w") as f:
        f.write("# %s%s\n\n%s\n%s" % ("SMOKE: " if smoke else "", TITLES.get(part, part), head, table(found, rounds, smoke)))
    plot(part, found, smoke, "%s/%s.svg" % (folder, part))


main()
