# SPDX-License-Identifier: GPL-2.0-only
"""Bars on a logarithmic scale, a group for each row of the benchmark's table."""
import math
from xml.sax.saxutils import escape

COLOURS = {
    "type1": "#9aa5b1",
    "upstream": "#5b6b7c",
    "compat": "#c3ccd5",
    "against": "#d9a441",
    "ours": "#1f7a5a",
    "container": "#7cc4a6",
}
LEFT, WIDTH, RIGHT = 210, 620, 80	# labels, bars, numbers
BAR, GAP, TOP = 8, 10, 76


def text(x, y, words, anchor="start", size=11):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'text-anchor="{anchor}">{escape(words)}</text>')


def rect(x, y, width, height, colour):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" '
            f'fill="{colour}"/>')


def legend(servers, titles):
    for i, server in enumerate(servers):
        x, y = LEFT + i % 3 * 210, 34 + i // 3 * 15
        yield rect(x, y - 8, 10, 9, COLOURS[server])
        yield text(x + 14, y, titles[server])


def grid(low, high, bottom):
    """A line for each power of ten."""
    for power in range(low, high + 1):
        x = LEFT + WIDTH * (power - low) / (high - low)
        yield (f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" '
               f'stroke="#dde3e8"/>')
        yield text(x, TOP - 4, f"{10 ** power:,}" if power >= 0 else f"{10 ** power:g}",
                   "middle", 9)


def draw(rows, servers, titles):
    """rows: {(case, cost, unit): {server: value}}"""
    values = [value for row in rows.values() for value in row.values() if value > 0]
    low = math.floor(math.log10(min(values, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=10))))
    height = TOP + sum(GAP + BAR * len(row) for row in rows.values()) + GAP
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
           f'height="{height}" font-family="sans-serif">',
           rect(0, 0, LEFT + WIDTH + RIGHT, height, "#ffffff"),
           text(LEFT, 16, "Instructions (or bytes) for one page, call, area or pair; "
                "less is better", size=13)]
    out += legend(servers, titles)
    out += grid(low, high, height - GAP)
    y = TOP + GAP / 2
    for (case, cost, unit), row in rows.items():
        out.append(text(LEFT - 8, y + BAR * len(row) / 2 + 4, f"{case}: {cost} / {unit}", "end"))
        for server in servers:
            if server not in row:
                continue
            value = row[server]
            length = WIDTH * (math.log10(value) - low) / (high - low) if value > 0 else 0
            out.append(rect(LEFT, y, max(length, 1), BAR - 1, COLOURS[server]))
            out.append(text(LEFT + max(length, 1) + 4, y + BAR - 1.5,
                            f"{value:,.0f}" if value >= 100 else f"{value:.3g}", size=8))
            y += BAR
        y += GAP
    return "\n".join(out) + "\n</svg>\n"
