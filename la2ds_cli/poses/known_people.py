"""Recognise the people of a project in a new reading of a film, and number the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError
from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.people_table import PersonRow, Places, read_people
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import read_videos
from la2ds_cli.poses.current import STEP

_NO_FACTS = AttributeError, KeyError, OverflowError, TypeError, ValueError
Span = tuple[int, int]  # the first and the last frame of the file that a reading covers


@dataclass(frozen=True)
class KnownPerson:
    """A person of a film.

    places: where they are in each of their clips, as far as known.
    is_free: whether their number may go to another person, since no other clip shows them and
        nothing was set for them.
    """

    number: int
    places: tuple[Places, ...]
    is_free: bool = False

    def agreement(self, seen: Places, span: Span) -> float | None:
        """Return how clearly a reading shows this person, as the sum of Places.agreement over all
        clips; 0 if one of them contradicts, None if none covers the reading."""
        each = [places.agreement(seen, *span) for places in self.places]
        values = [value for value in each if value is not None]
        if not values:
            return None
        return 0.0 if 0.0 in values else sum(values)


@dataclass(frozen=True)
class FilmPeople:
    """The people of a film.

    kept: numbers of the people whom the last reading of this part kept, the subject first.
    subject: the choice of that reading: `auto`, or a rank.
    """

    persons: tuple[KnownPerson, ...] = ()
    kept: tuple[int, ...] = ()
    subject: str = ""

    def found_again(self, seen: Sequence[Places], span: Span) -> dict[int, int]:
        """Return the index in `seen` of each known person whom it shows, by number."""
        agreement = {
            (person.number, i): value
            for person in self.persons
            for i, places in enumerate(seen)
            if (value := person.agreement(places, span))
        }
        again: dict[int, int] = {}
        for number, i in sorted(agreement, key=lambda pair: (-agreement[pair], pair)):
            if number not in again and i not in again.values():
                again[number] = i
        return again

    def followed(self, seen: Sequence[Places], span: Span, subject: str) -> list[int]:
        """Return the indices of the people whom the last reading kept, the subject first; none if
        the choice of the subject is another one now."""
        if subject != self.subject:
            return []
        again = self.found_again(seen, span)
        return [again[number] for number in self.kept if number in again]

    def numbers(self, seen: Sequence[Places], span: Span) -> list[int]:
        """Return the number of each person of a reading, best first.

        Known people keep their number. Others get their place in the order if it is free, else the
        lowest free number.
        """
        again = {i: number for number, i in self.found_again(seen, span).items()}
        by_number = {person.number: person for person in self.persons}
        taken = set(again.values())
        for i, places in enumerate(seen):
            if i in again:
                continue
            for number in chain([i + 1], count(1)):
                person = by_number.get(number)
                is_open = person is None or person.is_free or person.agreement(places, span) is None
                if is_open and number not in taken:
                    again[i] = number
                    taken.add(number)
                    break
        return [again[i] for i in range(len(seen))]


NOBODY = FilmPeople()


def kept_numbers(info: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the people of a reading, the subject first, from the info of the poses
    of one of them. Raises TypeError or ValueError for facts that la2ds did not write."""
    older = range(1, int(info.get("persons", 1)) + 1)
    return [int(number) for number in info.get("kept") or older]


class KnownPeople:
    """The people of the films of a project, from its tables, which are read when first needed."""

    def __init__(self, project: StoredProject) -> None:
        self._project = project

    def numbers_of(self, file: str) -> list[int]:
        """Return the numbers of the people of a film, in order. file: see core.clip.family."""
        return sorted(self._clips.get(file, {}))

    def of(self, file: str, clip_id: Callable[[int], str]) -> FilmPeople:
        """Return the known people of a film.

        Parameters
        ----------
        file
            The film, see core.clip.family.
        clip_id
            Returns the id of a person's clip of the part that will be read, by number.
        """
        persons = []
        for number, clips in sorted(self._clips.get(file, {}).items()):
            places = tuple(p for p in map(self._places, clips) if p is not None and len(p.frame))
            alone = set(clips) <= {clip_id(number)} and clip_id(number) in self._listed
            is_free = alone and not self._is_set(file, number)
            persons.append(KnownPerson(number, places, is_free))
        kept, subject = self._last_reading([clip_id(person.number) for person in persons])
        return FilmPeople(tuple(persons), kept, subject)

    def _last_reading(self, clips: Iterable[str]) -> tuple[tuple[int, ...], str]:
        """Return the numbers of the people whom the last reading of a part kept, and its choice."""
        here = [clip for clip in clips if clip in self._listed]
        numbers, subject = [int(family(clip)[1]) for clip in here], ""
        for clip in here:
            with suppress(ArtifactError, *_NO_FACTS):
                recipe, facts = artifact.read_header(self._project.pose_path(clip))
                if recipe.step != STEP:
                    continue
                subject = str(recipe.config.get("subject", ""))
                return tuple(kept_numbers(facts["info"])), subject
        rows = [self._table[clip] for clip in here if clip in self._table]
        return tuple(numbers), rows[0].subject if rows else ""

    def _places(self, clip: str) -> Places | None:
        """Return the places of a clip's person, from its poses, or else from people.csv."""
        with suppress(UserError):
            return self._project.person_places(clip)[1]
        return self._table[clip].places if clip in self._table else None

    @cached_property
    def _listed(self) -> dict[str, Video]:
        return {video.id: video for video in self._project.videos()}

    @cached_property
    def _table(self) -> dict[str, PersonRow]:
        return artifact.once(read_people, self._project.people_path)

    @cached_property
    def _clips(self) -> dict[str, dict[int, list[str]]]:
        """Ids of clips by film and number of the person, also of removed ones."""
        clips: dict[str, dict[int, list[str]]] = {}
        for clip in dict.fromkeys([*self._listed, *self._table]):
            file, number = family(clip)
            clips.setdefault(file, {}).setdefault(int(number), []).append(clip)
        return clips

    def _is_set(self, file: str, number: int) -> bool:
        return self._set is None or (file, str(number)) in self._set

    @cached_property
    def _set(self) -> Collection[tuple[str, str]] | None:
        """Films and numbers of people for whom the user has set something; None if a table cannot
        be read: then it may be anybody."""
        project, people = self._project, set()
        try:
            rows = [*self._listed.values(), *read_videos(project.aside("videos.csv"))]
            people |= {family(v.id) for v in rows if v.split or v.group or any(v.own.values())}
            listed = project.video_list()
            for name in {row.video for row in project.phase_table().rows}:
                people.add(listed.file_of(name) or family(name))
            for row in project.annotations():
                moments = [moment for moment in (row.at, row.other) if moment is not None]
                people |= {(moment.file, str(moment.person)) for moment in moments}
        except UserError:
            return None
        return people
