"""How tasks are placed in a Kubernetes cluster: secrets, endpoints, resources, GPUs, time limits."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from kfp import kubernetes

from fabgan.components.core.provenance import code_of
from fabgan.components.steps import STEPS

from .parameters import (
    AUTHORITIES,
    AUTHORITY_FOLDER,
    AUTHORITY_MAP,
    ENDPOINTS,
    MLFLOW_KEYS,
    PLANNING,
    RUN_ID,
    S3_KEYS,
    SHARED,
    USER,
    KubeflowParameters,
)

PLANNING_STEPS = ("settings", "finish")
RESOURCES = ("cpu", "memory", "cpu_limit", "memory_limit")
"""Outputs of the task that plans a run: what the pods after it request, and their limits.

Kubeflow's driver puts an output or field into a pod's resources only if it is text (backend/src/v2/driver/util.go,
resolvePodSpecInputRuntimeParameter). Of a number it makes nothing: a field of type integer would give no GPU.
"""
CHECKPOINTS = "/checkpoints"


class Placement(Protocol):
    """Prepares a task for the place where it runs."""

    def __call__(self, task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
        """Prepare the task of a step and return it.

        `chosen` has the outputs of the task that plans the run, its resources among them: RESOURCES and `gpus`, as
        text. `gpus` tells whether the task may have GPUs.
        """


class Cluster:
    """Prepares tasks for a Kubernetes cluster."""

    def __init__(self, settings: KubeflowParameters) -> None:
        self.settings = settings

    def __call__(self, task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
        """Set the secrets, endpoints, resources and limits of a task, and return it."""
        settings, place = self.settings, self.settings.steps[step]
        if step in PLANNING_STEPS:
            resources: Mapping[str, Any] = asdict(PLANNING)
        else:
            resources = chosen
            # kfp's compiler hands an output into a loop only if it is an input of a task there.
            task.channel_inputs.extend(chosen[name] for name in (*RESOURCES, *(["gpus"] if gpus else [])))
        task.set_cpu_request(resources["cpu"]).set_cpu_limit(resources["cpu_limit"])
        task.set_memory_request(resources["memory"]).set_memory_limit(resources["memory_limit"])
        if place.retries:
            task.set_retry(place.retries, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
        kubernetes.set_timeout(task, round(place.hours * 3600))
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        kubernetes.set_image_pull_secrets(task, [settings.image_pull_secret])
        kubernetes.use_secret_as_env(task, settings.s3_secret, {key: key for key in S3_KEYS})
        kubernetes.use_secret_as_env(task, settings.mlflow_secret, {key: key for key in MLFLOW_KEYS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {key: key for key in ENDPOINTS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {key: key for key in AUTHORITIES}, optional=True)
        kubernetes.use_config_map_as_volume(task, AUTHORITY_MAP, AUTHORITY_FOLDER, optional=True)
        kubernetes.use_field_path_as_env(task, "FABGAN_RUN", RUN_ID)
        if gpus:  # a training of a generator
            self._give_gpus(task, chosen["gpus"])
            self._keep_checkpoints(task)
        return task

    def _give_gpus(self, task: Any, gpus: Any) -> None:
        """Give a task as many GPUs as the form says when it runs, which may be none: its place is the same then."""
        settings = self.settings
        task.set_accelerator_type(settings.gpu_resource).set_accelerator_limit(gpus)
        kubernetes.empty_dir_mount(task, "shared-memory", SHARED, medium="Memory", size_limit=settings.shared_memory)
        for key, value in settings.gpu_node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in settings.gpu_tolerations:
            kubernetes.add_toleration(
                task, key=toleration.key, operator=toleration.operator, value=toleration.value, effect=toleration.effect
            )

    def _keep_checkpoints(self, task: Any) -> None:
        """Mount the claim, if there is one, where the task looks for its checkpoints."""
        if self.settings.checkpoint_claim:
            kubernetes.mount_pvc(task, self.settings.checkpoint_claim, CHECKPOINTS)
            task.set_env_variable("FABGAN_CHECKPOINTS", CHECKPOINTS)


def place_locally(task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
    """Prepare a task for this machine and return it.

    The code digest of its step is part of the cache key, so a step whose code has changed runs again.
    """
    if step in STEPS:
        task.set_env_variable("FABGAN_CODE", code_of(step))
    return task
