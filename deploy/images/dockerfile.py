"""What the stages of deploy/Dockerfile are made of: which stage needs which, and which files they copy."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.images.errors import ImageError


@dataclass
class Stage:
    """A stage: the instructions after its FROM, one per element, continued lines joined."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def arguments(self, instruction: str) -> list[str]:
        """The arguments of each instruction of a kind, in order."""
        return [given for name, given in self.instructions if name == instruction]


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name, in order. Each must have a name."""
    found: dict[str, Stage] = {}
    stage = Stage("")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, given = " ".join(line.split()).partition(" ")
        if instruction == "FROM":
            base, _, name = given.partition(" AS ")
            stage = found[name] = Stage(base)
        else:
            stage.instructions.append((instruction, given))
    return found


def needed(target: str, every: dict[str, Stage]) -> list[str]:
    """The stages that a target is made of, itself first. Raises ImageError for a target that is not there."""
    if target not in every:
        raise ImageError(f"{target}: expected a target of deploy/Dockerfile, one of {', '.join(every)}")
    names, waiting = [], [target]
    while waiting:
        name = waiting.pop(0)
        if name in every and name not in names:
            names.append(name)
            copied = [word.removeprefix("--from=") for one in every[name].arguments("COPY") for word in one.split()[:1]]
            waiting += [every[name].base, *copied]
    return names


def sources(target: str, every: dict[str, Stage]) -> list[Path]:
    """The files and folders of the repository that a target copies, sorted."""
    found = set()
    for name in needed(target, every):
        for given in every[name].arguments("COPY"):
            if not given.startswith("--from="):
                found |= {Path(word) for word in given.split()[:-1]}
    return sorted(found)
