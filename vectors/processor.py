"""What the processor of this machine has; needs no torch."""

import os
from pathlib import Path

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names the instructions


def cores() -> int:
    """Those that this process may use, each counted once however many threads it runs."""
    siblings = set()
    for number in os.sched_getaffinity(0):
        listed = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        siblings.add(listed.read_text() if listed.is_file() else str(number))
    return len(siblings)


def has_bfloat16() -> bool:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _BFLOAT16.isdisjoint(flags.split())
