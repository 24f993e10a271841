"""Where documents are encoded when nobody says: all GPUs, or the cores in several processes."""

import os
from pathlib import Path

import torch

_LARGE = 16  # cores, from which on one process cannot keep all of them busy
_CORES_EACH = 8
_COPIES = 3  # of a model's float32 weights, which a process may hold for a moment


def devices_here(weights: int) -> tuple[str, ...]:
    """As torch names them, one for each process; `weights` in bytes, as float32."""
    if torch.cuda.is_available():
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    processes = cores() // _CORES_EACH if cores() >= _LARGE else 1
    fitting = _memory() // 2 // max(1, _COPIES * weights)
    return ("cpu",) * max(1, min(processes, fitting))


def cores() -> int:
    """Those that this process may use, each counted once however many threads it runs."""
    siblings = set()
    for number in os.sched_getaffinity(0):
        listed = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        siblings.add(listed.read_text() if listed.is_file() else str(number))
    return len(siblings)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; a CPU that does not is slower with it."""
    if device.type != "cpu":
        return True
    wanted = {"avx512_bf16", "amx_bf16", "bf16"}
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not wanted.isdisjoint(flags.split())


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
