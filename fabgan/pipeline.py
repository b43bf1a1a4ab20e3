"""`fabgan pipeline`: compile the pipelines for Kubeflow, run one on this machine, submit one, list what is pulled."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from components.errors import UserError

NAMES = ("training", "sweep", "augmentation")
DEFAULT_IMAGE = "fabgan:{version}"


def add_pipeline(command: argparse.ArgumentParser) -> None:
    """Add the subcommands of `fabgan pipeline`."""
    doors = command.add_subparsers(dest="door", required=True, metavar="COMMAND")
    compiled = doors.add_parser("compile", help="write the pipelines as files for Kubeflow")
    _add_source(compiled)
    compiled.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to fill; it is replaced")
    _add_run(doors.add_parser("run", help="run a pipeline on this machine, in processes or in containers"))
    _add_submit(doors.add_parser("submit", help="upload a pipeline to Kubeflow and start a run of it"))
    _add_train_job(doors.add_parser("train-job", help="print a TrainJob that trains across nodes, for kubectl apply"))
    images = doors.add_parser("images", help="list every image that a run and an installation pull")
    _add_source(images)


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument("--image", default="", help="image of the steps, by tag or digest; default: fabgan:VERSION")
    command.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")


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
    command.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    command.add_argument("--name", required=True, help="of the job")
    command.add_argument("--namespace", required=True, help="where it runs, and where the secrets of params.yaml are")
    command.add_argument(
        "--claim", required=True, help="volume claim with params.yaml and packages, shared by all nodes"
    )
    command.add_argument("--nodes", type=int, required=True, help="how many nodes")
    command.add_argument("--gpus", type=int, required=True, help="GPUs of each node, or 0 for its CPU")


def run_pipeline_command(options: argparse.Namespace) -> None:
    """Run one of the subcommands. Raises UserError for what a person can mend."""
    image = options.image or DEFAULT_IMAGE.format(version=version("fabgan"))
    if options.door == "compile":
        from pipeline.compile import compile_pipelines

        for path in compile_pipelines(image, options.params, options.output):
            sys.stdout.write(f"{path}\n")
    elif options.door == "images":
        from pipeline.images import every_image

        sys.stdout.writelines(f"{name}\n" for name in every_image(image, options.params))
    elif options.door == "train-job":
        import yaml

        from pipeline.train_job import train_job

        asked = {name: getattr(options, name) for name in ("name", "namespace", "claim", "nodes", "gpus")}
        sys.stdout.write(yaml.safe_dump(train_job(options.params, image, **asked), sort_keys=False))
    elif options.door == "run":
        from pipeline.local import run_pipeline

        page = run_pipeline(options.name, image, options.params, _form(options.set), options.runner, options.root)
        sys.stdout.write(f"{page}\n")
    else:
        from pipeline.submit import Kubeflow

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
