"""Which of a module's options nobody may see, and a module that hides these and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Json = dict[str, Any]

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
"""What Ansible itself shows in such a value's place."""

_SECRET_KEYS = {
    "token", "client-key-data", "password", "id-token", "refresh-token", "access-token", "client-secret",
    "private_key", "private_key_id", "client_secret", "refresh_token",
}  # fmt: skip
"""Of kubeconfigs and of Google's credential files."""

MASK = b"********"
"""In a secret's place in an answer; as Ansible masks it."""

_PATHS = ("kubeconfig", "service_account_file", "external_account_file")
"""Options that name a file of credentials, and by mistake get what is in it."""

SECRET = re.compile(
    r"eyJ[\w-]+\.[\w-]*\.?[\w-]*|ya29\.[\w.-]+|-----BEGIN.*?(-----END[^-]*-----|$)", re.DOTALL
)
"""In others' words: JSON Web Tokens, Google's access tokens, and private keys."""

_TEXT = re.compile(r"\[?\{|eyJ|ewo|YXBpVmVyc2lvbj", re.ASCII)
"""How such a file begins that is JSON, and in base64 as secrets of a CI are kept, JSON or a kubeconfig."""


class Module(AnsibleModule):  # type: ignore[misc]
    """Hides the secrets in its options marked with ``no_log``.

    Of an option that is a dictionary Ansible would hide every value, "v1" and "service_account" included, wherever it
    occurs in a result, even within other words; and of the path of a kubeconfig the very file that could not be read.
    """

    params: Json

    def exit_json(self, **result: Any) -> None:
        self._hide()
        super().exit_json(**result)

    def fail_json(self, msg: str, **result: Any) -> None:
        """Ansible's own refusal of options comes here, too."""
        self._hide()
        super().fail_json(msg, **result)

    def _hide(self) -> None:
        self.no_log_values = secrets(self.argument_spec, self.params)
        self.params = shown(self.argument_spec, self.params)  # Ansible may show them.


def secrets(argument_spec: Json, params: Mapping[str, Any]) -> set[str]:
    """What nobody may see, wherever it occurs."""
    found: set[str] = set()
    for value in _hidden(argument_spec, params).values():
        if isinstance(value, str):
            found |= {value, *_within(_parsed(value))}
        else:
            found |= _within(value)
    found |= {bare for secret in found if (bare := secret.strip())}  # As it is sent.
    return found | {json.dumps(secret)[1:-1] for secret in found}


def shown(argument_spec: Json, params: Mapping[str, Any]) -> Json:
    """The options as a very talkative Ansible shows them."""
    return {**params, **dict.fromkeys(_hidden(argument_spec, params), HIDDEN)}


def is_text(path: str) -> bool:
    """Whether it is what is in a file of credentials, and not the path of one."""
    bare = path.strip(" \t\r\n'\"")
    return "\n" in bare or bool(_TEXT.match(bare))


def sound_token(token: str) -> str | None:
    """Without the blanks and line breaks around it; None where it could be no header, or was never handed out so."""
    bare = token.strip()
    return bare if re.fullmatch(r"[!-~]+", bare) and not re.search("[\"'`]", bare) else None


def _hidden(argument_spec: Json, params: Mapping[str, Any]) -> Json:
    given = {
        name: params.get(name)
        for name, option in argument_spec.items()
        if option.get("no_log") or name in _PATHS
    }
    return {
        name: value
        for name, value in given.items()
        if value and not (name in _PATHS and isinstance(value, str) and not is_text(value))
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _within(value: Any) -> set[str]:
    """The secrets somewhere in a kubeconfig or a credential file."""
    if isinstance(value, list):
        return {secret for item in value for secret in _within(item)}
    if not isinstance(value, Mapping):
        return set()
    found: set[str] = set()
    for name, inner in value.items():
        if name in _SECRET_KEYS and isinstance(inner, str) and inner:
            found.add(inner)
        else:
            found |= _within(inner)
    return found
