#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""damage.py cut|flip DUMP - spoils a dump in many ways, and holds what dprof-analyze says of each against what is true:

  the status is 0, or 2 if the header is gone, and nothing crashes, whatever the command;
  stderr has exactly one line about the file, and its numbers are right: read + missing = what was recorded;
  the records that are listed are among those that were recorded, and those that reader.py can still read.
"""
import contextlib
import io
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "preload"))
import same_records  # noqa: E402

SPOILED = "spoiled.zst"


def analyze(*arguments):
    return subprocess.run(["dprof-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)


def listed(path):
    """(status, process, lines of stderr)"""
    done = analyze("dump", "--format=json", path)
    process = json.loads(done.stdout)["processes"][0] if done.returncode == 0 else {"records": []}
    lines = [line for line in done.stderr.splitlines() if line.startswith("dprof-analyze: " + path)]
    return done.returncode, process, lines


def number(pattern, line):
    found = re.search(pattern, line)
    return int(found[1]) if found else None


def check(what, data, recorded):
    """One spoiled file."""
    with open(SPOILED, "wb") as file:
        file.write(data)
    status, process, lines = listed(SPOILED)
    records = process["records"]

    def wrong(why):
        sys.exit(f"{what}: {why}\nstatus {status}, {len(records)} records\n" + "\n".join(lines))

    if status not in (0, 2):
        wrong("a status that is neither 0 nor 2")
    if len(lines) != 1:
        wrong(f"{len(lines)} lines about the file")
    if not all(recorded.get((r["thread"], r["seq"])) == r for r in records):
        wrong("a record that was not recorded")
    if analyze("info", SPOILED).returncode != status:
        wrong("another status for info")
    if status == 2:
        return "refused"
    missing, total = number(r": (\d+) of \d+ records are", lines[0]), number(r"of (\d+) records are", lines[0])
    none, at_least = number(r"none of its (\d+) records", lines[0]), number(r"at least (\d+) records", lines[0])
    read = number(r"(\d+) (?:records )?were read", lines[0])
    if total is not None and (total != len(recorded) or missing != total - len(records)):
        wrong("wrong numbers")
    if none is not None and (none != len(records) or none != len(recorded)):
        wrong("none is missing?")
    if read is not None and (read != len(records) or (at_least or 0) > len(recorded) - len(records)):
        wrong("wrong numbers")
    if total is None and none is None and read is None:
        wrong("no numbers")
    with contextlib.redirect_stderr(io.StringIO()):
        if same_records.compare(process, SPOILED) != len(records):
            wrong("reader.py reads others")
    return "exact" if read is None else "at least"


def cuts(data):
    for size in range(4096, len(data), 4096):
        yield f"cut at {size}", data[:size]
    for size in (1, 2, 3, 4, 5, 17, len(data) - 1, len(data) - 5):
        yield f"cut at {size}", data[:size]


def flips(data):
    step = max(len(data) // 100, 1)
    for at in range(0, len(data), step):
        yield f"bit {at % 8} of byte {at} flipped", data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
    for at in range(len(data) // 3, len(data), len(data) // 5):
        yield f"512 bytes from {at} zeroed", data[:at] + bytes(512) + data[at + 512:]
        yield f"4096 bytes from {at} gone", data[:at] + data[at + 4096:]
        yield f"garbage at {at}", data[:at] + b"\x28\xb5\x2f\xfd garbage" + data[at:]
    many = bytearray(data)
    for at in range(4000, len(data), 9001):
        many[at] ^= 0x10
    yield "a bit of every 9001 flipped", bytes(many)
    yield "zeros behind the end", data + bytes(10000)


def main():
    ways, path = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read()
    status, process, lines = listed(path)
    if status or lines or len(data) < 40 * 4096:
        sys.exit(f"the dump to spoil is not as it should be: {status} {len(data)} bytes {lines}")
    recorded = {(r["thread"], r["seq"]): r for r in process["records"]}
    results = {}
    for what, spoiled in {"cut": cuts, "flip": flips}[ways](data):
        result = check(what, spoiled, recorded)
        results[result] = results.get(result, 0) + 1
    print(f"{ways}: right about every one; ways to end: {', '.join(sorted(results))}")


if __name__ == "__main__":
    main()
