"""What stops the engine: a dataset that cannot be run, counts that do not add up, a want of memory. Never bad data."""

from __future__ import annotations


class EngineError(Exception):
    """The base of every error that the engine raises of itself; input and output errors pass through as they are."""


class TerminalEngineError(EngineError):
    """Trying again cannot help: somebody has to change the dataset, a secret or the engine."""


class TransientEngineError(EngineError):
    """Trying again, or trying with more memory, can help."""


class TerminalRuleError(TerminalEngineError):
    """A rule, bound, pattern or format of the dataset cannot be run."""


class TerminalReferenceError(TerminalEngineError):
    """A reference file is missing, unreadable, or its key is not unique."""


class TerminalSecretError(TerminalEngineError):
    """A mask needs a key that the environment does not hold."""


class AccountingError(TerminalEngineError):
    """Records went in that did not come out: a defect of the engine. Nothing is handed on."""


class TransientMemoryError(TransientEngineError):
    """The rules of a block needed more memory than there is."""
