"""The two families of error: yours, which a retry cannot mend, and theirs, which it may."""

FOREIGN = (Exception, SystemExit)  # what a user's function or a model may end with: sys.exit() would end the task


class Misconfigured(ValueError):
    """What was asked cannot be done as it stands: a wrong name, a missing file, a batch that is empty.

    Operators turn it into a failure without retry. The message says where, what was wanted, what was found and
    what to do.
    """


class Unavailable(ConnectionError):
    """A service did not answer, or answered that it cannot now. Operators let Airflow retry it."""


class Refused(Misconfigured):
    """A gate said no: the evidence does not allow a publication, a promotion or a rollback."""


class Fenced(Misconfigured):
    """An earlier attempt of a task woke up after a later one had started; it may change nothing any more."""


class Unmeasured(Exception):
    """The database gave no figures: a statement ran past its limit, or met a value that it cannot compute with.

    A check turns it into findings that are unknown, with this as the reason.
    """


def bounded(text: object, limit: int = 500) -> str:
    """Give ``text`` on one line of at most ``limit`` characters, for use inside an error message."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
