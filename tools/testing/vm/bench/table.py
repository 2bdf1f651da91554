#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""table.py OUT ABOUT FILE...: the results of all guests as one table.

FILEs are what the guests printed: lines of iommufd_bench, and before each run
of it a line "server", its name and the IOMMU's mode. ABOUT is a text that says
how they were made. Writes OUT.txt, OUT.csv and OUT.svg.
"""
import csv
import fnmatch
import sys

import chart

SERVERS = ["type1", "upstream", "compat", "against", "ours", "container"]
TITLES = {
    "type1": "the type1 driver",
    "upstream": "upstream's iommufd",
    "compat": "upstream's container on iommufd",
    "against": "the kernel AGAINST",
    "ours": "our iommufd",
    "container": "our container",
}
# Who has to be beaten by whom.
RIVALS = {"ours": ["type1", "upstream"], "container": ["type1", "compat"]}

# What our iommufd shall cost at most.
AIMS = {
    ("memory-area", "bytes"): 128,
    ("pair", "map+unmap"): 4500,
    ("4k", "map"): 300,
    ("4k", "unmap"): 150,
    ("thp", "map"): 3,
    ("thp", "unmap"): 2,
    ("hugetlb", "map"): 3,
    ("hugetlb", "unmap"): 2,
    ("copy-4k", "copy"): 60,
    ("copy-hugetlb", "copy"): 2,
    ("attach-4k", "attach"): 60,
    ("attach-hugetlb", "attach"): 2,
    ("small-20k", "map"): 2600,
    ("small-20k", "unmap"): 1900,
    ("unmap-all-10k", "unmap"): 450,
}
# What it shall cost at most as a multiple of what another case costs, or of another
# cost of the same case: (case, cost) or pattern, the other, times. The first pattern counts.
RELATIVE_AIMS = [
    (("place-holes-*", "map"), ("place-holes-0", "map"), 1.3),
    (("place-*", "map"), ("place-0", "map"), 1.3),
    (("scale-4k-*", "map"), ("scale-4k-128m", "map"), 1.05),
    (("scale-4k-*", "unmap"), ("scale-4k-128m", "unmap"), 1.05),
    (("scale-thp-*", "map"), ("scale-thp-128m", "map"), 1.05),
    (("scale-thp-*", "unmap"), ("scale-thp-128m", "unmap"), 1.05),
    (("scale-hugetlb-*", "map"), ("scale-hugetlb-128m", "map"), 1.05),
    (("scale-hugetlb-*", "unmap"), ("scale-hugetlb-128m", "unmap"), 1.05),
    (("scale-areas-*", "map+unmap"), ("scale-areas-1k", "map+unmap"), 1.3),
    (("threads-2-in-one", "map+unmap"), ("threads-2-in-two", "map+unmap"), 1.1),
    (("parallel-4k", "together"), ("parallel-4k", "alone"), 1 / 1.6),
    (("parallel-thp", "together"), ("parallel-thp", "alone"), 1 / 1.6),
    (("parallel-4k-busy", "together"), ("parallel-4k-busy", "alone"), 1.05),
    (("parallel-thp-busy", "together"), ("parallel-thp-busy", "alone"), 1.05),
]


def aim_of(table, key, mode):
    case, cost, unit = key
    for (pattern, which), other, times in RELATIVE_AIMS:
        if which != cost or not fnmatch.fnmatchcase(case, pattern):
            continue
        measured = table.rows.get((*other, unit), {}).get("ours")
        if measured and other != (case, cost):
            return times * measured
        break
    return None if mode else AIMS.get((case, cost))


class Table:
    """Costs of cases (rows) at servers (columns), in order of appearance."""

    def __init__(self):
        self.rows = {}		# (case, cost, unit): {server: value}

    def add(self, server, fields):
        case, cost, unit, value = fields[:4]
        row = self.rows.setdefault((case, cost, unit), {})
        if value != "-":
            row[server] = float(value)

    def drop_empty(self):
        """Rows that no server can do."""
        self.rows = {key: row for key, row in self.rows.items() if row}

    def servers(self):
        there = {server for row in self.rows.values() for server in row}
        return [server for server in SERVERS if server in there]


def read(paths):
    """{mode: Table}; the mode "" is time, others say of what submissions are."""
    tables = {}
    for path in paths:
        server, mode = "ours", ""
        with open(path, errors="replace") as lines:
            for line in lines:
                word, *fields = line.rstrip("\r\n").split("\t")
                if word == "server":
                    server, mode = (fields + [""])[:2]
                elif word in ("result", "submissions") and len(fields) == 5:
                    tables.setdefault(mode, Table()).add(server, fields)
    for table in tables.values():
        table.drop_empty()
    return tables


def ratio(row, server):
    """How many times cheaper than the cheapest rival."""
    rivals = [row[name] for name in RIVALS[server] if name in row]
    if server not in row or not rivals:
        return None
    if not row[server]:
        return 1.0 if not min(rivals) else float("inf")
    return min(rivals) / row[server]


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def aim_words(table, key, row, mode):
    """The aim, marked if it is missed."""
    aim = aim_of(table, key, mode)
    if aim is None or "ours" not in row:
        return number(aim)
    return number(aim) + ("!" if row["ours"] > aim else " ")


def lines_of(table, mode):
    """The table as lists of words, its head first."""
    servers = table.servers()
    aims = ["aim "] if mode in ("", "wall") else []
    judged = [server for server in RIVALS
              if any(ratio(row, server) is not None for row in table.rows.values())]
    yield (["case", "cost", "per"] + servers + aims +
           ["ratio" if server == "ours" else f"ratio {server}" for server in judged])
    for key, row in table.rows.items():
        yield (list(key) + [number(row.get(server)) for server in servers] +
               [aim_words(table, key, row, mode) for _ in aims] +
               [number(ratio(row, server)) for server in judged])


def as_text(table, mode):
    lines = list(lines_of(table, mode))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        words = [word.ljust(width) if i < 3 else word.rjust(width)
                 for i, (word, width) in enumerate(zip(line, widths))]
        yield "  ".join(words).rstrip()


def title(mode):
    if not mode:
        return "Instructions (bytes, in the rows that say so):"
    if mode == "wall":
        return "Nanoseconds by the clock on the wall:"
    return f"Invalidations that a call submits to the IOMMU's queue, {mode}:"


def write_text(out, about, tables):
    with open(out + ".txt", "w") as file:
        file.write(about + "\n")
        for mode, table in tables.items():
            file.write(f"\n{title(mode)}\n\n")
            file.writelines(line + "\n" for line in as_text(table, mode))
            worse = [f"{key[0]} {key[1]} ({server})" for key, row in table.rows.items()
                     for server in RIVALS if (ratio(row, server) or 1) < 0.995]
            if worse:
                file.write(f"\nDearer than upstream: {', '.join(worse)}.\n")
        names = sorted({server for table in tables.values() for server in table.servers()},
                       key=SERVERS.index)
        file.write("\n" + "".join(f"{name:10} {TITLES[name]}\n" for name in names))
        file.write("aim        what ours shall cost at most; ! where it costs more\n")
        file.write("ratio      how many times cheaper than the cheaper of upstream's two\n")


def measure_of(mode, cost):
    if cost == "bytes":
        return "bytes"
    return {"": "instructions", "wall": "nanoseconds"}.get(mode, f"submissions, {mode}")


def write_csv(out, tables):
    with open(out + ".csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        servers = sorted({server for table in tables.values() for server in table.servers()},
                         key=SERVERS.index)
        writer.writerow(["measure", "case", "cost", "per"] + servers)
        for mode, table in tables.items():
            for key, row in table.rows.items():
                writer.writerow([measure_of(mode, key[1]), *key] +
                                [row.get(server, "") for server in servers])


def main():
    out, about = sys.argv[1:3]
    tables = read(sys.argv[3:])
    if not tables:
        sys.exit("there are no results")
    write_text(out, about, tables)
    write_csv(out, tables)
    if "" in tables:
        with open(out + ".svg", "w") as file:
            file.write(chart.draw(tables[""].rows, tables[""].servers(), TITLES))


main()
