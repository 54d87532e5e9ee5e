"""An experiment file with its profiles: the same experiment in several sizes.

`quick` and `paper` exist for every experiment; a `[profile.NAME]` table overrides what it names,
and nothing else. Variants and conditions override the profile, `--set` overrides all of them. Every
profile is checked with every variant and condition when the file is loaded, not when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments import toml_source
from experiments.document import Document, Option, from_source, parse_option, table_of
from experiments.schema import Settings
from experiments.validation import Valid, is_list, validate
from experiments.variants import IDENTITY, TABLES, Case, cases
from experiments.words import did_you_mean
from testbed.base.errors import UsageError

DEFAULT_PROFILE = "quick"
STANDARD_PROFILES = ("quick", "paper")


@dataclass(frozen=True)
class Experiment:
    """A loaded file: `base` are its settings without a profile, `profiles` the document of each profile.

    `cases` are the variants under the conditions, in order; one that chooses nothing where the file has neither.
    """

    path: Path
    base: Settings
    profiles: Mapping[str, Document]
    cases: tuple[Case, ...] = (Case(None, None),)

    @property
    def name(self) -> str:
        """The experiment's name, with which the ids of its points begin."""
        return self.base.name

    @property
    def figure(self) -> str:
        """The number of the paper's figure, or an empty text."""
        return self.base.figure

    @property
    def title(self) -> str:
        """What the experiment shows, in one line."""
        return self.base.title

    def settings(self, profile: str = DEFAULT_PROFILE, overrides: Sequence[str] = ()) -> list[tuple[Case, Valid]]:
        """The settings of each case in a profile after `KEY=VALUE` overrides.

        Raises UsageError for a profile or an override that does not exist or cannot be.
        """
        document = self.profiles.get(profile)
        if document is None:
            hint = did_you_mean(profile, self.profiles, "its profiles")
            raise UsageError(f"{self.name} has no profile {profile!r}", hint=hint)
        return [(case, validate(_overridden(document, case, overrides))) for case in self.cases]


def load(path: Path) -> Experiment:
    """Read and check an experiment file with all its profiles; raises ConfigError with `file:line`."""
    whole = from_source(toml_source.read(path))
    base = whole.without("profile", *TABLES)
    settings = validate(base).settings
    choices = tuple(cases(whole))
    profiles = dict.fromkeys(STANDARD_PROFILES, base)
    names = table_of(whole, "profile").data if "profile" in whole.data else {}
    for name in names:
        profile = table_of(whole, "profile", name)
        for key in profile.data:
            if key in (*IDENTITY, *TABLES):
                raise whole.error(("profile", name, key), f"a profile cannot change {key!r}")
        profiles[name] = base.overridden(profile.data, profile)
        validate(profiles[name])
    for document in profiles.values():
        for case in choices:
            validate(_overridden(document, case, ()))
    return Experiment(path, settings, profiles, choices)


def _overridden(document: Document, case: Case, overrides: Sequence[str]) -> Document:
    for choice in case.choices:
        document = choice.applied_to(document)
    for text in overrides:
        document = document.with_option(_option(document, text))
    return document


def _option(document: Document, text: str) -> Option:
    option = parse_option(text)
    if option.path[0] in (*IDENTITY, *TABLES, "profile"):
        raise UsageError(f"--set {text}: an option cannot change {option.path[0]!r}")
    if isinstance(option.value, str) and is_list(document, option.path):
        return replace(option, value=[item.strip() for item in option.value.split(",")])
    return option
