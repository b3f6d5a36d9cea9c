#!/usr/bin/python3
"""What grows with the data and what does not: one member of kvd and of etcd, each with many keys.

    tools/kvbench/large_data.py --keys 1000000 --update docs/performance.md

For each program: load the keys (values of 256 bytes), then
  - resident memory, and the store on disk;
  - Range of 500 keys and values with the exact count of the rest, from random keys on, and the count of all keys;
  - a whole snapshot, streamed;
  - opening after an orderly end and after SIGKILL, until a linearizable health check is answered;
  - puts at a steady rate, alone and while a million old revisions are compacted and Defragment is called: their p99.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "integration")]

import members  # noqa: E402
import wire  # noqa: E402

KEY_BYTES = 32
PAGE_KEYS = 500
READY_SECONDS = 600
QUOTA_BYTES = 32 << 30
REVISIONS = 1_000_000
TAIL = 50_000  # puts before the kill
BEGIN = "<!-- large_data.py: {keys} begin -->"
END = "<!-- large_data.py: {keys} end -->"


_template, _digits = b"", 0


def key_of(number):
    return _template[:KEY_BYTES - _digits] + str(number).zfill(_digits).encode()


def learn_keys(client):
    """What kvbench's keys look like, from the first one."""
    global _template, _digits
    _template = bytes(client.KV.Range(key=b"\0", range_end=b"\0", limit=1, keys_only=True).kvs[0].key)
    _digits = len(_template) - len(_template.rstrip(b"0123456789"))


