"""Which files of a folder are wanted, by patterns as in a .gitignore."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Choice:
    """A file is wanted if some pattern of `include` matches (or there is none), and none of
    `exclude`. Paths are relative to the folder, with slashes."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def problems(self) -> Iterator[str]:
        for option, patterns in (("--include", self.include), ("--exclude", self.exclude)):
            for pattern in patterns:
                try:
                    rules = GitIgnoreSpec.from_lines([pattern])
                except ValueError as error:
                    yield f"{option} {pattern!r}: {error}"
                    continue
                if not any(rule.include is not None for rule in rules.patterns):
                    yield f"{option} {pattern!r}: expected a pattern, like '*.md' or 'drafts/'"

    def takes(self, path: str) -> bool:
        included = not self.include or self._included.match_file(path)
        return included and not self._excluded.match_file(path)

    def enters(self, folder: str) -> bool:
        return not self._excluded.match_file(f"{folder}/")

    @cached_property
    def _included(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines(self.include)

    @cached_property
    def _excluded(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines(self.exclude)
