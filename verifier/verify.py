#!/usr/bin/env python3
"""Verifies a tokend audit log: python3 verify.py DIRECTORY|FILE...

Written from docs/audit-format.md alone and sharing nothing with the broker. Needs Python 3.8 and
its standard library. Exit code 0: unbroken. 8: broken, or no log there. 1: not readable. 2: usage.
"""
import hashlib
import os
import re
import stat
import sys

SEGMENT = re.compile(r"0[0-9]{19}\.jsonl", re.ASCII)
PREFIX = re.compile(
    rb'\{"v":1,"seq":(0|[1-9][0-9]{0,18}),'
    rb'"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z",'
    rb'"prev":"([0-9a-f]{64})",'
    rb'"kind":"[a-z0-9._]{1,64}"'
)
OPENS = b'{"v":1,"seq":'
LONGEST = 64 * 1024 * 1024
AHEAD = 64 * 1024 * 1024  # the most zero bytes at the end of the last segment
BLOCK = 64 * 1024
ZEROS = b"0" * 64


class Broken(Exception):
    pass


def broken(segment, record, why):
    return Broken(f"segment {segment}, record {record}: {why}")


def number(name):
    return int(name[:20]) if SEGMENT.fullmatch(name) else None


def segments(paths):
    """The files in the order of their numbers, and whether they must be a whole log."""
    files, whole = [], False
    for path in paths:
        if os.path.isdir(path):
            whole = True
            files += [os.path.join(path, n) for n in os.listdir(path) if SEGMENT.fullmatch(n)]
        else:
            files.append(path)
    if not files:
        raise Broken(f"no audit log in {paths[0]}")
    numbers = [number(os.path.basename(path)) for path in files]
    if len(files) > 1 and None in numbers:
        raise Broken("a file not named by its first record has to be verified alone")
    for path in files:
        # Opening a FIFO waits for a writer, and a device has no end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(f"{path} is not a regular file")
    return sorted(files, key=lambda path: number(os.path.basename(path)) or 0), whole


def content(path):
    """How many bytes of the last segment are before the zero bytes that it may end in."""
    # A file of its own: what is read backwards is read again forwards, not kept.
    with open(path, "rb", buffering=0) as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0 and size - end <= AHEAD:
            begin = max(0, end - BLOCK)
            file.seek(begin)
            held = file.read(end - begin).rstrip(b"\0")
            end = begin + len(held)
            if held:
                break
        return end if size - end <= AHEAD else size


def lines(path, last):
    """Each line with its newline, and what may be left without one."""
    left = content(path) if last else sys.maxsize
    with open(path, "rb") as file:
        while line := file.readline(min(LONGEST + 1, left)):
            left -= len(line)
            yield line


def verify(paths):
    files, whole = segments(paths)
    seq, head = (0, ZEROS) if whole else (None, None)  # the next record, and what it has to name
    first = seq
    before = None  # segment and number of the record before; while in doubt, of the doubted one
    doubt = None  # segment and number of a record that does not name the hash of the one before
    last = b""
    for at, path in enumerate(files, 1):
        name = os.path.basename(path)
        named = number(name)
        empty = True
        if seq is None:
            seq = first = named
        for line in lines(path, last=at == len(files)):
            whole_line = line.endswith(b"\n")
            last, prefix = line[:-1], PREFIX.match(line) if whole_line else None
            if doubt:
                # The line after tells which of the two was changed.
                if before is None or (prefix and prefix[2] != head):
                    raise broken(*doubt, "was changed")
                raise broken(*before, f"was changed: record {doubt[1]} names another hash")
            if prefix is None:
                why = "is no record" if whole_line else "is torn: it has no newline"
                raise broken(name, seq or 0, why)
            found = int(prefix[1])
            if seq is None:
                seq = first = found
            if found != seq or (empty and named not in (None, seq)):
                raise broken(name, seq, f"is missing or moved, or {name} was renamed: "
                                        f"here is record {found}")
            if head is not None and prefix[2] != head:
                doubt = name, seq
            else:
                before = name, seq
            head = hashlib.sha256(b"\0" + last).hexdigest().encode()
            seq, empty = seq + 1, False
        if empty and seq is not None and named not in (None, seq):
            raise broken(name, seq, f"is missing: the segment is named for {named}")
    if doubt:
        raise broken(*(before or doubt), f"was changed: record {doubt[1]} names another hash")
    if OPENS in last[1:]:
        raise broken(*before, "holds two records in one line")
    return first or 0, seq or 0, (head or ZEROS).decode()


def main(paths):
    if not paths or paths[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        first, end, head = verify(paths)
    except Broken as fault:
        print(f"verify.py: {fault}", file=sys.stderr)
        return 8
    except OSError as fault:
        print(f"verify.py: cannot read the log: {fault}", file=sys.stderr)
        return 1
    piece = f"; starts at record {first}, not from the beginning" if first else ""
    print(f"{end - first} records, head {head}, not anchored{piece}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
