#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of `make bench` (lines of JSON on stdin) as a table, or with --svg as a plot.

The plot shows, for each row with a peer, the median of the paired ratios to it with its 10th and
90th percentile, on a logarithmic axis: left of 1 ours is the faster.
"""

import html
import json
import math
import sys


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(rows):
    head = f"{'':44} {'median':>9}      {'p10..p90':>17} {'goal':>7}   ratio (p10..p90) to the peer, in the same run"
    print(head)
    for row in rows:
        spread = f"{number(row['p10'])}..{number(row['p90'])}"
        goal = number(row["goal"]) if "goal" in row else ""
        line = f"{row['name']:44} {number(row['median']):>9} {row['unit']:4} {spread:>17} {goal:>7}"
        if "peer" in row:
            line += (
                f"   x {number(row['ratio'])} ({number(row['ratio_p10'])}..{number(row['ratio_p90'])})"
                f" of {number(row['peer_median'])}: {row['peer']}"
            )
        print(line)


def svg(rows):
    rows = [row for row in rows if "peer" in row]
    line, left, width = 22, 330, 380
    low = math.floor(math.log10(min(row["ratio_p10"] for row in rows)))
    high = math.ceil(math.log10(max(row["ratio_p90"] for row in rows)))
    height = line * len(rows) + 60

    def x(ratio):
        return left + width * (math.log10(ratio) - low) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 290} {height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        colour = "#444" if power == 0 else "#ddd"
        out.append(f'<line x1="{at:.1f}" y1="24" x2="{at:.1f}" y2="{height - 24}" stroke="{colour}"/>')
        out.append(f'<text x="{at:.1f}" y="16" text-anchor="middle">{10.0 ** power:g}</text>')
    for i, row in enumerate(rows):
        y = 40 + i * line
        out.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{html.escape(row["name"])}</text>')
        out.append(
            f'<line x1="{x(row["ratio_p10"]):.1f}" y1="{y}" x2="{x(row["ratio_p90"]):.1f}" y2="{y}" '
            'stroke="#36c" stroke-width="3"/>'
        )
        out.append(f'<circle cx="{x(row["ratio"]):.1f}" cy="{y}" r="4" fill="#36c"/>')
        out.append(f'<text x="{left + width + 10}" y="{y + 4}">{html.escape(row["peer"])}</text>')
    out.append(
        f'<text x="{left + width / 2}" y="{height - 6}" text-anchor="middle">'
        "our time as a multiple of the peer&#39;s, in one run</text>"
    )
    out.append("</svg>")
    print("\n".join(out))


def main():
    rows = [json.loads(line) for line in sys.stdin if line.strip()]
    if sys.argv[1:] == ["--svg"]:
        svg(rows)
    else:
        table(rows)


main()
