"""`fabgan pipeline`: compile the pipelines for Kubeflow, run one on this machine, submit one, list what is pulled."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

from .options import add_params

if TYPE_CHECKING:
    from .options import Subcommands

NAMES = ("training", "sweep", "augmentation")
DEFAULT_IMAGE = "fabgan:{version}"


def add(above: "Subcommands") -> None:
    """Add `fabgan pipeline` and its subcommands."""
    pipeline = above.add_parser("pipeline", help="the same steps as a Kubeflow pipeline: compile, run here, submit")
    pipeline.set_defaults(run=_run)
    commands = pipeline.add_subparsers(dest="pipeline_command", required=True, metavar="COMMAND")
    compiled = commands.add_parser("compile", help="write the pipelines as files for Kubeflow")
    _add_source(compiled)
    compiled.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to fill; it is replaced")
    _add_run(commands.add_parser("run", help="run a pipeline on this machine, in processes or in containers"))
    _add_submit(commands.add_parser("submit", help="upload a pipeline to Kubeflow and start a run of it"))
    _add_train_job(commands.add_parser("train-job", help="print a TrainJob that trains across nodes"))
    images = commands.add_parser("images", help="list every image that a run and an installation pull")
    _add_source(images)


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument("--image", default="", help="image of the steps, by tag or digest; default: fabgan:VERSION")
    add_params(command)


def _add_form(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", choices=NAMES, help="which pipeline")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value of the pipeline's form; may be repeated",
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    _add_form(command)
    _add_source(command)
    command.add_argument("--runner", choices=("subprocess", "docker"), required=True, help="where the steps run")
    command.add_argument(
        "--root",
        type=Path,
        default=Path("out/pipeline"),
        metavar="DIR",
        help="folder for all of its files; default: out/pipeline",
    )


def _add_submit(command: argparse.ArgumentParser) -> None:
    _add_form(command)
    _add_source(command)
    command.add_argument(
        "--host", required=True, metavar="URL", help="Kubeflow Pipelines, such as https://kubeflow.fab.local/pipeline"
    )
    command.add_argument("--namespace", default="", help="the profile's namespace, of a Kubeflow with several users")
    command.add_argument("--experiment", default="fabgan", help="default: fabgan")
    command.add_argument("--token-file", type=Path, metavar="FILE", help="file with a bearer token")
    command.add_argument("--ca-file", type=Path, metavar="FILE", help="PEM file of the certificate authority")
    command.add_argument("--wait", action="store_true", help="follow the run; the exit status is its own")


def _add_train_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("--image", default="", help="image of the steps; default: fabgan:VERSION")
    add_params(command)
    command.add_argument("--name", required=True, help="of the job")
    command.add_argument("--namespace", required=True, help="where it runs, and where the secrets of params.yaml are")
    command.add_argument(
        "--claim", required=True, help="volume claim with params.yaml and packages, shared by all nodes"
    )
    command.add_argument("--nodes", type=int, required=True, help="how many nodes")
    command.add_argument("--gpus", type=int, required=True, help="GPUs of each node, or 0 for its CPU")


def _run(options: argparse.Namespace) -> None:
    image = options.image or DEFAULT_IMAGE.format(version=version("fabgan"))
    if options.pipeline_command == "compile":
        from fabgan.pipeline.commands.compile import compile_pipelines

        for path in compile_pipelines(image, options.params, options.output):
            sys.stdout.write(f"{path}\n")
    elif options.pipeline_command == "images":
        from fabgan.pipeline.commands.images import every_image

        sys.stdout.writelines(f"{name}\n" for name in every_image(image, options.params))
    elif options.pipeline_command == "train-job":
        import yaml

        from fabgan.pipeline.commands.train_job import train_job

        asked = {name: getattr(options, name) for name in ("name", "namespace", "claim", "nodes", "gpus")}
        sys.stdout.write(yaml.safe_dump(train_job(options.params, image, **asked), sort_keys=False))
    elif options.pipeline_command == "run":
        from fabgan.pipeline.commands.local import run_pipeline

        page = run_pipeline(options.name, image, options.params, _form(options.set), options.runner, options.root)
        sys.stdout.write(f"{page}\n")
    else:
        from fabgan.pipeline.commands.submit import Kubeflow

        kubeflow = Kubeflow(options.host, options.namespace, options.token_file, options.ca_file)
        run = kubeflow.submit(options.name, image, options.params, _form(options.set), options.experiment)
        sys.stdout.write(f"{run.url}\n")
        if options.wait:
            kubeflow.follow(run)


def _form(pairs: list[str]) -> dict[str, str]:
    form = dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)
    if len(form) < len(pairs):
        raise UserError(f"--set {' --set '.join(pairs)}: expected NAME=VALUE, each name once")
    return form
