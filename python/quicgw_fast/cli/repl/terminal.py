"""Lines of a terminal: with history and completion, and with what comes meanwhile above the prompt."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout

from quicgw_fast.cli.repl.history import history_file, known_actions
from quicgw_fast.cli.repl.language import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document


class Terminal:
    """A prompt with the name of who talks."""

    goes_on = True

    def __init__(self, openid: str) -> None:
        self._actions = known_actions()
        self._prompt = f"{openid if openid.isprintable() else ascii(openid)}> "
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history_file())),
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
