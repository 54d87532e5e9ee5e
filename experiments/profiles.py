"""An experiment file with its profiles: the same experiment in several sizes.

`quick` and `paper` exist for every experiment; a `[profile.NAME]` table overrides what it names,
and nothing else. Schemes, variants and conditions override the profile, `--set` overrides all of them. Every profile
is checked with every one of them that the file names when it is loaded, not when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments import schemes, toml_source
from experiments.document import Document, Option, from_source, option_value, parse_option, table_of
from experiments.schema import Settings
from experiments.sweep import AXES, TABLE, Sweep, samples, swept_paths
from experiments.validation import Valid, checked, is_list, validate
from experiments.values import IDENTITY
from experiments.variants import TABLES, Axes, Case, axes
from experiments.words import did_you_mean, mistyped
from testbed.base.errors import UsageError
from testbed.net.mptcp_settings import Mptcp

DEFAULT_PROFILE = "quick"
STANDARD_PROFILES = ("quick", "paper")


@dataclass(frozen=True)
class Experiment:
    """A loaded file: `base` are its settings without a profile, `profiles` the document of each profile.

    `axes` are its schemes, variants and conditions.
    """

    path: Path
    base: Settings
    profiles: Mapping[str, Document]
    axes: Axes = field(default_factory=Axes)

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

    def settings(
        self, profile: str = DEFAULT_PROFILE, overrides: Sequence[str] = (), asked: Sequence[str] = ()
    ) -> list[tuple[Case, Valid]]:
        """The settings of each case in a profile after `KEY=VALUE` overrides, with the schemes that are asked for.

        Raises UsageError for a profile, an override or a scheme that does not exist or cannot be.
        """
        document = self.profiles.get(profile)
        if document is None:
            hint = did_you_mean(profile, self.profiles, "its profiles")
            raise UsageError(f"{self.name} has no profile {profile!r}", hint=hint)
        try:
            cases = self.axes.cases(asked)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error.message}", hint=error.hint) from None
        options = [_option(text) for text in overrides]
        found = []
        for case in swept(document, cases, options):
            valid = validate(_overridden(document, case, options))
            # All values of such an axis: one of them may be the scheme's own, and they make one curve.
            by_sweep = case.sample and case.sample.sets("mptcp")
            changed = case.scheme and (by_sweep or (options and valid.settings.mptcp != _mptcp_of(document, case)))
            found.append((replace(case, changed=bool(changed)), valid))
        return found


def load(path: Path, scheme_files: Sequence[Path] = ()) -> Experiment:
    """Read and check an experiment file with all its profiles; raises ConfigError with `file:line`.

    It can be run with the schemes of further files, too.
    """
    whole = from_source(toml_source.read(path))
    base = whole.without("profile", *TABLES)
    settings = validate(base).settings
    found = axes(whole, settings.schemes, schemes.known(whole, scheme_files))
    if settings.schemes and "mptcp" not in settings.protocols:
        raise whole.error(("schemes",), "schemes: there is nothing to measure with them: protocols has no 'mptcp'")
    mine = [name for name, scheme in found.schemes.items() if scheme.table.path == path]
    every = found.cases([schemes.ALL, *(() if found.variants else mine)])
    profiles = dict.fromkeys(STANDARD_PROFILES, base)
    names = table_of(whole, "profile").data if "profile" in whole.data else {}
    for name in names:
        if meant := mistyped(name, STANDARD_PROFILES):
            raise whole.error(("profile", name), f"unknown profile {name!r}", hint=f"did you mean {meant!r}?")
        profile = table_of(whole, "profile", name)
        for key in profile.data:
            if key in (*IDENTITY, *TABLES):
                raise whole.error(("profile", name, key), f"a profile cannot change {key!r}")
        profiles[name] = base.overridden(profile.data, profile)
        validate(profiles[name])
    for document in profiles.values():
        for case in (*every, *swept(document, every, ())[:: len(every)]):
            validate(_overridden(document, case, ()))
    return Experiment(path, settings, profiles, found)


def swept(document: Document, cases: Sequence[Case], options: Sequence[Option]) -> list[Case]:
    """The cases, each with every combination of the sweep that the document or an option asks for, if any does.

    Raises UsageError for an option that sets what is swept.
    """
    whole = _overridden(document, Case(), options)
    if whole.value((TABLE,)) is None:
        return list(cases)
    sweep = checked(table_of(whole, TABLE), Sweep)
    paths = swept_paths(sweep)
    for option in options:
        if same := [each for each in paths if _overlap(each, option.path)]:
            what = f"--set {option.text}: {'.'.join(same[0])} is swept"
            raise UsageError(what, hint=f"other values: --set sweep.axes.{'.'.join(same[0])}=A,B")
    for case in cases:
        for choice in (case.variant, *case.conditions):
            same = [each for each in paths if choice and any(_overlap(each, path) for path in choice.paths())]
            if choice and same:
                what = f"sweep.axes: {'.'.join(same[0])}: {choice.name!r} sets it, too, and would be a name alone"
                raise whole.error((TABLE, AXES, *same[0]), what, hint="sweep it, or have conditions of it")
    combinations = samples(whole, sweep)
    return [replace(case, sample=sample) for sample in combinations for case in cases]


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths are the same, or one is in the other's table."""
    return one[: len(other)] == other or other[: len(one)] == one


def _overridden(document: Document, case: Case, options: Sequence[Option]) -> Document:
    for choice in case.choices:
        document = choice.applied_to(document)
    for option in options:
        document = document.with_option(_with_list(document, option))
    return document


def _mptcp_of(document: Document, case: Case) -> Mptcp:
    return validate(_overridden(document, case, ())).settings.mptcp


def _option(text: str) -> Option:
    option = parse_option(text)
    if option.path[0] in (*IDENTITY, *TABLES, "profile"):
        raise UsageError(f"--set {text}: an option cannot change {option.path[0]!r}")
    if isinstance(option.value, str) and option.path[:2] == (TABLE, AXES):
        return replace(option, value=[option_value(item.strip()) for item in option.value.split(",")])
    return option


def _with_list(document: Document, option: Option) -> Option:
    """The option, its text a list where the document has one."""
    if isinstance(option.value, str) and is_list(document, option.path):
        return replace(option, value=[item.strip() for item in option.value.split(",")])
    return option
