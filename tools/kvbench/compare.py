#!/usr/bin/python3
"""Measures kvd and etcd side by side: three members each on loopback, the same flags, the same load, one after the other.

  tools/kvbench/compare.py [--rounds 3] [--time-limit 360] [--update docs/performance.md]

Each round starts a fresh cluster of etcd, loads it, runs every row of the table, stops it, and then does the same with kvd:
A B A B ... Ratios are taken within a round; the table shows medians, and how far rounds lie apart.
"""

import argparse
import collections
import contextlib
import ctypes
import json
import os
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import members

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BEGIN, END = "<!-- compare.py: begin -->", "<!-- compare.py: end -->"
KEYS = 100_000
WARMUP_SECONDS = 0.4
LOAD_SECONDS_MAX = 120
CONNECTIONS_MAX = 8

Row = collections.namedtuple("Row", "name operation outstanding arguments")


def rows():
    yield Row("load", "put", 128, (f"--total={KEYS}", "--key-order=sequential"))
    for outstanding in (1, 16, 128, 512):
        yield Row("put", "put", outstanding, ())
    for name, consistency in (("get, linearizable", "l"), ("get, serializable", "s")):
        for outstanding in (1, 16, 128):
            yield Row(name, "get", outstanding, (f"--consistency={consistency}",))
    for outstanding in (1, 16):
        yield Row("watch, events to 1000 streams", "watch", outstanding, ("--streams=1000",))


def chosen(args):
    return [row for row in rows() if not args.row or row.name in args.row or row.name == "load"]


