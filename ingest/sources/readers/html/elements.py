"""Names of HTML elements, by what they do to text."""


def names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


HEADINGS = names("h1 h2 h3 h4 h5 h6")
# Elements that begin and end a line.
BLOCKS = HEADINGS | names(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption "
    "figure footer form header hgroup li main nav ol p pre section summary table tbody td tfoot "
    "th thead tr ul"
)
VOID = names("area base br col embed frame hr img input link meta param source track wbr")
# Parts of a line that say nothing in plain text.
PLAIN = names(
    "a abbr acronym b bdi bdo big center cite data del dfn em font i ins label mark nobr output "
    "picture s small span strike strong sub sup time u var wbr"
)
CODE = names("code kbd samp tt")
INLINE = PLAIN | CODE | names("q")
