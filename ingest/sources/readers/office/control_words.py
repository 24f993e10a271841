"""Control words of RTF: signs, groups without text, and groups that hold text."""

SIGNS = {
    "line": "\n",
    "softline": "\n",
    "lbr": "\n",
    "tab": "\t",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
}
ESCAPES = {"~": "\xa0", "_": "‑", "{": "{", "}": "}", "\\": "\\", "\t": "\t"}
SKIPPED = {
    *(
        "colortbl",
        "pict",
        "themedata",
        "colorschememapping",
        "latentstyles",
        "datastore",
        "fldinst",
    ),
    *("listtable", "listoverridetable", "rsidtbl", "generator", "filetbl", "revtbl", "xmlnstbl"),
    *("objdata", "objclass", "bkmkstart", "bkmkend", "xe", "tc", "rxe", "nonshppict", "atnid"),
    *("operator", "company", "category", "keywords", "subject", "doccomm", "author", "manager"),
    *("ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "ftncn", "aftncn", "mmathPict", "atnref", "sn"),
    *(
        "sv",
        "pn",
        "pnseclvl",
        "fname",
        "txe",
        "wgrffmtfilter",
        "template",
        "passwordhash",
        "atrfstart",
    ),
    *("atrfend", "atndate", "panose", "falt", "hlinkbase", "comment", "buptim", "creatim"),
    *("revtim", "printim", "nextfile", "pgptbl", "atntime"),
}
RUNNING = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "running head"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "running foot"),
}
# Starred groups that hold text; all other starred groups may be skipped by readers.
SHOWN = {"annotation", "shptxt", "ud", "footnote", "moMath", "moMathPara", "shpinst", "shppict"}
SHOWN |= {"atnauthor", "fldrslt"}