def run_row(row, kvbench, cluster, seconds):
    """The JSON of one kvbench run."""
    connections = CONNECTIONS_MAX if row.operation == "watch" else min(CONNECTIONS_MAX, row.outstanding)
    loading = row.name == "load"
    command = [kvbench, row.operation, "--json", f"--endpoints={cluster.endpoints()}", "--target=leader",
               f"--server-pids={','.join(map(str, cluster.pids()))}", f"--outstanding={row.outstanding}",
               f"--connections={connections}", f"--duration={LOAD_SECONDS_MAX if loading else seconds:.3f}",
               f"--warmup={0 if loading else WARMUP_SECONDS}", *row.arguments, *(cluster.tls.client_flags() if cluster.tls else [])]
    if row.operation != "watch":
        command.append(f"--key-space={KEYS}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS_MAX + 60, check=False)
    except subprocess.TimeoutExpired:
        raise members.Failed(f"kvbench does not end: {' '.join(command)}") from None
    if done.returncode != 0:
        raise members.Failed(f"{' '.join(command)}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def run_cluster(program, args, seconds, results):
    """One half of a round: appends to results[row] of that program."""
    folder = tempfile.mkdtemp(prefix="kvbench-", dir=args.folder)
    tls = members.Certificates(folder) if args.tls else None
    cluster = members.Cluster(program, folder, flags=args.flag, tls=tls)
    name = os.path.basename(program)
    try:
        cluster.start()
        for row in chosen(args):
            result = run_row(row, args.kvbench, cluster, seconds)
            results[row].append(result)
            say(f"  {name:5} {row.name + ' ' + str(row.outstanding):36} {result['per_second']:10.0f}/s  p50 {result['latency_ms']['p50']:8.3f} ms"
                f"  p99 {result['latency_ms']['p99']:8.3f} ms  cpu {result['server_cpu_us_per_op']:7.1f} µs  others {result['other_cpu_share']:4.0%}")
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def favoured(wanted):
    """Puts us and our children before what else runs here; a machine at rest needs none of it.

    Three things decide who waits for whom: the weight of a process, that of its session where the kernel shares processors
    between sessions (autogroup), and the slice: whoever wakes up with a shorter one than the running process goes first.
    """
    autogroup = "/proc/self/autogroup"
    before = None
    if wanted:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        set_attributes = {"x86_64": 314, "aarch64": 274}.get(platform.machine())  # sched_setattr(2)
        if set_attributes:  # size, policy, flags, nice, priority, slice in ns; older kernels ignore the last
            attributes = struct.pack("IIQiIQQQ", 48, 0, 0, -20, 0, 100_000, 0, 0)
            ctypes.CDLL(None).syscall(set_attributes, 0, attributes, 0)
        with contextlib.suppress(OSError):
            with open(autogroup, encoding="ascii") as file:
                before = file.read().split()[-1]
            with open(autogroup, "w", encoding="ascii") as file:
                file.write("-20")
    try:
        yield
    finally:
        if before is not None:
            with open(autogroup, "w", encoding="ascii") as file:
                file.write(before)


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- the machine -------------------------------------------------------------------------------------------------------


def file_system_of(folder):
    best = ("", "?", "?")
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
        for line in mounts:
            device, point, kind = line.split()[:3]
            inside = os.path.realpath(folder) == point or os.path.realpath(folder).startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, device, kind)
    return f"{best[2]} on {best[1]}"


def machine(folder):
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        text = cpuinfo.read()
    model = re.search(r"model name\s*: (.*)", text)
    virtual = ", virtual" if re.search(r"^flags.*\bhypervisor\b", text, re.M) else ""
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        kilobytes = int(re.search(r"MemTotal:\s*(\d+)", meminfo.read())[1])
    return (f"{model[1] if model else platform.machine()}{virtual}, {os.cpu_count()} cores, {kilobytes / 2**20:.0f} GiB memory, "
            f"Linux {platform.release()}, data on {file_system_of(folder)}; three members and the client on this one machine")


def version(program):
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return f"{os.path.basename(program)} {found[0] if found else '?'}"


# --- the table ---------------------------------------------------------------------------------------------------------


def short(value):
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """The median, and how far the values lie from it at most."""
    middle = statistics.median(values)
    away = max((abs(v - middle) for v in values), default=0) / middle if middle else 0
    return f"{short(middle)} ±{away:.0%}".replace("%", " %")


def median_of(results, *path):
    def pick(result):
        for key in path:
            result = result[key]
        return result
    return statistics.median(pick(r) for r in results)


def ratio(numerators, denominators):
    pairs = [n / d for n, d in zip(numerators, denominators) if d > 0]
    return f"**{statistics.median(pairs):.1f}**" if pairs else ""


def cells(results):
    return [spread([r["per_second"] for r in results]),
            f"{short(median_of(results, 'latency_ms', 'p50'))} / {short(median_of(results, 'latency_ms', 'p99'))}",
            short(median_of(results, "server_cpu_us_per_op"))]


def table(results, programs):
    """`results` by program, then row; both have as many rounds."""
    names = [os.path.basename(p) for p in programs]
    lines = ["| operation | outstanding | " + " | ".join(f"{n} /s | p50 / p99 ms | CPU µs" for n in names)
             + (" | × throughput | × less CPU |" if len(names) == 2 else " |"),
             "|---|---:|" + "---:|" * (3 * len(names) + (2 if len(names) == 2 else 0))]
    for row in results[programs[0]]:
        line = [f"load of {KEYS:,} keys".replace(",", " ") if row.name == "load" else row.name, str(row.outstanding)]
        for program in programs:
            line += cells(results[program][row])
        if len(programs) == 2:
            old, new = (results[p][row] for p in programs)
            line.append(ratio([r["per_second"] for r in new], [r["per_second"] for r in old]))
            line.append(ratio([r["server_cpu_us_per_op"] for r in old], [r["server_cpu_us_per_op"] for r in new]))
        lines.append("| " + " | ".join(line) + " |")
    return lines


def memory(results, programs):
    parts = []
    for program in programs:
        loaded = [max(s["rss_bytes"] for s in r["servers"]) for r in next(iter(results[program].values()))]
        parts.append(f"{os.path.basename(program)} {statistics.median(loaded) / 2**20:.0f} MB")
    return "Resident memory of the largest member after the load: " + ", ".join(parts) + "."


def report(results, programs, args, seconds):
    every = [r for p in programs for rs in results[p].values() for r in rs]
    others = sorted(r["other_cpu_share"] for r in every)
    client = statistics.median(r["client_cpu_us_per_op"] for r in every)
    rounds = len(next(iter(results[programs[0]].values())))
    text = [f"Machine: {machine(args.folder)}.",
            f"Programs: {', '.join(version(p) for p in programs)}. {rounds} rounds of {seconds:.1f} s a row, medians, ± the furthest round; "
            f"CPU is that of all three members for one operation; the client took {client:.1f} µs (median of all rows). "
            f"Everything else on the machine used {statistics.median(others):.0%} of it (median; at most {others[-1]:.0%}).".replace("%", " %"),
            ""]
    text += table(results, programs) + ["", memory(results, programs)]
    return "\n".join(text) + "\n"


def update(path, text):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    begin, end = page.find(BEGIN), page.find(END)
    if begin < 0 or end < begin:
        raise members.Failed(f"{path} has no lines {BEGIN} and {END}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page[:begin] + BEGIN + "\n" + text + page[end:])


# --- the run -----------------------------------------------------------------------------------------------------------


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    binaries = os.path.join(ROOT, "build/release/bin")
    parser.add_argument("--kvd", default=os.path.join(binaries, "kvd"))
    parser.add_argument("--etcd", default="/usr/bin/etcd")
    parser.add_argument("--kvbench", default=os.path.join(binaries, "kvbench"))
    parser.add_argument("--only", choices=("etcd", "kvd"), help="measure one of the two")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=360, help="seconds for all; decides how long each row runs")
    parser.add_argument("--tls", action="store_true", help="clients speak TLS and show a certificate, to both")
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="measure the rows of that name only (and the load)")
    parser.add_argument("--flag", action="append", default=[], help="one more flag for every member of both")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the data folders are made")
    parser.add_argument("--favour", action="store_true", help="give servers and client priority, on a machine that others use (root)")
    parser.add_argument("--json", metavar="FILE", help="write every number of every run")
    parser.add_argument("--update", metavar="FILE", help=f"put the table between the lines {BEGIN} and {END}")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds: at least 1")
    return args


