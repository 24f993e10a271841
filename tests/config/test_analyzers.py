"""The most frequent words of texts show their language."""

import pytest

from leafsearch.config.analyzers import ANALYZERS, analyzer_for, full_name

# The beginning of the Universal Declaration of Human Rights.
STEMMED = {
    "english": (
        "All human beings are born free and equal in dignity and rights. They are endowed "
        "with reason and conscience and should act towards one another in a spirit of "
        "brotherhood. Everyone is entitled to all the rights and freedoms set forth in this "
        "Declaration, without distinction of any kind."
    ),
    "german": (
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit "
        "Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit "
        "begegnen. Jeder hat Anspruch auf die in dieser Erklärung verkündeten Rechte und "
        "Freiheiten ohne irgendeinen Unterschied."
    ),
    "french": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont "
        "doués de raison et de conscience et doivent agir les uns envers les autres dans un "
        "esprit de fraternité. Chacun peut se prévaloir de tous les droits et de toutes les "
        "libertés proclamés dans la présente Déclaration."
    ),
    "spanish": (
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados "
        "como están de razón y conciencia, deben comportarse fraternalmente los unos con los "
        "otros. Toda persona tiene los derechos y libertades proclamados en esta Declaración, "
        "sin distinción alguna de raza, color, sexo, idioma o religión."
    ),
    "portuguese": (
        "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de "
        "razão e de consciência, devem agir uns para com os outros em espírito de "
        "fraternidade. Todos os seres humanos podem invocar os direitos e as liberdades "
        "proclamados na presente Declaração, sem distinção alguma."
    ),
    "italian": (
        "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono "
        "dotati di ragione e di coscienza e devono agire gli uni verso gli altri in spirito "
        "di fratellanza. Ad ogni individuo spettano tutti i diritti e tutte le libertà "
        "enunciate nella presente Dichiarazione, senza distinzione alcuna per ragioni di "
        "razza."
    ),
    "dutch": (
        "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn "
        "begiftigd met verstand en geweten, en behoren zich jegens elkander in een geest van "
        "broederschap te gedragen. Een ieder heeft aanspraak op alle rechten en vrijheden, in "
        "deze Verklaring opgesomd, zonder enig onderscheid van welke aard ook."
    ),
    "danish": (
        "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med "
        "fornuft og samvittighed, og de bør handle mod hverandre i en broderskabets ånd. "
        "Enhver har krav på alle de rettigheder og friheder, som nævnes i denne erklæring, "
        "uden forskelsbehandling af nogen art, for eksempel på grund af race, farve, køn "
        "eller sprog."
    ),
    "norwegian": (
        "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter. De er "
        "utstyrt med fornuft og samvittighet og bør handle mot hverandre i brorskapets ånd. "
        "Enhver har krav på alle de rettigheter og friheter som er nevnt i denne erklæring, "
        "uten forskjell av noen art, for eksempel på grunn av rase, farge, kjønn eller språk."
    ),
    "swedish": (
        "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med "
        "förnuft och samvete och bör handla gentemot varandra i en anda av broderskap. Var "
        "och en är berättigad till alla de rättigheter och friheter som uttalas i denna "
        "förklaring utan åtskillnad av något slag."
    ),
    "finnish": (
        "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille "
        "on annettu järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden "
        "hengessä. Jokainen on oikeutettu kaikkiin tässä julistuksessa esitettyihin "
        "oikeuksiin ja vapauksiin ilman minkäänlaista rotuun, väriin tai sukupuoleen "
        "perustuvaa erotusta."
    ),
    "hungarian": (
        "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, "
        "ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy "
        "viseltessenek. Mindenki, bármely megkülönböztetésre való tekintet nélkül, "
        "hivatkozhat a jelen Nyilatkozatban kinyilvánított összes jogokra és szabadságokra."
    ),
    "romanian": (
        "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt "
        "înzestrate cu rațiune și conștiință și trebuie să se comporte unele față de altele "
        "în spiritul fraternității. Fiecare om se poate prevala de toate drepturile și "
        "libertățile proclamate în prezenta Declarație fără niciun fel de deosebire."
    ),
    "russian": (
        "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены "
        "разумом и совестью и должны поступать в отношении друг друга в духе братства. Каждый "
        "человек должен обладать всеми правами и всеми свободами, провозглашенными настоящей "
        "Декларацией, без какого бы то ни было различия."
    ),
    "greek": (
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. "
        "Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ "
        "τους με πνεύμα αδελφοσύνης. Κάθε άνθρωπος δικαιούται να επικαλείται όλα τα "
        "δικαιώματα και όλες τις ελευθερίες."
    ),
    "turkish": (
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana "
        "sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. "
        "Herkes, ırk, renk, cinsiyet, dil, din veya herhangi başka bir inanç bakımından fark "
        "gözetilmeksizin bu Beyanname ile ilan olunan bütün haklardan ve özgürlüklerden "
        "istifade edebilir."
    ),
    "arabic": (
        "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن "
        "يعامل بعضهم بعضا بروح الإخاء. لكل إنسان حق التمتع بكافة الحقوق والحريات الواردة في "
        "هذا الإعلان، دون أي تمييز، كالتمييز بسبب العنصر أو اللون أو الجنس أو اللغة أو الدين "
        "أو الرأي السياسي أو أي رأي آخر."
    ),
}
OTHERS = {
    "polish": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są "
        "oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu "
        "braterstwa. Każdy człowiek posiada wszystkie prawa i wolności zawarte w niniejszej "
        "Deklaracji bez względu na różnice rasy."
    ),
    "czech": (
        "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni "
        "rozumem a svědomím a mají spolu jednat v duchu bratrství. Každý má všechna práva a "
        "všechny svobody, stanovené touto deklarací, bez jakéhokoli rozlišování."
    ),
    "catalan": (
        "Tots els éssers humans neixen lliures i iguals en dignitat i en drets. Són dotats de "
        "raó i de consciència, i han de comportar-se fraternalment els uns amb els altres. "
        "Tothom té tots els drets i llibertats proclamats en aquesta Declaració, sense cap "
        "distinció de raça."
    ),
    "ukrainian": (
        "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені "
        "розумом і совістю і повинні діяти у відношенні один до одного в дусі братерства. "
        "Кожна людина повинна мати всі права і всі свободи, проголошені цією Декларацією."
    ),
    "japanese": (
        "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。"
    ),
    "latin": (
        "Omnes homines dignitate et iure liberi et pares nascuntur, rationis et conscientiae "
        "participes sunt, quibus inter se concordiae studio est agendum. Lorem ipsum dolor "
        "sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et "
        "dolore magna aliqua."
    ),
    "code": (
        "def read(path): with open(path) as f: return f.read() for line in lines: if line in "
        "seen: continue import os import sys class A: def __init__(self, a, b): self.a = a "
        "self.b = b return None"
    ),
    "table": (
        "id name price 1 Alpha 3.50 2 Beta 4.00 3 Gamma 5.00 4 Delta 6.00 Berlin Hamburg "
        "München 10115 20095 80331 red green blue yellow black white orange pink"
    ),
}


@pytest.mark.parametrize("language", STEMMED)
def test_a_language_has_its_analyzer(language: str) -> None:
    assert analyzer_for([STEMMED[language]]) == f"lucene.{language}"
    assert f"lucene.{language}" in ANALYZERS


@pytest.mark.parametrize("kind", OTHERS)
def test_no_language_is_guessed(kind: str) -> None:
    """Nor one of the languages that leafmongo has no stems of."""
    assert analyzer_for([OTHERS[kind]]) == "lucene.standard"


@pytest.mark.parametrize("texts", [[], [""], ["the cat"], ["12 34 56"]], ids=str)
def test_a_few_words_tell_no_language(texts: list[str]) -> None:
    assert analyzer_for(texts) == "lucene.standard"


def test_the_language_of_most_texts_counts() -> None:
    english, german = STEMMED["english"], STEMMED["german"]

    assert analyzer_for([english, german]) == "lucene.standard"
    assert analyzer_for([english, german, english, english]) == "lucene.english"


def test_a_language_is_short_for_its_analyzer() -> None:
    assert full_name("english") == "lucene.english"
    assert full_name("lucene.english") == "lucene.english"
    assert full_name("auto") == "auto"
    assert full_name("klingon") == "lucene.klingon"
