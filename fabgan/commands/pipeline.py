"""`fabgan pipeline`: compile the Kubeflow pipelines and components, run or submit one, list their images."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

from .options import add_command, add_params, local_path

if TYPE_CHECKING:
    from .options import Subcommands

NAMES = ("training", "sweep", "augmentation", "defects")
DEFAULT_IMAGE = "fabgan:{version}"


def add(above: "Subcommands") -> None:
    """Add `fabgan pipeline` and its subcommands."""
    pipeline = add_command(above, "pipeline", "run the same steps as a Kubeflow pipeline: compile, run, submit")
    pipeline.set_defaults(run=_run)
    commands = pipeline.add_subparsers(dest="pipeline_command", required=True, metavar="COMMAND")
    compiled = add_command(commands, "compile", "write the pipelines as files for Kubeflow")
    _add_source(compiled)
    output = "folder to fill; an existing one is replaced"
    compiled.add_argument("--output", type=local_path, required=True, metavar="DIR", help=output)
    components = add_command(commands, "components", "write the components, for the pipelines of others")
    image = "container image of the components, with tag or digest; default: fabgan:VERSION"
    components.add_argument("--image", default="", help=image)
    components.add_argument("--output", type=local_path, required=True, metavar="DIR", help=output)
    owner = "who answers for the components; may be repeated"
    components.add_argument("--owner", action="append", required=True, metavar="NAME", help=owner)
    _add_run(add_command(commands, "run", "run a pipeline on this machine, in processes or in containers"))
    _add_submit(add_command(commands, "submit", "upload a pipeline to Kubeflow and start a run of it"))
    _add_check(add_command(commands, "check", "say what a cluster lacks for a run, before anything is submitted"))
    _add_train_job(add_command(commands, "train-job", "print the manifest of a TrainJob that trains across nodes"))
    images = add_command(commands, "images", "list every container image that a run or an installation pulls")
    _add_source(images)
    kubeflow = "manifests of your Kubeflow, whose images are compared with the list; exit with 1 if runs lack one"
    images.add_argument("--kubeflow", type=local_path, metavar="FILE", help=kubeflow)


def _add_source(command: argparse.ArgumentParser) -> None:
    image = "container image of the steps, with tag or digest; default: fabgan:VERSION"
    command.add_argument("--image", default="", help=image)
    add_params(command)


def _add_form(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", choices=NAMES, help="which pipeline")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value for a field of the pipeline's form; may be repeated",
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    _add_form(command)
    _add_source(command)
    command.add_argument("--runner", choices=("subprocess", "docker"), required=True, help="where the steps run")
    command.add_argument(
        "--root",
        type=local_path,
        default=Path("out/pipeline"),
        metavar="DIR",
        help="folder for all files of the run; default: out/pipeline",
    )


def _add_submit(command: argparse.ArgumentParser) -> None:
    _add_form(command)
    _add_source(command)
    command.add_argument(
        "--host",
        required=True,
        metavar="URL",
        help="address of Kubeflow Pipelines, such as https://kubeflow.fab.example/pipeline",
    )
    command.add_argument("--namespace", default="", help="namespace of your profile, if Kubeflow has profiles")
    command.add_argument("--experiment", default="fabgan", help="experiment that lists the run; default: fabgan")
    command.add_argument("--token-file", type=local_path, metavar="FILE", help="file that holds a bearer token")
    command.add_argument("--ca-file", type=local_path, metavar="FILE", help="PEM file of the certificate authority")
    wait = "wait for the end of the run; exit with 0 if it succeeded, else with 1"
    command.add_argument("--wait", action="store_true", help=wait)


def _add_check(command: argparse.ArgumentParser) -> None:
    _add_source(command)
    command.add_argument("--namespace", required=True, help="namespace in which Kubeflow runs your pipelines")
    command.add_argument("--size", default="", help="pod_size of the run; default: kubeflow.size of params.yaml")
    command.add_argument("--gpus", type=int, default=0, help="pod_gpus of the run; default: 0")
    dump = "file with the answers of kubectl, to check a cluster that cannot be reached; default: ask kubectl"
    command.add_argument("--dump", type=local_path, metavar="FILE", help=dump)


def _add_train_job(command: argparse.ArgumentParser) -> None:
    _add_source(command)
    command.add_argument("--name", required=True, help="name of the TrainJob")
    namespace = "namespace of the TrainJob, which has the secrets that params.yaml names"
    command.add_argument("--namespace", required=True, help=namespace)
    claim = "PersistentVolumeClaim with params.yaml and packages, shared by all nodes (ReadWriteMany)"
    command.add_argument("--claim", required=True, help=claim)
    size = "resources of each node: a key of kubeflow.sizes in params.yaml; default: kubeflow.size"
    command.add_argument("--size", default="", help=size)
    command.add_argument("--nodes", type=int, required=True, help="number of nodes")
    command.add_argument("--gpus", type=int, required=True, help="GPUs per node; 0 trains on the CPU")


def _run(options: argparse.Namespace) -> None:
    WORK[options.pipeline_command](options, options.image or DEFAULT_IMAGE.format(version=version("fabgan")))


def _compile(options: argparse.Namespace, image: str) -> None:
    from fabgan.pipeline.commands.compile import compile_pipelines

    sys.stdout.writelines(f"{path}\n" for path in compile_pipelines(image, options.params, options.output))


def _components(options: argparse.Namespace, image: str) -> None:
    from fabgan.pipeline.commands.components import write_components

    sys.stdout.writelines(f"{path}\n" for path in write_components(image, options.owner, options.output))


def _train_job(options: argparse.Namespace, image: str) -> None:
    import yaml

    from fabgan.pipeline.commands.train_job import train_job

    asked = {name: getattr(options, name) for name in ("name", "namespace", "claim", "size", "nodes", "gpus")}
    sys.stdout.write(yaml.safe_dump(train_job(options.params, image, **asked), sort_keys=False))


def _run_here(options: argparse.Namespace, image: str) -> None:
    from fabgan.pipeline.commands.local import run_pipeline

    page = run_pipeline(options.name, image, options.params, _form(options.set), options.runner, options.root)
    sys.stdout.write(f"{page}\n")


def _submit(options: argparse.Namespace, image: str) -> None:
    from fabgan.pipeline.commands.submit import Kubeflow

    kubeflow = Kubeflow(options.host, options.namespace, options.token_file, options.ca_file)
    run = kubeflow.submit(options.name, image, options.params, _form(options.set), options.experiment)
    sys.stdout.write(f"{run.url}\n")
    if options.wait:
        kubeflow.follow(run)


def _images(options: argparse.Namespace, image: str) -> None:
    """Print the images. Raises UserError if the given Kubeflow asks for one that is not in the list."""
    from fabgan.pipeline.commands.images import compare_with, every_image

    if options.kubeflow is None:
        sys.stdout.writelines(f"{name}\n" for name in every_image(image, options.params))
        return
    lines, lacking = compare_with(options.kubeflow)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if lacking:
        raise UserError(f"{', '.join(lacking)}: not in deploy/images.yaml; write them there, and make the bundle anew")


def _check(options: argparse.Namespace, image: str) -> None:
    """Print what a cluster lacks, with what to do. Raises UserError if it lacks anything."""
    from fabgan.pipeline.commands.check import check

    asked = {name: getattr(options, name) for name in ("namespace", "size", "gpus", "dump")}
    found = check(options.params, image, **asked)
    sys.stdout.writelines(f"{finding.what}\n    {finding.do}\n" for finding in found)
    if found:
        raise UserError(f"{len(found)} fault(s) stand in the way of a run in the namespace {options.namespace}")
    sys.stdout.write(f"nothing stands in the way of a run in the namespace {options.namespace}\n")


def _form(pairs: list[str]) -> dict[str, str]:
    form = dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)
    if len(form) < len(pairs):
        raise UserError(f"--set {' --set '.join(pairs)}: expected NAME=VALUE, with every NAME given once")
    return form


WORK = {
    "compile": _compile,
    "components": _components,
    "run": _run_here,
    "submit": _submit,
    "check": _check,
    "train-job": _train_job,
    "images": _images,
}
