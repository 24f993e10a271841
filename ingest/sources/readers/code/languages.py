"""Programming languages: their endings, and what a definition is in those that have a grammar."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from leafsearch.ingest.sources.files.formats import inner_ending
from leafsearch.ingest.sources.files.programs import BY_ENDING


@dataclass(frozen=True)
class Language:
    """`module` and `function` give the grammar. A node of `definitions` is a part of its own with a
    symbol; inside `containers` definitions are looked for, and around `wrappers` nothing is."""

    name: str
    module: str = ""
    function: str = "language"
    definitions: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    wrappers: frozenset[str] = field(default=frozenset())


def _language(
    name: str,
    module: str,
    definitions: str,
    containers: str,
    wrappers: str = "",
    function: str = "",
) -> Language:
    return Language(
        name,
        f"tree_sitter_{module}",
        function or "language",
        frozenset(definitions.split()) | frozenset(containers.split()),
        frozenset(containers.split()),
        frozenset(wrappers.split()),
    )


_JS = "function_declaration generator_function_declaration method_definition"
_JS_WRAPPERS = "export_statement class_body program statement_block expression_statement"
_TS = f"{_JS} function_signature type_alias_declaration enum_declaration"
_TS_CONTAINERS = (
    "class_declaration abstract_class_declaration interface_declaration internal_module module"
)
_C_WRAPPERS = (
    "preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list "
    "field_declaration_list template_declaration"
)
_LANGUAGES = {
    "python": _language(
        "python", "python", "function_definition", "class_definition",
        "decorated_definition block if_statement else_clause try_statement except_clause",
    ),
    "javascript": _language(
        "javascript", "javascript", f"{_JS} lexical_declaration variable_declaration",
        "class_declaration", _JS_WRAPPERS,
    ),
    "typescript": _language(
        "typescript", "typescript", f"{_TS} lexical_declaration", _TS_CONTAINERS,
        f"{_JS_WRAPPERS} interface_body ambient_declaration", "language_typescript",
    ),
    "tsx": _language(
        "typescript", "typescript", f"{_TS} lexical_declaration", _TS_CONTAINERS,
        f"{_JS_WRAPPERS} interface_body ambient_declaration", "language_tsx",
    ),
    "go": _language("go", "go", "function_declaration method_declaration type_declaration", ""),
    "rust": _language(
        "rust", "rust",
        "function_item struct_item enum_item union_item macro_definition type_item",
        "impl_item trait_item mod_item", "declaration_list",
    ),
    "java": _language(
        "java", "java", "method_declaration constructor_declaration annotation_type_declaration",
        "class_declaration interface_declaration enum_declaration record_declaration",
        "class_body interface_body enum_body enum_body_declarations record_body",
    ),
    "c": _language(
        "c", "c", "function_definition type_definition struct_specifier", "", _C_WRAPPERS,
    ),
    "cpp": _language(
        "cpp", "cpp", "function_definition type_definition enum_specifier",
        "class_specifier struct_specifier namespace_definition", _C_WRAPPERS,
    ),
    "csharp": _language(
        "csharp", "c_sharp",
        "method_declaration constructor_declaration property_declaration enum_declaration "
        "delegate_declaration",
        "namespace_declaration class_declaration interface_declaration struct_declaration "
        "record_declaration",
        "declaration_list file_scoped_namespace_declaration",
    ),
    "ruby": _language("ruby", "ruby", "method singleton_method", "class module", "body_statement"),
    "php": _language(
        "php", "php", "function_definition method_declaration",
        "class_declaration interface_declaration trait_declaration enum_declaration "
        "namespace_definition",
        "declaration_list compound_statement", "language_php",
    ),
    "shell": _language("shell", "bash", "function_definition", ""),
}  # fmt: skip


def language_of(path: str) -> Language:
    """By the ending of a path; one without a name for an unknown ending."""
    name = BY_ENDING.get(inner_ending(PurePosixPath(path)), "")
    return _LANGUAGES.get(name, Language(name))
