"""Analyzers of the text index: how MongoDB turns texts into words, and how to choose one.

The most frequent words of a sample show its language. A word that two languages share counts half
for each of them, so the words that only one of them has decide between neighbours.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

STANDARD = "lucene.standard"  # no language: words as they stand, in lower case
AUTO = "auto"  # by the language of the first texts
_LANGUAGES = """
    arabic armenian basque bengali brazilian bulgarian catalan chinese cjk czech danish dutch
    english finnish french galician german greek hindi hungarian indonesian irish italian
    japanese korean kuromoji latvian lithuanian morfologik nori norwegian persian polish
    portuguese romanian russian smartcn sorani spanish swedish thai turkish ukrainian
"""
_OTHERS = ("keyword", "simple", "whitespace")
ANALYZERS = (STANDARD, *(f"lucene.{name}" for name in (*_LANGUAGES.split(), *_OTHERS)))
CHOICES = (AUTO, *ANALYZERS)
SAMPLED = 200  # texts that are enough to tell a language

_LEAST_SHARE = 0.05  # of the words of a text, by what they count
_MARGIN = 1.2  # over the second language; a sample in two languages has none
_FEWEST_WORDS = 20
# Those that leafmongo has no stems of are here so that no other language is taken for them.
_UNSTEMMED = ("bulgarian", "catalan", "czech", "indonesian", "latin", "polish", "ukrainian")
_FREQUENT = {
    "arabic": "في من على إلى أن هذا هذه التي الذي عن مع كان ما لا أو كل وفي ولا هو هي قد ثم",
    "danish": (
        "og i at det er en til på som af for den med de ikke der et har var jeg blev "
        "efter eller fra kan skal være også hvad nogle mere deres"
    ),
    "dutch": (
        "de het een en van ik te dat die in is niet zijn op aan met voor er om maar ook "
        "als bij wordt naar door over uit"
    ),
    "english": (
        "the of and to in is that it for was with as on be by are this not from or at "
        "which an have has been can their"
    ),
    "finnish": (
        "ja on ei se että oli en hän ovat kun mutta tai mitä joka niin myös jotka hänen "
        "olla sekä kuin ole kaikki heidän"
    ),
    "french": (
        "de la le et les des en un une est que dans qui pour il pas sur au par plus ce "
        "avec du sont aux leur ou ne se son"
    ),
    "german": (
        "der die und das in den von zu mit sich des auf für ist im dem nicht ein eine als "
        "auch es an werden wird sind bei oder aus"
    ),
    "greek": (
        "και το να του η της με που την από για στο είναι τα των σε θα τον οι στην δεν ότι ή"
    ),
    "hungarian": (
        "a az és hogy nem is egy ez meg van csak volt már de mint vagy azt ha minden aki "
        "szerint után kell lehet ki"
    ),
    "italian": (
        "di e il la che in un è per una non del sono con della le dei da nel si al come "
        "più gli alla ed ha tutti"
    ),
    "norwegian": (
        "og i det er en til på som av for den med de ikke et har jeg var om å at fra ble "
        "men vi kan også etter eller skal være hva noen mer deres"
    ),
    "portuguese": (
        "de a o que e do da em um para é com não uma os no se na por mais as dos como ao "
        "das são ou pela foi"
    ),
    "romanian": (
        "și de în a la cu pe nu o să din care este un că mai pentru au fi sau prin unei "
        "acest sunt ale lor toate"
    ),
    "russian": (
        "и в не на что я с он как это по но из у за к от для то же было так вы или все они их"
    ),
    "spanish": (
        "de la que el en y a los se del las un por con no una su para es al lo como más o "
        "pero son sus está todos"
    ),
    "swedish": (
        "och i att det som en på är av för den med till inte ett har de om var jag men "
        "sig så från också eller alla kan ska vara deras"
    ),
    "bulgarian": "на и в да се за от с е не като по са при че до но или който това със",
    "catalan": (
        "de la i el en a que un les amb per és una els no al del es dels però més són com ha"
    ),
    "czech": "a v se na je že s z do o i to jako k ve pro za by ale po od jsou který nebo si",
    "indonesian": (
        "yang dan di dengan untuk dari ini pada dalam adalah tidak ke itu akan oleh sebagai"
    ),
    "latin": "et in est non ad ut cum sed qui quod ex per de ab si ac quae atque nec enim",
    "polish": (
        "w i na z się do nie że jest o po jak od za to są przez dla oraz który ale lub może"
    ),
    "ukrainian": "і в на не що з до у та за як це по його від або але для при є які був свої всі",
    "turkish": (
        "ve bir bu için ile de da çok olarak daha gibi olan var ne ama en kadar sonra her "
        "olduğu değil ise veya bütün"
    ),
}


def _shares() -> Mapping[str, Mapping[str, float]]:
    """By word: the languages that have it, and what it counts for each."""
    lists = {language: set(words.split()) for language, words in _FREQUENT.items()}
    owners = Counter(word for words in lists.values() for word in words)
    return {
        word: {language: 1 / owners[word] for language, words in lists.items() if word in words}
        for word in owners
    }


_SHARES = _shares()


def full_name(analyzer: str) -> str:
    """`english` is `lucene.english`."""
    return analyzer if analyzer == AUTO or "." in analyzer else f"lucene.{analyzer}"


def analyzer_for(texts: Iterable[str]) -> str:
    """The analyzer of the language that the texts are in; `lucene.standard` if no language that
    has one stands out."""
    words = [word for text in texts for word in _words(text)]
    counted: dict[str, float] = dict.fromkeys(_FREQUENT, 0.0)
    for word in words:
        for language, share in _SHARES.get(word, {}).items():
            counted[language] += share
    (best, most), (_, second), *_ = sorted(counted.items(), key=lambda item: -item[1])
    stands_out = most >= _LEAST_SHARE * len(words) and most >= _MARGIN * second
    if len(words) < _FEWEST_WORDS or not stands_out or best in _UNSTEMMED:
        return STANDARD
    return f"lucene.{best}"


def _words(text: str) -> list[str]:
    """Words between blanks, without what surrounds them."""
    stripped = (word.strip(".,;:!?\"'()[]«»„“”’¿¡…") for word in text.lower().split())
    return [word for word in stripped if word.isalpha()]
