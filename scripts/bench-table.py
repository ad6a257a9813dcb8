#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of `make bench` (lines of JSON on stdin) as a table, as a plot, or in the tables of a page.

    bench-table.py <rows                the table, and at its end which goals are met
    bench-table.py --svg FILE <rows     the plot
    bench-table.py --page FILE <rows    fills what stands between the page's markers:
        <!-- bench NAME -->  ...  <!-- /bench -->   the rows of bench-NAME, or the `goals`
    bench-table.py --check FILE <rows   does the page say what the rows do?

A row's goal is a limit of its median (`goal`) or of the median of its ratios to the peer
(`goal_ratio`); one that has both has two goals. The plot shows the median of the paired ratios with
its 10th and 90th percentile, on a logarithmic axis: left of 1 ours is the faster; a goal is a stroke.
"""

import argparse
import html
import json
import math
import re
import sys

# Rows of the others compare ours with ours.
PLOTTED = ("translate", "peers", "dirty", "door", "nvme")


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def limits(row):
    """The row's goals: what was measured, and what it may be at most, both as text, and if it is."""
    found = []
    if "goal" in row:
        unit = row["unit"]
        found.append((f"{number(row['median'])} {unit}", f"{number(row['goal'])} {unit}", row["median"] <= row["goal"]))
    if "goal_ratio" in row:
        found.append(
            (f"x {number(row['ratio'])}", f"x {number(row['goal_ratio'])}", row["ratio"] <= row["goal_ratio"])
        )
    return found


def goals(rows):
    """The last lines of a table: the sum, and each goal that is missed."""
    every = [(row, *limit) for row in rows for limit in limits(row)]
    missed = [entry for entry in every if not entry[3]]
    lines = [f"{len(every) - len(missed)} of {len(every)} goals met" + ("; missed:" if missed else "")]
    for row, is_, goal, _ in missed:
        peer = f" of {row['peer']}" if goal.startswith("x") else ""
        lines.append(f"{row['bench']} {row['row']} ({row['name']}): {is_}, goal {goal}{peer}")
    return lines


def line_of(row):
    spread = f"{number(row['p10'])}..{number(row['p90'])}"
    line = f"{row['name']:46} {number(row['median']):>9} {row['unit']:4} {spread:>17}"
    if "peer" in row:
        line += (
            f"  x {number(row['ratio']):6} ({number(row['ratio_p10'])}..{number(row['ratio_p90'])},"
            f" of minima {number(row['ratio_of_minima'])}) of {number(row['peer_median'])}: {row['peer']}"
        )
    for _, goal, met in limits(row):
        line += f"  [goal {goal}: {'met' if met else 'MISSED'}]"
    return line


def table(stream):
    rows = []
    for row in stream:
        if not rows or rows[-1]["bench"] != row["bench"]:
            print(f"{'' if not rows else chr(10)}{row['bench']}: median, (p10..p90), ratio to the peer in the same run")
        rows.append(row)
        print("  " + line_of(row), flush=True)
    if not rows:
        sys.exit("no rows")
    print()
    print("\n  ".join(goals(rows)))


def section(name, rows):
    """What stands between a page's markers."""
    if name == "goals":
        first, *missed = goals(rows)
        windows = f"(Up to {max(row['nr'] for row in rows)} windows a row.)"
        return "\n".join([f"{first} {windows}", ""] + [f"- {line}" for line in missed])
    out = [
        "| | median (p10..p90) | goal | ratio (p10..p90; of minima) | to, in the same run |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row["bench"] != name:
            continue
        goal = ", ".join(f"{goal}{'' if met else ' (missed)'}" for _, goal, met in limits(row))
        ratio = peer = ""
        if "peer" in row:
            ratio = (
                f"{number(row['ratio'])} ({number(row['ratio_p10'])}..{number(row['ratio_p90'])};"
                f" {number(row['ratio_of_minima'])})"
            )
            peer = f"{number(row['peer_median'])} {row['unit']}: {row['peer']}"
        value = f"{number(row['median'])} {row['unit']} ({number(row['p10'])}..{number(row['p90'])})"
        out.append(f"| {row['name']} | {value} | {goal} | {ratio} | {peer} |")
    if len(out) == 2:
        return "Not measured yet: `make bench-page`."
    return "\n".join(out)


def filled(page, rows):
    return re.sub(
        r"(<!-- bench (\w+) -->\n).*?(<!-- /bench -->)",
        lambda found: f"{found[1]}{section(found[2], rows)}\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def svg(rows):
    rows = [row for row in rows if "peer" in row and row["bench"] in PLOTTED]
    line, left, width = 20, 330, 380
    low = math.floor(math.log10(min((row["ratio_p10"] for row in rows), default=1)))
    high = max(low + 1, math.ceil(math.log10(max((row["ratio_p90"] for row in rows), default=1))))
    height = line * len(rows) + 60

    def x(ratio):
        return left + width * (math.log10(ratio) - low) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 320} {height}" '
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
        if "goal_ratio" in row:
            at = x(row["goal_ratio"])
            out.append(
                f'<line x1="{at:.1f}" y1="{y - 7}" x2="{at:.1f}" y2="{y + 7}" stroke="#c63" stroke-width="2"/>'
            )
        out.append(f'<text x="{left + width + 10}" y="{y + 4}">{html.escape(row["peer"])}</text>')
    out.append(
        f'<text x="{left + width / 2}" y="{height - 6}" text-anchor="middle">'
        "our time as a multiple of the peer&#39;s, in one run; strokes: goals</text>"
    )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--svg", "--page", "--check"):
        parser.add_argument(option, metavar="FILE")
    args = parser.parse_args()
    stream = (json.loads(line) for line in sys.stdin if line.strip())
    if not (args.svg or args.page or args.check):
        table(stream)
        return
    rows = list(stream)
    if args.svg:
        write(args.svg, svg(rows))
    if args.page:
        write(args.page, filled(read(args.page), rows))
    if args.check and filled(read(args.check), rows) != read(args.check):
        sys.exit(f"{args.check} does not say what the rows do: make bench-page")


main()
