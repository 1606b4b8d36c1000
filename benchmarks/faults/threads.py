"""Training next to other processes: the number of threads follows the CPU quota, and idle threads do not spin."""

from pathlib import Path
from statistics import median

from benchmarks.faults.fault import Fault, expect


def _training_beside_one_busy_process(folder: Path) -> str:
    from benchmarks.contention import FAIR, measure
    from models.cpus import usable_cpus

    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text("0::/pod/box\n")
    (folder / "sys/fs/cgroup/pod/box").mkdir(parents=True)
    (folder / "sys/fs/cgroup/pod/cpu.max").write_text("100000 100000\n")
    expect(usable_cpus(folder) == 1, "1 CPU under a pod's quota of one", usable_cpus(folder))
    found, cores = measure(rounds=4, seconds=2.0), usable_cpus()
    alone, beside = median(found["ours_alone"]), median(found["ours_beside_one"])
    share = beside / (alone * (cores - 0.5) / cores)
    expect(share >= FAIR, f"at least {FAIR} of the fair share next to one busy process", f"{share:.2f}")
    return f"{alone:,.0f} seeds/s alone, {beside:,.0f} beside one busy process: {share:.2f} of the fair share"


FAULTS = (Fault(24, "training keeps its share next to a busy process", _training_beside_one_busy_process),)
