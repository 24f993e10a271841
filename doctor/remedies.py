"""What a finding recommends: commands that can be pasted, with the options that were given.

Only what helps is recommended: each of these commands is run by a test on the fault that it is
for. Documents that another program wrote are that program's to mend.
"""

from leafsearch.config.hint import Names, hint, ingest_hint, rebuild_hint
from leafsearch.doctor.context import Case


def repair(case: Case, *more: str) -> str:
    return hint("leaf-ingest", "--repair", *more, **names(case))


def retire(case: Case) -> str:
    return hint("leaf-ingest", "--retire", **names(case))


def ingest(case: Case, *more: str) -> str:
    """Of the collection itself where its vectors are in place."""
    return ingest_hint(*more, **names(case), in_place=is_in_place(case))


def rebuild(case: Case, *more: str) -> str:
    return rebuild_hint(*more, **names(case), in_place=is_in_place(case))


def examine(case: Case, *changes: str) -> str:
    """The doctor again, with other options."""
    return hint("leaf-search doctor", *changes, **names(case), whole=True)


def encode_again(case: Case, *more: str, otherwise: str) -> str:
    """What to do about faulty vectors; `otherwise`, where another program wrote them."""
    if case.knows(Case.manifest) is None:
        return otherwise
    return f"{repair(case, *more)} encodes them again"


def is_in_place(case: Case) -> bool:
    manifest = case.knows(Case.manifest)
    return manifest is not None and manifest.layout == "in_place"


def names(case: Case) -> Names:
    settings = case.order.settings
    return {"database": settings.database, "collection": settings.collection}
