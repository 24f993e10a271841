"""The servers that a deployment can behave like, where they differ in what they allow.

atlas        the newest: int8 vectors are quantized to bits, any number of search indexes
flex, m0     the same with Atlas's limits on the number of search indexes, of all types
             together; like Atlas's small clusters, they answer the command `atlasVersion`
mongot-1.70  skips int8 vectors where the field has quantization "binary"
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerProfile:
    """`most_indexes` None: no limit."""

    most_indexes: int | None = None
    quantizes_int8: bool = True
    is_shared: bool = False


NEWEST = "atlas"
PROFILES = {
    NEWEST: ServerProfile(),
    "flex": ServerProfile(most_indexes=10, is_shared=True),
    "m0": ServerProfile(most_indexes=3, is_shared=True),
    "mongot-1.70": ServerProfile(quantizes_int8=False),
}
