"""The steps of an ingest as a Ray Data pipeline. Needs the extra [ray]."""

from leafsearch.ingest.on_ray.pipeline import Job, ingest_on_ray

__all__ = ["Job", "ingest_on_ray"]
