"""The processors of this machine, and which of them encode documents by default."""

import os
from pathlib import Path

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names the instructions
_LARGE = 16  # cores, from which on one process cannot keep all of them busy
_CORES_EACH = 8
_COPIES = 3  # of a model's float32 weights, which a process may hold for a moment


def cores() -> int:
    """Cores that this process may use; threads of one core count once."""
    if not hasattr(os, "sched_getaffinity"):  # macOS, Windows
        return os.cpu_count() or 1
    siblings = set()
    for number in os.sched_getaffinity(0):
        listed = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        siblings.add(listed.read_text() if listed.is_file() else str(number))
    return len(siblings)


def has_gpu() -> bool:
    """Whether torch will probably find an NVIDIA GPU; needs no torch."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not is_hidden and any(Path("/dev").glob("nvidia[0-9]*"))


def has_bfloat16(kind: str = "cpu") -> bool:
    """Whether a device of this kind multiplies bfloat16 in hardware; a CPU without is slower.

    A CPU is asked on Linux only; elsewhere the answer is no.
    """
    if kind != "cpu":
        return True
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _BFLOAT16.isdisjoint(flags.split())


def default_devices(weights: int, *, gpus: int) -> tuple[str, ...]:
    """All `gpus`, or the CPU once for each process, as torch names them.

    `weights`: bytes of the model in float32, which limit the processes by memory.
    """
    if gpus:
        return tuple(f"cuda:{number}" for number in range(gpus))
    processes = cores() // _CORES_EACH if cores() >= _LARGE else 1
    fitting = _memory() // 2 // max(1, _COPIES * weights)
    return ("cpu",) * max(1, min(processes, fitting))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
