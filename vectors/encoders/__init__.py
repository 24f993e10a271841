"""Texts to rows of unit length: the door of the encoders.

Importing it costs no torch, no ONNX Runtime and no hub: `load_encoder` and `load_student` import
what the model needs, and other names that need much are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from leafsearch.vectors.encoders.alignment import (
    MINIMUM_COSINE,
    MINIMUM_MARGIN,
    PROBES,
    Alignment,
    check_alignment,
    encode_probe,
    measure_alignment,
    require_probe,
)
from leafsearch.vectors.encoders.base import (
    RETRY_SECONDS,
    Encoder,
    Rows,
    Teacher,
    has_torch,
    is_remote,
    require_torch,
    unit_rows,
    usual_factor,
)
from leafsearch.vectors.encoders.batches import Tokens
from leafsearch.vectors.encoders.cost import measure_megabytes, measure_milliseconds
from leafsearch.vectors.encoders.devices import cores, has_bfloat16, has_gpu
from leafsearch.vectors.encoders.load import load_encoder, load_tokenizer, load_with_key
from leafsearch.vectors.encoders.model_files import ModelFiles, find_model
from leafsearch.vectors.encoders.onnx.folder import PUBLISHED_GRAPH
from leafsearch.vectors.encoders.onnx.student import export_student, load_student, student_folder
from leafsearch.vectors.encoders.words import TokenCount, Words

if TYPE_CHECKING:
    from leafsearch.vectors.encoders.onnx.export import export_transformer
    from leafsearch.vectors.encoders.static.folder import write_static_model
    from leafsearch.vectors.encoders.torch.encoder import TransformerEncoder
    from leafsearch.vectors.encoders.torch.packed_attention import (
        PACKED_FEATURES,
        attend_in_products,
        attend_packed,
        pack_tokens,
        require_packable,
    )

_LATER = {
    "TransformerEncoder": "torch.encoder",
    "export_transformer": "onnx.export",
    "PACKED_FEATURES": "torch.packed_attention",
    "attend_in_products": "torch.packed_attention",
    "attend_packed": "torch.packed_attention",
    "pack_tokens": "torch.packed_attention",
    "require_packable": "torch.packed_attention",
    "write_static_model": "static.folder",
}

__all__ = [
    "MINIMUM_COSINE",
    "MINIMUM_MARGIN",
    "PACKED_FEATURES",
    "PROBES",
    "PUBLISHED_GRAPH",
    "RETRY_SECONDS",
    "Alignment",
    "Encoder",
    "ModelFiles",
    "Rows",
    "Teacher",
    "TokenCount",
    "Tokens",
    "TransformerEncoder",
    "Words",
    "attend_in_products",
    "attend_packed",
    "check_alignment",
    "cores",
    "encode_probe",
    "export_student",
    "export_transformer",
    "find_model",
    "has_bfloat16",
    "has_gpu",
    "has_torch",
    "is_remote",
    "load_encoder",
    "load_student",
    "load_tokenizer",
    "load_with_key",
    "measure_alignment",
    "measure_megabytes",
    "measure_milliseconds",
    "pack_tokens",
    "require_packable",
    "require_probe",
    "require_torch",
    "student_folder",
    "unit_rows",
    "usual_factor",
    "write_static_model",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
