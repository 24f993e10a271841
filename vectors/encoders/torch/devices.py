"""Where documents are encoded when nobody says: all GPUs, or the cores in several processes."""

import os

import torch

from leafsearch.vectors.encoders import processor
from leafsearch.vectors.encoders.processor import cores

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


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; a CPU that does not is slower with it."""
    return device.type != "cpu" or processor.has_bfloat16()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
