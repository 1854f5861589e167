#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""same_records.py ANALYZER DUMP... - does `dprof-analyze dump --format=json` list the same records of each dump as
reader.py, which was written from FORMAT.md alone? Prints how many they are, or the first that differ."""
import json
import subprocess
import sys

sys.dont_write_bytecode = True
import reader  # noqa: E402

HEADER = ("host", "boot_id", "service", "program", "exe", "version", "pid", "ppid", "uid", "netns", "start_ns",
          "boot_start", "stamp", "settings")
FAMILIES = {"unknown": 0, "unix": 1, "pipe": 2, "eventfd": 3, "ipv4": 4, "ipv6": 6}
TYPES = ["stream", "datagram", "seqpacket"]


def as_text(value):
    """A text of reader.py the way the analyzer writes texts: UTF-8, zero bytes as \\0."""
    return value.encode("latin-1").replace(b"\0", b"\\0").decode("utf-8", "replace")


def of_reader(path):
    """The records of a dump by (thread, seq), the header, and the end."""
    found, header, end = reader.read(path)
    records = {}
    for record in found:
        for key in ("name", "path"):
            if key in record:
                record[key] = as_text(record[key])
        for key, value in record.items():
            if isinstance(value, int):
                record[key] = value % 2**64
        records.setdefault((record["thread"], record["seq"]), record)
    return [record for _, record in sorted(records.items())], header, end


def flat(record):
    """A record of the analyzer in reader.py's shape: the endpoint and the counts are not nested."""
    found = {"conn": 0, **record}
    del found["t0_ns"], found["t1_ns"]
    end = dict(found.pop("endpoint", {}))
    if end:
        end.update(family=FAMILIES[end["family"]], type=TYPES.index(end["type"]))
        for side in ("local", "remote") if end["family"] > 3 else ():
            end[side] = f"{end.pop(side + '_addr')}:{end.pop(side + '_port')}"
        found.update({"peer_pid": 0, **end})
    to = found.pop("datagram", None)
    if to:
        found["peer_family"] = FAMILIES[to["family"]]
        if "addr" in to:
            found["peer"] = f"{to['addr']}:{to['port']}"
    found.update(found.pop("counts", {}))
    return found


def analyzed(analyzer, path):
    """The one process that the analyzer finds in a dump."""
    said = subprocess.run([analyzer, "dump", "--quiet", "--format=json", path], stdout=subprocess.PIPE, check=True)
    (process,) = json.loads(said.stdout)["processes"]
    return process


def compare(process, path):
    """The number of records, if they are the same; else ends."""
    mine, header, end = of_reader(path)
    for key in HEADER:
        if header[key] != process[key]:
            sys.exit(f"{path}: {key} is {header[key]!r} for reader.py, {process[key]!r} for dprof-analyze")
    if (end or {}).get("reason") != process["end"]:
        sys.exit(f"{path}: end is {end!r} for reader.py, {process['end']!r} for dprof-analyze")
    for a, b in zip(mine, process["records"]):
        if a != flat(b):
            sys.exit(f"{path}: reader.py:\n{a}\ndprof-analyze:\n{flat(b)}")
    if len(mine) != len(process["records"]):
        sys.exit(f"{path}: {len(mine)} records for reader.py, {len(process['records'])} for dprof-analyze")
    return len(mine)


def main():
    records = sum(compare(analyzed(sys.argv[1], path), path) for path in sys.argv[2:])
    print(f"{len(sys.argv) - 2} dumps, the same {records} records")


if __name__ == "__main__":
    main()
