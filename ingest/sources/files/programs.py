"""Endings of source code, by programming language."""

from collections.abc import Mapping

_ENDINGS: Mapping[str, str] = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .mts .cts",
    "tsx": ".tsx",
    "go": ".go",
    "rust": ".rs",
    "java": ".java",
    "c": ".c",
    "cpp": ".h .cc .cpp .cxx .hpp .hh .hxx .ino",
    "csharp": ".cs",
    "ruby": ".rb",
    "php": ".php",
    "shell": ".sh .bash",
    # Cut by lines: their grammars are no part of the extra.
    "sql": ".sql",
    "kotlin": ".kt .kts",
    "swift": ".swift",
    "scala": ".scala",
    "lua": ".lua",
    "perl": ".pl .pm",
    "r": ".r",
    "julia": ".jl",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "haskell": ".hs",
    "clojure": ".clj",
    "dart": ".dart",
    "powershell": ".ps1",
    "fortran": ".f90",
    "zig": ".zig",
    "protobuf": ".proto",
}
BY_ENDING = {ending: name for name, all in _ENDINGS.items() for ending in all.split()}
