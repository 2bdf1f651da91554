#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""functions.py SYSTEM_MAP PROFILE RESULTS [LINES]: instructions by function.

PROFILE is what profile.c wrote while iommufd_bench measured one case once, and
RESULTS what iommufd_bench printed: one measurement for each cost.
"""
import bisect
import sys

USER_SPACE_END = 1 << 63


def read_symbols(path):
    """Addresses and names of the kernel's functions, in order."""
    symbols = {}
    with open(path) as lines:
        for line in lines:
            address, kind, name = line.split()
            if kind in "tTwW":
                symbols.setdefault(int(address, 16), name)
    return sorted(symbols), symbols


def read_profile(path, addresses, names):
    """A list of measurements, each {function: instructions}."""
    measurements, functions = [], {}
    with open(path) as lines:
        for line in lines:
            if line == "measured\n":
                measurements.append(functions)
                functions = {}
                continue
            address, count = line.split()
            address = int(address, 16)
            if address < USER_SPACE_END:
                name = "(user space)"
            else:
                place = bisect.bisect_right(addresses, address) - 1
                name = names[addresses[place]] if place >= 0 else "(unknown)"
            functions[name] = functions.get(name, 0) + int(count)
    return measurements


def read_results(path):
    with open(path, errors="replace") as lines:
        return [line.rstrip("\r\n").split("\t")[1:] for line in lines if line.startswith("result\t")]


def show(result, functions, limit):
    case, cost, unit, _, operations = result[:5]
    operations = int(operations)
    total = sum(functions.values())
    print(f"{case} {cost}: {total / operations:.2f} instructions per {unit}, {operations} of them")
    left = total
    for name, count in sorted(functions.items(), key=lambda item: -item[1])[:limit]:
        print(f"{count / operations:14.2f} {100 * count / total:6.1f} %  {name}")
        left -= count
    print(f"{left / operations:14.2f} {100 * left / total:6.1f} %  (all others)\n")


def main():
    system_map, profile, results = sys.argv[1:4]
    limit = int(sys.argv[4]) if len(sys.argv) > 4 else 40
    addresses, names = read_symbols(system_map)
    measurements = read_profile(profile, addresses, names)
    results = [result for result in read_results(results)
               if result[1] != "bytes" and int(result[4])]
    if len(measurements) != len(results):
        sys.exit(f"{len(measurements)} measurements for {len(results)} results")
    for result, functions in zip(results, measurements):
        show(result, functions, limit)


main()
