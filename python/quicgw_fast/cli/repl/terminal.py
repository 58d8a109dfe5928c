"""Lines of a terminal: with history and completion, and with what comes meanwhile above the prompt."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout

from quicgw_fast.cli.repl.language import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

KNOWN_ACTIONS = ("hello",)
"""What every gateway has."""


class Terminal:
    """A prompt with the name of who talks."""

    goes_on = True

    def __init__(self, openid: str) -> None:
        history = history_file()
        self._actions = set(KNOWN_ACTIONS) | actions_in(history)
        self._prompt = f"{openid if openid.isprintable() else ascii(openid)}> "
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=_Words(self._actions),
            complete_while_typing=False,
            output=create_output(sys.__stdout__),
        )

    async def next(self) -> str | None:
        """Wait for a line; Ctrl-C clears it, Ctrl-D is the end."""
        while True:
            try:
                with patch_stdout(raw=True):
                    return await self._session.prompt_async(self._prompt, handle_sigint=False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None

    def say(self, text: str) -> None:
        """Print it, above the prompt while there is one."""
        print("\n".join(f"· {line}" for line in text.splitlines()), flush=True)

    def reject(self, text: str) -> None:
        """Print it; there is another line."""
        self.say(text)

    def learn(self, action: str) -> None:
        """Complete it from now on."""
        self._actions.add(action)


class _Words(Completer):
    """The first word is a command, the second of ``call`` an action."""

    def __init__(self, actions: set[str]) -> None:
        self._actions = actions

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """Complete the word before the cursor (prompt-toolkit)."""
        words = document.text_before_cursor.lstrip().split(" ")
        if len(words) == 1:
            choices: Iterable[str] = COMMANDS
        elif len(words) == 2 and words[0] == "call":
            choices = sorted(self._actions)
        else:
            return
        for choice in choices:
            if choice.startswith(words[-1]):
                yield Completion(choice, start_position=-len(words[-1]))


def history_file() -> Path:
    """Return the file of lines that were typed, which only its owner may read: there may be anything in it."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    folder = Path(state) / "quicgw"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "repl_history"
    path.touch(mode=0o600)
    return path


def actions_in(history: Path) -> set[str]:
    """Return the actions that were called before."""
    lines = history.read_text(encoding="utf-8", errors="replace").splitlines()
    words = (line.removeprefix("+").split() for line in lines if line.startswith("+call "))
    return {found[1] for found in words if len(found) > 1}
