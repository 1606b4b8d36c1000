"""Cluster settings of a task: limits, retries, caching, GPU pool. kfp.local ignores them."""

from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask

# By default glibc returns large blocks to the system at once; training on a CPU allocates the same ones at every step.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)}


def imported(spec: Any) -> Any:
    """Import the spec at an address as an artifact; its name is its digest, so a second import reuses the first."""
    task = dsl.importer(artifact_uri=spec, artifact_class=dsl.Artifact, reimport=False)
    return task.set_display_name("spec").output


def light(task: PipelineTask) -> PipelineTask:
    """Settings of a task that mostly waits: little memory, retried."""
    return _limits(task, cpu="2", memory="4G")


def heavy(task: PipelineTask) -> PipelineTask:
    """Settings of a task that reads all data: more memory, retried."""
    for name, value in _KEEP_MEMORY.items():
        task.set_env_variable(name, value)
    return _limits(task, cpu="4", memory="16G")


def stateful(task: PipelineTask) -> PipelineTask:
    """Turn caching off for a task that reads or changes anything besides its artifacts."""
    return task.set_caching_options(False)


def on_gpu_pool(task: PipelineTask, accelerator: Any, count: Any, node_selector: Any, tolerations: Any) -> PipelineTask:
    """Run a task on the GPU pool that the pipeline's parameters describe."""
    from kfp import kubernetes

    task.set_accelerator_type(accelerator).set_accelerator_limit(count)
    # Otherwise kfp 2.17 compiles an accelerator parameter outside a sub-DAG into a dangling reference.
    task.register_pipeline_channels([accelerator, count])
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
    return task


def _limits(task: PipelineTask, cpu: str, memory: str) -> PipelineTask:
    task.set_cpu_request("1").set_cpu_limit(cpu).set_memory_request("1G").set_memory_limit(memory)
    return task.set_retry(num_retries=1, backoff_duration="10s")
