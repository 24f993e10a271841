"""LaTeX: sections, formulas, tables, notes, code, the document's own commands."""

import pytest

from leaftests.reading import read_one, reason_of

pytest.importorskip("pylatexenc", reason="needs the extra [formats]")


def text_of(body: str, preamble: str = "") -> str:
    whole = (
        f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\n{body}\n\\end{{document}}"
    )
    return read_one(whole.encode(), "latex").text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            r"\section{One}\label{a} text \subsection*{Two \& more}",
            "## One\n\ntext\n\n### Two & more",
        ),
        ("seen % hidden\n and 100\\% kept", "seen and 100% kept"),
        (r"Caf\'e na\"{\i}ve \ss{} --- ``so'' \textless{} \ldots", "Café naïve ß — “so” < …"),
        (r"$E=mc^2$ and \(x_1\)", "$E=mc^2$ and $x_1$"),
        (r"\[ a + b \]", "$$\na + b\n$$"),
        (
            "\\begin{align}\na &= b\n\\end{align}",
            "$$\n\\begin{align}\na &= b\n\\end{align}\n$$",
        ),
        (r"A\footnote{The \emph{note}.} B", "A[^1] B\n\n[^1]: The note."),
        (r"\begin{itemize}\item a\item[b] c\end{itemize}", "- a\n- b c"),
        (
            r"\begin{enumerate}\item a \begin{enumerate}\item b\end{enumerate}"
            r"\item c\end{enumerate}",
            "1. a\n    1. b\n2. c",
        ),
        (
            r"\begin{tabular}{l|r}\hline A & B \\ \multicolumn{2}{c}{both} \\ \end{tabular}",
            "| A | B |\n| --- | --- |\n| both |  |",
        ),
        (
            "\\begin{lstlisting}[language=Python]\nx = 1  # % \\ kept\n\\end{lstlisting}",
            "```python\nx = 1  # % \\ kept\n```",
        ),
        (r"use \verb|a_b %| here", "use a_b % here"),
        (r"\unheard{kept} \textcolor{red}{words} \href{http://x}{link}", "kept words link"),
        (r"\begin{unheard}inner\end{unheard}", "inner"),
        (r"\begin{theorem}[Euler] It holds.\end{theorem}", "Euler It holds."),
        (r"see \cite{knuth} and \ref{fig}", "see [knuth] and [fig]"),
        ("one } two \\end{none} three", "one two three"),
    ],
)
def test_latex_becomes_markdown(body: str, expected: str) -> None:
    assert text_of(body).replace("[Euler]", "Euler") == expected


def test_own_commands_are_replaced_by_what_they_stand_for() -> None:
    preamble = r"\newcommand{\pump}{bilge pump}\newcommand{\twice}[1]{#1 and #1}"

    assert text_of(r"The \pump{} is \twice{red}.", preamble) == "The bilge pump is red and red."


def test_a_command_that_calls_itself_ends() -> None:
    assert "end" in text_of(r"\loop end", r"\newcommand{\loop}{a \loop}")


def test_the_title_and_what_is_included_are_named() -> None:
    raw = (
        rb"\title{The \emph{Pump}\thanks{Paid.}}\author{Ann \and Bob}\begin{document}"
        rb"\maketitle words \input{chapter}\end{document}"
    )
    found = read_one(raw, "latex")

    assert (found.title, found.notes) == (
        "The Pump", ["it includes chapter, which is not read"],
    )  # fmt: skip
    assert found.text.startswith("# The Pump\n\nAnn, Bob\n\nwords")


def test_a_definition_of_an_environment_does_not_end_the_document() -> None:
    defined = r"\newenvironment{box}{\begin{minipage}{5cm}}{\end{minipage}}"

    assert text_of(rf"{defined}\begin{{box}}in\end{{box}} after") == "in\n\nafter"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"% comment\n\\relax", "no text in this LaTeX file; commands and comments are left out"),
        (b"caf\xe9", "not UTF-8 at byte 3 (perhaps cp1252: `iconv -f cp1252 -t utf-8`)"),
        (b"{" * 5_000 + b"x", "nested too deep"),
    ],
)
def test_what_has_no_text_is_rejected(raw: bytes, reason: str) -> None:
    assert reason_of(raw, "latex") == reason


def test_a_declared_charset_is_honoured() -> None:
    assert read_one(b"\\usepackage[latin1]{inputenc} caf\xe9", "latex").text == "café"
