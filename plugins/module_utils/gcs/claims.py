"""Claims to versions: whoever changes one, publisher or remover, holds its claim, of which there is one at a time."""

from __future__ import annotations

from typing import Any

from ..gcp.errors import ApiError, GoogleError
from ..saved_model.files import ModelFile
from .manifest import agree, files_of, parse_manifest
from .publish import CLAIMS, Busy, Claim, Refused, Version, removal_text, time_of
from .storage import Storage, uri

Json = dict[str, Any]

_TRIES = 3


class Claims:
    """The claims to a model's versions."""

    def __init__(self, storage: Storage, bucket: str, path: str) -> None:
        self._storage, self._bucket, self._path = storage, bucket, path

    def name(self, number: int) -> str:
        return f"{self._path}/{CLAIMS}/{number}.json"

    def of(self, number: int, item: Json | None) -> Claim | None:
        """The claim that was listed, with its content."""
        found = self._storage.read(self._bucket, self.name(number)) if item else None
        if item is None or found is None:
            return None
        text, generation = found
        return Claim(parse_manifest(text), generation or str(item["generation"]), time_of(item), text)

    def now(self, number: int, held: Claim | None) -> Claim | None:
        """The claim as it is; without reading it anew where it is the one that was held."""
        item = self._storage.object(self._bucket, self.name(number))
        if held is not None and item is not None and str(item["generation"]) == held.generation:
            return held
        return self.of(number, item)

    def to_publish(self, files: list[ModelFile], number: int, text: bytes) -> Claim:
        """Ours, or that of an earlier or other run with the same content. Raises ``Refused``."""
        for _unused in range(_TRIES):
            try:
                return self._make(number, text, "0")
            except ApiError as error:
                if error.status != 412:
                    raise
            claim = self.of(number, self._storage.object(self._bucket, self.name(number)))
            if claim is None:
                continue  # released at this moment
            if claim.removes:
                raise Refused(f"version {number} {claim.removal_words(number)}")
            if claim.manifest is None or not agree(files, files_of(claim.manifest)):
                raise Refused(
                    f"version {number} is being published with other content by {claim}. Wait for it to end, or "
                    "publish under another number"
                )
            return claim
        raise GoogleError(
            f"{uri(self._bucket, self.name(number))} comes and goes: several publishers are at this version."
        )

    def to_remove(self, version: Version) -> Claim:
        """Ours, in place of the claim that the version was seen with; or another remover's, whose work goes on.

        Raises ``Busy`` when the claim is another one by now.
        """
        held = version.claim
        if held is not None and held.removes:
            return held
        try:
            return self._make(version.number, removal_text(version), held.generation if held else "0")
        except ApiError as error:
            if error.status != 412:
                raise
            raise Busy(
                f"version {version.number} in {uri(self._bucket, self._path)} stays: somebody has begun to publish it"
            ) from error

    def release(self, number: int, claim: Claim) -> bool:
        """Whether it was still there to be released."""
        try:
            return self._storage.delete(self._bucket, self.name(number), claim.generation)
        except ApiError as error:
            if error.status != 412:
                raise
            return False  # somebody else's by now

    def give_up_removal(self, version: Version, claim: Claim) -> bool:
        """Puts back what was there before ``to_remove``; whether that was possible."""
        held = version.claim
        try:
            if held is None:
                self.release(version.number, claim)
            elif not held.removes:
                self._make(version.number, held.text, claim.generation)
        except ApiError as error:
            if error.is_kept:
                return False
            if error.status != 412:
                raise
        return True

    def _make(self, number: int, text: bytes, generation: str) -> Claim:
        made = self._storage.create(
            self._bucket, self.name(number), text, content_type="application/json", generation=generation
        )
        return Claim(parse_manifest(text), str(made["generation"]), time_of(made), text)
