#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes results.json, results.md and plots from the files of scripts/bench in a folder.

Each part is a file PART.json; a new measurement replaces the old file.
"""
import glob
import json
import os
import subprocess
import sys

STACKS = ("plain", "without", "xfrm", "xfrm_device", "espah", "espah_device", "espah_direct", "wireguard", "alone")
PARTS = {"instructions": "Instructions per packet", "time": "Time per packet",
         "settings": "Instructions per packet, with a firewall and a flowtable",
         "policies": "Many policies", "sas": "Many SAs", "crowd": "A packet among many", "throughput": "Throughput",
         "sharing": "One processor brings, the other has time", "latency": "Latency"}


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures):
    used = [stack for stack in STACKS if any(stack in figure for figure in figures)]
    yield f"| figure | unit | {' | '.join(used)} | espah / XFRM | from | to |"
    yield "|" + " --- |" * (len(used) + 5)
    for figure in figures:
        ratios = [f"{figure[key]:.2f}" if key in figure else "" for key in ("ratio", "low", "high")]
        yield (f"| {figure['name']} | {figure['unit']} | "
               f"{' | '.join(number(figure.get(stack)) for stack in used)} | {' | '.join(ratios)} |")


def markdown(parts):
    for name, title in PARTS.items():
        if name not in parts:
            continue
        machine = parts[name]["machine"]
        yield f"## {title}\n"
        yield (f"Linux {machine['kernel']}, {machine['processors']} x {machine['processor']}"
               f"{', a virtual machine' if machine['virtual'] else ''}"
               f"{'; a quick try, few repetitions' if machine['quick'] else ''}.\n")
        yield from table(parts[name]["figures"])
        for note in parts[name].get("notes", ()):
            yield f"\n{note}"
        yield ""


# --- plots ---------------------------------------------------------------------------------------

def draw(folder, name, script):
    head = (f"set terminal svg size 760,420 font 'sans,12' background 'white'\n"
            f"set output '{folder}/{name}.svg'\nset key outside top center horizontal\n"
            "set grid ytics\n")
    subprocess.run(["gnuplot"], input=head + script, text=True, check=True)


def bars(folder, name, title, figures, label):
    """Groups of bars: one group for each figure, with a bar for each stack and its spread."""
    used = [stack for stack in ("xfrm", "espah", "wireguard", "alone")
            if any(stack in figure for figure in figures)]
    rows = []
    for figure in figures:
        cells = [f'"{label(figure)}"']
        for stack in used:
            low, high = figure["spread"].get(stack, ("NaN", "NaN"))
            cells += [str(figure.get(stack, "NaN")), str(low), str(high)]
        rows.append(" ".join(cells))
    data = "$data << EOD\n" + "\n".join(rows) + "\nEOD\n"
    plots = ", ".join(f"$data using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}"
                      f"{':xtic(1)' if not i else ''} title '{stack}'"
                      for i, stack in enumerate(used))
    draw(folder, name, data + f"""
set title "{title}"
set ylabel "{figures[0]['unit']}"
set yrange [0:*]
set format y "%'.0f"
set style data histogram
set style histogram errorbars gap 1 lw 1
set style fill solid 0.7
plot {plots}
""")


def lines(folder, name, title, series):
    """Curves over the number of objects, on logarithmic scales."""
    data = "".join(f"${stack} << EOD\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nEOD\n"
                   for stack, points in series.items())
    plots = ", ".join(f"${stack} with linespoints lw 2 title '{stack}'" for stack in series)
    draw(folder, name, data + f"""
set title "{title}"
set xlabel "policies"
set logscale xy
plot {plots}
""")


def plots(folder, parts):
    for part in ("instructions", "time"):
        for kind in ("", "_out", "_in") if part in parts else ():
            for alg in ("aesgcm", "chacha20poly1305"):
                chosen = [figure for figure in parts[part]["figures"]
                          if figure["name"].startswith(f"added_{part}{kind}_") and
                          figure["name"].split("_")[-1] == alg and
                          figure["name"].count("_") == 3 + bool(kind)]
                if chosen:
                    side = {"": "both gateways", "_out": "outbound", "_in": "inbound"}[kind]
                    bars(folder, f"{part}{kind}_{alg}",
                         f"What a packet costs beyond plain forwarding, {alg}, {side}", chosen,
                         lambda figure: figure["name"].split("_")[-2] + " bytes")
    for part in ("throughput", "sharing", "latency"):
        if part in parts:
            bars(folder, part, PARTS[part], parts[part]["figures"],
                 lambda figure: figure["name"].split("_", 1)[1].replace("_", " "))
    for part in parts.values():
        for name, series in part.get("series", {}).items():
            lines(folder, name, series["title"], series["points"])


def main():
    folder = sys.argv[1]
    parts = {}
    for path in glob.glob(folder + "/*.json"):
        with open(path, encoding="ascii") as file:
            data = json.load(file)
        if isinstance(data, dict) and data.get("part") in PARTS:
            parts[data["part"]] = data
    merged = [{**figure, "part": name} for name in PARTS if name in parts
              for figure in parts[name]["figures"]]
    result = {"machines": {name: part["machine"] for name, part in parts.items()},
              "figures": merged}
    functions = os.path.join(folder, "functions.json")
    if os.path.exists(functions):
        with open(functions, encoding="ascii") as file:
            result["functions"] = json.load(file)
    with open(folder + "/results.json", "w", encoding="ascii") as file:
        json.dump(result, file, indent=1)
    text = "\n".join(markdown(parts))
    with open(folder + "/results.md", "w", encoding="ascii") as file:
        file.write(text + "\n")
    print(text)
    plots(folder, parts)


if __name__ == "__main__":
    main()
