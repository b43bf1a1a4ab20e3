"""The `fabgan` command. Nothing heavy is imported before a step runs, so that help answers at once."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.cores import keep_to_usable_cores
from components.errors import UserError
from components.steps import STEPS, load_parameters, run_augment, run_gather, run_step
from fabgan.pipeline import add_pipeline, run_pipeline_command
from fabgan.presets import apply_preset
from fabgan.summary import summarise

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit status: 0, or 1 with one line that says what to mend."""
    options = _parser().parse_args(arguments)
    keep_to_usable_cores()
    try:
        _run(options)
    except UserError as error:
        return _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or ", ".join(map(str, error.args))  # a library's own have nothing but their words
        return _fail(f"{where}{reason}; what was finished is kept: mend it and run the same command")
    except KeyboardInterrupt:
        sys.stderr.write("\nfabgan: interrupted; the same command goes on where it stopped\n")
        return INTERRUPTED
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"fabgan: error: {message}\n")
    return 1


def _run(options: argparse.Namespace) -> None:
    if options.command == "augment":
        run_augment(options)
        sys.stdout.write(f"{options.count} images of {options.model} and their manifest are in {options.out}\n")
    elif options.command == "gather":
        run_gather(options)
        sys.stdout.write(f"the manifest of {options.count} images is in {options.out}\n")
    elif options.command == "preset":
        apply_preset(options.params, options.name)
    elif options.command == "pipeline":
        run_pipeline_command(options)
    elif options.command == "summary":
        sys.stdout.write(summarise(options.metrics))
    else:
        metrics = _run_step(options)
        figures = "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        if figures:
            sys.stdout.write(f"{options.command}: {figures}\n")


def _run_step(options: argparse.Namespace) -> dict[str, float]:
    from components.files import write_json

    paths = {path: getattr(options, path) for path in STEPS[options.command].paths}
    metrics = run_step(options.command, load_parameters(options.params), paths)
    if metrics:
        write_json(options.metrics, metrics)
    return metrics


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fabgan",
        description="Train, judge and register generators of semiconductor package images, on your own computers.",
        epilog="The pipeline runs by `dvc repro`; dvc.yaml shows every step with its paths.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, step in STEPS.items():
        command = commands.add_parser(name, help=step.help, description=f"{step.help.capitalize()}.")
        _add_params(command)
        for path, text in step.paths.items():
            command.add_argument(f"--{path}", type=Path, required=True, metavar="PATH", help=text)
        command.add_argument("--metrics", type=Path, required=True, metavar="FILE", help="JSON file for the metrics")
    _add_augment(commands.add_parser("augment", help="pull a registered generator and make images"))
    _add_gather(commands.add_parser("gather", help="make one manifest of the shards that augment put into a bucket"))
    add_pipeline(
        commands.add_parser("pipeline", help="the same steps as a Kubeflow pipeline: compile, run here, submit")
    )
    preset = commands.add_parser("preset", help="write one of the presets of params.yaml into its sections")
    _add_params(preset)
    preset.add_argument("name", help="a key of `presets`")
    summary = commands.add_parser("summary", help="print the metrics of the last run, and what to do next")
    summary.add_argument("--metrics", type=Path, required=True, metavar="FOLDER", help="folder of the metrics files")
    return parser


def _add_params(command: argparse.ArgumentParser) -> None:
    command.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")


def _add_augment(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", required=True, help="models:/NAME@ALIAS or models:/NAME/NUMBER")
    command.add_argument("--count", type=int, required=True, help="how many images")
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same images; default: 0")
    command.add_argument("--label", default="", help="class of the images, where the model was trained with labels")
    command.add_argument("--first", type=int, default=0, help="index of the first image, for a shard; default: 0")
    out = "folder to fill, which must not exist yet, or s3://BUCKET/PREFIX"
    command.add_argument("--out", required=True, metavar="DIR", help=out)


def _add_gather(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", required=True, metavar="URL", help="s3://BUCKET/PREFIX that augment filled")
    command.add_argument("--count", type=int, required=True, help="how many images there are in all")