class Subject:
    def __init__(self, program, args, folder):
        self.args = args
        self.cluster = members.Cluster(program, folder, size=1, ready_seconds=READY_SECONDS, flags=[
            f"--quota-backend-bytes={QUOTA_BYTES}"])
        self.folder = folder

    def client(self):
        return wire.Client(self.cluster.endpoints(), options=[("grpc.max_receive_message_length", -1)])

    def put(self, *arguments, outstanding=256):
        command = [self.args.kvbench, "put", "--json", f"--endpoints={self.cluster.endpoints()}", "--warmup=0", "--timeout=120s",
                   f"--key-size={KEY_BYTES}", f"--server-pids={self.cluster.pids()[0]}", f"--outstanding={outstanding}",
                   f"--connections={min(outstanding, 8)}", f"--key-space={self.args.keys}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise members.Failed(f"{' '.join(command)}\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def resident(self):
        with open(f"/proc/{self.cluster.pids()[0]}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def on_disk(self):
        return sum(os.stat(os.path.join(folder, name)).st_blocks * 512
                   for folder, _, names in os.walk(self.folder) for name in names)

    def opening(self, with_signal):
        self.cluster.stop(with_signal)
        began = time.monotonic()
        self.cluster.start()
        return time.monotonic() - began

    # Median and furthest of some ranges, in seconds.
    def ranges(self, **fields):
        client, chance, times = self.client(), random.Random(7), []
        for _ in range(40):
            start = chance.randrange(self.args.keys)
            began = time.monotonic()
            answer = client.KV.Range(key=key_of(start), range_end=b"\0", timeout=120, **fields)
            times.append(time.monotonic() - began)
            if answer.count != self.args.keys - start:
                raise members.Failed(f"a count of {answer.count} from key {start} on, of {self.args.keys}")
        return statistics.median(times), max(times)

    def snapshot(self):
        began, size = time.monotonic(), 0
        for piece in self.client().Maintenance.Snapshot(wire.SnapshotRequest(), timeout=READY_SECONDS):
            size += len(piece.blob)
        return size, time.monotonic() - began

    def steady(self):
        return self.put(f"--rate={self.args.rate}", f"--duration={self.args.seconds}s", outstanding=64)["latency_ms"]

    def disturbed(self):
        """The same while old revisions are compacted and the store is defragmented."""
        self.put(f"--total={REVISIONS}")
        client, failures = self.client(), []

        def disturb():
            try:
                time.sleep(self.args.seconds * 0.1)
                revision = client.KV.Range(key=b"x").header.revision
                client.KV.Compact(revision=revision, timeout=READY_SECONDS)
                time.sleep(self.args.seconds * 0.3)
                client.Maintenance.Defragment(wire.DefragmentRequest(), timeout=READY_SECONDS)
            except Exception as failure:  # noqa: BLE001 told by the main thread
                failures.append(failure)

        thread = threading.Thread(target=disturb)
        thread.start()
        latency = self.steady()
        thread.join()
        if failures:
            raise members.Failed(f"compaction or Defragment: {failures[0]}")
        return latency


def measure(program, args):
    folder = tempfile.mkdtemp(prefix="large-data-", dir=args.folder)
    subject = Subject(program, args, folder)
    say = lambda text: print(f"{os.path.basename(program)}: {text}", file=sys.stderr, flush=True)  # noqa: E731
    result = {}
    try:
        subject.cluster.start()
        loaded = subject.put(f"--total={args.keys}", "--key-order=sequential", "--duration=1h", f"--value-size={args.value_size}")
        result["load_per_second"] = loaded["per_second"]
        say(f"loaded, {loaded['per_second']:.0f} puts a second")
        learn_keys(subject.client())
        result["resident"] = subject.resident()
        result["on_disk"] = subject.on_disk()
        result["range"] = subject.ranges(limit=PAGE_KEYS)
        result["count"] = subject.ranges(count_only=True)
        say(f"ranges {result['range']}, counts {result['count']}")
        result["snapshot"] = subject.snapshot()
        say(f"snapshot {result['snapshot']}")
        result["resident_after_reads"] = subject.resident()
        result["open_after_end"] = subject.opening(signal.SIGTERM)
        subject.put(f"--total={TAIL}")
        result["open_after_kill"] = subject.opening(signal.SIGKILL)
        result["resident_after_kill"] = subject.resident()
        say(f"opened after {result['open_after_end']:.2f} s and {result['open_after_kill']:.2f} s")
        if args.rounds:
            pairs = [(subject.steady(), subject.disturbed()) for _ in range(args.rounds)]
            result["alone_p99"] = statistics.median(a["p99"] for a, _ in pairs)
            result["disturbed_p99"] = statistics.median(b["p99"] for _, b in pairs)
            result["disturbed_max"] = max(b["max"] for _, b in pairs)
            result["ratio"] = [b["p99"] / a["p99"] for a, b in pairs]
            say(f"p99 {result['alone_p99']:.2f} ms alone, {result['disturbed_p99']:.2f} ms disturbed: {result['ratio']}")
    finally:
        subject.cluster.stop()
        shutil.rmtree(folder)
    return result


def table(results, args):
    def row(name, cell):
        return f"| {name} | " + " | ".join(cell(results[p]) for p in results) + " |"

    mib = lambda n: f"{n / (1 << 20):,.0f} MiB".replace(",", " ")  # noqa: E731
    ms = lambda pair: f"{pair[0] * 1000:.2f} / {pair[1] * 1000:.2f} ms"  # noqa: E731
    lines = [f"| {args.keys:,} keys | ".replace(",", " ") + " | ".join(os.path.basename(p) for p in results) + " |",
             "|---" + "|---:" * len(results) + "|",
             row("load, 256 outstanding", lambda r: f"{r['load_per_second']:,.0f} /s".replace(",", " ")),
             row("resident memory after the load", lambda r: mib(r["resident"])),
             row("… after ranges and a snapshot", lambda r: mib(r["resident_after_reads"])),
             row("… after opening again", lambda r: mib(r["resident_after_kill"])),
             row("on disk, log included", lambda r: mib(r["on_disk"])),
             row(f"{PAGE_KEYS} keys and values, exact count: median / max", lambda r: ms(r["range"])),
             row("count of a range: median / max", lambda r: ms(r["count"])),
             row("whole snapshot, streamed to one client", lambda r: f"{mib(r['snapshot'][0])}, {mib(r['snapshot'][0] / r['snapshot'][1])}/s"),
             row("opening after an orderly end", lambda r: f"{r['open_after_end']:.2f} s"),
             row(f"opening after SIGKILL, {TAIL // 1000} 000 puts before", lambda r: f"{r['open_after_kill']:.2f} s")]
    if args.rounds:
        lines += [row(f"put p99 at {args.rate} /s, alone", lambda r: f"{r['alone_p99']:.2f} ms"),
                  row("… while 1 M revisions are compacted, and Defragment: p99 / max",
                      lambda r: f"{r['disturbed_p99']:.2f} / {r['disturbed_max']:.0f} ms"),
                  row("… as a multiple, round by round", lambda r: ", ".join(f"{x:.2f}" for x in r["ratio"]))]
    return "\n".join(lines)


def update(path, args, text):
    begin, end = BEGIN.format(keys=args.keys), END.format(keys=args.keys)
    with open(path) as file:
        content = file.read()
    if begin not in content or end not in content:
        raise members.Failed(f"{path} has no lines {begin} and {end}")
    head, rest = content.split(begin, 1)
    with open(path, "w") as file:
        file.write(f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def parse():
    binaries = os.path.join(ROOT, "build", "release", "bin")
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kvd", default=os.path.join(binaries, "kvd"))
    parser.add_argument("--etcd", default="/usr/bin/etcd")
    parser.add_argument("--kvbench", default=os.path.join(binaries, "kvbench"))
    parser.add_argument("--only", choices=("etcd", "kvd"), help="measure one of the two")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--value-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3, help="of puts alone and disturbed; 0: none")
    parser.add_argument("--rate", type=int, default=2000, help="puts a second of those rounds")
    parser.add_argument("--seconds", type=float, default=10, help="of each of them")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the data folders are made")
    parser.add_argument("--json", metavar="FILE", help="write all numbers")
    parser.add_argument("--update", metavar="FILE", help="put the table between its lines in FILE")
    return parser.parse_args()


def main():
    args = parse()
    programs = [p for p in (args.etcd, args.kvd) if args.only in (None, os.path.basename(p))]
    try:
        results = {program: measure(program, args) for program in programs}
        text = table(results, args)
        print(text)
        if args.json:
            with open(args.json, "w") as file:
                json.dump({os.path.basename(p): r for p, r in results.items()}, file, indent=1)
        if args.update:
            update(args.update, args, text)
    except members.Failed as failure:
        sys.exit(f"large_data.py: {failure}")


if __name__ == "__main__":
    main()
