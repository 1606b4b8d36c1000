"""Errors in one line: those of the operating system (full disk, no permission), whichever library raised them."""

import errno

_PACKAGES = ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")
_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS)
_SIGNS = ("No space left on device", "database or disk is full", "File too large", "Disk quota exceeded")
"""How libraries that do not raise OSError report a full disk."""
_DATABASE = ("unable to open database file", "disk I/O error", "attempt to write a readonly database")


def system_error(error: BaseException) -> str | None:
    """One line for an error of the operating system, or one that was raised from it; None for any other error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionError | TimeoutError):
            found = seen or type(seen).__name__
            return f"a service: expected a response; found: {found}. Is it up, and its address right?"
        if isinstance(seen, ModuleNotFoundError) and seen.name:
            return (
                f"package {seen.name.partition('.')[0]}: expected it to be installed; found none. On a cluster, use "
                "the image that deploy/Dockerfile makes for this role; here, run: make setup"
            )
        if isinstance(seen, OSError):
            return _of_system(seen)
        if sign := _sign(str(seen), _SIGNS):
            return f"the disk: expected room to write; found: {sign}. Free it, or choose another folder"
        if sign := _sign(str(seen), _DATABASE):
            return f"a database: expected a file that can be written; found: {sign}. Free the disk, or check its rights"
        seen = seen.__cause__
    return None


def is_ours(error: BaseException) -> bool:
    """Whether the error is of a class of this project: its message is all that a user needs."""
    return type(error).__module__.partition(".")[0] in _PACKAGES


def one_line(error: BaseException) -> str:
    """Any error in one line of at most 400 characters, errors of the system as ``system_error`` puts them."""
    return " ".join((system_error(error) or str(error) or type(error).__name__).split())[:400]


def _of_system(error: OSError) -> str:
    where = error.filename or error.filename2 or "the disk"
    where = where.decode(errors="replace") if isinstance(where, bytes) else str(where)
    found = error.strerror or str(error) or type(error).__name__
    if error.errno in _ROOM or _sign(found, _SIGNS):
        return f"{where:.300}: expected room to write; found: {found}. Free the disk, or choose another folder"
    if error.errno in _RIGHTS:
        return f"{where:.300}: expected a place that may be read and written; found: {found}. Check its rights"
    if error.errno == errno.ENAMETOOLONG:
        return f"{where:.100}...: expected a name that the file system can hold; found: {found}. Choose a shorter one"
    return f"{where:.300}: expected a file or folder that can be used; found: {found}. Choose another one"


def _sign(text: str, signs: tuple[str, ...]) -> str | None:
    return next((sign for sign in signs if sign in text), None)