def main():
    args = parse()
    programs = [p for p in (args.etcd, args.kvd) if args.only in (None, os.path.basename(p))]
    for program in (*programs, args.kvbench):
        if not os.access(program, os.X_OK):
            raise members.Failed(f"{program} is not there; build it, or say where it is")
    row_list = chosen(args)
    half_seconds = args.time_limit / (args.rounds * len(programs))
    seconds = (half_seconds - 16) / len(row_list) - WARMUP_SECONDS - 0.2  # 16 s: starting, loading, stopping
    if seconds < 0.3:
        raise members.Failed(f"--time-limit {args.time_limit:.0f} is too short for {args.rounds} rounds")
    if args.favour and os.geteuid() != 0:
        raise members.Failed("--favour needs root")
    seconds = min(seconds, 5)
    results = {program: {row: [] for row in row_list} for program in programs}
    deadline = time.monotonic() + 1.5 * args.time_limit
    with favoured(args.favour):
        for number in range(args.rounds):
            if number > 0 and time.monotonic() + 2 * half_seconds > deadline:
                say(f"out of time: {number} rounds instead of {args.rounds}")
                break
            for program in programs:
                say(f"round {number + 1} of {args.rounds}: {program}")
                run_cluster(program, args, seconds, results[program])

    text = report(results, programs, args, seconds)
    print(text, end="")
    if args.update:
        update(args.update, text)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump([{"program": p, "row": r.name, "round": i, **result} for p in programs for r in row_list
                       for i, result in enumerate(results[p][r])], file, indent=1)


if __name__ == "__main__":
    try:
        main()
    except members.Failed as failure:
        sys.exit(f"compare.py: {failure}")
    except KeyboardInterrupt:
        sys.exit("compare.py: interrupted")
