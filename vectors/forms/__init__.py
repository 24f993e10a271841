"""How a vector is stored: transform, dimensions, precision; and which form keeps the most.

Pure numpy and bson; `store` puts vectors of a form into MongoDB.
"""

from leafsearch.vectors.forms.choice import (
    CHOICES,
    FEWEST,
    FEWEST_BYTES,
    FormChoice,
    OpenForm,
    choose_form,
    choose_form_by_bytes,
    compare_forms,
)
from leafsearch.vectors.forms.codec import UNIT_TOLERANCE, Codec
from leafsearch.vectors.forms.estimate import Estimate, Form, Sample, sample_queries
from leafsearch.vectors.forms.transform import Rotation, Transform, fit_rotation, fit_transform

__all__ = [
    "CHOICES",
    "FEWEST",
    "FEWEST_BYTES",
    "UNIT_TOLERANCE",
    "Codec",
    "Estimate",
    "Form",
    "FormChoice",
    "OpenForm",
    "Rotation",
    "Sample",
    "Transform",
    "choose_form",
    "choose_form_by_bytes",
    "compare_forms",
    "fit_rotation",
    "fit_transform",
    "sample_queries",
]
